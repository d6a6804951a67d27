/* SPDX-License-Identifier: Apache-2.0
 * A library whose constructor does what others do: allocates, registers fork handlers that
 * allocate, keeps a block for the program to free. It is initialised before a preloaded library
 * is. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

char *early_block;
int early_forks;

static void allocate_at_fork(void) {
    free(strdup("about to fork, or just forked"));
    early_forks++;
}

__attribute__((constructor)) static void start(void) {
    early_block = malloc(1000);
    memset(early_block, 'e', 1000);
    early_block = realloc(early_block, 2000);
    void *aligned = NULL;
    if (posix_memalign(&aligned, 64, 100) == 0) {
        free(aligned);
    }
    (void)pthread_atfork(allocate_at_fork, allocate_at_fork, allocate_at_fork);
}
