/* SPDX-License-Identifier: Apache-2.0
 * Several processes: from ledgers and the tree file of one result directory to the peak of all of
 * them. Every answer is known by construction. */
#include "check.h"
#include "make_ledger.h"
#include "record/tree_read.h"
#include "report/label.h"
#include "report/model.h"

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#define MIB (UINT64_C(1) << 20)

static char directory[64];
static char output[65536];
static struct pk_tree_page *page;
static struct pk_report *report;

static void in_directory(char ret_path[160], const char *name) {
    snprintf(ret_path, 160, "%s/%s", directory, name);
}

/* A result directory, and a tree file to be filled in: no process yet. */
static void start(void) {
    strcpy(directory, "/tmp/test_gather.XXXXXX");
    page = aligned_alloc(4096, sizeof(*page));
    if (mkdtemp(directory) == NULL || page == NULL) {
        abort();
    }
    memset(page, 0, sizeof(*page));
    memcpy(page->magic, PK_TREE_MAGIC, sizeof(page->magic));
    page->version = PK_TREE_VERSION;
    page->slots = PK_TREE_SLOTS;
    page->start_mono_ns = 1000000000;
}

static void end(void) {
    pk_report_free(report);
    report = NULL;
    DIR *stream = opendir(directory);
    for (struct dirent *entry = readdir(stream); entry != NULL; entry = readdir(stream)) {
        char path[160 + 256];
        snprintf(path, sizeof(path), "%s/%s", directory, entry->d_name);
        unlink(path);
    }
    closedir(stream);
    rmdir(directory);
    free(page);
}

static void save_bytes(const char *name, const void *bytes, size_t size) {
    char path[160];
    in_directory(path, name);
    if (make_ledger_save(path, bytes, size) != 0) {
        abort();
    }
}

static void save_tree(void) {
    save_bytes("tree", page, sizeof(*page));
}

/* A process of the tree, with one line that allocates. Its ledger is saved with save_ledger. */
struct one {
    struct make_ledger make;
    uint32_t node;
};

static struct one start_process(uint32_t pid, uint32_t forked_from, uint32_t line) {
    struct one one;
    make_ledger_start(&one.make);
    one.make.header.pid = pid;
    one.make.header.parent_pid = forked_from != 0 ? forked_from : 1;
    one.make.header.forked_from = forked_from;
    one.make.header.start_mono_ns += pid; // in order of pid
    one.make.header.peak_mono_ns = UINT64_C(5000000000);
    strcpy(one.make.header.command, "/usr/bin/python3.11 -X dev app.py --year 2024");
    one.make.header.tree_slot = page->count;
    page->slot[page->count++].pid = pid;
    uint32_t code = make_ledger_function(&one.make, "work", "/app/app.py", 1, PK_FUNCTION_PYTHON);
    one.node = make_ledger_node(&one.make, PK_NODE_ROOT, code, line);
    return one;
}

static void save_ledger(struct one *one) {
    char name[32];
    size_t size;
    snprintf(name, sizeof(name), "ledger-%u", one->make.header.pid);
    uint8_t *bytes = make_ledger_finish(&one->make, &size);
    save_bytes(name, bytes, size);
    free(bytes);
}

/* It allocated `peak` and freed it, and held `tree` of that at the tree's peak. */
static void allocate(struct one *one, uint64_t peak, uint64_t tree) {
    make_ledger_held(&one->make, one->node, peak, 1);
    struct pk_node_counters *counters = make_ledger_counters(&one->make, one->node);
    counters->tree_bytes = tree;
    counters->tree_blocks = tree > 0;
    counters->tree_epoch = pk_tree_epoch(page->peak);
}

static int load(void) {
    char error[512];
    int r = pk_report_load(directory, &report, error, sizeof(error));
    if (r < 0) {
        printf("# %s\n", error);
    }
    return r;
}

/* A parent and the child it spawned, whose sum peaked at `peak`. */
static void start_family(uint64_t peak, struct one *ret_parent, struct one *ret_child) {
    start();
    page->peak = peak;
    *ret_parent = start_process(100, 0, 1);
    *ret_child = start_process(101, 100, 2);
}

static int load_family(struct one *parent, struct one *child) {
    save_ledger(parent);
    save_ledger(child);
    save_tree();
    return load();
}

static const struct pk_view_process *process(uint32_t pid) {
    for (uint32_t i = 0; report != NULL && i < report->view.process_count; i++) {
        if (report->view.processes[i].pid == pid) {
            return &report->view.processes[i];
        }
    }
    return NULL;
}

/* Everything that must add up, does. */
static bool adds_up(void) {
    const struct pk_view *view = &report->view;
    uint64_t in_tree[PK_COLUMNS] = {0}, in_blame[PK_COLUMNS] = {0}, in_processes[PK_COLUMNS] = {0};
    bool is_good = true;
    for (unsigned column = 0; column < PK_COLUMNS; column++) {
        for (uint32_t i = 0; i < view->tree.count; i++) {
            in_tree[column] += view->tree.columns[column][i];
        }
        for (uint32_t i = 0; i < view->blame_count; i++) {
            in_blame[column] += view->blame[i].columns[column];
        }
    }
    for (uint32_t i = 0; i < view->process_count; i++) {
        in_processes[PK_PEAK_BYTES] += view->processes[i].tree_bytes;
        in_processes[PK_PEAK_BLOCKS] += view->processes[i].tree_blocks;
        in_processes[PK_END_BYTES] += view->processes[i].end_bytes;
        in_processes[PK_END_BLOCKS] += view->processes[i].end_blocks;
        in_processes[PK_ALLOC_BYTES] += view->processes[i].alloc_bytes;
        in_processes[PK_ALLOC_BLOCKS] += view->processes[i].alloc_blocks;
    }
    for (unsigned column = 0; column < PK_COLUMNS; column++) {
        is_good = is_good && in_tree[column] == view->totals[column] &&
                  in_blame[column] == view->totals[column] &&
                  in_processes[column] == view->totals[column];
    }
    return is_good;
}

static bool says(const char *part) {
    for (uint32_t i = 0; i < report->warning_count; i++) {
        if (strstr(report->warnings[i], part) != NULL) {
            return true;
        }
    }
    return false;
}

static const char *render(enum pk_report_format format) {
    const struct pk_report_options options = {.width = 80, .utf8 = true};
    memset(output, 0, sizeof(output));
    FILE *out = fmemopen(output, sizeof(output) - 1, "w");
    int r = pk_report_write(report, format, out, &options);
    fclose(out);
    return r < 0 ? "(failed)" : output;
}

/* The first child held 40 MiB and was gone before the second held its 30: with the parent's 10 the
 * peak is 50, not 80. */
static void two_children_whose_peaks_do_not_meet_are_not_added_up(void) {
    start();
    page->peak = 50 * MIB;
    page->peak_mono_ns = UINT64_C(4000000000);
    struct one parent = start_process(100, 0, 1);
    struct one early = start_process(101, 100, 2);
    struct one late = start_process(102, 100, 2);
    allocate(&parent, 10 * MIB, 10 * MIB);
    allocate(&early, 40 * MIB, 40 * MIB);
    allocate(&late, 30 * MIB, 0); // it began after the peak: held nothing in that epoch
    save_ledger(&parent);
    save_ledger(&early);
    save_ledger(&late);
    save_tree();
    CHECK_OK(load());
    CHECK_EQ(report->view.peak_bytes, 50 * MIB);
    CHECK_EQ(process(100)->tree_bytes, 10 * MIB);
    CHECK_EQ(process(101)->tree_bytes, 40 * MIB);
    CHECK_EQ(process(102)->tree_bytes, 0);
    CHECK_EQ(process(102)->peak_bytes, 30 * MIB);
    CHECK_EQ(report->view.alloc_bytes, 80 * MIB);
    CHECK_EQ(report->peak_time_ns, 3000000000);
    CHECK(adds_up());
    CHECK_EQ(report->warning_count, 1); // the source is not there
    CHECK(strstr(render(PK_FORMAT_TEXT), "Peak memory 50.0 MiB in 2 of 3 processes at 3.0 s") ==
          output);
    CHECK_STR(render(PK_FORMAT_FOLDED), "process 101;work (/app/app.py:2) 41943040\n"
                                        "process 100;work (/app/app.py:1) 10485760\n");
    // a line that two processes stand at is one frame and one blame line
    CHECK_EQ(report->view.blame_count, 2);
    CHECK_EQ(report->view.blame[0].bytes, 40 * MIB);
    CHECK_EQ(report->view.blame[0].alloc_bytes, 70 * MIB);
    end();
}

/* end_epoch: 0 nobody found it dead, the peak's epoch, an older one, or none (it ended before any
 * peak). Only the first two took part, though every ledger still has live bytes. */
static void who_took_part_is_told_by_the_epoch_of_its_end(void) {
    start();
    page->peak = 30 * MIB;
    const uint32_t epoch = pk_tree_epoch(page->peak);
    const uint32_t ends[] = {0, epoch, epoch - 1, UINT32_MAX};
    for (uint32_t i = 0; i < 4; i++) {
        struct one one = start_process(100 + i, i == 0 ? 0 : 100, 1 + i);
        make_ledger_hold(&one.make, one.node, 15 * MIB, 1);
        save_ledger(&one);
        page->slot[i].end_epoch = ends[i];
    }
    struct one stranger = start_process(104, 100, 9); // without a slot
    stranger.make.header.tree_slot = PK_TREE_NO_SLOT;
    make_ledger_hold(&stranger.make, stranger.node, 5 * MIB, 1);
    save_ledger(&stranger);
    struct one thief = start_process(105, 100, 9); // with the slot of another process
    thief.make.header.tree_slot = 0;
    make_ledger_hold(&thief.make, thief.node, 5 * MIB, 1);
    save_ledger(&thief);
    save_tree();
    CHECK_OK(load());
    CHECK_EQ(report->view.peak_bytes, 30 * MIB);
    CHECK(process(100)->took_part && process(101)->took_part);
    for (uint32_t pid = 102; pid < 106; pid++) {
        CHECK(!process(pid)->took_part);
        CHECK_EQ(process(pid)->tree_bytes, 0);
        CHECK(process(pid)->end_bytes > 0);
    }
    CHECK(adds_up());
    end();
}

/* What a child was born with is its parent's, also when the child has freed it. */
static void inherited_memory_is_counted_once(void) {
    struct one parent, child;
    start_family(101 * MIB, &parent, &child);
    make_ledger_hold(&parent.make, parent.node, 100 * MIB, 10);
    make_ledger_hold(&child.make, child.node, 1 * MIB, 1);
    child.make.header.inherited_bytes = 100 * MIB;
    child.make.header.inherited_blocks = 10;
    child.make.header.inherited_freed_bytes = 40 * MIB;
    child.make.header.inherited_freed_blocks = 4;
    CHECK_OK(load_family(&parent, &child));
    CHECK_EQ(report->view.peak_bytes, 101 * MIB);
    CHECK_EQ(process(100)->tree_bytes, 100 * MIB);
    CHECK_EQ(process(101)->tree_bytes, 1 * MIB);
    CHECK_EQ(process(101)->inherited_bytes, 100 * MIB);
    CHECK_EQ(process(101)->inherited_freed_bytes, 40 * MIB);
    CHECK_EQ(process(101)->parent, 0);
    CHECK(adds_up());
    end();
}

/* A process that never published (or alone was higher) has the peak to itself. */
static void an_own_peak_above_the_published_one_is_the_peak(void) {
    start();
    page->peak = 30 * MIB;
    page->peak_mono_ns = UINT64_C(4000000000);
    struct one parent = start_process(100, 0, 1);
    struct one child = start_process(101, 100, 2);
    allocate(&parent, 70 * MIB, 20 * MIB);
    allocate(&child, 10 * MIB, 10 * MIB);
    CHECK_OK(load_family(&parent, &child));
    CHECK_EQ(report->view.peak_bytes, 70 * MIB);
    CHECK_EQ(process(100)->tree_bytes, 70 * MIB);
    CHECK_EQ(process(101)->tree_bytes, 0);
    CHECK_EQ(report->peak_time_ns, 4000000000); // the parent's own, since the run began
    CHECK(adds_up());
    end();
}

/* The published sum was the higher, but what the stacks kept is less than one process's own peak:
 * then that is the higher. */
static void the_stacks_of_the_peak_are_never_less_than_an_own_peak(void) {
    struct one parent, child;
    start_family(20 * MIB + 70000, &parent, &child);
    allocate(&parent, 20 * MIB + 60000, 20 * MIB);
    allocate(&child, 50000, 50000);
    CHECK_OK(load_family(&parent, &child));
    CHECK_EQ(report->view.peak_bytes, 20 * MIB + 60000);
    CHECK_EQ(process(101)->tree_bytes, 0);
    CHECK(adds_up());
    end();
}

static void a_sum_far_from_the_published_one_is_said(void) {
    struct one parent, child;
    start_family(50 * MIB, &parent, &child);
    allocate(&parent, 20 * MIB, 20 * MIB);
    allocate(&child, 20 * MIB, 20 * MIB);
    save_ledger(&parent);
    save_ledger(&child);
    struct one lost = start_process(102, 100, 3); // its ledger is
    make_ledger_drop(&lost.make);
    save_tree();
    CHECK_OK(load());
    CHECK_EQ(report->view.peak_bytes, 40 * MIB);
    CHECK(says("add up to 40.0 MiB, the processes had published 50.0 MiB"));
    end();
}

static void a_tree_file_that_is_damaged_is_said_and_the_largest_shown(void) {
    for (int damage = 0; damage < 6; damage++) {
        struct one parent, child;
        start_family(30 * MIB, &parent, &child);
        allocate(&parent, 20 * MIB, 20 * MIB);
        allocate(&child, 10 * MIB, 10 * MIB);
        save_ledger(&parent);
        save_ledger(&child);
        switch (damage) {
        case 0:
            page->magic[0] = 'X';
            break;
        case 1:
            page->version = 99;
            break;
        case 2:
            page->slots = 5;
            break;
        case 3:
            page->count = PK_TREE_SLOTS + 1;
            break;
        case 4:
            page->peak = UINT64_MAX;
            break;
        default:
            break;
        }
        if (damage == 5) {
            save_bytes("tree", page, 8192 + 64); // one of its two slots
        } else {
            save_tree();
        }
        CHECK_OK(load());
        CHECK_EQ(report->view.peak_bytes, 20 * MIB);
        CHECK(says("what was held together is not known"));
        CHECK(adds_up());
        CHECK(strstr(render(PK_FORMAT_JSON), "\"bytes_at_tree_peak\": null") != NULL ||
              strstr(output, "\"bytes_at_tree_peak\":null") != NULL);
        end();
    }
}

/* Killed in the middle of an event: its totals are ahead of its stacks. */
static void a_killed_process_has_its_share(void) {
    struct one parent, child;
    start_family(30 * MIB, &parent, &child);
    allocate(&parent, 20 * MIB, 20 * MIB);
    make_ledger_hold(&child.make, child.node, 10 * MIB, 1);
    child.make.header.state = PK_STATE_RUNNING;
    child.make.header.end_mono_ns = 0;
    child.make.header.total_bytes += 4096;
    page->slot[1].mutex[0] = 0x40000000u | 101u; // the kernel's death notice
    CHECK_OK(load_family(&parent, &child));
    CHECK_EQ(report->view.peak_bytes, 30 * MIB);
    CHECK_EQ(process(101)->tree_bytes, 10 * MIB);
    CHECK_EQ(process(101)->end_ns, -1);
    CHECK(!process(101)->is_alive);
    CHECK(adds_up());
    end();
}

static void who_still_runs_and_what_was_not_measured_is_said(void) {
    start();
    page->peak = 30 * MIB;
    page->refused = 3;
    page->notes[0] = (struct pk_tree_note){.kind = PK_NOTE_SET_ID, .count = 2, .text = "/bin/sudo"};
    page->notes[3] =
        (struct pk_tree_note){.kind = PK_NOTE_NO_LEDGER, .count = 1, .text = "no space"};
    page->notes[4] = (struct pk_tree_note){.kind = 77, .count = 1, .text = "unknown"};
    memset(page->notes[5].text, 'x', sizeof(page->notes[5].text)); // without an end
    page->notes[5].kind = PK_NOTE_STATIC;
    struct one parent = start_process(100, 0, 1);
    struct one child = start_process(101, 100, 2);
    allocate(&parent, 20 * MIB, 20 * MIB);
    make_ledger_hold(&child.make, child.node, 10 * MIB, 1);
    child.make.header.state = PK_STATE_RUNNING;
    page->slot[1].mutex[0] = 101;
    save_ledger(&parent);
    save_ledger(&child);
    save_tree();
    static char *const argv[] = {"app.py", NULL};
    const struct pk_run_info info = {
        .tool = "peakline", .argv = argv, .directory = "/app", .outcome = PK_RUN_EXIT};
    CHECK_OK(pk_run_info_write(directory, &info));
    CHECK_OK(load());
    CHECK(process(101)->is_alive);
    CHECK(says("1 process was still running"));
    CHECK(says("/bin/sudo runs with other privileges"));
    CHECK(says("No record could be made for 1 Python process (no space)"));
    CHECK(says("xxxx is linked statically"));
    CHECK(says("3 processes were too many"));
    CHECK(!says("unknown"));
    end();
}

/* 20 MiB of shared memory that parent and child have mapped: 40 of the peak, and 20 of the
 * machine. */
static void shared_memory_that_counts_in_each_is_said(void) {
    static const struct {
        uint64_t rss, pss, files;
        uint32_t kind, most;
        bool is_said;
    } cases[] = {
        {50, 25, 42, PK_FUNCTION_MAP, 2, true},
        // shared otherwise: by a fork, and that counts once
        {50, 25, 42, PK_FUNCTION_HEAP, 2, false},
        {50, 45, 42, PK_FUNCTION_MAP, 2, false}, // maps, but each process has its own
        {20, 10, 42, PK_FUNCTION_MAP, 2, false}, // not touched
        {50, 0, 42, PK_FUNCTION_MAP, 2, false},  // not known
        {50, 25, 42, PK_FUNCTION_MAP, 1, false},
        // each has its own, and the code of libraries is shared
        {50, 25, 22, PK_FUNCTION_MAP, 2, false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        start();
        page->peak = 40 * MIB;
        struct one one[2] = {start_process(100, 0, 1), start_process(101, 100, 2)};
        for (int p = 0; p < 2; p++) {
            uint32_t kind = make_ledger_function(&one[p].make, "[kind]", "", 0, cases[i].kind);
            one[p].node = make_ledger_node(&one[p].make, one[p].node, kind, 0);
            allocate(&one[p], 20 * MIB, 20 * MIB);
            save_ledger(&one[p]);
        }
        save_tree();
        struct pk_run_info info = {.outcome = PK_RUN_EXIT,
                                   .rss_peak_bytes = cases[i].rss * MIB,
                                   .rss_peak_file_bytes = cases[i].files * MIB,
                                   .pss_peak_bytes = cases[i].pss * MIB,
                                   .processes_most = cases[i].most};
        CHECK_OK(pk_run_info_write(directory, &info));
        CHECK_OK(load());
        CHECK_EQ(report->view.peak_bytes, 40 * MIB);
        CHECK_EQ(says("Shared memory counts in each process that maps it (40.0 MiB of the peak are "
                      "maps). With "
                      "each page counted once, 25.0 MiB were resident."),
                 cases[i].is_said);
        end();
    }
}

/* The supervisor said who ran on; when the report is made again later, they may have ended. */
static void that_processes_have_ended_since_is_said(void) {
    for (int is_ended = 0; is_ended < 2; is_ended++) {
        start();
        struct one one = start_process(100, 0, 1);
        make_ledger_hold(&one.make, one.node, 10 * MIB, 1);
        one.make.header.state = is_ended ? PK_STATE_ENDED : PK_STATE_RUNNING;
        page->slot[0].mutex[0] = is_ended ? 0 : 100;
        save_ledger(&one);
        save_tree();
        const struct pk_run_info info = {
            .tool = "peakline", .outcome = PK_RUN_EXIT, .still_running = 1};
        CHECK_OK(pk_run_info_write(directory, &info));
        CHECK_OK(load());
        CHECK_EQ(says("have ended since"), is_ended);
        CHECK(!says("was still running"));
        end();
    }
}

/* Eight workers of one pool are one group; a pool of another parent is another. */
static void workers_that_run_the_same_code_are_a_group(void) {
    static const struct {
        uint32_t pid, parent, forked_from, group;
        const char *command;
    } cases[] = {
        {100, 1, 0, 0, "/usr/bin/python3 app.py"},
        {101, 100, 100, 1, "/usr/bin/python3 app.py"},
        {102, 100, 100, 1, "/usr/bin/python3 app.py"},
        {103, 100, 0, 2, "python -c from multiprocessing.spawn import main; main(fd=5, pipe=71)"},
        {104, 100, 0, 2, "python -c from multiprocessing.spawn import main; main(fd=15, pipe=9)"},
        {105, 100, 0, 3, "python -c from multiprocessing.spawn import main; main(fd=, pipe=9)"},
        {106, 101, 101, 4, "/usr/bin/python3 app.py"},
        {107, 100, 100, 1, "/usr/bin/python3 app.py"},
    };
    struct pk_view_process processes[8] = {0};
    for (uint32_t i = 0; i < 8; i++) {
        processes[i].pid = cases[i].pid;
        processes[i].parent_pid = cases[i].parent;
        processes[i].forked_from = cases[i].forked_from;
        processes[i].command = cases[i].command;
    }
    CHECK_OK(pk_label_groups(processes, 8));
    for (uint32_t i = 0; i < 8; i++) {
        CHECK_EQ(processes[i].group, cases[i].group);
    }
}

static void processes_are_called_what_people_call_them(void) {
    static const struct {
        const char *command, *label;
    } cases[] = {
        {"/usr/bin/python3.11 -X dev /home/me/app.py --year 2024", "app.py"},
        {"python -m pytest tests", "pytest"},
        {"python -W error -Im joblib", "joblib"},
        {"python3 -c import x; x.y()", "-c"},
        {"python -c from multiprocessing.spawn import spawn_main", "multiprocessing spawn"},
        {"python -", "-"},
        {"python", "python"},
        {"/opt/bin/gunicorn app:app", "gunicorn"},
        {"", "python"},
        {"/", "/"},
        {"python -m", "-m"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char label[PK_LABEL_ROOM];
        pk_label_command(cases[i].command, label);
        CHECK_STR(label, cases[i].label);
    }
}

/* So many stacks that not every process can have a frame of its own: the largest does, the others
 * are one with their count, and that is said. Nothing is lost. */
static void too_many_stacks_are_shown_merged_and_that_is_said(void) {
    start();
    page->peak = 8 * MIB;
    for (uint32_t i = 0; i < 8; i++) {
        struct one one = start_process(100 + i, i == 0 ? 0 : 100, 1);
        uint32_t code = make_ledger_function(&one.make, "deep", "/app/b.py", 1, PK_FUNCTION_PYTHON);
        for (uint32_t line = 0; line < 200000; line++) {
            (void)make_ledger_node(&one.make, PK_NODE_ROOT, code, line);
        }
        make_ledger_hold(&one.make, one.node, 1 * MIB - i, 1);
        save_ledger(&one);
    }
    save_tree();
    CHECK_OK(load());
    CHECK(adds_up());
    CHECK(says("too many stacks to show each by itself"));
    CHECK_EQ(report->view.tree.count, 1 + 2 * 6); // five of their own and three together
    const char *text = render(PK_FORMAT_FOLDED);
    CHECK(strstr(text, "process x3 app.py, forked;work (/app/app.py:1) 3145710\n") != NULL);
    CHECK(strstr(text, "process 100;work (/app/app.py:1) 1048576\n") != NULL);
    end();
}

/* 2,000 children of one pool. Each ledger is let go before the next is read. */
static void thousands_of_children_are_one_page_of_processes(void) {
    start();
    page->peak = 2000 * MIB;
    for (uint32_t i = 0; i < 2000; i++) {
        struct one one = start_process(100 + i, i == 0 ? 0 : 100, 1 + i % 7);
        make_ledger_hold(&one.make, one.node, 1 * MIB, 1);
        save_ledger(&one);
    }
    save_tree();
    CHECK_OK(load());
    CHECK_EQ(report->view.process_count, 2000);
    CHECK_EQ(report->view.peak_bytes, 2000 * MIB);
    CHECK_EQ(report->view.blame_count, 7);
    CHECK_EQ(report->view.function_count, 2001); // theirs, and one a process
    CHECK(adds_up());
    end();
}

/* Two processes were refused memory: the larger request is shown, with its process and its stack,
 * though that stack never held anything. */
static void the_largest_failed_request_has_its_process_and_stack(void) {
    struct one parent, child;
    start_family(30 * MIB, &parent, &child);
    allocate(&parent, 20 * MIB, 20 * MIB);
    allocate(&child, 10 * MIB, 10 * MIB);
    parent.make.header.failed_allocs = 2;
    parent.make.header.largest_failed_bytes = 5 * MIB;
    parent.make.header.largest_failed_node = parent.node;
    uint32_t load_it =
        make_ledger_function(&child.make, "load", "/app/b.py", 1, PK_FUNCTION_PYTHON);
    child.make.header.failed_allocs = 1;
    child.make.header.largest_failed_bytes = 700 * MIB;
    child.make.header.largest_failed_node = make_ledger_node(&child.make, child.node, load_it, 77);
    CHECK_OK(load_family(&parent, &child));
    CHECK_STR(report->failed_note,
              "3 allocations failed, the largest (700.0 MiB) at /app/b.py:77.");
    CHECK_EQ(report->failed_pid, 101);
    CHECK_EQ(report->view.failed_depth, 3);
    const char *const names[] = {"process 101 app.py, forked", "work", "load"};
    for (uint32_t i = 0; i < 3; i++) {
        const struct pk_view_frame *frame = &report->view.frames[report->view.failed_stack[i]];
        CHECK_STR(report->view.functions[frame->function].name, names[i]);
    }
    CHECK(adds_up());
    end();
}

/* A named ledger is loaded alone: the tree beside it is about more than it. */
static void one_ledger_by_name_is_its_own_peak(void) {
    char path[160], error[256];
    struct one parent, child;
    start_family(30 * MIB, &parent, &child);
    allocate(&parent, 20 * MIB, 20 * MIB);
    allocate(&child, 12 * MIB, 10 * MIB);
    save_ledger(&parent);
    save_ledger(&child);
    save_tree();
    in_directory(path, "ledger-101");
    CHECK_OK(pk_report_load(path, &report, error, sizeof(error)));
    CHECK_EQ(report->view.process_count, 1);
    CHECK_EQ(report->view.peak_bytes, 12 * MIB);
    CHECK_STR(render(PK_FORMAT_FOLDED), "work (/app/app.py:2) 12582912\n");
    end();
}

/* Ledgers that would overflow any sum are left out, and said. */
static void sums_cannot_overflow(void) {
    start();
    for (uint32_t i = 0; i < 12; i++) {
        struct one one = start_process(100 + i, i == 0 ? 0 : 100, 1);
        make_ledger_hold(&one.make, one.node, UINT64_C(1) << 50, 1);
        save_ledger(&one);
    }
    save_tree();
    CHECK_OK(load());
    CHECK(report->view.process_count > 1 && report->view.process_count < 12);
    CHECK(says("than any machine has"));
    CHECK(adds_up());
    end();
}

int main(int argc, char **argv) {
    static const struct check_test tests[] = {
        TEST(two_children_whose_peaks_do_not_meet_are_not_added_up),
        TEST(who_took_part_is_told_by_the_epoch_of_its_end),
        TEST(inherited_memory_is_counted_once),
        TEST(an_own_peak_above_the_published_one_is_the_peak),
        TEST(the_stacks_of_the_peak_are_never_less_than_an_own_peak),
        TEST(a_sum_far_from_the_published_one_is_said),
        TEST(a_tree_file_that_is_damaged_is_said_and_the_largest_shown),
        TEST(a_killed_process_has_its_share),
        TEST(who_still_runs_and_what_was_not_measured_is_said),
        TEST(shared_memory_that_counts_in_each_is_said),
        TEST(that_processes_have_ended_since_is_said),
        TEST(workers_that_run_the_same_code_are_a_group),
        TEST(processes_are_called_what_people_call_them),
        TEST(too_many_stacks_are_shown_merged_and_that_is_said),
        TEST(thousands_of_children_are_one_page_of_processes),
        TEST(the_largest_failed_request_has_its_process_and_stack),
        TEST(one_ledger_by_name_is_its_own_peak),
        TEST(sums_cannot_overflow),
    };
    return check_run(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
