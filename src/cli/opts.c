/* SPDX-License-Identifier: Apache-2.0
 * See opts.h. */
#include "cli/opts.h"

#include "cli/nearest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define HELP_COLUMN 22

void pk_opts_init(struct pk_opts *opts, const struct pk_option *table) {
    memset(opts, 0, sizeof(*opts));
    opts->table = table;
}

void pk_opts_release(struct pk_opts *opts) {
    for (size_t i = 0; i < PK_OPTS_MAX; i++) {
        if (opts->sources[i] != NULL) {
            free((char *)opts->values[i]);
            free(opts->sources[i]);
        }
        opts->values[i] = opts->sources[i] = NULL;
    }
}

const char *pk_option_key(const struct pk_option *row) {
    const char *key = row->key != NULL ? row->key : row->name;
    return key[0] != '\0' ? key : NULL;
}

const char *pk_option_variable(const struct pk_option *row, char *ret_variable) {
    const char *key = pk_option_key(row);

    if (key == NULL) {
        return NULL;
    }
    (void)snprintf(ret_variable, PK_OPTS_NAME_ROOM, "PEAKLINE_%s", key);
    for (char *at = ret_variable; *at != '\0'; at++) {
        *at = *at == '-' ? '_' : *at >= 'a' && *at <= 'z' ? (char)(*at - 'a' + 'A') : *at;
    }
    return ret_variable;
}

/* The row that `word` names, and the value glued to it (NULL if none). NULL: no such row. */
static const struct pk_option *find_row(const struct pk_option *table, const char *word,
                                        const char **ret_glued) {
    *ret_glued = NULL;
    if (word[0] != '-' || word[1] == '\0') {
        return NULL;
    }
    for (const struct pk_option *row = table; row->name != NULL; row++) {
        if (word[1] == '-') {
            size_t length = strcspn(word + 2, "=");
            if (length == strlen(row->name) && strncmp(word + 2, row->name, length) == 0) {
                *ret_glued = word[2 + length] == '=' ? word + 2 + length + 1 : NULL;
                return row;
            }
        } else if (row->letter != '\0' && word[1] == row->letter) {
            if (word[2] == '\0') {
                return row;
            }
            if (row->value != NULL) {
                *ret_glued = word + 2;
                return row;
            }
        }
    }
    return NULL;
}

/* The switch that `word` switches off, else NULL. */
static const struct pk_option *find_switched_off(const struct pk_option *table, const char *word) {
    if (strncmp(word, "--", 2) != 0) {
        return NULL;
    }
    for (const struct pk_option *row = table; row->name != NULL; row++) {
        bool is_negative = strncmp(row->name, "no-", 3) == 0;
        if (row->value == NULL && pk_option_key(row) != NULL &&
            (is_negative ? strcmp(word + 2, row->name + 3) == 0
                         : strncmp(word + 2, "no-", 3) == 0 && strcmp(word + 5, row->name) == 0)) {
            return row;
        }
    }
    return NULL;
}

int pk_opts_take(struct pk_opts *opts, size_t count, char *const *words, size_t *index,
                 struct pk_failure *failure) {
    const char *glued = NULL;
    const char *word = words[*index];
    const struct pk_option *row = find_row(opts->table, word, &glued);

    if (row == NULL) {
        row = find_switched_off(opts->table, word);
        if (row == NULL) {
            return 0;
        }
        opts->values[row - opts->table] = NULL;
        opts->is_off[row - opts->table] = true;
        (*index)++;
        return 1;
    }
    if (row->value == NULL && glued != NULL) {
        return pk_failure_set(failure, -EINVAL, PK_EXIT_USAGE, "--%s takes no value", row->name);
    }
    if (row->value != NULL && glued == NULL) {
        if (*index + 1 >= count) {
            return pk_failure_set(failure, -EINVAL, PK_EXIT_USAGE, "%s needs a value: %s %s", word,
                                  word, row->value);
        }
        (*index)++;
        glued = words[*index];
    }
    opts->values[row - opts->table] = row->value != NULL ? glued : "";
    opts->is_off[row - opts->table] = false;
    (*index)++;
    return 1;
}

/* The number of the row, or PK_OPTS_MAX. */
static size_t find_name(const struct pk_opts *opts, const char *name) {
    for (size_t i = 0; opts->table[i].name != NULL; i++) {
        if (strcmp(opts->table[i].name, name) == 0) {
            return i;
        }
    }
    return PK_OPTS_MAX;
}

const char *pk_opts_get(const struct pk_opts *opts, const char *name) {
    size_t row = find_name(opts, name);
    return row < PK_OPTS_MAX ? opts->values[row] : NULL;
}

const char *pk_opts_call(const struct pk_opts *opts, const char *name, char *ret_text,
                         size_t size) {
    size_t row = find_name(opts, name);

    if (row < PK_OPTS_MAX && opts->sources[row] != NULL) {
        (void)snprintf(ret_text, size, "%s", opts->sources[row]);
    } else {
        (void)snprintf(ret_text, size, "--%s", name);
    }
    return ret_text;
}

bool pk_opts_has(const struct pk_opts *opts, const char *name) {
    return pk_opts_get(opts, name) != NULL;
}

bool pk_opts_is_typed(const struct pk_opts *opts, const char *name) {
    size_t row = find_name(opts, name);
    return row < PK_OPTS_MAX && opts->values[row] != NULL && opts->sources[row] == NULL;
}

int pk_opts_refuse(const struct pk_option *table, const char *command, const char *word,
                   struct pk_failure *failure) {
    const char *names[PK_OPTS_MAX + 1] = {NULL};
    const char *best = NULL;

    for (size_t i = 0; table[i].name != NULL && i < PK_OPTS_MAX; i++) {
        names[i] = table[i].name;
    }
    if (word[0] == '-' && word[1] == '-') {
        char name[64];
        (void)snprintf(name, sizeof(name), "%.*s", (int)strcspn(word + 2, "="), word + 2);
        best = pk_nearest(name, names);
    } else if (word[0] == '-') {
        best = pk_nearest(word + 1, names); // "-output" was meant as "--output"
    }
    if (best != NULL) {
        return pk_failure_set(failure, -EINVAL, PK_EXIT_USAGE,
                              "unknown option %s; did you mean --%s?", word, best);
    }
    return pk_failure_set(failure, -EINVAL, PK_EXIT_USAGE,
                          "unknown option %s; `peakline %s --help` lists them all", word, command);
}

void pk_opts_help(const struct pk_option *table, FILE *out) {
    for (const struct pk_option *row = table; row->name != NULL; row++) {
        char names[64];
        char letter[8] = "    ";

        if (row->letter != '\0') {
            (void)snprintf(letter, sizeof(letter), "-%c, ", row->letter);
        }
        (void)snprintf(names, sizeof(names), "%s--%s%s%s", letter, row->name,
                       row->value != NULL ? " " : "", row->value != NULL ? row->value : "");
        (void)fprintf(out, "  %-*s  %s\n", HELP_COLUMN, names, row->help);
    }
}
