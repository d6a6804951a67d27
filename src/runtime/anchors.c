/* SPDX-License-Identifier: Apache-2.0
 * See anchors.h. */
#include "runtime/anchors.h"

#include "pyframe/walk.h"
#include "runtime/python.h"
#include "runtime/runtime.h"
#include "runtime/track.h"

#define OBJECT_HEAD 16u   /* a frame object's block starts this far before it: the collector's header, 3.11 to 3.15 */
#define MOST_STEPS 24u    /* callers asked for in one go: each makes a frame object */
#define FEW_STEPS 8u      /* ... when the level that all events had in common is further away: they go on from there */
#define OWNED_BY_THREAD 0 /* frame.owner: an ordinary call */

bool pk_anchors_forget(uintptr_t block) {
    struct pk_anchors *anchors = &pk_runtime.anchors;
    bool found = false;
    for (uint32_t i = 0; i < anchors->count; i++) {
        if (anchors->list[i].object == block + OBJECT_HEAD) {
            __atomic_store_n(&anchors->list[i].object, 0, __ATOMIC_RELEASE);
            found = true;
        }
    }
    return found;
}

// Adds an anchor above those that are still good. Under the lock, on the main thread.
static void add_anchor(uint32_t level, const void *frame, const void *object) {
    struct pk_anchors *anchors = &pk_runtime.anchors;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < anchors->count; i++) {
        if (anchors->list[i].object != 0 && anchors->list[i].level < level) {
            anchors->list[kept++] = anchors->list[i];
        }
    }
    anchors->count = kept;
    uintptr_t block = (uintptr_t)object - OBJECT_HEAD;
    if (kept == PK_ANCHORS) {
        return;
    }
    if (!pk_blocks_flag(&pk_runtime.ledger.blocks, block, PK_BLOCK_CODE)) {
        // Made by us and not recorded: watched as a block of no bytes.
        pk_ledger_alloc(&pk_runtime.ledger, block, 0, pk_runtime.node_none, PK_BLOCK_CODE, false);
    }
    anchors->list[kept] = (struct pk_anchor){.frame = (uintptr_t)frame, .object = (uintptr_t)object, .level = level};
    anchors->count = kept + 1;
    anchors->newest = level;
}

static const void *skip_own(const struct pk_layout *layout, const void *frame, uint32_t *level) {
    while (frame != NULL && pk_frame_skippable(layout, frame, pk_frame_code(layout, frame), pk_frame_instr(layout, frame))) {
        frame = pk_frame_previous(layout, frame);
        --*level;
    }
    return frame;
}

static bool is_call(const struct pk_layout *layout, const void *frame) {
    return *((const uint8_t *)frame + layout->frame_owner) == OWNED_BY_THREAD;
}

static void make_anchor(struct pk_thread *self) {
    const struct pk_layout *layout = pk_runtime.layout;
    struct pk_anchors *anchors = &pk_runtime.anchors;
    (void)pk_track_here(self); // the kept walk is true now
    uint32_t level = self->count;
    const void *tstate = pk_runtime.thread_state();
    const void *frame = tstate == NULL || level == 0 ? NULL : pk_frame_current(layout, tstate);
    frame = skip_own(layout, frame, &level);
    struct pk_frame_object theirs = pk_python_frame();
    uint32_t steps = level > anchors->lowest + MOST_STEPS ? FEW_STEPS : MOST_STEPS;
    for (; steps > 0 && level > 1 && frame != NULL && (level > anchors->lowest || !is_call(layout, frame)); steps--) {
        theirs = pk_python_caller(theirs);
        level--;
        frame = skip_own(layout, pk_frame_previous(layout, frame), &level);
    }
    if (theirs.object != NULL && frame != NULL &&
        is_call(layout, frame) &&
        pk_read_pointer(frame, layout->frame_object) == theirs.object && self->spots[level].frame == (uintptr_t)frame) {
        self->busy = 1;
        pk_runtime_lock(self);
        add_anchor(level, frame, theirs.object);
        pk_runtime_unlock(self);
        self->busy = 0;
    }
    pk_python_let_go(theirs);
}

// In the main thread, between two bytecodes, the GIL held.
static int run_pending(void *context) {
    (void)context;
    struct pk_thread *self = pk_thread_current();
    if (self != NULL) {
        self->open = 0; // frame objects made here are ours, not the program's
        if (self->main) {
            make_anchor(self);
        }
        self->open = 1;
    }
    pk_runtime.anchors.lowest = UINT32_MAX;
    pk_runtime.anchors.debt = 0;
    pk_runtime.anchors.pending = false;
    return 0;
}

void pk_anchors_ask(uint32_t stop) {
    struct pk_anchors *anchors = &pk_runtime.anchors;
    anchors->debt = 0;
    if (!anchors->usable || anchors->pending) {
        return;
    }
    if (anchors->lowest <= stop + PK_ANCHOR_NEAR) { // none would have lasted
        anchors->lowest = UINT32_MAX;
        return;
    }
    bool lasted = anchors->newest == stop;
    anchors->price = lasted ? PK_ANCHOR_PRICE : anchors->price * 2 < PK_ANCHOR_DEAREST ? anchors->price * 2 : PK_ANCHOR_DEAREST;
    anchors->pending = pk_python_pending(run_pending);
}
