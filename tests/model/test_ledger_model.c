/* SPDX-License-Identifier: Apache-2.0
 * Random events against the ledger and against reference.h, which recomputes everything; after each
 * step the total, the peak, the counts and every node's share of the peak must be equal.
 *
 * Built twice: once as it ships, once with PK_EPOCH_LAST=7, so that the epochs run out all the
 * time. A failure names its world's seed; `--seed N` makes that world the first one. */
#include <pthread.h>
#include <stdarg.h>

#include "../unit/check.h"
#include "../unit/store_memory.h"
#include "ledger/hot.h"
#include "ledger/ledger.h"
#include "reference.h"

#define PENDING_MAX 6u
#define NODES_A_PROCESS 48u
#define FORK_EVERY 1300u
#define LIVE_MAX 1200u
#define STEPS 4000u
#define POOL_BYTES 16384u
#define POOLS 10u
#define POOL_HEADER 48u
#define POOL_REGION 0x7f1200000000u
#define HEAP_REGION 0x555555554000u
#define HEAP_PAGES 20u
#define MAP_REGION 0x7e0000000000u

struct pending {
    struct pk_block block; /* as resize_begin returned it */
    uint64_t address;
};

struct world {
    struct pk_ledger ledger;
    struct pk_account account;
    struct pk_store stores[5];
    uint64_t limits[5];
    struct reference model;
    uint32_t pool_class[POOLS];
    struct pending pending[PENDING_MAX];
    uint32_t pending_count;
    uint64_t code_frees;
    int64_t file_bytes[4];
    struct pk_share share;
    uint64_t tree_peak;
    struct pk_tracker trackers[REFERENCE_TRACKERS];
    struct pk_tracker_entry entries[REFERENCE_TRACKERS][REFERENCE_NODES];
    int64_t moved_bytes; /* since somebody asked */
    uint64_t moved_from;
    uint32_t tracked, negative_shares;
    uint32_t forks, tells;
    uint64_t exact_largest, bounded_largest;
    uint64_t dropped_before; /* by the processes this one was forked from */
    uint64_t seed, random;
    uint32_t step, sweeps, starved_steps;
    bool starving_allowed;
    bool failed;
    char why[256];
};

static uint64_t roll(struct world *world, uint64_t below) {
    uint64_t z = (world->random += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (z ^ (z >> 31)) % below;
}

static bool one_in(struct world *world, uint64_t n) {
    return roll(world, n) == 0;
}

__attribute__((format(printf, 2, 3))) static void complain(struct world *world, const char *format,
                                                           ...) {
    if (world->failed) {
        return;
    }
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(world->why, sizeof world->why, format, arguments);
    va_end(arguments);
    world->failed = true;
}

// ---- a world ------------------------------------------------------------------------------------

static void count_code_freed(void *context, uint64_t address) {
    struct world *world = context;
    (void)address;
    world->code_frees++;
}

static void count_file_mapped(void *context, uint32_t file, int64_t bytes) {
    struct world *world = context;
    world->file_bytes[file] += bytes;
}

static void count_tell(void *context, uint64_t total_bytes) {
    struct world *world = context;
    world->tells++;
    if (total_bytes != world->account.total_bytes) {
        complain(world, "told of a total that is not the total");
    }
}

static struct world *make_world(uint64_t seed, bool starving_allowed) {
    struct world *world = calloc(1, sizeof *world);
    if (world == NULL) {
        abort();
    }
    world->seed = world->random = seed;
    world->starving_allowed = starving_allowed;
    for (uint32_t i = 0; i < 5; i++) {
        world->limits[i] = 2u << 20;
        world->stores[i] = make_memory_store(&world->limits[i]);
    }
    if (pk_ledger_init(&world->ledger, &world->account, &world->stores[0], &world->stores[1],
                       &world->stores[2], &world->stores[3]) < 0) {
        complain(world, "init failed");
    }
    pk_ledger_keep_large(&world->ledger, &world->stores[4], NULL);
    world->ledger.code_freed = count_code_freed;
    world->ledger.context = world;
    world->ledger.file_mapped = count_file_mapped;
    world->share =
        (struct pk_share){.peak = &world->tree_peak, .tell = count_tell, .context = world};
    // or: finer pages cost nothing yet
    world->ledger.blocks.spread_bytes = one_in(world, 2) ? UINT32_MAX : 0;
    world->model.page_bytes = one_in(world, 4) ? 20ull << 30 : 4096;
    return world;
}

static void free_world(struct world *world) {
    for (uint32_t i = 0; i < 5; i++) {
        free_memory_store(&world->stores[i]);
    }
    free(world);
}

// ---- what events are made of --------------------------------------------------------------------

static uint32_t pick_stack(struct world *world) {
    struct pk_stacks *stacks = &world->ledger.stacks;
    uint32_t count = stacks->node_count - stacks->first;
    if (count < NODES_A_PROCESS && (count < 8 || one_in(world, 30))) {
        uint32_t parent = stacks->root + (uint32_t)roll(world, count - 1);
        (void)pk_stacks_child(stacks, parent, 0, stacks->node_count, PK_SPAN_NONE);
    }
    return stacks->root + (uint32_t)roll(world, stacks->node_count - stacks->first - 1);
}

static uint64_t pick_size(struct world *world) {
    switch (roll(world, 16)) {
    case 0:
        return 0;
    case 1:
        return (16ull << 30) - 2 + roll(world, 4); // around the widest size a cell can hold
    case 2:
        return roll(world, 1ull << 40);
    case 3:
    case 4:
        return roll(world, 1u << 20);
    case 5:
    case 6:
    case 7:
        return roll(world, 4096);
    default:
        return roll(world, 600);
    }
}

// As pymalloc: a pool of four pages with blocks of one size class, which may change when the pool
// is empty.
static uint64_t pick_in_pool(struct world *world, uint64_t *ret_size) {
    uint32_t pool = (uint32_t)roll(world, POOLS);
    uint64_t start = POOL_REGION + pool * POOL_BYTES;
    bool empty = true;
    for (uint32_t i = 0; i < world->model.block_count; i++) {
        empty = empty && world->model.blocks[i].address - start >= POOL_BYTES;
    }
    if (empty) {
        world->pool_class[pool] = 16 * (1 + (uint32_t)roll(world, 32));
    }
    uint32_t class = world->pool_class[pool];
    uint64_t slot = roll(world, (POOL_BYTES - POOL_HEADER) / class);
    *ret_size = one_in(world, 20) && class == 16 ? 0 : class - roll(world, 16);
    return start + POOL_HEADER + slot * class;
}

static uint64_t pick_odd_address(struct world *world) {
    uint64_t base = HEAP_REGION + roll(world, HEAP_PAGES * 512u) * 8;
    switch (roll(world, 5)) {
    case 0:
        return base; // on 8, not on 16
    case 1:
        return base | 1ull << 52; // above what has pages
    // the last that have
    case 2:
        return (1ull << PK_BLOCKS_ADDRESS_BITS) - 16 * (1 + roll(world, 4));
    case 3:
        return 16 * (1 + roll(world, 300)); // page 0 and 1
    default:
        return base + 1 + roll(world, 7);
    }
}

static struct reference_block pick_block(struct world *world, bool *ret_even) {
    struct reference_block block = {.stack = pick_stack(world),
                                    .flags = one_in(world, 2) ? PK_BLOCK_PYTHON : 0};
    uint32_t kind = (uint32_t)roll(world, 100);
    bool even = false;
    block.size = pick_size(world);
    if (kind < 45) {
        block.address = pick_in_pool(world, &block.size);
        even = true;
    } else if (kind < 85) {
        block.address = HEAP_REGION + roll(world, HEAP_PAGES * 256u) * 16;
    } else if (kind < 93 || world->model.block_count == 0) {
        block.address = pick_odd_address(world);
    } else {
        // its free was missed
        block.address = world->model.blocks[roll(world, world->model.block_count)].address;
    }
    *ret_even = one_in(world, 30) ? !even : even;
    return block;
}

// ---- block events -------------------------------------------------------------------------------

static void do_alloc(struct world *world) {
    bool even;
    struct reference_block block = pick_block(world, &even);
    uint64_t dropped = world->ledger.dropped;
    if (even && one_in(world, 2)) { // the short way must give the same answers
        pk_hot_alloc(&world->ledger, block.address, block.size, block.stack, block.flags);
    } else if (!even && one_in(world, 2)) {
        pk_hot_alloc_mixed(&world->ledger, block.address, block.size, block.stack, block.flags);
    } else {
        pk_ledger_alloc(&world->ledger, block.address, block.size, block.stack, block.flags, even);
    }
    reference_alloc(&world->model, block, world->ledger.dropped != dropped);
}

static uint64_t pick_known_address(struct world *world) {
    return world->model.blocks[roll(world, world->model.block_count)].address;
}

static void do_free(struct world *world) {
    uint64_t address = pick_known_address(world);
    if (one_in(world, 16)) {
        address += 16 * (1 + roll(world, 40)); // inside a block, or another one
    }
    if (one_in(world, 2)) {
        pk_hot_free(&world->ledger, address);
    } else {
        pk_ledger_free(&world->ledger, address);
    }
    reference_free(&world->model, address);
}

static void do_flag(struct world *world) {
    uint64_t address = pick_known_address(world) + (one_in(world, 8) ? 16 : 0);
    struct reference_block *known = reference_find(&world->model, address);
    if (pk_blocks_flag(&world->ledger.blocks, address, PK_BLOCK_CODE) != (known != NULL)) {
        complain(world, "flag of 0x%" PRIx64 " disagrees about the block being known", address);
    }
    if (known != NULL) {
        known->flags |= PK_BLOCK_CODE;
    }
}

static void do_resize_begin(struct world *world) {
    struct pending *pending = &world->pending[world->pending_count++];
    pending->address = one_in(world, 20) ? 0x1230 : pick_known_address(world);
    pending->block = pk_ledger_resize_begin(&world->ledger, pending->address);
    struct reference_block old = reference_take(&world->model, pending->address);
    if ((old.flags & PK_BLOCK_CODE) != 0) {
        world->model.code_frees++;
        old.flags &= ~PK_BLOCK_CODE;
    }
    if (old.stack != 0) {
        world->model.resizing[world->model.resizing_count++] = old;
    }
    if (pending->block.stack != old.stack ||
        (old.stack != 0 &&
         (pending->block.size != old.size || pending->block.flags != old.flags))) {
        complain(world, "resize of 0x%" PRIx64 " began with another block", pending->address);
    }
}

static void do_resize_end(struct world *world) {
    uint32_t chosen = (uint32_t)roll(world, world->pending_count);
    struct pending pending = world->pending[chosen];
    world->pending[chosen] = world->pending[--world->pending_count];
    struct reference_block old = {pending.address, pending.block.size, pending.block.stack,
                                  pending.block.flags};
    uint64_t dropped = world->ledger.dropped;
    if (one_in(world, 4)) {
        pk_ledger_resize_abort(&world->ledger, pending.block, pending.address);
        if (old.stack == 0) {
            return;
        }
        reference_resized(&world->model, old);
        reference_retire_missed(&world->model, old.address);
        if (world->ledger.dropped != dropped) {
            reference_release(&world->model, old.stack, old.size, 1);
        } else {
            reference_remember(&world->model, old);
        }
        return;
    }
    bool even;
    struct reference_block fresh = pick_block(world, &even);
    bool copied = one_in(world, 2);
    if (!copied && !one_in(world, 4)) {
        fresh.address = pending.address; // in place; else moved by the kernel, without a copy
    }
    pk_ledger_resize_commit(&world->ledger, pending.block, fresh.address, fresh.size, fresh.stack,
                            fresh.flags, even, copied);
    reference_resize(&world->model, old, fresh, copied, world->ledger.dropped != dropped);
}

// ---- map events ---------------------------------------------------------------------------------

static uint64_t page_address(const struct world *world, uint32_t page) {
    return MAP_REGION + page * world->model.page_bytes;
}

static uint32_t pick_length(struct world *world, uint32_t from) {
    uint32_t most = REFERENCE_PAGES - from;
    uint32_t length = (uint32_t)roll(world, one_in(world, 8) ? 64 : 12);
    return length < most ? length : most;
}

static void do_map(struct world *world) {
    uint32_t from = (uint32_t)roll(world, REFERENCE_PAGES);
    uint32_t to = from + pick_length(world, from);
    struct reference_page page = {
        .usable = !one_in(world, 3), .stack = pick_stack(world), .file = (uint32_t)roll(world, 4)};
    uint32_t kind = (uint32_t)roll(world, 8);
    page.kind = kind == 0 ? PK_MAP_FILE : kind == 1 ? PK_MAP_NORESERVE : PK_MAP_MEMORY;
    uint64_t dropped = world->ledger.dropped;
    pk_ledger_map(&world->ledger, (struct pk_map){.start = page_address(world, from),
                                                  .end = page_address(world, to),
                                                  .stack = page.stack,
                                                  .file = page.file,
                                                  .kind = page.kind,
                                                  .usable = page.usable});
    if (world->ledger.dropped == dropped) {
        reference_map(&world->model, from, to, page);
    }
}

static void do_unmap(struct world *world) {
    uint32_t from = (uint32_t)roll(world, REFERENCE_PAGES);
    uint32_t to = from + pick_length(world, from);
    uint64_t dropped = world->ledger.dropped;
    pk_ledger_unmap(&world->ledger, page_address(world, from), page_address(world, to));
    if (world->ledger.dropped == dropped) {
        reference_unmap(&world->model, from, to);
    }
}

static void do_protect(struct world *world) {
    uint32_t from = (uint32_t)roll(world, REFERENCE_PAGES);
    uint32_t to = from + pick_length(world, from);
    bool usable = one_in(world, 2);
    uint64_t dropped = world->ledger.dropped;
    pk_ledger_protect(&world->ledger, page_address(world, from), page_address(world, to), usable);
    if (world->ledger.dropped == dropped) {
        reference_protect(&world->model, from, to, usable);
    }
}

static void do_remap(struct world *world) {
    uint32_t from = (uint32_t)roll(world, REFERENCE_PAGES);
    uint32_t pages = one_in(world, 8) ? 0 : pick_length(world, from);
    uint32_t to = one_in(world, 2) ? from : (uint32_t)roll(world, REFERENCE_PAGES);
    uint32_t new_pages = pick_length(world, to);
    bool overlap = from < to + new_pages && to < from + pages;
    if (new_pages == 0 || (to != from && overlap) || (pages == 0 && to == from)) {
        return; // the kernel refuses these
    }
    uint32_t stack = pick_stack(world);
    uint64_t dropped = world->ledger.dropped;
    pk_ledger_remap(&world->ledger, page_address(world, from), pages * world->model.page_bytes,
                    page_address(world, to), new_pages * world->model.page_bytes, stack);
    if (world->ledger.dropped == dropped) {
        reference_remap(&world->model, from, pages, to, new_pages, stack);
    }
}

// ---- other processes ----------------------------------------------------------------------------

// Somewhere in the tree the peak was raised.
static void do_raise(struct world *world) {
    if (world->ledger.share == NULL) {
        pk_ledger_join(&world->ledger, &world->share);
        world->tree_peak += 4096;
    }
    world->tree_peak += 4096 * (1 + roll(world, 1000));
    reference_raise(&world->model);
}

static void count_moved(void *context, int64_t bytes) {
    struct world *world = context;
    world->moved_bytes += bytes;
}

// A block of the program begins or ends.
static void do_track(struct world *world) {
    uint32_t number = (uint32_t)roll(world, REFERENCE_TRACKERS);
    if (world->model.trackers[number].running) {
        pk_ledger_untrack(&world->ledger, &world->trackers[number]);
        world->model.trackers[number].running = false;
    } else {
        memset(world->entries[number], 0, sizeof world->entries[number]);
        pk_ledger_track(&world->ledger, &world->trackers[number], world->entries[number]);
        reference_track(&world->model, number);
        world->tracked++;
    }
    bool tell = one_in(world, 2);
    pk_ledger_tell_moves(&world->ledger, tell ? count_moved : NULL, world);
    world->moved_bytes = 0;
    world->moved_from = world->account.total_bytes;
}

// From here on this is the child: same memory, an account and tables of its own.
static void do_fork(struct world *world) {
    uint32_t count = world->ledger.stacks.node_count;
    world->dropped_before += world->ledger.dropped;
    for (uint32_t i = 0; i < 5; i++) {
        free_memory_store(&world->stores[i]);
        world->stores[i] = make_memory_store(&world->limits[i]);
    }
    struct pk_account parents = world->account;
    world->account = (struct pk_account){0};
    world->share.told_bytes = 0;
    if (pk_ledger_fork(&world->ledger, &world->account, &parents) < 0) {
        complain(world, "fork failed");
    }
    world->moved_bytes = 0;
    world->moved_from = 0;
    world->pending_count = 0; // the threads that were resizing are not in the child
    reference_fork(&world->model, count);
    world->forks++;
}

// ---- comparing ----------------------------------------------------------------------------------

static void compare_tracker(struct world *world, uint32_t number) {
    const struct pk_stacks *stacks = &world->ledger.stacks;
    const struct pk_tracker *tracker = &world->trackers[number];
    const struct reference_tracker *model = &world->model.trackers[number];
    if (tracker->start_bytes != model->start_bytes || tracker->peak_bytes != model->peak_bytes ||
        tracker->peak_blocks != model->peak_blocks) {
        complain(world, "the block's peak is %" PRIu64 ", expected %" PRIu64, tracker->peak_bytes,
                 model->peak_bytes);
    }
    int64_t sum = 0, sum_blocks = 0;
    for (uint32_t i = stacks->first; i < stacks->node_count; i++) {
        struct pk_tracker_share share =
            pk_tracker_share(tracker, i - stacks->first, pk_stacks_counters(stacks, i));
        int64_t peak_bytes = (int64_t)(model->at_peak[i].bytes - model->start[i].bytes);
        int64_t peak_blocks = (int64_t)(model->at_peak[i].blocks - model->start[i].blocks);
        int64_t live_bytes = (int64_t)(world->model.live[i].bytes - model->start[i].bytes);
        int64_t live_blocks = (int64_t)(world->model.live[i].blocks - model->start[i].blocks);
        if (share.peak_bytes != peak_bytes || share.peak_blocks != peak_blocks) {
            complain(world, "node %u has %" PRId64 " bytes of the block's peak, expected %" PRId64,
                     i, share.peak_bytes, peak_bytes);
        }
        if (share.live_bytes != live_bytes || share.live_blocks != live_blocks) {
            complain(world,
                     "node %u holds %" PRId64
                     " bytes more than at the block's start, expected %" PRId64,
                     i, share.live_bytes, live_bytes);
        }
        world->negative_shares += share.peak_bytes < 0;
        sum += share.peak_bytes;
        sum_blocks += share.peak_blocks;
    }
    if (sum != (int64_t)(tracker->peak_bytes - tracker->start_bytes) ||
        sum_blocks != (int64_t)(tracker->peak_blocks - tracker->start_blocks)) {
        complain(world, "the shares of the block's peak do not add up");
    }
}

// `said`: an entry's word for the largest block at one of the peaks.
static void compare_largest(struct world *world, uint32_t node, uint64_t said, uint64_t largest) {
    uint64_t expected = largest > PK_LARGE_LEAST ? largest : 0;
    bool bound = (said & PK_LARGE_AT_MOST) != 0;
    world->exact_largest += !bound && expected != 0;
    world->bounded_largest += bound;
    said &= ~PK_LARGE_AT_MOST;
    if (bound ? said < expected || expected == 0 : said != expected) {
        complain(world, "node %u's largest block had %s %" PRIu64 " bytes, expected %" PRIu64, node,
                 bound ? "at most" : "exactly", said, expected);
    }
}

static void compare_larges(struct world *world) {
    const struct pk_ledger *ledger = &world->ledger;
    const struct reference *model = &world->model;
    const struct pk_large *larges = (const struct pk_large *)(const void *)world->stores[4].base;
    uint32_t tree_epoch = (uint32_t)(world->tree_peak >> PK_SHARE_EPOCH_BITS);
    bool met[REFERENCE_NODES] = {false};
    if (ledger->larges.lost) {
        return;
    }
    for (uint64_t i = 0; i < world->stores[4].used / sizeof *larges; i++) {
        const struct pk_large *large = &larges[i];
        uint32_t node = large->node + ledger->stacks.first;
        met[node] = true;
        compare_largest(world, node,
                        large->epoch == world->account.epoch ? large->peak : pk_large_now(large),
                        model->at_peak[node].largest);
        if (ledger->share != NULL) {
            compare_largest(world, node,
                            large->tree_epoch == tree_epoch ? large->tree : pk_large_now(large),
                            model->at_tree_peak[node].largest);
        }
    }
    for (uint32_t i = 0; i < REFERENCE_NODES; i++) {
        if (!met[i] && model->at_peak[i].largest > PK_LARGE_LEAST) {
            complain(world, "node %u's largest block is in no entry", i);
        }
    }
}

static void compare_account(struct world *world) {
    const struct pk_account *account = &world->account;
    const struct reference *model = &world->model;
    const struct pk_ledger *ledger = &world->ledger;
    if (account->total_bytes != model->total_bytes ||
        account->total_blocks != model->total_blocks) {
        complain(world, "total %" PRIu64 " in %" PRIu64 " blocks, expected %" PRIu64 " in %" PRIu64,
                 account->total_bytes, account->total_blocks, model->total_bytes,
                 model->total_blocks);
    }
    if (account->peak_bytes != model->peak_bytes || account->peak_blocks != model->peak_blocks) {
        complain(world, "peak %" PRIu64 " in %" PRIu64 " blocks, expected %" PRIu64 " in %" PRIu64,
                 account->peak_bytes, account->peak_blocks, model->peak_bytes, model->peak_blocks);
    }
    for (uint32_t i = ledger->stacks.first; i < ledger->stacks.node_count; i++) {
        const struct pk_node_counters *node = pk_stacks_counters(&ledger->stacks, i);
        bool kept = node->tree_epoch == (uint32_t)(world->tree_peak >> PK_SHARE_EPOCH_BITS);
        uint64_t tree_bytes = kept ? node->tree_bytes : pk_node_live_bytes(node);
        uint64_t tree_blocks = kept ? node->tree_blocks : pk_node_live_blocks(node);
        if (ledger->share != NULL && (tree_bytes != model->at_tree_peak[i].bytes ||
                                      tree_blocks != model->at_tree_peak[i].blocks)) {
            complain(world, "node %u held %" PRIu64 " bytes at the tree's peak, expected %" PRIu64,
                     i, tree_bytes, model->at_tree_peak[i].bytes);
        }
        if (pk_node_peak_bytes(account, node) != model->at_peak[i].bytes ||
            pk_node_peak_blocks(account, node) != model->at_peak[i].blocks) {
            complain(world, "node %u held %" PRIu64 " bytes at the peak, expected %" PRIu64, i,
                     pk_node_peak_bytes(account, node), model->at_peak[i].bytes);
        }
        if (pk_node_live_bytes(node) != model->live[i].bytes ||
            pk_node_live_blocks(node) != model->live[i].blocks) {
            complain(world, "node %u holds %" PRIu64 " bytes, expected %" PRIu64, i,
                     pk_node_live_bytes(node), model->live[i].bytes);
        }
    }
    for (uint32_t i = 0; i < REFERENCE_TRACKERS; i++) {
        if (model->trackers[i].running) {
            compare_tracker(world, i);
        }
    }
    compare_larges(world);
    if (ledger->moved != NULL &&
        world->moved_bytes != (int64_t)(account->total_bytes - world->moved_from)) {
        complain(world, "told of %" PRId64 " bytes in all", world->moved_bytes);
    }
    uint64_t inherited = ledger->inherited_bytes - ledger->inherited_freed_bytes;
    uint64_t inherited_blocks = ledger->inherited_blocks - ledger->inherited_freed_blocks;
    if (inherited != model->inherited.bytes || inherited_blocks != model->inherited.blocks) {
        complain(world, "%" PRIu64 " inherited bytes left, expected %" PRIu64, inherited,
                 model->inherited.bytes);
    }
    int64_t off = (int64_t)(account->total_bytes - world->share.told_bytes);
    if (ledger->share != NULL && (off > (int64_t)PK_SHARE_STEP || off < -(int64_t)PK_SHARE_STEP)) {
        complain(world, "the others believe something that is off by %" PRId64 " bytes", off);
    }
    if (ledger->unknown_frees != model->unknown_frees ||
        ledger->missed_frees != model->missed_frees || world->code_frees != model->code_frees ||
        ledger->blocks.count != model->block_count) {
        complain(world,
                 "%" PRIu64
                 " blocks known, expected %u; or unknown, missed or code frees are wrong",
                 ledger->blocks.count, model->block_count);
    }
}

static void compare_tables(struct world *world) {
    const char *broken = pk_ledger_is_valid(&world->ledger);
    if (broken != NULL) {
        complain(world, "%s", broken);
    }
    for (uint32_t i = 0; i < world->model.block_count; i++) {
        const struct reference_block *block = &world->model.blocks[i];
        struct pk_block found = pk_blocks_find(&world->ledger.blocks, block->address);
        if (found.stack != block->stack || found.size != block->size ||
            found.flags != block->flags) {
            complain(world, "block 0x%" PRIx64 " has changed", block->address);
        }
        uint64_t inside = block->address + 16 * (1 + roll(world, 8));
        if (pk_blocks_find(&world->ledger.blocks, inside).stack != 0 &&
            reference_find(&world->model, inside) == NULL) {
            complain(world, "0x%" PRIx64 " was taken for a block", inside);
        }
    }
    uint64_t uncounted[4] = {0};
    uint64_t noreserve = 0;
    for (uint32_t i = 0; i < REFERENCE_PAGES; i++) {
        const struct reference_page *page = &world->model.pages[i];
        struct pk_map map;
        uint64_t inside = page_address(world, i) + roll(world, world->model.page_bytes);
        bool known = pk_maps_find(&world->ledger.maps, inside, &map);
        if (known != page->known) {
            complain(world, "page %u: known is wrong", i);
        } else if (known && (map.stack != page->stack || map.usable != page->usable ||
                             map.kind != page->kind || map.file != page->file ||
                             (map.start == page_address(world, i) &&
                              map.start_of_map != page->start_of_map))) {
            complain(world, "page %u has changed", i);
        }
        // listed, each in its row, and not counted
        if (page->known && page->kind != PK_MAP_MEMORY) {
            uncounted[page->file] += world->model.page_bytes;
        }
        noreserve += page->known && page->kind == PK_MAP_NORESERVE ? world->model.page_bytes : 0;
    }
    for (uint32_t i = 0; i < 4; i++) {
        if ((uint64_t)world->file_bytes[i] != uncounted[i]) {
            complain(world, "file %u has %" PRId64 " bytes mapped, expected %" PRIu64, i,
                     world->file_bytes[i], uncounted[i]);
        }
    }
    if (world->ledger.file_map_bytes + noreserve !=
            uncounted[0] + uncounted[1] + uncounted[2] + uncounted[3] ||
        world->ledger.noreserve_bytes != noreserve) {
        complain(world, "the uncounted maps are wrong");
    }
}

// ---- running ------------------------------------------------------------------------------------

static void do_one_event(struct world *world) {
    bool growing = world->step / 150 % 3 != 2;
    bool has_blocks = world->model.block_count > 0;
    uint32_t kind = (uint32_t)roll(world, 100);
    if (kind < 60) {
        bool alloc = roll(world, 10) < (growing ? 7 : 2);
        if (!has_blocks || (alloc && world->model.block_count < LIVE_MAX)) {
            do_alloc(world);
        } else {
            do_free(world);
        }
    } else if (kind < 70) {
        if (has_blocks && world->pending_count < PENDING_MAX) {
            do_resize_begin(world);
        }
    } else if (kind < 79) {
        if (world->pending_count > 0) {
            do_resize_end(world);
        }
    } else if (kind < 85) {
        do_map(world);
    } else if (kind < 89) {
        do_unmap(world);
    } else if (kind < 93) {
        do_protect(world);
    } else if (kind < 97) {
        do_remap(world);
    } else if (kind < 98) {
        do_raise(world);
    } else if (one_in(world, 2)) {
        do_track(world);
    } else if (has_blocks) {
        do_flag(world);
    }
}

static void take_step(struct world *world) {
    if (world->starving_allowed && one_in(world, 40)) {
        bool starve = world->ledger.arena.fail_countdown == 0;
        world->ledger.arena.fail_countdown = starve ? 1 + (uint32_t)roll(world, 6) : 0;
    }
    world->starved_steps += world->ledger.arena.fail_countdown == 1;
    uint32_t epoch = world->account.epoch;
    if (world->step % FORK_EVERY == FORK_EVERY - 1 && world->ledger.arena.fail_countdown == 0) {
        do_fork(world);
        epoch = 0;
    }
    do_one_event(world);
    world->sweeps += world->account.epoch < epoch;
    compare_account(world);
    if (world->step % 61 == 0) {
        compare_tables(world);
    }
    world->step++;
}

static void report(struct world *world) {
    if (world->failed) {
        check_fail(__FILE__, __LINE__, "seed %" PRIu64 ", step %u: %s", world->seed, world->step,
                   world->why);
    }
}

static void run_worlds(uint32_t worlds, bool starving_allowed) {
    uint32_t sweeps = 0, forks = 0, tells = 0, tracked = 0, negative_shares = 0;
    uint64_t dropped = 0, exact = 0, bounded = 0;
    for (uint32_t i = 0; i < worlds && !check_state.failed; i++) {
        struct world *world = make_world(check_seed() + i, starving_allowed);
        while (world->step < STEPS && !world->failed) {
            take_step(world);
        }
        sweeps += world->sweeps;
        forks += world->forks;
        exact += world->exact_largest;
        bounded += world->bounded_largest;
        tells += world->tells;
        tracked += world->tracked;
        negative_shares += world->negative_shares;
        dropped += world->ledger.dropped + world->dropped_before;
        report(world);
        free_world(world);
    }
    CHECK(!check_state.failed);
    // The test would be worth nothing if what it is about had not happened.
    CHECK((PK_EPOCH_LAST == 7) == (sweeps > 0));
    CHECK(forks > 0 && tells > 0);
    CHECK(tracked > 100 && negative_shares > 0);
    CHECK(exact > bounded && bounded > 0);
    CHECK(starving_allowed == (dropped > 0));
}

static void every_step_agrees_with_the_reference(void) {
    run_worlds(30, false);
}

static void the_law_holds_without_memory(void) {
    run_worlds(20, true);
}

struct crowd {
    pthread_mutex_t lock;
    struct world *world;
};

static void *run_thread(void *context) {
    struct crowd *crowd = context;
    bool more = true;
    while (more) {
        pthread_mutex_lock(&crowd->lock);
        more = crowd->world->step < STEPS && !crowd->world->failed;
        if (more) {
            take_step(crowd->world);
        }
        pthread_mutex_unlock(&crowd->lock);
    }
    return NULL;
}

static void threads_that_take_turns_agree_too(void) {
    struct crowd crowd = {.lock = PTHREAD_MUTEX_INITIALIZER,
                          .world = make_world(check_seed() + 1000, false)};
    pthread_t threads[4];
    for (uint32_t i = 0; i < 4; i++) {
        CHECK_EQ(pthread_create(&threads[i], NULL, run_thread, &crowd), 0);
    }
    for (uint32_t i = 0; i < 4; i++) {
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    }
    report(crowd.world);
    free_world(crowd.world);
}

int main(int argc, char **argv) {
    static const struct check_test tests[] = {
        TEST(every_step_agrees_with_the_reference),
        TEST(the_law_holds_without_memory),
        TEST(threads_that_take_turns_agree_too),
    };
    return check_run(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
