/* SPDX-License-Identifier: Apache-2.0
 * A small hash table of blocks by address, for the few that the pages of the block index cannot
 * hold: huge ones, addresses not on 16, addresses above 2^48. Linear probing, deletion by shifting
 * back.
 *
 * Not thread-safe: guarded by the ledger's lock. One slot always stays empty, so that every search
 * ends. */
#pragma once

#include <stdint.h>

#include "base/arena.h"

struct pk_side_entry {
    uint64_t address; /* 0: empty */
    uint64_t size;
    uint32_t stack;
    uint32_t flags;
};

/* Must start zeroed. */
struct pk_side {
    struct pk_side_entry *entries;
    uint32_t capacity; /* power of two or 0 */
    uint32_t count;
};

/* The entry of `address`, valid until the next insert or remove; NULL when there is none. */
struct pk_side_entry *pk_side_find(const struct pk_side *side, uint64_t address);
/* Adds an entry, whose address must not be there yet. 0, or -ENOMEM: nothing was changed. */
int pk_side_insert(struct pk_side *side, struct pk_arena *arena, struct pk_side_entry entry);
/* Removes an entry that pk_side_find() returned. */
void pk_side_remove(struct pk_side *side, struct pk_side_entry *entry);
