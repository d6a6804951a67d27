/* SPDX-License-Identifier: Apache-2.0
 * The peak inside a stretch of the program (a `with` block, a call, a test), exact and O(1) an
 * event: the lazy trick of account.h, with a start that is kept lazily in the same way.
 *
 * Each tracker has a side table by node, private memory of which only the touched pages exist.
 * Before a node changes for the first time since the tracker began, what it holds is its start;
 * before it changes for the first time since the tracker's last peak, what it holds is its share of
 * that peak. So
 *
 *     share above the start = (entry.epoch == tracker.epoch ? entry.peak : live) - entry.start
 *     (0 for untouched nodes)
 *
 * and the shares add up to tracker.peak - tracker.start, byte for byte. A share is less than
 * nothing when the block freed what was there before it. Any number of trackers, nested or
 * overlapping. Nothing is copied and nothing is scanned: the touched entries are a list.
 * tests/model checks all of it. Pure arithmetic; guarded by the ledger's lock. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "ledger/account.h"

/* An entry's epoch: never touched; touched, and its share is what is live; from then on epochs of
 * the tracker. */
#define PK_TRACKER_UNTOUCHED 0u
#define PK_TRACKER_STALE 1u
#define PK_TRACKER_FIRST_EPOCH 2u

struct pk_tracker_entry {
    uint64_t alloc_bytes, alloc_blocks; /* the node's counters when the tracker began */
    uint64_t free_bytes, free_blocks;
    uint64_t peak_bytes;
    uint32_t peak_blocks;
    uint32_t epoch;
    uint32_t next; /* index of the entry touched before this one; PK_TRACKER_END */
    uint32_t reserved[3];
};

#define PK_TRACKER_END UINT32_MAX

struct pk_tracker {
    struct pk_tracker *next; /* among the ledger's */
    /* one a node, zeroed memory, as many as the ledger may ever have nodes */
    struct pk_tracker_entry *entries;
    uint32_t touched; /* the last touched entry; PK_TRACKER_END */
    uint32_t touched_count;
    uint32_t epoch;
    bool captured;                      /* some entry was stamped in this epoch */
    uint64_t start_bytes, start_blocks; /* the ledger's totals when the tracker began */
    uint64_t peak_bytes, peak_blocks;   /* ... and when they were highest since */
};

_Static_assert(sizeof(struct pk_tracker_entry) == 64, "one cache line");

/* What one node has to do with a tracker's block, as it is now. */
struct pk_tracker_share {
    int64_t peak_bytes, peak_blocks;    /* held at the block's peak, above its start */
    int64_t live_bytes, live_blocks;    /* held now, above its start */
    uint64_t alloc_bytes, alloc_blocks; /* allocated since the start */
};

/* Begins: nothing touched, the peak is now. `entries` must be all zeroes. */
static inline void pk_tracker_begin(struct pk_tracker *tracker, struct pk_tracker_entry *entries,
                                    const struct pk_account *account) {
    *tracker = (struct pk_tracker){
        .entries = entries,
        .touched = PK_TRACKER_END,
        .epoch = PK_TRACKER_FIRST_EPOCH,
        .start_bytes = account->total_bytes,
        .start_blocks = account->total_blocks,
        .peak_bytes = account->total_bytes,
        .peak_blocks = account->total_blocks,
    };
}

PK_COLD static void pk_tracker_touch(struct pk_tracker *tracker, struct pk_tracker_entry *entry,
                                     const struct pk_node_counters *node) {
    entry->alloc_bytes = node->alloc_bytes;
    entry->alloc_blocks = node->alloc_blocks;
    entry->free_bytes = node->free_bytes;
    entry->free_blocks = node->free_blocks;
    entry->epoch = PK_TRACKER_STALE;
    entry->next = tracker->touched;
    tracker->touched = (uint32_t)(entry - tracker->entries);
    tracker->touched_count++;
}

PK_COLD static void pk_tracker_sweep(struct pk_tracker *tracker) {
    for (uint32_t i = tracker->touched; i != PK_TRACKER_END; i = tracker->entries[i].next) {
        tracker->entries[i].epoch = PK_TRACKER_STALE;
    }
    tracker->epoch = PK_TRACKER_FIRST_EPOCH;
}

/* Before `node`, the `index`-th, loses anything, or gains what makes no new peak. */
PK_INLINE void pk_tracker_capture(struct pk_tracker *tracker, uint32_t index,
                                  const struct pk_node_counters *node) {
    struct pk_tracker_entry *entry = &tracker->entries[index];
    if (PK_UNLIKELY(entry->epoch != tracker->epoch)) {
        if (entry->epoch == PK_TRACKER_UNTOUCHED) {
            pk_tracker_touch(tracker, entry, node);
        }
        entry->peak_bytes = pk_node_live_bytes(node);
        entry->peak_blocks = (uint32_t)pk_node_live_blocks(node);
        entry->epoch = tracker->epoch;
        tracker->captured = true;
    }
}

/* Before `node` gains what makes the totals `total_bytes` and `total_blocks`. */
PK_INLINE void pk_tracker_charge(struct pk_tracker *tracker, uint32_t index,
                                 const struct pk_node_counters *node, uint64_t total_bytes,
                                 uint64_t total_blocks) {
    if (total_bytes <= tracker->peak_bytes) {
        pk_tracker_capture(tracker, index, node);
        return;
    }
    if (PK_UNLIKELY(tracker->entries[index].epoch == PK_TRACKER_UNTOUCHED)) {
        pk_tracker_touch(tracker, &tracker->entries[index], node);
    }
    tracker->peak_bytes = total_bytes;
    tracker->peak_blocks = total_blocks;
    if (tracker->captured) {
        tracker->captured = false;
        if (PK_UNLIKELY(++tracker->epoch == PK_EPOCH_LAST)) {
            pk_tracker_sweep(tracker);
        }
    }
}

static inline struct pk_tracker_share pk_tracker_share(const struct pk_tracker *tracker,
                                                       uint32_t index,
                                                       const struct pk_node_counters *node) {
    const struct pk_tracker_entry *entry = &tracker->entries[index];
    if (entry->epoch == PK_TRACKER_UNTOUCHED) {
        return (struct pk_tracker_share){0};
    }
    uint64_t start_bytes = entry->alloc_bytes - entry->free_bytes;
    uint64_t start_blocks = entry->alloc_blocks - entry->free_blocks;
    bool kept = entry->epoch == tracker->epoch;
    uint64_t live_bytes = pk_node_live_bytes(node) - start_bytes;
    uint64_t live_blocks = pk_node_live_blocks(node) - start_blocks;
    return (struct pk_tracker_share){
        .peak_bytes = (int64_t)(kept ? entry->peak_bytes - start_bytes : live_bytes),
        .peak_blocks = (int64_t)(kept ? entry->peak_blocks - start_blocks : live_blocks),
        .live_bytes = (int64_t)live_bytes,
        .live_blocks = (int64_t)live_blocks,
        .alloc_bytes = node->alloc_bytes - entry->alloc_bytes,
        .alloc_blocks = node->alloc_blocks - entry->alloc_blocks,
    };
}
