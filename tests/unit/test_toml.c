/* SPDX-License-Identifier: Apache-2.0
 * src/cli/toml: what stands in [tool.peakline], and nothing of what stands around it. */
#include "cli/toml.h"

#include "check.h"

static struct pk_toml_error wrong;

/* Adds "LINE KEY KIND TEXT;" to a text. */
static int note(void *context, const struct pk_toml_entry *entry) {
    static const char letters[] = "sifba";
    char *all = context;
    size_t used = strlen(all), room = 1000 - used;
    const char *text = entry->text;

    used += (size_t)snprintf(all + used, room, "%d %s %c", entry->line, entry->key,
                             letters[entry->kind]);
    for (size_t i = 0; i < (entry->kind == PK_TOML_ARRAY ? entry->count : 1); i++) {
        used += (size_t)snprintf(all + used, 1000 - used, " %s", text);
        text += strlen(text) + 1;
    }
    (void)snprintf(all + used, 1000 - used, ";");
    return 0;
}

static const char *read_size(const char *text, size_t size) {
    static char all[1200];
    all[0] = '\0';
    int error = pk_toml_read(text, size, "tool.peakline", note, all, &wrong);
    if (error != 0) {
        (void)snprintf(all, sizeof(all), "%d: %s", wrong.line, wrong.text);
    }
    return all;
}

static const char *read_text(const char *text) {
    return read_size(text, strlen(text));
}

static void every_kind_of_value_is_read(void) {
    CHECK_STR(read_text("[tool.peakline]\n"
                        "output = \"out\" # a comment\n"
                        "python='C:\\not\\escaped'\r\n"
                        "wait=5\n"
                        "big = 1_000\n"
                        "half = 0.5\n"
                        "quiet = true\n"
                        "open = false\n"
                        "list = [ 'a', \"b\",\n  # in between\n  'c', ]\n"
                        "after = -3"),
              "2 output s out;3 python s C:\\not\\escaped;4 wait i 5;5 big i 1000;6 half f 0.5;"
              "7 quiet b true;8 open b false;9 list a a b c;12 after i -3;");
}

static void escapes_stand_for_their_characters(void) {
    CHECK_STR(read_text("[tool.peakline]\na = \"x\\ty \\\"q\\\" \\u00e9 \\U0001F40D #\""),
              "2 a s x\ty \"q\" \xc3\xa9 \xf0\x9f\x90\x8d #;");
}

static void the_table_can_be_written_in_other_ways(void) {
    CHECK_STR(read_text("[ tool . \"peakline\" ]\na=1\n"), "2 a i 1;");
    CHECK_STR(read_text("[tool]\npeakline.a = 1\n"), "2 a i 1;");
    CHECK_STR(read_text("tool.peakline.a = 1\n"), "1 a i 1;");
    CHECK_STR(read_text("\xef\xbb\xbf[tool.peakline.sub]\n'a b' = 1\n"), "2 sub.a b i 1;");
}

static void what_others_wrote_is_skipped_whatever_it_is(void) {
    CHECK_STR(read_text("[project]\n"
                        "text = \"\"\"\n[tool.peakline]\nno = 1\n\"\"\"\"\n"
                        "more = '''\n[tool.peakline]\nno = 2'''\n"
                        "list = [\n '[tool.peakline]', # ]\n 'no = 3'\n]\n"
                        "date = 1979-05-27T07:32:00Z\ninline = { a = [1, 2], b = \"}\" }\n"
                        "??? not even toml\n"
                        "[[tool.other]]\nno = 4\n"
                        "[tool.peaklines]\nno = 5\n"
                        "[tool.peakline]\nyes = 1\n"
                        "[tool.black]\nno = 6\n"),
              "21 yes i 1;");
    CHECK_STR(read_text(""), "");
    CHECK_STR(read_text("[tool.other"), "");
}

static void mistakes_of_ours_are_told_with_their_line(void) {
    static const char *const cases[][2] = {
        {"a = \"open\n", "2: a string does not end on its line; close it with \""},
        {"\na = \"\"\"x\"\"\"",
         "3: a string of several lines is not understood here; write it on one line"},
        {"a = \"\\q\"", "2: this string has an escape that stands for no character; write a path "
                        "in single quotes"},
        {"a = \"\\u12\"", "2: \\u needs 4 hexadecimal digits"},
        {"a = yes", "2: a needs a string in quotes, a number, true, false or an array of strings"},
        {"a =", "2: a needs a string in quotes, a number, true, false or an array of strings"},
        {"a = 1 2", "2: a has more behind its value than a comment"},
        {"a = [1]", "2: a: an array of strings is expected to go on here"},
        {"a = ['x' 'y']",
         "2: a: the strings of an array are separated by commas, and it ends in ]"},
        {"a = ['x',\n", "3: a: an array of strings is expected to go on here"},
        {"a = {b = 1}", "2: a table in braces is not understood here; write [tool.peakline.a] and "
                        "a line for each key"},
        {"just words", "2: a line of [tool.peakline] needs the form: key = value"},
        {"[[tool.peakline]]", "2: [[tool.peakline]] is a list of tables; write [tool.peakline]"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[200];
        (void)snprintf(text, sizeof(text), "[tool.peakline]\n%s", cases[i][0]);
        CHECK_STR(read_text(text), cases[i][1]);
    }
}

static void nothing_that_can_be_in_a_file_breaks_it(void) {
    static const char seed[] =
        "[tool.peakline]\na = \"x\\u00e9\" # c\nb = ['x', \"y\"]\n"
        "c = 1_0\n[x]\nd = \"\"\"z\"\"\"\ne = '''q'''\n[tool]\npeakline.f = 1.5\n";
    char text[sizeof(seed)];

    for (int round = 0; round < 20000; round++) {
        memcpy(text, seed, sizeof(seed));
        for (uint64_t i = 0; i <= check_random() % 4; i++) {
            text[check_random() % (sizeof(seed) - 1)] =
                "\"'[]{}#=.\\\n\0u0aU,\xff"[check_random() % 18];
        }
        (void)read_size(text, (size_t)(check_random() % sizeof(seed)));
    }
    CHECK(true);
}

int main(int argc, char **argv) {
    static const struct check_test tests[] = {
        TEST(every_kind_of_value_is_read),
        TEST(escapes_stand_for_their_characters),
        TEST(the_table_can_be_written_in_other_ways),
        TEST(what_others_wrote_is_skipped_whatever_it_is),
        TEST(mistakes_of_ours_are_told_with_their_line),
        TEST(nothing_that_can_be_in_a_file_breaks_it),
    };
    return check_run(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
