/* SPDX-License-Identifier: Apache-2.0
 * Interception of the C allocation functions. No logic about profiling here: get the real function,
 * tell track.h, return. C++ new, Fortran, Rust, strdup, getline and the like arrive here by
 * themselves. */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

#include "base/attr.h"
#include "runtime/hooks.h"
#include "runtime/real.h"
#include "runtime/track.h"

static inline void *allocated(struct pk_thread *self, void *block, size_t size) {
    if (PK_LIKELY(block != NULL)) {
        pk_track_alloc(self, (uintptr_t)block, size, 0, false);
    } else {
        pk_track_failed(self, size);
    }
    self->open = 1;
    return block;
}

PK_EXPORT void *malloc(size_t size) {
    struct pk_thread *self = pk_thread_current();
    if (PK_UNLIKELY(self == NULL)) {
        return pk_real.malloc(size);
    }
    self->open = 0;
    return allocated(self, pk_real.malloc(size), size);
}

PK_EXPORT void *calloc(size_t count, size_t size) {
    struct pk_thread *self = pk_thread_current();
    if (PK_UNLIKELY(self == NULL)) {
        return pk_real.calloc(count, size);
    }
    self->open = 0;
    void *block = pk_real.calloc(count, size);
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes)) {
        bytes = SIZE_MAX; // the call failed
    }
    return allocated(self, block, bytes);
}

PK_EXPORT void free(void *block) {
    if (PK_UNLIKELY(block == NULL || pk_real_is_bootstrap(block))) {
        return;
    }
    struct pk_thread *self = pk_thread_current();
    if (PK_UNLIKELY(self == NULL)) {
        pk_real.free(block);
        return;
    }
    self->open = 0;
    pk_track_free(self, (uintptr_t)block);
    pk_real.free(block);
    self->open = 1;
}

// glibc marks chunks that are maps of their own: growing one moves pages and copies nothing.
static inline bool is_mapped_chunk(const void *block) {
    return pk_real.glibc_malloc && (((const size_t *)block)[-1] & 2u) != 0;
}

// The real call, noting in `self` whether a block moved without both copies ever being there.
static void *resize_real(struct pk_thread *self, void *old, size_t size) {
    bool was_mapped = is_mapped_chunk(old);
    void *block = pk_real.realloc(old, size);
    self->moved_pages = was_mapped && block != NULL && block != old && is_mapped_chunk(block);
    return block;
}

static void *resize(struct pk_thread *self, void *old, size_t size) {
    self->open = 0;
    if (old == NULL) {
        return allocated(self, pk_real.realloc(NULL, size), size);
    }
    if (size == 0) { // frees, and may or may not return a new empty block
        pk_track_free(self, (uintptr_t)old);
        void *block = pk_real.realloc(old, 0);
        if (block != NULL) {
            pk_track_alloc(self, (uintptr_t)block, 0, 0, false);
        }
        self->open = 1;
        return block;
    }
    struct pk_block known = pk_track_resize_begin(self, (uintptr_t)old);
    void *block = resize_real(self, old, size);
    if (PK_UNLIKELY(block == NULL)) {
        pk_track_resize_abort(self, known, (uintptr_t)old);
        pk_track_failed(self, size);
    } else {
        bool copied = block != old && !self->moved_pages;
        pk_track_resize_commit(self, known, (uintptr_t)block, size, 0, false, copied);
    }
    self->open = 1;
    return block;
}

PK_EXPORT void *realloc(void *old, size_t size) {
    struct pk_thread *self = pk_thread_current();
    if (PK_LIKELY(self != NULL && !pk_real_is_bootstrap(old))) {
        return resize(self, old, size);
    }
    if (pk_self != &pk_thread_blank && old != NULL && size != 0 && !pk_real_is_bootstrap(old)) {
        // below Python's allocators: they ask about moved_pages
        return resize_real(pk_self, old, size);
    }
    if (PK_UNLIKELY(pk_real_is_bootstrap(old))) {
        return pk_real_from_bootstrap(old, size);
    }
    return pk_real.realloc(old, size);
}

PK_EXPORT void *reallocarray(void *old, size_t count, size_t size) {
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes)) {
        struct pk_thread *self = pk_thread_current();
        if (self != NULL) {
            self->open = 0;
            (void)allocated(self, NULL, SIZE_MAX);
        }
        errno = ENOMEM;
        return NULL;
    }
    return realloc(old, bytes);
}

PK_EXPORT int posix_memalign(void **ret_block, size_t alignment, size_t size) {
    struct pk_thread *self = pk_thread_current();
    if (PK_UNLIKELY(pk_real.posix_memalign == NULL)) {
        pk_real_resolve();
    }
    if (PK_UNLIKELY(self == NULL)) {
        return pk_real.posix_memalign(ret_block, alignment, size);
    }
    self->open = 0;
    int result = pk_real.posix_memalign(ret_block, alignment, size);
    if (result == 0 && *ret_block != NULL) {
        pk_track_alloc(self, (uintptr_t)*ret_block, size, 0, false);
    } else if (result == ENOMEM) {
        pk_track_failed(self, size);
    }
    self->open = 1;
    return result;
}

PK_EXPORT void *aligned_alloc(size_t alignment, size_t size) {
    struct pk_thread *self = pk_thread_current();
    if (PK_UNLIKELY(pk_real.aligned_alloc == NULL)) {
        pk_real_resolve();
    }
    if (PK_UNLIKELY(self == NULL)) {
        return pk_real.aligned_alloc(alignment, size);
    }
    self->open = 0;
    return allocated(self, pk_real.aligned_alloc(alignment, size), size);
}

PK_EXPORT void *memalign(size_t alignment, size_t size) {
    struct pk_thread *self = pk_thread_current();
    if (PK_UNLIKELY(pk_real.memalign == NULL)) {
        pk_real_resolve();
    }
    if (PK_UNLIKELY(self == NULL)) {
        return pk_real.memalign(alignment, size);
    }
    self->open = 0;
    return allocated(self, pk_real.memalign(alignment, size), size);
}

PK_EXPORT void *valloc(size_t size) {
    struct pk_thread *self = pk_thread_current();
    if (PK_UNLIKELY(pk_real.valloc == NULL)) {
        pk_real_resolve();
    }
    if (PK_UNLIKELY(self == NULL)) {
        return pk_real.valloc(size);
    }
    self->open = 0;
    return allocated(self, pk_real.valloc(size), size);
}

PK_EXPORT void *pvalloc(size_t size) {
    struct pk_thread *self = pk_thread_current();
    if (PK_UNLIKELY(pk_real.pvalloc == NULL)) {
        pk_real_resolve();
    }
    if (PK_UNLIKELY(self == NULL)) {
        return pk_real.pvalloc(size);
    }
    self->open = 0;
    return allocated(self, pk_real.pvalloc(size), size);
}

// C23. Where libc has none, a program that asks whether they exist finds ours: they do what the
// standard allows.
PK_EXPORT void free_sized(void *block, size_t size) {
    (void)size;
    free(block);
}

PK_EXPORT void free_aligned_sized(void *block, size_t alignment, size_t size) {
    (void)alignment;
    (void)size;
    free(block);
}
