/* SPDX-License-Identifier: Apache-2.0
 * Values in a pool, linked as they came. May use json.h, pool.h. */
#include "report/json_tree.h"

#include <errno.h>
#include <string.h>

#include "base/attr.h"

/* A value takes 48 bytes and as few as 2 of the text. Pages of ours have up to 3 million: 100,000
 * stacks of 8 columns, or 100,000 processes of 25 members. */
#define MAX_VALUES 8000000u

static const struct pk_json_value nothing = {.kind = PK_JSON_NULL};

/* What is being filled: objects and arrays that are still open. */
struct open_value {
    struct pk_json_value *value;
    struct pk_json_value *last;
};

int pk_json_tree(struct pk_pool *pool, const char *text, size_t size,
                 const struct pk_json_value **ret_value) {
    struct pk_json_reader reader;
    struct open_value open[PK_LEN(reader.is_array) + 1];
    struct pk_json_value root = {0};
    unsigned depth = 0;
    uint32_t count = 0;
    const char *key = NULL;
    enum pk_json_token token;

    *ret_value = &nothing;
    open[0] = (struct open_value){.value = &root};
    pk_json_reader_start(&reader, text, size);
    while ((token = pk_json_next(&reader)) != PK_JSON_END && token != PK_JSON_ERROR &&
           !pool->failed && count <= MAX_VALUES) {
        if (token == PK_JSON_KEY) {
            key = pk_pool_text(pool, reader.string, strlen(reader.string));
            continue;
        }
        if (token == PK_JSON_END_OBJECT || token == PK_JSON_END_ARRAY) {
            depth--;
            continue;
        }
        struct pk_json_value *value = pk_pool_array(pool, 1, sizeof(*value));
        if (value == NULL) {
            break;
        }
        *value = (struct pk_json_value){
            .kind = token,
            .key = key,
            .text = token == PK_JSON_STRING
                        ? pk_pool_text(pool, reader.string, strlen(reader.string))
                        : text + reader.number_at,
            .number = token == PK_JSON_NUMBER ? reader.number : 0};
        key = NULL;
        count++;
        struct open_value *parent = &open[depth];
        *(parent->last != NULL ? &parent->last->next : &parent->value->first) = value;
        parent->last = value;
        parent->value->count++;
        if (token == PK_JSON_BEGIN_OBJECT || token == PK_JSON_BEGIN_ARRAY) {
            open[++depth] = (struct open_value){.value = value}; // the reader bounds the depth
        }
    }
    pk_json_reader_end(&reader);
    if (pool->failed) {
        return -ENOMEM;
    }
    if (count > MAX_VALUES) {
        return -EFBIG;
    }
    *ret_value = root.first != NULL ? root.first : &nothing;
    return token == PK_JSON_END ? 0 : -EBADMSG;
}

const struct pk_json_value *pk_json_member(const struct pk_json_value *object, const char *key) {
    const struct pk_json_value *member =
        object->kind == PK_JSON_BEGIN_OBJECT ? object->first : NULL;
    while (member != NULL && strcmp(member->key, key) != 0) {
        member = member->next;
    }
    return member != NULL ? member : &nothing;
}

const char *pk_json_member_text(const struct pk_json_value *object, const char *key) {
    const struct pk_json_value *member = pk_json_member(object, key);
    return member->kind == PK_JSON_STRING ? member->text : "";
}

uint64_t pk_json_member_number(const struct pk_json_value *object, const char *key) {
    int64_t number = pk_json_member(object, key)->number;
    return number > 0 ? (uint64_t)number : 0;
}

int64_t pk_json_member_seconds(const struct pk_json_value *object, const char *key) {
    const struct pk_json_value *member = pk_json_member(object, key);
    if (member->kind != PK_JSON_NUMBER || member->number < 0 || member->number > INT32_MAX) {
        return -1;
    }
    int64_t nanoseconds = member->number * 1000000000;
    const char *digit = member->text + strspn(member->text, "0123456789");
    if (*digit == '.') {
        int64_t unit = 100000000;
        for (digit++; *digit >= '0' && *digit <= '9' && unit > 0; digit++, unit /= 10) {
            nanoseconds += (*digit - '0') * unit;
        }
    }
    return nanoseconds;
}
