/* SPDX-License-Identifier: Apache-2.0
 * Blocks: the peak inside a stretch of the program, above what was held when it began
 * (ledger/tracker.h), and a ledger file of it for the report. A block counts the whole process; any
 * number may run at a time, nested or not.
 *
 * A block that has ended keeps one entry for each stack that changed in it. The stacks' names are
 * those of the recording it was made in: it can be written as long as that runs. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct pk_block_run;

/* What is known of a block; read by Python (python/peakline/_native.py has the same fields in the
 * same order). Bytes are requested bytes. */
struct pk_block_numbers {
    uint64_t start_bytes, start_blocks; /* held when it began */
    uint64_t peak_bytes, peak_blocks;   /* held when most was held since */
    uint64_t end_bytes, end_blocks;     /* held when it ended, or now */
    uint64_t alloc_bytes, alloc_blocks; /* allocated since it began; 0 while it runs */
};

/* A block begins. NULL: nothing is recorded, or there is no memory. */
struct pk_block_run *pk_block_begin(void);
/* What is known now; the first call with `end` ends it. False: it belongs to a recording that has
 * ended and was not ended before, or to the process this one was forked from. */
bool pk_block_read(struct pk_block_run *run, bool end, struct pk_block_numbers *ret_numbers);
/* Writes DIR/ledger-<pid> of a block that has ended; NULL: of what is live now. 0 or negative
 * errno: -ESTALE as above. The caller sees to it that the recording does not end meanwhile. */
int pk_block_write(struct pk_block_run *run, const char *directory);
/* The same, with what the block left behind in place of its peak: each stack's share is what it
 * holds at the block's end, above its start. */
int pk_block_write_kept(struct pk_block_run *run, const char *directory);
/* Bytes that stacks held more at the end than at the start, added up; those that held less do not
 * count. So no single stack kept more. 0 while it runs. */
uint64_t pk_block_gained(const struct pk_block_run *run);
/* Gives it back. NULL is allowed. */
void pk_block_free(struct pk_block_run *run);
/* The recording ends: so do all blocks. Under the lock. */
void pk_blocks_end_all(void);
