/* SPDX-License-Identifier: Apache-2.0
 * Deep stacks without reading them to the bottom each time.
 *
 * A frame that has not returned since the last event has callers that have not moved either.
 * Whether it has returned cannot be told from the frame itself (its memory is used again, with the
 * same contents), except by its *frame object*: a frame that returns lets go of it, a new one
 * starts without. So in a pending call, rarely, the interpreter is asked for the frame object of a
 * frame some way up a deep stack, and no reference is kept: it lives exactly as long as the frame
 * (or longer, if the program wants it). As long as the frame still has that object, and the object
 * was not freed, everything from there outwards is as it was.
 *
 * Up to 3.10 frames are objects themselves, and used again. There f_trace_lines tells the calls
 * apart: a byte that is 1 when a call begins, and that the interpreter only ever asks whether it is
 * 0. A frame that is to be an anchor gets a 2.
 *
 * Frames of generators are no anchors: they live on between resumptions by different callers. Only
 * the main thread runs pending calls, so only its stack has anchors.
 * Measured at 300 and 900 frames: docs/decisions/0006-anchors.md. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "pyframe/walk.h"

#define PK_ANCHORS 64u
#define PK_ANCHOR_DEPTH 16u /* shorter stacks have none */
#define PK_ANCHOR_NEAR 4u   /* so few levels may be read each time */
/* levels read beyond that before one is asked for: some microseconds, as it costs itself */
#define PK_ANCHOR_PRICE 2048u
#define PK_ANCHOR_DEAREST 16384u /* the price doubles while anchors do not last */

#define PK_ANCHOR_MARK 2u /* in f_trace_lines */

struct pk_anchor {
    uintptr_t frame;
    uintptr_t object; /* 0: dead. Not used up to 3.10 */
    uint32_t level;
};

struct pk_anchors {
    /* levels ascending; changed by the main thread only, objects by whoever frees */
    struct pk_anchor list[PK_ANCHORS];
    uint32_t count;
    uint32_t debt; /* levels read since the last one was due */
    uint32_t price;
    uint32_t newest; /* level of the last one made */
    uint32_t lowest; /* kept level all events since then had in common */
    bool pending;
    bool usable;
};

struct pk_thread;

/* Is `frame`, a live one at the anchor's address, in the same call as when the anchor was made? */
PK_INLINE bool pk_anchor_holds(enum pk_frame_family family, const struct pk_layout *layout,
                               const struct pk_anchor *anchor, const void *frame) {
    if (family == PK_FAMILY_OBJECT) {
        return *((const uint8_t *)frame + layout->frame_trace_lines) == PK_ANCHOR_MARK;
    }
    uintptr_t object = __atomic_load_n(&anchor->object, __ATOMIC_ACQUIRE);
    return object != 0 && pk_read_word(frame, layout->frame_object) == object;
}

/* The main thread's debt has reached the price; the last event read down to kept level `stop`. Asks
 * for an anchor where one would have spared much. */
PK_COLD void pk_anchors_ask(uint32_t stop);
/* A watched block is freed; true if it was an anchor's object. Under the lock, an interpreter
 * attached. */
bool pk_anchors_forget(uintptr_t block);
