/* SPDX-License-Identifier: Apache-2.0
 * Lines from the page of the run. May use old_lines.h, page_context.h. */
#include "report/old_lines.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "report/page_context.h"

static bool is_stale(const struct pk_view_file *file) {
    return file->status != PK_SOURCE_SAME && file->path[0] == '/';
}

static bool has_stale(const struct pk_view *view) {
    bool is_found = false;
    for (uint32_t i = 0; i < view->file_count && !is_found; i++) {
        is_found = is_stale(&view->files[i]);
    }
    return is_found;
}

/* Made of this run, and when it was over: what was shown of a running program may be edited before
 * it ends, and the lines of a run are those at its end. */
static bool is_of_run(const struct pk_report *page, const struct pk_report *report) {
    bool is_running = report->run != NULL && report->run->outcome == PK_RUN_RUNNING;
    bool is_found = false;
    for (uint32_t i = 0; i < page->view.process_count && !is_found; i++) {
        is_found = page->view.processes[i].pid == pk_report_main(report)->pid;
    }
    return is_found && page->start_unix_ns == report->start_unix_ns / 1000000000 * 1000000000 &&
           (is_running || page->run->outcome != PK_RUN_RUNNING);
}

/* The page's lines of stale files, by the report's own numbers of files; and what each of these
 * files was like for the page: missing, where it has none of its lines. */
static int collect_lines(struct pk_report *report, const struct pk_report *page,
                         enum pk_file_status *ret_were) {
    const struct pk_view *view = &page->view;
    uint32_t *numbers = calloc(view->file_count, sizeof(*numbers)); // + 1; 0: not wanted
    uint32_t room = view->frame_count + page->old_line_count, count = 0;

    report->old_lines = pk_pool_array(&report->pool, room, sizeof(*report->old_lines));
    if (numbers == NULL || report->old_lines == NULL) {
        free(numbers);
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < report->view.file_count; i++) {
        ret_were[i] = PK_SOURCE_MISSING;
        for (uint32_t j = 0; j < view->file_count && is_stale(&report->view.files[i]); j++) {
            if (strcmp(view->files[j].path, report->view.files[i].path) == 0) {
                ret_were[i] = view->files[j].status;
                numbers[j] = ret_were[i] != PK_SOURCE_MISSING ? i + 1 : 0;
            }
        }
    }
    for (uint32_t i = 0; i < room; i++) {
        struct pk_page_line line;
        if (i < view->frame_count) {
            line = (struct pk_page_line){.file = view->functions[view->frames[i].function].file,
                                         .line = view->frames[i].line,
                                         .text = view->frames[i].source};
        } else {
            line = page->old_lines[i - view->frame_count];
        }
        if (numbers[line.file] > 0 && line.line > 0) {
            line.file = numbers[line.file] - 1;
            line.text = pk_pool_text(&report->pool, line.text, strlen(line.text));
            report->old_lines[count++] = line;
        }
    }
    free(numbers);
    qsort(report->old_lines, count, sizeof(*report->old_lines), pk_page_line_compare);
    report->old_line_count = count;
    return report->pool.failed ? -ENOMEM : 0;
}

static const struct pk_page_line *find_line(const struct pk_report *report, uint32_t file,
                                            uint32_t line) {
    struct pk_page_line wanted = {.file = file, .line = line};
    return bsearch(&wanted, report->old_lines, report->old_line_count, sizeof(wanted),
                   pk_page_line_compare);
}

static void give_lines(struct pk_report *report, enum pk_file_status *were) {
    struct pk_view *view = &report->view;

    // of a page without sources all texts are empty: such a file has nothing to give
    for (uint32_t i = 0; i < report->old_line_count; i++) {
        struct pk_view_file *file = &view->files[report->old_lines[i].file];
        file->is_old = file->is_old || report->old_lines[i].text[0] != '\0';
    }
    for (uint32_t i = 0; i < view->frame_count; i++) {
        struct pk_view_frame *frame = &view->frames[i];
        uint32_t file = view->functions[frame->function].file;
        if (view->files[file].is_old && frame->line > 0) {
            const struct pk_page_line *line = find_line(report, file, frame->line);
            frame->source = line != NULL ? line->text : frame->source;
            were[file] = line != NULL ? were[file] : view->files[file].status; // it stays so
        }
    }
    for (uint32_t i = 0; i < view->file_count; i++) {
        view->files[i].status = view->files[i].is_old ? were[i] : view->files[i].status;
    }
}

int pk_old_lines_take(struct pk_report *report, const char *dir) {
    char path[PATH_MAX], ignored[600];
    struct stat status;
    struct pk_report *page;
    uint64_t folded;

    if (!has_stale(&report->view) ||
        snprintf(path, sizeof(path), "%s/report.html", dir) >= (int)sizeof(path) ||
        stat(path, &status) < 0 || !S_ISREG(status.st_mode) || // a pipe would make us wait
        pk_report_load_page(path, &(struct pk_report_choice){0}, &page, &folded, ignored,
                            sizeof(ignored)) < 0) {
        return 0;
    }
    enum pk_file_status *were = calloc(report->view.file_count, sizeof(*were));
    int r = were == NULL              ? -ENOMEM
            : is_of_run(page, report) ? collect_lines(report, page, were)
                                      : 0;
    if (r >= 0) {
        give_lines(report, were);
    }
    free(were);
    pk_report_free(page);
    return r;
}

const char *pk_old_line(const struct pk_report *report, uint32_t file, uint32_t line) {
    const struct pk_page_line *found = find_line(report, file, line);
    return found != NULL ? found->text : "";
}
