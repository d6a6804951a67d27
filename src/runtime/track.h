/* SPDX-License-Identifier: Apache-2.0
 * Events: a stack is attached and the ledger is told, under its lock. Every function is called with
 * self->open cleared by the hook (so nothing in here is an event), leaves errno alone and cannot
 * fail the program. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ledger/blocks.h"
#include "ledger/maps.h"
#include "runtime/thread.h"

/* `size` requested bytes now live at `address` (not 0). `flags`: PK_BLOCK_PYTHON or 0; `even`:
 * ledger/blocks.h. */
void pk_track_alloc(struct pk_thread *self, uintptr_t address, size_t size, uint32_t flags,
                    bool even);
/* The block at `address` is about to be freed. */
void pk_track_free(struct pk_thread *self, uintptr_t address);
/* An allocation call that asked for `size` bytes got NULL. */
void pk_track_failed(struct pk_thread *self, size_t size);

/* For small.h: under the lock it turned out that another recording has begun since this thread's
 * last event, or that there is none. Places the thread once more from the start. Under the lock. */
PK_COLD uint32_t pk_track_locate_again(struct pk_thread *self);

/* A resize: begin before the real call, then commit (`address` not 0) or abort. */
struct pk_block pk_track_resize_begin(struct pk_thread *self, uintptr_t old);
void pk_track_resize_commit(struct pk_thread *self, struct pk_block block, uintptr_t address,
                            size_t size, uint32_t flags, bool even, bool copied);
void pk_track_resize_abort(struct pk_thread *self, struct pk_block block, uintptr_t old);

/* Maps; addresses and lengths as the program gave them (rounded to pages here). */
void pk_track_map(struct pk_thread *self, uintptr_t address, size_t length, enum pk_map_kind kind,
                  bool usable, const char *path, uint32_t path_flags);
/* Holds the ledger's lock over a real call, for the three that follow; returns the node of the
 * calling thread. Until pk_track_let_go() nothing else here may be called, and what this thread
 * allocates is no event. */
uint32_t pk_track_hold(struct pk_thread *self);
void pk_track_let_go(struct pk_thread *self);
void pk_track_unmap(uintptr_t address, size_t length);
void pk_track_protect(uintptr_t address, size_t length, bool usable);
void pk_track_remap(uint32_t node, uintptr_t old, size_t old_length, uintptr_t address,
                    size_t length);

/* struct pk_ledger's file_mapped: keeps the files table. */
void pk_track_file_mapped(void *context, uint32_t index, int64_t bytes);
/* struct pk_ledger's peak_ended: notes the time. */
void pk_track_peak_ended(void *context);

/* Python's own arenas: known for what they are, not counted (their blocks are). Negative:
 * unmapped. */
void pk_track_arena(struct pk_thread *self, int64_t bytes);

/* Checked build, under the lock, after each event: the totals, and every 4,096 to 65,536 events the
 * whole ledger. */
void pk_track_check(void);
/* Checked build, under the lock: aborts with a word if anything in the ledger does not add up. */
void pk_track_audit(void);

/* The node this thread is in right now, for a thread it starts. */
uint32_t pk_track_here(struct pk_thread *self);
/* The calling thread was started by the stack `starter` of recording `session`: what it allocates
 * while it has no Python frame is charged to "[native thread]" below that; its Python stacks begin
 * with a "[thread]" that names it. */
void pk_track_thread_start(struct pk_thread *self, uint32_t starter, uint32_t session);
