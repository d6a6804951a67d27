/* SPDX-License-Identifier: Apache-2.0
 * The pull reader for JSON documents of our own. No recursion: the kind of every open level is kept
 * in an array. May use record/utf8.h. */
#include <stdlib.h>
#include <string.h>

#include "record/utf8.h"
#include "report/json.h"

void pk_json_reader_start(struct pk_json_reader *reader, const char *text, size_t size) {
    memset(reader, 0, sizeof(*reader));
    reader->text = text;
    reader->size = size;
}

static enum pk_json_token give_up(struct pk_json_reader *reader) {
    reader->at = reader->size;
    reader->is_done = true;
    reader->depth = 1; // never again a clean end
    return PK_JSON_ERROR;
}

static void skip_space(struct pk_json_reader *reader) {
    while (reader->at < reader->size && strchr(" \t\r\n", reader->text[reader->at]) != NULL &&
           reader->text[reader->at] != '\0') {
        reader->at++;
    }
}

static bool read_hex4(struct pk_json_reader *reader, uint32_t *ret_unit) {
    uint32_t unit = 0;
    if (reader->size - reader->at < 4) {
        return false;
    }
    for (int i = 0; i < 4; i++) {
        char c = reader->text[reader->at++];
        uint32_t digit = c >= '0' && c <= '9'   ? (uint32_t)(c - '0')
                         : c >= 'a' && c <= 'f' ? (uint32_t)(c - 'a' + 10)
                         : c >= 'A' && c <= 'F' ? (uint32_t)(c - 'A' + 10)
                                                : 16u;
        if (digit > 15u) {
            return false;
        }
        unit = unit << 4 | digit;
    }
    *ret_unit = unit;
    return true;
}

/* One escape, behind its backslash; at most 4 bytes come out of it. */
static bool read_escape(struct pk_json_reader *reader, char *ret_bytes, size_t *ret_length) {
    static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
    if (reader->at == reader->size) {
        return false;
    }
    char c = reader->text[reader->at++];
    const char *found = c == '\0' ? NULL : strchr(names, c);
    if (found != NULL) {
        ret_bytes[0] = values[found - names];
        *ret_length = 1;
        return true;
    }
    uint32_t unit, low;
    if (c != 'u' || !read_hex4(reader, &unit) || unit == 0) {
        return false;
    }
    if (unit >= 0xd800u && unit < 0xdc00u && reader->size - reader->at >= 6 &&
        reader->text[reader->at] == '\\' && reader->text[reader->at + 1] == 'u') {
        size_t before = reader->at;
        reader->at += 2;
        if (!read_hex4(reader, &low)) {
            return false;
        }
        if (low >= 0xdc00u && low < 0xe000u) {
            unit = 0x10000u + ((unit - 0xd800u) << 10) + (low - 0xdc00u);
        } else {
            reader->at = before;
        }
    }
    if (unit >= 0xdc80u && unit <= 0xdcffu) { // a byte that pk_json_bytes has kept
        ret_bytes[0] = (char)(unit - 0xdc00u);
        *ret_length = 1;
        return true;
    }
    *ret_length = pk_utf8_encode(unit, ret_bytes);
    return true;
}

/* A string, behind its opening quote. What comes out is never longer than what goes in. */
static bool read_string(struct pk_json_reader *reader) {
    free(reader->string);
    reader->string = NULL;
    size_t end = reader->at;
    while (end < reader->size && reader->text[end] != '"') {
        end += reader->text[end] == '\\' ? 2 : 1;
    }
    if (end >= reader->size) {
        return false;
    }
    char *string = malloc(end - reader->at + 1);
    if (string == NULL) {
        return false;
    }
    size_t used = 0;
    while (reader->at < end) {
        char c = reader->text[reader->at++];
        if (c == '\\') {
            char bytes[4];
            size_t length;
            if (!read_escape(reader, bytes, &length)) {
                free(string);
                return false;
            }
            memcpy(string + used, bytes, length);
            used += length;
        } else if (c == '\0') {
            free(string);
            return false;
        } else {
            string[used++] = c;
        }
    }
    string[used] = '\0';
    reader->string = string;
    reader->at = end + 1;
    return true;
}

static bool is_digit(const struct pk_json_reader *reader) {
    return reader->at < reader->size && reader->text[reader->at] >= '0' &&
           reader->text[reader->at] <= '9';
}

static bool read_number(struct pk_json_reader *reader) {
    bool is_negative = reader->text[reader->at] == '-';
    reader->number_at = reader->at;
    reader->at += is_negative ? 1u : 0u;
    if (!is_digit(reader)) {
        return false;
    }
    int64_t value = 0;
    for (; is_digit(reader); reader->at++) {
        int digit = reader->text[reader->at] - '0';
        value = value > (INT64_MAX - digit) / 10 ? INT64_MAX : value * 10 + digit;
    }
    if (reader->at < reader->size && reader->text[reader->at] == '.') {
        reader->at++;
        if (!is_digit(reader)) {
            return false;
        }
        while (is_digit(reader)) {
            reader->at++;
        }
    }
    reader->number = is_negative ? -value : value;
    return true; // no exponents: we write none
}

static bool read_word(struct pk_json_reader *reader, const char *word) {
    size_t length = strlen(word);
    if (reader->size - reader->at < length ||
        memcmp(reader->text + reader->at, word, length) != 0) {
        return false;
    }
    reader->at += length;
    return true;
}

static enum pk_json_token end_value(struct pk_json_reader *reader, enum pk_json_token token) {
    reader->wants_value = false;
    reader->wants_comma[reader->depth] = true;
    reader->is_done = reader->depth == 0;
    return token;
}

static enum pk_json_token begin_level(struct pk_json_reader *reader, bool is_array) {
    if (reader->depth + 1 >= sizeof(reader->is_array) / sizeof(reader->is_array[0])) {
        return give_up(reader);
    }
    reader->at++;
    reader->depth++;
    reader->is_array[reader->depth] = is_array;
    reader->wants_comma[reader->depth] = false;
    reader->wants_value = false;
    return is_array ? PK_JSON_BEGIN_ARRAY : PK_JSON_BEGIN_OBJECT;
}

enum pk_json_token pk_json_next(struct pk_json_reader *reader) {
    skip_space(reader);
    if (reader->at == reader->size) {
        return reader->is_done && reader->depth == 0 ? PK_JSON_END : give_up(reader);
    }
    if (reader->is_done) {
        return give_up(reader);
    }
    char c = reader->text[reader->at];
    bool in_object = reader->depth > 0 && !reader->is_array[reader->depth];
    if ((c == '}' || c == ']') && reader->depth > 0 && !reader->wants_value) {
        if ((c == ']') != reader->is_array[reader->depth]) {
            return give_up(reader);
        }
        reader->at++;
        reader->depth--;
        return end_value(reader, c == ']' ? PK_JSON_END_ARRAY : PK_JSON_END_OBJECT);
    }
    if (reader->depth > 0 && reader->wants_comma[reader->depth]) {
        if (c != ',') {
            return give_up(reader);
        }
        reader->wants_comma[reader->depth] = false;
        reader->at++;
        skip_space(reader);
        if (reader->at == reader->size) {
            return give_up(reader);
        }
        c = reader->text[reader->at];
    }
    if (in_object && !reader->wants_value) {
        if (c != '"') {
            return give_up(reader);
        }
        reader->at++;
        if (!read_string(reader)) {
            return give_up(reader);
        }
        skip_space(reader);
        if (reader->at == reader->size || reader->text[reader->at] != ':') {
            return give_up(reader);
        }
        reader->at++;
        reader->wants_value = true;
        return PK_JSON_KEY;
    }
    switch (c) {
    case '{':
        return begin_level(reader, false);
    case '[':
        return begin_level(reader, true);
    case '"':
        reader->at++;
        return read_string(reader) ? end_value(reader, PK_JSON_STRING) : give_up(reader);
    case 't':
        return read_word(reader, "true") ? end_value(reader, PK_JSON_TRUE) : give_up(reader);
    case 'f':
        return read_word(reader, "false") ? end_value(reader, PK_JSON_FALSE) : give_up(reader);
    case 'n':
        return read_word(reader, "null") ? end_value(reader, PK_JSON_NULL) : give_up(reader);
    default:
        if (c == '-' || (c >= '0' && c <= '9')) {
            return read_number(reader) ? end_value(reader, PK_JSON_NUMBER) : give_up(reader);
        }
        return give_up(reader);
    }
}

bool pk_json_skip(struct pk_json_reader *reader) {
    unsigned depth = reader->depth;
    do {
        enum pk_json_token token = pk_json_next(reader);
        if (token == PK_JSON_ERROR || token == PK_JSON_END) {
            return false;
        }
    } while (reader->depth > depth);
    return true;
}

char *pk_json_take_string(struct pk_json_reader *reader) {
    char *string = reader->string;
    reader->string = NULL;
    return string;
}

void pk_json_reader_end(struct pk_json_reader *reader) {
    free(reader->string);
    reader->string = NULL;
}
