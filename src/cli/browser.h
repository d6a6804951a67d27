/* SPDX-License-Identifier: Apache-2.0
 * Shows the report in the user's browser, when there is a person who would want that.
 * May use libc. Must stay true: never a text browser (it would take over the terminal), never waits
 * for it, its messages are not seen. */
#pragma once

#include <stdbool.h>

/* Is a browser welcome? Only on a terminal, not in CI, not over SSH (unless BROWSER says how), with
 * a display, not under pytest. */
bool pk_browser_is_welcome(bool tty);

/* Where a person cannot be shown the file since they came over SSH: one line on standard error, how
 * to get it. Else nothing. `path` is absolute. */
void pk_browser_say_how(bool tty, const char *path);

/* Open the file. Returns whether a browser could be started. */
bool pk_browser_open(const char *path);
