/* SPDX-License-Identifier: Apache-2.0
 * The reader of DIR/tree. The processes may be running: the count of slots is read first, and what
 * it covers is looked at once. */
#include "record/tree_read.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/attr.h"
#include "record/utf8.h"

#define HEADER_BYTES offsetof(struct pk_tree_page, slot)
/* The same limit as for ledgers (reader.h): no machine has more. */
#define MAX_BYTES (UINT64_C(1) << 50)

PK_PRINTF(5, 6)
static int say_error(const char *name, char *error, size_t error_size, int code, const char *format,
                     ...) {
    if (error_size > 0) {
        int used = snprintf(error, error_size, "%s ", name);
        size_t offset = used < 0 ? 0 : (size_t)used;
        if (offset < error_size) {
            va_list arguments;
            va_start(arguments, format);
            vsnprintf(error + offset, error_size - offset, format, arguments);
            va_end(arguments);
        }
    }
    return code;
}

static bool is_alive(const struct pk_tree_slot *slot) {
    // the first word of a robust mutex: its owner's thread id, and the kernel's death notice
    uint32_t word = (uint32_t)slot->mutex[0];
    return slot->end_epoch == 0 && (word & FUTEX_TID_MASK) != 0 && (word & FUTEX_OWNER_DIED) == 0;
}

static void take_notes(const struct pk_tree_page *page, struct pk_tree_snapshot *tree) {
    for (uint32_t i = 0; i < PK_TREE_NOTES; i++) {
        struct pk_tree_note note = page->notes[i];
        if (note.kind < PK_NOTE_SET_ID || note.kind > PK_NOTE_NO_HANDLERS) {
            continue;
        }
        note.text[sizeof(note.text) - 1] = '\0';
        size_t length = strlen(note.text);
        memset(note.text + length, 0, sizeof(note.text) - length);
        (void)pk_utf8_repair(note.text, length);
        tree->notes[tree->note_count++] = note;
    }
}

/* `page` has the first `size` bytes of the file, at least HEADER_BYTES of memory. */
static int read_page(const struct pk_tree_page *page, size_t size, const char *name,
                     struct pk_tree_snapshot **ret_tree, char *error, size_t error_size) {
    *ret_tree = NULL;
    if (size < sizeof(page->magic) + sizeof(page->version) ||
        memcmp(page->magic, PK_TREE_MAGIC, sizeof(page->magic)) != 0) {
        return say_error(name, error, error_size, -EINVAL, "is not a tree file of Peakline");
    }
    if (page->version > PK_TREE_VERSION) {
        return say_error(name, error, error_size, -EPROTONOSUPPORT,
                         "was written by a newer Peakline; update Peakline");
    }
    if (page->version != PK_TREE_VERSION || size < HEADER_BYTES || page->slots != PK_TREE_SLOTS ||
        page->count > PK_TREE_SLOTS ||
        page->count > (size - HEADER_BYTES) / sizeof(struct pk_tree_slot)) {
        return say_error(name, error, error_size, -EBADMSG, "is damaged or cut short");
    }
    if (page->peak > MAX_BYTES) {
        return say_error(name, error, error_size, -EBADMSG,
                         "is damaged: its peak is larger than any machine");
    }
    struct pk_tree_snapshot *tree = calloc(1, sizeof(*tree));
    struct pk_tree_process *slots = calloc((size_t)page->count + 1, sizeof(*slots));
    if (tree == NULL || slots == NULL) {
        free(tree);
        free(slots);
        return say_error(name, error, error_size, -ENOMEM, "cannot be read: not enough memory");
    }
    tree->peak = page->peak;
    tree->peak_mono_ns = page->peak_mono_ns;
    tree->start_unix_ns = page->start_unix_ns;
    tree->start_mono_ns = page->start_mono_ns;
    tree->refused = page->refused;
    tree->slot_count = page->count;
    tree->slots = slots;
    for (uint32_t i = 0; i < tree->slot_count; i++) {
        const struct pk_tree_slot *slot = &page->slot[i];
        slots[i] = (struct pk_tree_process){.pid = slot->pid,
                                            .end_epoch = slot->end_epoch,
                                            .bytes = slot->bytes <= MAX_BYTES ? slot->bytes : 0,
                                            .is_alive = is_alive(slot)};
    }
    take_notes(page, tree);
    *ret_tree = tree;
    return 0;
}

/* Up to `room` bytes from `offset`. Returns how many, or a negative errno. */
static ssize_t read_some(int fd, size_t offset, void *ret_bytes, size_t room) {
    size_t done = 0;
    while (done < room) {
        ssize_t got = pread(fd, (char *)ret_bytes + done, room - done, (off_t)(offset + done));
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return -errno;
        }
        if (got == 0) {
            break;
        }
        done += (size_t)got;
    }
    return (ssize_t)done;
}

int pk_tree_snapshot_read(const char *path, struct pk_tree_snapshot **ret_tree, char *error,
                          size_t error_size) {
    struct stat status;
    *ret_tree = NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &status) < 0) {
        int code = errno;
        if (fd >= 0) {
            close(fd);
        }
        return say_error(path, error, error_size, -code, "cannot be read: %s", strerror(code));
    }
    if (!S_ISREG(status.st_mode)) {
        close(fd);
        return say_error(path, error, error_size, -EINVAL,
                         "is not a tree file of Peakline: not an ordinary file");
    }
    // the header first: it says how many slots there are to read
    struct pk_tree_page *page = aligned_alloc(_Alignof(struct pk_tree_page), sizeof(*page));
    if (page == NULL) {
        close(fd);
        return say_error(path, error, error_size, -ENOMEM, "cannot be read: not enough memory");
    }
    memset(page, 0, HEADER_BYTES);
    ssize_t got = read_some(fd, 0, page, HEADER_BYTES);
    if (got == (ssize_t)HEADER_BYTES) {
        uint32_t count = page->count < PK_TREE_SLOTS ? page->count : PK_TREE_SLOTS;
        ssize_t more = read_some(fd, HEADER_BYTES, page->slot, count * sizeof(page->slot[0]));
        got = more < 0 ? more : got + more;
    }
    close(fd);
    int r = got < 0 ? say_error(path, error, error_size, (int)got, "cannot be read: %s",
                                strerror((int)-got))
                    : read_page(page, (size_t)got, path, ret_tree, error, error_size);
    free(page);
    return r;
}

int pk_tree_snapshot_read_memory(const void *bytes, size_t size, const char *name,
                                 struct pk_tree_snapshot **ret_tree, char *error,
                                 size_t error_size) {
    *ret_tree = NULL;
    struct pk_tree_page *page = aligned_alloc(_Alignof(struct pk_tree_page), sizeof(*page));
    if (page == NULL) {
        return say_error(name, error, error_size, -ENOMEM, "cannot be read: not enough memory");
    }
    size_t kept = size < sizeof(*page) ? size : sizeof(*page);
    memset(page, 0, HEADER_BYTES);
    memcpy(page, bytes, kept);
    int r = read_page(page, kept, name, ret_tree, error, error_size);
    free(page);
    return r;
}

void pk_tree_snapshot_free(struct pk_tree_snapshot *tree) {
    if (tree != NULL) {
        free(tree->slots);
        free(tree);
    }
}

bool pk_tree_took_part(const struct pk_tree_snapshot *tree, uint32_t slot, uint32_t pid) {
    if (slot >= tree->slot_count || tree->slots[slot].pid != pid) {
        return false;
    }
    uint32_t end = tree->slots[slot].end_epoch;
    return end == 0 || end == pk_tree_epoch(tree->peak);
}
