/* SPDX-License-Identifier: Apache-2.0
 * See blocks.h. The fast paths are try_store and page_take; everything that changes a page's shape
 * is cold. */
#include "ledger/blocks.h"

#include <errno.h>
#include <string.h>

#include "base/check.h"
#include "ledger/cells.h"

#define MIXED_LOG_MAX 7u
#define MIXED_SPREAD_BYTES (1u << 20)
#define MIXED_LOG_FIRST 3u /* the finest shape a page begins with: 32 cells */

// ---- cells --------------------------------------------------------------------------------------

static inline uint32_t even_count(uint32_t grain, uint32_t bias) {
    return (PK_PAGE_STEPS - 1 + bias) / grain + 1;
}

static size_t cells_bytes(const struct pk_page *page) {
    if (page->bias == PK_PAGE_MIXED) {
        return (size_t)(PK_PAGE_STEPS >> page->grain16) * sizeof(uint64_t);
    }
    return (size_t)even_count(page->grain16, page->bias) * sizeof(uint32_t);
}

// ---- the way to a page --------------------------------------------------------------------------

static inline bool has_page(uint64_t address) {
    return (address & 15u) == 0 && address >> PK_BLOCKS_ADDRESS_BITS == 0;
}

static inline struct pk_page *page_of(const struct pk_blocks *blocks, uint64_t address) {
    struct pk_page **mid = blocks->root[address >> 32];
    if (PK_UNLIKELY(mid == NULL)) {
        return NULL;
    }
    struct pk_page *pages = mid[address >> 22 & 1023u];
    if (PK_UNLIKELY(pages == NULL)) {
        return NULL;
    }
    return &pages[address >> 12 & 1023u];
}

PK_COLD static struct pk_page *make_page(struct pk_blocks *blocks, uint64_t address) {
    struct pk_page ***mid = &blocks->root[address >> 32];
    if (*mid == NULL) {
        *mid = pk_arena_alloc(blocks->arena, 1024 * sizeof(struct pk_page *));
        if (*mid == NULL) {
            return NULL;
        }
    }
    struct pk_page **pages = &(*mid)[address >> 22 & 1023u];
    if (*pages == NULL) {
        *pages = pk_arena_alloc(blocks->arena, 1024 * sizeof(struct pk_page));
        if (*pages == NULL) {
            return NULL;
        }
    }
    return &(*pages)[address >> 12 & 1023u];
}

PK_NOINLINE static uint64_t *mixed_probe(uint64_t *cells, uint32_t log, uint32_t step) {
    uint32_t last = (PK_PAGE_STEPS >> log) - 1;
    uint32_t i = step >> log;
    do {
        i = (i + 1) & last;
    } while (cells[i] != 0 && pk_mixed_step(cells[i]) != step);
    return &cells[i];
}

// The cell of the block at `step`, or the empty one where it belongs: mostly its own.
static inline uint64_t *mixed_find(const struct pk_page *page, uint32_t step) {
    uint64_t *cell = pk_mixed_own(page, step);
    if (PK_UNLIKELY(*cell != 0 && pk_mixed_step(*cell) != step)) {
        return mixed_probe(page->cells, page->grain16, step);
    }
    return cell;
}

// Moves the cells behind a new hole back, so that no search ends too early.
PK_NOINLINE static void mixed_close(struct pk_page *page, uint64_t *at, uint64_t cell) {
    uint64_t *cells = page->cells;
    uint32_t log = page->grain16;
    uint32_t last = (PK_PAGE_STEPS >> log) - 1;
    uint32_t hole = (uint32_t)(at - cells);
    if (hole != pk_mixed_step(cell) >> log) {
        page->displaced--;
    }
    for (uint32_t i = (hole + 1) & last; cells[i] != 0; i = (i + 1) & last) {
        uint32_t home = pk_mixed_step(cells[i]) >> log;
        // Stays if its home lies cyclically in (hole, i].
        if (((i - home) & last) >= ((i - hole) & last)) {
            if (hole == home) {
                page->displaced--;
            }
            cells[hole] = cells[i];
            cells[i] = 0;
            hole = i;
        }
    }
}

PK_NOINLINE static struct pk_block take_mixed(struct pk_blocks *blocks, struct pk_page *page,
                                              uint32_t step) {
    uint64_t *at = mixed_find(page, step);
    uint64_t cell = *at;
    if (PK_UNLIKELY(cell == 0)) {
        return (struct pk_block){0};
    }
    *at = 0;
    page->live--;
    blocks->count--;
    if (PK_UNLIKELY(page->displaced != 0)) {
        mixed_close(page, at, cell);
    }
    return pk_mixed_block(cell);
}

// Forgets the block that starts at `address` (has_page) and returns it; .stack is 0 when no page
// knows it.
static inline struct pk_block page_take(struct pk_blocks *blocks, uint64_t address) {
    struct pk_page *page = page_of(blocks, address);
    if (PK_UNLIKELY(page == NULL || page->cells == NULL)) {
        return (struct pk_block){0};
    }
    uint32_t step = pk_page_step(address);
    if (PK_UNLIKELY(page->bias == PK_PAGE_MIXED)) {
        return take_mixed(blocks, page, step);
    }
    uint32_t *at;
    if (PK_UNLIKELY(!pk_even_find(page, step, &at) || *at == 0)) {
        return (struct pk_block){0};
    }
    struct pk_block block = pk_even_block(*at);
    *at = 0;
    page->live--;
    blocks->count--;
    return block;
}

// ---- the side table -----------------------------------------------------------------------------

// While the side table holds a block at such an address, no page alone can tell what is known of
// one. Those that no page could hold hide nothing: without the GIL Python's allocator gives 8 bytes
// at any multiple of 8, in every program.
static void forget_recent(struct pk_blocks *blocks) {
    for (uint32_t i = 0; i < PK_RECENT_PAGES; i++) {
        blocks->recent[i].base = UINT64_MAX;
    }
}

PK_COLD static int side_put(struct pk_blocks *blocks, uint64_t address, uint64_t size,
                            uint32_t stack, uint32_t flags, struct pk_block *ret_old) {
    struct pk_side_entry entry = {.address = address, .size = size, .stack = stack, .flags = flags};
    if (has_page(address)) {
        *ret_old =
            page_take(blocks, address); // a huge block where a small one was known: never in both
    }
    struct pk_side_entry *known = pk_side_find(&blocks->side, address);
    if (known != NULL) {
        *ret_old =
            (struct pk_block){.size = known->size, .stack = known->stack, .flags = known->flags};
        *known = entry;
        return 0;
    }
    if (pk_side_insert(&blocks->side, blocks->arena, entry) < 0) {
        return -ENOMEM;
    }
    if (has_page(address)) {
        blocks->hiding++;
        forget_recent(blocks);
    }
    blocks->count++;
    return 0;
}

PK_COLD static struct pk_block side_take(struct pk_blocks *blocks, uint64_t address) {
    struct pk_side_entry *entry = pk_side_find(&blocks->side, address);
    if (entry == NULL) {
        return (struct pk_block){0};
    }
    struct pk_block block = {.size = entry->size, .stack = entry->stack, .flags = entry->flags};
    pk_side_remove(&blocks->side, entry);
    blocks->hiding -= has_page(address);
    blocks->count--;
    return block;
}

// ---- shapes of a page ---------------------------------------------------------------------------

static uint32_t log2_floor(uint32_t value) {
    return 31u - (uint32_t)__builtin_clz(value);
}

// As many cells as a page full of blocks of this size needs, or a few more.
static uint32_t mixed_log_for(uint64_t size) {
    if (size >= 2048) {
        return MIXED_LOG_MAX;
    }
    uint32_t log = size < 16 ? 0 : log2_floor((uint32_t)size / 16);
    return log < MIXED_LOG_FIRST ? MIXED_LOG_FIRST : log;
}

static inline uint32_t even_grain_for(uint64_t size) {
    return size == 0 ? 1 : (uint32_t)(size + 15) / 16;
}

// Whether a page without a live block is kept as it is for its next one. Pools change their size
// class when they are empty, and a page once made fine for small blocks must not stay fine under
// large ones.
static inline bool suits_empty(const struct pk_page *page, uint64_t size, bool even) {
    if (even) {
        return page->bias != PK_PAGE_MIXED && page->grain16 == even_grain_for(size);
    }
    return page->bias == PK_PAGE_MIXED && page->grain16 + 2u >= mixed_log_for(size);
}

static int shape_mixed(struct pk_blocks *blocks, struct pk_page *page, uint32_t log) {
    uint64_t *cells = pk_arena_alloc(blocks->arena, (size_t)(PK_PAGE_STEPS >> log) * sizeof *cells);
    if (cells == NULL) {
        return -ENOMEM;
    }
    if (page->cells != NULL) {
        pk_arena_free(blocks->arena, page->cells, cells_bytes(page));
    }
    *page = (struct pk_page){.cells = cells, .grain16 = (uint8_t)log, .bias = PK_PAGE_MIXED};
    return 0;
}

static int shape_even(struct pk_blocks *blocks, struct pk_page *page, uint32_t grain,
                      uint32_t bias) {
    uint32_t *cells = pk_arena_alloc(blocks->arena, even_count(grain, bias) * sizeof *cells);
    if (cells == NULL) {
        return -ENOMEM;
    }
    if (page->cells != NULL) {
        pk_arena_free(blocks->arena, page->cells, cells_bytes(page));
    }
    *page = (struct pk_page){.cells = cells,
                             .recip = (uint16_t)((32768u + grain - 1) / grain),
                             .grain16 = (uint8_t)grain,
                             .bias = (uint8_t)bias};
    return 0;
}

// Copies all blocks of `from` into `to`, which is mixed, empty and large enough.
static void copy_to_mixed(const struct pk_page *from, struct pk_page *to) {
    uint32_t count = from->bias == PK_PAGE_MIXED ? PK_PAGE_STEPS >> from->grain16
                                                 : even_count(from->grain16, from->bias);
    for (uint32_t i = 0; i < count; i++) {
        uint64_t cell;
        if (from->bias == PK_PAGE_MIXED) {
            cell = ((const uint64_t *)from->cells)[i];
        } else {
            struct pk_block block = pk_even_block(((const uint32_t *)from->cells)[i]);
            uint32_t step = i * from->grain16 - from->bias;
            cell = block.stack == 0 ? 0 : pk_mixed_cell(block.stack, block.size, step, block.flags);
        }
        if (cell != 0) {
            uint64_t *at = mixed_find(to, pk_mixed_step(cell));
            if (at != pk_mixed_own(to, pk_mixed_step(cell))) {
                to->displaced++;
            }
            *at = cell;
        }
    }
}

// Gives the page mixed cells with room for one block more; finer ones than now, if it is mixed
// already.
PK_COLD static int refine(struct pk_blocks *blocks, struct pk_page *page) {
    uint32_t log = MIXED_LOG_MAX;
    while (page->live >= pk_mixed_limit(log)) {
        log--;
    }
    struct pk_page fresh = {0};
    if (page->bias == PK_PAGE_MIXED && log >= page->grain16) {
        log = page->grain16 - 1u;
        blocks->spread_bytes += cells_bytes(page); // as many again
    }
    if (shape_mixed(blocks, &fresh, log) < 0) {
        return -ENOMEM;
    }
    copy_to_mixed(page, &fresh);
    fresh.live = page->live;
    pk_arena_free(blocks->arena, page->cells, cells_bytes(page));
    *page = fresh;
    return 0;
}

// Makes the page able to take a block at `step`: first use, new use of an empty page, or a finer
// shape.
PK_COLD static int reshape(struct pk_blocks *blocks, struct pk_page *page, uint32_t step,
                           uint64_t size, bool even) {
    if (page->live != 0) {
        return refine(blocks, page);
    }
    if (even) {
        uint32_t grain = even_grain_for(size);
        return shape_even(blocks, page, grain, (grain - step % grain) % grain);
    }
    return shape_mixed(blocks, page, mixed_log_for(size));
}

// ---- put, take, find ----------------------------------------------------------------------------

void pk_blocks_init(struct pk_blocks *blocks, struct pk_arena *arena) {
    blocks->arena = arena;
    forget_recent(blocks);
}

PK_NOINLINE struct pk_page *pk_blocks_page(struct pk_blocks *blocks, uint64_t address) {
    struct pk_page *page =
        has_page(address) && blocks->hiding == 0 ? page_of(blocks, address) : NULL;
    if (PK_UNLIKELY(page == NULL)) {
        return &blocks->nowhere;
    }
    blocks->recent[address >> 12 & (PK_RECENT_PAGES - 1)] =
        (struct pk_recent_page){.base = address & ~(uint64_t)4095u, .page = page};
    return page;
}

void pk_blocks_clear(struct pk_blocks *blocks) {
    blocks->side = (struct pk_side){0};
    blocks->hiding = 0;
    blocks->spread_bytes = 0;
    blocks->count = 0;
    for (size_t i = 0; i < PK_LEN(blocks->root); i++) {
        if (blocks->root[i] != NULL) { // reading leaves an untouched page untouched
            blocks->root[i] = NULL;
        }
    }
}

// `spread`: rather make the page finer than put the block into another's cell, as long as that
// costs little in all.
PK_NOINLINE static bool store_mixed(struct pk_blocks *blocks, struct pk_page *page, uint32_t step,
                                    uint64_t size, uint32_t stack, uint32_t flags, bool spread,
                                    struct pk_block *ret_old) {
    uint64_t *at = mixed_find(page, step);
    uint64_t cell = pk_mixed_cell(stack, size, step, flags);
    if (PK_UNLIKELY(*at != 0)) {
        *ret_old = pk_mixed_block(*at);
        *at = cell;
        return true;
    }
    if (PK_UNLIKELY(page->live >= pk_mixed_limit(page->grain16))) {
        return false;
    }
    if (PK_UNLIKELY(at != pk_mixed_own(page, step))) {
        if (spread && blocks->spread_bytes < MIXED_SPREAD_BYTES) {
            return false;
        }
        page->displaced++;
    }
    *at = cell;
    page->live++;
    blocks->count++;
    return true;
}

// True if the block fits the page as it is, and is stored.
static inline bool try_store(struct pk_blocks *blocks, struct pk_page *page, uint32_t step,
                             uint64_t size, uint32_t stack, uint32_t flags, bool spread,
                             struct pk_block *ret_old) {
    if (PK_UNLIKELY(page->bias == PK_PAGE_MIXED)) {
        return store_mixed(blocks, page, step, size, stack, flags, spread, ret_old);
    }
    uint32_t *cell;
    if (PK_UNLIKELY(!pk_even_find(page, step, &cell) || size > page->grain16 * 16u)) {
        return false;
    }
    if (PK_UNLIKELY(*cell != 0)) {
        *ret_old = pk_even_block(*cell);
    } else {
        page->live++;
        blocks->count++;
    }
    *cell = pk_even_cell(stack, size, flags);
    return true;
}

PK_COLD static int put_reshaped(struct pk_blocks *blocks, struct pk_page *page, uint64_t address,
                                uint64_t size, uint32_t stack, uint32_t flags, bool even,
                                struct pk_block *ret_old) {
    uint32_t step = pk_page_step(address);
    // a block at every step: the one known here makes room for this one
    if (PK_UNLIKELY(page->live == PK_PAGE_STEPS)) {
        *ret_old = page_take(blocks, address);
    }
    if (reshape(blocks, page, step, size, even) < 0 && page->cells == NULL) {
        return -ENOMEM;
    }
    // Without memory the old shape may do.
    return try_store(blocks, page, step, size, stack, flags, false, ret_old) ? 0 : -ENOMEM;
}

int pk_blocks_put(struct pk_blocks *blocks, uint64_t address, uint64_t size, uint32_t stack,
                  uint32_t flags, bool even, struct pk_block *ret_old) {
    PK_ASSERT(stack != 0 && stack < PK_MAX_NODES);
    ret_old->stack = 0;
    if (PK_UNLIKELY(!has_page(address) || size >> PK_MIXED_SIZE_BITS != 0)) {
        return side_put(blocks, address, size, stack, flags, ret_old);
    }
    if (PK_UNLIKELY(blocks->hiding != 0)) {
        *ret_old = side_take(blocks, address);
    }
    uint32_t step = pk_page_step(address);
    struct pk_page *page = page_of(blocks, address);
    if (PK_UNLIKELY(page == NULL)) {
        page = make_page(blocks, address);
        if (page == NULL) {
            return -ENOMEM;
        }
    }
    even = even && size <= PK_BLOCK_EVEN_MAX;
    bool usable = page->cells != NULL && (page->live != 0 || suits_empty(page, size, even));
    if (PK_LIKELY(usable) &&
        PK_LIKELY(try_store(blocks, page, step, size, stack, flags, true, ret_old))) {
        return 0;
    }
    return put_reshaped(blocks, page, address, size, stack, flags, even, ret_old);
}

struct pk_block pk_blocks_take(struct pk_blocks *blocks, uint64_t address) {
    if (PK_LIKELY(has_page(address))) {
        struct pk_block block = page_take(blocks, address);
        if (PK_LIKELY(block.stack != 0)) {
            return block;
        }
    }
    return side_take(blocks, address);
}

struct pk_block pk_blocks_find(const struct pk_blocks *blocks, uint64_t address) {
    if (has_page(address)) {
        const struct pk_page *page = page_of(blocks, address);
        uint32_t step = pk_page_step(address);
        if (page != NULL && page->cells != NULL && page->bias != PK_PAGE_MIXED) {
            uint32_t *cell;
            if (pk_even_find(page, step, &cell) && *cell != 0) {
                return pk_even_block(*cell);
            }
        } else if (page != NULL && page->cells != NULL) {
            uint64_t cell = *mixed_find(page, step);
            if (cell != 0) {
                return pk_mixed_block(cell);
            }
        }
    }
    const struct pk_side_entry *entry = pk_side_find(&blocks->side, address);
    if (entry == NULL) {
        return (struct pk_block){0};
    }
    return (struct pk_block){.size = entry->size, .stack = entry->stack, .flags = entry->flags};
}

bool pk_blocks_flag(struct pk_blocks *blocks, uint64_t address, uint32_t flags) {
    struct pk_block block = pk_blocks_find(blocks, address);
    if (block.stack == 0) {
        return false;
    }
    struct pk_block old;
    int result =
        pk_blocks_put(blocks, address, block.size, block.stack, block.flags | flags, false, &old);
    PK_ASSERT(result == 0 && old.stack == block.stack);
    return result == 0;
}

void pk_blocks_each(const struct pk_blocks *blocks,
                    void (*visit)(void *context, uint64_t address, struct pk_block block),
                    void *context) {
    for (uint64_t r = 0; r < PK_LEN(blocks->root); r++) {
        for (uint64_t m = 0; blocks->root[r] != NULL && m < 1024; m++) {
            const struct pk_page *pages = blocks->root[r][m];
            for (uint64_t p = 0; pages != NULL && p < 1024; p++) {
                const struct pk_page *page = &pages[p];
                uint64_t base = r << 32 | m << 22 | p << 12;
                if (page->cells == NULL || page->live == 0) {
                    continue;
                }
                bool mixed = page->bias == PK_PAGE_MIXED;
                uint32_t count =
                    mixed ? PK_PAGE_STEPS >> page->grain16 : even_count(page->grain16, page->bias);
                for (uint32_t i = 0; i < count; i++) {
                    uint64_t cell = mixed ? ((const uint64_t *)page->cells)[i]
                                          : ((const uint32_t *)page->cells)[i];
                    if (cell != 0) {
                        uint32_t step =
                            mixed ? pk_mixed_step(cell) : i * page->grain16 - page->bias;
                        visit(context, base + step * 16u,
                              mixed ? pk_mixed_block(cell) : pk_even_block((uint32_t)cell));
                    }
                }
            }
        }
    }
    for (uint32_t i = 0; i < blocks->side.capacity; i++) {
        const struct pk_side_entry *entry = &blocks->side.entries[i];
        if (entry->address != 0) {
            visit(context, entry->address,
                  (struct pk_block){
                      .size = entry->size, .stack = entry->stack, .flags = entry->flags});
        }
    }
}

struct audit {
    const struct pk_blocks *blocks;
    uint64_t seen;
    bool fine;
};

static void check_block(void *context, uint64_t address, struct pk_block block) {
    struct audit *audit = context;
    struct pk_block found = pk_blocks_find(audit->blocks, address);
    audit->seen++;
    // What the side table hides behind a page's cell is found as another block.
    if (found.stack != block.stack || found.size != block.size || found.flags != block.flags ||
        (has_page(address) && block.size >> PK_MIXED_SIZE_BITS == 0 &&
         pk_side_find(&audit->blocks->side, address) != NULL)) {
        audit->fine = false;
    }
}

static bool page_is_valid(const struct pk_page *page) {
    if (page->cells == NULL) {
        return page->live == 0;
    }
    bool mixed = page->bias == PK_PAGE_MIXED;
    uint32_t count = mixed ? PK_PAGE_STEPS >> page->grain16 : even_count(page->grain16, page->bias);
    uint32_t used = 0;
    uint32_t displaced = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t cell =
            mixed ? ((const uint64_t *)page->cells)[i] : ((const uint32_t *)page->cells)[i];
        used += cell != 0;
        displaced += mixed && cell != 0 && pk_mixed_step(cell) >> page->grain16 != i;
    }
    return used == page->live &&
           (!mixed || (displaced == page->displaced && used <= pk_mixed_limit(page->grain16)));
}

bool pk_blocks_is_valid(const struct pk_blocks *blocks) {
    for (uint64_t r = 0; r < PK_LEN(blocks->root); r++) {
        for (uint64_t m = 0; blocks->root[r] != NULL && m < 1024; m++) {
            const struct pk_page *pages = blocks->root[r][m];
            for (uint64_t p = 0; pages != NULL && p < 1024; p++) {
                if (!page_is_valid(&pages[p])) {
                    return false;
                }
            }
        }
    }
    uint32_t hiding = 0;
    for (uint32_t i = 0; i < blocks->side.capacity; i++) {
        uint64_t address = blocks->side.entries[i].address;
        hiding += address != 0 && has_page(address);
    }
    struct audit audit = {.blocks = blocks, .fine = true};
    pk_blocks_each(blocks, check_block, &audit);
    return audit.fine && audit.seen == blocks->count && hiding == blocks->hiding;
}
