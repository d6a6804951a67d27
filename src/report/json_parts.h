/* SPDX-License-Identifier: Apache-2.0
 * What the two JSON documents have in common: docs/json.md for tools (export_json.c), and the data
 * inside the page (page_out.c; page.h says where they differ). May use json.h, model.h. Must stay
 * true: numbers are integers or have three decimals; the order of keys never changes; columns of
 * one table have one length. */
#pragma once

#include "report/json.h"
#include "report/model.h"

/* Which files, functions and frames a tree and the blame lines need, in order of first use, under
 * new numbers. */
struct pk_selection {
    const struct pk_view *view;
    const struct pk_tree *tree;
    uint32_t blame_count; /* lines shown one by one; the others are one folded line */
    struct pk_pool pool;
    uint32_t *frames, *frame_numbers, frame_count; /* new to old, old to new */
    uint32_t *functions, *function_numbers, function_count;
    uint32_t *files, *file_numbers, file_count;
};

/* Of the report's view, with the first `blame_count` blame lines. `tree` is the view's or one
 * folded from it, borrowed. Returns 0; its pool is to be freed then; or -ENOMEM. */
int pk_selection_make(const struct pk_report *report, const struct pk_tree *tree,
                      uint32_t blame_count, struct pk_selection *ret_selection);

/* The new number of a frame of the view; PK_FRAME_ROOT and PK_FRAME_FOLDED stay what they are. */
int64_t pk_selection_frame(const struct pk_selection *selection, int32_t frame);

/* The members before the blame lines: format, peak, run, warnings, processes, timeline. */
void pk_json_head(struct pk_json *json, const struct pk_report *report,
                  const struct pk_selection *selection);

/* Those behind the blame lines: files, functions, frames, stacks, kinds. A stack's caller is said
 * as the distance to it (`up`, in the page) or as its number, -1 for the root (`parent`). */
void pk_json_stacks(struct pk_json *json, const struct pk_selection *selection, bool with_distance);

/* Those behind the stacks: maps (`max_maps` at most), failed, ledger. */
void pk_json_tail(struct pk_json *json, const struct pk_report *report,
                  const struct pk_selection *selection, uint32_t max_maps);

/* What the measures are called, by enum pk_column, and what of them is of a kind. */
extern const char *const pk_json_columns[PK_COLUMNS];
extern const char *const pk_json_kinds[PK_MEMORY_KINDS];
