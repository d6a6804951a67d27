/* SPDX-License-Identifier: Apache-2.0
 * See stacks.h. All three hash tables are open addressing over memory from the arena, doubled when
 * half full. */
#include "ledger/stacks.h"

#include <errno.h>
#include <string.h>

#include "base/check.h"

#define NODE_BITS (PK_MAX_NODES - 1)
#define FIRST_NODES 2048u
#define FIRST_NAMES 1024u
#define FIRST_BUCKETS 1024u

static uint32_t mix(uint64_t value) {
    value ^= value >> 32;
    value *= 0xd6e8feb86659fd93u;
    value ^= value >> 32;
    return (uint32_t)value;
}

static uint32_t hash_bytes(const char *text, uint32_t bytes) {
    uint64_t hash = 0xcbf29ce484222325u; // FNV-1a
    for (uint32_t i = 0; i < bytes; i++) {
        hash = (hash ^ (unsigned char)text[i]) * 0x100000001b3u;
    }
    return mix(hash);
}

static const struct pk_function *functions_of(const struct pk_stacks *stacks) {
    return (const struct pk_function *)(const void *)stacks->functions->base;
}

// Sixteen neighbouring lines of one function below one parent have their slots side by side, in one
// cache line: code runs from line to line. The line's own bits go into the bits kept beside a
// node's number, too.
static uint32_t hash_ident(uint32_t parent, uint32_t function, uint32_t line) {
    uint64_t group = line >> 4;
    uint32_t hash =
        mix(((uint64_t)parent << 40) ^ ((uint64_t)function << 20) ^ group ^ (group << 44));
    return ((hash & ~15u) | ((hash + line) & 15u)) ^ line << 24;
}

static uint32_t string_bytes(const struct pk_stacks *stacks, uint32_t offset) {
    uint32_t bytes;
    memcpy(&bytes, stacks->strings->base + offset, sizeof bytes);
    return bytes;
}

// ---- growing the tables of u32 ------------------------------------------------------------------

enum slot_kind {
    SLOT_NODES,
    SLOT_NAMES,
    SLOT_BUCKETS
};

static uint32_t slot_hash(const struct pk_stacks *stacks, enum slot_kind kind, uint32_t value) {
    switch (kind) {
    case SLOT_NODES: {
        const struct pk_node_ident *ident = pk_stacks_ident(stacks, value & NODE_BITS);
        return hash_ident(ident->parent, ident->function, ident->line);
    }
    case SLOT_NAMES:
        return hash_bytes(stacks->strings->base + value + 4, string_bytes(stacks, value));
    case SLOT_BUCKETS:
        break;
    }
    return functions_of(stacks)[value - 1].hash;
}

// Doubles the table when it is half full. False: no memory and no slot left.
static bool make_room(struct pk_stacks *stacks, enum slot_kind kind, uint32_t **table,
                      uint32_t *mask, uint32_t count) {
    if (PK_LIKELY(count * 2 <= *mask)) {
        return true;
    }
    uint32_t capacity = *mask + 1;
    uint32_t *fresh = pk_arena_alloc(stacks->arena, (size_t)capacity * 2 * sizeof *fresh);
    if (fresh == NULL) {
        return count + 1 < capacity;
    }
    uint32_t fresh_mask = capacity * 2 - 1;
    for (uint32_t i = 0; i < capacity; i++) {
        if ((*table)[i] != 0) {
            uint32_t at = slot_hash(stacks, kind, (*table)[i]) & fresh_mask;
            while (fresh[at] != 0) {
                at = (at + 1) & fresh_mask;
            }
            fresh[at] = (*table)[i];
        }
    }
    pk_arena_free(stacks->arena, *table, (size_t)capacity * sizeof **table);
    *table = fresh;
    *mask = fresh_mask;
    return true;
}

// ---- strings and functions ----------------------------------------------------------------------

static bool string_is(const struct pk_stacks *stacks, uint32_t offset, const char *text,
                      uint32_t bytes) {
    return string_bytes(stacks, offset) == bytes &&
           memcmp(stacks->strings->base + offset + 4, text, bytes) == 0;
}

// The slot that names the string, or the empty one where it belongs.
static uint32_t find_name(const struct pk_stacks *stacks, const char *text, uint32_t bytes) {
    uint32_t at = hash_bytes(text, bytes) & stacks->name_mask;
    while (stacks->names[at] != 0 && !string_is(stacks, stacks->names[at], text, bytes)) {
        at = (at + 1) & stacks->name_mask;
    }
    return at;
}

PK_COLD uint32_t pk_stacks_string(struct pk_stacks *stacks, const char *text, uint32_t bytes) {
    if (bytes == 0) {
        return 0;
    }
    uint32_t at = find_name(stacks, text, bytes);
    if (stacks->names[at] != 0) {
        return stacks->names[at];
    }
    if (!make_room(stacks, SLOT_NAMES, &stacks->names, &stacks->name_mask, stacks->name_count)) {
        return 0;
    }
    at = find_name(stacks, text, bytes);
    uint64_t room = 4 + ((uint64_t)bytes + 1 + 3) / 4 * 4;
    struct pk_store *strings = stacks->strings;
    if (strings->used + room > UINT32_MAX || pk_store_reserve(strings, room) < 0) {
        return 0;
    }
    uint32_t offset = (uint32_t)strings->used;
    memcpy(strings->base + offset, &bytes, sizeof bytes);
    memcpy(strings->base + offset + 4, text, bytes);
    memset(strings->base + offset + 4 + bytes, 0, room - 4 - bytes);
    strings->used += room;
    stacks->names[at] = offset;
    stacks->name_count++;
    return offset;
}

static bool function_is(const struct pk_stacks *stacks, const struct pk_function *function,
                        const struct pk_function_key *key) {
    return function->hash == key->hash && function->kind == key->kind &&
           function->first_line == key->first_line &&
           string_is(stacks, function->name, key->name, key->name_bytes) &&
           string_is(stacks, function->qualname, key->qualname, key->qualname_bytes) &&
           string_is(stacks, function->file, key->file, key->file_bytes);
}

// The slot that names the function, or the empty one where it belongs.
static uint32_t find_bucket(const struct pk_stacks *stacks, const struct pk_function_key *key) {
    uint32_t at = key->hash & stacks->bucket_mask;
    while (stacks->buckets[at] != 0 &&
           !function_is(stacks, &functions_of(stacks)[stacks->buckets[at] - 1], key)) {
        at = (at + 1) & stacks->bucket_mask;
    }
    return at;
}

PK_COLD int64_t pk_stacks_function(struct pk_stacks *stacks, const struct pk_function_key *key) {
    uint32_t at = find_bucket(stacks, key);
    if (stacks->buckets[at] != 0) {
        return stacks->buckets[at] - 1;
    }
    if (stacks->function_count == PK_MAX_FUNCTIONS ||
        pk_store_reserve(stacks->functions, sizeof(struct pk_function)) < 0 ||
        !make_room(stacks, SLOT_BUCKETS, &stacks->buckets, &stacks->bucket_mask,
                   stacks->function_count)) {
        return -1;
    }
    at = find_bucket(stacks, key);
    struct pk_function function = {
        .name = pk_stacks_string(stacks, key->name, key->name_bytes),
        .qualname = pk_stacks_string(stacks, key->qualname, key->qualname_bytes),
        .file = pk_stacks_string(stacks, key->file, key->file_bytes),
        .first_line = key->first_line,
        .kind = key->kind,
        .hash = key->hash,
    };
    memcpy(stacks->functions->base + stacks->functions->used, &function, sizeof function);
    stacks->functions->used += sizeof function;
    stacks->buckets[at] = ++stacks->function_count;
    return stacks->function_count - 1;
}

// ---- nodes --------------------------------------------------------------------------------------

// The nodes nearest to the root hold what a person looks for: the lines of the program itself,
// mostly. Recursion and imports make hundreds of thousands further out (pylint on ten lines:
// 600,000), which shall not take the last places.
static bool keep_place(struct pk_stacks *stacks, uint32_t parent, uint32_t function) {
    uint64_t most = stacks->counters->limit / sizeof(struct pk_node_counters);
    if (most > PK_MAX_NODES - stacks->first) {
        most = PK_MAX_NODES - stacks->first;
    }
    uint64_t used = stacks->node_count - stacks->first;
    if (PK_LIKELY(used < most - most / 8) || most == 0 ||
        functions_of(stacks)[function].kind != PK_FUNCTION_PYTHON) {
        return false;
    }
    uint32_t levels = used < most - most / 32 ? 32 : 8;
    while (levels > 0 && parent > PK_NODE_ROOT) {
        parent = pk_stacks_ident(stacks, stacks->first + parent)->parent;
        levels--;
    }
    stacks->is_crowded |= levels == 0;
    return levels == 0;
}

static uint32_t append_node(struct pk_stacks *stacks, struct pk_node_ident ident) {
    if (stacks->node_count >= PK_MAX_NODES ||
        pk_store_reserve(stacks->counters, sizeof(struct pk_node_counters)) < 0 ||
        pk_store_reserve(stacks->idents, sizeof(struct pk_node_ident)) < 0) {
        return 0;
    }
    // The counters are zero as they are: a store's bytes beyond what is used always are.
    memcpy(stacks->idents->base + stacks->idents->used, &ident, sizeof ident);
    stacks->idents->used += sizeof ident;
    stacks->counters->used += sizeof(struct pk_node_counters);
    return stacks->node_count++;
}

// The slot that names the node, or the empty one where it belongs. Bits of the hash beside the
// node's number spare nearly all looks at identities that turn out to be others.
static uint32_t find_node(const struct pk_stacks *stacks, uint32_t hash, uint32_t parent,
                          uint32_t function, uint32_t line) {
    uint32_t at = hash & stacks->node_mask;
    for (; stacks->nodes[at] != 0; at = (at + 1) & stacks->node_mask) {
        if ((stacks->nodes[at] ^ hash) >= PK_MAX_NODES) {
            continue;
        }
        const struct pk_node_ident *ident = pk_stacks_ident(stacks, stacks->nodes[at] & NODE_BITS);
        if (ident->parent == parent && ident->function == function && ident->line == line) {
            break;
        }
    }
    return at;
}

PK_NOINLINE uint32_t pk_stacks_child(struct pk_stacks *stacks, uint32_t parent, uint32_t function,
                                     uint32_t line, uint32_t span) {
    PK_ASSERT(parent >= stacks->root && parent < stacks->node_count);
    parent -= stacks->first;
    uint32_t hash = hash_ident(parent, function, line);
    uint32_t at = find_node(stacks, hash, parent, function, line);
    if (stacks->nodes[at] != 0) {
        uint32_t known = stacks->nodes[at] & NODE_BITS;
        struct pk_node_ident *ident = (struct pk_node_ident *)pk_stacks_ident(stacks, known);
        if (PK_UNLIKELY(ident->span != span)) {
            ident->span = pk_span_join(ident->span, span);
        }
        return known;
    }
    if (keep_place(stacks, parent, function) ||
        !make_room(stacks, SLOT_NODES, &stacks->nodes, &stacks->node_mask,
                   stacks->node_count - stacks->first)) {
        return 0;
    }
    at = find_node(stacks, hash, parent, function, line);
    uint32_t node = append_node(stacks, (struct pk_node_ident){parent, function, line, span});
    stacks->nodes[at] = node == 0 ? 0 : (hash & ~NODE_BITS) | node;
    return node;
}

static int begin(struct pk_stacks *stacks) {
    struct pk_arena *arena = stacks->arena;
    stacks->nodes = pk_arena_alloc(arena, FIRST_NODES * sizeof *stacks->nodes);
    stacks->names = pk_arena_alloc(arena, FIRST_NAMES * sizeof *stacks->names);
    stacks->buckets = pk_arena_alloc(arena, FIRST_BUCKETS * sizeof *stacks->buckets);
    if (stacks->nodes == NULL || stacks->names == NULL || stacks->buckets == NULL) {
        return -ENOMEM;
    }
    stacks->node_mask = FIRST_NODES - 1;
    stacks->name_mask = FIRST_NAMES - 1;
    stacks->bucket_mask = FIRST_BUCKETS - 1;
    stacks->name_count = 0;
    stacks->function_count = 0;
    stacks->is_crowded = false;
    stacks->root = stacks->first + PK_NODE_ROOT;
    stacks->counters_at =
        (uintptr_t)stacks->counters->base - stacks->first * sizeof(struct pk_node_counters);
    stacks->idents_at =
        (uintptr_t)stacks->idents->base - stacks->first * sizeof(struct pk_node_ident);
    int result = pk_store_reserve(stacks->strings, 8);
    if (result < 0) {
        return result;
    }
    memset(stacks->strings->base, 0, 8); // string 0: ""
    stacks->strings->used = 8;
    if (stacks->node_count > PK_MAX_NODES - 2) {
        return -ENOMEM;
    }
    (void)append_node(stacks, (struct pk_node_ident){0}); // no stack
    uint32_t root = append_node(stacks, (struct pk_node_ident){0});
    return root == stacks->root ? 0 : -ENOMEM;
}

int pk_stacks_init(struct pk_stacks *stacks, struct pk_arena *arena, struct pk_store *counters,
                   struct pk_store *idents, struct pk_store *functions, struct pk_store *strings) {
    *stacks = (struct pk_stacks){.arena = arena,
                                 .counters = counters,
                                 .idents = idents,
                                 .functions = functions,
                                 .strings = strings};
    return begin(stacks);
}

int pk_stacks_restart(struct pk_stacks *stacks) {
    struct pk_arena *arena = stacks->arena;
    pk_arena_free(arena, stacks->nodes, ((size_t)stacks->node_mask + 1) * sizeof *stacks->nodes);
    pk_arena_free(arena, stacks->names, ((size_t)stacks->name_mask + 1) * sizeof *stacks->names);
    pk_arena_free(arena, stacks->buckets,
                  ((size_t)stacks->bucket_mask + 1) * sizeof *stacks->buckets);
    stacks->first = stacks->node_count;
    return begin(stacks);
}
