/* SPDX-License-Identifier: Apache-2.0
 * The run as the operating system saw it: DIR/timeline. The supervisor samples the processes of the
 * run and keeps here what it saw, as it goes, so that its own death loses nothing.
 *
 *   +---------------+ 0       header: identity, counts, the largest values ever seen
 *   | header        |
 *   +---------------+ 4096    one point a stretch of time; neighbours are merged in pairs when
 *   | points        |         there is no room
 *   +---------------+ 69632   one entry a process: what it held at most, when last seen
 *   | processes     |
 *   +---------------+ 135168
 *
 * The file never grows. A merged point has the maximum of each column, so the true maximum survives
 * any number of merges. Merging goes forward in place: if the supervisor dies in the middle of it,
 * points that do not end later than the one before them are leftovers that are contained in a
 * merged one, and the reader skips them.
 *
 * Written by the supervisor alone, read by anybody with pk_timeline_read, which trusts nothing.
 * Little-endian. May use libc: it runs in the peakline program, never in the profiled one. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define PK_TIMELINE_NAME "timeline"
#define PK_TIMELINE_MAGIC "PEAKTIME" /* 8 bytes, no NUL */
#define PK_TIMELINE_VERSION 1u
#define PK_TIMELINE_BYTE_ORDER 0x01020304u
#define PK_TIMELINE_POINTS 1024u
#define PK_TIMELINE_PROCESSES 1024u
#define PK_TIMELINE_MAX_BYTES (UINT64_C(1) << 50) /* larger amounts are damage */

/* A stretch of time in which `samples` samples were taken; each column is the maximum over them. */
struct pk_timeline_point {
    uint64_t first_ns; /* since the run began, CLOCK_MONOTONIC */
    uint64_t last_ns;
    uint64_t rss_bytes;  /* resident, all processes added up: shared pages count once for each */
    uint64_t file_bytes; /* of it, pages of files and shared memory */
    uint64_t swap_bytes;
    /* proportional: shared pages divided among their users; 0: not sampled here */
    uint64_t pss_bytes;
    /* the account of all ledgers: published totals, or the only process's own; 0: not known */
    uint64_t tracked_bytes;
    uint32_t processes;
    uint32_t samples; /* at least 1 */
};

/* One process, by pid. A pid that comes again is the same entry. */
struct pk_timeline_process {
    uint64_t first_ns;
    uint64_t last_ns;        /* when last seen alive */
    uint64_t rss_peak_bytes; /* VmHWM when last seen: the kernel's own maximum */
    uint64_t rss_bytes;      /* when last seen */
    uint64_t swap_bytes;     /* largest seen */
    uint64_t tracked_bytes;  /* when last seen; 0: not known */
    uint32_t pid;            /* 0: free */
    uint32_t parent_pid;     /* reserved: 0 */
    uint64_t reserved;
};

struct pk_timeline_header {
    char magic[8]; /* written last */
    uint32_t version;
    uint32_t byte_order;
    uint32_t points;        /* PK_TIMELINE_POINTS */
    uint32_t processes;     /* PK_TIMELINE_PROCESSES */
    uint64_t start_unix_ns; /* wall clock when the run began: to show, never to measure with */
    uint64_t start_mono_ns;
    uint32_t point_count;
    uint32_t process_count;
    /* more than there is room for: the ended ones with the smallest peaks made way */
    uint32_t lost_processes;
    uint32_t process_most; /* most at one time */
    uint64_t samples;
    uint64_t pss_samples;
    uint64_t cpu_ns; /* of the supervisor's own time, all of it */
    /* The largest sums over processes at one sample, and when. */
    uint64_t rss_peak_bytes, rss_peak_ns;
    uint64_t rss_peak_file_bytes; /* file pages at that sample */
    uint64_t swap_peak_bytes, swap_peak_ns;
    uint64_t pss_peak_bytes, pss_peak_ns;
    uint64_t tracked_peak_bytes, tracked_peak_ns;
    uint64_t end_ns; /* the last sample; 0: none */
};

struct pk_timeline_page {
    struct pk_timeline_header header;
    struct pk_timeline_point point[PK_TIMELINE_POINTS] __attribute__((aligned(4096)));
    struct pk_timeline_process process[PK_TIMELINE_PROCESSES] __attribute__((aligned(4096)));
};

_Static_assert(sizeof(struct pk_timeline_point) == 64, "format");
_Static_assert(sizeof(struct pk_timeline_process) == 64, "format");
_Static_assert(sizeof(struct pk_timeline_header) == 160, "format");
_Static_assert(__builtin_offsetof(struct pk_timeline_page, point) == 4096, "format");
_Static_assert(__builtin_offsetof(struct pk_timeline_page, process) == 69632, "format");
_Static_assert(sizeof(struct pk_timeline_page) == 135168, "format");

/* ---- writing: the supervisor ----------------------------------------------------------------- */

struct pk_timeline {
    struct pk_timeline_page *page;
    /* Of the file, with a write lock (fcntl, which forked processes do not share): the supervisor
     * lives. Whoever closes another descriptor of the file in this process gives it up. -1: the
     * page is in memory only. */
    int fd;
};

/* Make DIR/timeline, mode 0600, with its room on the disk reserved. When the file cannot be had
 * (disk full) the page is kept in memory: returns the reason, a negative errno, and `ret_timeline`
 * works all the same. -ENOMEM: nothing works and page is NULL; all other functions then do
 * nothing. */
int pk_timeline_create(const char *directory, uint64_t start_unix_ns, uint64_t start_mono_ns,
                       struct pk_timeline *ret_timeline);

/* Add one sample: `sample` has first_ns == last_ns and samples == 1. Times do not go back. */
void pk_timeline_add(struct pk_timeline *timeline, const struct pk_timeline_point *sample);

/* What one process had at a sample; entry by pid, made when new. `seen` has last_ns == first_ns. */
void pk_timeline_see(struct pk_timeline *timeline, const struct pk_timeline_process *seen);

/* Was that process ever seen? */
bool pk_timeline_has_seen(const struct pk_timeline *timeline, uint32_t pid);

/* Unmaps and gives up the lock. The file stays. */
void pk_timeline_close(struct pk_timeline *timeline);

/* ---- reading: anybody ------------------------------------------------------------------------ */

/* A checked copy in `ret_page`: counts in range, points one behind the other in time, amounts at
 * most PK_TIMELINE_MAX_BYTES. Returns 0; -ENOENT none; -EINVAL not one of ours; -EPROTONOSUPPORT a
 * newer version; -EBADMSG damaged; -ENOMEM. Free with free(). */
int pk_timeline_read(const char *directory, struct pk_timeline_page **ret_page);

/* The same from memory. */
int pk_timeline_read_memory(const void *bytes, uint64_t size, struct pk_timeline_page **ret_page);

/* Does the supervisor of this result, another process, still run? By the lock, so also across
 * containers and reused pids. False when that cannot be known. */
bool pk_timeline_is_watched(const char *directory);
