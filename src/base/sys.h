/* SPDX-License-Identifier: Apache-2.0
 * System calls without libc: the runtime must not pass through its own hooks (mmap, munmap), must
 * not touch errno, and runs before libc is ready. Each returns what the kernel returns: a result,
 * or a negative errno. The only file that knows the machine's calling convention. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>

#include "base/attr.h"

#if defined(__x86_64__)
PK_INLINE long pk_sys6(long number, long a, long b, long c, long d, long e, long f) {
    long result;
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}
#elif defined(__aarch64__)
PK_INLINE long pk_sys6(long number, long a, long b, long c, long d, long e, long f) {
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    register long x4 __asm__("x4") = e;
    register long x5 __asm__("x5") = f;
    __asm__ volatile("svc 0"
                     : "+r"(x0)
                     : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
                     : "memory");
    return x0;
}
#else
#error "peakline knows x86-64 and aarch64"
#endif

/* True for the kernel's error range, as an address or a result. */
PK_INLINE int pk_sys_failed(long result) {
    return (unsigned long)result >= (unsigned long)-4095L;
}

/* NULL on failure */
void *pk_sys_mmap(void *address, size_t length, int protection, int flags, int fd, long offset);
int pk_sys_munmap(void *address, size_t length);
int pk_sys_open(const char *path, int flags, unsigned mode);
int pk_sys_close(int fd);
long pk_sys_write(int fd, const void *buffer, size_t size);
long pk_sys_pwrite(int fd, const void *buffer, size_t size, uint64_t offset);
/* Really allocates [offset, offset + length) of a file: fallocate, or writing zeros where that is
 * not supported. 0 or negative errno (-ENOSPC, -EFBIG, -EDQUOT ...). The range must not hold data
 * yet. */
int pk_sys_reserve(int fd, uint64_t offset, uint64_t length);
/* 0 if a file of this process may be `bytes` long (RLIMIT_FSIZE), else -EFBIG. To be asked first:
 * the kernel answers a longer one with SIGXFSZ. */
int pk_sys_check_file_limit(uint64_t bytes);
int pk_sys_getpid(void);
int pk_sys_getppid(void);
int pk_sys_gettid(void);
/* Writes the number's digits, without a NUL, and returns how many: at most PK_SYS_DECIMAL. */
#define PK_SYS_DECIMAL 10u
size_t pk_sys_decimal(uint32_t number, char *ret_digits);
/* Does this thread of ours sleep in the kernel until something wakes it (state S)? A thread in the
 * middle of fork()'s own work does not. False if that cannot be told. */
int pk_sys_is_asleep(int tid);
/* Holds all signals of this thread but those of a fault, and returns which were held before; and
 * lets them go again. */
uint64_t pk_sys_hold_signals(void);
void pk_sys_release_signals(uint64_t before);
