/* SPDX-License-Identifier: Apache-2.0
 * Ordering and folding of the stack tree. May use pool.h. */
#include "report/tree.h"

#include <errno.h>
#include <stdlib.h>

struct sibling {
    uint64_t bytes; /* totals, callees included */
    uint64_t blocks;
    uint32_t node;
};

static int compare_siblings(const void *left, const void *right) {
    const struct sibling *a = left, *b = right;
    if (a->bytes != b->bytes) {
        return a->bytes > b->bytes ? -1 : 1;
    }
    if (a->blocks != b->blocks) {
        return a->blocks > b->blocks ? -1 : 1;
    }
    return a->node < b->node ? -1 : a->node > b->node; // the same input gives the same order
}

static int allocate_tree(struct pk_pool *pool, uint32_t count, struct pk_tree *ret_tree) {
    ret_tree->count = count;
    ret_tree->up = pk_pool_array(pool, count, sizeof(*ret_tree->up));
    ret_tree->frames = pk_pool_array(pool, count, sizeof(*ret_tree->frames));
    ret_tree->bytes = pk_pool_array(pool, count, sizeof(*ret_tree->bytes));
    ret_tree->blocks = pk_pool_array(pool, count, sizeof(*ret_tree->blocks));
    return pool->failed ? -ENOMEM : 0;
}

/* Totals of all subtrees; returns the number of nodes that hold anything, the root always among
 * them. */
static uint32_t add_up(const struct pk_tree_input *input, struct sibling *totals) {
    uint32_t kept = 1;
    for (uint32_t i = 0; i < input->count; i++) {
        totals[i] =
            (struct sibling){.bytes = input->bytes[i], .blocks = input->blocks[i], .node = i};
    }
    for (uint32_t i = input->count; i-- > 1;) {
        struct sibling *parent = &totals[input->parents[i]];
        parent->bytes += totals[i].bytes;
        parent->blocks += totals[i].blocks;
        kept += totals[i].bytes != 0 || totals[i].blocks != 0 ? 1u : 0u;
    }
    return kept;
}

/* `children` gets the kept nodes grouped by parent, `first[p]` to `first[p + 1]` being those of p,
 * each group sorted. */
static void group_children(const struct pk_tree_input *input, const struct sibling *totals,
                           uint32_t *first, uint32_t *filled, struct sibling *children) {
    for (uint32_t i = 1; i < input->count; i++) {
        if (totals[i].bytes != 0 || totals[i].blocks != 0) {
            first[input->parents[i] + 1]++;
        }
    }
    for (uint32_t i = 0; i < input->count; i++) {
        first[i + 1] += first[i];
        filled[i] = first[i];
    }
    for (uint32_t i = 1; i < input->count; i++) {
        if (totals[i].bytes != 0 || totals[i].blocks != 0) {
            children[filled[input->parents[i]]++] = totals[i];
        }
    }
    for (uint32_t i = 0; i < input->count; i++) {
        if (first[i + 1] - first[i] > 1) {
            qsort(children + first[i], first[i + 1] - first[i], sizeof(*children),
                  compare_siblings);
        }
    }
}

int pk_tree_order(struct pk_pool *pool, const struct pk_tree_input *input,
                  struct pk_tree *ret_tree) {
    struct pk_pool scratch = {0};
    uint32_t count = input->count;
    struct sibling *totals = pk_pool_array(&scratch, count, sizeof(*totals));
    struct sibling *children = pk_pool_array(&scratch, count, sizeof(*children));
    uint32_t *first = pk_pool_array(&scratch, (size_t)count + 1, sizeof(*first));
    uint32_t *filled =
        pk_pool_array(&scratch, count, sizeof(*filled)); // later: each node's place in the output
    uint32_t *waiting = pk_pool_array(&scratch, count, sizeof(*waiting));
    if (scratch.failed) {
        pk_pool_free(&scratch);
        return -ENOMEM;
    }
    int r = allocate_tree(pool, add_up(input, totals), ret_tree);
    if (r < 0) {
        pk_pool_free(&scratch);
        return r;
    }
    group_children(input, totals, first, filled, children);

    uint32_t *place = filled;
    uint32_t stacked = 1, written = 0;
    waiting[0] = 0;
    while (stacked > 0) {
        uint32_t node = waiting[--stacked];
        place[node] = written;
        ret_tree->up[written] = node == 0 ? 0 : written - place[input->parents[node]];
        ret_tree->frames[written] = node == 0 ? PK_FRAME_ROOT : input->frames[node];
        ret_tree->bytes[written] = input->bytes[node];
        ret_tree->blocks[written] = input->blocks[node];
        written++;
        for (uint32_t i = first[node + 1]; i-- > first[node];) {
            waiting[stacked++] = children[i].node;
        }
    }
    pk_pool_free(&scratch);
    return 0;
}

/* How many of the largest nodes can stay so that they and the leaves they need are at most `limit`.
 * Node p needs a leaf when it stays (rank[p] < kept) and a child does not (kept <= rank of its last
 * child). kept + leaves never shrinks as kept grows: a new node adds itself, takes at most its
 * parent's leaf away. */
static uint32_t choose_kept(const struct pk_tree *tree, const uint32_t *rank, uint32_t *last_child,
                            int32_t *change, uint32_t limit) {
    for (uint32_t i = 1; i < tree->count; i++) {
        uint32_t parent = i - tree->up[i];
        if (rank[i] > last_child[parent]) {
            last_child[parent] = rank[i];
        }
    }
    for (uint32_t i = 0; i < tree->count; i++) {
        if (last_child[i] > 0) { // the root's rank, 0, is nobody's child's
            change[rank[i] + 1]++;
            change[last_child[i] + 1]--;
        }
    }
    uint32_t best = 1;
    int64_t leaves = 0;
    for (uint32_t kept = 1; kept <= tree->count; kept++) {
        leaves += change[kept];
        if ((int64_t)kept + leaves > (int64_t)limit) {
            break;
        }
        best = kept;
    }
    return best;
}

int pk_tree_fold(struct pk_pool *pool, const struct pk_tree *tree, uint32_t limit,
                 struct pk_tree *ret_tree) {
    if (tree->count <= limit) {
        *ret_tree = *tree;
        return 0;
    }
    struct pk_pool scratch = {0};
    uint32_t count = tree->count;
    struct sibling *totals = pk_pool_array(&scratch, count, sizeof(*totals));
    uint32_t *rank = pk_pool_array(&scratch, count, sizeof(*rank));
    uint32_t *last_child =
        pk_pool_array(&scratch, count, sizeof(*last_child)); // later: each node's new index
    uint32_t *leaf = pk_pool_array(&scratch, count, sizeof(*leaf));
    int32_t *change = pk_pool_array(&scratch, (size_t)count + 2, sizeof(*change));
    uint32_t *parents = pk_pool_array(&scratch, limit, sizeof(*parents));
    int32_t *frames = pk_pool_array(&scratch, limit, sizeof(*frames));
    uint64_t *bytes = pk_pool_array(&scratch, limit, sizeof(*bytes));
    uint64_t *blocks = pk_pool_array(&scratch, limit, sizeof(*blocks));
    if (scratch.failed) {
        pk_pool_free(&scratch);
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < count; i++) {
        totals[i] = (struct sibling){.bytes = tree->bytes[i], .blocks = tree->blocks[i], .node = i};
    }
    for (uint32_t i = count; i-- > 1;) {
        totals[i - tree->up[i]].bytes += totals[i].bytes;
        totals[i - tree->up[i]].blocks += totals[i].blocks;
    }
    // A parent is never smaller than its child, and before it in preorder: the largest are closed
    // under "caller of".
    qsort(totals, count, sizeof(*totals), compare_siblings);
    for (uint32_t i = 0; i < count; i++) {
        rank[totals[i].node] = i;
    }
    uint32_t kept = choose_kept(tree, rank, last_child, change, limit);

    uint32_t *place = last_child;
    uint32_t used = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t parent = i - tree->up[i];
        uint32_t target;
        if (rank[i] < kept) {
            target = place[i] = used++;
            leaf[i] = UINT32_MAX;
            parents[target] = i == 0 ? 0 : place[parent];
            frames[target] = tree->frames[i];
        } else {
            if (rank[parent] >= kept) {
                leaf[i] = leaf[parent]; // somewhere below the node that lost it
            } else if (leaf[parent] == UINT32_MAX) {
                leaf[i] = leaf[parent] = used++;
                parents[leaf[i]] = place[parent];
                frames[leaf[i]] = PK_FRAME_FOLDED;
            } else {
                leaf[i] = leaf[parent];
            }
            target = leaf[i];
        }
        bytes[target] += tree->bytes[i];
        blocks[target] += tree->blocks[i];
    }
    const struct pk_tree_input input = {
        .count = used, .parents = parents, .frames = frames, .bytes = bytes, .blocks = blocks};
    int r = pk_tree_order(pool, &input, ret_tree);
    pk_pool_free(&scratch);
    return r;
}
