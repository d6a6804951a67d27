/* SPDX-License-Identifier: Apache-2.0
 * Whose file is it? From the path alone, by the rules below; and paths made absolute or short.
 * May use pool.h. Must stay true: no file is touched, only texts are compared. */
#pragma once

#include <regex.h>
#include <stdbool.h>

#include "report/pool.h"

enum pk_file_kind {
    PK_FILE_USER = 0,
    PK_FILE_LIBRARY =
        1, /* under site-packages or dist-packages; code made at run time by libraries */
    PK_FILE_STDLIB = 2, /* under lib/pythonX.Y, or frozen into the interpreter */
    PK_FILE_IMPORT = 3, /* the import machinery itself */
    PK_FILE_NONE = 4,   /* pseudo frames */
};

struct pk_path_rules {
    const char *directory; /* of the run, absolute; or NULL */
    const char *stdlib; /* a standard library directory at an unusual place, without the last slash;
                           or NULL */
    bool string_is_user; /* `<string>` is the user's -c program */
    /* What the user says, stronger than all rules, the first that applies; NULL: nothing. */
    const regex_t *show; /* files that are the user's own */
    const regex_t *hide; /* files that are a library's */
    const char *project; /* directory, absolute: what is below is the user's but for installed
                            packages, what is not below is a library's if nothing else */
};

/* An absolute path for `path`: relative ones continue the run's directory; `.` and `//` go away.
 * `<...>` names and the empty path stay as they are. NULL when memory is out. */
const char *pk_path_resolve(struct pk_pool *pool, const struct pk_path_rules *rules,
                            const char *path);

/* The kind of a resolved path. Never PK_FILE_NONE unless the path is empty. */
enum pk_file_kind pk_path_kind(const struct pk_path_rules *rules, const char *path);

/* The part of a resolved path below the run's directory, or the whole path. Points into `path`. */
const char *pk_path_short(const struct pk_path_rules *rules, const char *path);

/* The path a person would say: a library's from its package on (pandas/io/api.py), the standard
 * library's from its module on (threading.py), others below the run's directory. Points into
 * `path`. */
const char *pk_path_spoken(const struct pk_path_rules *rules, const char *path);

/* If `path` can only be a file of a standard library (encodings/__init__.py outside of
 * site-packages), the length of that library's directory; else 0. */
size_t pk_path_stdlib_length(const char *path);
