/* SPDX-License-Identifier: Apache-2.0
 * The short way through the ledger for the commonest event by far: a small object of Python's, on a page of its
 * own size class, with nothing unusual about it. Inline, so that one allocation is one straight run of code; all
 * else falls back to pk_ledger_alloc() and pk_ledger_free(), and the answers are the same (tests/model runs both).
 * May use floor 1 only. Same lock rule as ledger.h. */
#pragma once

#include "ledger/ledger.h"

/* The page that holds `address`, or NULL when the index has none or the address is not of the ordinary kind. */
PK_INLINE struct pk_page *pk_hot_page(const struct pk_blocks *blocks, uint64_t address) {
    if (PK_UNLIKELY((address & (~(uint64_t)0 << 47 | 15u)) != 0 || blocks->side.count != 0)) {
        return NULL;
    }
    struct pk_page **mid = blocks->root[address >> 32];
    if (PK_UNLIKELY(mid == NULL)) {
        return NULL;
    }
    struct pk_page *pages = mid[address >> 22 & 1023u];
    return PK_UNLIKELY(pages == NULL) ? NULL : &pages[address >> 12 & 1023u];
}

/* The cell of a block that starts at `address` on an even page; NULL if it is not the start of one. */
PK_INLINE uint32_t *pk_hot_cell(const struct pk_page *page, uint64_t address) {
    uint32_t at = ((uint32_t)(address & 4095u) >> 4) + page->bias;
    uint32_t index = (at * page->recip) >> 16;
    return PK_LIKELY(index * page->grain16 == at) ? (uint32_t *)page->cells + index : NULL; // cells exist: grain16 is never 0 then
}

/* pk_ledger_alloc() with `even` true. */
PK_INLINE void pk_hot_alloc(struct pk_ledger *ledger, uint64_t address, uint64_t size, uint32_t stack, uint32_t flags) {
    struct pk_page *page = pk_hot_page(&ledger->blocks, address);
    // The page must be cut for this very size class: an empty one may have to be shaped anew.
    if (PK_LIKELY(page != NULL && page->bias != PK_PAGE_MIXED && (size + 15) >> 4 == page->grain16)) {
        uint32_t *cell = pk_hot_cell(page, address);
        if (PK_LIKELY(cell != NULL && *cell == 0)) {
            *cell = stack << 12 | (uint32_t)size << 2 | flags;
            page->live++;
            ledger->blocks.count++;
            struct pk_node_counters *node = pk_stacks_counters(&ledger->stacks, stack);
            if (PK_UNLIKELY(!pk_account_charge(ledger->account, node, size, 1))) {
                pk_account_sweep(ledger->account, pk_stacks_counters(&ledger->stacks, 0), ledger->stacks.node_count);
            }
            return;
        }
    }
    pk_ledger_alloc(ledger, address, size, stack, flags, true);
}

/* pk_ledger_free(). */
PK_INLINE void pk_hot_free(struct pk_ledger *ledger, uint64_t address) {
    struct pk_page *page = pk_hot_page(&ledger->blocks, address);
    if (PK_LIKELY(page != NULL && page->live != 0 && page->bias != PK_PAGE_MIXED)) { // live: it has cells
        uint32_t *cell = pk_hot_cell(page, address);
        if (PK_LIKELY(cell != NULL && *cell != 0 && (*cell & PK_BLOCK_CODE) == 0)) {
            uint32_t block = *cell;
            *cell = 0;
            page->live--;
            ledger->blocks.count--;
            pk_account_release(ledger->account, pk_stacks_counters(&ledger->stacks, block >> 12), block >> 2 & 1023u, 1);
            return;
        }
    }
    pk_ledger_free(ledger, address);
}
