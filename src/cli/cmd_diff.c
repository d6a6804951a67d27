/* SPDX-License-Identifier: Apache-2.0
 * `peakline diff`: what changed between two runs, or two groups of runs.
 * May use everything below. Must stay true: the inputs are only read; the verdict of
 * --fail-on-increase is given whatever the format. */
#include "cli/browser.h"
#include "cli/cmd.h"
#include "cli/errors.h"
#include "cli/output.h"
#include "cli/term.h"
#include "report/diff.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define EXIT_INCREASE 3

static const struct pk_option options[] = {
    {.name = "after",
     .help = "what follows are runs of the new program, however many",
     .key = PK_OPTS_NO_KEY},
    {.name = "format",
     .letter = 'f',
     .value = "FORMAT",
     .help = "text (default), html, json, markdown or github",
     .key = "diff-format",
     .words = "text html json markdown github"},
    {.name = "output",
     .letter = 'o',
     .value = "FILE",
     .help = "where to write; - is standard output",
     .key = PK_OPTS_NO_KEY,
     .kind = PK_OPTION_PATH},
    {.name = "fail-on-increase",
     .value = "LIMIT",
     .help = "exit status 3 if the peak grew by more: 10%, 50MiB"},
    {.name = "color",
     .value = "WHEN",
     .help = "colour in text: always, never or auto (default)",
     .words = PK_TERM_WHEN},
    {.name = "no-open", .help = "do not open the page in a browser"},
    {.name = "help", .letter = 'h', .help = "this text", .key = PK_OPTS_NO_KEY},
    {0},
};

/* The runs as the user gave them: those before `--after`, and those behind it. */
struct runs {
    char **words[2];
    size_t count[2];
};

static const char *const format_names[] = {
    [PK_DIFF_TEXT] = "text",         [PK_DIFF_HTML] = "html",     [PK_DIFF_JSON] = "json",
    [PK_DIFF_MARKDOWN] = "markdown", [PK_DIFF_GITHUB] = "github", NULL,
};

static int find_format(const char *name, enum pk_diff_format *ret_format,
                       struct pk_failure *failure) {
    int found =
        pk_output_find_name(name, format_names, "text, html, json, markdown, github", failure);
    if (found >= 0) {
        *ret_format = (enum pk_diff_format)found;
    }
    return found < 0 ? found : 0;
}

/* Two runs without `--after` are before and after. */
static int sort_runs(struct runs *runs, bool has_after, struct pk_failure *failure) {
    if (!has_after && runs->count[0] == 2) {
        runs->words[1] = runs->words[0] + 1;
        runs->count[0] = runs->count[1] = 1;
        return 0;
    }
    if (!has_after && runs->count[0] > 2) {
        return pk_failure_set(failure, -EINVAL, PK_EXIT_USAGE,
                              "with more than two runs say which are the new ones: "
                              "peakline diff BEFORE... --after AFTER...");
    }
    if (runs->count[0] == 0 || runs->count[1] == 0) {
        return pk_failure_set(failure, -EINVAL, PK_EXIT_USAGE,
                              "diff needs two runs, BEFORE and AFTER: result directories, "
                              "report.html files or JSON reports");
    }
    return 0;
}

static int add_runs(struct pk_diff *diff, const struct runs *runs, struct pk_failure *failure) {
    for (unsigned which = 0; which < 2; which++) {
        for (size_t i = 0; i < runs->count[which]; i++) {
            int error = pk_diff_add(diff, (enum pk_diff_which)which, runs->words[which][i],
                                    failure->text, sizeof(failure->text));
            if (error < 0) {
                failure->status = PK_EXIT_REPORT;
                return error;
            }
        }
    }
    return 0;
}

struct work {
    const struct pk_diff *diff;
    enum pk_diff_format format;
    struct pk_diff_options how;
};

static int write_diff(void *context, FILE *out) {
    const struct work *work = context;
    return pk_diff_write(work->diff, work->format, out, &work->how);
}

static int show(const struct pk_diff *diff, enum pk_diff_format format, const struct pk_opts *opts,
                struct pk_failure *failure) {
    char absolute[PATH_MAX];
    const char *output = pk_opts_get(opts, "output");
    if (output == NULL) {
        output = format == PK_DIFF_HTML ? "diff.html" : "-";
    }
    bool to_stdout = strcmp(output, "-") == 0;
    struct pk_term term =
        pk_term_look(to_stdout ? STDOUT_FILENO : STDERR_FILENO, pk_opts_get(opts, "color"));
    struct work work = {
        .diff = diff,
        .format = format,
        .how = {.width = term.width,
                .color = term.colour && (to_stdout || pk_opts_has(opts, "color")),
                .utf8 = term.utf8,
                .root = getenv("GITHUB_WORKSPACE")},
    };
    int error = pk_output_write_with(write_diff, &work, output, failure);
    if (error != 0 || to_stdout) {
        return error;
    }
    (void)puts(output);
    if (format == PK_DIFF_HTML && !pk_opts_has(opts, "no-open") &&
        pk_browser_is_welcome(isatty(STDERR_FILENO) == 1) && realpath(output, absolute) != NULL) {
        (void)pk_browser_open(absolute);
    }
    return 0;
}

static int compare(const struct runs *runs, enum pk_diff_format format,
                   const struct pk_amount *limit, const struct pk_opts *opts) {
    struct pk_failure failure = {.status = PK_EXIT_REPORT};
    struct pk_diff *diff;
    char sentence[400];

    int error = pk_diff_start(&diff);
    if (error == 0) {
        error = add_runs(diff, runs, &failure);
    }
    if (error == 0) {
        error = pk_diff_make(diff);
        if (error < 0) {
            (void)pk_failure_set(&failure, error, PK_EXIT_REPORT, "the runs cannot be compared: %s",
                                 strerror(-error));
        }
    }
    if (error == 0) {
        error = show(diff, format, opts, &failure);
    }
    int status = error == 0 ? 0 : pk_error_print(&failure);
    if (error == 0 && limit != NULL && pk_diff_exceeds(diff, limit, sentence, sizeof(sentence))) {
        (void)fflush(stdout);
        status = pk_error_say(EXIT_INCREASE, "%s", sentence);
    }
    pk_diff_free(diff);
    return status;
}

static int run_diff(size_t count, char **words) {
    struct pk_opts opts;
    struct pk_failure failure = {.status = PK_EXIT_USAGE};
    struct runs runs = {0};
    struct pk_settings settings;
    struct pk_amount limit;
    enum pk_diff_format format = PK_DIFF_TEXT;
    int error = 0;

    char **room = calloc(count + 1, sizeof(*room));
    if (room == NULL) {
        return pk_error_say(PK_EXIT_REPORT, "not enough memory");
    }
    runs.words[0] = runs.words[1] = room;
    pk_opts_init(&opts, options);
    for (size_t i = 0; i < count && error >= 0;) {
        bool had_after = pk_opts_has(&opts, "after");
        int taken = pk_opts_take(&opts, count, words, &i, &failure);
        if (taken == 0 && words[i][0] == '-' && words[i][1] != '\0') {
            taken = pk_opts_refuse(options, "diff", words[i], &failure);
        } else if (taken == 0) {
            room[runs.count[0] + runs.count[1]] = words[i++];
            runs.count[had_after ? 1 : 0]++;
        } else if (taken > 0 && !had_after && pk_opts_has(&opts, "after")) {
            runs.words[1] = room + runs.count[0];
        }
        error = taken < 0 ? taken : 0;
    }
    if (error == 0 && pk_opts_has(&opts, "help")) {
        free(room);
        return pk_cmd_help(&pk_cmd_diff);
    }
    if (error == 0) {
        error = pk_cmd_settle(&opts, &settings, &failure);
    }
    if (error == 0 && pk_opts_has(&opts, "format")) {
        error = find_format(pk_opts_get(&opts, "format"), &format, &failure);
    }
    const char *most = pk_opts_get(&opts, "fail-on-increase");
    if (error == 0 && most != NULL && pk_amount_parse(most, &limit) < 0) {
        error = pk_failure_set(&failure, -EINVAL, PK_EXIT_USAGE,
                               "--fail-on-increase takes a share or a size, such as 10%% or 50MiB, "
                               "not %s",
                               most);
    }
    if (error == 0) {
        error = pk_term_check_when(pk_opts_get(&opts, "color"), &failure);
    }
    if (error == 0) {
        error = sort_runs(&runs, pk_opts_has(&opts, "after"), &failure);
    }
    int status = error == 0 ? compare(&runs, format, most != NULL ? &limit : NULL, &opts)
                            : pk_error_print(&failure);
    pk_opts_release(&opts);
    free(room);
    return status;
}

const struct pk_cmd pk_cmd_diff = {
    .name = "diff",
    .usage = "BEFORE AFTER [--format FORMAT] [-o FILE] [--fail-on-increase LIMIT]",
    .summary = "compare two runs: what grew, what shrank, what is new, what went",
    .details = "BEFORE and AFTER are result directories, report.html files or JSON reports.\n"
               "Several runs a side tell change from noise: peakline diff OLD... --after NEW...\n"
               "html is written to diff.html, the others go to standard output, unless -o says\n"
               "otherwise. Exit status: 0, 1 when a run cannot be read, 2 for a wrong command,\n"
               "3 when the peak grew by more than --fail-on-increase allows.\n",
    .options = options,
    .run = run_diff,
};
