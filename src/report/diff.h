/* SPDX-License-Identifier: Apache-2.0
 * What changed between two runs, or two groups of runs: lines, stacks, and what is only noise.
 *
 *     pk_diff_start(&diff);
 *     pk_diff_add(diff, PK_DIFF_BEFORE, "old", error, sizeof(error));   // once or more a side
 *     pk_diff_add(diff, PK_DIFF_AFTER, "new", error, sizeof(error));
 *     pk_diff_make(diff);
 *     pk_diff_write(diff, PK_DIFF_TEXT, stdout, &options);
 *
 * May use amount.h, profile.h, match.h. Must stay true: the changes of all rows add up to the
 * difference of the two peaks, byte for byte, and so do those of all nodes, before and after each
 * by itself. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "report/amount.h"

enum pk_diff_which {
    PK_DIFF_BEFORE = 0,
    PK_DIFF_AFTER = 1,
};

enum pk_diff_format {
    PK_DIFF_TEXT,
    PK_DIFF_HTML,
    PK_DIFF_JSON,
    PK_DIFF_MARKDOWN,
    PK_DIFF_GITHUB,
};

struct pk_diff_options {
    unsigned width; /* columns for text; 0: 80 */
    bool color;
    bool utf8;
    const char *root; /* the checkout of the workflow, for PK_DIFF_GITHUB; NULL: unknown */
};

struct pk_diff;

/* Returns 0 or -ENOMEM. */
int pk_diff_start(struct pk_diff **ret_diff);

/* Add a run: a result directory, a ledger, a page or a JSON document. Returns 0, or a negative
 * errno and one sentence in `error` (no full stop): what is wrong and what to do. */
int pk_diff_add(struct pk_diff *diff, enum pk_diff_which which, const char *path, char *error,
                size_t error_size);

/* Compare; each side has at least one run. Of several runs of a side the one with the median peak
 * is shown, the others say how far its figures go up and down by themselves. Returns 0 or
 * -ENOMEM. */
int pk_diff_make(struct pk_diff *diff);

/* Returns 0, -EIO when the file did not take it, -ENOMEM. */
int pk_diff_write(const struct pk_diff *diff, enum pk_diff_format format, FILE *out,
                  const struct pk_diff_options *options);

/* The peak shown of a side. */
uint64_t pk_diff_peak(const struct pk_diff *diff, enum pk_diff_which which);

/* Has the peak grown by more than that, beyond the noise? Then `ret_sentence` says so. */
bool pk_diff_exceeds(const struct pk_diff *diff, const struct pk_amount *limit, char *ret_sentence,
                     size_t size);

/* NULL is fine. */
void pk_diff_free(struct pk_diff *diff);
