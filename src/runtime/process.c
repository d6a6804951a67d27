/* SPDX-License-Identifier: Apache-2.0
 * See process.h. */
#include "runtime/process.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>

#include "base/clock.h"
#include "base/sys.h"
#include "record/tree.h"
#include "runtime/environment.h"
#include "runtime/runtime.h"
#include "runtime/sample.h"
#include "runtime/track.h"

static struct pk_tree_page *page; // NULL: this process is not part of a tree
static uint32_t slot = PK_TREE_NO_SLOT;
static struct pk_share share;
static struct pk_account parents_account; // at the last fork, as the child sees it

_Static_assert(PK_SHARE_EPOCH_BITS == PK_TREE_QUANTUM_BITS && PK_SHARE_STEP == PK_TREE_STEP,
               "one idea of an epoch");

// ---- the tree -----------------------------------------------------------------------------------

static void take_slot(void) {
    slot = page == NULL ? PK_TREE_NO_SLOT : pk_tree_enter(page, pk_runtime.header->pid);
    // no file of it for a report
    pk_runtime.header->tree_slot = pk_runtime.in_process ? PK_TREE_NO_SLOT : slot;
}

// A slot dies with the thread that took it: not the main one, if that did not begin the recording.
static void renew_slot(void) {
    if (slot != PK_TREE_NO_SLOT && PK_UNLIKELY(!pk_tree_is_alive(page, slot))) {
        take_slot();
    }
}

static void tell(void *context, uint64_t total_bytes) {
    (void)context;
    uint64_t mono_ns = pk_clock_ns(CLOCK_MONOTONIC_COARSE);
    renew_slot();
    if (slot != PK_TREE_NO_SLOT) {
        pk_tree_publish(page, slot, total_bytes, mono_ns);
    }
    pk_sample_due(mono_ns);
    pk_runtime_sync();
}

static void join(void) {
    share = (struct pk_share){.peak = &page->peak, .tell = tell};
    pk_ledger_join(&pk_runtime.ledger, &share);
}

// What is told at every step otherwise, now.
static void tell_now(void) {
    renew_slot();
    if (slot != PK_TREE_NO_SLOT) {
        share.told_bytes = pk_runtime.ledger.account->total_bytes;
        pk_tree_publish(page, slot, share.told_bytes, 0);
    }
}

void pk_process_enter(const char *directory) {
    page = pk_tree_map(directory, true);
    take_slot();
    if (slot != PK_TREE_NO_SLOT &&
        __atomic_load_n(&page->solo_pid, __ATOMIC_ACQUIRE) != pk_runtime.header->pid) {
        join();
    }
}

// Under the lock.
static void stop_being_alone(void) {
    if (slot != PK_TREE_NO_SLOT && pk_runtime.ledger.share == NULL) {
        __atomic_store_n(&page->solo_pid, 0, __ATOMIC_RELEASE);
        join(); // which tells: the other may be at its peak before this one's next event
    }
}

void pk_process_enter_family(void) {
    if (page == NULL) {
        page = pk_sys_mmap(NULL, sizeof *page, PROT_READ | PROT_WRITE,
                           MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        take_slot();
    }
    pk_runtime.header->tree_slot = PK_TREE_NO_SLOT;
}

void pk_process_leave_family(void) {
    if (slot != PK_TREE_NO_SLOT) {
        pk_tree_publish(page, slot, 0, 0);
    }
}

// ---- the peak of all processes in a stretch of the program --------------------------------------

static struct mark {
    uint64_t start_bytes; // of all together
    uint32_t count;       // of slots given out
    bool accompanied;     // others lived at its start
} marks[PK_TREE_MARKS];

static void begin_mark(int *ret_mark) {
    uint64_t own = pk_runtime.ledger.account->total_bytes;
    uint64_t sum = own;
    bool accompanied = pk_runtime.ledger.share != NULL;
    if (accompanied) {
        tell_now();
        sum = pk_tree_sum(page);
        accompanied = sum != own;
    }
    *ret_mark = pk_tree_mark(page, sum);
    if (*ret_mark >= 0) {
        marks[*ret_mark] = (struct mark){.start_bytes = sum,
                                         .count = __atomic_load_n(&page->count, __ATOMIC_ACQUIRE),
                                         .accompanied = accompanied};
    }
}

int pk_process_mark(void) {
    struct pk_thread *self =
        pk_runtime.active && slot != PK_TREE_NO_SLOT ? pk_thread_current() : NULL;
    int mark = -1;
    if (self == NULL) {
        return -1;
    }
    pk_runtime_enter(self);
    begin_mark(&mark);
    pk_runtime_leave(self);
    return mark;
}

bool pk_process_unmark(int mark, uint64_t *ret_bytes) {
    const struct mark begun = marks[mark]; // another thread's from the next line on
    uint64_t peak = pk_tree_unmark(page, mark);
    bool others =
        begun.accompanied || __atomic_load_n(&page->count, __ATOMIC_ACQUIRE) != begun.count;
    *ret_bytes = peak > begun.start_bytes ? peak - begun.start_bytes : 0;
    return others;
}

void pk_process_follow(void) {
    static const uint64_t nobodys_peak;
    stop_being_alone();
    if (pk_runtime.ledger.share == NULL) { // no page: begun by the program itself
        share = (struct pk_share){.peak = &nobodys_peak, .tell = tell};
        pk_ledger_join(&pk_runtime.ledger, &share);
    }
}

void pk_process_spawning(void) {
    if (!pk_runtime.active || slot == PK_TREE_NO_SLOT || pk_runtime.ledger.share != NULL) {
        return;
    }
    uint64_t signals = pk_sys_hold_signals();
    struct pk_thread *self = pk_self->busy ? NULL : pk_thread_current();
    if (self != NULL) { // else a handler inside the ledger: the next one says it
        pk_runtime_enter(self);
        stop_being_alone();
        pk_runtime_leave(self);
    }
    pk_sys_release_signals(signals);
}

void pk_process_note(enum pk_tree_note_kind kind, const char *text) {
    struct pk_tree_page *there =
        page != NULL ? page : pk_tree_map(pk_environment_directory(), true);
    if (there != NULL) {
        pk_tree_note(there, kind, (uint32_t)pk_sys_getpid(), text);
        if (there != page) {
            pk_tree_unmap(there);
        }
    }
}

void pk_process_note_no_ledger(int error) {
    const char *why = "";
    switch (-error) {
    case EACCES:
    case EPERM:
        why = "its user may not write into the result directory";
        break;
    case ENOENT:
    case ENOTDIR:
        why = "the result directory is not where it was, or in another root";
        break;
    case ENOSPC:
    case EDQUOT:
        why = "the disk is full";
        break;
    case EFBIG:
        why = "at the limit of file sizes, ulimit -f";
        break;
    case EMFILE:
    case ENFILE:
        why = "no file descriptor was left";
        break;
    case ENOMEM:
        why = "no memory was left";
        break;
    case EROFS:
        why = "the disk cannot be written";
        break;
    case ENOTSUP:
        why = "this machine's memory pages are not of 4 KiB";
        break;
    default:
        break;
    }
    pk_process_note(PK_NOTE_NO_LEDGER, why);
}

// ---- fork ---------------------------------------------------------------------------------------

// between the handlers of fork(), and what the child does not get of it
static struct pk_thread *forking;
static struct pk_thread forkings_state;

// The forking thread holds the lock over the fork, so that the ledger is whole in both processes.
// Handlers of others that were registered before ours run in between, and may wait for another
// thread (OpenBLAS ends its own; an allocator waits for its locks) which waits for the lock: then
// that thread takes it over, and the child records nothing.
static void before_fork(void) {
    struct pk_thread *self = pk_runtime.active ? pk_thread_current() : NULL;
    if (self != NULL) {
        self->open = 0;
        self->busy = 1;
        if (pk_runtime.threads) {
            pk_lock_lend(&pk_runtime.lock, &self->holder, pk_sys_gettid());
            self->lending = 1;
        }
        self->forking = 1;
        stop_being_alone();
        parents_account = *pk_runtime.ledger.account;
        forkings_state = *self;
        forking = self;
    }
}

static void after_fork_in_parent(void) {
    struct pk_thread *self = pk_self;
    if (self->forking) {
        self->forking = 0;
        forking = NULL;
        if (self->lending) {
            self->lending = 0;
            (void)pk_lock_end_lending(&pk_runtime.lock, &self->holder);
        }
        self->busy = 0;
        self->open = 1;
    }
}

static bool is_whole(const struct pk_thread *self) {
    return self == forking && (!forkings_state.lending || pk_lock_is_lent(&pk_runtime.lock));
}

// One thread, with the lock's memory as it was.
static void after_fork_in_child(void) {
    if (!pk_runtime.active) {
        return;
    }
    struct pk_thread *self = pk_self;
    // a signal handler forked inside the ledger, or another thread may be inside
    if (!is_whole(self)) {
        if (self == forking) {
            pk_process_note(PK_NOTE_NO_LEDGER,
                            "the program's own fork handlers waited for its other threads");
        }
        forking = NULL;
        pk_runtime_abandon();
        return;
    }
    forking = NULL;
    *self = forkings_state;
    pk_lock_reset(&pk_runtime.lock);
    self->holder = (struct pk_lock_holder){0};
    self->forking = 0;
    self->lending = 0;
    self->locked = 0;
    self->busy = 0;
    self->forked = 1; // it is not open: the next event comes to pk_process_forked()
}

PK_COLD void pk_process_wiped(struct pk_thread *self) {
    if (self == forking) { // somebody else's handler
        __atomic_add_fetch(&pk_runtime.dropped, 1, __ATOMIC_RELAXED);
    } else {
        pk_process_note(PK_NOTE_NO_HANDLERS, "");
        pk_runtime_abandon();
    }
}

void pk_process_watch_forks(void) {
    static bool watching;
    if (watching) {
        return;
    }
    watching = true;
    (void)pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
}

static void copy_identity(const struct pk_ledger_header *parents) {
    struct pk_ledger_header *header = pk_runtime.header;
    header->python_hex = parents->python_hex;
    header->python_status = parents->python_status;
    header->flags = parents->flags & ~(PK_FLAG_DISK_FULL | PK_FLAG_TABLE_FULL |
                                       PK_FLAG_UNREACHABLE | PK_FLAG_NO_LARGE);
    memcpy(header->python_version, parents->python_version, sizeof header->python_version);
    memcpy(header->python_note, parents->python_note, sizeof header->python_note);
    memcpy(header->command, parents->command, sizeof header->command);
    header->forked_from = parents->pid;
}

void pk_process_forget_stacks(void) {
    pk_runtime.anchors =
        (struct pk_anchors){.usable = pk_runtime.anchors.usable,
                            .price = pk_runtime.anchors.usable ? PK_ANCHOR_PRICE : UINT32_MAX,
                            .lowest = UINT32_MAX};
    memset(pk_runtime.lines, 0, sizeof pk_runtime.lines);
    memset(pk_runtime.marks, 0, sizeof pk_runtime.marks);
    __atomic_add_fetch(&pk_runtime.deaths, 1, __ATOMIC_RELEASE); // steps and kept walks
}

static void forget_parents_stacks(struct pk_thread *self) {
    pk_codes_clear(&pk_runtime.codes);
    pk_process_forget_stacks();
    self->count = 0;
    self->root = pk_runtime.ledger.stacks.root;
    self->base = pk_runtime.node_none;
    self->nodes[0] = self->root;
    self->main = 1; // Python, too, takes the thread that forked for its main thread
}

static int begin_ledger(struct pk_thread *self) {
    const struct pk_ledger_header *parents = pk_runtime.header;
    int result = pk_writer_fork(&pk_runtime.writer, pk_sys_getpid());
    if (result < 0) {
        return result;
    }
    pk_runtime.header = pk_runtime.writer.header;
    copy_identity(parents);
    (void)pk_sys_munmap((void *)(uintptr_t)parents, PK_LEDGER_HEADER_BYTES);
    result = pk_ledger_fork(&pk_runtime.ledger, &pk_runtime.header->account, &parents_account);
    if (result < 0) {
        return result;
    }
    pk_runtime_begin_record();
    forget_parents_stacks(self);
    return 0;
}

PK_COLD struct pk_thread *pk_process_forked(struct pk_thread *self) {
    self->forked = 0;
    self->busy = 1;
    pk_threads_forked(self);
    pk_runtime.dropped = 0;
    int result = begin_ledger(self);
    if (result < 0) {
        pk_process_note_no_ledger(result);
        self->busy = 0;
        pk_runtime_abandon();
        return NULL;
    }
    pk_ledger_leave(&pk_runtime.ledger);
    take_slot();
    if (slot != PK_TREE_NO_SLOT) {
        join();
    }
    pk_runtime_sync();
    self->busy = 0;
    self->open = 1;
    return self;
}
