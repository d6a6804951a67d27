/* SPDX-License-Identifier: Apache-2.0
 * src/cli/opts and src/cli/nearest: options out of a table, and what was probably meant. */
#include "cli/opts.h"

#include "check.h"
#include "cli/nearest.h"

static const struct pk_option table[] = {
    {.name = "output", .letter = 'o', .value = "DIR", .help = "where"},
    {.name = "force", .help = "replace"},
    {.name = "quiet", .letter = 'q', .help = "say nothing"},
    {0},
};

static struct pk_opts opts;
static struct pk_failure failure;

/* Take one option from one or two words; returns what pk_opts_take said, and how many words are
 * gone. */
static int take(const char *first, const char *second, size_t *ret_used) {
    char *words[] = {(char *)first, (char *)second};

    *ret_used = 0;
    pk_opts_init(&opts, table);
    return pk_opts_take(&opts, second != NULL ? 2 : 1, words, ret_used, &failure);
}

static void a_value_can_be_given_in_four_ways(void) {
    static const char *const ways[][2] = {
        {"--output", "dir"}, {"-o", "dir"}, {"--output=dir", NULL}, {"-odir", NULL}};

    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        size_t used = 0;
        CHECK_EQ(take(ways[i][0], ways[i][1], &used), 1);
        CHECK_EQ(used, ways[i][1] != NULL ? 2 : 1);
        CHECK_STR(pk_opts_get(&opts, "output"), "dir");
        CHECK(!pk_opts_has(&opts, "quiet"));
    }
}

static void a_flag_takes_no_value(void) {
    size_t used = 0;

    CHECK_EQ(take("-q", "app.py", &used), 1);
    CHECK_EQ(used, 1);
    CHECK_STR(pk_opts_get(&opts, "quiet"), "");
    CHECK_EQ(take("--force=yes", NULL, &used), -EINVAL);
    CHECK_STR(failure.text, "--force takes no value");
    CHECK_EQ(failure.status, 2);
}

static void a_missing_value_is_said(void) {
    size_t used = 0;

    CHECK_EQ(take("-o", NULL, &used), -EINVAL);
    CHECK_STR(failure.text, "-o needs a value: -o DIR");
    CHECK_EQ(take("--output=", NULL, &used), 1);
    CHECK_STR(pk_opts_get(&opts, "output"), "");
}

static void other_words_are_left(void) {
    static const char *const others[] = {"app.py", "-",        "--",          "-qu", "-x",
                                         "--forc", "--forced", "--outputs=x", "",    "output"};

    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        size_t used = 0;
        CHECK_EQ(take(others[i], "next", &used), 0);
        CHECK_EQ(used, 0);
    }
}

static void a_switch_can_be_switched_off_again(void) {
    static const struct pk_option switches[] = {
        {.name = "quiet", .help = "say nothing"},
        {.name = "no-open", .help = "no browser"},
        {.name = "help", .help = "this", .key = PK_OPTS_NO_KEY},
        {0},
    };
    char *words[] = {(char *)"--quiet", (char *)"--no-quiet", (char *)"--no-open",
                     (char *)"--open",  (char *)"--no-help",  (char *)"--no-no-open"};
    size_t index = 0;

    pk_opts_init(&opts, switches);
    while (index < 4) {
        CHECK_EQ(pk_opts_take(&opts, 6, words, &index, &failure), 1);
    }
    CHECK(!pk_opts_has(&opts, "quiet") && opts.is_off[0]);
    CHECK(!pk_opts_has(&opts, "no-open") && opts.is_off[1]);
    CHECK_EQ(pk_opts_take(&opts, 6, words, &index, &failure), 0); // nothing to switch off for good
    index = 5;
    CHECK_EQ(pk_opts_take(&opts, 6, words, &index, &failure), 0);
}

static void every_row_has_a_key_and_a_variable_unless_it_says_no(void) {
    static const struct pk_option rows[] = {
        {.name = "fail-over", .value = "SIZE"},
        {.name = "format", .value = "FORMAT", .key = "report-format"},
        {.name = "help", .key = PK_OPTS_NO_KEY},
    };
    char variable[PK_OPTS_NAME_ROOM];

    CHECK_STR(pk_option_key(&rows[0]), "fail-over");
    CHECK_STR(pk_option_variable(&rows[0], variable), "PEAKLINE_FAIL_OVER");
    CHECK_STR(pk_option_key(&rows[1]), "report-format");
    CHECK_STR(pk_option_variable(&rows[1], variable), "PEAKLINE_REPORT_FORMAT");
    CHECK_STR(pk_option_key(&rows[2]), NULL);
    CHECK_STR(pk_option_variable(&rows[2], variable), NULL);
}

static void the_last_one_wins(void) {
    char *words[] = {(char *)"-oa", (char *)"--output=b"};
    size_t index = 0;

    pk_opts_init(&opts, table);
    CHECK_EQ(pk_opts_take(&opts, 2, words, &index, &failure), 1);
    CHECK_EQ(pk_opts_take(&opts, 2, words, &index, &failure), 1);
    CHECK_STR(pk_opts_get(&opts, "output"), "b");
}

static void a_typo_gets_the_nearest_option(void) {
    pk_opts_refuse(table, "run", "--froce", &failure);
    CHECK_STR(failure.text, "unknown option --froce; did you mean --force?");
    pk_opts_refuse(table, "run", "--outptu=x", &failure);
    CHECK_STR(failure.text, "unknown option --outptu=x; did you mean --output?");
    pk_opts_refuse(table, "run", "-quiet", &failure);
    CHECK_STR(failure.text, "unknown option -quiet; did you mean --quiet?");
    pk_opts_refuse(table, "run", "--zebra", &failure);
    CHECK_STR(failure.text, "unknown option --zebra; `peakline run --help` lists them all");
}

static void nearest_counts_edits(void) {
    static const char *const commands[] = {"run", "report", "doctor", NULL};

    CHECK_STR(pk_nearest("rnu", commands), "run");
    CHECK_STR(pk_nearest("reprot", commands), "report");
    CHECK_STR(pk_nearest("rep", commands), "report");
    CHECK_STR(pk_nearest("docter", commands), "doctor");
    CHECK_STR(pk_nearest("run", commands), "run");
    CHECK_STR(pk_nearest("", commands), NULL);
    CHECK_STR(pk_nearest("x", commands), NULL);
    CHECK_STR(pk_nearest("diff", commands), NULL);
    CHECK_STR(pk_nearest("a-word-that-is-longer-than-any-row-of-the-table", commands), NULL);
}

static void help_has_a_line_for_each_option(void) {
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    CHECK(out != NULL);
    pk_opts_help(table, out);
    fclose(out);
    CHECK_STR(text, "  -o, --output DIR        where\n"
                    "      --force             replace\n"
                    "  -q, --quiet             say nothing\n");
    free(text);
}

int main(int argc, char **argv) {
    static const struct check_test tests[] = {
        TEST(a_value_can_be_given_in_four_ways),
        TEST(a_flag_takes_no_value),
        TEST(a_missing_value_is_said),
        TEST(other_words_are_left),
        TEST(a_switch_can_be_switched_off_again),
        TEST(every_row_has_a_key_and_a_variable_unless_it_says_no),
        TEST(the_last_one_wins),
        TEST(a_typo_gets_the_nearest_option),
        TEST(nearest_counts_edits),
        TEST(help_has_a_line_for_each_option),
    };
    return check_run(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
