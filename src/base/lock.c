/* SPDX-License-Identifier: Apache-2.0
 * See lock.h. The slow half: a short spin, then naps. */
#include "base/lock.h"

#include <linux/membarrier.h>
#include <stddef.h>
#include <sys/mman.h>
#include <time.h>

#include "base/sys.h"

#define SPINS 100
#define NAP_NS 50000
#define SAMPLES 32      /* looks at the owner, some microseconds in all */
#define SLICE_NS 100000 /* for a busy owner to go on, at full speed, before another becomes it */

static void relax(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

// ---- the word -----------------------------------------------------------------------------------

static bool try_word(struct pk_lock *lock) {
    uint32_t expected = 0;
    return __atomic_compare_exchange_n(&lock->word, &expected, 1, false, __ATOMIC_ACQUIRE,
                                       __ATOMIC_RELAXED);
}

static void nap(long nanoseconds) {
    struct timespec time = {.tv_nsec = nanoseconds};
    (void)pk_sys6(SYS_nanosleep, (long)&time, 0, 0, 0, 0, 0);
}

// in a lender's place while somebody looks whether to take the lock over
static struct pk_lock_holder deciding;

static bool change_lender(struct pk_lock *lock, struct pk_lock_holder *from,
                          struct pk_lock_holder *to) {
    return __atomic_compare_exchange_n(&lock->lender, &from, to, false, __ATOMIC_ACQ_REL,
                                       __ATOMIC_RELAXED);
}

// The word as it is: held, and from here on by the caller. Looks at the lender after claiming its
// place: if it sleeps then, no copy of the process is being made, and any later one will see that
// the lock was taken over.
static bool take_over(struct pk_lock *lock) {
    struct pk_lock_holder *lender = __atomic_load_n(&lock->lender, __ATOMIC_ACQUIRE);
    if (lender == NULL || lender == &deciding || !change_lender(lock, lender, &deciding)) {
        return false;
    }
    bool taken = pk_sys_is_asleep(lock->lender_tid);
    __atomic_store_n(&lock->lender, taken ? NULL : lender, __ATOMIC_RELEASE);
    return taken;
}

// Threads that compete for longer than a short spin nap instead of being woken, which keeps a
// release one plain store.
static void take_word(struct pk_lock *lock) {
    for (int naps = 0;; naps++) {
        for (int i = 0; i < SPINS; i++) {
            if (__atomic_load_n(&lock->word, __ATOMIC_RELAXED) == 0 && try_word(lock)) {
                return;
            }
            relax();
        }
        if (naps >= PK_LOCK_LENT_NS / NAP_NS && take_over(lock)) {
            return;
        }
        nap(NAP_NS);
    }
}

static void release_word(struct pk_lock *lock) {
    __atomic_store_n(&lock->word, 0, __ATOMIC_RELEASE);
}

// ---- the bias -----------------------------------------------------------------------------------

static long membarrier(int command) {
    return pk_sys6(SYS_membarrier, command, 0, 0, 0, 0, 0);
}

// Every thread of the process that runs executes a full barrier before this returns. False: a
// sandbox put up since start forbids membarrier. Taking a right away from a touched page makes most
// kernels interrupt the same threads, but aarch64 and the newest x86 need not; a millisecond is
// long for what a store waits for.
static bool barrier_everywhere(void) {
    static char page[4096] __attribute__((aligned(4096)));
    if (membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED) == 0) {
        return true;
    }
    (void)pk_sys6(SYS_mprotect, (long)page, sizeof page, PROT_READ | PROT_WRITE, 0, 0, 0);
    __atomic_store_n(page, 1, __ATOMIC_SEQ_CST);
    (void)pk_sys6(SYS_mprotect, (long)page, sizeof page, PROT_READ, 0, 0, 0);
    nap(1000000);
    return false;
}

static void take_ownership_away(struct pk_lock *lock, struct pk_lock_holder *owner) {
    __atomic_store_n(&lock->owner, NULL, __ATOMIC_SEQ_CST);
    if (!barrier_everywhere()) {
        lock->can_bias = false; // once is enough
    }
    for (int i = 0; __atomic_load_n(&owner->inside, __ATOMIC_ACQUIRE) != 0; i++) {
        if (i < SPINS * 10) {
            relax();
        } else {
            // it was put to sleep, or stopped: no yielding, which a real-time thread would do for
            // ever
            nap(NAP_NS);
        }
    }
}

// Is the owner inside for a good part of its time? Then it does little else than what the lock
// guards.
static bool is_hogging(const struct pk_lock_holder *owner) {
    int seen = 0;
    for (int i = 0; i < SAMPLES; i++) {
        seen += __atomic_load_n(&owner->inside, __ATOMIC_RELAXED) != 0;
        relax();
    }
    return seen >= SAMPLES / 4;
}

// True when the caller has entered often enough, with nobody in between, to be the owner. Under the
// word.
static bool continue_streak(struct pk_lock *lock, struct pk_lock_holder *self) {
    if (lock->last != self) {
        lock->last = self;
        lock->streak = 0;
    }
    return ++lock->streak > lock->wanted;
}

PK_NOINLINE void pk_lock_take_slow(struct pk_lock *lock, struct pk_lock_holder *self) {
    bool competing = !try_word(lock);
    if (competing) {
        take_word(lock);
    }
    struct pk_lock_holder *owner = __atomic_load_n(&lock->owner, __ATOMIC_RELAXED);
    if (owner != NULL) {
        if (is_hogging(owner)) {
            competing = true;
            nap(SLICE_NS);
        } else if (lock->wanted < PK_LOCK_STREAK_MAX) {
            lock->wanted *= 2;
        }
        take_ownership_away(lock, owner);
    }
    // Among threads that compete, a lock that changes its owner now and then is cheaper than a word
    // that all fight for.
    if ((continue_streak(lock, self) || competing) && lock->can_bias) {
        __atomic_store_n(&lock->owner, self, __ATOMIC_RELEASE);
        lock->streak = 0;
    }
    self->locked = 1;
}

void pk_lock_renounce(struct pk_lock *lock, const struct pk_lock_holder *self) {
    lock->last = NULL;
    if (__atomic_load_n(&lock->owner, __ATOMIC_RELAXED) == self) {
        __atomic_store_n(&lock->owner, NULL, __ATOMIC_RELEASE);
    }
}

PK_NOINLINE void pk_lock_release_slow(struct pk_lock *lock, struct pk_lock_holder *self) {
    self->locked = 0;
    release_word(lock);
}

void pk_lock_lend(struct pk_lock *lock, struct pk_lock_holder *self, int tid) {
    take_word(lock);
    struct pk_lock_holder *owner = __atomic_load_n(&lock->owner, __ATOMIC_RELAXED);
    if (owner != NULL) {
        take_ownership_away(lock, owner);
    }
    lock->last = NULL;
    lock->lender_tid = tid;
    __atomic_store_n(&lock->lender, self, __ATOMIC_RELEASE);
}

bool pk_lock_end_lending(struct pk_lock *lock, struct pk_lock_holder *self) {
    for (int i = 0; !change_lender(lock, self, NULL); i++) {
        if (__atomic_load_n(&lock->lender, __ATOMIC_ACQUIRE) != &deciding) {
            return false;
        }
        if (i < SPINS * 10) {
            relax();
        } else {
            nap(NAP_NS);
        }
    }
    release_word(lock);
    return true;
}

bool pk_lock_is_lent(const struct pk_lock *lock) {
    return __atomic_load_n(&lock->lender, __ATOMIC_ACQUIRE) != NULL;
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
    lock->lender = NULL;
    lock->streak = 0;
}
