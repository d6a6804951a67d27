/* SPDX-License-Identifier: Apache-2.0
 * A JSON text as values in memory, for documents that are read in more than one order. May use
 * json.h, pool.h. Must stay true: about 50 bytes a value; nothing recurses; whatever is asked for
 * and is not there is a value of nothing, so that a reader of a damaged document needs no check. */
#pragma once

#include "report/json.h"
#include "report/pool.h"

struct pk_json_value {
    enum pk_json_token kind; /* BEGIN_OBJECT, BEGIN_ARRAY, STRING, NUMBER, TRUE, FALSE or NULL */
    uint32_t count;          /* of members or elements */
    const char *key;         /* as a member; else NULL */
    const char *text;        /* of a STRING; of a NUMBER as it was written, not terminated */
    int64_t number;          /* its fraction dropped; 0 of all else */
    const struct pk_json_value *first, *next;
};

/* The value lives in `pool`. Returns 0, -EBADMSG or -ENOMEM. */
int pk_json_tree(struct pk_pool *pool, const char *text, size_t size,
                 const struct pk_json_value **ret_value);

/* A member; one of kind NULL where there is none. */
const struct pk_json_value *pk_json_member(const struct pk_json_value *object, const char *key);

/* The text of a member, "" where it is none. The number, 0 where it is none or below 0. */
const char *pk_json_member_text(const struct pk_json_value *object, const char *key);
uint64_t pk_json_member_number(const struct pk_json_value *object, const char *key);

/* Seconds, in nanoseconds; -1 where it is no number, or one below 0. */
int64_t pk_json_member_seconds(const struct pk_json_value *object, const char *key);
