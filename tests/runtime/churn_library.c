/* SPDX-License-Identifier: Apache-2.0
 * For ctypes: allocates with the GIL released, for ever or for some rounds. */
#include <stdlib.h>

void churn(long rounds);

void churn(long rounds) {
    for (long i = 0; rounds < 0 || i < rounds; i++) {
        volatile char *block = malloc(100 + (size_t)(i % 1000));
        block[0] = 1;
        free((void *)block);
    }
}
