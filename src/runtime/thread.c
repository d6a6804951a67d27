/* SPDX-License-Identifier: Apache-2.0
 * See thread.h. */
#include "runtime/thread.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>

#include "base/sys.h"
#include "runtime/process.h"
#include "runtime/runtime.h"

#define FIRST_LEVELS 64u

struct pk_thread pk_thread_blank;
__thread struct pk_thread *pk_self __attribute__((tls_model("initial-exec"))) = &pk_thread_blank;

static pthread_key_t end_key;
static bool have_key;

// Threads whose key was destroyed, oldest first. Under the lock.
static struct pk_thread *ended;
static struct pk_thread **ended_last = &ended;

// The thread that ran the constructor, while it takes no lock because it has met no other. Atomic.
static struct pk_thread *only_thread;

#define STRUCTS_BYTES (16u << 10)
#define LOOKS 8    /* ended threads asked whether they are gone before a new struct is made */
#define SPINS 1000 /* for the only thread to leave the ledger: it stays for tens of nanoseconds */
#define NAPS 2000  /* ... unless it was put to sleep there: 0.1 s in all */

// Ended threads not in the line yet: a thread that ends waits for nobody, whoever may be waiting
// for it (a handler of fork()).
static struct pk_thread *just_ended;

static void append_ended(struct pk_thread *thread) {
    thread->next = NULL;
    *ended_last = thread;
    ended_last = &thread->next;
}

static void end_thread(void *context) {
    struct pk_thread *self = context;
    if (self->tid == 0) {
        return; // in a child that records nothing
    }
    if (self == __atomic_load_n(&only_thread, __ATOMIC_RELAXED)) {
        pk_threads_expect(self);
    }
    self->next = __atomic_load_n(&just_ended, __ATOMIC_RELAXED);
    while (!__atomic_compare_exchange_n(&just_ended, &self->next, self, true, __ATOMIC_RELEASE,
                                        __ATOMIC_RELAXED)) {
    }
}

// Memory that a child which is a copy of this process does not get: there it reads as zero.
static struct pk_thread *new_struct(void) {
    static char *next, *end;
    if (next == end) {
        char *pages = pk_sys_mmap(NULL, STRUCTS_BYTES, PROT_READ | PROT_WRITE,
                                  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (pages == NULL) {
            return NULL;
        }
        // Refused by old or foreign kernels: then a child by the bare system call writes into its
        // parent's record.
        (void)pk_sys6(SYS_madvise, (long)pages, STRUCTS_BYTES, MADV_WIPEONFORK, 0, 0, 0);
        pk_runtime.kept.own_bytes += STRUCTS_BYTES;
        next = pages;
        end = pages + STRUCTS_BYTES / sizeof(struct pk_thread) * sizeof(struct pk_thread);
    }
    struct pk_thread *fresh = (struct pk_thread *)(void *)next;
    next += sizeof *fresh;
    return fresh;
}

static bool is_gone(const struct pk_thread *thread) {
    return pk_sys6(SYS_tgkill, pk_sys_getpid(), thread->tid, 0, 0, 0, 0) == -ESRCH;
}

// The struct of a thread that is gone, or NULL. One that is not gone yet goes to the end of the
// line.
static struct pk_thread *take_ended(void) {
    struct pk_thread *next;
    for (struct pk_thread *fresh = __atomic_exchange_n(&just_ended, NULL, __ATOMIC_ACQUIRE);
         fresh != NULL; fresh = next) {
        next = fresh->next;
        append_ended(fresh);
    }
    for (int i = 0; i < LOOKS && ended != NULL; i++) {
        struct pk_thread *thread = ended;
        ended = thread->next;
        if (ended == NULL) {
            ended_last = &ended;
        }
        if (is_gone(thread)) {
            return thread;
        }
        append_ended(thread);
    }
    return NULL;
}

// Its thread wrote to it until the kernel knew it no more: that is all that orders the two.
PK_NOINLINE static void clear_ended(struct pk_thread *thread) {
    *thread = (struct pk_thread){
        .spots = thread->spots, .nodes = thread->nodes, .capacity = thread->capacity};
}

void pk_threads_init(void) {
    have_key = have_key || pthread_key_create(&end_key, end_thread) == 0;
}

void pk_threads_forked(struct pk_thread *self) {
    just_ended = ended = NULL; // theirs are wiped
    ended_last = &ended;
    self->tid = pk_sys_gettid();
    pk_runtime.threads = !pk_runtime.lock.can_bias;
    pk_runtime.lock.owner = pk_runtime.lock.can_bias ? &self->holder : NULL;
    __atomic_store_n(&only_thread, self, __ATOMIC_RELEASE);
}

void pk_threads_expect(const struct pk_thread *self) {
    if (!pk_runtime.threads) { // others read it without a lock: never written again
        pk_runtime.threads = true;
    }
    if (self != NULL) { // it is not inside the ledger, and from now on takes the lock
        __atomic_store_n(&only_thread, NULL, __ATOMIC_RELEASE);
    }
}

// Not every second thread was seen coming: libc starts some itself (thrd_create, timers), others
// are clones. Then the only thread may be inside the ledger without a lock. False: it stayed there
// (a handler on it waits?).
static bool pass_only_thread(struct pk_thread *self) {
    struct pk_thread *only = __atomic_load_n(&only_thread, __ATOMIC_ACQUIRE);
    if (only == NULL) {
        return true;
    }
    if (!pk_runtime.threads) {
        pk_runtime.threads = true;
    }
    // The lock is the only thread's own. Taking it away makes every thread execute a barrier: after
    // it that thread either sees `threads`, or is seen to be busy.
    pk_runtime_lock(self);
    pk_lock_renounce(&pk_runtime.lock, &self->holder);
    pk_runtime_unlock(self);
    for (int i = 0; __atomic_load_n(&only->busy, __ATOMIC_ACQUIRE) != 0; i++) {
        if (i >= SPINS + NAPS) {
            return false;
        }
        if (i >= SPINS) {
            struct timespec nap = {.tv_nsec = 50000};
            (void)pk_sys6(SYS_nanosleep, (long)&nap, 0, 0, 0, 0, 0);
        }
    }
    __atomic_store_n(&only_thread, NULL, __ATOMIC_RELEASE);
    return true;
}

// The links of /proc/self/task are two and one a thread.
static bool is_alone(void) {
    struct statx about;
    long result =
        pk_sys6(SYS_statx, AT_FDCWD, (long)"/proc/self/task", 0, STATX_NLINK, (long)&about, 0);
    return result == 0 && about.stx_nlink == 3;
}

void pk_threads_found(struct pk_thread *self) {
    bool alone = is_alone() && pk_runtime.lock.can_bias;
    pk_runtime.threads = !alone;
    __atomic_store_n(&only_thread, alone ? self : NULL, __ATOMIC_RELEASE);
}

bool pk_thread_room(struct pk_thread *self, uint32_t count) {
    if (count < self->capacity) {
        return true;
    }
    uint32_t capacity = self->capacity == 0 ? FIRST_LEVELS : self->capacity;
    while (capacity <= count) {
        capacity *= 2;
    }
    struct pk_arena *arena = &pk_runtime.kept;
    struct pk_spot *spots = pk_arena_alloc(arena, capacity * sizeof *spots);
    uint32_t *nodes = pk_arena_alloc(arena, capacity * sizeof *nodes);
    if (spots == NULL || nodes == NULL) {
        pk_arena_free(arena, spots, capacity * sizeof *spots);
        pk_arena_free(arena, nodes, capacity * sizeof *nodes);
        return false;
    }
    nodes[0] = self->root;
    spots[0].frame = PK_NO_FRAME;
    if (self->capacity != 0) {
        memcpy(spots, self->spots, (self->count + 1) * sizeof *spots);
        memcpy(nodes, self->nodes, (self->count + 1) * sizeof *nodes);
        pk_arena_free(arena, self->spots, self->capacity * sizeof *spots);
        pk_arena_free(arena, self->nodes, self->capacity * sizeof *nodes);
    }
    self->spots = spots;
    self->nodes = nodes;
    self->capacity = capacity;
    return true;
}

struct pk_thread *pk_thread_make(uint32_t base) {
    struct pk_thread guard = {.busy = 1};
    pk_self = &guard;
    if (!pass_only_thread(&guard)) {
        pk_self = &pk_thread_blank;
        __atomic_add_fetch(&pk_runtime.dropped, 1, __ATOMIC_RELAXED);
        return NULL; // tried again at the thread's next event
    }
    pk_runtime_lock(&guard);
    // of an earlier recording
    struct pk_thread *self = have_key ? pthread_getspecific(end_key) : NULL;
    if (self == NULL) {
        self = take_ended();
    }
    if (self != NULL) {
        clear_ended(self);
    } else {
        self = new_struct();
    }
    if (self != NULL) {
        self->base = base;
        self->tid = pk_sys_gettid();
        self->main = self->tid == pk_sys_getpid();
        self->session = pk_runtime.session;
        self->root = pk_runtime.ledger.stacks.root;
        if (self->nodes != NULL) {
            self->nodes[0] = self->root;
        }
        if (!pk_thread_room(self, 1)) {
            self = NULL;
        }
    }
    pk_lock_renounce(&pk_runtime.lock, &guard.holder);
    pk_runtime_unlock(&guard);
    if (self == NULL) {
        pk_self = &pk_thread_blank;
        __atomic_add_fetch(&pk_runtime.dropped, 1, __ATOMIC_RELAXED);
        return NULL;
    }
    self->open = 0;
    pk_self = self;
    if (!pk_runtime.active) { // the constructor
        __atomic_store_n(&only_thread, self, __ATOMIC_RELEASE);
    }
    if (have_key) {
        // may call calloc for the 33rd key and above: not open
        (void)pthread_setspecific(end_key, self);
    }
    self->open = 1;
    return self;
}

PK_COLD void pk_thread_renew(struct pk_thread *self) {
    self->session = pk_runtime.session;
    self->count = 0;
    self->root = pk_runtime.ledger.stacks.root;
    self->base = pk_runtime.node_none;
    self->nodes[0] = self->root;
    self->moved_bytes = 0;
    self->moved_peak = 0;
    if (!pk_runtime.active && pk_self == self) {
        pk_self = &pk_thread_blank; // this is its last event, until a recording begins again
    }
}

PK_COLD struct pk_thread *pk_thread_enter(void) {
    struct pk_thread *self = pk_self;
    if (self->forked) {
        return pk_process_forked(self);
    }
    if (self->busy) {
        // A signal handler inside the ledger, or nothing of the kind: this event cannot be
        // recorded.
        __atomic_add_fetch(&pk_runtime.dropped, 1, __ATOMIC_RELAXED);
        return NULL;
    }
    if (self != &pk_thread_blank || !pk_runtime.active) {
        if (self->tid == 0 && self != &pk_thread_blank) {
            pk_process_wiped(self);
        }
        return NULL;
    }
    return pk_thread_make(pk_runtime.node_none);
}
