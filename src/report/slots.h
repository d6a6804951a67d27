/* SPDX-License-Identifier: Apache-2.0
 * What goes into the slots of a page: texts escaped, data as it is or packed. May use deflate.h.
 * Must stay true: nothing of the program's texts reaches a page unescaped. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Text for the title: markup and control characters are made harmless. */
void pk_slot_write_text(FILE *out, const char *text);

/* Data of a page, ready to be written. */
struct pk_slot_data {
    const char *text; /* the caller's, when small enough to stay readable */
    uint8_t *packed;  /* else gzip */
    size_t size;      /* of the one of the two */
    size_t written;   /* characters in the page */
};

/* `text` is JSON without any `<` (PK_JSON_HTML) and must outlive `ret_data`. Returns 0 or
 * -ENOMEM. */
int pk_slot_pack(const char *text, size_t size, struct pk_slot_data *ret_data);
void pk_slot_write_data(FILE *out, const struct pk_slot_data *data);
void pk_slot_free(struct pk_slot_data *data);
