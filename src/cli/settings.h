/* SPDX-License-Identifier: Apache-2.0
 * Options that are given once and for all: environment variables, and [tool.peakline] in the
 * pyproject.toml of the working directory or of its nearest parent that has one.
 * May use libc and opts.h. Must stay true: the command line wins over a variable, a variable over
 * the file; a key that no command knows is refused, and a value that cannot be taken is refused
 * with the place where it stands. */
#pragma once

#include "cli/opts.h"

#include <limits.h>

/* What was looked at, for --verbose. */
struct pk_settings {
    char path[PATH_MAX]; /* of the pyproject.toml, "" if there is none */
};

/* Fill the rows of `opts` that the command line left open. `tables` (ended by NULL) are those of
 * all commands: a key may belong to another one. Returns 0, or a negative errno with `failure`
 * filled (exit status 2). The values stay until pk_opts_release. */
int pk_settings_apply(struct pk_opts *opts, const struct pk_option *const *tables,
                      struct pk_settings *ret_settings, struct pk_failure *failure);

/* The nearest pyproject.toml from `directory` (absolute) upwards. Returns 0 or -ENOENT. */
int pk_settings_find(const char *directory, char *ret_path);

/* What was read and from where, a line each. */
void pk_settings_print(const struct pk_settings *settings, const struct pk_opts *opts, FILE *out);
