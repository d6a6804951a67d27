/* SPDX-License-Identifier: Apache-2.0
 * A report that was written before, read back: the JSON document itself, or the data that a page
 * carries. May use inflate.h and the C library. Must stay true: a foreign or damaged file is told
 * apart from ours and said so; nothing beyond the limits is held. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define PK_ARCHIVE_MAX_FILE_BYTES ((size_t)512 << 20)
/* Of a page, unpacked. Ours have some 10 MB: a page that has more is folded until it is mailable,
 * or has 100,000 processes. Half a megabyte of a page made for it would unpack to any size. */
#define PK_ARCHIVE_MAX_DATA_BYTES ((size_t)128 << 20)

struct pk_archive {
    char *text; /* JSON, NUL-terminated; freed with pk_archive_free */
    size_t size;
    bool is_page; /* what a page shows, not the whole document */
};

/* Does the file begin like a page or a JSON document? (And not like a ledger.) */
bool pk_archive_is_text(const char *bytes, size_t size);

/* The JSON inside of a file's bytes. `name` is what the user calls it. Returns 0, or -EBADMSG,
 * -EFBIG, -ENOMEM with one sentence in `error` (no full stop): what is wrong and what to do. */
int pk_archive_extract(const char *bytes, size_t size, const char *name,
                       struct pk_archive *ret_archive, char *error, size_t error_size);

/* The same for a file. Also a negative errno of the system. */
int pk_archive_read(const char *path, struct pk_archive *ret_archive, char *error,
                    size_t error_size);
void pk_archive_free(struct pk_archive *archive);
