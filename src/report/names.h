/* SPDX-License-Identifier: Apache-2.0
 * Gives files, functions and frames of all ledgers their numbers in the view: the same name in
 * eight workers is one number.
 * May use view.h, paths.h, pool.h. Must stay true: numbers are given in order of first use, so the
 * same ledgers in the same order give the same numbers. After a failure (`failed`) every call
 * returns 0 and changes nothing. */
#pragma once

#include "report/view.h"

/* Open addressing, at most half full; entries are an index + 1. */
struct pk_name_table {
    uint32_t *slots;
    uint32_t mask; /* slots - 1; 0: none yet */
    uint32_t used;
};

struct pk_name_raw {
    const char *text;
    uint32_t file;
};

struct pk_names {
    struct pk_view *view;
    struct pk_path_rules rules;
    struct pk_name_raw *raws; /* paths as the ledgers have them */
    uint32_t raw_count, raw_room;
    uint32_t file_room, function_room, frame_room;
    struct pk_name_table by_raw, by_path, by_function, by_frame, by_line; /* by_line: of frames */
    bool failed;
};

void pk_names_start(struct pk_names *names, const struct pk_path_rules *rules,
                    struct pk_view *view);
/* The view keeps what it got. */
void pk_names_end(struct pk_names *names);

/* The file of a path as a ledger has it; "" is that of pseudo frames. */
uint32_t pk_names_file(struct pk_names *names, const char *raw);
uint32_t pk_names_function(struct pk_names *names, const char *name, uint32_t file, uint32_t kind,
                           uint32_t first_line);
uint32_t pk_names_frame(struct pk_names *names, uint32_t function, uint32_t line,
                        int32_t started_by);
/* The first frame of all that stand at the same line of the same file. */
uint32_t pk_names_line(struct pk_names *names, uint32_t frame);
