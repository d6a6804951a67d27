/* SPDX-License-Identifier: Apache-2.0
 * A futex lock: 0 free, 1 held, 2 held and somebody waits. No owner, no recursion; the caller's own re-entry
 * guard must keep a thread from taking it twice. Fork: the child sets it to 0 (only the forking thread lives on).
 * Lock rank: a leaf. Nothing is called under it that takes another lock or allocates with libc. */
#pragma once

#include <stdint.h>

#include "base/attr.h"

struct pk_lock {
    uint32_t word;
};

PK_COLD void pk_lock_wait(struct pk_lock *lock);
PK_COLD void pk_lock_wake(struct pk_lock *lock);

PK_INLINE void pk_lock_take(struct pk_lock *lock) {
    uint32_t expected = 0;
    if (PK_UNLIKELY(!__atomic_compare_exchange_n(&lock->word, &expected, 1, 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))) {
        pk_lock_wait(lock);
    }
}

PK_INLINE void pk_lock_release(struct pk_lock *lock) {
    if (PK_UNLIKELY(__atomic_exchange_n(&lock->word, 0, __ATOMIC_RELEASE) == 2)) {
        pk_lock_wake(lock);
    }
}
