/* SPDX-License-Identifier: Apache-2.0
 * Reading code objects and the strings they hold.
 * May use base only. Must stay true: every length read from an object is checked before it is used.
 * */
#include "pyframe/codeinfo.h"

#include <string.h>

#include "pyframe/walk.h" // pk_read_pointer(), pk_read_word(), pk_read_int()

/* No name, path or line table is longer; a length above this is not a length. */
#define LONGEST_TEXT (1u << 26)
#define LONGEST_LINETABLE (1u << 28)

#define REPLACEMENT 0xfffdu

static struct pk_text read_text(const struct pk_layout *layout, const void *object) {
    struct pk_text text = {.data = "", .length = 0, .kind = 1};
    if ((uintptr_t)object < PK_LOWEST_OBJECT) {
        return text;
    }
    uintptr_t length = pk_read_word(object, layout->text_length);
    uint32_t state = (uint32_t)pk_read_int(object, layout->text_state);
    uint32_t kind = (state >> layout->text_kind_shift) & 7;
    bool compact = ((state >> layout->text_compact_bit) & 1) != 0;
    bool ascii = ((state >> layout->text_ascii_bit) & 1) != 0;
    if (length > LONGEST_TEXT || (kind != 1 && kind != 2 && kind != 4)) {
        return text;
    }
    const void *data;
    if (compact) {
        data = (const char *)object + (ascii ? layout->text_ascii_data : layout->text_compact_data);
    } else {
        data = pk_read_pointer(object, layout->text_pointer);
    }
    if ((uintptr_t)data < PK_LOWEST_OBJECT) {
        return text;
    }
    text.data = data;
    text.length = (uint32_t)length;
    text.kind = kind;
    return text;
}

void pk_code_read(const struct pk_layout *layout, const void *code, struct pk_code_info *ret_info) {
    ret_info->name = read_text(layout, pk_read_pointer(code, layout->code_name));
    ret_info->qualname = ret_info->name;
    if (layout->code_qualname != PK_ABSENT) {
        ret_info->qualname = read_text(layout, pk_read_pointer(code, layout->code_qualname));
    }
    ret_info->filename = read_text(layout, pk_read_pointer(code, layout->code_filename));
    pk_code_read_lines(layout, code, ret_info);
}

void pk_code_read_lines(const struct pk_layout *layout, const void *code,
                        struct pk_code_info *ret_info) {
    ret_info->first_line = pk_read_int(code, layout->code_firstlineno);
    ret_info->line_kind = (enum pk_line_kind)layout->line_kind;
    ret_info->linetable = NULL;
    ret_info->linetable_length = 0;

    const void *table = pk_read_pointer(code, layout->code_linetable);
    if ((uintptr_t)table >= PK_LOWEST_OBJECT) {
        uintptr_t length = pk_read_word(table, layout->bytes_length);
        if (length <= LONGEST_LINETABLE) {
            ret_info->linetable = (const uint8_t *)table + layout->bytes_data;
            ret_info->linetable_length = length;
        }
    }
}

static uint32_t read_character(struct pk_text text, uint32_t index) {
    const char *at = (const char *)text.data + (size_t)index * text.kind;
    if (text.kind == 1) {
        return (uint8_t)*at;
    }
    if (text.kind == 2) {
        uint16_t narrow;
        memcpy(&narrow, at, sizeof(narrow));
        return narrow;
    }
    uint32_t wide;
    memcpy(&wide, at, sizeof(wide));
    return wide;
}

/* Writes one character in 1 to 4 bytes, returns how many. */
static size_t encode_utf8(uint32_t character, char *bytes) {
    if (character < 0x80) {
        bytes[0] = (char)character;
        return 1;
    }
    if (character < 0x800) {
        bytes[0] = (char)(0xc0 | (character >> 6));
        bytes[1] = (char)(0x80 | (character & 63));
        return 2;
    }
    if ((character >= 0xd800 && character < 0xe000) || character > 0x10ffff) {
        character = REPLACEMENT;
    }
    if (character < 0x10000) {
        bytes[0] = (char)(0xe0 | (character >> 12));
        bytes[1] = (char)(0x80 | ((character >> 6) & 63));
        bytes[2] = (char)(0x80 | (character & 63));
        return 3;
    }
    bytes[0] = (char)(0xf0 | (character >> 18));
    bytes[1] = (char)(0x80 | ((character >> 12) & 63));
    bytes[2] = (char)(0x80 | ((character >> 6) & 63));
    bytes[3] = (char)(0x80 | (character & 63));
    return 4;
}

size_t pk_text_to_utf8(struct pk_text text, char *buffer, size_t size) {
    size_t used = 0;
    for (uint32_t i = 0; i < text.length; i++) {
        char bytes[4];
        size_t count = encode_utf8(read_character(text, i), bytes);
        if (count > size - 1 - used) {
            break;
        }
        memcpy(buffer + used, bytes, count);
        used += count;
    }
    buffer[used] = '\0';
    return used;
}

static uint64_t mix(uint64_t hash, uint64_t word) {
    hash = (hash ^ word) * 0x9e3779b97f4a7c15u; // 2^64 / golden ratio: spreads low bits upwards
    return hash ^ (hash >> 32);
}

static uint64_t mix_bytes(uint64_t hash, const void *bytes, size_t length) {
    const char *next = bytes;
    hash = mix(hash, length);
    while (length >= sizeof(uint64_t)) {
        uint64_t word;
        memcpy(&word, next, sizeof(word));
        hash = mix(hash, word);
        next += sizeof(word);
        length -= sizeof(word);
    }
    if (length > 0) {
        uint64_t word = 0;
        memcpy(&word, next, length);
        hash = mix(hash, word);
    }
    return hash;
}

static uint64_t mix_text(uint64_t hash, struct pk_text text) {
    return mix_bytes(mix(hash, text.kind), text.data, (size_t)text.length * text.kind);
}

uint32_t pk_code_hash(const struct pk_code_info *info) {
    uint64_t hash = mix(0, (uint32_t)info->first_line);
    hash = mix_text(hash, info->name);
    hash = mix_text(hash, info->qualname);
    hash = mix_text(hash, info->filename);
    hash = mix_bytes(hash, info->linetable, info->linetable_length);
    return (uint32_t)(hash ^ (hash >> 32));
}

void pk_code_stamp_read(const struct pk_layout *layout, const void *code,
                        struct pk_code_stamp *ret_stamp) {
    ret_stamp->name = pk_read_pointer(code, layout->code_name);
    ret_stamp->linetable = pk_read_pointer(code, layout->code_linetable);
    ret_stamp->first_line = pk_read_int(code, layout->code_firstlineno);
    ret_stamp->version = 0;
    if (layout->code_version != PK_ABSENT) {
        ret_stamp->version = (uint32_t)pk_read_int(code, layout->code_version);
    }
}

bool pk_code_stamp_equal(const struct pk_code_stamp *a, const struct pk_code_stamp *b) {
    return a->name == b->name && a->linetable == b->linetable && a->first_line == b->first_line &&
           a->version == b->version;
}
