/* SPDX-License-Identifier: Apache-2.0
 * Numbers and texts for the terminal. May use record/utf8.h. */
#include "report/display.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "record/utf8.h"

const char *pk_format_bytes(char ret_text[PK_NUMBER_ROOM], uint64_t bytes) {
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    if (bytes < 1024) {
        snprintf(ret_text, PK_NUMBER_ROOM, "%" PRIu64 " B", bytes);
        return ret_text;
    }
    unsigned unit = 1;
    while (unit < 6 && bytes >> (10 * unit) >= 1024) {
        unit++;
    }
    uint64_t whole = bytes >> (10 * unit), rest = bytes & ((UINT64_C(1) << (10 * unit)) - 1);
    unsigned shift = unit == 6 ? 10 : 0; // ten times the rest of an exbibyte does not fit
    uint64_t tenths =
        ((rest >> shift) * 10 + (UINT64_C(1) << (10 * unit - 1 - shift))) >> (10 * unit - shift);
    if (tenths == 10) {
        whole++;
        tenths = 0;
    }
    if (whole == 1024 && unit < 6) {
        whole = 1;
        unit++;
    }
    snprintf(ret_text, PK_NUMBER_ROOM, "%" PRIu64 ".%" PRIu64 " %s", whole, tenths, units[unit]);
    return ret_text;
}

const char *pk_format_share(char ret_text[PK_NUMBER_ROOM], uint64_t part, uint64_t whole) {
    while (part > UINT64_MAX / 2048) {
        part >>= 10;
        whole >>= 10;
    }
    uint64_t tenths = whole == 0 ? 0 : (part * 1000 + whole / 2) / whole;
    snprintf(ret_text, PK_NUMBER_ROOM, "%" PRIu64 ".%" PRIu64 " %%", tenths / 10, tenths % 10);
    return ret_text;
}

const char *pk_format_count(char ret_text[PK_NUMBER_ROOM], uint64_t count) {
    char digits[24];
    int length = snprintf(digits, sizeof(digits), "%" PRIu64, count);
    size_t used = 0;
    for (int i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0) {
            ret_text[used++] = ',';
        }
        ret_text[used++] = digits[i];
    }
    ret_text[used] = '\0';
    return ret_text;
}

const char *pk_format_time(char ret_text[PK_NUMBER_ROOM], uint64_t nanoseconds) {
    uint64_t centis = (nanoseconds + 5000000u) / 10000000u; // rounded, as the page does it
    uint64_t tenths = (nanoseconds + 50000000u) / 100000000u;
    uint64_t seconds = (nanoseconds + 500000000u) / 1000000000u;
    if (centis < 100) {
        snprintf(ret_text, PK_NUMBER_ROOM, "0.%02" PRIu64 " s", centis);
    } else if (tenths < 6000) {
        snprintf(ret_text, PK_NUMBER_ROOM, "%" PRIu64 ".%" PRIu64 " s", tenths / 10, tenths % 10);
    } else if (seconds < 7200) {
        snprintf(ret_text, PK_NUMBER_ROOM, "%" PRIu64 " min %" PRIu64 " s", seconds / 60,
                 seconds % 60);
    } else {
        snprintf(ret_text, PK_NUMBER_ROOM, "%" PRIu64 " h %" PRIu64 " min", seconds / 3600,
                 seconds / 60 % 60);
    }
    return ret_text;
}

struct range {
    uint32_t first;
    uint32_t last;
};

static bool is_in(uint32_t point, const struct range *ranges, size_t count) {
    for (size_t i = 0; i < count && ranges[i].first <= point; i++) {
        if (point <= ranges[i].last) {
            return true;
        }
    }
    return false;
}

unsigned pk_text_width(uint32_t point) {
    // the blocks that matter in source code, ascending; not the whole of Unicode
    static const struct range zero[] = {
        {0x0300, 0x036f},   {0x0483, 0x0489},   {0x0591, 0x05bd}, {0x0610, 0x061a},
        {0x064b, 0x065f},   {0x0900, 0x0902},   {0x093c, 0x093c}, {0x0941, 0x0948},
        {0x094d, 0x094d},   {0x0e31, 0x0e31},   {0x0e34, 0x0e3a}, {0x0e47, 0x0e4e},
        {0x1ab0, 0x1aff},   {0x1dc0, 0x1dff},   {0x200b, 0x200d}, {0x20d0, 0x20ff},
        {0x3099, 0x309a},   {0xfe00, 0xfe0f},   {0xfe20, 0xfe2f}, {0xfeff, 0xfeff},
        {0x1f3fb, 0x1f3ff}, {0xe0100, 0xe01ef},
    };
    static const struct range two[] = {
        {0x1100, 0x115f},   {0x231a, 0x231b},   {0x23e9, 0x23ec},   {0x25fd, 0x25fe},
        {0x2614, 0x2615},   {0x2648, 0x2653},   {0x267f, 0x267f},   {0x2693, 0x2693},
        {0x26a1, 0x26a1},   {0x26bd, 0x26be},   {0x26d4, 0x26d4},   {0x26ea, 0x26ea},
        {0x2705, 0x2705},   {0x270a, 0x270b},   {0x2728, 0x2728},   {0x274c, 0x274c},
        {0x2753, 0x2755},   {0x2757, 0x2757},   {0x2795, 0x2797},   {0x2b1b, 0x2b1c},
        {0x2b50, 0x2b50},   {0x2e80, 0x303e},   {0x3041, 0x33ff},   {0x3400, 0x4dbf},
        {0x4e00, 0xa4cf},   {0xa960, 0xa97f},   {0xac00, 0xd7a3},   {0xf900, 0xfaff},
        {0xfe30, 0xfe6f},   {0xff00, 0xff60},   {0xffe0, 0xffe6},   {0x16fe0, 0x18cff},
        {0x1b000, 0x1b2ff}, {0x1f004, 0x1f004}, {0x1f0cf, 0x1f0cf}, {0x1f18e, 0x1f18e},
        {0x1f191, 0x1f19a}, {0x1f200, 0x1f320}, {0x1f32d, 0x1f335}, {0x1f337, 0x1f37c},
        {0x1f37e, 0x1f393}, {0x1f3a0, 0x1f3ca}, {0x1f3cf, 0x1f3d3}, {0x1f3e0, 0x1f3fa},
        {0x1f400, 0x1f64f}, {0x1f680, 0x1f6c5}, {0x1f6cc, 0x1f6cc}, {0x1f6d0, 0x1f6ff},
        {0x1f7e0, 0x1f7eb}, {0x1f90c, 0x1f9ff}, {0x1fa70, 0x1faff}, {0x20000, 0x3fffd},
    };
    if (point < 0x300) {
        return 1;
    }
    if (is_in(point, zero, PK_LEN(zero))) {
        return 0;
    }
    return is_in(point, two, PK_LEN(two)) ? 2 : 1;
}

/* Would this character act on the terminal or on the order of text, instead of being seen? */
static bool is_active(uint32_t point) {
    return point < 0x20 || (point >= 0x7f && point < 0xa0) || point == 0x061c ||
           (point >= 0x200e && point <= 0x200f) || (point >= 0x2028 && point <= 0x202e) ||
           (point >= 0x2060 && point <= 0x206f) || point == 0xad ||
           (point >= 0xfff0 && point <= 0xfffb) || (point >= 0xe0000 && point <= 0xe007f);
}

/* The next character as it will be shown. Returns the bytes taken. */
static size_t next_character(const char *text, size_t size, bool utf8, uint32_t *ret_point) {
    size_t taken = pk_utf8_decode(text, size, ret_point);
    if (taken == 0) {
        taken = 1;
    }
    if (*ret_point == '\t') {
        *ret_point = ' ';
    } else if (is_active(*ret_point)) {
        *ret_point = PK_UTF8_REPLACEMENT;
    }
    if (!utf8 && *ret_point > 0x7e) {
        *ret_point = '?';
    }
    return taken;
}

size_t pk_text_columns(const char *text, bool utf8) {
    size_t size = strlen(text), columns = 0;
    for (size_t at = 0; at < size;) {
        uint32_t point;
        at += next_character(text + at, size - at, utf8, &point);
        columns += pk_text_width(point);
    }
    return columns;
}

/* Append characters of `text` while they fit in `columns`. */
static size_t copy_characters(char *ret_text, size_t size, size_t *used, const char *text,
                              size_t columns, bool utf8) {
    size_t length = strlen(text), taken_columns = 0;
    for (size_t at = 0; at < length;) {
        uint32_t point;
        char bytes[4];
        at += next_character(text + at, length - at, utf8, &point);
        size_t count = pk_utf8_encode(point, bytes);
        if (taken_columns + pk_text_width(point) > columns || *used + count >= size) {
            break;
        }
        memcpy(ret_text + *used, bytes, count);
        *used += count;
        taken_columns += pk_text_width(point);
    }
    return taken_columns;
}

size_t pk_text_clean(char *ret_text, size_t size, const char *text, size_t columns, bool utf8,
                     bool keep_end) {
    size_t used = 0, total = pk_text_columns(text, utf8), taken;
    if (total <= columns) {
        taken = copy_characters(ret_text, size, &used, text, columns, utf8);
    } else if (columns <= 3) {
        taken = copy_characters(ret_text, size, &used, "...", columns, utf8);
    } else if (!keep_end) {
        taken = copy_characters(ret_text, size, &used, text, columns - 3, utf8);
        taken += copy_characters(ret_text, size, &used, "...", 3, utf8);
    } else {
        size_t length = strlen(text), at = 0, left = total;
        while (at < length && left > columns - 3) {
            uint32_t point;
            at += next_character(text + at, length - at, utf8, &point);
            left -= pk_text_width(point);
        }
        taken = copy_characters(ret_text, size, &used, "...", 3, utf8);
        taken += copy_characters(ret_text, size, &used, text + at, columns - 3, utf8);
    }
    ret_text[used] = '\0';
    return taken;
}

size_t pk_text_clean_place(char *ret_text, size_t size, const char *place, size_t columns,
                           bool utf8) {
    const char *slash = strrchr(place, '/');
    size_t end = slash == NULL ? 0 : pk_text_columns(slash, utf8) + strlen("...");
    if (slash == NULL || pk_text_columns(place, utf8) <= columns || end > columns) {
        return pk_text_clean(ret_text, size, place, columns, utf8, true);
    }
    // whole names from the front, as many as there is room for
    size_t start = 0, start_columns = 0;
    for (const char *at = place; at < slash; at++) {
        size_t length = (size_t)(at + 1 - place);
        char name[256];
        if (*at == '/' && length < sizeof(name)) {
            memcpy(name, place, length);
            name[length] = '\0';
            size_t wanted = pk_text_columns(name, utf8);
            start = wanted + end <= columns ? length : start;
            start_columns = wanted + end <= columns ? wanted : start_columns;
        }
    }
    size_t used = 0;
    char name[256];
    memcpy(name, place, start);
    name[start] = '\0';
    size_t taken = copy_characters(ret_text, size, &used, name, start_columns, utf8);
    taken += copy_characters(ret_text, size, &used, "...", 3, utf8);
    taken += copy_characters(ret_text, size, &used, slash, columns - taken, utf8);
    ret_text[used] = '\0';
    return taken;
}

/* What means something in a URL, or to a terminal, as %XX. */
static void write_escaped_path(FILE *out, const char *text) {
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/-._~";
    for (; *text != '\0'; text++) {
        if (strchr(plain, *text) != NULL) {
            putc(*text, out);
        } else {
            fprintf(out, "%%%02X", (unsigned char)*text);
        }
    }
}

bool pk_link_begin(FILE *out, const char *host, const char *path, uint32_t line) {
    if (host == NULL || path[0] != '/') {
        return false;
    }
    fputs("\033]8;;file://", out);
    write_escaped_path(out, host);
    write_escaped_path(out, path);
    if (line > 0) {
        fprintf(out, "#%" PRIu32, line);
    }
    fputs("\033\\", out);
    return true;
}

void pk_link_end(FILE *out, bool has_begun) {
    if (has_begun) {
        fputs("\033]8;;\033\\", out);
    }
}
