/* SPDX-License-Identifier: Apache-2.0
 * From what the user named to a profile. A result directory is rendered to the JSON document in
 * memory and read back: one way in for all of them. May use report.h, archive.h, profile.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "report/archive.h"
#include "report/page_in.h"
#include "report/profile.h"
#include "report/report.h"

static int load_archive(const char *path, const char *name, struct pk_profile **ret_profile,
                        char *error, size_t error_size) {
    struct pk_archive archive;
    int r = pk_archive_read(path, &archive, error, error_size);
    if (r >= 0) {
        r = pk_profile_parse(archive.text, archive.size, name, ret_profile, error, error_size);
        pk_archive_free(&archive);
    }
    return r;
}

static int load_result(const char *path, struct pk_profile **ret_profile, char *error,
                       size_t error_size) {
    struct pk_report *report;
    char *text = NULL;
    size_t size = 0;

    int r = pk_report_load(path, &report, error, error_size);
    if (r < 0) {
        return r;
    }
    FILE *memory = open_memstream(&text, &size);
    r = memory == NULL ? -ENOMEM : pk_report_write(report, PK_FORMAT_JSON, memory, NULL);
    if (memory != NULL && fclose(memory) != 0) {
        r = -ENOMEM;
    }
    pk_report_free(report);
    if (r >= 0) {
        r = pk_profile_parse(text, size, path, ret_profile, error, error_size);
    } else {
        snprintf(error, error_size, "%s cannot be read: %s", path, strerror(-r));
    }
    free(text);
    return r;
}

int pk_profile_load(const char *path, struct pk_profile **ret_profile, char *error,
                    size_t error_size) {
    char page[4096];
    struct stat status;

    *ret_profile = NULL;
    if (stat(path, &status) < 0) {
        int code = errno;
        snprintf(error, error_size,
                 "%s cannot be read: %s; name a result directory, its report.html or a JSON report",
                 path, strerror(code));
        return -code;
    }
    if (!S_ISDIR(status.st_mode)) {
        return pk_page_is_archive(path) ? load_archive(path, path, ret_profile, error, error_size)
                                        : load_result(path, ret_profile, error, error_size);
    }
    int r = load_result(path, ret_profile, error, error_size);
    if (snprintf(page, sizeof(page), "%s/report.html", path) >= (int)sizeof(page)) {
        return r;
    }
    if (r == -ENOENT && access(page, R_OK) == 0) {
        // ledgers are large: someone may have kept the page alone
        r = load_archive(page, path, ret_profile, error, error_size);
    }
    return r;
}
