/* SPDX-License-Identifier: Apache-2.0
 * What one allocation and its free cost, in nanoseconds: tight loops that hooks.py calls from
 * inside a Python program, since only Python programs are measured at all.
 * May use: libc, and CPython's allocators when they are in the process (called with the GIL held).
 * */
#define _GNU_SOURCE
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

extern void *PyObject_Malloc(size_t size) __attribute__((weak));
extern void PyObject_Free(void *block) __attribute__((weak));

enum {
    ROUTE_C,
    ROUTE_OBJECT
};

double bench_pairs(int route, size_t size, long count, long window);

static double now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

/* Allocate `window` blocks, then free them in the order they came, until `count` pairs are done. A
 * window of 1 hands the same block out again and again; a large one touches fresh addresses and
 * fresh cells of any index. Returns nanoseconds a pair, or -1 if memory ran out or the route is not
 * there. */
double bench_pairs(int route, size_t size, long count, long window) {
    /* Through pointers, and so never folded away by a compiler that knows what malloc and free
     * mean. */
    void *(*volatile get)(size_t) = route == ROUTE_OBJECT ? PyObject_Malloc : malloc;
    void (*volatile put)(void *) = route == ROUTE_OBJECT ? PyObject_Free : free;
    if (!get || !put || window < 1 || count < window) {
        return -1;
    }
    unsigned char **blocks = calloc((size_t)window, sizeof(*blocks));
    if (!blocks) {
        return -1;
    }
    long done = 0;
    double start = now_ns();
    while (done < count) {
        for (long i = 0; i < window; i++) {
            blocks[i] = get(size);
            if (!blocks[i]) {
                return -1;
            }
            blocks[i][0] = (unsigned char)i;
        }
        for (long i = 0; i < window; i++) {
            put(blocks[i]);
        }
        done += window;
    }
    double end = now_ns();
    free(blocks);
    return (end - start) / (double)done;
}
