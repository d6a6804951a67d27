/* SPDX-License-Identifier: Apache-2.0
 * The stacks of two runs laid over each other. A node is as wide as the larger of what it holds
 * before and after, so that new and gone stacks are both seen, and a box is as wide as what is in
 * it. Nothing recurses. May use diff_model.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "report/diff_model.h"

/* Children by parent and frame: open addressing, at most half full. */
struct child_table {
    uint32_t mask;
    uint32_t *slots; /* a node; 0: free (the root is nobody's child) */
};

static uint64_t width_of(const struct pk_diff_node *node) {
    return node->bytes[0] > node->bytes[1] ? node->bytes[0] : node->bytes[1];
}

static uint32_t find_child(struct child_table *table, struct pk_diff_node *nodes, uint32_t *count,
                           uint32_t parent, int32_t frame) {
    uint64_t hash = ((uint64_t)parent << 32 | (uint32_t)frame) * UINT64_C(0x9e3779b97f4a7c15);
    uint32_t slot = (uint32_t)(hash >> 32) & table->mask;
    for (;; slot = (slot + 1) & table->mask) {
        uint32_t node = table->slots[slot];
        if (node == 0) {
            nodes[*count] = (struct pk_diff_node){.parent = parent, .frame = frame};
            table->slots[slot] = *count;
            return (*count)++;
        }
        if (nodes[node].parent == parent && nodes[node].frame == frame) {
            return node;
        }
    }
}

static int merge(struct pk_diff *diff, int32_t *const maps[2], struct pk_pool *scratch,
                 struct pk_diff_node **ret_nodes, uint32_t *ret_count) {
    const struct pk_profile *profiles[2] = {diff->side[0].shown, diff->side[1].shown};
    size_t room = (size_t)profiles[0]->node_count + profiles[1]->node_count;
    struct child_table table = {.mask = 63};

    while (table.mask < room * 2) {
        table.mask = table.mask * 2 + 1;
    }
    table.slots = pk_pool_array(scratch, (size_t)table.mask + 1, sizeof(*table.slots));
    struct pk_diff_node *nodes = pk_pool_array(scratch, room, sizeof(*nodes));
    uint32_t *merged = pk_pool_array(scratch, room, sizeof(*merged));
    if (scratch->failed) {
        return -ENOMEM;
    }
    uint32_t count = 1;
    nodes[0] = (struct pk_diff_node){.frame = PK_FRAME_ROOT};
    for (unsigned which = 0; which < 2; which++) {
        const struct pk_profile *profile = profiles[which];
        merged[0] = 0;
        for (uint32_t i = 0; i < profile->node_count; i++) {
            const struct pk_profile_node *node = &profile->nodes[i];
            bool is_process = node->frame >= 0 && profile->frames[node->frame].is_process;
            if (i > 0 && is_process) {
                merged[i] = merged[node->parent];
            } else if (i > 0) {
                int32_t frame = node->frame >= 0 ? maps[which][node->frame] : node->frame;
                merged[i] = find_child(&table, nodes, &count, merged[node->parent], frame);
            }
            nodes[merged[i]].bytes[which] += node->bytes;
        }
    }
    *ret_nodes = nodes;
    *ret_count = count;
    return 0;
}

struct sorted {
    uint32_t node;
    uint32_t parent;
    uint64_t width; /* with callees */
};

static int compare_siblings(const void *left, const void *right) {
    const struct sorted *a = left, *b = right;
    if (a->parent != b->parent) {
        return a->parent < b->parent ? -1 : 1;
    }
    if (a->width != b->width) {
        return a->width > b->width ? -1 : 1;
    }
    return a->node < b->node ? -1 : 1;
}

static int compare_widths(const void *left, const void *right) {
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return a > b ? -1 : a < b;
}

/* Wider nodes than this are at most `limit`. */
static uint64_t find_threshold(struct pk_pool *scratch, const uint64_t *widths, uint32_t count,
                               uint32_t limit) {
    uint64_t *order = pk_pool_array(scratch, count, sizeof(*order));
    if (order == NULL || count <= limit) {
        return 0;
    }
    memcpy(order, widths, count * sizeof(*order));
    qsort(order, count, sizeof(*order), compare_widths);
    return order[limit];
}

int pk_diff_tree_fold(struct pk_pool *pool, const struct pk_diff_node *nodes, uint32_t count,
                      uint32_t limit, struct pk_diff_node **ret_nodes, uint32_t *ret_count) {
    struct pk_pool scratch = {0};
    uint64_t *widths = pk_pool_array(&scratch, count, sizeof(*widths));
    struct sorted *children = pk_pool_array(&scratch, count, sizeof(*children));
    uint32_t *first = pk_pool_array(&scratch, (size_t)count + 1, sizeof(*first));
    struct pk_diff_node *rest = pk_pool_array(&scratch, count, sizeof(*rest));
    uint32_t *stack = pk_pool_array(&scratch, (size_t)count * 4, sizeof(*stack));
    uint64_t threshold = 0;

    if (!scratch.failed) {
        for (uint32_t i = count; i-- > 0;) {
            widths[i] += width_of(&nodes[i]);
            if (i > 0) {
                widths[nodes[i].parent] += widths[i];
            }
        }
        threshold = find_threshold(&scratch, widths, count, limit);
    }
    struct pk_diff_node *out = pk_pool_array(pool, (size_t)count * 2, sizeof(*out));
    if (scratch.failed || out == NULL) {
        pk_pool_free(&scratch);
        return -ENOMEM;
    }
    // what is dropped is added up at the first of its callers that stays
    uint32_t kept = 0;
    for (uint32_t i = count; i-- > 1;) {
        if (widths[i] > threshold) {
            children[kept++] =
                (struct sorted){.node = i, .parent = nodes[i].parent, .width = widths[i]};
            continue;
        }
        for (unsigned which = 0; which < 2; which++) {
            rest[nodes[i].parent].bytes[which] += nodes[i].bytes[which] + rest[i].bytes[which];
        }
    }
    qsort(children, kept, sizeof(*children), compare_siblings);
    for (uint32_t i = 0, child = 0; i <= count; i++) {
        while (child < kept && children[child].parent < i) {
            child++;
        }
        first[i] = child;
    }
    // preorder: the stack has pairs of a node and where its parent went; `count` and more stand for
    // what was dropped below a node
    uint32_t used = 0, depth = 0;
    stack[depth++] = 0;
    stack[depth++] = 0;
    while (depth > 0) {
        uint32_t parent = stack[--depth], node = stack[--depth], here = used++;
        if (node >= count) {
            out[here] = rest[node - count];
            out[here].parent = parent;
            out[here].frame = PK_FRAME_FOLDED;
            continue;
        }
        out[here] = nodes[node];
        out[here].parent = parent;
        if (rest[node].bytes[0] > 0 || rest[node].bytes[1] > 0) {
            stack[depth++] = count + node;
            stack[depth++] = here;
        }
        for (uint32_t child = first[node + 1]; child-- > first[node];) {
            stack[depth++] = children[child].node;
            stack[depth++] = here;
        }
    }
    pk_pool_free(&scratch);
    *ret_nodes = out;
    *ret_count = used;
    return 0;
}

int pk_diff_tree_build(struct pk_diff *diff, int32_t *const maps[2]) {
    struct pk_pool scratch = {0};
    struct pk_diff_node *nodes;
    uint32_t count;
    int r = merge(diff, maps, &scratch, &nodes, &count);
    if (r >= 0) {
        r = pk_diff_tree_fold(&diff->pool, nodes, count, UINT32_MAX, &diff->nodes,
                              &diff->node_count);
    }
    pk_pool_free(&scratch);
    return r;
}
