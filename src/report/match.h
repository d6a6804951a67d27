/* SPDX-License-Identifier: Apache-2.0
 * Which line of the program after an edit is which line of the program before? Known are only the
 * lines that stand on some stack, with their texts; the files are not looked at. May use similar.h,
 * pool.h. Must stay true: a line has at most one counterpart; the same input gives the same answer.
 *
 *     files      the same path; else the one renamed file with the same functions
 *     functions  the same name in that file; else, where clear, the one with the same lines:
 *                renamed, or of the same name in another file
 *     lines      inside a function: the longest common sequence of equal texts; equal texts that
 *                changed their order; between those, the most similar ones from 60 % on. Elsewhere:
 *                an equal text that is the only one of its kind on both sides
 */
#pragma once

#include <stdint.h>

struct pk_match_line {
    const char *path;     /* as a person would say it */
    const char *function; /* qualified name */
    const char *source;   /* "" when unknown */
    uint32_t line;
};

/* How sure it is that two lines are one, most sure first. */
enum pk_match_kind {
    PK_MATCH_NONE = 0,
    PK_MATCH_SAME,    /* the same text at the same number */
    PK_MATCH_MOVED,   /* the same text elsewhere */
    PK_MATCH_SIMILAR, /* see percent */
    PK_MATCH_PLACE,   /* no text is known, the order of lines in the function says so */
};

struct pk_match {
    int32_t other; /* index of the line on the other side; -1: none */
    uint8_t kind;
    uint8_t percent; /* how alike the texts are */
};

/* Fills `ret_matches`, one for each line before. Returns 0 or -ENOMEM. */
int pk_match_lines(const struct pk_match_line *before, uint32_t before_count,
                   const struct pk_match_line *after, uint32_t after_count,
                   struct pk_match *ret_matches);
