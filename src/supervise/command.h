/* SPDX-License-Identifier: Apache-2.0
 * What the user wants run: reads
 *
 *     [interpreter options] (script | -m MODULE | -c CODE | - | -- COMMAND) [arguments]
 *
 * and builds the argument list that the user would have typed without Peakline. It knows which
 * options belong to Python (they are passed on in order, glued or apart) and where the program's
 * own arguments begin (nothing after that point is looked at). It does not look at files: a script
 * that does not exist is Python's to complain about. May use libc. Must stay true: for the same
 * words, `python WORDS` and `argv` of this are the same. */
#pragma once

#include "supervise/failure.h"

#include <stddef.h>

enum pk_command_kind {
    PK_COMMAND_NONE = 0, /* nothing to run was named yet */
    PK_COMMAND_SCRIPT,
    PK_COMMAND_MODULE,
    PK_COMMAND_CODE,
    PK_COMMAND_STDIN,
    PK_COMMAND_PROGRAM, /* after "--": any program */
};

struct pk_command {
    enum pk_command_kind kind;
    const char *subject; /* script path, module name, or the program's name; "-" and "-c" as such */
    const char *first_option; /* the first interpreter option, or NULL */
    char *
        *argv; /* NULL-terminated; argv[0] is NULL until pk_command_finish, except for a program */
    size_t argc;
};

/* Room for all of `argc` words. Returns 0 or -ENOMEM. Free with pk_command_release. */
int pk_command_init(struct pk_command *command, size_t argc);
void pk_command_release(struct pk_command *command);

/* Look at words[*index]: if it is an interpreter option or names what to run, take it (and its
 * value, or all that follow) and move `*index` behind it. `words` must outlive the command. Returns
 * 1 taken; 0 not known here; -EINVAL with `failure` filled (exit status 2). */
int pk_command_take(struct pk_command *command, size_t count, char *const *words, size_t *index,
                    struct pk_failure *failure);

/* All words are taken: check that something was named. `python` becomes argv[0], unless a program
 * was named. Returns 0, or -EINVAL with `failure` filled (exit status 2). */
int pk_command_check(const struct pk_command *command, struct pk_failure *failure);
void pk_command_set_python(struct pk_command *command, char *python);

/* A short name for this run, for the result directory: letters, digits, '.', '-' and '_' only,
 * never empty, never starting with '.' or '-'. */
void pk_command_name(const struct pk_command *command, size_t size, char *ret_name);
