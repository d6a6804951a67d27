/* SPDX-License-Identifier: Apache-2.0
 * A recording that the program itself begins and ends, in a Python that was started without the
 * preload: the library is loaded by ctypes, references to the allocation functions are redirected,
 * Python's allocators wrapped, and both undone. Below the hooks everything is as with the preload.
 *
 * Other threads run all the while. A hook may be entered after the end, or have been entered before
 * it and record after: the code stays for ever, and an event finds out under the lock that its
 * recording has ended (pk_runtime.session). Between two recordings there is a ledger in memory that
 * nobody reads, for such events. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Begins recording into `directory`. By a thread of the interpreter that holds the GIL. 0; 1 if
 * this process is recorded already; else -1 and a sentence in `ret_why` (at least 1 byte of
 * `size`). */
int pk_inprocess_start(const char *directory, char *ret_why, size_t size);
/* Ends it. The same condition. False: nothing was begun here. */
bool pk_inprocess_stop(void);
/* The program's dlopen() while recording: what it loads is redirected too. */
void *pk_inprocess_dlopen(const char *file, int mode);
