/* SPDX-License-Identifier: Apache-2.0
 * The ledger: the only door to blocks, maps, stacks and the account. Events in, exact answers out;
 * pure and deterministic: no thread, no lock, no clock, no Python. The caller holds one lock around
 * every call.
 *
 * Conservation law, after every call:
 *   sum of live bytes over nodes = account.total_bytes
 *                                = sum over live blocks, blocks being resized, and counting maps,
 *   sum of peak shares over nodes = account.peak_bytes >= account.total_bytes, and the same for
 *   block counts.
 *
 * After pk_ledger_fork() all this is about the process's own blocks and maps: those it was born
 * with are known by the numbers of their stacks, which are below stacks.first, and are in no total.
 *
 * Nothing here can fail the caller: without memory of our own an event is dropped and counted in
 * `dropped`. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "ledger/account.h"
#include "ledger/blocks.h"
#include "ledger/large.h"
#include "ledger/maps.h"
#include "ledger/share.h"
#include "ledger/stacks.h"
#include "ledger/tracker.h"

/* Resident bytes of the maps without reservation that one stack made, as last sampled; charged to
 * `node`. */
struct pk_sampled {
    uint32_t stack;
    uint32_t node;
    uint64_t bytes;
    uint64_t seen; /* while sampling */
};

/* stacks that map so; programs have one or two. Further ones share the last */
#define PK_SAMPLED_MAX 32u

struct pk_ledger {
    struct pk_account *account; /* in the ledger file's header, or anywhere in tests */
    struct pk_arena arena;
    struct pk_stacks stacks;
    struct pk_maps maps;
    uint64_t dropped;       /* events lost for want of memory */
    uint64_t unknown_frees; /* frees and resizes of blocks never seen */
    /* an address was given out again though its block was never seen freed */
    uint64_t missed_frees;
    /* between resize_begin and commit or abort: in the account, not in the index */
    uint64_t resizing_bytes;
    uint64_t resizing_blocks;
    uint64_t noreserve_bytes; /* mapped now, uncounted */
    uint64_t file_map_bytes;  /* mapped now, uncounted */
    /* hot.h: cells of small blocks below this are empty, or of inherited blocks */
    uint32_t own_cells;
    /* one of the next three is there: changes are told before they happen */
    bool watched;
    struct pk_share *share;      /* of a process tree's peak; NULL: this process is alone */
    struct pk_tracker *trackers; /* of peaks inside blocks of the program */
    struct pk_tracker *lone;     /* the tracker, when that is all that watches; else NULL */
    /* Told of each change of the total, for counts by thread; NULL: nobody asked. */
    void (*moved)(void *context, int64_t bytes);
    void *moved_context;
    uint64_t inherited_bytes; /* live in the parent at the fork */
    uint64_t inherited_blocks;
    /* of it, freed since. Less than nothing when an inherited map became usable */
    uint64_t inherited_freed_bytes;
    uint64_t inherited_freed_blocks;
    /* of it, being resized, now or (by other threads) at the fork: in no index */
    uint64_t inherited_lost_bytes;
    uint64_t inherited_lost_blocks;
    struct pk_larges larges;
    struct pk_sampled sampled[PK_SAMPLED_MAX];
    uint32_t sampled_count;
    uint64_t sampled_bytes; /* of all of them, in the account */
    void *context;          /* handed to the next three */
    /* Told when a block flagged PK_BLOCK_CODE dies; may be NULL. */
    void (*code_freed)(void *context, uint64_t address);
    /* Told when `bytes` more (or fewer) of a map that is listed and not counted are mapped: its
     * `file`; may be NULL. */
    void (*file_mapped)(void *context, uint32_t file, int64_t bytes);
    /* Told at the first change after a peak, before it is complete: the time to note when the peak
     * was; may be NULL. */
    void (*peak_ended)(void *context);
    struct pk_blocks blocks; /* last: large and mostly untouched; pk_ledger_done() counts on it */
};

/* The struct must start zeroed (static or fresh memory). 0 or negative errno. */
int pk_ledger_init(struct pk_ledger *ledger, struct pk_account *account, struct pk_store *counters,
                   struct pk_store *idents, struct pk_store *functions, struct pk_store *strings);

/* From now on the largest blocks of each node are kept in `entries`, which must outlive the ledger.
 * `changed`: told when there is an entry more, or when one is lost; or NULL. Before the first
 * event. */
void pk_ledger_keep_large(struct pk_ledger *ledger, struct pk_store *entries,
                          void (*changed)(void));

/* Gives all its memory back; the struct is as before pk_ledger_init(), but for the functions it
 * tells (their contexts are forgotten). */
void pk_ledger_done(struct pk_ledger *ledger);

/* In a forked child, whose memory (index, maps, tables) is a copy of its parent's as it was at one
 * event's end: begins an account of its own in `account` (zeroed) and in the same stores, which now
 * lead to empty tables of its own. `parents`: a copy of the parent's account at the fork. 0, or
 * negative errno: the ledger cannot be used any more. */
int pk_ledger_fork(struct pk_ledger *ledger, struct pk_account *account,
                   const struct pk_account *parents);

/* From now on this process is one of several: its share of their peak is kept. `share` must outlive
 * the ledger. */
void pk_ledger_join(struct pk_ledger *ledger, struct pk_share *share);
/* ... and no longer. */
void pk_ledger_leave(struct pk_ledger *ledger);

/* A block of the program begins: its peak is kept in `tracker`, with `entries` (PK_MAX_NODES of
 * them, zeroed), until pk_ledger_untrack(). Both must outlive that. */
void pk_ledger_track(struct pk_ledger *ledger, struct pk_tracker *tracker,
                     struct pk_tracker_entry *entries);
/* It ended: `tracker` is told of nothing more. Harmless if it already was (a fork, too, ends all
 * trackers in the child). */
void pk_ledger_untrack(struct pk_ledger *ledger, struct pk_tracker *tracker);
/* Changes of the total are told to `moved` from now on; NULL: no longer. */
void pk_ledger_tell_moves(struct pk_ledger *ledger, void (*moved)(void *context, int64_t bytes),
                          void *context);

/* A block above PK_LARGE_LEAST comes to `stack`, or goes; before the account is changed. hot.h and
 * ledger.c call them. */
PK_NOINLINE void pk_ledger_add_large(struct pk_ledger *ledger, uint32_t stack, uint64_t size);
PK_NOINLINE void pk_ledger_take_large(struct pk_ledger *ledger, uint32_t stack, uint64_t size);

/* What the account asked for; hot.h and ledger.c call it. */
PK_COLD void pk_ledger_heed(struct pk_ledger *ledger, enum pk_account_note note);
/* hot.h, one block of `bytes` more, or fewer, on a node of this process, while ledger->watched. */
PK_NOINLINE void pk_ledger_charge_watched(struct pk_ledger *ledger, struct pk_node_counters *node,
                                          uint64_t bytes);
PK_NOINLINE void pk_ledger_release_watched(struct pk_ledger *ledger, struct pk_node_counters *node,
                                           uint64_t bytes);

/* ---- blocks ---------------------------------------------------------------------------------- */

/* A block of `size` requested bytes now lives at `address`. `flags`: PK_BLOCK_...; `even`: see
 * blocks.h. A block still known there is released first. Without memory the new block is
 * dropped. */
void pk_ledger_alloc(struct pk_ledger *ledger, uint64_t address, uint64_t size, uint32_t stack,
                     uint32_t flags, bool even);
/* The block at `address` is about to be freed; code_freed is told if it was code. Unknown ones are
 * counted and ignored; 0 is nothing at all. */
void pk_ledger_free(struct pk_ledger *ledger, uint64_t address);

/* A resize in three steps, because another thread may be given the old address the moment the real
 * call returns:
 *   begin   takes the old block out of the index; it stays in the account. .stack is 0 when it is
 *           unknown. A code object is never resized: one that seems to be has died unseen, and
 *           code_freed is told.
 *   commit  the block now lives at `address` with `size`; `copied`: old and new were alive together
 *   abort   the call failed: the old block goes back
 * Each begin is followed by one commit or abort with what it returned. */
struct pk_block pk_ledger_resize_begin(struct pk_ledger *ledger, uint64_t old_address);
void pk_ledger_resize_commit(struct pk_ledger *ledger, struct pk_block old, uint64_t address,
                             uint64_t size, uint32_t stack, uint32_t flags, bool even, bool copied);
void pk_ledger_resize_abort(struct pk_ledger *ledger, struct pk_block old, uint64_t old_address);

/* ---- maps ------------------------------------------------------------------------------------ */

/* Ranges are whole pages, as the kernel rounds them; an empty range changes nothing. A counting map
 * is one block, for as long as its first page counts. An event that needs memory that is not there
 * is dropped as a whole. */

/* A new map; whatever was known in its range is gone (MAP_FIXED). `map.start_of_map` is set by this
 * call. */
void pk_ledger_map(struct pk_ledger *ledger, struct pk_map map);
/* [start, end) is about to be unmapped. */
void pk_ledger_unmap(struct pk_ledger *ledger, uint64_t start, uint64_t end);
/* [start, end) changed protection; newly usable memory is charged to the stack that mapped it. */
void pk_ledger_protect(struct pk_ledger *ledger, uint64_t start, uint64_t end, bool usable);
/* mremap: [old, old + old_size) became [address, address + size) (moved and/or resized); what was
 * known in the new place is gone. Every piece keeps its stack; growth goes to the stack of the last
 * piece (nobody, if what ends at the old end is unknown). old_size 0 (a second view of shared
 * memory) adds a map like the one that holds `old`, charged to `stack`. */
void pk_ledger_remap(struct pk_ledger *ledger, uint64_t old, uint64_t old_size, uint64_t address,
                     uint64_t size, uint32_t stack);

/* Maps without reservation count by what is resident of them: `resident` says it of [start, end),
 * in bytes, and what has changed since the last time is charged to nodes of the pseudo function
 * `function` below the stacks that mapped them. */
void pk_ledger_sample(struct pk_ledger *ledger, uint64_t (*resident)(uint64_t start, uint64_t end),
                      uint32_t function);

/* The conservation law, by walking everything. For tests and the checked build: NULL, or a sentence
 * that says what is broken. Per-node sums are left out while a block is being resized, or when the
 * kernel has no scratch memory. */
const char *pk_ledger_is_valid(const struct pk_ledger *ledger);
