/* SPDX-License-Identifier: Apache-2.0
 * The exact peak in O(1): who held what when the total was highest, without ever copying a table.
 *
 * A node's `peak_bytes` is filled lazily: just before a node changes for the first time after a
 * peak, what it held is kept beside it, stamped with the peak's epoch. A new peak begins a new
 * epoch, which makes all stamps stale at once. So a node's share of the peak is
 *
 *     node.epoch == account.epoch ? node.peak_bytes : node's live bytes
 *
 * While the total climbs from one peak to the next nothing is stamped at all (shares = live), and
 * the epoch only advances when something was stamped in it: at most once per fall and rise, so 2^32
 * epochs outlast any run of less than minutes of nothing but falls and rises; at the end of the
 * numbers the stamps are swept once.
 *
 * Invariants, after every event: sum of live over nodes = total_bytes; sum of shares = peak_bytes;
 * peak_bytes >= total_bytes. Pure arithmetic: no locks, no clock, no memory. */
#pragma once

#include <stdint.h>

#include "base/attr.h"
#include "ledger/node.h"

/* May be set smaller by a build of the tests, so that sweeps happen. */
#ifndef PK_EPOCH_LAST
#define PK_EPOCH_LAST UINT32_MAX
#endif

PK_INLINE uint64_t pk_node_live_bytes(const struct pk_node_counters *node) {
    return node->alloc_bytes - node->free_bytes;
}

PK_INLINE uint64_t pk_node_live_blocks(const struct pk_node_counters *node) {
    return node->alloc_blocks - node->free_blocks;
}

PK_INLINE uint64_t pk_node_peak_bytes(const struct pk_account *account,
                                      const struct pk_node_counters *node) {
    return node->epoch == account->epoch ? node->peak_bytes : pk_node_live_bytes(node);
}

PK_INLINE uint64_t pk_node_peak_blocks(const struct pk_account *account,
                                       const struct pk_node_counters *node) {
    return node->epoch == account->epoch ? node->peak_blocks : pk_node_live_blocks(node);
}

PK_INLINE void pk_account_start(struct pk_account *account) {
    account->epoch = 1;
}

/* What a change asks of the caller; rare, and never two at once. */
enum pk_account_note {
    PK_ACCOUNT_FINE = 0,
    PK_ACCOUNT_SWEEP = 1, /* epochs are used up: pk_account_sweep() before any further event */
    /* this was the first change after a peak: now is when to note its time */
    PK_ACCOUNT_PEAK_ENDED = 2,
};

/* Keeps what `node` held at the peak, if that was not kept yet. Before every change that is not a
 * new peak. */
PK_INLINE enum pk_account_note pk_account_capture(struct pk_account *account,
                                                  struct pk_node_counters *node) {
    if (PK_UNLIKELY(node->epoch != account->epoch)) {
        node->peak_bytes = pk_node_live_bytes(node);
        node->peak_blocks = (uint32_t)pk_node_live_blocks(node);
        // The stamp last: a process killed here must not leave an old share under a new stamp.
        __atomic_store_n(&node->epoch, account->epoch, __ATOMIC_RELEASE);
        if (!account->captured) {
            account->captured = 1;
            return PK_ACCOUNT_PEAK_ENDED;
        }
    }
    return PK_ACCOUNT_FINE;
}

/* A new peak after a fall: all stamps become stale. */
PK_INLINE enum pk_account_note pk_account_next_epoch(struct pk_account *account) {
    account->captured = 0;
    account->peak_mono_ns = 0;
    account->epoch++;
    return account->epoch != PK_EPOCH_LAST ? PK_ACCOUNT_FINE : PK_ACCOUNT_SWEEP;
}

/* `bytes` more, `blocks` more, on this node. */
PK_INLINE enum pk_account_note pk_account_charge(struct pk_account *account,
                                                 struct pk_node_counters *node, uint64_t bytes,
                                                 uint64_t blocks) {
    enum pk_account_note note = PK_ACCOUNT_FINE;
    uint64_t total = account->total_bytes + bytes;
    account->total_blocks += blocks;
    if (total > account->peak_bytes) {
        account->peak_bytes = total;
        account->peak_blocks = account->total_blocks;
        if (account->captured) {
            note = pk_account_next_epoch(account);
        }
    } else {
        note = pk_account_capture(account, node);
    }
    account->total_bytes = total;
    node->alloc_bytes += bytes;
    node->alloc_blocks += blocks;
    return note;
}

/* `bytes` and `blocks` fewer on this node. */
PK_INLINE enum pk_account_note pk_account_release(struct pk_account *account,
                                                  struct pk_node_counters *node, uint64_t bytes,
                                                  uint64_t blocks) {
    enum pk_account_note note = pk_account_capture(account, node);
    account->total_bytes -= bytes;
    account->total_blocks -= blocks;
    node->free_bytes += bytes;
    node->free_blocks += blocks;
    return note;
}

/* Starts the epochs again from 1. Only directly after PK_ACCOUNT_SWEEP, when no stamp is
 * current. */
static inline void pk_account_sweep(struct pk_account *account, struct pk_node_counters *nodes,
                                    uint64_t count) {
    for (uint64_t i = 0; i < count; i++) {
        nodes[i].epoch = 0;
    }
    account->epoch = 1;
}
