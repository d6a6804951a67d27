/* SPDX-License-Identifier: Apache-2.0
 * Stacks as a prefix tree: a node is (parent, function, line). Equal stacks are one node, whatever
 * objects the interpreter used for them.
 *
 * Functions are interned by content (name, file, first line, hash over the rest), so code that is
 * compiled again and again stays one function, and nothing here ever goes stale.
 *
 * Not thread-safe: guarded by the ledger's lock. Tables only grow; when one cannot, the call says
 * so (0) and the caller charges the parent instead. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attr.h"
#include "ledger/node.h"
#include "ledger/store.h"

#define PK_MAX_FUNCTIONS (1u << 20)

/* Nodes are numbered from `first` on: 0, but in a forked process the numbers go on behind those of
 * its parent, whose blocks it still has in its index and so can tell from its own. In the stores,
 * and in what the stores say of other nodes (parents, starters of threads), the numbers begin at 0
 * in every process. */
struct pk_stacks {
    struct pk_arena *arena;
    struct pk_store *counters; /* the counters of node `first` + i ... */
    struct pk_store *idents;   /* ... and the identity */
    uint32_t first;
    uint32_t root; /* `first` + PK_NODE_ROOT: parent of every outermost frame */
    /* where the counters of a node 0 would stand, and its identity: so `first` costs nothing */
    uintptr_t counters_at;
    uintptr_t idents_at;
    struct pk_store *functions;
    struct pk_store *strings;
    /* hash of identities -> 12 bits of the hash, 20 of the node; open addressing; 0: empty */
    uint32_t *nodes;
    uint32_t *names;   /* hash of strings -> offset, open addressing; 0: empty */
    uint32_t *buckets; /* hash of functions -> index + 1, open addressing; 0: empty */
    uint32_t node_mask, name_mask, bucket_mask; /* capacity - 1 */
    uint32_t name_count;
    /* end of the numbers: `first` + nodes, the one that is no stack included */
    uint32_t node_count;
    uint32_t function_count;
    bool is_crowded; /* a stack was refused: the last places are for shorter ones */
};

/* What makes two code objects the same function. Text is UTF-8, not NUL-terminated. */
struct pk_function_key {
    const char *name, *qualname, *file;
    uint32_t name_bytes, qualname_bytes, file_bytes;
    uint32_t first_line;
    uint32_t hash; /* over all of the above and the line table */
    uint32_t kind; /* enum pk_function_kind */
};

/* Stores and arena must outlive the stacks; all start empty. Makes node 0, the root and string 0.
 * 0 or -ENOMEM / the store's error. */
int pk_stacks_init(struct pk_stacks *stacks, struct pk_arena *arena, struct pk_store *counters,
                   struct pk_store *idents, struct pk_store *functions, struct pk_store *strings);
/* In a forked process: begins anew in the same stores, which are empty again, with numbers behind
 * all that were given out. 0, or -ENOMEM / the store's error: nothing can be looked up any more. */
int pk_stacks_restart(struct pk_stacks *stacks);

PK_INLINE struct pk_node_counters *pk_stacks_counters(const struct pk_stacks *stacks,
                                                      uint32_t node) {
    return (struct pk_node_counters *)(stacks->counters_at +
                                       node * sizeof(struct pk_node_counters));
}

PK_INLINE const struct pk_node_ident *pk_stacks_ident(const struct pk_stacks *stacks,
                                                      uint32_t node) {
    return (const struct pk_node_ident *)(stacks->idents_at + node * sizeof(struct pk_node_ident));
}

/* The node (parent, function, line), made if new. Its span becomes the smallest that has `span` (or
 * PK_SPAN_NONE), too. 0: the tables cannot grow. */
uint32_t pk_stacks_child(struct pk_stacks *stacks, uint32_t parent, uint32_t function,
                         uint32_t line, uint32_t span);
/* Index of the function, made if new; -1 when the tables cannot grow. */
int64_t pk_stacks_function(struct pk_stacks *stacks, const struct pk_function_key *key);
/* Offset of the string in `strings`, made if new; 0 (the empty string) when the tables cannot
 * grow. */
uint32_t pk_stacks_string(struct pk_stacks *stacks, const char *text, uint32_t bytes);
