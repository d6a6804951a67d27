/* SPDX-License-Identifier: Apache-2.0
 * See nearest.h. */
#include "cli/nearest.h"

#include <stddef.h>
#include <string.h>

#define MAX_LETTERS 32

static size_t smaller(size_t a, size_t b) {
    return a < b ? a : b;
}

/* Insertions, deletions, replacements and swaps of neighbours that make `b` of `a`. */
static size_t count_edits(const char *a, size_t a_length, const char *b, size_t b_length) {
    size_t rows[3][MAX_LETTERS + 1]; // of the usual table only the last three rows are needed

    for (size_t j = 0; j <= b_length; j++) {
        rows[0][j] = j;
    }
    for (size_t i = 1; i <= a_length; i++) {
        size_t *row = rows[i % 3], *above = rows[(i + 2) % 3], *two_above = rows[(i + 1) % 3];

        row[0] = i;
        for (size_t j = 1; j <= b_length; j++) {
            size_t replaced = above[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
            row[j] = smaller(replaced, smaller(above[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
                row[j] = smaller(row[j], two_above[j - 2] + 1);
            }
        }
    }
    return rows[a_length % 3][b_length];
}

const char *pk_nearest(const char *word, const char *const *known) {
    size_t length = strlen(word);
    const char *best = NULL;
    size_t best_edits = 0;

    if (length == 0 || length > MAX_LETTERS) {
        return NULL;
    }
    for (; *known != NULL; known++) {
        size_t known_length = strlen(*known);
        if (known_length > MAX_LETTERS) {
            continue;
        }
        size_t edits = length >= 2 && strncmp(word, *known, length) == 0
                           ? 1
                           : count_edits(word, length, *known, known_length);
        if (edits <= (known_length + 2) / 3 && (best == NULL || edits < best_edits)) {
            best = *known;
            best_edits = edits;
        }
    }
    return best;
}
