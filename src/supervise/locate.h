/* SPDX-License-Identifier: Apache-2.0
 * Where our own pieces are: the directory of this program, and libpeakline.so.
 * May use libc and record/. Must stay true: only files of this installation are ever preloaded (or
 * the one the user names in PEAKLINE_RUNTIME). */
#pragma once

#include "supervise/failure.h"

/* Names another runtime library: for tests and for trying out a build. */
#define PK_ENV_RUNTIME "PEAKLINE_RUNTIME"

/* The directory of the running program, symbolic links resolved, into `ret_directory` (PATH_MAX
 * bytes). Returns 0 or a negative errno. */
int pk_locate_own_directory(char *ret_directory);

/* The runtime library for a program in `directory`: looked for in the build tree (../runtime),
 * below the installation's prefix (../lib.../peakline), and where a Python package keeps its
 * libraries. `override` (the value of PEAKLINE_RUNTIME, or NULL) wins. `ret_path` has PATH_MAX
 * bytes. Returns 0, or -ENOENT with `failure` filled (exit status 125). */
int pk_locate_runtime(const char *directory, const char *override, char *ret_path,
                      struct pk_failure *failure);
