/* SPDX-License-Identifier: Apache-2.0
 * A page is an archive: the document that its data was made from, written again (page.h has the
 * form of the data, docs/json.md that of the document). May use archive.h, json.h, profile.h. Must
 * stay true: of a page in which nothing was folded comes the very document, byte for byte. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* Is it a file that begins like a page or a JSON document? */
bool pk_page_is_archive(const char *path);

/* Write the document of a page's data. Returns 0, -EBADMSG or -ENOMEM with one sentence in `error`
 * (no full stop); nothing is written unless the data is right. */
int pk_page_write_document(const char *text, size_t size, const char *name, FILE *out, char *error,
                           size_t error_size);
