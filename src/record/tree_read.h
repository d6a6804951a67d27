/* SPDX-License-Identifier: Apache-2.0
 * Reads DIR/tree, the page that all processes of a run share, into owned and checked memory.
 *
 * May use tree.h and utf8.h; may use malloc: it runs in the peakline program. Must stay true: the
 * file is read, never mapped, so one that shrinks under us is an error and no SIGBUS; whatever is
 * in it, counts are within their arrays and texts are NUL-terminated UTF-8. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "record/tree.h"

struct pk_tree_process {
    uint32_t pid;       /* 0: the slot was given out and not used */
    uint32_t end_epoch; /* 0: nobody found it dead */
    uint64_t bytes;     /* as it published them last */
    bool is_alive;      /* when the file was read */
};

struct pk_tree_snapshot {
    uint64_t peak;         /* 0: no two processes were ever measured together */
    uint64_t peak_mono_ns; /* 0: unknown */
    uint64_t start_unix_ns, start_mono_ns;
    uint32_t refused; /* processes that got no slot */
    uint32_t slot_count;
    struct pk_tree_process *slots;
    uint32_t note_count;
    struct pk_tree_note notes[PK_TREE_NOTES]; /* of known kinds */
};

/* Returns 0, or a negative errno and one sentence (no full stop) in `error`: -ENOENT there is none,
 * -EINVAL not one of ours, -EPROTONOSUPPORT a newer one, -EBADMSG damaged, -ENOMEM. On failure
 * nothing is held; on success free with pk_tree_snapshot_free. */
int pk_tree_snapshot_read(const char *path, struct pk_tree_snapshot **ret_tree, char *error,
                          size_t error_size);
/* The same from memory. `name` stands for the path in messages. */
int pk_tree_snapshot_read_memory(const void *bytes, size_t size, const char *name,
                                 struct pk_tree_snapshot **ret_tree, char *error,
                                 size_t error_size);
/* NULL is fine. */
void pk_tree_snapshot_free(struct pk_tree_snapshot *tree);

/* Was the process of this slot part of the tree's peak? False for PK_TREE_NO_SLOT, and for a slot
 * that is another process's. */
bool pk_tree_took_part(const struct pk_tree_snapshot *tree, uint32_t slot, uint32_t pid);
