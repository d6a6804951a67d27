/* SPDX-License-Identifier: Apache-2.0
 * The runtime's only allocator: memory straight from the kernel, zeroed, in 16-byte steps.
 *
 * Small pieces (up to PK_ARENA_SMALL) are cut from chunks and recycled through one free list a
 * size; larger ones are maps of their own. Some address space is kept for the time when the kernel
 * gives no more (ulimit -v): the program then still allocates in what it has, and that is to be
 * recorded. Nothing is returned to the kernel except large pieces, until all is. Not thread-safe:
 * guarded by whatever guards its owner (the ledger's lock). Never fails loudly: NULL when the
 * kernel has no more. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define PK_ARENA_SMALL 4096u
#define PK_ARENA_CHUNK (256u * 1024u)
/* the index of 1 MiB of the smallest objects takes 256 KiB, its tables 16 KiB for 4 MiB */
#define PK_ARENA_SPARES 2u

struct pk_arena_large {
    void *piece;
    size_t size;
};

struct pk_arena {
    char *next; /* unused part of the current chunk */
    char *end;
    uint64_t own_bytes; /* taken from the kernel and not given back */
    /* for tests. 0: off; n: the n-th allocation from now on and all later ones get NULL */
    uint32_t fail_countdown;
    char *chunks; /* the newest; each begins with the address of the one before it */
    /* not touched, not in own_bytes; for when the kernel has no more */
    char *spares[PK_ARENA_SPARES];
    struct pk_arena_large *large; /* pieces that are maps of their own */
    size_t large_count, large_room;
    void *free_lists[PK_ARENA_SMALL / 16u + 1u]; /* by size / 16; first word links */
};

/* `size` zeroed bytes, aligned to 16 (to a page when above PK_ARENA_SMALL); NULL when there is no
 * memory. */
void *pk_arena_alloc(struct pk_arena *arena, size_t size);
/* Gives back what pk_arena_alloc(arena, size) returned; the same size must be named. NULL is
 * allowed. */
void pk_arena_free(struct pk_arena *arena, void *piece, size_t size);
/* Gives everything back to the kernel: all pieces are gone, the arena is as new. */
void pk_arena_release(struct pk_arena *arena);
