/* SPDX-License-Identifier: Apache-2.0
 * See locate.h. */
#include "supervise/locate.h"

#include "record/settings.h"

#include <errno.h>
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

/* Relative to the program's directory; patterns, tried in order. */
static const char *const places[] = {
    "../runtime/" PK_RUNTIME_NAME,      // the build tree
    "../lib/peakline/" PK_RUNTIME_NAME, // an installation
    "../lib64/peakline/" PK_RUNTIME_NAME,
    "../lib/*-linux-gnu/peakline/" PK_RUNTIME_NAME,
    "../lib*/python3*/site-packages/peakline/" PK_RUNTIME_NAME, // a wheel
    "../lib*/python3*/site-packages/peakline.libs/" PK_RUNTIME_NAME,
    "../lib*/python3*/site-packages/.peakline.mesonpy.libs/" PK_RUNTIME_NAME,
    "../lib*/python3*/dist-packages/peakline/" PK_RUNTIME_NAME,
    "../lib*/python3*/dist-packages/peakline.libs/" PK_RUNTIME_NAME,
    "../lib*/python3*/dist-packages/.peakline.mesonpy.libs/" PK_RUNTIME_NAME,
    "../.peakline.mesonpy.libs/" PK_RUNTIME_NAME, // a wheel, by `pip install --target`
};

int pk_locate_own_directory(char *ret_directory) {
    char path[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", path, sizeof(path));

    if (length >= PATH_MAX) {
        return -ENAMETOOLONG;
    }
    if (length < 0) {
        // No /proc: the name we were started by, as the kernel got it.
        const char *started = (const char *)getauxval(AT_EXECFN);
        if (started == NULL || realpath(started, path) == NULL) {
            return -ENOENT;
        }
        length = (ssize_t)strlen(path);
    }
    path[length] = '\0';
    char *slash = strrchr(path, '/');
    if (slash == NULL) {
        return -ENOENT;
    }
    slash[slash == path ? 1 : 0] = '\0';
    (void)snprintf(ret_directory, PATH_MAX, "%s", path);
    return 0;
}

/* The directory's own name must not be read as a pattern. Cuts a name that does not fit: it will
 * not be found. */
static void escape_pattern(const char *text, size_t size, char *ret_pattern) {
    size_t length = 0;

    for (; *text != '\0' && length + 2 < size; text++) {
        if (strchr("*?[\\", *text) != NULL) {
            ret_pattern[length++] = '\\';
        }
        ret_pattern[length++] = *text;
    }
    ret_pattern[length] = '\0';
}

static int find_place(const char *directory, const char *place, char *ret_path) {
    char escaped[PATH_MAX], pattern[2 * PATH_MAX];
    glob_t found;
    int error = -ENOENT;

    escape_pattern(directory, sizeof(escaped), escaped);
    (void)snprintf(pattern, sizeof(pattern), "%s/%s", escaped, place);
    if (glob(pattern, 0, NULL, &found) != 0) {
        return -ENOENT;
    }
    for (size_t i = 0; error != 0 && i < found.gl_pathc; i++) {
        error = realpath(found.gl_pathv[i], ret_path) != NULL && access(ret_path, R_OK) == 0
                    ? 0
                    : -ENOENT;
    }
    globfree(&found);
    return error;
}

int pk_locate_runtime(const char *directory, const char *override, char *ret_path,
                      struct pk_failure *failure) {
    if (override != NULL && override[0] != '\0') {
        if (realpath(override, ret_path) != NULL && access(ret_path, R_OK) == 0) {
            return 0;
        }
        return pk_failure_set(failure, -ENOENT, PK_EXIT_FAILED,
                              "%s names %s, which cannot be read; correct it or unset it",
                              PK_ENV_RUNTIME, override);
    }
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        if (find_place(directory, places[i], ret_path) == 0) {
            return 0;
        }
    }
    return pk_failure_set(
        failure, -ENOENT, PK_EXIT_FAILED,
        "%s, a part of Peakline, was not found around %s; install Peakline again or name it in %s",
        PK_RUNTIME_NAME, directory, PK_ENV_RUNTIME);
}
