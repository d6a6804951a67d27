/* SPDX-License-Identifier: Apache-2.0
 * Threads that Python knows nothing of, each holding a block of a known size. For
 * native_threads.py. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

void alone(size_t size);
void pair(size_t size, size_t inner);
void visit(void (*python)(void), size_t size);

struct job {
    size_t size;
    size_t inner;
    void (*python)(void);
};

static void *volatile kept;

static void hold(size_t size) {
    char *block = malloc(size);
    memset(block, 1, size);
    kept = block;
}

static void *work(void *context) {
    struct job *job = context;
    hold(job->size);
    if (job->inner != 0) {
        alone(job->inner);
    }
    if (job->python != NULL) {
        job->python();
        hold(job->size); // and once more, back from Python
    }
    return NULL;
}

static void run(struct job job) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, work, &job) == 0) {
        pthread_join(thread, NULL);
    }
}

void alone(size_t size) {
    run((struct job){.size = size});
}

void pair(size_t size, size_t inner) {
    run((struct job){.size = size, .inner = inner});
}

void visit(void (*python)(void), size_t size) {
    run((struct job){.size = size, .python = python});
}
