/* SPDX-License-Identifier: Apache-2.0
 * The largest single block of each stack, now and at the peaks: of blocks above PK_LARGE_LEAST
 * only, which never come the way of small objects. An entry for each node that ever had one, in a
 * table of its own.
 *
 * An entry knows how many such blocks its node holds, their bytes, and the largest. Exact while
 * that one is held; when it went and several others are left, `most` is an upper bound, until they
 * are one again or a larger one comes. (Exact for ever would be a heap a node.) What it was at a
 * peak is kept lazily, as in account.h and share.h: before the entry changes.
 *
 * Guarded by the ledger's lock. tests/model compares with a search through all blocks. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attr.h"
#include "ledger/node.h"
#include "ledger/store.h"

#define PK_LARGE_PAGE 1024u /* nodes looked up through one page of numbers */

struct pk_larges {
    struct pk_store *entries; /* struct pk_large; NULL: nobody wants to know */
    struct pk_arena *arena;
    /* node -> its entry's number + 1; made as they are needed */
    uint32_t *pages[PK_MAX_NODES / PK_LARGE_PAGE];
    bool lost;             /* a node could have no entry: its largest block is not known */
    void (*changed)(void); /* told when an entry was added, and when one was lost; may be NULL */
};

/* The node's entry, made if it has none (`first`: the process's first node). NULL: the tables
 * cannot grow. */
PK_NOINLINE struct pk_large *pk_larges_entry(struct pk_larges *larges, uint32_t node,
                                             uint32_t first);

/* The largest block the node holds: with PK_LARGE_AT_MOST, none is larger. 0: none. */
static inline uint64_t pk_large_now(const struct pk_large *large) {
    return large->count == 0 ? 0 : large->most | (large->most_count == 0 ? PK_LARGE_AT_MOST : 0);
}

/* Keeps it for the peak of this epoch, if it was not kept yet. Before every change that is not a
 * new peak. */
static inline void pk_large_capture(struct pk_large *large, uint32_t epoch) {
    if (large->epoch != epoch) {
        large->peak = pk_large_now(large);
        __atomic_store_n(&large->epoch, epoch, __ATOMIC_RELEASE); // last: see account.h
    }
}

/* The same for the peak of the process tree. */
static inline void pk_large_capture_tree(struct pk_large *large, uint32_t epoch) {
    if (large->tree_epoch != epoch) {
        large->tree = pk_large_now(large);
        __atomic_store_n(&large->tree_epoch, epoch, __ATOMIC_RELEASE);
    }
}

static inline void pk_large_add(struct pk_large *large, uint64_t size) {
    large->count++;
    large->bytes += size;
    if (size > large->most) {
        large->most = size;
        large->most_count = 1;
    } else if (size == large->most && large->most_count > 0) {
        large->most_count++;
    }
}

static inline void pk_large_take(struct pk_large *large, uint64_t size) {
    large->count--;
    large->bytes -= size;
    if (large->count <= 1) { // what is left is known
        large->most = large->bytes;
        large->most_count = large->count;
    } else if (size == large->most && large->most_count > 0 && --large->most_count == 0) {
        // beside the least of the others
        uint64_t room = large->bytes - (large->count - 1) * (PK_LARGE_LEAST + 1);
        large->most = room < size ? room : size - 1;
    }
}
