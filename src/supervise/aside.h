/* SPDX-License-Identifier: Apache-2.0
 * Records in memory while a run goes on, where the disk could kill the program.
 *
 * Ledgers are mapped into the program and changed in place. On most disks the room that was
 * reserved for a page stays its own. A disk that writes every page anew (btrfs, bcachefs; copy on
 * write) looks for new room whenever a page is changed after it was written out: reserving does not
 * help, and when there is none the program gets SIGBUS. A memory file system never writes its pages
 * out. So there the records are kept in one, DIR/live leads to them, and they are moved into the
 * result directory at the end. Not in $XDG_RUNTIME_DIR, and not in /dev/shm where /tmp will do:
 * both are emptied when their user logs out. May use libc and record/. */
#pragma once

#include <limits.h>
#include <stdbool.h>

/* Is the disk of this empty file, open for writing, one of those? Through an overlay too. */
bool pk_aside_is_needed(int fd);

/* A memory file system with room for records, or NULL. */
const char *pk_aside_find_memory(void);

/* Makes a private directory in memory, its path in `ret_path`, and DIR/live. Returns a descriptor
 * that keeps cleaners off it for as long as it is open; or -ENOSPC when no memory file system has
 * room enough to spare, or another negative errno: then `ret_path` is DIR, whose new files at least
 * are rewritten in place if the disk can do that. */
int pk_aside_begin(const char *directory, char ret_path[PATH_MAX]);

/* Move the records of DIR from memory into it, if they are there. Only when nobody writes to them
 * any more. Returns 0, or a negative errno: then they are still in memory, and whole. */
int pk_aside_settle(const char *directory);
