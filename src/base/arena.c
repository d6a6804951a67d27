/* SPDX-License-Identifier: Apache-2.0
 * See arena.h. */
#include "base/arena.h"

#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include "base/attr.h"
#include "base/sys.h"

static size_t round_up(size_t size, size_t step) {
    return (size + step - 1) & ~(step - 1);
}

static void *map_memory(struct pk_arena *arena, size_t size) {
    void *memory =
        pk_sys_mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory != NULL) {
        arena->own_bytes += size;
    }
    return memory;
}

static void unmap_memory(struct pk_arena *arena, void *memory, size_t size) {
    (void)pk_sys_munmap(memory, size);
    arena->own_bytes -= size;
}

// ---- large pieces: few, so their list is searched from its end ----------------------------------

static int make_large_room(struct pk_arena *arena) {
    if (arena->large_count < arena->large_room) {
        return 1;
    }
    size_t room = arena->large_room == 0 ? 4096 / sizeof *arena->large : arena->large_room * 2;
    struct pk_arena_large *fresh = map_memory(arena, room * sizeof *fresh);
    if (fresh == NULL) {
        return 0;
    }
    if (arena->large != NULL) {
        memcpy(fresh, arena->large, arena->large_count * sizeof *fresh);
        unmap_memory(arena, arena->large, arena->large_room * sizeof *fresh);
    }
    arena->large = fresh;
    arena->large_room = room;
    return 1;
}

// ---- chunks -------------------------------------------------------------------------------------

static void keep_spares(struct pk_arena *arena) {
    for (size_t i = 0; i < PK_ARENA_SPARES; i++) {
        if (arena->spares[i] == NULL) {
            arena->spares[i] = pk_sys_mmap(NULL, PK_ARENA_CHUNK, PROT_READ | PROT_WRITE,
                                           MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        }
    }
}

static char *take_spare(struct pk_arena *arena) {
    for (size_t i = PK_ARENA_SPARES; i > 0; i--) {
        char *chunk = arena->spares[i - 1];
        if (chunk != NULL) {
            arena->spares[i - 1] = NULL;
            arena->own_bytes += PK_ARENA_CHUNK;
            return chunk;
        }
    }
    return NULL;
}

static int begin_chunk(struct pk_arena *arena) {
    char *chunk = map_memory(arena, PK_ARENA_CHUNK);
    if (chunk != NULL) {
        keep_spares(arena);
    } else {
        chunk = take_spare(arena);
    }
    if (chunk == NULL) {
        return 0;
    }
    memcpy(chunk, &arena->chunks, sizeof arena->chunks);
    arena->chunks = chunk;
    arena->next = chunk + 16;
    arena->end = chunk + PK_ARENA_CHUNK;
    return 1;
}

// The kernel has no page for a piece of its own: cut it from a chunk, to which it does not come
// back.
PK_COLD static void *cut_large(struct pk_arena *arena, size_t size) {
    for (int attempt = 0; attempt < 2 && size <= PK_ARENA_CHUNK / 4; attempt++) {
        size_t gap = round_up((uintptr_t)arena->next, 4096) - (uintptr_t)arena->next;
        if ((size_t)(arena->end - arena->next) >= gap + size) {
            char *piece = arena->next + gap;
            arena->next = piece + size;
            return piece;
        }
        if (!begin_chunk(arena)) {
            break;
        }
    }
    return NULL;
}

static void *alloc_large(struct pk_arena *arena, size_t size) {
    void *piece = make_large_room(arena) ? map_memory(arena, size) : NULL;
    if (piece == NULL) {
        return cut_large(arena, size);
    }
    arena->large[arena->large_count++] = (struct pk_arena_large){piece, size};
    return piece;
}

static void free_large(struct pk_arena *arena, void *piece, size_t size) {
    for (size_t i = arena->large_count; i > 0; i--) {
        if (arena->large[i - 1].piece == piece) {
            arena->large[i - 1] = arena->large[--arena->large_count];
            unmap_memory(arena, piece, size);
            return;
        }
    }
}

// ---- the arena ----------------------------------------------------------------------------------

// For tests: true once the countdown has run out, and then for ever.
PK_COLD static int is_failing(struct pk_arena *arena) {
    if (arena->fail_countdown > 1) {
        arena->fail_countdown--;
        return 0;
    }
    return 1;
}

void *pk_arena_alloc(struct pk_arena *arena, size_t size) {
    if (PK_UNLIKELY(arena->fail_countdown != 0) && is_failing(arena)) {
        return NULL;
    }
    if (PK_UNLIKELY(size > PK_ARENA_SMALL)) {
        return alloc_large(arena, round_up(size, 4096));
    }
    size = round_up(size == 0 ? 1 : size, 16);
    void **list = &arena->free_lists[size / 16];
    void *piece = *list;
    if (piece != NULL) {
        memcpy(list, piece, sizeof *list);
        memset(piece, 0, size);
        return piece;
    }
    if ((size_t)(arena->end - arena->next) < size) {
        // The rest of the old chunk is lost: at most 4 KiB of 256.
        if (!begin_chunk(arena)) {
            return NULL;
        }
    }
    piece = arena->next;
    arena->next += size;
    return piece;
}

void pk_arena_free(struct pk_arena *arena, void *piece, size_t size) {
    if (piece == NULL) {
        return;
    }
    if (size > PK_ARENA_SMALL) {
        free_large(arena, piece, round_up(size, 4096));
        return;
    }
    size = round_up(size == 0 ? 1 : size, 16);
    memcpy(piece, &arena->free_lists[size / 16], sizeof(void *));
    arena->free_lists[size / 16] = piece;
}

void pk_arena_release(struct pk_arena *arena) {
    for (size_t i = 0; i < arena->large_count; i++) {
        (void)pk_sys_munmap(arena->large[i].piece, arena->large[i].size);
    }
    if (arena->large != NULL) {
        (void)pk_sys_munmap(arena->large, arena->large_room * sizeof *arena->large);
    }
    for (char *chunk = arena->chunks; chunk != NULL;) {
        char *before;
        memcpy(&before, chunk, sizeof before);
        (void)pk_sys_munmap(chunk, PK_ARENA_CHUNK);
        chunk = before;
    }
    for (size_t i = 0; i < PK_ARENA_SPARES; i++) {
        if (arena->spares[i] != NULL) {
            (void)pk_sys_munmap(arena->spares[i], PK_ARENA_CHUNK);
        }
    }
    *arena = (struct pk_arena){0};
}
