/* SPDX-License-Identifier: Apache-2.0
 * Which Python stack is this thread in? In two steps, so that the lock is held only when something
 * changed:
 *
 *   verify   without the lock: is the kept walk still true? Finds the running frame near the kept
 *            top, then goes outwards comparing each kept level with its frame. Addresses come from
 *            the kept walk, so the loads do not wait for one another, and each is safe because the
 *            level before it proved that frame alive. Two loads and two comparisons a level.
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
#if defined(__x86_64__) && !defined(__clang__) && __GNUC__ < 11
    uintptr_t self; // what the builtin gives with later compilers
    __asm__("mov %%fs:0, %0" : "=r"(self));
    return self;
#elif defined(__x86_64__)
    return (uintptr_t)__builtin_thread_pointer(); // the same in glibc, without a call
#else
    return (uintptr_t)pthread_self();
#endif
}

/* What an update says: the outermost level that must be looked up, up to self->count; or one of
 * these. The running frame's level is always among them unless that very frame stands where it
 * stood. */
#define PK_STACK_NOTHING 0u         /* no frame could be kept */
#define PK_STACK_UNMOVED UINT32_MAX /* the stack is the one of the last event */

/* The general way: any number of returns and calls since the last event. May take the lock for
 * room. */
PK_NOINLINE uint32_t pk_stack_walk(struct pk_thread *self, const void *frame);
/* Looks a level up whose step was not taken before. Under the lock. */
PK_NOINLINE uint32_t pk_stack_step(struct pk_thread *self, uint32_t level, uint32_t parent);
/* The node below the stack `parent` of the pseudo function `function`, which says the kind of
 * memory; `parent` itself if the tables cannot grow. Under the lock. */
PK_NOINLINE uint32_t pk_stack_kind(uint32_t parent, uint32_t function);
/* The node charged when no frame of the program is to be seen. */
PK_NOINLINE uint32_t pk_stack_base(struct pk_thread *self);

/* The same as pk_stack_verify() below for a deep stack, one for each family: stop at an anchor. */
PK_NOINLINE uint32_t pk_stack_verify_object(struct pk_thread *self, uint32_t level);
PK_NOINLINE uint32_t pk_stack_verify_cframe(struct pk_thread *self, uint32_t level);
PK_NOINLINE uint32_t pk_stack_verify_direct(struct pk_thread *self, uint32_t level);

/* Notes where a kept frame is now; true if its caller is the next kept one. */
PK_INLINE bool pk_stack_look(enum pk_frame_family family, const struct pk_layout *layout,
                             struct pk_thread *self, struct pk_spot *spot, uintptr_t frame,
                             uint32_t *ret_from) {
    uintptr_t instr = pk_frame_instr_in(family, layout, (const void *)frame);
    if (PK_UNLIKELY(spot->instr != instr)) {
        spot->instr = instr;
        *ret_from = (uint32_t)(spot - self->spots);
    }
    return PK_LIKELY((uintptr_t)pk_frame_previous(layout, (const void *)frame) == spot[-1].frame);
}

/* Compares the kept levels from `level` outwards with their frames and notes where those are now.
 * Returns the outermost level that moved, or PK_STACK_UNMOVED. 0: at some level another caller
 * stands; levels from there up are void, and self->count is what is left. */
PK_INLINE uint32_t pk_stack_verify(enum pk_frame_family family, const struct pk_layout *layout,
                                   struct pk_thread *self, uint32_t level) {
    if (PK_UNLIKELY(level > PK_ANCHOR_DEPTH)) {
        return family == PK_FAMILY_OBJECT   ? pk_stack_verify_object(self, level)
               : family == PK_FAMILY_CFRAME ? pk_stack_verify_cframe(self, level)
                                            : pk_stack_verify_direct(self, level);
    }
    uint32_t from = PK_STACK_UNMOVED;
    struct pk_spot *spot = &self->spots[level];
    uintptr_t frame = spot->frame;
#pragma GCC unroll 2
    // to the sentinel at the latest
    while (pk_stack_look(family, layout, self, spot, frame, &from)) {
        spot--;
        frame = spot->frame;
    }
    if (PK_UNLIKELY(pk_frame_previous(layout, (const void *)frame) != NULL ||
                    spot != self->spots + 1)) {
        self->count = (uint32_t)(spot - self->spots) - 1;
        return 0;
    }
    if (from == 0) {
        __builtin_unreachable(); // level 0 is the sentinel
    }
    return from;
}

/* The running frame is not the one of the last event: one call, one return, or both; else the
 * general way. */
PK_INLINE uint32_t pk_stack_follow(enum pk_frame_family family, const struct pk_layout *layout,
                                   struct pk_thread *self, const void *frame) {
    uint32_t count = self->count;
    const struct pk_spot *spots = self->spots;
    const void *caller = pk_frame_previous(layout, frame);
    uint32_t level = count;
    uint32_t fresh = 1;
    if (count > 1 && spots[count - 1].frame == (uintptr_t)frame) { // returned once
        level = count - 1;
        fresh = 0;
    } else if (count > 1 && spots[count - 1].frame == (uintptr_t)caller) { // returned and called
        level = count - 1;
    } else if (spots[count].frame != (uintptr_t)caller || count + 1 >= self->capacity) {
        // not called once
        return pk_stack_walk(self, frame);
    }
    uint32_t from = pk_stack_verify(family, layout, self, level);
    if (PK_UNLIKELY(from == 0)) {
        return pk_stack_walk(self, frame);
    }
    if (fresh != 0) {
        level++;
        self->spots[level].frame = (uintptr_t)frame;
        self->spots[level].instr = pk_frame_instr_in(family, layout, frame);
        self->nodes[level] = 0;
    }
    self->count = level;
    return from < level ? from : level;
}

/* Brings the kept walk up to date with `frame`, the running one (not NULL). */
PK_INLINE uint32_t pk_stack_update(enum pk_frame_family family, const struct pk_layout *layout,
                                   struct pk_thread *self, const void *frame) {
    uint32_t deaths = __atomic_load_n(&pk_runtime.deaths, __ATOMIC_ACQUIRE);
    if (PK_UNLIKELY(deaths != self->deaths)) {
        self->deaths = deaths;
        self->count = 0;
    }
    uint32_t count = self->count;
    if (PK_UNLIKELY(self->spots[count].frame != (uintptr_t)frame)) {
        return pk_stack_follow(family, layout, self, frame);
    }
    uint32_t from = pk_stack_verify(family, layout, self, count);
    return PK_LIKELY(from != 0) ? from : pk_stack_walk(self, frame);
}

PK_INLINE struct pk_step *pk_stack_step_slot(uintptr_t instr, uint32_t parent) {
    uint64_t mixed = ((uint64_t)instr ^ (uint64_t)parent << 32) * 0x9e3779b97f4a7c15u;
    return &pk_runtime.steps[mixed >> (64 - PK_STEP_BITS)];
}

/* Gives the levels that moved their nodes; returns the node that events here are charged to. Under
 * the lock. */
PK_INLINE uint32_t pk_stack_resolve(struct pk_thread *self, uint32_t from) {
    if (PK_UNLIKELY(pk_runtime.steps_deaths != pk_runtime.deaths)) {
        memset(pk_runtime.steps, 0, sizeof pk_runtime.steps);
        pk_runtime.steps_deaths = pk_runtime.deaths;
    }
    if (PK_UNLIKELY(from == PK_STACK_NOTHING)) {
        return pk_stack_base(self);
    }
    uint32_t node = self->nodes[from - 1];
    // nearly always once: only the running frame moved
    for (uint32_t level = from; level <= self->count; level++) {
        uintptr_t instr = self->spots[level].instr;
        const struct pk_step *step = pk_stack_step_slot(instr, node);
        node = PK_LIKELY(step->instr == instr && step->parent == node)
                   ? step->node
                   : pk_stack_step(self, level, node);
        self->nodes[level] = node;
    }
    return PK_LIKELY(node != self->root) ? node : pk_stack_base(self);
}

/* What the C heap gives to the stack `parent` is charged to this node. Under the lock. */
PK_INLINE uint32_t pk_stack_heap(uint32_t parent) {
    struct pk_heap_node *known = &pk_runtime.heaps[parent & ((1u << PK_HEAP_BITS) - 1)];
    if (PK_UNLIKELY(known->parent != parent)) {
        uint32_t node = pk_stack_kind(parent, pk_runtime.function_heap);
        *known = (struct pk_heap_node){.parent = parent, .node = node};
    }
    return known->node;
}
