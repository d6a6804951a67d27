/* SPDX-License-Identifier: Apache-2.0
 * Inflate. Codes are read bit by bit against their canonical counts: no tables to build wrong, and
 * fast enough (some 30 MB/s) for data of at most tens of megabytes. */
#include "report/inflate.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "report/crc32.h"

#define MAX_BITS 15
#define LITERALS 286u
#define DISTANCES 30u
#define END_OF_BLOCK 256u

struct inflater {
    const uint8_t *data;
    size_t size;
    size_t at;
    uint32_t bits; /* taken from data, not yet used; the next one is the lowest */
    unsigned bit_count;

    uint8_t *out;
    size_t used;
    size_t room;
    size_t limit;
    int error; /* the first; all later reads give 0 */
};

/* A canonical code: how many symbols have each length, and the symbols in order of their codes. */
struct code {
    uint16_t counts[MAX_BITS + 1];
    uint16_t symbols[LITERALS + 2];
};

static void fail(struct inflater *in, int error) {
    if (in->error == 0) {
        in->error = error;
    }
}

static uint32_t take_bits(struct inflater *in, unsigned count) {
    while (in->bit_count < count) {
        if (in->at == in->size) {
            fail(in, -EBADMSG);
            return 0;
        }
        in->bits |= (uint32_t)in->data[in->at++] << in->bit_count;
        in->bit_count += 8;
    }
    uint32_t value = in->bits & ((1u << count) - 1u);
    in->bits >>= count;
    in->bit_count -= count;
    return value;
}

static bool make_room(struct inflater *in, size_t more) {
    if (more > in->limit - in->used) {
        fail(in, -EFBIG);
        return false;
    }
    if (in->used + more > in->room) {
        size_t room = in->room * 2 > in->used + more ? in->room * 2 : in->used + more + 4096;
        room = room > in->limit ? in->limit : room;
        uint8_t *out = realloc(in->out, room + 1);
        if (out == NULL) {
            fail(in, -ENOMEM);
            return false;
        }
        in->out = out;
        in->room = room;
    }
    return true;
}

/* A code from the lengths of its symbols (0: not used). False for one that assigns more codes than
 * there are; one that leaves codes over is allowed and fails when such a code is met. */
static bool make_code(const uint8_t *lengths, unsigned count, struct code *ret_code) {
    uint16_t offsets[MAX_BITS + 2] = {0};
    int left = 1;

    memset(ret_code->counts, 0, sizeof(ret_code->counts));
    for (unsigned i = 0; i < count; i++) {
        ret_code->counts[lengths[i]]++;
    }
    ret_code->counts[0] = 0;
    for (unsigned length = 1; length <= MAX_BITS; length++) {
        left = left * 2 - ret_code->counts[length];
        if (left < 0) {
            return false;
        }
        offsets[length + 1] = (uint16_t)(offsets[length] + ret_code->counts[length]);
    }
    for (unsigned i = 0; i < count; i++) {
        if (lengths[i] != 0) {
            ret_code->symbols[offsets[lengths[i]]++] = (uint16_t)i;
        }
    }
    return true;
}

static unsigned take_symbol(struct inflater *in, const struct code *code) {
    int value = 0, first = 0, index = 0;
    for (unsigned length = 1; length <= MAX_BITS && in->error == 0; length++) {
        value |= (int)take_bits(in, 1);
        int count = code->counts[length];
        if (value - first < count) {
            return code->symbols[index + value - first];
        }
        index += count;
        first = (first + count) << 1;
        value <<= 1;
    }
    fail(in, -EBADMSG);
    return 0;
}

static void copy_stored(struct inflater *in) {
    in->bits = 0; // a stored block begins at a whole byte
    in->bit_count = 0;
    if (in->size - in->at < 4) {
        fail(in, -EBADMSG);
        return;
    }
    const uint8_t *head = in->data + in->at;
    unsigned length = head[0] | (unsigned)head[1] << 8, check = head[2] | (unsigned)head[3] << 8;
    in->at += 4;
    if ((length ^ check) != 0xffffu || in->size - in->at < length) {
        fail(in, -EBADMSG);
        return;
    }
    if (make_room(in, length)) {
        memcpy(in->out + in->used, in->data + in->at, length);
        in->used += length;
        in->at += length;
    }
}

static void copy_match(struct inflater *in, unsigned length, unsigned distance) {
    if (distance > in->used) {
        fail(in, -EBADMSG);
        return;
    }
    if (make_room(in, length)) {
        for (unsigned i = 0; i < length; i++) { // may overlap itself: byte by byte
            in->out[in->used] = in->out[in->used - distance];
            in->used++;
        }
    }
}

static void inflate_coded(struct inflater *in, const struct code *literals,
                          const struct code *distances) {
    static const uint16_t length_base[29] = {3,  4,  5,  6,   7,   8,   9,   10,  11, 13,
                                             15, 17, 19, 23,  27,  31,  35,  43,  51, 59,
                                             67, 83, 99, 115, 131, 163, 195, 227, 258};
    static const uint8_t length_extra[29] = {0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2,
                                             2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0};
    static const uint16_t distance_base[DISTANCES] = {
        1,   2,   3,   4,   5,   7,    9,    13,   17,   25,   33,   49,   65,    97,    129,
        193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577};
    static const uint8_t distance_extra[DISTANCES] = {0, 0, 0,  0,  1,  1,  2,  2,  3,  3,
                                                      4, 4, 5,  5,  6,  6,  7,  7,  8,  8,
                                                      9, 9, 10, 10, 11, 11, 12, 12, 13, 13};
    while (in->error == 0) {
        unsigned symbol = take_symbol(in, literals);
        if (in->error != 0 || symbol == END_OF_BLOCK) {
            return;
        }
        if (symbol < END_OF_BLOCK) {
            if (make_room(in, 1)) {
                in->out[in->used++] = (uint8_t)symbol;
            }
            continue;
        }
        symbol -= END_OF_BLOCK + 1;
        if (symbol >= 29) {
            fail(in, -EBADMSG);
            return;
        }
        unsigned length = length_base[symbol] + take_bits(in, length_extra[symbol]);
        unsigned place = take_symbol(in, distances);
        if (in->error != 0 || place >= DISTANCES) {
            fail(in, -EBADMSG);
            return;
        }
        copy_match(in, length, distance_base[place] + take_bits(in, distance_extra[place]));
    }
}

static void inflate_fixed(struct inflater *in) {
    uint8_t lengths[LITERALS + 2];
    struct code literals, distances;

    for (unsigned i = 0; i < LITERALS + 2; i++) {
        lengths[i] = i < 144 ? 8 : i < 256 ? 9 : i < 280 ? 7 : 8;
    }
    (void)make_code(lengths, LITERALS + 2, &literals);
    memset(lengths, 5, DISTANCES);
    (void)make_code(lengths, DISTANCES, &distances);
    inflate_coded(in, &literals, &distances);
}

static void inflate_dynamic(struct inflater *in) {
    static const uint8_t order[19] = {16, 17, 18, 0, 8,  7, 9,  6, 10, 5,
                                      11, 4,  12, 3, 13, 2, 14, 1, 15};
    uint8_t lengths[LITERALS + 32] = {0};
    struct code first, literals, distances;

    unsigned literal_count = take_bits(in, 5) + 257, distance_count = take_bits(in, 5) + 1;
    unsigned sent = take_bits(in, 4) + 4;
    if (literal_count > LITERALS || distance_count > DISTANCES) {
        fail(in, -EBADMSG);
        return;
    }
    for (unsigned i = 0; i < sent; i++) {
        lengths[order[i]] = (uint8_t)take_bits(in, 3);
    }
    if (!make_code(lengths, 19, &first)) {
        fail(in, -EBADMSG);
        return;
    }
    memset(lengths, 0, sizeof(lengths));
    unsigned total = literal_count + distance_count;
    for (unsigned i = 0; i < total && in->error == 0;) {
        unsigned symbol = take_symbol(in, &first);
        unsigned repeat = 1;
        uint8_t value = (uint8_t)symbol;
        if (symbol == 16) {
            if (i == 0) {
                fail(in, -EBADMSG);
                return;
            }
            value = lengths[i - 1];
            repeat = 3 + take_bits(in, 2);
        } else if (symbol >= 17) {
            value = 0;
            repeat = symbol == 17 ? 3 + take_bits(in, 3) : 11 + take_bits(in, 7);
        }
        if (repeat > total - i) {
            fail(in, -EBADMSG);
            return;
        }
        memset(lengths + i, value, repeat);
        i += repeat;
    }
    if (in->error == 0 && (!make_code(lengths, literal_count, &literals) ||
                           !make_code(lengths + literal_count, distance_count, &distances))) {
        fail(in, -EBADMSG);
    }
    if (in->error == 0) {
        inflate_coded(in, &literals, &distances);
    }
}

static void inflate_all(struct inflater *in) {
    bool is_last = false;
    while (!is_last && in->error == 0) {
        is_last = take_bits(in, 1) != 0;
        switch (take_bits(in, 2)) {
        case 0:
            copy_stored(in);
            break;
        case 1:
            inflate_fixed(in);
            break;
        case 2:
            inflate_dynamic(in);
            break;
        default:
            fail(in, -EBADMSG);
        }
    }
}

/* Behind the head of the gzip member; 0 if it is none. */
static size_t skip_head(const uint8_t *data, size_t size) {
    enum {
        FLAG_CHECK = 2,
        FLAG_EXTRA = 4,
        FLAG_NAME = 8,
        FLAG_COMMENT = 16
    };
    if (size < 18 || data[0] != 0x1f || data[1] != 0x8b || data[2] != 8) {
        return 0;
    }
    size_t at = 10;
    if ((data[3] & FLAG_EXTRA) != 0) {
        at += 2 + ((size_t)data[10] | (size_t)data[11] << 8);
    }
    for (unsigned flag = FLAG_NAME; flag <= FLAG_COMMENT; flag <<= 1) {
        if ((data[3] & flag) != 0) {
            while (at < size && data[at] != 0) {
                at++;
            }
            at++;
        }
    }
    at += (data[3] & FLAG_CHECK) != 0 ? 2u : 0u;
    return at < size ? at : 0;
}

static uint32_t read_number(const uint8_t *bytes) {
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
           (uint32_t)bytes[3] << 24;
}

int pk_gunzip(const uint8_t *data, size_t size, size_t limit, uint8_t **ret_bytes,
              size_t *ret_size) {
    *ret_bytes = NULL;
    *ret_size = 0;
    size_t start = skip_head(data, size);
    if (start == 0) {
        return -EBADMSG;
    }
    struct inflater in = {.data = data, .size = size, .at = start, .limit = limit};
    in.room = size < limit / 4 ? size * 4 : limit;
    in.out = malloc(in.room + 1);
    if (in.out == NULL) {
        return -ENOMEM;
    }
    inflate_all(&in);
    if (in.error == 0) {
        // whole bytes that were taken into the bit buffer and not used belong to the trailer
        size_t end = in.at - in.bit_count / 8;
        if (size - end < 8 || read_number(data + end) != pk_crc32(in.out, in.used) ||
            read_number(data + end + 4) != (uint32_t)in.used) {
            fail(&in, -EBADMSG);
        }
    }
    if (in.error != 0) {
        free(in.out);
        return in.error;
    }
    in.out[in.used] = 0;
    *ret_bytes = in.out;
    *ret_size = in.used;
    return 0;
}

static int digit_value(char c) {
    return c >= 'A' && c <= 'Z'   ? c - 'A'
           : c >= 'a' && c <= 'z' ? c - 'a' + 26
           : c >= '0' && c <= '9' ? c - '0' + 52
           : c == '+'             ? 62
           : c == '/'             ? 63
                                  : -1;
}

int pk_base64_read(const char *text, size_t size, uint8_t **ret_bytes, size_t *ret_size) {
    uint8_t *out = malloc(size / 4 * 3 + 4);
    size_t used = 0;
    uint32_t bits = 0;
    unsigned count = 0, padding = 0;

    *ret_bytes = NULL;
    *ret_size = 0;
    if (out == NULL) {
        return -ENOMEM;
    }
    for (size_t i = 0; i < size; i++) {
        char c = text[i];
        if (c == ' ' || c == '\n' || c == '\r' || c == '\t') {
            continue;
        }
        int value = digit_value(c);
        if (c == '=' ? ++padding > 2 : value < 0 || padding > 0) {
            free(out);
            return -EBADMSG;
        }
        if (c != '=') {
            bits = bits << 6 | (uint32_t)value;
            count++;
            if (count % 4 == 0) {
                out[used++] = (uint8_t)(bits >> 16);
                out[used++] = (uint8_t)(bits >> 8);
                out[used++] = (uint8_t)bits;
            }
        }
    }
    unsigned rest = count % 4;
    if (rest == 1 || (padding > 0 && (rest + padding) % 4 != 0)) {
        free(out);
        return -EBADMSG;
    }
    if (rest >= 2) {
        out[used++] = (uint8_t)(bits >> (rest == 2 ? 4 : 10));
    }
    if (rest == 3) {
        out[used++] = (uint8_t)(bits >> 2);
    }
    *ret_bytes = out;
    *ret_size = used;
    return 0;
}
