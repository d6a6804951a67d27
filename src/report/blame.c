/* SPDX-License-Identifier: Apache-2.0
 * Blame lines. May use view.h, pool.h. */
#include "report/blame.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* One frame's charge, with what makes two frames the same line to a reader. */
struct charge {
    uint64_t place;
    uint64_t bytes;
    uint64_t alloc_bytes;
    int32_t frame;
};

static int compare_places(const void *left, const void *right) {
    const struct charge *a = left, *b = right;
    if (a->place != b->place) {
        return a->place < b->place ? -1 : 1;
    }
    if (a->bytes != b->bytes) {
        return a->bytes > b->bytes ? -1 : 1;
    }
    if (a->alloc_bytes != b->alloc_bytes) {
        return a->alloc_bytes > b->alloc_bytes ? -1 : 1;
    }
    return a->frame < b->frame ? -1 : a->frame > b->frame;
}

static int compare_blame(const void *left, const void *right) {
    const struct pk_view_blame *a = left, *b = right;
    static const enum pk_column order[] = {PK_PEAK_BYTES, PK_PEAK_BLOCKS, PK_ALLOC_BYTES};
    for (unsigned i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
        if (a->columns[order[i]] != b->columns[order[i]]) {
            return a->columns[order[i]] > b->columns[order[i]] ? -1 : 1;
        }
    }
    return a->frame < b->frame ? -1 : a->frame > b->frame;
}

/* Frames that are charged with anything, by place. Returns how many. */
static uint32_t collect_charges(const struct pk_view *view, uint64_t *const columns[PK_ALL_COLUMNS],
                                struct charge *ret_charges) {
    uint32_t used = 0;
    for (uint32_t i = 0; i < view->frame_count; i++) {
        uint64_t any = 0;
        for (unsigned column = 0; column < PK_ALL_COLUMNS; column++) {
            any |= columns[column][i];
        }
        if (any == 0) {
            continue;
        }
        uint32_t file = view->functions[view->frames[i].function].file;
        bool is_pseudo = view->files[file].kind == PK_FILE_NONE;
        uint64_t place =
            is_pseudo ? UINT64_C(1) << 63 | i : (uint64_t)file << 32 | view->frames[i].line;
        ret_charges[used++] = (struct charge){.place = place,
                                              .bytes = columns[PK_PEAK_BYTES][i],
                                              .alloc_bytes = columns[PK_ALLOC_BYTES][i],
                                              .frame = (int32_t)i};
    }
    qsort(ret_charges, used, sizeof(*ret_charges), compare_places);
    return used;
}

static void take_larger(uint64_t *number, uint64_t other) {
    *number = other > *number ? other : *number;
}

int pk_blame_build(struct pk_view *view, uint64_t *const columns[PK_ALL_COLUMNS],
                   const uint64_t without[PK_ALL_COLUMNS], uint64_t *const largest[2],
                   const uint64_t largest_without[2]) {
    struct pk_pool scratch = {0};
    struct charge *charges = pk_pool_array(&scratch, view->frame_count, sizeof(*charges));
    uint32_t used = charges == NULL ? 0 : collect_charges(view, columns, charges);
    view->blame = pk_pool_array(&view->pool, (size_t)used + 1, sizeof(*view->blame));
    if (scratch.failed || view->pool.failed) {
        pk_pool_free(&scratch);
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < used; i++) {
        bool is_new = i == 0 || charges[i].place != charges[i - 1].place;
        struct pk_view_blame *blame =
            &view->blame[is_new ? view->blame_count : view->blame_count - 1];
        if (is_new) {
            blame->frame = charges[i].frame;
            view->blame_count++;
        }
        for (unsigned column = 0; column < PK_ALL_COLUMNS; column++) {
            blame->columns[column] += columns[column][charges[i].frame];
        }
        take_larger(&blame->largest_least, largest[0][charges[i].frame]);
        take_larger(&blame->largest_most, largest[1][charges[i].frame]);
    }
    uint64_t any = 0;
    for (unsigned column = 0; column < PK_ALL_COLUMNS; column++) {
        any |= without[column];
    }
    if (any != 0) {
        struct pk_view_blame *blame = &view->blame[view->blame_count++];
        blame->frame = PK_FRAME_ROOT;
        memcpy(blame->columns, without, sizeof(blame->columns));
        blame->largest_least = largest_without[0];
        blame->largest_most = largest_without[1];
    }
    qsort(view->blame, view->blame_count, sizeof(*view->blame), compare_blame);
    while (view->peak_blame_count < view->blame_count &&
           (view->blame[view->peak_blame_count].bytes != 0 ||
            view->blame[view->peak_blame_count].blocks != 0)) {
        view->peak_blame_count++;
    }
    pk_pool_free(&scratch);
    return 0;
}
