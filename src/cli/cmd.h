/* SPDX-License-Identifier: Apache-2.0
 * A command is a constant struct in its own file, and main.c has the table of them; help, parsing
 * and dispatch all come from the struct. May use everything below. Must stay true: only src/cli
 * talks to the user. */
#pragma once

#include "cli/opts.h"
#include "cli/settings.h"

#include <stddef.h>

struct pk_cmd {
    const char *name;
    const char *usage;   /* what follows the name */
    const char *summary; /* one line of help */
    const char *details; /* further lines of help, or NULL */
    const struct pk_option *options;
    int (*run)(size_t count, char **words); /* the words after the name; returns the exit status */
};

extern const struct pk_cmd pk_cmd_run;
extern const struct pk_cmd pk_cmd_report;
extern const struct pk_cmd pk_cmd_diff;
extern const struct pk_cmd pk_cmd_doctor;

/* What the command line left open, from the environment and pyproject.toml. Every command calls it
 * once its words are parsed. Returns 0, or a negative errno with `failure` filled. */
int pk_cmd_settle(struct pk_opts *opts, struct pk_settings *ret_settings,
                  struct pk_failure *failure);

/* All commands and their options as JSON: what completion, manual and reference are made from. */
void pk_cmd_dump(const struct pk_cmd *const *commands, size_t count, FILE *out);

/* The whole help of one command, on standard output. Returns 0. */
int pk_cmd_help(const struct pk_cmd *cmd);
