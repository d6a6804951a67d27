/* SPDX-License-Identifier: Apache-2.0
 * Writes a report where it belongs: whole or not at all.
 * May use report/. Must stay true: a report that could not be finished leaves the older one as it
 * was. */
#pragma once

#include "report/report.h"
#include "supervise/failure.h"

#include <limits.h>
#include <stdio.h>

/* The index of a format's name among `names`, which NULL ends; `all` is what to say of them.
 * -EINVAL with `failure` filled (exit status 2) where it is none. */
int pk_output_find_name(const char *name, const char *const *names, const char *all,
                        struct pk_failure *failure);

/* A format by its name. Returns 0, or -EINVAL with `failure` filled (exit status 2). */
int pk_output_find_format(const char *name, enum pk_report_format *ret_format,
                          struct pk_failure *failure);

#define PK_OUTPUT_PARTIAL_ROOM (PATH_MAX + 32)

/* The temporary name that this process writes `path` under, in the same directory;
 * PK_OUTPUT_PARTIAL_ROOM bytes. */
void pk_output_partial(const char *path, char *ret_partial);

/* Writes something to a stream; returns 0 or a negative errno. */
typedef int (*pk_output_writer)(void *context, FILE *out);

/* Write into the file `path`, readable by the user alone: under its temporary name first, then
 * renamed; what exists and is not an ordinary file (a terminal, a pipe) is written to directly. "-"
 * is standard output. Returns 0, or a negative errno with `failure` filled (exit status 1). */
int pk_output_write_with(pk_output_writer writer, void *context, const char *path,
                         struct pk_failure *failure);

/* The same for a report. */
int pk_output_write(const struct pk_report *report, enum pk_report_format format, const char *path,
                    const struct pk_report_options *options, struct pk_failure *failure);
