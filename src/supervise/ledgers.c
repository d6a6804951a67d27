/* SPDX-License-Identifier: Apache-2.0
 * See ledgers.h. */
#include "supervise/ledgers.h"

#include "record/format.h"
#include "record/reader.h"
#include "supervise/procfs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

static void add_end(struct pk_ledgers *ledgers, pid_t pid, uint64_t total) {
    struct pk_ledger_end end = {pid, total};

    ledgers->cut_short++;
    for (uint32_t i = 0; i < PK_LEDGERS_SHOWN; i++) {
        bool is_smaller =
            ledgers->ends[i].pid == 0 || ledgers->ends[i].total_bytes < end.total_bytes;
        if (end.pid != 0 && is_smaller) {
            struct pk_ledger_end pushed = ledgers->ends[i];
            ledgers->ends[i] = end;
            end = pushed;
        }
    }
}

static void look_at(int directory, const char *name, struct pk_ledgers *ledgers) {
    struct pk_ledger_header header;

    int fd = openat(directory, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        return;
    }
    ssize_t bytes = pread(fd, &header, sizeof(header), 0);
    (void)close(fd);
    if (bytes != (ssize_t)sizeof(header) ||
        memcmp(header.magic, PK_LEDGER_MAGIC, sizeof(header.magic)) != 0 ||
        header.version != PK_LEDGER_VERSION) {
        return;
    }
    ledgers->count++;
    ledgers->failed_allocs += header.failed_allocs;
    if (header.largest_failed_bytes > ledgers->largest_failed_bytes) {
        ledgers->largest_failed_bytes = header.largest_failed_bytes;
    }
    if (header.end_mono_ns > ledgers->end_mono_ns) {
        ledgers->end_mono_ns = header.end_mono_ns;
    }
    pid_t pid = (pid_t)header.pid;
    if (header.state != PK_STATE_RUNNING || pid <= 0) {
        return;
    }
    if (pk_procfs_is_alive(pid)) {
        ledgers->alive++;
    } else {
        add_end(ledgers, pid, header.total_bytes);
    }
}

int pk_ledgers_look(const char *directory, struct pk_ledgers *ret_ledgers) {
    memset(ret_ledgers, 0, sizeof(*ret_ledgers));
    DIR *entries = opendir(directory);
    if (entries == NULL) {
        return -errno;
    }
    for (struct dirent *entry = readdir(entries); entry != NULL; entry = readdir(entries)) {
        if (pk_snapshot_is_name(entry->d_name)) {
            look_at(dirfd(entries), entry->d_name, ret_ledgers);
        }
    }
    (void)closedir(entries);
    return 0;
}
