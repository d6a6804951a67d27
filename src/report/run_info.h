/* SPDX-License-Identifier: Apache-2.0
 * What the writer and the reader of run.json share: its format, its names, and which members are
 * plain numbers. For run_info*.c only. */
#pragma once

#include "report/report.h"

#define PK_RUN_FORMAT 1
#define PK_RUN_OOM_KINDS 5u
#define PK_RUN_MAX_GROUPS 64u /* ancestors are hardly ever more than ten */

/* A member that is one number, by its key and its place in the struct. */
struct pk_run_number {
    const char *key;
    size_t offset;
};

extern const char *const pk_run_outcome_names[4];
extern const char *const pk_run_oom_names[PK_RUN_OOM_KINDS];

extern const struct pk_run_number pk_run_numbers[]; /* of pk_run_info, uint64_t */
extern const size_t pk_run_number_count;
extern const struct pk_run_number pk_run_oom_numbers[]; /* of pk_run_oom, uint64_t */
extern const size_t pk_run_oom_number_count;
extern const struct pk_run_number pk_run_group_numbers[]; /* of pk_run_group, int64_t */
extern const size_t pk_run_group_number_count;
