/* SPDX-License-Identifier: Apache-2.0
 * Builds small ledger files in memory: the reference writer of record/format.h, for tests.
 *
 *     struct make_ledger make;
 *     make_ledger_start(&make);
 *     uint32_t run = make_ledger_function(&make, "run", "/app/main.py", 1, PK_FUNCTION_PYTHON);
 *     uint32_t node = make_ledger_node(&make, PK_NODE_ROOT, run, 10);
 *     make_ledger_hold(&make, node, 4096, 1);
 *     size_t size;
 *     uint8_t *bytes = make_ledger_finish(&make, &size);   // free() it
 *
 * May use record/format.h and the C library. Must stay true: what it builds is a valid ledger
 * unless the test damages `make.header` or the bytes. */
#pragma once

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "record/format.h"

struct make_ledger {
    struct pk_ledger_header header;
    char *tables[PK_TABLE_COUNT];
    size_t used[PK_TABLE_COUNT];
    size_t room[PK_TABLE_COUNT];
    int is_split; /* spread each table over several extents, interleaved with the others */
};

__attribute__((unused)) static void *make_ledger_grow(struct make_ledger *make, enum pk_table table,
                                                      size_t bytes) {
    if (make->used[table] + bytes > make->room[table]) {
        make->room[table] = (make->used[table] + bytes) * 2 + 1024;
        make->tables[table] = realloc(make->tables[table], make->room[table]);
        if (make->tables[table] == NULL) {
            abort();
        }
    }
    void *place = make->tables[table] + make->used[table];
    memset(place, 0, bytes);
    make->used[table] += bytes;
    return place;
}

/* Returns the offset of the string; embedded NULs and wrong UTF-8 are the test's business. */
__attribute__((unused)) static uint32_t make_ledger_bytes(struct make_ledger *make,
                                                          const char *text, size_t length) {
    uint32_t offset = (uint32_t)make->used[PK_TABLE_STRINGS];
    uint32_t length32 = (uint32_t)length;
    char *place =
        make_ledger_grow(make, PK_TABLE_STRINGS, (sizeof(length32) + length + 1 + 3) & ~(size_t)3);
    memcpy(place, &length32, sizeof(length32));
    memcpy(place + sizeof(length32), text, length);
    return offset;
}

__attribute__((unused)) static uint32_t make_ledger_string(struct make_ledger *make,
                                                           const char *text) {
    return make_ledger_bytes(make, text, strlen(text));
}

/* A new node; returns its index. */
__attribute__((unused)) static uint32_t make_ledger_node(struct make_ledger *make, uint32_t parent,
                                                         uint32_t function, uint32_t line) {
    struct pk_node_ident ident = {.parent = parent, .function = function, .line = line};
    memcpy(make_ledger_grow(make, PK_TABLE_IDENTS, sizeof(ident)), &ident, sizeof(ident));
    (void)make_ledger_grow(make, PK_TABLE_COUNTERS, sizeof(struct pk_node_counters));
    return (uint32_t)(make->used[PK_TABLE_COUNTERS] / sizeof(struct pk_node_counters)) - 1;
}

__attribute__((unused)) static struct pk_node_counters *
make_ledger_counters(struct make_ledger *make, uint32_t node) {
    return (struct pk_node_counters *)(void *)make->tables[PK_TABLE_COUNTERS] + node;
}

__attribute__((unused)) static void make_ledger_start(struct make_ledger *make) {
    memset(make, 0, sizeof(*make));
    memcpy(make->header.magic, PK_LEDGER_MAGIC, sizeof(make->header.magic));
    make->header.version = PK_LEDGER_VERSION;
    make->header.byte_order = PK_LEDGER_BYTE_ORDER;
    make->header.header_bytes = PK_LEDGER_HEADER_BYTES;
    make->header.pid = 1234;
    make->header.parent_pid = 1233;
    make->header.state = PK_STATE_ENDED;
    make->header.start_unix_ns = UINT64_C(1700000000000000000);
    make->header.start_mono_ns = UINT64_C(1000000000);
    make->header.end_mono_ns = UINT64_C(32000000000);
    make->header.peak_mono_ns = UINT64_C(13400000000);
    make->header.python_hex = 0x030b07f0;
    make->header.python_status = PK_PYTHON_VERIFIED;
    strcpy(make->header.python_version, "3.11.7 (main, Dec  4 2023, 12:00:00) [GCC 12.2.0]");
    make->header.epoch = 7;
    (void)make_ledger_string(make, "");
    (void)make_ledger_node(make, 0, 0, 0); // none
    (void)make_ledger_node(make, 0, 0, 0); // root
}

/* A new function; returns its index. */
__attribute__((unused)) static uint32_t make_ledger_function(struct make_ledger *make,
                                                             const char *name, const char *file,
                                                             uint32_t first_line, uint32_t kind) {
    struct pk_function function = {.first_line = first_line, .kind = kind};
    function.name = make_ledger_string(make, name);
    function.qualname = function.name;
    function.file = make_ledger_string(make, file);
    memcpy(make_ledger_grow(make, PK_TABLE_FUNCTIONS, sizeof(function)), &function,
           sizeof(function));
    return (uint32_t)(make->used[PK_TABLE_FUNCTIONS] / sizeof(function)) - 1;
}

/* The node holds this much at the peak, still holds it now, and the header's totals say so. */
__attribute__((unused)) static void make_ledger_hold(struct make_ledger *make, uint32_t node,
                                                     uint64_t bytes, uint64_t blocks) {
    struct pk_node_counters *counters = make_ledger_counters(make, node);
    counters->alloc_bytes += bytes;
    counters->alloc_blocks += blocks;
    make->header.total_bytes += bytes;
    make->header.total_blocks += blocks;
    make->header.peak_bytes += bytes;
    make->header.peak_blocks += blocks;
}

/* The node held this much at the peak and has freed it since: its share was captured in the peak's
 * epoch. */
__attribute__((unused)) static void make_ledger_held(struct make_ledger *make, uint32_t node,
                                                     uint64_t bytes, uint32_t blocks) {
    struct pk_node_counters *counters = make_ledger_counters(make, node);
    counters->alloc_bytes += bytes;
    counters->alloc_blocks += blocks;
    counters->free_bytes += bytes;
    counters->free_blocks += blocks;
    counters->peak_bytes = bytes;
    counters->peak_blocks = blocks;
    counters->epoch = make->header.epoch;
    make->header.peak_bytes += bytes;
    make->header.peak_blocks += blocks;
}

__attribute__((unused)) static void make_ledger_map(struct make_ledger *make, const char *path,
                                                    uint64_t bytes) {
    struct pk_file_map map = {.mapped_bytes = bytes, .most_bytes = bytes};
    map.path = make_ledger_string(make, path);
    memcpy(make_ledger_grow(make, PK_TABLE_FILES, sizeof(map)), &map, sizeof(map));
}

__attribute__((unused)) static void make_ledger_drop(struct make_ledger *make) {
    for (int table = 0; table < PK_TABLE_COUNT; table++) {
        free(make->tables[table]);
        make->tables[table] = NULL;
    }
}

/* The ledger as a file would have it, page-aligned; free() it. The tables are freed, the header
 * stays. */
__attribute__((unused)) static uint8_t *make_ledger_finish(struct make_ledger *make,
                                                           size_t *ret_size) {
    size_t copied[PK_TABLE_COUNT] = {0};
    size_t room = PK_LEDGER_HEADER_BYTES, end = PK_LEDGER_HEADER_BYTES;

    for (int table = 0; table < PK_TABLE_COUNT; table++) {
        room += make->used[table] + 2 * PK_LEDGER_PAGE;
        make->header.counts[table] = make->used[table] / pk_table_entry_bytes((enum pk_table)table);
    }
    room = (room + PK_LEDGER_PAGE - 1) / PK_LEDGER_PAGE * PK_LEDGER_PAGE;
    uint8_t *bytes = aligned_alloc(PK_LEDGER_PAGE, room); // as a mapping would be
    if (bytes == NULL) {
        abort();
    }
    memset(bytes, 0, room);
    make->header.extent_count = 0;
    for (int is_more = 1; is_more;) {
        is_more = 0;
        for (uint32_t table = 0; table < PK_TABLE_COUNT; table++) {
            size_t left = make->used[table] - copied[table];
            if (left == 0) {
                continue;
            }
            size_t part = make->is_split && left > PK_LEDGER_PAGE && make->header.extent_count < 64
                              ? PK_LEDGER_PAGE
                              : left;
            memcpy(bytes + end, make->tables[table] + copied[table], part);
            copied[table] += part;
            size_t extent_bytes = (part + PK_LEDGER_PAGE - 1) / PK_LEDGER_PAGE * PK_LEDGER_PAGE;
            make->header.extents[make->header.extent_count++] =
                (struct pk_extent){.table = table, .file_offset = end, .bytes = extent_bytes};
            end += extent_bytes;
            is_more = is_more || copied[table] < make->used[table];
        }
    }
    memcpy(bytes, &make->header, sizeof(make->header));
    *ret_size = end;
    make_ledger_drop(make);
    return bytes;
}

/* Write the finished ledger to a file; returns 0 or -1. */
__attribute__((unused)) static int make_ledger_save(const char *path, const uint8_t *bytes,
                                                    size_t size) {
    FILE *file = fopen(path, "wb");
    if (file == NULL) {
        return -1;
    }
    size_t written = fwrite(bytes, 1, size, file);
    return fclose(file) == 0 && written == size ? 0 : -1;
}
