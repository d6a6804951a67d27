/* SPDX-License-Identifier: Apache-2.0
 * Address space by range: who mapped it, how much of it counts. Split as the kernel does: partial
 * unmaps, a fixed map over old ones, moved and resized maps, changed protection. Equal neighbours
 * are not merged.
 *
 * A balanced tree (treap) of disjoint ranges ordered by address; every operation is O(log n) in the
 * number of ranges, plus O(log n) for each range it touches. No recursion: it runs on strangers'
 * small stacks. Ranges are byte addresses; the caller rounds to pages as the kernel does.
 *
 * Every change is all or nothing: the nodes it may need are set aside before anything is touched. A
 * caller that must do several changes or none calls pk_maps_reserve() first; up to that many nodes
 * nothing can fail. Visitors must not change the maps. Not thread-safe: guarded by the ledger's
 * lock. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"

enum pk_map_kind {
    PK_MAP_MEMORY = 0,    /* anonymous, memfd, /dev/shm, /dev/zero: counts while usable */
    PK_MAP_FILE = 1,      /* an ordinary file: listed, never counted */
    PK_MAP_NORESERVE = 2, /* anonymous MAP_NORESERVE: reserved, not counted here */
};

struct pk_map {
    uint64_t start, end; /* end exclusive */
    uint32_t stack;      /* charged for it */
    /* index in the ledger's files table, for maps that are listed and not counted */
    uint32_t file;
    uint8_t kind;      /* enum pk_map_kind */
    bool usable;       /* readable or writable (not PROT_NONE): a MEMORY map counts only then */
    bool start_of_map; /* first byte of what one mmap call made: carries the block count */
};

struct pk_map_node;

#define PK_MAPS_RESERVE_MAX 4u

struct pk_maps {
    struct pk_arena *arena;
    struct pk_map_node *root;
    struct pk_map_node *spare; /* nodes set aside, linked through `right` */
    uint32_t spare_count;
    uint64_t random; /* treap priorities; seeded by init, deterministic */
    uint64_t count;  /* ranges */
};

typedef void (*pk_map_visitor)(void *context, const struct pk_map *map);

/* `arena` must outlive the maps. */
void pk_maps_init(struct pk_maps *maps, struct pk_arena *arena);

/* True if bytes of this map are part of the account. */
static inline bool pk_map_counts(const struct pk_map *map) {
    return map->kind == PK_MAP_MEMORY && map->usable;
}

/* Sets aside `nodes` (at most PK_MAPS_RESERVE_MAX) for the calls below, which name what they may
 * need. 0, or -ENOMEM: the maps are as they were. */
int pk_maps_reserve(struct pk_maps *maps, uint32_t nodes);

/* Adds a range (1 node). Nothing known may lie in it: cut first. An empty range is ignored.
 * 0, or -ENOMEM: nothing was changed. */
int pk_maps_add(struct pk_maps *maps, struct pk_map map);

/* Removes [start, end) (1 node, when it is a hole inside one range): each known piece in it is
 * given to `gone` (in address order) and forgotten; ranges that reach over an edge are split, the
 * part outside stays. The part that keeps the old start keeps start_of_map. `gone` may be NULL.
 * 0, or -ENOMEM: nothing was changed and nothing was called. */
int pk_maps_cut(struct pk_maps *maps, uint64_t start, uint64_t end, pk_map_visitor gone,
                void *context);

/* Changes the protection of what is known in [start, end) (2 nodes): ranges that reach over an edge
 * are split; `changed` (may be NULL) gets every piece whose `usable` differed, as it is now, in
 * address order. 0, or -ENOMEM: nothing was changed and nothing was called. */
int pk_maps_protect(struct pk_maps *maps, uint64_t start, uint64_t end, bool usable,
                    pk_map_visitor changed, void *context);

/* Moves what is known in [start, end) so that it begins at `to` (2 nodes); ranges that reach over
 * an edge are split. Nothing known may lie in the new place, except what is itself moved. 0, or
 * -ENOMEM: nothing was changed. */
int pk_maps_move(struct pk_maps *maps, uint64_t start, uint64_t end, uint64_t to);

/* Lengthens the range that ends at `end` to `new_end` (0 nodes) and returns it as it is now in
 * ret_map; false when no range ends there. Nothing known may lie in [end, new_end). */
bool pk_maps_extend(struct pk_maps *maps, uint64_t end, uint64_t new_end, struct pk_map *ret_map);

/* The range that holds `address`; false when there is none. */
bool pk_maps_find(const struct pk_maps *maps, uint64_t address, struct pk_map *ret_map);

/* Calls `visit` for each range in address order. */
void pk_maps_each(const struct pk_maps *maps, pk_map_visitor visit, void *context);

/* Ordered, disjoint, non-empty, heap order of priorities, count right: the specification, for tests
 * and checks. */
bool pk_maps_is_valid(const struct pk_maps *maps);
