/* SPDX-License-Identifier: Apache-2.0
 * Ordering and folding of the stack tree. May use pool.h. */
#include "report/tree.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

struct sibling {
    uint64_t bytes; /* totals, callees included */
    uint64_t blocks;
    uint64_t alloc_bytes;
    uint32_t node;
    bool is_used; /* it or a callee has anything in any column */
};

static int compare_siblings(const void *left, const void *right) {
    const struct sibling *a = left, *b = right;
    if (a->bytes != b->bytes) {
        return a->bytes > b->bytes ? -1 : 1;
    }
    if (a->blocks != b->blocks) {
        return a->blocks > b->blocks ? -1 : 1;
    }
    if (a->alloc_bytes != b->alloc_bytes) {
        return a->alloc_bytes > b->alloc_bytes ? -1 : 1;
    }
    return a->node < b->node ? -1 : a->node > b->node; // the same input gives the same order
}

static int allocate_tree(struct pk_pool *pool, uint32_t count, struct pk_tree *ret_tree) {
    ret_tree->count = count;
    ret_tree->up = pk_pool_array(pool, count, sizeof(*ret_tree->up));
    ret_tree->frames = pk_pool_array(pool, count, sizeof(*ret_tree->frames));
    for (unsigned column = 0; column < PK_ALL_COLUMNS; column++) {
        ret_tree->columns[column] = pk_pool_array(pool, count, sizeof(uint64_t));
    }
    return pool->failed ? -ENOMEM : 0;
}

/* Totals of all subtrees; returns the number of nodes that have anything, the root always among
 * them. */
static uint32_t add_up(const struct pk_tree_input *input, struct sibling *totals) {
    uint32_t kept = 1;
    for (uint32_t i = 0; i < input->count; i++) {
        uint64_t any = 0;
        for (unsigned column = 0; column < PK_ALL_COLUMNS; column++) {
            any |= input->columns[column][i];
        }
        totals[i] = (struct sibling){.bytes = input->columns[PK_PEAK_BYTES][i],
                                     .blocks = input->columns[PK_PEAK_BLOCKS][i],
                                     .alloc_bytes = input->columns[PK_ALLOC_BYTES][i],
                                     .node = i,
                                     .is_used = any != 0 || i == 0};
    }
    for (uint32_t i = input->count; i-- > 1;) {
        struct sibling *parent = &totals[input->parents[i]];
        parent->bytes += totals[i].bytes;
        parent->blocks += totals[i].blocks;
        parent->alloc_bytes += totals[i].alloc_bytes;
        parent->is_used = parent->is_used || totals[i].is_used;
        kept += totals[i].is_used ? 1u : 0u;
    }
    return kept;
}

/* `children` gets the kept nodes grouped by parent, `first[p]` to `first[p + 1]` being those of p,
 * each group sorted. */
static void group_children(const struct pk_tree_input *input, const struct sibling *totals,
                           uint32_t *first, uint32_t *filled, struct sibling *children) {
    for (uint32_t i = 1; i < input->count; i++) {
        if (totals[i].is_used) {
            first[input->parents[i] + 1]++;
        }
    }
    for (uint32_t i = 0; i < input->count; i++) {
        first[i + 1] += first[i];
        filled[i] = first[i];
    }
    for (uint32_t i = 1; i < input->count; i++) {
        if (totals[i].is_used) {
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
    uint32_t *first = pk_pool_array(&scratch, (size_t)count + 1, sizeof(*first));
    uint32_t *filled =
        pk_pool_array(&scratch, count, sizeof(*filled)); // later: each node's place in the output
    uint32_t *waiting = pk_pool_array(&scratch, count, sizeof(*waiting));
    if (scratch.failed) {
        pk_pool_free(&scratch);
        return -ENOMEM;
    }
    uint32_t kept = add_up(input, totals);
    struct sibling *children = pk_pool_array(&scratch, kept, sizeof(*children));
    int r = children == NULL ? -ENOMEM : allocate_tree(pool, kept, ret_tree);
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
        for (unsigned column = 0; column < PK_ALL_COLUMNS; column++) {
            ret_tree->columns[column][written] = input->columns[column][node];
        }
        written++;
        for (uint32_t i = first[node + 1]; i-- > first[node];) {
            waiting[stacked++] = children[i].node;
        }
    }
    pk_pool_free(&scratch);
    return 0;
}

/* A node's size for the choice of those that stay: the largest of its shares of each measure. A
 * share never grows from caller to callee, so neither does this. */
struct size {
    double share;
    uint32_t node;
};

static int compare_sizes(const void *left, const void *right) {
    const struct size *a = left, *b = right;
    if (a->share != b->share) {
        return a->share > b->share ? -1 : 1;
    }
    return a->node < b->node ? -1 : a->node > b->node; // a caller comes before its callees
}

/* `ret_sizes` by node. `totals` is for one column at a time. */
static void measure_nodes(const struct pk_tree *tree, unsigned measures, uint64_t *totals,
                          struct size *ret_sizes) {
    for (uint32_t i = 0; i < tree->count; i++) {
        ret_sizes[i] = (struct size){.node = i};
    }
    for (unsigned column = 0; column < PK_COLUMNS; column++) {
        if ((measures >> column / 2 & 1u) == 0) {
            continue;
        }
        for (uint32_t i = 0; i < tree->count; i++) {
            totals[i] = tree->columns[column][i];
        }
        for (uint32_t i = tree->count; i-- > 1;) {
            totals[i - tree->up[i]] += totals[i];
        }
        // blocks only decide between nodes without bytes: they weigh a millionth
        double whole = totals[0] == 0 ? 1 : (double)totals[0] * (column % 2 == 0 ? 1 : 1e6);
        for (uint32_t i = 0; i < tree->count; i++) {
            double share = (double)totals[i] / whole;
            ret_sizes[i].share = share > ret_sizes[i].share ? share : ret_sizes[i].share;
        }
    }
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
                 unsigned measures, struct pk_tree *ret_tree) {
    if (tree->count <= limit) {
        *ret_tree = *tree;
        return 0;
    }
    struct pk_pool scratch = {0};
    uint32_t count = tree->count;
    struct size *sizes = pk_pool_array(&scratch, count, sizeof(*sizes));
    uint64_t *totals = pk_pool_array(&scratch, count, sizeof(*totals));
    uint32_t *rank = pk_pool_array(&scratch, count, sizeof(*rank));
    uint32_t *last_child =
        pk_pool_array(&scratch, count, sizeof(*last_child)); // later: each node's new index
    uint32_t *leaf = pk_pool_array(&scratch, count, sizeof(*leaf));
    int32_t *change = pk_pool_array(&scratch, (size_t)count + 2, sizeof(*change));
    uint32_t *parents = pk_pool_array(&scratch, limit, sizeof(*parents));
    int32_t *frames = pk_pool_array(&scratch, limit, sizeof(*frames));
    uint64_t *columns[PK_ALL_COLUMNS];
    for (unsigned column = 0; column < PK_ALL_COLUMNS; column++) {
        columns[column] = pk_pool_array(&scratch, limit, sizeof(uint64_t));
    }
    if (scratch.failed) {
        pk_pool_free(&scratch);
        return -ENOMEM;
    }
    // A caller is never smaller than its callee, and before it in preorder: the largest are closed
    // under "caller of".
    measure_nodes(tree, measures, totals, sizes);
    qsort(sizes, count, sizeof(*sizes), compare_sizes);
    for (uint32_t i = 0; i < count; i++) {
        rank[sizes[i].node] = i;
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
        for (unsigned column = 0; column < PK_ALL_COLUMNS; column++) {
            columns[column][target] += tree->columns[column][i];
        }
    }
    const struct pk_tree_input input = {
        .count = used, .parents = parents, .frames = frames, .columns = columns};
    int r = pk_tree_order(pool, &input, ret_tree);
    pk_pool_free(&scratch);
    return r;
}
