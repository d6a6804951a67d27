/* SPDX-License-Identifier: Apache-2.0
 * Annotations of a GitHub workflow: one command a line, which puts a note beside a line of code.
 *
 *     ::warning file=app/load.py,line=12,title=Peak memory::61.2 MiB (45.1 %) of the peak ...
 *
 * Also the same lines in one sentence. May use model.h, display.h, github_text.h. Must stay true:
 * nothing that comes from the program can begin a command of its own; only lines of the user's own
 * code. */
#include <string.h>

#include "report/display.h"
#include "report/github_text.h"
#include "report/model.h"

#define MAX_NOTES 5u     /* a workflow shows ten of a step at most */
#define LEAST_SHARE 100u /* a line with less than a hundredth of the peak is no news */

/* A blame line that is worth a note, else NULL. */
static const struct pk_view_frame *find_own_frame(const struct pk_report *report, uint32_t row) {
    const struct pk_view *view = &report->view;
    const struct pk_view_blame *blame = &view->blame[row];

    if (blame->frame < 0 || blame->bytes == 0 || blame->bytes < view->peak_bytes / LEAST_SHARE) {
        return NULL;
    }
    const struct pk_view_frame *frame = &view->frames[blame->frame];
    const struct pk_view_file *file = &view->files[view->functions[frame->function].file];
    return file->kind == PK_FILE_USER && frame->line > 0 ? frame : NULL;
}

int pk_write_github(const struct pk_report *report, FILE *out,
                    const struct pk_report_options *options) {
    const struct pk_view *view = &report->view;
    const char *root = options != NULL ? options->root : NULL;
    uint32_t notes = 0;

    for (uint32_t i = 0; i < view->peak_blame_count && notes < MAX_NOTES; i++) {
        const struct pk_view_frame *frame = find_own_frame(report, i);
        char bytes[PK_NUMBER_ROOM], share[PK_NUMBER_ROOM], peak[PK_NUMBER_ROOM], text[256];
        const char *path =
            frame != NULL ? view->files[view->functions[frame->function].file].path : "";
        if (!pk_github_is_file(path)) {
            continue;
        }
        fputs("::warning file=", out);
        pk_github_escape(out, pk_github_shorten(path, root), true);
        (void)snprintf(text, sizeof(text), "%s (%s) of the peak of %s",
                       pk_format_bytes(bytes, view->blame[i].bytes),
                       pk_format_share(share, view->blame[i].bytes, view->peak_bytes),
                       pk_format_bytes(peak, view->peak_bytes));
        fprintf(out, ",line=%u,title=Peak memory::", frame->line);
        pk_github_escape(out, text, false);
        putc('\n', out);
        notes++;
    }
    return 0;
}

size_t pk_report_name_lines(const struct pk_report *report, unsigned most, char *ret_text,
                            size_t size) {
    const struct pk_view *view = &report->view;
    size_t used = 0;
    unsigned named = 0;

    ret_text[0] = '\0';
    for (uint32_t i = 0; i < view->peak_blame_count && named < most; i++) {
        const struct pk_view_frame *frame = find_own_frame(report, i);
        char bytes[PK_NUMBER_ROOM], place[4096 + 32], clean[256];
        if (frame == NULL) {
            continue;
        }
        const char *path = view->files[view->functions[frame->function].file].path;
        (void)snprintf(place, sizeof(place), "%.4096s:%u", pk_path_spoken(&report->rules, path),
                       frame->line);
        (void)pk_text_clean_place(clean, sizeof(clean), place, 60, true);
        int length = snprintf(ret_text + used, size - used, "%s%s (%s)", named > 0 ? ", " : "",
                              clean, pk_format_bytes(bytes, view->blame[i].bytes));
        if (length < 0 || (size_t)length >= size - used) {
            ret_text[used] = '\0';
            break;
        }
        used += (size_t)length;
        named++;
    }
    return named;
}
