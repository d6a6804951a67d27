/* SPDX-License-Identifier: Apache-2.0
 * Threads allocate until the process is killed, by SIGKILL, once argv[1] allocations were made:
 * wherever the threads are by then. No event is larger than LARGEST bytes; blocks of one stack are
 * few, so new peaks are many. */
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fake_interpreter.h"

#define WORKERS 3
#define LARGEST 65536u

static long made; /* atomic */

static void *allocate(void *context) {
    unsigned seed = (unsigned)(uintptr_t)context;
    void *kept[32] = {0};
    for (;;) {
        seed = seed * 1103515245u + 12345u;
        unsigned at = seed >> 16 & 31u;
        free(kept[at]);
        kept[at] = (seed >> 29) == 0 ? NULL : malloc(1 + (seed >> 12) % (LARGEST / 2));
        if ((seed >> 24) == 0) {
            void *map =
                mmap(NULL, LARGEST, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
            (void)munmap(map, LARGEST);
        }
        __atomic_add_fetch(&made, 1, __ATOMIC_RELAXED);
    }
    return NULL;
}

int main(int argc, char **argv) {
    if (argc != 2) {
        return 2;
    }
    long enough = atol(argv[1]);
    pthread_t thread;
    for (uintptr_t t = 0; t < WORKERS; t++) {
        pthread_create(&thread, NULL, allocate, (void *)(t * 77 + (uintptr_t)enough));
    }
    while (__atomic_load_n(&made, __ATOMIC_RELAXED) < enough) {
    }
    kill(getpid(), SIGKILL);
    return 1;
}
