/* SPDX-License-Identifier: Apache-2.0
 * The one door of the report room: a result directory in, something a person or a tool reads out.
 *
 *     pk_run_info_write(dir, &info);                     // when the run has ended
 *     pk_report_load(dir, &report, error, sizeof(error)); // now, or next week
 *     pk_report_write(report, PK_FORMAT_HTML, file, &options);
 *     pk_report_free(report);
 *
 * May use record and base. Must stay true: the same directory and the same source files give the
 * same bytes, whenever the report is written; every text that comes from the program is escaped or
 * made harmless. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum pk_run_outcome {
    PK_RUN_UNKNOWN = 0, /* nobody saw the end */
    PK_RUN_EXIT = 1,
    PK_RUN_SIGNAL = 2,
    PK_RUN_RUNNING = 3,
};

/* How the program was started and how it ended: what run.json keeps. All texts are borrowed when
 * written with pk_run_info_write, and owned when they come from pk_run_info_read. */
struct pk_run_info {
    const char *tool;      /* "peakline 0.1.0" */
    char *const *argv;     /* the command as the user thinks of it, NULL-terminated; may be NULL */
    const char *directory; /* absolute; where it was started */
    const char *report_path; /* of report.html, to be printed; NULL: none is printed */
    int64_t start_unix_ns;   /* 0: unknown */
    int64_t end_unix_ns;     /* 0: unknown or still running */
    enum pk_run_outcome outcome;
    int code;                /* PK_RUN_EXIT: exit status */
    int signal;              /* PK_RUN_SIGNAL: number */
    uint64_t rss_peak_bytes; /* 0: unknown */
    char *const *warnings;   /* NULL-terminated sentences; may be NULL */
};

/* Write DIR/run.json: to a temporary name first, then renamed. Returns 0 or a negative errno. */
int pk_run_info_write(const char *dir, const struct pk_run_info *info);

/* Read DIR/run.json. Returns 0, -ENOENT when there is none, -EBADMSG when it is not ours, -ENOMEM,
 * or the system's error. On success free with pk_run_info_free; on failure nothing is held. */
int pk_run_info_read(const char *dir, struct pk_run_info **ret_info);
void pk_run_info_free(struct pk_run_info *info);

enum pk_report_format {
    PK_FORMAT_HTML,
    PK_FORMAT_TEXT,
    PK_FORMAT_JSON,
    PK_FORMAT_FOLDED,
};

struct pk_report_options {
    unsigned width;          /* columns for text; 0: 80 */
    bool color;              /* text: ANSI colours */
    bool utf8;               /* text: the terminal shows UTF-8 */
    const char *report_path; /* text: the path to print; NULL: the one in run.json */
};

struct pk_report;

/* Load the ledgers (every `ledger-*`, read in order of name) and run.json of a result directory; a
 * path of a ledger file loads that alone. Damaged ledgers beside a good one become warnings.
 * Returns 0, or a negative errno and one sentence in `error` (no full stop): what is wrong and what
 * to do. */
int pk_report_load(const char *result_dir, struct pk_report **ret_report, char *error,
                   size_t error_size);

/* Write the report in one format. Returns 0, -EIO when the file did not take it, -ENOMEM. */
int pk_report_write(const struct pk_report *report, enum pk_report_format format, FILE *out,
                    const struct pk_report_options *options);

/* Bytes of the peak, for callers that only want the number. */
uint64_t pk_report_peak_bytes(const struct pk_report *report);

/* NULL is fine. */
void pk_report_free(struct pk_report *report);
