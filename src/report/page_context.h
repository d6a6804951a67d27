/* SPDX-License-Identifier: Apache-2.0
 * Source lines around the lines that matter, for the cards and listings of the page.
 * May use model.h, source.h. Must stay true: nothing but lines that the page shows: two either side
 * of each line of the user's own code, and of each other line that holds a share worth a look. */
#pragma once

#include "report/model.h"

struct pk_page_line {
    uint32_t file; /* of the view */
    uint32_t line;
    const char *text;
};

/* By file, then by line. For qsort and bsearch. */
int pk_page_line_compare(const void *left, const void *right);

/* The lines, by file and number, without those that are a frame's own; none when the report is to
 * go without sources. Texts and list come from `pool`. Returns 0 or -ENOMEM. */
int pk_page_context(const struct pk_report *report, const struct pk_tree *tree,
                    struct pk_pool *pool, struct pk_page_line **ret_lines, uint32_t *ret_count);
