/* SPDX-License-Identifier: Apache-2.0
 * Pages and documents, opened. */
#include "report/archive.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "report/inflate.h"

#define DATA_MARK "id=\"peakline-data\""

static size_t skip_start(const char *bytes, size_t size) {
    size_t at = size >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    while (at < size && memchr(" \t\r\n", bytes[at], 4) != NULL) {
        at++;
    }
    return at;
}

bool pk_archive_is_text(const char *bytes, size_t size) {
    size_t at = skip_start(bytes, size);
    return at < size && (bytes[at] == '{' || bytes[at] == '<');
}

static const char *find(const char *from, const char *end, const char *what) {
    return from == NULL ? NULL : memmem(from, (size_t)(end - from), what, strlen(what));
}

/* The data of a page: the text of its element, unpacked. */
static int extract_page(const char *bytes, size_t size, const char *name,
                        struct pk_archive *ret_archive, char *error, size_t error_size) {
    const char *end = bytes + size;
    const char *mark = find(bytes, end, DATA_MARK);
    if (mark == NULL) {
        snprintf(error, error_size,
                 "%s is a page that Peakline did not write; name a result directory, its "
                 "report.html or a JSON report",
                 name);
        return -EBADMSG;
    }
    const char *start = find(mark, end, ">");
    const char *stop = find(start, end, "</script>");
    if (stop == NULL) {
        snprintf(error, error_size,
                 "%s is cut off in the middle of its data; copy it again, or name its result "
                 "directory",
                 name);
        return -EBADMSG;
    }
    bool is_packed = find(mark, start, "data-encoding=\"gzip+base64\"") != NULL;
    start++;
    if (!is_packed) {
        ret_archive->text = strndup(start, (size_t)(stop - start));
        ret_archive->size = ret_archive->text == NULL ? 0 : strlen(ret_archive->text);
        return ret_archive->text == NULL ? -ENOMEM : 0;
    }
    uint8_t *packed = NULL, *text = NULL;
    size_t packed_size, text_size;
    int r = pk_base64_read(start, (size_t)(stop - start), &packed, &packed_size);
    if (r >= 0) {
        r = pk_gunzip(packed, packed_size, PK_ARCHIVE_MAX_DATA_BYTES, &text, &text_size);
    }
    free(packed);
    if (r < 0) {
        snprintf(error, error_size,
                 r == -EFBIG ? "%s holds more data than Peakline reads; name its result directory"
                             : "%s is damaged: its data does not unpack; copy it again, or name "
                               "its result directory",
                 name);
        return r;
    }
    ret_archive->text = (char *)text;
    ret_archive->size = text_size;
    return 0;
}

int pk_archive_extract(const char *bytes, size_t size, const char *name,
                       struct pk_archive *ret_archive, char *error, size_t error_size) {
    *ret_archive = (struct pk_archive){0};
    snprintf(error, error_size, "%s cannot be read: not enough memory", name);
    size_t at = skip_start(bytes, size);
    if (at < size && bytes[at] == '<') {
        ret_archive->is_page = true;
        return extract_page(bytes, size, name, ret_archive, error, error_size);
    }
    if (at == size || bytes[at] != '{') {
        snprintf(error, error_size,
                 "%s is no report; name a result directory, its report.html or a JSON report",
                 name);
        return -EBADMSG;
    }
    ret_archive->text = malloc(size - at + 1);
    if (ret_archive->text == NULL) {
        return -ENOMEM;
    }
    ret_archive->size = size - at;
    memcpy(ret_archive->text, bytes + at, size - at);
    ret_archive->text[size - at] = '\0';
    return 0;
}

static int read_file(const char *path, char **ret_bytes, size_t *ret_size) {
    struct stat status;
    FILE *file = fopen(path, "rbe");
    *ret_bytes = NULL;
    *ret_size = 0;
    if (file == NULL) {
        return -errno;
    }
    if (fstat(fileno(file), &status) == 0 && S_ISDIR(status.st_mode)) {
        fclose(file);
        return -EISDIR;
    }
    size_t room = (size_t)64 << 10, used = 0;
    char *bytes = malloc(room);
    int r = bytes == NULL ? -ENOMEM : 0;
    while (r == 0) {
        used += fread(bytes + used, 1, room - used, file);
        if (used < room) {
            r = ferror(file) != 0 ? -EIO : 0;
            break;
        }
        if (room >= PK_ARCHIVE_MAX_FILE_BYTES) {
            r = -EFBIG;
            break;
        }
        char *larger = realloc(bytes, room * 2);
        r = larger == NULL ? -ENOMEM : 0;
        bytes = larger == NULL ? bytes : larger;
        room *= larger == NULL ? 1 : 2;
    }
    fclose(file);
    if (r < 0) {
        free(bytes);
        return r;
    }
    *ret_bytes = bytes;
    *ret_size = used;
    return 0;
}

int pk_archive_read(const char *path, struct pk_archive *ret_archive, char *error,
                    size_t error_size) {
    char *bytes;
    size_t size;

    *ret_archive = (struct pk_archive){0};
    int r = read_file(path, &bytes, &size);
    if (r < 0) {
        snprintf(error, error_size, "%s cannot be read: %s", path, strerror(-r));
        return r;
    }
    r = pk_archive_extract(bytes, size, path, ret_archive, error, error_size);
    free(bytes);
    return r;
}

void pk_archive_free(struct pk_archive *archive) {
    free(archive->text);
    *archive = (struct pk_archive){0};
}
