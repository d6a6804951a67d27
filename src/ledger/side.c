/* SPDX-License-Identifier: Apache-2.0
 * See side.h. */
#include "ledger/side.h"

#include <errno.h>
#include <stddef.h>

#define FIRST_CAPACITY 64u

static uint32_t find_home(const struct pk_side *side, uint64_t address) {
    return (uint32_t)((address * 0x9e3779b97f4a7c15u) >> 32) & (side->capacity - 1);
}

struct pk_side_entry *pk_side_find(const struct pk_side *side, uint64_t address) {
    if (side->count == 0) {
        return NULL;
    }
    uint32_t i = find_home(side, address);
    for (; side->entries[i].address != 0; i = (i + 1) & (side->capacity - 1)) {
        if (side->entries[i].address == address) {
            return &side->entries[i];
        }
    }
    return NULL;
}

static void place_entry(struct pk_side *side, struct pk_side_entry entry) {
    uint32_t i = find_home(side, entry.address);
    while (side->entries[i].address != 0) {
        i = (i + 1) & (side->capacity - 1);
    }
    side->entries[i] = entry;
    side->count++;
}

// Doubles the table when it is half full. -ENOMEM: no memory and no slot left.
static int make_room(struct pk_side *side, struct pk_arena *arena) {
    if (side->count * 2 < side->capacity) {
        return 0;
    }
    struct pk_side fresh = {.capacity = side->capacity == 0 ? FIRST_CAPACITY : side->capacity * 2};
    fresh.entries = pk_arena_alloc(arena, fresh.capacity * sizeof *fresh.entries);
    if (fresh.entries == NULL) {
        return side->count + 1 < side->capacity ? 0 : -ENOMEM;
    }
    for (uint32_t i = 0; i < side->capacity; i++) {
        if (side->entries[i].address != 0) {
            place_entry(&fresh, side->entries[i]);
        }
    }
    pk_arena_free(arena, side->entries, side->capacity * sizeof *side->entries);
    *side = fresh;
    return 0;
}

int pk_side_insert(struct pk_side *side, struct pk_arena *arena, struct pk_side_entry entry) {
    int result = make_room(side, arena);
    if (result == 0) {
        place_entry(side, entry);
    }
    return result;
}

void pk_side_remove(struct pk_side *side, struct pk_side_entry *entry) {
    uint32_t last = side->capacity - 1;
    uint32_t hole = (uint32_t)(entry - side->entries);
    for (uint32_t i = (hole + 1) & last; side->entries[i].address != 0; i = (i + 1) & last) {
        uint32_t home = find_home(side, side->entries[i].address);
        // Stays if its home lies cyclically in (hole, i].
        if (((i - home) & last) >= ((i - hole) & last)) {
            side->entries[hole] = side->entries[i];
            hole = i;
        }
    }
    side->entries[hole].address = 0;
    side->count--;
}
