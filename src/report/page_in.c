/* SPDX-License-Identifier: Apache-2.0
 * From the page's data back to the document: what the two have in common is copied token by token,
 * blame lines are spelled out, distances become parents. */
#include "report/page_in.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "report/archive.h"
#include "report/json.h"
#include "report/paths.h"
#include "report/profile.h"

#define MAX_COLUMNS 16u

/* A table as it stands: columns by name, of texts or of numbers. */
struct column {
    const char *name;
    const char **texts;
    int64_t *numbers;
    size_t count, room;
};

struct table {
    struct column columns[MAX_COLUMNS];
    size_t count;
};

struct converter {
    struct pk_pool pool;
    struct pk_json_reader reader;
    struct pk_json json;
    struct table files, functions, frames, blame;
    bool is_torn; /* a row was wanted that its column has not: a key that stands twice */
};

static void free_table(struct table *table) {
    for (size_t i = 0; i < table->count; i++) {
        free(table->columns[i].texts);
        free(table->columns[i].numbers);
    }
}

static const struct column *find_column(const struct table *table, const char *name) {
    static const struct column none = {.name = ""};
    for (size_t i = 0; i < table->count; i++) {
        if (strcmp(table->columns[i].name, name) == 0) {
            return &table->columns[i];
        }
    }
    return &none;
}

static bool add_value(struct converter *c, struct column *column, enum pk_json_token token) {
    if (column->count == column->room) {
        size_t room = column->room * 2 + 64;
        const char **texts = realloc(column->texts, room * sizeof(*texts));
        column->texts = texts != NULL ? texts : column->texts;
        int64_t *numbers = realloc(column->numbers, room * sizeof(*numbers));
        column->numbers = numbers != NULL ? numbers : column->numbers;
        if (texts == NULL || numbers == NULL) {
            return false;
        }
        column->room = room;
    }
    const char *text = token == PK_JSON_STRING ? c->reader.string : "";
    column->texts[column->count] = pk_pool_text(&c->pool, text, strlen(text));
    column->numbers[column->count++] = token == PK_JSON_NUMBER ? c->reader.number : 0;
    return !c->pool.failed;
}

/* The value behind a key: an object of lists. False only when memory is out: the text was read
 * once already. */
static bool read_table(struct converter *c, struct table *table) {
    if (pk_json_next(&c->reader) != PK_JSON_BEGIN_OBJECT) {
        return true;
    }
    while (pk_json_next(&c->reader) == PK_JSON_KEY) {
        struct column spare = {0};
        struct column *column =
            table->count < MAX_COLUMNS ? &table->columns[table->count++] : &spare;
        *column = (struct column){
            .name = pk_pool_text(&c->pool, c->reader.string, strlen(c->reader.string))};
        bool ok = column->name != NULL && pk_json_next(&c->reader) == PK_JSON_BEGIN_ARRAY;
        enum pk_json_token token = PK_JSON_END_ARRAY;
        while (ok && (token = pk_json_next(&c->reader)) != PK_JSON_END_ARRAY) {
            ok = token != PK_JSON_ERROR && add_value(c, column, token);
        }
        if (column == &spare) {
            free(spare.texts);
            free(spare.numbers);
        }
        if (!ok) {
            return false;
        }
    }
    return true;
}

static bool read_tables(struct converter *c, const char *text, size_t size) {
    bool ok = true;
    pk_json_reader_start(&c->reader, text, size);
    (void)pk_json_next(&c->reader);
    while (ok && pk_json_next(&c->reader) == PK_JSON_KEY) {
        const char *key = c->reader.string;
        struct table *table = strcmp(key, "files") == 0       ? &c->files
                              : strcmp(key, "functions") == 0 ? &c->functions
                              : strcmp(key, "frames") == 0    ? &c->frames
                              : strcmp(key, "blame") == 0     ? &c->blame
                                                              : NULL;
        ok = table != NULL && table->count == 0 ? read_table(c, table) : pk_json_skip(&c->reader);
    }
    pk_json_reader_end(&c->reader);
    return ok;
}

/* ---- writing --------------------------------------------------------------------------------- */

/* A row of a table is looked for as if nothing were known: where a key stands twice, the profile
 * that was checked is made of the last, and this table of the first. */
static bool has_row(struct converter *c, const struct column *column, int64_t row) {
    bool is_there = row >= 0 && (uint64_t)row < column->count;
    c->is_torn = c->is_torn || !is_there;
    return is_there;
}

static int64_t number_at(struct converter *c, const struct table *table, const char *name,
                         int64_t row) {
    const struct column *column = find_column(table, name);
    return has_row(c, column, row) ? column->numbers[row] : 0;
}

static const char *text_at(struct converter *c, const struct table *table, const char *name,
                           int64_t row) {
    const struct column *column = find_column(table, name);
    return has_row(c, column, row) ? column->texts[row] : "";
}

static void write_place(struct converter *c, int64_t frame) {
    bool is_line = frame >= 0;
    int64_t function = is_line ? number_at(c, &c->frames, "function", frame) : 0;
    int64_t file = is_line ? number_at(c, &c->functions, "file", function) : 0;
    const char *other = frame == PK_FRAME_FOLDED ? "[smaller lines]" : "[no stack]";
    pk_json_text(&c->json, "path", is_line ? text_at(c, &c->files, "path", file) : "");
    pk_json_signed(&c->json, "line", is_line ? number_at(c, &c->frames, "line", frame) : 0);
    pk_json_text(&c->json, "function",
                 is_line ? text_at(c, &c->functions, "name", function) : other);
    pk_json_text(&c->json, "source", is_line ? text_at(c, &c->frames, "source", frame) : "");
    pk_json_signed(&c->json, "kind",
                   is_line ? number_at(c, &c->files, "kind", file) : PK_FILE_NONE);
}

static void write_blame(struct converter *c) {
    const struct column *frames = find_column(&c->blame, "frame");
    pk_json_array(&c->json, "blame");
    for (size_t i = 0; i < frames->count; i++) {
        pk_json_object(&c->json, NULL);
        for (size_t j = 0; j < c->blame.count; j++) {
            const struct column *column = &c->blame.columns[j];
            if (column != frames && column->count == frames->count) {
                pk_json_signed(&c->json, column->name, column->numbers[i]);
            }
            if (strcmp(column->name, "blocks") == 0) {
                write_place(c, frames->numbers[i]); // behind the first measure
            }
        }
        pk_json_end_object(&c->json);
    }
    pk_json_end_array(&c->json);
}

/* Distances to the caller, an opening bracket taken, as callers. */
static void write_parents(struct converter *c) {
    pk_json_array(&c->json, "parent");
    for (int64_t i = 0; pk_json_next(&c->reader) == PK_JSON_NUMBER; i++) {
        pk_json_signed(&c->json, NULL, i == 0 ? -1 : i - c->reader.number);
    }
    pk_json_end_array(&c->json);
}

/* One value, whatever is in it, under `key`. */
static bool copy_value(struct converter *c, const char *key, bool is_stacks) {
    char kept[64] = "";
    unsigned depth = c->reader.depth;
    bool has_key = key != NULL;
    if (has_key) {
        snprintf(kept, sizeof(kept), "%s", key);
    }
    do {
        const char *name = has_key ? kept : NULL;
        enum pk_json_token token = pk_json_next(&c->reader);
        has_key = false;
        switch (token) {
        case PK_JSON_KEY:
            snprintf(kept, sizeof(kept), "%s", c->reader.string);
            has_key = true;
            if (is_stacks && strcmp(kept, "up") == 0) {
                if (pk_json_next(&c->reader) != PK_JSON_BEGIN_ARRAY) {
                    return false;
                }
                write_parents(c);
                has_key = false;
            }
            break;
        case PK_JSON_BEGIN_OBJECT:
            if (c->json.depth >= PK_JSON_MAX_DEPTH) {
                return false;
            }
            pk_json_object(&c->json, name);
            break;
        case PK_JSON_BEGIN_ARRAY:
            if (c->json.depth >= PK_JSON_MAX_DEPTH) {
                return false;
            }
            pk_json_array(&c->json, name);
            break;
        case PK_JSON_END_OBJECT:
            pk_json_end_object(&c->json);
            break;
        case PK_JSON_END_ARRAY:
            pk_json_end_array(&c->json);
            break;
        case PK_JSON_STRING:
            pk_json_text(&c->json, name, c->reader.string);
            break;
        case PK_JSON_NUMBER:
            pk_json_literal(&c->json, name, c->reader.text + c->reader.number_at,
                            c->reader.at - c->reader.number_at);
            break;
        case PK_JSON_TRUE:
        case PK_JSON_FALSE:
            pk_json_bool(&c->json, name, token == PK_JSON_TRUE);
            break;
        case PK_JSON_NULL:
            pk_json_null(&c->json, name);
            break;
        default:
            return false;
        }
    } while (c->reader.depth > depth || has_key);
    return true;
}

static bool write_document(struct converter *c, const char *text, size_t size, FILE *out) {
    bool ok = true;
    pk_json_reader_start(&c->reader, text, size);
    pk_json_start(&c->json, out, PK_JSON_LINES);
    (void)pk_json_next(&c->reader);
    pk_json_object(&c->json, NULL);
    while (ok && pk_json_next(&c->reader) == PK_JSON_KEY) {
        const char *key = c->reader.string;
        size_t at = c->reader.at;
        while (at < size && text[at] == ' ') {
            at++;
        }
        bool is_nothing = strcmp(key, "folded") == 0 && at < size && text[at] == 'n';
        if (strcmp(key, "blame") == 0 && c->blame.count > 0) {
            write_blame(c);
            ok = pk_json_skip(&c->reader);
        } else if (strcmp(key, "page") == 0 || is_nothing) {
            ok = pk_json_skip(&c->reader);
        } else {
            ok = copy_value(c, key, strcmp(key, "stacks") == 0);
        }
    }
    pk_json_end_object(&c->json);
    pk_json_reader_end(&c->reader);
    return ok;
}

int pk_page_write_document(const char *text, size_t size, const char *name, FILE *out, char *error,
                           size_t error_size) {
    struct pk_profile *profile;
    char *document = NULL;
    size_t document_size = 0;

    int r = pk_profile_parse(text, size, name, &profile, error, error_size); // checks all indexes
    if (r < 0) {
        return r;
    }
    pk_profile_free(profile);
    struct converter c = {0};
    FILE *memory = open_memstream(&document, &document_size);
    bool ok =
        memory != NULL && read_tables(&c, text, size) && write_document(&c, text, size, memory);
    if (memory != NULL && fclose(memory) != 0) {
        ok = false;
    }
    if (ok && c.is_torn) {
        snprintf(error, error_size,
                 "%s is damaged: its tables do not fit together; name its result directory", name);
    } else if (ok) {
        (void)fwrite(document, 1, document_size, out);
    } else {
        snprintf(error, error_size, "%s cannot be read: not enough memory, or nested too deep",
                 name);
    }
    free(document);
    free_table(&c.files);
    free_table(&c.functions);
    free_table(&c.frames);
    free_table(&c.blame);
    pk_pool_free(&c.pool);
    return !ok ? -ENOMEM : c.is_torn ? -EBADMSG : 0;
}

bool pk_page_is_archive(const char *path) {
    char start[64];
    FILE *file = fopen(path, "rbe");
    size_t size = file == NULL ? 0 : fread(start, 1, sizeof(start), file);
    if (file != NULL) {
        fclose(file);
    }
    return pk_archive_is_text(start, size);
}
