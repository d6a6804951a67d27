/* SPDX-License-Identifier: Apache-2.0
 * See version.h. May use libc. */
#include "cli/version.h"

#include "cli/cmd.h"

#include <string.h>

#if defined(__clang__)
#define COMPILER "clang " __clang_version__
#elif defined(__GNUC__)
#define COMPILER "gcc " __VERSION__
#else
#define COMPILER "an unknown compiler"
#endif

#if defined(__x86_64__)
#define MACHINE "x86-64"
#elif defined(__aarch64__)
#define MACHINE "aarch64"
#else
#define MACHINE "an unknown machine"
#endif

#ifdef __GLIBC__
#include <gnu/libc-version.h>
#endif

void pk_version_print(FILE *out) {
    (void)fputs("peakline " PK_VERSION "\n", out);
    // without version control the build fills in the version
    if (strcmp(pk_build_commit, PK_VERSION) != 0) {
        (void)fprintf(out, "source:   %s\n", pk_build_commit);
    }
    (void)fputs("compiler: " COMPILER "\n", out);
    (void)fputs("machine:  " MACHINE "\n", out);
#ifdef __GLIBC__
    (void)fprintf(out, "libc:     glibc %d.%d when built, %s here\n", __GLIBC__, __GLIBC_MINOR__,
                  gnu_get_libc_version());
#endif
    (void)fprintf(out, "checks:   %s\n", PK_CHECKED ? "on" : "off");
}
