/* SPDX-License-Identifier: Apache-2.0
 * A gzip writer (RFC 1951, RFC 1952) and base64, for data inside the page.
 * Uses the C library. Must stay true: the same input gives the same output (no time stamp); any
 * inflater reads it. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Compress into a malloced buffer. Returns 0 or -ENOMEM. */
int pk_gzip(const uint8_t *data, size_t size, uint8_t **ret_bytes, size_t *ret_size);

/* Write as base64, in one line, padded. */
void pk_base64_write(FILE *out, const uint8_t *data, size_t size);
