/* SPDX-License-Identifier: Apache-2.0
 * Which Python stack is this thread in? In two steps, so that the lock is held only when something changed:
 *
 *   verify   without the lock: is the kept walk still true? Finds the running frame near the kept top, walks
 *            frames called since, then goes outwards comparing each kept level with its frame. Addresses come from
 *            the kept walk, so the loads do not wait for one another, and each is safe because the level before it
 *            proved that frame alive. About 0.6 ns a level.
 *   resolve  under the lock: the levels that changed are looked up in the stack table.
 */
#pragma once

#include <stdint.h>

#include "runtime/thread.h"

#include "base/attr.h"

/* pthread_self(), as the thread pointer register has it: what CPython stores as thread_id. */
PK_INLINE uintptr_t pk_thread_id(void) {
    return (uintptr_t)__builtin_thread_pointer();
}

struct pk_stack_change {
    uint32_t from; /* lowest level to look up */
    uint32_t to;   /* one past the highest level that changed; from >= to: nothing to do */
};

/* Brings self's levels up to date with the thread's frames. False when the levels have no room: call
 * pk_thread_room(self, *ret_need) under the lock and verify again. */
bool pk_stack_verify(struct pk_thread *self, struct pk_stack_change *ret_change, uint32_t *ret_need);
/* Gives the changed levels their nodes. Under the lock. */
void pk_stack_resolve(struct pk_thread *self, struct pk_stack_change change);
/* The node that an event of this thread is charged to, after verify (and resolve). */
uint32_t pk_stack_node(struct pk_thread *self);
