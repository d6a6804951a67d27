/* SPDX-License-Identifier: Apache-2.0
 * See thread.h. */
#include "runtime/thread.h"

#include <pthread.h>
#include <string.h>

#include "runtime/runtime.h"

#define FIRST_LEVELS 64u

struct pk_thread pk_thread_blank = {.depth = 1};
__thread struct pk_thread *pk_self __attribute__((tls_model("initial-exec"))) = &pk_thread_blank;

static pthread_key_t end_key;
static bool have_key;
static struct pk_thread *free_threads; /* under the lock */

// A thread ends: its struct serves the next one. What this thread still allocates afterwards (destructors of
// other keys) makes a fresh struct, which is lost; at most one a thread, and only then.
static void end_thread(void *context) {
    struct pk_thread *self = context;
    pk_self = &pk_thread_blank;
    self->depth = 1;
    self->busy = 1;
    pk_runtime_lock(self);
    self->next_free = free_threads;
    free_threads = self;
    pk_runtime_unlock(self);
}

void pk_threads_init(void) {
    have_key = pthread_key_create(&end_key, end_thread) == 0;
}

bool pk_thread_room(struct pk_thread *self, uint32_t count) {
    if (count < self->capacity) {
        return true;
    }
    uint32_t capacity = self->capacity == 0 ? FIRST_LEVELS : self->capacity;
    while (capacity <= count) {
        capacity *= 2;
    }
    struct pk_arena *arena = &pk_runtime.ledger.arena;
    struct pk_spot *spots = pk_arena_alloc(arena, capacity * sizeof *spots);
    uint32_t *nodes = pk_arena_alloc(arena, capacity * sizeof *nodes);
    if (spots == NULL || nodes == NULL) {
        pk_arena_free(arena, spots, capacity * sizeof *spots);
        pk_arena_free(arena, nodes, capacity * sizeof *nodes);
        return false;
    }
    nodes[0] = self->root;
    if (self->capacity != 0) {
        memcpy(spots, self->spots, (self->count + 1) * sizeof *spots);
        memcpy(nodes, self->nodes, (self->count + 1) * sizeof *nodes);
        pk_arena_free(arena, self->spots, self->capacity * sizeof *spots);
        pk_arena_free(arena, self->nodes, self->capacity * sizeof *nodes);
    }
    self->spots = spots;
    self->nodes = nodes;
    self->capacity = capacity;
    return true;
}

struct pk_thread *pk_thread_make(uint32_t base) {
    struct pk_thread guard = {.depth = 1, .busy = 1};
    pk_self = &guard;
    pk_runtime_lock(&guard);
    struct pk_thread *self = free_threads;
    if (self != NULL) {
        free_threads = self->next_free;
        *self = (struct pk_thread){.spots = self->spots, .nodes = self->nodes, .capacity = self->capacity};
    } else {
        self = pk_arena_alloc(&pk_runtime.ledger.arena, sizeof *self);
    }
    if (self != NULL) {
        self->base = base;
        self->root = PK_NODE_ROOT;
        if (self->nodes != NULL) {
            self->nodes[0] = self->root;
        }
        if (!pk_thread_room(self, 1)) {
            self = NULL;
        }
    }
    pk_runtime.lock.last = NULL; // the guard must never become the lock's owner
    pk_runtime_unlock(&guard);
    if (self == NULL) {
        pk_self = &pk_thread_blank;
        return NULL;
    }
    self->depth = 1;
    pk_self = self;
    if (have_key) {
        (void)pthread_setspecific(end_key, self); // may call calloc for the 33rd key and above: depth is set
    }
    self->depth = 0;
    return self;
}

PK_COLD struct pk_thread *pk_thread_enter(void) {
    struct pk_thread *self = pk_self;
    if (self->busy) {
        // A signal handler inside the ledger, or nothing of the kind: this event cannot be recorded.
        __atomic_add_fetch(&pk_runtime.dropped, 1, __ATOMIC_RELAXED);
        return NULL;
    }
    if (self != &pk_thread_blank || !pk_runtime.active) {
        return NULL;
    }
    return pk_thread_make(pk_runtime.node_none);
}
