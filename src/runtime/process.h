/* SPDX-License-Identifier: Apache-2.0
 * This process among others: its slot in the page that the run's processes share (record/tree.h),
 * and fork().
 *
 * A forked child goes on with its parent's memory and so with its parent's index of blocks; it gets
 * a ledger file and an account of its own (ledger/ledger.h, pk_ledger_fork). That happens at its
 * first event: a child that only calls exec, as subprocess makes them, costs nothing and leaves no
 * file. Nothing is copied or walked, however much is live. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "record/tree.h"

struct pk_thread;

/* From the constructor, when the ledger stands: takes a slot of the page in `directory`, if there
 * is one. */
void pk_process_enter(const char *directory);
/* The same for a recording that the program began itself, under the lock: the page is memory that
 * forked children inherit, the same one for every recording of the process, and no file. */
void pk_process_enter_family(void);
/* That recording ends: the process holds nothing that is known. Under the lock. */
void pk_process_leave_family(void);
/* A stretch of the program of which the peak of all its processes together is asked for. The mark,
 * or -1: nothing is recorded, or too many at once. */
int pk_process_mark(void);
/* Ends it. True: other processes took part, and `ret_bytes` is the most that all held together
 * above what they held when it was set, exact to PK_TREE_STEP a process. */
bool pk_process_unmark(int mark, uint64_t *ret_bytes);
/* Forks are noticed from now on; once is enough. As early as can be: our handler is then the last
 * to run before the fork, and the first after it. */
void pk_process_watch_forks(void);
/* A recording begins or ends: all that names nodes, functions or lines of the tables there were is
 * forgotten. Under the lock. */
void pk_process_forget_stacks(void);
/* Events that move the total are to be followed, whether this process is alone or not:
 * pk_sample_due() is asked then. Under the lock. */
void pk_process_follow(void);
/* Another process is about to be started: this one is no longer the whole tree. Any thread; also in
 * a vfork child and in signal handlers. */
void pk_process_spawning(void);
/* Tells the tree what could not be measured. In any program of a run, in a vfork child and in
 * signal handlers too. */
void pk_process_note(enum pk_tree_note_kind kind, const char *text);
/* The same of this process, a Python whose ledger could not be made for `error`, a negative
 * errno. */
void pk_process_note_no_ledger(int error);
/* An event in a process in which the kernel has wiped `self`: in the child of a fork() before our
 * own handler, or a child made without handlers, which records nothing from now on. */
void pk_process_wiped(struct pk_thread *self);
/* At the first event of a forked child. The thread to record on, or NULL: this process records
 * nothing. */
struct pk_thread *pk_process_forked(struct pk_thread *self);
