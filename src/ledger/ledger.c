/* SPDX-License-Identifier: Apache-2.0
 * See ledger.h. pk_ledger_alloc and pk_ledger_free are the hot path: the index, the account, two
 * rare branches. Everything unusual (an old block, no memory, code that dies, epochs used up) is a
 * cold function of its own. */
#include "ledger/ledger.h"

#include <stddef.h>
#include <string.h>

#include "base/check.h"

int pk_ledger_init(struct pk_ledger *ledger, struct pk_account *account, struct pk_store *counters,
                   struct pk_store *idents, struct pk_store *functions, struct pk_store *strings) {
    ledger->account = account;
    ledger->own_cells = 1;
    pk_account_start(account);
    pk_blocks_init(&ledger->blocks, &ledger->arena);
    pk_maps_init(&ledger->maps, &ledger->arena);
    return pk_stacks_init(&ledger->stacks, &ledger->arena, counters, idents, functions, strings);
}

void pk_ledger_done(struct pk_ledger *ledger) {
    pk_arena_release(&ledger->arena);
    // Field by field: the struct is far too large for a stranger's stack.
    void *context = ledger->context;
    void (*code_freed)(void *, uint64_t) = ledger->code_freed;
    void (*file_mapped)(void *, uint32_t, int64_t) = ledger->file_mapped;
    void (*peak_ended)(void *) = ledger->peak_ended;
    memset(ledger, 0, offsetof(struct pk_ledger, blocks));
    ledger->context = context;
    ledger->code_freed = code_freed;
    ledger->file_mapped = file_mapped;
    ledger->peak_ended = peak_ended;
    pk_blocks_clear(&ledger->blocks);
}

void pk_ledger_keep_large(struct pk_ledger *ledger, struct pk_store *entries,
                          void (*changed)(void)) {
    ledger->larges.entries = entries;
    ledger->larges.arena = &ledger->arena;
    ledger->larges.changed = changed;
}

static void note_watchers(struct pk_ledger *ledger) {
    bool others = ledger->share != NULL || ledger->moved != NULL;
    bool is_lone = !others && ledger->trackers != NULL && ledger->trackers->next == NULL;
    ledger->watched = others || ledger->trackers != NULL;
    ledger->lone = is_lone ? ledger->trackers : NULL;
}

int pk_ledger_fork(struct pk_ledger *ledger, struct pk_account *account,
                   const struct pk_account *parents) {
    ledger->inherited_bytes += parents->total_bytes - ledger->inherited_freed_bytes;
    ledger->inherited_blocks += parents->total_blocks - ledger->inherited_freed_blocks;
    ledger->inherited_freed_bytes = 0;
    ledger->inherited_freed_blocks = 0;
    ledger->inherited_lost_bytes += ledger->resizing_bytes;
    ledger->inherited_lost_blocks += ledger->resizing_blocks;
    ledger->resizing_bytes = 0;
    ledger->resizing_blocks = 0;
    ledger->sampled_count = 0;
    ledger->sampled_bytes = 0;
    ledger->dropped = 0;
    ledger->unknown_frees = 0;
    ledger->missed_frees = 0;
    ledger->trackers = NULL;
    ledger->larges.lost = false;
    note_watchers(ledger);
    ledger->account = account;
    pk_account_start(account);
    int result = pk_stacks_restart(&ledger->stacks);
    ledger->own_cells = ledger->stacks.first << 12;
    return result;
}

void pk_ledger_join(struct pk_ledger *ledger, struct pk_share *share) {
    ledger->share = share;
    note_watchers(ledger);
    share->told_bytes = ledger->account->total_bytes;
    share->tell(share->context, share->told_bytes);
}

void pk_ledger_leave(struct pk_ledger *ledger) {
    ledger->share = NULL;
    note_watchers(ledger);
}

// ---- trackers -----------------------------------------------------------------------------------

void pk_ledger_track(struct pk_ledger *ledger, struct pk_tracker *tracker,
                     struct pk_tracker_entry *entries) {
    pk_tracker_begin(tracker, entries, ledger->account);
    tracker->next = ledger->trackers;
    ledger->trackers = tracker;
    note_watchers(ledger);
}

void pk_ledger_untrack(struct pk_ledger *ledger, struct pk_tracker *tracker) {
    for (struct pk_tracker **link = &ledger->trackers; *link != NULL; link = &(*link)->next) {
        if (*link == tracker) {
            *link = tracker->next;
            break;
        }
    }
    note_watchers(ledger);
}

void pk_ledger_tell_moves(struct pk_ledger *ledger, void (*moved)(void *context, int64_t bytes),
                          void *context) {
    ledger->moved = moved;
    ledger->moved_context = context;
    note_watchers(ledger);
}

static uint32_t index_of(const struct pk_ledger *ledger, const struct pk_node_counters *node) {
    return (uint32_t)(node -
                      (const struct pk_node_counters *)(const void *)ledger->stacks.counters->base);
}

static void watch_charge(struct pk_ledger *ledger, struct pk_node_counters *node, uint64_t bytes,
                         uint64_t blocks) {
    if (ledger->share != NULL) {
        pk_share_capture(ledger->share, node);
    }
    if (ledger->moved != NULL) {
        ledger->moved(ledger->moved_context, (int64_t)bytes);
    }
    uint64_t total_bytes = ledger->account->total_bytes + bytes;
    uint64_t total_blocks = ledger->account->total_blocks + blocks;
    uint32_t index = index_of(ledger, node);
    for (struct pk_tracker *tracker = ledger->trackers; tracker != NULL; tracker = tracker->next) {
        pk_tracker_charge(tracker, index, node, total_bytes, total_blocks);
    }
}

static void watch_release(struct pk_ledger *ledger, struct pk_node_counters *node, uint64_t bytes) {
    if (ledger->share != NULL) {
        pk_share_capture(ledger->share, node);
    }
    if (ledger->moved != NULL) {
        ledger->moved(ledger->moved_context, -(int64_t)bytes);
    }
    uint32_t index = index_of(ledger, node);
    for (struct pk_tracker *tracker = ledger->trackers; tracker != NULL; tracker = tracker->next) {
        pk_tracker_capture(tracker, index, node);
    }
}

// ---- the account --------------------------------------------------------------------------------

PK_COLD void pk_ledger_heed(struct pk_ledger *ledger, enum pk_account_note note) {
    if (note == PK_ACCOUNT_SWEEP) {
        pk_account_sweep(ledger->account, pk_stacks_counters(&ledger->stacks, ledger->stacks.first),
                         ledger->stacks.node_count - ledger->stacks.first);
        for (uint64_t at = 0; ledger->larges.entries != NULL && at < ledger->larges.entries->used;
             at += sizeof(struct pk_large)) {
            ((struct pk_large *)(void *)(ledger->larges.entries->base + at))->epoch = 0;
        }
    } else if (ledger->peak_ended != NULL) {
        ledger->peak_ended(ledger->context);
    }
}

static bool is_inherited(const struct pk_ledger *ledger, uint32_t stack) {
    return stack < ledger->stacks.first;
}

PK_INLINE void charge_node(struct pk_ledger *ledger, struct pk_node_counters *node, uint64_t bytes,
                           uint64_t blocks) {
    if (PK_UNLIKELY(ledger->watched)) {
        watch_charge(ledger, node, bytes, blocks);
    }
    enum pk_account_note note = pk_account_charge(ledger->account, node, bytes, blocks);
    if (PK_UNLIKELY(note != PK_ACCOUNT_FINE)) {
        pk_ledger_heed(ledger, note);
    }
    if (PK_UNLIKELY(ledger->share != NULL)) {
        pk_share_follow(ledger->share, ledger->account->total_bytes);
    }
}

PK_INLINE void release_node(struct pk_ledger *ledger, struct pk_node_counters *node, uint64_t bytes,
                            uint64_t blocks) {
    if (PK_UNLIKELY(ledger->watched)) {
        watch_release(ledger, node, bytes);
    }
    enum pk_account_note note = pk_account_release(ledger->account, node, bytes, blocks);
    if (PK_UNLIKELY(note != PK_ACCOUNT_FINE)) {
        pk_ledger_heed(ledger, note);
    }
    if (PK_UNLIKELY(ledger->share != NULL)) {
        pk_share_follow(ledger->share, ledger->account->total_bytes);
    }
}

// One block that measures a program is the usual case, and it comes with every event: a way of its
// own.
PK_NOINLINE void pk_ledger_charge_watched(struct pk_ledger *ledger, struct pk_node_counters *node,
                                          uint64_t bytes) {
    struct pk_account *account = ledger->account;
    if (PK_UNLIKELY(ledger->lone == NULL)) {
        charge_node(ledger, node, bytes, 1);
        return;
    }
    pk_tracker_charge(ledger->lone, index_of(ledger, node), node, account->total_bytes + bytes,
                      account->total_blocks + 1);
    enum pk_account_note note = pk_account_charge(account, node, bytes, 1);
    if (PK_UNLIKELY(note != PK_ACCOUNT_FINE)) {
        pk_ledger_heed(ledger, note);
    }
}

PK_NOINLINE void pk_ledger_release_watched(struct pk_ledger *ledger, struct pk_node_counters *node,
                                           uint64_t bytes) {
    if (PK_UNLIKELY(ledger->lone == NULL)) {
        release_node(ledger, node, bytes, 1);
        return;
    }
    pk_tracker_capture(ledger->lone, index_of(ledger, node), node);
    enum pk_account_note note = pk_account_release(ledger->account, node, bytes, 1);
    if (PK_UNLIKELY(note != PK_ACCOUNT_FINE)) {
        pk_ledger_heed(ledger, note);
    }
}

PK_INLINE void charge(struct pk_ledger *ledger, uint32_t stack, uint64_t bytes, uint64_t blocks) {
    PK_ASSERT(stack != PK_NODE_NONE && stack < ledger->stacks.node_count);
    if (PK_UNLIKELY(is_inherited(ledger, stack))) { // a map of the parent's became usable again
        ledger->inherited_freed_bytes -= bytes;
        ledger->inherited_freed_blocks -= blocks;
        return;
    }
    charge_node(ledger, pk_stacks_counters(&ledger->stacks, stack), bytes, blocks);
}

PK_INLINE void release(struct pk_ledger *ledger, uint32_t stack, uint64_t bytes, uint64_t blocks) {
    if (PK_UNLIKELY(is_inherited(ledger, stack))) {
        ledger->inherited_freed_bytes += bytes;
        ledger->inherited_freed_blocks += blocks;
        return;
    }
    release_node(ledger, pk_stacks_counters(&ledger->stacks, stack), bytes, blocks);
}

// ---- the largest blocks -------------------------------------------------------------------------

// The entry of a node that is about to change. `grows_to`: what the total will be.
static struct pk_large *changing_large(struct pk_ledger *ledger, uint32_t stack,
                                       uint64_t grows_to) {
    if (ledger->larges.entries == NULL || is_inherited(ledger, stack)) {
        return NULL;
    }
    struct pk_large *large = pk_larges_entry(&ledger->larges, stack, ledger->stacks.first);
    if (large != NULL && grows_to <= ledger->account->peak_bytes) {
        pk_large_capture(large, ledger->account->epoch);
    }
    if (large != NULL && ledger->share != NULL) {
        pk_large_capture_tree(large, pk_share_epoch(ledger->share));
    }
    return large;
}

PK_NOINLINE void pk_ledger_add_large(struct pk_ledger *ledger, uint32_t stack, uint64_t size) {
    struct pk_large *large = changing_large(ledger, stack, ledger->account->total_bytes + size);
    if (large != NULL) {
        pk_large_add(large, size);
    }
}

PK_NOINLINE void pk_ledger_take_large(struct pk_ledger *ledger, uint32_t stack, uint64_t size) {
    struct pk_large *large = changing_large(ledger, stack, 0);
    if (large != NULL && large->count > 0) { // one that came while the table could not grow
        pk_large_take(large, size);
    }
}

// As charge() and release(), for one block.
PK_INLINE void charge_block(struct pk_ledger *ledger, uint32_t stack, uint64_t size) {
    if (PK_UNLIKELY(size > PK_LARGE_LEAST)) {
        pk_ledger_add_large(ledger, stack, size);
    }
    charge(ledger, stack, size, 1);
}

PK_INLINE void release_block(struct pk_ledger *ledger, uint32_t stack, uint64_t size) {
    if (PK_UNLIKELY(size > PK_LARGE_LEAST)) {
        pk_ledger_take_large(ledger, stack, size);
    }
    release(ledger, stack, size, 1);
}

// ---- blocks -------------------------------------------------------------------------------------

PK_COLD static void report_code_freed(struct pk_ledger *ledger, uint64_t address) {
    if (ledger->code_freed != NULL) {
        ledger->code_freed(ledger->context, address);
    }
}

// The block at `address` is dead, though nobody told us.
PK_COLD static void retire_missed(struct pk_ledger *ledger, struct pk_block block,
                                  uint64_t address) {
    ledger->missed_frees++;
    release_block(ledger, block.stack, block.size);
    if ((block.flags & PK_BLOCK_CODE) != 0) {
        report_code_freed(ledger, address);
    }
}

// The index has no room for a new block at `address`: it is dropped, and what was known there is
// dead all the same.
PK_COLD static void drop_alloc(struct pk_ledger *ledger, struct pk_block old, uint64_t address) {
    ledger->dropped++;
    if (old.stack == PK_NODE_NONE) {
        old = pk_blocks_take(&ledger->blocks, address);
    }
    if (old.stack != PK_NODE_NONE) {
        retire_missed(ledger, old, address);
    }
}

PK_INLINE void add_block(struct pk_ledger *ledger, uint64_t address, uint64_t size, uint32_t stack,
                         uint32_t flags, bool even) {
    struct pk_block old;
    if (PK_UNLIKELY(pk_blocks_put(&ledger->blocks, address, size, stack, flags, even, &old) < 0)) {
        drop_alloc(ledger, old, address);
        return;
    }
    if (PK_UNLIKELY(old.stack != PK_NODE_NONE)) {
        retire_missed(ledger, old, address);
    }
    charge_block(ledger, stack, size);
}

void pk_ledger_alloc(struct pk_ledger *ledger, uint64_t address, uint64_t size, uint32_t stack,
                     uint32_t flags, bool even) {
    add_block(ledger, address, size, stack, flags, even);
}

void pk_ledger_free(struct pk_ledger *ledger, uint64_t address) {
    if (PK_UNLIKELY(address == 0)) { // numpy frees a NULL for each array
        return;
    }
    struct pk_block block = pk_blocks_take(&ledger->blocks, address);
    if (PK_UNLIKELY(block.stack == PK_NODE_NONE)) {
        ledger->unknown_frees++;
        return;
    }
    release_block(ledger, block.stack, block.size);
    if (PK_UNLIKELY((block.flags & PK_BLOCK_CODE) != 0)) {
        report_code_freed(ledger, address);
    }
}

struct pk_block pk_ledger_resize_begin(struct pk_ledger *ledger, uint64_t old_address) {
    struct pk_block block = pk_blocks_take(&ledger->blocks, old_address);
    if (PK_UNLIKELY((block.flags & PK_BLOCK_CODE) != 0)) {
        report_code_freed(ledger, old_address);
        block.flags &= ~PK_BLOCK_CODE;
    }
    if (PK_LIKELY(block.stack != PK_NODE_NONE)) {
        bool inherited = is_inherited(ledger, block.stack);
        *(inherited ? &ledger->inherited_lost_bytes : &ledger->resizing_bytes) += block.size;
        *(inherited ? &ledger->inherited_lost_blocks : &ledger->resizing_blocks) += 1;
    }
    return block;
}

static void end_resizing(struct pk_ledger *ledger, struct pk_block old) {
    bool inherited = is_inherited(ledger, old.stack);
    *(inherited ? &ledger->inherited_lost_bytes : &ledger->resizing_bytes) -= old.size;
    *(inherited ? &ledger->inherited_lost_blocks : &ledger->resizing_blocks) -= 1;
}

// The old block of a resize leaves the account.
static void retire_resized(struct pk_ledger *ledger, struct pk_block old) {
    if (PK_UNLIKELY(old.stack == PK_NODE_NONE)) {
        ledger->unknown_frees++;
        return;
    }
    end_resizing(ledger, old);
    release_block(ledger, old.stack, old.size);
}

void pk_ledger_resize_commit(struct pk_ledger *ledger, struct pk_block old, uint64_t address,
                             uint64_t size, uint32_t stack, uint32_t flags, bool even,
                             bool copied) {
    if (!copied) {
        retire_resized(ledger, old);
    }
    add_block(ledger, address, size, stack, flags, even);
    if (copied) {
        retire_resized(ledger, old);
    }
}

void pk_ledger_resize_abort(struct pk_ledger *ledger, struct pk_block old, uint64_t old_address) {
    if (old.stack == PK_NODE_NONE) {
        return;
    }
    // Never even: a page that still holds the block's neighbours takes it back in its old shape.
    struct pk_block known;
    if (pk_blocks_put(&ledger->blocks, old_address, old.size, old.stack, old.flags, false, &known) <
        0) {
        drop_alloc(ledger, known, old_address);
        retire_resized(ledger, old);
        return;
    }
    if (known.stack != PK_NODE_NONE) {
        retire_missed(ledger, known, old_address);
    }
    end_resizing(ledger, old);
}

// ---- maps ---------------------------------------------------------------------------------------

static void note_file(struct pk_ledger *ledger, const struct pk_map *map, int64_t bytes) {
    *(map->kind == PK_MAP_FILE ? &ledger->file_map_bytes : &ledger->noreserve_bytes) +=
        (uint64_t)bytes;
    if (ledger->file_mapped != NULL) {
        ledger->file_mapped(ledger->context, map->file, bytes);
    }
}

// `bytes` more of this map's kind; `blocks`: 1 with the first byte of a map.
static void add_mapped(struct pk_ledger *ledger, const struct pk_map *map, uint64_t bytes,
                       uint64_t blocks) {
    if (map->kind != PK_MAP_MEMORY) {
        note_file(ledger, map, (int64_t)bytes);
    } else if (map->usable) {
        charge(ledger, map->stack, bytes, blocks);
    }
}

static void forget_piece(void *context, const struct pk_map *map) {
    struct pk_ledger *ledger = context;
    uint64_t bytes = map->end - map->start;
    if (map->kind != PK_MAP_MEMORY) {
        note_file(ledger, map, -(int64_t)bytes);
    } else if (map->usable) {
        release(ledger, map->stack, bytes, map->start_of_map);
    }
}

static void change_piece(void *context, const struct pk_map *map) {
    struct pk_ledger *ledger = context;
    if (map->kind != PK_MAP_MEMORY) {
        return;
    }
    if (map->usable) {
        charge(ledger, map->stack, map->end - map->start, map->start_of_map);
    } else {
        release(ledger, map->stack, map->end - map->start, map->start_of_map);
    }
}

// Sets aside what an event may need, or drops it. The steps of the event can then no longer fail.
static bool reserve_or_drop(struct pk_ledger *ledger, uint32_t nodes) {
    if (pk_maps_reserve(&ledger->maps, nodes) < 0) {
        ledger->dropped++;
        return false;
    }
    return true;
}

// After reserve_or_drop().
static void forget_range(struct pk_ledger *ledger, uint64_t start, uint64_t end) {
    int result = pk_maps_cut(&ledger->maps, start, end, forget_piece, ledger);
    PK_ASSERT(result == 0);
    (void)result;
}

void pk_ledger_map(struct pk_ledger *ledger, struct pk_map map) {
    if (map.start >= map.end || !reserve_or_drop(ledger, 2)) {
        return;
    }
    // The kernel, too, unmaps what lies in the way before it maps.
    forget_range(ledger, map.start, map.end);
    map.start_of_map = true;
    int result = pk_maps_add(&ledger->maps, map);
    PK_ASSERT(result == 0);
    (void)result;
    add_mapped(ledger, &map, map.end - map.start, 1);
}

void pk_ledger_unmap(struct pk_ledger *ledger, uint64_t start, uint64_t end) {
    if (pk_maps_cut(&ledger->maps, start, end, forget_piece, ledger) < 0) {
        ledger->dropped++;
    }
}

void pk_ledger_protect(struct pk_ledger *ledger, uint64_t start, uint64_t end, bool usable) {
    if (pk_maps_protect(&ledger->maps, start, end, usable, change_piece, ledger) < 0) {
        ledger->dropped++;
    }
}

static void map_again(struct pk_ledger *ledger, uint64_t old, uint64_t address, uint64_t size,
                      uint32_t stack) {
    struct pk_map map;
    if (!pk_maps_find(&ledger->maps, old, &map)) {
        return;
    }
    map.start = address;
    map.end = address + size;
    map.stack = stack;
    pk_ledger_map(ledger, map);
}

void pk_ledger_remap(struct pk_ledger *ledger, uint64_t old, uint64_t old_size, uint64_t address,
                     uint64_t size, uint32_t stack) {
    if (old_size == 0) {
        map_again(ledger, old, address, size, stack);
        return;
    }
    // At most: one hole in the new place, one behind a shrunk map, two edges of what moves.
    if (size == 0 || !reserve_or_drop(ledger, 4)) {
        return;
    }
    uint64_t kept = size < old_size ? size : old_size;
    forget_range(ledger, old + kept, old + old_size);
    if (address != old) {
        forget_range(ledger, address, address + size);
        int result = pk_maps_move(&ledger->maps, old, old + kept, address);
        PK_ASSERT(result == 0);
        (void)result;
    }
    if (size > old_size) {
        forget_range(ledger, address + old_size, address + size);
        struct pk_map map;
        if (pk_maps_find(&ledger->maps, address + old_size - 1, &map) &&
            is_inherited(ledger, map.stack)) {
            // What an inherited map grows by is this process's own: a range beside it.
            map.start = address + old_size;
            map.end = address + size;
            map.stack = stack;
            map.start_of_map = true;
            int result = pk_maps_add(&ledger->maps, map);
            PK_ASSERT(result == 0);
            (void)result;
            add_mapped(ledger, &map, size - old_size, 1);
        } else if (pk_maps_extend(&ledger->maps, address + old_size, address + size, &map)) {
            add_mapped(ledger, &map, size - old_size, 0);
        }
    }
}

// ---- maps without reservation -------------------------------------------------------------------

struct sampling {
    struct pk_ledger *ledger;
    uint64_t (*resident)(uint64_t start, uint64_t end);
    uint32_t function;
};

static struct pk_sampled *find_sampled(struct sampling *sampling, uint32_t stack) {
    struct pk_ledger *ledger = sampling->ledger;
    for (uint32_t i = 0; i < ledger->sampled_count; i++) {
        if (ledger->sampled[i].stack == stack) {
            return &ledger->sampled[i];
        }
    }
    if (ledger->sampled_count == PK_SAMPLED_MAX) {
        return &ledger->sampled[PK_SAMPLED_MAX - 1];
    }
    uint32_t node = pk_stacks_child(&ledger->stacks, stack, sampling->function, 0, PK_SPAN_NONE);
    struct pk_sampled *sampled = &ledger->sampled[ledger->sampled_count++];
    *sampled = (struct pk_sampled){.stack = stack, .node = node == 0 ? stack : node};
    return sampled;
}

static void sample_map(void *context, const struct pk_map *map) {
    struct sampling *sampling = context;
    if (map->kind == PK_MAP_NORESERVE && map->usable &&
        !is_inherited(sampling->ledger, map->stack)) {
        find_sampled(sampling, map->stack)->seen += sampling->resident(map->start, map->end);
    }
}

void pk_ledger_sample(struct pk_ledger *ledger, uint64_t (*resident)(uint64_t start, uint64_t end),
                      uint32_t function) {
    struct sampling sampling = {.ledger = ledger, .resident = resident, .function = function};
    pk_maps_each(&ledger->maps, sample_map, &sampling);
    for (uint32_t i = 0; i < ledger->sampled_count; i++) {
        struct pk_sampled *sampled = &ledger->sampled[i];
        uint64_t before = sampled->bytes, now = sampled->seen;
        sampled->bytes = now;
        sampled->seen = 0;
        ledger->sampled_bytes += now - before;
        if (now > before) {
            charge(ledger, sampled->node, now - before, before == 0);
        } else if (now < before) {
            release(ledger, sampled->node, before - now, now == 0);
        }
    }
}
