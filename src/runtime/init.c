/* SPDX-License-Identifier: Apache-2.0
 * Start and end of the runtime. Order of the start, and why:
 *   real functions      everything else may allocate
 *   environment         cleaned before Python copies it into os.environ
 *   ledger file         without it nothing is recorded; the program runs as if we were not there
 *   ledger, threads     before the first event
 *   Python's allocators before Py_Initialize takes its first block
 *   active              last */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/attr.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/sys.h"
#include "runtime/environment.h"
#include "runtime/process.h"
#include "runtime/python.h"
#include "runtime/real.h"
#include "runtime/runtime.h"
#include "runtime/track.h"

struct pk_runtime pk_runtime;

// ---- start --------------------------------------------------------------------------------------

static uint32_t pseudo_function(enum pk_function_kind kind, const char *name) {
    struct pk_function_key key = {.name = name,
                                  .name_bytes = (uint32_t)strlen(name),
                                  .qualname = name,
                                  .qualname_bytes = (uint32_t)strlen(name),
                                  .file = "",
                                  .hash = (uint32_t)kind * 0x9e3779b9u,
                                  .kind = kind};
    int64_t function = pk_stacks_function(&pk_runtime.ledger.stacks, &key);
    return function < 0 ? 0 : (uint32_t)function;
}

static uint32_t pseudo_node(enum pk_function_kind kind, const char *name) {
    uint32_t function = pseudo_function(kind, name);
    uint32_t node = pk_stacks_child(&pk_runtime.ledger.stacks, pk_runtime.ledger.stacks.root,
                                    function, 0, PK_SPAN_NONE);
    return node == 0 ? pk_runtime.ledger.stacks.root : node;
}

static void forget_code(void *context, uint64_t address) {
    (void)context;
    if (pk_anchors_forget((uintptr_t)address)) {
        return;
    }
    pk_codes_forget(&pk_runtime.codes, (uintptr_t)address);
    __atomic_add_fetch(&pk_runtime.deaths, 1, __ATOMIC_RELEASE);
}

static void publish_large(void) {
    pk_runtime.header->flags |= pk_runtime.ledger.larges.lost ? PK_FLAG_NO_LARGE : 0;
    pk_writer_publish(&pk_runtime.writer);
}

// A program kept to little address space (ulimit -v) shall keep nearly all of it.
static uint64_t ledger_room(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) {
        return PK_WRITER_ROOM;
    }
    uint64_t room = limit.rlim_cur / 32;
    return room > PK_WRITER_ROOM ? PK_WRITER_ROOM : room < (2u << 20) ? 2u << 20 : room;
}

static void begin_header(void) {
    struct pk_ledger_header *header = pk_runtime.header;
    header->pid = (uint32_t)pk_sys_getpid();
    header->parent_pid = (uint32_t)pk_sys_getppid();
    header->start_unix_ns = pk_clock_ns(CLOCK_REALTIME);
    header->start_mono_ns = pk_clock_ns(CLOCK_MONOTONIC);
    header->flags |= PK_CHECKED ? PK_FLAG_CHECKED : 0;
}

void pk_runtime_begin_record(void) {
    begin_header();
    struct pk_runtime *runtime = &pk_runtime;
    runtime->node_start = pseudo_node(PK_FUNCTION_START, "[before Python]");
    runtime->node_none = pseudo_node(PK_FUNCTION_NO_PYTHON, "[no Python stack]");
    runtime->node_unknown = pseudo_node(PK_FUNCTION_UNKNOWN, "[unknown Python stack]");
    runtime->node_dropped = pseudo_node(PK_FUNCTION_DROPPED, "[stacks not kept]");
    runtime->function_native_thread = pseudo_function(PK_FUNCTION_NATIVE_THREAD, "[native thread]");
    runtime->function_thread = pseudo_function(PK_FUNCTION_THREAD, "[thread]");
    runtime->function_sampled = pseudo_function(PK_FUNCTION_SAMPLED, "[resident, sampled]");
    runtime->function_heap = pseudo_function(PK_FUNCTION_HEAP, "[C heap]");
    runtime->function_map = pseudo_function(PK_FUNCTION_MAP, "[map]");
    memset(runtime->heaps, 0, sizeof runtime->heaps); // those of another ledger
    pk_writer_publish(&runtime->writer);
}

int pk_runtime_open_ledger(const char *directory) {
    struct pk_runtime *runtime = &pk_runtime;
    int result = directory == NULL
                     ? pk_writer_open_nowhere(&runtime->writer)
                     : pk_writer_open(&runtime->writer, directory, pk_sys_getpid(), ledger_room());
    if (result < 0) {
        return result;
    }
    runtime->header = runtime->writer.header;
    struct pk_store *stores = runtime->writer.stores;
    result = pk_ledger_init(&runtime->ledger, &runtime->header->account, &stores[PK_TABLE_COUNTERS],
                            &stores[PK_TABLE_IDENTS], &stores[PK_TABLE_FUNCTIONS],
                            &stores[PK_TABLE_STRINGS]);
    if (result < 0) {
        pk_writer_close(&runtime->writer);
        return result;
    }
    pk_ledger_keep_large(&runtime->ledger, &stores[PK_TABLE_LARGE], publish_large);
    runtime->ledger.code_freed = forget_code;
    runtime->ledger.peak_ended = pk_track_peak_ended;
    runtime->ledger.file_mapped = pk_track_file_mapped;
    pk_runtime_begin_record();
    return 0;
}

int pk_runtime_start(const char *directory) {
    struct pk_runtime *runtime = &pk_runtime;
    int result = pk_runtime_open_ledger(directory);
    if (result < 0) {
        return result;
    }
    runtime->header->flags |= pk_real_is_first() ? 0 : PK_FLAG_OTHER_MALLOC;
    pk_threads_init();
    struct pk_thread *self = pk_thread_make(runtime->node_start);
    if (self == NULL) {
        pk_writer_close(&runtime->writer);
        return -ENOMEM;
    }
    self->main = 1;
    pk_lock_init(&runtime->lock, &self->holder);
    // Without the kernel's barrier a thread that was not seen coming could not be told from none:
    // always lock.
    runtime->threads |= !runtime->lock.can_bias;
    pk_process_enter(directory);
    return 0;
}

void pk_runtime_finish(void) {
    pk_runtime_sync();
    if (PK_CHECKED) {
        pk_track_audit();
    }
    pk_runtime.header->end_mono_ns = pk_clock_ns(CLOCK_MONOTONIC);
    pk_runtime.header->state = PK_STATE_ENDED;
}

void pk_runtime_abandon(void) {
    pk_runtime.active = false;
    pk_runtime.starting = false;
    pk_self = &pk_thread_blank;
    pk_lock_reset(&pk_runtime.lock);
}

// ---- leaving ------------------------------------------------------------------------------------

bool pk_runtime_is_own(void) {
    return pk_runtime.active && pk_runtime.header->pid == (uint32_t)pk_sys_getpid();
}

// A handler inside the ledger, or inside a hook of ours, goes without the lock and the last
// counters.
static void set_state(enum pk_ledger_state state, uint64_t end_mono_ns) {
    uint64_t signals = pk_sys_hold_signals();
    struct pk_thread *self = pk_self->busy ? NULL : pk_thread_current();
    if (self != NULL) {
        pk_runtime_enter(self); // other threads may still run
        pk_runtime_sync();
    }
    pk_runtime.header->end_mono_ns = end_mono_ns;
    pk_runtime.header->state = state;
    if (self != NULL) {
        pk_runtime_leave(self);
    }
    pk_sys_release_signals(signals);
}

void pk_runtime_leaving(enum pk_ledger_state state) {
    if (pk_runtime_is_own()) {
        set_state(state, pk_clock_ns(CLOCK_MONOTONIC));
    }
}

void pk_runtime_stays(void) {
    if (pk_runtime_is_own()) {
        set_state(PK_STATE_RUNNING, 0);
    }
}

// ---- constructor and destructor -----------------------------------------------------------------

static void begin(void) {
    const char *directory = pk_environment_take();
    if (directory == NULL || !pk_python_present()) {
        // another program on the way to Python: untouched, but what it starts is measured again
        // (launch.c)
        return;
    }
    int result = pk_runtime_start(directory);
    if (result == 0) {
        struct pk_thread *self = pk_self;
        self->open = 0;
        pk_python_attach();
        self->open = 1;
        pk_runtime.active = true;
    } else {
        pk_process_note_no_ledger(result);
    }
}

// The command, for people to tell one process from another.
static void note_command(int count, char *const *words) {
    char *text = pk_runtime.header->command;
    size_t room = sizeof pk_runtime.header->command - 1;
    for (int i = 0; i < count && words[i] != NULL && room > 1; i++) {
        if (i > 0) {
            *text++ = ' ';
            room--;
        }
        size_t bytes = strnlen(words[i], room);
        memcpy(text, words[i], bytes);
        text += bytes;
        room -= bytes;
    }
}

// glibc hands its constructors what main() gets.
__attribute__((constructor(101))) static void start_runtime(int count, char **words) {
    int saved = errno;
    pk_real_resolve();
    begin();
    if (pk_runtime.active) {
        note_command(count, words);
    }
    // Symbols that were not found must not be the program's first dlerror(). The second call frees
    // the text.
    (void)dlerror();
    (void)dlerror();
    errno = saved;
}

__attribute__((destructor(101))) static void end_runtime(void) {
    if (!pk_runtime.active) {
        return;
    }
    struct pk_thread *self = pk_thread_current();
    if (self == NULL) {
        return;
    }
    pk_runtime_enter(self); // other threads may still run
    pk_runtime_finish();
    pk_runtime_leave(self); // what is freed and allocated after this is still recorded
}
