/* SPDX-License-Identifier: Apache-2.0
 * From a page's data back to a report, so that every writer can write it. May use archive.h,
 * json_parts.h, json_tree.h, page_context.h, profile.h. Must stay true: the data is checked
 * (pk_profile_parse) before it is used, and what that does not look at is checked here; each column
 * adds up as in the page. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/attr.h"
#include "report/archive.h"
#include "report/json_parts.h"
#include "report/json_tree.h"
#include "report/model.h"
#include "report/page_context.h"
#include "report/profile.h"
#include "report/redact.h"

/* The elements of a list, one after the other; values of nothing behind its end. */
struct list {
    const struct pk_json_value *next;
};

static struct list list_of(const struct pk_json_value *table, const char *key) {
    const struct pk_json_value *array = pk_json_member(table, key);
    return (struct list){.next = array->kind == PK_JSON_BEGIN_ARRAY ? array->first : NULL};
}

static int64_t take_number(struct list *list) {
    int64_t number = list->next != NULL ? list->next->number : 0;
    list->next = list->next != NULL ? list->next->next : NULL;
    return number;
}

static const char *take_text(struct list *list) {
    bool is_text = list->next != NULL && list->next->kind == PK_JSON_STRING;
    const char *text = is_text ? list->next->text : "";
    list->next = list->next != NULL ? list->next->next : NULL;
    return text;
}

/* An index below `count`, or `otherwise`. */
static int32_t bound(int64_t index, uint32_t count, int32_t otherwise) {
    return index >= 0 && index < (int64_t)count ? (int32_t)index : otherwise;
}

/* Files, functions and frames, and one more of each for what the page has folded together. */
static int fill_names(struct pk_view *view, const struct pk_json_value *data) {
    const struct pk_json_value *files = pk_json_member(data, "files");
    const struct pk_json_value *functions = pk_json_member(data, "functions");
    const struct pk_json_value *frames = pk_json_member(data, "frames");
    struct list path = list_of(files, "path"), kind = list_of(files, "kind");
    struct list status = list_of(files, "status"), name = list_of(functions, "name");
    struct list file = list_of(functions, "file"), what = list_of(functions, "kind");
    struct list function = list_of(frames, "function"), line = list_of(frames, "line");
    struct list by = list_of(frames, "started_by"), source = list_of(frames, "source");

    view->file_count = pk_json_member(files, "path")->count + 1;
    view->function_count = pk_json_member(functions, "name")->count + 1;
    view->frame_count = pk_json_member(frames, "function")->count + 1;
    view->files = calloc(view->file_count, sizeof(*view->files));
    view->functions = calloc(view->function_count, sizeof(*view->functions));
    view->frames = calloc(view->frame_count, sizeof(*view->frames));
    if (view->files == NULL || view->functions == NULL || view->frames == NULL) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i + 1 < view->file_count; i++) {
        view->files[i] = (struct pk_view_file){
            .path = take_text(&path),
            .kind = (enum pk_file_kind)bound(take_number(&kind), PK_FILE_NONE + 1, PK_FILE_NONE),
            .status = (enum pk_file_status)bound(take_number(&status), PK_SOURCE_CHANGED + 1,
                                                 PK_SOURCE_SAME)};
    }
    for (uint32_t i = 0; i + 1 < view->function_count; i++) {
        view->functions[i] = (struct pk_view_function){
            .name = take_text(&name),
            .file = (uint32_t)bound(take_number(&file), view->file_count, 0),
            .kind = (uint32_t)bound(take_number(&what), PK_VIEW_PROCESS + 1, PK_FUNCTION_UNKNOWN)};
    }
    for (uint32_t i = 0; i + 1 < view->frame_count; i++) {
        view->frames[i] = (struct pk_view_frame){
            .function = (uint32_t)bound(take_number(&function), view->function_count, 0),
            .line = (uint32_t)bound(take_number(&line), INT32_MAX, 0),
            .started_by = bound(take_number(&by), view->frame_count, PK_FRAME_ROOT),
            .source = take_text(&source)};
    }
    view->files[view->file_count - 1] = (struct pk_view_file){.path = "", .kind = PK_FILE_NONE};
    view->functions[view->function_count - 1] = (struct pk_view_function){
        .name = "[folded together]", .file = view->file_count - 1, .kind = PK_FUNCTION_DROPPED};
    view->frames[view->frame_count - 1] = (struct pk_view_frame){
        .function = view->function_count - 1, .started_by = PK_FRAME_ROOT, .source = ""};
    return 0;
}

/* The lines around those of frames. */
static int fill_context(struct pk_report *report, const struct pk_json_value *data) {
    const struct pk_json_value *context = pk_json_member(pk_json_member(data, "page"), "context");
    struct list file = list_of(context, "file"), line = list_of(context, "line");
    struct list text = list_of(context, "text");
    uint32_t count = pk_json_member(context, "text")->count;

    report->old_lines = pk_pool_array(&report->pool, count, sizeof(*report->old_lines));
    if (report->old_lines == NULL) {
        return -ENOMEM;
    }
    report->old_line_count = count;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t of = (uint32_t)bound(take_number(&file), report->view.file_count, 0);
        int64_t distance = bound(take_number(&line), INT32_MAX, 0);
        bool is_same = i > 0 && report->old_lines[i - 1].file == of;
        int64_t before = is_same ? (int64_t)report->old_lines[i - 1].line : 0;
        report->old_lines[i] =
            (struct pk_page_line){.file = of,
                                  .line = (uint32_t)bound(before + distance, INT32_MAX, 0),
                                  .text = take_text(&text)};
    }
    return 0;
}

/* A frame of the page; what is folded is the frame made for it. */
static int32_t frame_of(const struct pk_view *view, int64_t frame) {
    return frame == PK_FRAME_FOLDED ? (int32_t)view->frame_count - 1
                                    : bound(frame, view->frame_count - 1, PK_FRAME_ROOT);
}

static int fill_tree(struct pk_view *view, const struct pk_json_value *data) {
    const struct pk_json_value *stacks = pk_json_member(data, "stacks");
    struct list up = list_of(stacks, "up"), frames = list_of(stacks, "frame");
    struct pk_tree *tree = &view->tree;

    tree->count = pk_json_member(stacks, "up")->count;
    tree->up = pk_pool_array(&view->pool, tree->count, sizeof(*tree->up));
    tree->frames = pk_pool_array(&view->pool, tree->count, sizeof(*tree->frames));
    for (unsigned column = 0; column < PK_LEN(tree->columns); column++) {
        tree->columns[column] =
            pk_pool_array(&view->pool, tree->count, sizeof(*tree->columns[column]));
    }
    if (view->pool.failed) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < tree->count; i++) {
        int64_t distance = take_number(&up);
        int32_t frame = frame_of(view, take_number(&frames));
        if ((i == 0) != (frame == PK_FRAME_ROOT)) {
            return -EBADMSG; // a key stands twice: not what was checked
        }
        tree->up[i] = i == 0 ? 0 : distance > 0 && distance <= i ? (uint32_t)distance : i;
        tree->frames[i] = frame;
    }
    for (unsigned column = 0; column < PK_COLUMNS; column++) {
        struct list values = list_of(stacks, pk_json_columns[column]);
        for (uint32_t i = 0; i < tree->count; i++) {
            int64_t value = take_number(&values);
            tree->columns[column][i] = value > 0 ? (uint64_t)value : 0;
            view->totals[column] += tree->columns[column][i];
        }
    }
    const struct pk_json_value *peak = pk_json_member(data, "peak");
    bool adds_up = view->peak_bytes == pk_json_member_number(peak, "bytes") &&
                   view->peak_blocks == pk_json_member_number(peak, "blocks");
    return tree->count > 0 && adds_up ? 0 : -EBADMSG;
}

static int fill_blame(struct pk_view *view, const struct pk_json_value *data) {
    const struct pk_json_value *blame = pk_json_member(data, "blame");
    struct list frames = list_of(blame, "frame"), columns[PK_COLUMNS];

    view->blame_count = pk_json_member(blame, "frame")->count;
    view->blame = pk_pool_array(&view->pool, view->blame_count, sizeof(*view->blame));
    if (view->blame == NULL) {
        return -ENOMEM;
    }
    for (unsigned column = 0; column < PK_COLUMNS; column++) {
        columns[column] = list_of(blame, pk_json_columns[column]);
    }
    for (uint32_t i = 0; i < view->blame_count; i++) {
        struct pk_view_blame *line = &view->blame[i];
        line->frame = frame_of(view, take_number(&frames));
        for (unsigned column = 0; column < PK_COLUMNS; column++) {
            int64_t value = take_number(&columns[column]);
            line->columns[column] = value > 0 ? (uint64_t)value : 0;
        }
        bool is_next = view->peak_blame_count == i && (line->bytes > 0 || line->blocks > 0);
        view->peak_blame_count += is_next ? 1u : 0u;
    }
    return 0;
}

static int fill_processes(struct pk_view *view, const struct pk_json_value *data) {
    const struct pk_json_value *array = pk_json_member(data, "processes");
    const struct pk_json_value *one = array->kind == PK_JSON_BEGIN_ARRAY ? array->first : NULL;

    view->process_count = one != NULL ? array->count : 1; // there is always a first
    view->processes = pk_pool_array(&view->pool, view->process_count, sizeof(*view->processes));
    if (view->processes == NULL) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < view->process_count; i++, one = one != NULL ? one->next : NULL) {
        static const struct pk_json_value none = {.kind = PK_JSON_NULL};
        const struct pk_json_value *from = one != NULL ? one : &none;
        const struct pk_json_value *frame = pk_json_member(from, "frame");
        view->processes[i] = (struct pk_view_process){
            .pid = (uint32_t)pk_json_member_number(from, "pid"),
            .parent_pid = (uint32_t)pk_json_member_number(from, "parent_pid"),
            .frame = frame->kind == PK_JSON_NUMBER ? frame_of(view, frame->number) : PK_FRAME_ROOT,
            .command = pk_json_member_text(from, "command"),
            .label = pk_json_member_text(from, "label"),
            .ledger = pk_json_member_text(from, "ledger"),
            .python = pk_json_member_text(from, "python"),
            .python_note = "",
            .took_part = pk_json_member(from, "shown")->kind == PK_JSON_TRUE,
            .failed_frame = PK_FRAME_ROOT,
            .failed_allocs = pk_json_member_number(from, "failed_allocs"),
            .peak_bytes = pk_json_member_number(from, "peak_bytes"),
            .tree_bytes = pk_json_member_number(from, "bytes_at_tree_peak")};
    }
    return 0;
}

static int fill_maps(struct pk_view *view, const struct pk_json_value *data) {
    struct list maps = list_of(data, "maps");
    view->map_count = pk_json_member(data, "maps")->count;
    view->maps = pk_pool_array(&view->pool, view->map_count, sizeof(*view->maps));
    for (uint32_t i = 0; view->maps != NULL && i < view->map_count && maps.next != NULL; i++) {
        view->maps[i] =
            (struct pk_view_map){.path = pk_json_member_text(maps.next, "path"),
                                 .most_bytes = pk_json_member_number(maps.next, "bytes")};
        maps.next = maps.next->next;
    }
    return view->maps == NULL ? -ENOMEM : 0;
}

/* Texts of a list, NULL-terminated, each owned; NULL: not enough memory. */
static char **copy_texts(const struct pk_json_value *array) {
    char **texts = calloc((size_t)array->count + 1, sizeof(*texts));
    struct list list = {.next = array->kind == PK_JSON_BEGIN_ARRAY ? array->first : NULL};
    for (uint32_t i = 0; texts != NULL && i < array->count; i++) {
        texts[i] = strdup(take_text(&list));
    }
    return texts;
}

static char *copy_unless_empty(const char *text) {
    return text[0] != '\0' ? strdup(text) : NULL;
}

static int fill_run(struct pk_report *report, const struct pk_json_value *data) {
    static const char *const outcomes[] = {"unknown", "exit", "signal", "running"};
    const struct pk_json_value *run = pk_json_member(data, "run");
    const struct pk_json_value *outcome = pk_json_member(run, "outcome");
    const struct pk_json_value *peak = pk_json_member(data, "peak");
    struct tm parts = {0};

    report->run = calloc(1, sizeof(*report->run));
    if (report->run == NULL) {
        return -ENOMEM;
    }
    *report->run =
        (struct pk_run_info){.tool = copy_unless_empty(pk_json_member_text(data, "tool")),
                             .argv = copy_texts(pk_json_member(run, "command")),
                             .directory = copy_unless_empty(pk_json_member_text(run, "directory")),
                             .headline = copy_unless_empty(pk_json_member_text(run, "headline")),
                             .code = (int)pk_json_member(outcome, "code")->number,
                             .signal = (int)pk_json_member(outcome, "signal")->number,
                             .rss_peak_bytes = pk_json_member_number(peak, "rss_bytes"),
                             .pss_peak_bytes = pk_json_member_number(peak, "pss_bytes"),
                             .swap_peak_bytes = pk_json_member_number(peak, "swap_bytes")};
    for (unsigned i = 0; i < sizeof(outcomes) / sizeof(outcomes[0]); i++) {
        if (strcmp(pk_json_member_text(outcome, "kind"), outcomes[i]) == 0) {
            report->run->outcome = (enum pk_run_outcome)i;
        }
    }
    report->rules.directory = report->run->directory;
    report->python = pk_json_member_text(run, "python");
    report->duration_ns = pk_json_member_seconds(run, "duration_s");
    report->peak_time_ns = pk_json_member_seconds(peak, "time_s");
    if (strptime(pk_json_member_text(run, "started"), "%Y-%m-%dT%H:%M:%SZ", &parts) != NULL) {
        report->start_unix_ns = (int64_t)timegm(&parts) * 1000000000;
    }
    snprintf(report->resident_note, sizeof(report->resident_note), "%s",
             pk_json_member_text(peak, "resident_note"));
    return report->run->argv == NULL ? -ENOMEM : 0;
}

static int fill_notes(struct pk_report *report, const struct pk_json_value *data) {
    const struct pk_json_value *failed = pk_json_member(data, "failed");
    struct list warnings = list_of(data, "warnings");

    report->warning_count = pk_json_member(data, "warnings")->count;
    report->warnings =
        pk_pool_array(&report->pool, report->warning_count, sizeof(*report->warnings));
    for (uint32_t i = 0; report->warnings != NULL && i < report->warning_count; i++) {
        report->warnings[i] = take_text(&warnings);
    }
    report->failed_allocs = pk_json_member_number(failed, "count");
    report->largest_failed_bytes = pk_json_member_number(failed, "bytes");
    report->failed_pid = (uint32_t)pk_json_member_number(failed, "pid");
    int64_t frame = pk_json_member(failed, "frame")->number;
    report->view.failed_frame =
        failed->kind == PK_JSON_NULL ? PK_FRAME_ROOT : frame_of(&report->view, frame);
    pk_report_say_failure(report);
    return report->warnings == NULL ? -ENOMEM : 0;
}

static int fill_report(struct pk_report *report, const struct pk_json_value *data) {
    struct pk_view *view = &report->view;
    int r = fill_names(view, data);
    r = r < 0 ? r : fill_context(report, data);
    r = r < 0 ? r : fill_tree(view, data);
    r = r < 0 ? r : fill_blame(view, data);
    r = r < 0 ? r : fill_processes(view, data);
    r = r < 0 ? r : fill_maps(view, data);
    r = r < 0 ? r : fill_run(report, data);
    r = r < 0 ? r : fill_notes(report, data);
    return r < 0 ? r : pk_holder_find(view, &report->holder);
}

int pk_report_from_page(const struct pk_archive *archive, const char *name,
                        struct pk_report **ret_report, uint64_t *ret_folded, char *error,
                        size_t error_size) {
    struct pk_profile *checked = NULL;
    const struct pk_json_value *data;

    *ret_report = NULL;
    int r = pk_profile_parse(archive->text, archive->size, name, &checked, error, error_size);
    pk_profile_free(checked);
    if (r < 0) {
        return r;
    }
    snprintf(error, error_size, "%s cannot be read: not enough memory", name);
    struct pk_report *report = calloc(1, sizeof(*report));
    r = report == NULL ? -ENOMEM : pk_json_tree(&report->pool, archive->text, archive->size, &data);
    r = r < 0 ? r : fill_report(report, data);
    if (r < 0) {
        if (r == -EFBIG) {
            snprintf(error, error_size,
                     "%s holds more data than Peakline reads; name its result directory", name);
        } else if (r == -EBADMSG) {
            snprintf(error, error_size,
                     "%s is damaged: its stacks do not fit together; name its result directory",
                     name);
        }
        pk_report_free(report);
        return r;
    }
    *ret_folded = pk_json_member_number(pk_json_member(data, "folded"), "stacks");
    *ret_report = report;
    return 0;
}

int pk_report_load_page(const char *path, const struct pk_report_choice *choice,
                        struct pk_report **ret_report, uint64_t *ret_folded, char *error,
                        size_t error_size) {
    struct pk_archive archive;

    *ret_report = NULL;
    int r = pk_archive_read(path, &archive, error, error_size);
    if (r < 0) {
        return r;
    }
    if (archive.is_page) {
        r = pk_report_from_page(&archive, path, ret_report, ret_folded, error, error_size);
    } else {
        snprintf(error, error_size,
                 "of the JSON document %s no other format can be made; name the report.html or the "
                 "result directory that it came from",
                 path);
        r = -EINVAL;
    }
    pk_archive_free(&archive); // the report has copies of its texts
    if (r >= 0 && choice->no_source) {
        pk_redact_sources(*ret_report);
    }
    if (r >= 0 && choice->redact) {
        r = pk_redact_names(*ret_report);
    }
    if (r < 0) {
        pk_report_free(*ret_report);
        *ret_report = NULL;
    }
    return r;
}
