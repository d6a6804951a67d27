/* SPDX-License-Identifier: Apache-2.0
 * Child after child is killed from outside while all its threads allocate, at a moment that nothing
 * in it chose. Each thread says in memory that its parent shares what it holds: after the call that
 * gave it, before the call that takes it. argv: how many children, seed. Prints, for each, its
 * number and the bytes that its threads said they held. */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fake_interpreter.h"

#define WORKERS 4
#define SLOTS 32
#define LARGEST 16384u
#define PAGES ((size_t)4 * 4096)

struct said {
    long made, held;
    char apart[48]; // a cache line a thread
};

static struct said *said;

static unsigned next(unsigned *seed) {
    *seed = *seed * 1103515245u + 12345u;
    return *seed >> 8;
}

static void hold(struct said *mine, long bytes) {
    __atomic_store_n(&mine->held, mine->held + bytes, __ATOMIC_RELAXED);
}

static void *allocate(void *context) {
    struct said *mine = context;
    unsigned seed = (unsigned)getpid() + (unsigned)(mine - said) * 77;
    void *kept[SLOTS] = {0};
    long sizes[SLOTS] = {0};
    for (;;) {
        unsigned at = next(&seed) % SLOTS;
        long size = (long)(next(&seed) % LARGEST) + 1;
        switch (next(&seed) % 8) {
        case 0: {
            void *map =
                mmap(NULL, PAGES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
            hold(mine, (long)PAGES);
            hold(mine, -(long)PAGES);
            (void)munmap(map, PAGES);
            break;
        }
        case 1:
            hold(mine, -sizes[at]);
            kept[at] = realloc(kept[at], (size_t)size);
            sizes[at] = size;
            hold(mine, size);
            break;
        default:
            hold(mine, -sizes[at]);
            free(kept[at]);
            kept[at] = malloc((size_t)size);
            sizes[at] = size;
            hold(mine, size);
        }
        __atomic_store_n(&mine->made, mine->made + 1, __ATOMIC_RELAXED);
    }
    return NULL;
}

static void live(void) {
    pthread_t thread;
    for (int i = 0; i < WORKERS; i++) {
        pthread_create(&thread, NULL, allocate, &said[i]);
    }
    for (;;) {
        pause();
    }
}

static long made(void) {
    long sum = 0;
    for (int i = 0; i < WORKERS; i++) {
        sum += __atomic_load_n(&said[i].made, __ATOMIC_RELAXED);
    }
    return sum;
}

int main(int argc, char **argv) {
    if (argc != 3) {
        return 2;
    }
    unsigned seed = (unsigned)atol(argv[2]);
    said = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    for (int round = 0; round < atoi(argv[1]); round++) {
        for (int i = 0; i < WORKERS; i++) {
            said[i] = (struct said){0};
        }
        pid_t child = fork();
        if (child == 0) {
            live();
        }
        // as many early ones as late ones
        long moment = (long)(next(&seed) % (1u << (next(&seed) % 15)));
        while (made() < moment) {
            sched_yield();
        }
        for (volatile unsigned spin = next(&seed) % 5000; spin > 0; spin--) {
        }
        kill(child, SIGKILL);
        (void)waitpid(child, NULL, 0);
        long held = 0;
        for (int i = 0; i < WORKERS; i++) {
            held += said[i].held;
        }
        printf("%d %ld\n", (int)child, held);
    }
    return 0;
}
