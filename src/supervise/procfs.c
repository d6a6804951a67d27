/* SPDX-License-Identifier: Apache-2.0
 * See procfs.h. */
#include "supervise/procfs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

int pk_procfs_memory(const char *root, pid_t pid, struct pk_procfs_memory *ret_memory) {
    char path[64], text[4096];

    (void)snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
    ssize_t length = pk_procfs_read(root, path, text, sizeof(text));
    if (length < 0) {
        return length == -ENOENT ? -ESRCH : (int)length;
    }
    if (strstr(text, "\nVmRSS:") == NULL) {
        return -ESRCH;
    }
    ret_memory->rss_bytes = find_kilobytes(text, "VmRSS");
    ret_memory->file_bytes = find_kilobytes(text, "RssFile") + find_kilobytes(text, "RssShmem");
    ret_memory->swap_bytes = find_kilobytes(text, "VmSwap");
    ret_memory->rss_peak_bytes = find_kilobytes(text, "VmHWM");
    return 0;
}

bool pk_procfs_is_alive(pid_t pid) {
    struct pk_procfs_memory memory;

    if (kill(pid, 0) != 0 && errno == ESRCH) {
        return false;
    }
    return pk_procfs_memory("", pid, &memory) != -ESRCH || access("/proc/self/status", R_OK) != 0;
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
