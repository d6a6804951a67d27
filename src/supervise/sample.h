/* SPDX-License-Identifier: Apache-2.0
 * Looks at the processes of the run from outside, as cheaply as the kernel allows: resident memory
 * and swap of all, now and then the proportional size, and what their ledgers hold together. The
 * processes of the run are the program itself and whoever has a slot in DIR/tree. May use libc and
 * record/. Must stay true: at most 1 % of a core, by this process's own CPU clock; nothing is
 * allocated and nothing is written but DIR/timeline, so it may run at a memory limit. */
#pragma once

#include "record/timeline.h"
#include "record/tree.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct pk_sampler {
    struct pk_timeline timeline;
    struct pk_tree_page *tree; /* NULL: only the program itself is known */
    const char *directory;     /* of the result, absolute */
    pid_t program;
    int ledger_fd;          /* the program's own ledger; -1: not there yet */
    uint32_t ledger_number; /* of it: 0 none yet, 2 after one exec ... */
    uint64_t start_ns;      /* of the run; all times are CLOCK_MONOTONIC */
    uint64_t next_ns;       /* when to look again */
    uint64_t interval_ns;   /* to the next look */
    uint64_t pss_next_ns;
    uint64_t cpu_last_ns; /* own CPU time at the end of the last look */
    uint64_t cpu_spent_ns;
    uint64_t rss_last;
};

/* Before the program starts: makes DIR/timeline. `directory` and `tree` (may be NULL) are borrowed.
 * Returns 0 or a negative errno when the timeline could not be kept on the disk (the sampler works
 * all the same). */
int pk_sampler_start(const char *directory, struct pk_tree_page *tree, uint64_t start_unix_ns,
                     uint64_t start_mono_ns, struct pk_sampler *ret_sampler);

/* Look now, and decide when to look again (next_ns). */
void pk_sampler_take(struct pk_sampler *sampler, pid_t program);

/* Of no session in particular. 0 is one: the kernel's name for a session that was begun outside of
 * the container. */
#define PK_ANY_SESSION (-1)

/* How many processes of the run besides the program are alive; up to `room` of their pids. Without
 * those that are of another session than `session` (daemons), unless it is PK_ANY_SESSION. */
uint32_t pk_sampler_others(const struct pk_sampler *sampler, pid_t program, pid_t session,
                           pid_t *ret_pids, uint32_t room);

/* Marks the slots of processes that were seen once and are no more, where the kernel could not
 * (pk_tree_bury). pk_sampler_take does so too. */
void pk_sampler_bury(struct pk_sampler *sampler);

void pk_sampler_stop(struct pk_sampler *sampler);
