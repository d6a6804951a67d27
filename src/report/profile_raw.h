/* SPDX-License-Identifier: Apache-2.0
 * What stands in a document or in a page's data, before anything of it is believed: its columns, in
 * whatever order they come. May use json.h, profile.h. Must stay true: a column has numbers or
 * texts, never both; that columns fit together is for profile.c to find out. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "report/json.h"
#include "report/profile.h"

enum pk_raw_table_column {
    PK_RAW_FILES_PATH,
    PK_RAW_FILES_KIND,
    PK_RAW_FILES_STATUS,
    PK_RAW_FUNCTIONS_NAME,
    PK_RAW_FUNCTIONS_FILE,
    PK_RAW_FUNCTIONS_KIND,
    PK_RAW_FRAMES_FUNCTION,
    PK_RAW_FRAMES_LINE,
    PK_RAW_FRAMES_STARTED_BY,
    PK_RAW_FRAMES_SOURCE,
    PK_RAW_STACKS_PARENT,
    PK_RAW_STACKS_FRAME,
    PK_RAW_STACKS_BYTES,
    PK_RAW_STACKS_BLOCKS,
    PK_RAW_STACKS_UP, /* in the page, instead of the parent */
    PK_RAW_BLAME_FRAME,
    PK_RAW_BLAME_BYTES,
    PK_RAW_BLAME_BLOCKS,
    PK_RAW_TIMELINE_TIME,
    PK_RAW_TIMELINE_BYTES,
    PK_RAW_COLUMNS,
};

struct pk_raw_column {
    int64_t *numbers;
    const char **texts;
    size_t count;
    size_t room;
};

/* A blame line as the document spells it out. */
struct pk_raw_line {
    const char *path;
    const char *name;
    int64_t line;
    int64_t bytes;
    int64_t blocks;
};

struct pk_profile_raw {
    struct pk_profile *profile;   /* given; its pool has the texts */
    struct pk_json_reader reader; /* while it reads */
    struct pk_raw_column columns[PK_RAW_COLUMNS];
    struct pk_raw_line *lines;
    size_t line_count, line_room;
    int64_t format, diff_format;     /* 0: it has none */
    int64_t peak_bytes, peak_blocks; /* given: -1, which stays where there are none */
};

/* Read it all. Texts and what stands by itself go into `raw->profile`, the rest into `raw`. False
 * when it is no JSON, or a part is of another kind than it should be; or, with
 * `raw->profile->pool.failed`, for want of memory. What was read stays. */
bool pk_profile_raw_read(struct pk_profile_raw *raw, const char *text, size_t size);

/* Frees the columns and the lines; not the profile, and not `raw` itself. */
void pk_profile_raw_release(struct pk_profile_raw *raw);
