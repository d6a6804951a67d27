/* SPDX-License-Identifier: Apache-2.0
 * See writer.h. */
#include "record/writer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>

#include "base/attr.h"
#include "base/sys.h"
#include "record/settings.h"

#define FIRST_EXTENT (64u << 10)
/* children come by the thousand and may live for a millisecond */
#define FIRST_EXTENT_OF_FORK (8u << 10)
#define LARGEST_EXTENT (8u << 20)
/* of the room: 8 MiB of disk for 81,000 stacks; an import of pandas has 50,000 */
#define STOCK_SHARE 8u

// How the room is shared out, in 64ths: 655,000 stacks fit 64 MiB, with the 131,000 functions and 6
// MiB of names that they could have. Programs have far fewer (torch: 444,000 stacks of 5,000
// functions; an optimizer more: 9,000 functions, 300 KiB of names).
static const uint32_t shares[PK_TABLE_COUNT] = {
    [PK_TABLE_COUNTERS] = 40, [PK_TABLE_IDENTS] = 10, [PK_TABLE_FUNCTIONS] = 4,
    [PK_TABLE_STRINGS] = 6,   [PK_TABLE_FILES] = 1,   [PK_TABLE_LARGE] = 3,
};

static size_t append_text(char *path, size_t at, const char *text) {
    size_t bytes = strlen(text);
    if (at + bytes + 1 > PK_PATH_MAX) {
        return PK_PATH_MAX;
    }
    memcpy(path + at, text, bytes + 1);
    return at + bytes;
}

static size_t append_number(char *path, size_t at, uint32_t number) {
    char digits[PK_SYS_DECIMAL + 1];
    digits[pk_sys_decimal(number, digits)] = '\0';
    return append_text(path, at, digits);
}

static int create_file(struct pk_writer *writer, const char *directory, int pid) {
    for (uint32_t attempt = 1; attempt < 1000; attempt++) {
        size_t at = append_text(writer->path, 0, directory);
        at = append_text(writer->path, at < PK_PATH_MAX ? at : 0, "/" PK_LEDGER_PREFIX);
        at = append_number(writer->path, at, (uint32_t)pid);
        if (attempt > 1) {
            at = append_text(writer->path, at, ".");
            at = append_number(writer->path, at, attempt);
        }
        if (at >= PK_PATH_MAX || strlen(directory) + 32 > PK_PATH_MAX) {
            return -ENAMETOOLONG;
        }
        int fd = pk_sys_open(writer->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (fd != -EEXIST) {
            return fd;
        }
    }
    return -EEXIST;
}

// Maps `bytes` of the file at `offset` to `address`, or anywhere when that is NULL.
static void *map_file(int fd, void *address, uint64_t bytes, uint64_t offset) {
    int fixed = address == NULL ? 0 : MAP_FIXED;
    return pk_sys_mmap(address, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | fixed, fd,
                       (long)offset);
}

// Adds one extent to the table's end, through an open descriptor.
static int add_extent(struct pk_writer *writer, int fd, struct pk_store *store, uint64_t bytes) {
    struct pk_ledger_header *header = writer->header;
    if (header->extent_count == PK_LEDGER_MAX_EXTENTS) {
        return -ENOBUFS;
    }
    int result = pk_sys_check_file_limit(writer->file_bytes + bytes);
    if (result == 0) {
        result = pk_sys_reserve(fd, writer->file_bytes, bytes);
    }
    if (result < 0) {
        return result;
    }
    if (map_file(fd, store->base + store->capacity, bytes, writer->file_bytes) == NULL) {
        return -ENOMEM;
    }
    header->extents[header->extent_count] = (struct pk_extent){
        .table = store->table, .file_offset = writer->file_bytes, .bytes = bytes};
    __atomic_store_n(&header->extent_count, header->extent_count + 1, __ATOMIC_RELEASE);
    writer->file_bytes += bytes;
    store->capacity += bytes;
    return 0;
}

// A flag of the header; the hooks set some without the lock.
static void set_flag(struct pk_writer *writer, uint32_t flag) {
    __atomic_fetch_or(&writer->header->flags, flag, __ATOMIC_RELAXED);
}

// What passes by itself: no descriptor free, no memory, a signal. Anything else (no space, a file
// size limit, the file gone or out of reach) is asked once and said once: a full disk is not asked
// again at every allocation.
static bool is_passing(int error) {
    return error == 0 || error == -EMFILE || error == -ENFILE || error == -ENOMEM ||
           error == -EINTR || error == -EAGAIN;
}

// Opens the file again for one extent more.
static int extend(struct pk_writer *writer, struct pk_store *store, uint64_t bytes) {
    int fd = pk_sys_open(writer->path, O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0);
    int result = fd < 0 ? fd : add_extent(writer, fd, store, bytes);
    if (fd >= 0) {
        (void)pk_sys_close(fd);
    }
    return result;
}

static int grow_table(struct pk_store *store, uint64_t need) {
    struct pk_writer *writer = store->owner;
    uint64_t limit = writer->limits[store->table];
    uint64_t bytes = store->capacity < FIRST_EXTENT ? FIRST_EXTENT : store->capacity;
    if (bytes > LARGEST_EXTENT) {
        bytes = LARGEST_EXTENT;
    }
    while (store->capacity + bytes < need) {
        bytes *= 2;
    }
    if (store->capacity + bytes > limit) {
        bytes = limit - store->capacity;
    }
    if (store->capacity + bytes < need) {
        set_flag(writer, PK_FLAG_TABLE_FULL); // this one; the others may still grow
        return -ENOBUFS;
    }
    if (!is_passing(writer->error)) {
        return writer->error;
    }
    int result = extend(writer, store, bytes);
    if (result < 0) {
        writer->error = result;
        if (!is_passing(result)) {
            bool full = result == -ENOSPC || result == -EDQUOT || result == -EFBIG;
            set_flag(writer, result == -ENOBUFS ? PK_FLAG_TABLE_FULL
                             : full             ? PK_FLAG_DISK_FULL
                                                : PK_FLAG_UNREACHABLE);
        }
    }
    return result;
}

static int reserve_room(struct pk_writer *writer, uint64_t room) {
    uint64_t used = 0;
    for (uint32_t table = 0; table < PK_TABLE_COUNT; table++) {
        uint64_t bytes = room / 64 * shares[table] / FIRST_EXTENT * FIRST_EXTENT;
        writer->limits[table] = bytes < FIRST_EXTENT ? FIRST_EXTENT : bytes;
        used += writer->limits[table];
    }
    char *base =
        pk_sys_mmap(NULL, used, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == NULL) {
        return -ENOMEM;
    }
    writer->reserved = base;
    writer->reserved_bytes = used;
    for (uint32_t table = 0; table < PK_TABLE_COUNT; table++) {
        base += writer->limits[table];
    }
    return 0;
}

static void empty_stores(struct pk_writer *writer) {
    char *base = writer->reserved;
    for (uint32_t table = 0; table < PK_TABLE_COUNT; table++) {
        writer->stores[table] = (struct pk_store){.base = base,
                                                  .limit = writer->limits[table],
                                                  .grow = grow_table,
                                                  .owner = writer,
                                                  .table = table};
        base += writer->limits[table];
    }
}

static int open_file(struct pk_writer *writer, int fd, uint64_t first_extent) {
    empty_stores(writer);
    writer->error = 0; // of another file, written before
    int result = pk_sys_check_file_limit(PK_LEDGER_HEADER_BYTES);
    if (result == 0) {
        result = pk_sys_reserve(fd, 0, PK_LEDGER_HEADER_BYTES);
    }
    if (result < 0) {
        return result;
    }
    writer->header = map_file(fd, NULL, PK_LEDGER_HEADER_BYTES, 0);
    if (writer->header == NULL) {
        return -ENOMEM;
    }
    writer->file_bytes = PK_LEDGER_HEADER_BYTES;
    writer->header->version = PK_LEDGER_VERSION;
    writer->header->byte_order = PK_LEDGER_BYTE_ORDER;
    writer->header->header_bytes = PK_LEDGER_HEADER_BYTES;
    for (uint32_t table = 0; table < PK_TABLE_COUNT; table++) {
        uint64_t bytes =
            table == PK_TABLE_FILES || table == PK_TABLE_LARGE ? PK_LEDGER_PAGE : first_extent;
        result = add_extent(writer, fd, &writer->stores[table], bytes);
        if (result < 0) {
            return result;
        }
    }
    return 0;
}

static int begin_file(struct pk_writer *writer, const char *directory, int pid,
                      uint64_t first_extent) {
    int fd = create_file(writer, directory, pid);
    if (fd < 0) {
        return fd;
    }
    int result = open_file(writer, fd, first_extent);
    (void)pk_sys_close(fd);
    if (result < 0) {
        (void)pk_sys6(SYS_unlinkat, AT_FDCWD, (long)writer->path, 0, 0, 0, 0);
        return result;
    }
    // The magic last: a file without it was never begun.
    memcpy(writer->header->magic, PK_LEDGER_MAGIC, sizeof writer->header->magic);
    return 0;
}

int pk_writer_open(struct pk_writer *writer, const char *directory, int pid, uint64_t room) {
    // The format's pages are of 4 KiB, as the extents are that are mapped from it.
    int result = getauxval(AT_PAGESZ) == PK_LEDGER_HEADER_BYTES ? 0 : -ENOTSUP;
    if (result == 0) {
        result = reserve_room(writer, room == 0 ? PK_WRITER_ROOM : room);
    }
    if (result == 0) {
        result = begin_file(writer, directory, pid, FIRST_EXTENT);
    }
    if (result < 0) {
        pk_writer_close(writer);
    }
    return result;
}

int pk_writer_fork(struct pk_writer *writer, int pid) {
    // Over the parent's tables, whose file must not be written to from here.
    if (pk_sys_mmap(writer->reserved, writer->reserved_bytes, PROT_NONE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) == NULL) {
        return -ENOMEM;
    }
    static char directory[PK_PATH_MAX]; // too large for a stranger's stack; one thread is left
    memcpy(directory, writer->path, sizeof directory);
    *strrchr(directory, '/') = '\0';
    writer->header = NULL;
    return begin_file(writer, directory, pid, FIRST_EXTENT_OF_FORK);
}

int pk_writer_open_nowhere(struct pk_writer *writer) {
    int result = reserve_room(writer, PK_TABLE_COUNT * FIRST_EXTENT);
    if (result < 0) {
        return result;
    }
    empty_stores(writer);
    writer->error = -ENOBUFS;
    writer->header = pk_sys_mmap(NULL, PK_LEDGER_HEADER_BYTES, PROT_READ | PROT_WRITE,
                                 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (writer->header == NULL ||
        pk_sys_mmap(writer->reserved, writer->reserved_bytes, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) == NULL) {
        pk_writer_close(writer);
        return -ENOMEM;
    }
    for (uint32_t table = 0; table < PK_TABLE_COUNT; table++) {
        writer->stores[table].capacity = writer->limits[table];
    }
    return 0;
}

void pk_writer_stock_up(struct pk_writer *writer) {
    bool fine = is_passing(writer->error);
    for (uint32_t table = 0; table < PK_TABLE_COUNT && fine; table++) {
        struct pk_store *store = &writer->stores[table];
        uint64_t enough = writer->limits[table] / STOCK_SHARE / PK_LEDGER_PAGE * PK_LEDGER_PAGE;
        fine = store->capacity >= enough || extend(writer, store, enough - store->capacity) == 0;
    }
}

void pk_writer_publish(struct pk_writer *writer) {
    // Strings before functions before idents before counters: what is named must be whole before
    // its namer.
    static const enum pk_table order[PK_TABLE_COUNT] = {PK_TABLE_STRINGS, PK_TABLE_FUNCTIONS,
                                                        PK_TABLE_IDENTS,  PK_TABLE_COUNTERS,
                                                        PK_TABLE_FILES,   PK_TABLE_LARGE};
    for (uint32_t i = 0; i < PK_TABLE_COUNT; i++) {
        enum pk_table table = order[i];
        uint64_t count = writer->stores[table].used / pk_table_entry_bytes(table);
        __atomic_store_n(&writer->header->counts[table], count, __ATOMIC_RELEASE);
    }
}

void pk_writer_close(struct pk_writer *writer) {
    if (writer->header != NULL) {
        (void)pk_sys_munmap(writer->header, PK_LEDGER_HEADER_BYTES);
        writer->header = NULL;
    }
    if (writer->reserved != NULL) {
        (void)pk_sys_munmap(writer->reserved, writer->reserved_bytes);
        writer->reserved = NULL;
    }
}
