/* SPDX-License-Identifier: Apache-2.0
 * The functions behind our hooks: the next definition in the program (usually libc's, or that of an
 * allocator the user preloads). Found by dlsym at the first call or in the constructor, whichever
 * comes first; while dlsym itself allocates, a small static buffer answers. */
#pragma once

#include <spawn.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/attr.h"

struct pk_real {
    void *(*malloc)(size_t);
    void *(*calloc)(size_t, size_t);
    void *(*realloc)(void *, size_t);
    void *(*reallocarray)(void *, size_t, size_t);
    void (*free)(void *);
    int (*posix_memalign)(void **, size_t, size_t);
    void *(*aligned_alloc)(size_t, size_t);
    void *(*memalign)(size_t, size_t);
    void *(*valloc)(size_t);
    void *(*pvalloc)(size_t);
    void *(*mmap)(void *, size_t, int, int, int, off_t);
    int (*munmap)(void *, size_t);
    void *(*mremap)(void *, size_t, size_t, int, ...);
    int (*mprotect)(void *, size_t, int);
    void *(*dlopen)(const char *, int);
    int (*pthread_create)(void *, const void *, void *(*)(void *), void *);
    int (*execve)(const char *, char *const *, char *const *);
    int (*execvpe)(const char *, char *const *, char *const *);
    int (*fexecve)(int, char *const *, char *const *);
    int (*posix_spawn)(pid_t *, const char *, const posix_spawn_file_actions_t *,
                       const posix_spawnattr_t *, char *const *, char *const *);
    int (*posix_spawnp)(pid_t *, const char *, const posix_spawn_file_actions_t *,
                        const posix_spawnattr_t *, char *const *, char *const *);
    int (*system)(const char *);
    void *(*popen)(const char *, const char *);
    void (*_exit)(int);
    void (*quick_exit)(int);
    int (*setuid)(uid_t);
    int (*seteuid)(uid_t);
    int (*setreuid)(uid_t, uid_t);
    int (*setresuid)(uid_t, uid_t, uid_t);
    int (*chroot)(const char *);
    pid_t (*_Fork)(void); /* glibc 2.34 and later */
    int glibc_malloc;     /* malloc is glibc's own: its chunk header may be read */
};

extern struct pk_real pk_real;

/* Finds all of them. Any number of times, from the constructor on. */
void pk_real_resolve(void);
/* The same for a library that the program loaded itself: the functions that its own calls reach,
 * which are not ours. Before any of its references is redirected to us. */
void pk_real_resolve_program(void);
/* True for memory from the static buffer, which is never freed. */
int pk_real_is_bootstrap(const void *address);
/* realloc for such memory: a real block with its contents. */
void *pk_real_from_bootstrap(void *old, size_t size);
/* True if the program calls our malloc: no other one is linked into it or preloaded before us. From
 * the constructor, before events are recorded. */
int pk_real_is_first(void);
