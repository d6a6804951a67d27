/* SPDX-License-Identifier: Apache-2.0
 * The loop behind malloc_threads.py: malloc and free, nothing else, in a window of live blocks.
 * May use: libc. Must stay true: same seed and count, same result. */
#include <stdint.h>
#include <stdlib.h>

#define WINDOW 256

uint64_t bench_churn(uint64_t seed, long count);

uint64_t bench_churn(uint64_t seed, long count) {
    unsigned char *window[WINDOW] = {0};
    uint64_t state = seed * 0x9e3779b97f4a7c15u;
    uint64_t sum = 0;
    for (long i = 0; i < count; i++) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        size_t slot = (size_t)(state % WINDOW);
        if (window[slot]) {
            sum += window[slot][0];
            free(window[slot]);
        }
        size_t size = 16 + (size_t)((state >> 20) % 240);
        window[slot] = malloc(size);
        if (!window[slot]) {
            abort();
        }
        window[slot][0] = (unsigned char)state;
    }
    for (size_t slot = 0; slot < WINDOW; slot++) {
        free(window[slot]);
    }
    return sum;
}
