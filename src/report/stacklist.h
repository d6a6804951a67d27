/* SPDX-License-Identifier: Apache-2.0
 * The stacks one after the other, each with all its frames: for formats that repeat them.
 *
 *     pk_stacklist_start(&list, &report->view);
 *     while (pk_stacklist_next(&list)) { list.frames, list.count, list.values }
 *     pk_stacklist_end(&list);
 *
 * May use view.h, tree.h, pool.h. Must stay true: the values of all stacks add up to the view's;
 * nothing recurses; what comes out is bounded (PK_STACKLIST_MAX_FRAMES), however deep the program
 * was: then frames are left out of the middle of the deepest stacks, never at either end, and a
 * frame in their place says so. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "report/view.h"

/* Frames of all stacks together beyond which the deepest are cut: about 50 MB of JSON. A recursion
 * 20,000 deep that holds something at each level would need 200 million. */
#define PK_STACKLIST_MAX_FRAMES 8000000u
#define PK_STACKLIST_MIN_DEPTH 128u /* what a stack keeps at least, half of it at either end */

/* Room for "[thread started at PATH:LINE]"; longer ones are cut. */
#define PK_STACKLIST_NAME_ROOM 4096u

struct pk_stacklist {
    const struct pk_view *view;
    struct pk_pool pool;

    /* The frames that occur, in order of first use: an index into the view's, PK_FRAME_ROOT for
     * "[no stack]", or PK_FRAME_FOLDED for "[frames left out]". */
    uint32_t table_count;
    int32_t *table;
    uint32_t cut_number;  /* index in `table` of "[frames left out]", or UINT32_MAX */
    uint32_t depth_limit; /* frames of a stack at most; UINT32_MAX: none is cut */

    /* The stack it stands at. */
    uint32_t node;
    uint32_t count;              /* at least 1 */
    const uint32_t *frames;      /* indices into `table`, outermost first */
    uint64_t values[PK_COLUMNS]; /* of this stack itself, without callees */

    uint32_t *depths;  /* by node */
    uint32_t *numbers; /* by frame of the view: its index in `table` */
    uint32_t *path;
    uint32_t *cut_path;
};

/* Before the first stack. Returns 0 or -ENOMEM; on failure nothing is held. */
int pk_stacklist_start(struct pk_stacklist *ret_list, const struct pk_view *view);

/* The next stack that has anything in any column; false behind the last. */
bool pk_stacklist_next(struct pk_stacklist *list);

/* Before the first stack again. */
void pk_stacklist_rewind(struct pk_stacklist *list);

/* The function's name of an entry of the table: "load", "[no stack]", "[frames left out]"; threads
 * say who started them: "[thread started at app.py:3]". `buffer` is used if needed; sets
 * *ret_file and *ret_line where there are any, else to NULL and 0. */
const char *pk_stacklist_name(const struct pk_stacklist *list, const struct pk_path_rules *rules,
                              uint32_t number, char *buffer, size_t size,
                              const struct pk_view_file **ret_file, uint32_t *ret_line);

void pk_stacklist_end(struct pk_stacklist *list);
