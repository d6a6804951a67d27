/* SPDX-License-Identifier: Apache-2.0
 * See arena.h. */
#include "base/arena.h"

#include <string.h>
#include <sys/mman.h>

#include "base/attr.h"
#include "base/sys.h"

static size_t round_up(size_t size, size_t step) {
    return (size + step - 1) & ~(step - 1);
}

static void *map_memory(struct pk_arena *arena, size_t size) {
    void *memory = pk_sys_mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory != NULL) {
        arena->own_bytes += size;
    }
    return memory;
}

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
        return map_memory(arena, round_up(size, 4096));
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
        char *chunk = map_memory(arena, PK_ARENA_CHUNK);
        if (chunk == NULL) {
            return NULL;
        }
        arena->next = chunk;
        arena->end = chunk + PK_ARENA_CHUNK;
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
        size = round_up(size, 4096);
        (void)pk_sys_munmap(piece, size);
        arena->own_bytes -= size;
        return;
    }
    size = round_up(size == 0 ? 1 : size, 16);
    memcpy(piece, &arena->free_lists[size / 16], sizeof(void *));
    arena->free_lists[size / 16] = piece;
}
