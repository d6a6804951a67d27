/* SPDX-License-Identifier: Apache-2.0
 * Interception of the map functions. What a descriptor is (memory in disguise or an ordinary file)
 * is asked here, because only here it is at hand; what counts is the ledger's business.
 *
 * Unlike malloc these are plain system calls, which a signal handler may use, and which it may
 * interrupt and leave by siglongjmp(). So signals wait while we record: two system calls more,
 * where the call itself costs more than both.
 *
 * What a call gives back (munmap, mremap) may be handed to another thread before the call returns
 * to us, and a failing call changes nothing: such a call is made with signals held and under the
 * ledger's lock, recorded by its result, and whoever got the range next is recorded after it. A new
 * map is nobody else's, so mmap is recorded when it is there. */
#undef _FILE_OFFSET_BITS // with it glibc's headers turn mmap into mmap64, and we define both
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>

#include "base/attr.h"
#include "base/sys.h"
#include "runtime/real.h"
#include "runtime/runtime.h"
#include "runtime/track.h"

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4 // Linux 5.7; glibc before 2.32 does not name it
#endif

#define FILE_WRITABLE 1u
#define FILE_SHARED 2u
#define FILE_NORESERVE 4u

// Enters the runtime with signals held, and says which ones were held before.
static uint64_t begin(struct pk_thread *self) {
    uint64_t before = pk_sys_hold_signals();
    self->open = 0;
    return before;
}

static void end(struct pk_thread *self, uint64_t before) {
    self->open = 1;
    pk_sys_release_signals(before);
}

// The path behind a descriptor, "" when unknown. Writes "/proc/self/fd/N" without libc.
static void descriptor_path(int fd, char *path, size_t size) {
    char link[32] = "/proc/self/fd/"; // zeros behind it
    (void)pk_sys_decimal((uint32_t)fd, link + strlen(link));
    long bytes = pk_sys6(SYS_readlinkat, AT_FDCWD, (long)link, (long)path, (long)size - 1, 0, 0);
    path[bytes < 0 ? 0 : bytes] = '\0';
}

static bool starts_with(const char *text, const char *start) {
    return strncmp(text, start, strlen(start)) == 0;
}

static void note_map(struct pk_thread *self, void *address, size_t length, int protection,
                     int flags, int fd) {
    bool usable = (protection & (PROT_READ | PROT_WRITE)) != 0;
    uint32_t about = ((protection & PROT_WRITE) != 0 ? FILE_WRITABLE : 0) |
                     ((flags & MAP_SHARED) != 0 ? FILE_SHARED : 0);
    if ((flags & MAP_ANONYMOUS) != 0) {
        bool sparse = (flags & MAP_NORESERVE) != 0 && usable;
        pk_track_map(self, (uintptr_t)address, length, sparse ? PK_MAP_NORESERVE : PK_MAP_MEMORY,
                     usable, sparse ? "[reserved without memory]" : NULL, about | FILE_NORESERVE);
        return;
    }
    char path[1024];
    descriptor_path(fd, path, sizeof path);
    bool memory = starts_with(path, "/memfd:") || starts_with(path, "/dev/shm/") ||
                  strcmp(path, "/dev/zero") == 0;
    pk_track_map(self, (uintptr_t)address, length, memory ? PK_MAP_MEMORY : PK_MAP_FILE, usable,
                 path[0] == '\0' ? "[unknown file]" : path, about);
}

static void *map(void *address, size_t length, int protection, int flags, int fd, off_t offset) {
    struct pk_thread *self = pk_thread_current();
    if (PK_UNLIKELY(pk_real.mmap == NULL)) {
        pk_real_resolve();
    }
    if (PK_UNLIKELY(self == NULL)) {
        return pk_real.mmap(address, length, protection, flags, fd, offset);
    }
    void *result = pk_real.mmap(address, length, protection, flags, fd, offset);
    uint64_t signals = begin(self);
    if (result != MAP_FAILED) {
        note_map(self, result, length, protection, flags, fd);
    } else if (errno == ENOMEM) {
        pk_track_failed(self, length);
    }
    end(self, signals);
    return result;
}

PK_EXPORT void *mmap(void *address, size_t length, int protection, int flags, int fd,
                     off_t offset) {
    return map(address, length, protection, flags, fd, offset);
}

PK_EXPORT void *mmap64(void *address, size_t length, int protection, int flags, int fd,
                       off64_t offset) {
    return map(address, length, protection, flags, fd, offset);
}

PK_EXPORT int munmap(void *address, size_t length) {
    struct pk_thread *self = pk_thread_current();
    if (PK_UNLIKELY(pk_real.munmap == NULL)) {
        pk_real_resolve();
    }
    if (PK_UNLIKELY(self == NULL)) {
        return pk_real.munmap(address, length);
    }
    uint64_t signals = begin(self);
    pk_track_hold(self);
    int result = pk_real.munmap(address, length);
    if (result == 0) {
        pk_track_unmap((uintptr_t)address, length);
    }
    pk_track_let_go(self);
    end(self, signals);
    return result;
}

PK_EXPORT void *mremap(void *old, size_t old_length, size_t length, int flags, ...) {
    va_list list;
    va_start(list, flags);
    // With MREMAP_DONTUNMAP alone it is a hint.
    void *wanted = (flags & (MREMAP_FIXED | MREMAP_DONTUNMAP)) != 0 ? va_arg(list, void *) : NULL;
    va_end(list);
    struct pk_thread *self = pk_thread_current();
    if (PK_UNLIKELY(pk_real.mremap == NULL)) {
        pk_real_resolve();
    }
    if (PK_UNLIKELY(self == NULL)) {
        return pk_real.mremap(old, old_length, length, flags, wanted);
    }
    uint64_t signals = begin(self);
    uint32_t node = pk_track_hold(self);
    void *result = pk_real.mremap(old, old_length, length, flags, wanted);
    if (result != MAP_FAILED) {
        pk_track_remap(node, (uintptr_t)old, old_length, (uintptr_t)result, length);
    }
    pk_track_let_go(self);
    if (result == MAP_FAILED && errno == ENOMEM) {
        pk_track_failed(self, length);
    }
    end(self, signals);
    return result;
}

PK_EXPORT int mprotect(void *address, size_t length, int protection) {
    struct pk_thread *self = pk_thread_current();
    if (PK_UNLIKELY(pk_real.mprotect == NULL)) {
        pk_real_resolve();
    }
    if (PK_UNLIKELY(self == NULL)) {
        return pk_real.mprotect(address, length, protection);
    }
    uint64_t signals = begin(self);
    pk_track_hold(self); // of two threads that change one range, the last one is recorded last
    int result = pk_real.mprotect(address, length, protection);
    if (result == 0) {
        pk_track_protect((uintptr_t)address, length, (protection & (PROT_READ | PROT_WRITE)) != 0);
    }
    pk_track_let_go(self);
    end(self, signals);
    return result;
}
