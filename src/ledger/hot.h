/* SPDX-License-Identifier: Apache-2.0
 * The short way through the ledger for the commonest events: a small object of Python's on a page
 * of its own size class, and a block of the C heap in its own cell, with nothing unusual about
 * them. Inline, so that one allocation is one straight run of code; all else falls back to
 * pk_ledger_alloc() and pk_ledger_free(), and the answers are the same (tests/model runs both). May
 * use floor 1 only. Same lock rule as ledger.h. */
#pragma once

#include "ledger/cells.h"
#include "ledger/ledger.h"

PK_INLINE struct pk_page *pk_hot_page(struct pk_blocks *blocks, uint64_t address) {
    // An entry has 16 bytes: the page's number, shifted as an offset in bytes, spares two
    // instructions.
    uint64_t offset = address >> 8 & (PK_RECENT_PAGES - 1) << 4;
    const struct pk_recent_page *recent = (const void *)((const char *)blocks->recent + offset);
    if (PK_LIKELY((address & ~(uint64_t)0xff0) == recent->base)) { // the same page, and on 16
        return recent->page;
    }
    return pk_blocks_page(blocks, address);
}

/* The account of a block that was put into a cell of `page`, or taken out of it. */
PK_INLINE void pk_hot_charge(struct pk_ledger *ledger, struct pk_page *page, uint64_t size,
                             uint32_t stack) {
    page->live++;
    ledger->blocks.count++;
    struct pk_node_counters *node = pk_stacks_counters(&ledger->stacks, stack);
    if (PK_UNLIKELY(ledger->watched)) {
        pk_ledger_charge_watched(ledger, node, size);
        return;
    }
    enum pk_account_note note = pk_account_charge(ledger->account, node, size, 1);
    if (PK_UNLIKELY(note != PK_ACCOUNT_FINE)) {
        pk_ledger_heed(ledger, note);
    }
}

PK_INLINE void pk_hot_release(struct pk_ledger *ledger, struct pk_page *page, uint64_t size,
                              uint32_t stack) {
    page->live--;
    ledger->blocks.count--;
    struct pk_node_counters *node = pk_stacks_counters(&ledger->stacks, stack);
    if (PK_UNLIKELY(ledger->watched)) {
        pk_ledger_release_watched(ledger, node, size);
        return;
    }
    enum pk_account_note note = pk_account_release(ledger->account, node, size, 1);
    if (PK_UNLIKELY(note != PK_ACCOUNT_FINE)) {
        pk_ledger_heed(ledger, note);
    }
}

/* pk_ledger_alloc() with `even` true. */
PK_INLINE void pk_hot_alloc(struct pk_ledger *ledger, uint64_t address, uint64_t size,
                            uint32_t stack, uint32_t flags) {
    struct pk_page *page = pk_hot_page(&ledger->blocks, address);
    // The page must be cut for this very size class: an empty one may have to be shaped anew.
    if (PK_LIKELY((size + 15) >> 4 == page->grain16)) {
        uint32_t *cell;
        // a block not known yet
        if (PK_LIKELY(pk_even_find(page, pk_page_step(address), &cell) && *cell == 0)) {
            *cell = pk_even_cell(stack, size, flags);
            pk_hot_charge(ledger, page, size, stack);
            return;
        }
    }
    pk_ledger_alloc(ledger, address, size, stack, flags, true);
}

/* pk_ledger_alloc() with `even` false. */
PK_INLINE void pk_hot_alloc_mixed(struct pk_ledger *ledger, uint64_t address, uint64_t size,
                                  uint32_t stack, uint32_t flags) {
    struct pk_page *page = pk_hot_page(&ledger->blocks, address);
    uint32_t step = pk_page_step(address);
    // An empty page may have to be shaped anew, a full one made finer. The block's own cell being
    // empty, it is in no other.
    if (PK_LIKELY(page->bias == PK_PAGE_MIXED && page->live != 0 &&
                  page->live < pk_mixed_limit(page->grain16) && size >> PK_MIXED_SIZE_BITS == 0)) {
        uint64_t *cell = pk_mixed_own(page, step);
        if (PK_LIKELY(*cell == 0)) {
            *cell = pk_mixed_cell(stack, size, step, flags);
            if (PK_UNLIKELY(size > PK_LARGE_LEAST)) {
                pk_ledger_add_large(ledger, stack, size);
            }
            pk_hot_charge(ledger, page, size, stack);
            return;
        }
    }
    pk_ledger_alloc(ledger, address, size, stack, flags, false);
}

/* pk_ledger_free() of what is on no even page. */
PK_INLINE void pk_hot_free_mixed(struct pk_ledger *ledger, struct pk_page *page, uint64_t address) {
    // no cell behind it has to move up
    if (PK_LIKELY(page->bias == PK_PAGE_MIXED && page->displaced == 0)) {
        uint32_t step = pk_page_step(address);
        uint64_t *cell = pk_mixed_own(page, step);
        struct pk_block block = pk_mixed_block(*cell);
        if (PK_LIKELY(pk_mixed_step(*cell) == step && block.stack >= ledger->stacks.root &&
                      (block.flags & PK_BLOCK_CODE) == 0)) {
            *cell = 0;
            if (PK_UNLIKELY(block.size > PK_LARGE_LEAST)) {
                pk_ledger_take_large(ledger, block.stack, block.size);
            }
            pk_hot_release(ledger, page, block.size, block.stack);
            return;
        }
    }
    pk_ledger_free(ledger, address);
}

/* pk_ledger_free(). */
PK_INLINE void pk_hot_free(struct pk_ledger *ledger, uint64_t address) {
    struct pk_page *page = pk_hot_page(&ledger->blocks, address);
    uint32_t *cell;
    if (PK_LIKELY(pk_even_find(page, pk_page_step(address), &cell))) {
        uint32_t block = *cell;
        if (PK_LIKELY(block >= ledger->own_cells && (block & PK_BLOCK_CODE) == 0)) {
            *cell = 0;
            pk_hot_release(ledger, page, block >> 2 & 1023u, block >> 12);
            return;
        }
    }
    pk_hot_free_mixed(ledger, page, address);
}
