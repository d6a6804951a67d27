/* SPDX-License-Identifier: Apache-2.0
 * A line that says what takes so long: on a terminal only, only after a second, and gone when it is
 * done. May use libc. Must stay true: where standard error is no terminal, or one that cannot take
 * a line back, nothing is written and no timer runs; between start and end SIGALRM is ours. */
#pragma once

/* Begin; `doing` follows "peakline: " ("reading peakline-result/latest") and is copied. */
void pk_progress_start(const char *doing);

/* Takes the line back. Fine without a start. */
void pk_progress_end(void);
