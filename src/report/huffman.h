/* SPDX-License-Identifier: Apache-2.0
 * Canonical Huffman codes of limited length, as deflate wants them.
 * Uses nothing. Must stay true: the lengths satisfy Kraft's equation whenever two or more symbols
 * are used. */
#pragma once

#include <stdint.h>

#define PK_HUFFMAN_MAX_SYMBOLS 286u

struct pk_huffman {
    uint16_t
        bits[PK_HUFFMAN_MAX_SYMBOLS]; /* reversed: deflate sends codes from their highest bit on */
    uint8_t lengths[PK_HUFFMAN_MAX_SYMBOLS]; /* 0: the symbol is not used */
};

/* A code for `symbols` (at most PK_HUFFMAN_MAX_SYMBOLS) symbols that occur `counts` times, none
 * longer than `limit` bits (at most 15, with 2^limit >= symbols). A single used symbol gets one
 * bit. The sum of counts stays below 2^32. */
void pk_huffman_make(const uint32_t *counts, unsigned symbols, unsigned limit,
                     struct pk_huffman *ret_code);
