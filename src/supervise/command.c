/* SPDX-License-Identifier: Apache-2.0
 * See command.h. Python's own rules (Python/getopt.c): short options can be clustered ("-Bu"), -W
 * and -X take the rest of the word or the next word, and -c and -m do too and end the options. */
#include "supervise/command.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FLAG_LETTERS "bBdEiIOPqRsStuvx"
#define VALUE_LETTERS "WX"
#define LAST_LETTERS "cm"
#define HASH_OPTION "--check-hash-based-pycs"

int pk_command_init(struct pk_command *command, size_t argc) {
    memset(command, 0, sizeof(*command));
    // argv[0] and the closing NULL come on top of the user's words.
    command->argv = calloc(argc + 2, sizeof(*command->argv));
    if (command->argv == NULL) {
        return -ENOMEM;
    }
    command->argc = 1;
    return 0;
}

void pk_command_release(struct pk_command *command) {
    free(command->argv);
    command->argv = NULL;
}

static void append_word(struct pk_command *command, char *word) {
    command->argv[command->argc++] = word;
}

/* The program is named: all that follows is its own business. */
static void append_rest(struct pk_command *command, size_t count, char *const *words,
                        size_t *index) {
    while (*index < count) {
        append_word(command, words[(*index)++]);
    }
}

static int take_program(struct pk_command *command, size_t count, char *const *words, size_t *index,
                        struct pk_failure *failure) {
    if (command->first_option != NULL) {
        return pk_failure_set(failure, -EINVAL, PK_EXIT_USAGE,
                              "interpreter option %s cannot stand before --; put it into the "
                              "command: -- python %s ...",
                              command->first_option, command->first_option);
    }
    (*index)++;
    if (*index >= count) {
        return pk_failure_set(failure, -EINVAL, PK_EXIT_USAGE, "-- needs a command after it");
    }
    command->kind = PK_COMMAND_PROGRAM;
    command->subject = words[*index];
    command->argc = 0;
    append_rest(command, count, words, index);
    return 1;
}

/* A word like "-Bu", "-Xdev" or "-mjson.tool". Returns as pk_command_take. */
static int take_cluster(struct pk_command *command, size_t count, char *const *words, size_t *index,
                        struct pk_failure *failure) {
    char *word = words[*index];

    for (const char *letter = word + 1; *letter != '\0'; letter++) {
        bool is_last = strchr(LAST_LETTERS, *letter) != NULL;

        if (strchr(FLAG_LETTERS, *letter) != NULL) {
            continue;
        }
        if (!is_last && strchr(VALUE_LETTERS, *letter) == NULL) {
            return 0;
        }
        bool glued = letter[1] != '\0';
        if (!glued && *index + 1 >= count) {
            return pk_failure_set(failure, -EINVAL, PK_EXIT_USAGE, "-%c needs a value after it",
                                  *letter);
        }
        const char *value = glued ? letter + 1 : words[*index + 1];
        append_word(command, word);
        (*index)++;
        if (!glued) {
            append_word(command, words[(*index)++]);
        }
        if (is_last) {
            command->kind = *letter == 'm' ? PK_COMMAND_MODULE : PK_COMMAND_CODE;
            command->subject = *letter == 'm' ? value : "-c";
            append_rest(command, count, words, index);
        } else if (command->first_option == NULL) {
            command->first_option = word;
        }
        return 1;
    }
    append_word(command, word);
    (*index)++;
    if (command->first_option == NULL) {
        command->first_option = word;
    }
    return 1;
}

int pk_command_take(struct pk_command *command, size_t count, char *const *words, size_t *index,
                    struct pk_failure *failure) {
    char *word = words[*index];

    if (strcmp(word, "--") == 0) {
        return take_program(command, count, words, index, failure);
    }
    if (strcmp(word, HASH_OPTION) == 0) {
        if (*index + 1 >= count) {
            return pk_failure_set(failure, -EINVAL, PK_EXIT_USAGE, "%s needs a value after it",
                                  word);
        }
        append_word(command, word);
        append_word(command, words[*index + 1]);
        *index += 2;
        if (command->first_option == NULL) {
            command->first_option = word;
        }
        return 1;
    }
    if (word[0] == '-' && word[1] == '-') {
        return 0;
    }
    if (word[0] == '-' && word[1] != '\0') {
        return take_cluster(command, count, words, index, failure);
    }
    command->kind = strcmp(word, "-") == 0 ? PK_COMMAND_STDIN : PK_COMMAND_SCRIPT;
    command->subject = word;
    append_rest(command, count, words, index);
    return 1;
}

int pk_command_check(const struct pk_command *command, struct pk_failure *failure) {
    if (command->kind == PK_COMMAND_NONE) {
        return pk_failure_set(failure, -EINVAL, PK_EXIT_USAGE,
                              "nothing to run; name a script, -m MODULE, -c CODE, - or -- COMMAND");
    }
    if (command->subject[0] == '\0') {
        return pk_failure_set(
            failure, -EINVAL, PK_EXIT_USAGE,
            "the name of what to run is empty; name a script, -m MODULE or -- COMMAND");
    }
    return 0;
}

void pk_command_set_python(struct pk_command *command, char *python) {
    if (command->kind != PK_COMMAND_PROGRAM) {
        command->argv[0] = python;
    }
}

static bool is_plain(char letter) {
    return (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') ||
           (letter >= '0' && letter <= '9') || letter == '.' || letter == '-' || letter == '_';
}

void pk_command_name(const struct pk_command *command, size_t size, char *ret_name) {
    const char *start = command->subject;
    size_t length = 0;

    if (command->kind == PK_COMMAND_STDIN) {
        start = "stdin";
    } else if (command->kind == PK_COMMAND_CODE) {
        start = "code";
    } else if (command->kind == PK_COMMAND_SCRIPT || command->kind == PK_COMMAND_PROGRAM) {
        size_t end = strlen(start);
        // "dir/" is a script too, if it holds a __main__.py.
        while (end > 0 && start[end - 1] == '/') {
            end--;
        }
        size_t begin = end;
        while (begin > 0 && start[begin - 1] != '/') {
            begin--;
        }
        start += begin;
        length = end - begin;
    }
    if (length == 0) {
        length = strlen(start);
    }
    if (command->kind == PK_COMMAND_SCRIPT && length > 3 &&
        strncmp(start + length - 3, ".py", 3) == 0) {
        length -= 3;
    }
    if (length > size - 1) {
        length = size - 1;
    }
    for (size_t i = 0; i < length; i++) {
        ret_name[i] = is_plain(start[i]) ? start[i] : '_';
    }
    ret_name[length] = '\0';
    // A name of dots would climb out of the directory, a dash would look like an option.
    if (ret_name[0] == '.' || ret_name[0] == '-') {
        ret_name[0] = '_';
    }
    if (length == 0) {
        (void)snprintf(ret_name, size, "run");
    }
}
