/* SPDX-License-Identifier: Apache-2.0
 * The data inside the page, for src/report/web and page_in.c: the document but for what page.h
 * says. May use json_parts.h, page_context.h. */
#include "report/json_parts.h"
#include "report/page_context.h"

#define MAX_MAPS 1000u

/* The blame lines as columns; those beyond the selection are one folded line. */
static void write_blame(struct pk_json *json, const struct pk_selection *s) {
    const struct pk_view *view = s->view;
    bool has_rest = s->blame_count < view->blame_count;

    pk_json_object(json, "blame");
    pk_json_array(json, "frame");
    for (uint32_t i = 0; i < s->blame_count; i++) {
        pk_json_signed(json, NULL, pk_selection_frame(s, view->blame[i].frame));
    }
    if (has_rest) {
        pk_json_signed(json, NULL, PK_FRAME_FOLDED);
    }
    pk_json_end_array(json);
    for (unsigned i = 0; i < PK_COLUMNS + PK_MEMORY_KINDS; i++) {
        bool is_kind = i >= PK_COLUMNS;
        unsigned column = is_kind ? pk_kind_column(i - PK_COLUMNS, PK_PEAK_BYTES) : i;
        uint64_t rest = 0;
        pk_json_array(json, is_kind ? pk_json_kinds[i - PK_COLUMNS] : pk_json_columns[i]);
        for (uint32_t line = 0; line < view->blame_count; line++) {
            if (line < s->blame_count) {
                pk_json_unsigned(json, NULL, view->blame[line].columns[column]);
            } else {
                rest += view->blame[line].columns[column];
            }
        }
        if (has_rest) {
            pk_json_unsigned(json, NULL, rest);
        }
        pk_json_end_array(json);
    }
    for (unsigned is_least = 0; is_least < 2; is_least++) {
        uint64_t rest = 0;
        pk_json_array(json, is_least ? "largest_least_bytes" : "largest_bytes");
        for (uint32_t line = 0; line < view->blame_count; line++) {
            const struct pk_view_blame *blame = &view->blame[line];
            uint64_t value = is_least ? blame->largest_least : blame->largest_most;
            if (line < s->blame_count) {
                pk_json_unsigned(json, NULL, value);
            } else {
                rest = value > rest ? value : rest;
            }
        }
        if (has_rest) {
            pk_json_unsigned(json, NULL, rest);
        }
        pk_json_end_array(json);
    }
    pk_json_end_object(json);
}

/* What the page leaves out, or null. */
static void write_folded(struct pk_json *json, const struct pk_view *view,
                         const struct pk_tree *tree) {
    uint64_t bytes = 0;
    uint32_t leaves = 0;

    for (uint32_t i = 0; i < tree->count; i++) {
        if (tree->frames[i] == PK_FRAME_FOLDED) {
            bytes += tree->bytes[i];
            leaves++;
        }
    }
    if (leaves == 0) {
        pk_json_null(json, "folded");
        return;
    }
    pk_json_object(json, "folded");
    pk_json_unsigned(json, "stacks", view->tree.count - (tree->count - leaves));
    pk_json_unsigned(json, "bytes", bytes);
    pk_json_end_object(json);
}

static int write_context(struct pk_json *json, const struct pk_report *report,
                         const struct pk_selection *s) {
    struct pk_pool pool = {0};
    struct pk_page_line *lines;
    uint32_t count;
    int r = pk_page_context(report, s->tree, &pool, &lines, &count);

    pk_json_object(json, "page");
    pk_json_object(json, "context");
    pk_json_array(json, "file");
    for (uint32_t i = 0; r >= 0 && i < count; i++) {
        pk_json_unsigned(json, NULL, s->file_numbers[lines[i].file]);
    }
    pk_json_end_array(json);
    pk_json_array(json, "line"); // from the one before it in the same file
    for (uint32_t i = 0; r >= 0 && i < count; i++) {
        bool is_same = i > 0 && lines[i].file == lines[i - 1].file;
        pk_json_unsigned(json, NULL, lines[i].line - (is_same ? lines[i - 1].line : 0));
    }
    pk_json_end_array(json);
    pk_json_array(json, "text");
    for (uint32_t i = 0; r >= 0 && i < count; i++) {
        pk_json_text(json, NULL, lines[i].text);
    }
    pk_json_end_array(json);
    pk_json_end_object(json);
    pk_json_end_object(json);
    pk_pool_free(&pool);
    return r;
}

int pk_write_page_data(const struct pk_report *report, uint32_t max_nodes, uint32_t max_blame,
                       FILE *out) {
    struct pk_pool pool = {0};
    struct pk_tree tree;
    struct pk_selection selection;
    struct pk_json json;

    uint32_t blame_count =
        report->view.blame_count < max_blame ? report->view.blame_count : max_blame;
    int r = pk_tree_fold(&pool, &report->view.tree, max_nodes, PK_BY_PEAK | PK_BY_END | PK_BY_ALLOC,
                         &tree);
    if (r >= 0) {
        r = pk_selection_make(report, &tree, blame_count, &selection);
    }
    if (r < 0) {
        pk_pool_free(&pool);
        return r;
    }
    pk_json_start(&json, out, PK_JSON_HTML);
    pk_json_head(&json, report, &selection);
    write_blame(&json, &selection);
    pk_json_stacks(&json, &selection, true);
    pk_json_tail(&json, report, &selection, MAX_MAPS);
    write_folded(&json, &report->view, &tree);
    r = write_context(&json, report, &selection);
    pk_json_end_object(&json);
    pk_pool_free(&selection.pool);
    pk_pool_free(&pool);
    return r;
}
