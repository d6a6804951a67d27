/* SPDX-License-Identifier: Apache-2.0
 * One function for each way to get memory from C, called by tests/e2e/targets/routes.py through
 * ctypes. Each leaves exactly what its comment says, and keeps it in `kept`, so that nothing is
 * made in Python for it. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))
#define PAGE ((size_t)4096)
#define ANONYMOUS (MAP_PRIVATE | MAP_ANONYMOUS)

static void *kept[256];
static int kept_count;

// A failed route shows itself: nothing else of a target ends the process with 99.
static void *keep(void *block) {
    if (block == NULL || block == MAP_FAILED) {
        _exit(99);
    }
    kept[kept_count++] = block;
    return block;
}

// ---- blocks: each holds `size` bytes ------------------------------------------------------------

EXPORT void by_malloc(size_t size) {
    keep(malloc(size));
}

EXPORT void by_calloc(size_t size) {
    keep(calloc(size / 7, 7)); // a multiple of 7
}

EXPORT void by_realloc_of_null(size_t size) {
    keep(realloc(NULL, size));
}

EXPORT void by_reallocarray(size_t size) {
    keep(reallocarray(NULL, size / 3, 3)); // a multiple of 3
}

EXPORT void by_posix_memalign(size_t size) {
    void *block = NULL;
    keep(posix_memalign(&block, 256, size) == 0 ? block : NULL);
}

EXPORT void by_aligned_alloc(size_t size) {
    keep(aligned_alloc(64, size));
}

EXPORT void by_memalign(size_t size) {
    keep(memalign(PAGE, size));
}

EXPORT void by_valloc(size_t size) {
    keep(valloc(size));
}

EXPORT void by_pvalloc(size_t size) {
    keep(pvalloc(size));
}

EXPORT void by_strdup(size_t size) {
    char *text = malloc(size);
    memset(text, 'a', size - 1);
    text[size - 1] = '\0';
    keep(strdup(text));
    free(text);
}

static size_t getline_room;

EXPORT size_t room_of_getline(void) {
    return getline_room;
}

EXPORT void by_getline(size_t size) { // a line of `size`, whose buffer has room_of_getline()
    int ends[2];
    if (pipe(ends) != 0) {
        _exit(99);
    }
    FILE *file = fdopen(ends[0], "r");
    for (size_t i = 0; i < size; i++) {
        (void)!write(ends[1], "a", 1);
    }
    close(ends[1]);
    char *line = NULL;
    size_t room = 0;
    if (getline(&line, &room, file) != (ssize_t)size) {
        _exit(99);
    }
    keep(line);
    fclose(file);
    getline_room = room;
}

// Frees in every way there is: nothing is left.
EXPORT void by_free(size_t size) {
    void (*sized)(void *, size_t) = (void (*)(void *, size_t))dlsym(RTLD_DEFAULT, "free_sized");
    void (*aligned)(void *, size_t, size_t) =
        (void (*)(void *, size_t, size_t))dlsym(RTLD_DEFAULT, "free_aligned_sized");
    void *volatile block = malloc(size);
    free(block);
    block = malloc(size);
    sized != NULL ? sized(block, size) : free(block);
    block = aligned_alloc(64, size);
    aligned != NULL ? aligned(block, 64, size) : free(block);
    block = malloc(size);
    if (malloc_usable_size(block) < size) {
        _exit(99);
    }
    block = realloc(block, 2 * size);
    block = realloc(block, 0); // glibc frees
    free(block);
}

EXPORT void by_nothing(size_t size) { // requests of no bytes: blocks all the same, three of them
    (void)size;
    keep(malloc(0));
    keep(calloc(0, 5));
    keep(realloc(NULL, 0));
}

// ---- resizes: `size` is the last request --------------------------------------------------------

EXPORT void by_growing(size_t size) {
    void *block = malloc(size / 2);
    keep(realloc(block, size));
}

EXPORT void by_shrinking(size_t size) {
    void *block = malloc(size * 3);
    keep(realloc(block, size));
}

EXPORT void by_failing_resize(size_t size) {
    void *block = keep(malloc(size));
    if (realloc(block, SIZE_MAX / 4) != NULL) {
        _exit(99);
    }
}

EXPORT void by_failing(size_t size) {
    void *volatile block = malloc(size);
    if (block != NULL) {
        _exit(99);
    }
}

EXPORT void by_overflowing(void) {
    volatile size_t many = SIZE_MAX / 2;
    void *volatile block = calloc(many, 3);
    void *volatile other = reallocarray(NULL, many, 3);
    if (block != NULL || other != NULL) {
        _exit(99);
    }
}

// For the moment of a resize itself, when it is the peak of the run.
static void *pieces[2];

EXPORT void resize_begin(size_t size, int in_heap) {
    if (in_heap) { // one chunk in the heap, with a neighbour behind it: growing must copy
        mallopt(M_MMAP_THRESHOLD, 1 << 30);
    }
    pieces[0] = keep(malloc(size));
    pieces[1] = in_heap == 1 ? keep(malloc(2000003)) : NULL;
}

// 1: it moved.
EXPORT int resize_end(size_t size) {
    uintptr_t old = (uintptr_t)pieces[0];
    return (uintptr_t)keep(realloc(pieces[0], size)) != old;
}

// ---- maps: `size` is a multiple of 16 pages -----------------------------------------------------

static void *map(size_t size) {
    return mmap(NULL, size, PROT_READ | PROT_WRITE, ANONYMOUS, -1, 0);
}

EXPORT void by_mmap(size_t size) {
    keep(map(size));
}

EXPORT void by_mmap64(size_t size) {
    keep(mmap64(NULL, size, PROT_READ | PROT_WRITE, ANONYMOUS, -1, 0));
}

EXPORT void by_odd_mmap(size_t size) { // the kernel gives whole pages
    keep(map(size - 1));
}

EXPORT void by_memfd(size_t size) {
    int fd = memfd_create("routes", 0);
    (void)!ftruncate(fd, (off_t)size);
    keep(mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
    close(fd);
}

EXPORT void by_shm_open(size_t size) {
    char name[64];
    snprintf(name, sizeof name, "/peakline-routes-%d", (int)getpid());
    int fd = shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
    (void)!ftruncate(fd, (off_t)size);
    keep(mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
    shm_unlink(name);
    close(fd);
}

EXPORT void by_dev_zero(size_t size) {
    int fd = open("/dev/zero", O_RDWR);
    keep(mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0));
    close(fd);
}

EXPORT void by_shared_anonymous(size_t size) {
    keep(mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
}

// the second replaces the middle of the first: `size` stays
EXPORT void by_fixed_over(size_t size) {
    char *old = keep(map(size));
    keep(mmap(old + size / 4, size / 2, PROT_READ | PROT_WRITE, ANONYMOUS | MAP_FIXED, -1, 0));
}

EXPORT void by_partial_unmap(size_t size) { // twice `size`, without its first and last quarter
    char *old = map(2 * size);
    munmap(old, size / 2);
    munmap(old + size + size / 2, size / 2);
    keep(old + size / 2);
}

EXPORT void by_hole(size_t size) { // twice `size`, without its middle
    char *old = keep(map(2 * size));
    munmap(old + size / 2, size);
}

EXPORT void by_unmap_of_two(size_t size) { // one unmap over the edges of two maps
    char *space = mmap(NULL, 2 * size, PROT_NONE, ANONYMOUS | MAP_NORESERVE, -1, 0);
    keep(mmap(space, size, PROT_READ | PROT_WRITE, ANONYMOUS | MAP_FIXED, -1, 0));
    keep(mmap(space + size, size, PROT_READ | PROT_WRITE, ANONYMOUS | MAP_FIXED, -1, 0));
    munmap(space + size / 2, size);
}

EXPORT void by_mremap_grow(size_t size) {
    void *old = map(size / 4);
    keep(mremap(old, size / 4, size, MREMAP_MAYMOVE));
}

EXPORT void by_mremap_shrink(size_t size) {
    keep(mremap(map(size * 2), size * 2, size, 0));
}

EXPORT void by_mremap_move(size_t size) { // to a fixed place, over another map
    void *place = map(size);
    keep(mremap(map(size / 2), size / 2, size, MREMAP_MAYMOVE | MREMAP_FIXED, place));
}

EXPORT void by_mremap_failing(size_t size) { // may not move, and something is in the way
    char *space = mmap(NULL, size + PAGE, PROT_READ | PROT_WRITE, ANONYMOUS, -1, 0);
    if (mremap(space, size, size + 2 * PAGE, 0) != MAP_FAILED) {
        _exit(99);
    }
    munmap(space + size, PAGE);
    keep(space);
}

EXPORT void by_mprotect(size_t size) { // four times `size` reserved, a quarter of it made usable
    char *space = keep(mmap(NULL, 4 * size, PROT_NONE, ANONYMOUS, -1, 0));
    mprotect(space + size, size, PROT_READ | PROT_WRITE);
}

EXPORT void by_mprotect_back(size_t size) { // usable, then half of it taken away again
    char *space = keep(map(2 * size));
    mprotect(space, size, PROT_NONE);
}

// read-only memory is memory: zeros, or what was written before
EXPORT void by_read_only(size_t size) {
    char *space = keep(map(size));
    mprotect(space, size, PROT_READ);
}

EXPORT void by_reserving(size_t size) { // nothing
    keep(mmap(NULL, size, PROT_NONE, ANONYMOUS, -1, 0));
}

EXPORT void by_noreserve(size_t size) { // nothing; listed
    keep(mmap(NULL, size, PROT_READ | PROT_WRITE, ANONYMOUS | MAP_NORESERVE, -1, 0));
}

EXPORT void by_file(size_t size, const char *path) { // nothing; listed
    int fd = open(path, O_RDWR | O_CREAT, 0600);
    (void)!ftruncate(fd, (off_t)size);
    keep(mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
    close(fd);
}

EXPORT void by_bad_calls(size_t size) { // calls that fail change nothing: `size` stays
    char *space = keep(map(size));
    (void)munmap(space + 1, size);
    (void)munmap(space, 0);
    (void)mmap(space, size, PROT_READ, ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    (void)mmap(NULL, size, PROT_READ, MAP_SHARED, -1, 0);
    (void)mprotect(space + 1, size, PROT_NONE);
    (void)mremap(space + 1, size, size / 2, 0);
}
