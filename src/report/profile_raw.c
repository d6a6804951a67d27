/* SPDX-License-Identifier: Apache-2.0
 * See profile_raw.h. What is not known is skipped. */
#include "report/profile_raw.h"

#include <stdlib.h>
#include <string.h>

#define NO_NUMBER INT64_MIN /* null where a number is looked for */
#define MAX_COMMAND 4000u

enum column_kind {
    COLUMN_NUMBER,
    COLUMN_SECONDS, /* kept in nanoseconds */
    COLUMN_TEXT,
};

static const struct {
    const char *table;
    const char *key;
    enum column_kind kind;
} column_specs[PK_RAW_COLUMNS] = {
    [PK_RAW_FILES_PATH] = {"files", "path", COLUMN_TEXT},
    [PK_RAW_FILES_KIND] = {"files", "kind", COLUMN_NUMBER},
    [PK_RAW_FILES_STATUS] = {"files", "status", COLUMN_NUMBER},
    [PK_RAW_FUNCTIONS_NAME] = {"functions", "name", COLUMN_TEXT},
    [PK_RAW_FUNCTIONS_FILE] = {"functions", "file", COLUMN_NUMBER},
    [PK_RAW_FUNCTIONS_KIND] = {"functions", "kind", COLUMN_NUMBER},
    [PK_RAW_FRAMES_FUNCTION] = {"frames", "function", COLUMN_NUMBER},
    [PK_RAW_FRAMES_LINE] = {"frames", "line", COLUMN_NUMBER},
    [PK_RAW_FRAMES_STARTED_BY] = {"frames", "started_by", COLUMN_NUMBER},
    [PK_RAW_FRAMES_SOURCE] = {"frames", "source", COLUMN_TEXT},
    [PK_RAW_STACKS_PARENT] = {"stacks", "parent", COLUMN_NUMBER},
    [PK_RAW_STACKS_FRAME] = {"stacks", "frame", COLUMN_NUMBER},
    [PK_RAW_STACKS_BYTES] = {"stacks", "bytes", COLUMN_NUMBER},
    [PK_RAW_STACKS_BLOCKS] = {"stacks", "blocks", COLUMN_NUMBER},
    [PK_RAW_STACKS_UP] = {"stacks", "up", COLUMN_NUMBER},
    [PK_RAW_BLAME_FRAME] = {"blame", "frame", COLUMN_NUMBER},
    [PK_RAW_BLAME_BYTES] = {"blame", "bytes", COLUMN_NUMBER},
    [PK_RAW_BLAME_BLOCKS] = {"blame", "blocks", COLUMN_NUMBER},
    [PK_RAW_TIMELINE_TIME] = {"timeline", "time_s", COLUMN_SECONDS},
    [PK_RAW_TIMELINE_BYTES] = {"timeline", "tracked_bytes", COLUMN_NUMBER},
};

static char *keep_text(struct pk_profile_raw *raw, const char *text) {
    return pk_pool_text(&raw->profile->pool, text, strlen(text));
}

static void *grow(void *list, size_t count, size_t *room, size_t size) {
    if (count < *room) {
        return list;
    }
    size_t wanted = *room == 0 ? 256 : *room * 2;
    void *larger = realloc(list, wanted * size);
    if (larger != NULL) {
        *room = wanted;
    }
    return larger;
}

/* The number just read, in nanoseconds: "12.345" is 12345000000. */
static int64_t seconds_read(const struct pk_json_reader *reader) {
    int64_t nanoseconds =
        reader->number > INT64_MAX / 1000000000 - 1 ? INT64_MAX / 2 : reader->number * 1000000000;
    const char *text = reader->text + reader->number_at, *end = reader->text + reader->at;
    const char *point = memchr(text, '.', (size_t)(end - text));
    int64_t unit = 100000000;
    for (const char *digit = point == NULL ? end : point + 1; digit < end && unit > 0; digit++) {
        nanoseconds += (*digit - '0') * unit;
        unit /= 10;
    }
    return nanoseconds;
}

static bool read_number(struct pk_profile_raw *raw, bool in_seconds, int64_t *ret_number) {
    enum pk_json_token token = pk_json_next(&raw->reader);
    *ret_number = token == PK_JSON_NULL ? NO_NUMBER
                  : in_seconds          ? seconds_read(&raw->reader)
                                        : raw->reader.number;
    return token == PK_JSON_NUMBER || token == PK_JSON_NULL;
}

static bool read_text(struct pk_profile_raw *raw, const char **ret_text) {
    enum pk_json_token token = pk_json_next(&raw->reader);
    *ret_text = token == PK_JSON_STRING ? keep_text(raw, raw->reader.string) : "";
    return *ret_text != NULL && (token == PK_JSON_STRING || token == PK_JSON_NULL);
}

static bool read_column(struct pk_profile_raw *raw, struct pk_raw_column *column,
                        enum column_kind kind) {
    column->count = 0;
    if (pk_json_next(&raw->reader) != PK_JSON_BEGIN_ARRAY) {
        return false;
    }
    for (;;) {
        enum pk_json_token token = pk_json_next(&raw->reader);
        if (token == PK_JSON_END_ARRAY) {
            return true;
        }
        if (token != (kind == COLUMN_TEXT ? PK_JSON_STRING : PK_JSON_NUMBER)) {
            return false;
        }
        if (kind == COLUMN_TEXT) {
            const char **texts =
                grow(column->texts, column->count, &column->room, sizeof(*column->texts));
            if (texts == NULL) {
                raw->profile->pool.failed = true;
                return false;
            }
            column->texts = texts;
            texts[column->count++] = keep_text(raw, raw->reader.string);
        } else {
            int64_t *numbers =
                grow(column->numbers, column->count, &column->room, sizeof(*column->numbers));
            if (numbers == NULL) {
                raw->profile->pool.failed = true;
                return false;
            }
            column->numbers = numbers;
            numbers[column->count++] =
                kind == COLUMN_SECONDS ? seconds_read(&raw->reader) : raw->reader.number;
        }
    }
}

/* The members of a table, its opening brace taken. Columns we do not know are skipped. */
static bool read_table(struct pk_profile_raw *raw, const char *table) {
    enum pk_json_token token;
    while ((token = pk_json_next(&raw->reader)) == PK_JSON_KEY) {
        unsigned i = 0;
        while (i < PK_RAW_COLUMNS && (strcmp(column_specs[i].table, table) != 0 ||
                                      strcmp(column_specs[i].key, raw->reader.string) != 0)) {
            i++;
        }
        bool ok = i == PK_RAW_COLUMNS ? pk_json_skip(&raw->reader)
                                      : read_column(raw, &raw->columns[i], column_specs[i].kind);
        if (!ok) {
            return false;
        }
    }
    return token == PK_JSON_END_OBJECT;
}

/* One blame line, its opening brace taken. */
static bool read_spelled_line(struct pk_profile_raw *raw) {
    struct pk_raw_line line = {.path = "", .name = ""};
    enum pk_json_token token;
    while ((token = pk_json_next(&raw->reader)) == PK_JSON_KEY) {
        const char *key = raw->reader.string;
        bool ok = strcmp(key, "path") == 0       ? read_text(raw, &line.path)
                  : strcmp(key, "function") == 0 ? read_text(raw, &line.name)
                  : strcmp(key, "line") == 0     ? read_number(raw, false, &line.line)
                  : strcmp(key, "bytes") == 0    ? read_number(raw, false, &line.bytes)
                  : strcmp(key, "blocks") == 0   ? read_number(raw, false, &line.blocks)
                                                 : pk_json_skip(&raw->reader);
        if (!ok) {
            return false;
        }
    }
    struct pk_raw_line *lines = grow(raw->lines, raw->line_count, &raw->line_room, sizeof(*lines));
    if (lines == NULL) {
        raw->profile->pool.failed = true;
        return false;
    }
    raw->lines = lines;
    lines[raw->line_count++] = line;
    return token == PK_JSON_END_OBJECT;
}

/* In the document a list of objects, in the page columns. */
static bool read_blame(struct pk_profile_raw *raw) {
    enum pk_json_token token = pk_json_next(&raw->reader);
    if (token == PK_JSON_BEGIN_OBJECT) {
        return read_table(raw, "blame");
    }
    if (token != PK_JSON_BEGIN_ARRAY) {
        return false;
    }
    while ((token = pk_json_next(&raw->reader)) == PK_JSON_BEGIN_OBJECT) {
        if (!read_spelled_line(raw)) {
            return false;
        }
    }
    return token == PK_JSON_END_ARRAY;
}

static bool read_command(struct pk_profile_raw *raw) {
    char command[MAX_COMMAND];
    size_t used = 0;
    if (pk_json_next(&raw->reader) != PK_JSON_BEGIN_ARRAY) {
        return false;
    }
    enum pk_json_token token;
    command[0] = '\0';
    while ((token = pk_json_next(&raw->reader)) == PK_JSON_STRING) {
        size_t length = strlen(raw->reader.string);
        if (used + length + 2 < sizeof(command)) {
            command[used] = ' ';
            memcpy(command + used + 1, raw->reader.string, length + 1);
            used += length + 1;
        }
    }
    raw->profile->command = keep_text(raw, used > 0 ? command + 1 : "");
    return token == PK_JSON_END_ARRAY && raw->profile->command != NULL;
}

static bool read_run(struct pk_profile_raw *raw) {
    enum pk_json_token token;
    if (pk_json_next(&raw->reader) != PK_JSON_BEGIN_OBJECT) {
        return false;
    }
    while ((token = pk_json_next(&raw->reader)) == PK_JSON_KEY) {
        const char *key = raw->reader.string;
        bool ok = strcmp(key, "command") == 0     ? read_command(raw)
                  : strcmp(key, "directory") == 0 ? read_text(raw, &raw->profile->directory)
                  : strcmp(key, "started") == 0   ? read_text(raw, &raw->profile->started)
                  : strcmp(key, "python") == 0    ? read_text(raw, &raw->profile->python)
                  : strcmp(key, "duration_s") == 0
                      ? read_number(raw, true, &raw->profile->duration_ns)
                      : pk_json_skip(&raw->reader);
        if (!ok) {
            return false;
        }
    }
    return token == PK_JSON_END_OBJECT;
}

static bool read_peak(struct pk_profile_raw *raw) {
    enum pk_json_token token;
    if (pk_json_next(&raw->reader) != PK_JSON_BEGIN_OBJECT) {
        return false;
    }
    while ((token = pk_json_next(&raw->reader)) == PK_JSON_KEY) {
        const char *key = raw->reader.string;
        bool ok = strcmp(key, "bytes") == 0    ? read_number(raw, false, &raw->peak_bytes)
                  : strcmp(key, "blocks") == 0 ? read_number(raw, false, &raw->peak_blocks)
                  : strcmp(key, "time_s") == 0 ? read_number(raw, true, &raw->profile->peak_time_ns)
                                               : pk_json_skip(&raw->reader);
        if (!ok) {
            return false;
        }
    }
    return token == PK_JSON_END_OBJECT;
}

static bool read_warnings(struct pk_profile_raw *raw) {
    if (pk_json_next(&raw->reader) != PK_JSON_BEGIN_ARRAY) {
        return false;
    }
    enum pk_json_token token;
    while ((token = pk_json_next(&raw->reader)) == PK_JSON_STRING) {
        raw->profile->warning_count++;
    }
    return token == PK_JSON_END_ARRAY;
}

static bool read_member(struct pk_profile_raw *raw) {
    static const char *const tables[] = {"files", "functions", "frames", "stacks"};
    const char *key = raw->reader.string;

    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
        if (strcmp(key, tables[i]) == 0) {
            return pk_json_next(&raw->reader) == PK_JSON_BEGIN_OBJECT && read_table(raw, tables[i]);
        }
    }
    if (strcmp(key, "timeline") == 0) { // null when there is none
        enum pk_json_token token = pk_json_next(&raw->reader);
        return token == PK_JSON_NULL ||
               (token == PK_JSON_BEGIN_OBJECT && read_table(raw, "timeline"));
    }
    return strcmp(key, "format") == 0        ? read_number(raw, false, &raw->format)
           : strcmp(key, "diff_format") == 0 ? read_number(raw, false, &raw->diff_format)
           : strcmp(key, "tool") == 0        ? read_text(raw, &raw->profile->tool)
           : strcmp(key, "run") == 0         ? read_run(raw)
           : strcmp(key, "peak") == 0        ? read_peak(raw)
           : strcmp(key, "warnings") == 0    ? read_warnings(raw)
           : strcmp(key, "blame") == 0       ? read_blame(raw)
                                             : pk_json_skip(&raw->reader);
}

static bool read_document(struct pk_profile_raw *raw) {
    if (pk_json_next(&raw->reader) != PK_JSON_BEGIN_OBJECT) {
        return false;
    }
    enum pk_json_token token;
    while ((token = pk_json_next(&raw->reader)) == PK_JSON_KEY) {
        if (!read_member(raw)) {
            return false;
        }
    }
    return token == PK_JSON_END_OBJECT && pk_json_next(&raw->reader) == PK_JSON_END;
}

bool pk_profile_raw_read(struct pk_profile_raw *raw, const char *text, size_t size) {
    pk_json_reader_start(&raw->reader, text, size);
    bool was_read = read_document(raw);
    pk_json_reader_end(&raw->reader);
    return was_read;
}

void pk_profile_raw_release(struct pk_profile_raw *raw) {
    for (unsigned i = 0; i < PK_RAW_COLUMNS; i++) {
        free(raw->columns[i].numbers);
        free(raw->columns[i].texts);
    }
    free(raw->lines);
}
