/* SPDX-License-Identifier: Apache-2.0
 * Which Python stack is this thread in? In two steps, so that the lock is held only when something changed:
 *
 *   verify   without the lock: is the kept walk still true? Finds the running frame near the kept top, then goes
 *            outwards comparing each kept level with its frame. Addresses come from the kept walk, so the loads do
 *            not wait for one another, and each is safe because the level before it proved that frame alive.
 *            Two loads and two comparisons a level.
 *   resolve  under the lock: levels that moved are looked up, first among the steps taken before.
 *
 * Inline, with the family of interpreter versions as a constant: this runs at every allocation. */
#pragma once

#include <pthread.h>
#include <stdint.h>

#include "base/attr.h"
#include "pyframe/walk.h"
#include "runtime/runtime.h"
#include "runtime/thread.h"

/* pthread_self(): what CPython stores as thread_id. */
PK_INLINE uintptr_t pk_thread_id(void) {
#if defined(__x86_64__)
    return (uintptr_t)__builtin_thread_pointer(); // the same in glibc, without a call
#else
    return (uintptr_t)pthread_self();
#endif
}

/* Levels [from, to] moved; from > to: none did. */
struct pk_stack_change {
    uint32_t from;
    uint32_t to;
};

/* The general way: any number of returns and calls since the last event. May take the lock for room. */
PK_NOINLINE struct pk_stack_change pk_stack_walk(struct pk_thread *self, const void *frame);
/* Looks a level up whose step was not taken before. Under the lock. */
PK_NOINLINE uint32_t pk_stack_step(struct pk_thread *self, uint32_t level, uint32_t parent);
/* The node charged when no frame of the program is to be seen. */
PK_NOINLINE uint32_t pk_stack_base(struct pk_thread *self);

/* The same as pk_stack_verify() below for a deep stack: stops at an anchor. */
PK_NOINLINE bool pk_stack_verify_deep(struct pk_thread *self, uint32_t level, uint32_t *ret_from, uint32_t *ret_failed);

/* Compares the kept levels from `level` outwards with their frames and notes where those are now. False: at some
 * level another caller stands; *ret_failed is that level, and levels from there up are void. */
PK_INLINE bool pk_stack_verify(enum pk_frame_family family, const struct pk_layout *layout, struct pk_thread *self,
                               uint32_t level, uint32_t *ret_from, uint32_t *ret_failed) {
    if (PK_UNLIKELY(level > PK_ANCHOR_DISTANCE)) {
        return pk_stack_verify_deep(self, level, ret_from, ret_failed);
    }
    struct pk_spot *spot = &self->spots[level];
    uint32_t from = *ret_from;
    const void *previous;
    for (;;) {
        const void *frame = (const void *)spot->frame;
        uintptr_t instr = pk_frame_instr_in(family, layout, frame);
        if (PK_UNLIKELY(spot->instr != instr)) {
            spot->instr = instr;
            from = (uint32_t)(spot - self->spots);
        }
        previous = pk_frame_previous(layout, frame);
        spot--;
        if (PK_UNLIKELY((uintptr_t)previous != spot->frame)) {
            break; // at the sentinel at the latest
        }
    }
    if (PK_UNLIKELY(previous != NULL || spot != self->spots)) {
        *ret_failed = (uint32_t)(spot - self->spots) + 1;
        return false;
    }
    *ret_from = from;
    return true;
}

/* Brings the kept walk up to date with `frame`, the running one (not NULL). */
PK_INLINE struct pk_stack_change pk_stack_update(enum pk_frame_family family, const struct pk_layout *layout,
                                                 struct pk_thread *self, const void *frame) {
    uint32_t deaths = __atomic_load_n(&pk_runtime.deaths, __ATOMIC_ACQUIRE);
    if (PK_UNLIKELY(deaths != self->deaths)) {
        self->deaths = deaths;
        self->count = 0;
    }
    uint32_t count = self->count;
    struct pk_spot *spots = self->spots;
    uint32_t level = count;
    uint32_t fresh = 0; // frames above the kept ones: none or one here
    if (PK_UNLIKELY(spots[count].frame != (uintptr_t)frame)) {
        const void *caller = pk_frame_previous(layout, frame);
        if (count > 1 && spots[count - 1].frame == (uintptr_t)frame) { // returned once
            level = count - 1;
        } else if (spots[count].frame == (uintptr_t)caller && count + 1 < self->capacity) { // called once
            fresh = 1;
        } else if (count > 1 && spots[count - 1].frame == (uintptr_t)caller) { // returned and called
            level = count - 1;
            fresh = 1;
        } else {
            return pk_stack_walk(self, frame);
        }
    }
    uint32_t failed;
    struct pk_stack_change change = {.from = UINT32_MAX, .to = level + fresh};
    if (PK_UNLIKELY(!pk_stack_verify(family, layout, self, level, &change.from, &failed))) {
        self->count = failed - 1;
        return pk_stack_walk(self, frame);
    }
    if (fresh != 0) {
        spots[level + 1].frame = (uintptr_t)frame;
        spots[level + 1].instr = pk_frame_instr_in(family, layout, frame);
        self->nodes[level + 1] = 0;
        if (change.from == UINT32_MAX) {
            change.from = level + 1;
        }
    }
    self->count = level + fresh;
    return change;
}

PK_INLINE struct pk_step *pk_stack_step_slot(uintptr_t instr, uint32_t parent) {
    uint64_t mixed = ((uint64_t)instr ^ (uint64_t)parent << 32) * 0x9e3779b97f4a7c15u;
    return &pk_runtime.steps[mixed >> (64 - PK_STEP_BITS)];
}

/* Gives the levels that moved their nodes. Under the lock. */
PK_INLINE void pk_stack_resolve(struct pk_thread *self, struct pk_stack_change change) {
    if (PK_UNLIKELY(pk_runtime.steps_deaths != pk_runtime.deaths)) {
        memset(pk_runtime.steps, 0, sizeof pk_runtime.steps);
        pk_runtime.steps_deaths = pk_runtime.deaths;
    }
    uint32_t parent = self->nodes[change.from - 1];
    if (PK_LIKELY(change.from == self->count)) { // nearly always: only the running frame moved
        uintptr_t instr = self->spots[change.from].instr;
        const struct pk_step *step = pk_stack_step_slot(instr, parent);
        self->nodes[change.from] = PK_LIKELY(step->instr == instr && step->parent == parent)
                                       ? step->node
                                       : pk_stack_step(self, change.from, parent);
        return;
    }
    for (uint32_t level = change.from; level <= self->count; level++) {
        uintptr_t instr = self->spots[level].instr;
        const struct pk_step *step = pk_stack_step_slot(instr, parent);
        uint32_t node = PK_LIKELY(step->instr == instr && step->parent == parent) ? step->node
                                                                                   : pk_stack_step(self, level, parent);
        bool same = self->nodes[level] == node;
        self->nodes[level] = node;
        if (same && level >= change.to) {
            break; // other instructions of the same lines: what lies above holds
        }
        parent = node;
    }
}

/* After update and resolve: the node that an event of this thread is charged to. */
PK_INLINE uint32_t pk_stack_node(struct pk_thread *self) {
    uint32_t node = self->nodes[self->count];
    if (PK_UNLIKELY(node == self->root)) {
        return pk_stack_base(self);
    }
    return node;
}
