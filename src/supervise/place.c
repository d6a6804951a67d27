/* SPDX-License-Identifier: Apache-2.0
 * See place.h. */
#include "supervise/place.h"

#include "record/live.h"
#include "record/reader.h"
#include "record/settings.h"
#include "supervise/aside.h"
#include "supervise/remains.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define PROBE_BYTES (1u << 20)
#define MAX_CLASHES 1000

/* mkdir -p for all but the last part. */
static int create_parents(const char *path) {
    char part[PATH_MAX];

    (void)snprintf(part, sizeof(part), "%s", path);
    for (char *slash = strchr(part + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(part, 0777) != 0 && errno != EEXIST) {
            return -errno;
        }
        *slash = '/';
    }
    return 0;
}

static int write_zeros(int fd) {
    static const char zeros[65536];

    for (size_t written = 0; written < PROBE_BYTES;) {
        ssize_t bytes = write(fd, zeros, sizeof(zeros));
        if (bytes < 0 && errno != EINTR) {
            return -errno;
        }
        written += bytes > 0 ? (size_t)bytes : 0;
    }
    return fsync(fd) != 0 && errno != EINVAL ? -errno : 0;
}

/* Write a file as large as a small ledger. statvfs would not see quotas and reserved blocks. */
static int probe_space(const char *directory, bool *ret_needs_memory) {
    char path[PATH_MAX + sizeof(PK_PROBE_NAME) + 1];
    struct sigaction ignore = {.sa_handler = SIG_IGN}, before;

    (void)snprintf(path, sizeof(path), "%s/%s", directory, PK_PROBE_NAME);
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        return -errno;
    }
    *ret_needs_memory = pk_aside_is_needed(fd); // as long as it is empty
    // Beyond `ulimit -f` a write raises SIGXFSZ, which would end us without a word.
    (void)sigaction(SIGXFSZ, &ignore, &before);
    int error = fallocate(fd, 0, 0, PROBE_BYTES) == 0 ? 0 : -errno;
    if (error == -EOPNOTSUPP || error == -ENOSYS || error == -EINTR) {
        error = write_zeros(fd);
    }
    (void)sigaction(SIGXFSZ, &before, NULL);
    (void)close(fd);
    (void)unlink(path);
    return error;
}

int pk_place_refuse(const struct pk_place *place, int error, struct pk_failure *failure) {
    if (error == -ENOSPC || error == -EDQUOT) {
        return pk_failure_set(
            failure, error, PK_EXIT_FAILED,
            "the disk that holds %s is full; make room or name another directory with -o DIR",
            place->shown);
    }
    if (error == -EFBIG) {
        return pk_failure_set(
            failure, error, PK_EXIT_FAILED,
            "the file size limit (ulimit -f) is below 1 MiB; raise it to record into %s",
            place->shown);
    }
    if (error == -ENAMETOOLONG) {
        return pk_failure_set(
            failure, error, PK_EXIT_FAILED,
            "the name of the result directory is too long; name a shorter one with -o DIR");
    }
    return pk_failure_set(failure, error, PK_EXIT_FAILED, "cannot write results into %s: %s; %s",
                          place->shown, strerror(-error),
                          error == -EMFILE ? "raise ulimit -n"
                                           : "name another directory with -o DIR");
}

/* Does process `pid` have the file at `path` mapped? */
static bool has_mapped(int pid, const char *path) {
    char name[32], line[PATH_MAX + 128];
    bool found = false;

    (void)snprintf(name, sizeof(name), "/proc/%d/maps", pid);
    FILE *maps = fopen(name, "re");
    while (maps != NULL && !found && fgets(line, sizeof(line), maps) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        const char *start = strchr(line, '/');
        found = start != NULL && strcmp(start, path) == 0;
    }
    if (maps != NULL) {
        (void)fclose(maps);
    }
    return found;
}

/* A process that still writes a ledger in the directory, or 0. */
static int find_recorder(const char *path) {
    char whole[PATH_MAX], ledger[PATH_MAX + NAME_MAX + 2];
    int recorder = 0;
    DIR *directory = realpath(path, whole) == NULL ? NULL : opendir(whole);

    if (directory == NULL) {
        return 0;
    }
    for (struct dirent *entry = readdir(directory); entry != NULL && recorder == 0;
         entry = readdir(directory)) {
        if (pk_snapshot_is_name(entry->d_name)) {
            int pid = atoi(entry->d_name + strlen(PK_LEDGER_PREFIX));
            (void)snprintf(ledger, sizeof(ledger), "%s/%s", whole, entry->d_name);
            recorder = pid > 0 && has_mapped(pid, ledger) ? pid : 0;
        }
    }
    (void)closedir(directory);
    return recorder;
}

/* Two runs in one directory would take each other's records for their own, or for an older
 * result. */
static int take_for_us(struct pk_place *place, struct pk_failure *failure) {
    char records[PATH_MAX];

    place->lock = open(place->shown, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (place->lock >= 0 && flock(place->lock, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
        (void)close(place->lock);
        return pk_failure_set(failure, -EBUSY, PK_EXIT_FAILED,
                              "%s belongs to a run that is still going on; wait for its end, or "
                              "name another directory with -o DIR",
                              place->shown);
    }
    int recorder = find_recorder(pk_live_find(place->shown, records));
    if (recorder != 0) {
        return pk_failure_set(failure, -EBUSY, PK_EXIT_FAILED,
                              "process %d of an older run still records into %s; end it, or name "
                              "another directory with -o DIR",
                              recorder, place->shown);
    }
    return 0;
}

static int create_named(const char *wanted, bool force, struct pk_place *place,
                        struct pk_failure *failure) {
    struct pk_remains remains;

    if (snprintf(place->shown, sizeof(place->shown), "%s", wanted) >= PATH_MAX) {
        return pk_place_refuse(place, -ENAMETOOLONG, failure);
    }
    for (size_t end = strlen(place->shown); end > 1 && place->shown[end - 1] == '/'; end--) {
        place->shown[end - 1] = '\0';
    }
    wanted = place->shown;
    int error = create_parents(wanted);
    if (error == 0 && mkdir(wanted, 0700) == 0) {
        place->created = true;
        return take_for_us(place, failure);
    }
    error = error != 0 ? error : -errno;
    if (error != -EEXIST) {
        return pk_place_refuse(place, error, failure);
    }
    error = take_for_us(place, failure);
    if (error != 0) {
        return error;
    }
    error = pk_remains_look(wanted, &remains);
    if (error == -ENOTDIR) {
        return pk_failure_set(failure, error, PK_EXIT_FAILED,
                              "%s exists and is not a directory; name another one with -o DIR",
                              wanted);
    }
    if (error < 0) {
        return pk_place_refuse(place, error, failure);
    }
    if (remains.has_any && !force) {
        return pk_failure_set(
            failure, -EEXIST, PK_EXIT_FAILED,
            "%s exists and is not empty; name another directory, or add --force to replace an "
            "older result in it",
            wanted);
    }
    if (remains.clash[0] != '\0') {
        return pk_failure_set(failure, -EEXIST, PK_EXIT_FAILED,
                              "%s/%s is not of a run of Peakline and would be lost; move it away, "
                              "or name another directory with -o DIR",
                              wanted, remains.clash);
    }
    error = pk_remains_remove(wanted);
    return error < 0 ? pk_place_refuse(place, error, failure) : 0;
}

static int create_default(const char *name, time_t now, struct pk_place *place,
                          struct pk_failure *failure) {
    char stamp[32], last[NAME_MAX];
    struct tm local;

    (void)snprintf(place->shown, sizeof(place->shown), "%s", PK_RESULTS_DIRECTORY);
    if (localtime_r(&now, &local) == NULL ||
        strftime(stamp, sizeof(stamp), "%Y%m%d-%H%M%S", &local) == 0) {
        (void)snprintf(stamp, sizeof(stamp), "%lld", (long long)now);
    }
    if (mkdir(PK_RESULTS_DIRECTORY, 0700) != 0 && errno != EEXIST) {
        return pk_place_refuse(place, -errno, failure);
    }
    for (int attempt = 1; attempt < MAX_CLASHES; attempt++) {
        char number[16] = "";
        if (attempt > 1) {
            (void)snprintf(number, sizeof(number), "-%d", attempt);
        }
        (void)snprintf(last, sizeof(last), "%s-%.100s%s", stamp, name, number);
        (void)snprintf(place->shown, sizeof(place->shown), "%s/%s", PK_RESULTS_DIRECTORY, last);
        if (mkdir(place->shown, 0700) == 0) {
            place->created = true;
            place->dated = true;
            return 0;
        }
        if (errno != EEXIST) {
            return pk_place_refuse(place, -errno, failure);
        }
    }
    return pk_place_refuse(place, -EEXIST, failure);
}

int pk_place_create(const char *wanted, bool force, const char *name, time_t now,
                    struct pk_place *ret_place, struct pk_failure *failure) {
    memset(ret_place, 0, sizeof(*ret_place));
    ret_place->lock = -1;
    ret_place->records_lock = -1;
    ret_place->result = -1;
    if (wanted != NULL && wanted[0] == '\0') {
        return pk_failure_set(failure, -EINVAL, PK_EXIT_USAGE, "-o needs the name of a directory");
    }
    int error = wanted != NULL ? create_named(wanted, force, ret_place, failure)
                               : create_default(name, now, ret_place, failure);
    if (error != 0) {
        return error;
    }
    bool needs_memory = false;
    error = realpath(ret_place->shown, ret_place->path) == NULL
                ? -errno
                : probe_space(ret_place->shown, &needs_memory);
    if (error != 0) {
        pk_place_discard(ret_place);
        return pk_place_refuse(ret_place, error, failure);
    }
    memcpy(ret_place->records, ret_place->path, sizeof(ret_place->records));
    if (needs_memory) {
        ret_place->records_lock = pk_aside_begin(ret_place->path, ret_place->records);
        ret_place->is_risky = ret_place->records_lock < 0;
        ret_place->result = open(ret_place->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    }
    return 0;
}

int pk_place_settle(const char *directory) {
    char records[PATH_MAX];

    if (!pk_live_read(directory, records)) {
        return 0;
    }
    return find_recorder(records) != 0 ? -EBUSY : pk_aside_settle(directory);
}

int pk_place_end(const struct pk_place *place) {
    struct stat status;

    if (place->result >= 0 && fstat(place->result, &status) == 0 && status.st_nlink == 0 &&
        strcmp(place->records, place->path) != 0) {
        (void)pk_remains_remove(place->records);
        (void)rmdir(place->records);
    }
    return pk_place_settle(place->path);
}

void pk_place_link_latest(const struct pk_place *place) {
    static const char temporary[] = PK_RESULTS_DIRECTORY "/.latest.part";

    if (!place->dated) {
        return;
    }
    (void)unlink(temporary);
    if (symlink(strrchr(place->shown, '/') + 1, temporary) == 0 &&
        rename(temporary, PK_RESULTS_DIRECTORY "/latest") != 0) {
        (void)unlink(temporary);
    }
}

int pk_place_clean(const char *directory) {
    return pk_remains_remove(directory);
}

void pk_place_discard(const struct pk_place *place) {
    (void)pk_place_clean(place->shown);
    if (place->created) {
        (void)rmdir(place->shown);
    }
    if (place->dated) {
        (void)rmdir(PK_RESULTS_DIRECTORY); // fails, as it should, when there are other results
    }
}

int pk_place_has_ledger(const char *path) {
    char records[PATH_MAX];
    int found = 0;
    DIR *directory = opendir(pk_live_find(path, records));

    if (directory == NULL) {
        return -errno;
    }
    for (struct dirent *entry = readdir(directory); entry != NULL; entry = readdir(directory)) {
        if (pk_snapshot_is_name(entry->d_name)) {
            found = 1;
        }
    }
    (void)closedir(directory);
    return found;
}
