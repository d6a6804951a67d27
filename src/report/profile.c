/* SPDX-License-Identifier: Apache-2.0
 * A document or a page's data becomes a profile: first its columns as they stand, in whatever order
 * they come, then the checks, then the profile. */
#include "report/profile.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report/json.h"
#include "report/view.h"

#define NO_NUMBER INT64_MIN /* null where a number is looked for */
#define MAX_COMMAND 4000u
#define FUNCTION_PROCESS 32 /* a frame that stands for a whole process */

enum column_kind {
    COLUMN_NUMBER,
    COLUMN_SECONDS, /* kept in nanoseconds */
    COLUMN_TEXT,
};

enum column_name {
    FILES_PATH,
    FILES_KIND,
    FILES_STATUS,
    FUNCTIONS_NAME,
    FUNCTIONS_FILE,
    FUNCTIONS_KIND,
    FRAMES_FUNCTION,
    FRAMES_LINE,
    FRAMES_STARTED_BY,
    FRAMES_SOURCE,
    STACKS_PARENT,
    STACKS_FRAME,
    STACKS_BYTES,
    STACKS_BLOCKS,
    STACKS_UP, /* in the page, instead of the parent */
    BLAME_FRAME,
    BLAME_BYTES,
    BLAME_BLOCKS,
    TIMELINE_TIME,
    TIMELINE_BYTES,
    COLUMN_COUNT,
};

static const struct {
    const char *table;
    const char *key;
    enum column_kind kind;
} column_specs[COLUMN_COUNT] = {
    [FILES_PATH] = {"files", "path", COLUMN_TEXT},
    [FILES_KIND] = {"files", "kind", COLUMN_NUMBER},
    [FILES_STATUS] = {"files", "status", COLUMN_NUMBER},
    [FUNCTIONS_NAME] = {"functions", "name", COLUMN_TEXT},
    [FUNCTIONS_FILE] = {"functions", "file", COLUMN_NUMBER},
    [FUNCTIONS_KIND] = {"functions", "kind", COLUMN_NUMBER},
    [FRAMES_FUNCTION] = {"frames", "function", COLUMN_NUMBER},
    [FRAMES_LINE] = {"frames", "line", COLUMN_NUMBER},
    [FRAMES_STARTED_BY] = {"frames", "started_by", COLUMN_NUMBER},
    [FRAMES_SOURCE] = {"frames", "source", COLUMN_TEXT},
    [STACKS_PARENT] = {"stacks", "parent", COLUMN_NUMBER},
    [STACKS_FRAME] = {"stacks", "frame", COLUMN_NUMBER},
    [STACKS_BYTES] = {"stacks", "bytes", COLUMN_NUMBER},
    [STACKS_BLOCKS] = {"stacks", "blocks", COLUMN_NUMBER},
    [STACKS_UP] = {"stacks", "up", COLUMN_NUMBER},
    [BLAME_FRAME] = {"blame", "frame", COLUMN_NUMBER},
    [BLAME_BYTES] = {"blame", "bytes", COLUMN_NUMBER},
    [BLAME_BLOCKS] = {"blame", "blocks", COLUMN_NUMBER},
    [TIMELINE_TIME] = {"timeline", "time_s", COLUMN_SECONDS},
    [TIMELINE_BYTES] = {"timeline", "tracked_bytes", COLUMN_NUMBER},
};

struct column {
    int64_t *numbers;
    const char **texts;
    size_t count;
    size_t room;
};

/* A blame line as the document spells it out. */
struct spelled_line {
    const char *path;
    const char *name;
    int64_t line;
    int64_t bytes;
    int64_t blocks;
};

struct parser {
    struct pk_json_reader reader;
    struct pk_profile *profile;
    struct column columns[COLUMN_COUNT];
    struct spelled_line *lines;
    size_t line_count, line_room;
    int64_t format;
    int64_t diff_format;
    int64_t peak_bytes, peak_blocks;
};

static char *keep_text(struct parser *p, const char *text) {
    return pk_pool_text(&p->profile->pool, text, strlen(text));
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

static bool read_number(struct parser *p, bool in_seconds, int64_t *ret_number) {
    enum pk_json_token token = pk_json_next(&p->reader);
    *ret_number = token == PK_JSON_NULL ? NO_NUMBER
                  : in_seconds          ? seconds_read(&p->reader)
                                        : p->reader.number;
    return token == PK_JSON_NUMBER || token == PK_JSON_NULL;
}

static bool read_text(struct parser *p, const char **ret_text) {
    enum pk_json_token token = pk_json_next(&p->reader);
    *ret_text = token == PK_JSON_STRING ? keep_text(p, p->reader.string) : "";
    return *ret_text != NULL && (token == PK_JSON_STRING || token == PK_JSON_NULL);
}

static bool read_column(struct parser *p, struct column *column, enum column_kind kind) {
    column->count = 0;
    if (pk_json_next(&p->reader) != PK_JSON_BEGIN_ARRAY) {
        return false;
    }
    for (;;) {
        enum pk_json_token token = pk_json_next(&p->reader);
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
                p->profile->pool.failed = true;
                return false;
            }
            column->texts = texts;
            texts[column->count++] = keep_text(p, p->reader.string);
        } else {
            int64_t *numbers =
                grow(column->numbers, column->count, &column->room, sizeof(*column->numbers));
            if (numbers == NULL) {
                p->profile->pool.failed = true;
                return false;
            }
            column->numbers = numbers;
            numbers[column->count++] =
                kind == COLUMN_SECONDS ? seconds_read(&p->reader) : p->reader.number;
        }
    }
}

/* The members of a table, its opening brace taken. Columns we do not know are skipped. */
static bool read_table(struct parser *p, const char *table) {
    enum pk_json_token token;
    while ((token = pk_json_next(&p->reader)) == PK_JSON_KEY) {
        unsigned i = 0;
        while (i < COLUMN_COUNT && (strcmp(column_specs[i].table, table) != 0 ||
                                    strcmp(column_specs[i].key, p->reader.string) != 0)) {
            i++;
        }
        bool ok = i == COLUMN_COUNT ? pk_json_skip(&p->reader)
                                    : read_column(p, &p->columns[i], column_specs[i].kind);
        if (!ok) {
            return false;
        }
    }
    return token == PK_JSON_END_OBJECT;
}

/* One blame line, its opening brace taken. */
static bool read_spelled_line(struct parser *p) {
    struct spelled_line line = {.path = "", .name = ""};
    enum pk_json_token token;
    while ((token = pk_json_next(&p->reader)) == PK_JSON_KEY) {
        const char *key = p->reader.string;
        bool ok = strcmp(key, "path") == 0       ? read_text(p, &line.path)
                  : strcmp(key, "function") == 0 ? read_text(p, &line.name)
                  : strcmp(key, "line") == 0     ? read_number(p, false, &line.line)
                  : strcmp(key, "bytes") == 0    ? read_number(p, false, &line.bytes)
                  : strcmp(key, "blocks") == 0   ? read_number(p, false, &line.blocks)
                                                 : pk_json_skip(&p->reader);
        if (!ok) {
            return false;
        }
    }
    struct spelled_line *lines = grow(p->lines, p->line_count, &p->line_room, sizeof(*lines));
    if (lines == NULL) {
        p->profile->pool.failed = true;
        return false;
    }
    p->lines = lines;
    lines[p->line_count++] = line;
    return token == PK_JSON_END_OBJECT;
}

/* In the document a list of objects, in the page columns. */
static bool read_blame(struct parser *p) {
    enum pk_json_token token = pk_json_next(&p->reader);
    if (token == PK_JSON_BEGIN_OBJECT) {
        return read_table(p, "blame");
    }
    if (token != PK_JSON_BEGIN_ARRAY) {
        return false;
    }
    while ((token = pk_json_next(&p->reader)) == PK_JSON_BEGIN_OBJECT) {
        if (!read_spelled_line(p)) {
            return false;
        }
    }
    return token == PK_JSON_END_ARRAY;
}

static bool read_command(struct parser *p) {
    char command[MAX_COMMAND];
    size_t used = 0;
    if (pk_json_next(&p->reader) != PK_JSON_BEGIN_ARRAY) {
        return false;
    }
    enum pk_json_token token;
    command[0] = '\0';
    while ((token = pk_json_next(&p->reader)) == PK_JSON_STRING) {
        size_t length = strlen(p->reader.string);
        if (used + length + 2 < sizeof(command)) {
            command[used] = ' ';
            memcpy(command + used + 1, p->reader.string, length + 1);
            used += length + 1;
        }
    }
    p->profile->command = keep_text(p, used > 0 ? command + 1 : "");
    return token == PK_JSON_END_ARRAY && p->profile->command != NULL;
}

static bool read_run(struct parser *p) {
    enum pk_json_token token;
    if (pk_json_next(&p->reader) != PK_JSON_BEGIN_OBJECT) {
        return false;
    }
    while ((token = pk_json_next(&p->reader)) == PK_JSON_KEY) {
        const char *key = p->reader.string;
        bool ok = strcmp(key, "command") == 0     ? read_command(p)
                  : strcmp(key, "directory") == 0 ? read_text(p, &p->profile->directory)
                  : strcmp(key, "started") == 0   ? read_text(p, &p->profile->started)
                  : strcmp(key, "python") == 0    ? read_text(p, &p->profile->python)
                  : strcmp(key, "duration_s") == 0
                      ? read_number(p, true, &p->profile->duration_ns)
                      : pk_json_skip(&p->reader);
        if (!ok) {
            return false;
        }
    }
    return token == PK_JSON_END_OBJECT;
}

static bool read_peak(struct parser *p) {
    enum pk_json_token token;
    if (pk_json_next(&p->reader) != PK_JSON_BEGIN_OBJECT) {
        return false;
    }
    while ((token = pk_json_next(&p->reader)) == PK_JSON_KEY) {
        const char *key = p->reader.string;
        bool ok = strcmp(key, "bytes") == 0    ? read_number(p, false, &p->peak_bytes)
                  : strcmp(key, "blocks") == 0 ? read_number(p, false, &p->peak_blocks)
                  : strcmp(key, "time_s") == 0 ? read_number(p, true, &p->profile->peak_time_ns)
                                               : pk_json_skip(&p->reader);
        if (!ok) {
            return false;
        }
    }
    return token == PK_JSON_END_OBJECT;
}

static bool read_warnings(struct parser *p) {
    if (pk_json_next(&p->reader) != PK_JSON_BEGIN_ARRAY) {
        return false;
    }
    enum pk_json_token token;
    while ((token = pk_json_next(&p->reader)) == PK_JSON_STRING) {
        p->profile->warning_count++;
    }
    return token == PK_JSON_END_ARRAY;
}

static bool read_member(struct parser *p) {
    static const char *const tables[] = {"files", "functions", "frames", "stacks"};
    const char *key = p->reader.string;

    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
        if (strcmp(key, tables[i]) == 0) {
            return pk_json_next(&p->reader) == PK_JSON_BEGIN_OBJECT && read_table(p, tables[i]);
        }
    }
    if (strcmp(key, "timeline") == 0) { // null when there is none
        enum pk_json_token token = pk_json_next(&p->reader);
        return token == PK_JSON_NULL ||
               (token == PK_JSON_BEGIN_OBJECT && read_table(p, "timeline"));
    }
    return strcmp(key, "format") == 0        ? read_number(p, false, &p->format)
           : strcmp(key, "diff_format") == 0 ? read_number(p, false, &p->diff_format)
           : strcmp(key, "tool") == 0        ? read_text(p, &p->profile->tool)
           : strcmp(key, "run") == 0         ? read_run(p)
           : strcmp(key, "peak") == 0        ? read_peak(p)
           : strcmp(key, "warnings") == 0    ? read_warnings(p)
           : strcmp(key, "blame") == 0       ? read_blame(p)
                                             : pk_json_skip(&p->reader);
}

static bool read_document(struct parser *p) {
    if (pk_json_next(&p->reader) != PK_JSON_BEGIN_OBJECT) {
        return false;
    }
    enum pk_json_token token;
    while ((token = pk_json_next(&p->reader)) == PK_JSON_KEY) {
        if (!read_member(p)) {
            return false;
        }
    }
    return token == PK_JSON_END_OBJECT && pk_json_next(&p->reader) == PK_JSON_END;
}

/* ---- checks ---- */

static bool has_length(const struct column *column, size_t count) {
    return column->count == count;
}

static bool is_below(int64_t number, size_t count) {
    return number >= 0 && (uint64_t)number < count;
}

/* Add up two columns into the peak. False when they do not, or are negative. */
static bool add_up(const struct column *bytes, uint64_t wanted) {
    uint64_t sum = 0;
    for (size_t i = 0; i < bytes->count; i++) {
        if (bytes->numbers[i] < 0 ||
            __builtin_add_overflow(sum, (uint64_t)bytes->numbers[i], &sum)) {
            return false;
        }
    }
    return sum == wanted;
}

static const char *make_frames(struct parser *p) {
    const struct column *c = p->columns;
    struct pk_profile *profile = p->profile;
    size_t files = c[FILES_PATH].count, functions = c[FUNCTIONS_NAME].count,
           frames = c[FRAMES_FUNCTION].count;
    struct pk_path_rules rules = {.directory = profile->directory};

    if (frames > INT32_MAX || !has_length(&c[FILES_KIND], files) ||
        !has_length(&c[FILES_STATUS], files) ||
        !has_length(&c[FUNCTIONS_FILE], functions) ||
        !has_length(&c[FUNCTIONS_KIND], functions) || !has_length(&c[FRAMES_LINE], frames) ||
        !has_length(&c[FRAMES_SOURCE], frames)) {
        return "its tables of lines have columns of different lengths";
    }
    profile->frames = pk_pool_array(&profile->pool, frames, sizeof(*profile->frames));
    if (profile->frames == NULL) {
        return NULL;
    }
    profile->frame_count = (uint32_t)frames;
    for (size_t i = 0; i < frames; i++) {
        int64_t function = c[FRAMES_FUNCTION].numbers[i], line = c[FRAMES_LINE].numbers[i];
        int64_t file = is_below(function, functions) ? c[FUNCTIONS_FILE].numbers[function] : -1;
        int64_t kind = is_below(file, files) ? c[FILES_KIND].numbers[file] : -1;
        if (!is_below(kind, PK_FILE_NONE + 1) || !is_below(line, UINT32_MAX)) {
            return "its tables of lines do not fit together";
        }
        profile->frames[i] =
            (struct pk_profile_frame){.path = pk_path_spoken(&rules, c[FILES_PATH].texts[file]),
                                      .name = c[FUNCTIONS_NAME].texts[function],
                                      .source = c[FRAMES_SOURCE].texts[i],
                                      .line = (uint32_t)line,
                                      .kind = (uint32_t)kind,
                                      .is_stale = c[FILES_STATUS].numbers[file] != PK_SOURCE_SAME,
                                      .is_process = c[FUNCTIONS_KIND].numbers[function] ==
                                                    FUNCTION_PROCESS};
    }
    // threads differ by the line that started them
    for (size_t i = 0; i < frames && has_length(&c[FRAMES_STARTED_BY], frames); i++) {
        int64_t by = c[FRAMES_STARTED_BY].numbers[i];
        if (is_below(by, frames) && !is_below(c[FRAMES_STARTED_BY].numbers[by], frames)) {
            profile->frames[i].source = c[FRAMES_SOURCE].texts[by];
            profile->frames[i].is_stale = profile->frames[by].is_stale;
        }
    }
    for (size_t i = 0; i < frames; i++) {
        if (profile->frames[i].is_stale) {
            profile->frames[i].source = ""; // another line stands there now
        }
    }
    return NULL;
}

static const char *make_nodes(struct parser *p) {
    bool is_page = p->columns[STACKS_UP].count > 0;
    const struct column *parents = &p->columns[is_page ? STACKS_UP : STACKS_PARENT];
    const struct column *c = p->columns + STACKS_FRAME;
    struct pk_profile *profile = p->profile;
    size_t count = parents->count;

    if (count == 0 || count > INT32_MAX || !has_length(&c[0], count) ||
        !has_length(&c[1], count) || !has_length(&c[2], count)) {
        return "its table of stacks is empty or has columns of different lengths";
    }
    profile->nodes = pk_pool_array(&profile->pool, count, sizeof(*profile->nodes));
    if (profile->nodes == NULL) {
        return NULL;
    }
    profile->node_count = (uint32_t)count;
    for (size_t i = 0; i < count; i++) {
        int64_t parent = parents->numbers[i], frame = c[0].numbers[i];
        bool is_linked = i == 0                ? true
                         : is_page             ? parent >= 1 && (uint64_t)parent <= i
                                               : is_below(parent, i);
        bool is_named = i == 0 ? frame == PK_FRAME_ROOT
                               : frame == PK_FRAME_FOLDED || is_below(frame, profile->frame_count);
        if (!is_linked || !is_named) {
            return "its table of stacks does not fit together";
        }
        profile->nodes[i] = (struct pk_profile_node){
            .parent = i == 0 ? 0 : (uint32_t)(is_page ? (int64_t)i - parent : parent),
            .frame = (int32_t)frame,
            .bytes = (uint64_t)c[1].numbers[i],
            .blocks = (uint64_t)c[2].numbers[i]};
    }
    if (!add_up(&c[1], profile->peak_bytes) || !add_up(&c[2], profile->peak_blocks)) {
        return "its stacks do not add up to its peak";
    }
    return NULL;
}

/* Frames in order of path, name and line, to find the frame of a spelled line. */
static int compare_places(const char *path, const char *name, uint32_t line,
                          const struct pk_profile_frame *frame) {
    int order = strcmp(path, frame->path);
    order = order != 0 ? order : strcmp(name, frame->name);
    return order != 0 ? order : line < frame->line ? -1 : line > frame->line;
}

static int compare_frames(const void *left, const void *right, void *context) {
    const struct pk_profile_frame *frames = context;
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    int order = compare_places(frames[a].path, frames[a].name, frames[a].line, &frames[b]);
    return order != 0 ? order : a < b ? -1 : a > b;
}

/* The frames in that order, or NULL. */
static uint32_t *sort_frames(struct pk_pool *pool, const struct pk_profile *profile) {
    uint32_t *order = pk_pool_array(pool, profile->frame_count, sizeof(*order));
    for (uint32_t i = 0; order != NULL && i < profile->frame_count; i++) {
        order[i] = i;
    }
    if (order != NULL) {
        qsort_r(order, profile->frame_count, sizeof(*order), compare_frames, profile->frames);
    }
    return order;
}

/* The first frame of that place, or -1. */
static int64_t find_frame(const struct pk_profile *profile, const uint32_t *order,
                          const char *path, const char *name, uint32_t line) {
    uint32_t low = 0, high = profile->frame_count;
    while (low < high) { // the first that is not less
        uint32_t middle = low + (high - low) / 2;
        if (compare_places(path, name, line, &profile->frames[order[middle]]) > 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    bool is_found = low < profile->frame_count &&
                    compare_places(path, name, line, &profile->frames[order[low]]) == 0;
    return is_found ? (int64_t)order[low] : -1;
}

static const char *spell_blame(struct parser *p) {
    struct pk_profile *profile = p->profile;
    struct pk_path_rules rules = {.directory = profile->directory};
    uint32_t *order = sort_frames(&profile->pool, profile);
    uint64_t bytes = 0, blocks = 0;

    profile->blame = pk_pool_array(&profile->pool, p->line_count, sizeof(*profile->blame));
    if (order == NULL || profile->blame == NULL) {
        return NULL;
    }
    profile->blame_count = (uint32_t)p->line_count;
    for (size_t i = 0; i < p->line_count; i++) {
        const struct spelled_line *line = &p->lines[i];
        bool is_number = is_below(line->line, UINT32_MAX) && line->bytes >= 0 && line->blocks >= 0;
        int64_t found = is_number
                            ? find_frame(profile, order, pk_path_spoken(&rules, line->path),
                                         line->name, (uint32_t)line->line)
                            : -1;
        bool is_found = found >= 0;
        bool is_root = is_number && !is_found && strcmp(line->name, "[no stack]") == 0;
        bool is_rest = is_number && !is_found && strcmp(line->name, "[smaller lines]") == 0;
        if ((!is_found && !is_root && !is_rest) ||
            __builtin_add_overflow(bytes, (uint64_t)line->bytes, &bytes) ||
            __builtin_add_overflow(blocks, (uint64_t)line->blocks, &blocks)) {
            return "its blame lines do not fit its other tables";
        }
        profile->blame[i] = (struct pk_profile_blame){.frame = is_found  ? (int32_t)found
                                                               : is_root ? PK_FRAME_ROOT
                                                                         : PK_FRAME_FOLDED,
                                                      .bytes = (uint64_t)line->bytes,
                                                      .blocks = (uint64_t)line->blocks};
    }
    return bytes == profile->peak_bytes && blocks == profile->peak_blocks
               ? NULL
               : "its blame lines do not add up to its peak";
}

static const char *make_blame(struct parser *p) {
    const struct column *c = p->columns + BLAME_FRAME;
    struct pk_profile *profile = p->profile;
    size_t count = c[0].count;

    if (count == 0) {
        return spell_blame(p);
    }
    if (count > INT32_MAX || !has_length(&c[1], count) || !has_length(&c[2], count)) {
        return "its blame lines have columns of different lengths";
    }
    profile->blame = pk_pool_array(&profile->pool, count, sizeof(*profile->blame));
    if (profile->blame == NULL) {
        return NULL;
    }
    profile->blame_count = (uint32_t)count;
    for (size_t i = 0; i < count; i++) {
        int64_t frame = c[0].numbers[i];
        if (frame != PK_FRAME_ROOT && frame != PK_FRAME_FOLDED &&
            !is_below(frame, profile->frame_count)) {
            return "its blame lines do not fit its other tables";
        }
        profile->blame[i] = (struct pk_profile_blame){.frame = (int32_t)frame,
                                                      .bytes = (uint64_t)c[1].numbers[i],
                                                      .blocks = (uint64_t)c[2].numbers[i]};
    }
    return add_up(&c[1], profile->peak_bytes) && add_up(&c[2], profile->peak_blocks)
               ? NULL
               : "its blame lines do not add up to its peak";
}

/* What processes held outside of all stacks is one line, and lines that held nothing at the peak
 * (they are there for other measures) are none. */
static void join_processes(struct pk_profile *profile) {
    uint32_t used = 0;
    int64_t root = -1;
    for (uint32_t i = 0; i < profile->blame_count; i++) {
        struct pk_profile_blame blame = profile->blame[i];
        if (blame.frame >= 0 && profile->frames[blame.frame].is_process) {
            blame.frame = PK_FRAME_ROOT;
        }
        if (blame.frame == PK_FRAME_ROOT && root >= 0) {
            profile->blame[root].bytes += blame.bytes;
            profile->blame[root].blocks += blame.blocks;
        } else if (blame.bytes > 0 || blame.blocks > 0) {
            root = blame.frame == PK_FRAME_ROOT ? (int64_t)used : root;
            profile->blame[used++] = blame;
        }
    }
    profile->blame_count = used;
}

/* Memory over time is a picture only: one that makes no sense is left out. */
static void make_moments(struct parser *p) {
    const struct column *c = p->columns + TIMELINE_TIME;
    struct pk_profile *profile = p->profile;
    size_t count = c[0].count;

    bool is_good = has_length(&c[1], count) && count <= INT32_MAX;
    for (size_t i = 0; is_good && i < count; i++) {
        is_good = c[0].numbers[i] >= (i == 0 ? 0 : c[0].numbers[i - 1]) && c[1].numbers[i] >= 0;
    }
    profile->moments =
        pk_pool_array(&profile->pool, is_good ? count : 0, sizeof(*profile->moments));
    profile->moment_count = is_good && profile->moments != NULL ? (uint32_t)count : 0;
    for (size_t i = 0; i < profile->moment_count; i++) {
        profile->moments[i] = (struct pk_profile_moment){
            .time_ns = c[0].numbers[i], .bytes = (uint64_t)c[1].numbers[i]};
    }
}

/* What is wrong with it, or NULL. */
static const char *make_profile(struct parser *p) {
    struct pk_profile *profile = p->profile;
    if (p->peak_bytes < 0 || p->peak_blocks < 0) {
        return "it has no peak";
    }
    profile->peak_bytes = (uint64_t)p->peak_bytes;
    profile->peak_blocks = (uint64_t)p->peak_blocks;
    profile->duration_ns = profile->duration_ns < 0 ? -1 : profile->duration_ns;
    profile->peak_time_ns = profile->peak_time_ns < 0 ? -1 : profile->peak_time_ns;
    const char *wrong = make_frames(p);
    wrong = wrong == NULL && !profile->pool.failed ? make_nodes(p) : wrong;
    wrong = wrong == NULL && !profile->pool.failed ? make_blame(p) : wrong;
    if (wrong == NULL && !profile->pool.failed) {
        join_processes(profile);
        make_moments(p);
    }
    return wrong;
}

static int explain(const struct parser *p, bool was_read, const char *wrong, const char *name,
                   char *error, size_t error_size) {
    if (p->profile->pool.failed) {
        snprintf(error, error_size, "%s cannot be read: not enough memory", name);
        return -ENOMEM;
    }
    if (p->diff_format > 0) {
        snprintf(error, error_size,
                 "%s is itself a diff; name the reports that it was made from", name);
    } else if (p->format > PK_PROFILE_FORMAT) {
        snprintf(error, error_size,
                 "%s was written by a newer Peakline (format %" PRId64 "); update Peakline, or "
                 "name its result directory",
                 name, p->format);
    } else if (!was_read && p->format == 0) {
        snprintf(error, error_size,
                 "%s is not a JSON report of Peakline; name a result directory, its report.html or "
                 "what `peakline report DIR --format json` wrote",
                 name);
    } else if (p->format == 0) {
        snprintf(error, error_size,
                 "%s is JSON, but no report of Peakline; name a result directory, its report.html "
                 "or what `peakline report DIR --format json` wrote",
                 name);
    } else {
        snprintf(error, error_size, "%s is damaged: %s; write it again from its result directory",
                 name, wrong != NULL ? wrong : "it is not whole");
    }
    return -EBADMSG;
}

int pk_profile_parse(const char *text, size_t size, const char *name,
                     struct pk_profile **ret_profile, char *error, size_t error_size) {
    *ret_profile = NULL;
    snprintf(error, error_size, "%s cannot be read: not enough memory", name);
    struct parser *p = calloc(1, sizeof(*p));
    struct pk_profile *profile = calloc(1, sizeof(*profile));
    if (p == NULL || profile == NULL) {
        free(p);
        free(profile);
        return -ENOMEM;
    }
    *profile = (struct pk_profile){.name = "",
                                   .tool = "",
                                   .command = "",
                                   .directory = "",
                                   .started = "",
                                   .python = "",
                                   .duration_ns = -1,
                                   .peak_time_ns = -1};
    p->profile = profile;
    p->peak_bytes = p->peak_blocks = -1;
    pk_json_reader_start(&p->reader, text, size);
    bool was_read = read_document(p);
    bool is_ours = was_read && !profile->pool.failed && p->format > 0 && p->format <= PK_PROFILE_FORMAT;
    const char *wrong = is_ours ? make_profile(p) : NULL;
    profile->name = pk_pool_text(&profile->pool, name, strlen(name));
    int r = 0;
    if (!is_ours || wrong != NULL || profile->pool.failed) {
        r = explain(p, was_read, wrong, name, error, error_size);
        pk_profile_free(profile);
    } else {
        *ret_profile = profile;
    }
    pk_json_reader_end(&p->reader);
    for (unsigned i = 0; i < COLUMN_COUNT; i++) {
        free(p->columns[i].numbers);
        free(p->columns[i].texts);
    }
    free(p->lines);
    free(p);
    return r;
}

void pk_profile_free(struct pk_profile *profile) {
    if (profile != NULL) {
        pk_pool_free(&profile->pool);
        free(profile);
    }
}
