/* SPDX-License-Identifier: Apache-2.0
 * The ledger reader. One pass down the file's own structure, each step trusting only what the step
 * before has proved:
 *
 *   header -> directory of extents -> size of each table
 *          -> strings -> functions, files -> idents -> counters
 *
 * The file may belong to a process that is running: the header is read once, first, and only what
 * its counts cover is looked at (data is written before the counts, see format.h). The file is
 * read, never mapped: a file that shrinks under us gives a short read here and a SIGBUS there. */
#include "record/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/attr.h"
#include "record/settings.h"
#include "record/utf8.h"

/* Far beyond what the writer makes; a sparse file of terabytes must not make us allocate as much.
 */
#define MAX_FUNCTIONS (1u << 22)
#define MAX_FILES (1u << 20)
#define MAX_STRINGS_BYTES (UINT64_C(1) << 30)
/* Over a whole run: at 100 GB/s after a year and a half. */
#define MAX_ALLOC_BYTES (UINT64_C(1) << 62)

static const char *const table_names[PK_TABLE_COUNT] = {"counters", "stacks", "functions",
                                                        "strings",  "files",  "large blocks"};

/* Where the bytes come from: a file descriptor, or memory when `fd` is negative. */
struct input {
    int fd;
    const uint8_t *bytes;
    uint64_t size;
    const char *name;
    char *error;
    size_t error_size;
};

PK_PRINTF(3, 4) static int say_error(const struct input *input, int code, const char *format, ...) {
    if (input->error_size > 0) {
        int used = snprintf(input->error, input->error_size, "%s ", input->name);
        size_t offset = used < 0 ? 0 : (size_t)used;
        if (offset < input->error_size) {
            va_list arguments;
            va_start(arguments, format);
            vsnprintf(input->error + offset, input->error_size - offset, format, arguments);
            va_end(arguments);
        }
    }
    return code;
}

/* Exactly `count` bytes from `offset`, or -EBADMSG (the file shrank) or the system's error. */
static int read_at(const struct input *input, uint64_t offset, void *ret_bytes, size_t count) {
    if (offset > input->size || count > input->size - offset) {
        return say_error(input, -EBADMSG, "is cut short: it ends inside its own tables");
    }
    if (input->fd < 0) {
        memcpy(ret_bytes, input->bytes + offset, count);
        return 0;
    }
    for (size_t done = 0; done < count;) {
        ssize_t got =
            pread(input->fd, (char *)ret_bytes + done, count - done, (off_t)(offset + done));
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            int code = errno;
            return say_error(input, -code, "cannot be read: %s", strerror(code));
        }
        if (got == 0) {
            return say_error(input, -EBADMSG, "became shorter while it was read");
        }
        done += (size_t)got;
    }
    return 0;
}

/* Too large means damaged, or below zero in a process that runs on. */
static void limit_number(uint64_t *number) {
    if (*number > PK_SNAPSHOT_MAX_BYTES) {
        *number = *number > INT64_MAX ? 0 : PK_SNAPSHOT_MAX_BYTES;
    }
}

static int read_header(const struct input *input, struct pk_ledger_header *ret_header) {
    static const char magic[8] = PK_LEDGER_MAGIC;
    struct pk_ledger_header *header = ret_header;

    // The first 24 bytes have the same place in every version; they say whether the rest may be
    // read.
    if (input->size < offsetof(struct pk_ledger_header, state)) {
        return say_error(input, -EINVAL, "is not a ledger of Peakline%s",
                         input->size == 0 ? ": it is empty" : "");
    }
    int r = read_at(input, 0, header, offsetof(struct pk_ledger_header, state));
    if (r < 0) {
        return r;
    }
    if (memcmp(header->magic, magic, sizeof(magic)) != 0) {
        return say_error(input, -EINVAL, "is not a ledger of Peakline");
    }
    if (header->byte_order != PK_LEDGER_BYTE_ORDER) {
        return say_error(input, -EINVAL,
                         "was written by a machine with another byte order; render it there");
    }
    if (header->version > PK_LEDGER_VERSION) {
        return say_error(input, -EPROTONOSUPPORT,
                         "was written by a newer Peakline (ledger version %u, this one reads %u); "
                         "update Peakline",
                         header->version, PK_LEDGER_VERSION);
    }
    if (header->version != PK_LEDGER_VERSION || header->header_bytes != PK_LEDGER_HEADER_BYTES) {
        return say_error(input, -EBADMSG, "is damaged: its header gives version %u and %u bytes",
                         header->version, header->header_bytes);
    }
    if (input->size < PK_LEDGER_HEADER_BYTES) {
        return say_error(input, -EBADMSG, "is cut short: it ends inside its header");
    }
    r = read_at(input, 0, header, sizeof(*header));
    if (r < 0) {
        return r;
    }
    header->python_version[sizeof(header->python_version) - 1] = '\0';
    header->python_note[sizeof(header->python_note) - 1] = '\0';
    header->command[sizeof(header->command) - 1] = '\0';
    (void)pk_utf8_repair(header->python_version, strlen(header->python_version));
    (void)pk_utf8_repair(header->python_note, strlen(header->python_note));
    (void)pk_utf8_repair(header->command, strlen(header->command));
    if (header->peak_bytes > PK_SNAPSHOT_MAX_BYTES || header->peak_blocks > PK_SNAPSHOT_MAX_BYTES) {
        return say_error(input, -EBADMSG, "is damaged: its peak is larger than any machine");
    }
    // numbers beside the account are only shown and added up: made harmless, not refused
    limit_number(&header->total_bytes);
    limit_number(&header->total_blocks);
    limit_number(&header->inherited_bytes);
    limit_number(&header->inherited_blocks);
    limit_number(&header->inherited_freed_bytes);
    limit_number(&header->inherited_freed_blocks);
    limit_number(&header->sampled_bytes);
    limit_number(&header->arena_bytes);
    limit_number(&header->arena_peak_bytes);
    limit_number(&header->file_map_bytes);
    limit_number(&header->noreserve_bytes);
    limit_number(&header->own_bytes);
    limit_number(&header->dropped_events);
    limit_number(&header->merged_stacks);
    limit_number(&header->unknown_frees);
    limit_number(&header->missed_frees);
    limit_number(&header->failed_allocs);
    return 0;
}

/* The directory is sound: known tables, page by page, ascending, nothing twice, all inside the
 * file. */
static int check_extents(const struct input *input, const struct pk_ledger_header *header,
                         uint64_t ret_table_bytes[PK_TABLE_COUNT]) {
    uint64_t end = PK_LEDGER_HEADER_BYTES;

    memset(ret_table_bytes, 0, PK_TABLE_COUNT * sizeof(*ret_table_bytes));
    if (header->extent_count > PK_LEDGER_MAX_EXTENTS) {
        return say_error(input, -EBADMSG, "is damaged: it claims %u extents", header->extent_count);
    }
    for (uint32_t i = 0; i < header->extent_count; i++) {
        const struct pk_extent *extent = &header->extents[i];
        if (extent->table >= PK_TABLE_COUNT || extent->bytes == 0 ||
            extent->file_offset % PK_LEDGER_PAGE != 0 || extent->bytes % PK_LEDGER_PAGE != 0) {
            return say_error(input, -EBADMSG, "is damaged: extent %u makes no sense", i);
        }
        if (extent->file_offset < end) {
            return say_error(input, -EBADMSG, "is damaged: extent %u overlaps what is before it",
                             i);
        }
        if (extent->file_offset > input->size ||
            extent->bytes > input->size - extent->file_offset) {
            return say_error(input, -EBADMSG,
                             "is cut short: it has %llu bytes and extent %u ends beyond them",
                             (unsigned long long)input->size, i);
        }
        end = extent->file_offset + extent->bytes;
        ret_table_bytes[extent->table] += extent->bytes;
    }
    return 0;
}

static int check_counts(const struct input *input, const struct pk_ledger_header *header,
                        const uint64_t table_bytes[PK_TABLE_COUNT]) {
    static const uint64_t limits[PK_TABLE_COUNT] = {PK_MAX_NODES,      PK_MAX_NODES, MAX_FUNCTIONS,
                                                    MAX_STRINGS_BYTES, MAX_FILES,    PK_MAX_NODES};
    for (uint32_t table = 0; table < PK_TABLE_COUNT; table++) {
        uint64_t count = header->counts[table];
        if (count > limits[table] ||
            count > table_bytes[table] / pk_table_entry_bytes((enum pk_table)table)) {
            return say_error(input, -EBADMSG,
                             "is damaged: it counts %llu %s, more than there is room for",
                             (unsigned long long)count, table_names[table]);
        }
    }
    return 0;
}

/* The first `count` entries of a table, joined from its extents, and `spare` zeroed bytes behind
 * them. */
static int load_table(const struct input *input, const struct pk_ledger_header *header,
                      enum pk_table table, uint64_t count, size_t spare, void *ret_entries) {
    size_t wanted = (size_t)count * pk_table_entry_bytes(table);
    char *entries = calloc(1, wanted + spare + 1);
    if (entries == NULL) {
        return say_error(input, -ENOMEM, "cannot be read: not enough memory");
    }
    size_t done = 0;
    for (uint32_t i = 0; i < header->extent_count && done < wanted; i++) {
        const struct pk_extent *extent = &header->extents[i];
        if (extent->table != (uint32_t)table) {
            continue;
        }
        size_t part = wanted - done < extent->bytes ? wanted - done : (size_t)extent->bytes;
        int r = read_at(input, extent->file_offset, entries + done, part);
        if (r < 0) {
            free(entries);
            return r;
        }
        done += part;
    }
    memcpy(ret_entries, &entries, sizeof(entries));
    return 0;
}

/* Walk the strings from the first to the last: each must end inside the table, with a NUL. Their
 * texts are made UTF-8. Where a string starts is noted in a bitmap (one bit for 4 bytes), so that
 * nobody can refer into the middle of one. */
static int check_strings(const struct input *input, struct pk_snapshot *snapshot,
                         uint8_t **ret_starts) {
    uint64_t size = snapshot->strings_bytes;
    uint8_t *starts = calloc(1, (size_t)(size / 32 + 1));
    if (starts == NULL) {
        return say_error(input, -ENOMEM, "cannot be read: not enough memory");
    }
    starts[0] |= 1u; // offset 0 is "" in an empty table too
    for (uint64_t at = 0; at < size;) {
        uint32_t length;
        if (size - at < sizeof(length) + 1) {
            free(starts);
            return say_error(input, -EBADMSG, "is damaged: its strings end in the middle of one");
        }
        memcpy(&length, snapshot->strings + at, sizeof(length));
        uint64_t record = (sizeof(length) + (uint64_t)length + 1 + 3) & ~UINT64_C(3);
        if (record > size - at || snapshot->strings[at + sizeof(length) + length] != '\0') {
            free(starts);
            return say_error(input, -EBADMSG, "is damaged: the string at %llu does not end",
                             (unsigned long long)at);
        }
        starts[at / 32] |= (uint8_t)(1u << (at / 4 % 8));
        (void)pk_utf8_repair(snapshot->strings + at + sizeof(length), length);
        at += record;
    }
    *ret_starts = starts;
    return 0;
}

static bool is_string(const struct pk_snapshot *snapshot, const uint8_t *starts, uint32_t offset) {
    if (offset == 0) {
        return true;
    }
    return offset < snapshot->strings_bytes && offset % 4 == 0 &&
           ((unsigned)starts[offset / 32] >> (offset / 4 % 8) & 1u) != 0;
}

static int check_references(const struct input *input, const struct pk_snapshot *snapshot,
                            const uint8_t *starts) {
    for (uint32_t i = 0; i < snapshot->function_count; i++) {
        const struct pk_function *function = &snapshot->functions[i];
        if (!is_string(snapshot, starts, function->name) ||
            !is_string(snapshot, starts, function->qualname) ||
            !is_string(snapshot, starts, function->file) || function->kind >= PK_FUNCTION_KINDS) {
            return say_error(input, -EBADMSG,
                             "is damaged: function %u has no readable name or kind", i);
        }
    }
    for (uint32_t i = 0; i < snapshot->file_count; i++) {
        if (!is_string(snapshot, starts, snapshot->files[i].path)) {
            return say_error(input, -EBADMSG, "is damaged: mapped file %u has no readable path", i);
        }
    }
    snapshot->idents[PK_NODE_NONE].parent = PK_NODE_NONE;
    snapshot->idents[PK_NODE_ROOT].parent = PK_NODE_NONE;
    for (uint32_t node = PK_NODE_ROOT + 1; node < snapshot->node_count; node++) {
        const struct pk_node_ident *ident = &snapshot->idents[node];
        if (ident->parent >= node || ident->parent < PK_NODE_ROOT) {
            return say_error(input, -EBADMSG, "is damaged: stack %u has stack %u for a caller",
                             node, ident->parent);
        }
        if (ident->function >= snapshot->function_count) {
            return say_error(input, -EBADMSG, "is damaged: stack %u names function %u of %u", node,
                             ident->function, snapshot->function_count);
        }
        bool is_thread = snapshot->functions[ident->function].kind == PK_FUNCTION_THREAD;
        if (is_thread && ident->line >= node) {
            return say_error(input, -EBADMSG, "is damaged: thread %u was started by stack %u", node,
                             ident->line);
        }
    }
    return 0;
}

static uint64_t largest(uint64_t a, uint64_t b) {
    return a > b ? a : b;
}

static int sum_shares(const struct input *input, struct pk_snapshot *snapshot) {
    for (uint32_t node = PK_NODE_ROOT; node < snapshot->node_count; node++) {
        const struct pk_node_counters *counters = &snapshot->counters[node];
        uint64_t bytes, blocks, live_bytes, live_blocks;
        if (counters->free_bytes > counters->alloc_bytes ||
            counters->free_blocks > counters->alloc_blocks) {
            snapshot->negative_nodes++;
        }
        pk_snapshot_share(snapshot, node, &bytes, &blocks);
        pk_snapshot_live(snapshot, node, &live_bytes, &live_blocks);
        uint64_t most = largest(largest(bytes, blocks), largest(live_bytes, live_blocks));
        most = largest(most, largest(counters->tree_bytes, counters->tree_blocks));
        if (most > PK_SNAPSHOT_MAX_BYTES || snapshot->most_bytes + most > PK_SNAPSHOT_MAX_BYTES ||
            counters->alloc_bytes > MAX_ALLOC_BYTES || counters->alloc_blocks > MAX_ALLOC_BYTES ||
            snapshot->alloc_bytes + counters->alloc_bytes > MAX_ALLOC_BYTES ||
            snapshot->alloc_blocks + counters->alloc_blocks > MAX_ALLOC_BYTES) {
            return say_error(input, -EBADMSG,
                             "is damaged: stack %u holds more bytes than any machine has", node);
        }
        snapshot->share_bytes += bytes;
        snapshot->share_blocks += blocks;
        snapshot->most_bytes += most;
        snapshot->alloc_bytes += counters->alloc_bytes;
        snapshot->alloc_blocks += counters->alloc_blocks;
    }
    return 0;
}

static int index_large(const struct input *input, struct pk_snapshot *snapshot) {
    snapshot->large_of = calloc(snapshot->node_count, sizeof(*snapshot->large_of));
    if (snapshot->large_of == NULL) {
        return say_error(input, -ENOMEM, "cannot be read: not enough memory");
    }
    for (uint32_t i = 0; i < snapshot->large_count; i++) {
        uint32_t node = snapshot->large[i].node;
        if (node < snapshot->node_count) { // else a node whose own count was not raised any more
            snapshot->large_of[node] = i + 1;
        }
    }
    return 0;
}

static int read_tables(const struct input *input, struct pk_snapshot *snapshot) {
    const struct pk_ledger_header *header = &snapshot->header;
    const uint64_t *counts = header->counts;
    // A process killed between the two counts of a new node leaves one of them behind.
    uint64_t nodes = counts[PK_TABLE_COUNTERS] < counts[PK_TABLE_IDENTS] ? counts[PK_TABLE_COUNTERS]
                                                                         : counts[PK_TABLE_IDENTS];
    int r = load_table(input, header, PK_TABLE_COUNTERS, nodes, 2 * sizeof(*snapshot->counters),
                       &snapshot->counters);
    if (r >= 0) {
        r = load_table(input, header, PK_TABLE_IDENTS, nodes, 2 * sizeof(*snapshot->idents),
                       &snapshot->idents);
    }
    if (r >= 0) {
        r = load_table(input, header, PK_TABLE_FUNCTIONS, counts[PK_TABLE_FUNCTIONS], 0,
                       &snapshot->functions);
    }
    if (r >= 0) {
        r = load_table(input, header, PK_TABLE_STRINGS, counts[PK_TABLE_STRINGS], 8,
                       &snapshot->strings);
    }
    if (r >= 0) {
        r = load_table(input, header, PK_TABLE_FILES, counts[PK_TABLE_FILES], 0, &snapshot->files);
    }
    if (r < 0) {
        return r;
    }
    if ((r = load_table(input, header, PK_TABLE_LARGE, counts[PK_TABLE_LARGE], 0,
                        &snapshot->large)) < 0) {
        return r;
    }
    snapshot->large_count = (uint32_t)counts[PK_TABLE_LARGE];
    snapshot->node_count = nodes < 2 ? 2 : (uint32_t)nodes;
    snapshot->function_count = (uint32_t)counts[PK_TABLE_FUNCTIONS];
    snapshot->strings_bytes = counts[PK_TABLE_STRINGS];
    snapshot->file_count = (uint32_t)counts[PK_TABLE_FILES];

    uint8_t *starts = NULL;
    r = check_strings(input, snapshot, &starts);
    if (r < 0) {
        return r;
    }
    r = check_references(input, snapshot, starts);
    free(starts);
    if (r >= 0) {
        r = index_large(input, snapshot);
    }
    return r < 0 ? r : sum_shares(input, snapshot);
}

static int read_input(const struct input *input, struct pk_snapshot **ret_snapshot) {
    *ret_snapshot = NULL;
    // the header's parts are aligned to cache lines, which malloc does not promise
    struct pk_snapshot *snapshot = aligned_alloc(_Alignof(struct pk_snapshot), sizeof(*snapshot));
    if (snapshot == NULL) {
        return say_error(input, -ENOMEM, "cannot be read: not enough memory");
    }
    memset(snapshot, 0, sizeof(*snapshot));
    uint64_t table_bytes[PK_TABLE_COUNT];
    int r = read_header(input, &snapshot->header);
    if (r >= 0) {
        r = check_extents(input, &snapshot->header, table_bytes);
    }
    if (r >= 0) {
        r = check_counts(input, &snapshot->header, table_bytes);
    }
    if (r >= 0) {
        r = read_tables(input, snapshot);
    }
    if (r < 0) {
        pk_snapshot_free(snapshot);
        return r;
    }
    *ret_snapshot = snapshot;
    return 0;
}

bool pk_snapshot_is_name(const char *name) {
    static const char digits[] = "0123456789";

    if (strncmp(name, PK_LEDGER_PREFIX, strlen(PK_LEDGER_PREFIX)) != 0) {
        return false;
    }
    name += strlen(PK_LEDGER_PREFIX);
    size_t pid = strspn(name, digits);
    const char *rest = name + pid;
    size_t number = *rest == '.' ? strspn(rest + 1, digits) : 0;
    return pid > 0 && (*rest == '\0' || (number > 0 && rest[1 + number] == '\0'));
}

static int open_input(const char *path, struct input *input) {
    struct stat status;
    // O_NONBLOCK: opening a FIFO must not wait for a writer
    input->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (input->fd < 0 || fstat(input->fd, &status) < 0) {
        int code = errno;
        if (input->fd >= 0) {
            close(input->fd);
        }
        return say_error(input, -code, "cannot be read: %s", strerror(code));
    }
    if (!S_ISREG(status.st_mode)) {
        close(input->fd);
        return say_error(input, -EINVAL, "is not a ledger of Peakline: not an ordinary file");
    }
    input->size = (uint64_t)status.st_size;
    return 0;
}

int pk_snapshot_read(const char *path, struct pk_snapshot **ret_snapshot, char *error,
                     size_t error_size) {
    struct input input = {.fd = -1, .name = path, .error = error, .error_size = error_size};
    *ret_snapshot = NULL;
    int r = open_input(path, &input);
    if (r >= 0) {
        r = read_input(&input, ret_snapshot);
        close(input.fd);
    }
    return r;
}

int pk_snapshot_read_header(const char *path, struct pk_ledger_header *ret_header, char *error,
                            size_t error_size) {
    struct input input = {.fd = -1, .name = path, .error = error, .error_size = error_size};
    int r = open_input(path, &input);
    if (r >= 0) {
        r = read_header(&input, ret_header);
        close(input.fd);
    }
    return r;
}

int pk_snapshot_read_memory(const void *bytes, size_t size, const char *name,
                            struct pk_snapshot **ret_snapshot, char *error, size_t error_size) {
    const struct input input = {.fd = -1,
                                .bytes = bytes,
                                .size = size,
                                .name = name,
                                .error = error,
                                .error_size = error_size};
    return read_input(&input, ret_snapshot);
}

void pk_snapshot_free(struct pk_snapshot *snapshot) {
    if (snapshot != NULL) {
        free(snapshot->counters);
        free(snapshot->idents);
        free(snapshot->functions);
        free(snapshot->strings);
        free(snapshot->files);
        free(snapshot->large);
        free(snapshot->large_of);
        free(snapshot);
    }
}

static uint64_t subtract_to_zero(uint64_t from, uint64_t what) {
    return from > what ? from - what : 0;
}

void pk_snapshot_live(const struct pk_snapshot *snapshot, uint32_t node, uint64_t *ret_bytes,
                      uint64_t *ret_blocks) {
    const struct pk_node_counters *counters = &snapshot->counters[node];
    *ret_bytes = subtract_to_zero(counters->alloc_bytes, counters->free_bytes);
    *ret_blocks = subtract_to_zero(counters->alloc_blocks, counters->free_blocks);
}

void pk_snapshot_share(const struct pk_snapshot *snapshot, uint32_t node, uint64_t *ret_bytes,
                       uint64_t *ret_blocks) {
    const struct pk_node_counters *counters = &snapshot->counters[node];
    if (counters->epoch == snapshot->header.epoch) {
        *ret_bytes = counters->peak_bytes;
        *ret_blocks = counters->peak_blocks;
    } else {
        pk_snapshot_live(snapshot, node, ret_bytes, ret_blocks);
    }
}

void pk_snapshot_tree_share(const struct pk_snapshot *snapshot, uint32_t node, uint32_t tree_epoch,
                            uint64_t *ret_bytes, uint64_t *ret_blocks) {
    const struct pk_node_counters *counters = &snapshot->counters[node];
    if (counters->tree_epoch == tree_epoch) {
        *ret_bytes = counters->tree_bytes;
        *ret_blocks = counters->tree_blocks;
    } else {
        pk_snapshot_live(snapshot, node, ret_bytes, ret_blocks);
    }
}

static uint64_t smaller(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

/* As pk_large's `peak`: of which peak it is asked. */
static uint64_t largest_at(const struct pk_snapshot *snapshot, uint32_t node,
                           const uint32_t *tree_epoch) {
    if (snapshot->large_of[node] == 0) {
        return 0;
    }
    const struct pk_large *large = &snapshot->large[snapshot->large_of[node] - 1];
    if (tree_epoch != NULL ? large->tree_epoch == *tree_epoch
                           : large->epoch == snapshot->header.epoch) {
        return tree_epoch != NULL ? large->tree : large->peak;
    }
    return large->count == 0 ? 0 : large->most | (large->most_count == 0 ? PK_LARGE_AT_MOST : 0);
}

void pk_snapshot_largest(const struct pk_snapshot *snapshot, uint32_t node,
                         const uint32_t *tree_epoch, uint64_t bytes, uint64_t blocks,
                         uint64_t *ret_least, uint64_t *ret_most) {
    uint32_t function = snapshot->idents[node].function;
    uint32_t kind = node > PK_NODE_ROOT ? snapshot->functions[function].kind : PK_FUNCTION_PYTHON;
    bool is_map = kind == PK_FUNCTION_MAP || kind == PK_FUNCTION_SAMPLED;
    uint64_t least = blocks == 0 ? 0 : bytes / blocks + (bytes % blocks != 0), most = bytes;

    if (blocks > 1 && !is_map &&
        (snapshot->header.flags & (PK_FLAG_NO_LARGE | PK_FLAG_BLOCK)) == 0) {
        uint64_t largest = largest_at(snapshot, node, tree_epoch);
        uint64_t size = largest & ~PK_LARGE_AT_MOST;
        most = smaller(bytes, largest == 0 ? PK_LARGE_LEAST : size);
        if (largest != 0) {
            bool is_exact = (largest & PK_LARGE_AT_MOST) == 0;
            least = is_exact || least > PK_LARGE_LEAST ? least : PK_LARGE_LEAST + 1;
            least = is_exact ? most : least;
        }
    }
    *ret_least = smaller(least, most);
    *ret_most = most;
}

const char *pk_snapshot_string(const struct pk_snapshot *snapshot, uint32_t offset) {
    if (offset == 0 || offset >= snapshot->strings_bytes) {
        return "";
    }
    return snapshot->strings + offset + sizeof(uint32_t);
}
