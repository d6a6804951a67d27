/* SPDX-License-Identifier: Apache-2.0
 * What the ledger should say, computed in the most simple-minded way there is: a plain list of
 * blocks, one entry for each page of address space, and a full copy of every node's live bytes at
 * every new peak. May use: ledger/node.h and blocks.h for constants. Must stay true: nothing here
 * is clever. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "ledger/blocks.h"
#include "ledger/maps.h"

#define REFERENCE_NODES 240u
#define REFERENCE_BLOCKS 4096u
#define REFERENCE_PAGES 192u
#define REFERENCE_TRACKERS 4u

struct reference_block {
    uint64_t address, size;
    uint32_t stack, flags;
};

struct reference_page {
    bool known, usable, start_of_map;
    uint8_t kind;
    uint32_t stack;
    uint32_t file;
};

struct reference_share {
    uint64_t bytes, blocks;
    uint64_t largest; /* single block */
};

#define REFERENCE_RESIZING 8u

/* A block of the program: full copies at its start and at each of its peaks. */
struct reference_tracker {
    bool running;
    uint64_t start_bytes, start_blocks, peak_bytes, peak_blocks;
    struct reference_share start[REFERENCE_NODES];
    struct reference_share at_peak[REFERENCE_NODES];
};

struct reference {
    struct reference_block blocks[REFERENCE_BLOCKS];
    uint32_t block_count;
    struct reference_block resizing[REFERENCE_RESIZING]; /* taken out, still held */
    uint32_t resizing_count;
    struct reference_page pages[REFERENCE_PAGES]; /* the address space in which maps live */
    uint64_t page_bytes;
    struct reference_share live[REFERENCE_NODES];
    struct reference_share at_peak[REFERENCE_NODES];
    struct reference_share at_tree_peak[REFERENCE_NODES]; /* when the tree's peak was last raised */
    /* stacks before it are those of the process this one was forked from */
    uint32_t first;
    struct reference_share inherited; /* and not freed */
    uint64_t total_bytes, total_blocks, peak_bytes, peak_blocks;
    uint64_t unknown_frees, missed_frees, code_frees;
    struct reference_tracker trackers[REFERENCE_TRACKERS];
};

static inline void reference_watch(struct reference *model) {
    for (uint32_t i = 0; i < REFERENCE_TRACKERS; i++) {
        struct reference_tracker *tracker = &model->trackers[i];
        if (tracker->running && model->total_bytes > tracker->peak_bytes) {
            tracker->peak_bytes = model->total_bytes;
            tracker->peak_blocks = model->total_blocks;
            memcpy(tracker->at_peak, model->live, sizeof model->live);
        }
    }
}

static inline void reference_track(struct reference *model, uint32_t number) {
    struct reference_tracker *tracker = &model->trackers[number];
    tracker->running = true;
    tracker->start_bytes = tracker->peak_bytes = model->total_bytes;
    tracker->start_blocks = tracker->peak_blocks = model->total_blocks;
    memcpy(tracker->start, model->live, sizeof model->live);
    memcpy(tracker->at_peak, model->live, sizeof model->live);
}

/* The largest block of each stack: by looking at all. */
static inline void reference_look(const struct reference *model, struct reference_share *shares) {
    for (uint32_t i = 0; i < REFERENCE_NODES; i++) {
        shares[i].largest = 0;
    }
    for (uint32_t i = 0; i < model->block_count + model->resizing_count; i++) {
        const struct reference_block *block =
            i < model->block_count ? &model->blocks[i] : &model->resizing[i - model->block_count];
        if (block->stack >= model->first && block->size > shares[block->stack].largest) {
            shares[block->stack].largest = block->size;
        }
    }
}

/* A resize ends: the old block is held no more, or is remembered again. */
static inline void reference_resized(struct reference *model, struct reference_block old) {
    for (uint32_t i = 0; i < model->resizing_count; i++) {
        if (memcmp(&model->resizing[i], &old, sizeof old) == 0) {
            model->resizing[i] = model->resizing[--model->resizing_count];
            return;
        }
    }
}

static inline void reference_charge(struct reference *model, uint32_t stack, uint64_t bytes,
                                    uint64_t blocks) {
    if (stack < model->first) {
        model->inherited.bytes += bytes;
        model->inherited.blocks += blocks;
        return;
    }
    model->live[stack].bytes += bytes;
    model->live[stack].blocks += blocks;
    model->total_bytes += bytes;
    model->total_blocks += blocks;
    if (model->total_bytes > model->peak_bytes) {
        model->peak_bytes = model->total_bytes;
        model->peak_blocks = model->total_blocks;
        for (uint32_t i = 0; i < REFERENCE_NODES; i++) {
            model->at_peak[i] = model->live[i];
        }
        reference_look(model, model->at_peak);
    }
    reference_watch(model);
}

static inline void reference_release(struct reference *model, uint32_t stack, uint64_t bytes,
                                     uint64_t blocks) {
    if (stack < model->first) {
        model->inherited.bytes -= bytes;
        model->inherited.blocks -= blocks;
        return;
    }
    model->live[stack].bytes -= bytes;
    model->live[stack].blocks -= blocks;
    model->total_bytes -= bytes;
    model->total_blocks -= blocks;
}

/* The tree's peak is what it is now. */
static inline void reference_raise(struct reference *model) {
    for (uint32_t i = 0; i < REFERENCE_NODES; i++) {
        model->at_tree_peak[i] = model->live[i];
    }
    reference_look(model, model->at_tree_peak);
}

/* All there is becomes inherited; new stacks begin at `first`. */
static inline void reference_fork(struct reference *model, uint32_t first) {
    model->inherited.bytes += model->total_bytes;
    model->inherited.blocks += model->total_blocks;
    model->total_bytes = model->total_blocks = model->peak_bytes = model->peak_blocks = 0;
    model->unknown_frees = model->missed_frees = 0;
    model->first = first;
    model->resizing_count = 0;
    for (uint32_t i = 0; i < REFERENCE_TRACKERS; i++) {
        model->trackers[i].running = false;
    }
    for (uint32_t i = 0; i < REFERENCE_NODES; i++) {
        model->live[i] = model->at_peak[i] = model->at_tree_peak[i] = (struct reference_share){0};
    }
}

static inline struct reference_block *reference_find(struct reference *model, uint64_t address) {
    for (uint32_t i = 0; i < model->block_count; i++) {
        if (model->blocks[i].address == address) {
            return &model->blocks[i];
        }
    }
    return NULL;
}

/* Forgets the block without touching the account; .stack is 0 when there is none. */
static inline struct reference_block reference_take(struct reference *model, uint64_t address) {
    struct reference_block *block = reference_find(model, address);
    if (block == NULL) {
        return (struct reference_block){0};
    }
    struct reference_block copy = *block;
    *block = model->blocks[--model->block_count];
    return copy;
}

static inline void reference_remember(struct reference *model, struct reference_block block) {
    model->blocks[model->block_count++] = block;
}

/* Whatever was known at this address is dead. */
static inline void reference_retire_missed(struct reference *model, uint64_t address) {
    struct reference_block old = reference_take(model, address);
    if (old.stack != 0) {
        model->missed_frees++;
        model->code_frees += (old.flags & PK_BLOCK_CODE) != 0;
        reference_release(model, old.stack, old.size, 1);
    }
}

/* `dropped`: the ledger had no memory for it. */
static inline void reference_alloc(struct reference *model, struct reference_block block,
                                   bool dropped) {
    reference_retire_missed(model, block.address);
    if (!dropped) {
        reference_remember(model, block);
        reference_charge(model, block.stack, block.size, 1);
    }
}

static inline void reference_free(struct reference *model, uint64_t address) {
    struct reference_block block = reference_take(model, address);
    if (block.stack == 0) {
        model->unknown_frees++;
        return;
    }
    model->code_frees += (block.flags & PK_BLOCK_CODE) != 0;
    reference_release(model, block.stack, block.size, 1);
}

static inline void reference_resize(struct reference *model, struct reference_block old,
                                    struct reference_block fresh, bool copied, bool dropped) {
    if (copied) {
        reference_alloc(model, fresh, dropped);
    }
    if (old.stack == 0) {
        model->unknown_frees++;
    } else {
        reference_resized(model, old);
        reference_release(model, old.stack, old.size, 1);
    }
    if (!copied) {
        reference_alloc(model, fresh, dropped);
    }
}

/* ---- maps: pages [from, to) ------------------------------------------------------------------ */

static inline bool reference_page_counts(const struct reference_page *page) {
    return page->known && page->kind == PK_MAP_MEMORY && page->usable;
}

static inline void reference_unmap(struct reference *model, uint32_t from, uint32_t to) {
    for (uint32_t i = from; i < to; i++) {
        struct reference_page *page = &model->pages[i];
        if (reference_page_counts(page)) {
            reference_release(model, page->stack, model->page_bytes, page->start_of_map);
        }
        *page = (struct reference_page){0};
    }
}

/* Charges pages [from, to) that have just begun to count, as one event for each stretch of one
 * stack. */
static inline void reference_charge_pages(struct reference *model, uint32_t from, uint32_t to) {
    for (uint32_t i = from; i < to; i++) {
        if (reference_page_counts(&model->pages[i])) {
            reference_charge(model, model->pages[i].stack, model->page_bytes,
                             model->pages[i].start_of_map);
        }
    }
}

static inline void reference_map(struct reference *model, uint32_t from, uint32_t to,
                                 struct reference_page page) {
    reference_unmap(model, from, to);
    for (uint32_t i = from; i < to; i++) {
        model->pages[i] = page;
        model->pages[i].known = true;
        model->pages[i].start_of_map = i == from;
    }
    reference_charge_pages(model, from, to);
}

static inline void reference_protect(struct reference *model, uint32_t from, uint32_t to,
                                     bool usable) {
    for (uint32_t i = from; i < to; i++) {
        struct reference_page *page = &model->pages[i];
        if (!page->known || page->usable == usable) {
            continue;
        }
        if (reference_page_counts(page)) {
            reference_release(model, page->stack, model->page_bytes, page->start_of_map);
        }
        page->usable = usable;
        if (reference_page_counts(page)) {
            reference_charge(model, page->stack, model->page_bytes, page->start_of_map);
        }
    }
}

/* `pages` pages from `from` on become `new_pages` pages from `to` on. */
static inline void reference_remap(struct reference *model, uint32_t from, uint32_t pages,
                                   uint32_t to, uint32_t new_pages, uint32_t stack) {
    if (pages == 0) {
        struct reference_page page = model->pages[from];
        page.stack = stack;
        if (page.known) {
            reference_map(model, to, to + new_pages, page);
        }
        return;
    }
    uint32_t kept = pages < new_pages ? pages : new_pages;
    struct reference_page moved[REFERENCE_PAGES];
    for (uint32_t i = 0; i < kept; i++) {
        moved[i] = model->pages[from + i];
        model->pages[from + i] = (struct reference_page){0}; // still in the account
    }
    reference_unmap(model, from, from + pages);
    reference_unmap(model, to, to + new_pages);
    for (uint32_t i = 0; i < kept; i++) {
        model->pages[to + i] = moved[i];
    }
    for (uint32_t i = kept; i < new_pages; i++) {
        model->pages[to + i] = moved[kept - 1];
        model->pages[to + i].start_of_map = false;
        // growth is the process's own
        if (moved[kept - 1].known && moved[kept - 1].stack < model->first) {
            model->pages[to + i].stack = stack;
            model->pages[to + i].start_of_map = i == kept;
        }
    }
    reference_charge_pages(model, to + kept, to + new_pages);
}
