/* SPDX-License-Identifier: Apache-2.0
 * Fuzz target: any bytes as a ledger, or as a tree file. What the readers accept must keep the
 * readers' promises; a ledger must make a view that adds up, alone and beside another process.
 *
 * With libFuzzer: LLVMFuzzerTestOneInput. Without it: standalone.h, which changes right ledgers and
 * a right tree file. May use record, report and tests/unit/make_ledger.h. */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "record/reader.h"
#include "record/tree_read.h"
#include "record/utf8.h"
#include "report/view.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void require(bool holds, const char *what) {
    if (!holds) {
        fprintf(stderr, "broken promise: %s\n", what);
        abort();
    }
}

static void require_text(const char *text) {
    size_t size = strlen(text);
    for (size_t at = 0; at < size;) {
        uint32_t point;
        size_t length = pk_utf8_decode(text + at, size - at, &point);
        require(length > 0, "texts are UTF-8");
        at += length;
    }
}

static void check_snapshot(const struct pk_snapshot *snapshot) {
    uint64_t total = 0;
    require(snapshot->node_count >= 2, "nodes 0 and 1 exist");
    for (uint32_t i = 0; i < snapshot->function_count; i++) {
        require_text(pk_snapshot_string(snapshot, snapshot->functions[i].name));
        require_text(pk_snapshot_string(snapshot, snapshot->functions[i].qualname));
        require_text(pk_snapshot_string(snapshot, snapshot->functions[i].file));
    }
    for (uint32_t i = 0; i < snapshot->file_count; i++) {
        require_text(pk_snapshot_string(snapshot, snapshot->files[i].path));
    }
    require_text(snapshot->header.python_version);
    require_text(snapshot->header.python_note);
    for (uint32_t i = 1; i < snapshot->node_count; i++) {
        uint64_t node_bytes, node_blocks;
        pk_snapshot_share(snapshot, i, &node_bytes, &node_blocks);
        total += node_bytes;
        require(i == 1 || snapshot->idents[i].parent < i, "a parent is before its child");
        require(i == 1 || snapshot->idents[i].function < snapshot->function_count,
                "a function exists");
    }
    require(total == snapshot->share_bytes, "shares add up");
}

/* Every column of the tree, the folded tree and the blame lines adds up to the view's total. */
static void check_sums(const struct pk_view *view) {
    struct pk_pool pool = {0};
    struct pk_tree folded;
    require(pk_tree_fold(&pool, &view->tree, 8, PK_BY_PEAK | PK_BY_ALLOC, &folded) == 0 &&
                folded.count <= 8,
            "folding keeps to its limit");
    for (unsigned column = 0; column < PK_COLUMNS; column++) {
        uint64_t in_tree = 0, in_folded = 0, in_blame = 0;
        for (uint32_t i = 0; i < view->tree.count; i++) {
            in_tree += view->tree.columns[column][i];
        }
        for (uint32_t i = 0; i < folded.count; i++) {
            in_folded += folded.columns[column][i];
        }
        for (uint32_t i = 0; i < view->blame_count; i++) {
            in_blame += view->blame[i].columns[column];
        }
        require(in_tree == view->totals[column] && in_folded == view->totals[column] &&
                    in_blame == view->totals[column],
                "tree, folded tree and blame lines add up");
    }
    pk_pool_free(&pool);
}

static void check_view(const struct pk_snapshot *snapshot) {
    const struct pk_path_rules rules = {.directory = "/app"};
    struct pk_view view;
    if (pk_view_build(snapshot, &rules, &view) < 0) {
        return;
    }
    require(view.peak_bytes >= snapshot->header.peak_bytes, "the peak is not shrunk");
    check_sums(&view);
    pk_view_free(&view);

    // the same ledger as two processes of a tree
    struct pk_view_added added[2];
    struct pk_view_source source = {
        .share = PK_SHARE_TREE, .tree_epoch = 7, .process = "process 1"};
    struct pk_view_builder *builder = pk_view_begin(&rules, &view);
    require(builder != NULL && pk_view_add(builder, snapshot, &source, &added[0]) == 0,
            "one process fits");
    source.share = PK_SHARE_NONE;
    source.process = "process 2";
    require(pk_view_add(builder, snapshot, &source, &added[1]) == 0, "a second one does too");
    require(pk_view_end(builder) == 0, "they make a view");
    require(added[0].columns[PK_PEAK_BYTES] == view.peak_bytes &&
                added[1].columns[PK_PEAK_BYTES] == 0 &&
                added[0].columns[PK_ALLOC_BYTES] + added[1].columns[PK_ALLOC_BYTES] ==
                    view.alloc_bytes,
            "processes add up");
    check_sums(&view);
    pk_view_free(&view);
}

static void check_tree_file(const uint8_t *bytes, size_t size) {
    struct pk_tree_snapshot *tree;
    char error[256] = "";
    int r = pk_tree_snapshot_read_memory(bytes, size, "input", &tree, error, sizeof(error));
    if (r < 0) {
        require(tree == NULL && strlen(error) > strlen("input "), "a refusal has a reason");
        return;
    }
    require(tree->slot_count <= PK_TREE_SLOTS && tree->note_count <= PK_TREE_NOTES,
            "counts are in range");
    for (uint32_t i = 0; i < tree->slot_count; i++) {
        require(pk_tree_took_part(tree, i, tree->slots[i].pid) ==
                    (tree->slots[i].end_epoch == 0 ||
                     tree->slots[i].end_epoch == pk_tree_epoch(tree->peak)),
                "who took part is told by the epoch");
    }
    require(!pk_tree_took_part(tree, PK_TREE_NO_SLOT, 1), "no slot, no part");
    for (uint32_t i = 0; i < tree->note_count; i++) {
        require(tree->notes[i].text[sizeof(tree->notes[i].text) - 1] == '\0', "notes end");
        require_text(tree->notes[i].text);
    }
    pk_tree_snapshot_free(tree);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    struct pk_snapshot *snapshot;
    char error[256] = "";
    if (size < 8 || memcmp(bytes, PK_LEDGER_MAGIC, 8) != 0) {
        check_tree_file(bytes, size);
    }
    int r = pk_snapshot_read_memory(bytes, size, "input", &snapshot, error, sizeof(error));
    if (r < 0) {
        require(snapshot == NULL && strlen(error) > strlen("input "), "a refusal has a reason");
        return 0;
    }
    check_snapshot(snapshot);
    check_view(snapshot);
    pk_snapshot_free(snapshot);
    return 0;
}

#ifdef PK_FUZZ_STANDALONE
#include "make_ledger.h"
#include "standalone.h"

static struct seed {
    uint8_t *bytes;
    size_t size;
} seeds[4];

static struct seed make_seed(int is_split, uint32_t nodes) {
    struct make_ledger make;
    struct seed seed;
    make_ledger_start(&make);
    make.is_split = is_split;
    uint32_t user = make_ledger_function(&make, "run", "main.py", 1, PK_FUNCTION_PYTHON);
    uint32_t library =
        make_ledger_function(&make, "caf\xc3\xa9", "/x/site-packages/y.py", 3, PK_FUNCTION_PYTHON);
    for (uint32_t i = 0; i < nodes; i++) {
        uint32_t node = make_ledger_node(&make, i / 2 + 1, i % 3 != 0 ? user : library, i);
        make_ledger_hold(&make, node, 100 * i, 1);
        make_ledger_held(&make, node, 10, 1);
    }
    make_ledger_map(&make, "/data/file", 4096);
    seed.bytes = make_ledger_finish(&make, &seed.size);
    return seed;
}

/* A tree file with three processes and a note; of its unused slots only a few. */
static struct seed make_tree_seed(void) {
    struct pk_tree_page *page = aligned_alloc(4096, sizeof(*page));
    struct seed seed = {.size = offsetof(struct pk_tree_page, slot) + 64 * 64};
    memset(page, 0, sizeof(*page));
    memcpy(page->magic, PK_TREE_MAGIC, sizeof(page->magic));
    page->version = PK_TREE_VERSION;
    page->slots = PK_TREE_SLOTS;
    page->peak = 50u << 20;
    page->count = 3;
    for (uint32_t i = 0; i < 3; i++) {
        page->slot[i] = (struct pk_tree_slot){
            .mutex = {100 + i}, .bytes = 10u << 20, .pid = 100 + i, .end_epoch = i == 1 ? 7 : 0};
    }
    page->notes[0] = (struct pk_tree_note){.kind = PK_NOTE_SET_ID, .count = 1, .text = "/bin/su"};
    seed.bytes = malloc(seed.size);
    memcpy(seed.bytes, page, seed.size);
    free(page);
    return seed;
}

/* Where a change is worth most: the header, or the front of an extent. */
static size_t choose_place(const struct seed *seed) {
    size_t reach = next_random() % 2 != 0 ? 64 : 512;
    size_t page = next_random() % 3 != 0
                      ? 0
                      : next_random() % (seed->size / PK_LEDGER_PAGE + 1) * PK_LEDGER_PAGE;
    size_t place = page + (page == 0 ? next_random() % sizeof(struct pk_ledger_header)
                                     : next_random() % reach);
    return place < seed->size ? place : seed->size - 1;
}

static void mutate(uint8_t *bytes, const struct seed *seed) {
    static const uint64_t numbers[] = {0,          1,          2,          7,
                                       8,          255,        4095,       4096,
                                       0x7fffffff, 0x80000000, 0xffffffff, UINT64_C(1) << 50,
                                       INT64_MAX,  UINT64_MAX};
    for (uint32_t changes = next_random() % 5 + 1; changes > 0; changes--) {
        size_t place = choose_place(seed);
        if (next_random() % 2 != 0) {
            bytes[place] ^= (uint8_t)(1u << next_random() % 8);
        } else { // a number in a field of 4 or 8 bytes
            uint64_t number = numbers[next_random() % (sizeof(numbers) / sizeof(numbers[0]))];
            size_t width = next_random() % 2 != 0 ? 4 : 8;
            place = place / width * width;
            memcpy(bytes + place, &number, seed->size - place < width ? seed->size - place : width);
        }
    }
}

static void make_seeds(void) {
    seeds[0] = make_seed(0, 3);
    seeds[1] = make_seed(0, 40);
    seeds[2] = make_seed(1, 300);
    seeds[3] = make_tree_seed();
    for (size_t i = 0; i < 4; i++) { // unchanged, each is taken
        const struct seed *seed = &seeds[i];
        struct pk_snapshot *snapshot = NULL;
        struct pk_tree_snapshot *tree = NULL;
        char error[300];
        int r = i < 3 ? pk_snapshot_read_memory(seed->bytes, seed->size, "seed", &snapshot, error,
                                                sizeof(error))
                      : pk_tree_snapshot_read_memory(seed->bytes, seed->size, "seed", &tree, error,
                                                     sizeof(error));
        require(r == 0, "the seeds are right");
        pk_snapshot_free(snapshot);
        pk_tree_snapshot_free(tree);
        (void)LLVMFuzzerTestOneInput(seed->bytes, seed->size);
    }
}

static void run_round(void) {
    const struct seed *seed = &seeds[next_random() % 4];
    uint8_t *bytes = malloc(seed->size);
    memcpy(bytes, seed->bytes, seed->size);
    mutate(bytes, seed);
    // a buffer of just the size that is read, so that the sanitizer sees any byte beyond
    size_t size = next_random() % 8 == 0 ? next_random() % (seed->size + 1) : seed->size;
    bytes = realloc(bytes, size == 0 ? 1 : size);
    (void)LLVMFuzzerTestOneInput(bytes, size);
    free(bytes);
}
#endif
