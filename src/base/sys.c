/* SPDX-License-Identifier: Apache-2.0
 * See sys.h. */
#include "base/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "base/check.h"

void *pk_sys_mmap(void *address, size_t length, int protection, int flags, int fd, long offset) {
    long result = pk_sys6(SYS_mmap, (long)address, (long)length, protection, flags, fd, offset);
    return pk_sys_failed(result) ? NULL : (void *)result;
}

int pk_sys_munmap(void *address, size_t length) {
    return (int)pk_sys6(SYS_munmap, (long)address, (long)length, 0, 0, 0, 0);
}

int pk_sys_open(const char *path, int flags, unsigned mode) {
    return (int)pk_sys6(SYS_openat, AT_FDCWD, (long)path, flags, (long)mode, 0, 0);
}

int pk_sys_close(int fd) {
    return (int)pk_sys6(SYS_close, fd, 0, 0, 0, 0, 0);
}

long pk_sys_write(int fd, const void *buffer, size_t size) {
    long result;
    do {
        result = pk_sys6(SYS_write, fd, (long)buffer, (long)size, 0, 0, 0);
    } while (result == -EINTR);
    return result;
}

long pk_sys_pwrite(int fd, const void *buffer, size_t size, uint64_t offset) {
    long result;
    do {
        result = pk_sys6(SYS_pwrite64, fd, (long)buffer, (long)size, (long)offset, 0, 0);
    } while (result == -EINTR);
    return result;
}

int pk_sys_reserve(int fd, uint64_t offset, uint64_t length) {
    long result;
    do {
        result = pk_sys6(SYS_fallocate, fd, 0, (long)offset, (long)length, 0, 0);
    } while (result == -EINTR);
    if (result != -EOPNOTSUPP && result != -ENOSYS && result != -EINVAL) {
        return (int)result;
    }
    static const char zeros[4096];
    for (uint64_t done = 0; done < length;) {
        size_t step = length - done < sizeof zeros ? (size_t)(length - done) : sizeof zeros;
        result = pk_sys_pwrite(fd, zeros, step, offset + done);
        if (result <= 0) {
            return result == 0 ? -ENOSPC : (int)result;
        }
        done += (uint64_t)result;
    }
    return 0;
}

int pk_sys_check_file_limit(uint64_t bytes) {
    struct rlimit limit;
    long result = pk_sys6(SYS_prlimit64, 0, RLIMIT_FSIZE, 0, (long)&limit, 0, 0);
    return pk_sys_failed(result) || bytes <= limit.rlim_cur ? 0 : -EFBIG;
}

int pk_sys_getpid(void) {
    return (int)pk_sys6(SYS_getpid, 0, 0, 0, 0, 0, 0);
}

int pk_sys_getppid(void) {
    return (int)pk_sys6(SYS_getppid, 0, 0, 0, 0, 0, 0);
}

int pk_sys_gettid(void) {
    return (int)pk_sys6(SYS_gettid, 0, 0, 0, 0, 0, 0);
}

static uint64_t signal_bit(int number) {
    return (uint64_t)1 << (number - 1);
}

size_t pk_sys_decimal(uint32_t number, char *ret_digits) {
    size_t count = 1;
    for (uint32_t rest = number; rest >= 10; rest /= 10) {
        count++;
    }
    for (size_t i = count; i > 0; number /= 10) {
        ret_digits[--i] = (char)('0' + number % 10);
    }
    return count;
}

int pk_sys_is_asleep(int tid) {
    char path[48] = "/proc/self/task/", text[64];
    size_t at = strlen(path);
    at += pk_sys_decimal((uint32_t)tid, path + at);
    memcpy(path + at, "/stat", sizeof "/stat");
    int fd = pk_sys_open(path, O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0) {
        return 0;
    }
    // "TID (name of 15) S ..."
    long bytes = pk_sys6(SYS_read, fd, (long)text, sizeof text, 0, 0, 0);
    (void)pk_sys_close(fd);
    while (bytes > 0 && text[bytes - 1] != ')') {
        bytes--;
    }
    return bytes > 0 && bytes + 1 < (long)sizeof text && text[bytes + 1] == 'S';
}

uint64_t pk_sys_hold_signals(void) {
    uint64_t held = ~(signal_bit(SIGSEGV) | signal_bit(SIGBUS) | signal_bit(SIGFPE) |
                      signal_bit(SIGILL) | signal_bit(SIGTRAP));
    uint64_t before = 0;
    (void)pk_sys6(SYS_rt_sigprocmask, SIG_BLOCK, (long)&held, (long)&before, sizeof held, 0, 0);
    return before;
}

void pk_sys_release_signals(uint64_t before) {
    (void)pk_sys6(SYS_rt_sigprocmask, SIG_SETMASK, (long)&before, 0, sizeof before, 0, 0);
}

_Noreturn void pk_check_failed(const char *condition, const char *file, int line) {
    char digits[PK_SYS_DECIMAL];
    size_t count = pk_sys_decimal((uint32_t)line, digits);
    (void)pk_sys_write(2, "peakline: check failed: ", 24);
    (void)pk_sys_write(2, condition, strlen(condition));
    (void)pk_sys_write(2, " at ", 4);
    (void)pk_sys_write(2, file, strlen(file));
    (void)pk_sys_write(2, ":", 1);
    (void)pk_sys_write(2, digits, count);
    (void)pk_sys_write(2, "\n", 1);
    __builtin_trap();
}
