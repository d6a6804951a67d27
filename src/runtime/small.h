/* SPDX-License-Identifier: Apache-2.0
 * The whole way of an event, inline, for the wrappers in domains.c: a small object of Python's
 * allocated or freed is one straight run of code. What is unusual goes to track.c. Same contracts
 * as track.h. */
#pragma once

#include "base/check.h"
#include "ledger/hot.h"
#include "runtime/runtime.h"
#include "runtime/stack.h"
#include "runtime/track.h"

PK_INLINE void pk_small_enter(struct pk_thread *self) {
    self->busy = 1;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
}

PK_INLINE void pk_small_leave(struct pk_thread *self) {
    if (PK_CHECKED) {
        pk_track_check();
    }
    pk_runtime_unlock(self);
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    self->busy = 0;
}

/* Takes the lock and says which node this thread, running `frame` (not NULL), is in. */
PK_INLINE uint32_t pk_small_place(enum pk_frame_family family, const struct pk_layout *layout,
                                  struct pk_thread *self, const void *frame) {
    uint32_t from = pk_stack_update(family, layout, self, frame);
    pk_runtime_lock(self);
    if (PK_UNLIKELY(self->session != pk_runtime.session)) {
        return pk_track_locate_again(self);
    }
    if (from != PK_STACK_UNMOVED) {
        self->here = pk_stack_resolve(self, from);
    }
    return self->here;
}

/* pk_track_alloc() with PK_BLOCK_PYTHON and `even`, for a call with the GIL held: the running
 * thread's state is this thread's. `family` is that of the layout. */
PK_INLINE void pk_small_alloc(enum pk_frame_family family, struct pk_thread *self,
                              uintptr_t address, size_t size) {
    const void *tstate = pk_runtime.attached_state();
    const struct pk_layout *layout = pk_runtime.layout;
    const void *frame =
        PK_LIKELY(tstate != NULL) ? pk_frame_current_in(family, layout, tstate) : NULL;
    if (PK_UNLIKELY(frame == NULL)) {
        pk_track_alloc(self, address, size, PK_BLOCK_PYTHON, true);
        return;
    }
    if (family != PK_FAMILY_DIRECT) {
        self->attached = tstate;
    }
    pk_small_enter(self);
    uint32_t node = pk_small_place(family, layout, self, frame);
    pk_hot_alloc(&pk_runtime.ledger, address, size, node, PK_BLOCK_PYTHON);
    pk_small_leave(self);
}

/* pk_track_free(). */
PK_INLINE void pk_small_free(struct pk_thread *self, uintptr_t address) {
    pk_small_enter(self);
    pk_runtime_lock(self);
    pk_hot_free(&pk_runtime.ledger, address);
    pk_small_leave(self);
}
