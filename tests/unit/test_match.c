/* SPDX-License-Identifier: Apache-2.0
 * Which line is which after an edit, told as edits: a program before, a program after, and what a
 * person would say of each line. */
#include "check.h"
#include "report/match.h"
#include "report/similar.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST 64

static struct pk_match matches[MOST];

#define MATCH(before, after) \
    CHECK(pk_match_lines(before, sizeof(before) / sizeof((before)[0]), after, \
                         sizeof(after) / sizeof((after)[0]), matches) == 0)

/* Line `before` became line `after` (-1: it is gone), and how sure that is. */
#define EXPECT(before, after, how) \
    do { \
        CHECK_EQ(matches[before].other, after); \
        CHECK_EQ(matches[before].kind, how); \
    } while (0)

static void nothing_was_edited(void) {
    const struct pk_match_line program[] = {
        {"app.py", "main", "    rows = load(path)", 10},
        {"app.py", "main", "    table = index(rows)", 11},
        {"app.py", "load", "    return [parse(line) for line in file]", 4},
    };
    MATCH(program, program);
    EXPECT(0, 0, PK_MATCH_SAME);
    EXPECT(1, 1, PK_MATCH_SAME);
    EXPECT(2, 2, PK_MATCH_SAME);
    CHECK_EQ(matches[0].percent, 100);
}

static void ten_lines_were_put_in_above(void) {
    const struct pk_match_line before[] = {
        {"app.py", "main", "    rows = load(path)", 10},
        {"app.py", "main", "    table = index(rows)", 11},
    };
    const struct pk_match_line after[] = {
        {"app.py", "main", "    rows = load(path)", 20},
        {"app.py", "main", "    table = index(rows)", 21},
    };
    MATCH(before, after);
    EXPECT(0, 0, PK_MATCH_MOVED);
    EXPECT(1, 1, PK_MATCH_MOVED);
}

static void the_body_was_indented(void) {
    const struct pk_match_line before[] = {{"app.py", "main", "    rows = load(path)", 10}};
    const struct pk_match_line after[] = {{"app.py", "main", "\t\trows = load( path )", 12}};
    MATCH(before, after);
    EXPECT(0, 0, PK_MATCH_MOVED);
}

static void a_variable_was_renamed(void) {
    const struct pk_match_line before[] = {
        {"app.py", "main", "    rows = load(path, limit)", 10},
        {"app.py", "main", "    save(rows, target)", 12},
    };
    const struct pk_match_line after[] = {
        {"app.py", "main", "    records = load(path, limit)", 10},
        {"app.py", "main", "    save(records, target)", 12},
    };
    MATCH(before, after);
    EXPECT(0, 0, PK_MATCH_SIMILAR);
    EXPECT(1, 1, PK_MATCH_SIMILAR);
    CHECK(matches[0].percent >= 60 && matches[0].percent < 100);
}

static void a_number_was_changed(void) {
    const struct pk_match_line before[] = {{"app.py", "main", "    x = b'x' * 2_000_000", 10}};
    const struct pk_match_line after[] = {{"app.py", "main", "    x = b'x' * 50_000_000", 10}};
    MATCH(before, after);
    EXPECT(0, 0, PK_MATCH_SIMILAR);
}

static void a_line_was_split_in_two_and_the_greater_half_is_it(void) {
    const struct pk_match_line before[] = {
        {"app.py", "main", "    data = parse(read_everything(path))", 10},
    };
    const struct pk_match_line after[] = {
        {"app.py", "main", "    text = read_everything(path)", 10},
        {"app.py", "main", "    data = parse(text)", 11},
    };
    MATCH(before, after);
    EXPECT(0, 0, PK_MATCH_SIMILAR);
}

static void a_new_line_is_nobodys(void) {
    const struct pk_match_line before[] = {
        {"app.py", "main", "    rows = load(path)", 10},
        {"app.py", "main", "    return rows", 11},
    };
    const struct pk_match_line after[] = {
        {"app.py", "main", "    rows = load(path)", 10},
        {"app.py", "main", "    weights = np.zeros((5000, 1000))", 11},
        {"app.py", "main", "    return rows", 12},
    };
    MATCH(before, after);
    EXPECT(0, 0, PK_MATCH_SAME);
    EXPECT(1, 2, PK_MATCH_MOVED);
}

static void another_statement_in_its_place_is_another_line(void) {
    const struct pk_match_line before[] = {{"app.py", "main", "    copy = list(rows)", 11}};
    const struct pk_match_line after[] = {
        {"app.py", "main", "    weights = np.zeros((5000, 1000))", 11}};
    MATCH(before, after);
    EXPECT(0, -1, PK_MATCH_NONE);
}

static void the_same_text_twice_keeps_its_order(void) {
    const struct pk_match_line before[] = {
        {"app.py", "main", "    rows.append(row)", 10},
        {"app.py", "main", "    rows.append(row)", 20},
    };
    const struct pk_match_line after[] = {
        {"app.py", "main", "    rows.append(row)", 12},
        {"app.py", "main", "    rows.append(row)", 22},
    };
    MATCH(before, after);
    EXPECT(0, 0, PK_MATCH_MOVED);
    EXPECT(1, 1, PK_MATCH_MOVED);
}

static void of_the_same_text_twice_the_one_that_stayed_is_it(void) {
    const struct pk_match_line before[] = {
        {"app.py", "main", "    rows.append(row)", 10},
        {"app.py", "main", "    rows.append(row)", 20},
    };
    const struct pk_match_line after[] = {{"app.py", "main", "    rows.append(row)", 20}};
    MATCH(before, after);
    EXPECT(0, -1, PK_MATCH_NONE);
    EXPECT(1, 0, PK_MATCH_SAME);
}

static void two_lines_changed_places(void) {
    const struct pk_match_line before[] = {
        {"app.py", "main", "    rows = load(path)", 10},
        {"app.py", "main", "    names = read_names(other)", 11},
    };
    const struct pk_match_line after[] = {
        {"app.py", "main", "    names = read_names(other)", 10},
        {"app.py", "main", "    rows = load(path)", 11},
    };
    MATCH(before, after);
    EXPECT(0, 1, PK_MATCH_MOVED);
    EXPECT(1, 0, PK_MATCH_MOVED);
}

static void a_function_was_renamed(void) {
    const struct pk_match_line before[] = {
        {"app.py", "load", "    lines = open(path).read().splitlines()", 4},
        {"app.py", "load", "    return [parse(line) for line in lines]", 5},
        {"app.py", "main", "    rows = load(path)", 10},
    };
    const struct pk_match_line after[] = {
        {"app.py", "read_rows", "    lines = open(path).read().splitlines()", 4},
        {"app.py", "read_rows", "    return [parse(line, ',') for line in lines]", 5},
        {"app.py", "main", "    rows = read_rows(path)", 10},
    };
    MATCH(before, after);
    EXPECT(0, 0, PK_MATCH_MOVED);
    EXPECT(1, 1, PK_MATCH_SIMILAR);
    EXPECT(2, 2, PK_MATCH_SIMILAR);
}

static void a_renamed_function_takes_its_comprehension_along(void) {
    const struct pk_match_line before[] = {
        {"app.py", "load", "    rows = [str(i) * 3 for i in range(n)]", 4},
        {"app.py", "load.<locals>.<listcomp>", "    rows = [str(i) * 3 for i in range(n)]", 4},
    };
    const struct pk_match_line after[] = {
        {"app.py", "read.<locals>.<listcomp>", "    result = [str(i) * 3 for i in range(n)]", 7},
        {"app.py", "read", "    result = [str(i) * 3 for i in range(n)]", 7},
    };
    MATCH(before, after);
    EXPECT(0, 1, PK_MATCH_SIMILAR);
    EXPECT(1, 0, PK_MATCH_SIMILAR);
}

/* By its words alone the call is half another line. */
static void a_renamed_function_takes_its_calls_along(void) {
    const struct pk_match_line before[] = {
        {"app.py", "Reader.rows", "    return [parse(line) for line in lines]", 5},
        {"app.py", "<module>", "x = reader.rows(20_000)", 10},
    };
    const struct pk_match_line after[] = {
        {"app.py", "Reader.read_everything", "    return [parse(line) for line in lines]", 5},
        {"app.py", "<module>", "x = reader.read_everything(20_000)", 10},
    };
    MATCH(before, after);
    EXPECT(1, 1, PK_MATCH_SIMILAR);
    CHECK_EQ(matches[1].percent, 99);
    // another function of that name is no renamed one
    const struct pk_match_line other[] = {
        {"app.py", "Reader.read_everything", "    weights = np.zeros((5000, 1000))", 5},
        {"app.py", "<module>", "x = reader.read_everything(20_000)", 10},
    };
    MATCH(before, other);
    EXPECT(1, -1, PK_MATCH_NONE);
}

static void two_candidates_for_a_renamed_function_are_not_clear(void) {
    const struct pk_match_line before[] = {
        {"app.py", "load", "    return parse(open(path), strict)", 4},
    };
    const struct pk_match_line after[] = {
        {"app.py", "load_left", "    return parse(open(path), strict)", 4},
        {"app.py", "load_right", "    return parse(open(path), strict)", 8},
    };
    MATCH(before, after);
    EXPECT(0, -1, PK_MATCH_NONE);
}

static void a_function_was_replaced_by_another_of_its_name(void) {
    const struct pk_match_line before[] = {
        {"app.py", "load", "    return pickle.load(open(path, 'rb'))", 4}};
    const struct pk_match_line after[] = {
        {"app.py", "load", "    frames = pd.read_csv(path, chunksize=1000)", 4}};
    MATCH(before, after);
    EXPECT(0, -1, PK_MATCH_NONE);
}

static void a_file_was_renamed(void) {
    const struct pk_match_line before[] = {
        {"loading.py", "load", "    lines = open(path).read().splitlines()", 4},
        {"loading.py", "Parser.parse", "        self.rows.append(line.split(','))", 14},
        {"app.py", "main", "    rows = load(path)", 10},
    };
    const struct pk_match_line after[] = {
        {"sales/reading.py", "load", "    lines = open(path).read().splitlines()", 4},
        {"sales/reading.py", "Parser.parse", "        self.rows.append(line.split(';'))", 15},
        {"app.py", "main", "    rows = load(path)", 10},
    };
    MATCH(before, after);
    EXPECT(0, 0, PK_MATCH_MOVED);
    EXPECT(1, 1, PK_MATCH_SIMILAR);
    EXPECT(2, 2, PK_MATCH_SAME);
}

static void a_function_went_to_another_file(void) {
    const struct pk_match_line before[] = {
        {"app.py", "main", "    rows = load(path)", 10},
        {"app.py", "load", "    lines = open(path).read().splitlines()", 4},
    };
    const struct pk_match_line after[] = {
        {"app.py", "main", "    rows = load(path)", 8},
        {"tools.py", "load", "    lines = open(path).read().splitlines()", 40},
        {"tools.py", "other", "    pass", 50},
    };
    MATCH(before, after);
    EXPECT(0, 0, PK_MATCH_MOVED);
    EXPECT(1, 1, PK_MATCH_MOVED);
}

static void a_line_went_into_a_new_function(void) {
    const struct pk_match_line before[] = {
        {"app.py", "main", "    rows = load(path)", 10},
        {"app.py", "main", "    weights = np.zeros((5000, 1000))", 11},
    };
    const struct pk_match_line after[] = {
        {"app.py", "main", "    rows = load(path)", 10},
        {"app.py", "make_weights", "    weights = np.zeros((5000, 1000))", 3},
    };
    MATCH(before, after);
    EXPECT(0, 0, PK_MATCH_SAME);
    EXPECT(1, 1, PK_MATCH_MOVED);
}

static void a_short_text_elsewhere_says_nothing(void) {
    const struct pk_match_line before[] = {{"app.py", "run", "    main()", 10}};
    const struct pk_match_line after[] = {{"tool.py", "<module>", "main()", 30}};
    MATCH(before, after);
    EXPECT(0, -1, PK_MATCH_NONE);
}

static void without_any_text_the_number_counts(void) {
    const struct pk_match_line before[] = {
        {"<frozen x>", "find", "", 10},
        {"<frozen x>", "find", "", 20},
        {"", "[native thread]", "", 0},
    };
    const struct pk_match_line after[] = {
        {"<frozen x>", "find", "", 10},
        {"<frozen x>", "find", "", 22},
        {"", "[native thread]", "", 0},
    };
    MATCH(before, after);
    EXPECT(0, 0, PK_MATCH_SAME);
    EXPECT(1, 1, PK_MATCH_PLACE);
    EXPECT(2, 2, PK_MATCH_SAME);
}

static void a_text_known_on_one_side_alone_is_matched_by_number(void) {
    const struct pk_match_line before[] = {{"app.py", "main", "", 10}, {"app.py", "main", "", 14}};
    const struct pk_match_line after[] = {
        {"app.py", "main", "    rows = load(path)", 10},
        {"app.py", "main", "    one()", 12},
        {"app.py", "main", "    two()", 13},
    };
    MATCH(before, after);
    EXPECT(0, 0, PK_MATCH_PLACE);
    EXPECT(1, -1, PK_MATCH_NONE);
}

static void nothing_against_something(void) {
    const struct pk_match_line program[] = {{"app.py", "main", "    rows = load(path)", 10}};
    CHECK(pk_match_lines(NULL, 0, program, 1, matches) == 0);
    CHECK(pk_match_lines(program, 1, NULL, 0, matches) == 0);
    EXPECT(0, -1, PK_MATCH_NONE);
}

/* Whatever goes in: each line has at most one counterpart, and the kinds mean what they say. */
static void any_two_programs_keep_the_rules(void) {
    static const char *const texts[] = {"a = b(c)",          "a = b(d)",           "  a=b(c)", "",
                                        "return list(rows)", "return list(lines)", "x"};
    static const char *const functions[] = {"f", "g", "f.<locals>.<listcomp>", "<module>"};
    static const char *const paths[] = {"a.py", "b.py", ""};
    for (int round = 0; round < 3000; round++) {
        struct pk_match_line lines[2][20];
        uint32_t counts[2];
        for (int side = 0; side < 2; side++) {
            counts[side] = (uint32_t)(check_random() % 20);
            for (uint32_t i = 0; i < counts[side]; i++) {
                lines[side][i] = (struct pk_match_line){
                    paths[check_random() % 3], functions[check_random() % 4],
                    texts[check_random() % 7], (uint32_t)(check_random() % 12)};
            }
        }
        CHECK(pk_match_lines(lines[0], counts[0], lines[1], counts[1], matches) == 0);
        bool is_taken[20] = {false};
        for (uint32_t i = 0; i < counts[0]; i++) {
            const struct pk_match *match = &matches[i];
            CHECK((match->other < 0) == (match->kind == PK_MATCH_NONE));
            if (match->other >= 0) {
                const struct pk_match_line *a = &lines[0][i], *b = &lines[1][match->other];
                CHECK(!is_taken[match->other]);
                is_taken[match->other] = true;
                bool is_equal = pk_similar_is_equal(a->source, b->source);
                CHECK(match->kind != PK_MATCH_SAME || (is_equal && a->line == b->line));
                CHECK(match->kind != PK_MATCH_MOVED || is_equal);
                CHECK(match->kind != PK_MATCH_SIMILAR || (!is_equal && match->percent >= 60));
            }
        }
    }
}

static void thousands_of_lines_in_one_function_take_no_time(void) {
    enum {
        COUNT = 8000
    };
    static struct pk_match_line before[COUNT], after[COUNT];
    static struct pk_match result[COUNT];
    static char texts[COUNT][24];
    for (uint32_t i = 0; i < COUNT; i++) {
        snprintf(texts[i], sizeof(texts[i]), "value_%u = make()", i);
        before[i] = (struct pk_match_line){"data.py", "<module>", texts[i], i + 1};
        after[i] = (struct pk_match_line){"data.py", "<module>", texts[i], i + 3};
    }
    CHECK(pk_match_lines(before, COUNT, after, COUNT, result) == 0);
    for (uint32_t i = 0; i < COUNT; i++) {
        CHECK_EQ(result[i].other, (int32_t)i);
    }
}

static void likeness_goes_by_words(void) {
    CHECK_EQ(pk_similar_percent("a = b", "a=b"), 100);
    CHECK_EQ(pk_similar_percent("", ""), 100);
    CHECK_EQ(pk_similar_percent("abc", ""), 0);
    CHECK_EQ(pk_similar_percent("rows = 1", "lines = 1"),
             pk_similar_percent("lines = 1", "rows = 1"));
    CHECK(pk_similar_percent("rows = load(path)", "records = load(path)") >= 60);
    CHECK(pk_similar_percent("copy = list(rows)", "weights = np.zeros((5000, 1000))") < 40);
    // one letter is another word: `row` and `rows` are different things
    CHECK(pk_similar_percent("row", "rows") == 0);
}

int main(int argc, char **argv) {
    static const struct check_test tests[] = {
        TEST(nothing_was_edited),
        TEST(ten_lines_were_put_in_above),
        TEST(the_body_was_indented),
        TEST(a_variable_was_renamed),
        TEST(a_number_was_changed),
        TEST(a_line_was_split_in_two_and_the_greater_half_is_it),
        TEST(a_new_line_is_nobodys),
        TEST(another_statement_in_its_place_is_another_line),
        TEST(the_same_text_twice_keeps_its_order),
        TEST(of_the_same_text_twice_the_one_that_stayed_is_it),
        TEST(two_lines_changed_places),
        TEST(a_function_was_renamed),
        TEST(a_renamed_function_takes_its_comprehension_along),
        TEST(a_renamed_function_takes_its_calls_along),
        TEST(two_candidates_for_a_renamed_function_are_not_clear),
        TEST(a_function_was_replaced_by_another_of_its_name),
        TEST(a_file_was_renamed),
        TEST(a_function_went_to_another_file),
        TEST(a_line_went_into_a_new_function),
        TEST(a_short_text_elsewhere_says_nothing),
        TEST(without_any_text_the_number_counts),
        TEST(a_text_known_on_one_side_alone_is_matched_by_number),
        TEST(nothing_against_something),
        TEST(any_two_programs_keep_the_rules),
        TEST(thousands_of_lines_in_one_function_take_no_time),
        TEST(likeness_goes_by_words),
    };
    return check_run(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
