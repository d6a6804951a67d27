/* SPDX-License-Identifier: Apache-2.0
 * Options as tables: name, letter, value, help. Parsing and the help text come from the same table.
 * May use libc. Must stay true: `--name=VALUE`, `--name VALUE`, `-xVALUE` and `-x VALUE` mean the
 * same; the last one given wins. */
#pragma once

#include "supervise/failure.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define PK_OPTS_MAX 24

struct pk_option {
    const char *name;  /* without the dashes; NULL ends a table */
    char letter;       /* 0: none */
    const char *value; /* what the value is called in the help; NULL: takes none */
    const char *help;  /* one line */
};

struct pk_opts {
    const struct pk_option *table;
    const char
        *values[PK_OPTS_MAX]; /* by row; "" for a given option without a value, NULL: not given */
};

void pk_opts_init(struct pk_opts *opts, const struct pk_option *table);

/* If words[*index] is an option of the table, take it and its value and move `*index` behind them.
 * Returns 1 taken; 0 not one of ours; -EINVAL with `failure` filled (a value is missing or not
 * wanted). */
int pk_opts_take(struct pk_opts *opts, size_t count, char *const *words, size_t *index,
                 struct pk_failure *failure);

/* The value of option `name`, "" for one without a value, NULL if it was not given. */
const char *pk_opts_get(const struct pk_opts *opts, const char *name);
bool pk_opts_has(const struct pk_opts *opts, const char *name);

/* `word` is none of the options of `command`: say so, with the nearest one that exists. Returns
 * -EINVAL. */
int pk_opts_refuse(const struct pk_option *table, const char *command, const char *word,
                   struct pk_failure *failure);

/* One line for each option. */
void pk_opts_help(const struct pk_option *table, FILE *out);
