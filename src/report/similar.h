/* SPDX-License-Identifier: Apache-2.0
 * How alike are two lines of Python? Uses the C library. Must stay true: the order of the two does
 * not matter; indentation and spaces do not count. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* The same text but for spaces? */
bool pk_similar_is_equal(const char *left, const char *right);

/* A hash of the text without its spaces: equal texts have equal ones. */
uint64_t pk_similar_hash(const char *text);

/* Characters that are not spaces. */
uint32_t pk_similar_length(const char *text);

/* 0 (nothing in common) to 100 (equal): characters in the longest common sequence of words and
 * signs, as a share of all; a number counts as two, however long. Only the first 200 words of a
 * line are compared. */
unsigned pk_similar_percent(const char *left, const char *right);

/* A word that is another one on the right, as the name of a function that was renamed. */
struct pk_similar_rename {
    const char *left, *right;
};

/* The same, where the words of `renames` count as equal. */
unsigned pk_similar_percent_renamed(const char *left, const char *right,
                                    const struct pk_similar_rename *renames, uint32_t rename_count);
