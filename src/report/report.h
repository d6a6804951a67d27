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

/* Which limit stopped the program from having more memory. */
enum pk_oom_kind {
    PK_OOM_NONE = 0,
    PK_OOM_CGROUP = 1,        /* the kernel killed a process at the limit of a cgroup */
    PK_OOM_MACHINE = 2,       /* the kernel killed a process since the machine had no memory left */
    PK_OOM_ADDRESS_SPACE = 3, /* `ulimit -v`: requests got nothing */
    PK_OOM_DATA = 4,          /* `ulimit -d`: the same */
};

struct pk_run_oom {
    enum pk_oom_kind kind;
    uint64_t limit_bytes; /* 0: unknown; PK_OOM_MACHINE: the machine's memory */
    /* most that was charged against the limit, as the kernel counts; 0: unknown */
    uint64_t usage_bytes;
    uint64_t held_bytes;   /* in the ledgers of the killed process, when it died; 0: unknown */
    uint64_t failed_bytes; /* largest request that got nothing; 0: none */
    uint64_t kills;        /* processes that the kernel killed for memory during the run */
    int64_t killed_pid;    /* 0: unknown, or nobody */
    bool is_program;       /* the killed process is the program itself */
    bool is_certain;       /* false: a counter tells of a kill, but not of whom */
    const char *path;      /* of the cgroup with the limit, as in /proc/PID/cgroup; NULL: none */
};

/* A cgroup that the run is in, itself first, and the kernel's counters when the run began. Counters
 * that do not exist are -1. For whoever finishes the job of a killed supervisor. */
struct pk_run_group {
    const char *directory; /* where its files are */
    const char *path;      /* as in /proc/PID/cgroup */
    int64_t version;       /* 1 or 2 */
    int64_t limit_bytes;   /* -1: none */
    int64_t high_bytes;    /* memory.high; -1: none */
    int64_t kills_group;   /* memory.oom.group: all die together */
    int64_t oom_kills;     /* processes of this very group killed for memory */
    int64_t limit_hits;    /* v1: memory.failcnt; v2: `oom` of memory.events.local */
};

/* How the program was started and how it ended: what run.json keeps. All texts are borrowed when
 * written with pk_run_info_write, and owned when they come from pk_run_info_read. */
struct pk_run_info {
    const char *tool;      /* "peakline 0.1.0" */
    char *const *argv;     /* the command as the user thinks of it, NULL-terminated; may be NULL */
    const char *directory; /* absolute; where it was started */
    int64_t start_unix_ns; /* 0: unknown */
    int64_t end_unix_ns;   /* 0: unknown or still running */
    enum pk_run_outcome outcome;
    int code;              /* PK_RUN_EXIT: exit status */
    int signal;            /* PK_RUN_SIGNAL: number */
    char *const *warnings; /* NULL-terminated sentences; may be NULL */

    /* What the operating system says; 0: unknown. The sampled ones are in DIR/timeline with their
     * times. */
    /* resident, all processes of the run together: the largest sample, or what the kernel says of
     * one alone if that is more */
    uint64_t rss_peak_bytes;
    uint64_t rss_peak_file_bytes; /* of the largest sample: pages of files and shared memory */
    /* of the program, or of the largest child it waited for: exact */
    uint64_t program_rss_peak_bytes;
    uint64_t pss_peak_bytes;
    uint64_t swap_peak_bytes;
    uint64_t tracked_peak_bytes; /* largest sampled sum of what the ledgers held */
    uint64_t processes_most;     /* at one time */

    /* Peakline's own. */
    uint64_t own_rss_bytes; /* resident, of the supervisor, before it wrote the report */
    uint64_t own_cpu_ns;    /* until then */

    uint64_t waited_ns;     /* for other processes after the program had ended */
    uint64_t still_running; /* processes that ran on when the report was written */
    struct pk_run_oom oom;
    const char *headline; /* a plain sentence for the first line when memory ran out; else NULL */

    const struct pk_run_group *groups;
    uint64_t group_count;
    int64_t machine_oom_kills; /* /proc/vmstat when the run began; -1: unknown */
    uint64_t machine_bytes;    /* memory of the machine */
    const char *boot_id;       /* of the kernel whose counters these are; NULL: unknown */
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
    PK_FORMAT_PPROF,
    PK_FORMAT_SPEEDSCOPE,
    PK_FORMAT_DHAT,
    PK_FORMAT_MARKDOWN,
    PK_FORMAT_CSV,
    PK_FORMAT_GITHUB, /* annotations, the commands of a GitHub workflow */
};

struct pk_report_options {
    unsigned width;          /* columns for text; 0: 80 */
    bool color;              /* text: ANSI colours */
    bool utf8;               /* text: the terminal shows UTF-8 */
    const char *report_path; /* text: of report.html, to be printed; NULL: none is */
    const char *link_host;   /* text: links to the report and to files of this machine, for a
                                terminal that shows them (OSC 8); NULL: none */
    const char *root;        /* annotations: files below are named relative to it; NULL: none */
};

struct pk_report;

/* What the user wants otherwise than the rules have it; zero: nothing. */
struct pk_report_choice {
    const char *project; /* absolute directory: the user's code is what is below */
    const char *hide;    /* extended regular expressions over paths: not the user's code, */
    const char *show;    /* and the user's code */
    bool no_source;      /* no source lines */
    bool redact;         /* no directories, arguments, command line (docs/privacy.md) */
};

/* Load the ledgers (every `ledger-*`, read in order of name) and run.json of a result directory; a
 * path of a ledger file loads that alone. Damaged ledgers beside a good one become warnings.
 * Returns 0, or a negative errno and one sentence in `error` (no full stop): what is wrong and what
 * to do. */
int pk_report_load(const char *result_dir, struct pk_report **ret_report, char *error,
                   size_t error_size);

/* The same, as the user chose. -EINVAL: an expression is not one. */
int pk_report_load_as(const char *result_dir, const struct pk_report_choice *choice,
                      struct pk_report **ret_report, char *error, size_t error_size);

/* The same from a page, which holds all that a writer needs but another page's context lines, and
 * perhaps has small stacks folded together: `ret_folded` is how many. Of `choice` no_source and
 * redact count; whose code is whose was settled when the page was made. (page_report.c) */
int pk_report_load_page(const char *path, const struct pk_report_choice *choice,
                        struct pk_report **ret_report, uint64_t *ret_folded, char *error,
                        size_t error_size);

/* Write the report in one format. Returns 0, -EIO when the file did not take it, -ENOMEM. */
int pk_report_write(const struct pk_report *report, enum pk_report_format format, FILE *out,
                    const struct pk_report_options *options);

/* Bytes of the peak, for callers that only want the number. */
uint64_t pk_report_peak_bytes(const struct pk_report *report);

/* The lines of the user's own code that hold the most at the peak, at most `most` of them, as
 * "app.py:12 (61.2 MiB), app.py:30 (4.0 MiB)". Returns how many there are. */
size_t pk_report_name_lines(const struct pk_report *report, unsigned most, char *ret_text,
                            size_t size);

/* NULL is fine. */
void pk_report_free(struct pk_report *report);
