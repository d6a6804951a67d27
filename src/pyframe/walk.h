/* SPDX-License-Identifier: Apache-2.0
 * A walk over the frames of the calling thread, with plain reads.
 *
 *   for (frame = pk_frame_current(layout, tstate); frame != NULL;
 *        frame = pk_frame_previous(layout, frame)) {
 *       code = pk_frame_code(layout, frame);
 *       instr = pk_frame_instr(layout, frame);
 *       if (!pk_frame_skippable(layout, frame, code, instr)) { ... innermost frame first ... }
 *   }
 *
 * Only the thread that owns a chain changes it, so a thread may read its own whenever it likes,
 * with or without the GIL. Nothing here is safe on another thread's frames.
 *
 * Each function that differs between families of versions comes twice: `..._in` takes the family as
 * an argument, so that a caller who tests layout->family once gets code without version tests; the
 * plain one reads it from the layout. All inline: they run at every allocation. Measured 1 to 2 ns
 * a frame. May use base only. Must stay true: no calls, no writes, no locks. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/attr.h"
#include "pyframe/layout.h"

/* Answers of pk_frame_offset that are no offset. Both are understood by pk_line_at (linetable.h).
 * */
#define PK_OFFSET_NONE 0xffffffffu  /* not known */
#define PK_OFFSET_START 0xfffffffeu /* before the first instruction: counts as the first line */

/* No object lives below this address. Builds that replace references by small numbers
 * (Py_STACKREF_DEBUG), and frames that have no code yet, are told by it. */
#define PK_LOWEST_OBJECT 0x10000u

PK_INLINE const void *pk_read_pointer(const void *base, uint32_t offset) {
    const void *value;
    memcpy(&value, (const char *)base + offset, sizeof(value));
    return value;
}

PK_INLINE uintptr_t pk_read_word(const void *base, uint32_t offset) {
    uintptr_t value;
    memcpy(&value, (const char *)base + offset, sizeof(value));
    return value;
}

PK_INLINE int32_t pk_read_int(const void *base, uint32_t offset) {
    int32_t value;
    memcpy(&value, (const char *)base + offset, sizeof(value));
    return value;
}

/* The running frame of a thread state, NULL if none runs. May be one to skip. */
PK_INLINE const void *pk_frame_current_in(enum pk_frame_family family,
                                          const struct pk_layout *layout, const void *tstate) {
    const void *frame = pk_read_pointer(tstate, layout->thread_frame);
    if (family == PK_FAMILY_CFRAME && PK_LIKELY(frame != NULL)) {
        frame = pk_read_pointer(frame, layout->cframe_frame);
    }
    return frame;
}

PK_INLINE const void *pk_frame_current(const struct pk_layout *layout, const void *tstate) {
    return pk_frame_current_in((enum pk_frame_family)layout->family, layout, tstate);
}

/* The frame that called this one, NULL at the end. */
PK_INLINE const void *pk_frame_previous(const struct pk_layout *layout, const void *frame) {
    return pk_read_pointer(frame, layout->frame_previous);
}

/* The code object of a frame; of a frame to skip it may be anything: do not read through it. */
PK_INLINE const void *pk_frame_code(const struct pk_layout *layout, const void *frame) {
    uintptr_t tagged = pk_read_word(frame, layout->frame_code);
    return (const void *)(tagged & (uintptr_t)layout->code_mask);
}

/* Where the frame is, as one word: while two reads agree in it, function and position are the same.
 * 3.11+: the address of the instruction, which lies inside the code object or a copy of its
 * bytecode. Before: f_lasti mixed with the code object's address, since f_lasti alone says nothing
 * of the function (exact for functions under 2^20 code units: addresses are multiples of 16 and
 * below 2^48). */
PK_INLINE uintptr_t pk_frame_instr_in(enum pk_frame_family family, const struct pk_layout *layout,
                                      const void *frame) {
    if (family == PK_FAMILY_OBJECT) {
        uint32_t lasti = (uint32_t)pk_read_int(frame, layout->frame_instr);
        return (pk_read_word(frame, layout->frame_code) << 16) ^ lasti;
    }
    return pk_read_word(frame, layout->frame_instr);
}

PK_INLINE uintptr_t pk_frame_instr(const struct pk_layout *layout, const void *frame) {
    return pk_frame_instr_in((enum pk_frame_family)layout->family, layout, frame);
}

/* First byte of the bytecode that the frame runs. 3.11+ only. Free-threaded 3.14+ gives each thread
 * its own copy: code->co_tlbc points to {length, copies...}, the frame says which. NULL: cannot be
 * told. */
PK_INLINE const char *pk_frame_bytecode(const struct pk_layout *layout, const void *frame,
                                        const void *code) {
    if (layout->code_tlbc != PK_ABSENT) {
        uint32_t index = (uint32_t)pk_read_int(frame, layout->frame_tlbc);
        if (index != 0) { // copy 0 is the one inside the code object
            const void *copies = pk_read_pointer(code, layout->code_tlbc);
            if (copies == NULL || index >= pk_read_word(copies, 0)) {
                return NULL;
            }
            return pk_read_pointer(copies, (uint32_t)sizeof(void *) * (1 + index));
        }
    }
    return (const char *)code + layout->code_start;
}

/* True if the frame is none of the program's: an entry frame of the interpreter, or one that is set
 * up or torn down and has not reached its first traceable instruction. The rule of sys._getframe().
 * */
PK_INLINE bool pk_frame_skippable_in(enum pk_frame_family family, const struct pk_layout *layout,
                                     const void *frame, const void *code, uintptr_t instr) {
    if (family == PK_FAMILY_OBJECT) {
        return (uintptr_t)code < PK_LOWEST_OBJECT;
    }
    uint8_t owner = *((const uint8_t *)frame + layout->frame_owner);
    if (owner >= layout->owner_skip || PK_UNLIKELY((uintptr_t)code < PK_LOWEST_OBJECT)) {
        return true;
    }
    if (owner == layout->owner_generator) {
        return false;
    }
    const char *bytecode = pk_frame_bytecode(layout, frame, code);
    int64_t traceable = (int64_t)pk_read_int(code, layout->code_firsttraceable) * 2;
    return bytecode != NULL && (int64_t)(instr - (uintptr_t)bytecode) < traceable;
}

PK_INLINE bool pk_frame_skippable(const struct pk_layout *layout, const void *frame,
                                  const void *code, uintptr_t instr) {
    return pk_frame_skippable_in((enum pk_frame_family)layout->family, layout, frame, code, instr);
}

/* The frame's position in bytes from the start of its bytecode, for pk_line_at(); `code` and
 * `instr` are what the functions above said of this frame, which must not be one to skip.
 * PK_OFFSET_START before the first instruction; PK_OFFSET_NONE if the position is not inside the
 * bytecode. */
PK_INLINE uint32_t pk_frame_offset_in(enum pk_frame_family family, const struct pk_layout *layout,
                                      const void *frame, const void *code, uintptr_t instr) {
    if (family == PK_FAMILY_OBJECT) {
        uint32_t lasti = (uint32_t)(instr ^ ((uintptr_t)code << 16));
        return (int32_t)lasti < 0 ? PK_OFFSET_START : lasti * layout->instr_scale;
    }
    const char *bytecode = pk_frame_bytecode(layout, frame, code);
    if (bytecode == NULL) {
        return PK_OFFSET_NONE;
    }
    uintptr_t offset = instr - (uintptr_t)bytecode;
    if (PK_LIKELY(offset < pk_read_word(code, layout->code_units) * 2)) {
        return (uint32_t)offset;
    }
    // Generators that have not started point one unit before their first instruction.
    return offset >= (uintptr_t)-2 ? PK_OFFSET_START : PK_OFFSET_NONE;
}

PK_INLINE uint32_t pk_frame_offset(const struct pk_layout *layout, const void *frame,
                                   const void *code, uintptr_t instr) {
    return pk_frame_offset_in((enum pk_frame_family)layout->family, layout, frame, code, instr);
}
