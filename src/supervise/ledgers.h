/* SPDX-License-Identifier: Apache-2.0
 * A glance at the headers of all ledgers of a run, for how it ended: who was cut short, what was
 * asked for in vain. May use libc and record/. Must stay true: a damaged
 * ledger is passed over. */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#define PK_LEDGERS_SHOWN 16u

struct pk_ledger_end {
    pid_t pid;
    uint64_t total_bytes; /* held when it ended */
};

struct pk_ledgers {
    uint32_t count;
    uint64_t failed_allocs; /* of all */
    uint64_t largest_failed_bytes;
    uint64_t end_mono_ns; /* when the last of those that said so ended; 0: none did */
    uint32_t alive;       /* still running */
    uint32_t cut_short;   /* ended without saying so: killed, crashed, or by _exit */
    struct pk_ledger_end ends[PK_LEDGERS_SHOWN]; /* of those, the largest ones, largest first */
};

/* Returns 0, or a negative errno when the directory cannot be read. */
int pk_ledgers_look(const char *directory, struct pk_ledgers *ret_ledgers);
