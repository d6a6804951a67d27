/* SPDX-License-Identifier: Apache-2.0
 * What an older run left in a directory: which of its files are ours, by name and by what is in
 * them. May use libc and record/. Must stay true: nothing that is not ours is removed, whatever its
 * name. */
#pragma once

#include <dirent.h>
#include <limits.h>
#include <stdbool.h>

/* A new run writes it for a moment, to see whether there is room. */
#define PK_PROBE_NAME ".peakline-probe"

struct pk_remains {
    bool has_any;             /* the directory is not empty */
    char clash[NAME_MAX + 1]; /* a file that is named like one of ours and is not; "": none */
};

/* Records, tree and timeline are known by their first bytes (or hold nothing but zeros: never
 * begun). What has no such mark (report.html, a damaged run.json) is ours where something with a
 * mark lies beside it. Returns 0 or a negative errno. */
int pk_remains_look(const char *directory, struct pk_remains *ret_remains);

/* The next entry of an open directory that is neither . nor .., or NULL. */
struct dirent *pk_remains_next(DIR *directory);

/* Remove what is ours. Returns 1 if something stays, 0 if not, or a negative errno. */
int pk_remains_remove(const char *directory);
