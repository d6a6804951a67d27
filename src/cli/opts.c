/* SPDX-License-Identifier: Apache-2.0
 * See opts.h. */
#include "cli/opts.h"

#include "cli/nearest.h"

#include <errno.h>
#include <string.h>

#define HELP_COLUMN 22

void pk_opts_init(struct pk_opts *opts, const struct pk_option *table) {
    memset(opts, 0, sizeof(*opts));
    opts->table = table;
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

int pk_opts_take(struct pk_opts *opts, size_t count, char *const *words, size_t *index,
                 struct pk_failure *failure) {
    const char *glued = NULL;
    const char *word = words[*index];
    const struct pk_option *row = find_row(opts->table, word, &glued);

    if (row == NULL) {
        return 0;
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
    (*index)++;
    return 1;
}

const char *pk_opts_get(const struct pk_opts *opts, const char *name) {
    for (size_t i = 0; opts->table[i].name != NULL; i++) {
        if (strcmp(opts->table[i].name, name) == 0) {
            return opts->values[i];
        }
    }
    return NULL;
}

bool pk_opts_has(const struct pk_opts *opts, const char *name) {
    return pk_opts_get(opts, name) != NULL;
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
