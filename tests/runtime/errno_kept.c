/* SPDX-License-Identifier: Apache-2.0
 * Calls every function the runtime stands in front of, where it succeeds and where it fails, and
 * prints what it returned and what became of errno. The output must be the same with and without
 * the runtime. */
#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fake_interpreter.h"

#define MARK 77 /* no call here sets this error */
#define HUGE_SIZE ((size_t)PTRDIFF_MAX - 4096)

static volatile size_t huge = HUGE_SIZE;

#define SHOW(name, call) \
    do { \
        errno = MARK; \
        int fine_ = (call); \
        int error_ = errno; \
        printf("%s: %s, errno %d\n", name, fine_ ? "fine" : "failed", error_); \
    } while (0)

static void heap(const char *where) {
    void *block = NULL;
    void *other = NULL;
    printf("heap, %s\n", where);
    SHOW("malloc", (block = malloc(100)) != NULL);
    SHOW("realloc", (block = realloc(block, 100000)) != NULL);
    SHOW("realloc of a map", (block = realloc(block, 5000000)) != NULL);
    SHOW("realloc too large", realloc(block, huge) != NULL);
    SHOW("reallocarray", (block = reallocarray(block, 10, 100)) != NULL);
    SHOW("reallocarray too large", reallocarray(block, huge, 100) != NULL);
    SHOW("free", (free(block), 1));
    SHOW("free of nothing", (free(NULL), 1));
    SHOW("malloc too large", malloc(huge) != NULL);
    SHOW("calloc", (block = calloc(10, 10)) != NULL);
    SHOW("calloc too large", calloc(huge, 10) != NULL);
    SHOW("realloc to nothing", realloc(block, 0) == NULL);
    SHOW("posix_memalign", posix_memalign(&other, 64, 100) == 0);
    free(other);
    other = NULL;
    SHOW("posix_memalign, bad alignment", posix_memalign(&other, 3, 100) == 0);
    SHOW("posix_memalign too large", posix_memalign(&other, 64, huge) == 0);
    SHOW("aligned_alloc", (other = aligned_alloc(64, 128)) != NULL);
    free(other);
    SHOW("aligned_alloc too large", aligned_alloc(64, huge & ~(size_t)63) != NULL);
    SHOW("memalign", (other = memalign(64, 100)) != NULL);
    free(other);
    SHOW("memalign too large", memalign(64, huge) != NULL);
    SHOW("valloc", (other = valloc(100)) != NULL);
    free(other);
    SHOW("valloc too large", valloc(huge) != NULL);
    SHOW("pvalloc", (other = pvalloc(100)) != NULL);
    free(other);
    SHOW("pvalloc too large", pvalloc(huge) != NULL);
}

static void maps(void) {
    size_t page = 4096;
    char *map = NULL;
    SHOW("mmap", (map = mmap(NULL, 4 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                             -1, 0)) != MAP_FAILED);
    SHOW("mprotect", mprotect(map, page, PROT_READ) == 0);
    SHOW("mprotect askew", mprotect(map + 1, page, PROT_READ) == 0);
    SHOW("mremap", (map = mremap(map, 4 * page, 16 * page, MREMAP_MAYMOVE)) != MAP_FAILED);
    SHOW("mremap in place, too large", mremap(map, 16 * page, (size_t)1 << 46, 0) != MAP_FAILED);
    SHOW("munmap", munmap(map, 16 * page) == 0);
    SHOW("munmap askew", munmap((void *)1, page) == 0);
    SHOW("munmap of nothing", munmap(map, 0) == 0);
    SHOW("mmap of a bad descriptor",
         mmap(NULL, page, PROT_READ, MAP_PRIVATE, 12345, 0) != MAP_FAILED);
    SHOW("mmap too large",
         mmap(NULL, huge, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED);
    SHOW("mmap64",
         (map = mmap64(NULL, page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)) != MAP_FAILED);
    munmap(map, page);
}

// The first thing this thread does is an allocation: the runtime meets it there.
static void *first_words(void *context) {
    errno = MARK;
    void *block = malloc(10);
    int error = errno;
    free(block);
    printf("first malloc of a %s: errno %d\n", (const char *)context, error);
    heap("thread");
    return NULL;
}

static void *nothing(void *context) {
    return context;
}

int main(void) {
    pthread_t thread;
    printf("errno at the start of main: %d\n", errno);
    const char *old = dlerror();
    printf("dlerror at the start of main: %s\n", old == NULL ? "none" : old);
    heap("main");
    maps();
    errno = MARK;
    int result = pthread_create(&thread, NULL, first_words, "thread");
    int error = errno;
    pthread_join(thread, NULL); // it prints, too
    printf("pthread_create: %d, errno %d\n", result, error);
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, (size_t)1 << 46); // no such address space
    SHOW("pthread_create, no room", pthread_create(&thread, &attributes, nothing, NULL) == 0);
    SHOW("dlopen", dlopen("libc.so.6", RTLD_NOW) != NULL);
    SHOW("dlopen of nothing", dlopen("/nonexistent/library.so", RTLD_NOW) != NULL);
    printf("dlerror: %s\n", dlerror());
    return 0;
}
