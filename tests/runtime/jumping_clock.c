/* SPDX-License-Identifier: Apache-2.0
 * Preloaded: each look at the clock that can be set sees it an hour before or after the last. All
 * else is the kernel's. */
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t clock, struct timespec *ret_time) {
    static int looks; /* atomic */
    int result = (int)syscall(SYS_clock_gettime, clock, ret_time);
    if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
        ret_time->tv_sec +=
            (__atomic_add_fetch(&looks, 1, __ATOMIC_RELAXED) & 1) != 0 ? 3600 : -3600;
    }
    return result;
}
