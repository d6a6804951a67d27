/* SPDX-License-Identifier: Apache-2.0
 * The one global of the preloaded library, and what its files call of each other.
 *
 *   hooks_*.c  interception only: get the real function, tell track.c, return
 *   real.c     the functions that we stand before
 *   python.c   the interpreter: its symbols, its layout, the self-test
 *   domains.c  its allocators, wrapped
 *   thread.c   per-thread state: re-entry, the kept walk
 *   stack.c    which stack is this? the kept walk verified, changed levels looked up
 *   anchors.c  frames known not to have returned: deep stacks are verified down to one
 *   codes.c    code object -> function
 *   small.h    the whole way of a small object, inline
 *   track.c    event in, stack attached, ledger called under its lock
 *   sample.c   resident bytes of maps without reservation, now and then
 *   process.c  this process among others: the shared page, fork
 *   environment.c, program.c, launch.c   starting other programs: what they are and are handed
 *   inprocess.c  a recording that the program itself begins and ends; redirect.c serves it
 *   block.c, block_file.c, api.c  peaks inside blocks of the program; what Python calls
 *   init.c     constructor and destructor, the order of everything
 *
 * Locks: `lock` guards ledger, writer and codes. It is a leaf; a thread inside it has self->busy
 * set, so a signal handler that comes back to us drops its event (counted). While the process has
 * had one thread only (`threads` false) the lock is not touched. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/lock.h"
#include "ledger/ledger.h"
#include "pyframe/layout.h"
#include "pyframe/linetable.h"
#include "record/format.h"
#include "record/writer.h"
#include "runtime/anchors.h"
#include "runtime/codes.h"
#include "runtime/thread.h"

/* A step outwards to inwards that was taken before: a frame at `instr` below the stack `parent` is
 * `node`. Direct mapped, in front of the stack table; void when a code object dies (its
 * instructions' addresses may be reused). */
struct pk_step {
    uintptr_t instr;
    uint32_t parent;
    uint32_t node;
};

/* Lines decoded before: function 20 | instruction 24 | line 20 in one word. Direct mapped. */
#define PK_LINE_BITS 14 /* 128 KiB, touched as it is used */

/* The node of what the C heap gave to the stack `parent`. Direct mapped by the stack's number:
 * neighbours in a program are neighbours here. Nodes that have none are not in it. */
struct pk_heap_node {
    uint32_t parent;
    uint32_t node;
};
#define PK_HEAP_BITS 9 /* 4 KiB */

/* How far a function's line table was read: code mostly runs forwards, and a module's table has
 * tens of thousands of bytes. Reading tables from their start was a third of our instructions in an
 * import of pandas. */
struct pk_line_mark {
    uint32_t function;
    struct pk_line_cursor cursor;
};
#define PK_MARK_BITS 9  /* 8 KiB */
#define PK_STEP_BITS 11 /* 2,048 steps, 32 KiB: the object graph of deepcopy needs some hundreds */

struct pk_runtime {
    bool active;   /* events are recorded */
    bool starting; /* Python starts up: pk_python_starting() is asked at each event */
    bool threads;  /* a second thread was ever started; set before it starts, never cleared */

    bool in_process; /* recording was begun by the program (inprocess.c), not by the preload */
    /* how often a recording began or ended: what threads keep of another one is void. Under the
     * lock */
    uint32_t session;

    struct pk_lock lock;
    struct pk_arena kept; /* what outlives a recording: threads. Under the lock */
    /* code objects freed: kept walks from before are void. Atomic. */
    uint32_t deaths;
    const struct pk_layout *layout; /* NULL: unknown interpreter */
    /* the running thread's, without checks; NULL before an interpreter is met */
    void *(*thread_state)(void);
    void *(*attached_state)(
        void); /* the same for a caller that holds the GIL; gives NULL until start-up is over, and
                                       where the layout is unknown or failed the self-test */
    void *(*own_thread_state)(void); /* PyGILState_GetThisThreadState */
    int (*is_finalizing)(void);
    bool detached_is_null; /* 3.12+: thread_state() is NULL while the GIL is released */

    uint32_t node_start; /* pseudo nodes, made at start */
    uint32_t node_none;
    uint32_t node_unknown;
    uint32_t node_dropped;
    uint32_t function_native_thread; /* pseudo functions */
    uint32_t function_thread;
    uint32_t function_sampled;
    uint32_t function_heap;
    uint32_t function_map;

    bool maps_change; /* the tree of maps is being changed: not to be read. Under the lock */
    uint64_t dropped; /* events dropped since a handler interrupted us. Atomic. */
    uint64_t unaudited_events; /* checked build: since the last audit of the whole ledger */
    struct pk_ledger_header *header;
    struct pk_anchors anchors;
    struct pk_codes codes;
    uint32_t steps_deaths; /* `deaths` when the steps were last cleared */
    struct pk_step steps[1u << PK_STEP_BITS];
    struct pk_heap_node heaps[1u << PK_HEAP_BITS];
    uint64_t lines[1u << PK_LINE_BITS];
    uint32_t spans[1u << PK_LINE_BITS]; /* of the same instructions */
    struct pk_line_mark marks[1u << PK_MARK_BITS];
    struct pk_writer writer;
    struct pk_ledger ledger;
};

extern struct pk_runtime pk_runtime;

/* init.c: begins recording into `directory`. 0, or a negative errno: nothing was begun. */
int pk_runtime_start(const char *directory);
/* init.c: the half of it that makes the ledger, with pk_runtime.writer and ledger zeroed before.
 * `directory` NULL: in memory that nobody reads. 0 or negative errno. */
int pk_runtime_open_ledger(const char *directory);
/* track.c: copies counters kept outside the ledger file into its header. Under the lock, or when
 * alone. */
void pk_runtime_sync(void);
/* init.c: fills the header and makes the pseudo functions and nodes, in a new ledger. */
void pk_runtime_begin_record(void);
/* init.c: the header says that the recording has ended. Under the lock. */
void pk_runtime_finish(void);
/* init.c: recording ends for good in this process (a forked child without a ledger of its own). */
void pk_runtime_abandon(void);
/* init.c: is this the process that is recorded? Not a vfork child, which shares all our memory. */
bool pk_runtime_is_own(void);
/* init.c: the recorded process is about to exit or to become another program (state), or stays
 * because that failed. Nothing happens in any other process. From signal handlers too; signals wait
 * meanwhile. Its slot in the tree needs no word: the kernel marks it when the process is gone, not
 * before. */
void pk_runtime_leaving(enum pk_ledger_state state);
void pk_runtime_stays(void);

/* Takes the lock if there are other threads. The caller has self->busy set. */
PK_INLINE void pk_runtime_lock(struct pk_thread *self) {
    if (pk_runtime.threads) {
        pk_lock_take(&pk_runtime.lock, &self->holder);
        self->locked = 1;
    }
}

PK_INLINE void pk_runtime_unlock(struct pk_thread *self) {
    if (self->locked) {
        self->locked = 0;
        pk_lock_release(&pk_runtime.lock, &self->holder);
    }
}

/* `self` enters the runtime other than by an event, and holds the lock; and leaves. What it
 * allocates in between is no event. */
static inline void pk_runtime_enter(struct pk_thread *self) {
    self->open = 0;
    self->busy = 1;
    pk_runtime_lock(self);
}

static inline void pk_runtime_leave(struct pk_thread *self) {
    pk_runtime_unlock(self);
    self->busy = 0;
    self->open = 1;
}
