/* SPDX-License-Identifier: Apache-2.0
 * See inprocess.h. Order of the start, and why:
 *   real functions      once, before any reference is ours
 *   ledger, thread      before the first event; under the lock, because of stragglers of the
 *                       recording before
 *   self-test           an interpreter that is not known is left alone
 *   allocators, references
 *   active              last: until then the hooks forward only
 * and the end is the same backwards. */
#include "runtime/inprocess.h"

#include <dlfcn.h>
#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/check.h"
#include "base/sys.h"
#include "record/tree.h"
#include "runtime/block.h"
#include "runtime/domains.h"
#include "runtime/process.h"
#include "runtime/python.h"
#include "runtime/real.h"
#include "runtime/redirect.h"
#include "runtime/runtime.h"
#include "runtime/track.h"

static bool prepared;

static void say(char *why, size_t size, const char *text, const char *more) {
    size_t at = 0;
    for (; *text != '\0' && at + 1 < size; text++) {
        why[at++] = *text;
    }
    for (; *more != '\0' && at + 1 < size; more++) {
        why[at++] = *more;
    }
    why[at] = '\0';
}

// Once in the life of the process.
static bool prepare(char *why, size_t size) {
    void *program = dlopen(NULL, RTLD_NOW);
    bool is_global = program != NULL && dlsym(program, "peakline_start") != NULL;
    (void)dlerror();
    if (is_global) {
        say(why, size, "this process was started under `peakline run`, which could not record it",
            "");
        return false;
    }
    pk_real_resolve_program();
    if (!pk_python_present()) {
        say(why, size, "the interpreter does not export its allocators", "");
        return false;
    }
    if (pk_runtime_open_ledger(NULL) < 0) {
        say(why, size, "there is no memory for it", "");
        return false;
    }
    pk_threads_init();
    return true;
}

// The thread that begins: its struct, made if it has none. NULL: no memory.
static struct pk_thread *meet_self(void) {
    if (pk_self == &pk_thread_blank) {
        return pk_thread_make(pk_runtime.node_none);
    }
    return pk_self;
}

// Everything that belongs to one recording, given back; an empty ledger that nobody reads is left.
// Under the lock.
static void clear(void) {
    pk_runtime.session++;
    pk_ledger_done(&pk_runtime.ledger);
    pk_runtime.codes = (struct pk_codes){0}; // its memory was the ledger's
    pk_writer_close(&pk_runtime.writer);
    pk_process_forget_stacks();
    pk_runtime.dropped = 0;
}

static int begin_ledger(struct pk_thread *self, const char *directory) {
    self->busy = 1;
    pk_runtime_lock(self);
    clear();
    int result = pk_runtime_open_ledger(directory);
    if (result < 0 && directory != NULL) {
        (void)pk_runtime_open_ledger(NULL);
    }
    pk_thread_renew(self);
    pk_self = self; // not for the last time
    pk_runtime_unlock(self);
    self->busy = 0;
    return result;
}

int pk_inprocess_start(const char *directory, char *ret_why, size_t size) {
    if (pk_runtime.active) {
        return 1;
    }
    if (!prepared && !prepare(ret_why, size)) {
        return -1;
    }
    struct pk_thread *self = meet_self();
    if (self == NULL) {
        say(ret_why, size, "there is no memory for it", "");
        return -1;
    }
    self->open = 0;
    if (!prepared) {
        pk_lock_init(&pk_runtime.lock, &self->holder);
        prepared = true;
    }
    pk_threads_found(self);
    int result = begin_ledger(self, directory);
    if (result < 0) {
        say(ret_why, size, "its file could not be made in ", directory);
        self->open = 1;
        return -1;
    }
    pk_runtime.in_process = true;
    pk_runtime.header->flags |= PK_FLAG_IN_PROCESS;
    if (!pk_python_attach_running() || !pk_domains_wrap_running()) {
        const char *note = pk_runtime.header->python_note;
        say(ret_why, size,
            note[0] != '\0' ? note : "this interpreter does not export what is needed", "");
        (void)begin_ledger(self, NULL);
        pk_self = &pk_thread_blank;
        self->open = 1;
        return -1;
    }
    pk_process_enter_family();
    pk_redirect();
    pk_runtime_sync();
    pk_runtime.active = true;
    self->open = 1;
    return 0;
}

bool pk_inprocess_stop(void) {
    if (!pk_runtime.active || !pk_runtime.in_process) {
        return false;
    }
    struct pk_thread *self = pk_thread_current();
    if (self == NULL) {
        return false; // a signal handler inside the ledger
    }
    self->open = 0;
    pk_redirect_undo();
    pk_domains_unwrap_running();
    self->busy = 1;
    pk_runtime_lock(self);
    pk_runtime.active = false;
    pk_blocks_end_all();
    pk_runtime_finish();
    pk_process_leave_family();
    clear();
    (void)pk_runtime_open_ledger(NULL);
    pk_thread_renew(self);
    pk_self = &pk_thread_blank;
    pk_runtime_leave(self);
    return true;
}

// ---- libraries loaded meanwhile -----------------------------------------------------------------

static void redirect_again(void) {
    struct pk_thread *self = pk_thread_current();
    if (self != NULL && pk_runtime.active) {
        self->open = 0;
        pk_redirect();
        self->open = 1;
    }
}

static int redirect_pending(void *context) {
    (void)context;
    redirect_again();
    return 0;
}

/* Where a library without a path is looked for depends on who asks (hooks_process.c), so then the
 * caller's question is passed on by a jump, and what it loaded is seen to when the interpreter is
 * between two bytecodes. */
__attribute__((optimize("O2"))) void *pk_inprocess_dlopen(const char *file, int mode) {
    if (!pk_runtime.active || file == NULL) {
        return pk_real.dlopen(file, mode);
    }
    if ((mode & RTLD_DEEPBIND) != 0) {
        __atomic_fetch_or(&pk_runtime.header->flags, PK_FLAG_DEEPBIND, __ATOMIC_RELAXED);
    }
    if (strchr(file, '/') == NULL || strchr(file, '$') != NULL) {
        (void)pk_python_pending(redirect_pending);
        return pk_real.dlopen(file, mode);
    }
    void *library = pk_real.dlopen(file, mode);
    if (library != NULL) {
        int saved = errno;
        redirect_again();
        errno = saved;
    }
    return library;
}
