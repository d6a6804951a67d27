/* SPDX-License-Identifier: Apache-2.0
 * The ledger file, byte for byte; docs/ledger-format.md is its prose twin.
 *
 *   +--------------------+ 0
 *   | header             |  one page of 4096 bytes: identity, live totals, directory of extents
 *   +--------------------+ 4096
 *   | extent | extent |..|  each extent is the next stretch of one table; they follow one another
 *   +--------------------+  without gaps, in the order in which the tables grew
 *
 * A table is the concatenation of its extents in directory order. Tables only grow; data is written
 * first, then the table's count in the header. So whatever instant the process dies at, entries
 * below the count are whole. Counters are updated in place, at any time.
 *
 * Written by the runtime inside the profiled process (mapped shared), read by anybody
 * (record/reader.h), which trusts nothing. All numbers are little-endian, as the machine that wrote
 * them (x86-64, aarch64). May use floors 0 and 1. Must stay true: sizes below are part of the
 * format; bump PK_LEDGER_VERSION when they change. */
#pragma once

#include <stdint.h>

#include "ledger/node.h" // counters, idents, functions, account: the tables' entries

#define PK_LEDGER_MAGIC "PEAKLDGR" /* 8 bytes, no NUL */
#define PK_LEDGER_VERSION 3u
#define PK_LEDGER_BYTE_ORDER 0x01020304u
#define PK_LEDGER_HEADER_BYTES 4096u
#define PK_LEDGER_MAX_EXTENTS 128u
#define PK_LEDGER_PAGE 4096u /* extents start and end on multiples of this */

enum pk_table {
    PK_TABLE_COUNTERS = 0,  /* struct pk_node_counters, one a node */
    PK_TABLE_IDENTS = 1,    /* struct pk_node_ident, one a node, same index */
    PK_TABLE_FUNCTIONS = 2, /* struct pk_function */
    /* bytes: u32 length, the bytes (UTF-8), a NUL, padding to 4; offset 0 is "" */
    PK_TABLE_STRINGS = 3,
    PK_TABLE_FILES = 4, /* struct pk_file_map: maps of ordinary files, listed and not counted */
    /* struct pk_large, one for each node that ever had a block above PK_LARGE_LEAST */
    PK_TABLE_LARGE = 5,
    PK_TABLE_COUNT = 6,
};

struct pk_file_map {
    uint32_t path; /* offset into strings */
    /* bit 0: writable, bit 1: shared, bit 2: not reserved (MAP_NORESERVE, anonymous: uncounted) */
    uint32_t flags;
    uint64_t mapped_bytes; /* now */
    uint64_t most_bytes;   /* largest ever */
};

struct pk_extent {
    uint32_t table; /* enum pk_table */
    uint32_t reserved;
    uint64_t file_offset; /* multiple of PK_LEDGER_PAGE */
    uint64_t bytes;       /* multiple of PK_LEDGER_PAGE */
};

/* header.state */
enum pk_ledger_state {
    PK_STATE_RUNNING = 0, /* also what a killed process leaves */
    PK_STATE_ENDED = 1,   /* the exit handlers ran */
    PK_STATE_EXEC = 2,    /* replaced by another program */
};

/* header.python_status: how far the stacks can be trusted */
enum pk_python_status {
    PK_PYTHON_NONE = 0,     /* no interpreter met */
    PK_PYTHON_ATTACHED = 1, /* layout chosen, self-test not run yet */
    PK_PYTHON_VERIFIED = 2, /* self-test passed */
    PK_PYTHON_UNKNOWN = 3,  /* no layout for this version: "unknown Python stack" */
    PK_PYTHON_MISMATCH = 4, /* debug offsets or self-test disagree with the layout: the same */
};

/* header.flags */
#define PK_FLAG_FREE_THREADED 1u
/* a library was loaded with RTLD_DEEPBIND: its own C allocations may be unseen */
#define PK_FLAG_DEEPBIND 2u
/* a table could not grow: no space on the disk (or file size limit) */
#define PK_FLAG_DISK_FULL 4u
#define PK_FLAG_TABLE_FULL 8u /* a table could not grow: its own limit */
#define PK_FLAG_CHECKED 16u   /* written by the checked build */
/* PYTHONMALLOC or -X dev replaced the allocators; wrapped again soon after */
#define PK_FLAG_ALLOCATORS_LATE 32u
/* malloc is not ours: an allocator linked into the program, or preloaded before us */
#define PK_FLAG_OTHER_MALLOC 64u
/* a table could not grow: the file is gone or may not be opened any more */
#define PK_FLAG_UNREACHABLE 128u
#define PK_FLAG_IN_PROCESS 256u /* begun by the program itself: what was there before is unknown */
/* not a whole recording: what one block of the program held, above its start */
#define PK_FLAG_BLOCK 512u
/* the largest blocks of some nodes are not known: no memory, or no room */
#define PK_FLAG_NO_LARGE 1024u

struct pk_ledger_header {
    char magic[8];
    uint32_t version;
    uint32_t byte_order;
    uint32_t header_bytes;
    uint32_t pid;
    uint32_t parent_pid;
    uint32_t state;         /* enum pk_ledger_state */
    uint64_t start_unix_ns; /* when this ledger began, wall clock */
    uint64_t start_mono_ns; /* the same instant, CLOCK_MONOTONIC */
    uint64_t end_mono_ns;   /* 0 while running or when killed */
    uint32_t python_hex;    /* PY_VERSION_HEX, 0: none */
    uint32_t python_status; /* enum pk_python_status */
    uint32_t flags;
    uint32_t reserved0;
    char python_version[96]; /* Py_GetVersion(), NUL-terminated, cut */
    char python_note[128];   /* one sentence when status is UNKNOWN or MISMATCH */

    /* The account: struct pk_account of ledger/node.h, its fields readable directly too. Own cache
     * lines. */
    union {
        struct pk_account account;
        struct {
            PK_ACCOUNT_FIELDS
        };
    } __attribute__((aligned(64)));

    /* What is not in the account, and what was lost. Own cache line. */
    /* Python's own arenas, mapped now (their blocks are counted, they are not) */
    uint64_t arena_bytes __attribute__((aligned(64)));
    uint64_t arena_peak_bytes;
    uint64_t file_map_bytes; /* ordinary files mapped now */
    /* memory of Peakline itself in the process, without the mapped ledger */
    uint64_t own_bytes;
    /* events not recorded: a signal handler inside us, or no memory of our own */
    uint64_t dropped_events;
    /* look-ups of stacks that could not be kept; their bytes are charged to an outer frame */
    uint64_t merged_stacks;
    uint64_t unknown_frees; /* frees of blocks never seen */
    uint64_t failed_allocs; /* allocation calls that got NULL */
    /* an address was given out again though its block was never seen freed */
    uint64_t missed_frees;
    uint64_t largest_failed_bytes;
    uint32_t reserved1;
    uint32_t largest_failed_node;
    uint64_t noreserve_bytes; /* anonymous MAP_NORESERVE maps: reserved, not counted */

    /* What a forked process was born with. It is its parent's: not part of the account above. */
    uint64_t inherited_bytes; /* live in the parent at the fork */
    uint64_t inherited_blocks;
    /* of it, freed by this process since (the parent still has it) */
    uint64_t inherited_freed_bytes;
    uint64_t inherited_freed_blocks;
    uint32_t forked_from; /* pid of the process it was forked from; 0: a program of its own */
    uint32_t tree_slot;   /* in record/tree.h; PK_TREE_NO_SLOT: not part of the tree's peak */
    /* in the account now: resident bytes of MAP_NORESERVE maps, sampled (PK_FUNCTION_SAMPLED) */
    uint64_t sampled_bytes;
    char command[160]; /* argv joined by spaces, NUL-terminated, cut */

    /* The tables. Count: entries (strings: bytes) that are whole. */
    uint64_t counts[PK_TABLE_COUNT] __attribute__((aligned(64)));
    uint32_t extent_count;
    uint32_t reserved3;
    struct pk_extent extents[PK_LEDGER_MAX_EXTENTS];
};

_Static_assert(sizeof(struct pk_file_map) == 24, "format");
_Static_assert(sizeof(struct pk_extent) == 24, "format");
_Static_assert(sizeof(struct pk_ledger_header) <= PK_LEDGER_HEADER_BYTES, "header fits its page");

/* Size of one entry of a table, in bytes. */
static inline uint32_t pk_table_entry_bytes(enum pk_table table) {
    switch (table) {
    case PK_TABLE_COUNTERS:
        return sizeof(struct pk_node_counters);
    case PK_TABLE_IDENTS:
        return sizeof(struct pk_node_ident);
    case PK_TABLE_FUNCTIONS:
        return sizeof(struct pk_function);
    case PK_TABLE_STRINGS:
        return 1;
    case PK_TABLE_FILES:
        return sizeof(struct pk_file_map);
    case PK_TABLE_LARGE:
        return sizeof(struct pk_large);
    case PK_TABLE_COUNT:
        break;
    }
    return 0;
}
