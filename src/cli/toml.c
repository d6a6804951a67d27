/* SPDX-License-Identifier: Apache-2.0
 * See toml.h. One pass over the text. Of every line the full dotted name of its key is found
 * ([tool] and `peakline.quiet` are tool.peakline.quiet); only the values of our own are looked
 * into. */
#include "cli/toml.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_ROOM 512

struct parser {
    const char *at, *end;
    int line;
    const char *table;
    char *room; /* values are unescaped into it; as large as the text */
    struct pk_toml_error *error;
};

static int fail(struct parser *p, const char *format, ...) __attribute__((format(printf, 2, 3)));
static int fail(struct parser *p, const char *format, ...) {
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(p->error->text, sizeof(p->error->text), format, arguments);
    va_end(arguments);
    p->error->line = p->line;
    return -EBADMSG;
}

static char peek(const struct parser *p) {
    return p->at < p->end ? *p->at : '\0';
}

static bool starts(const struct parser *p, const char *word) {
    size_t length = strlen(word);
    return (size_t)(p->end - p->at) >= length && memcmp(p->at, word, length) == 0;
}

static void skip_spaces(struct parser *p) {
    while (p->at < p->end && (*p->at == ' ' || *p->at == '\t' || *p->at == '\r')) {
        p->at++;
    }
}

static void skip_comment(struct parser *p) {
    while (p->at < p->end && *p->at != '\n') {
        p->at++;
    }
}

/* Spaces, comments and line ends, as they may stand between the items of an array. */
static void skip_blank(struct parser *p) {
    for (;;) {
        skip_spaces(p);
        if (peek(p) == '#') {
            skip_comment(p);
        }
        if (p->at == p->end || *p->at != '\n') {
            return;
        }
        p->line++;
        p->at++;
    }
}

/* ---- strings --------------------------------------------------------------------------------- */

static char *put_utf8(char *out, uint32_t point) {
    if (point < 0x80) {
        *out++ = (char)point;
    } else if (point < 0x800) {
        *out++ = (char)(0xc0u | point >> 6);
        *out++ = (char)(0x80u | (point & 0x3fu));
    } else if (point < 0x10000) {
        *out++ = (char)(0xe0u | point >> 12);
        *out++ = (char)(0x80u | (point >> 6 & 0x3fu));
        *out++ = (char)(0x80u | (point & 0x3fu));
    } else {
        *out++ = (char)(0xf0u | point >> 18);
        *out++ = (char)(0x80u | (point >> 12 & 0x3fu));
        *out++ = (char)(0x80u | (point >> 6 & 0x3fu));
        *out++ = (char)(0x80u | (point & 0x3fu));
    }
    return out;
}

/* Behind a backslash: what it stands for. */
static int read_escape(struct parser *p, char **out) {
    static const char letters[] = "btnfr\"\\e", meanings[] = "\b\t\n\f\r\"\\\033";
    char letter = peek(p);
    const char *known = letter != '\0' ? strchr(letters, letter) : NULL;
    uint32_t point = 0;

    if (known != NULL) {
        *(*out)++ = meanings[known - letters];
        p->at++;
        return 0;
    }
    size_t digits = letter == 'u' ? 4 : letter == 'U' ? 8 : 0;
    for (size_t i = 1; i <= digits; i++) {
        char digit = p->at + i < p->end ? p->at[i] : '\0';
        const char *hex = digit != '\0' ? strchr("0123456789abcdefABCDEF", digit) : NULL;
        if (hex == NULL) {
            return fail(p, "\\%c needs %zu hexadecimal digits", letter, digits);
        }
        size_t value = (size_t)(hex - "0123456789abcdefABCDEF");
        point = point << 4 | (uint32_t)(value < 16 ? value : value - 6);
    }
    if (digits == 0 || point == 0 || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff)) {
        return fail(p, "this string has an escape that stands for no character; write a path in "
                       "single quotes");
    }
    *out = put_utf8(*out, point);
    p->at += digits + 1;
    return 0;
}

/* A string in single or double quotes on one line, into *out with a NUL. */
static int read_string(struct parser *p, char **out) {
    char quote = *p->at;
    const char *three = quote == '"' ? "\"\"\"" : "'''";

    if (starts(p, three)) {
        return fail(p, "a string of several lines is not understood here; write it on one line");
    }
    p->at++;
    while (p->at < p->end && *p->at != quote && *p->at != '\n') {
        if (*p->at == '\0') {
            return fail(p, "a NUL byte cannot be part of a value");
        }
        if (quote == '"' && *p->at == '\\') {
            p->at++;
            int error = read_escape(p, out);
            if (error != 0) {
                return error;
            }
        } else {
            *(*out)++ = *p->at++;
        }
    }
    if (peek(p) != quote) {
        return fail(p, "a string does not end on its line; close it with %c", quote);
    }
    p->at++;
    *(*out)++ = '\0';
    return 0;
}

/* ---- what is not ours ------------------------------------------------------------------------ */

/* Past a string of any kind. */
static void skip_string(struct parser *p) {
    char quote = *p->at;
    bool is_long = starts(p, quote == '"' ? "\"\"\"" : "'''");

    p->at += is_long ? 3 : 1;
    while (p->at < p->end && (is_long || *p->at != '\n')) {
        if (is_long ? starts(p, quote == '"' ? "\"\"\"" : "'''") : *p->at == quote) {
            p->at += is_long ? 3 : 1;
            // up to two quotes may stand directly before the closing three
            while (is_long && peek(p) == quote) {
                p->at++;
            }
            return;
        }
        p->line += *p->at == '\n';
        p->at += quote == '"' && *p->at == '\\' && p->at + 1 < p->end && p->at[1] != '\n' ? 2 : 1;
    }
}

/* Past a value to the end of its last line. */
static void skip_value(struct parser *p) {
    int depth = 0;

    while (p->at < p->end) {
        char c = *p->at;
        if (c == '"' || c == '\'') {
            skip_string(p);
            continue;
        }
        if (c == '#') {
            skip_comment(p);
            continue;
        }
        if (c == '\n') {
            if (depth <= 0) {
                return;
            }
            p->line++;
        }
        depth += (c == '[' || c == '{') - (c == ']' || c == '}');
        p->at++;
    }
}

/* ---- names ----------------------------------------------------------------------------------- */

static bool is_bare(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
}

/* A dotted name, added to `name`. False: it is none, or too long to be one of ours. */
static bool read_name(struct parser *p, char *name) {
    for (;;) {
        size_t used = strlen(name);
        skip_spaces(p);
        if (used > 0 && used < NAME_ROOM - 1) {
            name[used++] = '.';
            name[used] = '\0';
        }
        const char *from = p->at;
        const char *to;
        if (peek(p) == '"' || peek(p) == '\'') {
            char quote = *p->at++;
            from = p->at;
            while (p->at < p->end && *p->at != quote && *p->at != '\n') {
                p->at++;
            }
            if (peek(p) != quote) {
                return false;
            }
            to = p->at++;
        } else {
            while (p->at < p->end && is_bare(*p->at)) {
                p->at++;
            }
            to = p->at;
            if (to == from) {
                return false;
            }
        }
        if (used + (size_t)(to - from) >= NAME_ROOM || memchr(from, '\0', (size_t)(to - from))) {
            return false;
        }
        memcpy(name + used, from, (size_t)(to - from));
        name[used + (size_t)(to - from)] = '\0';
        skip_spaces(p);
        if (peek(p) != '.') {
            return true;
        }
        p->at++;
    }
}

/* What follows the table's name in `name`; NULL: it is another table's. "" is the table itself. */
static const char *find_own_part(const struct parser *p, const char *name) {
    size_t length = strlen(p->table);
    if (strncmp(name, p->table, length) != 0 || (name[length] != '.' && name[length] != '\0')) {
        return NULL;
    }
    return name[length] == '.' ? name + length + 1 : "";
}

/* ---- our values ------------------------------------------------------------------------------ */

static int read_array(struct parser *p, struct pk_toml_entry *entry, char **out) {
    entry->kind = PK_TOML_ARRAY;
    p->at++;
    for (;;) {
        skip_blank(p);
        if (peek(p) == ']') {
            p->at++;
            return 0;
        }
        if (peek(p) != '"' && peek(p) != '\'') {
            return fail(p, "%s: an array of strings is expected to go on here", entry->key);
        }
        int error = read_string(p, out);
        if (error != 0) {
            return error;
        }
        entry->count++;
        skip_blank(p);
        if (peek(p) == ',') {
            p->at++;
        } else if (peek(p) != ']') {
            return fail(p, "%s: the strings of an array are separated by commas, and it ends in ]",
                        entry->key);
        }
    }
}

static bool is_decimal(const char *text) {
    text += *text == '+' || *text == '-';
    return text[0] != '\0' && strspn(text, "0123456789") == strlen(text);
}

/* A boolean or a number: a word. */
static int read_word(struct parser *p, struct pk_toml_entry *entry, char *out) {
    char *end = NULL;
    entry->text = out;
    while (p->at < p->end && (is_bare(*p->at) || *p->at == '.' || *p->at == '+')) {
        if (*p->at != '_') {
            *out++ = *p->at;
        }
        p->at++;
    }
    *out = '\0';
    if (strcmp(entry->text, "true") == 0 || strcmp(entry->text, "false") == 0) {
        entry->kind = PK_TOML_BOOLEAN;
        return 0;
    }
    if (is_decimal(entry->text)) {
        entry->kind = PK_TOML_INTEGER;
        return 0;
    }
    (void)strtod(entry->text, &end);
    if (end != entry->text && *end == '\0' &&
        entry->text[strspn(entry->text, "+-.0123456789eE")] == '\0') {
        entry->kind = PK_TOML_FLOAT;
        return 0;
    }
    return fail(p, "%s needs a string in quotes, a number, true, false or an array of strings",
                entry->key);
}

static int read_own_value(struct parser *p, const char *key, pk_toml_take *take, void *context) {
    struct pk_toml_entry entry = {.key = key, .text = p->room, .line = p->line};
    char *out = p->room;
    int error;

    skip_spaces(p);
    if (peek(p) == '"' || peek(p) == '\'') {
        entry.kind = PK_TOML_STRING;
        error = read_string(p, &out);
    } else if (peek(p) == '[') {
        error = read_array(p, &entry, &out);
    } else if (peek(p) == '{') {
        error = fail(p,
                     "a table in braces is not understood here; write [%s%s%s] and a line for "
                     "each key",
                     p->table, key[0] != '\0' ? "." : "", key);
    } else {
        error = read_word(p, &entry, out);
    }
    if (error != 0) {
        return error;
    }
    skip_spaces(p);
    if (peek(p) == '#') {
        skip_comment(p);
    }
    if (p->at < p->end && *p->at != '\n') {
        return fail(p, "%s has more behind its value than a comment", key);
    }
    return take(context, &entry);
}

/* [a.b] or [[a.b]]: where the following keys are. */
static int read_header(struct parser *p, char *ret_name) {
    bool is_list = starts(p, "[[");
    p->at += is_list ? 2 : 1;
    ret_name[0] = '\0';
    bool is_good = read_name(p, ret_name);
    if (is_good && is_list && find_own_part(p, ret_name) != NULL) {
        return fail(p, "[[%.100s]] is a list of tables; write [%.100s]", ret_name, ret_name);
    }
    if (!is_good) {
        ret_name[0] = '\0';
    }
    skip_value(p);
    return 0;
}

static int read_line(struct parser *p, const char *header, pk_toml_take *take, void *context) {
    char name[NAME_ROOM];

    (void)snprintf(name, sizeof(name), "%s", header);
    bool is_good = read_name(p, name) && peek(p) == '=';
    const char *own = find_own_part(p, is_good ? name : header);
    if (own == NULL) {
        skip_value(p);
        return 0;
    }
    if (!is_good) {
        return fail(p, "a line of [%s] needs the form: key = value", p->table);
    }
    p->at++;
    return read_own_value(p, own, take, context);
}

int pk_toml_read(const char *text, size_t size, const char *table, pk_toml_take *take,
                 void *context, struct pk_toml_error *ret_error) {
    struct parser p = {.at = text,
                       .end = text + size,
                       .line = 1,
                       .table = table,
                       .room = malloc(size + 8),
                       .error = ret_error};
    char header[NAME_ROOM] = "";
    int error = p.room == NULL ? -ENOMEM : 0;

    if (size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
        p.at += 3;
    }
    while (error == 0) {
        skip_blank(&p);
        if (p.at == p.end) {
            break;
        }
        error = *p.at == '[' ? read_header(&p, header) : read_line(&p, header, take, context);
    }
    free(p.room);
    return error;
}
