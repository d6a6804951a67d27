/* SPDX-License-Identifier: Apache-2.0
 * The ledger under its lock, driven by many threads: nothing is lost, wherever the lock is biased
 * to one of them and taken away again. Under ThreadSanitizer the lock keeps to its word, and every
 * access to the ledger is checked. */
#include "check.h"

#include <pthread.h>
#include <time.h>

#include "base/lock.h"
#include "base/sys.h"
#include "ledger/ledger.h"
#include "store_memory.h"

#define WORKERS 4
#define SLOTS 256u

static struct pk_lock lock;
static struct pk_lock_holder main_holder;
static uint64_t entered; /* plain: the lock is all that guards it */
static uint32_t allowed; /* threads let go; atomic */

static struct pk_ledger ledger;
static struct pk_account account;
static struct pk_store stores[4];
static uint64_t limits[4];
static uint32_t nodes[WORKERS + 1];

struct worker {
    pthread_t thread;
    struct pk_lock_holder holder;
    uint32_t number; /* 1 ... WORKERS */
    uint32_t rounds;
    uint32_t random;
};

static struct worker workers[WORKERS];

static uint32_t next_random(struct worker *worker) {
    worker->random = worker->random * 1103515245u + 12345u;
    return worker->random >> 8;
}

static void start_lock(void) {
    lock = (struct pk_lock){0};
    main_holder = (struct pk_lock_holder){0};
    entered = 0;
    pk_lock_init(&lock, &main_holder);
}

// Starts all workers at once and waits for their ends; false: a thread could not be made.
static bool run_workers(void *(*run)(void *), uint32_t rounds) {
    uint32_t count = 0;
    __atomic_store_n(&allowed, 0, __ATOMIC_RELEASE);
    for (; count < WORKERS; count++) {
        workers[count] = (struct worker){
            .number = count + 1, .rounds = rounds, .random = (uint32_t)check_seed() + count};
        if (pthread_create(&workers[count].thread, NULL, run, &workers[count]) != 0) {
            break;
        }
    }
    __atomic_store_n(&allowed, 1, __ATOMIC_RELEASE);
    for (uint32_t i = 0; i < count; i++) {
        pthread_join(workers[i].thread, NULL);
    }
    return count == WORKERS;
}

static void wait_for_start(void) {
    while (__atomic_load_n(&allowed, __ATOMIC_ACQUIRE) == 0) {
    }
}

// ---- the lock alone -----------------------------------------------------------------------------

static void *count_entries(void *context) {
    struct worker *worker = context;
    wait_for_start();
    for (uint32_t i = 0; i < worker->rounds; i++) {
        pk_lock_take(&lock, &worker->holder);
        entered++;
        pk_lock_release(&lock, &worker->holder);
    }
    return NULL;
}

static void one_at_a_time(void) {
    start_lock();
    CHECK(run_workers(count_entries, 50000));
    CHECK_EQ(entered, WORKERS * 50000);
}

// One thread enters in streaks, so that the lock becomes its own; the others come by once a
// thousand of its entries.
static uint32_t streak; /* entries of the first worker; atomic */

static void come_by(struct worker *worker) {
    worker->rounds = 0;
    for (uint32_t last = 0; last != UINT32_MAX;) {
        uint32_t now = __atomic_load_n(&streak, __ATOMIC_ACQUIRE);
        if (now != last) {
            pk_lock_take(&lock, &worker->holder);
            entered++;
            pk_lock_release(&lock, &worker->holder);
            worker->rounds++;
            last = now;
        }
    }
}

static void *count_in_streaks(void *context) {
    struct worker *worker = context;
    wait_for_start();
    if (worker->number != 1) {
        come_by(worker);
        return NULL;
    }
    for (uint32_t i = 0; i < worker->rounds; i++) {
        pk_lock_take(&lock, &worker->holder);
        uint64_t before = entered;
        if (i % 1000 == 999) { // the others come while this one is inside, and stays a while
            __atomic_store_n(&streak, i, __ATOMIC_RELEASE);
            for (volatile int spin = 0; spin < 20000; spin++) {
            }
        }
        entered = before + 1;
        pk_lock_release(&lock, &worker->holder);
    }
    __atomic_store_n(&streak, UINT32_MAX, __ATOMIC_RELEASE);
    return NULL;
}

static void a_thread_in_streaks_and_others_coming_by(void) {
    start_lock();
    streak = 0;
    CHECK(run_workers(count_in_streaks, 200000));
    uint64_t sum = 0;
    for (uint32_t i = 0; i < WORKERS; i++) {
        sum += workers[i].rounds;
    }
    CHECK(sum > 200000);
    CHECK_EQ(entered, sum);
}

// ---- the lock over code of others ---------------------------------------------------------------

static uint32_t arrived; /* atomic */

static void *come_once(void *context) {
    struct worker *worker = context;
    __atomic_store_n(&arrived, 1, __ATOMIC_RELEASE);
    pk_lock_take(&lock, &worker->holder);
    entered++;
    pk_lock_release(&lock, &worker->holder);
    return NULL;
}

static void lend_and_start_one(struct pk_lock_holder *self) {
    start_lock();
    arrived = 0;
    workers[0] = (struct worker){.number = 1};
    pk_lock_lend(&lock, self, pk_sys_gettid());
    CHECK(pk_lock_is_lent(&lock));
    CHECK_EQ(pthread_create(&workers[0].thread, NULL, come_once, &workers[0]), 0);
}

/* A handler of fork() that waits for a thread, which waits for us. */
static void a_lent_lock_is_taken_over_from_a_sleeper(void) {
    lend_and_start_one(&main_holder);
    pthread_join(workers[0].thread, NULL);
    CHECK_EQ(entered, 1);
    CHECK(!pk_lock_is_lent(&lock));
    CHECK(!pk_lock_end_lending(&lock, &main_holder));
    pk_lock_take(&lock, &main_holder); // it is free
    pk_lock_release(&lock, &main_holder);
}

/* fork() itself, which may take seconds: the process is being copied, and must hold still. */
static void a_lent_lock_stays_with_who_is_awake(void) {
    lend_and_start_one(&main_holder);
    while (__atomic_load_n(&arrived, __ATOMIC_ACQUIRE) == 0) {
    }
    struct timespec begin, now;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    do {
        clock_gettime(CLOCK_MONOTONIC, &now);
    } while ((now.tv_sec - begin.tv_sec) * 1000000000 + now.tv_nsec - begin.tv_nsec <
             4 * PK_LOCK_LENT_NS);
    CHECK(pk_lock_is_lent(&lock));
    CHECK_EQ(entered, 0);
    (void)pk_lock_end_lending(&lock, &main_holder); // which may sleep, and then it is taken over
    pthread_join(workers[0].thread, NULL);
    CHECK_EQ(entered, 1);
}

// Each holder lives for one entry only, on the stack, as a thread's first one does: never may it
// become the owner.
static bool passing_owner_seen; /* atomic */

static void *count_and_renounce(void *context) {
    struct worker *worker = context;
    wait_for_start();
    for (uint32_t i = 0; i < worker->rounds; i++) {
        struct pk_lock_holder passing = {0};
        pk_lock_take(&lock, &passing);
        entered++;
        pk_lock_renounce(&lock, &passing);
        if (lock.owner == &passing) {
            __atomic_store_n(&passing_owner_seen, true, __ATOMIC_RELAXED);
        }
        pk_lock_release(&lock, &passing);
        pk_lock_take(&lock, &worker->holder);
        entered++;
        pk_lock_release(&lock, &worker->holder);
    }
    return NULL;
}

static void passing_holders_never_own_it(void) {
    start_lock();
    CHECK(run_workers(count_and_renounce, 5000));
    CHECK_EQ(entered, 2 * WORKERS * 5000);
    CHECK(!passing_owner_seen);
}

static void a_forked_child_finds_it_free(void) {
    start_lock();
    struct pk_lock_holder other = {0};
    pk_lock_take(&lock, &main_holder); // as its owner, if it can be biased
    pk_lock_reset(&lock);              // in the child nobody will ever release it
    pk_lock_take(&lock, &other);
    pk_lock_release(&lock, &other);
    CHECK_EQ(lock.word, 0);
}

// ---- the ledger under it ------------------------------------------------------------------------

/* what lives at each slot's address, 0: nothing. Under the lock. */
static uint64_t slot_sizes[SLOTS];

static uint64_t slot_address(uint32_t slot) {
    return 0x700000000000u + slot * 1024u;
}

// Allocates, resizes and frees at addresses that all threads share, and keeps its own simple
// account of them.
static void *use_ledger(void *context) {
    struct worker *worker = context;
    wait_for_start();
    for (uint32_t i = 0; i < worker->rounds; i++) {
        uint32_t slot = next_random(worker) % SLOTS;
        uint64_t size = 1 + next_random(worker) % 1000;
        bool resize = next_random(worker) % 4 == 0;
        pk_lock_take(&lock, &worker->holder);
        uint64_t *known = &slot_sizes[slot];
        if (*known == 0) {
            pk_ledger_alloc(&ledger, slot_address(slot), size, nodes[worker->number], 0, false);
            *known = size;
        } else if (resize) {
            struct pk_block block = pk_ledger_resize_begin(&ledger, slot_address(slot));
            pk_ledger_resize_commit(&ledger, block, slot_address(slot), size, nodes[worker->number],
                                    0, false, false);
            *known = size;
        } else {
            pk_ledger_free(&ledger, slot_address(slot));
            *known = 0;
        }
        pk_lock_release(&lock, &worker->holder);
    }
    return NULL;
}

static bool start_ledger(void) {
    for (int i = 0; i < 4; i++) {
        limits[i] = 1u << 20;
        stores[i] = make_memory_store(&limits[i]);
    }
    if (pk_ledger_init(&ledger, &account, &stores[0], &stores[1], &stores[2], &stores[3]) < 0) {
        return false;
    }
    for (uint32_t line = 1; line <= WORKERS; line++) {
        nodes[line] = pk_stacks_child(&ledger.stacks, PK_NODE_ROOT, 0, line, PK_SPAN_NONE);
    }
    return nodes[WORKERS] != 0;
}

static void many_threads_keep_one_ledger(void) {
    start_lock();
    CHECK(start_ledger());
    CHECK(run_workers(use_ledger, 20000));
    uint64_t bytes = 0;
    uint64_t blocks = 0;
    for (uint32_t i = 0; i < SLOTS; i++) {
        bytes += slot_sizes[i];
        blocks += slot_sizes[i] != 0;
    }
    CHECK_STR(pk_ledger_is_valid(&ledger), NULL);
    CHECK_EQ(account.total_bytes, bytes);
    CHECK_EQ(account.total_blocks, blocks);
    CHECK_EQ(ledger.unknown_frees, 0);
    CHECK_EQ(ledger.missed_frees, 0);
    for (int i = 0; i < 4; i++) {
        free_memory_store(&stores[i]);
    }
}

int main(int argc, char **argv) {
    static const struct check_test tests[] = {
        TEST(one_at_a_time),
        TEST(a_thread_in_streaks_and_others_coming_by),
        TEST(a_lent_lock_is_taken_over_from_a_sleeper),
        TEST(a_lent_lock_stays_with_who_is_awake),
        TEST(passing_holders_never_own_it),
        TEST(a_forked_child_finds_it_free),
        TEST(many_threads_keep_one_ledger),
    };
    return check_run(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
