/* SPDX-License-Identifier: Apache-2.0
 * What the cells of a page hold (blocks.h has the layout), for blocks.c and hot.h. `step` is an
 * address's offset in its page in steps of 16 bytes. Pure. */
#pragma once

#include "ledger/blocks.h"

#define PK_MIXED_SIZE_BITS 34

PK_INLINE uint32_t pk_page_step(uint64_t address) {
    return (uint32_t)address >> 4 & (PK_PAGE_STEPS - 1);
}

// ---- even pages ---------------------------------------------------------------------------------

PK_INLINE uint32_t pk_even_cell(uint32_t stack, uint64_t size, uint32_t flags) {
    return (stack << 12) + ((uint32_t)size << 2) + flags;
}

PK_INLINE struct pk_block pk_even_block(uint32_t cell) {
    return (struct pk_block){.size = cell >> 2 & 1023u, .stack = cell >> 12, .flags = cell & 3u};
}

/* The cell of a block that starts at `step`. False: another kind of page, or no block can start
 * there. With r = recip, g = grain16 and e = r * g - 32768 < g, step q * g + rest gives q * 32768 +
 * (q * e + rest * r), where q * e < 287 < 1024 <= r: the lower 15 bits are below r exactly if rest
 * is 0. */
PK_INLINE bool pk_even_find(const struct pk_page *page, uint32_t step, uint32_t **ret_cell) {
    uint32_t product = (step + page->bias) * page->recip;
    *ret_cell = (uint32_t *)page->cells + (product >> 15);
    return PK_LIKELY((product & 32767u) < page->recip);
}

// ---- mixed pages --------------------------------------------------------------------------------

PK_INLINE uint64_t pk_mixed_cell(uint32_t stack, uint64_t size, uint32_t step, uint32_t flags) {
    return size << 30 | (uint64_t)stack << 10 | step << 2 | flags;
}

PK_INLINE struct pk_block pk_mixed_block(uint64_t cell) {
    return (struct pk_block){.size = cell >> 30,
                             .stack = (uint32_t)(cell >> 10) & (PK_MAX_NODES - 1),
                             .flags = cell & 3u};
}

PK_INLINE uint32_t pk_mixed_step(uint64_t cell) {
    return (uint32_t)(cell >> 2) & 255u;
}

/* Blocks that cells of 2^log steps may hold: three quarters, so that every search ends soon at an
 * empty cell. Cells of one step never share, and may all be used. */
PK_INLINE uint32_t pk_mixed_limit(uint32_t log) {
    return log == 0 ? PK_PAGE_STEPS : (PK_PAGE_STEPS >> log) * 3 / 4;
}

/* Where the block at `step` is, unless that cell is another's. */
PK_INLINE uint64_t *pk_mixed_own(const struct pk_page *page, uint32_t step) {
    return (uint64_t *)page->cells + (step >> page->grain16);
}
