/* SPDX-License-Identifier: Apache-2.0
 * The streaming JSON writer. May use record/utf8.h. */
#include "report/json.h"

#include <inttypes.h>
#include <string.h>

#include "record/utf8.h"

void pk_json_start(struct pk_json *json, FILE *out, unsigned flags) {
    memset(json, 0, sizeof(*json));
    json->out = out;
    json->flags = flags;
}

static void write_escape(struct pk_json *json, uint32_t unit) {
    fprintf(json->out, "\\u%04" PRIx32, unit);
}

static void write_string(struct pk_json *json, const char *text, bool keep_bytes) {
    size_t size = strlen(text);
    FILE *out = json->out;

    putc_unlocked('"', out);
    for (size_t at = 0; at < size;) {
        unsigned char byte = (unsigned char)text[at];
        if (byte >= 0x20u && byte < 0x7fu && byte != '"' && byte != '\\' && byte != '<') {
            putc_unlocked(byte, out);
            at++;
            continue;
        }
        uint32_t point;
        size_t length = pk_utf8_decode(text + at, size - at, &point);
        if (length == 0) {
            if (keep_bytes) {
                write_escape(json, 0xdc00u + byte);
            } else {
                fputs("\xef\xbf\xbd", out);
            }
            at++;
            continue;
        }
        if (point == '"' || point == '\\') {
            putc_unlocked('\\', out);
            putc_unlocked((int)point, out);
        } else if (point == '\n') {
            fputs("\\n", out);
        } else if (point == '\t') {
            fputs("\\t", out);
        } else if (point < 0x20u || point == 0x7fu || point == 0x2028u || point == 0x2029u ||
                   (point == '<' && (json->flags & PK_JSON_HTML) != 0)) {
            write_escape(json, point);
        } else {
            fwrite(text + at, 1, length, out);
        }
        at += length;
    }
    putc_unlocked('"', out);
}

/* What goes before a value: the comma, the line break, the key. */
static void begin_value(struct pk_json *json, const char *key) {
    if (json->has_members[json->depth]) {
        putc_unlocked(',', json->out);
    }
    json->has_members[json->depth] = true;
    if ((json->flags & PK_JSON_LINES) != 0 && json->depth == 1) {
        putc_unlocked('\n', json->out);
    }
    if (key != NULL) {
        write_string(json, key, false);
        putc_unlocked(':', json->out);
    }
}

static void begin_level(struct pk_json *json, const char *key, char bracket) {
    begin_value(json, key);
    putc_unlocked(bracket, json->out);
    json->depth++;
    json->has_members[json->depth] = false;
}

static void end_level(struct pk_json *json, char bracket) {
    if ((json->flags & PK_JSON_LINES) != 0 && json->depth == 1) {
        putc_unlocked('\n', json->out);
    }
    putc_unlocked(bracket, json->out);
    json->depth--;
    if ((json->flags & PK_JSON_LINES) != 0 && json->depth == 0) {
        putc_unlocked('\n', json->out);
    }
}

void pk_json_object(struct pk_json *json, const char *key) {
    begin_level(json, key, '{');
}

void pk_json_array(struct pk_json *json, const char *key) {
    begin_level(json, key, '[');
}

void pk_json_end_object(struct pk_json *json) {
    end_level(json, '}');
}

void pk_json_end_array(struct pk_json *json) {
    end_level(json, ']');
}

void pk_json_text(struct pk_json *json, const char *key, const char *text) {
    if (text == NULL) {
        pk_json_null(json, key);
        return;
    }
    begin_value(json, key);
    write_string(json, text, false);
}

void pk_json_bytes(struct pk_json *json, const char *key, const char *bytes) {
    if (bytes == NULL) {
        pk_json_null(json, key);
        return;
    }
    begin_value(json, key);
    write_string(json, bytes, true);
}

/* By hand: the columns of a big report are millions of numbers. */
static void write_digits(struct pk_json *json, uint64_t value) {
    char digits[20];
    size_t at = sizeof(digits);
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    fwrite(digits + at, 1, sizeof(digits) - at, json->out);
}

void pk_json_literal(struct pk_json *json, const char *key, const char *text, size_t size) {
    begin_value(json, key);
    fwrite(text, 1, size, json->out);
}

void pk_json_unsigned(struct pk_json *json, const char *key, uint64_t value) {
    begin_value(json, key);
    write_digits(json, value);
}

void pk_json_signed(struct pk_json *json, const char *key, int64_t value) {
    begin_value(json, key);
    if (value < 0) {
        putc_unlocked('-', json->out);
    }
    write_digits(json, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

void pk_json_bool(struct pk_json *json, const char *key, bool value) {
    begin_value(json, key);
    fputs(value ? "true" : "false", json->out);
}

void pk_json_null(struct pk_json *json, const char *key) {
    begin_value(json, key);
    fputs("null", json->out);
}

void pk_json_seconds(struct pk_json *json, const char *key, uint64_t nanoseconds) {
    uint64_t milliseconds = nanoseconds / 1000000u;
    begin_value(json, key);
    // no printf of doubles: the decimal point is the locale's
    fprintf(json->out, "%" PRIu64 ".%03u", milliseconds / 1000u, (unsigned)(milliseconds % 1000u));
}
