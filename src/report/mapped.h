/* SPDX-License-Identifier: Apache-2.0
 * Mapped files of all processes, each path once. May use view.h. Must stay true: memory grows with
 * the paths that differ. */
#pragma once

#include "report/view.h"

struct pk_mapped {
    struct pk_view *view; /* maps and their texts go to its pool */
    struct pk_view_map *maps;
    uint32_t count, room;
    uint32_t *slots;
    uint32_t mask;
};

/* Adds what one ledger lists. Returns 0 or -ENOMEM. */
int pk_mapped_add(struct pk_mapped *mapped, const struct pk_snapshot *snapshot);
/* Hands the list to the view, largest first, and frees the rest. Returns 0 or -ENOMEM. */
int pk_mapped_end(struct pk_mapped *mapped);
