/* SPDX-License-Identifier: Apache-2.0
 * The ledger's four stores in plain memory, for tests: reserved once, so that they never move; a
 * limit makes them full. May use: ledger/store.h, the C library. */
#pragma once

#include <errno.h>
#include <stdint.h>
#include <sys/mman.h>

#include "ledger/store.h"

#define MEMORY_STORE_BYTES (256u << 20) /* address space; pages come as they are touched */

static int grow_memory_store(struct pk_store *store, uint64_t need) {
    uint64_t limit = *(const uint64_t *)store->owner;
    if (need > limit) {
        return -ENOSPC;
    }
    store->capacity = need + 4096 < limit ? need + 4096 : limit;
    return 0;
}

/* `limit`: bytes the store may hold, read at every growth; must outlive it. */
static inline struct pk_store make_memory_store(uint64_t *limit) {
    void *base = mmap(NULL, MEMORY_STORE_BYTES, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED) {
        base = NULL;
        *limit = 0;
    }
    return (struct pk_store){.base = base, .grow = grow_memory_store, .owner = limit};
}

static inline void free_memory_store(struct pk_store *store) {
    (void)munmap(store->base, MEMORY_STORE_BYTES);
}
