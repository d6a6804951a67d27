/* SPDX-License-Identifier: Apache-2.0
 * See lock.h. The slow half: a short spin, then naps. */
#include "base/lock.h"

#include <linux/membarrier.h>
#include <stddef.h>
#include <sys/mman.h>
#include <time.h>

#include "base/sys.h"

#define SPINS 100

static void relax(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

// ---- the word ------------------------------------------------------------------------------------------------

static bool try_word(struct pk_lock *lock) {
    uint32_t expected = 0;
    return __atomic_compare_exchange_n(&lock->word, &expected, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

// Threads that compete for longer than a short spin nap instead of being woken, which keeps a release one plain store.
// Four threads that only allocate, on two cores, run 15 to 26 times slower than plain this way and 15 to 18 times
// with wake-ups: one ledger for all is what costs (docs/performance.md).
static void take_word(struct pk_lock *lock) {
    struct timespec nap = {.tv_nsec = 50000};
    for (;;) {
        for (int i = 0; i < SPINS; i++) {
            if (__atomic_load_n(&lock->word, __ATOMIC_RELAXED) == 0 && try_word(lock)) {
                return;
            }
            relax();
        }
        (void)pk_sys6(SYS_nanosleep, (long)&nap, 0, 0, 0, 0, 0);
    }
}

static void release_word(struct pk_lock *lock) {
    __atomic_store_n(&lock->word, 0, __ATOMIC_RELEASE);
}

// ---- the bias ------------------------------------------------------------------------------------------------

static long membarrier(int command) {
    return pk_sys6(SYS_membarrier, command, 0, 0, 0, 0, 0);
}

// Every thread of the process that runs executes a full barrier before this returns. A sandbox put up since start
// may forbid membarrier; taking a right away from a touched page makes the kernel interrupt the same threads.
static void barrier_everywhere(void) {
    static char page[4096] __attribute__((aligned(4096)));
    if (membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED) == 0) {
        return;
    }
    (void)pk_sys6(SYS_mprotect, (long)page, sizeof page, PROT_READ | PROT_WRITE, 0, 0, 0);
    __atomic_store_n(page, 1, __ATOMIC_SEQ_CST);
    (void)pk_sys6(SYS_mprotect, (long)page, sizeof page, PROT_READ, 0, 0, 0);
}

static void take_ownership_away(struct pk_lock *lock, struct pk_lock_holder *owner) {
    __atomic_store_n(&lock->owner, NULL, __ATOMIC_SEQ_CST);
    barrier_everywhere();
    for (int i = 0; __atomic_load_n(&owner->inside, __ATOMIC_ACQUIRE) != 0; i++) {
        if (i < SPINS * 10) {
            relax();
        } else { // it was put to sleep, or stopped: no yielding, which a real-time thread would do for ever
            struct timespec nap = {.tv_nsec = 50000};
            (void)pk_sys6(SYS_nanosleep, (long)&nap, 0, 0, 0, 0, 0);
        }
    }
}

PK_NOINLINE void pk_lock_take_slow(struct pk_lock *lock, struct pk_lock_holder *self) {
    if (!try_word(lock)) {
        take_word(lock);
    }
    struct pk_lock_holder *owner = __atomic_load_n(&lock->owner, __ATOMIC_RELAXED);
    if (owner != NULL) {
        take_ownership_away(lock, owner);
        lock->wanted = lock->wanted < PK_LOCK_STREAK_MAX ? lock->wanted * 2 : lock->wanted;
    }
    if (lock->last != self) {
        lock->last = self;
        lock->streak = 0;
    } else if (++lock->streak >= lock->wanted && lock->can_bias) {
        __atomic_store_n(&lock->owner, self, __ATOMIC_RELEASE);
        lock->streak = 0;
    }
    self->locked = 1;
}

PK_NOINLINE void pk_lock_release_slow(struct pk_lock *lock, struct pk_lock_holder *self) {
    self->locked = 0;
    release_word(lock);
}

void pk_lock_init(struct pk_lock *lock, struct pk_lock_holder *first) {
    lock->wanted = PK_LOCK_STREAK;
#if defined(__SANITIZE_THREAD__)
    (void)first; // ThreadSanitizer knows nothing of membarrier
    lock->can_bias = false;
#else
    lock->can_bias = membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) == 0;
    if (lock->can_bias) {
        lock->owner = first;
    }
#endif
}

void pk_lock_reset(struct pk_lock *lock) {
    lock->word = 0;
    lock->owner = NULL;
    lock->last = NULL;
    lock->streak = 0;
}
