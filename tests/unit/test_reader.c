/* SPDX-License-Identifier: Apache-2.0
 * The ledger reader: a good ledger reads back, a bad one gives one clear sentence and nothing else.
 */
#include "check.h"
#include "make_ledger.h"
#include "record/reader.h"
#include "record/utf8.h"

static char error[512];

/* A ledger with a caller and two callees: one block freed after the peak, one still held. */
static uint8_t *make_small(size_t *ret_size, int is_split) {
    struct make_ledger make;
    make_ledger_start(&make);
    make.is_split = is_split;
    uint32_t run = make_ledger_function(&make, "run", "/app/main.py", 1, PK_FUNCTION_PYTHON);
    uint32_t load = make_ledger_function(&make, "load", "/app/load.py", 3, PK_FUNCTION_PYTHON);
    uint32_t caller = make_ledger_node(&make, PK_NODE_ROOT, run, 10);
    make_ledger_hold(&make, make_ledger_node(&make, caller, load, 4), 3000, 3);
    make_ledger_held(&make, make_ledger_node(&make, caller, load, 5), 1000, 1);
    make_ledger_map(&make, "/app/data.bin", 8192);
    return make_ledger_finish(&make, ret_size);
}

static int read_bytes(const uint8_t *bytes, size_t size) {
    struct pk_snapshot *snapshot = NULL;
    error[0] = '\0';
    int r = pk_snapshot_read_memory(bytes, size, "ledger-1", &snapshot, error, sizeof(error));
    pk_snapshot_free(snapshot);
    return r;
}

static struct pk_ledger_header *header_of(uint8_t *bytes) {
    return (struct pk_ledger_header *)(void *)bytes;
}

/* The first entry of a table with a single extent. */
static void *table_of(uint8_t *bytes, enum pk_table table) {
    struct pk_ledger_header *header = header_of(bytes);
    for (uint32_t i = 0; i < header->extent_count; i++) {
        if (header->extents[i].table == (uint32_t)table) {
            return bytes + header->extents[i].file_offset;
        }
    }
    return NULL;
}

static void a_good_ledger_reads_back(void) {
    size_t size;
    uint8_t *bytes = make_small(&size, 0);
    struct pk_snapshot *snapshot;
    CHECK_OK(pk_snapshot_read_memory(bytes, size, "ledger-1", &snapshot, error, sizeof(error)));
    CHECK_EQ(snapshot->header.pid, 1234);
    CHECK_EQ(snapshot->node_count, 5);
    CHECK_EQ(snapshot->share_bytes, 4000);
    CHECK_EQ(snapshot->share_blocks, 4);
    CHECK_EQ(snapshot->header.peak_bytes, 4000);
    uint64_t share, blocks;
    pk_snapshot_share(snapshot, 3, &share, &blocks);
    CHECK_EQ(share, 3000); // not captured in this epoch: what is live
    pk_snapshot_share(snapshot, 4, &share, &blocks);
    CHECK_EQ(share, 1000); // captured, freed since
    const struct pk_function *function = &snapshot->functions[snapshot->idents[4].function];
    CHECK_STR(pk_snapshot_string(snapshot, function->name), "load");
    CHECK_STR(pk_snapshot_string(snapshot, function->file), "/app/load.py");
    CHECK_STR(pk_snapshot_string(snapshot, snapshot->files[0].path), "/app/data.bin");
    CHECK_STR(pk_snapshot_string(snapshot, 0), "");
    pk_snapshot_free(snapshot);
    free(bytes);
}

static void tables_are_joined_from_their_extents(void) {
    struct make_ledger make;
    make_ledger_start(&make);
    make.is_split = 1;
    char name[32];
    for (uint32_t i = 0; i < 1000; i++) {
        snprintf(name, sizeof(name), "function_%u", i);
        uint32_t function = make_ledger_function(&make, name, "a.py", i, PK_FUNCTION_PYTHON);
        make_ledger_hold(&make, make_ledger_node(&make, PK_NODE_ROOT, function, i), i, 1);
    }
    size_t size;
    uint8_t *bytes = make_ledger_finish(&make, &size);
    CHECK(header_of(bytes)->extent_count > 20);
    struct pk_snapshot *snapshot;
    CHECK_OK(pk_snapshot_read_memory(bytes, size, "ledger-1", &snapshot, error, sizeof(error)));
    for (uint32_t i = 0; i < 1000; i++) {
        snprintf(name, sizeof(name), "function_%u", i);
        CHECK_STR(pk_snapshot_string(snapshot, snapshot->functions[i].name), name);
        CHECK_EQ(snapshot->idents[i + 2].line, i);
        CHECK_EQ(snapshot->counters[i + 2].alloc_bytes, i);
    }
    pk_snapshot_free(snapshot);
    free(bytes);
}

static void a_process_killed_at_once_has_an_empty_account(void) {
    struct make_ledger make;
    make_ledger_start(&make);
    size_t size;
    uint8_t *bytes = make_ledger_finish(&make, &size);
    memset(header_of(bytes)->counts, 0, sizeof(header_of(bytes)->counts));
    header_of(bytes)->extent_count = 0;
    struct pk_snapshot *snapshot;
    CHECK_OK(pk_snapshot_read_memory(bytes, PK_LEDGER_HEADER_BYTES, "ledger-1", &snapshot, error,
                                     sizeof(error)));
    CHECK_EQ(snapshot->node_count, 2);
    CHECK_EQ(snapshot->share_bytes, 0);
    pk_snapshot_free(snapshot);
    free(bytes);
}

static void a_count_that_was_not_raised_yet_hides_the_half_made_node(void) {
    size_t size;
    uint8_t *bytes = make_small(&size, 0);
    header_of(bytes)->counts[PK_TABLE_COUNTERS]--;
    struct pk_snapshot *snapshot;
    CHECK_OK(pk_snapshot_read_memory(bytes, size, "ledger-1", &snapshot, error, sizeof(error)));
    CHECK_EQ(snapshot->node_count, 4);
    CHECK_EQ(snapshot->share_bytes, 3000);
    pk_snapshot_free(snapshot);
    free(bytes);
}

static void foreign_and_newer_files_are_named_as_such(void) {
    size_t size;
    uint8_t *bytes = make_small(&size, 0);
    CHECK_EQ(read_bytes((const uint8_t *)"hello, world, this is text", 26), -EINVAL);
    CHECK_STR(error, "ledger-1 is not a ledger of Peakline");
    CHECK_EQ(read_bytes((const uint8_t *)"", 0), -EINVAL);
    header_of(bytes)->version = 99;
    CHECK_EQ(read_bytes(bytes, size), -EPROTONOSUPPORT);
    CHECK_STR(error, "ledger-1 was written by a newer Peakline (ledger version 99, this one reads "
                     "3); update Peakline");
    CHECK_EQ(read_bytes(bytes, 64), -EPROTONOSUPPORT); // however little of it there is
    header_of(bytes)->version = 0;
    CHECK_EQ(read_bytes(bytes, size), -EBADMSG);
    header_of(bytes)->version = PK_LEDGER_VERSION;
    header_of(bytes)->byte_order = 0x04030201u;
    CHECK_EQ(read_bytes(bytes, size), -EINVAL);
    CHECK(strstr(error, "byte order") != NULL);
    free(bytes);
}

static void a_file_cut_anywhere_is_refused(void) {
    size_t size;
    uint8_t *bytes = make_small(&size, 0);
    CHECK_EQ(read_bytes(bytes, size), 0);
    for (size_t cut = 0; cut < size; cut += cut < 256 || cut > size - 256 ? 1 : 509) {
        // a copy of just that size: the sanitizer sees any read behind it
        uint8_t *copy = malloc(cut + 1);
        CHECK(copy != NULL);
        memcpy(copy, bytes, cut);
        CHECK(read_bytes(copy, cut) < 0);
        CHECK(strlen(error) > 10);
        free(copy);
    }
    free(bytes);
}

static void wrong_extents_are_refused(void) {
    size_t size;
    uint8_t *bytes = make_small(&size, 0);
    struct pk_ledger_header *header = header_of(bytes);
    const struct pk_ledger_header good = *header;
    header->extents[1].file_offset = header->extents[0].file_offset;
    CHECK_EQ(read_bytes(bytes, size), -EBADMSG);
    CHECK(strstr(error, "overlaps") != NULL);
    *header = good;
    header->extents[0].file_offset = 0;
    CHECK_EQ(read_bytes(bytes, size), -EBADMSG);
    *header = good;
    header->extents[2].bytes = UINT64_MAX - 4095;
    CHECK_EQ(read_bytes(bytes, size), -EBADMSG);
    *header = good;
    header->extents[2].table = PK_TABLE_COUNT;
    CHECK_EQ(read_bytes(bytes, size), -EBADMSG);
    *header = good;
    header->extent_count = PK_LEDGER_MAX_EXTENTS + 1;
    CHECK_EQ(read_bytes(bytes, size), -EBADMSG);
    *header = good;
    CHECK_EQ(read_bytes(bytes, size), 0);
    free(bytes);
}

static void counts_beyond_the_tables_are_refused(void) {
    for (int table = 0; table < PK_TABLE_COUNT; table++) {
        size_t size;
        uint8_t *bytes = make_small(&size, 0);
        header_of(bytes)->counts[table] = 5000;
        CHECK_EQ(read_bytes(bytes, size), -EBADMSG);
        header_of(bytes)->counts[table] = UINT64_MAX;
        CHECK_EQ(read_bytes(bytes, size), -EBADMSG);
        CHECK(strstr(error, "more than there is room for") != NULL);
        free(bytes);
    }
}

static void wrong_references_are_refused(void) {
    size_t size;
    uint8_t *bytes = make_small(&size, 0);
    struct pk_node_ident *idents = table_of(bytes, PK_TABLE_IDENTS);
    struct pk_function *functions = table_of(bytes, PK_TABLE_FUNCTIONS);
    struct pk_file_map *files = table_of(bytes, PK_TABLE_FILES);
    idents[3].parent = 3; // its own caller
    CHECK_EQ(read_bytes(bytes, size), -EBADMSG);
    CHECK_STR(error, "ledger-1 is damaged: stack 3 has stack 3 for a caller");
    idents[3].parent = 0;
    CHECK_EQ(read_bytes(bytes, size), -EBADMSG);
    idents[3].parent = 2;
    idents[3].function = 2;
    CHECK_EQ(read_bytes(bytes, size), -EBADMSG);
    idents[3].function = 1;
    functions[1].name += 4; // into the middle of a string
    CHECK_EQ(read_bytes(bytes, size), -EBADMSG);
    functions[1].name -= 4;
    functions[1].kind = PK_FUNCTION_KINDS;
    CHECK_EQ(read_bytes(bytes, size), -EBADMSG);
    functions[1].kind = PK_FUNCTION_PYTHON;
    files[0].path = 0x7ffffffcu;
    CHECK_EQ(read_bytes(bytes, size), -EBADMSG);
    files[0].path = 0;
    CHECK_EQ(read_bytes(bytes, size), 0);
    free(bytes);
}

static void a_thread_comes_after_the_stack_that_started_it(void) {
    size_t size;
    uint8_t *bytes = make_small(&size, 0);
    struct pk_node_ident *idents = table_of(bytes, PK_TABLE_IDENTS);
    struct pk_function *functions = table_of(bytes, PK_TABLE_FUNCTIONS);
    idents[4].function = 0;
    functions[1].kind = PK_FUNCTION_THREAD;
    for (uint32_t starter = 0; starter < 3; starter++) {
        idents[3].line = starter; // 0: not known
        CHECK_EQ(read_bytes(bytes, size), 0);
    }
    idents[3].line = 3; // itself
    CHECK_EQ(read_bytes(bytes, size), -EBADMSG);
    CHECK_STR(error, "ledger-1 is damaged: thread 3 was started by stack 3");
    idents[3].line = UINT32_MAX;
    CHECK_EQ(read_bytes(bytes, size), -EBADMSG);
    free(bytes);
}

static void strings_must_end_inside_their_table(void) {
    size_t size;
    uint8_t *bytes = make_small(&size, 0);
    char *strings = table_of(bytes, PK_TABLE_STRINGS);
    uint32_t length = 0xfffffff0u;
    memcpy(strings + 8, &length, sizeof(length));
    CHECK_EQ(read_bytes(bytes, size), -EBADMSG);
    CHECK(strstr(error, "string") != NULL);
    length = 2; // "run" with a length of 2: no NUL where it should end
    memcpy(strings + 8, &length, sizeof(length));
    CHECK_EQ(read_bytes(bytes, size), -EBADMSG);
    free(bytes);
}

static void absurd_numbers_are_refused(void) {
    size_t size;
    uint8_t *bytes = make_small(&size, 0);
    struct pk_node_counters *counters = table_of(bytes, PK_TABLE_COUNTERS);
    counters[3].alloc_bytes = UINT64_MAX;
    CHECK_EQ(read_bytes(bytes, size), -EBADMSG);
    counters[3].alloc_bytes = 3000;
    header_of(bytes)->peak_bytes = UINT64_MAX;
    CHECK_EQ(read_bytes(bytes, size), -EBADMSG);
    free(bytes);
}

static void more_frees_than_allocations_count_as_nothing(void) {
    size_t size;
    uint8_t *bytes = make_small(&size, 0);
    struct pk_node_counters *counters = table_of(bytes, PK_TABLE_COUNTERS);
    counters[3].free_bytes = 3001;
    struct pk_snapshot *snapshot;
    CHECK_OK(pk_snapshot_read_memory(bytes, size, "ledger-1", &snapshot, error, sizeof(error)));
    CHECK_EQ(snapshot->share_bytes, 1000);
    CHECK_EQ(snapshot->negative_nodes, 1);
    pk_snapshot_free(snapshot);
    free(bytes);
}

static void wrong_utf8_and_nuls_are_replaced(void) {
    struct make_ledger make;
    make_ledger_start(&make);
    uint32_t function = make_ledger_function(&make, "f", "a.py", 1, PK_FUNCTION_PYTHON);
    uint32_t wrong = make_ledger_bytes(&make, "a\xff\0b\xed\xb2\x80z", 8);
    struct pk_function *place =
        (struct pk_function *)(void *)make.tables[PK_TABLE_FUNCTIONS] + function;
    place->name = wrong;
    size_t size;
    uint8_t *bytes = make_ledger_finish(&make, &size);
    struct pk_snapshot *snapshot;
    CHECK_OK(pk_snapshot_read_memory(bytes, size, "ledger-1", &snapshot, error, sizeof(error)));
    CHECK_STR(pk_snapshot_string(snapshot, snapshot->functions[0].name), "a??b\xef\xbf\xbdz");
    pk_snapshot_free(snapshot);
    free(bytes);
}

static void files_that_are_not_files_are_refused_without_waiting(void) {
    struct pk_snapshot *snapshot;
    CHECK_EQ(pk_snapshot_read("/nonexistent/ledger-1", &snapshot, error, sizeof(error)), -ENOENT);
    CHECK_STR(error, "/nonexistent/ledger-1 cannot be read: No such file or directory");
    CHECK(snapshot == NULL);
    CHECK_EQ(pk_snapshot_read("/", &snapshot, error, sizeof(error)), -EINVAL);
    CHECK_EQ(pk_snapshot_read("/dev/zero", &snapshot, error, sizeof(error)), -EINVAL);
    CHECK_STR(error, "/dev/zero is not a ledger of Peakline: not an ordinary file");
}

static void a_short_error_buffer_is_enough(void) {
    struct pk_snapshot *snapshot;
    char tiny[8];
    CHECK_EQ(pk_snapshot_read("/nonexistent", &snapshot, tiny, sizeof(tiny)), -ENOENT);
    CHECK_EQ(strlen(tiny), 7);
    CHECK_EQ(pk_snapshot_read("/nonexistent", &snapshot, NULL, 0), -ENOENT);
}

static void utf8_is_decoded_strictly(void) {
    uint32_t point;
    CHECK_EQ(pk_utf8_decode("\xe2\x82\xac", 3, &point), 3);
    CHECK_EQ(point, 0x20ac);
    CHECK_EQ(pk_utf8_decode("\xe2\x82\xac", 2, &point), 0);
    CHECK_EQ(pk_utf8_decode("\xc0\x80", 2, &point), 0);         // overlong
    CHECK_EQ(pk_utf8_decode("\xed\xa0\x80", 3, &point), 0);     // surrogate
    CHECK_EQ(pk_utf8_decode("\xf4\x90\x80\x80", 4, &point), 0); // beyond Unicode
    for (uint32_t i = 0; i < 0x110000; i += i < 0x1000 ? 1 : 97) {
        char bytes[4];
        size_t length = pk_utf8_encode(i, bytes);
        CHECK_EQ(pk_utf8_decode(bytes, length, &point), length);
        CHECK_EQ(point, i >= 0xd800 && i <= 0xdfff ? 0xfffd : i);
    }
}

int main(int argc, char **argv) {
    static const struct check_test tests[] = {
        TEST(a_good_ledger_reads_back),
        TEST(tables_are_joined_from_their_extents),
        TEST(a_process_killed_at_once_has_an_empty_account),
        TEST(a_count_that_was_not_raised_yet_hides_the_half_made_node),
        TEST(foreign_and_newer_files_are_named_as_such),
        TEST(a_file_cut_anywhere_is_refused),
        TEST(wrong_extents_are_refused),
        TEST(counts_beyond_the_tables_are_refused),
        TEST(wrong_references_are_refused),
        TEST(a_thread_comes_after_the_stack_that_started_it),
        TEST(strings_must_end_inside_their_table),
        TEST(absurd_numbers_are_refused),
        TEST(more_frees_than_allocations_count_as_nothing),
        TEST(wrong_utf8_and_nuls_are_replaced),
        TEST(files_that_are_not_files_are_refused_without_waiting),
        TEST(a_short_error_buffer_is_enough),
        TEST(utf8_is_decoded_strictly),
    };
    return check_run(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
