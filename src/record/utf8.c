/* SPDX-License-Identifier: Apache-2.0
 * UTF-8 decoding, encoding and repair. Uses nothing. */
#include "record/utf8.h"

#include <stdbool.h>
#include <string.h>

static bool is_continuation(unsigned char byte) {
    return (byte & 0xc0u) == 0x80u;
}

size_t pk_utf8_decode(const char *text, size_t size, uint32_t *ret_point) {
    const unsigned char *bytes = (const unsigned char *)text;
    *ret_point = PK_UTF8_REPLACEMENT;
    if (size == 0) {
        return 0;
    }
    unsigned char lead = bytes[0];
    if (lead < 0x80u) {
        *ret_point = lead;
        return 1;
    }
    size_t length = lead >= 0xf0u ? 4 : lead >= 0xe0u ? 3 : 2;
    if (lead < 0xc2u || lead > 0xf4u || size < length) {
        return 0;
    }
    uint32_t point = lead & (0x7fu >> length);
    for (size_t i = 1; i < length; i++) {
        if (!is_continuation(bytes[i])) {
            return 0;
        }
        point = point << 6 | (bytes[i] & 0x3fu);
    }
    if ((length == 3 && (point < 0x800u || (point >= 0xd800u && point <= 0xdfffu))) ||
        (length == 4 && (point < 0x10000u || point > 0x10ffffu))) {
        return 0;
    }
    *ret_point = point;
    return length;
}

size_t pk_utf8_encode(uint32_t point, char ret_bytes[4]) {
    if (point > 0x10ffffu || (point >= 0xd800u && point <= 0xdfffu)) {
        point = PK_UTF8_REPLACEMENT;
    }
    if (point < 0x80u) {
        ret_bytes[0] = (char)point;
        return 1;
    }
    size_t length = point < 0x800u ? 2 : point < 0x10000u ? 3 : 4;
    for (size_t i = length - 1; i > 0; i--) {
        ret_bytes[i] = (char)(0x80u | (point & 0x3fu));
        point >>= 6;
    }
    ret_bytes[0] = (char)((0xf00u >> length & 0xf0u) | point);
    return length;
}

static bool is_encoded_surrogate(const char *text, size_t size) {
    const unsigned char *bytes = (const unsigned char *)text;
    return size >= 3 && bytes[0] == 0xedu && bytes[1] >= 0xa0u && bytes[1] <= 0xbfu &&
           is_continuation(bytes[2]);
}

size_t pk_utf8_repair(char *text, size_t size) {
    size_t replaced = 0;
    for (size_t at = 0; at < size;) {
        uint32_t point;
        size_t length = pk_utf8_decode(text + at, size - at, &point);
        if (length > 0 && point != 0) {
            at += length;
            continue;
        }
        replaced++;
        if (is_encoded_surrogate(text + at, size - at)) {
            // Python writes the bytes of undecodable file names like this
            memcpy(text + at, "\xef\xbf\xbd", 3);
            at += 3;
        } else {
            text[at++] = '?';
        }
    }
    return replaced;
}
