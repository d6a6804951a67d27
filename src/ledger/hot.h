/* SPDX-License-Identifier: Apache-2.0
 * The short way through the ledger for the commonest event by far: a small object of Python's, on a page of its
 * own size class, with nothing unusual about it. Inline, so that one allocation is one straight run of code; all
 * else falls back to pk_ledger_alloc() and pk_ledger_free(), and the answers are the same (tests/model runs both).
 * May use floor 1 only. Same lock rule as ledger.h. */
#pragma once

#include "ledger/ledger.h"

/* The page that holds `address`, or NULL when the index has none or something is unusual. */
PK_INLINE struct pk_page *pk_hot_page(const struct pk_blocks *blocks, struct pk_recent_page *recent, uint64_t address) {
    if (PK_UNLIKELY((address & 15u) != 0 || blocks->side.count != 0)) {
        return NULL;
    }
    if (PK_LIKELY(address >> 12 == recent->number)) {
        return recent->page;
    }
    if (PK_UNLIKELY(address >> 47 != 0)) {
        return NULL;
    }
    struct pk_page **mid = blocks->root[address >> 32];
    if (PK_UNLIKELY(mid == NULL)) {
        return NULL;
    }
    struct pk_page *pages = mid[address >> 22 & 1023u];
    if (PK_UNLIKELY(pages == NULL)) {
        return NULL;
    }
    recent->number = address >> 12;
    recent->page = &pages[address >> 12 & 1023u];
    return recent->page;
}

/* pk_ledger_alloc() with `even` true. */
PK_INLINE void pk_hot_alloc(struct pk_ledger *ledger, uint64_t address, uint64_t size, uint32_t stack, uint32_t flags) {
    struct pk_page *page = pk_hot_page(&ledger->blocks, &ledger->blocks.recent_put, address);
    // The page must be cut for this very size class: an empty one may have to be shaped anew.
    if (PK_LIKELY(page != NULL && page->bias != PK_PAGE_MIXED && (size + 15) >> 4 == page->grain16)) {
        uint32_t at = ((uint32_t)(address & 4095u) >> 4) + page->bias;
        uint32_t index = (at * page->recip) >> 16;
        uint32_t *cell = (uint32_t *)page->cells + index;
        if (PK_LIKELY(index * page->grain16 == at && *cell == 0)) { // the start of a block that is not known yet
            *cell = stack << 12 | (uint32_t)size << 2 | flags;
            page->live++;
            ledger->blocks.count++;
            struct pk_node_counters *node = pk_stacks_counters(&ledger->stacks, stack);
            if (PK_UNLIKELY(ledger->share != NULL)) {
                pk_share_capture(ledger->share, node);
            }
            enum pk_account_note note = pk_account_charge(ledger->account, node, size, 1);
            if (PK_UNLIKELY(note != PK_ACCOUNT_FINE)) {
                pk_ledger_heed(ledger, note);
            }
            if (PK_UNLIKELY(ledger->share != NULL)) {
                pk_share_follow(ledger->share, ledger->account->total_bytes);
            }
            return;
        }
    }
    pk_ledger_alloc(ledger, address, size, stack, flags, true);
}

/* pk_ledger_free(). */
PK_INLINE void pk_hot_free(struct pk_ledger *ledger, uint64_t address) {
    struct pk_page *page = pk_hot_page(&ledger->blocks, &ledger->blocks.recent_take, address);
    if (PK_LIKELY(page != NULL && page->live != 0 && page->bias != PK_PAGE_MIXED)) { // live: it has cells
        uint32_t at = ((uint32_t)(address & 4095u) >> 4) + page->bias;
        uint32_t index = (at * page->recip) >> 16;
        uint32_t *cell = (uint32_t *)page->cells + index;
        uint32_t block = *cell;
        if (PK_LIKELY(index * page->grain16 == at && block >= ledger->own_cells && (block & PK_BLOCK_CODE) == 0)) {
            *cell = 0;
            page->live--;
            ledger->blocks.count--;
            struct pk_node_counters *node = pk_stacks_counters(&ledger->stacks, block >> 12);
            if (PK_UNLIKELY(ledger->share != NULL)) {
                pk_share_capture(ledger->share, node);
            }
            enum pk_account_note note = pk_account_release(ledger->account, node, block >> 2 & 1023u, 1);
            if (PK_UNLIKELY(note != PK_ACCOUNT_FINE)) {
                pk_ledger_heed(ledger, note);
            }
            if (PK_UNLIKELY(ledger->share != NULL)) {
                pk_share_follow(ledger->share, ledger->account->total_bytes);
            }
            return;
        }
    }
    pk_ledger_free(ledger, address);
}
