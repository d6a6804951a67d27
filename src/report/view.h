/* SPDX-License-Identifier: Apache-2.0
 * What every format shows, computed once: the stacks at the peak as a tree, and the blame lines.
 *
 *     files <- functions <- frames (function, line) <- tree nodes, blame lines
 *
 * May use record/reader.h, tree.h, paths.h. Must stay true: the tree's bytes add up to peak_bytes
 * exactly, the blame lines' bytes too, blocks likewise; texts point into the snapshot or the pool.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "record/reader.h"
#include "report/paths.h"
#include "report/pool.h"
#include "report/tree.h"

enum pk_file_status {
    PK_SOURCE_SAME = 0,
    PK_SOURCE_MISSING = 1, /* or unreadable */
    PK_SOURCE_CHANGED = 2, /* since the run began */
};

struct pk_view_file {
    const char *path; /* resolved; "" for pseudo frames */
    enum pk_file_kind kind;
    enum pk_file_status status;
};

struct pk_view_function {
    const char *name;
    uint32_t file;
    uint32_t kind; /* enum pk_function_kind */
};

struct pk_view_frame {
    uint32_t function;
    uint32_t line;
    int32_t started_by; /* of "[thread]": the frame of the line that started it; else, and when it
                           is not known, PK_FRAME_ROOT */
    const char *source; /* the line with its indentation; "" when unknown */
};

/* All allocations charged to one line. */
struct pk_view_blame {
    int32_t frame; /* PK_FRAME_ROOT: no stack at all */
    uint64_t bytes;
    uint64_t blocks;
};

struct pk_view {
    struct pk_pool pool;

    uint32_t file_count;
    struct pk_view_file *files;
    uint32_t function_count;
    struct pk_view_function *functions;
    uint32_t frame_count;
    struct pk_view_frame *frames;

    struct pk_tree tree;
    uint32_t blame_count;
    struct pk_view_blame *blame; /* largest first */

    uint64_t peak_bytes; /* what the tree adds up to */
    uint64_t peak_blocks;
    uint64_t in_flight_bytes; /* of it, in the total when the record ended but in no stack yet */
    uint64_t in_flight_blocks;
    uint64_t surplus_bytes; /* what the stacks have beyond the recorded peak; the view's peak
                               includes it */
    uint64_t surplus_blocks;

    int32_t failed_frame; /* innermost user frame of the largest failed allocation; -1 unknown */
};

/* Build the view. The snapshot must outlive it; `rules` supplies the run's directory. Sources are
 * not read yet (source.h). Returns 0 or -ENOMEM; on failure nothing is held. */
int pk_view_build(const struct pk_snapshot *snapshot, const struct pk_path_rules *rules,
                  struct pk_view *ret_view);
void pk_view_free(struct pk_view *view);
