/* SPDX-License-Identifier: Apache-2.0
 * See anchors.h. */
#include "runtime/anchors.h"

#include "pyframe/walk.h"
#include "runtime/python.h"
#include "runtime/runtime.h"
#include "runtime/track.h"

#define MOST_STEPS 24u /* callers asked for in one go: each makes a frame object */
/* ... when the level that all events had in common is further away: they go on from there */
#define FEW_STEPS 8u
#define OWNED_BY_THREAD 0 /* frame.owner: an ordinary call */

bool pk_anchors_forget(uintptr_t block) {
    struct pk_anchors *anchors = &pk_runtime.anchors;
    uintptr_t object = block + pk_runtime.layout->collector_head;
    bool found = false;
    for (uint32_t i = 0; i < anchors->count; i++) {
        if (anchors->list[i].object == object) {
            __atomic_store_n(&anchors->list[i].object, 0, __ATOMIC_RELEASE);
            found = true;
        }
    }
    return found;
}

// Its block is: a free of it will be told. Under the lock.
static void watch_object(const void *object) {
    uintptr_t block = (uintptr_t)object - pk_runtime.layout->collector_head;
    if (!pk_blocks_flag(&pk_runtime.ledger.blocks, block, PK_BLOCK_CODE)) {
        // Made by us and not recorded: watched as a block of no bytes.
        pk_ledger_alloc(&pk_runtime.ledger, block, 0, pk_runtime.node_none, PK_BLOCK_CODE, false);
    }
}

// Adds an anchor above those that are still good. On the main thread; its kept walk is true.
static void add_anchor(struct pk_thread *self, uint32_t level, const void *object) {
    const struct pk_layout *layout = pk_runtime.layout;
    struct pk_anchors *anchors = &pk_runtime.anchors;
    uint32_t kept = 0;
    self->busy = 1;
    pk_runtime_lock(self);
    for (uint32_t i = 0; i < anchors->count; i++) {
        const struct pk_anchor *anchor = &anchors->list[i];
        if (anchor->level < level && self->spots[anchor->level].frame == anchor->frame &&
            pk_anchor_holds((enum pk_frame_family)layout->family, layout, anchor,
                            (const void *)anchor->frame)) {
            anchors->list[kept++] = *anchor;
        }
    }
    if (kept == PK_ANCHORS) { // further apart from now on: a way back up reads a little more
        for (kept = 0; kept < PK_ANCHORS / 2; kept++) {
            anchors->list[kept] = anchors->list[2 * kept];
        }
    }
    if (object != NULL) {
        watch_object(object);
    }
    anchors->list[kept] = (struct pk_anchor){
        .frame = self->spots[level].frame, .object = (uintptr_t)object, .level = level};
    anchors->count = kept + 1;
    anchors->newest = level;
    pk_runtime_unlock(self);
    self->busy = 0;
}

static const void *skip_own(const struct pk_layout *layout, const void *frame, uint32_t *level) {
    while (frame != NULL && pk_frame_skippable(layout, frame, pk_frame_code(layout, frame),
                                               pk_frame_instr(layout, frame))) {
        frame = pk_frame_previous(layout, frame);
        --*level;
    }
    return frame;
}

static bool is_call(const struct pk_layout *layout, const void *frame) {
    if (layout->family == PK_FAMILY_OBJECT) {
        return pk_read_pointer(frame, layout->frame_generator) == NULL;
    }
    return *((const uint8_t *)frame + layout->frame_owner) == OWNED_BY_THREAD;
}

// Up to 3.10.
static void mark_frame(struct pk_thread *self, const void *frame) {
    const struct pk_layout *layout = pk_runtime.layout;
    uint32_t level = self->count;
    while (frame != NULL && level > 1 &&
           (level > pk_runtime.anchors.lowest || !is_call(layout, frame))) {
        frame = pk_frame_previous(layout, frame);
        level--;
    }
    if (frame == NULL || level == 0 || !is_call(layout, frame) ||
        self->spots[level].frame != (uintptr_t)frame) {
        return;
    }
    uint8_t *mark = (uint8_t *)(uintptr_t)frame + layout->frame_trace_lines;
    if (*mark == 1 || *mark == PK_ANCHOR_MARK) { // else the program has set it to False
        *mark = PK_ANCHOR_MARK;
        add_anchor(self, level, NULL);
    }
}

// From 3.11 on.
static void watch_frame(struct pk_thread *self, const void *frame) {
    const struct pk_layout *layout = pk_runtime.layout;
    struct pk_anchors *anchors = &pk_runtime.anchors;
    uint32_t level = self->count;
    frame = skip_own(layout, frame, &level);
    struct pk_frame_object theirs = pk_python_frame();
    uint32_t steps = level > anchors->lowest + MOST_STEPS ? FEW_STEPS : MOST_STEPS;
    for (; steps > 0 && level > 1 && frame != NULL &&
           (level > anchors->lowest || !is_call(layout, frame));
         steps--) {
        theirs = pk_python_caller(theirs);
        level--;
        frame = skip_own(layout, pk_frame_previous(layout, frame), &level);
    }
    if (theirs.object != NULL && frame != NULL && is_call(layout, frame) &&
        pk_read_pointer(frame, layout->frame_object) == theirs.object &&
        self->spots[level].frame == (uintptr_t)frame) {
        add_anchor(self, level, theirs.object);
    }
    pk_python_let_go(theirs);
}

static void make_anchor(struct pk_thread *self) {
    const struct pk_layout *layout = pk_runtime.layout;
    (void)pk_track_here(self); // the kept walk is true now
    const void *tstate = pk_runtime.thread_state();
    const void *frame =
        tstate == NULL || self->count == 0 ? NULL : pk_frame_current(layout, tstate);
    if (layout->family == PK_FAMILY_OBJECT) {
        mark_frame(self, frame);
    } else {
        watch_frame(self, frame);
    }
}

// In the main thread, between two bytecodes, the GIL held.
static int run_pending(void *context) {
    (void)context;
    struct pk_thread *self = pk_thread_current();
    if (self != NULL) {
        self->open = 0; // frame objects made here are ours, not the program's
        if (self->main) {
            bool stopped = pk_python_stop_collector();
            make_anchor(self);
            pk_python_let_collect(stopped);
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
    anchors->price = lasted                                   ? PK_ANCHOR_PRICE
                     : anchors->price * 2 < PK_ANCHOR_DEAREST ? anchors->price * 2
                                                              : PK_ANCHOR_DEAREST;
    anchors->pending = pk_python_pending(run_pending);
}
