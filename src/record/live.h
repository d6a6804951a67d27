/* SPDX-License-Identifier: Apache-2.0
 * Where the records of a result (ledgers, tree, timeline) are: in the result directory itself; or,
 * while its run goes on and its disk is one that writes every page anew, in memory: DIR/live is a
 * symbolic link to there (supervise/aside.h says why). May use libc. Must stay true: a link that is
 * not ours leads nowhere. */
#pragma once

#include <limits.h>
#include <stdbool.h>

#define PK_LIVE_NAME "live"
#define PK_LIVE_PREFIX "peakline-live-" /* of the directory that it leads to */

/* The directory that DIR/live names, in `ret_path`, whether it is still there or not. False: there
 * is no such link, or it is not one of ours, and `ret_path` is DIR. */
bool pk_live_read(const char *directory, char ret_path[PATH_MAX]);

/* Where to look for the records of DIR: `ret_path`. */
const char *pk_live_find(const char *directory, char ret_path[PATH_MAX]);
