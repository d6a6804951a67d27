/* SPDX-License-Identifier: Apache-2.0
 * How a failure looks to the user: one line on standard error, "peakline: " and the sentence. */
#pragma once

#include "supervise/failure.h"

/* Print it; returns its exit status. Control characters in names the user gave are shown as '?'. */
int pk_error_print(const struct pk_failure *failure);

/* The same for a sentence made on the spot. */
int pk_error_say(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));
