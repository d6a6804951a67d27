/* SPDX-License-Identifier: Apache-2.0
 * See maps.h. Two tree operations do all the work: split_tree (by address) and join_trees. A change
 * splits the tree into what lies before, inside and behind its range, works on the inside, and
 * joins them again. */
#include "ledger/maps.h"

#include <errno.h>
#include <stddef.h>

#include "base/attr.h"
#include "base/check.h"

struct pk_map_node {
    struct pk_map map;
    struct pk_map_node *left, *right;
    uint64_t priority; /* no child's is higher */
};

// ---- nodes --------------------------------------------------------------------------------------

// xorshift64: the same events always build the same tree.
static uint64_t next_random(struct pk_maps *maps) {
    maps->random ^= maps->random << 13;
    maps->random ^= maps->random >> 7;
    maps->random ^= maps->random << 17;
    return maps->random;
}

// A node set aside earlier: the caller has reserved.
static struct pk_map_node *take_node(struct pk_maps *maps, struct pk_map map) {
    struct pk_map_node *node = maps->spare;
    PK_ASSERT(node != NULL);
    maps->spare = node->right;
    maps->spare_count--;
    *node = (struct pk_map_node){.map = map, .priority = next_random(maps)};
    maps->count++;
    return node;
}

static void drop_node(struct pk_maps *maps, struct pk_map_node *node) {
    maps->count--;
    if (maps->spare_count < PK_MAPS_RESERVE_MAX) {
        node->right = maps->spare;
        maps->spare = node;
        maps->spare_count++;
        return;
    }
    pk_arena_free(maps->arena, node, sizeof *node);
}

void pk_maps_init(struct pk_maps *maps, struct pk_arena *arena) {
    *maps = (struct pk_maps){.arena = arena, .random = 0x9e3779b97f4a7c15u};
}

int pk_maps_reserve(struct pk_maps *maps, uint32_t nodes) {
    PK_ASSERT(nodes <= PK_MAPS_RESERVE_MAX);
    while (maps->spare_count < nodes) {
        struct pk_map_node *node = pk_arena_alloc(maps->arena, sizeof *node);
        if (node == NULL) {
            return -ENOMEM;
        }
        node->right = maps->spare;
        maps->spare = node;
        maps->spare_count++;
    }
    return 0;
}

// ---- trees --------------------------------------------------------------------------------------

// Ranges that start before `at` go left, the others right.
static void split_tree(struct pk_map_node *tree, uint64_t at, struct pk_map_node **ret_left,
                       struct pk_map_node **ret_right) {
    while (tree != NULL) {
        if (tree->map.start < at) {
            *ret_left = tree;
            ret_left = &tree->right;
            tree = tree->right;
        } else {
            *ret_right = tree;
            ret_right = &tree->left;
            tree = tree->left;
        }
    }
    *ret_left = NULL;
    *ret_right = NULL;
}

// All of `left` lies before all of `right`.
static struct pk_map_node *join_trees(struct pk_map_node *left, struct pk_map_node *right) {
    struct pk_map_node *tree = NULL;
    struct pk_map_node **at = &tree;
    while (left != NULL && right != NULL) {
        if (left->priority >= right->priority) {
            *at = left;
            at = &left->right;
            left = left->right;
        } else {
            *at = right;
            at = &right->left;
            right = right->left;
        }
    }
    *at = left != NULL ? left : right;
    return tree;
}

static struct pk_map_node *last_of(struct pk_map_node *tree) {
    while (tree != NULL && tree->right != NULL) {
        tree = tree->right;
    }
    return tree;
}

// Takes the lowest range out of the tree; NULL when it is empty.
static struct pk_map_node *pop_first(struct pk_map_node **tree) {
    if (*tree == NULL) {
        return NULL;
    }
    while ((*tree)->left != NULL) {
        tree = &(*tree)->left;
    }
    struct pk_map_node *node = *tree;
    *tree = node->right;
    node->right = NULL;
    return node;
}

// The last range that starts at or before `address`.
static struct pk_map_node *find_at_or_before(const struct pk_maps *maps, uint64_t address) {
    struct pk_map_node *best = NULL;
    for (struct pk_map_node *node = maps->root; node != NULL;) {
        if (node->map.start <= address) {
            best = node;
            node = node->right;
        } else {
            node = node->left;
        }
    }
    return best;
}

// The first range that starts at or after `address`.
static struct pk_map_node *find_at_or_after(const struct pk_maps *maps, uint64_t address) {
    struct pk_map_node *best = NULL;
    for (struct pk_map_node *node = maps->root; node != NULL;) {
        if (node->map.start >= address) {
            best = node;
            node = node->left;
        } else {
            node = node->right;
        }
    }
    return best;
}

static bool crosses(const struct pk_maps *maps, uint64_t address) {
    const struct pk_map_node *node = find_at_or_before(maps, address);
    return node != NULL && node->map.start < address && address < node->map.end;
}

// Makes `address` an edge: a range that reaches over it becomes two. Takes one node at most.
static void make_edge(struct pk_maps *maps, uint64_t address) {
    struct pk_map_node *node = find_at_or_before(maps, address);
    if (node == NULL || node->map.start == address || node->map.end <= address) {
        return;
    }
    struct pk_map behind = node->map;
    behind.start = address;
    behind.start_of_map = false;
    node->map.end = address;
    struct pk_map_node *left;
    struct pk_map_node *right;
    split_tree(maps->root, address, &left, &right);
    maps->root = join_trees(join_trees(left, take_node(maps, behind)), right);
}

// Sets aside what make_edge() will need at both ends of [start, end).
static int reserve_edges(struct pk_maps *maps, uint64_t start, uint64_t end) {
    return pk_maps_reserve(maps, (crosses(maps, start) ? 1u : 0u) + (crosses(maps, end) ? 1u : 0u));
}

// From now on no map goes over either end of [start, end).
static int make_edges(struct pk_maps *maps, uint64_t start, uint64_t end) {
    int result = reserve_edges(maps, start, end);
    if (result == 0) {
        make_edge(maps, start);
        make_edge(maps, end);
    }
    return result;
}

// ---- changes ------------------------------------------------------------------------------------

int pk_maps_add(struct pk_maps *maps, struct pk_map map) {
    if (map.start >= map.end) {
        return 0;
    }
    int result = pk_maps_reserve(maps, 1);
    if (result < 0) {
        return result;
    }
    struct pk_map_node *left;
    struct pk_map_node *right;
    split_tree(maps->root, map.start, &left, &right);
    maps->root = join_trees(join_trees(left, take_node(maps, map)), right);
    return 0;
}

// `piece` of `map`, as a visitor sees it: only the part with the old start is the start of the map.
static struct pk_map piece_of(const struct pk_map *map, uint64_t start, uint64_t end) {
    struct pk_map piece = *map;
    piece.start_of_map = map->start_of_map && start == map->start;
    piece.start = start;
    piece.end = end;
    return piece;
}

int pk_maps_cut(struct pk_maps *maps, uint64_t start, uint64_t end, pk_map_visitor gone,
                void *context) {
    if (start >= end) {
        return 0;
    }
    // Only a hole inside one range makes more ranges than there were.
    struct pk_map_node *before = find_at_or_before(maps, start);
    if (before != NULL && before->map.start < start && before->map.end > end) {
        int result = pk_maps_reserve(maps, 1);
        if (result < 0) {
            return result;
        }
        make_edge(maps, end);
    }
    struct pk_map_node *left;
    struct pk_map_node *inside;
    struct pk_map_node *right;
    split_tree(maps->root, start, &left, &inside);
    split_tree(inside, end, &inside, &right);

    struct pk_map_node *over_start = last_of(left);
    if (over_start != NULL && over_start->map.end > start) {
        struct pk_map piece = piece_of(&over_start->map, start, over_start->map.end);
        over_start->map.end = start;
        if (gone != NULL) {
            gone(context, &piece);
        }
    }
    struct pk_map_node *node;
    while ((node = pop_first(&inside)) != NULL) {
        bool over_end = node->map.end > end;
        struct pk_map piece = piece_of(&node->map, node->map.start, over_end ? end : node->map.end);
        if (over_end) {
            node->map = piece_of(&node->map, end, node->map.end);
            right = join_trees(node, right);
        } else {
            drop_node(maps, node);
        }
        if (gone != NULL) {
            gone(context, &piece);
        }
    }
    maps->root = join_trees(left, right);
    return 0;
}

int pk_maps_protect(struct pk_maps *maps, uint64_t start, uint64_t end, bool usable,
                    pk_map_visitor changed, void *context) {
    if (start >= end) {
        return 0;
    }
    int result = make_edges(maps, start, end);
    if (result < 0) {
        return result;
    }
    struct pk_map_node *node = find_at_or_after(maps, start);
    while (node != NULL && node->map.start < end) {
        if (node->map.usable != usable) {
            node->map.usable = usable;
            if (changed != NULL) {
                changed(context, &node->map);
            }
        }
        node = find_at_or_after(maps, node->map.end);
    }
    return 0;
}

int pk_maps_move(struct pk_maps *maps, uint64_t start, uint64_t end, uint64_t to) {
    if (start >= end || to == start) {
        return 0;
    }
    int result = make_edges(maps, start, end);
    if (result < 0) {
        return result;
    }
    struct pk_map_node *left;
    struct pk_map_node *inside;
    struct pk_map_node *right;
    split_tree(maps->root, start, &left, &inside);
    split_tree(inside, end, &inside, &right);
    struct pk_map_node *moved = NULL;
    struct pk_map_node *node;
    while ((node = pop_first(&inside)) != NULL) {
        node->map.start = node->map.start - start + to;
        node->map.end = node->map.end - start + to;
        moved = join_trees(moved, node);
    }
    split_tree(join_trees(left, right), to, &left, &right);
    maps->root = join_trees(join_trees(left, moved), right);
    return 0;
}

bool pk_maps_extend(struct pk_maps *maps, uint64_t end, uint64_t new_end, struct pk_map *ret_map) {
    struct pk_map_node *node = end == 0 ? NULL : find_at_or_before(maps, end - 1);
    if (node == NULL || node->map.end != end || new_end < end) {
        return false;
    }
    node->map.end = new_end;
    *ret_map = node->map;
    return true;
}

// ---- questions ----------------------------------------------------------------------------------

bool pk_maps_find(const struct pk_maps *maps, uint64_t address, struct pk_map *ret_map) {
    const struct pk_map_node *node = find_at_or_before(maps, address);
    if (node == NULL || address >= node->map.end) {
        return false;
    }
    *ret_map = node->map;
    return true;
}

void pk_maps_each(const struct pk_maps *maps, pk_map_visitor visit, void *context) {
    const struct pk_map_node *node = find_at_or_after(maps, 0);
    while (node != NULL) {
        visit(context, &node->map);
        node = find_at_or_after(maps, node->map.end);
    }
}

// No priority below `node` is higher than its own, and every range there is reachable by its
// address.
static bool node_is_valid(const struct pk_maps *maps, const struct pk_map_node *node) {
    return node->map.start < node->map.end && find_at_or_before(maps, node->map.start) == node &&
           (node->left == NULL || node->left->priority <= node->priority) &&
           (node->right == NULL || node->right->priority <= node->priority);
}

bool pk_maps_is_valid(const struct pk_maps *maps) {
    uint64_t seen = 0;
    uint64_t end = 0;
    const struct pk_map_node *node = find_at_or_after(maps, 0);
    while (node != NULL) {
        // A count that is passed also ends a walk that some mistake has made endless.
        if (!node_is_valid(maps, node) || node->map.start < end || ++seen > maps->count) {
            return false;
        }
        end = node->map.end;
        node = find_at_or_after(maps, end);
    }
    uint32_t spares = 0;
    for (node = maps->spare; node != NULL && spares <= maps->spare_count; node = node->right) {
        spares++;
    }
    return seen == maps->count && spares == maps->spare_count;
}
