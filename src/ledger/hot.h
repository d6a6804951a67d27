/* SPDX-License-Identifier: Apache-2.0
 * The short way through the ledger for the commonest event by far: a small object of Python's, on a page of its
 * own size class, with nothing unusual about it. Inline, so that one allocation is one straight run of code; all
 * else falls back to pk_ledger_alloc() and pk_ledger_free(), and the answers are the same (tests/model runs both).
 * May use floor 1 only. Same lock rule as ledger.h. */
#pragma once

#include "ledger/ledger.h"

PK_INLINE struct pk_page *pk_hot_page(struct pk_blocks *blocks, uint64_t address) {
    // An entry has 16 bytes: the page's number, shifted as an offset in bytes, spares two instructions.
    uint64_t offset = address >> 8 & (PK_RECENT_PAGES - 1) << 4;
    const struct pk_recent_page *recent = (const void *)((const char *)blocks->recent + offset);
    if (PK_LIKELY((address & ~(uint64_t)0xff0) == recent->base)) { // the same page, and on 16
        return recent->page;
    }
    return pk_blocks_page(blocks, address);
}

/* The cell of a block that starts at `address` of an even page. False: another kind of page, or no start of a block.
 * The arithmetic is explained in blocks.c. */
PK_INLINE bool pk_hot_cell(const struct pk_page *page, uint64_t address, uint32_t **ret_cell) {
    uint32_t product = (((uint32_t)address >> 4 & (PK_PAGE_STEPS - 1)) + page->bias) * page->recip;
    *ret_cell = (uint32_t *)page->cells + (product >> 15);
    return PK_LIKELY((product & 32767u) < page->recip);
}

/* pk_ledger_alloc() with `even` true. */
PK_INLINE void pk_hot_alloc(struct pk_ledger *ledger, uint64_t address, uint64_t size, uint32_t stack, uint32_t flags) {
    struct pk_page *page = pk_hot_page(&ledger->blocks, address);
    // The page must be cut for this very size class: an empty one may have to be shaped anew.
    if (PK_LIKELY((size + 15) >> 4 == page->grain16)) {
        uint32_t *cell;
        if (PK_LIKELY(pk_hot_cell(page, address, &cell) && *cell == 0)) { // the start of a block that is not known yet
            *cell = (stack << 12) + ((uint32_t)size << 2) + flags;
            page->live++;
            ledger->blocks.count++;
            struct pk_node_counters *node = pk_stacks_counters(&ledger->stacks, stack);
            if (PK_UNLIKELY(ledger->share != NULL)) {
                pk_ledger_charge_shared(ledger, node, size);
                return;
            }
            enum pk_account_note note = pk_account_charge(ledger->account, node, size, 1);
            if (PK_UNLIKELY(note != PK_ACCOUNT_FINE)) {
                pk_ledger_heed(ledger, note);
            }
            return;
        }
    }
    pk_ledger_alloc(ledger, address, size, stack, flags, true);
}

/* pk_ledger_free(). */
PK_INLINE void pk_hot_free(struct pk_ledger *ledger, uint64_t address) {
    struct pk_page *page = pk_hot_page(&ledger->blocks, address);
    uint32_t *cell;
    if (PK_LIKELY(pk_hot_cell(page, address, &cell))) {
        uint32_t block = *cell;
        if (PK_LIKELY(block >= ledger->own_cells && (block & PK_BLOCK_CODE) == 0)) {
            *cell = 0;
            page->live--;
            ledger->blocks.count--;
            struct pk_node_counters *node = pk_stacks_counters(&ledger->stacks, block >> 12);
            if (PK_UNLIKELY(ledger->share != NULL)) {
                pk_ledger_release_shared(ledger, node, block >> 2 & 1023u);
                return;
            }
            enum pk_account_note note = pk_account_release(ledger->account, node, block >> 2 & 1023u, 1);
            if (PK_UNLIKELY(note != PK_ACCOUNT_FINE)) {
                pk_ledger_heed(ledger, note);
            }
            return;
        }
    }
    pk_ledger_free(ledger, address);
}
