/* SPDX-License-Identifier: Apache-2.0
 * See remains.h. */
#include "supervise/remains.h"

#include "record/format.h"
#include "record/live.h"
#include "record/reader.h"
#include "record/timeline.h"
#include "record/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAGIC_BYTES 8u

enum verdict {
    OTHER,    /* no name of ours */
    CLASH,    /* a name of ours, and something else in it */
    UNMARKED, /* a name of ours, and nothing that says whose it is */
    OURS,
};

/* A report that was being written: .peakline-PID.part */
static bool is_partial(const char *name) {
    static const char start[] = ".peakline-";

    if (strncmp(name, start, strlen(start)) != 0) {
        return false;
    }
    const char *pid = name + strlen(start);
    size_t digits = strspn(pid, "0123456789");
    return digits > 0 && strcmp(pid + digits, ".part") == 0;
}

/* The magic of what has such a name, "" for what has none, NULL for names that are not ours. */
static const char *find_magic(const char *name) {
    static const char *const unmarked[] = {"report.html", "run.json", "run.json.new",
                                           PK_PROBE_NAME};

    for (size_t i = 0; i < sizeof(unmarked) / sizeof(unmarked[0]); i++) {
        if (strcmp(name, unmarked[i]) == 0) {
            return "";
        }
    }
    if (is_partial(name)) {
        return "";
    }
    return strcmp(name, PK_TREE_NAME) == 0       ? PK_TREE_MAGIC
           : strcmp(name, PK_TIMELINE_NAME) == 0 ? PK_TIMELINE_MAGIC
           : pk_snapshot_is_name(name)           ? PK_LEDGER_MAGIC
                                                 : NULL;
}

/* run.json says early who wrote it. */
static bool is_signed(const char *text) {
    return text[0] == '{' && strstr(text, "\"tool\"") != NULL &&
           strstr(text, "\"peakline ") != NULL;
}

static enum verdict judge(int directory, const char *name) {
    static const char zeros[MAGIC_BYTES];
    const char *magic = find_magic(name);
    char start[257];
    struct stat what;

    if (magic == NULL) {
        return OTHER;
    }
    int fd = openat(directory, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        return CLASH;
    }
    bool is_file = fstat(fd, &what) == 0 && S_ISREG(what.st_mode);
    ssize_t bytes = is_file ? read(fd, start, sizeof(start) - 1) : -1;
    (void)close(fd);
    if (bytes < 0) {
        return CLASH;
    }
    start[bytes] = '\0';
    if (magic[0] == '\0') {
        bool is_info = strncmp(name, "run.json", strlen("run.json")) == 0;
        return strcmp(name, PK_PROBE_NAME) == 0 || (is_info && is_signed(start)) ? OURS : UNMARKED;
    }
    size_t length = (size_t)bytes < MAGIC_BYTES ? (size_t)bytes : MAGIC_BYTES;
    return length == MAGIC_BYTES && memcmp(start, magic, MAGIC_BYTES) == 0 ? OURS
           : memcmp(start, zeros, length) == 0                             ? UNMARKED
                                                                           : CLASH;
}

struct dirent *pk_remains_next(DIR *directory) {
    struct dirent *entry = readdir(directory);

    while (entry != NULL && (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)) {
        entry = readdir(directory);
    }
    return entry;
}

/* `is_result`: known before, and told back. */
static void look(DIR *directory, struct pk_remains *remains, bool *is_result) {
    char unmarked[NAME_MAX + 1] = "";

    memset(remains, 0, sizeof(*remains));
    for (struct dirent *entry = pk_remains_next(directory); entry != NULL;
         entry = pk_remains_next(directory)) {
        enum verdict verdict = judge(dirfd(directory), entry->d_name);
        remains->has_any = true;
        *is_result = *is_result || verdict == OURS;
        if (verdict == CLASH) {
            memcpy(remains->clash, entry->d_name, strlen(entry->d_name) + 1);
        } else if (verdict == UNMARKED) {
            memcpy(unmarked, entry->d_name, strlen(entry->d_name) + 1);
        }
    }
    if (!*is_result && remains->clash[0] == '\0') {
        memcpy(remains->clash, unmarked, sizeof(unmarked));
    }
}

int pk_remains_look(const char *path, struct pk_remains *ret_remains) {
    char live[PATH_MAX];
    bool is_result = pk_live_read(path, live);
    DIR *directory = opendir(path);

    if (directory == NULL) {
        return -errno;
    }
    look(directory, ret_remains, &is_result);
    (void)closedir(directory);
    return 0;
}

static int remove_files(const char *path, bool is_result) {
    struct pk_remains remains;
    int result = 0;
    DIR *directory = opendir(path);

    if (directory == NULL) {
        return -errno;
    }
    look(directory, &remains, &is_result);
    rewinddir(directory);
    for (struct dirent *entry = pk_remains_next(directory); entry != NULL;
         entry = pk_remains_next(directory)) {
        enum verdict verdict = judge(dirfd(directory), entry->d_name);
        if (verdict != OURS && !(verdict == UNMARKED && is_result)) {
            result = result == 0 ? 1 : result;
        } else if (unlinkat(dirfd(directory), entry->d_name, 0) != 0 && result >= 0) {
            result = -errno;
        }
    }
    (void)closedir(directory);
    return result;
}

int pk_remains_remove(const char *path) {
    char live[PATH_MAX], link[PATH_MAX + sizeof(PK_LIVE_NAME) + 1];
    bool has_link = pk_live_read(path, live);

    if (has_link) {
        (void)snprintf(link, sizeof(link), "%s/" PK_LIVE_NAME, path);
        (void)remove_files(live, true);
        (void)rmdir(live);
        (void)unlink(link);
    }
    return remove_files(path, has_link);
}
