/* SPDX-License-Identifier: Apache-2.0
 * Line tables, byte by byte: what each encoding says, and that broken ones are survived.
 * Tests src/pyframe/linetable.c. Tables of real code objects are compared in tests/e2e. */
#include "check.h"

#include "pyframe/linetable.h"
#include "pyframe/walk.h"

#define TABLE(...) (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})

static const enum pk_line_kind kinds[] = {PK_LINES_LNOTAB, PK_LINES_RANGES, PK_LINES_LOCATIONS};

static void lnotab_changes_line_after_each_pair(void) {
    // bytes 0-5: line 10; 6-13: line 12; from 14: line 11 (line deltas are signed)
    CHECK_EQ(pk_line_at(PK_LINES_LNOTAB, TABLE(6, 2, 8, 0xff), 10, 0), 10);
    CHECK_EQ(pk_line_at(PK_LINES_LNOTAB, TABLE(6, 2, 8, 0xff), 10, 5), 10);
    CHECK_EQ(pk_line_at(PK_LINES_LNOTAB, TABLE(6, 2, 8, 0xff), 10, 6), 12);
    CHECK_EQ(pk_line_at(PK_LINES_LNOTAB, TABLE(6, 2, 8, 0xff), 10, 13), 12);
    CHECK_EQ(pk_line_at(PK_LINES_LNOTAB, TABLE(6, 2, 8, 0xff), 10, 14), 11);
    CHECK_EQ(pk_line_at(PK_LINES_LNOTAB, TABLE(6, 2, 8, 0xff), 10, 5000), 11);
}

static void lnotab_adds_up_long_jumps(void) {
    // 300 bytes = 255 + 45; 200 lines = 127 + 73
    CHECK_EQ(pk_line_at(PK_LINES_LNOTAB, TABLE(255, 0, 45, 127, 0, 73), 1, 299), 1);
    CHECK_EQ(pk_line_at(PK_LINES_LNOTAB, TABLE(255, 0, 45, 127, 0, 73), 1, 300), 201);
}

static void lnotab_may_be_empty(void) {
    CHECK_EQ(pk_line_at(PK_LINES_LNOTAB, NULL, 0, 7, 0), 7);
    CHECK_EQ(pk_line_at(PK_LINES_LNOTAB, TABLE(0), 7, 4), 7); // half a pair
}

static void ranges_hold_for_their_bytes(void) {
    // bytes 0-3: line 11; 4-5: no line; 6-9: line 9
    CHECK_EQ(pk_line_at(PK_LINES_RANGES, TABLE(4, 1, 2, 0x80, 4, 0xfe), 10, 0), 11);
    CHECK_EQ(pk_line_at(PK_LINES_RANGES, TABLE(4, 1, 2, 0x80, 4, 0xfe), 10, 3), 11);
    CHECK_EQ(pk_line_at(PK_LINES_RANGES, TABLE(4, 1, 2, 0x80, 4, 0xfe), 10, 4), 0);
    CHECK_EQ(pk_line_at(PK_LINES_RANGES, TABLE(4, 1, 2, 0x80, 4, 0xfe), 10, 6), 9);
    CHECK_EQ(pk_line_at(PK_LINES_RANGES, TABLE(4, 1, 2, 0x80, 4, 0xfe), 10, 10), 0);
}

static void ranges_without_bytes_only_move_the_line(void) {
    CHECK_EQ(pk_line_at(PK_LINES_RANGES, TABLE(0, 127, 0, 127, 2, 46), 1, 0), 301);
}

static void locations_know_all_forms(void) {
    // two units short form (columns 21-24), one unit "next line but one", one unit without columns
    // 300 lines back, one long (line +1000, 3 lines, columns 7 and 70), one without a line, one
    // short
    static const uint8_t table[] = {
        0x80 | (2 << 3) | 1,
        0x53,
        0x80 | (12 << 3) | 0,
        4,
        44,
        0x80 | (13 << 3) | 0,
        0x40 | (601 & 63),
        601 >> 6,
        0x80 | (14 << 3) | 0,
        0x40 | (2000 & 63),
        2000 >> 6,
        3,
        8,
        0x40 | (71 & 63),
        71 >> 6,
        0x80 | (15 << 3) | 7,
        0x80 | (0 << 3) | 0,
        0x10,
    };
    static const struct {
        uint32_t offset;
        struct pk_location location;
    } expected[] = {
        {0, {400, 400, 21, 24}}, {3, {400, 400, 21, 24}},  {4, {402, 402, 4, 44}},
        {6, {102, 102, -1, -1}}, {8, {1102, 1105, 7, 70}}, {10, {0, 0, -1, -1}},
        {25, {0, 0, -1, -1}},    {26, {1102, 1102, 1, 1}}, {28, {0, 0, -1, -1}},
    };
    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
        const struct pk_location *want = &expected[i].location;
        struct pk_location got;
        uint32_t offset = expected[i].offset;
        CHECK_EQ(pk_line_at(PK_LINES_LOCATIONS, table, sizeof(table), 400, offset), want->line);
        CHECK_EQ(pk_location_at(table, sizeof(table), 400, offset, &got), want->line != 0);
        CHECK_EQ(got.line, want->line);
        CHECK_EQ(got.end_line, want->end_line);
        CHECK_EQ(got.column, want->column);
        CHECK_EQ(got.end_column, want->end_column);
    }
}

static void a_module_begins_on_line_zero(void) {
    // one unit on line 0, which is none, then line 1
    static const uint8_t table[] = {0xf0, 3, 0, 1, 0, 0xd8, 0, 1};
    struct pk_location location;
    CHECK_EQ(pk_line_at(PK_LINES_LOCATIONS, table, sizeof(table), 1, 0), 0);
    CHECK_EQ(pk_line_at(PK_LINES_LOCATIONS, table, sizeof(table), 1, 2), 1);
    CHECK(!pk_location_at(table, sizeof(table), 1, 0, &location));
    CHECK(pk_location_at(table, sizeof(table), 1, 2, &location));
}

static void special_offsets_need_no_table(void) {
    struct pk_location location;
    for (size_t i = 0; i < 3; i++) {
        CHECK_EQ(pk_line_at(kinds[i], NULL, 0, 42, PK_OFFSET_START), 42);
        CHECK_EQ(pk_line_at(kinds[i], NULL, 0, 42, PK_OFFSET_NONE), 0);
        CHECK_EQ(pk_line_at(kinds[i], NULL, 0, -3, PK_OFFSET_START), 0);
    }
    CHECK(pk_location_at(NULL, 0, 42, PK_OFFSET_START, &location));
    CHECK_EQ(location.line, 42);
    CHECK_EQ(location.column, -1);
    CHECK(!pk_location_at(NULL, 0, 42, PK_OFFSET_NONE, &location));
    CHECK(!pk_location_at(NULL, 0, 42, 0, &location));
}

static void overlong_numbers_give_no_line(void) {
    // continuation bytes without end; the same cut off; cut by the next entry
    CHECK_EQ(pk_line_at(PK_LINES_LOCATIONS,
                        TABLE(0xe8, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0),
                        1, 0),
             0);
    CHECK_EQ(pk_line_at(PK_LINES_LOCATIONS, TABLE(0xe8, 0x7f), 1, 0), 0);
    CHECK_EQ(pk_line_at(PK_LINES_LOCATIONS, TABLE(0xe8), 1, 0), 0);
    CHECK_EQ(pk_line_at(PK_LINES_LOCATIONS, TABLE(0xe8, 0x41, 0x80, 0), 1, 0), 0);
}

static void lines_beyond_32_bits_are_none(void) {
    uint8_t up[400], down[400];
    for (size_t i = 0; i < sizeof(up); i += 2) {
        up[i] = down[i] = 0;
        up[i + 1] = 127;
        down[i + 1] = 0x81;
    }
    CHECK_EQ(pk_line_at(PK_LINES_LNOTAB, up, sizeof(up), INT32_MAX, 0), 0);
    CHECK_EQ(pk_line_at(PK_LINES_LNOTAB, down, sizeof(down), INT32_MIN, 0), 0);
    CHECK_EQ(pk_line_at(PK_LINES_RANGES, TABLE(2, 1), INT32_MAX, 0), 0);
    CHECK_EQ(pk_line_at(PK_LINES_LOCATIONS, TABLE(0xe0, 0, 0), INT32_MAX, 0), 0);
    CHECK_EQ(
        pk_line_at(PK_LINES_LOCATIONS, TABLE(0xe8, 0x7e, 0x7f, 0x7f, 0x7f, 0x7f, 3), INT32_MAX, 0),
        0);
}

static void large_lines_are_exact(void) {
    // +70,000 lines: signed varint 140000 = 32 + 64 * (11 + 64 * 34)
    CHECK_EQ(pk_line_at(PK_LINES_LOCATIONS, TABLE(0xe8, 0x40 | 32, 0x40 | 11, 34), 3, 0), 70003);
}

static void a_cut_column_spoils_the_location_only(void) {
    struct pk_location location;
    CHECK_EQ(pk_line_at(PK_LINES_LOCATIONS, TABLE(0x80), 5, 0), 5);
    CHECK(!pk_location_at(TABLE(0x80), 5, 0, &location));
    CHECK_EQ(location.line, 0);
    CHECK_EQ(location.end_line, 0);
}

static void a_cursor_reads_on_and_goes_back(void) {
    // 0-5: line 10, 6-13: line 12, from 14: line 11, once in each encoding
    static const uint8_t lnotab[] = {6, 2, 8, 0xff};
    static const uint8_t ranges[] = {6, 0, 8, 2, 100, 0xff};
    static const uint8_t locations[] = {0x82, 0, 0x80 | 12 << 3 | 3, 4, 44, 0x80 | 13 << 3 | 7, 3};
    const uint8_t *tables[] = {lnotab, ranges, locations};
    const size_t lengths[] = {sizeof lnotab, sizeof ranges, sizeof locations};
    for (size_t k = 0; k < 3; k++) {
        struct pk_line_cursor cursor = {0};
        CHECK_EQ(pk_line_after(kinds[k], tables[k], lengths[k], 10, 6, &cursor), 12);
        CHECK_EQ(cursor.offset, 6);
        CHECK(cursor.position > 0);
        // the same entry again
        CHECK_EQ(pk_line_after(kinds[k], tables[k], lengths[k], 10, 8, &cursor), 12);
        CHECK_EQ(pk_line_after(kinds[k], tables[k], lengths[k], 10, 14, &cursor), 11);
        // back to the start
        CHECK_EQ(pk_line_after(kinds[k], tables[k], lengths[k], 10, 0, &cursor), 10);
        CHECK_EQ(cursor.offset, 0);
        CHECK_EQ(pk_line_after(kinds[k], tables[k], lengths[k], 10, PK_OFFSET_START, &cursor), 10);
    }
}

static void a_cursor_beyond_the_table_starts_anew(void) {
    struct pk_line_cursor cursor = {.position = 400, .offset = 2, .moved = 90};
    CHECK_EQ(pk_line_after(PK_LINES_LNOTAB, TABLE(6, 2, 8, 0xff), 10, 6, &cursor), 12);
    struct pk_line_cursor last = {0};
    // outside: nothing kept
    CHECK_EQ(pk_line_after(PK_LINES_LOCATIONS, TABLE(0x80, 0), 10, 2, &last), 0);
    CHECK_EQ(last.position, 0);
    CHECK_EQ(pk_line_after(PK_LINES_LOCATIONS, TABLE(0x80, 0), 10, 0, &last), 10);
}

static void random_bytes_are_survived(void) {
    // exact-size copies on the heap: with a sanitizer, any read outside is an error
    for (unsigned round = 0; round < 3000; round++) {
        size_t length = check_random() % 40;
        uint8_t *table = malloc(length + 1);
        for (size_t i = 0; i < length; i++) {
            table[i + 1] = (uint8_t)check_random();
        }
        for (uint32_t offset = 0; offset < 60; offset++) {
            struct pk_location location;
            int32_t first_line = (int32_t)check_random();
            struct pk_line_cursor cursor = {0};
            for (size_t k = 0; k < 3; k++, cursor = (struct pk_line_cursor){0}) {
                int32_t line = pk_line_at(kinds[k], table + 1, length, first_line, offset);
                CHECK(line >= 0);
                (void)pk_line_after(kinds[k], table + 1, length, first_line,
                                    (uint32_t)(check_random() % 60), &cursor);
                CHECK_EQ(pk_line_after(kinds[k], table + 1, length, first_line, offset, &cursor),
                         line);
            }
            bool found = pk_location_at(table + 1, length, first_line, offset, &location);
            struct pk_line_cursor at = {0};
            uint32_t column = 0, end_column = 0;
            bool further = false;
            (void)pk_line_after(PK_LINES_LOCATIONS, table + 1, length, first_line, offset, &at);
            if (found && location.column >= 0 && location.end_column >= 0 &&
                offset < PK_OFFSET_START) {
                CHECK(
                    pk_columns_at(table + 1, length, offset, &at, &column, &end_column, &further));
                CHECK_EQ(column, location.column);
                CHECK_EQ(end_column, location.end_column);
                CHECK(further == (location.end_line != location.line) || location.end_line == 0);
            }
            CHECK_EQ(found, location.line != 0);
            CHECK(!found || location.line == pk_line_at(PK_LINES_LOCATIONS, table + 1, length,
                                                        first_line, offset));
        }
        free(table);
    }
}

int main(int argc, char **argv) {
    static const struct check_test tests[] = {
        TEST(lnotab_changes_line_after_each_pair),
        TEST(lnotab_adds_up_long_jumps),
        TEST(lnotab_may_be_empty),
        TEST(ranges_hold_for_their_bytes),
        TEST(ranges_without_bytes_only_move_the_line),
        TEST(locations_know_all_forms),
        TEST(a_module_begins_on_line_zero),
        TEST(special_offsets_need_no_table),
        TEST(overlong_numbers_give_no_line),
        TEST(lines_beyond_32_bits_are_none),
        TEST(large_lines_are_exact),
        TEST(a_cut_column_spoils_the_location_only),
        TEST(a_cursor_reads_on_and_goes_back),
        TEST(a_cursor_beyond_the_table_starts_anew),
        TEST(random_bytes_are_survived),
    };
    return check_run(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
