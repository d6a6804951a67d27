/* SPDX-License-Identifier: Apache-2.0
 * What a diff is made of, and the writers of its formats. For files of src/report only. May use
 * profile.h, match.h. Must stay true: writers change nothing. */
#pragma once

#include "report/diff.h"
#include "report/match.h"
#include "report/profile.h"

#define PK_DIFF_FORMAT 1
#define PK_DIFF_MAX_RUNS 64u
/* What the page shows at most; the rest is folded, so that totals stay exact. */
#define PK_DIFF_PAGE_NODES 30000u
#define PK_DIFF_PAGE_ROWS 5000u

/* Lowest and highest of the runs of a side. */
struct pk_diff_band {
    uint64_t least;
    uint64_t most;
};

struct pk_diff_side {
    uint32_t run_count;
    struct pk_profile *runs[PK_DIFF_MAX_RUNS];
    const struct pk_profile *shown; /* the one with the median peak */
    struct pk_diff_band peak;
};

/* One line of the program in both runs. */
struct pk_diff_frame {
    const struct pk_profile_frame *side[2]; /* before, after; NULL: not on any stack there */
    struct pk_match match;                  /* how the two were found to be one */
};

/* One blame line, before and after. */
struct pk_diff_row {
    int32_t frame; /* of the diff; or PK_FRAME_ROOT, PK_FRAME_FOLDED */
    uint64_t bytes[2];
    uint64_t blocks[2];
    struct pk_diff_band band[2];
    bool is_noise; /* the bands meet */
};

/* Stacks of both runs, one above the other, in preorder; the largest first. */
struct pk_diff_node {
    uint32_t parent;
    int32_t frame;     /* of the diff; or PK_FRAME_ROOT, PK_FRAME_FOLDED */
    uint64_t bytes[2]; /* own, without callees */
};

struct pk_diff {
    struct pk_pool pool;
    struct pk_diff_side side[2];
    bool is_noise; /* the difference of the peaks */
    uint32_t frame_count;
    struct pk_diff_frame *frames;
    uint32_t row_count;
    struct pk_diff_row *rows; /* by size of the change; then noise, then the unchanged */
    uint32_t node_count;
    struct pk_diff_node *nodes;
    uint32_t note_count;
    const char *notes[8]; /* sentences */
};

/* The merged stacks of the two runs shown: `maps[side]` gives the frame of the diff for a frame of
 * that side. Returns 0 or -ENOMEM. (diff_tree.c) */
int pk_diff_tree_build(struct pk_diff *diff, int32_t *const maps[2]);

/* At most about `limit` nodes: the largest stay, what is below them becomes one folded leaf for
 * each node that loses children. Returns 0 or -ENOMEM. */
int pk_diff_tree_fold(struct pk_pool *pool, const struct pk_diff_node *nodes, uint32_t count,
                      uint32_t limit, struct pk_diff_node **ret_nodes, uint32_t *ret_count);

/* The side whose place and text stand for the line: after, where there is one. NULL for frames that
 * are no lines. */
const struct pk_profile_frame *pk_diff_line(const struct pk_diff *diff, int32_t frame);

/* "more", "less", "same", "new" (held nothing before), "gone" (holds nothing after). */
const char *pk_diff_status(const struct pk_diff_row *row);

/* Is the row worth a place in a short table? The first three that changed, and those that changed
 * by a thousandth of the larger peak. */
bool pk_diff_is_shown(const struct pk_diff *diff, uint32_t row);

/* "same", "moved", "similar", "place", or "none" for a line that one side alone has. */
const char *pk_diff_match_name(const struct pk_diff_frame *frame);

/* A place as people read it: "load.py:12", "[native thread]", "[no stack]". */
void pk_diff_place(const struct pk_profile_frame *line, int32_t frame, char *ret_text, size_t size);

/* What is worth knowing about how the line was matched, or "": "was load.py:10",
 * "similar 82 %, was old.py:10 in read". */
void pk_diff_origin(const struct pk_diff *diff, int32_t frame, char *ret_text, size_t size);

/* "+12.3 MiB", "-4.0 KiB", "0 B"; `minus` is how a minus is written. */
void pk_diff_format_change(char ret_text[48], uint64_t before, uint64_t after, const char *minus);

/* "+8.3 %", "-100.0 %", "new" from nothing, "" for nothing to nothing. */
void pk_diff_format_share(char ret_text[48], uint64_t before, uint64_t after, const char *minus);

/* The formats. Each returns 0 or -ENOMEM. */
int pk_diff_write_text(const struct pk_diff *diff, FILE *out,
                       const struct pk_diff_options *options);
int pk_diff_write_markdown(const struct pk_diff *diff, FILE *out);
int pk_diff_write_github(const struct pk_diff *diff, FILE *out,
                         const struct pk_diff_options *options);
int pk_diff_write_json(const struct pk_diff *diff, uint32_t max_nodes, uint32_t max_rows,
                       unsigned json_flags, FILE *out);
int pk_diff_write_html(const struct pk_diff *diff, FILE *out);
