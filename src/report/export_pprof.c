/* SPDX-License-Identifier: Apache-2.0
 * pprof: the protocol buffer `perftools.profiles.Profile`, gzipped, for `go tool pprof` and the
 * viewers that read its files. Three measures in blocks and bytes; the default is the peak's bytes.
 *
 * May use model.h, command.h, stacklist.h, deflate.h. Must stay true: string 0 is empty, ids
 * begin at 1, every reference resolves, every sample has a value for each type. Field numbers are
 * those of pprof's profile.proto.
 *
 * A function's name carries its file ("load (app.py)"): viewers merge functions by name, and each
 * module has a `<module>`. Its system name is the plain one; were both the same, `go tool pprof`
 * would take <module> for a C++ template and show nothing. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "record/utf8.h"
#include "report/command.h"
#include "report/deflate.h"
#include "report/model.h"
#include "report/stacklist.h"

enum profile_field {
    PROFILE_SAMPLE_TYPE = 1,
    PROFILE_SAMPLE = 2,
    PROFILE_MAPPING = 3,
    PROFILE_LOCATION = 4,
    PROFILE_FUNCTION = 5,
    PROFILE_STRING = 6,
    PROFILE_TIME_NANOS = 9,
    PROFILE_DURATION_NANOS = 10,
    PROFILE_PERIOD_TYPE = 11,
    PROFILE_PERIOD = 12,
    PROFILE_COMMENT = 13,
    PROFILE_DEFAULT_SAMPLE_TYPE = 14,
};

/* Bytes that grow. A failure sticks. */
struct bytes {
    uint8_t *data;
    size_t used;
    size_t room;
    bool failed;
};

/* The profile, and a part of it that is not finished: its length goes before it. */
struct profile {
    const struct pk_report *report;
    struct pk_stacklist list;
    struct bytes whole;
    struct bytes part;
    struct bytes packed;
    uint64_t string_count;
};

static uint8_t *reserve(struct bytes *bytes, size_t size) {
    if (bytes->used + size > bytes->room) {
        size_t room = (bytes->used + size) * 2 + 4096;
        uint8_t *grown = bytes->failed ? NULL : realloc(bytes->data, room);
        if (grown == NULL) {
            bytes->failed = true;
            return NULL;
        }
        bytes->data = grown;
        bytes->room = room;
    }
    return bytes->data + bytes->used;
}

static void put_varint(struct bytes *bytes, uint64_t value) {
    uint8_t *at = reserve(bytes, 10);
    if (at != NULL) {
        size_t size = 0;
        for (; value >= 0x80u; value >>= 7) {
            at[size++] = (uint8_t)(value | 0x80u);
        }
        at[size++] = (uint8_t)value;
        bytes->used += size;
    }
}

static void put_bytes(struct bytes *bytes, const void *data, size_t size) {
    uint8_t *at = reserve(bytes, size);
    if (at != NULL && size > 0) {
        memcpy(at, data, size);
        bytes->used += size;
    }
}

/* A number; 0 is what a missing field means. */
static void put_number(struct bytes *bytes, uint32_t field, uint64_t value) {
    if (value != 0) {
        put_varint(bytes, (uint64_t)field << 3);
        put_varint(bytes, value);
    }
}

static void put_block(struct bytes *bytes, uint32_t field, const void *data, size_t size) {
    put_varint(bytes, (uint64_t)field << 3 | 2u);
    put_varint(bytes, size);
    put_bytes(bytes, data, size);
}

/* Move a finished part into another message. */
static void put_part(struct bytes *bytes, uint32_t field, struct bytes *part) {
    bytes->failed = bytes->failed || part->failed;
    put_block(bytes, field, part->data, part->used);
    part->used = 0;
}

/* Append to the string table; returns the index. Wrong UTF-8 becomes question marks. */
static uint64_t add_string(struct profile *profile, const char *text) {
    size_t size = strlen(text);
    struct bytes *part = &profile->packed;
    put_bytes(part, text, size);
    if (!part->failed) {
        (void)pk_utf8_repair((char *)part->data, part->used);
    }
    put_part(&profile->whole, PROFILE_STRING, part);
    return profile->string_count++;
}

/* Blocks before bytes, as other heap profiles have it. */
static const struct {
    const char *name;
    bool is_bytes;
    enum pk_column column;
} types[PK_COLUMNS] = {
    {"peak_blocks", false, PK_PEAK_BLOCKS},   {"peak_bytes", true, PK_PEAK_BYTES},
    {"end_blocks", false, PK_END_BLOCKS},     {"end_bytes", true, PK_END_BYTES},
    {"alloc_blocks", false, PK_ALLOC_BLOCKS}, {"alloc_bytes", true, PK_ALLOC_BYTES},
};

static void put_value_type(struct profile *profile, enum profile_field field, uint64_t type,
                           uint64_t unit) {
    put_number(&profile->part, 1, type);
    put_number(&profile->part, 2, unit);
    put_part(&profile->whole, field, &profile->part);
}

/* Speedscope looks for the default by its string's number, so these are in the table once. */
static void put_types(struct profile *profile) {
    uint64_t count = add_string(profile, "count"), bytes = add_string(profile, "bytes");
    uint64_t peak_bytes = 0;

    for (size_t i = 0; i < PK_COLUMNS; i++) {
        uint64_t name = add_string(profile, types[i].name);
        put_value_type(profile, PROFILE_SAMPLE_TYPE, name, types[i].is_bytes ? bytes : count);
        if (types[i].column == PK_PEAK_BYTES) {
            peak_bytes = name;
        }
    }
    put_value_type(profile, PROFILE_PERIOD_TYPE, peak_bytes, bytes);
    put_number(&profile->whole, PROFILE_PERIOD, 1); // nothing is sampled
    put_number(&profile->whole, PROFILE_DEFAULT_SAMPLE_TYPE, peak_bytes);
}

static void put_samples(struct profile *profile) {
    struct pk_stacklist *list = &profile->list;
    while (pk_stacklist_next(list) && !profile->whole.failed) {
        for (uint32_t i = list->count; i-- > 0;) { // innermost first
            put_varint(&profile->packed, (uint64_t)list->frames[i] + 1);
        }
        put_part(&profile->part, 1, &profile->packed);
        for (size_t i = 0; i < PK_COLUMNS; i++) {
            put_varint(&profile->packed, list->values[types[i].column]);
        }
        put_part(&profile->part, 2, &profile->packed);
        put_part(&profile->whole, PROFILE_SAMPLE, &profile->part);
    }
}

/* One mapping for all: it says which program it was, and that names and lines are known. */
static void put_mapping(struct profile *profile, const char *program) {
    put_number(&profile->part, 1, 1);
    put_number(&profile->part, 5, add_string(profile, program));
    for (uint32_t has_names = 7; has_names <= 9; has_names++) {
        put_number(&profile->part, has_names, 1); // functions, file names, line numbers
    }
    put_part(&profile->whole, PROFILE_MAPPING, &profile->part);
}

/* One location for each frame and one function for each function of the view; ids are the frame's
 * number in the list + 1, and the function's index in the view + 1. Entries that are no function
 * of the view have ids behind those. */
static int put_locations(struct profile *profile) {
    const struct pk_view *view = &profile->report->view;
    struct pk_pool scratch = {0};
    bool *is_done = pk_pool_array(&scratch, view->function_count, sizeof(*is_done));
    uint64_t *files = pk_pool_array(&scratch, view->file_count, sizeof(*files));

    for (uint32_t i = 0; !scratch.failed && i < profile->list.table_count; i++) {
        int32_t frame = profile->list.table[i];
        char thread[PK_STACKLIST_NAME_ROOM], *named = NULL;
        const struct pk_view_file *file;
        uint32_t line;
        const char *name = pk_stacklist_name(&profile->list, &profile->report->rules, i, thread,
                                             sizeof(thread), &file, &line);
        bool is_own = frame < 0 || name == thread; // not a function of the view
        uint32_t function = is_own ? view->function_count + i : view->frames[frame].function;

        put_number(&profile->packed, 1, (uint64_t)function + 1);
        put_number(&profile->packed, 2, line);
        put_number(&profile->part, 1, (uint64_t)i + 1);
        put_number(&profile->part, 2, 1); // the mapping
        put_part(&profile->part, 4, &profile->packed);
        put_part(&profile->whole, PROFILE_LOCATION, &profile->part);
        if (!is_own && is_done[function]) {
            continue;
        }
        uint64_t path = 0;
        if (file != NULL) {
            const char *spoken = pk_path_spoken(&profile->report->rules, file->path);
            size_t size = strlen(name) + strlen(spoken) + sizeof(" ()");
            uint32_t file_index = (uint32_t)(file - view->files);
            named = malloc(size);
            if (named == NULL) {
                scratch.failed = true;
                break;
            }
            snprintf(named, size, "%s (%s)", name, spoken);
            if (files[file_index] == 0) {
                files[file_index] = add_string(profile, file->path);
            }
            path = files[file_index];
        }
        put_number(&profile->part, 1, (uint64_t)function + 1);
        put_number(&profile->part, 2, add_string(profile, named != NULL ? named : name));
        put_number(&profile->part, 3, named != NULL ? add_string(profile, name) : 0);
        put_number(&profile->part, 4, path);
        put_number(&profile->part, 5, is_own ? 0 : view->functions[function].first_line);
        put_part(&profile->whole, PROFILE_FUNCTION, &profile->part);
        free(named);
        if (!is_own) {
            is_done[function] = true;
        }
    }
    bool is_failed = scratch.failed;
    pk_pool_free(&scratch);
    return is_failed ? -ENOMEM : 0;
}

/* Shown by `go tool pprof -comments`. */
static void put_comments(struct profile *profile) {
    const struct pk_report *report = profile->report;
    char *command = pk_report_command(report);

    put_number(&profile->whole, PROFILE_COMMENT, add_string(profile, pk_report_tool(report)));
    if (command != NULL && command[0] != '\0') {
        put_number(&profile->whole, PROFILE_COMMENT, add_string(profile, command));
    }
    free(command);
    for (uint32_t i = 0; i < report->warning_count; i++) {
        put_number(&profile->whole, PROFILE_COMMENT, add_string(profile, report->warnings[i]));
    }
    if (profile->list.depth_limit != UINT32_MAX) {
        char cut[120];
        snprintf(cut, sizeof(cut),
                 "Stacks deeper than %u frames are cut in the middle: [frames left out].",
                 profile->list.depth_limit);
        put_number(&profile->whole, PROFILE_COMMENT, add_string(profile, cut));
    }
}

int pk_write_pprof(const struct pk_report *report, FILE *out) {
    struct profile profile = {.report = report};
    uint8_t *packed = NULL;
    size_t packed_size = 0;

    int r = pk_stacklist_start(&profile.list, &report->view);
    if (r < 0) {
        return r;
    }
    (void)add_string(&profile, ""); // string 0
    put_types(&profile);
    put_mapping(&profile, pk_report_main(report)->label);
    put_samples(&profile);
    r = put_locations(&profile);
    put_number(&profile.whole, PROFILE_TIME_NANOS, (uint64_t)report->start_unix_ns);
    put_number(&profile.whole, PROFILE_DURATION_NANOS,
               report->duration_ns > 0 ? (uint64_t)report->duration_ns : 0);
    put_comments(&profile);
    if (r >= 0 && profile.whole.failed) {
        r = -ENOMEM;
    }
    if (r >= 0) {
        r = pk_gzip(profile.whole.data, profile.whole.used, &packed, &packed_size);
    }
    if (r >= 0) {
        fwrite(packed, 1, packed_size, out);
    }
    free(packed);
    free(profile.whole.data);
    free(profile.part.data);
    free(profile.packed.data);
    pk_stacklist_end(&profile.list);
    return r;
}
