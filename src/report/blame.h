/* SPDX-License-Identifier: Apache-2.0
 * From what each frame is charged with to blame lines. May use view.h. Must stay true: no byte and
 * no block is lost on the way. */
#pragma once

#include "report/view.h"

/* One blame line for each file and line that is charged with anything, whatever the function (a
 * comprehension and the function around it); the frame shown is the one with the most. Pseudo
 * frames have no file: each is its own line. `columns` are indexed by enum pk_column and then by
 * frame, `without` is what has no stack; so are the largest single blocks, at least and at most.
 * Fills view->blame. Returns 0 or -ENOMEM. */
int pk_blame_build(struct pk_view *view, uint64_t *const columns[PK_ALL_COLUMNS],
                   const uint64_t without[PK_ALL_COLUMNS], uint64_t *const largest[2],
                   const uint64_t largest_without[2]);
