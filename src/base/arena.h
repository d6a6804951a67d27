/* SPDX-License-Identifier: Apache-2.0
 * The runtime's only allocator: memory straight from the kernel, zeroed, in 16-byte steps.
 *
 * Small pieces (up to PK_ARENA_SMALL) are cut from chunks and recycled through one free list a size; larger ones
 * are maps of their own. Nothing is returned to the kernel except large pieces, until all is. Not thread-safe: guarded by
 * whatever guards its owner (the ledger's lock). Never fails loudly: NULL when the kernel has no more. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define PK_ARENA_SMALL 4096u
#define PK_ARENA_CHUNK (256u * 1024u)

struct pk_arena_large {
    void *piece;
    size_t size;
};

struct pk_arena {
    char *next;  /* unused part of the current chunk */
    char *end;
    uint64_t own_bytes; /* taken from the kernel and not given back */
    uint32_t fail_countdown; /* for tests. 0: off; n: the n-th allocation from now on and all later ones get NULL */
    char *chunks;            /* the newest; each begins with the address of the one before it */
    struct pk_arena_large *large; /* pieces that are maps of their own */
    size_t large_count, large_room;
    void *free_lists[PK_ARENA_SMALL / 16u + 1u]; /* by size / 16; first word links */
};

/* `size` zeroed bytes, aligned to 16 (to a page when above PK_ARENA_SMALL); NULL when there is no memory. */
void *pk_arena_alloc(struct pk_arena *arena, size_t size);
/* Gives back what pk_arena_alloc(arena, size) returned; the same size must be named. NULL is allowed. */
void pk_arena_free(struct pk_arena *arena, void *piece, size_t size);
/* Gives everything back to the kernel: all pieces are gone, the arena is as new. */
void pk_arena_release(struct pk_arena *arena);
