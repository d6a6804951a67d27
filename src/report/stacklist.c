/* SPDX-License-Identifier: Apache-2.0
 * See stacklist.h. The tree is in preorder, so the path to a node is the path of the one before,
 * shortened, and the node itself. */
#include "report/stacklist.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define NONE UINT32_MAX

/* Returns whether the node has anything. */
static bool read_values(const struct pk_tree *tree, uint32_t node, uint64_t *ret_values) {
    uint64_t any = 0;
    for (unsigned column = 0; column < PK_COLUMNS; column++) {
        ret_values[column] = tree->columns[column][node];
        any |= ret_values[column];
    }
    return any != 0;
}

static void add_frame(struct pk_stacklist *list, int32_t frame, uint32_t *ret_number) {
    *ret_number = list->table_count;
    list->table[list->table_count++] = frame;
}

/* The longest stack that may stay whole. `counts[depth]` are the stacks of that depth, `total` the
 * frames of all. Cutting at a depth shortens all deeper ones by one frame. */
static uint32_t find_limit(const uint32_t *counts, uint32_t deepest, uint64_t total) {
    uint64_t deeper = 0;
    uint32_t limit = deepest;
    while (total > PK_STACKLIST_MAX_FRAMES && limit > PK_STACKLIST_MIN_DEPTH) {
        deeper += counts[limit--];
        total -= deeper;
    }
    return limit == deepest ? NONE : limit;
}

/* Number the frames, measure the depths and choose where to cut. */
static int survey(struct pk_stacklist *list) {
    const struct pk_tree *tree = &list->view->tree;
    uint32_t deepest = 1;
    uint64_t values[PK_COLUMNS], total = 0;

    if (read_values(tree, 0, values)) {
        uint32_t number;
        add_frame(list, PK_FRAME_ROOT, &number); // 0: next() counts on it
    }
    for (uint32_t i = 1; i < tree->count; i++) {
        list->depths[i] = list->depths[i - tree->up[i]] + 1;
        deepest = list->depths[i] > deepest ? list->depths[i] : deepest;
        if (list->numbers[tree->frames[i]] == NONE) {
            add_frame(list, tree->frames[i], &list->numbers[tree->frames[i]]);
        }
    }
    uint32_t *counts = pk_pool_array(&list->pool, (size_t)deepest + 1, sizeof(*counts));
    list->path = pk_pool_array(&list->pool, deepest, sizeof(*list->path));
    list->cut_path = pk_pool_array(&list->pool, deepest, sizeof(*list->cut_path));
    if (list->pool.failed) {
        return -ENOMEM;
    }
    for (uint32_t i = 1; i < tree->count; i++) {
        if (read_values(tree, i, values)) {
            counts[list->depths[i]]++;
            total += list->depths[i];
        }
    }
    list->depth_limit = find_limit(counts, deepest, total);
    list->cut_number = NONE;
    if (list->depth_limit != NONE) {
        add_frame(list, PK_FRAME_FOLDED, &list->cut_number);
    }
    return 0;
}

int pk_stacklist_start(struct pk_stacklist *ret_list, const struct pk_view *view) {
    struct pk_stacklist *list = ret_list;
    *list = (struct pk_stacklist){.view = view};
    list->table = pk_pool_array(&list->pool, (size_t)view->frame_count + 2, sizeof(*list->table));
    list->numbers = pk_pool_array(&list->pool, view->frame_count, sizeof(*list->numbers));
    list->depths = pk_pool_array(&list->pool, view->tree.count, sizeof(*list->depths));
    int r = list->pool.failed ? -ENOMEM : 0;
    if (r >= 0) {
        memset(list->numbers, 0xff, view->frame_count * sizeof(*list->numbers));
        r = survey(list);
    }
    if (r < 0) {
        pk_pool_free(&list->pool);
        return r;
    }
    pk_stacklist_rewind(list);
    return 0;
}

void pk_stacklist_rewind(struct pk_stacklist *list) {
    list->node = NONE; // one before the root
}

/* A stack that is too deep: its outermost and its innermost frames, with one between them. */
static void cut_stack(struct pk_stacklist *list, uint32_t depth) {
    uint32_t outer = list->depth_limit / 2, inner = list->depth_limit - outer - 1;
    memcpy(list->cut_path, list->path, outer * sizeof(*list->path));
    list->cut_path[outer] = list->cut_number;
    memcpy(list->cut_path + outer + 1, list->path + depth - inner, inner * sizeof(*list->path));
    list->frames = list->cut_path;
    list->count = list->depth_limit;
}

bool pk_stacklist_next(struct pk_stacklist *list) {
    const struct pk_tree *tree = &list->view->tree;

    while (++list->node < tree->count) {
        uint32_t node = list->node, depth = list->depths[node];
        bool is_held = read_values(tree, node, list->values);
        list->frames = list->path;
        if (node == 0) {
            list->path[0] = 0;
            list->count = 1;
        } else {
            list->path[depth - 1] = list->numbers[tree->frames[node]];
            list->count = depth;
        }
        if (is_held && depth > list->depth_limit) {
            cut_stack(list, depth);
        }
        if (is_held) {
            return true;
        }
    }
    list->node = tree->count - 1; // asked again, the answer stays
    return false;
}

const char *pk_stacklist_name(const struct pk_stacklist *list, const struct pk_path_rules *rules,
                              uint32_t number, char *buffer, size_t size,
                              const struct pk_view_file **ret_file, uint32_t *ret_line) {
    const struct pk_view *view = list->view;
    int32_t index = list->table[number];

    *ret_file = NULL;
    *ret_line = 0;
    if (index < 0) {
        return index == PK_FRAME_ROOT ? "[no stack]" : "[frames left out]";
    }
    const struct pk_view_frame *frame = &view->frames[index];
    const struct pk_view_function *function = &view->functions[frame->function];
    const struct pk_view_file *file = &view->files[function->file];
    if (frame->started_by >= 0) {
        const struct pk_view_frame *by = &view->frames[frame->started_by];
        snprintf(buffer, size, "[thread started at %s:%" PRIu32 "]",
                 pk_path_spoken(rules, view->files[view->functions[by->function].file].path),
                 by->line);
        return buffer;
    }
    if (file->kind != PK_FILE_NONE) {
        *ret_file = file;
        *ret_line = frame->line;
    }
    return function->name;
}

void pk_stacklist_end(struct pk_stacklist *list) {
    pk_pool_free(&list->pool);
}
