/* SPDX-License-Identifier: Apache-2.0
 * Small files of the kernel: /proc/PID, cgroups. Every path can be put below another root, so that
 * recorded file trees test what is not mounted here. May use libc. Must stay true: nothing is
 * allocated but on the stack; it runs near a memory limit. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* The start of the file ROOT/PATH, NUL-terminated. Returns its length, or a negative errno. */
ssize_t pk_procfs_read(const char *root, const char *path, char *text, size_t size);

/* The number behind `key` ("oom_kill 3", "VmRSS:  12 kB") at the start of a line. Returns 0 or
 * -ENOENT. */
int pk_procfs_find(const char *text, const char *key, int64_t *ret_number);

/* A file that is one number; "max" is INT64_MAX. Returns 0, the system's error, or -EBADMSG. */
int pk_procfs_number(const char *root, const char *path, int64_t *ret_number);

struct pk_procfs_memory {
    uint64_t rss_bytes;
    uint64_t file_bytes; /* of it: pages of files and of shared memory */
    uint64_t swap_bytes;
    uint64_t rss_peak_bytes; /* VmHWM */
};

/* Of a living process. Returns 0, -ESRCH when it has ended (a zombie has no memory either), -ENOENT
 * when it is not in /proc (ended, hidden, or there is no /proc), or another negative errno (not
 * permitted). */
int pk_procfs_memory(const char *root, pid_t pid, struct pk_procfs_memory *ret_memory);

/* Does it live? A zombie does not; where /proc does not show it and the kernel has no pidfd_open
 * (before 5.3), it cannot be told and counts as living. */
bool pk_procfs_is_alive(pid_t pid);

/* Proportional set size; the kernel walks all pages for it, under the lock that the process needs
 * for mmap: about 10 ms a GiB. Returns 0 or a negative errno. */
int pk_procfs_pss(const char *root, pid_t pid, uint64_t *ret_bytes);
