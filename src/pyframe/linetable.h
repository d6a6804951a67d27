/* SPDX-License-Identifier: Apache-2.0
 * From an instruction to a source line: the line tables of code objects, decoded from their bytes.
 *
 * Pure functions of their arguments: they need no interpreter, so a line can be found long after
 * the program has ended. Any bytes are safe: a broken table gives a wrong line or none, never a
 * read outside it. May use base only. Must stay true: linear in the table's length, no state but
 * the caller's cursor. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pyframe/layout.h"

/* The line of the instruction at `byte_offset` of the bytecode. `first_line` is co_firstlineno.
 * 0: the table gives none (the instruction has no line, the offset lies outside, the table is
 * broken). Offset PK_OFFSET_START (walk.h) gives first_line, PK_OFFSET_NONE gives 0. */
int32_t pk_line_at(enum pk_line_kind kind, const uint8_t *table, size_t length, int32_t first_line,
                   uint32_t byte_offset);

/* How far a table was read: decoding may go on from there instead of from the start. All zero:
 * nothing yet. The same table each time; with another one the answer is wrong, but nothing is read
 * outside it. */
struct pk_line_cursor {
    uint32_t position; /* in the table, of the entry that was last found */
    uint32_t offset;   /* bytes of bytecode before that entry */
    int32_t moved;     /* lines from first_line to where that entry begins */
};

/* pk_line_at() that goes on at the cursor if `byte_offset` is not before it, and leaves it at the
 * entry found. */
int32_t pk_line_after(enum pk_line_kind kind, const uint8_t *table, size_t length,
                      int32_t first_line, uint32_t byte_offset, struct pk_line_cursor *cursor);

/* The columns of the instruction at `byte_offset`, where `cursor` was left for it; from the tables
 * of 3.11+ (PK_LINES_LOCATIONS). `ret_further`: the expression ends in a later line. False: the
 * table gives none. */
bool pk_columns_at(const uint8_t *table, size_t length, uint32_t byte_offset,
                   const struct pk_line_cursor *cursor, uint32_t *ret_column,
                   uint32_t *ret_end_column, bool *ret_further);

/* A stretch of source text. Lines count from 1 (0: none), columns from 0 in bytes of UTF-8 (-1:
 * none). */
struct pk_location {
    int32_t line;
    int32_t end_line;
    int32_t column;
    int32_t end_column;
};

/* The same with the whole expression, from the tables of 3.11+ (PK_LINES_LOCATIONS). False, and all
 * of *ret_location none, if the table gives no line. For checks: the runtime asks pk_columns_at()
 * only. */
bool pk_location_at(const uint8_t *table, size_t length, int32_t first_line, uint32_t byte_offset,
                    struct pk_location *ret_location);
