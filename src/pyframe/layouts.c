/* SPDX-License-Identifier: Apache-2.0
 * The layouts, as data: CPython 3.8 ... 3.15, regular and free-threaded, on LP64 machines.
 *
 * Every number was read off a running interpreter of that version or computed from its headers; the
 * test that walks real interpreters (tests/e2e/test_walk_real.py) fails if one is wrong. Within a
 * minor version they do not change: only the tails of the structures grew in micro releases.
 * May use base only. Must stay true: no state, nothing is written. */
#include "pyframe/layout.h"

#include <errno.h>
#include <string.h>

#include "base/attr.h"

#define NO_TAGS UINT64_MAX
#define TWO_TAG_BITS (~(uint64_t)3) /* 3.14+: code references are tagged (deferred counting) */
#define OWNER_NEVER 256u            /* above every byte: no frames of the interpreter's own */

/* Objects: the header is 16 bytes, in free-threaded builds 32. Strings lost a pointer in 3.12. */
#define OBJECTS_TO_3_11 \
    .collector_head = 16, .object_type = 8, .bytes_length = 16, .bytes_data = 32, \
    .text_length = 16, .text_state = 32, .text_ascii_data = 48, .text_compact_data = 72, \
    .text_pointer = 72, .text_kind_shift = 2, .text_compact_bit = 5, .text_ascii_bit = 6
#define OBJECTS_FROM_3_12 \
    .collector_head = 16, .object_type = 8, .bytes_length = 16, .bytes_data = 32, \
    .text_length = 16, .text_state = 32, .text_ascii_data = 40, .text_compact_data = 56, \
    .text_pointer = 56, .text_kind_shift = 2, .text_compact_bit = 5, .text_ascii_bit = 6
#define OBJECTS_FREE_THREADED \
    .collector_head = 0, .object_type = 24, .bytes_length = 32, .bytes_data = 48, \
    .text_length = 32, .text_state = 48, .text_ascii_data = 56, .text_compact_data = 72, \
    .text_pointer = 72

/* 3.8-3.10: frames are objects; the bytecode is a bytes object of its own. */
#define CODE_TO_3_10 \
    .code_filename = 104, .code_name = 112, .code_qualname = PK_ABSENT, .code_firstlineno = 40, \
    .code_linetable = 120, .code_version = PK_ABSENT, .code_start = PK_ABSENT, \
    .code_firsttraceable = PK_ABSENT, .code_tlbc = PK_ABSENT, .code_units = PK_ABSENT
#define FRAMES_TO_3_10 \
    .family = PK_FAMILY_OBJECT, .code_mask = NO_TAGS, .thread_frame = 24, \
    .cframe_frame = PK_ABSENT, .thread_id = 176, .frame_previous = 24, .frame_code = 32, \
    .frame_owner = PK_ABSENT, .frame_object = PK_ABSENT, .frame_tlbc = PK_ABSENT, \
    .owner_skip = OWNER_NEVER, .owner_generator = OWNER_NEVER

/* 3.12+: the first fields of a frame and of a code object stay where they are. */
#define FRAMES_FROM_3_12 \
    .frame_previous = 8, .frame_code = 0, .frame_instr = 56, .instr_scale = 1, .owner_skip = 3, \
    .owner_generator = 1, .frame_object = 48, .frame_trace_lines = PK_ABSENT, \
    .frame_generator = PK_ABSENT
#define CODE_FROM_3_12 \
    .code_filename = 112, .code_name = 120, .code_qualname = 128, .code_firstlineno = 68, \
    .code_linetable = 136, .code_version = 92, .code_units = 16, .code_tlbc = PK_ABSENT, \
    .line_kind = PK_LINES_LOCATIONS
#define CODE_FREE_THREADED \
    .code_filename = 128, .code_name = 136, .code_qualname = 144, .code_firstlineno = 84, \
    .code_linetable = 152, .code_version = 108, .code_units = 32, .line_kind = PK_LINES_LOCATIONS

static const struct pk_layout layouts[] = {
    {
        .minor = 8,
        FRAMES_TO_3_10,
        .frame_instr = 104,
        .instr_scale = 1,
        .frame_localsplus = 360,
        .frame_trace_lines = 88,
        .frame_generator = 96,
        CODE_TO_3_10,
        .line_kind = PK_LINES_LNOTAB,
        OBJECTS_TO_3_11,
    },
    {
        .minor = 9,
        FRAMES_TO_3_10,
        .frame_instr = 104,
        .instr_scale = 1,
        .frame_localsplus = 360,
        .frame_trace_lines = 88,
        .frame_generator = 96,
        CODE_TO_3_10,
        .line_kind = PK_LINES_LNOTAB,
        OBJECTS_TO_3_11,
    },
    {
        .minor = 10, // f_lasti counts code units from here on, no longer bytes
        FRAMES_TO_3_10,
        .frame_instr = 96,
        .instr_scale = 2,
        .frame_localsplus = 352,
        .frame_trace_lines = 84,
        .frame_generator = 88,
        CODE_TO_3_10,
        .line_kind = PK_LINES_RANGES,
        OBJECTS_TO_3_11,
    },
    {
        .minor = 11,
        .family = PK_FAMILY_CFRAME,
        .code_mask = NO_TAGS,
        .thread_frame = 56,
        .cframe_frame = 8,
        .thread_id = 152,
        .frame_previous = 48,
        .frame_code = 32,
        .frame_instr = 56,
        .instr_scale = 1,
        .frame_owner = 69,
        .frame_localsplus = 72,
        .frame_object = 40,
        .frame_tlbc = PK_ABSENT,
        .frame_trace_lines = PK_ABSENT,
        .frame_generator = PK_ABSENT,
        .owner_skip = OWNER_NEVER,
        .owner_generator = 1,
        .code_filename = 112,
        .code_name = 120,
        .code_qualname = 128,
        .code_firstlineno = 72,
        .code_linetable = 136,
        .code_version = PK_ABSENT,
        .code_units = 16,
        .code_tlbc = PK_ABSENT,
        .code_firsttraceable = 168,
        .code_start = 184,
        .line_kind = PK_LINES_LOCATIONS,
        OBJECTS_TO_3_11,
    },
    {
        .minor = 12,
        .family = PK_FAMILY_CFRAME,
        .code_mask = NO_TAGS,
        .thread_frame = 56,
        .cframe_frame = 0,
        .thread_id = 136,
        FRAMES_FROM_3_12,
        .frame_owner = 70,
        .frame_localsplus = 72,
        .frame_tlbc = PK_ABSENT,
        CODE_FROM_3_12,
        .code_firsttraceable = 176,
        .code_start = 192,
        OBJECTS_FROM_3_12,
    },
    {
        .minor = 13,
        .family = PK_FAMILY_DIRECT,
        .code_mask = NO_TAGS,
        .thread_frame = 72,
        .cframe_frame = PK_ABSENT,
        .thread_id = 152,
        FRAMES_FROM_3_12,
        .frame_owner = 70,
        .frame_localsplus = 72,
        .frame_tlbc = PK_ABSENT,
        CODE_FROM_3_12,
        .code_firsttraceable = 184,
        .code_start = 200,
        OBJECTS_FROM_3_12,
    },
    {
        .minor = 13,
        .free_threaded = true,
        .family = PK_FAMILY_DIRECT,
        .code_mask = NO_TAGS,
        .thread_frame = 72,
        .cframe_frame = PK_ABSENT,
        .thread_id = 152,
        FRAMES_FROM_3_12,
        .frame_owner = 70,
        .frame_localsplus = 72,
        .frame_tlbc = PK_ABSENT,
        CODE_FREE_THREADED,
        .code_firsttraceable = 200,
        .code_start = 216,
        .code_tlbc = PK_ABSENT,
        OBJECTS_FREE_THREADED,
        .text_kind_shift = 2,
        .text_compact_bit = 5,
        .text_ascii_bit = 6,
    },
    {
        .minor = 14,
        .family = PK_FAMILY_DIRECT,
        .code_mask = TWO_TAG_BITS,
        .thread_frame = 72,
        .cframe_frame = PK_ABSENT,
        .thread_id = 152,
        FRAMES_FROM_3_12,
        .frame_owner = 74,
        .frame_localsplus = 80,
        .frame_tlbc = PK_ABSENT,
        CODE_FROM_3_12,
        .code_firsttraceable = 192,
        .code_start = 208,
        OBJECTS_FROM_3_12,
    },
    {
        // "interned" is a whole byte of a string's state here: the other bits move up
        .minor = 14,
        .free_threaded = true,
        .family = PK_FAMILY_DIRECT,
        .code_mask = TWO_TAG_BITS,
        .thread_frame = 72,
        .cframe_frame = PK_ABSENT,
        .thread_id = 152,
        FRAMES_FROM_3_12,
        .frame_owner = 78,
        .frame_localsplus = 80,
        .frame_tlbc = 72,
        CODE_FREE_THREADED,
        .code_firsttraceable = 208,
        .code_start = 232,
        .code_tlbc = 224,
        OBJECTS_FREE_THREADED,
        .text_kind_shift = 8,
        .text_compact_bit = 11,
        .text_ascii_bit = 12,
    },
    {
        .minor = 15,
        .family = PK_FAMILY_DIRECT,
        .code_mask = TWO_TAG_BITS,
        .thread_frame = 72,
        .cframe_frame = PK_ABSENT,
        .thread_id = 176,
        FRAMES_FROM_3_12,
        .frame_owner = 74,
        .frame_localsplus = 80,
        .frame_tlbc = PK_ABSENT,
        CODE_FROM_3_12,
        .code_firsttraceable = 192,
        .code_start = 208,
        OBJECTS_FROM_3_12,
    },
    {
        .minor = 15,
        .free_threaded = true,
        .family = PK_FAMILY_DIRECT,
        .code_mask = TWO_TAG_BITS,
        .thread_frame = 72,
        .cframe_frame = PK_ABSENT,
        .thread_id = 176,
        FRAMES_FROM_3_12,
        .frame_owner = 78,
        .frame_localsplus = 80,
        .frame_tlbc = 72,
        CODE_FREE_THREADED,
        .code_firsttraceable = 208,
        .code_start = 232,
        .code_tlbc = 224,
        OBJECTS_FREE_THREADED,
        .text_kind_shift = 8,
        .text_compact_bit = 11,
        .text_ascii_bit = 12,
    },
};

const struct pk_layout *pk_layout_find(uint32_t py_hex, bool free_threaded) {
    uint32_t major = py_hex >> 24;
    uint32_t minor = (py_hex >> 16) & 0xff;
    uint32_t level = (py_hex >> 4) & 0xf;

    // Structures still move between alpha releases (level 0xA): no table can know them.
    if (major != 3 || level < 0xb) {
        return NULL;
    }
    for (size_t i = 0; i < PK_LEN(layouts); i++) {
        if (layouts[i].minor == minor && layouts[i].free_threaded == free_threaded) {
            return &layouts[i];
        }
    }
    return NULL;
}

/* One offset that the interpreter publishes: which of our fields, and its word in 3.13, 3.14, 3.15
 * (the list was rearranged in each; 0: not published). */
struct published_offset {
    uint16_t field; /* place of the uint16_t inside struct pk_layout */
    uint8_t words[3];
    const char *what;
};

static const struct published_offset published[] = {
    {offsetof(struct pk_layout, thread_frame), {23, 26, 26}, "thread.current_frame"},
    {offsetof(struct pk_layout, thread_id), {24, 27, 30}, "thread.thread_id"},
    {offsetof(struct pk_layout, frame_previous), {29, 32, 40}, "frame.previous"},
    {offsetof(struct pk_layout, frame_code), {30, 33, 41}, "frame.executable"},
    {offsetof(struct pk_layout, frame_instr), {31, 34, 42}, "frame.instr_ptr"},
    {offsetof(struct pk_layout, frame_localsplus), {32, 35, 43}, "frame.localsplus"},
    {offsetof(struct pk_layout, frame_owner), {33, 36, 44}, "frame.owner"},
    {offsetof(struct pk_layout, frame_tlbc), {0, 38, 46}, "frame.tlbc_index"},
    {offsetof(struct pk_layout, code_filename), {35, 40, 48}, "code.filename"},
    {offsetof(struct pk_layout, code_name), {36, 41, 49}, "code.name"},
    {offsetof(struct pk_layout, code_qualname), {37, 42, 50}, "code.qualname"},
    {offsetof(struct pk_layout, code_linetable), {38, 43, 51}, "code.linetable"},
    {offsetof(struct pk_layout, code_firstlineno), {39, 44, 52}, "code.firstlineno"},
    {offsetof(struct pk_layout, code_start), {43, 48, 56}, "code.co_code_adaptive"},
    {offsetof(struct pk_layout, code_tlbc), {0, 49, 57}, "code.co_tlbc"},
    {offsetof(struct pk_layout, object_type), {45, 51, 59}, "pyobject.ob_type"},
    {offsetof(struct pk_layout, bytes_length), {65, 75, 87}, "bytes.ob_size"},
    {offsetof(struct pk_layout, bytes_data), {66, 76, 88}, "bytes.ob_sval"},
    {offsetof(struct pk_layout, text_state), {68, 78, 90}, "unicode.state"},
    {offsetof(struct pk_layout, text_length), {69, 79, 91}, "unicode.length"},
    {offsetof(struct pk_layout, text_ascii_data), {70, 80, 92}, "unicode.asciiobject_size"},
    {offsetof(struct pk_layout, text_compact_data), {0, 0, 93}, "unicode.compact_size"},
};

int pk_layout_check_debug_offsets(const struct pk_layout *layout, const uint64_t *words,
                                  uint32_t py_hex, const char **ret_what) {
    if (layout->minor < 13) {
        return 0;
    }
    if (memcmp(words, "xdebugpy", 8) != 0) {
        *ret_what = "cookie";
        return -EINVAL;
    }
    if (words[1] != py_hex || ((py_hex >> 16) & 0xff) != layout->minor) {
        *ret_what = "version";
        return -EINVAL;
    }
    if ((words[2] != 0) != layout->free_threaded) {
        *ret_what = "free_threaded";
        return -EINVAL;
    }
    for (size_t i = 0; i < PK_LEN(published); i++) {
        uint8_t word = published[i].words[layout->minor - 13];
        uint16_t ours;
        memcpy(&ours, (const char *)layout + published[i].field, sizeof(ours));
        // Regular builds fill the entries of fields they lack with anything.
        if (word == 0 || ours == PK_ABSENT) {
            continue;
        }
        if (words[word] != ours) {
            *ret_what = published[i].what;
            return -EINVAL;
        }
    }
    return 0;
}
