/* SPDX-License-Identifier: Apache-2.0
 * A library that ends its thread before a fork, as OpenBLAS does: its handler waits for the thread,
 * which may first have something to allocate. */
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>

static pthread_t worker;
static sem_t ready, told;
static int running, last_words;

static void *work(void *context) {
    free(malloc(5000)); // it is known to whoever counts
    sem_post(&ready);
    while (sem_wait(&told) != 0) {
    }
    if (last_words) {
        free(malloc(7000));
    }
    return context;
}

static void before_fork(void) {
    if (running) {
        sem_post(&told);
        pthread_join(worker, NULL);
        running = 0;
    }
}

__attribute__((constructor)) static void begin(void) {
    sem_init(&ready, 0, 0);
    sem_init(&told, 0, 0);
    pthread_atfork(before_fork, NULL, NULL);
}

int start_worker(int allocates_last) {
    last_words = allocates_last;
    running = pthread_create(&worker, NULL, work, NULL) == 0;
    while (running && sem_wait(&ready) != 0) {
    }
    return running;
}
