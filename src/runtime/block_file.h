/* SPDX-License-Identifier: Apache-2.0
 * A ledger file of some stacks of this recording, with shares of a block of the program instead of
 * those of the run. It holds those stacks, their callers and nothing else. What the block freed of
 * what was there before it has no share (a file knows no negative bytes); in sum it is in the
 * header as freed of what was inherited:
 *
 *     inherited_bytes + peak_bytes - inherited_freed_bytes = what the process held at the block's
 *     peak */
#pragma once

#include <stdint.h>

#include "ledger/tracker.h"

struct pk_block_share {
    uint32_t node; /* as numbered in this process */
    struct pk_tracker_share share;
};

struct pk_block_about {
    uint64_t start_bytes, start_blocks; /* held by the process when it began */
    uint64_t start_unix_ns, start_mono_ns, end_mono_ns;
};

/* Writes DIR/ledger-<pid>. 0 or negative errno. */
int pk_block_file_write(const char *directory, const struct pk_block_about *about,
                        const struct pk_block_share *shares, uint32_t count);
