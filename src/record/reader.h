/* SPDX-License-Identifier: Apache-2.0
 * Reads a ledger file, by whoever it was written, into owned and checked memory.
 *
 * May use format.h and utf8.h; may use malloc: it runs in the peakline program, never in the
 * profiled one. Must stay true: after a successful read every index in the snapshot is in range,
 * every parent is smaller than its child and every stack than the thread it started, every string
 * is NUL-terminated UTF-8, and no sum over nodes can overflow. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "record/format.h"

/* Larger numbers of bytes are damage: no machine has them, and JavaScript counts exactly to 2^53
 * only. */
#define PK_SNAPSHOT_MAX_BYTES (UINT64_C(1) << 50)

struct pk_snapshot {
    struct pk_ledger_header header; /* its texts are NUL-terminated UTF-8 */

    /* Nodes 0 and 1 are always there, even if the process died before it wrote them. */
    uint32_t node_count;
    struct pk_node_counters *counters;
    struct pk_node_ident
        *idents; /* parent of nodes 0 and 1 is 0, of others >= 1 and smaller than the node */

    uint32_t function_count;
    struct pk_function *functions; /* name, qualname, file: offsets for pk_snapshot_string */

    uint32_t file_count;
    struct pk_file_map *files;

    char *strings;
    uint64_t strings_bytes;

    uint32_t large_count;
    struct pk_large *large;
    uint32_t *large_of; /* by node: number of its entry + 1; 0: none */

    uint64_t share_bytes; /* sums of all nodes' shares of the peak; off from header.peak_* by events
                             in flight */
    uint64_t share_blocks;
    /* no sum over all nodes, of bytes or blocks, at whatever peak, is larger */
    uint64_t most_bytes;
    uint64_t alloc_bytes; /* sums over all nodes */
    uint64_t alloc_blocks;
    uint64_t negative_nodes; /* nodes whose frees exceeded their allocations when read: a process
                                still running */
};

/* Is it a name that a ledger has: ledger-<pid>, or ledger-<pid>.<number>? */
bool pk_snapshot_is_name(const char *name);

/* Read the ledger at `path`. Returns 0, or a negative errno and one sentence (no full stop, no
 * newline) in `error`: -ENOENT and the like from the system, -EINVAL not a ledger, -EPROTONOSUPPORT
 * a newer version, -EBADMSG damaged, -ENOMEM. On failure nothing is held; on success free with
 * pk_snapshot_free. */
int pk_snapshot_read(const char *path, struct pk_snapshot **ret_snapshot, char *error,
                     size_t error_size);

/* The same from memory; the bytes are not kept. `name` stands for the path in messages. */
int pk_snapshot_read_memory(const void *bytes, size_t size, const char *name,
                            struct pk_snapshot **ret_snapshot, char *error, size_t error_size);

/* The header alone, checked like all of it; what identifies a process and what it holds now,
 * without reading its stacks. Returns and says the same as pk_snapshot_read. */
int pk_snapshot_read_header(const char *path, struct pk_ledger_header *ret_header, char *error,
                            size_t error_size);

/* NULL is fine. */
void pk_snapshot_free(struct pk_snapshot *snapshot);

/* What node `node` held when the process was at its peak. */
void pk_snapshot_share(const struct pk_snapshot *snapshot, uint32_t node, uint64_t *ret_bytes,
                       uint64_t *ret_blocks);

/* What it held at the peak of the whole process tree that began `tree_epoch` (record/tree.h). */
void pk_snapshot_tree_share(const struct pk_snapshot *snapshot, uint32_t node, uint32_t tree_epoch,
                            uint64_t *ret_bytes, uint64_t *ret_blocks);

/* What it holds at the end of the record. */
void pk_snapshot_live(const struct pk_snapshot *snapshot, uint32_t node, uint64_t *ret_bytes,
                      uint64_t *ret_blocks);

/* The largest single block of `bytes` in `blocks` that pk_snapshot_share gave for the node, or,
 * with a `tree_epoch` that is not NULL, pk_snapshot_tree_share: it had at least *ret_least bytes
 * and at most *ret_most. They are equal when it is known. */
void pk_snapshot_largest(const struct pk_snapshot *snapshot, uint32_t node,
                         const uint32_t *tree_epoch, uint64_t bytes, uint64_t blocks,
                         uint64_t *ret_least, uint64_t *ret_most);

/* The text at an offset found in the snapshot's own tables; never NULL. */
const char *pk_snapshot_string(const struct pk_snapshot *snapshot, uint32_t offset);
