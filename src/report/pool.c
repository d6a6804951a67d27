/* SPDX-License-Identifier: Apache-2.0
 * The report's pool: a list of malloced blocks. Uses the C library. */
#include "report/pool.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct pk_pool_block {
    struct pk_pool_block *next;
    size_t used; /* of `bytes`; only blocks shared by small requests have room left */
    size_t room;
    char bytes[] __attribute__((aligned(16)));
};

/* Requests up to this share blocks of SHARED_BYTES: names and source lines come by the ten
 * thousand. */
#define SMALL_BYTES 1024u
#define SHARED_BYTES 65536u

static void *add_block(struct pk_pool *pool, size_t room, size_t used) {
    struct pk_pool_block *block = calloc(1, sizeof(*block) + room);
    if (block == NULL) {
        pool->failed = true;
        return NULL;
    }
    block->room = room;
    block->used = used;
    if (used == room && pool->blocks != NULL) {
        // keep the block that still has room at the front
        block->next = pool->blocks->next;
        pool->blocks->next = block;
    } else {
        block->next = pool->blocks;
        pool->blocks = block;
    }
    return block->bytes;
}

void *pk_pool_array(struct pk_pool *pool, size_t count, size_t size) {
    if (size != 0 && count > (SIZE_MAX / 2) / size) {
        pool->failed = true;
        return NULL;
    }
    size_t wanted = (count * size + 15) & ~(size_t)15;
    if (wanted == 0) {
        wanted = 16;
    }
    if (wanted > SMALL_BYTES) {
        return add_block(pool, wanted, wanted);
    }
    struct pk_pool_block *front = pool->blocks;
    if (front == NULL || front->room - front->used < wanted) {
        return add_block(pool, SHARED_BYTES, wanted);
    }
    void *place = front->bytes + front->used;
    front->used += wanted;
    return place;
}

char *pk_pool_text(struct pk_pool *pool, const char *bytes, size_t length) {
    char *text = pk_pool_array(pool, length + 1, 1);
    if (text != NULL) {
        memcpy(text, bytes, length);
    }
    return text;
}

void pk_pool_free(struct pk_pool *pool) {
    while (pool->blocks != NULL) {
        struct pk_pool_block *next = pool->blocks->next;
        free(pool->blocks);
        pool->blocks = next;
    }
    pool->failed = false;
}
