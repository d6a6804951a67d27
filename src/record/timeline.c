/* SPDX-License-Identifier: Apache-2.0
 * See timeline.h. */
#include "record/timeline.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/sys.h" // pk_sys_reserve()

static uint64_t larger(uint64_t a, uint64_t b) {
    return a > b ? a : b;
}

static int open_file(const char *directory, int flags) {
    char path[PATH_MAX];

    if (snprintf(path, sizeof(path), "%s/%s", directory, PK_TIMELINE_NAME) >= PATH_MAX) {
        return -ENAMETOOLONG;
    }
    int fd = open(path, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0600);
    return fd < 0 ? -errno : fd;
}

/* ---- writing --------------------------------------------------------------------------------- */

int pk_timeline_create(const char *directory, uint64_t start_unix_ns, uint64_t start_mono_ns,
                       struct pk_timeline *ret_timeline) {
    const size_t size = sizeof(struct pk_timeline_page);
    void *page = MAP_FAILED;

    int fd = open_file(directory, O_RDWR | O_CREAT | O_TRUNC);
    int error = fd < 0 ? fd : 0;
    // Reserved, so that a disk that becomes full later cannot raise SIGBUS here (unless as writer.h
    // says).
    if (error == 0) {
        error = pk_sys_reserve(fd, 0, size);
    }
    if (error == 0) {
        struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
        (void)fcntl(fd, F_SETLK, &lock);
        page = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        error = page == MAP_FAILED ? -errno : 0;
    }
    if (error != 0 && fd >= 0) {
        (void)close(fd);
        fd = -1;
    }
    ret_timeline->fd = error == 0 ? fd : -1;
    if (page == MAP_FAILED) {
        page = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    }
    if (page == MAP_FAILED) {
        ret_timeline->page = NULL;
        return -ENOMEM;
    }
    struct pk_timeline_page *made = page;
    made->header.version = PK_TIMELINE_VERSION;
    made->header.byte_order = PK_TIMELINE_BYTE_ORDER;
    made->header.points = PK_TIMELINE_POINTS;
    made->header.processes = PK_TIMELINE_PROCESSES;
    made->header.start_unix_ns = start_unix_ns;
    made->header.start_mono_ns = start_mono_ns;
    memcpy(made->header.magic, PK_TIMELINE_MAGIC, sizeof(made->header.magic));
    ret_timeline->page = made;
    return error;
}

static void merge(const struct pk_timeline_point *a, const struct pk_timeline_point *b,
                  struct pk_timeline_point *ret_point) {
    struct pk_timeline_point both = {
        .first_ns = a->first_ns,
        .last_ns = b->last_ns,
        .rss_bytes = larger(a->rss_bytes, b->rss_bytes),
        .file_bytes = larger(a->file_bytes, b->file_bytes),
        .swap_bytes = larger(a->swap_bytes, b->swap_bytes),
        .pss_bytes = larger(a->pss_bytes, b->pss_bytes),
        .tracked_bytes = larger(a->tracked_bytes, b->tracked_bytes),
        .processes = a->processes > b->processes ? a->processes : b->processes,
        .samples = a->samples + b->samples,
    };
    *ret_point = both;
}

static void merge_pairs(struct pk_timeline_page *page) {
    for (uint32_t i = 0; i < PK_TIMELINE_POINTS / 2; i++) {
        merge(&page->point[2 * i], &page->point[2 * i + 1], &page->point[i]);
    }
    page->header.point_count = PK_TIMELINE_POINTS / 2;
}

static void raise_peak(uint64_t value, uint64_t now, uint64_t *peak, uint64_t *peak_ns) {
    if (value > *peak) {
        *peak = value;
        *peak_ns = now;
    }
}

void pk_timeline_add(struct pk_timeline *timeline, const struct pk_timeline_point *sample) {
    struct pk_timeline_page *page = timeline->page;

    if (page == NULL) {
        return;
    }
    struct pk_timeline_header *header = &page->header;
    if (sample->rss_bytes > header->rss_peak_bytes) {
        header->rss_peak_file_bytes = sample->file_bytes;
    }
    raise_peak(sample->rss_bytes, sample->last_ns, &header->rss_peak_bytes, &header->rss_peak_ns);
    raise_peak(sample->swap_bytes, sample->last_ns, &header->swap_peak_bytes,
               &header->swap_peak_ns);
    raise_peak(sample->pss_bytes, sample->last_ns, &header->pss_peak_bytes, &header->pss_peak_ns);
    raise_peak(sample->tracked_bytes, sample->last_ns, &header->tracked_peak_bytes,
               &header->tracked_peak_ns);
    if (sample->processes > header->process_most) {
        header->process_most = sample->processes;
    }
    header->samples++;
    header->pss_samples += sample->pss_bytes != 0;
    header->end_ns = sample->last_ns;

    if (header->point_count > 0) {
        struct pk_timeline_point *last = &page->point[header->point_count - 1];
        if (sample->last_ns <= last->last_ns) {
            struct pk_timeline_point same = *sample; // the clock stood still: points end in order
            same.last_ns = last->last_ns;
            merge(last, &same, last);
            return;
        }
    }
    if (header->point_count == PK_TIMELINE_POINTS) {
        merge_pairs(page);
    }
    page->point[header->point_count] = *sample;
    __atomic_store_n(&header->point_count, header->point_count + 1, __ATOMIC_RELEASE);
}

/* The entry for a new process: a free one, else that of the process with the smallest peak that was
 * not seen at the last sample. NULL: all are alive. */
static struct pk_timeline_process *find_room(struct pk_timeline_page *page) {
    struct pk_timeline_process *smallest = NULL;

    if (page->header.process_count < PK_TIMELINE_PROCESSES) {
        return &page->process[page->header.process_count++];
    }
    page->header.lost_processes++;
    for (uint32_t i = 0; i < PK_TIMELINE_PROCESSES; i++) {
        struct pk_timeline_process *entry = &page->process[i];
        if (entry->last_ns < page->header.end_ns &&
            (smallest == NULL || entry->rss_peak_bytes < smallest->rss_peak_bytes)) {
            smallest = entry;
        }
    }
    return smallest;
}

static struct pk_timeline_process *find_process(struct pk_timeline_page *page, uint32_t pid) {
    // The newest live last: the ones that are alive are mostly found soon from the end.
    for (uint32_t i = page->header.process_count; i > 0; i--) {
        if (page->process[i - 1].pid == pid) {
            return &page->process[i - 1];
        }
    }
    return NULL;
}

bool pk_timeline_has_seen(const struct pk_timeline *timeline, uint32_t pid) {
    return timeline->page != NULL && find_process(timeline->page, pid) != NULL;
}

void pk_timeline_see(struct pk_timeline *timeline, const struct pk_timeline_process *seen) {
    struct pk_timeline_page *page = timeline->page;

    if (page == NULL) {
        return;
    }
    struct pk_timeline_process *entry = find_process(page, seen->pid);
    if (entry == NULL) {
        entry = find_room(page);
        if (entry == NULL) {
            return;
        }
        *entry = *seen;
        return;
    }
    entry->last_ns = larger(entry->last_ns, seen->last_ns);
    entry->rss_peak_bytes = larger(entry->rss_peak_bytes, seen->rss_peak_bytes);
    entry->rss_bytes = seen->rss_bytes;
    entry->swap_bytes = larger(entry->swap_bytes, seen->swap_bytes);
    entry->tracked_bytes = seen->tracked_bytes;
}

void pk_timeline_close(struct pk_timeline *timeline) {
    if (timeline->page != NULL) {
        (void)munmap(timeline->page, sizeof(*timeline->page));
        timeline->page = NULL;
    }
    if (timeline->fd >= 0) {
        (void)close(timeline->fd);
        timeline->fd = -1;
    }
}

/* ---- reading --------------------------------------------------------------------------------- */

static bool is_amount(uint64_t bytes) {
    return bytes <= PK_TIMELINE_MAX_BYTES;
}

static bool is_time(uint64_t ns) {
    return ns <= INT64_MAX;
}

static bool is_good_header(const struct pk_timeline_header *header) {
    return header->points == PK_TIMELINE_POINTS && header->processes == PK_TIMELINE_PROCESSES &&
           header->point_count <= PK_TIMELINE_POINTS &&
           header->process_count <= PK_TIMELINE_PROCESSES && is_time(header->start_unix_ns) &&
           is_time(header->start_mono_ns) && is_time(header->end_ns) && is_time(header->cpu_ns) &&
           is_amount(header->rss_peak_bytes) && is_time(header->rss_peak_ns) &&
           is_amount(header->rss_peak_file_bytes) && is_amount(header->swap_peak_bytes) &&
           is_time(header->swap_peak_ns) && is_amount(header->pss_peak_bytes) &&
           is_time(header->pss_peak_ns) && is_amount(header->tracked_peak_bytes) &&
           is_time(header->tracked_peak_ns);
}

static bool is_good_point(const struct pk_timeline_point *point) {
    return point->samples > 0 && point->first_ns <= point->last_ns && is_time(point->last_ns) &&
           is_amount(point->rss_bytes) && is_amount(point->file_bytes) &&
           is_amount(point->swap_bytes) && is_amount(point->pss_bytes) &&
           is_amount(point->tracked_bytes);
}

static bool is_good_process(const struct pk_timeline_process *process) {
    return process->first_ns <= process->last_ns && is_time(process->last_ns) &&
           is_amount(process->rss_peak_bytes) && is_amount(process->rss_bytes) &&
           is_amount(process->swap_bytes) && is_amount(process->tracked_bytes);
}

/* Points in order of time: leftovers of a merge that was cut off are contained in a point before
 * them. */
static bool check_points(struct pk_timeline_page *page) {
    uint32_t kept = 0;

    for (uint32_t i = 0; i < page->header.point_count; i++) {
        const struct pk_timeline_point *point = &page->point[i];
        if (!is_good_point(point)) {
            return false;
        }
        if (kept > 0 && point->last_ns <= page->point[kept - 1].last_ns) {
            continue;
        }
        page->point[kept] = *point;
        if (kept > 0 && point->first_ns < page->point[kept - 1].last_ns) {
            page->point[kept].first_ns = page->point[kept - 1].last_ns;
        }
        kept++;
    }
    page->header.point_count = kept;
    return true;
}

/* Without entries that were given out and not filled yet. */
static bool check_processes(struct pk_timeline_page *page) {
    uint32_t kept = 0;

    for (uint32_t i = 0; i < page->header.process_count; i++) {
        if (!is_good_process(&page->process[i])) {
            return false;
        }
        if (page->process[i].pid != 0) {
            page->process[kept++] = page->process[i];
        }
    }
    page->header.process_count = kept;
    return true;
}

int pk_timeline_read_memory(const void *bytes, uint64_t size, struct pk_timeline_page **ret_page) {
    struct pk_timeline_header header;

    if (size < sizeof(header)) {
        return -EINVAL;
    }
    memcpy(&header, bytes, sizeof(header));
    if (memcmp(header.magic, PK_TIMELINE_MAGIC, sizeof(header.magic)) != 0 ||
        header.byte_order != PK_TIMELINE_BYTE_ORDER) {
        return -EINVAL;
    }
    if (header.version != PK_TIMELINE_VERSION) {
        return header.version > PK_TIMELINE_VERSION ? -EPROTONOSUPPORT : -EBADMSG;
    }
    if (size < sizeof(struct pk_timeline_page) || !is_good_header(&header)) {
        return -EBADMSG;
    }
    struct pk_timeline_page *page = aligned_alloc(4096, sizeof(*page));
    if (page == NULL) {
        return -ENOMEM;
    }
    memcpy(page, bytes, sizeof(*page));
    page->header = header; // checked; the file may have changed since
    if (!check_points(page) || !check_processes(page)) {
        free(page);
        return -EBADMSG;
    }
    *ret_page = page;
    return 0;
}

int pk_timeline_read(const char *directory, struct pk_timeline_page **ret_page) {
    struct stat status;

    int fd = open_file(directory, O_RDONLY);
    if (fd < 0) {
        return fd;
    }
    if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) {
        (void)close(fd);
        return -EINVAL;
    }
    char *bytes = malloc(sizeof(struct pk_timeline_page));
    size_t done = 0;
    while (bytes != NULL && done < sizeof(struct pk_timeline_page)) {
        ssize_t got = read(fd, bytes + done, sizeof(struct pk_timeline_page) - done);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            break;
        }
        done += (size_t)got;
    }
    (void)close(fd);
    int error = bytes == NULL ? -ENOMEM : pk_timeline_read_memory(bytes, done, ret_page);
    free(bytes);
    return error;
}

bool pk_timeline_is_watched(const char *directory) {
    int fd = open_file(directory, O_RDONLY);

    if (fd < 0) {
        return false;
    }
    struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET};
    bool is_watched = fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type == F_WRLCK;
    (void)close(fd);
    return is_watched;
}
