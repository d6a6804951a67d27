/* SPDX-License-Identifier: Apache-2.0
 * A tree of stacks as columns in preorder: what the page, the JSON and the folded output walk.
 * May use pool.h. Must stay true: nothing here recurses (recursion in the profiled program can be
 * 20,000 deep); no byte and no block is lost on the way. */
#pragma once

#include <stdint.h>

#include "report/pool.h"

#define PK_FRAME_ROOT (-1)   /* the root: no frame */
#define PK_FRAME_FOLDED (-2) /* a leaf: smaller stacks folded together */

struct pk_tree {
    uint32_t count;
    uint32_t *up;    /* own index minus parent's; 0 for the root, node 0 */
    int32_t *frames; /* index into the view's frames, or one of the two above */
    uint64_t *bytes; /* own, without callees */
    uint64_t *blocks;
};

/* The same tree in any order in which parents come before their children; node 0 is the root. */
struct pk_tree_input {
    uint32_t count;
    const uint32_t *parents;
    const int32_t *frames;
    const uint64_t *bytes;
    const uint64_t *blocks;
};

/* Put it in preorder: children with the largest total first, empty subtrees left out (the root
 * stays). The tree's columns come from `pool`. Returns 0 or -ENOMEM. */
int pk_tree_order(struct pk_pool *pool, const struct pk_tree_input *input,
                  struct pk_tree *ret_tree);

/* At most `limit` (>= 2) nodes: the largest stay, what is below them is added up in one folded leaf
 * for each node that loses children. A small tree is copied as it is (its columns are shared).
 * Returns 0 or -ENOMEM. */
int pk_tree_fold(struct pk_pool *pool, const struct pk_tree *tree, uint32_t limit,
                 struct pk_tree *ret_tree);
