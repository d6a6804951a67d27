/* SPDX-License-Identifier: Apache-2.0
 * The block index: address -> (stack, size). It decides both the speed and the memory of Peakline.
 *
 *   address bits   47 ........ 32 31 ...... 22 21 .... 12 11 ... 0
 *                  root[65536] -> mid[1024] -> page[1024] -> cells of that 4 KiB page
 *
 * No hashing in the hot path: dependent loads of which the first two stay in the nearest cache, and
 * neighbours share cache lines. A page's cells come in two kinds:
 *
 *   even   small blocks in arithmetic progression, as pymalloc lays them out: one 4-byte cell a
 *          block, its number = (offset + bias) / grain. 4 bytes for a 48-byte object: 8 %.
 *            [ stack 20 | size 10 | python 1 | code 1 ]     (bits from the top)
 *   mixed  anything else that starts on a multiple of 16: 8-byte cells, a power of two of them for
 *          each page, so that they are at most three quarters full. A block's own cell is (offset
 *          >> log); if that is taken, the next empty one (linear probing in a hash table whose hash
 *          keeps the order: in pages of equal blocks nothing ever collides). `displaced` counts the
 *          blocks not in their own cell: while it is 0 a free need not look at other cells. Small
 *          programs never probe: the first MiB of cells is spent on finer pages. 12 to 20 bytes for
 *          a C heap's small block; 64 bytes a page of 800-byte arrays: 1.6 %.
 *            [ size 34 | stack 20 | 16-byte step in the page 8 | python 1 | code 1 ]
 *
 * A cell of 0 is empty (stack 0 is never charged). The start of a block is told from an interior
 * address. Sizes from 16 GiB, addresses not on 16 and addresses above 2^48 live in a small hash
 * table to the side.
 *
 * Not thread-safe: guarded by the ledger's lock. Knows no Python. Memory from the arena; when there
 * is none, put() says so and the caller drops the record. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attr.h"
#include "ledger/node.h"
#include "ledger/side.h"

#define PK_BLOCK_PYTHON 2u /* came through one of Python's allocator domains */
#define PK_BLOCK_CODE 1u   /* a code object known to pyframe: its death matters */

/* aarch64 gives its programs all of them, x86-64 the lower half */
#define PK_BLOCKS_ADDRESS_BITS 48
#define PK_BLOCK_EVEN_MAX 512u /* largest size a small-object allocator lays out evenly */

struct pk_block {
    uint64_t size;  /* requested bytes */
    uint32_t stack; /* 0: no such block */
    uint32_t flags; /* PK_BLOCK_... */
};

struct pk_page {
    void *cells;        /* NULL: nothing ever here */
    uint16_t recip;     /* even: ceil(32768 / grain16), so that a multiplication divides; else 0 */
    uint16_t displaced; /* mixed: blocks that are not in their own cell */
    uint16_t live;      /* cells in use */
    uint8_t grain16;    /* even: cell width in 16-byte steps (1..32); mixed: log2 of it (0..7) */
    uint8_t bias;       /* even: added to the offset in 16-byte steps; mixed: PK_PAGE_MIXED */
};

#define PK_PAGE_MIXED 0xffu
#define PK_PAGE_STEPS 256u /* 16-byte steps in a page */

/* A page that hot.h used, found again by bits of the address: a program works on a few dozen pools
 * at a time, one for each size class and each list it walks. 256 of them reach over 1 MiB. With one
 * alone two of three events of the JSON, dicts and pandas programs had to go through the three
 * levels. Pages never move, so no entry goes stale. */
struct pk_recent_page {
    uint64_t base; /* address of the page; all ones: none yet */
    struct pk_page *page;
};

#define PK_RECENT_PAGES 256u
_Static_assert(sizeof(struct pk_recent_page) == 16, "hot.h finds entries by bytes");

struct pk_blocks {
    struct pk_arena *arena;
    /* holds nothing, ever: hot.h's page of whatever has to go the long way */
    struct pk_page nowhere;
    struct pk_recent_page recent[PK_RECENT_PAGES]; /* none while `hiding` */
    struct pk_side side;
    uint32_t hiding;       /* blocks in it whose address a page could hold: huge ones */
    uint64_t spread_bytes; /* spent on making mixed pages finer than they had to be */
    uint64_t count;        /* live blocks */
    struct pk_page **root[1u << (PK_BLOCKS_ADDRESS_BITS - 32)];
};

/* `arena` must outlive the index. The struct must start zeroed. */
void pk_blocks_init(struct pk_blocks *blocks, struct pk_arena *arena);

/* Its memory is gone: the struct is zeroed again, without touching what was not touched. */
void pk_blocks_clear(struct pk_blocks *blocks);

/* Remembers a block. `even` hints that blocks around it have the same size class (pymalloc). If a
 * block was already known at this address (its free was never seen), it is returned in `ret_old`,
 * else ret_old->stack is 0. 0, or -ENOMEM: the new block is not remembered; the old one may have
 * been returned, or still be known: take() it. */
int pk_blocks_put(struct pk_blocks *blocks, uint64_t address, uint64_t size, uint32_t stack,
                  uint32_t flags, bool even, struct pk_block *ret_old);
/* Forgets the block that starts at `address` and returns it; .stack is 0 when there is none. */
struct pk_block pk_blocks_take(struct pk_blocks *blocks, uint64_t address);
/* The block that starts at `address`, which stays; .stack is 0 when there is none. */
struct pk_block pk_blocks_find(const struct pk_blocks *blocks, uint64_t address);
/* Adds flags to the block that starts at `address`; false when there is none. */
bool pk_blocks_flag(struct pk_blocks *blocks, uint64_t address, uint32_t flags);
/* hot.h: the page that holds `address`, remembered among the recent ones; &blocks->nowhere when
 * there is none, or while the side table has to be asked first (`hiding`). */
PK_NOINLINE struct pk_page *pk_blocks_page(struct pk_blocks *blocks, uint64_t address);
/* Calls `visit` for every block, in no particular order. For checks and fork. */
void pk_blocks_each(const struct pk_blocks *blocks,
                    void (*visit)(void *context, uint64_t address, struct pk_block block),
                    void *context);
/* Every block is found where it stands and nowhere else, all counts are right: the specification,
 * for checks. */
bool pk_blocks_is_valid(const struct pk_blocks *blocks);
