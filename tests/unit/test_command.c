/* SPDX-License-Identifier: Apache-2.0
 * src/supervise/command: what the user typed becomes what Python is given. */
#include "supervise/command.h"

#include "check.h"

#define MAX_WORDS 16

/* Parse a line of words separated by single spaces ("''" is an empty word), as `peakline run` does,
 * and print the outcome as one line: kind, subject and argv; or "unknown WORD"; or the failure. */
static const char *parse(const char *line) {
    static const char *const kinds[] = {"none", "script", "module", "code", "stdin", "program"};
    static char outcome[1024], text[512];
    char *words[MAX_WORDS];
    struct pk_command command;
    struct pk_failure failure;
    size_t count = 0;

    snprintf(text, sizeof(text), "%s", line);
    for (char *word = strtok(text, " "); word != NULL && count < MAX_WORDS;
         word = strtok(NULL, " ")) {
        words[count++] = strcmp(word, "''") == 0 ? word + 2 : word;
    }
    if (pk_command_init(&command, count) != 0) {
        return "no memory";
    }
    int taken = 1;
    size_t index = 0;
    while (index < count && taken > 0 && command.kind == PK_COMMAND_NONE) {
        taken = pk_command_take(&command, count, words, &index, &failure);
    }
    if (taken == 0) {
        snprintf(outcome, sizeof(outcome), "unknown %s", words[index]);
    } else if (taken < 0 || pk_command_check(&command, &failure) != 0) {
        snprintf(outcome, sizeof(outcome), "%d: %.500s", failure.status, failure.text);
    } else {
        pk_command_set_python(&command, (char *)"python");
        int length =
            snprintf(outcome, sizeof(outcome), "%s %s:", kinds[command.kind], command.subject);
        for (char **word = command.argv; *word != NULL; word++) {
            length += snprintf(outcome + length, sizeof(outcome) - (size_t)length, " %s",
                               **word == '\0' ? "''" : *word);
        }
    }
    pk_command_release(&command);
    return outcome;
}

static void a_script_ends_the_options(void) {
    CHECK_STR(parse("app.py"), "script app.py: python app.py");
    CHECK_STR(parse("app.py -m x -- -q --force"),
              "script app.py: python app.py -m x -- -q --force");
    CHECK_STR(parse("dir/app.py ''"), "script dir/app.py: python dir/app.py ''");
}

static void module_and_code_take_a_value_glued_or_apart(void) {
    CHECK_STR(parse("-m json.tool -h"), "module json.tool: python -m json.tool -h");
    CHECK_STR(parse("-mjson.tool x"), "module json.tool: python -mjson.tool x");
    CHECK_STR(parse("-c pass -c"), "code -c: python -c pass -c");
    CHECK_STR(parse("-cpass"), "code -c: python -cpass");
    CHECK_STR(parse("-m -x"), "module -x: python -m -x");
    CHECK_STR(parse("-c -"), "code -c: python -c -");
}

static void one_dash_is_standard_input(void) {
    CHECK_STR(parse("- a b"), "stdin -: python - a b");
}

static void interpreter_options_keep_their_order(void) {
    CHECK_STR(parse("-X dev -u -W error -OO app.py"),
              "script app.py: python -X dev -u -W error -OO app.py");
    CHECK_STR(parse("-Xdev -Werror -BbdEiIOPRsSvx app.py"),
              "script app.py: python -Xdev -Werror -BbdEiIOPRsSvx app.py");
    CHECK_STR(parse("--check-hash-based-pycs never app.py"),
              "script app.py: python --check-hash-based-pycs never app.py");
    CHECK_STR(parse("-X app.py app.py"), "script app.py: python -X app.py app.py");
}

static void clusters_are_read_letter_by_letter(void) {
    CHECK_STR(parse("-uBm mod"), "module mod: python -uBm mod");
    CHECK_STR(parse("-uBmmod x"), "module mod: python -uBmmod x");
    CHECK_STR(parse("-uWerror app.py"), "script app.py: python -uWerror app.py");
    CHECK_STR(parse("-uX dev app.py"), "script app.py: python -uX dev app.py");
}

static void two_dashes_begin_any_command(void) {
    CHECK_STR(parse("-- make -j 2"), "program make: make -j 2");
    CHECK_STR(parse("-- -weird"), "program -weird: -weird");
    CHECK_STR(parse("-- env -- x"), "program env: env -- x");
}

static void words_of_nobody_are_left_to_the_caller(void) {
    CHECK_STR(parse("--force app.py"), "unknown --force");
    CHECK_STR(parse("-o out app.py"), "unknown -o");
    CHECK_STR(parse("-uZ app.py"), "unknown -uZ");
    CHECK_STR(parse("-u --help"), "unknown --help");
}

static void what_makes_no_sense_is_said(void) {
    CHECK_STR(parse(""), "2: nothing to run; name a script, -m MODULE, -c CODE, - or -- COMMAND");
    CHECK_STR(parse("-u"), "2: nothing to run; name a script, -m MODULE, -c CODE, - or -- COMMAND");
    CHECK_STR(parse("-um"), "2: -m needs a value after it");
    CHECK_STR(parse("-X"), "2: -X needs a value after it");
    CHECK_STR(parse("--check-hash-based-pycs"),
              "2: --check-hash-based-pycs needs a value after it");
    CHECK_STR(parse("--"), "2: -- needs a command after it");
    CHECK_STR(parse("-O -- make"), "2: interpreter option -O cannot stand before --; put it into "
                                   "the command: -- python -O ...");
    CHECK_STR(parse("''"),
              "2: the name of what to run is empty; name a script, -m MODULE or -- COMMAND");
}

static const char *name_of(enum pk_command_kind kind, const char *subject, size_t size) {
    static char name[128];
    struct pk_command command = {.kind = kind, .subject = subject};

    memset(name, '#', sizeof(name));
    pk_command_name(&command, size, name);
    return name;
}

static void a_run_is_named_after_what_runs(void) {
    CHECK_STR(name_of(PK_COMMAND_SCRIPT, "../work/app.py", 64), "app");
    CHECK_STR(name_of(PK_COMMAND_SCRIPT, "tool/", 64), "tool");
    CHECK_STR(name_of(PK_COMMAND_SCRIPT, "my report: v2.py", 64), "my_report__v2");
    CHECK_STR(name_of(PK_COMMAND_MODULE, "json.tool", 64), "json.tool");
    CHECK_STR(name_of(PK_COMMAND_CODE, "-c", 64), "code");
    CHECK_STR(name_of(PK_COMMAND_STDIN, "-", 64), "stdin");
    CHECK_STR(name_of(PK_COMMAND_PROGRAM, "/usr/bin/make", 64), "make");
}

static void no_name_climbs_out_of_its_directory(void) {
    CHECK_STR(name_of(PK_COMMAND_SCRIPT, "..", 64), "_.");
    CHECK_STR(name_of(PK_COMMAND_SCRIPT, "../..", 64), "_.");
    CHECK_STR(name_of(PK_COMMAND_SCRIPT, "/", 64), "_");
    CHECK_STR(name_of(PK_COMMAND_SCRIPT, "-x.py", 64), "_x");
    CHECK_STR(name_of(PK_COMMAND_SCRIPT, ".py", 64), "_py");
    CHECK_STR(name_of(PK_COMMAND_MODULE, "a/../../b", 64), "a_.._.._b");
    CHECK_STR(name_of(PK_COMMAND_SCRIPT, "abcdefgh.py", 5), "abcd");
}

int main(int argc, char **argv) {
    static const struct check_test tests[] = {
        TEST(a_script_ends_the_options),
        TEST(module_and_code_take_a_value_glued_or_apart),
        TEST(one_dash_is_standard_input),
        TEST(interpreter_options_keep_their_order),
        TEST(clusters_are_read_letter_by_letter),
        TEST(two_dashes_begin_any_command),
        TEST(words_of_nobody_are_left_to_the_caller),
        TEST(what_makes_no_sense_is_said),
        TEST(a_run_is_named_after_what_runs),
        TEST(no_name_climbs_out_of_its_directory),
    };
    return check_run(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
