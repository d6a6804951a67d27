/* SPDX-License-Identifier: Apache-2.0
 * The JSON document: everything, for tools (docs/json.md). May use json_parts.h. Must stay true: it
 * leaves nothing out. */
#include "report/json_parts.h"

/* The blame lines spelled out: a tool needs no join to find the largest. */
static void write_blame_lines(struct pk_json *json, const struct pk_report *report) {
    const struct pk_view *view = &report->view;

    pk_json_array(json, "blame");
    for (uint32_t i = 0; i < view->blame_count; i++) {
        const struct pk_view_blame *blame = &view->blame[i];
        pk_json_object(json, NULL);
        pk_json_unsigned(json, "bytes", blame->bytes);
        pk_json_unsigned(json, "blocks", blame->blocks);
        if (blame->frame >= 0) {
            const struct pk_view_frame *frame = &view->frames[blame->frame];
            const struct pk_view_function *function = &view->functions[frame->function];
            const struct pk_view_file *file = &view->files[function->file];
            pk_json_text(json, "path", file->path);
            pk_json_unsigned(json, "line", frame->line);
            pk_json_text(json, "function", function->name);
            pk_json_text(json, "source", frame->source);
            pk_json_unsigned(json, "kind", file->kind);
        } else {
            pk_json_text(json, "path", "");
            pk_json_unsigned(json, "line", 0);
            pk_json_text(json, "function", "[no stack]");
            pk_json_text(json, "source", "");
            pk_json_unsigned(json, "kind", PK_FILE_NONE);
        }
        for (unsigned column = PK_END_BYTES; column < PK_COLUMNS; column++) {
            pk_json_unsigned(json, pk_json_columns[column], blame->columns[column]);
        }
        for (unsigned kind = 0; kind < PK_MEMORY_KINDS; kind++) {
            pk_json_unsigned(json, pk_json_kinds[kind],
                             blame->columns[pk_kind_column(kind, PK_PEAK_BYTES)]);
        }
        pk_json_unsigned(json, "largest_bytes", blame->largest_most);
        pk_json_unsigned(json, "largest_least_bytes", blame->largest_least);
        pk_json_end_object(json);
    }
    pk_json_end_array(json);
}

int pk_write_json(const struct pk_report *report, FILE *out) {
    struct pk_selection selection;
    struct pk_json json;

    int r = pk_selection_make(report, &report->view.tree, report->view.blame_count, &selection);
    if (r < 0) {
        return r;
    }
    pk_json_start(&json, out, PK_JSON_LINES);
    pk_json_head(&json, report, &selection);
    write_blame_lines(&json, report);
    pk_json_stacks(&json, &selection, false);
    pk_json_tail(&json, report, &selection, UINT32_MAX);
    pk_json_end_object(&json);
    pk_pool_free(&selection.pool);
    return r;
}
