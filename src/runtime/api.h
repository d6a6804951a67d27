/* SPDX-License-Identifier: Apache-2.0
 * The functions that the library exports for Python's ctypes; python/peakline/_native.py is the
 * other side, and must have the same fields in the same order. All are called with the GIL held
 * (ctypes.PyDLL), from any thread. Where nothing is recorded, peakline_start begins; the state is
 * PEAKLINE_OFF, the path "", a block NULL; writing a block of an ended recording gives -ESTALE, all
 * else -1. 0 or negative errno where nothing else is said. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "runtime/block.h"

enum peakline_state {
    PEAKLINE_OFF = 0,
    PEAKLINE_IN_PROCESS = 1, /* begun by peakline_start() */
    PEAKLINE_PRELOADED = 2,  /* by `peakline run` */
};

struct peakline_numbers {
    uint64_t live_bytes, live_blocks; /* requested, now */
    uint64_t peak_bytes, peak_blocks; /* of the recording */
    /* Peakline's own memory in this process, without the ledger file */
    uint64_t own_bytes;
    uint64_t dropped_events, merged_stacks;
    uint64_t counts_threads; /* 1: peakline_count_threads() was called in this recording */
    int64_t thread_bytes;    /* allocated minus freed by this thread since then */
    int64_t thread_peak_bytes;
};

/* See pk_inprocess_start(). */
int peakline_start(const char *directory, char *ret_why, size_t size);
int peakline_stop(void);
int peakline_state(void);
/* The ledger file that is being written; "" if none. */
const char *peakline_ledger_path(void);
int peakline_numbers(struct peakline_numbers *ret_numbers);
/* Counting by thread begins, at 0 for each thread. */
int peakline_count_threads(void);
/* The same, and the calling thread's peak is what it holds now: peaks of a stretch of one
 * thread. */
int peakline_thread_restart(void);
/* See pk_process_mark(). */
int peakline_tree_mark(void);
/* 1 if other processes took part, else 0. */
int peakline_tree_unmark(int mark, uint64_t *ret_bytes);
/* See block.h. The caller owns the block and gives it back with peakline_block_free(), which takes
 * NULL too. */
struct pk_block_run *peakline_block_begin(void);
int peakline_block_read(struct pk_block_run *run, int end, struct pk_block_numbers *ret_numbers);
int peakline_block_write(struct pk_block_run *run, const char *directory);
int peakline_block_write_kept(struct pk_block_run *run, const char *directory);
uint64_t peakline_block_gained(const struct pk_block_run *run);
void peakline_block_free(struct pk_block_run *run);
