/* SPDX-License-Identifier: Apache-2.0
 * The `peakline` program: finds the command in its table and runs it.
 * May use everything below. Must stay true: what is a command is said once, in `commands`. */
#include "cli/cmd.h"
#include "cli/errors.h"
#include "cli/nearest.h"
#include "cli/version.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static const struct pk_cmd *const commands[] = {&pk_cmd_run, &pk_cmd_report, &pk_cmd_diff,
                                                &pk_cmd_doctor};

#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))

static const struct pk_cmd *find_command(const char *name) {
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        if (strcmp(commands[i]->name, name) == 0) {
            return commands[i];
        }
    }
    return NULL;
}

static void print_help(FILE *out) {
    (void)fputs("Which lines of a Python program hold its memory when it is highest?\n\n"
                "    peakline run app.py       instead of    python app.py\n\nCommands\n",
                out);
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        (void)fprintf(out, "  %-8s  %s\n", commands[i]->name, commands[i]->summary);
    }
    (void)fputs("\n`peakline COMMAND --help` tells more; `peakline --version` its version.\n", out);
}

int pk_cmd_help(const struct pk_cmd *cmd) {
    (void)printf("Usage: peakline %s %s\n\n%s\n", cmd->name, cmd->usage, cmd->summary);
    if (cmd->details != NULL) {
        (void)printf("\n%s", cmd->details);
    }
    (void)puts("\nOptions");
    pk_opts_help(cmd->options, stdout);
    (void)puts(
        "\nOptions can also stand in pyproject.toml ([tool.peakline], `quiet = true`) and in the\n"
        "environment (PEAKLINE_QUIET=1). `--no-quiet` switches one off again.");
    return 0;
}

int pk_cmd_settle(struct pk_opts *opts, struct pk_settings *ret_settings,
                  struct pk_failure *failure) {
    const struct pk_option *tables[COMMAND_COUNT + 1] = {NULL};

    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        tables[i] = commands[i]->options;
    }
    return pk_settings_apply(opts, tables, ret_settings, failure);
}

static int refuse_command(const char *word) {
    const char *names[COMMAND_COUNT + 1] = {NULL};

    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        names[i] = commands[i]->name;
    }
    size_t length = strlen(word);
    if (length > 3 && strcmp(word + length - 3, ".py") == 0) {
        return pk_error_say(PK_EXIT_USAGE, "unknown command %s; did you mean `peakline run %s`?",
                            word, word);
    }
    const char *nearest = pk_nearest(word, names);
    if (nearest != NULL) {
        return pk_error_say(PK_EXIT_USAGE, "unknown command %s; did you mean `peakline %s`?", word,
                            nearest);
    }
    return pk_error_say(PK_EXIT_USAGE, "unknown %s %s; `peakline --help` lists the commands",
                        word[0] == '-' ? "option" : "command", word);
}

int main(int argc, char **argv) {
    if (argc < 2) {
        print_help(stderr);
        return PK_EXIT_USAGE;
    }
    const char *word = argv[1];
    const struct pk_cmd *cmd = find_command(word);
    if (cmd != NULL) {
        return cmd->run((size_t)argc - 2, argv + 2);
    }
    if (strcmp(word, "--version") == 0 || strcmp(word, "-V") == 0) {
        pk_version_print(stdout);
        return 0;
    }
    if (strcmp(word, "--dump-options") == 0) { // for tools/words.py; not in the help
        pk_cmd_dump(commands, COMMAND_COUNT, stdout);
        return 0;
    }
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0) {
        if (argc > 2) {
            cmd = find_command(argv[2]);
            return cmd != NULL ? pk_cmd_help(cmd) : refuse_command(argv[2]);
        }
        print_help(stdout);
        return 0;
    }
    return refuse_command(word);
}
