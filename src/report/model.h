/* SPDX-License-Identifier: Apache-2.0
 * What a loaded report is made of, and the writers of its formats. For files of src/report only.
 * May use record and the room's own headers. Must stay true: writers change nothing, so one report
 * can be written in any number of formats. */
#pragma once

#include "record/reader.h"
#include "report/json.h"
#include "report/report.h"
#include "report/view.h"

/* What the page shows at most; the rest is folded, so that totals stay exact. */
#define PK_PAGE_MAX_NODES 50000u
#define PK_PAGE_MAX_BLAME 5000u
#define PK_PAGE_MAX_DATA_BYTES 500000u /* packed, as written into the page */

struct pk_report_process {
    const char *ledger; /* name of its file */
    uint32_t pid;
    uint32_t parent_pid;
    uint64_t peak_bytes; /* as its own report would say */
    uint64_t tree_bytes; /* at the peak of the process tree */
    bool is_tree_known;
};

struct pk_report {
    struct pk_pool pool;
    struct pk_run_info *run; /* NULL without run.json */
    struct pk_path_rules rules;
    const char *command_text; /* of `-c`, or NULL */

    uint32_t process_count;
    struct pk_report_process *processes; /* in order of ledger name */
    uint32_t main_process;               /* the one with the largest peak */

    struct pk_snapshot *snapshot; /* of the main process */
    struct pk_view view;

    int64_t start_unix_ns;
    int64_t duration_ns;   /* -1: unknown */
    int64_t peak_time_ns;  /* since the start; -1: unknown */
    char python[64];       /* "3.13.0 free-threaded"; "" when there was none */
    char failed_note[256]; /* a sentence on the largest failed allocation, or "" */

    uint32_t warning_count;
    const char **warnings;
};

/* Derive times, Python's name and warnings from what was loaded. Returns 0 or -ENOMEM. (facts.c) */
int pk_report_derive(struct pk_report *report, char *const *load_warnings);

const char *
pk_report_outcome_name(const struct pk_report *report);      /* exit, signal, running, unknown */
const char *pk_report_signal_name(int signal);               /* "SIGKILL", or "" */
const char *pk_report_python_status(uint32_t python_status); /* "verified", ... */

/* A sentence when the run did not end normally, else "". */
void pk_report_outcome_sentence(const struct pk_report *report, char *ret_text, size_t size);

/* The formats. Each returns 0 or -ENOMEM; whether the file took it is asked by pk_report_write. */
int pk_write_json(const struct pk_report *report, FILE *out);
int pk_write_page_data(const struct pk_report *report, uint32_t max_nodes, uint32_t max_blame,
                       FILE *out);
int pk_write_html(const struct pk_report *report, FILE *out);
int pk_write_folded(const struct pk_report *report, FILE *out);
int pk_write_text(const struct pk_report *report, FILE *out,
                  const struct pk_report_options *options);
