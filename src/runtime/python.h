/* SPDX-License-Identifier: Apache-2.0
 * The interpreter in this process: found by its exported symbols, never by its headers. Its layout
 * is chosen by version, cross-checked with its own debug offsets, and proved by a self-test in a
 * pending call. domains.h wraps its allocators. */
#pragma once

#include <stdbool.h>

/* Is CPython linked into this program (or loaded globally)? */
bool pk_python_present(void);
/* Finds symbols, chooses the layout, wraps the allocators. From the constructor; recording must be
 * set up. */
void pk_python_attach(void);
/* The same in an interpreter that runs, by a thread of its that holds the GIL, not self->open; the
 * allocators are left alone (runtime/domains.h). False: this interpreter is not known, and the
 * header's python_note may say more. */
bool pk_python_attach_running(void);
/* While pk_runtime.starting is set, at each event and with self->open cleared: has start-up thrown
 * our wrappers away (PYTHONMALLOC, -X dev)? is the interpreter ready for the self-test? */
void pk_python_starting(void);

/* The frame object of the running frame and of its callers, for code that runs in a pending
 * call. */
struct pk_frame_object {
    void *object; /* NULL: none */
    bool owned;   /* a reference is held: let go of it */
};
struct pk_frame_object pk_python_frame(void);
struct pk_frame_object pk_python_caller(struct pk_frame_object frame); /* lets go of `frame` */
void pk_python_let_go(struct pk_frame_object frame);
/* Python 3.11 may collect garbage whenever an object is made. Not while one is made for us,
 * self->open cleared: what the program's own objects free and allocate then would not be seen.
 * Around such code: stop, and pass what it returned. */
bool pk_python_stop_collector(void);
void pk_python_let_collect(bool stopped);
/* Asks for one call of `call` in the main thread between two bytecodes. False: not now. */
bool pk_python_pending(int (*call)(void *context));
