/* SPDX-License-Identifier: Apache-2.0
 * Options as tables: name, letter, value, help, and how else they can be given. Parsing, help text,
 * variables, keys of pyproject.toml, shell completion and the manual all come from the same row.
 * May use libc. Must stay true: `--name=VALUE`, `--name VALUE`, `-xVALUE` and `-x VALUE` mean the
 * same; the last one given wins; a row without more words has a variable and a key. */
#pragma once

#include "supervise/failure.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define PK_OPTS_MAX 32
#define PK_OPTS_NAME_ROOM 64

/* As a `key`: this option makes sense on the command line only. */
#define PK_OPTS_NO_KEY ""

/* What a value is, for values that do not come from the command line, and for shells. */
enum pk_option_kind {
    PK_OPTION_TEXT = 0,
    PK_OPTION_PATH,    /* in pyproject.toml, relative to that file's directory */
    PK_OPTION_PROGRAM, /* the same when it has a slash, else a name to be found on PATH */
};

struct pk_option {
    const char *name;  /* without the dashes; NULL ends a table */
    char letter;       /* 0: none */
    const char *value; /* what the value is called in the help; NULL: takes none (a switch) */
    const char *help;  /* one line */
    const char *key;   /* in [tool.peakline]; NULL: the name; PK_OPTS_NO_KEY: none, and no variable.
                          The variable is PEAKLINE_ and the key in capitals. */
    const char *words; /* the only values, separated by spaces; NULL: any. Commands check what is on
                          the command line, settings.c what comes from elsewhere. */
    enum pk_option_kind kind;
};

struct pk_opts {
    const struct pk_option *table;
    const char
        *values[PK_OPTS_MAX];   /* by row; "" for a given option without a value, NULL: not given */
    bool is_off[PK_OPTS_MAX];   /* a switch that was switched off: --no-NAME, or `false` */
    char *sources[PK_OPTS_MAX]; /* where a value that is not from the command line was found: a
                                   phrase for sentences; owned, as is that value */
};

void pk_opts_init(struct pk_opts *opts, const struct pk_option *table);

/* Frees what was found elsewhere. */
void pk_opts_release(struct pk_opts *opts);

/* If words[*index] is an option of the table, take it and its value and move `*index` behind them.
 * A switch that has a key can be switched off again: `--no-quiet`, and `--open` for `--no-open`.
 * Returns 1 taken; 0 not one of ours; -EINVAL with `failure` filled (a value is missing or not
 * wanted). */
int pk_opts_take(struct pk_opts *opts, size_t count, char *const *words, size_t *index,
                 struct pk_failure *failure);

/* The value of option `name`, "" for one without a value, NULL if it was not given. */
const char *pk_opts_get(const struct pk_opts *opts, const char *name);
bool pk_opts_has(const struct pk_opts *opts, const char *name);

/* Was it given on the command line, not found elsewhere? */
bool pk_opts_is_typed(const struct pk_opts *opts, const char *name);

/* What to call option `name` in a sentence about its value: "--wait", "PEAKLINE_WAIT" or
 * "wait (/p/pyproject.toml:12)". Into `ret_text`, which is returned. */
const char *pk_opts_call(const struct pk_opts *opts, const char *name, char *ret_text, size_t size);

/* `word` is none of the options of `command`: say so, with the nearest one that exists. Returns
 * -EINVAL. */
int pk_opts_refuse(const struct pk_option *table, const char *command, const char *word,
                   struct pk_failure *failure);

/* The key and the variable of a row, NULL if it has none. The variable is written into
 * `ret_variable` (PK_OPTS_NAME_ROOM bytes), which is returned. */
const char *pk_option_key(const struct pk_option *row);
const char *pk_option_variable(const struct pk_option *row, char *ret_variable);

/* One line for each option. */
void pk_opts_help(const struct pk_option *table, FILE *out);
