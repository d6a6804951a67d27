/* SPDX-License-Identifier: Apache-2.0
 * A clock in nanoseconds. Through libc, which reads it without a system call. */
#pragma once

#include <stdint.h>
#include <time.h>

static inline uint64_t pk_clock_ns(clockid_t clock) {
    struct timespec now;
    (void)clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}
