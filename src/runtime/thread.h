/* SPDX-License-Identifier: Apache-2.0
 * What the runtime knows of each thread. One pointer of initial-exec TLS; the struct itself is in
 * pages of their own. When a pthread key's destructor says that the thread ends, its struct waits
 * for the kernel to know the thread no more (libc and other destructors still free and allocate
 * until then), and then serves another thread.
 *
 * A thread that was not met yet, and every thread of a process that is not recorded, points to
 * pk_thread_blank, which is not `open`: so the one test at the top of each hook covers "not
 * recording", "new thread" and "called from inside our own wrapper". And a fourth: the kernel wipes
 * the structs' pages in a child that is a copy of this process. fork() has handlers that put the
 * thread's back (process.c); a child made by the bare system call finds itself not open, and
 * records nothing. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/lock.h"

/* One level of the kept walk: a frame, and where it was at this thread's last event. */
struct pk_spot {
    uintptr_t frame;
    uintptr_t instr;
};

/* No frame lives at this address, and it is not NULL either. */
#define PK_NO_FRAME 1u

struct pk_thread {
    /* its calls are events: not inside a hook, where inner calls are none of their own */
    uint32_t open;
    uint8_t busy;       /* inside the ledger */
    uint8_t locked;     /* ... holding its lock */
    uint8_t main;       /* the thread that ran the constructor */
    uint8_t met_python; /* a frame was seen on this thread */
    uint8_t forking;    /* between the handlers of fork() */
    uint8_t lending;    /* ... and held the lock when that began: others may have taken it over */
    uint8_t forked;     /* in a forked child that has had no event yet; not open */
    /* the last realloc moved its pages: old and new were never there together */
    uint8_t moved_pages;
    struct pk_lock_holder holder;
    uint32_t root;   /* parent of the outermost frame: PK_NODE_ROOT, or a PK_FUNCTION_THREAD node */
    uint32_t base;   /* node charged when no Python frame is to be seen */
    uint32_t deaths; /* pk_runtime.deaths when the nodes were looked up */
    uint32_t count;  /* levels in use; 0 also makes the next event look up everything anew */
    uint32_t here;   /* node that the last event was charged to: right while the stack is unmoved */
    uint32_t capacity;
    /* level i is spots[i], 1 the outermost; spots[0].frame is PK_NO_FRAME and ends every search */
    struct pk_spot *spots;
    uint32_t *nodes; /* the stack from the outermost frame to level i; nodes[0] is the root,
                              or the node of this thread's start */
    /* the thread state last seen to run on this thread, the GIL held (up to 3.12) */
    const void *attached;
    /* pk_runtime.session when root, base and nodes were made. Under the lock */
    uint32_t session;
    /* allocated minus freed by this thread since counting by thread began */
    int64_t moved_bytes;
    int64_t moved_peak; /* ... at most */
    /* the kernel's number of the thread; 0 only where a fork has wiped it */
    int32_t tid;
    struct pk_thread *next; /* among the ended ones */
};

extern struct pk_thread pk_thread_blank;
extern __thread struct pk_thread *pk_self __attribute__((tls_model("initial-exec")));

/* Slow half of entering a hook when not open: the thread's struct when this is a new thread of a
 * recorded process (then it is open), else NULL: forward and record nothing. */
PK_COLD struct pk_thread *pk_thread_enter(void);
/* Makes the calling thread's struct now, charged to `base` while it has no Python frame. */
struct pk_thread *pk_thread_make(uint32_t base);
/* Room for `count` levels beside the sentinel; false: no memory. Must be called under the lock. */
bool pk_thread_room(struct pk_thread *self, uint32_t count);
/* Another recording began, or the one there was ended, since this thread's last event: what it kept
 * is void. Under the lock, on the thread itself. */
PK_COLD void pk_thread_renew(struct pk_thread *self);
/* In a forked child, whose only thread is `self`. */
void pk_threads_forked(struct pk_thread *self);
/* When a recording begins; once is enough. */
void pk_threads_init(void);
/* The process may have got its threads before we came. When a recording begins, by `self`. */
void pk_threads_found(struct pk_thread *self);
/* A thread is about to be started by `self`, or by a thread that records nothing (NULL). */
void pk_threads_expect(const struct pk_thread *self);

/* The thread to record on, or NULL: forward only. */
PK_INLINE struct pk_thread *pk_thread_current(void) {
    struct pk_thread *self = pk_self;
    if (PK_UNLIKELY(self->open == 0)) {
        return pk_thread_enter();
    }
    return self;
}
