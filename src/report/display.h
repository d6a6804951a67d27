/* SPDX-License-Identifier: Apache-2.0
 * Numbers and texts as people read them in a terminal: sizes, shares, times, display columns.
 * May use record/utf8.h. Must stay true: nothing depends on the locale; what pk_text_clean lets
 * through cannot move the cursor, change the terminal or turn the direction of text. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/attr.h"

/* Room for any of the numbers below. */
#define PK_NUMBER_ROOM 40

/* "512 B", "61.2 MiB": binary units, one decimal. */
const char *pk_format_bytes(char ret_text[PK_NUMBER_ROOM], uint64_t bytes);

/* "45.1 %" of `whole`; "0.0 %" of nothing. */
const char *pk_format_share(char ret_text[PK_NUMBER_ROOM], uint64_t part, uint64_t whole);

/* "4,210". */
const char *pk_format_count(char ret_text[PK_NUMBER_ROOM], uint64_t count);

/* "0.43 s", "12.4 s", "12 min 3 s", "2 h 5 min". */
const char *pk_format_time(char ret_text[PK_NUMBER_ROOM], uint64_t nanoseconds);

/* Columns a terminal needs for a character: 0, 1 or 2. */
unsigned pk_text_width(uint32_t point);

/* Columns of a text as pk_text_clean would write it with room enough. */
size_t pk_text_columns(const char *text, bool utf8);

/* Copy `text` so that it is harmless and at most `columns` wide; what is cut ends in "..." (or,
 * `keep_end`, begins with it). Control characters, wrong UTF-8 and bidirectional controls become
 * U+FFFD, or `?` without utf8, as does then every character beyond ASCII; tabs become spaces.
 * Returns the columns used. The result is NUL-terminated and cut to `size` bytes at a character. */
size_t pk_text_clean(char *ret_text, size_t size, const char *text, size_t columns, bool utf8,
                     bool keep_end);

/* The same for a place, "path/to/file.py:12": what is cut is in the middle, so that the start of
 * the path and the file with its line stay, or as much of their end as fits. */
size_t pk_text_clean_place(char *ret_text, size_t size, const char *place, size_t columns,
                           bool utf8);

/* Begin and end a link that a terminal follows (OSC 8): to a file on `host`, at a line unless it is
 * 0. Only of an absolute path; of any other nothing is written. What is between is shown. */
bool pk_link_begin(FILE *out, const char *host, const char *path, uint32_t line);
void pk_link_end(FILE *out, bool has_begun);
