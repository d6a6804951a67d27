/* SPDX-License-Identifier: Apache-2.0
 * See block.h. */
#include "runtime/block.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>

#include "base/clock.h"
#include "base/sys.h"
#include "runtime/block_file.h"
#include "runtime/runtime.h"
#include "runtime/sample.h"

// of address space; pages come as they are touched
#define ENTRY_BYTES (PK_MAX_NODES * sizeof(struct pk_tracker_entry))

struct pk_block_run {
    struct pk_tracker tracker;
    struct pk_block_run *next; // among those that run
    struct pk_block_numbers numbers;
    struct pk_block_about about;   // for the file
    struct pk_block_share *shares; // of a block that has ended
    uint32_t share_count;
    uint32_t session;
    int pid;
    bool running;
};

static struct pk_block_run *runs; // under the lock

static void *map_zeroes(size_t bytes) {
    return pk_sys_mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
}

static size_t share_bytes(uint32_t count) {
    return count * sizeof(struct pk_block_share) + 1; // never an empty map
}

// The calling thread, inside the runtime and holding the lock; NULL when nothing is recorded.
static struct pk_thread *enter(void) {
    struct pk_thread *self = pk_runtime.active ? pk_thread_current() : NULL;
    if (self != NULL) {
        pk_runtime_enter(self);
        if (pk_runtime.ledger.noreserve_bytes != 0) {
            pk_sample_now();
        }
    }
    return self;
}

static bool is_ours(const struct pk_block_run *run) {
    return run->pid == pk_sys_getpid() && run->session == pk_runtime.session;
}

struct pk_block_run *pk_block_begin(void) {
    struct pk_tracker_entry *entries = map_zeroes(ENTRY_BYTES);
    struct pk_block_run *run = entries == NULL ? NULL : map_zeroes(sizeof *run);
    struct pk_thread *self = run == NULL ? NULL : enter();
    if (self == NULL) {
        if (run != NULL) {
            (void)pk_sys_munmap(run, sizeof *run);
        }
        if (entries != NULL) {
            (void)pk_sys_munmap(entries, ENTRY_BYTES);
        }
        return NULL;
    }
    run->session = pk_runtime.session;
    run->pid = pk_sys_getpid();
    run->running = true;
    run->about.start_unix_ns = pk_clock_ns(CLOCK_REALTIME);
    run->about.start_mono_ns = pk_clock_ns(CLOCK_MONOTONIC);
    run->next = runs;
    runs = run;
    pk_ledger_track(&pk_runtime.ledger, &run->tracker, entries);
    pk_runtime_leave(self);
    return run;
}

// ---- the end ------------------------------------------------------------------------------------

static void read_totals(struct pk_block_run *run) {
    const struct pk_account *account = pk_runtime.ledger.account;
    run->numbers.start_bytes = run->tracker.start_bytes;
    run->numbers.start_blocks = run->tracker.start_blocks;
    run->numbers.peak_bytes = run->tracker.peak_bytes;
    run->numbers.peak_blocks = run->tracker.peak_blocks;
    run->numbers.end_bytes = account->total_bytes;
    run->numbers.end_blocks = account->total_blocks;
}

static void keep_shares(struct pk_block_run *run) {
    const struct pk_tracker *tracker = &run->tracker;
    const struct pk_stacks *stacks = &pk_runtime.ledger.stacks;
    // NULL: the numbers stay, the stacks do not
    run->shares = map_zeroes(share_bytes(tracker->touched_count));
    for (uint32_t i = tracker->touched; i != PK_TRACKER_END; i = tracker->entries[i].next) {
        struct pk_tracker_share share =
            pk_tracker_share(tracker, i, pk_stacks_counters(stacks, stacks->first + i));
        run->numbers.alloc_bytes += share.alloc_bytes;
        run->numbers.alloc_blocks += share.alloc_blocks;
        if (run->shares != NULL) {
            run->shares[run->share_count++] =
                (struct pk_block_share){.node = stacks->first + i, .share = share};
        }
    }
}

// Under the lock.
static void end_run(struct pk_block_run *run) {
    for (struct pk_block_run **link = &runs; *link != NULL; link = &(*link)->next) {
        if (*link == run) {
            *link = run->next;
            break;
        }
    }
    pk_ledger_untrack(&pk_runtime.ledger, &run->tracker);
    read_totals(run);
    keep_shares(run);
    (void)pk_sys_munmap(run->tracker.entries, ENTRY_BYTES);
    run->tracker.entries = NULL;
    run->about.start_bytes = run->numbers.start_bytes;
    run->about.start_blocks = run->numbers.start_blocks;
    run->about.end_mono_ns = pk_clock_ns(CLOCK_MONOTONIC);
    run->running = false;
}

void pk_blocks_end_all(void) {
    while (runs != NULL) {
        struct pk_block_run *run = runs;
        if (is_ours(run)) {
            end_run(run);
        } else { // the parent's, from before a fork
            runs = run->next;
        }
    }
}

bool pk_block_read(struct pk_block_run *run, bool end, struct pk_block_numbers *ret_numbers) {
    if (run->running) {
        struct pk_thread *self = is_ours(run) ? enter() : NULL;
        if (self == NULL) {
            return false;
        }
        if (run->running && end) {
            end_run(run);
        } else if (run->running) {
            read_totals(run);
        }
        pk_runtime_leave(self);
    }
    *ret_numbers = run->numbers;
    return true;
}

void pk_block_free(struct pk_block_run *run) {
    if (run == NULL) {
        return;
    }
    struct pk_block_numbers ignored;
    if (run->running && !pk_block_read(run, true, &ignored) && run->tracker.entries != NULL) {
        if (run->pid != pk_sys_getpid()) {
            return; // the parent's: still in the list that was inherited, and a page or two
        }
        (void)pk_sys_munmap(run->tracker.entries, ENTRY_BYTES);
    }
    if (run->shares != NULL) {
        (void)pk_sys_munmap(run->shares, share_bytes(run->tracker.touched_count));
    }
    (void)pk_sys_munmap(run, sizeof *run);
}

// ---- files --------------------------------------------------------------------------------------

// What every stack holds now, as a block that began with nothing.
static int write_live(const char *directory) {
    struct pk_thread *self = enter();
    if (self == NULL) {
        return -ESTALE;
    }
    const struct pk_stacks *stacks = &pk_runtime.ledger.stacks;
    uint32_t room = stacks->node_count - stacks->first, count = 0;
    struct pk_block_share *shares = map_zeroes(share_bytes(room));
    for (uint32_t node = stacks->root; shares != NULL && node < stacks->node_count; node++) {
        const struct pk_node_counters *counters = pk_stacks_counters(stacks, node);
        if (counters->alloc_blocks == counters->free_blocks &&
            counters->alloc_bytes == counters->free_bytes) {
            continue;
        }
        struct pk_tracker_share share = {.live_bytes = (int64_t)pk_node_live_bytes(counters),
                                         .live_blocks = (int64_t)pk_node_live_blocks(counters),
                                         .alloc_bytes = counters->alloc_bytes,
                                         .alloc_blocks = counters->alloc_blocks};
        share.peak_bytes = share.live_bytes;
        share.peak_blocks = share.live_blocks;
        shares[count++] = (struct pk_block_share){.node = node, .share = share};
    }
    pk_runtime_leave(self);
    struct pk_block_about about = {.start_unix_ns = pk_runtime.header->start_unix_ns,
                                   .start_mono_ns = pk_runtime.header->start_mono_ns,
                                   .end_mono_ns = pk_clock_ns(CLOCK_MONOTONIC)};
    int result = shares == NULL ? -ENOMEM : pk_block_file_write(directory, &about, shares, count);
    if (shares != NULL) {
        (void)pk_sys_munmap(shares, share_bytes(room));
    }
    return result;
}

int pk_block_write(struct pk_block_run *run, const char *directory) {
    if (run == NULL) {
        return write_live(directory);
    }
    if (run->running || run->shares == NULL || !is_ours(run)) {
        return -ESTALE;
    }
    // In the recording of now: its tables only grow, so they may be read without the lock. The
    // caller keeps its end away.
    return pk_block_file_write(directory, &run->about, run->shares, run->share_count);
}

int pk_block_write_kept(struct pk_block_run *run, const char *directory) {
    if (run->running || run->shares == NULL || !is_ours(run)) {
        return -ESTALE;
    }
    struct pk_block_share *shares = map_zeroes(share_bytes(run->share_count));
    if (shares == NULL) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < run->share_count; i++) {
        shares[i] = run->shares[i];
        shares[i].share.peak_bytes = shares[i].share.live_bytes;
        shares[i].share.peak_blocks = shares[i].share.live_blocks;
    }
    int result = pk_block_file_write(directory, &run->about, shares, run->share_count);
    (void)pk_sys_munmap(shares, share_bytes(run->share_count));
    return result;
}

uint64_t pk_block_gained(const struct pk_block_run *run) {
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < run->share_count; i++) {
        bytes +=
            run->shares[i].share.live_bytes > 0 ? (uint64_t)run->shares[i].share.live_bytes : 0;
    }
    return bytes;
}
