/* SPDX-License-Identifier: Apache-2.0
 * `peakline run`: start the program with the runtime library, wait, write the report, end as the
 * program did. May use everything below. Must stay true: standard output belongs to the program;
 * once it has started, nothing that happens here changes how it is seen to end. */
#include "base/clock.h"
#include "cli/browser.h"
#include "cli/choice.h"
#include "cli/cmd.h"
#include "cli/ending.h"
#include "cli/errors.h"
#include "cli/github.h"
#include "cli/interrupt.h"
#include "cli/limit.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/term.h"
#include "record/tree.h"
#include "report/display.h"
#include "supervise/command.h"
#include "supervise/interpreter.h"
#include "supervise/locate.h"
#include "supervise/outcome.h"
#include "supervise/place.h"
#include "supervise/sample.h"
#include "supervise/spawn.h"
#include "supervise/watch.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct pk_option options[] = {
    {.name = "output",
     .letter = 'o',
     .value = "DIR",
     .help = "the result directory (default: peakline-result/TIME-NAME)",
     .kind = PK_OPTION_PATH},
    {.name = "force", .help = "replace an older result in DIR"},
    {.name = "python",
     .value = "PATH",
     .help = "the Python to use (default: beside peakline, else python3 on PATH)",
     .kind = PK_OPTION_PROGRAM},
    {.name = "wait",
     .value = "SECONDS",
     .help = "how long to wait for processes that outlive the program (default: up to 1)"},
    PK_CHOICE_OPTIONS,
    {.name = "quiet", .letter = 'q', .help = "no summary"},
    {.name = "no-open", .help = "do not open the report in a browser"},
    {.name = "color",
     .value = "WHEN",
     .help = "colour in the summary: always, never or auto (default)",
     .words = PK_TERM_WHEN},
    {.name = "fail-over",
     .value = "SIZE",
     .help = "exit status 3 if the peak is higher: 500MiB, 1.5GB"},
    {.name = "github", .help = "a step summary and annotations of a GitHub workflow"},
    {.name = "verbose", .help = "say which options were read from where"},
    {.name = "help", .letter = 'h', .help = "this text", .key = PK_OPTS_NO_KEY},
    {0},
};

/* All that is known before the program starts. */
struct run {
    struct pk_opts opts;
    struct pk_report_choice choice;
    char project[PATH_MAX]; /* of --project */
    struct pk_settings settings;
    struct pk_limit limit; /* --fail-over */
    struct pk_command command;
    struct pk_interpreter interpreter;
    struct pk_target target; /* of the file that is executed */
    char program[PATH_MAX];  /* that file */
    char runtime[PATH_MAX];
    char directory[PATH_MAX]; /* where we are */
    double wait_s;            /* --wait; negative: not given */
    struct pk_place place;
    struct pk_run_info info;
    struct pk_ending ending;
    struct pk_tree_page *tree; /* NULL: could not be made */
    struct pk_sampler sampler;
};

/* --wait SECONDS */
static int parse_wait(const struct pk_opts *opts, double *ret_seconds, struct pk_failure *failure) {
    const char *text = pk_opts_get(opts, "wait");
    char call[PATH_MAX + 128], *end = NULL;

    *ret_seconds = -1;
    if (text == NULL) {
        return 0;
    }
    double seconds = strtod(text, &end);
    bool is_number = end != text && *end == '\0' && seconds >= 0; // false for a nan
    if (!is_number) {
        return pk_failure_set(failure, -EINVAL, PK_EXIT_USAGE,
                              "%s needs a number of seconds, not %s",
                              pk_opts_call(opts, "wait", call, sizeof(call)), text);
    }
    *ret_seconds = seconds;
    return 0;
}

static int parse(size_t count, char **words, struct run *run, struct pk_failure *failure) {
    for (size_t i = 0; i < count;) {
        int taken = pk_opts_take(&run->opts, count, words, &i, failure);
        if (taken == 0) {
            taken = pk_command_take(&run->command, count, words, &i, failure);
        }
        if (taken == 0) {
            taken = pk_opts_refuse(options, "run", words[i], failure);
        }
        if (taken < 0) {
            return taken;
        }
        if (run->command.kind != PK_COMMAND_NONE) {
            break;
        }
    }
    if (pk_opts_has(&run->opts, "help")) {
        return 0;
    }
    int error = pk_term_check_when(pk_opts_get(&run->opts, "color"), failure);
    bool has_python = pk_opts_has(&run->opts, "python"); // a setting is for the runs that have one
    if (error == 0) {
        error = pk_cmd_settle(&run->opts, &run->settings, failure);
    }
    if (error == 0) {
        error = parse_wait(&run->opts, &run->wait_s, failure);
    }
    if (error == 0) {
        error = pk_limit_take(&run->opts, &run->limit, failure);
    }
    if (error == 0) {
        error = pk_choice_take(&run->opts, run->project, &run->choice, failure);
    }
    if (error == 0) {
        error = pk_command_check(&run->command, failure);
    }
    if (error == 0 && run->command.kind == PK_COMMAND_PROGRAM && has_python) {
        error =
            pk_failure_set(failure, -EINVAL, PK_EXIT_USAGE,
                           "--python says nothing about a command after --; leave one of them out");
    }
    return error;
}

static bool is_named_python(const char *name) {
    const char *slash = strrchr(name, '/');
    return strncmp(slash != NULL ? slash + 1 : name, "python", strlen("python")) == 0;
}

/* The command after "--". */
static int find_program(struct run *run, struct pk_failure *failure) {
    const char *name = run->command.subject;
    int error = pk_target_find(name, getenv("PATH"), run->program);

    size_t length = strlen(name);
    bool is_script = length > 3 && strcmp(name + length - 3, ".py") == 0;
    const char *hint = is_script ? "; to run a script, leave out the --" : "";
    if (error == -EACCES) {
        return pk_failure_set(failure, error, PK_EXIT_NO_EXEC,
                              "%s cannot be executed; make it executable%s", name, hint);
    }
    if (error != 0) {
        return pk_failure_set(failure, error, PK_EXIT_NOT_FOUND,
                              "there is no command %s; check its name%s%s", name,
                              strchr(name, '/') == NULL ? " and PATH" : "", hint);
    }
    pk_target_inspect(run->program, getenv("PATH"), &run->target);
    return pk_target_check(&run->target, name, is_named_python(name), failure);
}

static int find_python(struct run *run, struct pk_failure *failure) {
    int error = pk_interpreter_choose(pk_opts_get(&run->opts, "python"), getenv("PATH"),
                                      &run->interpreter, failure);

    if (error == 0) {
        (void)snprintf(run->program, sizeof(run->program), "%s", run->interpreter.path);
        run->target = run->interpreter.target;
        pk_command_set_python(&run->command, run->interpreter.name);
    }
    return error;
}

/* A script that does not exist is for Python to complain about, and nothing to measure: no result
 * takes an older one's place for it. Does not return when Python itself reports the missing
 * script. */
static int check_script(const struct run *run, struct pk_failure *failure) {
    const char *name = run->command.subject;
    char path[PATH_MAX];

    if (run->command.kind != PK_COMMAND_SCRIPT || access(name, F_OK) == 0 || errno != ENOENT) {
        return 0;
    }
    if (strchr(name, '/') == NULL && pk_target_find(name, getenv("PATH"), path) == 0) {
        return pk_failure_set(failure, -ENOENT, PK_EXIT_NOT_FOUND,
                              "there is no script %s; to run the command of that name, write "
                              "`peakline run -- %s`",
                              name, name);
    }
    (void)execv(run->program, run->command.argv);
    return 0;
}

/* What the processes of the run and we share. Without it the run goes on, and the report says
 * so. */
static void prepare_watch(struct run *run, uint64_t start_ns) {
    uint64_t start_unix_ns = (uint64_t)run->info.start_unix_ns;
    const char *directory = run->place.records;
    struct sigaction ignore = {.sa_handler = SIG_IGN}, before;

    if (run->place.is_risky) {
        pk_ending_warn(
            &run->ending, &run->info,
            "The disk that holds %s writes every page anew (copy on write), and neither "
            "/tmp nor /dev/shm is in memory with room for the records: had the disk become "
            "full, the program could have been killed (SIGBUS).",
            run->place.shown);
    }
    // Beyond `ulimit -f` the files cannot be made; the signal for that would end us.
    (void)sigaction(SIGXFSZ, &ignore, &before);
    int error = pk_tree_create(directory, start_unix_ns, start_ns);
    run->tree = error == 0 ? pk_tree_map(directory, true) : NULL;
    if (run->tree == NULL) {
        pk_ending_warn(
            &run->ending, &run->info,
            "What the processes of the run held together was not recorded: %s/tree could "
            "not be made (%s).",
            run->place.shown, strerror(-error));
    }
    error = pk_sampler_start(directory, run->tree, start_unix_ns, start_ns, &run->sampler);
    if (error != 0) {
        pk_ending_warn(&run->ending, &run->info,
                       "There is no timeline: %s/timeline could not be made (%s).",
                       run->place.shown, strerror(-error));
    }
    (void)sigaction(SIGXFSZ, &before, NULL);
}

/* Result directory and run.json. */
static int prepare(struct run *run, struct pk_failure *failure) {
    char own[PATH_MAX] = ".", name[64];

    (void)pk_locate_own_directory(own);
    int error = pk_locate_runtime(own, getenv(PK_ENV_RUNTIME), run->runtime, failure);
    if (error != 0) {
        return error;
    }
    uint64_t now = pk_clock_ns(CLOCK_REALTIME);
    pk_command_name(&run->command, sizeof(name), name);
    error = pk_place_create(pk_opts_get(&run->opts, "output"), pk_opts_has(&run->opts, "force"),
                            name, (time_t)(now / 1000000000), &run->place, failure);
    if (error != 0) {
        return error;
    }
    run->info.tool = "peakline " PK_VERSION;
    run->info.argv = run->command.argv + (run->command.kind == PK_COMMAND_PROGRAM ? 0 : 1);
    run->info.directory = getcwd(run->directory, sizeof(run->directory));
    run->info.start_unix_ns = (int64_t)now;
    run->info.outcome = PK_RUN_RUNNING;
    pk_ending_begin(&run->ending, &run->info);
    prepare_watch(run, pk_clock_ns(CLOCK_MONOTONIC));
    error = pk_run_info_write(run->place.path, &run->info);
    if (error != 0) {
        pk_place_discard(&run->place);
        return pk_place_refuse(&run->place, error, failure);
    }
    return 0;
}

/* Nothing was recorded: say why, as far as it can be known. */
static void explain_nothing(const struct run *run, const struct pk_watched *watched) {
    if (run->target.obstacle == PK_OBSTACLE_STATIC) {
        (void)pk_error_say(
            0,
            "nothing was recorded: %s is a static program and started no Python that could be "
            "recorded; run the Python it starts with `peakline run` itself",
            run->command.subject);
    } else if (watched->user != geteuid()) {
        (void)pk_error_say(
            0,
            "nothing was recorded: %s became another user, who may not write into %s; become that "
            "user first, and let it start peakline",
            run->command.subject, run->place.shown);
    } else if (run->command.kind == PK_COMMAND_PROGRAM) {
        (void)pk_error_say(
            0,
            "nothing was recorded: %s never ran a Python that could be recorded; name the Python "
            "program itself, or see `peakline doctor`",
            run->command.subject);
    } else {
        (void)pk_error_say(
            0,
            "nothing was recorded: the library did not get into %s; `peakline doctor` looks for "
            "the reason",
            run->program);
    }
}

/* report.html and the summary. Failures are said and change nothing. Returns the report, NULL if
 * there is none. */
static struct pk_report *report_run(const struct run *run) {
    char shown[PATH_MAX + 16], absolute[PATH_MAX + 16];
    struct pk_failure failure = {.status = PK_EXIT_REPORT};
    struct pk_report *report = NULL;

    (void)snprintf(shown, sizeof(shown), "%s/report.html", run->place.shown);
    (void)snprintf(absolute, sizeof(absolute), "%s/report.html", run->place.path);
    if (!pk_opts_has(&run->opts, "quiet")) {
        pk_progress_start("making the report");
    }
    int error = pk_report_load_as(run->place.path, &run->choice, &report, failure.text,
                                  sizeof(failure.text));
    if (error == 0) {
        struct pk_term term = pk_term_look(STDERR_FILENO, pk_opts_get(&run->opts, "color"));
        struct pk_report_options how = {.width = term.width,
                                        .color = term.colour,
                                        .utf8 = term.utf8,
                                        .link_host = pk_term_link_host(&term)};
        error = pk_output_write(report, PK_FORMAT_HTML, absolute, &how, &failure);
        pk_progress_end();
        how.report_path = error == 0 ? shown : NULL;
        if (!pk_opts_has(&run->opts, "quiet")) {
            (void)fputc('\n', stderr);
            (void)pk_report_write(report, PK_FORMAT_TEXT, stderr, &how);
            (void)fflush(stderr);
        }
        if (error == 0 && !pk_opts_has(&run->opts, "no-open") && pk_browser_is_welcome(term.tty)) {
            (void)pk_browser_open(absolute);
        }
    }
    pk_progress_end();
    if (error != 0) {
        (void)pk_error_print(&failure);
    }
    if (report != NULL && pk_opts_has(&run->opts, "github") && pk_github_is_workflow() &&
        pk_github_show(report, &failure) != 0) {
        (void)pk_error_print(&failure);
    }
    return report;
}

/* From the program's end on, Ctrl-C means the report. */
static void guard_report(const struct run *run) {
    char path[PATH_MAX + 16], partial[PK_OUTPUT_PARTIAL_ROOM];

    (void)snprintf(path, sizeof(path), "%s/report.html", run->place.path);
    pk_output_partial(path, partial);
    pk_interrupt_guard(run->place.shown, partial);
}

/* SIGUSR2: report.html of the run so far, and a line that says so. In a process of its own. */
static void report_so_far(void *context) {
    const struct run *run = context;
    char shown[PATH_MAX + 16], absolute[PATH_MAX + 16];
    struct pk_failure failure = {.status = PK_EXIT_REPORT};
    struct pk_report_options how = {0};
    struct pk_report *report = NULL;

    (void)snprintf(shown, sizeof(shown), "%s/report.html", run->place.shown);
    (void)snprintf(absolute, sizeof(absolute), "%s/report.html", run->place.path);
    int error = pk_report_load_as(run->place.path, &run->choice, &report, failure.text,
                                  sizeof(failure.text));
    if (error == 0) {
        error = pk_output_write(report, PK_FORMAT_HTML, absolute, &how, &failure);
    }
    if (error != 0) {
        (void)pk_error_print(&failure);
        return;
    }
    char peak[PK_NUMBER_ROOM];
    (void)fprintf(stderr, "peakline: report of the run so far, peak %s: %s\n",
                  pk_format_bytes(peak, pk_report_peak_bytes(report)), shown);
}

/* The run is over: what is known of its end goes into run.json. */
static void note_end(struct run *run, const struct pk_watched *watched) {
    pk_ending_finish(&run->ending, run->place.records, watched, &run->sampler, &run->info);
    int error = pk_run_info_write(run->place.path, &run->info);
    if (error == -ENOENT) {
        (void)pk_error_say(0,
                           "the result directory %s was removed during the run: there is no "
                           "report",
                           run->place.shown);
    } else if (error != 0) {
        (void)pk_error_say(0,
                           "cannot write %s/run.json: %s; how the program ended is missing there",
                           run->place.shown, strerror(-error));
    }
}

/* Records that were kept in memory go where the result is. */
static void settle(const struct run *run, const struct pk_watched *watched) {
    int error = watched->others > 0 ? -EBUSY : pk_place_end(&run->place);

    if (error < 0 && error != -EBUSY && error != -ENOENT) {
        (void)pk_error_say(0,
                           "the records are still in memory, in %s (%s); make room, and `peakline "
                           "report %s` moves them",
                           run->place.records, strerror(-error), run->place.shown);
    }
}

/* Start, wait, report. Returns only when the program could not be started. */
static int supervise(struct run *run, struct pk_failure *failure) {
    struct pk_spawn_request request = {.path = run->program,
                                       .argv = run->command.argv,
                                       .runtime = run->runtime,
                                       .result = run->place.records};
    struct pk_watch_request watch = {.sampler = &run->sampler,
                                     .report_so_far = report_so_far,
                                     .context = run,
                                     .wait_s = run->wait_s};
    struct pk_spawned spawned;
    struct pk_watched watched;

    if (run->tree != NULL && run->command.kind != PK_COMMAND_PROGRAM) {
        request.solo_pid = &run->tree->solo_pid;
    }
    int error = pk_spawn_start(&request, &spawned, failure);
    if (error != 0) {
        pk_sampler_stop(&run->sampler);
        pk_place_discard(&run->place);
        return error;
    }
    pk_place_link_latest(&run->place);
    error = pk_watch_wait(&spawned, &watch, &watched);
    guard_report(run);
    // Beyond `ulimit -f` a write shall fail, and not kill us.
    (void)signal(SIGXFSZ, SIG_IGN);
    pk_spawn_restore(&spawned);
    if (error != 0) {
        // Cannot happen while the program is our child; its end would then be unknown, which is not
        // success.
        return pk_failure_set(failure, error, PK_EXIT_FAILED, "lost sight of the program: %s",
                              strerror(-error));
    }
    note_end(run, &watched);
    pk_sampler_stop(&run->sampler);
    settle(run, &watched);
    struct pk_outcome outcome = pk_outcome_from_status(watched.status);
    struct pk_report *report = NULL;
    int has_ledger = pk_place_has_ledger(run->place.path);
    if (has_ledger == 0) {
        explain_nothing(run, &watched);
    } else if (has_ledger > 0) {
        report = report_run(run);
    }
    pk_limit_judge(&run->limit, report, &outcome);
    pk_report_free(report);
    pk_outcome_leave(&outcome);
}

static int run_run(size_t count, char **words) {
    struct run *run = calloc(1, sizeof(*run));
    struct pk_failure failure = {0};
    int error = run == NULL ? -ENOMEM : pk_command_init(&run->command, count);

    if (error != 0) {
        free(run);
        return pk_error_say(PK_EXIT_FAILED, "no memory");
    }
    pk_opts_init(&run->opts, options);
    error = parse(count, words, run, &failure);
    if (error == 0 && pk_opts_has(&run->opts, "help")) {
        pk_command_release(&run->command);
        free(run);
        return pk_cmd_help(&pk_cmd_run);
    }
    if (error == 0 && pk_opts_has(&run->opts, "verbose")) {
        pk_settings_print(&run->settings, &run->opts, stderr);
    }
    if (error == 0) {
        error = run->command.kind == PK_COMMAND_PROGRAM ? find_program(run, &failure)
                                                        : find_python(run, &failure);
    }
    if (error == 0) {
        error = check_script(run, &failure);
    }
    if (error == 0) {
        error = prepare(run, &failure);
    }
    if (error == 0) {
        error = supervise(run, &failure);
    }
    pk_command_release(&run->command);
    pk_opts_release(&run->opts);
    free(run);
    return pk_error_print(&failure);
}

const struct pk_cmd pk_cmd_run = {
    .name = "run",
    .usage = "[options] [interpreter options] (SCRIPT | -m MODULE | -c CODE | - | -- COMMAND) "
             "[arguments]",
    .summary = "run a program and show which lines hold its peak memory",
    .details = "Options of the Python interpreter (-X dev, -O, -W error, -u, ...) are passed on to "
               "it. After -- comes any\n"
               "command that ends up running Python. peakline ends as the program does; with\n"
               "--fail-over, 3 if the program ended well and its peak was higher.\n"
               "Signals are passed on, but for SIGUSR2: it makes a report of the run so far.\n",
    .options = options,
    .run = run_run,
};
