/* SPDX-License-Identifier: Apache-2.0
 * What a diff knows of a run: its lines, its stacks, its blame lines, read from the JSON document
 * of the run or from the data of its page (docs/json.md). May use json.h, pool.h, paths.h. Must
 * stay true: the text is not trusted: every index is in range, parents come before their children,
 * and stacks and blame lines each add up to the peak, or the profile is refused. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "report/paths.h"
#include "report/pool.h"
#include "report/tree.h"

/* The newest format of the document that this reads. */
#define PK_PROFILE_FORMAT 1

struct pk_profile_frame {
    const char *path;   /* as a person would say it: below the run's directory, package or module;
                           "" for no file */
    const char *name;   /* of the function */
    const char *source; /* with its indentation; "" when unknown; of a thread that of its starter */
    uint32_t line;
    uint32_t kind;   /* enum pk_file_kind */
    bool is_stale;   /* the file has changed since the run, or is gone: the text is not to be had */
    bool is_process; /* stands for a whole process; comparing runs, processes are one */
};

/* Stacks in an order in which parents come before their children; node 0 is the root. */
struct pk_profile_node {
    uint32_t parent;
    int32_t frame;  /* or PK_FRAME_ROOT, PK_FRAME_FOLDED */
    uint64_t bytes; /* own, without callees */
    uint64_t blocks;
};

struct pk_profile_blame {
    int32_t frame; /* or PK_FRAME_ROOT (no stack), PK_FRAME_FOLDED (smaller lines) */
    uint64_t bytes;
    uint64_t blocks;
};

/* Memory of the run at a moment. */
struct pk_profile_moment {
    int64_t time_ns;
    uint64_t bytes;
};

struct pk_profile {
    struct pk_pool pool;
    const char *name; /* as the user called it; set by who loads it, "" until then */
    const char *tool;
    const char *command; /* joined by spaces */
    const char *directory;
    const char *started; /* "2026-11-23T01:10:51Z" or "" */
    const char *python;
    int64_t duration_ns;  /* -1: unknown */
    int64_t peak_time_ns; /* since the start; -1: unknown */
    uint64_t peak_bytes;
    uint64_t peak_blocks;
    uint32_t warning_count;

    uint32_t frame_count;
    struct pk_profile_frame *frames;
    uint32_t node_count;
    struct pk_profile_node *nodes;
    uint32_t blame_count;
    struct pk_profile_blame *blame;
    uint32_t moment_count;
    struct pk_profile_moment *moments;
};

/* Read a document or a page's data. `name` is what the user calls it. Returns 0, or -EBADMSG,
 * -ENOMEM with one sentence in `error` (no full stop); on failure nothing is held. */
int pk_profile_parse(const char *text, size_t size, const char *name,
                     struct pk_profile **ret_profile, char *error, size_t error_size);

/* Load what the user named: a result directory, a ledger, a page or a JSON document. Returns
 * 0 or a negative errno with one sentence in `error` (no full stop). (profile_load.c) */
int pk_profile_load(const char *path, struct pk_profile **ret_profile, char *error,
                    size_t error_size);

/* NULL is fine. */
void pk_profile_free(struct pk_profile *profile);
