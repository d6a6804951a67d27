/* SPDX-License-Identifier: Apache-2.0
 * The page that all processes of one run share: DIR/tree. It answers one question, without a lock
 * and without asking the kernel: how many bytes do all of them hold together, and was that the most
 * so far?
 *
 *   +-----------------+ 0       header: identity, the tree's peak, how many slots were given out
 *   | header          |
 *   +-----------------+ 4096    a bit a slot: this process may be alive (whoever finds it dead
 *   | live bits       |         clears it)
 *   +-----------------+ 6144    what could not be measured, for the report
 *   | notes           |
 *   +-----------------+ 8192
 *   | slot | slot |.. |         64 bytes a process, given out in order of start, never reused
 *   +-----------------+
 *
 * A process publishes what it holds (its ledger's total; what it inherited by fork is the parent's)
 * whenever that has moved by PK_TREE_STEP since it last did; after a rise it adds up all live
 * slots, and a sum above `peak` becomes the peak. The peak is also the epoch (pk_tree_epoch): a
 * node keeps what it held (tree_bytes) before its first change in a new epoch. So a node's share of
 * the tree's peak is
 *
 *     node.tree_epoch == pk_tree_epoch(peak) ? node.tree_bytes : node's live bytes
 *
 * and a process took part in that peak if its slot's end_epoch is 0 (nobody found it dead) or
 * equals the epoch (UINT32_MAX: it ended before there was any peak).
 *
 * Alive: the slot holds a robust mutex, locked by the process while it lives. The kernel marks it
 * at whatever death (SIGKILL and exec too), before the parent can know of it: a load tells the dead
 * from the living.
 *
 * `solo_pid`: the supervisor's own child, if that is a Python. While it has started no other
 * process it is the whole tree and publishes nothing: then the tree's peak is its own peak. So the
 * tree's peak is the larger of `peak` and the largest own peak of any process.
 *
 * Exact to PK_TREE_STEP a process. All numbers little-endian; fields beyond the header's start are
 * changed by atomic operations only. The supervisor makes the file, processes map it. Any of them
 * may die at any instruction, or be stopped there for an hour: nobody ever waits for another. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define PK_TREE_NAME "tree"
#define PK_TREE_MAGIC "PEAKTREE" /* 8 bytes, no NUL */
#define PK_TREE_VERSION 1u
#define PK_TREE_SLOTS 16384u
#define PK_TREE_NOTES 16u
#define PK_TREE_STEP (64u << 10)
/* a new peak is larger by at least one of 4 KiB, so that it is an epoch too */
#define PK_TREE_QUANTUM_BITS 12
#define PK_TREE_NO_SLOT UINT32_MAX
#define PK_TREE_MARKS 16u /* blocks of a program whose tree's peak is asked for at the same time */

enum pk_tree_note_kind {
    /* a setuid, setgid or privileged program was started: what runs below it is not measured */
    PK_NOTE_SET_ID = 1,
    /* a static (or musl, or foreign) program: it hands the variables on by itself, if it does */
    PK_NOTE_STATIC = 2,
    /* 3: not used */
    /* a Python started, but its ledger could not be made (disk, descriptors, limits) */
    PK_NOTE_NO_LEDGER = 4,
    PK_NOTE_OUT_OF_REACH =
        5, /* started where the runtime's file cannot be read, or the result directory not
                                * written (another user, another root) */
    /* a child made without fork(), by clone or the bare system call: it records nothing */
    PK_NOTE_NO_HANDLERS = 6,
};

struct pk_tree_note {
    uint32_t kind;  /* enum pk_tree_note_kind; written last */
    uint32_t pid;   /* of the process that met it */
    uint32_t count; /* how often */
    /* the program's path, NUL-terminated, cut; of NO_LEDGER the reason, or nothing */
    char text[116];
};

struct pk_tree_slot {
    /* a robust pthread mutex (40 bytes on x86-64, 48 on aarch64); its first 4 bytes are the
     * futex */
    uint64_t mutex[6];
    uint64_t bytes;     /* published: what the process holds, without what it inherited */
    uint32_t end_epoch; /* 0, or the epoch in which it was found dead */
    uint32_t pid;       /* written first; 0: slot not in use yet */
};

struct pk_tree_page {
    char magic[8]; /* written last by pk_tree_create */
    uint32_t version;
    uint32_t slots;    /* PK_TREE_SLOTS */
    uint32_t solo_pid; /* 0: none, or it has started another process */
    uint32_t reserved;
    uint64_t start_unix_ns, start_mono_ns; /* of the run */
    /* most bytes of all live processes together; and the epoch */
    uint64_t peak __attribute__((aligned(64)));
    uint64_t peak_mono_ns; /* about when (coarse clock) */
    uint32_t count;        /* slots given out */
    uint32_t refused;      /* processes that got none */
    uint32_t marks;        /* a bit for each of these that is in use */
    uint32_t reserved_marks;
    /* most bytes of all together since the mark was set */
    uint64_t mark_peak[PK_TREE_MARKS];
    uint64_t live[PK_TREE_SLOTS / 64] __attribute__((aligned(4096)));
    struct pk_tree_note notes[PK_TREE_NOTES];
    struct pk_tree_slot slot[PK_TREE_SLOTS] __attribute__((aligned(4096)));
};

_Static_assert(sizeof(struct pk_tree_note) == 128, "format");
_Static_assert(sizeof(struct pk_tree_slot) == 64, "one cache line");
_Static_assert(__builtin_offsetof(struct pk_tree_page, live) == 4096, "format");
_Static_assert(__builtin_offsetof(struct pk_tree_page, notes) == 6144, "format");
_Static_assert(__builtin_offsetof(struct pk_tree_page, slot) == 8192, "format");

static inline uint32_t pk_tree_epoch(uint64_t peak) {
    return (uint32_t)(peak >> PK_TREE_QUANTUM_BITS);
}

/* Makes DIR/tree (mode 0600), with room on the disk for all of it: no later write can fail. 0 or
 * negative errno. For the supervisor, before it starts anything. */
int pk_tree_create(const char *directory, uint64_t start_unix_ns, uint64_t start_mono_ns);
/* Maps DIR/tree, writable or not. NULL: none there, or not one of ours. Holds no descriptor; a
 * forked process inherits the mapping and goes on using it. */
struct pk_tree_page *pk_tree_map(const char *directory, bool writable);
void pk_tree_unmap(struct pk_tree_page *page);
/* Is the process that owns slot `index` alive? A plain load. */
bool pk_tree_is_alive(const struct pk_tree_page *page, uint32_t index);
/* Its owner is dead although the lock does not say so: the kernel cannot mark the lock of a process
 * that it kills at the limit of a memory cgroup if the page has to be brought in first
 * (pk_tree_enter keeps it there if it may). For the supervisor, which sees such a death. */
void pk_tree_bury(struct pk_tree_page *page, uint32_t index);
/* Adds up the published bytes of all live slots; marks the dead ones it meets (end_epoch, live
 * bit). */
uint64_t pk_tree_sum(struct pk_tree_page *page);
/* Takes a slot for the calling process and locks its mutex; PK_TREE_NO_SLOT: none left. Must be
 * called on the thread that lives as long as the process: the slot dies with it. */
uint32_t pk_tree_enter(struct pk_tree_page *page, uint32_t pid);
/* Publishes `bytes` as what the process holds, and takes a new peak if that makes one. `mono_ns`:
 * now, coarse. */
void pk_tree_publish(struct pk_tree_page *page, uint32_t index, uint64_t bytes, uint64_t mono_ns);
/* From now on the peak of all together is kept apart, as long as nobody ends it; what they hold now
 * is `sum`. The mark, or -1: all are in use. */
int pk_tree_mark(struct pk_tree_page *page, uint64_t sum);
/* Ends it. The most that all held together since, exact to PK_TREE_STEP a process. */
uint64_t pk_tree_unmark(struct pk_tree_page *page, int mark);
/* Remembers what could not be measured; the same (kind, text) once, with a count. Never fails, may
 * forget. */
void pk_tree_note(struct pk_tree_page *page, enum pk_tree_note_kind kind, uint32_t pid,
                  const char *text);
