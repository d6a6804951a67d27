/* SPDX-License-Identifier: Apache-2.0
 * UTF-8, strictly: no overlong forms, no surrogates, nothing above U+10FFFF.
 * May be used by everything above the ledger; uses nothing. Must stay true: reads only the bytes it
 * is given. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define PK_UTF8_REPLACEMENT 0xfffdu

/* Decode the character at `text`. Returns its length (1 to 4) and the code point, or 0 when the
 * bytes there are not valid UTF-8 (or `size` is 0); *ret_point is then PK_UTF8_REPLACEMENT. */
size_t pk_utf8_decode(const char *text, size_t size, uint32_t *ret_point);

/* Encode a code point; surrogates and numbers beyond Unicode become the replacement character.
 * Returns the length, 1 to 4; writes no NUL. */
size_t pk_utf8_encode(uint32_t point, char ret_bytes[4]);

/* Make `size` bytes valid UTF-8 without NULs, in place and without changing their number: an
 * encoded surrogate (three bytes) becomes U+FFFD, any other wrong byte and each NUL a question
 * mark. Returns how many were replaced. */
size_t pk_utf8_repair(char *text, size_t size);
