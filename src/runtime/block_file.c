/* SPDX-License-Identifier: Apache-2.0
 * See block_file.h. Reads tables of the running recording that only grow, up to nodes that are
 * known: no lock. */
#include "runtime/block_file.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>

#include "base/sys.h"
#include "runtime/runtime.h"

// One file being written. Too large for a stranger's stack: from the kernel.
struct file {
    struct pk_writer writer;
    struct pk_arena arena;
    struct pk_stacks stacks;
    uint32_t *copies; // node of the recording, from 0 -> node of the file; 0: not copied yet
    uint32_t *path;   // callers of the node being copied
    uint32_t node_count;
};

static const char *text(uint32_t offset, uint32_t *ret_bytes) {
    const char *string = pk_runtime.ledger.stacks.strings->base + offset;
    memcpy(ret_bytes, string, sizeof *ret_bytes);
    return string + 4;
}

static uint32_t copy_function(struct file *file, uint32_t index) {
    const struct pk_function *theirs =
        (const struct pk_function *)(const void *)pk_runtime.ledger.stacks.functions->base + index;
    struct pk_function_key key = {
        .first_line = theirs->first_line, .hash = theirs->hash, .kind = theirs->kind};
    key.name = text(theirs->name, &key.name_bytes);
    key.qualname = text(theirs->qualname, &key.qualname_bytes);
    key.file = text(theirs->file, &key.file_bytes);
    int64_t function = pk_stacks_function(&file->stacks, &key);
    return function < 0 ? UINT32_MAX : (uint32_t)function;
}

static bool is_thread(const struct pk_node_ident *ident) {
    const struct pk_function *functions =
        (const struct pk_function *)(const void *)pk_runtime.ledger.stacks.functions->base;
    return functions[ident->function].kind == PK_FUNCTION_THREAD;
}

// Copies `node` and its callers. A thread's outermost node names the stack that started it: that
// comes first, as another path behind this one. Node numbers are the recording's, from 0. False: no
// memory, or no room on the disk.
static bool copy_node(struct file *file, uint32_t node) {
    const struct pk_node_ident *idents =
        (const struct pk_node_ident *)(const void *)pk_runtime.ledger.stacks.idents->base;
    uint32_t depth = 0;
    file->path[depth++] = node;
    while (depth > 0) {
        uint32_t at = file->path[depth - 1];
        const struct pk_node_ident *ident = &idents[at];
        bool thread = file->copies[at] == 0 && is_thread(ident);
        if (file->copies[at] != 0) {
            depth--;
        } else if (file->copies[ident->parent] == 0) {
            file->path[depth++] = ident->parent;
        } else if (thread && ident->line != 0 && ident->line < file->node_count &&
                   file->copies[ident->line] == 0) {
            file->path[depth++] = ident->line;
        } else {
            uint32_t function = copy_function(file, ident->function);
            uint32_t line = !thread                          ? ident->line
                            : ident->line < file->node_count ? file->copies[ident->line]
                                                             : 0;
            uint32_t copy = function == UINT32_MAX
                                ? 0
                                : pk_stacks_child(&file->stacks, file->copies[ident->parent],
                                                  function, line, ident->span);
            if (copy == 0) {
                return false;
            }
            file->copies[at] = copy;
            depth--;
        }
    }
    return true;
}

static uint64_t at_least_nothing(int64_t value) {
    return value < 0 ? 0 : (uint64_t)value;
}

static void fill_counters(struct file *file, const struct pk_tracker_share *share, uint32_t copy) {
    struct pk_ledger_header *header = file->writer.header;
    struct pk_node_counters *counters = pk_stacks_counters(&file->stacks, copy);
    uint64_t live_bytes = at_least_nothing(share->live_bytes),
             live_blocks = at_least_nothing(share->live_blocks);
    bool holds = share->peak_bytes >= 0 && share->peak_blocks >= 0;
    *counters = (struct pk_node_counters){.alloc_bytes = share->alloc_bytes,
                                          .alloc_blocks = share->alloc_blocks,
                                          .free_bytes = share->alloc_bytes - live_bytes,
                                          .free_blocks = share->alloc_blocks - live_blocks,
                                          .peak_bytes = holds ? (uint64_t)share->peak_bytes : 0,
                                          .peak_blocks = holds ? (uint32_t)share->peak_blocks : 0,
                                          .epoch = header->epoch};
    header->total_bytes += live_bytes;
    header->total_blocks += live_blocks;
    header->peak_bytes += counters->peak_bytes;
    header->peak_blocks += counters->peak_blocks;
    header->inherited_freed_bytes += counters->peak_bytes - (uint64_t)share->peak_bytes;
    header->inherited_freed_blocks += counters->peak_blocks - (uint64_t)share->peak_blocks;
}

static void fill_header(struct pk_ledger_header *header, const struct pk_block_about *about) {
    const struct pk_ledger_header *ours = pk_runtime.header;
    header->pid = ours->pid;
    header->parent_pid = ours->parent_pid;
    header->start_unix_ns = about->start_unix_ns;
    header->start_mono_ns = about->start_mono_ns;
    header->end_mono_ns = about->end_mono_ns;
    header->peak_mono_ns = 1; // not known: before the start
    header->inherited_bytes = about->start_bytes;
    header->inherited_blocks = about->start_blocks;
    header->python_hex = ours->python_hex;
    header->python_status = ours->python_status;
    header->flags = ours->flags | PK_FLAG_BLOCK;
    memcpy(header->python_version, ours->python_version, sizeof header->python_version);
    memcpy(header->python_note, ours->python_note, sizeof header->python_note);
    memcpy(header->command, ours->command, sizeof header->command);
    header->own_bytes = ours->own_bytes;
    header->dropped_events = ours->dropped_events;
    header->merged_stacks = ours->merged_stacks;
    header->tree_slot = UINT32_MAX;
    header->epoch = 1;
    header->captured = 1;
}

static int write_file(struct file *file, const struct pk_block_about *about,
                      const struct pk_block_share *shares, uint32_t count) {
    uint32_t first = pk_runtime.ledger.stacks.first;
    struct pk_store *stores = file->writer.stores;
    // what the recording has found a place for is copied, however deep
    stores[PK_TABLE_COUNTERS].limit = 0;
    int result = pk_stacks_init(&file->stacks, &file->arena, &stores[PK_TABLE_COUNTERS],
                                &stores[PK_TABLE_IDENTS], &stores[PK_TABLE_FUNCTIONS],
                                &stores[PK_TABLE_STRINGS]);
    if (result < 0) {
        return result;
    }
    file->copies[PK_NODE_ROOT] = file->stacks.root;
    fill_header(file->writer.header, about);
    for (uint32_t i = 0; i < count; i++) {
        if (!copy_node(file, shares[i].node - first)) {
            return file->writer.error < 0 ? file->writer.error : -ENOMEM;
        }
        fill_counters(file, &shares[i].share, file->copies[shares[i].node - first]);
    }
    pk_writer_publish(&file->writer);
    file->writer.header->state = PK_STATE_ENDED;
    return 0;
}

int pk_block_file_write(const char *directory, const struct pk_block_about *about,
                        const struct pk_block_share *shares, uint32_t count) {
    uint32_t node_count = pk_runtime.ledger.stacks.node_count - pk_runtime.ledger.stacks.first;
    size_t map_bytes = sizeof(struct file) + 2 * (size_t)node_count * sizeof(uint32_t);
    struct file *file =
        pk_sys_mmap(NULL, map_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (file == NULL) {
        return -ENOMEM;
    }
    file->copies = (uint32_t *)(void *)(file + 1);
    file->path = file->copies + node_count;
    file->node_count = node_count;
    int result = pk_writer_open(&file->writer, directory, pk_sys_getpid(), 0);
    if (result == 0) {
        result = write_file(file, about, shares, count);
        pk_writer_close(&file->writer);
        pk_arena_release(&file->arena);
    }
    (void)pk_sys_munmap(file, map_bytes);
    return result;
}
