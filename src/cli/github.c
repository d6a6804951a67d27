/* SPDX-License-Identifier: Apache-2.0
 * See github.h. */
#include "cli/github.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SUMMARY "GITHUB_STEP_SUMMARY"

bool pk_github_is_workflow(void) {
    const char *summary = getenv(SUMMARY), *actions = getenv("GITHUB_ACTIONS");
    return (summary != NULL && summary[0] != '\0') ||
           (actions != NULL && strcmp(actions, "true") == 0);
}

static int add_summary(const struct pk_report *report, const char *path) {
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    FILE *out = fd >= 0 ? fdopen(fd, "a") : NULL;
    if (out == NULL) {
        int error = -errno;
        if (fd >= 0) {
            (void)close(fd);
        }
        return error;
    }
    struct pk_report_options how = {.utf8 = true};
    int error = pk_report_write(report, PK_FORMAT_MARKDOWN, out, &how);
    if (fputc('\n', out) == EOF && error == 0) { // what the next one adds starts afresh
        error = -EIO;
    }
    if (fclose(out) != 0 && error == 0) {
        error = -errno;
    }
    return error;
}

int pk_github_show(const struct pk_report *report, struct pk_failure *failure) {
    const char *summary = getenv(SUMMARY);
    struct pk_report_options how = {.utf8 = true, .root = getenv("GITHUB_WORKSPACE")};
    int error = 0;

    if (summary != NULL && summary[0] != '\0') {
        error = add_summary(report, summary);
        if (error != 0) {
            (void)pk_failure_set(failure, error, PK_EXIT_REPORT,
                                 "cannot write the step's summary %s: %s", summary,
                                 strerror(-error));
        }
    }
    int written = pk_report_write(report, PK_FORMAT_GITHUB, stderr, &how);
    if (written != 0 && error == 0) {
        error =
            pk_failure_set(failure, written, PK_EXIT_REPORT,
                           "cannot write annotations on standard error: %s", strerror(-written));
    }
    return error;
}
