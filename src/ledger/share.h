/* SPDX-License-Identifier: Apache-2.0
 * This process's share of the peak of a whole process tree: the lazy trick of account.h once more,
 * with an epoch that others advance. Here the peak is its own epoch: it lies in memory shared by
 * all processes of the run (record/tree.h), and every new one is larger by 4 KiB at least.
 *
 * Before a node changes, what it held is kept once an epoch; after the change, a total that has
 * moved by PK_SHARE_STEP since it was last told is told again. While a process is alone nobody
 * asks: then all this is one pointer that is NULL. Pure arithmetic but for one load of the shared
 * word. */
#pragma once

#include <stdint.h>

#include "base/attr.h"
#include "ledger/account.h"

#define PK_SHARE_STEP (64u << 10) /* bytes a process may be off */
#define PK_SHARE_EPOCH_BITS 12    /* epoch = peak >> 12 */

struct pk_share {
    const uint64_t *peak; /* of the tree; changed by other processes, read atomically */
    uint64_t told_bytes;  /* what the others believe this process holds */
    /* Tells them; may change *peak. Under the ledger's lock. */
    void (*tell)(void *context, uint64_t total_bytes);
    void *context;
};

PK_INLINE uint32_t pk_share_epoch(const struct pk_share *share) {
    return (uint32_t)(__atomic_load_n(share->peak, __ATOMIC_RELAXED) >> PK_SHARE_EPOCH_BITS);
}

/* Keeps what `node` held at the tree's peak, if that was not kept yet. Before every change of
 * it. */
PK_INLINE void pk_share_capture(const struct pk_share *share, struct pk_node_counters *node) {
    uint32_t epoch = pk_share_epoch(share);
    if (PK_UNLIKELY(node->tree_epoch != epoch)) {
        node->tree_bytes = pk_node_live_bytes(node);
        node->tree_blocks = (uint32_t)pk_node_live_blocks(node);
        // The stamp last, as in account.h.
        __atomic_store_n(&node->tree_epoch, epoch, __ATOMIC_RELEASE);
    }
}

/* After every change. */
PK_INLINE void pk_share_follow(struct pk_share *share, uint64_t total_bytes) {
    if (PK_UNLIKELY(total_bytes - share->told_bytes + PK_SHARE_STEP >
                    2 * (uint64_t)PK_SHARE_STEP)) {
        share->told_bytes = total_bytes;
        share->tell(share->context, total_bytes);
    }
}
