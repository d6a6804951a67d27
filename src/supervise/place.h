/* SPDX-License-Identifier: Apache-2.0
 * The result directory: made before the program runs, private to the user (mode 0700), and proven
 * to take a mebibyte, so that a full disk is noticed before hours of work and not after. May use
 * libc and record/. Must stay true: nothing that is not ours is ever removed or overwritten. */
#pragma once

#include "supervise/failure.h"

#include <limits.h>
#include <stdbool.h>
#include <time.h>

#define PK_RESULTS_DIRECTORY "peakline-result"

struct pk_place {
    char path[PATH_MAX];    /* absolute */
    char shown[PATH_MAX];   /* as the user would type it: relative if it was given so */
    char records[PATH_MAX]; /* where the run writes its records: `path`, or in memory (aside.h) */
    int records_lock;       /* descriptor that keeps cleaners off it; -1: none */
    int result;             /* descriptor of `path` if they are in memory; -1 */
    bool is_risky;          /* they should be in memory, and there is no room there */
    bool created;           /* it did not exist before */
    bool dated;             /* named by us: peakline-result/<time>-<name> */
    /* descriptor of the directory, locked until this process ends; -1: cannot be locked */
    int lock;
};

/* Make the result directory. `wanted` is -o DIR, or NULL for peakline-result/<time>-<name>. An
 * existing non-empty `wanted` is refused unless `force`, which removes the files of an older result
 * and leaves all others; with a file in it that is named like one of ours and is not, it is refused
 * all the same. One that another run writes into, or a process that outlived an older
 * run, is refused in any case. Returns 0, or a negative errno with `failure` filled (exit status
 * 125, nothing left behind). */
int pk_place_create(const char *wanted, bool force, const char *name, time_t now,
                    struct pk_place *ret_place, struct pk_failure *failure);

/* Fills `failure`: nothing can be written there for `error`, a negative errno. Returns `error`. */
int pk_place_refuse(const struct pk_place *place, int error, struct pk_failure *failure);

/* Point peakline-result/latest at it, if it lies there. A convenience: failing to is no reason to
 * stop. */
void pk_place_link_latest(const struct pk_place *place);

/* The run is over: move its records from memory into the result directory. Returns 0 (also when
 * they are there already), -EBUSY when a process still writes them, or another negative errno. */
int pk_place_settle(const char *directory);

/* The same for the run of our own, whose result directory may have been removed: then its records
 * are. One that was moved is found by whoever looks into it next. */
int pk_place_end(const struct pk_place *place);

/* Remove the files of ours that are in it. Returns 1 if others are there, 0 if not, or a negative
 * errno. */
int pk_place_clean(const char *directory);

/* Nothing ran: remove our files, and the directory if it was made here. */
void pk_place_discard(const struct pk_place *place);

/* Are there ledgers of the result `directory`? Returns 1, 0, or a negative errno when it cannot be
 * read. */
int pk_place_has_ledger(const char *directory);
