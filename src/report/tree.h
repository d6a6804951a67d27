/* SPDX-License-Identifier: Apache-2.0
 * A tree of stacks as columns in preorder: what the page, the JSON and the folded output walk.
 * May use pool.h. Must stay true: nothing here recurses (recursion in the profiled program can be
 * 20,000 deep); nothing is lost on the way: each column adds up to what came in. */
#pragma once

#include <stdint.h>

#include "report/pool.h"

#define PK_FRAME_ROOT (-1)   /* the root: no frame */
#define PK_FRAME_FOLDED (-2) /* a leaf: smaller stacks folded together */

/* What a stack holds itself, without callees: three measures, each in bytes and in blocks. */
enum pk_column {
    PK_PEAK_BYTES = 0, /* at the peak of the process tree */
    PK_PEAK_BLOCKS = 1,
    PK_END_BYTES = 2, /* still live when the process's record ended */
    PK_END_BLOCKS = 3,
    PK_ALLOC_BYTES = 4, /* allocated over the whole run; what is not in END was temporary */
    PK_ALLOC_BLOCKS = 5,
    PK_COLUMNS = 6,
};

/* Of each of them, the parts that are of a kind of memory; the rest came from Python's own
 * allocators. The part of kind k in column c stands in column pk_kind_column(k, c). */
enum pk_memory_kind {
    PK_MEMORY_HEAP = 0, /* the C allocation functions */
    PK_MEMORY_MAP = 1,  /* memory maps */
    PK_MEMORY_KINDS = 2,
};
#define PK_ALL_COLUMNS (PK_COLUMNS * (1 + PK_MEMORY_KINDS))

static inline unsigned pk_kind_column(unsigned kind, unsigned column) {
    return PK_COLUMNS * (1 + kind) + column;
}

/* One bit a measure, to choose by. */
#define PK_BY_PEAK 1u
#define PK_BY_END 2u
#define PK_BY_ALLOC 4u

struct pk_tree {
    uint32_t count;
    uint32_t *up;    /* own index minus parent's; 0 for the root, node 0 */
    int32_t *frames; /* index into the view's frames, or one of the two above */
    union {
        uint64_t *columns[PK_ALL_COLUMNS];
        struct { /* the same by name, in the order of enum pk_column */
            uint64_t *bytes, *blocks;
            uint64_t *end_bytes, *end_blocks;
            uint64_t *alloc_bytes, *alloc_blocks;
        };
    };
};

/* The same tree in any order in which parents come before their children; node 0 is the root. */
struct pk_tree_input {
    uint32_t count;
    const uint32_t *parents;
    const int32_t *frames;
    uint64_t *const *columns; /* PK_ALL_COLUMNS of them */
};

/* Put it in preorder: children with the largest total at the peak first (then by blocks, then by
 * what they allocated), subtrees without anything left out (the root stays). The tree's columns
 * come from `pool`. Returns 0 or -ENOMEM. */
int pk_tree_order(struct pk_pool *pool, const struct pk_tree_input *input,
                  struct pk_tree *ret_tree);

/* At most `limit` (>= 2) nodes: those stay that are the largest by the best of the `measures`
 * (PK_BY_*), each seen as a share of its own total; what is below them is added up in one folded
 * leaf for each node that loses children. A small tree is copied as it is (its columns are shared).
 * Returns 0 or -ENOMEM. */
int pk_tree_fold(struct pk_pool *pool, const struct pk_tree *tree, uint32_t limit,
                 unsigned measures, struct pk_tree *ret_tree);
