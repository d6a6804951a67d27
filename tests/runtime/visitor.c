/* SPDX-License-Identifier: Apache-2.0
 * A library that is loaded and closed all the time: what it takes when it is loaded it gives back
 * when it is closed, and what keep() takes stays. */
#include <stdlib.h>
#include <sys/mman.h>

#define PAGES ((size_t)5 * 4096)

static void *block;
static void *map;

__attribute__((constructor)) static void arrive(void) {
    block = malloc(50021);
    map = mmap(NULL, PAGES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

__attribute__((destructor)) static void leave(void) {
    free(block);
    (void)munmap(map, PAGES);
}

void visit(void) {
    free(block);
    block = malloc(30011);
    (void)munmap(map, PAGES);
    map = mmap(NULL, PAGES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

void keep(size_t size) {
    *(volatile char *)malloc(size) = 1;
}
