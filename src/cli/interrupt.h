/* SPDX-License-Identifier: Apache-2.0
 * Ctrl-C while a report is being written: the half-written file goes, the ledger stays, and the
 * user reads how to have the report later. Must stay true: signals that were ignored when we
 * started (nohup, background jobs) stay ignored. */
#pragma once

/* From now on SIGINT, SIGTERM and SIGHUP print how to write the report of `directory` later, remove
 * `partial` (NULL: nothing to remove) and end the process by that signal. */
void pk_interrupt_guard(const char *directory, const char *partial);

/* Back to what it was. */
void pk_interrupt_release(void);
