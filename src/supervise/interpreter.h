/* SPDX-License-Identifier: Apache-2.0
 * Which Python runs the program, and what kind of Python it is.
 * May use libc. Must stay true: an interpreter is executed here only when its file does not say
 * what it is (and by `peakline doctor`); an ordinary run starts Python once. */
#pragma once

#include "supervise/failure.h"
#include "supervise/target.h"

#include <limits.h>

struct pk_interpreter {
    char name[PATH_MAX]; /* argv[0]: what the user would have typed */
    char path[PATH_MAX]; /* the file to execute */
    struct pk_target target;
};

struct pk_interpreter_facts {
    char implementation[32]; /* "cpython", "pypy", ... */
    int major, minor, micro;
    int free_threaded;
};

/* Choose: `wanted` (--python; a path, or a name to look up in PATH) unless NULL, else python3 or
 * python in the directory of the running peakline program, else python3 on `path_list`. Then check
 * that it can be profiled. Returns 0, or a negative errno with `failure` filled (125, 126, 127). */
int pk_interpreter_choose(const char *wanted, const char *path_list,
                          struct pk_interpreter *ret_interpreter, struct pk_failure *failure);

/* Run it for a moment and ask. Returns 0; -ETIMEDOUT (10 s); -EPROTO (it answered something else);
 * other errors. */
int pk_interpreter_ask(const char *path, const char *name, struct pk_interpreter_facts *ret_facts);

/* Run `path -c pass` with this environment, its messages going to /dev/null.
 * Returns its exit status, 128 + signal, or a negative errno. */
int pk_interpreter_try(const char *path, const char *name, char *const *environment);
