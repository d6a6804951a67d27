/* SPDX-License-Identifier: Apache-2.0
 * A lock that costs its usual owner two plain stores and a load.
 *
 * Nearly always one thread at a time does all the allocating (the one that holds the GIL), yet a
 * process with numpy in it has other threads, and an atomic exchange in and out was 45 % of our
 * cost there. So the lock may be *biased* to one thread, which then enters by saying so (`inside`)
 * and checking that it still is the owner. Another thread takes the word first, takes the ownership
 * away, makes every running thread execute a full barrier (membarrier(2)), and waits until the old
 * owner is out. Either the owner sees that it no longer owns, or the other sees that it is inside.
 * A thread that enters PK_LOCK_STREAK times in a row becomes the owner; each time the ownership is
 * taken away it takes twice as many, so threads that take turns soon share a plain lock.
 *
 * Threads that compete (they find the word taken, or the owner inside for a quarter of the time)
 * take longer turns: who waits lets the owner go on for a tenth of a millisecond, and is then the
 * owner itself. An exchange of the word between cores costs more than what it guards
 * (docs/decisions/0009-threads-in-turns.md has the numbers).
 *
 * No recursion: the caller's own re-entry guard must keep a thread from taking it twice. Lock rank:
 * a leaf; nothing is called under it that takes another lock or allocates with libc. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"

#define PK_LOCK_STREAK 500u
#define PK_LOCK_STREAK_MAX (1u << 20)
#define PK_LOCK_LENT_NS 20000000

/* One for each thread that uses the lock; must stay readable for as long as the lock lives. */
struct pk_lock_holder {
    uint32_t inside; /* entered as the owner */
    uint32_t locked; /* entered by the word */
};

struct pk_lock {
    uint32_t word;                 /* 0 free, 1 held */
    uint32_t streak;               /* under the word */
    uint32_t wanted;               /* streak that makes an owner; under the word */
    struct pk_lock_holder *owner;  /* changed under the word; atomic */
    struct pk_lock_holder *last;   /* under the word */
    struct pk_lock_holder *lender; /* holds the word, and may lose it: below; atomic */
    int lender_tid;
    bool can_bias;
};

/* Once, best while the process has one thread: may the kernel do what biasing needs? If so, `first`
 * is the owner. */
void pk_lock_init(struct pk_lock *lock, struct pk_lock_holder *first);
/* In a forked child, which has one thread: free, and nobody's. */
void pk_lock_reset(struct pk_lock *lock);

/* Takes the lock to keep it while code of others runs that may wait for a thread which waits for
 * this lock: that thread takes it over after PK_LOCK_LENT_NS if it then finds thread `tid`, the
 * lender's own, asleep. False from the end: it was taken over, and `self` holds nothing any more;
 * else the lock is released. */
void pk_lock_lend(struct pk_lock *lock, struct pk_lock_holder *self, int tid);
bool pk_lock_end_lending(struct pk_lock *lock, struct pk_lock_holder *self);
/* In a copy of the process made meanwhile: was nothing taken over before that? */
bool pk_lock_is_lent(const struct pk_lock *lock);

/* While held by the word: `self` is not to be the owner, because it will not stay readable. */
void pk_lock_renounce(struct pk_lock *lock, const struct pk_lock_holder *self);

PK_NOINLINE void pk_lock_take_slow(struct pk_lock *lock, struct pk_lock_holder *self);
PK_NOINLINE void pk_lock_release_slow(struct pk_lock *lock, struct pk_lock_holder *self);

PK_INLINE void pk_lock_take(struct pk_lock *lock, struct pk_lock_holder *self) {
    __atomic_store_n(&self->inside, 1, __ATOMIC_RELAXED);
    // the other side's membarrier makes this a full barrier
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    if (PK_UNLIKELY(__atomic_load_n(&lock->owner, __ATOMIC_ACQUIRE) != self)) {
        __atomic_store_n(&self->inside, 0, __ATOMIC_RELEASE);
        pk_lock_take_slow(lock, self);
    }
}

PK_INLINE void pk_lock_release(struct pk_lock *lock, struct pk_lock_holder *self) {
    if (PK_UNLIKELY(self->locked)) {
        pk_lock_release_slow(lock, self);
    } else {
        __atomic_store_n(&self->inside, 0, __ATOMIC_RELEASE);
    }
}
