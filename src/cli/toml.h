/* SPDX-License-Identifier: Apache-2.0
 * The part of TOML that [tool.peakline] of a pyproject.toml is written in: strings, integers,
 * floats, booleans and arrays of strings under bare or quoted keys, plain and dotted.
 * May use libc. Must stay true: what is outside the wanted table is skipped, whatever it is, as far
 * as strings and comments must be told apart to find the next line; a mistake in there is somebody
 * else's to report. */
#pragma once

#include <stddef.h>

enum pk_toml_kind {
    PK_TOML_STRING,
    PK_TOML_INTEGER,
    PK_TOML_FLOAT,
    PK_TOML_BOOLEAN,
    PK_TOML_ARRAY, /* of strings */
};

struct pk_toml_entry {
    const char *key; /* behind the table's name, dotted if there are further tables: "a", "a.b" */
    enum pk_toml_kind kind;
    const char *text; /* a string's value; a number or boolean as it is written; an array's strings,
                         each ended by a NUL */
    size_t count;     /* of an array's strings */
    int line;         /* from 1 */
};

/* What is wrong, and where. */
struct pk_toml_error {
    int line;
    char text[256]; /* no full stop */
};

/* Takes one entry; its texts are gone afterwards. Anything but 0 ends the reading. */
typedef int pk_toml_take(void *context, const struct pk_toml_entry *entry);

/* Read `size` bytes of `text` (which may hold anything) and hand over each entry of `table`
 * ("tool.peakline"). Returns 0, what `take` returned, -EBADMSG with `ret_error` filled when the
 * table itself cannot be read, or -ENOMEM. */
int pk_toml_read(const char *text, size_t size, const char *table, pk_toml_take *take,
                 void *context, struct pk_toml_error *ret_error);
