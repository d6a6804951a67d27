/* SPDX-License-Identifier: Apache-2.0
 * The file that is about to be executed: where a name leads to (PATH), and whether a preloaded
 * library can get into it. Reads the file's first bytes and its ELF tables; `#!` lines are
 * followed, as the kernel and /usr/bin/env would. Never executes anything. May use libc. Must stay
 * true: a file that cannot be understood is no reason to refuse it; the kernel decides. */
#pragma once

#include "supervise/failure.h"

#include <limits.h>
#include <stdbool.h>

enum pk_target_kind {
    PK_TARGET_OTHER = 0, /* dynamic, not known to be a Python; or not understood */
    PK_TARGET_CPYTHON,   /* holds or needs CPython's library */
    PK_TARGET_SCRIPT, /* a `#!` script run by a shell or another program that was found in order */
};

enum pk_target_obstacle {
    PK_OBSTACLE_NONE = 0,
    PK_OBSTACLE_STATIC, /* no dynamic loader: the preload is never read */
    PK_OBSTACLE_MUSL,   /* another C library than ours */
    PK_OBSTACLE_32BIT,
    PK_OBSTACLE_MACHINE, /* made for another processor */
    PK_OBSTACLE_SETUID,  /* setuid, setgid or file capabilities: the loader drops the preload */
};

struct pk_target {
    enum pk_target_kind kind;
    enum pk_target_obstacle obstacle;
    char path[PATH_MAX]; /* the file that decided: of a `#!` script its interpreter */
};

/* Where the shell would find `name`: itself if it has a slash, else the first executable file on
 * `path_list` (NULL: the system's default). Returns 0, -ENOENT, -EACCES (found, not executable) or
 * -ENAMETOOLONG; on -EACCES too `ret_path` (PATH_MAX bytes) is filled. */
int pk_target_find(const char *name, const char *path_list, char *ret_path);

/* Look at the file `path` (its owner's bits, its ELF header, its `#!` line). */
void pk_target_inspect(const char *path, const char *path_list, struct pk_target *ret_target);

/* Say why `target` cannot be profiled. `named` is what the user typed. `must_be_python`: a static
 * program is refused too, since the Python itself would be it; other static programs may still
 * start a Python. Returns 0 (it can be profiled), or -ENOTSUP with `failure` filled (exit status
 * 125). */
int pk_target_check(const struct pk_target *target, const char *named, bool must_be_python,
                    struct pk_failure *failure);
