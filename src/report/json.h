/* SPDX-License-Identifier: Apache-2.0
 * JSON, out and in. Out: a streaming writer on a FILE that keeps commas and escapes right. In: a
 * pull reader for documents of our own (run.json, reports), which trusts nothing. May use
 * record/utf8.h. Must stay true: whatever bytes go in, valid JSON in valid UTF-8 comes out,
 * independent of the locale; the reader never recurses and never reads beyond its text. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define PK_JSON_MAX_DEPTH 16

enum pk_json_flags {
    PK_JSON_HTML =
        1, /* safe inside <script>: `<` and the line separators U+2028, U+2029 are escaped */
    PK_JSON_LINES = 2, /* members of the outermost object start on lines of their own */
};

struct pk_json {
    FILE *out;
    unsigned flags;
    unsigned depth;
    bool has_members[PK_JSON_MAX_DEPTH + 1];
};

void pk_json_start(struct pk_json *json, FILE *out, unsigned flags);

/* Begin and end. `key` is the member's name inside an object and NULL inside an array or at the
 * top. At most PK_JSON_MAX_DEPTH levels. */
void pk_json_object(struct pk_json *json, const char *key);
void pk_json_array(struct pk_json *json, const char *key);
void pk_json_end_object(struct pk_json *json);
void pk_json_end_array(struct pk_json *json);

/* Text: wrong UTF-8 becomes U+FFFD. NULL is written as null. */
void pk_json_text(struct pk_json *json, const char *key, const char *text);

/* Bytes of the system (arguments, paths): wrong UTF-8 bytes become \udc80 to \udcff, as Python's
 * surrogateescape has them, so that the reader gives back the same bytes. */
void pk_json_bytes(struct pk_json *json, const char *key, const char *bytes);

/* A number as it was written elsewhere. */
void pk_json_literal(struct pk_json *json, const char *key, const char *text, size_t size);

void pk_json_unsigned(struct pk_json *json, const char *key, uint64_t value);
void pk_json_signed(struct pk_json *json, const char *key, int64_t value);
void pk_json_bool(struct pk_json *json, const char *key, bool value);
void pk_json_null(struct pk_json *json, const char *key);

/* Nanoseconds as seconds with three digits, rounded down: 12.345. */
void pk_json_seconds(struct pk_json *json, const char *key, uint64_t nanoseconds);

/* ---- reading --------------------------------------------------------------------------------- */

enum pk_json_token {
    PK_JSON_ERROR = -1,
    PK_JSON_END = 0, /* of the text */
    PK_JSON_BEGIN_OBJECT,
    PK_JSON_END_OBJECT,
    PK_JSON_BEGIN_ARRAY,
    PK_JSON_END_ARRAY,
    PK_JSON_KEY,
    PK_JSON_STRING,
    PK_JSON_NUMBER,
    PK_JSON_TRUE,
    PK_JSON_FALSE,
    PK_JSON_NULL,
};

struct pk_json_reader {
    const char *text;
    size_t size;
    size_t at;
    unsigned depth;
    bool is_array[64];
    bool wants_comma[64];
    bool wants_value; /* a key has just been read */
    bool is_done;
    char *string;     /* of the last KEY or STRING: malloced, NUL-terminated, without NULs inside */
    int64_t number;   /* of the last NUMBER, its fraction dropped, clamped to the type */
    size_t number_at; /* where its text begins; it ends at `at` */
};

void pk_json_reader_start(struct pk_json_reader *reader, const char *text, size_t size);

/* The next token. After an error every call returns PK_JSON_ERROR. */
enum pk_json_token pk_json_next(struct pk_json_reader *reader);

/* Skip the value that follows: one token, or everything up to the matching end. False on errors. */
bool pk_json_skip(struct pk_json_reader *reader);

/* Take over the last string; the caller frees it. NULL if there is none. */
char *pk_json_take_string(struct pk_json_reader *reader);

void pk_json_reader_end(struct pk_json_reader *reader);
