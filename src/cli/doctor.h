/* SPDX-License-Identifier: Apache-2.0
 * The checks of `peakline doctor` that need no Python: machine, limits, environment, disk. Each
 * prints one line, with what to do if there is something to do. May use everything below. */
#pragma once

#include <stdbool.h>

enum pk_finding {
    PK_FINDING_OK,
    PK_FINDING_NOTE,    /* the measurement works, and is weaker or slower than it could be */
    PK_FINDING_PROBLEM, /* there would be none */
};

/* One line. Returns false for a problem. */
bool pk_doctor_say(enum pk_finding finding, const char *what, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Each returns false if there is a problem. */
bool pk_doctor_check_machine(void);
bool pk_doctor_check_proc(void);
bool pk_doctor_check_memory(void);
bool pk_doctor_check_limits(void);
bool pk_doctor_check_environment(void);
bool pk_doctor_check_library(const char *runtime); /* the place that it lies in */
bool pk_doctor_check_results(void);
