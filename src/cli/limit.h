/* SPDX-License-Identifier: Apache-2.0
 * `--fail-over SIZE`: a run whose peak is higher is a failed one.
 * May use report/. Must stay true: a program that failed itself keeps its own status; a limit that
 * could not be checked is never passed in silence. */
#pragma once

#include "cli/opts.h"
#include "report/report.h"
#include "supervise/outcome.h"

#include <stdint.h>

#define PK_EXIT_OVER 3 /* more memory than allowed */

struct pk_limit {
    const char *text; /* as it was given; NULL: there is none */
    uint64_t bytes;
};

/* Read --fail-over. Returns 0, or -EINVAL with `failure` filled (exit status 2). */
int pk_limit_take(const struct pk_opts *opts, struct pk_limit *ret_limit,
                  struct pk_failure *failure);

/* Compare the peak of `report` (NULL: there is none) with the limit, say so when it is over, and
 * change `outcome` if the program itself ended well. */
void pk_limit_judge(const struct pk_limit *limit, const struct pk_report *report,
                    struct pk_outcome *outcome);
