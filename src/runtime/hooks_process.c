/* SPDX-License-Identifier: Apache-2.0
 * Threads, forks and loaded libraries: noticed, never changed. */
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>

#include "base/attr.h"
#include "base/sys.h"
#include "runtime/process.h"
#include "runtime/real.h"
#include "runtime/runtime.h"
#include "runtime/track.h"

// From our own arena, which outlives a recording: a thread that never allocates must not touch the
// program's allocator on our behalf.
struct start {
    void *(*run)(void *);
    void *argument;
    uint32_t node;    // where the thread was started
    uint32_t session; // ... in which recording
};

static struct start *new_start(struct pk_thread *self) {
    self->busy = 1;
    pk_runtime_lock(self);
    struct start *start = pk_arena_alloc(&pk_runtime.kept, sizeof *start);
    pk_runtime_unlock(self);
    self->busy = 0;
    return start;
}

static void free_start(struct pk_thread *self, struct start *start) {
    self->busy = 1;
    pk_runtime_lock(self);
    pk_arena_free(&pk_runtime.kept, start, sizeof *start);
    pk_runtime_unlock(self);
    self->busy = 0;
}

static void *run_thread(void *context) {
    struct start start = *(struct start *)context;
    struct pk_thread *self = pk_self == &pk_thread_blank ? pk_thread_current() : NULL;
    if (self != NULL) { // else a few bytes of ours are lost
        self->open = 0;
        free_start(self, context);
        pk_track_thread_start(self, start.node, start.session);
        self->open = 1;
    }
    return start.run(start.argument);
}

PK_EXPORT int pthread_create(pthread_t *restrict thread, const pthread_attr_t *restrict attributes,
                             void *(*run)(void *), void *restrict argument) {
    struct pk_thread *self = pk_thread_current();
    if (PK_UNLIKELY(pk_real.pthread_create == NULL)) {
        pk_real_resolve();
    }
    pk_threads_expect(self);
    if (self == NULL) {
        return pk_real.pthread_create(thread, attributes, run, argument);
    }
    self->open = 0;
    struct start *start = new_start(self);
    if (start == NULL) {
        self->open = 1;
        return pk_real.pthread_create(thread, attributes, run, argument);
    }
    *start = (struct start){
        .run = run, .argument = argument, .node = pk_track_here(self), .session = self->session};
    self->open = 1; // what libc allocates for the thread is the program's
    int result = pk_real.pthread_create(thread, attributes, run_thread, start);
    if (result != 0) {
        self->open = 0;
        free_start(self, start);
        self->open = 1;
    }
    return result;
}

/* No fork handlers run: the child has a copy of our lock and of our threads as they happened to be,
 * and its parent's ledger. It records nothing. */
PK_EXPORT pid_t _Fork(void) {
    if (PK_UNLIKELY(pk_real.execve == NULL)) {
        pk_real_resolve();
    }
    pk_process_spawning();
    pid_t pid;
    if (pk_real._Fork != NULL) {
        pid = pk_real._Fork();
    } else { // an older libc has no such function, and nobody who looked for it there
        long result = pk_sys6(SYS_clone, SIGCHLD, 0, 0, 0, 0, 0);
        errno = pk_sys_failed(result) ? (int)-result : errno;
        pid = pk_sys_failed(result) ? -1 : (pid_t)result;
    }
    if (pid == 0 && pk_runtime.active) {
        pk_process_note(PK_NOTE_NO_HANDLERS, "");
        pk_runtime_abandon();
    }
    return pid;
}

/* The search for a library depends on who calls dlopen (its RUNPATH, its namespace), told by the
 * return address: so this must end in a jump, not in a call. tests/runtime checks that it does. */
PK_EXPORT __attribute__((optimize("O2"))) void *dlopen(const char *file, int mode) {
    if (PK_UNLIKELY(pk_real.dlopen == NULL)) {
        pk_real_resolve();
    }
    if ((mode & RTLD_DEEPBIND) != 0 && pk_runtime.active) {
        __atomic_fetch_or(&pk_runtime.header->flags, PK_FLAG_DEEPBIND, __ATOMIC_RELAXED);
    }
    return pk_real.dlopen(file, mode);
}
