/* SPDX-License-Identifier: Apache-2.0
 * For ctypes: holds what it allocates, through references of its own, by different functions. */
#include <stdlib.h>
#include <string.h>

void *hold(long bytes);
void *text(long bytes);
void *renew(long bytes);
void *drop(void);

static void *last;
/* a pointer in data: another kind of reference */
static void *(*volatile by_pointer)(size_t) = malloc;

void *hold(long bytes) {
    last = by_pointer((size_t)bytes);
    return last;
}

/* libc calls malloc on our behalf. */
void *text(long bytes) {
    char *long_text = malloc((size_t)bytes + 1);
    memset(long_text, 'x', (size_t)bytes);
    long_text[bytes] = '\0';
    char *copy = strdup(long_text);
    free(long_text);
    return copy;
}

void *renew(long bytes) {
    last = realloc(last, (size_t)bytes);
    return last;
}

void *drop(void) {
    free(last);
    return NULL;
}
