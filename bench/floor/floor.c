/* SPDX-License-Identifier: Apache-2.0
 * The floor: the least that any tool of this kind can do. A preloaded library which wraps CPython's
 * three allocator domains and interposes the C allocation functions, and only counts bytes: no
 * stack, no block index, no lock. Built twice: as it is (timed), and with -DFLOOR_CENSUS (never
 * timed), which also counts the events and the most blocks ever live at once and writes them to the
 * file named by BENCH_CENSUS.
 * May use: libc. Must stay true: nothing is allocated here, and each byte is counted at one level
 * only. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* As in CPython's pymem.h since 3.5. */
struct py_allocator {
    void *ctx;
    void *(*malloc)(void *ctx, size_t size);
    void *(*calloc)(void *ctx, size_t count, size_t size);
    void *(*realloc)(void *ctx, void *old, size_t size);
    void (*free)(void *ctx, void *block);
};

enum {
    DOMAIN_RAW,
    DOMAIN_MEM,
    DOMAIN_OBJ,
    DOMAIN_COUNT
};

extern void PyMem_GetAllocator(int domain, struct py_allocator *ret_allocator)
    __attribute__((weak));
extern void PyMem_SetAllocator(int domain, struct py_allocator *allocator) __attribute__((weak));

/* glibc's own names for the functions behind the interposed ones: no dlsym, which would allocate.
 * */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
void __libc_free(void *block);

#define THREAD_LOCAL __thread __attribute__((tls_model("initial-exec")))

/* Visible from outside, though nobody reads it: the compiler would drop a counter that only it can
 * see. */
extern THREAD_LOCAL uint64_t bench_floor_bytes;
THREAD_LOCAL uint64_t bench_floor_bytes;
/* Set while a Python domain calls inwards, so that obj -> raw -> malloc counts once. */
static THREAD_LOCAL bool inside;

static struct py_allocator inner[DOMAIN_COUNT];

#ifdef FLOOR_CENSUS

static uint64_t events;
static uint64_t all_bytes;
static int64_t live;
static int64_t most_live;

static void count_alloc(size_t size) {
    bench_floor_bytes += size;
    __atomic_fetch_add(&events, 1, __ATOMIC_RELAXED);
    __atomic_fetch_add(&all_bytes, size, __ATOMIC_RELAXED);
    int64_t now = __atomic_add_fetch(&live, 1, __ATOMIC_RELAXED);
    int64_t most = __atomic_load_n(&most_live, __ATOMIC_RELAXED);
    while (now > most && !__atomic_compare_exchange_n(&most_live, &most, now, true,
                                                      __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
    }
}

static void count_free(const void *block) {
    if (block) {
        __atomic_fetch_add(&events, 1, __ATOMIC_RELAXED);
        __atomic_fetch_sub(&live, 1, __ATOMIC_RELAXED);
    }
}

/* A resize is one event, and the block that was there is no longer live. */
static void count_resize(const void *old, size_t size) {
    if (old) {
        __atomic_fetch_sub(&live, 1, __ATOMIC_RELAXED);
    }
    count_alloc(size);
}

__attribute__((destructor)) static void write_census(void) {
    const char *path = getenv("BENCH_CENSUS");
    if (!path || !PyMem_SetAllocator) {
        return;
    }
    char line[160];
    int length =
        snprintf(line, sizeof(line), "{\"events\": %llu, \"bytes\": %llu, \"most_live\": %lld}\n",
                 (unsigned long long)events, (unsigned long long)all_bytes, (long long)most_live);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd >= 0) {
        if (write(fd, line, (size_t)length) != length) {
            unlink(path);
        }
        close(fd);
    }
}

#else

static inline void count_alloc(size_t size) {
    bench_floor_bytes += size;
}

static inline void count_free(const void *block) {
    (void)block;
}

static inline void count_resize(const void *old, size_t size) {
    (void)old;
    count_alloc(size);
}

#endif

/* The Python domains. ctx is the allocator that was there before. */

static void *wrap_malloc(void *ctx, size_t size) {
    const struct py_allocator *next = ctx;
    if (inside) {
        return next->malloc(next->ctx, size);
    }
    inside = true;
    void *block = next->malloc(next->ctx, size);
    inside = false;
    count_alloc(size);
    return block;
}

static void *wrap_calloc(void *ctx, size_t count, size_t size) {
    const struct py_allocator *next = ctx;
    if (inside) {
        return next->calloc(next->ctx, count, size);
    }
    inside = true;
    void *block = next->calloc(next->ctx, count, size);
    inside = false;
    count_alloc(count * size);
    return block;
}

static void *wrap_realloc(void *ctx, void *old, size_t size) {
    const struct py_allocator *next = ctx;
    if (inside) {
        return next->realloc(next->ctx, old, size);
    }
    inside = true;
    void *block = next->realloc(next->ctx, old, size);
    inside = false;
    count_resize(old, size);
    return block;
}

static void wrap_free(void *ctx, void *block) {
    const struct py_allocator *next = ctx;
    if (inside) {
        next->free(next->ctx, block);
        return;
    }
    count_free(block);
    inside = true;
    next->free(next->ctx, block);
    inside = false;
}

__attribute__((constructor)) static void wrap_domains(void) {
    if (!PyMem_GetAllocator || !PyMem_SetAllocator) {
        return;
    }
    for (int domain = 0; domain < DOMAIN_COUNT; domain++) {
        PyMem_GetAllocator(domain, &inner[domain]);
        struct py_allocator ours = {
            &inner[domain], wrap_malloc, wrap_calloc, wrap_realloc, wrap_free,
        };
        PyMem_SetAllocator(domain, &ours);
    }
}

/* The C functions. */

void *malloc(size_t size) {
    if (!inside) {
        count_alloc(size);
    }
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size) {
    if (!inside) {
        count_alloc(count * size);
    }
    return __libc_calloc(count, size);
}

void *realloc(void *old, size_t size) {
    if (!inside) {
        count_resize(old, size);
    }
    return __libc_realloc(old, size);
}

void free(void *block) {
    if (!inside) {
        count_free(block);
    }
    __libc_free(block);
}

void *memalign(size_t alignment, size_t size) {
    if (!inside) {
        count_alloc(size);
    }
    return __libc_memalign(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size) {
    return memalign(alignment, size);
}

int posix_memalign(void **ret_block, size_t alignment, size_t size) {
    if (alignment < sizeof(void *) || (alignment & (alignment - 1)) != 0) {
        return EINVAL;
    }
    void *block = memalign(alignment, size);
    if (!block) {
        return ENOMEM;
    }
    *ret_block = block;
    return 0;
}
