/* SPDX-License-Identifier: Apache-2.0
 * See lock.h. The slow half: a short spin (critical sections last tens of nanoseconds), then sleep. */
#include "base/lock.h"

#include "base/sys.h"

#define SPINS 100

PK_COLD void pk_lock_wait(struct pk_lock *lock) {
    for (int i = 0; i < SPINS; i++) {
        uint32_t expected = 0;
        if (__atomic_load_n(&lock->word, __ATOMIC_RELAXED) == 0 &&
            __atomic_compare_exchange_n(&lock->word, &expected, 1, 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
            return;
        }
#if defined(__x86_64__)
        __builtin_ia32_pause();
#endif
    }
    while (__atomic_exchange_n(&lock->word, 2, __ATOMIC_ACQUIRE) != 0) {
        (void)pk_sys_futex_wait(&lock->word, 2);
    }
}

PK_COLD void pk_lock_wake(struct pk_lock *lock) {
    (void)pk_sys_futex_wake(&lock->word, 1);
}
