/* SPDX-License-Identifier: Apache-2.0
 * See real.h. */
#include "runtime/real.h"

#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <string.h>

#include "runtime/process.h"

static char bootstrap[16384] __attribute__((aligned(16)));
static size_t bootstrap_used;
// Volatile: glibc declares dlsym a leaf, so the compiler believes that it never comes back to us.
static __thread volatile int resolving __attribute__((tls_model("initial-exec")));

// Memory for dlsym itself: never freed, zeroed, only while `resolving`.
static void *bootstrap_alloc(size_t size) {
    size = (size + 31) & ~(size_t)15; // a size word before each piece, for realloc
    size_t at = __atomic_fetch_add(&bootstrap_used, size, __ATOMIC_RELAXED);
    if (at + size > sizeof bootstrap) {
        return NULL;
    }
    memcpy(bootstrap + at, &size, sizeof size);
    return bootstrap + at + 16;
}

int pk_real_is_bootstrap(const void *address) {
    return (uintptr_t)address - (uintptr_t)bootstrap < sizeof bootstrap;
}

void *pk_real_from_bootstrap(void *old, size_t size) {
    void *fresh = resolving ? bootstrap_alloc(size) : pk_real.malloc(size);
    if (fresh != NULL) {
        size_t old_size;
        memcpy(&old_size, (char *)old - 16, sizeof old_size);
        memcpy(fresh, old, old_size - 16 < size ? old_size - 16 : size);
    }
    return fresh;
}

static void *first_malloc(size_t size) {
    if (resolving) {
        return bootstrap_alloc(size);
    }
    pk_real_resolve();
    return pk_real.malloc(size);
}

static void *first_calloc(size_t count, size_t size) {
    if (resolving) {
        return size != 0 && count > sizeof bootstrap / size ? NULL : bootstrap_alloc(count * size);
    }
    pk_real_resolve();
    return pk_real.calloc(count, size);
}

static void *first_realloc(void *old, size_t size) {
    if (resolving) {
        return old == NULL ? bootstrap_alloc(size) : pk_real_from_bootstrap(old, size);
    }
    pk_real_resolve();
    return pk_real.realloc(old, size);
}

static void first_free(void *address) {
    if (!resolving) {
        pk_real_resolve();
        pk_real.free(address);
    }
}

struct pk_real pk_real = {
    .malloc = first_malloc,
    .calloc = first_calloc,
    .realloc = first_realloc,
    .free = first_free,
};

static void *next_symbol(const char *name) {
    return dlsym(RTLD_NEXT, name);
}

// Only libc's own malloc has the chunk headers we know; another allocator may be preloaded or
// linked.
static int is_in_libc(const void *function) {
    Dl_info info;
    if (dladdr(function, &info) == 0 || info.dli_fname == NULL) {
        return 0;
    }
    const char *name = strrchr(info.dli_fname, '/');
    name = name == NULL ? info.dli_fname : name + 1;
    return strncmp(name, "libc.so", 7) == 0 || strncmp(name, "libc-2.", 7) == 0;
}

static void resolve(void *(*find)(const char *name)) {
    int saved = errno;
    resolving = 1;
    struct pk_real found = {0};
#define FIND(name) *(void **)&found.name = find(#name)
    FIND(malloc);
    FIND(calloc);
    FIND(realloc);
    FIND(reallocarray);
    FIND(free);
    FIND(posix_memalign);
    FIND(aligned_alloc);
    FIND(memalign);
    FIND(valloc);
    FIND(pvalloc);
    FIND(mmap);
    FIND(munmap);
    FIND(mremap);
    FIND(mprotect);
    FIND(dlopen);
    FIND(pthread_create);
    FIND(execve);
    FIND(execvpe);
    FIND(fexecve);
    FIND(posix_spawn);
    FIND(posix_spawnp);
    FIND(system);
    FIND(popen);
    FIND(_exit);
    FIND(quick_exit);
    FIND(setuid);
    FIND(seteuid);
    FIND(setreuid);
    FIND(setresuid);
    FIND(chroot);
    FIND(_Fork);
#undef FIND
    found.glibc_malloc = is_in_libc(*(void **)&found.malloc);
    pk_real = found;
    resolving = 0;
    errno = saved;
}

PK_COLD void pk_real_resolve(void) {
    resolve(next_symbol);
    pk_process_watch_forks(); // before any allocator below us does
}

// What the program's own calls reach. In a program at fixed addresses the name may lead to a jump
// inside the program (its "canonical" address), which ends wherever the program's table says: at
// our hook, once that is redirected.
static void *program_symbol(const char *name) {
    void *found = dlsym(RTLD_DEFAULT, name);
    Dl_info info;
    const ElfW(Sym) *entry = NULL;
    if (found == NULL || dladdr1(found, &info, (void **)&entry, RTLD_DL_SYMENT) == 0) {
        return found;
    }
    Dl_info ours;
    if (dladdr(&pk_real, &ours) != 0 && info.dli_fbase == ours.dli_fbase) {
        return next_symbol(name); // nobody but us has it: what an old libc lacks stays unknown
    }
    void *next = entry != NULL && entry->st_shndx == SHN_UNDEF ? next_symbol(name) : NULL;
    return next == NULL ? found : next;
}

void pk_real_resolve_program(void) {
    resolve(program_symbol);
}

static void *(*probed_malloc)(size_t);
static int probe_reached;

static void *probe_malloc(size_t size) {
    probe_reached = 1;
    return probed_malloc(size);
}

// By calling it, not by its address: in a program that is not position-independent that is a jump
// inside the program.
int pk_real_is_first(void) {
    void *(*their_malloc)(size_t);
    void (*their_free)(void *);
    *(void **)&their_malloc = dlsym(RTLD_DEFAULT, "malloc");
    *(void **)&their_free = dlsym(RTLD_DEFAULT, "free");
    if (their_malloc == NULL || their_free == NULL) {
        return 1;
    }
    probe_reached = 0;
    probed_malloc = pk_real.malloc;
    pk_real.malloc = probe_malloc;
    void *block = their_malloc(1);
    pk_real.malloc = probed_malloc;
    their_free(block);
    return probe_reached;
}
