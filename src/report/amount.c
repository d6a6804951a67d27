/* SPDX-License-Identifier: Apache-2.0
 * See amount.h. */
#include "report/amount.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

#define MOST_DECIMALS 9
#define MOST_WHOLE 1000000000000000000u /* 10^18: what is more fits with no unit */
#define MOST_TENTHS UINT32_MAX

static const struct {
    const char *name;
    uint64_t bytes;
} units[] = {
    {"", 1},
    {"B", 1},
    {"K", 1u << 10},
    {"KiB", 1u << 10},
    {"kB", 1000},
    {"M", 1u << 20},
    {"MiB", 1u << 20},
    {"MB", 1000000},
    {"G", 1u << 30},
    {"GiB", 1u << 30},
    {"GB", 1000000000},
    {"T", UINT64_C(1) << 40},
    {"TiB", UINT64_C(1) << 40},
    {"TB", UINT64_C(1000000000000)},
};

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

/* "12.5": `*ret_whole` + `*ret_part` / `*ret_scale`. Returns where it ended, NULL: no number. */
static const char *read_number(const char *text, uint64_t *ret_whole, uint64_t *ret_part,
                               uint64_t *ret_scale) {
    unsigned decimals = 0;

    *ret_whole = *ret_part = 0;
    *ret_scale = 1;
    if (!is_digit(*text)) {
        return NULL;
    }
    for (; is_digit(*text); text++) {
        uint64_t digit = (uint64_t)(*text - '0');
        *ret_whole = *ret_whole >= MOST_WHOLE ? UINT64_MAX : *ret_whole * 10 + digit;
    }
    if (*text != '.') {
        return text;
    }
    text++;
    if (!is_digit(*text)) {
        return NULL;
    }
    for (; is_digit(*text); text++) {
        if (decimals < MOST_DECIMALS) {
            *ret_part = *ret_part * 10 + (uint64_t)(*text - '0');
            *ret_scale *= 10;
            decimals++;
        }
    }
    return text;
}

/* (whole + part / scale) * unit */
static int multiply(uint64_t whole, uint64_t part, uint64_t scale, uint64_t unit,
                    uint64_t *ret_product) {
    unsigned __int128 product =
        (unsigned __int128)whole * unit + (unsigned __int128)part * unit / scale;

    if (whole == UINT64_MAX || product > UINT64_MAX) {
        return -EINVAL;
    }
    *ret_product = (uint64_t)product;
    return 0;
}

int pk_amount_parse(const char *text, struct pk_amount *ret_amount) {
    uint64_t whole, part, scale;

    *ret_amount = (struct pk_amount){0};
    text += strspn(text, " ");
    text = read_number(text, &whole, &part, &scale);
    if (text == NULL) {
        return -EINVAL;
    }
    text += strspn(text, " ");
    if (strcmp(text, "%") == 0) {
        ret_amount->is_share = true;
        bool is_exact = part * 10 % scale == 0;
        int error = multiply(whole, part, scale, 10, &ret_amount->tenths);
        return !is_exact || ret_amount->tenths > MOST_TENTHS ? -EINVAL : error;
    }
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (strcasecmp(text, units[i].name) == 0) {
            return units[i].bytes == 1 && part != 0
                       ? -EINVAL
                       : multiply(whole, part, scale, units[i].bytes, &ret_amount->bytes);
        }
    }
    return -EINVAL;
}
