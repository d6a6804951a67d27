/* SPDX-License-Identifier: Apache-2.0
 * See tree.h. Raw system calls and atomic operations; of libc only the robust mutex, whose list of
 * what a thread holds the kernel walks when the thread dies. */
#include "record/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "base/sys.h"

#define PATH_ROOM 4096
#define FUTEX_WORD_OWNER_DIED 0x40000000u /* FUTEX_OWNER_DIED of linux/futex.h */
#define MUCH_TO_LOCK (1u << 20)
#define ENDED_BEFORE_ANY_PEAK UINT32_MAX

_Static_assert(sizeof(pthread_mutex_t) <= sizeof(((struct pk_tree_slot *)0)->mutex),
               "a slot holds a mutex");

static bool make_path(char *path, const char *directory) {
    size_t bytes = strlen(directory);
    if (bytes + sizeof "/" PK_TREE_NAME > PATH_ROOM) {
        return false;
    }
    memcpy(path, directory, bytes);
    memcpy(path + bytes, "/" PK_TREE_NAME, sizeof "/" PK_TREE_NAME);
    return true;
}

int pk_tree_create(const char *directory, uint64_t start_unix_ns, uint64_t start_mono_ns) {
    char path[PATH_ROOM];
    if (!make_path(path, directory)) {
        return -ENAMETOOLONG;
    }
    int fd = pk_sys_open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        return fd;
    }
    struct {
        char magic[8];
        uint32_t version, slots, solo_pid, reserved;
        uint64_t start_unix_ns, start_mono_ns;
    } start = {.version = PK_TREE_VERSION,
               .slots = PK_TREE_SLOTS,
               .start_unix_ns = start_unix_ns,
               .start_mono_ns = start_mono_ns};
    _Static_assert(sizeof start == __builtin_offsetof(struct pk_tree_page, start_mono_ns) + 8,
                   "the same layout");
    memcpy(start.magic, PK_TREE_MAGIC, sizeof start.magic);
    int result = pk_sys_check_file_limit(sizeof(struct pk_tree_page));
    if (result == 0) {
        result = pk_sys_reserve(fd, 0, sizeof(struct pk_tree_page));
    }
    if (result == 0) {
        long written = pk_sys_pwrite(fd, &start, sizeof start, 0);
        result = written == (long)sizeof start ? 0 : written < 0 ? (int)written : -EIO;
    }
    (void)pk_sys_close(fd);
    if (result < 0) {
        (void)pk_sys6(SYS_unlinkat, AT_FDCWD, (long)path, 0, 0, 0, 0);
    }
    return result;
}

struct pk_tree_page *pk_tree_map(const char *directory, bool writable) {
    char path[PATH_ROOM];
    if (!make_path(path, directory)) {
        return NULL;
    }
    int fd = pk_sys_open(path, (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NOFOLLOW, 0);
    if (fd < 0) {
        return NULL;
    }
    // A shorter file would be a SIGBUS later.
    long bytes = pk_sys6(SYS_lseek, fd, 0, SEEK_END, 0, 0, 0);
    struct pk_tree_page *page = NULL;
    if (bytes >= (long)sizeof *page) {
        page = pk_sys_mmap(NULL, sizeof *page, PROT_READ | (writable ? PROT_WRITE : 0), MAP_SHARED,
                           fd, 0);
    }
    (void)pk_sys_close(fd);
    if (page != NULL && (memcmp(page->magic, PK_TREE_MAGIC, sizeof page->magic) != 0 ||
                         page->version != PK_TREE_VERSION || page->slots != PK_TREE_SLOTS)) {
        pk_tree_unmap(page);
        page = NULL;
    }
    return page;
}

void pk_tree_unmap(struct pk_tree_page *page) {
    (void)pk_sys_munmap(page, sizeof *page);
}

bool pk_tree_is_alive(const struct pk_tree_page *page, uint32_t index) {
    // glibc's mutex begins with its futex: the owner's thread id, and the kernel's mark.
    uint32_t word =
        __atomic_load_n((const uint32_t *)(const void *)page->slot[index].mutex, __ATOMIC_ACQUIRE);
    return word != 0 && (word & FUTEX_WORD_OWNER_DIED) == 0;
}

static uint32_t epoch_now(const struct pk_tree_page *page) {
    return pk_tree_epoch(__atomic_load_n(&page->peak, __ATOMIC_ACQUIRE));
}

static void mark_ended(struct pk_tree_page *page, uint32_t index) {
    uint32_t epoch = epoch_now(page);
    uint32_t not_yet = 0;
    // The first who sees it knows best.
    (void)__atomic_compare_exchange_n(&page->slot[index].end_epoch, &not_yet,
                                      epoch == 0 ? ENDED_BEFORE_ANY_PEAK : epoch, false,
                                      __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
    (void)__atomic_fetch_and(&page->live[index / 64], ~((uint64_t)1 << index % 64),
                             __ATOMIC_ACQ_REL);
}

void pk_tree_bury(struct pk_tree_page *page, uint32_t index) {
    (void)__atomic_fetch_or((uint32_t *)(void *)page->slot[index].mutex, FUTEX_WORD_OWNER_DIED,
                            __ATOMIC_ACQ_REL);
    mark_ended(page, index);
}

uint64_t pk_tree_sum(struct pk_tree_page *page) {
    uint32_t count = __atomic_load_n(&page->count, __ATOMIC_ACQUIRE);
    count = count > PK_TREE_SLOTS ? PK_TREE_SLOTS : count;
    uint64_t sum = 0;
    for (uint32_t word = 0; word * 64 < count; word++) {
        uint64_t bits = __atomic_load_n(&page->live[word], __ATOMIC_ACQUIRE);
        for (; bits != 0; bits &= bits - 1) {
            uint32_t index = word * 64 + (uint32_t)__builtin_ctzll(bits);
            if (pk_tree_is_alive(page, index)) {
                sum += __atomic_load_n(&page->slot[index].bytes, __ATOMIC_SEQ_CST);
            } else {
                mark_ended(page, index);
            }
        }
    }
    return sum;
}

static bool lock_for_life(struct pk_tree_slot *slot) {
    pthread_mutex_t *mutex = (pthread_mutex_t *)(void *)slot->mutex;
    pthread_mutexattr_t attributes;
    bool locked = false;
    if (pthread_mutexattr_init(&attributes) != 0) {
        return false;
    }
    if (pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED) == 0 &&
        pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST) == 0 &&
        pthread_mutex_init(mutex, &attributes) == 0) {
        locked = pthread_mutex_trylock(mutex) == 0;
    }
    (void)pthread_mutexattr_destroy(&attributes);
    return locked;
}

// At the limit of a memory cgroup the kernel brings no page in for a process that it kills, and
// cannot mark its lock there: of 20 killed workers 4 were not marked. So the slot's page stays,
// where the program may lock so much that it will not miss it; else the supervisor's next look
// tells (pk_tree_bury).
static void keep_in_memory(const struct pk_tree_slot *slot) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_MEMLOCK, &limit) != 0 || limit.rlim_cur < MUCH_TO_LOCK) {
        return;
    }
    (void)pk_sys6(SYS_mlock, (long)((uintptr_t)slot & ~(uintptr_t)4095), 4096, 0, 0, 0, 0);
}

static void set_live(struct pk_tree_page *page, uint32_t index) {
    (void)__atomic_fetch_or(&page->live[index / 64], (uint64_t)1 << index % 64, __ATOMIC_ACQ_REL);
}

uint32_t pk_tree_enter(struct pk_tree_page *page, uint32_t pid) {
    uint32_t index = __atomic_load_n(&page->count, __ATOMIC_ACQUIRE);
    do {
        if (index >= PK_TREE_SLOTS) {
            (void)__atomic_fetch_add(&page->refused, 1, __ATOMIC_RELAXED);
            return PK_TREE_NO_SLOT;
        }
    } while (!__atomic_compare_exchange_n(&page->count, &index, index + 1, true, __ATOMIC_ACQ_REL,
                                          __ATOMIC_ACQUIRE));
    struct pk_tree_slot *slot = &page->slot[index];
    __atomic_store_n(&slot->pid, pid, __ATOMIC_RELEASE);
    if (!lock_for_life(slot)) {
        mark_ended(page, index);
        return PK_TREE_NO_SLOT;
    }
    keep_in_memory(slot);
    set_live(page, index);
    return index;
}

// Two sums, because others may rise and fall while we add: only what both saw was there at one
// time.
static uint64_t steady_sum(struct pk_tree_page *page, uint64_t peak) {
    uint64_t sum = pk_tree_sum(page);
    if (sum <= peak) {
        return sum;
    }
    uint64_t again = pk_tree_sum(page);
    return again < sum ? again : sum;
}

static void raise_marks(struct pk_tree_page *page, uint32_t marks, uint64_t sum) {
    for (; marks != 0; marks &= marks - 1) {
        uint64_t *peak = &page->mark_peak[__builtin_ctz(marks)];
        uint64_t before = __atomic_load_n(peak, __ATOMIC_ACQUIRE);
        while (sum > before && !__atomic_compare_exchange_n(peak, &before, sum, false,
                                                            __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
        }
    }
}

int pk_tree_mark(struct pk_tree_page *page, uint64_t sum) {
    uint32_t marks = __atomic_load_n(&page->marks, __ATOMIC_ACQUIRE);
    uint32_t mark;
    do {
        mark = (uint32_t)__builtin_ctz(~marks);
        if (mark >= PK_TREE_MARKS) {
            return -1;
        }
    } while (!__atomic_compare_exchange_n(&page->marks, &marks, marks | 1u << mark, true,
                                          __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE));
    __atomic_store_n(&page->mark_peak[mark], sum, __ATOMIC_RELEASE);
    return (int)mark;
}

uint64_t pk_tree_unmark(struct pk_tree_page *page, int mark) {
    uint64_t peak = __atomic_load_n(&page->mark_peak[mark], __ATOMIC_ACQUIRE);
    (void)__atomic_fetch_and(&page->marks, ~(1u << mark), __ATOMIC_ACQ_REL);
    return peak;
}

void pk_tree_publish(struct pk_tree_page *page, uint32_t index, uint64_t bytes, uint64_t mono_ns) {
    uint64_t before = __atomic_exchange_n(&page->slot[index].bytes, bytes, __ATOMIC_SEQ_CST);
    if (bytes <= before) {
        return;
    }
    uint64_t peak = __atomic_load_n(&page->peak, __ATOMIC_ACQUIRE);
    uint32_t marks = __atomic_load_n(&page->marks, __ATOMIC_ACQUIRE);
    uint64_t sum = steady_sum(page, marks == 0 ? peak : 0);
    raise_marks(page, marks, sum);
    while (pk_tree_epoch(sum) > pk_tree_epoch(peak)) {
        if (__atomic_compare_exchange_n(&page->peak, &peak, sum, false, __ATOMIC_ACQ_REL,
                                        __ATOMIC_ACQUIRE)) {
            __atomic_store_n(&page->peak_mono_ns, mono_ns, __ATOMIC_RELEASE);
            return;
        }
    }
}

static bool is_same_note(const struct pk_tree_note *note, enum pk_tree_note_kind kind,
                         const char *text) {
    return note->kind == (uint32_t)kind && strncmp(note->text, text, sizeof note->text - 1) == 0;
}

void pk_tree_note(struct pk_tree_page *page, enum pk_tree_note_kind kind, uint32_t pid,
                  const char *text) {
    for (uint32_t i = 0; i < PK_TREE_NOTES; i++) {
        struct pk_tree_note *note = &page->notes[i];
        uint32_t free_one = 0;
        if (__atomic_load_n(&note->kind, __ATOMIC_ACQUIRE) != 0) {
            if (is_same_note(note, kind, text)) {
                (void)__atomic_fetch_add(&note->count, 1, __ATOMIC_RELAXED);
                return;
            }
        } else if (__atomic_compare_exchange_n(&note->pid, &free_one, pid, false, __ATOMIC_ACQ_REL,
                                               __ATOMIC_ACQUIRE)) {
            size_t bytes = strnlen(text, sizeof note->text - 1);
            memcpy(note->text, text, bytes); // the rest is zero: each note is written once
            (void)__atomic_fetch_add(&note->count, 1, __ATOMIC_RELAXED);
            __atomic_store_n(&note->kind, (uint32_t)kind, __ATOMIC_RELEASE);
            return;
        }
    }
}
