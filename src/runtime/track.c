/* SPDX-License-Identifier: Apache-2.0
 * See track.h. */
#include "runtime/track.h"

#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "runtime/process.h"
#include "runtime/python.h"
#include "runtime/runtime.h"
#include "runtime/sample.h"
#include "runtime/small.h"

// Events between two audits: about as many as an audit has blocks and stacks to read, so that it
// costs each event the same.
#define AUDIT_LEAST 4096u
#define AUDIT_MOST 65536u

void pk_track_audit(void) {
    const char *wrong = pk_ledger_is_valid(&pk_runtime.ledger);
    if (wrong != NULL) {
        pk_check_failed(wrong, __FILE__, __LINE__);
    }
}

void pk_track_check(void) {
    const struct pk_ledger *ledger = &pk_runtime.ledger;
    PK_ASSERT(ledger->account->peak_bytes >= ledger->account->total_bytes);
    uint64_t due = ledger->blocks.count + ledger->stacks.node_count;
    due = due < AUDIT_LEAST ? AUDIT_LEAST : due > AUDIT_MOST ? AUDIT_MOST : due;
    if (++pk_runtime.unaudited_events >= due) {
        pk_runtime.unaudited_events = 0;
        pk_track_audit();
    }
}

void pk_runtime_sync(void) {
    struct pk_ledger_header *header = pk_runtime.header;
    const struct pk_ledger *ledger = &pk_runtime.ledger;
    header->own_bytes = ledger->arena.own_bytes + pk_runtime.kept.own_bytes;
    header->dropped_events =
        ledger->dropped + __atomic_load_n(&pk_runtime.dropped, __ATOMIC_RELAXED);
    // blocks from before are no surprise
    header->unknown_frees = pk_runtime.in_process ? 0 : ledger->unknown_frees;
    header->missed_frees = ledger->missed_frees;
    header->file_map_bytes = ledger->file_map_bytes;
    header->noreserve_bytes = ledger->noreserve_bytes;
    header->sampled_bytes = ledger->sampled_bytes;
    header->inherited_bytes = ledger->inherited_bytes;
    header->inherited_blocks = ledger->inherited_blocks;
    header->inherited_freed_bytes = ledger->inherited_freed_bytes;
    header->inherited_freed_blocks = ledger->inherited_freed_blocks;
}

// The peak has just ended (the first change after it): note when, once a peak.
PK_COLD void pk_track_peak_ended(void *context) {
    (void)context;
    pk_runtime.ledger.account->peak_mono_ns = pk_clock_ns(CLOCK_MONOTONIC_COARSE);
    pk_runtime_sync();
}

// The running thread's state, or NULL for a thread that has none.
PK_INLINE const void *thread_state(const struct pk_layout *layout, const struct pk_thread *self) {
    const void *running = pk_runtime.thread_state();
    if (pk_runtime.detached_is_null) {
        if (running != NULL) {
            return running;
        }
    } else if (running != NULL && running == self->attached &&
               pk_read_word(running, layout->thread_id) == pk_thread_id()) {
        // Up to 3.11 "running" is whoever holds the GIL. The id alone says who made the state,
        // which may be this thread while another one runs it: so it must also have run here, with
        // the GIL held, before.
        return running;
    }
    // Without the GIL. When the interpreter ends it frees the states of threads that still run.
    if (PK_UNLIKELY(pk_runtime.is_finalizing != NULL && pk_runtime.is_finalizing())) {
        return NULL;
    }
    return pk_runtime.own_thread_state();
}

static uint32_t lock_and_locate(struct pk_thread *self);

// Under the lock it turned out that another recording has begun, or that there is none: once more
// from the start.
PK_COLD uint32_t pk_track_locate_again(struct pk_thread *self) {
    pk_thread_renew(self);
    if (!pk_runtime.active) {
        return pk_runtime.node_none;
    }
    pk_runtime_unlock(self);
    return lock_and_locate(self);
}

PK_INLINE uint32_t lock_and_locate_in(enum pk_frame_family family, struct pk_thread *self) {
    const struct pk_layout *layout = pk_runtime.layout;
    const void *tstate = PK_LIKELY(layout != NULL) ? thread_state(layout, self) : NULL;
    const void *frame =
        PK_LIKELY(tstate != NULL) ? pk_frame_current_in(family, layout, tstate) : NULL;
    if (PK_UNLIKELY(frame == NULL)) {
        self->count = 0;
        pk_runtime_lock(self);
        return PK_UNLIKELY(self->session != pk_runtime.session) ? pk_track_locate_again(self)
                                                                : pk_stack_base(self);
    }
    return pk_small_place(family, layout, self, frame);
}

static uint32_t lock_and_locate(struct pk_thread *self) {
    const struct pk_layout *layout = pk_runtime.layout;
    switch (layout == NULL ? PK_FAMILY_DIRECT : (enum pk_frame_family)layout->family) {
    case PK_FAMILY_OBJECT:
        return lock_and_locate_in(PK_FAMILY_OBJECT, self);
    case PK_FAMILY_CFRAME:
        return lock_and_locate_in(PK_FAMILY_CFRAME, self);
    case PK_FAMILY_DIRECT:
        break;
    }
    return lock_and_locate_in(PK_FAMILY_DIRECT, self);
}

// Where a block is charged: Python's own to the stack, what the C heap gave to its node below.
PK_INLINE uint32_t kind_of(uint32_t node, uint32_t flags) {
    return (flags & PK_BLOCK_PYTHON) != 0 ? node : pk_stack_heap(node);
}

void pk_track_alloc(struct pk_thread *self, uintptr_t address, size_t size, uint32_t flags,
                    bool even) {
    if (PK_UNLIKELY(pk_runtime.starting)) {
        pk_python_starting();
    }
    pk_small_enter(self);
    uint32_t node = kind_of(lock_and_locate(self), flags);
    if (even) {
        pk_ledger_alloc(&pk_runtime.ledger, address, size, node, flags, true);
    } else {
        pk_hot_alloc_mixed(&pk_runtime.ledger, address, size, node, flags);
    }
    pk_small_leave(self);
}

void pk_track_free(struct pk_thread *self, uintptr_t address) {
    pk_small_free(self, address);
}

PK_COLD void pk_track_failed(struct pk_thread *self, size_t size) {
    pk_small_enter(self);
    uint32_t node = lock_and_locate(self);
    struct pk_ledger_header *header = pk_runtime.header;
    if (size >= header->largest_failed_bytes) {
        header->largest_failed_bytes = size;
        // a forked child's file begins there
        header->largest_failed_node = node - pk_runtime.ledger.stacks.first;
    }
    header->failed_allocs++;
    pk_small_leave(self);
}

struct pk_block pk_track_resize_begin(struct pk_thread *self, uintptr_t old) {
    pk_small_enter(self);
    pk_runtime_lock(self);
    if (PK_UNLIKELY(self->session != pk_runtime.session)) {
        pk_thread_renew(self);
    }
    struct pk_block block = pk_ledger_resize_begin(&pk_runtime.ledger, old);
    pk_small_leave(self);
    return block;
}

void pk_track_resize_commit(struct pk_thread *self, struct pk_block block, uintptr_t address,
                            size_t size, uint32_t flags, bool even, bool copied) {
    pk_small_enter(self);
    uint32_t session = self->session; // resize_begin brought it up to date
    uint32_t node = lock_and_locate(self);
    if (PK_UNLIKELY(self->session != session)) {
        block.stack = PK_NODE_NONE; // known to a recording that has ended
    }
    pk_ledger_resize_commit(&pk_runtime.ledger, block, address, size, kind_of(node, flags), flags,
                            even, copied);
    pk_small_leave(self);
}

void pk_track_resize_abort(struct pk_thread *self, struct pk_block block, uintptr_t old) {
    pk_small_enter(self);
    pk_runtime_lock(self);
    if (PK_LIKELY(self->session == pk_runtime.session)) {
        pk_ledger_resize_abort(&pk_runtime.ledger, block, old);
    }
    pk_small_leave(self);
}

// ---- maps ---------------------------------------------------------------------------------------

// The first map without reservation: what is resident of it is asked for from now on.
static void follow_unreserved(bool unreserved) {
    if (PK_UNLIKELY(unreserved) && pk_runtime.ledger.share == NULL) {
        pk_process_follow();
    }
}

static void sample_if_moved(uint64_t unreserved_before) {
    if (PK_UNLIKELY(pk_runtime.ledger.noreserve_bytes != unreserved_before)) {
        pk_sample_now();
    }
}

static uint64_t page_up(uint64_t value) {
    return (value + 4095u) & ~(uint64_t)4095u;
}

// The files table's entry for this path; a new one when it was not met before. Few: a linear search
// is enough.
static uint32_t file_entry(const char *path, uint32_t flags) {
    struct pk_store *store = &pk_runtime.writer.stores[PK_TABLE_FILES];
    uint32_t text = pk_stacks_string(&pk_runtime.ledger.stacks, path, (uint32_t)strlen(path));
    struct pk_file_map *files = (struct pk_file_map *)(void *)store->base;
    uint32_t count = (uint32_t)(store->used / sizeof *files);
    for (uint32_t i = 0; i < count; i++) {
        if (files[i].path == text && files[i].flags == flags) {
            return i;
        }
    }
    if (pk_store_reserve(store, sizeof *files) < 0) {
        return UINT32_MAX;
    }
    files[count] = (struct pk_file_map){.path = text, .flags = flags};
    store->used += sizeof *files;
    pk_writer_publish(&pk_runtime.writer);
    return count;
}

void pk_track_file_mapped(void *context, uint32_t index, int64_t bytes) {
    (void)context;
    struct pk_store *store = &pk_runtime.writer.stores[PK_TABLE_FILES];
    if (index < store->used / sizeof(struct pk_file_map)) {
        struct pk_file_map *file = (struct pk_file_map *)(void *)store->base + index;
        file->mapped_bytes += (uint64_t)bytes;
        if (file->mapped_bytes > file->most_bytes) {
            file->most_bytes = file->mapped_bytes;
        }
    }
}

void pk_track_map(struct pk_thread *self, uintptr_t address, size_t length, enum pk_map_kind kind,
                  bool usable, const char *path, uint32_t path_flags) {
    pk_small_enter(self);
    uint32_t node = lock_and_locate(self);
    struct pk_map map = {
        .start = address,
        .end = address + page_up(length),
        .stack = kind == PK_MAP_MEMORY ? pk_stack_kind(node, pk_runtime.function_map) : node,
        .kind = (uint8_t)kind,
        .usable = usable,
        .file = UINT32_MAX};
    if (kind != PK_MAP_MEMORY) {
        map.file = file_entry(path, path_flags);
    }
    follow_unreserved(kind == PK_MAP_NORESERVE);
    uint64_t unreserved = pk_runtime.ledger.noreserve_bytes;
    pk_runtime.maps_change = true;
    pk_ledger_map(&pk_runtime.ledger, map);
    pk_runtime.maps_change = false;
    sample_if_moved(unreserved);
    pk_runtime_sync();
    pk_small_leave(self);
}

uint32_t pk_track_hold(struct pk_thread *self) {
    pk_small_enter(self);
    return lock_and_locate(self);
}

void pk_track_let_go(struct pk_thread *self) {
    pk_runtime_sync();
    pk_small_leave(self);
}

void pk_track_unmap(uintptr_t address, size_t length) {
    uint64_t unreserved = pk_runtime.ledger.noreserve_bytes;
    pk_runtime.maps_change = true;
    pk_ledger_unmap(&pk_runtime.ledger, address, address + page_up(length));
    pk_runtime.maps_change = false;
    sample_if_moved(unreserved);
}

void pk_track_protect(uintptr_t address, size_t length, bool usable) {
    pk_runtime.maps_change = true;
    pk_ledger_protect(&pk_runtime.ledger, address, address + page_up(length), usable);
    pk_runtime.maps_change = false;
}

void pk_track_remap(uint32_t node, uintptr_t old, size_t old_length, uintptr_t address,
                    size_t length) {
    pk_runtime.maps_change = true;
    node = pk_stack_kind(node, pk_runtime.function_map);
    pk_ledger_remap(&pk_runtime.ledger, old, page_up(old_length), address, page_up(length), node);
    pk_runtime.maps_change = false;
}

void pk_track_arena(struct pk_thread *self, int64_t bytes) {
    pk_small_enter(self);
    pk_runtime_lock(self);
    struct pk_ledger_header *header = pk_runtime.header;
    header->arena_bytes += (uint64_t)bytes;
    if ((int64_t)header->arena_bytes < 0) { // arenas from before an in-process start
        header->arena_bytes = 0;
    }
    if (header->arena_bytes > header->arena_peak_bytes) {
        header->arena_peak_bytes = header->arena_bytes;
    }
    pk_small_leave(self);
}

// ---- threads ------------------------------------------------------------------------------------

uint32_t pk_track_here(struct pk_thread *self) {
    pk_small_enter(self);
    uint32_t node = lock_and_locate(self);
    pk_small_leave(self);
    return node;
}

void pk_track_thread_start(struct pk_thread *self, uint32_t starter, uint32_t session) {
    pk_small_enter(self);
    pk_runtime_lock(self);
    if (session != pk_runtime.session) { // that stack is of a recording that has ended
        pk_thread_renew(self);
        pk_small_leave(self);
        return;
    }
    struct pk_stacks *stacks = &pk_runtime.ledger.stacks;
    uint32_t native =
        pk_stacks_child(stacks, starter, pk_runtime.function_native_thread, 0, PK_SPAN_NONE);
    uint32_t root = pk_stacks_child(stacks, stacks->root, pk_runtime.function_thread,
                                    starter - stacks->first, PK_SPAN_NONE);
    pk_writer_publish(&pk_runtime.writer);
    self->base = native == 0 ? starter : native;
    self->root = root == 0 ? stacks->root : root;
    self->nodes[0] = self->root;
    self->count = 0;
    pk_small_leave(self);
}
