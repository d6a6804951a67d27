/* SPDX-License-Identifier: Apache-2.0
 * Mapped files of all processes. May use view.h. */
#include "report/mapped.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define RESERVED_FLAG 4u /* struct pk_file_map */

static uint32_t hash_path(const char *path, bool is_reserved) {
    uint64_t hash = is_reserved ? 1099511628211u : 1469598103934665603u;
    for (; *path != '\0'; path++) {
        hash = (hash ^ (unsigned char)*path) * 1099511628211u;
    }
    return (uint32_t)(hash >> 32);
}

static bool grow(struct pk_mapped *mapped) {
    uint32_t room = mapped->room == 0 ? 256 : mapped->room * 2;
    struct pk_view_map *maps = realloc(mapped->maps, room * sizeof(*maps));
    if (maps == NULL) {
        return false;
    }
    mapped->maps = maps;
    uint32_t *slots = calloc(room * 2, sizeof(*slots));
    if (slots == NULL) {
        return false;
    }
    free(mapped->slots);
    mapped->slots = slots;
    mapped->mask = room * 2 - 1;
    mapped->room = room;
    for (uint32_t i = 0; i < mapped->count; i++) {
        uint32_t slot = hash_path(maps[i].path, maps[i].is_reserved) & mapped->mask;
        while (slots[slot] != 0) {
            slot = (slot + 1) & mapped->mask;
        }
        slots[slot] = i + 1;
    }
    return true;
}

/* The map of this path; a new one is empty. NULL: not enough memory. */
static struct pk_view_map *find_map(struct pk_mapped *mapped, const char *path, bool is_reserved) {
    if (mapped->count == mapped->room && !grow(mapped)) {
        return NULL;
    }
    uint32_t slot = hash_path(path, is_reserved) & mapped->mask;
    for (; mapped->slots[slot] != 0; slot = (slot + 1) & mapped->mask) {
        struct pk_view_map *map = &mapped->maps[mapped->slots[slot] - 1];
        if (map->is_reserved == is_reserved && strcmp(map->path, path) == 0) {
            return map;
        }
    }
    const char *kept = pk_pool_text(&mapped->view->pool, path, strlen(path));
    if (kept == NULL) {
        return NULL;
    }
    struct pk_view_map *map = &mapped->maps[mapped->count];
    *map = (struct pk_view_map){.path = kept, .is_reserved = is_reserved};
    mapped->slots[slot] = ++mapped->count;
    return map;
}

int pk_mapped_add(struct pk_mapped *mapped, const struct pk_snapshot *snapshot) {
    for (uint32_t i = 0; i < snapshot->file_count; i++) {
        const struct pk_file_map *file = &snapshot->files[i];
        struct pk_view_map *map = find_map(mapped, pk_snapshot_string(snapshot, file->path),
                                           (file->flags & RESERVED_FLAG) != 0);
        if (map == NULL) {
            return -ENOMEM;
        }
        uint64_t most =
            file->most_bytes > PK_SNAPSHOT_MAX_BYTES ? PK_SNAPSHOT_MAX_BYTES : file->most_bytes;
        map->most_bytes = most > map->most_bytes ? most : map->most_bytes;
    }
    return 0;
}

static int compare_maps(const void *left, const void *right) {
    const struct pk_view_map *a = left, *b = right;
    if (a->most_bytes != b->most_bytes) {
        return a->most_bytes > b->most_bytes ? -1 : 1;
    }
    int order = strcmp(a->path, b->path);
    return order != 0 ? order : (int)a->is_reserved - (int)b->is_reserved;
}

int pk_mapped_end(struct pk_mapped *mapped) {
    struct pk_view *view = mapped->view;
    view->maps = pk_pool_array(&view->pool, mapped->count, sizeof(*view->maps));
    if (view->maps != NULL && mapped->count > 0) {
        qsort(mapped->maps, mapped->count, sizeof(*mapped->maps), compare_maps);
        memcpy(view->maps, mapped->maps, mapped->count * sizeof(*view->maps));
        view->map_count = mapped->count;
    }
    free(mapped->maps);
    free(mapped->slots);
    return view->maps == NULL ? -ENOMEM : 0;
}
