/* SPDX-License-Identifier: Apache-2.0
 * Huffman codes for deflate. Uses the C library. */
#include "report/huffman.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct leaf {
    uint32_t count;
    uint16_t symbol;
};

static int compare_leaves(const void *left, const void *right) {
    const struct leaf *a = left, *b = right;
    if (a->count != b->count) {
        return a->count < b->count ? -1 : 1;
    }
    return a->symbol < b->symbol ? -1 : 1;
}

/* Lengths of an optimal code: two sorted queues, leaves and inner nodes, the two smallest heads
 * joined each time. Returns the longest length. */
static unsigned measure_code(const uint32_t *counts, unsigned symbols, uint8_t *ret_lengths) {
    struct leaf leaves[PK_HUFFMAN_MAX_SYMBOLS];
    uint32_t weights[2 * PK_HUFFMAN_MAX_SYMBOLS];
    uint16_t parents[2 * PK_HUFFMAN_MAX_SYMBOLS];
    uint8_t depths[2 * PK_HUFFMAN_MAX_SYMBOLS];
    unsigned used = 0;

    memset(ret_lengths, 0, symbols);
    for (unsigned i = 0; i < symbols; i++) {
        if (counts[i] > 0) {
            leaves[used++] = (struct leaf){.count = counts[i], .symbol = (uint16_t)i};
        }
    }
    if (used < 2) {
        // a code of one symbol still needs one bit; none at all is allowed for distances
        if (used == 1) {
            ret_lengths[leaves[0].symbol] = 1;
        }
        return used;
    }
    qsort(leaves, used, sizeof(leaves[0]), compare_leaves);
    for (unsigned i = 0; i < used; i++) {
        weights[i] = leaves[i].count;
    }
    unsigned next_leaf = 0, next_inner = used, end = used;
    while (end < 2 * used - 1) {
        unsigned pair[2];
        for (unsigned i = 0; i < 2; i++) {
            bool take_leaf = next_leaf < used &&
                             (next_inner == end || weights[next_leaf] <= weights[next_inner]);
            pair[i] = take_leaf ? next_leaf++ : next_inner++;
            parents[pair[i]] = (uint16_t)end;
        }
        weights[end++] = weights[pair[0]] + weights[pair[1]];
    }
    unsigned longest = 0;
    depths[end - 1] = 0;
    for (unsigned i = end - 1; i-- > 0;) {
        depths[i] = (uint8_t)(depths[parents[i]] + 1);
        if (i < used) {
            ret_lengths[leaves[i].symbol] = depths[i];
            longest = depths[i] > longest ? depths[i] : longest;
        }
    }
    return longest;
}

void pk_huffman_make(const uint32_t *counts, unsigned symbols, unsigned limit,
                     struct pk_huffman *ret_code) {
    uint32_t flattened[PK_HUFFMAN_MAX_SYMBOLS];
    uint16_t next[16] = {0}, per_length[16] = {0};

    memcpy(flattened, counts, symbols * sizeof(*counts));
    // too long codes are cured by flattening the counts until they fit: all equal, they need nine
    // bits
    while (measure_code(flattened, symbols, ret_code->lengths) > limit) {
        for (unsigned i = 0; i < symbols; i++) {
            flattened[i] = flattened[i] == 0 ? 0 : flattened[i] / 2 + 1;
        }
    }
    for (unsigned i = 0; i < symbols; i++) {
        per_length[ret_code->lengths[i]]++;
    }
    per_length[0] = 0;
    for (unsigned length = 1; length < 16; length++) {
        next[length] = (uint16_t)((next[length - 1] + per_length[length - 1]) << 1);
    }
    for (unsigned i = 0; i < symbols; i++) {
        unsigned length = ret_code->lengths[i], code = next[length]++, reversed = 0;
        for (unsigned bit = 0; bit < length; bit++) {
            reversed |= (code >> bit & 1u) << (length - 1 - bit);
        }
        ret_code->bits[i] = (uint16_t)reversed;
    }
}
