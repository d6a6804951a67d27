/* SPDX-License-Identifier: Apache-2.0
 * JSON in and out, run.json, and the formats made for tools: json, folded, and the page. */
#include "check.h"
#include "make_ledger.h"
#include "report/json.h"
#include "report/report.h"

#include <sys/stat.h>
#include <unistd.h>

static char directory[64];

static void start_directory(void) {
    strcpy(directory, "/tmp/test_json.XXXXXX");
    if (mkdtemp(directory) == NULL) {
        abort();
    }
}

static void in_directory(char ret_path[128], const char *name) {
    snprintf(ret_path, 128, "%s/%s", directory, name);
}

static void end_directory(void) {
    static const char *const names[] = {"ledger-1234", "ledger-77", "ledger-66", "run.json",
                                        "main.py"};
    char path[128];
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        in_directory(path, names[i]);
        unlink(path);
    }
    rmdir(directory);
}

static void save_text(const char *name, const char *text) {
    char path[128];
    in_directory(path, name);
    FILE *file = fopen(path, "w");
    fputs(text, file);
    fclose(file);
}

static void save_ledger(const char *name, struct make_ledger *make) {
    char path[128];
    size_t size;
    uint8_t *bytes = make_ledger_finish(make, &size);
    in_directory(path, name);
    if (make_ledger_save(path, bytes, size) < 0) {
        abort();
    }
    free(bytes);
}

/* The directory's report in a format, malloced; or NULL. */
static char *render(enum pk_report_format format) {
    char error[256], *text = NULL;
    size_t size;
    struct pk_report *report;
    const struct pk_report_options options = {.width = 80};
    if (pk_report_load(directory, &report, error, sizeof(error)) < 0) {
        printf("# %s\n", error);
        return NULL;
    }
    FILE *out = open_memstream(&text, &size);
    int r = pk_report_write(report, format, out, &options);
    fclose(out);
    pk_report_free(report);
    return r < 0 ? NULL : text;
}

/* ---- the writer ------------------------------------------------------------------------------ */

static char *write_one(const char *text, unsigned flags, bool as_bytes) {
    static char output[512];
    struct pk_json json;
    memset(output, 0, sizeof(output));
    FILE *out = fmemopen(output, sizeof(output) - 1, "w");
    pk_json_start(&json, out, flags);
    (as_bytes ? pk_json_bytes : pk_json_text)(&json, NULL, text);
    fclose(out);
    return output;
}

static void texts_are_escaped(void) {
    CHECK_STR(write_one("plain", 0, false), "\"plain\"");
    CHECK_STR(write_one("\"\\\n\t\r\x01\x7f", 0, false), "\"\\\"\\\\\\n\\t\\u000d\\u0001\\u007f\"");
    CHECK_STR(write_one("caf\xc3\xa9 \xf0\x9f\x98\x80", 0, false),
              "\"caf\xc3\xa9 \xf0\x9f\x98\x80\"");
    CHECK_STR(write_one("a\xff\xc3z", 0, false), "\"a\xef\xbf\xbd\xef\xbf\xbdz\"");
    CHECK_STR(write_one("a\xffz", 0, true), "\"a\\udcffz\"");
    CHECK_STR(write_one("</script>", 0, false), "\"</script>\"");
    CHECK_STR(write_one("</script><!--\xe2\x80\xa8\xe2\x80\xa9", PK_JSON_HTML, false),
              "\"\\u003c/script>\\u003c!--\\u2028\\u2029\"");
    CHECK_STR(write_one(NULL, 0, false), "null");
}

static void commas_and_levels_are_right(void) {
    char output[256] = "";
    struct pk_json json;
    FILE *out = fmemopen(output, sizeof(output), "w");
    pk_json_start(&json, out, 0);
    pk_json_object(&json, NULL);
    pk_json_unsigned(&json, "a", UINT64_MAX);
    pk_json_array(&json, "b");
    pk_json_signed(&json, NULL, INT64_MIN);
    pk_json_bool(&json, NULL, true);
    pk_json_null(&json, NULL);
    pk_json_object(&json, NULL);
    pk_json_end_object(&json);
    pk_json_end_array(&json);
    pk_json_seconds(&json, "c", UINT64_C(12045999999));
    pk_json_end_object(&json);
    fclose(out);
    CHECK_STR(
        output,
        "{\"a\":18446744073709551615,\"b\":[-9223372036854775808,true,null,{}],\"c\":12.045}");
}

/* ---- the reader ------------------------------------------------------------------------------ */

static bool is_accepted(const char *text, size_t size) {
    struct pk_json_reader reader;
    enum pk_json_token token;
    char *copy = malloc(size + 1); // of just this size: the sanitizer sees any read behind it
    memcpy(copy, text, size);
    char *exact = realloc(copy, size == 0 ? 1 : size);
    pk_json_reader_start(&reader, exact, size);
    do {
        token = pk_json_next(&reader);
    } while (token > PK_JSON_END);
    pk_json_reader_end(&reader);
    free(exact);
    return token == PK_JSON_END;
}

static void good_json_is_read_and_bad_json_is_not(void) {
    static const char *const good[] = {"{}",
                                       "[]",
                                       " [1, -2.5, \"a\", true, false, null] ",
                                       "{\"a\":{\"b\":[{}]}}",
                                       "1",
                                       "\"\\u00e9\\ud83d\\ude00\\udcff\"",
                                       "{\"a\":1,\"b\":2}\n"};
    static const char *const bad[] = {"",
                                      "{",
                                      "}",
                                      "[",
                                      "[1,]",
                                      "{\"a\":1,}",
                                      "{\"a\"}",
                                      "{\"a\":}",
                                      "{1:2}",
                                      "[1 2]",
                                      "[1]]",
                                      "{}{}",
                                      "\"abc",
                                      "\"\\x\"",
                                      "\"\\u12\"",
                                      "\"\\u0000\"",
                                      "tru",
                                      "nul",
                                      "-",
                                      "1.",
                                      "[}",
                                      "{]",
                                      "{\"a\":1 \"b\":2}",
                                      "{,}",
                                      "[,1]",
                                      "1e5",
                                      "\"a\" 1"};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        if (!is_accepted(good[i], strlen(good[i]))) {
            printf("# refused: %s\n", good[i]);
        }
        CHECK(is_accepted(good[i], strlen(good[i])));
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (is_accepted(bad[i], strlen(bad[i]))) {
            printf("# accepted: %s\n", bad[i]);
        }
        CHECK(!is_accepted(bad[i], strlen(bad[i])));
    }
    char deep[200];
    memset(deep, '[', sizeof(deep));
    CHECK(!is_accepted(deep, sizeof(deep)));
}

static void damaged_json_never_hurts_the_reader(void) {
    static const char seed[] =
        "{\"a\":[1,-2.5,\"x\\u00e9\\n\",{\"b\":null,\"c\":true}],\"d\":\"\\ud83d\\ude00\"}";
    for (int round = 0; round < 20000; round++) {
        char text[sizeof(seed)];
        memcpy(text, seed, sizeof(seed));
        for (uint64_t changes = check_random() % 4 + 1; changes > 0; changes--) {
            text[check_random() % (sizeof(seed) - 1)] =
                (char)(check_random() % 2 != 0 ? "{}[],:\"\\u0"[check_random() % 10]
                                               : (char)check_random());
        }
        (void)is_accepted(text, check_random() % sizeof(seed));
    }
    CHECK(is_accepted(seed, sizeof(seed) - 1));
}

/* ---- run.json -------------------------------------------------------------------------------- */

static void a_run_reads_back_byte_for_byte(void) {
    static char *const argv[] = {
        "app.py", "", "caf\xc3\xa9", "\xff\xfe raw", "new\nline \"quoted\" </script>", NULL};
    static char *const warnings[] = {"One sentence.", NULL};
    static const struct pk_run_group groups[] = {
        {.directory = "/sys/a", .path = "/a", .version = 1, .limit_bytes = -1, .oom_kills = 3},
        {.directory = "", .path = "", .version = 2, .limit_bytes = 4, .limit_hits = 5}};
    start_directory();
    const struct pk_run_info info = {.tool = "peakline 0.1.0",
                                     .argv = argv,
                                     .directory = "/home/\xe9/x",
                                     .start_unix_ns = INT64_C(1700000000123456789),
                                     .end_unix_ns = INT64_C(1700000001123456789),
                                     .outcome = PK_RUN_SIGNAL,
                                     .code = 0,
                                     .signal = 9,
                                     .rss_peak_bytes = UINT64_C(1) << 40,
                                     .rss_peak_file_bytes = 1,
                                     .program_rss_peak_bytes = 2,
                                     .pss_peak_bytes = 3,
                                     .swap_peak_bytes = 4,
                                     .tracked_peak_bytes = 5,
                                     .processes_most = 6,
                                     .own_rss_bytes = 7,
                                     .own_cpu_ns = 8,
                                     .waited_ns = 10,
                                     .still_running = 9,
                                     .machine_bytes = 10,
                                     .machine_oom_kills = -1,
                                     .boot_id = "b-1",
                                     .headline = "Out of memory.",
                                     .oom = {.kind = PK_OOM_CGROUP,
                                             .limit_bytes = 11,
                                             .usage_bytes = 12,
                                             .held_bytes = 13,
                                             .failed_bytes = 14,
                                             .kills = 15,
                                             .killed_pid = 16,
                                             .is_certain = true,
                                             .path = "/a\xff/b"},
                                     .groups = groups,
                                     .group_count = 2,
                                     .warnings = warnings};
    struct pk_run_info *back;
    struct stat status;
    char path[128];
    CHECK_OK(pk_run_info_write(directory, &info));
    in_directory(path, "run.json");
    CHECK_EQ(stat(path, &status), 0);
    CHECK_EQ(status.st_mode & 077, 0); // command lines can hold secrets
    CHECK_OK(pk_run_info_read(directory, &back));
    for (size_t i = 0; argv[i] != NULL; i++) {
        CHECK_STR(back->argv[i], argv[i]);
    }
    CHECK(back->argv[5] == NULL);
    CHECK_STR(back->directory, info.directory);
    CHECK_STR(back->tool, info.tool);
    CHECK_EQ(back->start_unix_ns, info.start_unix_ns);
    CHECK_EQ(back->end_unix_ns, info.end_unix_ns);
    CHECK_EQ(back->outcome, PK_RUN_SIGNAL);
    CHECK_EQ(back->signal, 9);
    CHECK_EQ(back->rss_peak_bytes, UINT64_C(1) << 40);
    CHECK_STR(back->warnings[0], "One sentence.");
    CHECK_EQ(back->rss_peak_file_bytes, 1);
    CHECK_EQ(back->program_rss_peak_bytes, 2);
    CHECK_EQ(back->pss_peak_bytes, 3);
    CHECK_EQ(back->swap_peak_bytes, 4);
    CHECK_EQ(back->tracked_peak_bytes, 5);
    CHECK_EQ(back->processes_most, 6);
    CHECK_EQ(back->own_rss_bytes, 7);
    CHECK_EQ(back->own_cpu_ns, 8);
    CHECK_EQ(back->waited_ns, 10);
    CHECK_EQ(back->still_running, 9);
    CHECK_EQ(back->machine_bytes, 10);
    CHECK_EQ(back->machine_oom_kills, -1);
    CHECK_STR(back->boot_id, "b-1");
    CHECK_STR(back->headline, "Out of memory.");
    CHECK_EQ(back->oom.kind, PK_OOM_CGROUP);
    CHECK_EQ(back->oom.limit_bytes, 11);
    CHECK_EQ(back->oom.usage_bytes, 12);
    CHECK_EQ(back->oom.held_bytes, 13);
    CHECK_EQ(back->oom.failed_bytes, 14);
    CHECK_EQ(back->oom.kills, 15);
    CHECK_EQ(back->oom.killed_pid, 16);
    CHECK(back->oom.is_certain && !back->oom.is_program);
    CHECK_STR(back->oom.path, "/a\xff/b");
    CHECK_EQ(back->group_count, 2);
    CHECK_STR(back->groups[0].directory, "/sys/a");
    CHECK_EQ(back->groups[0].limit_bytes, -1);
    CHECK_EQ(back->groups[0].oom_kills, 3);
    CHECK_STR(back->groups[1].path, "");
    CHECK_EQ(back->groups[1].version, 2);
    CHECK_EQ(back->groups[1].limit_hits, 5);
    pk_run_info_free(back);
    end_directory();
}

static void a_run_of_another_kind_is_refused(void) {
    static const char *const texts[] = {"",
                                        "{}",
                                        "[]",
                                        "{\"format\":2}",
                                        "{\"format\":1",
                                        "{\"format\":1}x",
                                        "{\"format\":1,\"command\":[1]}",
                                        "{\"format\":1,\"command\":\"app.py\"}",
                                        "{\"format\":1,\"tool\":[]}",
                                        "{\"format\":1,\"oom\":[]}",
                                        "{\"format\":1,\"oom\":{\"path\":3}}",
                                        "{\"format\":1,\"groups\":{}}",
                                        "{\"format\":1,\"groups\":[{\"path\":\"x\"},3]}",
                                        "{\"format\":1,\"groups\":[{\"path\":\"x\"}],"
                                        "\"groups\":[",
                                        "{\"format\":1,\"outcome\":{\"kind\":3}}"};
    struct pk_run_info *info;
    start_directory();
    CHECK_EQ(pk_run_info_read(directory, &info), -ENOENT);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        save_text("run.json", texts[i]);
        CHECK_EQ(pk_run_info_read(directory, &info), -EBADMSG);
        CHECK(info == NULL);
    }
    // keys of a later version are skipped, keys given twice leak nothing
    save_text("run.json", "{\"format\":1,\"later\":{\"x\":[1,{}]},\"tool\":\"a\",\"tool\":\"b\","
                          "\"command\":[\"x\"],\"command\":[\"y\"]}");
    CHECK_OK(pk_run_info_read(directory, &info));
    CHECK_STR(info->tool, "b");
    CHECK_STR(info->argv[0], "y");
    pk_run_info_free(info);
    CHECK_EQ(pk_run_info_write("/nonexistent", &(struct pk_run_info){0}), -ENOENT);
    end_directory();
}

/* ---- the formats ----------------------------------------------------------------------------- */

static void make_hostile(struct make_ledger *make) {
    make_ledger_start(make);
    uint32_t main_code = make_ledger_function(make, "<module>", "main.py", 1, PK_FUNCTION_PYTHON);
    uint32_t odd = make_ledger_function(make, "odd;\nname</script><script>alert(1)</script>",
                                        "/x/<!--;.py", 1, PK_FUNCTION_PYTHON);
    uint32_t thread =
        make_ledger_function(make, "[native thread]", "", 0, PK_FUNCTION_NATIVE_THREAD);
    uint32_t first = make_ledger_node(make, PK_NODE_ROOT, main_code, 1);
    make_ledger_hold(make, first, 100, 2);
    make_ledger_held(make, make_ledger_node(make, first, odd, 70000), 4000, 1);
    make_ledger_hold(make, make_ledger_node(make, first, thread, 0), 20, 1);
    make_ledger_hold(make, PK_NODE_ROOT, 3, 1);
    make_ledger_map(make, "/data/</script>.bin", 1 << 20);
}

static void folded_stacks_have_one_line_each(void) {
    struct make_ledger make;
    start_directory();
    make_hostile(&make);
    save_ledger("ledger-1234", &make);
    char *text = render(PK_FORMAT_FOLDED);
    CHECK_STR(text, "[no stack] 3\n"
                    "<module> (main.py:1) 100\n"
                    "<module> (main.py:1);odd, name</script><script>alert(1)</script> "
                    "(/x/<!--,.py:70000) 4000\n"
                    "<module> (main.py:1);[native thread] 20\n");
    free(text);
    end_directory();
}

/* main.py:2 starts a thread that runs `work` of a library. */
static void make_threaded(struct make_ledger *make) {
    make_ledger_start(make);
    uint32_t code = make_ledger_function(make, "<module>", "main.py", 1, PK_FUNCTION_PYTHON);
    uint32_t work =
        make_ledger_function(make, "work", "/v/site-packages/lib.py", 1, PK_FUNCTION_PYTHON);
    uint32_t thread = make_ledger_function(make, "[thread]", "", 0, PK_FUNCTION_THREAD);
    uint32_t line = make_ledger_node(make, PK_NODE_ROOT, code, 2);
    uint32_t worker = make_ledger_node(make, PK_NODE_ROOT, thread, line);
    make_ledger_hold(make, worker, 7, 1);
    make_ledger_hold(make, make_ledger_node(make, worker, work, 30), 500, 1);
}

static void a_folded_stack_of_a_thread_begins_with_its_first_frame(void) {
    struct make_ledger make;
    start_directory();
    make_threaded(&make);
    save_ledger("ledger-1234", &make);
    char *text = render(PK_FORMAT_FOLDED);
    CHECK_STR(text, "[thread] 7\n"
                    "work (/v/site-packages/lib.py:30) 500\n");
    free(text);
    end_directory();
}

static void the_json_document_says_who_started_a_thread(void) {
    struct make_ledger make;
    start_directory();
    make_threaded(&make);
    save_ledger("ledger-1234", &make);
    char *text = render(PK_FORMAT_JSON);
    CHECK(text != NULL);
    CHECK(is_accepted(text, strlen(text)));
    // the line that started it holds nothing itself, and is there all the same
    CHECK(strstr(text, "\"functions\":{\"name\":[\"[thread]\",\"<module>\",\"work\"],"
                       "\"file\":[0,1,2],\"kind\":[6,0,0]}") != NULL);
    CHECK(strstr(text, "\"frames\":{\"function\":[0,1,2],\"line\":[0,2,30],"
                       "\"started_by\":[1,-1,-1],") != NULL);
    CHECK(strstr(text, "\"stacks\":{\"parent\":[-1,0,1],\"frame\":[-1,0,2],"
                       "\"bytes\":[0,7,500],") != NULL);
    CHECK(strstr(text, "\"blame\":[{\"bytes\":507,\"blocks\":2,\"path\":\"main.py\","
                       "\"line\":2,") != NULL);
    free(text);
    end_directory();
}

/* The form that src/report/page.h describes. */
static void the_page_carries_the_document(void) {
    struct make_ledger make;
    start_directory();
    make_threaded(&make);
    save_ledger("ledger-1234", &make);
    char *page = render(PK_FORMAT_HTML);
    CHECK(page != NULL);
    const char *data = strstr(page, "<script type=\"application/json\" id=\"peakline-data\" "
                                    "data-encoding=\"json\">{\"format\":1,");
    CHECK(data != NULL);
    const char *end = strstr(data, "</script>");
    data = strchr(data, '{');
    CHECK(is_accepted(data, (size_t)(end - data)));
    CHECK(strstr(data, "\"frames\":{\"function\":[0,1,2],\"line\":[0,2,30],"
                       "\"started_by\":[1,-1,-1],\"source\":[\"\",") != NULL);
    CHECK(strstr(data, "\"stacks\":{\"up\":[0,1,1],\"frame\":[-1,0,2],"
                       "\"bytes\":[0,7,500],") != NULL);
    CHECK(strstr(data, "\"blame\":{\"frame\":[1],\"bytes\":[507],\"blocks\":[2],"
                       "\"end_bytes\":[507],") != NULL);
    CHECK(strstr(data, "\"folded\":null,\"page\":{\"context\":{\"file\":[") != NULL);
    CHECK(strstr(data, "\"ledger\":{") != NULL);
    CHECK(strstr(data, "\"timeline\":null,") != NULL);
    free(page);
    end_directory();
}

static char *render_as(const struct pk_report_choice *choice, enum pk_report_format format) {
    char error[500], *text = NULL;
    struct pk_report *report = NULL;
    size_t size = 0;
    if (pk_report_load_as(directory, choice, &report, error, sizeof(error)) < 0) {
        return NULL;
    }
    FILE *out = open_memstream(&text, &size);
    int error_code = pk_report_write(report, format, out, &(struct pk_report_options){0});
    fclose(out);
    pk_report_free(report);
    if (error_code != 0) {
        free(text);
        return NULL;
    }
    return text;
}

static uint32_t add_function(struct make_ledger *make, const char *name, const char *file) {
    return make_ledger_function(make, name, file, 1, PK_FUNCTION_PYTHON);
}

static void a_redacted_report_names_no_directory_and_no_argument(void) {
    struct make_ledger make;
    start_directory();
    make_ledger_start(&make);
    uint32_t mine = add_function(&make, "run", "/home/ada/secret/app/main.py");
    uint32_t other = add_function(&make, "tool", "/srv/secret/tool.py");
    uint32_t library =
        add_function(&make, "read", "/home/ada/secret/v/lib/python3.11/site-packages/pandas/io.py");
    uint32_t beside = add_function(&make, "beside", "../secret client/beside.py");
    uint32_t away = add_function(&make, "away", "/home/ada/secret/app/lib/../../secret/away.py");
    uint32_t dots = add_function(&make, "dots", "a..b/dots.py");
    uint32_t text = add_function(&make, "inline", "<string>");
    uint32_t node = make_ledger_node(&make, PK_NODE_ROOT, mine, 10);
    make_ledger_hold(&make, make_ledger_node(&make, node, beside, 4), 2000, 1);
    make_ledger_hold(&make, make_ledger_node(&make, node, away, 5), 3000, 1);
    make_ledger_hold(&make, make_ledger_node(&make, node, dots, 6), 4000, 1);
    make_ledger_hold(&make, node, 1000, 1);
    make_ledger_hold(&make, make_ledger_node(&make, node, other, 2), 100, 1);
    make_ledger_hold(&make, make_ledger_node(&make, node, library, 3), 10, 1);
    make_ledger_hold(&make, make_ledger_node(&make, node, text, 1), 1, 1);
    make_ledger_map(&make, "/home/ada/secret/data.parquet", 4096);
    strcpy(make.header.command, "python /home/ada/secret/app/main.py --token hunter2");
    save_ledger("ledger-1234", &make);
    static char *const argv[] = {"-c", "token = 'hunter2'", NULL};
    static char *const warnings[] = {
        "The file /home/ada/secret/x.py, \"/home/ada/secret/y\" is gone (clients/secret/z).", NULL};
    const struct pk_run_info info = {.tool = "peakline 0.1.0",
                                     .argv = argv,
                                     .directory = "/home/ada/secret/app",
                                     .headline = "Out of memory in /home/ada/secret/cgroup.",
                                     .warnings = warnings,
                                     .outcome = PK_RUN_EXIT};
    CHECK_OK(pk_run_info_write(directory, &info));
    static const enum pk_report_format formats[] = {
        PK_FORMAT_JSON,     PK_FORMAT_HTML, PK_FORMAT_FOLDED,     PK_FORMAT_TEXT,
        PK_FORMAT_MARKDOWN, PK_FORMAT_CSV,  PK_FORMAT_SPEEDSCOPE, PK_FORMAT_DHAT,
    };
    for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
        char *plain = render_as(&(struct pk_report_choice){0}, formats[i]);
        char *redacted = render_as(&(struct pk_report_choice){.redact = true}, formats[i]);
        CHECK(plain != NULL && redacted != NULL);
        CHECK(strstr(plain, "secret") != NULL);
        CHECK(strstr(redacted, "secret") == NULL);
        CHECK(strstr(redacted, "hunter2") == NULL);
        CHECK(strstr(redacted, "main.py") != NULL);
        free(plain);
        free(redacted);
    }
    char *document = render_as(&(struct pk_report_choice){.redact = true}, PK_FORMAT_JSON);
    CHECK(strstr(document, "\"path\":[\"main.py\",\"a..b/dots.py\",\"away.py\",\"beside.py\","
                           "\"tool.py\",\"pandas/io.py\",\"<string>\"]") != NULL);
    CHECK(strstr(document, "The file x.py, \\\"y\\\" is gone (z).") != NULL);
    CHECK(strstr(document, "\"peak_bytes\":10111,") != NULL);
    free(document);
    end_directory();
}

static void whose_code_it_is_can_be_said(void) {
    struct make_ledger make;
    start_directory();
    make_ledger_start(&make);
    uint32_t mine = add_function(&make, "run", "/home/ada/app/main.py");
    uint32_t other = add_function(&make, "tool", "/srv/tool.py");
    uint32_t library = add_function(&make, "read", "/v/lib/python3.11/site-packages/pandas/io.py");
    uint32_t node = make_ledger_node(&make, PK_NODE_ROOT, mine, 10);
    uint32_t inner = make_ledger_node(&make, node, other, 2);
    make_ledger_hold(&make, make_ledger_node(&make, inner, library, 3), 500, 1);
    save_ledger("ledger-1234", &make);
    static const struct {
        struct pk_report_choice choice;
        const char *blamed;
    } cases[] = {
        {{0}, "/srv/tool.py"},
        {{.project = "/home/ada/app"}, "/home/ada/app/main.py"},
        {{.project = "/home/ada/app/"}, "/home/ada/app/main.py"},
        {{.project = "/home/ada/ap"}, "/v/lib/python3.11/site-packages/pandas/io.py"},
        {{.hide = "^/srv/"}, "/home/ada/app/main.py"},
        {{.show = "pandas/"}, "/v/lib/python3.11/site-packages/pandas/io.py"},
        {{.show = "tool", .hide = "."}, "/srv/tool.py"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char wanted[200];
        char *text = render_as(&cases[i].choice, PK_FORMAT_JSON);
        CHECK(text != NULL);
        snprintf(wanted, sizeof(wanted), "\"blame\":[{\"bytes\":500,\"blocks\":1,\"path\":\"%s\"",
                 cases[i].blamed);
        CHECK(strstr(text, wanted) != NULL);
        free(text);
    }
    CHECK(render_as(&(struct pk_report_choice){.hide = "("}, PK_FORMAT_JSON) == NULL);
    end_directory();
}

/* The number behind the first `"key":` in the text after the first `"within":`. */
static int64_t number_after(const char *text, const char *within, const char *key) {
    char pattern[64];
    snprintf(pattern, sizeof(pattern), "\"%s\":", within);
    const char *at = strstr(text, pattern);
    snprintf(pattern, sizeof(pattern), "\"%s\":", key);
    at = at == NULL ? NULL : strstr(at, pattern);
    return at == NULL ? -999 : strtoll(at + strlen(pattern), NULL, 10);
}

static void the_json_document_is_valid_and_adds_up(void) {
    struct make_ledger make;
    start_directory();
    make_hostile(&make);
    make.header.dropped_events = 5;
    save_ledger("ledger-1234", &make);
    static char *const argv[] = {"main.py", "\xff", NULL};
    const struct pk_run_info info = {.tool = "peakline 0.1.0",
                                     .argv = argv,
                                     .directory = directory,
                                     .outcome = PK_RUN_EXIT,
                                     .code = 3};
    CHECK_OK(pk_run_info_write(directory, &info));
    char *text = render(PK_FORMAT_JSON);
    CHECK(text != NULL);
    CHECK(is_accepted(text, strlen(text)));
    CHECK_EQ(number_after(text, "format", "peak_bytes"), 4123);
    CHECK_EQ(number_after(text, "peak", "bytes"), 4123);
    CHECK_EQ(number_after(text, "peak", "blocks"), 5);
    CHECK_EQ(number_after(text, "outcome", "code"), 3);
    CHECK(strstr(text, "\"outcome\":{\"kind\":\"exit\",\"code\":3,\"signal\":0") != NULL);
    CHECK(strstr(text, "\"processes\":[{\"pid\":1234,\"parent_pid\":1233,\"peak_bytes\":4123,"
                       "\"bytes_at_tree_peak\":4123,") != NULL);
    CHECK(strstr(text, "\"stacks\":{\"parent\":[-1,0,1,1],\"frame\":[-1,0,1,2],\"bytes\":[3,100,"
                       "4000,20],\"blocks\":[1,2,1,1],\"end_bytes\":[3,100,0,20],") != NULL);
    CHECK(strstr(text, "\"python_status\":\"verified\"") != NULL);
    CHECK_EQ(number_after(text, "ledger\":{\"state", "dropped_events"), 5);
    // written again, not a byte differs
    char *again = render(PK_FORMAT_JSON);
    CHECK_STR(again, text);
    free(again);
    free(text);
    end_directory();
}

static void nothing_of_the_program_becomes_markup_in_the_page(void) {
    struct make_ledger make;
    start_directory();
    make_hostile(&make);
    save_ledger("ledger-1234", &make);
    save_text("main.py", "x = '</script><script>alert(2)</script><!--'\n");
    static char *const argv[] = {"<b onclick=alert(3)>&\".py", NULL};
    const struct pk_run_info info = {
        .tool = "peakline 0.1.0", .argv = argv, .directory = directory, .outcome = PK_RUN_EXIT};
    CHECK_OK(pk_run_info_write(directory, &info));
    char *page = render(PK_FORMAT_HTML);
    CHECK(page != NULL);
    CHECK(strstr(page, "alert(1)") != NULL); // it is there
    CHECK(strstr(page, "alert(2)") != NULL);
    CHECK(strstr(page, "<script>alert") == NULL); // as text
    CHECK(strstr(page, "<b onclick") == NULL);
    CHECK(strstr(page, "<title>&#60;b onclick=alert(3)>") == NULL);
    CHECK(strstr(page,
                 "<title>&#60;b onclick=alert(3)&#62;&#38;&#34;.py: 4.0 KiB - Peakline</title>") !=
          NULL);
    const char *data = strstr(page, "data-encoding=\"json\">");
    CHECK(data != NULL);
    data += strlen("data-encoding=\"json\">");
    const char *end = strchr(data, '<');
    CHECK(strncmp(end, "</script>", 9) == 0); // the first `<` is the element's own end
    CHECK(is_accepted(data, (size_t)(end - data)));
    free(page);
    end_directory();
}

static void a_large_page_is_packed_and_stays_small(void) {
    struct make_ledger make;
    start_directory();
    make_ledger_start(&make);
    for (uint32_t i = 0; i < 4000; i++) {
        char name[32];
        snprintf(name, sizeof(name), "function_%u", i);
        (void)make_ledger_function(&make, name, i % 2 != 0 ? "/x/a.py" : "/x/b.py", i,
                                   PK_FUNCTION_PYTHON);
    }
    for (uint32_t i = 2; i < 100000; i++) {
        uint32_t node =
            make_ledger_node(&make, (uint32_t)(check_random() % (i - 1) + 1),
                             (uint32_t)(check_random() % 4000), (uint32_t)(check_random() % 1000));
        make_ledger_hold(&make, node, check_random() % 1000000, 1);
    }
    save_ledger("ledger-1234", &make);
    char *page = render(PK_FORMAT_HTML);
    CHECK(page != NULL);
    CHECK(strstr(page, "data-encoding=\"gzip+base64\">H4sI") != NULL);
    CHECK(strlen(page) < 600000);
    free(page);
    end_directory();
}

static void the_largest_process_is_shown_and_all_are_listed(void) {
    struct make_ledger make;
    start_directory();
    make_hostile(&make);
    save_ledger("ledger-1234", &make);
    make_ledger_start(&make);
    make.header.pid = 77;
    make_ledger_hold(&make, PK_NODE_ROOT, 1000000, 1);
    save_ledger("ledger-77", &make);
    save_text("ledger-66", "not a ledger at all, but long enough to be looked at");
    char *text = render(PK_FORMAT_JSON);
    CHECK(text != NULL);
    CHECK_EQ(number_after(text, "format", "peak_bytes"), 1000000);
    CHECK(strstr(text, "{\"pid\":1234,\"parent_pid\":1233,\"peak_bytes\":4123,\"bytes_at_tree_"
                       "peak\":null,\"ledger\":\"ledger-1234\",\"shown\":false,") != NULL);
    CHECK(strstr(text, "\"ledger\":\"ledger-77\",\"shown\":true,") != NULL);
    CHECK(strstr(text, "\"ledger-66 is not a ledger of Peakline.\"") != NULL);
    CHECK(strstr(text, "not known what the 2 processes held together") != NULL);
    free(text);
    end_directory();
}

static void a_directory_without_ledgers_says_so(void) {
    struct pk_report *report;
    char error[256], expected[256];
    start_directory();
    CHECK_EQ(pk_report_load(directory, &report, error, sizeof(error)), -ENOENT);
    snprintf(expected, sizeof(expected),
             "%s holds no ledger; name the result directory of a `peakline run`", directory);
    CHECK_STR(error, expected);
    CHECK_EQ(pk_report_load("/nonexistent/x", &report, error, sizeof(error)), -ENOENT);
    CHECK_STR(error, "/nonexistent/x cannot be read: No such file or directory");
    save_text("ledger-66", "not a ledger at all, but long enough to be looked at");
    CHECK_EQ(pk_report_load(directory, &report, error, sizeof(error)), -EINVAL);
    CHECK(strstr(error, "ledger-66 is not a ledger of Peakline") != NULL);
    // a ledger named itself, without its directory
    struct make_ledger make;
    char path[128];
    make_hostile(&make);
    save_ledger("ledger-1234", &make);
    in_directory(path, "ledger-1234");
    CHECK_OK(pk_report_load(path, &report, error, sizeof(error)));
    CHECK_EQ(pk_report_peak_bytes(report), 4123);
    pk_report_free(report);
    end_directory();
}

static void a_full_disk_is_noticed(void) {
    struct make_ledger make;
    struct pk_report *report;
    char error[256];
    const struct pk_report_options options = {.width = 80};
    FILE *out = fopen("/dev/full", "w");
    SKIP_IF(out == NULL, "no /dev/full");
    start_directory();
    make_hostile(&make);
    save_ledger("ledger-1234", &make);
    CHECK_OK(pk_report_load(directory, &report, error, sizeof(error)));
    CHECK_EQ(pk_report_write(report, PK_FORMAT_JSON, out, &options), -ENOSPC);
    fclose(out);
    pk_report_free(report);
    end_directory();
}

int main(int argc, char **argv) {
    static const struct check_test tests[] = {
        TEST(texts_are_escaped),
        TEST(commas_and_levels_are_right),
        TEST(good_json_is_read_and_bad_json_is_not),
        TEST(damaged_json_never_hurts_the_reader),
        TEST(a_run_reads_back_byte_for_byte),
        TEST(a_run_of_another_kind_is_refused),
        TEST(folded_stacks_have_one_line_each),
        TEST(a_folded_stack_of_a_thread_begins_with_its_first_frame),
        TEST(the_json_document_says_who_started_a_thread),
        TEST(the_page_carries_the_document),
        TEST(a_redacted_report_names_no_directory_and_no_argument),
        TEST(whose_code_it_is_can_be_said),
        TEST(the_json_document_is_valid_and_adds_up),
        TEST(nothing_of_the_program_becomes_markup_in_the_page),
        TEST(a_large_page_is_packed_and_stays_small),
        TEST(the_largest_process_is_shown_and_all_are_listed),
        TEST(a_directory_without_ledgers_says_so),
        TEST(a_full_disk_is_noticed),
    };
    return check_run(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
