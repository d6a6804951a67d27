/* SPDX-License-Identifier: Apache-2.0
 * Two runs compared, with answers known by construction: profiles are written as documents, read,
 * compared, and what is said is added up again. */
#include "check.h"
#include "report/diff_model.h"
#include "report/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One line of a program and what it holds at the peak, below main's line. */
struct held {
    const char *path;
    const char *function;
    const char *source;
    unsigned line;
    unsigned long bytes;
};

/* The document of a run whose main (line 1 of app.py) calls all of `held`, each once; 7 bytes have
 * no stack. `is_process`: one level more, a process. */
static char *make_document(const struct held *held, size_t count, bool is_process) {
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    unsigned long peak = 7;
    for (size_t i = 0; i < count; i++) {
        peak += held[i].bytes;
    }
    fprintf(out,
            "{\"format\":1,\"tool\":\"peakline\",\"peak\":{\"bytes\":%lu,\"blocks\":%zu,"
            "\"time_s\":1.5},\"run\":{\"command\":[\"app.py\"],\"directory\":\"/d\"},"
            "\"warnings\":[],\"blame\":[",
            peak, count + 1);
    for (size_t i = 0; i < count; i++) {
        fprintf(out,
                "{\"bytes\":%lu,\"blocks\":1,\"path\":\"/d/%s\",\"line\":%u,\"function\":\"%s\","
                "\"source\":\"%s\",\"kind\":0},",
                held[i].bytes, held[i].path, held[i].line, held[i].function, held[i].source);
    }
    fprintf(out,
            "{\"bytes\":7,\"blocks\":1,\"path\":\"\",\"line\":0,\"function\":\"%s\",\"kind\":4}],"
            "\"files\":{\"path\":[\"\",\"/d/app.py\"",
            is_process ? "process 12 app.py" : "[no stack]");
    for (size_t i = 0; i < count; i++) {
        fprintf(out, ",\"/d/%s\"", held[i].path);
    }
    fputs("],\"kind\":[4,0", out);
    for (size_t i = 0; i < count; i++) {
        fputs(",0", out);
    }
    fputs("],\"status\":[0,0", out);
    for (size_t i = 0; i < count; i++) {
        fputs(",0", out);
    }
    fputs("]},\"functions\":{\"name\":[\"process 12 app.py\",\"<module>\"", out);
    for (size_t i = 0; i < count; i++) {
        fprintf(out, ",\"%s\"", held[i].function);
    }
    fputs("],\"file\":[0,1", out);
    for (size_t i = 0; i < count; i++) {
        fprintf(out, ",%zu", i + 2);
    }
    fputs("],\"kind\":[32,0", out);
    for (size_t i = 0; i < count; i++) {
        fputs(",0", out);
    }
    fputs("]},\"frames\":{\"function\":[0,1", out);
    for (size_t i = 0; i < count; i++) {
        fprintf(out, ",%zu", i + 2);
    }
    fputs("],\"line\":[0,1", out);
    for (size_t i = 0; i < count; i++) {
        fprintf(out, ",%u", held[i].line);
    }
    fputs("],\"source\":[\"\",\"main()\"", out);
    for (size_t i = 0; i < count; i++) {
        fprintf(out, ",\"%s\"", held[i].source);
    }
    fprintf(out, "]},\"stacks\":{\"parent\":[-1%s", is_process ? ",0,1" : ",0");
    for (size_t i = 0; i < count; i++) {
        fputs(is_process ? ",2" : ",1", out);
    }
    fprintf(out, "],\"frame\":[-1%s", is_process ? ",0,1" : ",1");
    for (size_t i = 0; i < count; i++) {
        fprintf(out, ",%zu", i + 2);
    }
    fprintf(out, "],\"bytes\":[%s", is_process ? "0,7,0" : "7,0");
    for (size_t i = 0; i < count; i++) {
        fprintf(out, ",%lu", held[i].bytes);
    }
    fprintf(out, "],\"blocks\":[%s", is_process ? "0,1,0" : "1,0");
    for (size_t i = 0; i < count; i++) {
        fputs(",1", out);
    }
    fputs("]}}", out);
    fclose(out);
    return text;
}

static char why[600];

static bool add(struct pk_diff *diff, enum pk_diff_which which, const struct held *held,
                size_t count, bool is_process) {
    struct pk_diff_side *side = &diff->side[which];
    char *text = make_document(held, count, is_process);
    int r = pk_profile_parse(text, strlen(text), which == PK_DIFF_BEFORE ? "old" : "new",
                             &side->runs[side->run_count], why, sizeof(why));
    if (r < 0) {
        printf("# %s\n", why);
    }
    side->run_count += r == 0 ? 1u : 0u;
    free(text);
    return r == 0;
}

#define ADD(diff, which, held) \
    CHECK(add(diff, which, held, sizeof(held) / sizeof((held)[0]), false))

/* What every diff must keep: rows and nodes add up to both peaks, parents come first. */
static bool adds_up(const struct pk_diff *diff) {
    uint64_t rows[2] = {0, 0}, nodes[2] = {0, 0};
    for (uint32_t i = 0; i < diff->row_count; i++) {
        rows[0] += diff->rows[i].bytes[0];
        rows[1] += diff->rows[i].bytes[1];
    }
    for (uint32_t i = 0; i < diff->node_count; i++) {
        nodes[0] += diff->nodes[i].bytes[0];
        nodes[1] += diff->nodes[i].bytes[1];
        if (i > 0 && diff->nodes[i].parent >= i) {
            return false;
        }
    }
    uint64_t before = pk_diff_peak(diff, PK_DIFF_BEFORE), after = pk_diff_peak(diff, PK_DIFF_AFTER);
    return rows[0] == before && nodes[0] == before && rows[1] == after && nodes[1] == after;
}

static const struct pk_diff_row *row_of(const struct pk_diff *diff, const char *place) {
    char text[200];
    for (uint32_t i = 0; i < diff->row_count; i++) {
        int32_t frame = diff->rows[i].frame;
        pk_diff_place(pk_diff_line(diff, frame), frame, text, sizeof(text));
        if (strcmp(text, place) == 0) {
            return &diff->rows[i];
        }
    }
    return NULL;
}

static const struct held old_run[] = {
    {"app.py", "main", "rows = load(path)", 10, 5000000},
    {"app.py", "main", "copy = list(rows)", 12, 800000},
    {"lib.py", "index", "table = dict(rows)", 3, 300},
};
static const struct held new_run[] = {
    {"app.py", "main", "rows = load(path)", 20, 7000000},
    {"lib.py", "index", "table = dict(rows, x=1)", 3, 300},
    {"lib.py", "index", "weights = np.zeros((5000, 10))", 9, 400000},
};

static void what_grew_shrank_came_and_went(void) {
    struct pk_diff *diff;
    CHECK_OK(pk_diff_start(&diff));
    ADD(diff, PK_DIFF_BEFORE, old_run);
    ADD(diff, PK_DIFF_AFTER, new_run);
    CHECK_OK(pk_diff_make(diff));
    CHECK(adds_up(diff));
    CHECK_EQ(diff->row_count, 5);
    const struct pk_diff_row *load = row_of(diff, "app.py:20"), *copy = row_of(diff, "app.py:12"),
                             *table = row_of(diff, "lib.py:3"), *weights = row_of(diff, "lib.py:9"),
                             *nobody = row_of(diff, "[no stack]");
    CHECK(load != NULL && copy != NULL && table != NULL && weights != NULL && nobody != NULL);
    CHECK_STR(pk_diff_status(load), "more");
    CHECK_EQ(load->bytes[0], 5000000);
    CHECK_STR(pk_diff_status(copy), "gone");
    CHECK_STR(pk_diff_status(weights), "new");
    CHECK_STR(pk_diff_status(table), "same");
    CHECK_EQ(nobody->bytes[0], 7);
    CHECK(load == &diff->rows[0] && copy == &diff->rows[1] && weights == &diff->rows[2]);
    char origin[200];
    pk_diff_origin(diff, load->frame, origin, sizeof(origin));
    CHECK_STR(origin, "was line 10");
    pk_diff_origin(diff, table->frame, origin, sizeof(origin));
    CHECK(strncmp(origin, "similar ", 8) == 0);
    CHECK(!row_of(diff, "app.py:20")->is_noise);
    pk_diff_free(diff);
}

static void processes_do_not_part_what_is_the_same(void) {
    struct pk_diff *diff;
    CHECK_OK(pk_diff_start(&diff));
    CHECK(add(diff, PK_DIFF_BEFORE, old_run, 3, false));
    CHECK(add(diff, PK_DIFF_AFTER, old_run, 3, true));
    CHECK_OK(pk_diff_make(diff));
    CHECK(adds_up(diff));
    for (uint32_t i = 0; i < diff->row_count; i++) {
        CHECK_STR(pk_diff_status(&diff->rows[i]), "same");
    }
    for (uint32_t i = 0; i < diff->node_count; i++) {
        CHECK_EQ(diff->nodes[i].bytes[0], diff->nodes[i].bytes[1]);
    }
    pk_diff_free(diff);
}

/* load: 90 to 110 before, 100 to 120 after: noise. copy: 50 before, 40 after: a change, for the
 * runs agree. The medians are shown. */
static void what_lies_in_the_band_is_noise(void) {
    static const unsigned long load[2][3] = {{90, 110, 100}, {120, 100, 108}};
    struct pk_diff *diff;
    CHECK_OK(pk_diff_start(&diff));
    for (int which = 0; which < 2; which++) {
        for (int i = 0; i < 3; i++) {
            const struct held held[] = {
                {"app.py", "main", "rows = load(path)", 10, load[which][i]},
                {"app.py", "main", "copy = list(rows)", 12, which == 0 ? 50 : 40},
            };
            ADD(diff, (enum pk_diff_which)which, held);
        }
    }
    CHECK_OK(pk_diff_make(diff));
    CHECK(adds_up(diff));
    CHECK_EQ(pk_diff_peak(diff, PK_DIFF_BEFORE), 157);
    CHECK_EQ(pk_diff_peak(diff, PK_DIFF_AFTER), 155);
    const struct pk_diff_row *noisy = row_of(diff, "app.py:10"), *real = row_of(diff, "app.py:12");
    CHECK(noisy != NULL && real != NULL);
    CHECK(noisy->is_noise);
    CHECK(!real->is_noise);
    CHECK_EQ(noisy->band[0].least, 90);
    CHECK_EQ(noisy->band[0].most, 110);
    CHECK_EQ(noisy->band[1].most, 120);
    CHECK(diff->is_noise); // 147 to 167, and 147 to 167
    struct pk_amount none = {0};
    char sentence[300];
    CHECK(!pk_diff_exceeds(diff, &none, sentence, sizeof(sentence)));
    pk_diff_free(diff);
}

/* The line is in neither run shown of its side, but in another one: not new for certain. */
static void a_line_that_comes_and_goes_by_itself_is_noise(void) {
    const struct held quiet[] = {{"app.py", "main", "rows = load(path)", 10, 1000}};
    const struct held loud[] = {{"app.py", "main", "rows = load(path)", 10, 1000},
                                {"app.py", "main", "cache[key] = make(key)", 11, 50}};
    struct pk_diff *diff;
    CHECK_OK(pk_diff_start(&diff));
    ADD(diff, PK_DIFF_BEFORE, quiet);
    ADD(diff, PK_DIFF_BEFORE, loud);
    ADD(diff, PK_DIFF_AFTER, loud);
    CHECK_OK(pk_diff_make(diff));
    const struct pk_diff_row *row = row_of(diff, "app.py:11");
    CHECK(row != NULL && row->bytes[0] == 0 && row->bytes[1] == 50);
    CHECK_EQ(row->band[0].most, 50);
    CHECK(row->is_noise);
    pk_diff_free(diff);
}

static void folding_loses_nothing_and_keeps_the_largest(void) {
    enum {
        COUNT = 200
    };
    static struct held many[2][COUNT];
    static char sources[COUNT][32];
    struct pk_diff *diff;
    for (unsigned i = 0; i < COUNT; i++) {
        snprintf(sources[i], sizeof(sources[i]), "value_%u = make()", i);
        many[0][i] = (struct held){"app.py", "main", sources[i], i + 1, i == 7 ? 90000 : i % 3};
        many[1][i] = (struct held){"app.py", "main", sources[i], i + 1, i == 8 ? 80000 : i % 5};
    }
    CHECK_OK(pk_diff_start(&diff));
    CHECK(add(diff, PK_DIFF_BEFORE, many[0], COUNT, false));
    CHECK(add(diff, PK_DIFF_AFTER, many[1], COUNT, false));
    CHECK_OK(pk_diff_make(diff));
    CHECK(adds_up(diff));
    struct pk_pool pool = {0};
    struct pk_diff_node *nodes;
    uint32_t count;
    CHECK_OK(pk_diff_tree_fold(&pool, diff->nodes, diff->node_count, 10, &nodes, &count));
    CHECK(count <= 20);
    uint64_t sums[2] = {0, 0};
    bool has_old = false, has_new = false, has_rest = false;
    for (uint32_t i = 0; i < count; i++) {
        sums[0] += nodes[i].bytes[0];
        sums[1] += nodes[i].bytes[1];
        has_old = has_old || nodes[i].bytes[0] == 90000;
        has_new = has_new || nodes[i].bytes[1] == 80000;
        has_rest = has_rest || nodes[i].frame == PK_FRAME_FOLDED;
    }
    CHECK(has_old && has_new && has_rest);
    CHECK_EQ(sums[0], pk_diff_peak(diff, PK_DIFF_BEFORE));
    CHECK_EQ(sums[1], pk_diff_peak(diff, PK_DIFF_AFTER));
    pk_pool_free(&pool);
    pk_diff_free(diff);
}

static char *write(const struct pk_diff *diff, enum pk_diff_format format) {
    struct pk_diff_options options = {.width = 80, .utf8 = true};
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    int r = pk_diff_write(diff, format, out, &options);
    fclose(out);
    if (r < 0) {
        free(text);
        return NULL;
    }
    return text;
}

static void the_terminal_shows_it(void) {
    static const char expected[] =
        "Peak memory 5.5 MiB -> 7.1 MiB: +1.5 MiB (+27.6 %)\n"
        "  before  old  app.py\n"
        "  after   new  app.py\n"
        "\n"
        "      change     before      after    line       source\n"
        "    +1.9 MiB    4.8 MiB    6.7 MiB  > app.py:20  rows = load(path)\n"
        "  -781.3 KiB  781.3 KiB        0 B  - app.py:12  copy = list(rows)\n"
        "  +390.6 KiB        0 B  390.6 KiB  + lib.py:9   weights = np.zeros((5000, 10))\n"
        "         0 B      307 B      307 B    everything else: 2 lines\n"
        "    +1.5 MiB    5.5 MiB    7.1 MiB    the peak\n"
        "Lines: > moved, + not there before, - not there any more\n";
    struct pk_diff *diff;
    CHECK_OK(pk_diff_start(&diff));
    ADD(diff, PK_DIFF_BEFORE, old_run);
    ADD(diff, PK_DIFF_AFTER, new_run);
    CHECK_OK(pk_diff_make(diff));
    char *text = write(diff, PK_DIFF_TEXT);
    CHECK_STR(text, expected);
    free(text);
    pk_diff_free(diff);
}

static void markdown_shows_it(void) {
    static const char expected[] =
        "<!-- peakline-diff -->\n"
        "### Peak memory: +1.5 MiB (+27.6 %; 5.5 MiB to 7.1 MiB)\n"
        "\n"
        "| change | before | after | line | source |\n"
        "| --: | --: | --: | :-- | :-- |\n"
        "| +1.9 MiB | 4.8 MiB | 6.7 MiB | `app.py:20` | `rows = load(path)` `was line 10` |\n"
        "| \xe2\x88\x92"
        "781.3 KiB | 781.3 KiB | 0 B | `app.py:12` | `copy = list(rows)` gone |\n"
        "| +390.6 KiB | 0 B | 390.6 KiB | `lib.py:9` | `weights = np.zeros((5000, 10))` new |\n"
        "| 0 B | 307 B | 307 B | everything else | |\n"
        "| **+1.5 MiB** | **5.5 MiB** | **7.1 MiB** | **the peak** | |\n"
        "\n"
        "- before: `old`, 5.5 MiB, `app.py`\n"
        "- after: `new`, 7.1 MiB, `app.py`\n";
    struct pk_diff *diff;
    CHECK_OK(pk_diff_start(&diff));
    ADD(diff, PK_DIFF_BEFORE, old_run);
    ADD(diff, PK_DIFF_AFTER, new_run);
    CHECK_OK(pk_diff_make(diff));
    char *text = write(diff, PK_DIFF_MARKDOWN);
    CHECK_STR(text, expected);
    free(text);
    pk_diff_free(diff);
}

/* 3,000 lines with hostile texts of 200 characters: still a comment, and nothing gets out. */
static void markdown_fits_a_comment_and_keeps_texts_inside(void) {
    enum {
        COUNT = 3000
    };
    static struct held many[COUNT];
    static char sources[COUNT][256];
    struct pk_diff *diff;
    for (unsigned i = 0; i < COUNT; i++) {
        snprintf(sources[i], sizeof(sources[i]), "`|@someone` <b>%u</b> %0150u | |", i, i);
        many[i] = (struct held){"app.py", "main", sources[i], i + 1, 1000 + i};
    }
    CHECK_OK(pk_diff_start(&diff));
    ADD(diff, PK_DIFF_BEFORE, old_run);
    CHECK(add(diff, PK_DIFF_AFTER, many, COUNT, false));
    CHECK_OK(pk_diff_make(diff));
    char *text = write(diff, PK_DIFF_MARKDOWN);
    CHECK(text != NULL);
    CHECK(strlen(text) < 65536);
    CHECK(strlen(text) > 20000); // and not empty to be safe
    for (const char *line = text; line != NULL; line = strchr(line, '\n')) {
        line += *line == '\n' ? 1 : 0;
        size_t length = strcspn(line, "\n");
        unsigned ticks = 0;
        for (size_t i = 0; i < length; i++) {
            ticks += line[i] == '`' ? 1u : 0u;
            CHECK(line[i] != '@' || ticks % 2 == 1);
        }
        CHECK(ticks % 2 == 0);
    }
    free(text);
    pk_diff_free(diff);
}

static void the_limit_itself_is_allowed(void) {
    const struct held before[] = {{"app.py", "main", "rows = load(path)", 10, 1000 - 7}};
    const struct held after[] = {{"app.py", "main", "rows = load(path)", 10, 1100 - 7}};
    struct pk_diff *diff;
    struct pk_amount limit;
    char sentence[300];
    CHECK_OK(pk_diff_start(&diff));
    ADD(diff, PK_DIFF_BEFORE, before);
    ADD(diff, PK_DIFF_AFTER, after);
    CHECK_OK(pk_diff_make(diff));
    CHECK_OK(pk_amount_parse("10%", &limit));
    CHECK(!pk_diff_exceeds(diff, &limit, sentence, sizeof(sentence)));
    CHECK_OK(pk_amount_parse("9.9%", &limit));
    CHECK(pk_diff_exceeds(diff, &limit, sentence, sizeof(sentence)));
    CHECK_STR(sentence, "the peak grew by 100 B (+10.0 %), from 1000 B to 1.1 KiB: more than the "
                        "9.9 % that --fail-on-increase allows");
    CHECK_OK(pk_amount_parse("100", &limit));
    CHECK(!pk_diff_exceeds(diff, &limit, sentence, sizeof(sentence)));
    CHECK_OK(pk_amount_parse("99", &limit));
    CHECK(pk_diff_exceeds(diff, &limit, sentence, sizeof(sentence)));
    pk_diff_free(diff);
}

static void what_does_not_add_up_is_refused(void) {
    static const char right[] = "\"bytes\":[7,0,5000000", wrong[] = "\"bytes\":[8,0,5000000";
    struct pk_profile *profile;
    char *text = make_document(old_run, 3, false);
    size_t size = strlen(text);
    for (size_t i = 0; i + sizeof(right) < size; i++) {
        if (memcmp(text + i, right, sizeof(right) - 1) == 0) {
            memcpy(text + i, wrong, sizeof(wrong) - 1);
        }
    }
    int r = pk_profile_parse(text, size, "x.json", &profile, why, sizeof(why));
    free(text);
    CHECK_EQ(r, -EBADMSG);
    CHECK_STR(why,
              "x.json is damaged: its stacks do not add up to its peak; write it again from its "
              "result directory");
}

static void foreign_newer_and_cut_documents_say_what_they_are(void) {
    static const char *const cases[][2] = {
        {"{}", "x.json is JSON, but no report of Peakline"},
        {"{\"nodes\":[]", "x.json is not a JSON report of Peakline"},
        {"{\"format\":2}", "x.json was written by a newer Peakline (format 2); update Peakline"},
        {"{\"diff_format\":1}", "x.json is itself a diff; name the reports"},
        {"{\"format\":1,\"peak\":{", "x.json is damaged: it is not whole"},
        {"{\"format\":1}", "x.json is damaged: it has no peak"},
    };
    struct pk_profile *profile;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        CHECK_EQ(pk_profile_parse(cases[i][0], strlen(cases[i][0]), "x.json", &profile, why,
                                  sizeof(why)),
                 -EBADMSG);
        if (strncmp(why, cases[i][1], strlen(cases[i][1])) != 0) {
            CHECK_STR(why, cases[i][1]);
        }
    }
}

int main(int argc, char **argv) {
    static const struct check_test tests[] = {
        TEST(what_grew_shrank_came_and_went),
        TEST(processes_do_not_part_what_is_the_same),
        TEST(what_lies_in_the_band_is_noise),
        TEST(a_line_that_comes_and_goes_by_itself_is_noise),
        TEST(folding_loses_nothing_and_keeps_the_largest),
        TEST(the_terminal_shows_it),
        TEST(markdown_shows_it),
        TEST(markdown_fits_a_comment_and_keeps_texts_inside),
        TEST(the_limit_itself_is_allowed),
        TEST(what_does_not_add_up_is_refused),
        TEST(foreign_newer_and_cut_documents_say_what_they_are),
    };
    return check_run(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
