/* SPDX-License-Identifier: Apache-2.0
 * The entries of the ledger's tables, as they stand in memory and in the ledger file
 * (record/format.h).
 *
 * A node is one stack: its identity (who called whom, at which line) and its counters (what it
 * holds). May use nothing. Must stay true: the sizes are part of the file format. */
#pragma once

#include <stdint.h>

/* Stack ids are 20 bits wide in the block index (ledger/blocks.h): the hard limit of a ledger. */
#define PK_MAX_NODES (1u << 20)

/* Node 0 means "no stack" and is never charged. Node 1 is the root: parent of every outermost
 * frame; bytes charged to node 1 itself have no stack at all. A parent's index is always smaller
 * than its child's. */
#define PK_NODE_NONE 0u
#define PK_NODE_ROOT 1u

/* What one stack (node) holds. One cache line, updated in place by the profiled process.
 * live = allocated - freed. Share of the process's peak = `epoch == header.epoch ? peak : live`
 * (docs/architecture.md explains why: the exact peak in O(1)). */
struct pk_node_counters {
    uint64_t alloc_bytes; /* requested bytes, over the whole run */
    uint64_t alloc_blocks;
    uint64_t free_bytes;
    uint64_t free_blocks;
    uint64_t peak_bytes; /* live bytes when `epoch` was current and this node changed first */
    uint32_t peak_blocks;
    uint32_t epoch;      /* 0: never captured */
    uint64_t tree_bytes; /* the same three for the peak of the whole process tree */
    uint32_t tree_blocks;
    uint32_t tree_epoch;
};

/* Who the stack is: this function, at this line, called from `parent`. */
struct pk_node_ident {
    uint32_t parent;
    uint32_t function; /* index into functions */
    uint32_t line;     /* 1-based; 0: the interpreter knows no line there */
    uint32_t span;     /* the part of the line that all of this came from; PK_SPAN_NONE */
};

/* A part of a line: its first column, and in the upper half the column behind it, in bytes of
 * UTF-8. An end of PK_SPAN_LINE_END: to the end of the line, and perhaps further. */
#define PK_SPAN_NONE 0u
#define PK_SPAN_LINE_END 0xffffu

static inline uint32_t pk_span(uint32_t column, uint32_t end) {
    return column < end && end <= PK_SPAN_LINE_END ? end << 16 | column : PK_SPAN_NONE;
}

/* The smallest part with both in it; none if either is not known. */
static inline uint32_t pk_span_join(uint32_t a, uint32_t b) {
    if (a == PK_SPAN_NONE || b == PK_SPAN_NONE) {
        return PK_SPAN_NONE;
    }
    uint32_t column = (a & 0xffffu) < (b & 0xffffu) ? a & 0xffffu : b & 0xffffu;
    return column | (a >> 16 > b >> 16 ? a >> 16 : b >> 16) << 16;
}

enum pk_function_kind {
    PK_FUNCTION_PYTHON = 0,
    /* "[before Python]": interpreter start-up, library constructors */
    PK_FUNCTION_START = 1,
    /* "[native thread]": a thread that never met Python, below the line that started it */
    PK_FUNCTION_NATIVE_THREAD = 2,
    /* "[unknown Python stack]": layout unknown or self-test failed */
    PK_FUNCTION_UNKNOWN = 3,
    /* "[no Python stack]": no frame is running (finalisation, thread set-up, a C program) */
    PK_FUNCTION_NO_PYTHON = 4,
    PK_FUNCTION_DROPPED = 5, /* "[stacks not kept]": the tables could not grow */
    PK_FUNCTION_THREAD =
        6, /* "[thread]": outermost frame of a Python thread; the node's `line` is the node (stack)
                                      that started it, 0 when unknown */
    /* "[resident, sampled]": below the line that mapped memory without reserving it */
    PK_FUNCTION_SAMPLED = 7,
    /* Below a line, and never with a node below: what it holds of the kinds that are not Python's
     * own allocators. */
    PK_FUNCTION_HEAP = 8, /* "[C heap]" */
    PK_FUNCTION_MAP = 9,  /* "[map]" */
    PK_FUNCTION_KINDS = 10,
};

struct pk_function {
    uint32_t name;     /* offset into strings: co_name */
    uint32_t qualname; /* offset into strings: co_qualname (3.11+), else same as name */
    /* offset into strings: co_filename as the program has it, may be relative */
    uint32_t file;
    uint32_t first_line;
    uint32_t kind; /* enum pk_function_kind */
    /* of all that makes two code objects the same function; writer's own use */
    uint32_t hash;
    uint32_t next; /* chain of equal hash buckets; writer's own use */
    uint32_t reserved;
};

/* The largest single block of one node, among those above PK_LARGE_LEAST bytes; see
 * ledger/large.h. */
#define PK_LARGE_LEAST 1024u
/* in `peak` and `tree`: none was larger, but all may have been smaller */
#define PK_LARGE_AT_MOST (UINT64_C(1) << 63)

struct pk_large {
    uint32_t node;
    uint32_t count;      /* such blocks held now */
    uint64_t bytes;      /* ... and their bytes */
    uint64_t most;       /* none of them is larger */
    uint32_t most_count; /* how many are as large; 0: not known, perhaps none */
    uint32_t epoch;
    /* the largest when `epoch` was current and this entry changed first; 0: none */
    uint64_t peak;
    uint64_t tree; /* the same for the peak of the process tree */
    uint32_t tree_epoch;
    uint32_t reserved[3];
};

/* The account of one process. `live total` and what the peak looked like; see ledger/account.h. */
#define PK_ACCOUNT_FIELDS \
    uint64_t total_bytes; /* live now, requested bytes: blocks and counted maps */ \
    uint64_t peak_bytes;  /* highest total_bytes ever */ \
    uint32_t epoch;       /* of the peak; starts at 1 */ \
    uint32_t captured;    /* 1: some node was captured in this epoch */ \
    uint64_t total_blocks; \
    uint64_t peak_blocks; \
    uint64_t peak_mono_ns; /* when the peak ended (coarse clock); 0: it is now */ \
    uint64_t reserved_account[2];

struct pk_account {
    PK_ACCOUNT_FIELDS
};

_Static_assert(sizeof(struct pk_node_counters) == 64, "one cache line");
_Static_assert(sizeof(struct pk_node_ident) == 16, "format");
_Static_assert(sizeof(struct pk_large) == 64, "format");
_Static_assert(sizeof(struct pk_function) == 32, "format");
_Static_assert(sizeof(struct pk_account) == 64, "one cache line");
