/* SPDX-License-Identifier: Apache-2.0
 * What a loaded report is made of, and the writers of its formats. For files of src/report only.
 * May use record and the room's own headers. Must stay true: writers change nothing, so one report
 * can be written in any number of formats. */
#pragma once

#include <regex.h>

#include "record/reader.h"
#include "record/timeline.h"
#include "record/tree_read.h"
#include "report/holder.h"
#include "report/json.h"
#include "report/report.h"
#include "report/view.h"

/* What the page shows at most; the rest is folded, so that totals stay exact. */
#define PK_PAGE_MAX_NODES 100000u
#define PK_PAGE_MAX_BLAME 5000u
#define PK_PAGE_MAX_DATA_BYTES 530000u /* packed, as written into the page */

struct pk_load_warnings; /* gather.h */
struct pk_page_line;     /* page_context.h */

struct pk_report {
    struct pk_pool pool;
    struct pk_run_info *run; /* NULL without run.json */
    struct pk_path_rules rules;
    const char *command_text;          /* of `-c`, or NULL */
    struct pk_timeline_page *timeline; /* DIR/timeline; NULL: none, or not readable */

    struct pk_tree_snapshot *tree; /* DIR/tree; NULL: none, or not readable */
    bool has_no_sources;           /* as the user wished */
    regex_t hide, show;            /* in rules, when they were given */
    bool is_one_ledger;            /* a ledger was named, not a directory */
    bool is_tree_peak;             /* the peak is the tree's; else one process's own, the larger */
    uint32_t merged_count;         /* processes that share a frame because there are too many */
    struct pk_view view;           /* with all processes; the first is the one that was started */
    uint32_t old_line_count;
    struct pk_page_line *old_lines; /* of files with is_old, by file and line (old_lines.h); of a
                                       report made from a page its context lines */

    uint64_t start_mono_ns; /* the run's, on the clock of the ledgers */
    int64_t start_unix_ns;
    int64_t duration_ns;    /* -1: unknown */
    int64_t peak_time_ns;   /* since the start; -1: unknown */
    const char *python;     /* "3.13.0 free-threaded"; "" when there was none */
    uint64_t failed_allocs; /* of all processes */
    uint64_t largest_failed_bytes;
    uint32_t failed_pid;     /* of the process whose failed allocation was the largest; 0: none */
    struct pk_holder holder; /* the process and thread with most of the peak */
    char resident_note[320]; /* why the resident peak differs (resident.h), or "" */
    char failed_note[256];   /* a sentence on the largest failed allocation, or "" */

    uint32_t warning_count;
    const char **warnings;
};

/* Derive times, Python's name and warnings from what was loaded. Returns 0 or -ENOMEM. (facts.c) */
int pk_report_derive(struct pk_report *report, const struct pk_load_warnings *load_warnings);

/* The sentence on failed allocations, from failed_allocs, largest_failed_bytes and the view's
 * failed_frame. (facts.c) */
void pk_report_say_failure(struct pk_report *report);

/* A page's data as a report; for the rest see pk_report_load_page. (page_report.c) */
struct pk_archive;
int pk_report_from_page(const struct pk_archive *archive, const char *name,
                        struct pk_report **ret_report, uint64_t *ret_folded, char *error,
                        size_t error_size);

/* The process that was started first: what is said of "the program". */
static inline const struct pk_view_process *pk_report_main(const struct pk_report *report) {
    return &report->view.processes[0];
}

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
int pk_write_pprof(const struct pk_report *report, FILE *out);
int pk_write_speedscope(const struct pk_report *report, FILE *out);
int pk_write_dhat(const struct pk_report *report, FILE *out);
int pk_write_markdown(const struct pk_report *report, FILE *out);
int pk_write_csv(const struct pk_report *report, FILE *out);
int pk_write_text(const struct pk_report *report, FILE *out,
                  const struct pk_report_options *options);
int pk_write_github(const struct pk_report *report, FILE *out,
                    const struct pk_report_options *options);
