/* SPDX-License-Identifier: Apache-2.0
 * A table that grows at its end and never moves. The ledger appends; somebody above decides where
 * the bytes live (the mapped ledger file in the runtime, plain memory in tests). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"

struct pk_store {
    char *base;        /* first byte; stays where it is for ever */
    uint64_t used;     /* bytes that hold entries */
    uint64_t capacity; /* bytes that may be written; those beyond `used` are zero */
    uint64_t limit;    /* bytes it may ever have; 0: not known, and no place is kept */
    /* Makes capacity >= need (bytes). 0 or negative errno: nothing changed. */
    int (*grow)(struct pk_store *store, uint64_t need);
    void *owner;    /* for grow */
    uint32_t table; /* for grow: enum pk_table */
};

/* Makes room for `bytes` more. 0 or negative errno. */
PK_INLINE int pk_store_reserve(struct pk_store *store, uint64_t bytes) {
    if (PK_LIKELY(store->used + bytes <= store->capacity)) {
        return 0;
    }
    return store->grow(store, store->used + bytes);
}
