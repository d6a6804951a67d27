/* SPDX-License-Identifier: Apache-2.0
 * See live.h. */
#include "record/live.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool pk_live_read(const char *directory, char ret_path[PATH_MAX]) {
    char link[PATH_MAX + sizeof(PK_LIVE_NAME) + 1];

    (void)snprintf(link, sizeof(link), "%s/" PK_LIVE_NAME, directory);
    ssize_t bytes = readlink(link, ret_path, PATH_MAX - 1);
    ret_path[bytes < 0 ? 0 : bytes] = '\0';
    const char *last = strrchr(ret_path, '/');
    if (ret_path[0] == '/' && strncmp(last + 1, PK_LIVE_PREFIX, strlen(PK_LIVE_PREFIX)) == 0) {
        return true;
    }
    (void)snprintf(ret_path, PATH_MAX, "%s", directory);
    return false;
}

const char *pk_live_find(const char *directory, char ret_path[PATH_MAX]) {
    struct stat status;

    if (pk_live_read(directory, ret_path) &&
        (stat(ret_path, &status) != 0 || !S_ISDIR(status.st_mode))) {
        (void)snprintf(ret_path, PATH_MAX, "%s", directory); // memory is empty after a restart
    }
    return ret_path;
}
