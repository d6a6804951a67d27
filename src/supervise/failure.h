/* SPDX-License-Identifier: Apache-2.0
 * Why something could not be done, in the user's words: one sentence and what to do next, and the
 * exit status that belongs to it. Filled by src/supervise, printed by src/cli (nobody here prints).
 * May use libc. Must stay true: `text` is always a string without a newline at its end. */
#pragma once

#define PK_EXIT_REPORT 1      /* a report could not be made */
#define PK_EXIT_USAGE 2       /* the command line makes no sense */
#define PK_EXIT_FAILED 125    /* Peakline itself failed before the program ran */
#define PK_EXIT_NO_EXEC 126   /* the program was found and cannot be executed */
#define PK_EXIT_NOT_FOUND 127 /* no such program */

struct pk_failure {
    int status;
    char text[8192];
};

/* Fill `failure`; returns `error` (a negative errno), so that `return pk_failure_set(...)` reads
 * well. */
int pk_failure_set(struct pk_failure *failure, int error, int status, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
