/* SPDX-License-Identifier: Apache-2.0
 * An interpreter's memory without an interpreter: strings, code objects, frames and thread states,
 * built in plain memory where a layout says they would be. Lets a test set up any moment of any
 * version. May use src/pyframe/layout.h and the C library. Must stay true: all memory a test builds
 * comes from one static pool, filled with 0xee so that reading a field nobody set is noticed;
 * fake_reset() first. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "pyframe/layout.h"

/* No test uses all of these. */
#define FAKE __attribute__((unused)) static

static char fake_pool[1 << 18] __attribute__((aligned(64)));
static size_t fake_used;

FAKE void fake_reset(void) {
    memset(fake_pool, 0xee, sizeof(fake_pool));
    fake_used = 0;
}

FAKE char *fake_alloc(size_t size) {
    char *block = fake_pool + fake_used;
    fake_used += (size + 15) & ~(size_t)15;
    if (fake_used > sizeof(fake_pool)) {
        abort(); // a test that needs more memory than the pool has
    }
    return block;
}

FAKE void fake_word(void *object, unsigned offset, uint64_t value) {
    memcpy((char *)object + offset, &value, sizeof(value));
}

FAKE void fake_int(void *object, unsigned offset, int32_t value) {
    memcpy((char *)object + offset, &value, sizeof(value));
}

FAKE void fake_pointer(void *object, unsigned offset, const void *value) {
    fake_word(object, offset, (uint64_t)(uintptr_t)value);
}

enum fake_storage {
    FAKE_ASCII,    /* compact, one byte a character, all below 128 */
    FAKE_COMPACT,  /* compact, 1, 2 or 4 bytes a character */
    FAKE_SEPARATE, /* characters somewhere else */
};

/* A string object of `length` characters of `kind` bytes. */
FAKE char *fake_text(const struct pk_layout *layout, const void *characters, size_t length,
                     unsigned kind, enum fake_storage storage) {
    size_t bytes = length * kind;
    char *text = fake_alloc(128 + bytes);
    uint32_t state = (uint32_t)kind << layout->text_kind_shift;
    char *data = text + layout->text_ascii_data;

    if (storage == FAKE_ASCII) {
        state |= 1u << layout->text_ascii_bit | 1u << layout->text_compact_bit;
    } else if (storage == FAKE_COMPACT) {
        state |= 1u << layout->text_compact_bit;
        data = text + layout->text_compact_data;
    } else {
        data = fake_alloc(bytes);
        fake_pointer(text, layout->text_pointer, data);
    }
    memcpy(data, characters, bytes);
    fake_word(text, layout->text_length, length);
    fake_int(text, layout->text_state, (int32_t)(state | 1)); // bit 0: interned
    return text;
}

FAKE char *fake_string(const struct pk_layout *layout, const char *ascii) {
    return fake_text(layout, ascii, strlen(ascii), 1, FAKE_ASCII);
}

FAKE char *fake_bytes(const struct pk_layout *layout, const void *bytes, size_t length) {
    char *object = fake_alloc(64 + length);
    fake_word(object, layout->bytes_length, length);
    memcpy(object + layout->bytes_data, bytes, length);
    return object;
}

/* A code object with `units` units of bytecode, traceable from unit 2 on, first line 10. */
FAKE char *fake_code(const struct pk_layout *layout, const char *name, const char *file,
                     const void *table, size_t table_length, unsigned units) {
    char *code = fake_alloc(320 + (size_t)units * 2);
    fake_pointer(code, layout->code_name, fake_string(layout, name));
    fake_pointer(code, layout->code_filename, fake_string(layout, file));
    fake_pointer(code, layout->code_linetable, fake_bytes(layout, table, table_length));
    fake_int(code, layout->code_firstlineno, 10);
    if (layout->code_qualname != PK_ABSENT) {
        fake_pointer(code, layout->code_qualname, fake_string(layout, "Class.method"));
    }
    if (layout->code_units != PK_ABSENT) {
        fake_word(code, layout->code_units, units);
        fake_int(code, layout->code_firsttraceable, 2);
    }
    if (layout->code_version != PK_ABSENT) {
        fake_int(code, layout->code_version, 77);
    }
    if (layout->code_tlbc != PK_ABSENT) {
        fake_pointer(code, layout->code_tlbc, NULL);
    }
    return code;
}

/* A frame at code unit `unit` of its bytecode. Owner and tags only where the version has them. */
FAKE char *fake_frame(const struct pk_layout *layout, const char *code, int unit, unsigned owner,
                      const char *previous) {
    char *frame = fake_alloc(400);
    uintptr_t tag = layout->code_mask == UINT64_MAX ? 0 : 1;
    fake_word(frame, layout->frame_code, (uintptr_t)code | tag);
    fake_pointer(frame, layout->frame_previous, previous);
    if (layout->family == PK_FAMILY_OBJECT) {
        fake_int(frame, layout->frame_instr, unit * 2 / layout->instr_scale);
        return frame;
    }
    fake_word(frame, layout->frame_instr,
              (uintptr_t)code + layout->code_start + (uintptr_t)(intptr_t)(unit * 2));
    frame[layout->frame_owner] = (char)owner;
    if (layout->frame_tlbc != PK_ABSENT) {
        fake_int(frame, layout->frame_tlbc, 0);
    }
    return frame;
}

FAKE char *fake_thread(const struct pk_layout *layout, const char *frame) {
    char *tstate = fake_alloc(512);
    const char *source = frame;
    if (layout->family == PK_FAMILY_CFRAME) {
        char *cframe = fake_alloc(64);
        fake_pointer(cframe, layout->cframe_frame, frame);
        source = cframe;
    }
    fake_pointer(tstate, layout->thread_frame, source);
    return tstate;
}
