/* SPDX-License-Identifier: Apache-2.0
 * See blocks.h. The fast paths are put_even, put_mixed and take; everything that changes a page's shape is cold. */
#include "ledger/blocks.h"

#include <errno.h>
#include <string.h>

#include "base/check.h"

#define PAGE_STEPS 256u /* 16-byte steps in a page */
#define EVEN_SIZE_MAX 1023u
#define MIXED_SIZE_BITS 36
#define MIXED_LOG_MAX 6u

// ---- cells ---------------------------------------------------------------------------------------------------

static inline uint32_t even_cell(uint32_t stack, uint64_t size, uint32_t flags) {
    return stack << 12 | (uint32_t)size << 2 | flags;
}

static inline struct pk_block even_block(uint32_t cell) {
    return (struct pk_block){.size = cell >> 2 & EVEN_SIZE_MAX, .stack = cell >> 12, .flags = cell & 3u};
}

static inline uint64_t mixed_cell(uint32_t stack, uint64_t size, uint32_t place, uint32_t flags) {
    return size << 28 | (uint64_t)stack << 8 | place << 2 | flags;
}

static inline struct pk_block mixed_block(uint64_t cell) {
    return (struct pk_block){.size = cell >> 28, .stack = (uint32_t)(cell >> 8) & (PK_MAX_NODES - 1), .flags = cell & 3u};
}

static inline uint32_t mixed_place(uint64_t cell) {
    return (uint32_t)(cell >> 2) & 63u;
}

static inline uint32_t even_count(uint32_t grain, uint32_t bias) {
    return (PAGE_STEPS - 1 + bias) / grain + 1;
}

static size_t cells_bytes(const struct pk_page *page) {
    if (page->bias == PK_PAGE_MIXED) {
        return (size_t)(PAGE_STEPS >> page->grain16) * sizeof(uint64_t);
    }
    return (size_t)even_count(page->grain16, page->bias) * sizeof(uint32_t);
}

// ---- the way to a page ---------------------------------------------------------------------------------------

static inline bool has_page(uint64_t address) {
    return (address & 15u) == 0 && address >> 47 == 0;
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

static inline uint32_t even_index(const struct pk_page *page, uint32_t step) {
    return ((step + page->bias) * page->recip) >> 16;
}

// Forgets the block that starts at `address` (has_page) and returns it; .stack is 0 when no page knows it.
static inline struct pk_block page_take(struct pk_blocks *blocks, uint64_t address) {
    struct pk_page *page = page_of(blocks, address);
    if (PK_UNLIKELY(page == NULL || page->cells == NULL)) {
        return (struct pk_block){0};
    }
    struct pk_block block = {0};
    uint32_t step = (uint32_t)(address & 4095u) >> 4;
    if (PK_LIKELY(page->bias != PK_PAGE_MIXED)) {
        uint32_t index = even_index(page, step);
        uint32_t *cell = &((uint32_t *)page->cells)[index];
        if (PK_UNLIKELY(*cell == 0 || index * page->grain16 != step + page->bias)) {
            return block;
        }
        block = even_block(*cell);
        *cell = 0;
    } else {
        uint64_t *cell = &((uint64_t *)page->cells)[step >> page->grain16];
        if (PK_UNLIKELY(*cell == 0 || mixed_place(*cell) != (step & ((1u << page->grain16) - 1)))) {
            return block;
        }
        block = mixed_block(*cell);
        *cell = 0;
    }
    page->live--;
    blocks->count--;
    return block;
}

// ---- the side table: linear probing, deletion by shifting back ------------------------------------------------

static uint32_t side_slot(const struct pk_blocks *blocks, uint64_t address) {
    return (uint32_t)((address * 0x9e3779b97f4a7c15u) >> 32) & (blocks->side_capacity - 1);
}

static struct pk_side_entry *side_find(const struct pk_blocks *blocks, uint64_t address) {
    if (blocks->side_count == 0) {
        return NULL;
    }
    for (uint32_t i = side_slot(blocks, address);; i = (i + 1) & (blocks->side_capacity - 1)) {
        if (blocks->side[i].address == address) {
            return &blocks->side[i];
        }
        if (blocks->side[i].address == 0) {
            return NULL;
        }
    }
}

static void side_insert(struct pk_blocks *blocks, struct pk_side_entry entry) {
    uint32_t i = side_slot(blocks, entry.address);
    while (blocks->side[i].address != 0) {
        i = (i + 1) & (blocks->side_capacity - 1);
    }
    blocks->side[i] = entry;
    blocks->side_count++;
}

static int side_make_room(struct pk_blocks *blocks) {
    if (blocks->side_count * 2 < blocks->side_capacity) {
        return 0;
    }
    uint32_t old_capacity = blocks->side_capacity;
    uint32_t capacity = old_capacity == 0 ? 64 : old_capacity * 2;
    struct pk_side_entry *fresh = pk_arena_alloc(blocks->arena, capacity * sizeof *fresh);
    if (fresh == NULL) {
        return blocks->side_count + 1 < old_capacity ? 0 : -ENOMEM;
    }
    struct pk_side_entry *old = blocks->side;
    blocks->side = fresh;
    blocks->side_capacity = capacity;
    blocks->side_count = 0;
    for (uint32_t i = 0; i < old_capacity; i++) {
        if (old[i].address != 0) {
            side_insert(blocks, old[i]);
        }
    }
    pk_arena_free(blocks->arena, old, old_capacity * sizeof *old);
    return 0;
}

PK_COLD static int side_put(struct pk_blocks *blocks, uint64_t address, uint64_t size, uint32_t stack, uint32_t flags,
                            struct pk_block *ret_old) {
    struct pk_side_entry entry = {.address = address, .size = size, .stack = stack, .flags = flags};
    if (has_page(address)) {
        *ret_old = page_take(blocks, address); // a huge block where a small one was known: never in both
    }
    struct pk_side_entry *known = side_find(blocks, address);
    if (known != NULL) {
        *ret_old = (struct pk_block){.size = known->size, .stack = known->stack, .flags = known->flags};
        *known = entry;
        return 0;
    }
    if (side_make_room(blocks) < 0) {
        return -ENOMEM;
    }
    side_insert(blocks, entry);
    blocks->count++;
    return 0;
}

PK_COLD static struct pk_block side_take(struct pk_blocks *blocks, uint64_t address) {
    struct pk_side_entry *entry = side_find(blocks, address);
    if (entry == NULL) {
        return (struct pk_block){0};
    }
    struct pk_block block = {.size = entry->size, .stack = entry->stack, .flags = entry->flags};
    uint32_t mask = blocks->side_capacity - 1;
    uint32_t hole = (uint32_t)(entry - blocks->side);
    for (uint32_t i = (hole + 1) & mask; blocks->side[i].address != 0; i = (i + 1) & mask) {
        uint32_t home = side_slot(blocks, blocks->side[i].address);
        // Move back unless the entry's home lies cyclically in (hole, i].
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            blocks->side[hole] = blocks->side[i];
            hole = i;
        }
    }
    blocks->side[hole].address = 0;
    blocks->side_count--;
    blocks->count--;
    return block;
}

// ---- shapes of a page ----------------------------------------------------------------------------------------

static uint32_t log2_floor(uint32_t value) {
    return 31u - (uint32_t)__builtin_clz(value);
}

// The coarsest cells two neighbours of this size cannot share: an allocator's block is never smaller.
static uint32_t mixed_log_for(uint64_t size) {
    uint32_t steps = size >= 1024 ? 64 : (uint32_t)(size + 15) / 16;
    return steps == 0 ? 0 : log2_floor(steps);
}

static inline uint32_t even_grain_for(uint64_t size) {
    return size == 0 ? 1 : (uint32_t)(size + 15) / 16;
}

// Whether a page without a live block is kept as it is for its next one. Pools change their size class when they
// are empty, and a page once made fine for small blocks must not stay fine under large ones.
static inline bool suits_empty(const struct pk_page *page, uint64_t size, bool even) {
    if (even) {
        return page->bias != PK_PAGE_MIXED && page->grain16 == even_grain_for(size);
    }
    return page->bias == PK_PAGE_MIXED && page->grain16 + 1u >= mixed_log_for(size);
}

static int shape_mixed(struct pk_blocks *blocks, struct pk_page *page, uint32_t log) {
    uint64_t *cells = pk_arena_alloc(blocks->arena, (size_t)(PAGE_STEPS >> log) * sizeof *cells);
    if (cells == NULL) {
        return -ENOMEM;
    }
    if (page->cells != NULL) {
        pk_arena_free(blocks->arena, page->cells, cells_bytes(page));
    }
    *page = (struct pk_page){.cells = cells, .grain16 = (uint8_t)log, .bias = PK_PAGE_MIXED};
    return 0;
}

static int shape_even(struct pk_blocks *blocks, struct pk_page *page, uint32_t grain, uint32_t bias) {
    uint32_t *cells = pk_arena_alloc(blocks->arena, even_count(grain, bias) * sizeof *cells);
    if (cells == NULL) {
        return -ENOMEM;
    }
    if (page->cells != NULL) {
        pk_arena_free(blocks->arena, page->cells, cells_bytes(page));
    }
    *page = (struct pk_page){.cells = cells,
                             .recip = (65536u + grain - 1) / grain,
                             .grain16 = (uint8_t)grain,
                             .bias = (uint8_t)bias};
    return 0;
}

// Moves all blocks of `from` into fresh mixed cells of 2^log steps; -EEXIST when two blocks would share one.
static int copy_to_mixed(const struct pk_page *from, uint64_t *cells, uint32_t log) {
    uint32_t count = from->bias == PK_PAGE_MIXED ? PAGE_STEPS >> from->grain16 : even_count(from->grain16, from->bias);
    for (uint32_t i = 0; i < count; i++) {
        struct pk_block block;
        uint32_t step;
        if (from->bias == PK_PAGE_MIXED) {
            uint64_t cell = ((const uint64_t *)from->cells)[i];
            block = mixed_block(cell);
            step = (i << from->grain16) + mixed_place(cell);
        } else {
            block = even_block(((const uint32_t *)from->cells)[i]);
            step = i * from->grain16 - from->bias;
        }
        if (block.stack == 0) {
            continue;
        }
        uint64_t *cell = &cells[step >> log];
        if (*cell != 0) {
            return -EEXIST;
        }
        *cell = mixed_cell(block.stack, block.size, step & ((1u << log) - 1), block.flags);
    }
    return 0;
}

// Gives the page mixed cells in which its blocks and a new one at `step` all have a cell of their own.
PK_COLD static int refine(struct pk_blocks *blocks, struct pk_page *page, uint32_t step, uint32_t log) {
    for (;; log--) {
        struct pk_page fresh = {0};
        if (shape_mixed(blocks, &fresh, log) < 0) {
            return -ENOMEM;
        }
        fresh.live = page->live;
        uint64_t *cell = &((uint64_t *)fresh.cells)[step >> log];
        // A cell taken by a block at this very step is no clash: its free was never seen, and put() replaces it.
        if (copy_to_mixed(page, fresh.cells, log) == 0 &&
            (*cell == 0 || mixed_place(*cell) == (step & ((1u << log) - 1)))) {
            pk_arena_free(blocks->arena, page->cells, cells_bytes(page));
            *page = fresh;
            return 0;
        }
        pk_arena_free(blocks->arena, fresh.cells, cells_bytes(&fresh));
        PK_ASSERT(log > 0); // at one step a cell two blocks cannot share
    }
}

// Makes the page able to take a block at `step`: first use, new use of an empty page, or a finer shape.
PK_COLD static int reshape(struct pk_blocks *blocks, struct pk_page *page, uint32_t step, uint64_t size, bool even) {
    if (page->live != 0) {
        uint32_t log = page->bias == PK_PAGE_MIXED ? page->grain16 - 1u : log2_floor(page->grain16);
        return refine(blocks, page, step, log);
    }
    if (even) {
        uint32_t grain = even_grain_for(size);
        return shape_even(blocks, page, grain, (grain - step % grain) % grain);
    }
    return shape_mixed(blocks, page, mixed_log_for(size));
}

// ---- put, take, find -----------------------------------------------------------------------------------------

void pk_blocks_init(struct pk_blocks *blocks, struct pk_arena *arena) {
    blocks->arena = arena;
}

// True if the block fits the page as it is, and is stored.
static inline bool try_store(struct pk_blocks *blocks, struct pk_page *page, uint32_t step, uint64_t size,
                             uint32_t stack, uint32_t flags, struct pk_block *ret_old) {
    if (PK_LIKELY(page->bias != PK_PAGE_MIXED)) {
        uint32_t index = even_index(page, step);
        if (PK_UNLIKELY(index * page->grain16 != step + page->bias || size > page->grain16 * 16u)) {
            return false;
        }
        uint32_t *cell = &((uint32_t *)page->cells)[index];
        if (PK_UNLIKELY(*cell != 0)) {
            *ret_old = even_block(*cell);
        } else {
            page->live++;
            blocks->count++;
        }
        *cell = even_cell(stack, size, flags);
        return true;
    }
    uint32_t place = step & ((1u << page->grain16) - 1);
    uint64_t *cell = &((uint64_t *)page->cells)[step >> page->grain16];
    if (PK_UNLIKELY(*cell != 0)) {
        if (mixed_place(*cell) != place) {
            return false;
        }
        *ret_old = mixed_block(*cell);
    } else {
        page->live++;
        blocks->count++;
    }
    *cell = mixed_cell(stack, size, place, flags);
    return true;
}

int pk_blocks_put(struct pk_blocks *blocks, uint64_t address, uint64_t size, uint32_t stack, uint32_t flags,
                  bool even, struct pk_block *ret_old) {
    PK_ASSERT(stack != 0 && stack < PK_MAX_NODES);
    ret_old->stack = 0;
    if (PK_UNLIKELY(!has_page(address) || size >> MIXED_SIZE_BITS != 0)) {
        return side_put(blocks, address, size, stack, flags, ret_old);
    }
    if (PK_UNLIKELY(blocks->side_count != 0)) {
        *ret_old = side_take(blocks, address);
    }
    uint32_t step = (uint32_t)(address & 4095u) >> 4;
    struct pk_page *page = page_of(blocks, address);
    if (PK_UNLIKELY(page == NULL)) {
        page = make_page(blocks, address);
        if (page == NULL) {
            return -ENOMEM;
        }
    }
    even = even && size <= PK_BLOCK_EVEN_MAX;
    bool usable = page->cells != NULL && (page->live != 0 || suits_empty(page, size, even));
    if (PK_LIKELY(usable) && PK_LIKELY(try_store(blocks, page, step, size, stack, flags, ret_old))) {
        return 0;
    }
    if (reshape(blocks, page, step, size, even) < 0) {
        return -ENOMEM;
    }
    bool stored = try_store(blocks, page, step, size, stack, flags, ret_old);
    PK_ASSERT(stored);
    (void)stored;
    return 0;
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
        uint32_t step = (uint32_t)(address & 4095u) >> 4;
        if (page != NULL && page->cells != NULL && page->bias != PK_PAGE_MIXED) {
            uint32_t index = even_index(page, step);
            if (index * page->grain16 == step + page->bias) {
                struct pk_block block = even_block(((const uint32_t *)page->cells)[index]);
                if (block.stack != 0) {
                    return block;
                }
            }
        } else if (page != NULL && page->cells != NULL) {
            uint64_t cell = ((const uint64_t *)page->cells)[step >> page->grain16];
            if (cell != 0 && mixed_place(cell) == (step & ((1u << page->grain16) - 1))) {
                return mixed_block(cell);
            }
        }
    }
    const struct pk_side_entry *entry = side_find(blocks, address);
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
    int result = pk_blocks_put(blocks, address, block.size, block.stack, block.flags | flags, false, &old);
    PK_ASSERT(result == 0 && old.stack == block.stack);
    return result == 0;
}

void pk_blocks_each(const struct pk_blocks *blocks, void (*visit)(void *context, uint64_t address, struct pk_block block),
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
                uint32_t count = mixed ? PAGE_STEPS >> page->grain16 : even_count(page->grain16, page->bias);
                for (uint32_t i = 0; i < count; i++) {
                    uint64_t cell = mixed ? ((const uint64_t *)page->cells)[i] : ((const uint32_t *)page->cells)[i];
                    if (cell != 0) {
                        uint32_t step = mixed ? (i << page->grain16) + mixed_place(cell) : i * page->grain16 - page->bias;
                        visit(context, base + step * 16u, mixed ? mixed_block(cell) : even_block((uint32_t)cell));
                    }
                }
            }
        }
    }
    for (uint32_t i = 0; i < blocks->side_capacity; i++) {
        const struct pk_side_entry *entry = &blocks->side[i];
        if (entry->address != 0) {
            visit(context, entry->address, (struct pk_block){.size = entry->size, .stack = entry->stack, .flags = entry->flags});
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
        (has_page(address) && block.size >> MIXED_SIZE_BITS == 0 && side_find(audit->blocks, address) != NULL)) {
        audit->fine = false;
    }
}

static bool page_is_valid(const struct pk_page *page) {
    if (page->cells == NULL) {
        return page->live == 0;
    }
    bool mixed = page->bias == PK_PAGE_MIXED;
    uint32_t count = mixed ? PAGE_STEPS >> page->grain16 : even_count(page->grain16, page->bias);
    uint32_t used = 0;
    for (uint32_t i = 0; i < count; i++) {
        used += mixed ? ((const uint64_t *)page->cells)[i] != 0 : ((const uint32_t *)page->cells)[i] != 0;
    }
    return used == page->live;
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
    struct audit audit = {.blocks = blocks, .fine = true};
    pk_blocks_each(blocks, check_block, &audit);
    return audit.fine && audit.seen == blocks->count;
}
