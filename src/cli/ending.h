/* SPDX-License-Identifier: Apache-2.0
 * How a run ended, as far as memory and the machine are concerned: from the kernel's counters, the
 * timeline and the ledgers into run.json, with the sentences that people read. May use supervise
 * and report. Must stay true: a kill for memory is only said where the kernel's own counters say
 * so. */
#pragma once

#include "report/report.h"
#include "supervise/limits.h"
#include "supervise/watch.h"

#define PK_ENDING_WARNINGS 8u

/* Texts that pk_run_info borrows. */
struct pk_ending {
    struct pk_limits before, after;
    struct pk_run_group groups[PK_LIMITS_MAX_GROUPS];
    char headline[1024];
    char text[PK_ENDING_WARNINGS][512];
    char *warnings[PK_ENDING_WARNINGS + 1];
    uint32_t warning_count;
};

/* The limits as they are now, into `info`. */
void pk_ending_begin(struct pk_ending *ending, struct pk_run_info *info);

/* One more sentence for the report (no line breaks, with its full stop). */
void pk_ending_warn(struct pk_ending *ending, struct pk_run_info *info, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The program has ended and was watched: outcome, sizes, what ran out, who still runs. */
void pk_ending_finish(struct pk_ending *ending, const char *directory,
                      const struct pk_watched *watched, const struct pk_sampler *sampler,
                      struct pk_run_info *info);

/* Nobody finished the run in `directory`, since its supervisor was killed: do it now, from what it
 * had written down at the start. Nothing happens if it is still at work, or has done it. */
void pk_ending_finish_late(const char *directory);

void pk_ending_release(struct pk_ending *ending);
