/* SPDX-License-Identifier: Apache-2.0
 * The ledger file from its writing side: entries that never move while the tables grow, and a file
 * that cannot grow any more, which is said once and hurts nobody. The reader has the last word
 * about what was written. */
#include "check.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "record/reader.h"
#include "record/writer.h"

#define EXTENT (64u << 10)

static char directory[64];
static struct pk_writer writer;

static bool start(uint64_t room) {
    (void)snprintf(directory, sizeof directory, "/tmp/pk-writer-XXXXXX");
    memset(&writer, 0, sizeof writer);
    return mkdtemp(directory) != NULL && pk_writer_open(&writer, directory, 4711, room) == 0;
}

static void end(void) {
    pk_writer_close(&writer);
    (void)unlink(writer.path);
    (void)rmdir(directory);
}

static struct pk_store *table(enum pk_table number) {
    return &writer.stores[number];
}

static bool is_flagged(uint32_t flag) {
    return (writer.header->flags & flag) != 0;
}

static void entries_stay_where_they_are_while_a_table_grows(void) {
    CHECK(start(0));
    char *base = table(PK_TABLE_COUNTERS)->base;
    memset(base, 7, EXTENT);
    table(PK_TABLE_COUNTERS)->used = EXTENT;
    CHECK_OK(pk_store_reserve(table(PK_TABLE_COUNTERS), 10 * EXTENT));
    CHECK(table(PK_TABLE_COUNTERS)->base == base &&
          table(PK_TABLE_COUNTERS)->capacity >= 11 * EXTENT);
    CHECK(base[0] == 7 && base[EXTENT - 1] == 7 && base[EXTENT] == 0);
    base[11 * EXTENT - 1] = 1; // room that is there, on the disk too
    CHECK_EQ(writer.error, 0);
    end();
}

static void the_limit_of_one_table_is_not_that_of_the_others(void) {
    CHECK(start(0));
    CHECK(pk_store_reserve(table(PK_TABLE_FILES), 64u << 20) < 0);
    CHECK(is_flagged(PK_FLAG_TABLE_FULL) && !is_flagged(PK_FLAG_DISK_FULL));
    CHECK_OK(pk_store_reserve(table(PK_TABLE_STRINGS), 2 * EXTENT));
    end();
}

static void a_file_that_is_gone_is_asked_for_once(void) {
    CHECK(start(0));
    CHECK_OK(unlink(writer.path));
    CHECK_EQ(pk_store_reserve(table(PK_TABLE_STRINGS), 2 * EXTENT), -ENOENT);
    CHECK(is_flagged(PK_FLAG_UNREACHABLE));
    // somebody else's of the same name is not looked for
    int fd = open(writer.path, O_CREAT | O_RDWR, 0600);
    CHECK_EQ(pk_store_reserve(table(PK_TABLE_IDENTS), 2 * EXTENT), -ENOENT);
    CHECK_EQ(lseek(fd, 0, SEEK_END), 0);
    (void)close(fd);
    memset(table(PK_TABLE_STRINGS)->base, 1, EXTENT); // what was there still is
    end();
}

/* A worker that becomes another user: all that it may need is there before. */
static void a_stock_lasts_when_the_file_is_gone(void) {
    CHECK(start(0));
    pk_writer_stock_up(&writer);
    uint64_t nodes = table(PK_TABLE_COUNTERS)->capacity / sizeof(struct pk_node_counters);
    CHECK(nodes >= 70000 &&
          table(PK_TABLE_IDENTS)->capacity / sizeof(struct pk_node_ident) >= nodes);
    uint64_t bytes = writer.file_bytes;
    pk_writer_stock_up(&writer); // once is enough
    CHECK_EQ(writer.file_bytes, bytes);
    struct stat status;
    CHECK_OK(stat(writer.path, &status));
    CHECK_EQ((uint64_t)status.st_size, bytes);
    CHECK(bytes < 10u << 20);
    end();
}

static void a_stock_that_cannot_be_had_is_no_loss_yet(void) {
    CHECK(start(0));
    char hidden[128];
    (void)snprintf(hidden, sizeof hidden, "%s/hidden", directory);
    CHECK_OK(rename(writer.path, hidden));
    pk_writer_stock_up(&writer);
    CHECK_EQ(writer.header->flags, 0);
    CHECK_OK(rename(hidden, writer.path)); // rights that were given away for a moment
    CHECK_OK(pk_store_reserve(table(PK_TABLE_COUNTERS), 2 * EXTENT));
    end();
}

static void a_child_of_a_fork_begins_its_own_file_in_the_same_place(void) {
    CHECK(start(0));
    char *base = table(PK_TABLE_COUNTERS)->base;
    base[0] = 1;
    struct pk_ledger_header *parents = writer.header;
    char first[PK_PATH_MAX];
    memcpy(first, writer.path, sizeof first);
    CHECK_OK(pk_writer_fork(&writer, 4712));
    CHECK(table(PK_TABLE_COUNTERS)->base == base && base[0] == 0 && writer.header != parents);
    CHECK(strcmp(first, writer.path) != 0);
    CHECK_OK(pk_store_reserve(table(PK_TABLE_COUNTERS), 2 * EXTENT));
    CHECK_OK(unlink(first));
    end();
}

static void the_reader_reads_what_grew_by_many_extents(void) {
    CHECK(start(0));
    table(PK_TABLE_STRINGS)->used = 8;                            // "", at offset 0
    table(PK_TABLE_FUNCTIONS)->used = sizeof(struct pk_function); // one that is called so
    for (uint32_t node = 0; node < 20000; node++) {
        struct pk_store *counters = table(PK_TABLE_COUNTERS), *idents = table(PK_TABLE_IDENTS);
        CHECK_OK(pk_store_reserve(counters, sizeof(struct pk_node_counters)));
        CHECK_OK(pk_store_reserve(idents, sizeof(struct pk_node_ident)));
        ((struct pk_node_counters *)(void *)counters->base)[node].alloc_bytes = node;
        ((struct pk_node_ident *)(void *)idents->base)[node].parent = node > 1 ? 1 : 0;
        counters->used += sizeof(struct pk_node_counters);
        idents->used += sizeof(struct pk_node_ident);
        if (node == 10000) {
            pk_writer_stock_up(&writer);
        }
    }
    pk_writer_publish(&writer);
    struct pk_snapshot *snapshot;
    char error[600];
    CHECK_OK(pk_snapshot_read(writer.path, &snapshot, error, sizeof error));
    CHECK_EQ(snapshot->node_count, 20000);
    CHECK_EQ(snapshot->counters[19999].alloc_bytes, 19999);
    pk_snapshot_free(snapshot);
    end();
}

int main(int argc, char **argv) {
    static const struct check_test tests[] = {
        TEST(entries_stay_where_they_are_while_a_table_grows),
        TEST(the_limit_of_one_table_is_not_that_of_the_others),
        TEST(a_file_that_is_gone_is_asked_for_once),
        TEST(a_stock_lasts_when_the_file_is_gone),
        TEST(a_stock_that_cannot_be_had_is_no_loss_yet),
        TEST(a_child_of_a_fork_begins_its_own_file_in_the_same_place),
        TEST(the_reader_reads_what_grew_by_many_extents),
    };
    return check_run(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
