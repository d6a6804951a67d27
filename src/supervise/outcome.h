/* SPDX-License-Identifier: Apache-2.0
 * How the program ended, and ending the same way.
 * May use libc. Must stay true: whoever waits for peakline sees what waiting for the program would
 * have shown. */
#pragma once

#include <stdbool.h>

struct pk_outcome {
    bool by_signal;
    int code;   /* exit status, when not by a signal */
    int signal; /* its number, when by a signal */
};

/* From a wait status of a process that has ended. */
struct pk_outcome pk_outcome_from_status(int status);

/* End this process just so. A death by a signal leaves no core file: the program's own is the one
 * that matters. */
__attribute__((noreturn)) void pk_outcome_leave(const struct pk_outcome *outcome);
