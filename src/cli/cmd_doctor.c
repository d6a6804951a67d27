/* SPDX-License-Identifier: Apache-2.0
 * `peakline doctor`: can this machine and this Python be profiled? Every check is one line; a
 * failed one says what to do. May use everything below. Must stay true: nothing is left behind on
 * the disk. */
#include "cli/cmd.h"
#include "cli/doctor.h"
#include "cli/errors.h"
#include "supervise/interpreter.h"
#include "supervise/locate.h"
#include "supervise/place.h"
#include "supervise/spawn.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define OLDEST_MINOR 8
#define NEWEST_MINOR 15

static const struct pk_option options[] = {
    {.name = "python",
     .value = "PATH",
     .help = "the Python to look at (as for `peakline run`)",
     .kind = PK_OPTION_PROGRAM},
    {.name = "help", .letter = 'h', .help = "this text", .key = PK_OPTS_NO_KEY},
    {0},
};

static bool say(bool good, const char *what, const char *text) {
    return pk_doctor_say(good ? PK_FINDING_OK : PK_FINDING_PROBLEM, what, "%s", text);
}

static bool check_runtime(char *ret_runtime) {
    char directory[PATH_MAX] = ".";
    struct pk_failure failure;

    (void)pk_locate_own_directory(directory);
    if (pk_locate_runtime(directory, getenv(PK_ENV_RUNTIME), ret_runtime, &failure) != 0) {
        return say(false, "library", failure.text);
    }
    return pk_doctor_check_library(ret_runtime);
}

static bool check_python(const char *wanted, struct pk_interpreter *ret_interpreter) {
    struct pk_interpreter_facts facts;
    struct pk_failure failure;
    char text[PATH_MAX + 256];

    if (pk_interpreter_choose(wanted, getenv("PATH"), ret_interpreter, &failure) != 0) {
        return say(false, "Python", failure.text);
    }
    if (pk_interpreter_ask(ret_interpreter->path, ret_interpreter->name, &facts) != 0) {
        (void)snprintf(
            text, sizeof(text),
            "%s does not start as a Python 3; repair it or name another with --python PATH",
            ret_interpreter->path);
        return say(false, "Python", text);
    }
    if (strcmp(facts.implementation, "cpython") != 0) {
        (void)snprintf(text, sizeof(text),
                       "%s is %s, not CPython; name a CPython with --python PATH",
                       ret_interpreter->path, facts.implementation);
        return say(false, "Python", text);
    }
    bool known = facts.major == 3 && facts.minor >= OLDEST_MINOR && facts.minor <= NEWEST_MINOR;
    (void)snprintf(
        text, sizeof(text), "%s is CPython %d.%d.%d%s%s", ret_interpreter->path, facts.major,
        facts.minor, facts.micro, facts.free_threaded ? ", free-threaded" : "",
        known
            ? ""
            : ", whose stacks are not known (3.8 to 3.15 are): sizes will be right, lines missing");
    return say(known, "Python", text);
}

/* Run the Python with the library and see whether it wrote a ledger. */
static bool check_preload(const struct pk_interpreter *interpreter, const char *runtime) {
    char directory[PATH_MAX], alias[PATH_MAX], preload[PATH_MAX];
    const char *temporary = getenv("TMPDIR");
    char text[256];

    (void)snprintf(directory, sizeof(directory), "%s/peakline-doctor-XXXXXX",
                   temporary != NULL && temporary[0] == '/' ? temporary : "/tmp");
    if (pk_spawn_preload_path(runtime, alias, preload) != 0 || mkdtemp(directory) == NULL) {
        pk_spawn_remove_alias(alias);
        return say(false, "trial",
                   "no temporary directory can be made; set TMPDIR to a writable one");
    }
    char **environment = pk_spawn_environment(environ, preload, directory);
    int status = environment == NULL
                     ? -1
                     : pk_interpreter_try(interpreter->path, interpreter->name, environment);
    bool wrote = pk_place_has_ledger(directory) == 1;
    free(environment);
    // The directory is new and private: only the runtime can have written there.
    (void)pk_place_clean(directory);
    (void)rmdir(directory);
    pk_spawn_remove_alias(alias);
    if (status != 0) {
        (void)snprintf(text, sizeof(text),
                       "with the library loaded `python -c pass` ended with status %d; "
                       "please report this",
                       status);
        return say(false, "trial", text);
    }
    return say(wrote, "trial",
               wrote ? "python -c pass was recorded"
                     : "the library did not get into Python although it may be executed; does a "
                       "security policy (SELinux, AppArmor) forbid LD_PRELOAD?");
}

static int run_doctor(size_t count, char **words) {
    struct pk_opts opts;
    struct pk_settings settings;
    struct pk_failure failure;
    struct pk_interpreter interpreter;
    char runtime[PATH_MAX];

    pk_opts_init(&opts, options);
    for (size_t i = 0; i < count;) {
        int taken = pk_opts_take(&opts, count, words, &i, &failure);
        if (taken == 0) {
            taken = words[i][0] == '-'
                        ? pk_opts_refuse(options, "doctor", words[i], &failure)
                        : pk_failure_set(&failure, -1, PK_EXIT_USAGE,
                                         "doctor takes no %s; did you mean --python %s?", words[i],
                                         words[i]);
        }
        if (taken < 0) {
            return pk_error_print(&failure);
        }
    }
    if (pk_opts_has(&opts, "help")) {
        return pk_cmd_help(&pk_cmd_doctor);
    }
    if (pk_cmd_settle(&opts, &settings, &failure) != 0) {
        return pk_error_print(&failure);
    }
    bool machine = pk_doctor_check_machine();
    machine &= pk_doctor_check_proc();
    machine &= pk_doctor_check_memory();
    machine &= pk_doctor_check_limits();
    machine &= pk_doctor_check_environment();
    bool library = check_runtime(runtime);
    bool python = check_python(pk_opts_get(&opts, "python"), &interpreter);
    bool trial = library && python && check_preload(&interpreter, runtime);
    bool directory = pk_doctor_check_results();
    return machine && library && python && trial && directory ? 0 : 1;
}

const struct pk_cmd pk_cmd_doctor = {
    .name = "doctor",
    .usage = "[--python PATH]",
    .summary = "can this machine and this Python be profiled?",
    .options = options,
    .run = run_doctor,
};
