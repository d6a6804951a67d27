/* SPDX-License-Identifier: Apache-2.0
 * Threads and forks in numbers. Which storm, argv[1] says; argv[2] says how many rounds. At its end
 * each storm has freed all it took, allocates one block of LAST_BYTES, the peak, and prints
 * "fine". */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <threads.h>
#include <unistd.h>

#include "fake_interpreter.h"

#define LAST_BYTES ((size_t)64 << 20)
#define WORKERS 4

extern char *early_block;
extern int early_forks;

static int rounds;
static pthread_key_t keys[3];
static int stop; /* atomic */

static void fail(const char *what) {
    fprintf(stderr, "failed: %s\n", what);
    _exit(1);
}

static void churn(unsigned seed, int count) {
    void *kept[64] = {0};
    for (int i = 0; i < count; i++) {
        seed = seed * 1103515245u + 12345u;
        unsigned at = seed >> 16 & 63u;
        size_t size = 1 + (seed >> 8 & 2047u);
        switch (seed >> 28 & 3u) {
        case 0:
            kept[at] = realloc(kept[at], size);
            break;
        case 1: {
            void *map =
                mmap(NULL, size * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
            if (map == MAP_FAILED || munmap(map, size * 4096) != 0) {
                fail("map");
            }
            break;
        }
        default:
            free(kept[at]);
            kept[at] = malloc(size);
            break;
        }
    }
    for (int i = 0; i < 64; i++) {
        free(kept[i]);
    }
}

// ---- threads that end with destructors which allocate -------------------------------------------

// Runs up to three times for each key, since it sets its own key again: rounds of destructors
// follow one another.
static void free_and_allocate(void *context) {
    char *block = context;
    if (block[0] < 'c') {
        char *next = strdup(block);
        next[0]++;
        for (int i = 0; i < 3; i++) {
            if (pthread_getspecific(keys[i]) == NULL) {
                pthread_setspecific(keys[i], next);
                next = NULL;
                break;
            }
        }
        free(next);
    }
    free(block);
}

static void *short_life(void *context) {
    (void)strerror(123456); // libc frees that text when all destructors have run
    for (int i = 0; i < 3; i++) {
        pthread_setspecific(keys[i], strdup("a block for the destructor"));
    }
    return context;
}

static void make_keys(void) {
    for (int i = 0; i < 3; i++) {
        pthread_key_create(&keys[i], free_and_allocate);
    }
}

static void storm_of_threads(void) {
    make_keys();
    for (int i = 0; i < rounds; i++) {
        pthread_t threads[2];
        for (int t = 0; t < 2; t++) {
            if (pthread_create(&threads[t], NULL, short_life, NULL) != 0) {
                fail("pthread_create");
            }
        }
        for (int t = 0; t < 2; t++) {
            pthread_join(threads[t], NULL);
        }
    }
}

// ---- frees by other threads ---------------------------------------------------------------------

static void *slots[1024]; /* atomic */

static void *hand_over(void *context) {
    unsigned seed = (unsigned)(uintptr_t)context;
    for (int i = 0; i < rounds; i++) {
        seed = seed * 1103515245u + 12345u;
        void *block = malloc(16 + (seed >> 20));
        free(__atomic_exchange_n(&slots[seed >> 8 & 1023u], block, __ATOMIC_ACQ_REL));
    }
    return NULL;
}

static void storm_of_strangers(void) {
    pthread_t threads[WORKERS];
    for (uintptr_t t = 0; t < WORKERS; t++) {
        pthread_create(&threads[t], NULL, hand_over, (void *)(t + 1));
    }
    for (int t = 0; t < WORKERS; t++) {
        pthread_join(threads[t], NULL);
    }
    for (int i = 0; i < 1024; i++) {
        free(slots[i]);
    }
}

// ---- threads that come from elsewhere than pthread_create ---------------------------------------

static int churn_c11(void *context) {
    churn((unsigned)(uintptr_t)context, rounds);
    return 0;
}

// glibc starts these without passing through its own pthread_create symbol.
static void storm_of_c11_threads(void) {
    thrd_t threads[WORKERS];
    for (uintptr_t t = 0; t < WORKERS; t++) {
        if (thrd_create(&threads[t], churn_c11, (void *)(t + 1)) != thrd_success) {
            fail("thrd_create");
        }
        churn(99, 1000);
    }
    churn(7, rounds);
    for (int t = 0; t < WORKERS; t++) {
        thrd_join(threads[t], NULL);
    }
}

// ---- forks while others allocate ----------------------------------------------------------------

static void *churn_until_stopped(void *context) {
    unsigned seed = (unsigned)(uintptr_t)context;
    while (!__atomic_load_n(&stop, __ATOMIC_ACQUIRE)) {
        churn(seed++, 200);
    }
    return NULL;
}

static void storm_of_forks(void) {
    make_keys(); // the children's threads use them; a key nobody made may be anybody's
    pthread_t threads[WORKERS];
    for (uintptr_t t = 0; t < WORKERS; t++) {
        pthread_create(&threads[t], NULL, churn_until_stopped, (void *)(t + 1));
    }
    for (int i = 0; i < rounds; i++) {
        pid_t child = fork();
        if (child == 0) {
            churn(3, 100);
            pthread_t thread;
            if (pthread_create(&thread, NULL, short_life, NULL) == 0) {
                pthread_join(thread, NULL);
            }
            _exit(7);
        }
        int status = 0;
        if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status) ||
            WEXITSTATUS(status) != 7) {
            fail("a forked child");
        }
    }
    __atomic_store_n(&stop, 1, __ATOMIC_RELEASE);
    for (int t = 0; t < WORKERS; t++) {
        pthread_join(threads[t], NULL);
    }
    if (early_forks != 2 * rounds) {
        fail("fork handlers");
    }
}

// ---- maps that move while another thread is given the place they left ---------------------------

#define PAGE ((size_t)4096)

static void *new_map(size_t size) {
    void *map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED) {
        fail("mmap");
    }
    return map;
}

// A map of one page lies below others and cannot grow where it is: it moves, and its page is the
// next to be given out.
static void *move_maps(void *context) {
    while (!__atomic_load_n(&stop, __ATOMIC_ACQUIRE)) {
        void *moved = mremap(new_map(PAGE), PAGE, 64 * PAGE, MREMAP_MAYMOVE);
        if (moved == MAP_FAILED || munmap(moved, 64 * PAGE) != 0) {
            fail("mremap");
        }
    }
    return context;
}

// All single pages stay: had one been taken for the place of a map that moves, it would be missing
// from the peak.
static void storm_of_moving_maps(void) {
    pthread_t mover;
    if (pthread_create(&mover, NULL, move_maps, NULL) != 0) {
        fail("pthread_create");
    }
    for (int i = 0; i < rounds; i++) {
        (void)new_map(PAGE);
    }
    __atomic_store_n(&stop, 1, __ATOMIC_RELEASE);
    pthread_join(mover, NULL);
}

// Calls that fail leave everything mapped and counted.
static void storm_of_failing_unmaps(void) {
    char *map = new_map((size_t)rounds * PAGE);
    for (int i = 0; i < rounds; i++) {
        if (munmap(map, SIZE_MAX / 2 + 1) == 0 || munmap(map + 1, PAGE) == 0 ||
            munmap(map, 0) == 0 ||
            mremap(map, PAGE, SIZE_MAX / 2 + 1, MREMAP_MAYMOVE) != MAP_FAILED) {
            fail("a call that should fail");
        }
    }
}

int main(int argc, char **argv) {
    if (argc != 3 || early_block == NULL || early_block[999] != 'e') {
        fail("the early library");
    }
    rounds = atoi(argv[2]);
    if (strcmp(argv[1], "threads") == 0) {
        storm_of_threads();
    } else if (strcmp(argv[1], "strangers") == 0) {
        storm_of_strangers();
    } else if (strcmp(argv[1], "c11") == 0) {
        storm_of_c11_threads();
    } else if (strcmp(argv[1], "forks") == 0) {
        storm_of_forks();
    } else if (strcmp(argv[1], "moves") == 0) {
        storm_of_moving_maps();
    } else if (strcmp(argv[1], "unmaps") == 0) {
        storm_of_failing_unmaps();
    } else {
        fail("no such storm");
    }
    free(early_block);
    char *last = malloc(LAST_BYTES);
    last[0] = 1;
    free(last);
    printf("fine\n");
    return 0;
}
