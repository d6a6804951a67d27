/* SPDX-License-Identifier: Apache-2.0
 * Memory that lives as long as one report and is freed in one go. A failure sticks: allocate a
 * batch, then ask once. Uses the C library. Must stay true: after a failure every pointer handed
 * out before stays valid. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct pk_pool_block;

struct pk_pool {
    struct pk_pool_block *blocks;
    bool failed;
};

/* `count` zeroed elements of `size` bytes; never NULL for count 0, NULL when memory is out
 * (pool->failed). */
void *pk_pool_array(struct pk_pool *pool, size_t count, size_t size);

/* A NUL-terminated copy of `length` bytes, or NULL. */
char *pk_pool_text(struct pk_pool *pool, const char *bytes, size_t length);

/* Free everything; the pool is empty and may be used again. */
void pk_pool_free(struct pk_pool *pool);
