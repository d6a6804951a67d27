/* SPDX-License-Identifier: Apache-2.0
 * `peakline report`: render a recorded run, now or next week.
 * May use everything below. Must stay true: the ledger is only read. */
#include "cli/browser.h"
#include "cli/choice.h"
#include "cli/cmd.h"
#include "cli/ending.h"
#include "cli/errors.h"
#include "cli/interrupt.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/term.h"
#include "report/archive.h"
#include "report/page_in.h"

#include <errno.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct pk_option options[] = {
    {.name = "format",
     .letter = 'f',
     .value = "FORMAT",
     .help = "one of those above (default: html)",
     .key = "report-format",
     .words = "html text markdown csv json folded pprof speedscope dhat github"},
    {.name = "output",
     .letter = 'o',
     .value = "FILE",
     .help = "where to write; - is standard output",
     .key = PK_OPTS_NO_KEY,
     .kind = PK_OPTION_PATH},
    {.name = "color",
     .value = "WHEN",
     .help = "colour in text: always, never or auto (default)",
     .words = PK_TERM_WHEN},
    PK_CHOICE_OPTIONS,
    {.name = "no-open", .help = "do not open the report in a browser"},
    {.name = "help", .letter = 'h', .help = "this text", .key = PK_OPTS_NO_KEY},
    {0},
};

/* report.html in the result directory, or beside the ledger if one was named. */
static int find_html_path(const char *source, char *ret_path, struct pk_failure *failure) {
    char directory[PATH_MAX];
    struct stat status;

    if (snprintf(directory, sizeof(directory), "%s", source) >= PATH_MAX) {
        return pk_failure_set(failure, -ENAMETOOLONG, PK_EXIT_REPORT, "the path %s is too long",
                              source);
    }
    // dirname may write into its argument and may return another string: its answer is used at
    // once.
    bool is_file = stat(source, &status) == 0 && !S_ISDIR(status.st_mode);
    const char *place = is_file ? dirname(directory) : directory;
    size_t length = strlen(place);
    while (length > 1 && place[length - 1] == '/') {
        length--;
    }
    if (snprintf(ret_path, PATH_MAX, "%.*s/report.html", (int)length, place) >= PATH_MAX) {
        return pk_failure_set(failure, -ENAMETOOLONG, PK_EXIT_REPORT, "the path %s is too long",
                              source);
    }
    return 0;
}

static void start_progress(const char *source) {
    char doing[PATH_MAX + 32];
    (void)snprintf(doing, sizeof(doing), "making the report of %s", source);
    pk_progress_start(doing);
}

/* Write a loaded report, which is freed, and say where. */
static int write_loaded(struct pk_report *report, const char *source, const char *html,
                        enum pk_report_format format, const char *output,
                        const struct pk_opts *opts, struct pk_failure *failure) {
    char absolute[PATH_MAX], partial[PK_OUTPUT_PARTIAL_ROOM];
    bool to_stdout = strcmp(output, "-") == 0;
    struct pk_term term =
        pk_term_look(to_stdout ? STDOUT_FILENO : STDERR_FILENO, pk_opts_get(opts, "color"));
    struct pk_report_options how = {
        .width = term.width,
        .color = term.colour && (to_stdout || pk_opts_has(opts, "color")),
        .utf8 = term.utf8,
        .link_host = pk_term_link_host(&term),
        .root = getenv("GITHUB_WORKSPACE"),
        .report_path = access(html, R_OK) == 0 ? html : NULL, // the text names it if it is there
    };

    if (!to_stdout && strlen(output) < PATH_MAX) {
        pk_output_partial(output, partial);
    }
    pk_interrupt_guard(source, to_stdout ? NULL : partial);
    if (to_stdout) {
        pk_progress_end(); // it would stand in the middle of what is written
    }
    int error = pk_output_write(report, format, output, &how, failure);
    pk_progress_end();
    pk_interrupt_release();
    pk_report_free(report);
    if (error != 0 || to_stdout) {
        return error;
    }
    (void)puts(output);
    if (format == PK_FORMAT_HTML && !pk_opts_has(opts, "no-open") &&
        pk_browser_is_welcome(isatty(STDERR_FILENO) == 1) && realpath(output, absolute) != NULL) {
        (void)pk_browser_open(absolute);
    } else if (format == PK_FORMAT_HTML && realpath(output, absolute) != NULL) {
        pk_browser_say_how(isatty(STDERR_FILENO) == 1, absolute);
    }
    return 0;
}

static int render(const char *source, enum pk_report_format format, const char *output,
                  const struct pk_opts *opts, struct pk_failure *failure) {
    char html[PATH_MAX], project[PATH_MAX];
    struct pk_report *report = NULL;
    struct pk_report_choice choice;

    int error = find_html_path(source, html, failure);
    if (error != 0) {
        return error;
    }
    if (output == NULL) {
        output = format == PK_FORMAT_HTML ? html : "-";
    }
    pk_ending_finish_late(source);
    error = pk_choice_take(opts, project, &choice, failure);
    if (error != 0) {
        return error;
    }
    start_progress(source);
    error = pk_report_load_as(source, &choice, &report, failure->text, sizeof(failure->text));
    if (error != 0) {
        pk_progress_end();
        failure->status = PK_EXIT_REPORT;
        return error;
    }
    return write_loaded(report, source, html, format, output, opts, failure);
}

struct page_work {
    const char *source;
    struct pk_archive archive;
    struct pk_failure *failure;
};

static int write_document(void *context, FILE *out) {
    struct page_work *work = context;
    return pk_page_write_document(work->archive.text, work->archive.size, work->source, out,
                                  work->failure->text, sizeof(work->failure->text));
}

/* The document of a page (or of itself), as it was. */
static int render_document(const char *source, const char *output, struct pk_failure *failure) {
    struct page_work work = {.source = source, .failure = failure};

    int error = pk_archive_read(source, &work.archive, failure->text, sizeof(failure->text));
    if (error != 0) {
        failure->status = PK_EXIT_REPORT;
        return error;
    }
    // what is wrong with the data is worth more than that it could not be written
    FILE *nowhere = fopen("/dev/null", "w");
    if (nowhere != NULL) {
        error = write_document(&work, nowhere);
        fclose(nowhere);
    }
    failure->status = PK_EXIT_REPORT;
    if (error == 0) {
        error = pk_output_write_with(write_document, &work, output, failure);
    }
    pk_archive_free(&work.archive);
    if (error == 0 && strcmp(output, "-") != 0) {
        (void)puts(output);
    }
    return error;
}

/* What of a page cannot be had, in a sentence. */
static int check_page_options(const char *source, enum pk_report_format format,
                              const struct pk_opts *opts, struct pk_failure *failure) {
    static const char *const settled[] = {"project", "hide", "show"};

    if (format == PK_FORMAT_HTML) {
        return pk_failure_set(failure, -EINVAL, PK_EXIT_USAGE,
                              "%s is the page already; choose another format with --format",
                              source);
    }
    for (size_t i = 0; i < sizeof(settled) / sizeof(settled[0]); i++) {
        if (pk_opts_is_typed(opts, settled[i])) {
            return pk_failure_set(failure, -EINVAL, PK_EXIT_USAGE,
                                  "whose code is whose was settled when %s was made; to use --%s, "
                                  "name the result directory",
                                  source, settled[i]);
        }
    }
    bool is_reduced = pk_opts_has(opts, "no-source") || pk_opts_has(opts, "redact");
    if (format == PK_FORMAT_JSON && is_reduced) {
        return pk_failure_set(failure, -EINVAL, PK_EXIT_USAGE,
                              "the JSON of %s is what it carries; for one with --no-source or "
                              "--redact name the result directory",
                              source);
    }
    return 0;
}

/* A page carries the document, and thereby all that the other formats need. */
static int render_page(const char *source, enum pk_report_format format, const char *output,
                       const struct pk_opts *opts, struct pk_failure *failure) {
    struct pk_report_choice choice;
    struct pk_report *report = NULL;
    char project[PATH_MAX];
    uint64_t folded = 0;

    int error = check_page_options(source, format, opts, failure);
    if (error == 0) {
        error = pk_choice_take(opts, project, &choice, failure);
    }
    if (error != 0) {
        return error;
    }
    output = output == NULL ? "-" : output;
    if (format == PK_FORMAT_JSON) {
        return render_document(source, output, failure);
    }
    start_progress(source);
    error = pk_report_load_page(source, &choice, &report, &folded, failure->text,
                                sizeof(failure->text));
    if (error != 0) {
        pk_progress_end();
        failure->status = error == -EINVAL ? PK_EXIT_USAGE : PK_EXIT_REPORT;
        return error;
    }
    error = write_loaded(report, source, source, format, output, opts, failure);
    if (error == 0 && folded > 0) {
        (void)pk_error_say(0,
                           "%s has its %llu smallest stacks folded together, and so has this; its "
                           "result directory has them apart",
                           source, (unsigned long long)folded);
    }
    return error;
}

static int run_report(size_t count, char **words) {
    struct pk_opts opts;
    struct pk_settings settings;
    struct pk_failure failure = {.status = PK_EXIT_REPORT};
    enum pk_report_format format = PK_FORMAT_HTML;
    const char *source = NULL;
    int error = 0;

    pk_opts_init(&opts, options);
    for (size_t i = 0; i < count && error >= 0;) {
        int taken = pk_opts_take(&opts, count, words, &i, &failure);
        if (taken == 0 && words[i][0] == '-' && words[i][1] != '\0') {
            taken = pk_opts_refuse(options, "report", words[i], &failure);
        } else if (taken == 0 && source == NULL) {
            source = words[i++];
        } else if (taken == 0) {
            taken =
                pk_failure_set(&failure, -EINVAL, PK_EXIT_USAGE,
                               "report takes one result directory; %s is one too many", words[i]);
        }
        error = taken < 0 ? taken : 0;
    }
    if (error == 0 && pk_opts_has(&opts, "help")) {
        return pk_cmd_help(&pk_cmd_report);
    }
    if (error == 0) {
        error = pk_cmd_settle(&opts, &settings, &failure);
    }
    if (error == 0 && pk_opts_has(&opts, "format")) {
        error = pk_output_find_format(pk_opts_get(&opts, "format"), &format, &failure);
    }
    if (error == 0) {
        error = pk_term_check_when(pk_opts_get(&opts, "color"), &failure);
    }
    if (error == 0 && source == NULL) {
        error = pk_failure_set(&failure, -EINVAL, PK_EXIT_USAGE,
                               "report needs a result directory, such as peakline-result/latest");
    }
    if (error == 0) {
        const char *output = pk_opts_get(&opts, "output");
        error = pk_page_is_archive(source) ? render_page(source, format, output, &opts, &failure)
                                           : render(source, format, output, &opts, &failure);
    }
    pk_opts_release(&opts);
    return error == 0 ? 0 : pk_error_print(&failure);
}

const struct pk_cmd pk_cmd_report = {
    .name = "report",
    .usage = "DIR|PAGE [--format FORMAT] [-o FILE]",
    .summary = "render a recorded run again, or in another format",
    .details = "Formats\n"
               "  html        the page, for a browser; written into the result directory\n"
               "  text        the summary for a terminal; this and all below: to standard output\n"
               "  markdown    the summary for a pull request or a CI step summary\n"
               "  csv         one row a blame line, for a spreadsheet\n"
               "  json        everything, for scripts\n"
               "  folded      one line a stack, for flame graph scripts\n"
               "  pprof       for `go tool pprof` and the viewers that read its files\n"
               "  speedscope  for speedscope.app\n"
               "  dhat        for valgrind's dh_view.html and the Firefox profiler\n"
               "  github      warnings of a GitHub workflow, beside the lines that hold the most\n"
               "All but html can be made from a report.html too: it carries its own data.\n",
    .options = options,
    .run = run_report,
};
