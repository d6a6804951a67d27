/* SPDX-License-Identifier: Apache-2.0
 * The memory limits that this process, and so the program, lives under: all cgroups from its own up
 * to the top that can be seen (version 1 and 2), and the machine. And the kernel's counters, which
 * tell a kill for memory from any other SIGKILL. May use libc. Must stay true: what cannot be read
 * is -1, never a guess; `root` is put before every path ("" for the real machine). */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define PK_LIMITS_MAX_GROUPS 32u

struct pk_group {
    /* of its files, without `root`; "": a group that cannot be seen, only its limit */
    char *directory;
    char *path; /* as in /proc/PID/cgroup */
    int version;
    int64_t limit_bytes; /* -1: none */
    int64_t high_bytes;  /* memory.high; -1: none */
    int64_t kills_group; /* memory.oom.group */
    int64_t oom_kills;   /* processes of this very group that were killed for memory */
    int64_t limit_hits;  /* v1: memory.failcnt (also when reclaiming helped); v2: `oom` of
                            memory.events.local */
    int64_t usage_most;  /* most that was ever charged, by the kernel's count */
};

struct pk_limits {
    size_t count; /* the own group first, then its ancestors */
    struct pk_group groups[PK_LIMITS_MAX_GROUPS];
    int64_t machine_oom_kills; /* /proc/vmstat oom_kill: all kills for memory since boot */
    uint64_t machine_bytes;    /* 0: unknown */
    char boot_id[40];          /* "": unknown */
};

/* Everything, now. Free with pk_limits_release. What is not there is left out. */
void pk_limits_read(const char *root, struct pk_limits *ret_limits);

/* The same groups again, their limits and counters as they are now: copies texts of `before`. */
void pk_limits_read_again(const char *root, const struct pk_limits *before,
                          struct pk_limits *ret_limits);

void pk_limits_release(struct pk_limits *limits);

/* The group with the smallest limit, or NULL when there is no limit. */
const struct pk_group *pk_limits_smallest(const struct pk_limits *limits);

enum pk_verdict_kind {
    PK_VERDICT_NONE = 0,    /* nobody in our group was killed for memory */
    PK_VERDICT_GROUP = 1,   /* at the limit of `group` */
    PK_VERDICT_MACHINE = 2, /* at no limit that can be seen: the machine, or a group out of sight */
};

struct pk_verdict {
    enum pk_verdict_kind kind;
    const struct pk_group *group; /* of `after`; NULL unless PK_VERDICT_GROUP */
    uint64_t kills;               /* processes of our group */
};

/* What the counters say happened between the two. Says nothing about whose processes died. */
struct pk_verdict pk_limits_judge(const struct pk_limits *before, const struct pk_limits *after);
