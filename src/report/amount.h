/* SPDX-License-Identifier: Apache-2.0
 * How much memory somebody means: "500MiB", "1.5 GB", "4096", or a share: "10%".
 * May use libc. Must stay true: one place reads them, so that every option means the same; never a
 * locale, never a float. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct pk_amount {
    bool is_share;
    uint64_t bytes;
    uint64_t tenths; /* of a per cent */
};

/* KiB, MiB, GiB, TiB and K, M, G, T are powers of 1024; kB, MB, GB, TB powers of 1000; no unit and
 * B are bytes; % is a share. Capitals do not matter, spaces before the unit neither; what is
 * left of a byte is cut off. Returns 0, or -EINVAL for anything else, also for a share finer than a
 * tenth of a per cent and for what does not fit. */
int pk_amount_parse(const char *text, struct pk_amount *ret_amount);
