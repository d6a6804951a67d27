/* SPDX-License-Identifier: Apache-2.0
 * See sample.h. The pace: a hundredth of the time that the run has taken so far, from 5 ms to 1 s,
 * faster while memory moves; and never so often that a look costs more than its share. */
#include "supervise/sample.h"

#include "base/clock.h"
#include "record/format.h"
#include "record/settings.h"
#include "supervise/procfs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SHORTEST_NS UINT64_C(5000000)
#define LONGEST_NS UINT64_C(1000000000)
#define PACE 100u      /* looks while the run becomes e times as long */
#define CPU_SHARE 200u /* a look may cost one part in so many of the time to the next: 0.5 % */
#define PSS_SHARE 500u /* and the walks for the proportional size 0.2 % */
#define PSS_FIRST_NS UINT64_C(50000000)
#define PSS_SHORTEST_NS UINT64_C(250000000)
/* A process alone has little to share: not worth 10 ms a GiB of its memory lock. */
#define PSS_ALONE_BYTES (UINT64_C(256) << 20)

int pk_sampler_start(const char *directory, struct pk_tree_page *tree, uint64_t start_unix_ns,
                     uint64_t start_mono_ns, struct pk_sampler *ret_sampler) {
    memset(ret_sampler, 0, sizeof(*ret_sampler));
    ret_sampler->tree = tree;
    ret_sampler->directory = directory;
    ret_sampler->ledger_fd = -1;
    ret_sampler->start_ns = start_mono_ns;
    ret_sampler->interval_ns = SHORTEST_NS;
    ret_sampler->next_ns = pk_clock_ns(CLOCK_MONOTONIC);
    ret_sampler->pss_next_ns = ret_sampler->next_ns + PSS_FIRST_NS;
    return pk_timeline_create(directory, start_unix_ns, start_mono_ns, &ret_sampler->timeline);
}

static int open_own_ledger(const struct pk_sampler *sampler, pid_t program, uint32_t number) {
    char path[PATH_MAX], suffix[16] = "";

    if (number > 1) {
        (void)snprintf(suffix, sizeof(suffix), ".%u", number);
    }
    if (snprintf(path, sizeof(path), "%s/" PK_LEDGER_PREFIX "%d%s", sampler->directory,
                 (int)program, suffix) >= PATH_MAX) {
        return -1;
    }
    return open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
}

/* Is it a record that goes on? One whose program was replaced by another (exec) does not. */
static bool goes_on(int ledger_fd) {
    const off_t where = (off_t) __builtin_offsetof(struct pk_ledger_header, state);
    uint32_t state = PK_STATE_EXEC;

    return ledger_fd >= 0 &&
           pread(ledger_fd, &state, sizeof(state), where) == (ssize_t)sizeof(state) &&
           state != PK_STATE_EXEC;
}

/* What the program's own ledger holds now; 0 when there is none. After an exec the next Python of
 * this process begins another. */
static uint64_t read_own_ledger(struct pk_sampler *sampler, pid_t program) {
    const off_t where = (off_t) __builtin_offsetof(struct pk_ledger_header, total_bytes);
    uint64_t total = 0;

    while (!goes_on(sampler->ledger_fd)) {
        int next = open_own_ledger(sampler, program, sampler->ledger_number + 1);
        if (next < 0) {
            return 0;
        }
        if (sampler->ledger_fd >= 0) {
            (void)close(sampler->ledger_fd);
        }
        sampler->ledger_fd = next;
        sampler->ledger_number++;
    }
    if (pread(sampler->ledger_fd, &total, sizeof(total), where) != (ssize_t)sizeof(total)) {
        return 0;
    }
    return total <= PK_TIMELINE_MAX_BYTES ? total : 0;
}

/* The next slot from `from` on whose process is alive, as far as its lock says. */
static uint32_t next_alive(const struct pk_tree_page *tree, uint32_t from) {
    uint32_t count = __atomic_load_n(&tree->count, __ATOMIC_ACQUIRE);

    count = count > PK_TREE_SLOTS ? PK_TREE_SLOTS : count;
    for (uint32_t i = from; i < count; i++) {
        uint64_t bits = __atomic_load_n(&tree->live[i / 64], __ATOMIC_ACQUIRE) >> (i % 64);
        if (bits == 0) {
            i |= 63; // none in the rest of this word
        } else if ((bits & 1) != 0 && pk_tree_is_alive(tree, i)) {
            return i;
        }
    }
    return PK_TREE_NO_SLOT;
}

/* A pid that was never seen may be one of another namespace: it says nothing to us. */
static void bury_slot(struct pk_sampler *sampler, uint32_t slot, pid_t pid) {
    if (pk_timeline_has_seen(&sampler->timeline, (uint32_t)pid) && !pk_procfs_is_alive(pid)) {
        pk_tree_bury(sampler->tree, slot);
    }
}

struct look {
    struct pk_timeline_point sums;
    bool with_pss;
    uint64_t pss_cpu_ns;
};

/* Returns false when there is no such process (any more). */
static bool look_at(struct pk_sampler *sampler, pid_t pid, uint64_t tracked, struct look *look) {
    struct pk_procfs_memory memory;
    uint64_t pss = 0;

    int error = pk_procfs_memory("", pid, &memory);
    if (error != 0 && pk_timeline_has_seen(&sampler->timeline, (uint32_t)pid) &&
        !pk_procfs_is_alive(pid)) {
        return false;
    }
    look->sums.tracked_bytes += tracked;
    if (error != 0) {
        return true;
    }
    look->sums.processes++;
    look->sums.rss_bytes += memory.rss_bytes;
    look->sums.file_bytes += memory.file_bytes;
    look->sums.swap_bytes += memory.swap_bytes;
    if (look->with_pss) {
        uint64_t start = pk_clock_ns(CLOCK_PROCESS_CPUTIME_ID);
        // One that cannot be read (not permitted, just gone) counts by its resident size: at least
        // as much.
        look->sums.pss_bytes += pk_procfs_pss("", pid, &pss) == 0 ? pss : memory.rss_bytes;
        look->pss_cpu_ns += pk_clock_ns(CLOCK_PROCESS_CPUTIME_ID) - start;
    }
    struct pk_timeline_process seen = {.first_ns = look->sums.first_ns,
                                       .last_ns = look->sums.first_ns,
                                       .rss_peak_bytes = memory.rss_peak_bytes,
                                       .rss_bytes = memory.rss_bytes,
                                       .swap_bytes = memory.swap_bytes,
                                       .tracked_bytes = tracked,
                                       .pid = (uint32_t)pid};
    pk_timeline_see(&sampler->timeline, &seen);
    return true;
}

static bool has_moved(uint64_t before, uint64_t now) {
    uint64_t difference = before > now ? before - now : now - before;

    return difference > before / 16 + (1u << 20);
}

/* When to look again. */
static void set_pace(struct pk_sampler *sampler, const struct look *look, uint64_t now,
                     uint64_t cost) {
    uint64_t usual = (now - sampler->start_ns) / PACE;

    usual = usual < SHORTEST_NS ? SHORTEST_NS : usual > LONGEST_NS ? LONGEST_NS : usual;
    if (has_moved(sampler->rss_last, look->sums.rss_bytes)) {
        sampler->interval_ns /= 4;
    } else {
        sampler->interval_ns += sampler->interval_ns / 4;
    }
    if (sampler->interval_ns < SHORTEST_NS) {
        sampler->interval_ns = SHORTEST_NS;
    }
    if (sampler->interval_ns > usual) {
        sampler->interval_ns = usual;
    }
    uint64_t least = cost * CPU_SHARE;
    sampler->next_ns = now + (sampler->interval_ns > least ? sampler->interval_ns : least);
    sampler->rss_last = look->sums.rss_bytes;
    if (look->with_pss) {
        uint64_t pause = look->pss_cpu_ns * PSS_SHARE;
        sampler->pss_next_ns = now + (pause > PSS_SHORTEST_NS ? pause : PSS_SHORTEST_NS);
    }
}

void pk_sampler_take(struct pk_sampler *sampler, pid_t program) {
    const struct pk_tree_page *tree = sampler->tree;
    uint64_t now = pk_clock_ns(CLOCK_MONOTONIC);
    struct look look = {.sums = {.first_ns = now - sampler->start_ns, .samples = 1}};
    if (sampler->timeline.page == NULL || sampler->timeline.page->header.samples == 0) {
        sampler->cpu_last_ns = pk_clock_ns(CLOCK_PROCESS_CPUTIME_ID); // starting up was no look
    }
    bool is_alone = tree == NULL || next_alive(tree, next_alive(tree, 0) + 1) == PK_TREE_NO_SLOT;

    look.sums.last_ns = look.sums.first_ns;
    look.with_pss =
        now >= sampler->pss_next_ns && (!is_alone || sampler->rss_last < PSS_ALONE_BYTES);
    // Alone, the program publishes nothing: its ledger knows.
    bool is_solo =
        tree == NULL || __atomic_load_n(&tree->solo_pid, __ATOMIC_RELAXED) == (uint32_t)program;
    bool has_slot = false;
    for (uint32_t i = tree == NULL ? PK_TREE_NO_SLOT : next_alive(tree, 0); i != PK_TREE_NO_SLOT;
         i = next_alive(tree, i + 1)) {
        pid_t pid = (pid_t)__atomic_load_n(&tree->slot[i].pid, __ATOMIC_ACQUIRE);
        uint64_t bytes = __atomic_load_n(&tree->slot[i].bytes, __ATOMIC_RELAXED);
        bytes = bytes <= PK_TIMELINE_MAX_BYTES ? bytes : 0;
        has_slot |= pid == program;
        uint64_t held = pid == program && is_solo ? read_own_ledger(sampler, program) : bytes;
        if (!look_at(sampler, pid, held, &look)) {
            bury_slot(sampler, i, pid);
        }
    }
    if (!has_slot) {
        (void)look_at(sampler, program, is_solo ? read_own_ledger(sampler, program) : 0, &look);
    }
    if (look.sums.processes > 0) {
        pk_timeline_add(&sampler->timeline, &look.sums);
    }
    uint64_t cpu = pk_clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    uint64_t spent = cpu - sampler->cpu_last_ns; // with waking up, and all else since the last look
    sampler->cpu_last_ns = cpu;
    sampler->cpu_spent_ns += spent;
    if (sampler->timeline.page != NULL) {
        sampler->timeline.page->header.cpu_ns = sampler->cpu_spent_ns;
    }
    set_pace(sampler, &look, now, spent > look.pss_cpu_ns ? spent - look.pss_cpu_ns : 0);
}

uint32_t pk_sampler_others(const struct pk_sampler *sampler, pid_t program, pid_t session,
                           pid_t *ret_pids, uint32_t room) {
    const struct pk_tree_page *tree = sampler->tree;
    uint32_t found = 0;

    for (uint32_t i = tree == NULL ? PK_TREE_NO_SLOT : next_alive(tree, 0); i != PK_TREE_NO_SLOT;
         i = next_alive(tree, i + 1)) {
        pid_t pid = (pid_t)__atomic_load_n(&tree->slot[i].pid, __ATOMIC_ACQUIRE);
        if (pid == program || (session != PK_ANY_SESSION && getsid(pid) != session) ||
            !pk_procfs_is_alive(pid)) {
            continue;
        }
        if (found < room) {
            ret_pids[found] = pid;
        }
        found++;
    }
    return found;
}

void pk_sampler_bury(struct pk_sampler *sampler) {
    struct pk_tree_page *tree = sampler->tree;

    for (uint32_t i = tree == NULL ? PK_TREE_NO_SLOT : next_alive(tree, 0); i != PK_TREE_NO_SLOT;
         i = next_alive(tree, i + 1)) {
        bury_slot(sampler, i, (pid_t)__atomic_load_n(&tree->slot[i].pid, __ATOMIC_ACQUIRE));
    }
}

void pk_sampler_stop(struct pk_sampler *sampler) {
    pk_timeline_close(&sampler->timeline);
    if (sampler->ledger_fd >= 0) {
        (void)close(sampler->ledger_fd);
        sampler->ledger_fd = -1;
    }
}
