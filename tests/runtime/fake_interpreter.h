/* SPDX-License-Identifier: Apache-2.0
 * The face of an interpreter, so that a plain C program is recorded: the three symbols the runtime
 * looks for. No layout fits its version, so every event goes to "[unknown Python stack]" and only
 * the counting is at test. Included by one file of each program, which must be linked with
 * -rdynamic. */
#pragma once

#include <stddef.h>
#include <stdlib.h>

struct fake_allocator {
    void *context;
    void *(*malloc)(void *, size_t);
    void *(*calloc)(void *, size_t, size_t);
    void *(*realloc)(void *, void *, size_t);
    void (*free)(void *, void *);
};

void PyMem_GetAllocator(int domain, struct fake_allocator *ret_allocator);
void PyMem_SetAllocator(int domain, const struct fake_allocator *allocator);
const char *Py_GetVersion(void);

static void *fake_malloc(void *context, size_t size) {
    (void)context;
    return malloc(size);
}

static void *fake_calloc(void *context, size_t count, size_t size) {
    (void)context;
    return calloc(count, size);
}

static void *fake_realloc(void *context, void *block, size_t size) {
    (void)context;
    return realloc(block, size);
}

static void fake_free(void *context, void *block) {
    (void)context;
    free(block);
}

void PyMem_GetAllocator(int domain, struct fake_allocator *ret_allocator) {
    (void)domain;
    *ret_allocator =
        (struct fake_allocator){NULL, fake_malloc, fake_calloc, fake_realloc, fake_free};
}

void PyMem_SetAllocator(int domain, const struct fake_allocator *allocator) {
    (void)domain;
    (void)allocator;
}

const char *Py_GetVersion(void) {
    return "99.0.0 (no interpreter at all)";
}
