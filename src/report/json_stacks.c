/* SPDX-License-Identifier: Apache-2.0
 * See json_parts.h: which files, functions and frames there are to name, and the tables of them and
 * of the stacks. May use source.h. */
#include "report/json_parts.h"

#include <errno.h>
#include <string.h>

#include "report/source.h"

#define NONE UINT32_MAX

const char *const pk_json_columns[PK_COLUMNS] = {"bytes",      "blocks",      "end_bytes",
                                                 "end_blocks", "alloc_bytes", "alloc_blocks"};
const char *const pk_json_kinds[PK_MEMORY_KINDS] = {"heap_bytes", "map_bytes"};

static void select_one(uint32_t old, uint32_t *list, uint32_t *numbers, uint32_t *count) {
    if (numbers[old] == NONE) {
        numbers[old] = *count;
        list[(*count)++] = old;
    }
}

static void select_frame(struct pk_selection *selection, int32_t frame) {
    if (frame >= 0) {
        uint32_t function = selection->view->frames[frame].function;
        uint32_t file = selection->view->functions[function].file;
        select_one((uint32_t)frame, selection->frames, selection->frame_numbers,
                   &selection->frame_count);
        select_one(function, selection->functions, selection->function_numbers,
                   &selection->function_count);
        select_one(file, selection->files, selection->file_numbers, &selection->file_count);
    }
}

/* The frame, and what it refers to: the line that started a thread is never a thread itself. */
static void select_with_starter(struct pk_selection *selection, int32_t frame) {
    select_frame(selection, frame);
    if (frame >= 0) {
        select_frame(selection, selection->view->frames[frame].started_by);
    }
}

int pk_selection_make(const struct pk_report *report, const struct pk_tree *tree,
                      uint32_t blame_count, struct pk_selection *ret_selection) {
    const struct pk_view *view = &report->view;
    struct pk_selection *s = ret_selection;
    *s = (struct pk_selection){.view = view, .tree = tree, .blame_count = blame_count};
    s->frames = pk_pool_array(&s->pool, view->frame_count, sizeof(*s->frames));
    s->frame_numbers = pk_pool_array(&s->pool, view->frame_count, sizeof(*s->frame_numbers));
    s->functions = pk_pool_array(&s->pool, view->function_count, sizeof(*s->functions));
    s->function_numbers =
        pk_pool_array(&s->pool, view->function_count, sizeof(*s->function_numbers));
    s->files = pk_pool_array(&s->pool, view->file_count, sizeof(*s->files));
    s->file_numbers = pk_pool_array(&s->pool, view->file_count, sizeof(*s->file_numbers));
    if (s->pool.failed) {
        pk_pool_free(&s->pool);
        return -ENOMEM;
    }
    memset(s->frame_numbers, 0xff, view->frame_count * sizeof(*s->frame_numbers));
    memset(s->function_numbers, 0xff, view->function_count * sizeof(*s->function_numbers));
    memset(s->file_numbers, 0xff, view->file_count * sizeof(*s->file_numbers));
    for (uint32_t i = 0; i < tree->count; i++) {
        select_with_starter(s, tree->frames[i]);
    }
    for (uint32_t i = 0; i < blame_count; i++) {
        select_with_starter(s, view->blame[i].frame);
    }
    select_with_starter(s, view->failed_frame);
    select_with_starter(s, report->holder.thread_frame);
    for (uint32_t i = 0; i < view->failed_depth; i++) {
        select_with_starter(s, view->failed_stack[i]);
    }
    for (uint32_t i = 0; i < view->process_count; i++) {
        select_frame(s, view->processes[i].frame);
    }
    return 0;
}

int64_t pk_selection_frame(const struct pk_selection *selection, int32_t frame) {
    return frame < 0 ? frame : (int64_t)selection->frame_numbers[frame];
}

static void write_tables(struct pk_json *json, const struct pk_selection *s) {
    const struct pk_view *view = s->view;

    pk_json_object(json, "files");
    pk_json_array(json, "path");
    for (uint32_t i = 0; i < s->file_count; i++) {
        pk_json_text(json, NULL, view->files[s->files[i]].path);
    }
    pk_json_end_array(json);
    pk_json_array(json, "kind");
    for (uint32_t i = 0; i < s->file_count; i++) {
        pk_json_unsigned(json, NULL, view->files[s->files[i]].kind);
    }
    pk_json_end_array(json);
    pk_json_array(json, "status");
    for (uint32_t i = 0; i < s->file_count; i++) {
        pk_json_unsigned(json, NULL, view->files[s->files[i]].status);
    }
    pk_json_end_array(json);
    pk_json_end_object(json);

    pk_json_object(json, "functions");
    pk_json_array(json, "name");
    for (uint32_t i = 0; i < s->function_count; i++) {
        pk_json_text(json, NULL, view->functions[s->functions[i]].name);
    }
    pk_json_end_array(json);
    pk_json_array(json, "file");
    for (uint32_t i = 0; i < s->function_count; i++) {
        pk_json_unsigned(json, NULL, s->file_numbers[view->functions[s->functions[i]].file]);
    }
    pk_json_end_array(json);
    pk_json_array(json, "kind");
    for (uint32_t i = 0; i < s->function_count; i++) {
        pk_json_unsigned(json, NULL, view->functions[s->functions[i]].kind);
    }
    pk_json_end_array(json);
    pk_json_end_object(json);

    pk_json_object(json, "frames");
    pk_json_array(json, "function");
    for (uint32_t i = 0; i < s->frame_count; i++) {
        pk_json_unsigned(json, NULL, s->function_numbers[view->frames[s->frames[i]].function]);
    }
    pk_json_end_array(json);
    pk_json_array(json, "line");
    for (uint32_t i = 0; i < s->frame_count; i++) {
        pk_json_unsigned(json, NULL, view->frames[s->frames[i]].line);
    }
    pk_json_end_array(json);
    pk_json_array(json, "started_by");
    for (uint32_t i = 0; i < s->frame_count; i++) {
        pk_json_signed(json, NULL, pk_selection_frame(s, view->frames[s->frames[i]].started_by));
    }
    pk_json_end_array(json);
    pk_json_array(json, "source");
    for (uint32_t i = 0; i < s->frame_count; i++) {
        pk_json_text(json, NULL, view->frames[s->frames[i]].source);
    }
    pk_json_end_array(json);
    for (unsigned is_end = 0; is_end < 2; is_end++) {
        pk_json_array(json, is_end ? "end_column" : "column");
        for (uint32_t i = 0; i < s->frame_count; i++) {
            uint32_t part[2];
            bool is_known = pk_source_part(view, s->frames[i], &part[0], &part[1]);
            pk_json_signed(json, NULL, is_known ? (int64_t)part[is_end] : -1);
        }
        pk_json_end_array(json);
    }
    pk_json_end_object(json);
}

/* The tree, as distances to the caller (the page) or as its number, -1 for the root (the document).
 */
static void write_tree(struct pk_json *json, const struct pk_selection *s, bool with_distance) {
    const struct pk_tree *tree = s->tree;

    pk_json_object(json, "stacks");
    pk_json_array(json, with_distance ? "up" : "parent");
    for (uint32_t i = 0; i < tree->count; i++) {
        if (with_distance) {
            pk_json_unsigned(json, NULL, tree->up[i]);
        } else {
            pk_json_signed(json, NULL, i == 0 ? -1 : (int64_t)i - (int64_t)tree->up[i]);
        }
    }
    pk_json_end_array(json);
    pk_json_array(json, "frame");
    for (uint32_t i = 0; i < tree->count; i++) {
        pk_json_signed(json, NULL, pk_selection_frame(s, tree->frames[i]));
    }
    pk_json_end_array(json);
    for (unsigned column = 0; column < PK_COLUMNS; column++) {
        pk_json_array(json, pk_json_columns[column]);
        for (uint32_t i = 0; i < tree->count; i++) {
            pk_json_unsigned(json, NULL, tree->columns[column][i]);
        }
        pk_json_end_array(json);
    }
    pk_json_end_object(json);
}

/* What of the stacks' columns did not come from Python's allocators: a row for each stack and kind
 * that has any, since most have none. */
static void write_kinds(struct pk_json *json, const struct pk_tree *tree) {
    pk_json_object(json, "kinds");
    for (int field = -2; field < (int)PK_COLUMNS; field++) {
        pk_json_array(json, field == -2 ? "stack" : field == -1 ? "kind" : pk_json_columns[field]);
        for (uint32_t i = 0; i < tree->count * PK_MEMORY_KINDS; i++) {
            unsigned kind = i % PK_MEMORY_KINDS;
            uint32_t node = i / PK_MEMORY_KINDS;
            uint64_t any = 0;
            for (unsigned column = 0; column < PK_COLUMNS; column++) {
                any |= tree->columns[pk_kind_column(kind, column)][node];
            }
            if (any != 0) {
                pk_json_unsigned(json, NULL,
                                 field == -2 ? node
                                 : field == -1
                                     ? kind + 1
                                     : tree->columns[pk_kind_column(kind, (unsigned)field)][node]);
            }
        }
        pk_json_end_array(json);
    }
    pk_json_end_object(json);
}

void pk_json_stacks(struct pk_json *json, const struct pk_selection *selection,
                    bool with_distance) {
    write_tables(json, selection);
    write_tree(json, selection, with_distance);
    write_kinds(json, selection->tree);
}
