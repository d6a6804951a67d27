/* SPDX-License-Identifier: Apache-2.0
 * Where CPython keeps its things: one table of offsets for each minor version, regular and
 * free-threaded.
 *
 *   thread state --> frame --previous--> frame --previous--> ... --> 0
 *                      |code
 *                      v
 *                    code object --> name, qualname, file name (strings), line table (bytes)
 *
 * Version differences are data: the walker (walk.h) and the readers (codeinfo.h, linetable.h) hold
 * no version test, only the tests of `family`, `code_tlbc` and `line_kind`. Offsets are for LP64
 * (x86-64 and aarch64 agree). May use base only, never Python.h. Must stay true: what the walker
 * reads for each frame lies in the first cache line; nothing here is ever written. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PK_ABSENT 0xffffu /* value of an offset: this version has no such field */

/* How the running frame is found and what a frame is. */
enum pk_frame_family {
    PK_FAMILY_OBJECT = 0, /* 3.8-3.10: tstate->frame, frames are objects, position is an int */
    PK_FAMILY_CFRAME = 1, /* 3.11-3.12: tstate->cframe->current_frame, position is a pointer */
    PK_FAMILY_DIRECT = 2, /* 3.13+: tstate->current_frame, position is a pointer */
};

/* How a line table is written (linetable.h). */
enum pk_line_kind {
    PK_LINES_LNOTAB = 0,    /* 3.8, 3.9: co_lnotab */
    PK_LINES_RANGES = 1,    /* 3.10: co_linetable, pairs */
    PK_LINES_LOCATIONS = 2, /* 3.11+: co_linetable, location entries */
};

struct pk_layout {
    /* Read for each frame of a walk: one cache line. */
    uint64_t code_mask __attribute__((aligned(64))); /* clears a code reference's tags */
    uint32_t family;                                 /* enum pk_frame_family */
    uint16_t thread_frame; /* in the thread state: frame, cframe or current_frame */
    uint16_t cframe_frame; /* in the cframe: current_frame */
    uint16_t frame_previous;
    uint16_t frame_code;
    uint16_t frame_instr; /* f_lasti (int), prev_instr or instr_ptr */
    uint16_t frame_owner;
    uint16_t frame_tlbc;          /* free-threaded 3.14+: which copy of the bytecode runs */
    uint16_t owner_skip;          /* from this owner on, frames are the interpreter's own */
    uint16_t owner_generator;     /* their frames are never "incomplete" */
    uint16_t instr_scale;         /* bytes a unit of f_lasti; 1 where the position is a pointer */
    uint16_t code_start;          /* first byte of the bytecode, inside the code object */
    uint16_t code_firsttraceable; /* int: a frame before this code unit is not yet running */
    uint16_t code_tlbc;           /* free-threaded 3.14+: pointer to the array of bytecode copies */
    uint16_t code_units;          /* length of the bytecode in units of 2 bytes */

    /* Read now and then. */
    uint16_t thread_id; /* pthread_self() of the thread the state belongs to */
    uint16_t frame_localsplus;
    uint16_t frame_object;      /* 3.11+: the frame object made for this frame, or NULL */
    uint16_t frame_trace_lines; /* 3.8-3.10: f_trace_lines, a byte: 1 when a call begins */
    uint16_t frame_generator;   /* 3.8-3.10: f_gen, the generator whose frame it is, or NULL */
    uint16_t code_filename;
    uint16_t code_name;
    uint16_t code_qualname;
    uint16_t code_firstlineno;
    uint16_t code_linetable; /* bytes object: co_lnotab or co_linetable */
    uint16_t code_version;   /* uint32, drawn anew for each code object */
    uint16_t object_type;
    uint16_t bytes_length;
    uint16_t bytes_data;
    uint16_t text_length;
    uint16_t text_state;        /* uint32 of bit fields */
    uint16_t text_ascii_data;   /* compact, ASCII only: the characters start here */
    uint16_t text_compact_data; /* compact, others: here */
    uint16_t text_pointer;      /* not compact: pointer to the characters */
    uint8_t collector_head;     /* bytes before an object that the collector knows */
    uint8_t text_kind_shift;    /* 3 bits: bytes a character */
    uint8_t text_compact_bit;
    uint8_t text_ascii_bit;
    uint8_t line_kind; /* enum pk_line_kind */
    uint8_t minor;     /* 8 ... 15 */
    bool free_threaded;
};

_Static_assert(offsetof(struct pk_layout, thread_id) <= 64, "a walk reads one line of the layout");

/* The layout of a CPython, by PY_VERSION_HEX and whether it is a free-threaded build. NULL: unknown
 * (older, newer, an alpha release, another major version): read nothing of that interpreter. */
const struct pk_layout *pk_layout_find(uint32_t py_hex, bool free_threaded);

/* Compares the layout with what the interpreter says of itself. `words` is the start of _PyRuntime
 * (3.13+; the cookie "xdebugpy", then 64-bit words); at least PK_DEBUG_OFFSET_WORDS words are
 * readable. 0: every entry agrees, or the version is older than such tables (then `words` is not
 * read). -EINVAL: *ret_what names the first entry that disagrees (a constant string); read nothing
 * of it. */
int pk_layout_check_debug_offsets(const struct pk_layout *layout, const uint64_t *words,
                                  uint32_t py_hex, const char **ret_what);

#define PK_DEBUG_OFFSET_WORDS 94u
