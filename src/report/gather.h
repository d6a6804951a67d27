/* SPDX-License-Identifier: Apache-2.0
 * All ledgers of a result directory, and the file tree, to one view.
 * May use record/reader.h, record/tree_read.h, model.h. Must stay true: one ledger at a time is in
 * memory; a ledger that cannot be read becomes a warning while there is one that can. */
#pragma once

#include "report/model.h"

/* The names of the ledgers in a directory, sorted; freed with pk_names_free. */
struct pk_ledger_names {
    char **list;
    size_t count, room;
    bool is_cut; /* there were more than can be read */
};

/* Sentences, in the report's pool; those beyond the room are counted. */
#define PK_LOAD_WARNINGS 24u
struct pk_load_warnings {
    const char *list[PK_LOAD_WARNINGS];
    uint32_t count;
    uint32_t unread; /* ledgers that could not be read, beyond those named */
};

/* Fills report->view (with its processes), report->tree, is_tree_peak, merged_count and the
 * run's start. `rules`, `run` and is_one_ledger of the report are set. Returns 0, or a negative
 * errno with one sentence in `error`. */
int pk_gather(struct pk_report *report, const char *dir, const struct pk_ledger_names *names,
              struct pk_load_warnings *warnings, char *error, size_t error_size);

/* Adds a sentence, its full stop included. */
void pk_load_warn(struct pk_report *report, struct pk_load_warnings *warnings, const char *text);
