/* SPDX-License-Identifier: Apache-2.0
 * See procfs.h. */
#include "supervise/procfs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434 // on every machine; headers before Linux 5.3 do not know it
#endif

ssize_t pk_procfs_read(const char *root, const char *path, char *text, size_t size) {
    char full[PATH_MAX];
    size_t length = 0;

    text[0] = '\0';
    if (snprintf(full, sizeof(full), "%s%s", root, path) >= PATH_MAX) {
        return -ENAMETOOLONG;
    }
    int fd = open(full, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0) {
        return -errno;
    }
    while (length + 1 < size) {
        ssize_t got = read(fd, text + length, size - 1 - length);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            int error = -errno;
            (void)close(fd);
            text[0] = '\0';
            return error;
        }
        if (got == 0) {
            break;
        }
        length += (size_t)got;
    }
    (void)close(fd);
    text[length] = '\0';
    return (ssize_t)length;
}

int pk_procfs_find(const char *text, const char *key, int64_t *ret_number) {
    size_t length = strlen(key);

    for (const char *line = text; line != NULL && *line != '\0';) {
        if (strncmp(line, key, length) == 0 &&
            (line[length] == ' ' || line[length] == ':' || line[length] == '\t')) {
            const char *value = line + length + strspn(line + length, ": \t");
            if (*value >= '0' && *value <= '9') {
                *ret_number = strtoll(value, NULL, 10);
                return 0;
            }
        }
        line = strchr(line, '\n');
        line = line != NULL ? line + 1 : NULL;
    }
    return -ENOENT;
}

int pk_procfs_number(const char *root, const char *path, int64_t *ret_number) {
    char text[64];

    ssize_t length = pk_procfs_read(root, path, text, sizeof(text));
    if (length < 0) {
        return (int)length;
    }
    if (strncmp(text, "max", 3) == 0) {
        *ret_number = INT64_MAX;
        return 0;
    }
    if (text[0] < '0' || text[0] > '9') {
        return -EBADMSG;
    }
    *ret_number = strtoll(text, NULL, 10); // clamps to INT64_MAX
    return 0;
}

/* "VmRSS:   123 kB" in bytes, 0 when it is not there. */
static uint64_t find_kilobytes(const char *text, const char *key) {
    int64_t number = 0;

    return pk_procfs_find(text, key, &number) == 0 && number < (INT64_MAX >> 10)
               ? (uint64_t)number << 10
               : 0;
}

/* Takes what whole lines say; a line that is not there changes nothing. */
static void take_lines(const char *text, struct pk_procfs_memory *memory) {
    static const char *const keys[] = {"VmRSS", "RssFile", "RssShmem", "VmSwap", "VmHWM"};
    uint64_t *const fields[] = {&memory->rss_bytes, &memory->file_bytes, &memory->file_bytes,
                                &memory->swap_bytes, &memory->rss_peak_bytes};

    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        *fields[i] += find_kilobytes(text, keys[i]);
    }
}

/* In pieces: a process may be in 65,536 groups, 11 bytes each, and they stand before the memory.
 * Returns whether there is a line of memory, or a negative errno. */
static int read_status(int fd, struct pk_procfs_memory *memory) {
    char text[4096];
    size_t length = 0;
    int64_t resident = -1;

    for (;;) {
        ssize_t got = read(fd, text + length, sizeof(text) - 1 - length);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            return got < 0 ? -errno : resident >= 0;
        }
        length += (size_t)got;
        text[length] = '\0';
        char *end = strrchr(text, '\n');
        if (end == NULL) {
            // Part of a line longer than all this: of the groups, and what is left of them begins
            // with a digit.
            length = length + 1 < sizeof(text) ? length : 0;
            continue;
        }
        *end = '\0';
        (void)pk_procfs_find(text, "VmRSS", &resident);
        take_lines(text, memory);
        length -= (size_t)(end + 1 - text);
        memmove(text, end + 1, length);
    }
}

int pk_procfs_memory(const char *root, pid_t pid, struct pk_procfs_memory *ret_memory) {
    char path[PATH_MAX];

    memset(ret_memory, 0, sizeof(*ret_memory));
    if (snprintf(path, sizeof(path), "%s/proc/%d/status", root, (int)pid) >= PATH_MAX) {
        return -ENAMETOOLONG;
    }
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0) {
        return -errno;
    }
    int result = read_status(fd, ret_memory);
    (void)close(fd);
    return result < 0 ? result : result > 0 ? 0 : -ESRCH;
}

/* As the kernel says to whoever holds the process: it needs no permission and no /proc. */
static bool has_ended(pid_t pid) {
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);

    if (fd < 0) {
        return errno == ESRCH; // else an old kernel, a filter, no descriptor: not known
    }
    struct pollfd end = {.fd = fd, .events = POLLIN};
    bool ended = poll(&end, 1, 0) == 1;
    (void)close(fd);
    return ended;
}

bool pk_procfs_is_alive(pid_t pid) {
    struct pk_procfs_memory memory;

    if (kill(pid, 0) != 0 && errno == ESRCH) {
        return false;
    }
    int error = pk_procfs_memory("", pid, &memory);
    // Not in /proc: there is none, or the process made itself undumpable and is hidden (hidepid).
    return error == 0 || (error != -ESRCH && !has_ended(pid));
}

int pk_procfs_pss(const char *root, pid_t pid, uint64_t *ret_bytes) {
    char path[64], text[2048];

    (void)snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", (int)pid);
    ssize_t length = pk_procfs_read(root, path, text, sizeof(text));
    if (length < 0) {
        return (int)length;
    }
    *ret_bytes = find_kilobytes(text, "Pss");
    return 0;
}
