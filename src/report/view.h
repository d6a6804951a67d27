/* SPDX-License-Identifier: Apache-2.0
 * What every format shows, computed once: the stacks of all processes at the moment the process
 * tree held the most, and the blame lines.
 *
 *     files <- functions <- frames (function, line) <- tree nodes, blame lines, processes
 *
 * With a single process the tree's first level is its outermost frames. With several it is one
 * frame a process (function kind PK_VIEW_PROCESS, named "process 1234 app.py"), or one for several
 * that run the same code ("process x8 app.py"); what a process held outside of any stack is such a
 * node's own. Names, files and frames are the same numbers in all processes: a line that eight
 * workers stand at is one frame, and one blame line.
 *
 * Tree nodes and blame lines have three measures (enum pk_column): at the peak of the process tree,
 * live when each process's record ended, and allocated over the whole run (churn; what of it is not
 * live at the end was temporary). Of each they know the parts that the C heap gave and that are
 * maps (enum pk_memory_kind); a ledger's nodes of these kinds are part of their line's, not frames.
 *
 * May use record/reader.h, tree.h, paths.h. Must stay true: `bytes` of the tree, of the blame lines
 * and tree_bytes of the processes each add up to peak_bytes exactly, the other columns to theirs;
 * texts live in the view's pool (those of processes in the report's), no snapshot need outlive it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "record/reader.h"
#include "report/paths.h"
#include "report/pool.h"
#include "report/tree.h"

/* A function's kind beside those of the ledger. */
#define PK_VIEW_PROCESS 32u

enum pk_file_status {
    PK_SOURCE_SAME = 0,
    PK_SOURCE_MISSING = 1, /* or unreadable */
    PK_SOURCE_CHANGED = 2, /* since the run began */
};

struct pk_view_file {
    const char *path; /* resolved; "" for pseudo frames */
    enum pk_file_kind kind;
    enum pk_file_status status;
    bool is_old; /* its lines come from the page of the run (old_lines.h) */
    /* where its lines are read, when that is not `path` (redact.h); or NULL */
    const char *location;
};

struct pk_view_function {
    const char *name;
    uint32_t file;
    uint32_t kind;       /* enum pk_function_kind, or PK_VIEW_PROCESS */
    uint32_t first_line; /* 0: not known */
};

struct pk_view_frame {
    uint32_t function;
    uint32_t line;
    int32_t started_by; /* of "[thread]": the frame of the line that started it; else, and when it
                           is not known, PK_FRAME_ROOT */
    uint32_t span;      /* the part of the line that all its stacks came from (ledger/node.h) */
    bool has_span;      /* a stack was met: span says something */
    const char *source; /* the line with its indentation; "" when unknown */
};

/* All allocations charged to one line. */
struct pk_view_blame {
    int32_t frame; /* PK_FRAME_ROOT: no stack at all */
    /* its largest single block at the peak: at least, at most */
    uint64_t largest_least, largest_most;
    union {
        uint64_t columns[PK_ALL_COLUMNS];
        struct { /* the same by name, in the order of enum pk_column */
            uint64_t bytes, blocks;
            uint64_t end_bytes, end_blocks;
            uint64_t alloc_bytes, alloc_blocks;
        };
    };
};

/* One ledger: one program in one process. A process that replaced its program (exec) has several,
 * of the same pid. Bytes are those the process allocated itself; what it was born with by fork is
 * its parent's and stands in inherited_*. */
struct pk_view_process {
    uint32_t pid;
    uint32_t parent_pid;
    uint32_t forked_from;    /* 0: a program of its own */
    int32_t parent;          /* index of parent_pid's ledger at that time; -1: none */
    uint32_t group;          /* processes of one number run the same code: same command, one
                                parent */
    int32_t frame;           /* its frame under the root, shared by those that are merged;
                                PK_FRAME_ROOT when it is the only process */
    const char *command;     /* as recorded, cut at 160 bytes; "" when unknown */
    const char *label;       /* for people: "app.py", "app.py, forked"; never empty */
    const char *ledger;      /* name of its file */
    const char *python;      /* "3.13.0 free-threaded"; "" when there was none */
    const char *python_note; /* a sentence, or "" */
    uint32_t python_status;  /* enum pk_python_status */
    uint32_t flags;          /* PK_FLAG_* */
    uint32_t state;          /* enum pk_ledger_state */
    bool is_alive;           /* was running when the report was loaded, by the tree file */
    bool took_part;          /* in the tree's peak: its tree_bytes are part of it */

    int64_t start_ns; /* since the run began; -1: unknown */
    int64_t end_ns;   /* -1: unknown: still running, or killed */
    int64_t peak_ns;  /* its own; -1: unknown */

    uint64_t peak_bytes; /* its own highest moment, whenever that was */
    uint64_t peak_blocks;
    uint64_t tree_bytes; /* at the tree's peak: these add up to the view's peak_bytes */
    uint64_t tree_blocks;
    uint64_t end_bytes; /* live when its record ended */
    uint64_t end_blocks;
    uint64_t alloc_bytes; /* over its whole life */
    uint64_t alloc_blocks;

    uint64_t inherited_bytes; /* live in the parent at the fork */
    uint64_t inherited_blocks;
    uint64_t inherited_freed_bytes; /* of it, freed by this process; the parent still has it */
    uint64_t inherited_freed_blocks;

    uint64_t arena_bytes, arena_peak_bytes; /* Python's own arenas, not counted */
    uint64_t sampled_bytes;  /* in the account: resident bytes of reservations, sampled */
    uint64_t file_map_bytes; /* ordinary files, mapped now; not counted */
    uint64_t noreserve_bytes;
    uint64_t own_bytes; /* Peakline's own memory in the process */

    uint64_t dropped_events, merged_stacks, unknown_frees, missed_frees;
    uint64_t failed_allocs, largest_failed_bytes;
    int32_t failed_frame; /* the line of the largest failed allocation; PK_FRAME_ROOT: unknown */
    uint32_t node_count, function_count;
};

/* A file mapped by any process, or reserved address space; not counted. */
struct pk_view_map {
    const char *path;
    uint64_t most_bytes; /* the largest ever in one process */
    bool is_reserved;
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
    struct pk_view_blame *blame; /* largest at the peak first, then by what they allocated */
    uint32_t peak_blame_count;   /* the first ones: those that hold anything at the peak */

    uint32_t process_count;
    struct pk_view_process *processes; /* in the order they started */
    uint32_t map_count;
    struct pk_view_map *maps; /* largest first */

    union {
        uint64_t totals[PK_ALL_COLUMNS];
        struct { /* what the tree adds up to, in the order of enum pk_column */
            uint64_t peak_bytes, peak_blocks;
            uint64_t end_bytes, end_blocks;
            uint64_t alloc_bytes, alloc_blocks;
        };
    };
    /* of the peak, in a total when its record ended, but in no stack yet */
    uint64_t in_flight_bytes;
    uint64_t in_flight_blocks;
    uint64_t surplus_bytes; /* what the stacks have beyond the recorded peak; the view's peak
                               includes it */
    uint64_t surplus_blocks;
    uint64_t negative_nodes; /* stacks that changed while they were read */

    int32_t failed_frame;  /* line of the largest failed allocation of all processes, as in blame;
                             PK_FRAME_ROOT: unknown */
    uint32_t failed_depth; /* its whole stack, outermost frame first, the process's among them */
    int32_t *failed_stack;
};

/* A view is made of one snapshot after the other, each of which may be freed at once:
 *
 *     builder = pk_view_begin(&rules, &view);
 *     pk_view_add(builder, snapshot, &how, &amounts);   once a ledger
 *     pk_view_end(builder);                             frees the builder, also after a failure
 */
struct pk_view_builder;

enum pk_view_share {
    PK_SHARE_OWN = 0,  /* the process's own peak */
    PK_SHARE_TREE = 1, /* the tree's peak of `tree_epoch` (record/tree.h) */
    PK_SHARE_NONE = 2, /* it took no part in the peak: only the other measures count */
};

struct pk_view_source {
    enum pk_view_share share;
    uint32_t tree_epoch;
    const char *process; /* name of its frame below the root; NULL: none, it is the only process */
    bool is_program;     /* the program that the run began with, or a fork of it: if that was given
                            with -c, `<string>` is its text */
};

/* What one ledger added, by column; and its frames. */
struct pk_view_added {
    uint64_t columns[PK_ALL_COLUMNS];
    int32_t frame;        /* of the process */
    int32_t failed_frame; /* as in struct pk_view_process */
};

/* `rules` supplies the run's directory. NULL: not enough memory. */
struct pk_view_builder *pk_view_begin(const struct pk_path_rules *rules, struct pk_view *ret_view);
/* 0, -ENOMEM, or -ERANGE: the numbers of all ledgers together would be larger than any machine's;
 * then nothing was added. */
int pk_view_add(struct pk_view_builder *builder, const struct pk_snapshot *snapshot,
                const struct pk_view_source *source, struct pk_view_added *ret_added);
/* Orders tree and blame lines. Sources are not read yet (source.h), view->processes is the
 * caller's to fill. Returns 0 or -ENOMEM; on failure the view is empty. */
int pk_view_end(struct pk_view_builder *builder);

/* All of the above for one ledger. Returns 0 or -ENOMEM; on failure nothing is held. */
int pk_view_build(const struct pk_snapshot *snapshot, const struct pk_path_rules *rules,
                  struct pk_view *ret_view);
void pk_view_free(struct pk_view *view);
