/* SPDX-License-Identifier: Apache-2.0
 * Blame lines. May use view.h, pool.h. */
#include "report/blame.h"

#include <errno.h>
#include <stdlib.h>

/* One frame's charge, with what makes two frames the same line to a reader. */
struct charge {
    uint64_t place;
    uint64_t bytes;
    uint64_t blocks;
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
    return a->frame < b->frame ? -1 : a->frame > b->frame;
}

static int compare_blame(const void *left, const void *right) {
    const struct pk_view_blame *a = left, *b = right;
    if (a->bytes != b->bytes) {
        return a->bytes > b->bytes ? -1 : 1;
    }
    if (a->blocks != b->blocks) {
        return a->blocks > b->blocks ? -1 : 1;
    }
    return a->frame < b->frame ? -1 : a->frame > b->frame;
}

int pk_blame_build(struct pk_view *view, const uint64_t *bytes, const uint64_t *blocks,
                   uint64_t root_bytes, uint64_t root_blocks) {
    struct pk_pool scratch = {0};
    struct charge *charges = pk_pool_array(&scratch, view->frame_count, sizeof(*charges));
    view->blame = pk_pool_array(&view->pool, (size_t)view->frame_count + 1, sizeof(*view->blame));
    if (scratch.failed || view->pool.failed) {
        pk_pool_free(&scratch);
        return -ENOMEM;
    }
    uint32_t used = 0;
    for (uint32_t i = 0; i < view->frame_count; i++) {
        if (bytes[i] == 0 && blocks[i] == 0) {
            continue;
        }
        uint32_t file = view->functions[view->frames[i].function].file;
        bool is_pseudo = view->files[file].kind == PK_FILE_NONE;
        uint64_t place =
            is_pseudo ? UINT64_C(1) << 63 | i : (uint64_t)file << 32 | view->frames[i].line;
        charges[used++] = (struct charge){.place = place,
                                          .bytes = bytes[i],
                                          .blocks = blocks[i],
                                          .frame = (int32_t)i};
    }
    qsort(charges, used, sizeof(*charges), compare_places);
    for (uint32_t i = 0; i < used; i++) {
        if (i > 0 && charges[i].place == charges[i - 1].place) {
            view->blame[view->blame_count - 1].bytes += charges[i].bytes;
            view->blame[view->blame_count - 1].blocks += charges[i].blocks;
        } else {
            view->blame[view->blame_count++] = (struct pk_view_blame){
                .frame = charges[i].frame, .bytes = charges[i].bytes, .blocks = charges[i].blocks};
        }
    }
    if (root_bytes != 0 || root_blocks != 0) {
        view->blame[view->blame_count++] = (struct pk_view_blame){
            .frame = PK_FRAME_ROOT, .bytes = root_bytes, .blocks = root_blocks};
    }
    qsort(view->blame, view->blame_count, sizeof(*view->blame), compare_blame);
    pk_pool_free(&scratch);
    return 0;
}
