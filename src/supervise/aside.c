/* SPDX-License-Identifier: Apache-2.0
 * See aside.h. */
#include "supervise/aside.h"

#include "record/live.h"
#include "supervise/remains.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define BCACHEFS_MAGIC 0xca451a4eu
/* A container's /dev/shm has 64 MiB, which the program may need itself. */
#define LEAST_SIZE (UINT64_C(1) << 30)
#define LEAST_FREE (UINT64_C(512) << 20) /* eight processes with the largest of ledgers */

/* Files of this descriptor's disk, or of this directory, are rewritten in place from now on. */
static bool set_in_place(int fd) {
    int flags = 0;

    if (ioctl(fd, FS_IOC_GETFLAGS, &flags) != 0) {
        return false;
    }
    flags |= FS_NOCOW_FL;
    return ioctl(fd, FS_IOC_SETFLAGS, &flags) == 0;
}

bool pk_aside_is_needed(int fd) {
    struct statfs disk;

    if (fstatfs(fd, &disk) != 0) {
        return false;
    }
    switch ((uint32_t)disk.f_type) {
    case BTRFS_SUPER_MAGIC:
    case BCACHEFS_MAGIC:
        return true;
    case OVERLAYFS_SUPER_MAGIC:
        // It hides what it lies on, but hands this down; only such disks know the flag.
        return set_in_place(fd);
    default:
        return false;
    }
}

static bool is_memory_with_room(const char *path) {
    struct statfs disk;

    if (statfs(path, &disk) != 0 || (uint32_t)disk.f_type != TMPFS_MAGIC) {
        return false;
    }
    uint64_t unit = (uint64_t)disk.f_bsize;
    bool is_unlimited = disk.f_blocks == 0;
    return is_unlimited ||
           (disk.f_blocks * unit >= LEAST_SIZE && disk.f_bavail * unit >= LEAST_FREE);
}

const char *pk_aside_find_memory(void) {
    static const char *const places[] = {"/tmp", "/dev/shm"};

    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        if (is_memory_with_room(places[i]) && access(places[i], W_OK | X_OK) == 0) {
            return places[i];
        }
    }
    return NULL;
}

static int make_link(const char *directory, const char *target) {
    char link[PATH_MAX + sizeof(PK_LIVE_NAME) + 1];

    (void)snprintf(link, sizeof(link), "%s/" PK_LIVE_NAME, directory);
    return symlink(target, link) == 0 ? 0 : -errno;
}

int pk_aside_begin(const char *directory, char ret_path[PATH_MAX]) {
    const char *memory = pk_aside_find_memory();
    int error = -ENOSPC;

    if (memory != NULL) {
        (void)snprintf(ret_path, PATH_MAX, "%s/" PK_LIVE_PREFIX "XXXXXX", memory);
        error = mkdtemp(ret_path) == NULL ? -errno : make_link(directory, ret_path);
        int fd = error == 0 ? open(ret_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
        if (fd >= 0) {
            (void)flock(fd, LOCK_SH); // systemd-tmpfiles leaves what is locked alone
            return fd;
        }
        error = error != 0 ? error : -errno;
        (void)rmdir(ret_path);
        (void)pk_remains_remove(directory); // the link, if it was made: nothing else is there yet
    }
    (void)snprintf(ret_path, PATH_MAX, "%s", directory);
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        (void)set_in_place(fd); // its new files inherit that
        (void)close(fd);
    }
    return error;
}

/* ---- the end --------------------------------------------------------------------------------- */

static int copy_bytes(int from, int to) {
    static char buffer[65536];

    for (;;) {
        ssize_t got = read(from, buffer, sizeof(buffer));
        if (got <= 0) {
            return got == 0 ? 0 : -errno;
        }
        for (ssize_t done = 0; done < got;) {
            ssize_t bytes = write(to, buffer + done, (size_t)(got - done));
            if (bytes < 0) {
                return -errno;
            }
            done += bytes;
        }
    }
}

static int copy_file(int from_directory, int to_directory, const char *name) {
    int from = openat(from_directory, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    int to = from < 0 ? -1
                      : openat(to_directory, name,
                               O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    int error = to < 0 ? -errno : copy_bytes(from, to);

    if (from >= 0) {
        (void)close(from);
    }
    if (to >= 0 && close(to) != 0 && error == 0) {
        error = -errno;
    }
    return error;
}

/* Copies all files from one directory to another, or removes those copies. */
static int copy_all(DIR *from, int to, bool remove) {
    int error = 0;

    rewinddir(from);
    for (struct dirent *entry = pk_remains_next(from); entry != NULL && error == 0;
         entry = pk_remains_next(from)) {
        if (remove) {
            (void)unlinkat(to, entry->d_name, 0);
        } else {
            error = copy_file(dirfd(from), to, entry->d_name);
        }
    }
    return error;
}

int pk_aside_settle(const char *directory) {
    char live[PATH_MAX];

    if (!pk_live_read(directory, live)) {
        return 0;
    }
    DIR *from = opendir(live);
    if (from == NULL) {
        return -errno;
    }
    int to = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int error = to < 0 ? -errno : copy_all(from, to, false);
    if (error == 0) {
        // Until now the copies were not looked at, and from now on nothing else is.
        error = unlinkat(to, PK_LIVE_NAME, 0) == 0 ? 0 : -errno;
    }
    if (error == 0) {
        (void)pk_remains_remove(live);
        (void)rmdir(live);
    } else if (to >= 0) {
        (void)copy_all(from, to, true);
    }
    if (to >= 0) {
        (void)close(to);
    }
    (void)closedir(from);
    return error;
}
