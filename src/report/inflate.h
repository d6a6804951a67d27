/* SPDX-License-Identifier: Apache-2.0
 * Reads gzip (RFC 1951, RFC 1952) and base64, for the data inside a page: the other direction of
 * deflate.h. Uses the C library. Must stay true: whatever bytes come in, nothing outside of them is
 * read, and no more than the limit is ever allocated or written; what cannot be trusted (a wrong
 * checksum, a cut stream) is refused whole. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Unpack one gzip member into a malloced buffer; one byte behind the end is 0, so that text can be
 * used as a string. Returns 0, -EBADMSG when it is not whole and right, -EFBIG when it would be
 * larger than `limit` bytes, -ENOMEM. */
int pk_gunzip(const uint8_t *data, size_t size, size_t limit, uint8_t **ret_bytes,
              size_t *ret_size);

/* Decode base64 into a malloced buffer; white space between the digits is skipped. Returns 0,
 * -EBADMSG or -ENOMEM. */
int pk_base64_read(const char *text, size_t size, uint8_t **ret_bytes, size_t *ret_size);
