/* SPDX-License-Identifier: Apache-2.0
 * The formats for other tools, from ledgers made by hand: to the letter where they are text, and
 * what becomes of very deep and of very many stacks. tests/e2e/test_exports.py reads them as their
 * viewers do. */
#include "check.h"
#include "make_ledger.h"
#include "report/model.h"
#include "report/report.h"
#include "report/stacklist.h"

#include <sys/stat.h>
#include <unistd.h>

static char directory[64];
static char *output; /* of the last render */
static size_t output_size;

static void in_directory(char ret_path[128], const char *name) {
    snprintf(ret_path, 128, "%s/%s", directory, name);
}

static void start_directory(void) {
    strcpy(directory, "/tmp/test_exports.XXXXXX");
    if (mkdtemp(directory) == NULL) {
        abort();
    }
}

static void end_directory(void) {
    static const char *const names[] = {"ledger-1234", "run.json", "main.py"};
    char path[128];
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        in_directory(path, names[i]);
        unlink(path);
    }
    rmdir(directory);
    free(output);
    output = NULL;
}

static void save_ledger(struct make_ledger *make) {
    char path[128];
    size_t size;
    uint8_t *bytes = make_ledger_finish(make, &size);
    in_directory(path, "ledger-1234");
    if (make_ledger_save(path, bytes, size) < 0) {
        abort();
    }
    free(bytes);
}

static struct pk_report *load(void) {
    char error[256];
    struct pk_report *report;
    if (pk_report_load(directory, &report, error, sizeof(error)) < 0) {
        printf("# %s\n", error);
        abort();
    }
    return report;
}

/* The directory's report in a format, in `output`. */
static int render(enum pk_report_format format) {
    const struct pk_report_options options = {.width = 80};
    struct pk_report *report = load();
    free(output);
    output = NULL;
    FILE *out = open_memstream(&output, &output_size);
    int r = pk_report_write(report, format, out, &options);
    fclose(out);
    pk_report_free(report);
    return r;
}

/* A run of 31 seconds; main.py has three lines, and is newer than the run. */
static void start_usual_run(struct make_ledger *make) {
    char path[128];
    char *argv[] = {(char *)"main.py", (char *)"it's", NULL};
    struct pk_run_info info = {.tool = "peakline 0.1.0",
                               .argv = argv,
                               .directory = directory,
                               .start_unix_ns = INT64_C(1700000000000000000),
                               .end_unix_ns = INT64_C(1700000031000000000),
                               .outcome = PK_RUN_EXIT};
    start_directory();
    in_directory(path, "main.py");
    FILE *file = fopen(path, "w");
    fputs("first = 1\n    =cmd(\"a,b\") | `x`\nrun()\n", file);
    fclose(file);
    if (pk_run_info_write(directory, &info) < 0) {
        abort();
    }
    make_ledger_start(make);
    strcpy(make->header.command, "python main.py it's");
}

/* Replaces the directory's name, which differs each time, by "/run". */
static void hide_directory(void) {
    for (char *at; (at = strstr(output, directory)) != NULL;) {
        memcpy(at, "/run", 4);
        memmove(at + 4, at + strlen(directory), strlen(at + strlen(directory)) + 1);
    }
}

/* 1 MiB at main.py:1 that is still live at the end, 512 KiB at line 2 below it that is not; 24
 * bytes without a stack. */
static void save_usual_ledger(void) {
    struct make_ledger make;
    start_usual_run(&make);
    uint32_t run = make_ledger_function(&make, "<module>", "main.py", 1, PK_FUNCTION_PYTHON);
    uint32_t bad = make_ledger_function(&make, "a|b", "main.py", 1, PK_FUNCTION_PYTHON);
    uint32_t outer = make_ledger_node(&make, PK_NODE_ROOT, run, 1);
    make_ledger_hold(&make, outer, 1 << 20, 2);
    make_ledger_held(&make, make_ledger_node(&make, outer, bad, 2), 512 << 10, 1);
    make_ledger_hold(&make, PK_NODE_ROOT, 24, 1);
    save_ledger(&make);
}

static void csv_is_like_this(void) {
    save_usual_ledger();
    CHECK_OK(render(PK_FORMAT_CSV));
    hide_directory();
    CHECK_STR(output,
              "peak_bytes,peak_blocks,end_bytes,end_blocks,alloc_bytes,alloc_blocks,path,line,"
              "function,kind,source\r\n"
              "1048576,2,1048576,2,1048576,2,\"/run/main.py\",1,\"<module>\",user,\"first = 1\"\r\n"
              "524288,1,0,0,524288,1,\"/run/main.py\",2,\"a|b\",user,"
              "\"'=cmd(\"\"a,b\"\") | `x`\"\r\n"
              "24,1,24,1,24,1,\"\",0,\"[no stack]\",none,\"\"\r\n");
    end_directory();
}

static void markdown_is_like_this(void) {
    save_usual_ledger();
    CHECK_OK(render(PK_FORMAT_MARKDOWN));
    CHECK_STR(output,
              "### Peak memory 1.5 MiB\n"
              "\n"
              "<code>main.py &#39;it&#39;&#92;&#39;&#39;s&#39;</code> held at most **1.5 MiB** "
              "(1,572,888 bytes in 4 blocks), 12.4 s into a run of 31.0 s.\n"
              "\n"
              "- `Changed since the run began, lines shown may be others: main.py.`\n"
              "\n"
              "| At the peak | Share | Blocks | Line | Source |\n"
              "| ---: | ---: | ---: | --- | --- |\n"
              "| 1.0 MiB | 66.7 % | 2 | `main.py:1` | `first = 1` |\n"
              "| 512.0 KiB | 33.3 % | 1 | `main.py:2` | "
              "<code>&#61;cmd&#40;&#34;a,b&#34;&#41; &#124; &#96;x&#96;</code> |\n"
              "| 24 B | 0.0 % | 1 | `[no stack]` |  |\n");
    end_directory();
}

static void speedscope_is_like_this(void) {
    save_usual_ledger();
    CHECK_OK(render(PK_FORMAT_SPEEDSCOPE));
    hide_directory();
    CHECK_STR(
        output,
        "{\n\"$schema\":\"https://www.speedscope.app/file-format-schema.json\",\n"
        "\"name\":\"main.py: 1.5 MiB at the peak\",\n"
        "\"exporter\":\"peakline 0.1.0\",\n"
        "\"activeProfileIndex\":0,\n"
        "\"shared\":{\"frames\":[{\"name\":\"[no stack]\"},"
        "{\"name\":\"<module> (main.py:1)\",\"file\":\"/run/main.py\",\"line\":1},"
        "{\"name\":\"a|b (main.py:2)\",\"file\":\"/run/main.py\",\"line\":2}]},\n"
        "\"profiles\":["
        "{\"type\":\"sampled\",\"name\":\"bytes at the peak\",\"unit\":\"bytes\","
        "\"samples\":[[0],[1],[1,2]],\"weights\":[24,1048576,524288],"
        "\"startValue\":0,\"endValue\":1572888},"
        "{\"type\":\"sampled\",\"name\":\"bytes live at the end\",\"unit\":\"bytes\","
        "\"samples\":[[0],[1]],\"weights\":[24,1048576],\"startValue\":0,\"endValue\":1048600},"
        "{\"type\":\"sampled\",\"name\":\"bytes allocated over the run\",\"unit\":\"bytes\","
        "\"samples\":[[0],[1],[1,2]],\"weights\":[24,1048576,524288],"
        "\"startValue\":0,\"endValue\":1572888}]\n}\n");
    end_directory();
}

static void dhat_is_like_this(void) {
    save_usual_ledger();
    CHECK_OK(render(PK_FORMAT_DHAT));
    hide_directory();
    CHECK_STR(
        output,
        "{\n\"dhatFileVersion\":2,\n"
        "\"mode\":\"heap (Peakline: block lifetimes are not known and read 0; a maximum is the "
        "larger of t-gmax and t-end)\",\n"
        "\"verb\":\"Allocated\",\n\"bklt\":true,\n\"bkacc\":false,\n\"tu\":\"us\",\n"
        "\"Mtu\":\"s\",\n\"tuth\":0,\n\"cmd\":\"main.py 'it'\\\\''s'\",\n\"pid\":1234,\n"
        "\"te\":31000000,\n\"tg\":12400000,\n"
        "\"pps\":["
        "{\"tb\":24,\"tbk\":1,\"tl\":0,\"mb\":24,\"mbk\":1,\"gb\":24,\"gbk\":1,\"eb\":24,"
        "\"ebk\":1,\"fs\":[1]},"
        "{\"tb\":1048576,\"tbk\":2,\"tl\":0,\"mb\":1048576,\"mbk\":2,\"gb\":1048576,\"gbk\":2,"
        "\"eb\":1048576,\"ebk\":2,\"fs\":[2]},"
        "{\"tb\":524288,\"tbk\":1,\"tl\":0,\"mb\":524288,\"mbk\":1,\"gb\":524288,\"gbk\":1,"
        "\"eb\":0,\"ebk\":0,\"fs\":[3,2]}],\n"
        "\"ftbl\":[\"[root]\",\"0x1: [no stack] (in Peakline)\","
        "\"0x2: <module> (/run/main.py:1)\",\"0x3: a|b (/run/main.py:2)\"]\n}\n");
    end_directory();
}

static void a_program_that_held_nothing_has_all_formats(void) {
    struct make_ledger make;
    start_usual_run(&make);
    save_ledger(&make);
    for (enum pk_report_format format = PK_FORMAT_PPROF; format <= PK_FORMAT_CSV; format++) {
        CHECK_OK(render(format));
        CHECK(output_size > 0);
    }
    end_directory();
}

/* A chain of `depth` calls of one function, each of which holds `bytes`. */
static void add_recursion(struct make_ledger *make, uint32_t depth, uint64_t bytes) {
    uint32_t function = make_ledger_function(make, "f", "main.py", 1, PK_FUNCTION_PYTHON);
    uint32_t node = PK_NODE_ROOT;
    for (uint32_t i = 0; i < depth; i++) {
        node = make_ledger_node(make, node, function, 1 + i % 2);
        make_ledger_hold(make, node, bytes, 1);
    }
}

static void stacks_stay_whole_while_there_is_room(void) {
    struct make_ledger make;
    struct pk_stacklist list;
    uint32_t expected = 1;
    start_usual_run(&make);
    add_recursion(&make, 3000, 8); // 4.5 million frames
    save_ledger(&make);
    struct pk_report *report = load();
    CHECK_OK(pk_stacklist_start(&list, &report->view));
    CHECK_EQ(list.depth_limit, UINT32_MAX);
    while (pk_stacklist_next(&list)) {
        CHECK_EQ(list.count, expected++);
    }
    CHECK_EQ(expected, 3001);
    CHECK(!pk_stacklist_next(&list)); // and stays at the end
    pk_stacklist_end(&list);
    pk_report_free(report);
    end_directory();
}

/* 20,000 levels that all hold something: 200 million frames if none were left out. */
static void deep_stacks_lose_their_middle(void) {
    struct make_ledger make;
    struct pk_stacklist list;
    uint64_t frames = 0, bytes = 0;
    uint32_t depth = 0;
    start_usual_run(&make);
    add_recursion(&make, 20000, 8);
    save_ledger(&make);
    struct pk_report *report = load();
    CHECK_OK(pk_stacklist_start(&list, &report->view));
    CHECK(list.depth_limit >= PK_STACKLIST_MIN_DEPTH);
    while (pk_stacklist_next(&list)) {
        depth++;
        frames += list.count;
        bytes += list.values[PK_PEAK_BYTES];
        CHECK_EQ(list.count, depth < list.depth_limit ? depth : list.depth_limit);
        // both ends are the stack's own: lines take turns
        CHECK_EQ(list.table[list.frames[0]], list.view->tree.frames[1]);
        CHECK_EQ(list.table[list.frames[list.count - 1]], list.view->tree.frames[list.node]);
    }
    CHECK_EQ(depth, 20000);
    CHECK_EQ(bytes, 160000);
    CHECK(frames <= PK_STACKLIST_MAX_FRAMES);
    CHECK(frames > PK_STACKLIST_MAX_FRAMES * 9 / 10);
    pk_stacklist_end(&list);
    pk_report_free(report);
    for (enum pk_report_format format = PK_FORMAT_PPROF; format <= PK_FORMAT_CSV; format++) {
        CHECK_OK(render(format));
        CHECK(output_size < 64u << 20);
    }
    end_directory();
}

int main(int argc, char **argv) {
    static const struct check_test tests[] = {
        TEST(csv_is_like_this),
        TEST(markdown_is_like_this),
        TEST(speedscope_is_like_this),
        TEST(dhat_is_like_this),
        TEST(a_program_that_held_nothing_has_all_formats),
        TEST(stacks_stay_whole_while_there_is_room),
        TEST(deep_stacks_lose_their_middle),
    };
    return check_run(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
