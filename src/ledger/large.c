/* SPDX-License-Identifier: Apache-2.0
 * See large.h. */
#include "ledger/large.h"

static void tell(const struct pk_larges *larges) {
    if (larges->changed != NULL) {
        larges->changed();
    }
}

static struct pk_large *find_or_make(struct pk_larges *larges, uint32_t node, uint32_t first) {
    uint32_t **page = &larges->pages[node / PK_LARGE_PAGE];
    if (*page == NULL) {
        *page = pk_arena_alloc(larges->arena, PK_LARGE_PAGE * sizeof **page);
        if (*page == NULL) {
            return NULL;
        }
    }
    struct pk_store *entries = larges->entries;
    uint32_t *number = &(*page)[node % PK_LARGE_PAGE];
    if (*number == 0) {
        if (pk_store_reserve(entries, sizeof(struct pk_large)) < 0) {
            return NULL;
        }
        ((struct pk_large *)(void *)(entries->base + entries->used))->node = node - first;
        entries->used += sizeof(struct pk_large);
        *number = (uint32_t)(entries->used / sizeof(struct pk_large));
        tell(larges);
    }
    return (struct pk_large *)(void *)entries->base + *number - 1;
}

PK_NOINLINE struct pk_large *pk_larges_entry(struct pk_larges *larges, uint32_t node,
                                             uint32_t first) {
    struct pk_large *large = find_or_make(larges, node, first);
    if (PK_UNLIKELY(large == NULL) && !larges->lost) {
        larges->lost = true;
        tell(larges);
    }
    return large;
}
