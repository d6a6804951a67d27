/* SPDX-License-Identifier: Apache-2.0
 * From a ledger to what every format shows: the tree, the blame lines, whose file it is, source
 * lines. */
#include "check.h"
#include "make_ledger.h"
#include "report/source.h"
#include "report/view.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct pk_path_rules rules = {.directory = "/app", .string_is_user = true};

/* A ledger, read back, and its view. */
struct scene {
    struct pk_snapshot *snapshot;
    struct pk_view view;
    bool is_good;
};

static struct scene show(struct make_ledger *make) {
    struct scene scene = {0};
    char error[256];
    size_t size;
    uint8_t *bytes = make_ledger_finish(make, &size);
    int r = pk_snapshot_read_memory(bytes, size, "ledger", &scene.snapshot, error, sizeof(error));
    free(bytes);
    if (r < 0) {
        printf("# %s\n", error);
        return scene;
    }
    scene.is_good = pk_view_build(scene.snapshot, &rules, &scene.view) == 0;
    return scene;
}

static void drop(struct scene *scene) {
    pk_view_free(&scene->view);
    pk_snapshot_free(scene->snapshot);
}

static uint64_t sum(const uint64_t *values, uint32_t count) {
    uint64_t total = 0;
    for (uint32_t i = 0; i < count; i++) {
        total += values[i];
    }
    return total;
}

static const char *name_of(const struct pk_view *view, int32_t frame) {
    return frame == PK_FRAME_ROOT     ? "(root)"
           : frame == PK_FRAME_FOLDED ? "(folded)"
                                      : view->functions[view->frames[frame].function].name;
}

static void the_tree_is_in_preorder_largest_first_without_empty_stacks(void) {
    struct make_ledger make;
    make_ledger_start(&make);
    uint32_t a = make_ledger_function(&make, "a", "a.py", 1, PK_FUNCTION_PYTHON);
    uint32_t b = make_ledger_function(&make, "b", "a.py", 5, PK_FUNCTION_PYTHON);
    uint32_t c = make_ledger_function(&make, "c", "a.py", 9, PK_FUNCTION_PYTHON);
    uint32_t small = make_ledger_node(&make, PK_NODE_ROOT, a, 1);
    uint32_t large = make_ledger_node(&make, PK_NODE_ROOT, b, 6);
    uint32_t empty = make_ledger_node(&make, large, c, 10);
    (void)make_ledger_node(&make, empty, a, 2);
    make_ledger_hold(&make, small, 100, 1);
    make_ledger_hold(&make, make_ledger_node(&make, large, a, 2), 150, 2);
    make_ledger_hold(&make, make_ledger_node(&make, large, c, 11), 300, 3);
    make_ledger_hold(&make, PK_NODE_ROOT, 7, 1);
    struct scene scene = show(&make);
    CHECK(scene.is_good);
    const struct pk_tree *tree = &scene.view.tree;
    static const struct {
        const char *name;
        uint32_t up;
        uint64_t bytes;
    } expected[] = {{"(root)", 0, 7}, {"b", 1, 0}, {"c", 1, 300}, {"a", 2, 150}, {"a", 4, 100}};
    CHECK_EQ(tree->count, 5);
    for (uint32_t i = 0; i < tree->count; i++) {
        CHECK_STR(name_of(&scene.view, tree->frames[i]), expected[i].name);
        CHECK_EQ(tree->up[i], expected[i].up);
        CHECK_EQ(tree->bytes[i], expected[i].bytes);
    }
    CHECK_EQ(scene.view.peak_bytes, 557);
    CHECK_EQ(sum(tree->blocks, tree->count), scene.view.peak_blocks);
    drop(&scene);
}

static void bytes_in_no_stack_become_a_frame_of_their_own(void) {
    struct make_ledger make;
    make_ledger_start(&make);
    uint32_t a = make_ledger_function(&make, "a", "a.py", 1, PK_FUNCTION_PYTHON);
    make_ledger_hold(&make, make_ledger_node(&make, PK_NODE_ROOT, a, 1), 100, 1);
    make.header.peak_bytes += 24; // the total was raised, the process died before the node was
    make.header.peak_blocks += 1;
    struct scene scene = show(&make);
    CHECK(scene.is_good);
    CHECK_EQ(scene.view.peak_bytes, 124);
    CHECK_EQ(scene.view.in_flight_bytes, 24);
    CHECK_EQ(scene.view.tree.count, 3);
    CHECK_STR(name_of(&scene.view, scene.view.tree.frames[2]), "[in flight]");
    CHECK_EQ(scene.view.tree.bytes[2], 24);
    CHECK_EQ(scene.view.blame_count, 2);
    drop(&scene);
}

static void stacks_beyond_the_peak_are_kept_and_said(void) {
    struct make_ledger make;
    make_ledger_start(&make);
    uint32_t a = make_ledger_function(&make, "a", "a.py", 1, PK_FUNCTION_PYTHON);
    make_ledger_hold(&make, make_ledger_node(&make, PK_NODE_ROOT, a, 1), 100, 1);
    make.header.peak_bytes = 60;
    struct scene scene = show(&make);
    CHECK(scene.is_good);
    CHECK_EQ(scene.view.peak_bytes, 100);
    CHECK_EQ(scene.view.surplus_bytes, 40);
    CHECK_EQ(scene.view.in_flight_bytes, 0);
    CHECK_EQ(sum(scene.view.tree.bytes, scene.view.tree.count), 100);
    drop(&scene);
}

/* A line's Python objects, what the C heap gave it and what it mapped: one frame, parts told
 * apart. */
static void kinds_of_memory_are_parts_of_their_line(void) {
    struct make_ledger make;
    make_ledger_start(&make);
    uint32_t code = make_ledger_function(&make, "f", "a.py", 1, PK_FUNCTION_PYTHON);
    uint32_t heap = make_ledger_function(&make, "[C heap]", "", 0, PK_FUNCTION_HEAP);
    uint32_t map = make_ledger_function(&make, "[map]", "", 0, PK_FUNCTION_MAP);
    uint32_t sampled =
        make_ledger_function(&make, "[resident, sampled]", "", 0, PK_FUNCTION_SAMPLED);
    uint32_t line = make_ledger_node(&make, PK_NODE_ROOT, code, 1);
    make_ledger_hold(&make, line, 10, 1);
    make_ledger_hold(&make, make_ledger_node(&make, line, heap, 0), 200, 2);
    make_ledger_held(&make, make_ledger_node(&make, line, map, 0), 4096, 1);
    uint32_t callee = make_ledger_node(&make, line, code, 2);
    make_ledger_hold(&make, make_ledger_node(&make, callee, heap, 0), 3000, 3);
    make_ledger_hold(&make, make_ledger_node(&make, callee, sampled, 0), 50000, 1);
    make_ledger_hold(&make, make_ledger_node(&make, PK_NODE_ROOT, heap, 0), 7, 1);
    struct scene scene = show(&make);
    CHECK(scene.is_good);
    const struct pk_view *view = &scene.view;
    CHECK_EQ(view->tree.count, 4); // the root, two lines, and what is sampled
    static const uint64_t expected[4][3] = {
        {7, 7, 0}, {10 + 200 + 4096, 200, 4096}, {3000, 3000, 0}, {50000, 0, 50000}};
    for (uint32_t i = 0; i < 4; i++) {
        CHECK_EQ(view->tree.bytes[i], expected[i][0]);
        CHECK_EQ(view->tree.columns[pk_kind_column(PK_MEMORY_HEAP, PK_PEAK_BYTES)][i],
                 expected[i][1]);
        CHECK_EQ(view->tree.columns[pk_kind_column(PK_MEMORY_MAP, PK_PEAK_BYTES)][i],
                 expected[i][2]);
    }
    CHECK_EQ(view->tree.columns[pk_kind_column(PK_MEMORY_MAP, PK_PEAK_BLOCKS)][1], 1);
    CHECK_EQ(view->tree.columns[pk_kind_column(PK_MEMORY_MAP, PK_END_BYTES)][1], 0);
    CHECK_EQ(view->tree.columns[pk_kind_column(PK_MEMORY_MAP, PK_ALLOC_BYTES)][1], 4096);
    CHECK_EQ(view->peak_bytes, 10 + 200 + 4096 + 3000 + 50000 + 7);
    CHECK_EQ(view->totals[pk_kind_column(PK_MEMORY_HEAP, PK_PEAK_BYTES)], 3207);
    CHECK_EQ(view->blame[0].bytes, 53000); // line 2, with what is sampled below it
    CHECK_EQ(view->blame[0].columns[pk_kind_column(PK_MEMORY_MAP, PK_PEAK_BYTES)], 50000);
    CHECK_EQ(view->blame[1].columns[pk_kind_column(PK_MEMORY_HEAP, PK_PEAK_BYTES)], 200);
    drop(&scene);
}

/* What a ledger says of the largest block of a node, and what follows from its counters alone. */
static void the_largest_block_is_known_or_has_limits(void) {
    static const struct {
        uint64_t bytes, blocks; // held at the peak
        struct pk_large large;
        uint32_t flags;
        uint64_t least, most;
    } cases[] = {
        {5000, 1, {0}, 0, 5000, 5000}, // it is the only one
        {5000, 10, {0}, 0, 500, 1024}, // none above the limit
        {50, 10, {0}, 0, 5, 50},
        {9000, 3, {.epoch = 7, .peak = 4000}, 0, 4000, 4000}, // as it was at the peak
        {9000,
         3,
         {.epoch = 6, .peak = 4000, .count = 2, .most = 3000, .most_count = 1},
         0,
         3000,
         3000},
        {9000, 3, {.epoch = 7, .peak = 4000 | PK_LARGE_AT_MOST}, 0, 3000, 4000},
        {3000, 9, {.count = 2, .most = 1500}, 0, 1025, 1500},
        // killed in between: no more than all
        {9000, 3, {.epoch = 7, .peak = 70000}, 0, 9000, 9000},
        {9000, 3, {0}, PK_FLAG_NO_LARGE, 3000, 9000},
        {9000, 3, {0}, PK_FLAG_BLOCK, 3000, 9000},
        {9000, 0, {0}, 0, 0, 9000}, // the middle of a map
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct make_ledger make;
        make_ledger_start(&make);
        uint32_t code = make_ledger_function(&make, "f", "a.py", 1, PK_FUNCTION_PYTHON);
        uint32_t map = make_ledger_function(&make, "", "", 0, PK_FUNCTION_MAP);
        uint32_t line = make_ledger_node(&make, PK_NODE_ROOT, code, 1);
        uint32_t node = cases[i].blocks == 0 ? make_ledger_node(&make, line, map, 0) : line;
        make_ledger_hold(&make, node, cases[i].bytes, cases[i].blocks);
        make.header.flags |= cases[i].flags;
        struct pk_large large = cases[i].large;
        large.node = node;
        if (large.peak != 0 || large.most != 0) {
            memcpy(make_ledger_grow(&make, PK_TABLE_LARGE, sizeof(large)), &large, sizeof(large));
        }
        struct scene scene = show(&make);
        CHECK(scene.is_good);
        CHECK_EQ(scene.view.blame_count, 1);
        CHECK_EQ(scene.view.blame[0].largest_least, cases[i].least);
        CHECK_EQ(scene.view.blame[0].largest_most, cases[i].most);
        drop(&scene);
    }
}

/* Columns are bytes in the record and characters in the report, and only of a line that is
 * known. */
static void the_part_of_a_line_is_counted_in_characters(void) {
    struct make_ledger make;
    static const char text[] = "x = '\xc3\xa9\xe6\x97\xa5' + f(1)\nlong(\n  1)\ny = 1\nz = 2\n";
    static const struct {
        uint32_t line, span;
        uint32_t column, end; // 0, 0: not known
    } cases[] = {
        {1, 17u << 16 | 13, 10, 14}, // f(1)
        {1, 6u << 16 | 4, 0, 0},     // ends within a character
        {2, 0xffffu << 16, 0, 5},    // to the end of the line
        {4, 6u << 16 | 4, 0, 0},     // the line is shorter
        {5, 5u << 16 | 4, 4, 5},     {5, PK_SPAN_NONE, 0, 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        make_ledger_start(&make);
        uint32_t code = make_ledger_function(&make, "f", "<string>", 1, PK_FUNCTION_PYTHON);
        uint32_t node = make_ledger_node(&make, PK_NODE_ROOT, code, cases[i].line);
        make_ledger_hold(&make, node, 10, 1);
        struct pk_node_ident ident = {PK_NODE_ROOT, code, cases[i].line, cases[i].span};
        memcpy(make.tables[PK_TABLE_IDENTS] + node * sizeof(ident), &ident, sizeof(ident));
        struct scene scene = show(&make);
        CHECK(scene.is_good);
        CHECK_OK(pk_source_fill(&scene.view, 0, text));
        uint32_t column = 0, end = 0;
        CHECK_EQ(pk_source_part(&scene.view, 0, &column, &end), cases[i].end != 0);
        if (cases[i].end != 0) {
            CHECK_EQ(column, cases[i].column);
            CHECK_EQ(end, cases[i].end);
        }
        drop(&scene);
    }
}

static void recursion_20000_deep_is_just_a_long_branch(void) {
    struct make_ledger make;
    make_ledger_start(&make);
    uint32_t a = make_ledger_function(&make, "a", "a.py", 1, PK_FUNCTION_PYTHON);
    uint32_t node = PK_NODE_ROOT;
    for (int i = 0; i < 20000; i++) {
        node = make_ledger_node(&make, node, a, 2);
    }
    make_ledger_hold(&make, node, 4096, 1);
    struct scene scene = show(&make);
    CHECK(scene.is_good);
    CHECK_EQ(scene.view.tree.count, 20001);
    CHECK_EQ(scene.view.frame_count, 1);
    CHECK_EQ(scene.view.tree.bytes[20000], 4096);
    struct pk_pool pool = {0};
    struct pk_tree folded;
    CHECK_OK(pk_tree_fold(&pool, &scene.view.tree, 1000, PK_BY_PEAK, &folded));
    CHECK_EQ(folded.count, 1000);
    CHECK_EQ(folded.frames[999], PK_FRAME_FOLDED);
    CHECK_EQ(folded.bytes[999], 4096);
    pk_pool_free(&pool);
    drop(&scene);
}

/* One line holds all of the peak, one lets go of a lot again and again, one is left at the end. */
static void three_measures_are_in_one_tree(void) {
    struct make_ledger make;
    make_ledger_start(&make);
    uint32_t code = make_ledger_function(&make, "f", "a.py", 1, PK_FUNCTION_PYTHON);
    uint32_t peak = make_ledger_node(&make, PK_NODE_ROOT, code, 1);
    uint32_t churn = make_ledger_node(&make, PK_NODE_ROOT, code, 2);
    uint32_t left = make_ledger_node(&make, PK_NODE_ROOT, code, 3);
    make_ledger_held(&make, peak, 1000, 2);
    *make_ledger_counters(&make, churn) = (struct pk_node_counters){.alloc_bytes = 90000,
                                                                    .alloc_blocks = 900,
                                                                    .free_bytes = 90000,
                                                                    .free_blocks = 900,
                                                                    .epoch = make.header.epoch};
    *make_ledger_counters(&make, left) =
        (struct pk_node_counters){.alloc_bytes = 50, .alloc_blocks = 5, .epoch = make.header.epoch};
    struct scene scene = show(&make);
    CHECK(scene.is_good);
    static const uint64_t expected[3][PK_COLUMNS] = {
        {1000, 2, 0, 0, 1000, 2}, {0, 0, 0, 0, 90000, 900}, {0, 0, 50, 5, 50, 5}};
    const struct pk_view *view = &scene.view;
    CHECK_EQ(view->tree.count, 4);
    CHECK_EQ(view->blame_count, 3);
    CHECK_EQ(view->peak_blame_count, 1);
    for (uint32_t i = 0; i < 3; i++) {
        for (unsigned column = 0; column < PK_COLUMNS; column++) {
            CHECK_EQ(view->tree.columns[column][i + 1], expected[i][column]);
            CHECK_EQ(view->blame[i].columns[column], expected[i][column]);
        }
    }
    CHECK_EQ(view->peak_bytes, 1000);
    CHECK_EQ(view->end_bytes, 50);
    CHECK_EQ(view->alloc_bytes, 91050);
    static const struct {
        unsigned measures;
        uint32_t line; // of the only one that stays by itself
    } folds[] = {{PK_BY_PEAK, 1}, {PK_BY_ALLOC, 2}, {PK_BY_END, 3}};
    for (size_t i = 0; i < 3; i++) {
        struct pk_pool pool = {0};
        struct pk_tree folded;
        uint32_t line = 0;
        CHECK_OK(pk_tree_fold(&pool, &view->tree, 3, folds[i].measures, &folded));
        CHECK_EQ(folded.count, 3);
        for (uint32_t node = 1; node < 3; node++) {
            line = folded.frames[node] >= 0 ? view->frames[folded.frames[node]].line : line;
        }
        CHECK_EQ(line, folds[i].line);
        CHECK_EQ(sum(folded.alloc_bytes, folded.count), 91050);
        CHECK_EQ(sum(folded.end_blocks, folded.count), 5);
        pk_pool_free(&pool);
    }
    drop(&scene);
}

/* Random trees: whatever the limit, nothing is lost, the limit holds, children stay sorted. */
static void folding_loses_no_byte(void) {
    for (int round = 0; round < 30; round++) {
        struct make_ledger make;
        make_ledger_start(&make);
        for (int i = 0; i < 20; i++) {
            (void)make_ledger_function(&make, "f", "a.py", (uint32_t)i, PK_FUNCTION_PYTHON);
        }
        uint32_t count = (uint32_t)(check_random() % 400 + 10);
        for (uint32_t i = 2; i < count; i++) {
            uint32_t node =
                make_ledger_node(&make, (uint32_t)(check_random() % (i - 1) + 1),
                                 (uint32_t)(check_random() % 20), (uint32_t)(check_random() % 9));
            make_ledger_hold(&make, node, check_random() % 5 * (check_random() % 1000), 1);
        }
        struct scene scene = show(&make);
        CHECK(scene.is_good);
        for (uint32_t limit = 2; limit < scene.view.tree.count + 2; limit += limit / 4 + 1) {
            struct pk_pool pool = {0};
            struct pk_tree folded;
            CHECK_OK(pk_tree_fold(&pool, &scene.view.tree, limit, PK_BY_PEAK, &folded));
            CHECK(folded.count <= limit);
            CHECK_EQ(sum(folded.bytes, folded.count), scene.view.peak_bytes);
            CHECK_EQ(sum(folded.blocks, folded.count), scene.view.peak_blocks);
            uint64_t *totals = pk_pool_array(&pool, folded.count, sizeof(*totals));
            uint64_t *smallest = pk_pool_array(&pool, folded.count, sizeof(*smallest));
            for (uint32_t i = folded.count; i-- > 0;) {
                totals[i] += folded.bytes[i];
                smallest[i] = UINT64_MAX;
                if (i > 0) {
                    CHECK(folded.up[i] >= 1 && folded.up[i] <= i);
                    totals[i - folded.up[i]] += totals[i];
                }
            }
            for (uint32_t i = 1; i < folded.count; i++) {
                CHECK(totals[i] <= smallest[i - folded.up[i]]);
                smallest[i - folded.up[i]] = totals[i];
                CHECK(folded.frames[i - folded.up[i]] !=
                      PK_FRAME_FOLDED); // folded nodes are leaves
            }
            pk_pool_free(&pool);
        }
        drop(&scene);
    }
}

static void the_innermost_line_of_the_users_code_is_blamed(void) {
    struct make_ledger make;
    make_ledger_start(&make);
    uint32_t user = make_ledger_function(&make, "main", "main.py", 1, PK_FUNCTION_PYTHON);
    uint32_t library = make_ledger_function(
        &make, "read_csv", "/v/lib/python3.11/site-packages/pandas/io.py", 1, PK_FUNCTION_PYTHON);
    uint32_t callback =
        make_ledger_function(&make, "convert", "/app/tools.py", 1, PK_FUNCTION_PYTHON);
    uint32_t stdlib = make_ledger_function(&make, "loads", "/v/lib/python3.11/json/__init__.py", 1,
                                           PK_FUNCTION_PYTHON);
    uint32_t thread =
        make_ledger_function(&make, "[native thread]", "", 0, PK_FUNCTION_NATIVE_THREAD);

    uint32_t main_line = make_ledger_node(&make, PK_NODE_ROOT, user, 10);
    uint32_t in_library = make_ledger_node(&make, main_line, library, 100);
    make_ledger_hold(&make, in_library, 1000, 1); // main.py:10
    make_ledger_hold(
        &make,
        make_ledger_node(&make, make_ledger_node(&make, in_library, callback, 7), stdlib, 50), 200,
        1);
    make_ledger_hold(&make, make_ledger_node(&make, main_line, thread, 0), 30,
                     1); // main.py:10 again
    uint32_t alone = make_ledger_node(&make, PK_NODE_ROOT, library, 33);
    make_ledger_hold(&make, make_ledger_node(&make, alone, stdlib, 51), 400,
                     1); // no user code: the library's line
    make_ledger_hold(&make, make_ledger_node(&make, PK_NODE_ROOT, stdlib, 52), 50,
                     1); // nor a library: the frame
    make_ledger_hold(&make, PK_NODE_ROOT, 5, 1);
    struct scene scene = show(&make);
    CHECK(scene.is_good);
    static const struct {
        const char *path;
        uint32_t line;
        uint64_t bytes, blocks;
    } expected[] = {{"/app/main.py", 10, 1030, 2},
                    {"/v/lib/python3.11/site-packages/pandas/io.py", 33, 400, 1},
                    {"/app/tools.py", 7, 200, 1},
                    {"/v/lib/python3.11/json/__init__.py", 52, 50, 1}};
    CHECK_EQ(scene.view.blame_count, 5);
    for (uint32_t i = 0; i < 4; i++) {
        const struct pk_view_blame *blame = &scene.view.blame[i];
        const struct pk_view_frame *frame = &scene.view.frames[blame->frame];
        CHECK_STR(scene.view.files[scene.view.functions[frame->function].file].path,
                  expected[i].path);
        CHECK_EQ(frame->line, expected[i].line);
        CHECK_EQ(blame->bytes, expected[i].bytes);
        CHECK_EQ(blame->blocks, expected[i].blocks);
    }
    CHECK_EQ(scene.view.blame[4].frame, PK_FRAME_ROOT);
    CHECK_EQ(scene.view.blame[4].bytes, 5);
    drop(&scene);
}

static void two_functions_on_one_line_are_one_blame_line(void) {
    struct make_ledger make;
    make_ledger_start(&make);
    uint32_t outer = make_ledger_function(&make, "main", "main.py", 1, PK_FUNCTION_PYTHON);
    uint32_t inner =
        make_ledger_function(&make, "main.<locals>.<listcomp>", "main.py", 10, PK_FUNCTION_PYTHON);
    uint32_t line = make_ledger_node(&make, PK_NODE_ROOT, outer, 10);
    make_ledger_hold(&make, line, 100, 1);
    make_ledger_hold(&make, make_ledger_node(&make, line, inner, 10), 900, 9);
    struct scene scene = show(&make);
    CHECK(scene.is_good);
    CHECK_EQ(scene.view.blame_count, 1);
    CHECK_EQ(scene.view.blame[0].bytes, 1000);
    CHECK_EQ(scene.view.blame[0].blocks, 10);
    CHECK_STR(name_of(&scene.view, scene.view.blame[0].frame),
              "main.<locals>.<listcomp>"); // it has the most
    drop(&scene);
}

static const struct pk_view_frame *frame_of(const struct pk_view *view, uint32_t node) {
    return &view->frames[view->tree.frames[node]];
}

/* Two calls of read_csv on one line, by two functions, with a worker thread each; the worker starts
 * a helper. */
static void a_thread_is_the_line_that_started_it(void) {
    struct make_ledger make;
    make_ledger_start(&make);
    uint32_t user = make_ledger_function(&make, "load", "main.py", 1, PK_FUNCTION_PYTHON);
    uint32_t inner = make_ledger_function(&make, "<listcomp>", "main.py", 26, PK_FUNCTION_PYTHON);
    uint32_t start = make_ledger_function(&make, "start", "/v/lib/python3.11/threading.py", 1,
                                          PK_FUNCTION_PYTHON);
    uint32_t run =
        make_ledger_function(&make, "run", "/v/lib/python3.11/threading.py", 9, PK_FUNCTION_PYTHON);
    uint32_t library = make_ledger_function(
        &make, "read", "/v/lib/python3.11/site-packages/pandas/io.py", 1, PK_FUNCTION_PYTHON);
    uint32_t callback = make_ledger_function(&make, "cb", "tools.py", 1, PK_FUNCTION_PYTHON);
    uint32_t thread = make_ledger_function(&make, "[thread]", "", 0, PK_FUNCTION_THREAD);

    uint32_t line = make_ledger_node(&make, PK_NODE_ROOT, user, 26);
    uint32_t starters[2] = {
        make_ledger_node(&make, line, start, 2),
        make_ledger_node(&make, make_ledger_node(&make, line, inner, 26), start, 2)};
    for (uint32_t i = 0; i < 2; i++) {
        uint32_t worker = make_ledger_node(&make, PK_NODE_ROOT, thread, starters[i]);
        uint32_t running = make_ledger_node(&make, worker, run, 10);
        uint32_t reading = make_ledger_node(&make, running, library, 306);
        make_ledger_hold(&make, worker, 5, 1); // before its first frame
        make_ledger_hold(&make, reading, 1000, 1);
        make_ledger_hold(&make, make_ledger_node(&make, reading, callback, 7), 300, 1);
        uint32_t helper = make_ledger_node(&make, PK_NODE_ROOT, thread, running);
        make_ledger_hold(&make, make_ledger_node(&make, helper, run, 10), 200, 1);
    }
    uint32_t orphan = make_ledger_node(&make, PK_NODE_ROOT, thread, 0);
    make_ledger_hold(&make, make_ledger_node(&make, orphan, library, 306), 70, 1);
    struct scene scene = show(&make);
    CHECK(scene.is_good);
    const struct pk_view *view = &scene.view;
    static const struct {
        const char *name;
        uint32_t up, line;
        uint64_t bytes;
    } expected[] = {
        {"(root)", 0, 0, 0}, {"[thread]", 1, 0, 10}, {"run", 1, 10, 400},  {"read", 1, 306, 2000},
        {"cb", 1, 7, 600},   {"[thread]", 5, 0, 0},  {"read", 1, 306, 70},
    };
    CHECK_EQ(view->tree.count, 7); // all four threads of the line are one, the orphan is another
    for (uint32_t i = 0; i < 7; i++) {
        CHECK_STR(name_of(view, view->tree.frames[i]), expected[i].name);
        CHECK_EQ(view->tree.up[i], expected[i].up);
        CHECK_EQ(view->tree.bytes[i], expected[i].bytes);
        CHECK_EQ(i == 0 ? 0 : frame_of(view, i)->line, expected[i].line);
        CHECK(i == 0 || i == 1 || frame_of(view, i)->started_by == PK_FRAME_ROOT);
    }
    const struct pk_view_frame *by = &view->frames[frame_of(view, 1)->started_by];
    CHECK_STR(view->files[view->functions[by->function].file].path, "/app/main.py");
    CHECK_EQ(by->line, 26);

    CHECK_EQ(view->blame_count, 3);
    CHECK_EQ(view->frames[view->blame[0].frame].line, 26);
    CHECK_EQ(view->blame[0].bytes, 2 * (5 + 1000 + 200));
    CHECK_EQ(view->frames[view->blame[1].frame].line, 7); // the user's own code in the thread
    CHECK_EQ(view->blame[1].bytes, 600);
    CHECK_EQ(view->frames[view->blame[2].frame].line, 306); // nobody knows who started it
    CHECK_EQ(view->blame[2].bytes, 70);
    drop(&scene);
}

static void a_native_thread_of_a_python_thread_is_the_starters_too(void) {
    struct make_ledger make;
    make_ledger_start(&make);
    uint32_t user = make_ledger_function(&make, "main", "main.py", 1, PK_FUNCTION_PYTHON);
    uint32_t run =
        make_ledger_function(&make, "run", "/v/lib/python3.11/threading.py", 9, PK_FUNCTION_PYTHON);
    uint32_t thread = make_ledger_function(&make, "[thread]", "", 0, PK_FUNCTION_THREAD);
    uint32_t native =
        make_ledger_function(&make, "[native thread]", "", 0, PK_FUNCTION_NATIVE_THREAD);
    uint32_t line = make_ledger_node(&make, PK_NODE_ROOT, user, 4);
    uint32_t running =
        make_ledger_node(&make, make_ledger_node(&make, PK_NODE_ROOT, thread, line), run, 10);
    make_ledger_hold(&make, make_ledger_node(&make, running, native, 0), 900, 1);
    make.header.failed_allocs = 1;
    make.header.largest_failed_node = running;
    struct scene scene = show(&make);
    CHECK(scene.is_good);
    CHECK_EQ(scene.view.blame_count, 1);
    CHECK_EQ(scene.view.frames[scene.view.blame[0].frame].line, 4);
    CHECK_EQ(scene.view.failed_frame, scene.view.blame[0].frame);
    CHECK_EQ(scene.view.failed_depth, 2); // below its thread
    CHECK_STR(name_of(&scene.view, scene.view.failed_stack[1]), "run");
    drop(&scene);
}

/* 50,000 threads, each started by the one before it: no recursion, one box. */
static void threads_that_start_threads_are_followed_to_the_first(void) {
    struct make_ledger make;
    make_ledger_start(&make);
    uint32_t user = make_ledger_function(&make, "main", "main.py", 1, PK_FUNCTION_PYTHON);
    uint32_t thread = make_ledger_function(&make, "[thread]", "", 0, PK_FUNCTION_THREAD);
    uint32_t node = make_ledger_node(&make, PK_NODE_ROOT, user, 3);
    for (int i = 0; i < 50000; i++) {
        node = make_ledger_node(&make, PK_NODE_ROOT, thread, node);
        make_ledger_hold(&make, node, 2, 1);
    }
    struct scene scene = show(&make);
    CHECK(scene.is_good);
    CHECK_EQ(scene.view.tree.count, 2);
    CHECK_EQ(scene.view.blame_count, 1);
    CHECK_EQ(scene.view.frames[scene.view.blame[0].frame].line, 3);
    CHECK_EQ(scene.view.blame[0].bytes, 100000);
    drop(&scene);
}

static void files_are_sorted_by_who_wrote_them(void) {
    static const struct {
        const char *path;
        enum pk_file_kind kind;
    } cases[] = {
        {"/app/main.py", PK_FILE_USER},
        {"/home/me/lib/tools.py", PK_FILE_USER},
        {"/tmp/ipykernel_42/1234.py", PK_FILE_USER},
        {"<ipython-input-3-abc>", PK_FILE_USER},
        {"<stdin>", PK_FILE_USER},
        {"<string>", PK_FILE_USER},
        {"/app/.venv/lib/python3.11/site-packages/numpy/core.py",
         PK_FILE_LIBRARY}, // inside the project
        {"/usr/lib/python3/dist-packages/yaml/__init__.py", PK_FILE_LIBRARY},
        {"<attrs generated init x>", PK_FILE_LIBRARY},
        {"<__array_function__ internals>", PK_FILE_LIBRARY},
        {"/usr/lib/python3.11/json/decoder.py", PK_FILE_STDLIB},
        {"/opt/py/lib/python3.13t/json/decoder.py", PK_FILE_STDLIB},
        {"/usr/lib64/python3.9/os.py", PK_FILE_STDLIB},
        {"/opt/python311.zip/os.py", PK_FILE_STDLIB},
        {"/odd/place/Lib/json/decoder.py", PK_FILE_STDLIB}, // from the rules
        {"/odd/place/Library.py", PK_FILE_USER},
        {"<frozen runpy>", PK_FILE_STDLIB},
        {"<frozen importlib._bootstrap>", PK_FILE_IMPORT},
        {"<frozen zipimport>", PK_FILE_IMPORT},
        {"/usr/lib/python3.11/importlib/_bootstrap_external.py", PK_FILE_IMPORT},
        {"/usr/lib/python3.11/importlib/__init__.py", PK_FILE_STDLIB},
        {"/home/me/python3.11/main.py", PK_FILE_USER}, // not below lib
        {"", PK_FILE_NONE},
    };
    const struct pk_path_rules odd = {
        .directory = "/app", .stdlib = "/odd/place/Lib", .string_is_user = true};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (pk_path_kind(&odd, cases[i].path) != cases[i].kind) {
            printf("# path %s\n", cases[i].path);
        }
        CHECK_EQ(pk_path_kind(&odd, cases[i].path), cases[i].kind);
    }
    const struct pk_path_rules script = {.directory = "/app", .string_is_user = false};
    CHECK_EQ(pk_path_kind(&script, "<string>"), PK_FILE_LIBRARY);
    CHECK_EQ(pk_path_stdlib_length("/odd/place/Lib/encodings/__init__.py"),
             strlen("/odd/place/Lib"));
    CHECK_EQ(pk_path_stdlib_length("/v/site-packages/x/encodings/__init__.py"), 0);
}

static void relative_paths_continue_the_runs_directory(void) {
    struct pk_pool pool = {0};
    CHECK_STR(pk_path_resolve(&pool, &rules, "sub/../main.py"), "/app/sub/../main.py");
    CHECK_STR(pk_path_resolve(&pool, &rules, "./main.py"), "/app/main.py");
    CHECK_STR(pk_path_resolve(&pool, &rules, "/x//y/./z.py"), "/x/y/z.py");
    CHECK_STR(pk_path_resolve(&pool, &rules, "<string>"), "<string>");
    CHECK_STR(pk_path_short(&rules, "/app/sub/main.py"), "sub/main.py");
    CHECK_STR(pk_path_short(&rules, "/application/main.py"), "/application/main.py");
    const struct pk_path_rules nowhere = {.directory = NULL};
    CHECK_STR(pk_path_resolve(&pool, &nowhere, "main.py"), "main.py");
    CHECK_STR(pk_path_short(&nowhere, "/app/main.py"), "/app/main.py");
    pk_pool_free(&pool);
}

static void paths_are_said_as_a_person_would(void) {
    static const struct {
        const char *path, *said;
    } cases[] = {
        {"/app/sub/main.py", "sub/main.py"},
        {"/other/main.py", "/other/main.py"},
        {"/app/.venv/lib/python3.11/site-packages/pandas/io/api.py", "pandas/io/api.py"},
        {"/v/site-packages/a/_vendor/dist-packages/b/c.py", "b/c.py"},
        {"/opt/python/3.11/lib/python3.11/threading.py", "threading.py"},
        {"/usr/lib64/python3.13t/json/decoder.py", "json/decoder.py"},
        {"/usr/lib/python311.zip/os.py", "os.py"},
        {"/odd/place/Lib/os.py", "os.py"}, // from the rules
        {"/home/me/python3.11/main.py", "/home/me/python3.11/main.py"},
        {"<frozen abc>", "<frozen abc>"},
    };
    const struct pk_path_rules odd = {.directory = "/app", .stdlib = "/odd/place/Lib"};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        CHECK_STR(pk_path_spoken(&odd, cases[i].path), cases[i].said);
    }
}

static const char *line_of(struct pk_pool *pool, const char *text, size_t size, uint32_t line) {
    const char *found = NULL;
    return pk_source_read_text(pool, text, size, &line, 1, &found) < 0 ? NULL : found;
}

#define LINE(text, line) line_of(&pool, text, sizeof(text) - 1, line)

static void source_lines_are_found_by_pythons_rules(void) {
    struct pk_pool pool = {0};
    CHECK_STR(LINE("one\ntwo\nthree", 2), "two");
    CHECK_STR(LINE("one\ntwo\nthree", 3), "three");
    CHECK_STR(LINE("one\ntwo\n", 3), "");
    CHECK_STR(LINE("one\ntwo\n", 0), "");
    CHECK_STR(LINE("one\r\ntwo\rthree\n", 2), "two");
    CHECK_STR(LINE("one\r\ntwo\rthree\n", 3), "three");
    CHECK_STR(LINE("one\n\n\tthree  \n", 3), "\tthree"); // indentation stays
    CHECK_STR(LINE("a\fb\nc\n", 2), "c");                // a form feed ends no line
    CHECK_STR(LINE("\xef\xbb\xbfx = 1\n", 1), "x = 1");
    CHECK_STR(LINE("# -*- coding: latin-1 -*-\ns = '\xe9'\n", 2), "s = '\xc3\xa9'");
    CHECK_STR(LINE("#!/usr/bin/python3\n# vim: set fileencoding=iso-8859-1 :\ns = '\xe9'\n", 3),
              "s = '\xc3\xa9'");
    CHECK_STR(LINE("s = '\xc3\xa9'\n", 1), "s = '\xc3\xa9'");
    CHECK_STR(LINE("s = '\xe9'\n", 1), "s = '\xef\xbf\xbd'"); // wrong UTF-8
    CHECK_STR(LINE("a\0b\n", 1), "a\xef\xbf\xbd"
                                 "b");
    CHECK_STR(LINE("# coding:\n", 1), "# coding:");
    CHECK_STR(LINE("", 1), "");
    pk_pool_free(&pool);
}

static void long_lines_are_cut_at_a_character(void) {
    struct pk_pool pool = {0};
    char text[8001];
    for (size_t i = 0; i < 4000; i++) {
        memcpy(text + 2 * i, "\xc3\xa9", 2);
    }
    text[8000] = '\0';
    const char *line = line_of(&pool, text, 8000, 1);
    CHECK_EQ(strlen(line), 2 * 497 + 3);
    CHECK_STR(line + 2 * 497, "...");
    pk_pool_free(&pool);
}

static void several_lines_come_from_one_pass(void) {
    struct pk_pool pool = {0};
    static const uint32_t lines[] = {0, 1, 3, 4, 900};
    const char *texts[5];
    CHECK_OK(pk_source_read_text(&pool, "a\nb\nc\nd\n", 8, lines, 5, texts));
    CHECK_STR(texts[0], "");
    CHECK_STR(texts[1], "a");
    CHECK_STR(texts[2], "c");
    CHECK_STR(texts[3], "d");
    CHECK_STR(texts[4], "");
    pk_pool_free(&pool);
}

static void files_missing_changed_or_strange_have_a_status(void) {
    struct pk_pool pool = {0};
    char directory[] = "/tmp/test_view.XXXXXX", path[64], fifo[64];
    static const uint32_t line = 1;
    const char *text;
    CHECK(mkdtemp(directory) != NULL);
    snprintf(path, sizeof(path), "%s/a.py", directory);
    snprintf(fifo, sizeof(fifo), "%s/fifo.py", directory);
    FILE *file = fopen(path, "w");
    CHECK(file != NULL);
    fputs("x = 1\n", file);
    fclose(file);
    const struct timespec times[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
    CHECK_EQ(utimensat(AT_FDCWD, path, times, 0), 0);
    CHECK_EQ(mkfifo(fifo, 0600), 0);
    CHECK_EQ(pk_source_read_file(&pool, path, INT64_C(2000000000000), &line, 1, &text),
             PK_SOURCE_SAME);
    CHECK_STR(text, "x = 1");
    CHECK_EQ(pk_source_read_file(&pool, path, INT64_C(999000000000), &line, 1, &text),
             PK_SOURCE_CHANGED);
    CHECK_STR(text, "x = 1");
    CHECK_EQ(pk_source_read_file(&pool, "/nonexistent.py", 1, &line, 1, &text), PK_SOURCE_MISSING);
    CHECK_STR(text, "");
    CHECK_EQ(pk_source_read_file(&pool, fifo, 1, &line, 1, &text),
             PK_SOURCE_MISSING); // and does not wait
    CHECK_EQ(pk_source_read_file(&pool, "/dev/zero", 1, &line, 1, &text), PK_SOURCE_MISSING);
    CHECK_EQ(pk_source_read_file(&pool, directory, 1, &line, 1, &text), PK_SOURCE_MISSING);
    unlink(path);
    unlink(fifo);
    rmdir(directory);
    pk_pool_free(&pool);
}

static void frames_of_a_command_line_program_show_its_text(void) {
    struct make_ledger make;
    make_ledger_start(&make);
    uint32_t code = make_ledger_function(&make, "<module>", "<string>", 1, PK_FUNCTION_PYTHON);
    uint32_t gone = make_ledger_function(&make, "f", "/nonexistent/gone.py", 1, PK_FUNCTION_PYTHON);
    uint32_t first = make_ledger_node(&make, PK_NODE_ROOT, code, 2);
    make_ledger_hold(&make, make_ledger_node(&make, first, gone, 3), 10, 1);
    struct scene scene = show(&make);
    CHECK(scene.is_good);
    CHECK_OK(pk_source_fill(&scene.view, 0, "import gone\ngone.f()"));
    CHECK_STR(scene.view.frames[scene.view.tree.frames[1]].source, "gone.f()");
    CHECK_STR(scene.view.frames[scene.view.tree.frames[2]].source, "");
    for (uint32_t i = 0; i < scene.view.file_count; i++) {
        bool is_gone = strcmp(scene.view.files[i].path, "/nonexistent/gone.py") == 0;
        CHECK_EQ(scene.view.files[i].status, is_gone ? PK_SOURCE_MISSING : PK_SOURCE_SAME);
    }
    drop(&scene);
}

int main(int argc, char **argv) {
    static const struct check_test tests[] = {
        TEST(the_tree_is_in_preorder_largest_first_without_empty_stacks),
        TEST(bytes_in_no_stack_become_a_frame_of_their_own),
        TEST(stacks_beyond_the_peak_are_kept_and_said),
        TEST(kinds_of_memory_are_parts_of_their_line),
        TEST(the_largest_block_is_known_or_has_limits),
        TEST(the_part_of_a_line_is_counted_in_characters),
        TEST(recursion_20000_deep_is_just_a_long_branch),
        TEST(three_measures_are_in_one_tree),
        TEST(folding_loses_no_byte),
        TEST(the_innermost_line_of_the_users_code_is_blamed),
        TEST(two_functions_on_one_line_are_one_blame_line),
        TEST(a_thread_is_the_line_that_started_it),
        TEST(a_native_thread_of_a_python_thread_is_the_starters_too),
        TEST(threads_that_start_threads_are_followed_to_the_first),
        TEST(files_are_sorted_by_who_wrote_them),
        TEST(relative_paths_continue_the_runs_directory),
        TEST(paths_are_said_as_a_person_would),
        TEST(source_lines_are_found_by_pythons_rules),
        TEST(long_lines_are_cut_at_a_character),
        TEST(several_lines_come_from_one_pass),
        TEST(files_missing_changed_or_strange_have_a_status),
        TEST(frames_of_a_command_line_program_show_its_text),
    };
    return check_run(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
