/* SPDX-License-Identifier: Apache-2.0
 * gzip: LZ77 with hash chains and lazy matching, then dynamic Huffman codes a block.
 *
 *   bytes -> tokens (literal, or length and distance)
 *         -> for every BLOCK_TOKENS of them: count, make codes, write
 *
 * It favours being short over the last per cent: about as good as zlib's level 6 on columns of
 * numbers.
 * May use huffman.h. */
#include "report/deflate.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "report/crc32.h"
#include "report/huffman.h"

#define WINDOW 32768u
#define HASH_BITS 15u
#define MIN_MATCH 3u
#define MAX_MATCH 258u
#define MAX_CHAIN 48u  /* candidates looked at for one position */
#define GOOD_MATCH 64u /* long enough not to look for a better one */
#define BLOCK_TOKENS 32768u
#define LITERALS PK_HUFFMAN_MAX_SYMBOLS /* 256 literals, end of block, 29 lengths: 286 */
#define DISTANCES 30u
#define CODE_LENGTHS 19u /* the alphabet that describes the other two */
#define END_OF_BLOCK 256u

static const uint16_t length_base[29] = {3,  4,  5,  6,   7,   8,   9,   10,  11, 13,
                                         15, 17, 19, 23,  27,  31,  35,  43,  51, 59,
                                         67, 83, 99, 115, 131, 163, 195, 227, 258};
static const uint8_t length_extra[29] = {0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2,
                                         2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0};
static const uint16_t distance_base[30] = {
    1,   2,   3,   4,   5,   7,    9,    13,   17,   25,   33,   49,   65,    97,    129,
    193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577};
static const uint8_t distance_extra[30] = {0, 0, 0, 0, 1, 1, 2, 2,  3,  3,  4,  4,  5,  5,  6,
                                           6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13};

/* A literal has distance 0; else `value` is the length of a match. */
struct token {
    uint16_t value;
    uint16_t distance;
};

struct deflater {
    const uint8_t *data;
    size_t size;
    uint8_t *out;
    size_t used;
    size_t room;
    bool failed;
    uint64_t bit_buffer;
    unsigned bit_count;
    struct token *tokens;
    uint32_t token_count;
    int32_t *head;     /* the last position of a hash, or -1 */
    int32_t *previous; /* the position before, by position modulo WINDOW */
    uint8_t length_symbol[MAX_MATCH + 1];
};

static void put_byte(struct deflater *d, uint8_t byte) {
    if (d->used == d->room) {
        size_t room = d->room * 2 + 4096;
        uint8_t *grown = d->failed ? NULL : realloc(d->out, room);
        if (grown == NULL) {
            d->failed = true;
            return;
        }
        d->out = grown;
        d->room = room;
    }
    d->out[d->used++] = byte;
}

static void put_bits(struct deflater *d, uint32_t bits, unsigned count) {
    d->bit_buffer |= (uint64_t)bits << d->bit_count;
    d->bit_count += count;
    while (d->bit_count >= 8) {
        put_byte(d, (uint8_t)d->bit_buffer);
        d->bit_buffer >>= 8;
        d->bit_count -= 8;
    }
}

static void put_number(struct deflater *d, uint32_t number) {
    for (int i = 0; i < 4; i++) {
        put_byte(d, (uint8_t)(number >> (8 * i)));
    }
}

static unsigned distance_symbol(unsigned distance) {
    unsigned symbol = DISTANCES - 1;
    while (distance_base[symbol] > distance) {
        symbol--;
    }
    return symbol;
}

/* ---- blocks ---------------------------------------------------------------------------------- */

/* The lengths of both codes, run-length encoded: 16 repeats the last 3 to 6 times, 17 and 18 repeat
 * zero. `extra` are the bits behind such a symbol. Returns the number of symbols. */
static unsigned shorten_lengths(const uint8_t *lengths, unsigned count, uint8_t *ret_symbols,
                                uint8_t *ret_extra) {
    unsigned used = 0;
    for (unsigned i = 0; i < count;) {
        unsigned run = 1;
        while (i + run < count && lengths[i + run] == lengths[i] && run < 138) {
            run++;
        }
        if (lengths[i] == 0 && run >= 3) {
            ret_symbols[used] = run < 11 ? 17 : 18;
            ret_extra[used++] = (uint8_t)(run < 11 ? run - 3 : run - 11);
        } else if (lengths[i] != 0 && run >= 4) {
            run = run > 7 ? 7 : run;
            ret_symbols[used] = lengths[i];
            ret_extra[used++] = 0;
            ret_symbols[used] = 16;
            ret_extra[used++] = (uint8_t)(run - 4);
        } else {
            run = 1;
            ret_symbols[used] = lengths[i];
            ret_extra[used++] = 0;
        }
        i += run;
    }
    return used;
}

static void write_code_lengths(struct deflater *d, const struct pk_huffman *literals,
                               const struct pk_huffman *distances) {
    static const uint8_t order[CODE_LENGTHS] = {16, 17, 18, 0, 8,  7, 9,  6, 10, 5,
                                                11, 4,  12, 3, 13, 2, 14, 1, 15};
    static const uint8_t extra_bits[3] = {2, 3, 7};
    uint8_t lengths[LITERALS + DISTANCES], symbols[LITERALS + DISTANCES],
        extra[LITERALS + DISTANCES];
    uint32_t counts[CODE_LENGTHS] = {0};
    struct pk_huffman code;

    unsigned literal_count = LITERALS, distance_count = DISTANCES;
    while (literal_count > 257 && literals->lengths[literal_count - 1] == 0) {
        literal_count--;
    }
    while (distance_count > 1 && distances->lengths[distance_count - 1] == 0) {
        distance_count--;
    }
    memcpy(lengths, literals->lengths, literal_count);
    memcpy(lengths + literal_count, distances->lengths, distance_count);
    unsigned used = shorten_lengths(lengths, literal_count + distance_count, symbols, extra);
    for (unsigned i = 0; i < used; i++) {
        counts[symbols[i]]++;
    }
    pk_huffman_make(counts, CODE_LENGTHS, 7, &code);
    unsigned sent = CODE_LENGTHS;
    while (sent > 4 && code.lengths[order[sent - 1]] == 0) {
        sent--;
    }
    put_bits(d, literal_count - 257, 5);
    put_bits(d, distance_count - 1, 5);
    put_bits(d, sent - 4, 4);
    for (unsigned i = 0; i < sent; i++) {
        put_bits(d, code.lengths[order[i]], 3);
    }
    for (unsigned i = 0; i < used; i++) {
        put_bits(d, code.bits[symbols[i]], code.lengths[symbols[i]]);
        if (symbols[i] >= 16) {
            put_bits(d, extra[i], extra_bits[symbols[i] - 16]);
        }
    }
}

static void write_block(struct deflater *d, bool is_last) {
    uint32_t literal_counts[LITERALS] = {0}, distance_counts[DISTANCES] = {0};
    struct pk_huffman literals, distances;

    for (uint32_t i = 0; i < d->token_count; i++) {
        const struct token *token = &d->tokens[i];
        if (token->distance == 0) {
            literal_counts[token->value]++;
        } else {
            literal_counts[257u + d->length_symbol[token->value]]++;
            distance_counts[distance_symbol(token->distance)]++;
        }
    }
    literal_counts[END_OF_BLOCK] = 1;
    pk_huffman_make(literal_counts, LITERALS, 15, &literals);
    pk_huffman_make(distance_counts, DISTANCES, 15, &distances);

    put_bits(d, is_last ? 1 : 0, 1);
    put_bits(d, 2, 2); // dynamic codes
    write_code_lengths(d, &literals, &distances);
    for (uint32_t i = 0; i < d->token_count; i++) {
        const struct token *token = &d->tokens[i];
        if (token->distance == 0) {
            put_bits(d, literals.bits[token->value], literals.lengths[token->value]);
            continue;
        }
        unsigned length = d->length_symbol[token->value],
                 distance = distance_symbol(token->distance);
        put_bits(d, literals.bits[257 + length], literals.lengths[257 + length]);
        put_bits(d, (uint32_t)token->value - length_base[length], length_extra[length]);
        put_bits(d, distances.bits[distance], distances.lengths[distance]);
        put_bits(d, (uint32_t)token->distance - distance_base[distance], distance_extra[distance]);
    }
    put_bits(d, literals.bits[END_OF_BLOCK], literals.lengths[END_OF_BLOCK]);
    d->token_count = 0;
}

static void put_token(struct deflater *d, unsigned value, unsigned distance) {
    d->tokens[d->token_count++] =
        (struct token){.value = (uint16_t)value, .distance = (uint16_t)distance};
    if (d->token_count == BLOCK_TOKENS) {
        write_block(d, false);
    }
}

/* ---- LZ77 ------------------------------------------------------------------------------------ */

static uint32_t hash_at(const uint8_t *data) {
    uint32_t three = (uint32_t)data[0] | (uint32_t)data[1] << 8 | (uint32_t)data[2] << 16;
    return three * 2654435761u >> (32 - HASH_BITS);
}

static void remember(struct deflater *d, size_t at) {
    if (at + MIN_MATCH <= d->size) {
        uint32_t hash = hash_at(d->data + at);
        d->previous[at % WINDOW] = d->head[hash];
        d->head[hash] = (int32_t)at;
    }
}

/* The longest match for `at` that is longer than `longer_than`; 0 if there is none. */
static unsigned find_match(const struct deflater *d, size_t at, unsigned longer_than,
                           unsigned *ret_distance) {
    if (at + MIN_MATCH > d->size) {
        return 0;
    }
    unsigned limit = d->size - at < MAX_MATCH ? (unsigned)(d->size - at) : MAX_MATCH;
    unsigned best = longer_than < MIN_MATCH - 1 ? MIN_MATCH - 1 : longer_than;
    bool is_found = false;
    const uint8_t *here = d->data + at;
    int32_t candidate = d->head[hash_at(here)];
    for (unsigned chain = 0; chain < MAX_CHAIN && candidate >= 0 && best < limit; chain++) {
        size_t distance = at - (size_t)candidate;
        if (distance > WINDOW - MAX_MATCH) {
            break; // older entries may have been overwritten by newer positions
        }
        const uint8_t *there = d->data + candidate;
        if (there[best] == here[best]) {
            unsigned length = 0;
            while (length < limit && there[length] == here[length]) {
                length++;
            }
            if (length > best) {
                best = length;
                is_found = true;
                *ret_distance = (unsigned)distance;
                if (best >= GOOD_MATCH) {
                    break;
                }
            }
        }
        candidate = d->previous[(size_t)candidate % WINDOW];
    }
    return is_found ? best : 0;
}

static void write_tokens(struct deflater *d) {
    for (size_t at = 0; at < d->size;) {
        unsigned distance = 0, next_distance = 0;
        unsigned length = find_match(d, at, 0, &distance);
        remember(d, at);
        // lazily: a longer match one byte later is worth a literal
        if (length > 0 && length < GOOD_MATCH &&
            find_match(d, at + 1, length, &next_distance) > 0) {
            length = 0;
        }
        if (length == 0) {
            put_token(d, d->data[at], 0);
            at++;
            continue;
        }
        put_token(d, length, distance);
        for (unsigned i = 1; i < length; i++) {
            remember(d, at + i);
        }
        at += length;
    }
    write_block(d, true);
}

int pk_gzip(const uint8_t *data, size_t size, uint8_t **ret_bytes, size_t *ret_size) {
    static const uint8_t header[10] = {0x1f, 0x8b, 8, 0, 0,
                                       0,    0,    0, 0, 255}; // no time, no name, no system
    struct deflater d = {.data = data, .size = size};

    *ret_bytes = NULL;
    if (size > INT32_MAX) {
        return -ENOMEM; // positions are 32 bits wide
    }
    d.tokens = malloc(BLOCK_TOKENS * sizeof(*d.tokens));
    d.head = malloc((1u << HASH_BITS) * sizeof(*d.head));
    d.previous = malloc(WINDOW * sizeof(*d.previous));
    if (d.tokens != NULL && d.head != NULL && d.previous != NULL) {
        memset(d.head, 0xff, (1u << HASH_BITS) * sizeof(*d.head));
        for (unsigned length = MIN_MATCH, symbol = 0; length <= MAX_MATCH; length++) {
            while (symbol < 28 && length_base[symbol + 1] <= length) {
                symbol++;
            }
            d.length_symbol[length] = (uint8_t)symbol;
        }
        for (size_t i = 0; i < sizeof(header); i++) {
            put_byte(&d, header[i]);
        }
        write_tokens(&d);
        put_bits(&d, 0, (8 - d.bit_count) % 8);
        put_number(&d, pk_crc32(data, size));
        put_number(&d, (uint32_t)size);
    } else {
        d.failed = true;
    }
    free(d.tokens);
    free(d.head);
    free(d.previous);
    if (d.failed) {
        free(d.out);
        return -ENOMEM;
    }
    *ret_bytes = d.out;
    *ret_size = d.used;
    return 0;
}

void pk_base64_write(FILE *out, const uint8_t *data, size_t size) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t at = 0; at < size; at += 3) {
        size_t left = size - at;
        uint32_t three = (uint32_t)data[at] << 16 | (left > 1 ? (uint32_t)data[at + 1] << 8 : 0) |
                         (left > 2 ? (uint32_t)data[at + 2] : 0);
        putc_unlocked(digits[three >> 18], out);
        putc_unlocked(digits[three >> 12 & 63u], out);
        putc_unlocked(left > 1 ? digits[three >> 6 & 63u] : '=', out);
        putc_unlocked(left > 2 ? digits[three & 63u] : '=', out);
    }
}
