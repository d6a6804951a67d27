/* SPDX-License-Identifier: Apache-2.0
 * The ledger file from the writing side, inside the profiled process: create it, map it, let its
 * tables grow.
 *
 * Each table has a stretch of address space of its own (reserved without memory), into which the
 * file's extents are mapped one behind the other, so entries never move. Space on the disk is
 * really allocated before it is mapped: a full disk makes a table stop growing and raises no
 * SIGBUS, unless the disk is one that writes every page anew (btrfs, bcachefs), where nothing can
 * be reserved for good: `peakline run` lets a run write elsewhere then (supervise/aside.h). No file
 * descriptor stays open, so a program that closes all of them does no harm; growing opens the file
 * again by its path. Raw system calls only. Guarded by the ledger's lock, except open and close. */
#pragma once

#include <stdint.h>

#include "ledger/store.h"
#include "record/format.h"

#define PK_PATH_MAX 4096

struct pk_writer {
    struct pk_ledger_header *header;
    struct pk_store stores[PK_TABLE_COUNT];
    uint64_t limits[PK_TABLE_COUNT]; /* bytes of address space reserved for each table */
    char *reserved;                  /* the whole reserved stretch */
    uint64_t reserved_bytes;
    uint64_t file_bytes;
    int error; /* of the last growth that failed, negative errno */
    char path[PK_PATH_MAX];
};

/* Creates `directory`/ledger-<pid> (with .2, .3 ... when that exists) and its first extents.
 * `room`: bytes of address space to use for all tables, 0 for the default of PK_WRITER_ROOM. 0 or
 * negative errno: nothing is left mapped, and no file. */
int pk_writer_open(struct pk_writer *writer, const char *directory, int pid, uint64_t room);
/* In a forked child: leaves the parent's file and begins DIR/ledger-<pid> in the same stretch of
 * address space, with empty tables. The parent's header stays mapped where it was (the caller's to
 * unmap); writer->header is the new one. 0 or negative errno: the tables must not be touched any
 * more, and no file is left. */
int pk_writer_fork(struct pk_writer *writer, int pid);
/* The same without a file: one small extent a table in private memory, a header nobody reads;
 * tables cannot grow. 0 or -ENOMEM. */
int pk_writer_open_nowhere(struct pk_writer *writer);
/* The file may soon be out of reach (the process becomes another user): lets the tables grow now,
 * as far as most programs ever need. What cannot be had is not missed before it is needed. */
void pk_writer_stock_up(struct pk_writer *writer);
/* Publishes the counts of what was appended since. Data first, then counts. */
void pk_writer_publish(struct pk_writer *writer);
/* Unmaps everything; the file stays. */
void pk_writer_close(struct pk_writer *writer);

#define PK_WRITER_ROOM (64u << 20)
