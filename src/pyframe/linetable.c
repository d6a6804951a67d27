/* SPDX-License-Identifier: Apache-2.0
 * The three encodings of line tables that CPython 3.8 ... 3.15 use, each one loop.
 *
 *   3.8, 3.9  pairs (bytes forward, signed lines forward): the line changes after each pair
 *   3.10      pairs (bytes covered, signed lines forward; -128: these bytes have no line)
 *   3.11+     entries: 1 ffff nnn, then 0 to many bytes below 128; n+1 code units, form f says the
 * rest
 *
 * May use base only. Must stay true: reads stay inside [table, table + length); sums are 64 bits
 * wide, so no table that fits memory can make them overflow. */
#include "pyframe/linetable.h"

#include "pyframe/walk.h" // PK_OFFSET_START, PK_OFFSET_NONE

/* Forms of a location entry. 0 to 9: short, columns only. */
enum {
    FORM_ONE_LINE_0 = 10, /* columns in two bytes; the line is 0, 1 or 2 further */
    FORM_ONE_LINE_2 = 12,
    FORM_NO_COLUMNS = 13,
    FORM_LONG = 14,
    FORM_NONE = 15,
};

/* Wider numbers than 32 bits do not occur; a longer run of continuation bytes is a broken table. */
#define VARINT_MAX_SHIFT 30u

struct byte_reader {
    const uint8_t *next;
    const uint8_t *end;
    bool broken;
};

static int32_t line_or_none(int64_t line) {
    return line > 0 && line <= INT32_MAX ? (int32_t)line : 0;
}

/* Where decoding stands: the next entry, the bytecode before it, its line before it says how many
 * further. */
struct decoder {
    const uint8_t *table;
    size_t length;
    size_t position;
    uint64_t offset;
    int64_t line;
};

static int32_t find_line_lnotab(struct decoder *at, uint32_t byte_offset) {
    for (; at->position + 1 < at->length; at->position += 2) {
        uint64_t end = at->offset + at->table[at->position];
        if (end > byte_offset) {
            break;
        }
        at->offset = end;
        at->line += (int8_t)at->table[at->position + 1];
    }
    return line_or_none(at->line);
}

static int32_t find_line_ranges(struct decoder *at, uint32_t byte_offset) {
    for (; at->position + 1 < at->length; at->position += 2) {
        int8_t delta = (int8_t)at->table[at->position + 1];
        bool has_line = delta != -128;
        uint64_t end = at->offset + at->table[at->position];
        int64_t line = at->line + (has_line ? delta : 0);
        if (byte_offset < end) {
            return has_line ? line_or_none(line) : 0;
        }
        at->offset = end;
        at->line = line;
    }
    return 0;
}

static uint32_t read_byte(struct byte_reader *reader) {
    // Bytes from 128 up start the next entry: running into one means that this entry was cut.
    if (reader->next >= reader->end || *reader->next >= 128) {
        reader->broken = true;
        return 0;
    }
    return *reader->next++;
}

static uint64_t read_varint(struct byte_reader *reader) {
    uint64_t value = 0;
    for (unsigned shift = 0; shift <= VARINT_MAX_SHIFT; shift += 6) {
        uint32_t byte = read_byte(reader);
        value |= (uint64_t)(byte & 63) << shift;
        if ((byte & 64) == 0) {
            return value;
        }
    }
    reader->broken = true;
    return 0;
}

static int64_t read_signed_varint(struct byte_reader *reader) {
    uint64_t value = read_varint(reader);
    int64_t magnitude = (int64_t)(value >> 1);
    return (value & 1) != 0 ? -magnitude : magnitude;
}

/* Lines forward that an entry of this form says, with what is left of its bytes still unread. */
static int64_t read_line_delta(unsigned form, struct byte_reader *reader) {
    if (form == FORM_NO_COLUMNS || form == FORM_LONG) {
        return read_signed_varint(reader);
    }
    if (form >= FORM_ONE_LINE_0 && form <= FORM_ONE_LINE_2) {
        return form - FORM_ONE_LINE_0;
    }
    return 0;
}

/* Goes to the entry that covers the offset: its form and line, the reader behind its line. False:
 * none does. */
static bool find_entry(struct decoder *at, uint32_t byte_offset, struct byte_reader *reader,
                       unsigned *ret_form, int64_t *ret_line) {
    *reader = (struct byte_reader){.next = at->table + at->position, .end = at->table + at->length};
    while (reader->next < reader->end) {
        const uint8_t *start = reader->next++;
        if (*start < 128) {
            continue; // the rest of an entry
        }
        unsigned form = (*start >> 3) & 15;
        uint64_t end = at->offset + ((uint64_t)(*start & 7) + 1) * 2;
        int64_t line = at->line + read_line_delta(form, reader);
        if (reader->broken) {
            return false;
        }
        if (byte_offset < end) {
            at->position = (size_t)(start - at->table);
            *ret_form = form;
            *ret_line = line;
            return true;
        }
        at->offset = end;
        at->line = line;
    }
    return false;
}

static int32_t find_line_locations(struct decoder *at, uint32_t byte_offset) {
    struct byte_reader reader;
    unsigned form;
    int64_t line;
    if (!find_entry(at, byte_offset, &reader, &form, &line)) {
        at->position = at->length + 1; // nothing to go on from
        return 0;
    }
    return form == FORM_NONE ? 0 : line_or_none(line);
}

static int32_t find_line(enum pk_line_kind kind, struct decoder *at, uint32_t byte_offset) {
    switch (kind) {
    case PK_LINES_LNOTAB:
        return find_line_lnotab(at, byte_offset);
    case PK_LINES_RANGES:
        return find_line_ranges(at, byte_offset);
    case PK_LINES_LOCATIONS:
        return find_line_locations(at, byte_offset);
    }
    return 0;
}

int32_t pk_line_at(enum pk_line_kind kind, const uint8_t *table, size_t length, int32_t first_line,
                   uint32_t byte_offset) {
    struct pk_line_cursor cursor = {0};
    return pk_line_after(kind, table, length, first_line, byte_offset, &cursor);
}

int32_t pk_line_after(enum pk_line_kind kind, const uint8_t *table, size_t length,
                      int32_t first_line, uint32_t byte_offset, struct pk_line_cursor *cursor) {
    if (byte_offset == PK_OFFSET_START) {
        return line_or_none(first_line);
    }
    if (byte_offset == PK_OFFSET_NONE) {
        return 0;
    }
    struct decoder at = {.table = table, .length = length, .line = first_line};
    if (byte_offset >= cursor->offset && cursor->position < length) {
        at.position = cursor->position;
        at.offset = cursor->offset;
        at.line += cursor->moved;
    }
    int32_t line = find_line(kind, &at, byte_offset);
    int64_t moved = at.line - first_line;
    bool fits = at.position < length && at.position <= UINT32_MAX && at.offset <= UINT32_MAX &&
                moved == (int32_t)moved;
    *cursor =
        fits ? (struct pk_line_cursor){(uint32_t)at.position, (uint32_t)at.offset, (int32_t)moved}
             : (struct pk_line_cursor){0};
    return line;
}

/* Columns are stored plus one, 0 for none. */
static int32_t column_or_none(uint64_t stored) {
    return stored <= INT32_MAX ? (int32_t)stored - 1 : -1;
}

/* What an entry of this form says behind its line. */
static void read_columns(unsigned form, struct byte_reader *reader, int64_t line,
                         struct pk_location *ret_location) {
    if (form < FORM_ONE_LINE_0) {
        uint32_t second = read_byte(reader);
        ret_location->column = (int32_t)((form << 3) | (second >> 4));
        ret_location->end_column = ret_location->column + (int32_t)(second & 15);
    } else if (form <= FORM_ONE_LINE_2) {
        ret_location->column = (int32_t)read_byte(reader);
        ret_location->end_column = (int32_t)read_byte(reader);
    } else if (form == FORM_LONG) {
        ret_location->end_line = line_or_none(line + (int64_t)read_varint(reader));
        ret_location->column = column_or_none(read_varint(reader));
        ret_location->end_column = column_or_none(read_varint(reader));
    }
}

bool pk_columns_at(const uint8_t *table, size_t length, uint32_t byte_offset,
                   const struct pk_line_cursor *cursor, uint32_t *ret_column,
                   uint32_t *ret_end_column, bool *ret_further) {
    struct decoder at = {.table = table,
                         .length = length,
                         .position = cursor->position,
                         .offset = cursor->offset,
                         .line = 1 << 30}; // only how many lines further counts
    struct pk_location found = {.column = -1, .end_column = -1};
    struct byte_reader reader;
    unsigned form;
    int64_t line;
    if (byte_offset < cursor->offset || cursor->position >= length ||
        !find_entry(&at, byte_offset, &reader, &form, &line) || at.position != cursor->position) {
        return false;
    }
    found.end_line = (int32_t)line;
    read_columns(form, &reader, line, &found);
    *ret_column = (uint32_t)found.column;
    *ret_end_column = (uint32_t)found.end_column;
    *ret_further = found.end_line != (int32_t)line;
    return !reader.broken && found.column >= 0 && found.end_column >= 0;
}

bool pk_location_at(const uint8_t *table, size_t length, int32_t first_line, uint32_t byte_offset,
                    struct pk_location *ret_location) {
    struct decoder at = {.table = table, .length = length, .line = first_line};
    struct byte_reader reader = {0};
    struct pk_location found = {.line = 0, .end_line = 0, .column = -1, .end_column = -1};
    unsigned form = FORM_NONE;
    int64_t line = 0;

    *ret_location = found;
    if (byte_offset == PK_OFFSET_START) {
        found.line = found.end_line = line_or_none(first_line);
    } else if (byte_offset != PK_OFFSET_NONE &&
               find_entry(&at, byte_offset, &reader, &form, &line) && form != FORM_NONE) {
        found.line = found.end_line = line_or_none(line);
    }
    if (found.line == 0) {
        return false;
    }
    read_columns(form, &reader, line, &found);
    if (reader.broken) {
        return false;
    }
    *ret_location = found;
    return true;
}
