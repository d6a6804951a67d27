/* SPDX-License-Identifier: Apache-2.0
 * What one allocation and its free cost in the ledger, without hooks, locks and stacks: nanoseconds
 * a pair, events a second, and bytes of ours per live block, in the patterns that allocators make.
 * About a second in all. May use: the ledger, libc. Must stay true: the addresses are those real
 * allocators hand out; nothing is timed but the events themselves (the loop over the list of
 * addresses is, and costs about a nanosecond). */
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#include "ledger/ledger.h"

#define BLOCKS 1000000u
#define STACKS 1000u
#define ROUNDS 3

struct event {
    uint64_t address;
    uint32_t size;
    uint32_t stack;
};

static struct event *events;
static struct event *shuffled;
static uint64_t random_state = 88172645463325252u;

static uint64_t next_random(void) {
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

static uint64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now); // other programs on the machine do not count
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

// Most allocations come from few lines.
static uint32_t pick_stack(void) {
    uint64_t all = next_random();
    return 2 + (uint32_t)(all % 8 < 7 ? (all >> 8) % 20 : (all >> 8) % STACKS);
}

// ---- patterns: fill `events`, return how many ---------------------------------------------------

// 16 KiB pools of one size class each, a few classes taking turns as a program's objects do.
static uint32_t make_pools(void) {
    static const uint32_t classes[] = {48, 64, 32, 112, 240};
    uint64_t next[5] = {0};
    uint64_t end[5] = {0};
    uint64_t pool = 0x7f3a00000000u;
    for (uint32_t i = 0; i < BLOCKS; i++) {
        uint32_t k = (uint32_t)(next_random() % 5);
        if (next[k] + classes[k] > end[k]) {
            next[k] = pool + 48;
            end[k] = pool + 16384;
            pool += 16384;
        }
        events[i] =
            (struct event){next[k], classes[k] - (uint32_t)(next_random() % 2) * 8, pick_stack()};
        next[k] += classes[k];
    }
    return BLOCKS;
}

// A C heap: chunks of any size one behind the other.
static uint32_t make_heap(void) {
    uint64_t at = 0x55d4c0000010u;
    for (uint32_t i = 0; i < BLOCKS; i++) {
        uint32_t size =
            (uint32_t)(next_random() % 16 == 0 ? next_random() % 4000 : 8 + next_random() % 200);
        events[i] = (struct event){at, size, pick_stack()};
        at += (size + 8 + 15) / 16 * 16 < 32 ? 32 : (size + 8 + 15) / 16 * 16;
    }
    return BLOCKS;
}

static uint32_t make_arrays(void) {
    uint64_t at = 0x55d4c0000010u;
    uint32_t count = BLOCKS / 4;
    for (uint32_t i = 0; i < count; i++) {
        events[i] = (struct event){at, 800, pick_stack()};
        at += 816;
    }
    return count;
}

// ---- measuring ----------------------------------------------------------------------------------

static int grow_nothing(struct pk_store *store, uint64_t need) {
    (void)store;
    (void)need;
    return -1;
}

static struct pk_store make_store(uint64_t bytes) {
    void *base = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED) {
        fprintf(stderr, "bench ledger: no memory\n");
        exit(1);
    }
    return (struct pk_store){.base = base, .capacity = bytes, .grow = grow_nothing};
}

struct bench {
    struct pk_ledger *ledger;
    struct pk_account account;
    struct pk_store stores[4];
};

static void open_bench(struct bench *bench) {
    *bench = (struct bench){
        .ledger = (void *)make_store(sizeof *bench->ledger).base}; // zeroed, mostly untouched
    for (uint32_t i = 0; i < 4; i++) {
        bench->stores[i] = make_store(1u << 20);
    }
    if (pk_ledger_init(bench->ledger, &bench->account, &bench->stores[0], &bench->stores[1],
                       &bench->stores[2], &bench->stores[3]) < 0) {
        fprintf(stderr, "bench ledger: init failed\n");
        exit(1);
    }
    for (uint32_t i = 0; i < STACKS; i++) {
        (void)pk_stacks_child(&bench->ledger->stacks, PK_NODE_ROOT, 0, i, PK_SPAN_NONE);
    }
}

static void close_bench(struct bench *bench) {
    for (uint32_t i = 0; i < 4; i++) {
        (void)munmap(bench->stores[i].base, 1u << 20);
    }
    (void)munmap(bench->ledger, sizeof *bench->ledger); // its arena goes with the process
}

static void report(const char *what, uint64_t ns, uint64_t pairs, double bytes_a_block) {
    double a_pair = (double)ns / (double)pairs;
    printf("%-54s %8.1f %12.1f", what, a_pair, 2e3 / a_pair);
    if (bytes_a_block > 0) {
        printf(" %14.1f", bytes_a_block);
    }
    printf("\n");
}

static uint64_t run_index(struct pk_blocks *blocks, const struct event *frees, uint32_t count,
                          bool even) {
    uint64_t start = now_ns();
    struct pk_block old;
    for (uint32_t i = 0; i < count; i++) {
        (void)pk_blocks_put(blocks, events[i].address, events[i].size, events[i].stack, 0, even,
                            &old);
    }
    for (uint32_t i = 0; i < count; i++) {
        (void)pk_blocks_take(blocks, frees[i].address);
    }
    return now_ns() - start;
}

static void alloc_all(struct pk_ledger *ledger, uint32_t count, bool even) {
    for (uint32_t i = 0; i < count; i++) {
        pk_ledger_alloc(ledger, events[i].address, events[i].size, events[i].stack, 0, even);
    }
}

static void free_all(struct pk_ledger *ledger, const struct event *frees, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        pk_ledger_free(ledger, frees[i].address);
    }
}

// All allocated, then all freed: cold caches, the worst a program can do.
static void bench_waves(const char *name, uint32_t count, bool even) {
    for (uint32_t i = 0; i < count; i++) {
        shuffled[i] = events[i];
    }
    for (uint32_t i = count - 1; i > 0; i--) {
        uint32_t j = (uint32_t)(next_random() % (i + 1));
        struct event other = shuffled[i];
        shuffled[i] = shuffled[j];
        shuffled[j] = other;
    }
    for (int order = 0; order < 2; order++) {
        const struct event *frees = order == 0 ? events : shuffled;
        uint64_t index_ns = UINT64_MAX;
        uint64_t ledger_ns = UINT64_MAX;
        double bytes = 0;
        struct bench bench;
        open_bench(&bench);
        for (int round = 0; round < ROUNDS; round++) {
            uint64_t ns = run_index(&bench.ledger->blocks, frees, count, even);
            index_ns = ns < index_ns ? ns : index_ns;
        }
        close_bench(&bench);
        open_bench(&bench);
        uint64_t own = bench.ledger->arena.own_bytes;
        for (int round = 0; round < ROUNDS; round++) {
            uint64_t start = now_ns();
            alloc_all(bench.ledger, count, even);
            uint64_t middle = now_ns();
            bytes = (double)(bench.ledger->arena.own_bytes - own) / count;
            uint64_t again = now_ns();
            free_all(bench.ledger, frees, count);
            uint64_t ns = now_ns() - again + (middle - start);
            ledger_ns = ns < ledger_ns ? ns : ledger_ns;
        }
        close_bench(&bench);
        char line[80];
        snprintf(line, sizeof line, "%s, freed in %s order: index", name,
                 order == 0 ? "the same" : "random");
        report(line, index_ns, count, bytes);
        snprintf(line, sizeof line, "%s, freed in %s order: ledger", name,
                 order == 0 ? "the same" : "random");
        report(line, ledger_ns, count, 0);
    }
}

// A small window of live blocks: what a loop that makes temporaries does. Warm caches.
static void bench_window(const char *name, uint32_t count, uint32_t window, bool even) {
    struct bench bench;
    open_bench(&bench);
    alloc_all(bench.ledger, window, even);
    uint64_t best = UINT64_MAX;
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t start = now_ns();
        for (uint32_t i = 0, slot = 0; i < count; i++, slot = slot + 1 == window ? 0 : slot + 1) {
            pk_ledger_free(bench.ledger, events[slot].address);
            pk_ledger_alloc(bench.ledger, events[slot].address, events[slot].size,
                            events[slot].stack, 0, even);
        }
        uint64_t ns = now_ns() - start;
        best = ns < best ? ns : best;
    }
    close_bench(&bench);
    report(name, best, count, 0);
}

int main(void) {
    events = calloc(BLOCKS, sizeof *events);
    shuffled = calloc(BLOCKS, sizeof *shuffled);
    if (events == NULL || shuffled == NULL) {
        return 1;
    }
    printf("%-54s %8s %12s %14s\n", "pattern (best of 3)", "ns/pair", "M events/s", "bytes/block");
    uint32_t count = make_pools();
    bench_waves("pools", count, true);
    bench_window("pools, one block again and again", BLOCKS, 1, true);
    bench_window("pools, window of 100", BLOCKS, 100, true);
    count = make_heap();
    bench_waves("heap", count, false);
    bench_window("heap, one block again and again", BLOCKS, 1, false);
    bench_window("heap, window of 100", BLOCKS, 100, false);
    count = make_arrays();
    bench_waves("800-byte arrays", count, false);
    free(events);
    free(shuffled);
    return 0;
}
