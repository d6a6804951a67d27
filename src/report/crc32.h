/* SPDX-License-Identifier: Apache-2.0
 * The checksum of gzip (RFC 1952), for both directions. Uses the C library. Must stay true: what
 * one side writes the other accepts. */
#pragma once

#include <stddef.h>
#include <stdint.h>

uint32_t pk_crc32(const uint8_t *data, size_t size);
