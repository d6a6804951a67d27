/* SPDX-License-Identifier: Apache-2.0
 * What a code object says of itself, as views into the interpreter's memory: nothing is copied, so
 * a view lives as long as the code object. And who a code object is: a hash that two copies of the
 * same function share, and a stamp that tells whether an address still holds the same one.
 * May use base only. Must stay true: plain reads, no calls into the interpreter. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pyframe/layout.h"

/* The characters of a Python string: `length` of them, `kind` bytes each (1: Latin-1, 2: UCS-2,
 * 4: UCS-4). */
struct pk_text {
    const void *data;
    uint32_t length;
    uint32_t kind;
};

struct pk_code_info {
    struct pk_text name;
    struct pk_text qualname; /* the name again before 3.11 */
    struct pk_text filename; /* as the program has it, may be relative */
    int32_t first_line;
    enum pk_line_kind line_kind;
    const uint8_t *linetable;
    size_t linetable_length;
};

/* Reads a code object. Strings and tables that are missing or make no sense come out empty. */
void pk_code_read(const struct pk_layout *layout, const void *code, struct pk_code_info *ret_info);
/* Only what lines are found by: first_line, line_kind and the table; the texts are left as they
 * are. */
void pk_code_read_lines(const struct pk_layout *layout, const void *code,
                        struct pk_code_info *ret_info);

/* Writes the text as UTF-8 and a NUL, at most `size` bytes in all (size >= 1); a text that does not
 * fit is cut between two characters. Surrogates become U+FFFD. Returns the bytes written, without
 * the NUL. */
size_t pk_text_to_utf8(struct pk_text text, char *buffer, size_t size);

/* Hash of all that makes two code objects the same function: names, file, first line, line table.
 * */
uint32_t pk_code_hash(const struct pk_code_info *info);

/* Taken when a code object is first seen and compared when its address is met again: addresses are
 * reused, and where no hook sees the old code object die, only this tells. */
struct pk_code_stamp {
    const void *name;
    const void *linetable;
    int32_t first_line;
    uint32_t version; /* 3.12+, else 0 */
};

void pk_code_stamp_read(const struct pk_layout *layout, const void *code,
                        struct pk_code_stamp *ret_stamp);
bool pk_code_stamp_equal(const struct pk_code_stamp *a, const struct pk_code_stamp *b);
