/* SPDX-License-Identifier: Apache-2.0
 * Hostile line tables: any bytes, any offset, all encodings. Reaches src/pyframe/linetable.c.
 * Input: byte 0 the encoding, 1-4 co_firstlineno, 5-6 the offset, then the table.
 *
 * With libFuzzer: LLVMFuzzerTestOneInput. Without it: standalone.h, which changes right tables.
 * Build either with -fsanitize=address,undefined: the sanitizer is the judge of reads outside. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pyframe/linetable.h"
#include "pyframe/walk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool condition, const char *what) {
    if (!condition) {
        fprintf(stderr, "fuzz_linetable: violated: %s\n", what);
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 7) {
        return 0;
    }
    enum pk_line_kind kind = (enum pk_line_kind)(data[0] % 3);
    int32_t first_line;
    uint16_t short_offset;
    memcpy(&first_line, data + 1, sizeof(first_line));
    memcpy(&short_offset, data + 5, sizeof(short_offset));
    uint32_t offset = data[0] & 128 ? (uint32_t)short_offset << 16 | short_offset : short_offset;

    // A copy that ends where its memory ends, so that one byte too far is seen.
    size_t length = size - 7;
    uint8_t *table = malloc(length > 0 ? length : 1);
    if (table == NULL) {
        return 0;
    }
    memcpy(table, data + 7, length);

    int32_t line = pk_line_at(kind, table, length, first_line, offset);
    expect(line >= 0, "lines are not negative");
    expect(line == pk_line_at(kind, table, length, first_line, offset), "same input, same answer");
    expect(pk_line_at(kind, table, length, first_line, PK_OFFSET_NONE) == 0, "no offset, no line");

    // From wherever an earlier look left off, the answer is the same; a cursor of another table is
    // survived.
    struct pk_line_cursor cursor = {0};
    uint32_t before = offset / 2;
    expect(pk_line_after(kind, table, length, first_line, before, &cursor) ==
               pk_line_at(kind, table, length, first_line, before),
           "a fresh cursor changes nothing");
    expect(pk_line_after(kind, table, length, first_line, offset, &cursor) == line,
           "reading on is reading anew");
    expect(pk_line_after(kind, table, length, first_line, before, &cursor) ==
               pk_line_at(kind, table, length, first_line, before),
           "reading back is reading anew");
    struct pk_line_cursor wild = {.position = data[5], .offset = data[6], .moved = first_line};
    (void)pk_line_after(kind, table, length, first_line, offset, &wild);

    struct pk_location location;
    bool found = pk_location_at(table, length, first_line, offset, &location);
    uint32_t column, end_column;
    bool further;
    struct pk_line_cursor left = {0};
    (void)pk_columns_at(table, length, offset, &wild, &column, &end_column, &further);
    if (kind == PK_LINES_LOCATIONS && offset < PK_OFFSET_START &&
        pk_line_after(kind, table, length, first_line, offset, &left) > 0 &&
        pk_columns_at(table, length, offset, &left, &column, &end_column, &further)) {
        expect(found && (int32_t)column == location.column &&
                   (int32_t)end_column == location.end_column,
               "columns are those of the whole location");
    }
    line = pk_line_at(PK_LINES_LOCATIONS, table, length, first_line, offset);
    expect(found == (location.line != 0), "a location has a line");
    expect(!found || location.line == line, "both decoders give one line");
    expect(location.end_line >= 0 && location.column >= -1 && location.end_column >= -1,
           "a location is none or valid");
    free(table);
    return 0;
}

#ifdef PK_FUZZ_STANDALONE
#include "standalone.h"

/* Right tables, one of each encoding, behind their 7 bytes of head. */
static const uint8_t seeds[][40] = {
    {0, 10, 0, 0, 0, 6, 0, 6, 1, 8, 255, 255, 0, 45, 127, 0, 73, 2, 129},
    {1, 10, 0, 0, 0, 6, 0, 4, 1, 2, 128, 4, 254, 254, 127, 0, 127, 8, 3},
    {2,    1,    0,    0,    0, 6,    0,    0xf0, 3,  0, 1, 0,    0xd8, 4,    44,
     0x91, 0x53, 0xe8, 0x59, 9, 0xff, 0xf0, 0x50, 31, 3, 8, 0x47, 1,    0x80, 0x10},
};

static void make_seeds(void) { // they stand above
}

static void run_round(void) {
    uint8_t input[sizeof(seeds[0])];
    memcpy(input, seeds[next_random() % 3], sizeof(input));
    for (uint32_t changes = next_random() % 6; changes > 0; changes--) {
        size_t place = next_random() % sizeof(input);
        uint32_t how = next_random();
        input[place] = (uint8_t)(how & 1 ? how >> 8 : input[place] ^ (1u << (how >> 8) % 8));
    }
    (void)LLVMFuzzerTestOneInput(input, 7 + next_random() % (sizeof(input) - 6));
}
#endif
