/* SPDX-License-Identifier: Apache-2.0
 * A program that has the face of CPython's allocator API and nothing behind it: an interpreter that
 * no layout fits. FAKE_VERSION is what it says it is. Holds two blocks of known size and prints
 * "fine". */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct allocator {
    void *context;
    void *(*malloc)(void *, size_t);
    void *(*calloc)(void *, size_t, size_t);
    void *(*realloc)(void *, void *, size_t);
    void (*free)(void *, void *);
};

static void *raw_malloc(void *context, size_t size) {
    (void)context;
    return malloc(size);
}

static void *raw_calloc(void *context, size_t count, size_t size) {
    (void)context;
    return calloc(count, size);
}

static void *raw_realloc(void *context, void *block, size_t size) {
    (void)context;
    return realloc(block, size);
}

static void raw_free(void *context, void *block) {
    (void)context;
    free(block);
}

#define RAW \
    { NULL, raw_malloc, raw_calloc, raw_realloc, raw_free }
static struct allocator domains[3] = {RAW, RAW, RAW};
static int initialized;
static int pending;

__attribute__((visibility("default"))) unsigned long long _PyRuntime[512];

void PyMem_GetAllocator(int domain, struct allocator *ret_allocator);
void PyMem_SetAllocator(int domain, const struct allocator *allocator);
const char *Py_GetVersion(void);
int Py_IsInitialized(void);
int Py_AddPendingCall(int (*function)(void *), void *context);
void *PyGILState_GetThisThreadState(void);
void *_PyThreadState_UncheckedGet(void);

void PyMem_GetAllocator(int domain, struct allocator *ret_allocator) {
    *ret_allocator = domains[domain];
}

void PyMem_SetAllocator(int domain, const struct allocator *allocator) {
    domains[domain] = *allocator;
}

const char *Py_GetVersion(void) {
    return FAKE_VERSION;
}

int Py_IsInitialized(void) {
    return initialized;
}

int Py_AddPendingCall(int (*function)(void *), void *context) {
    (void)function;
    (void)context;
    pending++;
    return 0;
}

// A thread state full of addresses that must never be followed.
static char state[4096];

void *PyGILState_GetThisThreadState(void) {
    return initialized ? state : NULL;
}

void *_PyThreadState_UncheckedGet(void) {
    return initialized ? state : NULL;
}

int main(void) {
    memset(state, 0x5a, sizeof state);
    memset(_PyRuntime, 0x5a, sizeof _PyRuntime);
    initialized = 1;
    char *python = domains[2].malloc(domains[2].context, 3000017);
    char *native = malloc(2000003);
    memset(python, 1, 3000017);
    memset(native, 1, 2000003);
    puts("fine");
    domains[2].free(domains[2].context, python);
    free(native);
    return 7;
}
