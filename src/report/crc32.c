/* SPDX-License-Identifier: Apache-2.0
 * CRC-32 by a table, which is made anew each time: it costs as much as 256 bytes. */
#include "report/crc32.h"

uint32_t pk_crc32(const uint8_t *data, size_t size) {
    uint32_t table[256], crc = 0xffffffffu;
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t value = i;
        for (int bit = 0; bit < 8; bit++) {
            value = (value & 1u) != 0 ? 0xedb88320u ^ value >> 1 : value >> 1;
        }
        table[i] = value;
    }
    for (size_t i = 0; i < size; i++) {
        crc = table[(crc ^ data[i]) & 0xffu] ^ crc >> 8;
    }
    return ~crc;
}
