/* SPDX-License-Identifier: Apache-2.0
 * What Python calls of the library (python/peakline/_native.py declares the same). Plain C types,
 * no Python objects: one build for every version. Called with the GIL held. */
#include "runtime/api.h"

#include <stdbool.h>

#include "base/attr.h"
#include "runtime/inprocess.h"
#include "runtime/process.h"
#include "runtime/runtime.h"

PK_EXPORT int peakline_start(const char *directory, char *ret_why, size_t size) {
    return pk_inprocess_start(directory, ret_why, size);
}

PK_EXPORT int peakline_stop(void) {
    return pk_inprocess_stop() ? 0 : -1;
}

PK_EXPORT int peakline_state(void) {
    return !pk_runtime.active      ? PEAKLINE_OFF
           : pk_runtime.in_process ? PEAKLINE_IN_PROCESS
                                   : PEAKLINE_PRELOADED;
}

PK_EXPORT const char *peakline_ledger_path(void) {
    return pk_runtime.active ? pk_runtime.writer.path : "";
}

PK_EXPORT struct pk_block_run *peakline_block_begin(void) {
    return pk_block_begin();
}

PK_EXPORT int peakline_block_read(struct pk_block_run *run, int end,
                                  struct pk_block_numbers *ret_numbers) {
    return pk_block_read(run, end != 0, ret_numbers) ? 0 : -1;
}

PK_EXPORT int peakline_block_write(struct pk_block_run *run, const char *directory) {
    return pk_block_write(run, directory);
}

PK_EXPORT int peakline_block_write_kept(struct pk_block_run *run, const char *directory) {
    return pk_block_write_kept(run, directory);
}

PK_EXPORT uint64_t peakline_block_gained(const struct pk_block_run *run) {
    return pk_block_gained(run);
}

PK_EXPORT void peakline_block_free(struct pk_block_run *run) {
    pk_block_free(run);
}

// ---- numbers of now -----------------------------------------------------------------------------

static void count_moved(void *context, int64_t bytes) {
    struct pk_thread *self = pk_self;
    (void)context;
    self->moved_bytes += bytes;
    if (self->moved_bytes > self->moved_peak) {
        self->moved_peak = self->moved_bytes;
    }
}

PK_EXPORT int peakline_numbers(struct peakline_numbers *ret_numbers) {
    struct pk_thread *self = pk_runtime.active ? pk_thread_current() : NULL;
    *ret_numbers = (struct peakline_numbers){0};
    if (self == NULL) {
        return -1;
    }
    pk_runtime_enter(self);
    pk_runtime_sync();
    const struct pk_account *account = pk_runtime.ledger.account;
    ret_numbers->live_bytes = account->total_bytes;
    ret_numbers->live_blocks = account->total_blocks;
    ret_numbers->peak_bytes = account->peak_bytes;
    ret_numbers->peak_blocks = account->peak_blocks;
    ret_numbers->own_bytes = pk_runtime.header->own_bytes;
    ret_numbers->dropped_events = pk_runtime.header->dropped_events;
    ret_numbers->merged_stacks = pk_runtime.header->merged_stacks;
    ret_numbers->counts_threads = pk_runtime.ledger.moved != NULL;
    if (self->session == pk_runtime.session) {
        ret_numbers->thread_bytes = self->moved_bytes;
        ret_numbers->thread_peak_bytes = self->moved_peak;
    }
    pk_runtime_leave(self);
    return 0;
}

static int count_threads(bool restart) {
    struct pk_thread *self = pk_runtime.active ? pk_thread_current() : NULL;
    if (self == NULL) {
        return -1;
    }
    pk_runtime_enter(self);
    pk_ledger_tell_moves(&pk_runtime.ledger, count_moved, NULL);
    if (restart) {
        self->moved_peak = self->moved_bytes;
    }
    pk_runtime_leave(self);
    return 0;
}

PK_EXPORT int peakline_tree_mark(void) {
    return pk_process_mark();
}

PK_EXPORT int peakline_tree_unmark(int mark, uint64_t *ret_bytes) {
    return pk_process_unmark(mark, ret_bytes) ? 1 : 0;
}

PK_EXPORT int peakline_count_threads(void) {
    return count_threads(false);
}

PK_EXPORT int peakline_thread_restart(void) {
    return count_threads(true);
}
