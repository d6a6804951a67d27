/* SPDX-License-Identifier: Apache-2.0
 * The terminal summary: what it says, that it fits, and that nothing from the program can act on
 * the terminal. */
#include "check.h"
#include "make_ledger.h"
#include "report/display.h"
#include "report/report.h"

#include <unistd.h>

static char directory[64];
static char output[65536];

static void start_directory(void) {
    strcpy(directory, "/tmp/test_text.XXXXXX");
    if (mkdtemp(directory) == NULL) {
        abort();
    }
}

static void in_directory(char ret_path[128], const char *name) {
    snprintf(ret_path, 128, "%s/%s", directory, name);
}

static void end_directory(void) {
    static const char *const names[] = {"ledger-1234", "ledger-77", "run.json", "main.py"};
    char path[128];
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        in_directory(path, names[i]);
        unlink(path);
    }
    rmdir(directory);
}

/* Save the ledger and the run, render them as text into `output`. */
static int render(struct make_ledger *make, const struct pk_run_info *info,
                  const struct pk_report_options *options) {
    char path[128], error[256];
    size_t size;
    struct pk_report *report;
    uint8_t *bytes = make_ledger_finish(make, &size);
    in_directory(path, "ledger-1234");
    int r = make_ledger_save(path, bytes, size);
    free(bytes);
    if (r == 0 && info != NULL) {
        r = pk_run_info_write(directory, info);
    }
    if (r == 0) {
        r = pk_report_load(directory, &report, error, sizeof(error));
    }
    if (r == 0) {
        memset(output, 0, sizeof(output));
        FILE *out = fmemopen(output, sizeof(output) - 1, "w");
        r = pk_report_write(report, PK_FORMAT_TEXT, out, options);
        fclose(out);
        pk_report_free(report);
    }
    return r;
}

static char *const command[] = {"main.py", NULL};

static struct pk_run_info usual_run(void) {
    return (struct pk_run_info){.tool = "peakline 0.1.0",
                                .argv = command,
                                .directory = directory,
                                .start_unix_ns = INT64_C(4000000000000000000),
                                .end_unix_ns = INT64_C(4000000031000000000),
                                .outcome = PK_RUN_EXIT,
                                .rss_peak_bytes = 130u << 20};
}

static const struct pk_report_options plain = {
    .width = 80, .utf8 = true, .report_path = "out/report.html"};

static void write_source(const char *text) {
    char path[128];
    in_directory(path, "main.py");
    FILE *file = fopen(path, "w");
    fputs(text, file);
    fclose(file);
}

static void the_summary_reads_like_this(void) {
    struct make_ledger make;
    start_directory();
    write_source("data = load(path)\n    w = np.zeros((5000, 1000))\nrows.append(Row(*f))\n");
    make_ledger_start(&make);
    uint32_t code = make_ledger_function(&make, "<module>", "main.py", 1, PK_FUNCTION_PYTHON);
    make_ledger_hold(&make, make_ledger_node(&make, PK_NODE_ROOT, code, 1), 64172851, 10);
    make_ledger_hold(&make, make_ledger_node(&make, PK_NODE_ROOT, code, 2), 40000000, 1);
    make_ledger_hold(&make, make_ledger_node(&make, PK_NODE_ROOT, code, 3), 12897484, 4210);
    struct pk_run_info info = usual_run();
    CHECK_OK(render(&make, &info, &plain));
    CHECK_STR(output, "Peak memory 111.6 MiB at 12.4 s of 31.0 s (resident peak 130.0 MiB)\n"
                      "  61.2 MiB  54.8 %     10  main.py:1  data = load(path)\n"
                      "  38.1 MiB  34.2 %      1  main.py:2  w = np.zeros((5000, 1000))\n"
                      "  12.3 MiB  11.0 %  4,210  main.py:3  rows.append(Row(*f))\n"
                      "Report: out/report.html\n");
    end_directory();
}

/* How many lines `output` has; none is wider than `width` columns, but for the report's path. */
static unsigned count_lines(size_t width) {
    unsigned lines = 0;
    for (char *line = output; *line != '\0'; lines++) {
        char *end = strchr(line, '\n');
        *end = '\0';
        if (pk_text_columns(line, true) > width && strncmp(line, "Report: ", 8) != 0) {
            printf("# too wide: %s\n", line);
            return 1000;
        }
        *end = '\n';
        line = end + 1;
    }
    return lines;
}

/* The user's own path and a library's long one: at 80 columns half of the room is the source's, at
 * 120 both stand whole, at 60 the place is worth more than a shred of its source. */
static void places_are_as_wide_as_they_need_to_be(void) {
    static const struct {
        unsigned width;
        const char *expected;
    } cases[] = {
        {60, "  600.0 KiB  60.0 %  1  main.py:1\n"
             "  400.0 KiB  40.0 %  1  pandas/io/.../c_wrapper.py:306\n"},
        {80, "  600.0 KiB  60.0 %  1  main.py:1                    long = 'a source line th...\n"
             "  400.0 KiB  40.0 %  1  pandas/.../c_wrapper.py:306  in read\n"},
        {120, "  600.0 KiB  60.0 %  1  main.py:1                           long = 'a source line "
              "that goes on and on, and further'\n"
              "  400.0 KiB  40.0 %  1  pandas/io/parsers/c_wrapper.py:306  in read\n"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct make_ledger make;
        start_directory();
        write_source("long = 'a source line that goes on and on, and further'\n");
        make_ledger_start(&make);
        uint32_t user = make_ledger_function(&make, "f", "main.py", 1, PK_FUNCTION_PYTHON);
        uint32_t library =
            make_ledger_function(&make, "read", "/v/site-packages/pandas/io/parsers/c_wrapper.py",
                                 1, PK_FUNCTION_PYTHON);
        make_ledger_hold(&make, make_ledger_node(&make, PK_NODE_ROOT, user, 1), 600 << 10, 1);
        make_ledger_hold(&make, make_ledger_node(&make, PK_NODE_ROOT, library, 306), 400 << 10, 1);
        struct pk_run_info info = usual_run();
        info.rss_peak_bytes = 0;
        struct pk_report_options options = plain;
        options.width = cases[i].width;
        CHECK_OK(render(&make, &info, &options));
        char *rows = strchr(output, '\n') + 1;
        char *end = strstr(rows, "Report: ");
        CHECK(end != NULL);
        *end = '\0';
        CHECK_STR(rows, cases[i].expected);
        end_directory();
    }
}

static void it_never_has_more_than_eleven_lines_nor_wider_ones(void) {
    static char *const warnings[] = {
        "This is the first of several warnings that are all much longer than one line of "
        "eighty columns can ever be.",
        "Second.", "Third.", NULL};
    for (unsigned width = 40; width <= 200; width += 40) {
        for (int extra = 0; extra < 4; extra++) {
            struct make_ledger make;
            start_directory();
            make_ledger_start(&make);
            uint32_t code = make_ledger_function(
                &make, "a_function_with_a_rather_long_name_in_it",
                "\xe6\x97\xa5\xe6\x9c\xac/\xe6\x97\xa5\xe6\x9c\xac\xe6\x97\xa5\xe6\x9c\xac/"
                "long_directory_name/main.py",
                1, PK_FUNCTION_PYTHON);
            for (uint32_t line = 1; line <= 50; line++) {
                make_ledger_hold(&make, make_ledger_node(&make, PK_NODE_ROOT, code, line),
                                 1000000 * line, 1234567);
            }
            make.header.failed_allocs = extra & 1;
            make.header.largest_failed_bytes = UINT64_C(1) << 40;
            struct pk_run_info info = usual_run();
            info.warnings = (extra & 2) != 0 ? warnings : NULL;
            info.code = (extra & 2) != 0 ? 3 : 0;
            struct pk_report_options options = plain;
            options.width = width;
            CHECK_OK(render(&make, &info, &options));
            CHECK(count_lines(width) <= 11);
            CHECK(count_lines(width) >= 8);
            CHECK(strstr(output, "... 4") != NULL); // more lines
            CHECK((strstr(output, "exit status 3") != NULL) == ((extra & 2) != 0));
            CHECK((strstr(output, "more in the report)") != NULL) == ((extra & 2) != 0));
            end_directory();
        }
    }
}

/* Peak 100 MiB; what the operating system saw differs, for a reason that its numbers tell. */
static void why_resident_is_another_number_is_said(void) {
    static const struct {
        uint64_t rss, file, pss, swap, processes, arenas, inherited;
        const char *line;
    } cases[] = {
        {115, 0, 0, 0, 1, 0, 0, NULL}, // less than a fifth: both on one line
        {85, 0, 0, 0, 1, 0, 0, NULL},
        {150, 48, 0, 0, 1, 0, 0, "Resident peak 150.0 MiB: 48.0 MiB pages of files"},
        {200, 0, 0, 0, 1, 190, 0,
         "Resident peak 200.0 MiB: 90.0 MiB free space in Python's arenas"},
        {200, 0, 0, 0, 1, 0, 0, "Resident peak 200.0 MiB: 100.0 MiB untracked (kept by"},
        {40, 0, 0, 0, 1, 0, 0, "Resident peak 40.0 MiB: 60.0 MiB allocated and never touched"},
        {40, 0, 0, 50, 1, 0, 0, "Resident peak 40.0 MiB: up to 50.0 MiB swapped out"},
        {40, 0, 0, 0, 4, 0, 0, "or held too shortly to be sampled"},
        {300, 0, 110, 0, 4, 0, 0, "Resident peak 300.0 MiB: 190.0 MiB shared by processes"},
        {200, 0, 0, 0, 2, 0, 80, "Resident peak 200.0 MiB: up to 80.0 MiB shared by "},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct make_ledger make;
        start_directory();
        make_ledger_start(&make);
        uint32_t code = make_ledger_function(&make, "f", "main.py", 1, PK_FUNCTION_PYTHON);
        make_ledger_hold(&make, make_ledger_node(&make, PK_NODE_ROOT, code, 1), 100 << 20, 1);
        make.header.arena_peak_bytes = cases[i].arenas << 20;
        make.header.inherited_bytes = cases[i].inherited << 20;
        struct pk_run_info info = usual_run();
        info.rss_peak_bytes = cases[i].rss << 20;
        info.rss_peak_file_bytes = cases[i].file << 20;
        info.pss_peak_bytes = cases[i].pss << 20;
        info.swap_peak_bytes = cases[i].swap << 20;
        info.processes_most = cases[i].processes;
        struct pk_report_options options = plain;
        options.width = 200;
        CHECK_OK(render(&make, &info, &options));
        if (cases[i].line != NULL) {
            if (strstr(output, cases[i].line) == NULL) {
                printf("# %s# %s\n", output, cases[i].line);
            }
            CHECK(strstr(output, cases[i].line) != NULL);
            CHECK(strstr(output, "(resident peak") == NULL);
        } else {
            CHECK(strstr(output, "(resident peak") != NULL);
            CHECK(strstr(output, "\nResident peak") == NULL);
        }
        end_directory();
    }
}

/* The limit that was hit is the first thing to read, whole, and the summary still fits. */
static void memory_that_ran_out_comes_first(void) {
    static char *const warnings[] = {"A second thing.", "A third.", NULL};
    for (unsigned width = 40; width <= 120; width += 40) {
        struct make_ledger make;
        start_directory();
        make_ledger_start(&make);
        uint32_t code = make_ledger_function(&make, "f", "main.py", 1, PK_FUNCTION_PYTHON);
        for (uint32_t line = 1; line < 30; line++) {
            make_ledger_hold(&make, make_ledger_node(&make, PK_NODE_ROOT, code, line), 4 << 20, 1);
        }
        make.header.failed_allocs = 1;
        make.header.largest_failed_bytes = 100 << 20;
        struct pk_run_info info = usual_run();
        info.headline = "Out of memory: the limit of 128 MiB was reached.";
        info.outcome = PK_RUN_SIGNAL;
        info.signal = 9;
        info.warnings = warnings;
        info.rss_peak_bytes = UINT64_C(400) << 20;
        struct pk_report_options options = plain;
        options.width = width;
        CHECK_OK(render(&make, &info, &options));
        CHECK(strncmp(output, "Out of memory: the limit of ", 28) == 0);
        CHECK(count_lines(width) <= 11);
        CHECK(strstr(output, "main.py:3 ") != NULL || strstr(output, "main.py:3\n") != NULL);
        CHECK(strstr(output, width == 40 ? "An alloc" : "An allocation of 100.0 MiB") != NULL);
        CHECK(strstr(output, "killed by SIGKILL") != NULL);
        end_directory();
    }
}

static void endings_that_are_not_normal_are_said(void) {
    static const struct {
        enum pk_run_outcome outcome;
        int code, signal;
        const char *sentence;
    } cases[] = {
        {PK_RUN_EXIT, 0, 0, NULL},
        {PK_RUN_EXIT, 7, 0, "The program ended with exit status 7.\n"},
        {PK_RUN_SIGNAL, 0, 9, "The program was killed by SIGKILL (signal 9).\n"},
        {PK_RUN_SIGNAL, 0, 40, "The program was killed by signal 40.\n"},
        {PK_RUN_RUNNING, 0, 0, "The program was still running; this is what it had recorded.\n"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct make_ledger make;
        start_directory();
        make_ledger_start(&make);
        struct pk_run_info info = usual_run();
        info.outcome = cases[i].outcome;
        info.code = cases[i].code;
        info.signal = cases[i].signal;
        CHECK_OK(render(&make, &info, &plain));
        CHECK(cases[i].sentence == NULL || strstr(output, cases[i].sentence) != NULL);
        CHECK(cases[i].sentence != NULL || strstr(output, "The program") == NULL);
        end_directory();
    }
}

static void a_ledger_alone_is_enough(void) {
    struct make_ledger make;
    start_directory();
    make_ledger_start(&make);
    make.header.state = PK_STATE_RUNNING;
    make.header.end_mono_ns = 0;
    make.header.peak_mono_ns = 0;
    uint32_t code = make_ledger_function(&make, "f", "/nonexistent/x.py", 1, PK_FUNCTION_PYTHON);
    make_ledger_hold(&make, make_ledger_node(&make, PK_NODE_ROOT, code, 4), 2048, 1);
    CHECK_OK(render(&make, NULL, &(struct pk_report_options){.utf8 = true}));
    CHECK_STR(output, "Peak memory 2.0 KiB\n"
                      "  2.0 KiB  100.0 %  1  /nonexistent/x.py:4  in f\n"
                      "Source not readable, lines are not shown: /nonexistent/x.py.\n"
                      "Nobody saw the program end; this is what it had recorded.\n");
    end_directory();
}

/* One line that holds something; two requests failed there. */
static void start_with_failures(struct make_ledger *make) {
    start_directory();
    make_ledger_start(make);
    uint32_t code = make_ledger_function(make, "f", "main.py", 1, PK_FUNCTION_PYTHON);
    write_source("x\n");
    uint32_t node = make_ledger_node(make, PK_NODE_ROOT, code, 1);
    make_ledger_hold(make, node, 2048, 1);
    make->header.failed_allocs = 2;
    make->header.largest_failed_bytes = UINT64_C(8) << 30;
    make->header.largest_failed_node = node;
}

static void losses_and_failures_become_warnings(void) {
    struct make_ledger make;
    start_with_failures(&make);
    make.header.dropped_events = 12345;
    struct pk_run_info info = usual_run();
    CHECK_OK(render(&make, &info, &plain));
    CHECK(strstr(output, "2 allocations failed, the largest (8.0 GiB) at main.py:1.\n") != NULL);
    CHECK(
        strstr(
            output,
            "12,345 events could not be recorded, the numbers may be off by what they moved.\n") !=
        NULL);
    end_directory();
}

/* A small program's few lines leave room: a sentence is not cut where it could go on below. */
static void sentences_are_whole_where_there_is_room(void) {
    struct make_ledger make;
    start_with_failures(&make);
    struct pk_run_info info = usual_run();
    static char *const warnings[] = {"The address space limit of 390.6 MiB (ulimit -v) was "
                                     "reached: a request for 36.0 KiB got nothing.",
                                     "Something else.", NULL};
    info.warnings = warnings;
    CHECK_OK(render(&make, &info, &plain));
    CHECK(
        strstr(output,
               "2 allocations failed, the largest (8.0 GiB) at main.py:1.\n"
               "The address space limit of 390.6 MiB (ulimit -v) was reached: a request for 36.0\n"
               "  KiB got nothing. (1 more in the report)\n") != NULL);
    CHECK(count_lines(80) <= 11);
    end_directory();
}

static void hostile_texts_are_harmless(void) {
    struct make_ledger make;
    start_directory();
    write_source("x = '\033]0;owned\007\033[31m\xe2\x80\xae\xff\t'\n");
    make_ledger_start(&make);
    uint32_t code = make_ledger_function(&make, "f\033[2J", "main.py", 1, PK_FUNCTION_PYTHON);
    make_ledger_hold(&make, make_ledger_node(&make, PK_NODE_ROOT, code, 1), 2048, 1);
    uint32_t other =
        make_ledger_function(&make, "g", "bad\nname\033[2J\r.py", 1, PK_FUNCTION_PYTHON);
    make_ledger_hold(&make, make_ledger_node(&make, PK_NODE_ROOT, other, 1), 1024, 1);
    struct pk_run_info info = usual_run();
    info.rss_peak_bytes = 0;
    static char *const warnings[] = {"line\nbreak \033[31m", NULL};
    info.warnings = warnings;
    CHECK_OK(render(&make, &info, &plain));
    for (const char *c = output; *c != '\0'; c++) {
        CHECK(*c == '\n' || (unsigned char)*c >= 0x20);
    }
    CHECK(strstr(output, "\xe2\x80\xae") == NULL);
    CHECK(
        strstr(output,
               "x = '\xef\xbf\xbd]0;owned\xef\xbf\xbd\xef\xbf\xbd[31m\xef\xbf\xbd\xef\xbf\xbd '") !=
        NULL);
    CHECK_EQ(count_lines(80), 6);
    end_directory();
}

static void colours_are_used_only_when_asked_for(void) {
    struct make_ledger make;
    start_directory();
    make_ledger_start(&make);
    uint32_t code = make_ledger_function(&make, "f", "/x.py", 1, PK_FUNCTION_PYTHON);
    make_ledger_hold(&make, make_ledger_node(&make, PK_NODE_ROOT, code, 1), 2048, 1);
    struct pk_run_info info = usual_run();
    struct pk_report_options options = plain;
    options.color = true;
    CHECK_OK(render(&make, &info, &options));
    CHECK(strstr(output, "\033[1m2.0 KiB\033[0m") != NULL);
    end_directory();
}

static void without_utf8_everything_is_ascii(void) {
    char text[64];
    CHECK_EQ(pk_text_clean(text, sizeof(text), "caf\xc3\xa9 \xe6\x97\xa5", 80, false, false), 6);
    CHECK_STR(text, "caf? ?");
}

static void cutting_counts_columns_not_bytes(void) {
    char text[64];
    CHECK_EQ(pk_text_columns("\xe6\x97\xa5\xe6\x9c\xac", true), 4); // wide
    CHECK_EQ(pk_text_columns("e\xcc\x81", true), 1);                // combining
    CHECK_EQ(pk_text_columns("\xf0\x9f\x98\x80", true), 2);         // emoji
    CHECK_EQ(
        pk_text_clean(text, sizeof(text), "\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e", 5, true, false),
        5);
    CHECK_STR(text, "\xe6\x97\xa5...");
    CHECK_EQ(pk_text_clean(text, sizeof(text), "/very/long/path.py:12", 12, true, true), 12);
    CHECK_STR(text, "...ath.py:12");
    CHECK_EQ(pk_text_clean(text, sizeof(text), "abcdef", 6, true, false), 6);
    CHECK_STR(text, "abcdef");
    CHECK_EQ(pk_text_clean(text, sizeof(text), "abcdef", 2, true, false), 2);
    CHECK_EQ(pk_text_clean(text, 4, "abcdef", 6, true, false), 3); // a small buffer
    CHECK_STR(text, "abc");
}

static void a_place_is_cut_in_the_middle(void) {
    static const struct {
        const char *place;
        size_t columns;
        const char *expected;
    } cases[] = {
        {"a/b/file.py:12", 14, "a/b/file.py:12"},
        {"pandas/io/parsers/c_wrapper.py:306", 32, "pandas/io/.../c_wrapper.py:306"},
        {"pandas/io/parsers/c_wrapper.py:306", 27, "pandas/.../c_wrapper.py:306"},
        {"pandas/io/parsers/c_wrapper.py:306", 26, ".../c_wrapper.py:306"},
        {"pandas/io/parsers/c_wrapper.py:306", 19, "...c_wrapper.py:306"},
        {"/very/long/path/f.py:1", 21, "/very/long/.../f.py:1"},
        {"<frozen importlib._bootstrap>:241", 20, "...b._bootstrap>:241"},
        {"a/b.py:1", 2, ".."},
        {"\xe6\x97\xa5\xe6\x9c\xac/lib/x.py:1", 15, "\xe6\x97\xa5\xe6\x9c\xac/lib/x.py:1"},
        {"\xe6\x97\xa5\xe6\x9c\xac/library/x.py:1", 16, "\xe6\x97\xa5\xe6\x9c\xac/.../x.py:1"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[64];
        size_t used =
            pk_text_clean_place(text, sizeof(text), cases[i].place, cases[i].columns, true);
        CHECK_STR(text, cases[i].expected);
        CHECK_EQ(used, pk_text_columns(text, true));
    }
    char text[8];
    (void)pk_text_clean_place(text, sizeof(text), "a/b/c/d/file.py:12", 16, true); // a small buffer
    CHECK_STR(text, "a/.../f");
}

static void numbers_read_well(void) {
    char text[PK_NUMBER_ROOM];
    CHECK_STR(pk_format_bytes(text, 0), "0 B");
    CHECK_STR(pk_format_bytes(text, 1023), "1023 B");
    CHECK_STR(pk_format_bytes(text, 1024), "1.0 KiB");
    CHECK_STR(pk_format_bytes(text, 1024 * 1024 - 1), "1.0 MiB"); // not 1024.0 KiB
    CHECK_STR(pk_format_bytes(text, 1536), "1.5 KiB");
    CHECK_STR(pk_format_bytes(text, UINT64_C(1) << 40), "1.0 TiB");
    CHECK_STR(pk_format_bytes(text, UINT64_MAX), "16.0 EiB");
    CHECK_STR(pk_format_share(text, 1, 3), "33.3 %");
    CHECK_STR(pk_format_share(text, 0, 0), "0.0 %");
    CHECK_STR(pk_format_share(text, UINT64_MAX, UINT64_MAX), "100.0 %");
    CHECK_STR(pk_format_count(text, 999), "999");
    CHECK_STR(pk_format_count(text, 1000), "1,000");
    CHECK_STR(pk_format_count(text, 1234567), "1,234,567");
    CHECK_STR(pk_format_time(text, 430000000), "0.43 s");
    CHECK_STR(pk_format_time(text, 994999999), "0.99 s");
    CHECK_STR(pk_format_time(text, 995000000), "1.0 s");
    CHECK_STR(pk_format_time(text, UINT64_C(12400000000)), "12.4 s");
    CHECK_STR(pk_format_time(text, UINT64_C(4160000000)), "4.2 s");
    CHECK_STR(pk_format_time(text, UINT64_C(599960000000)), "10 min 0 s");
    CHECK_STR(pk_format_time(text, UINT64_C(723000000000)), "12 min 3 s");
    CHECK_STR(pk_format_time(text, UINT64_C(7500000000000)), "2 h 5 min");
}

int main(int argc, char **argv) {
    static const struct check_test tests[] = {
        TEST(the_summary_reads_like_this),
        TEST(places_are_as_wide_as_they_need_to_be),
        TEST(it_never_has_more_than_eleven_lines_nor_wider_ones),
        TEST(why_resident_is_another_number_is_said),
        TEST(memory_that_ran_out_comes_first),
        TEST(endings_that_are_not_normal_are_said),
        TEST(a_ledger_alone_is_enough),
        TEST(losses_and_failures_become_warnings),
        TEST(sentences_are_whole_where_there_is_room),
        TEST(hostile_texts_are_harmless),
        TEST(colours_are_used_only_when_asked_for),
        TEST(without_utf8_everything_is_ascii),
        TEST(cutting_counts_columns_not_bytes),
        TEST(a_place_is_cut_in_the_middle),
        TEST(numbers_read_well),
    };
    return check_run(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
