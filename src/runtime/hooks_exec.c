/* SPDX-License-Identifier: Apache-2.0
 * Interception of what replaces a process by another program, starts one, or ends the process
 * without its exit handlers. All of them may be called in a vfork child. What libc calls inside
 * itself does not come through here. */
#include <alloca.h>
#include <errno.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/attr.h"
#include "base/sys.h"
#include "runtime/launch.h"
#include "runtime/real.h"
#include "runtime/runtime.h"

// ---- replacing this process ---------------------------------------------------------------------

static int replace(enum pk_launch_kind kind, const char *file, char *const *argv,
                   char *const *envp) {
    return pk_launch(&(struct pk_launch){.kind = kind, .file = file, .argv = argv}, envp);
}

PK_EXPORT int execve(const char *path, char *const argv[], char *const envp[]) {
    return replace(PK_LAUNCH_PATH, path, argv, envp);
}

PK_EXPORT int execv(const char *path, char *const argv[]) {
    return replace(PK_LAUNCH_PATH, path, argv, environ);
}

PK_EXPORT int execvp(const char *file, char *const argv[]) {
    return replace(PK_LAUNCH_SEARCH, file, argv, environ);
}

PK_EXPORT int execvpe(const char *file, char *const argv[], char *const envp[]) {
    return replace(PK_LAUNCH_SEARCH, file, argv, envp);
}

PK_EXPORT int fexecve(int fd, char *const argv[], char *const envp[]) {
    return pk_launch(
        &(struct pk_launch){.kind = PK_LAUNCH_DESCRIPTOR, .fd = fd, .file = "", .argv = argv},
        envp);
}

PK_EXPORT int execveat(int fd, const char *path, char *const argv[], char *const envp[],
                       int flags) {
    return pk_launch(
        &(struct pk_launch){
            .kind = PK_LAUNCH_AT, .fd = fd, .flags = flags, .file = path, .argv = argv},
        envp);
}

/* The arguments of the execl functions, up to and with the NULL. */
static size_t count_arguments(const char *first, va_list list) {
    size_t count = 1;
    for (const char *each = first; each != NULL; each = va_arg(list, const char *)) {
        count++;
    }
    return count;
}

/* By its address: what execle finds behind the arguments is taken from the same list afterwards,
 * and a list that was passed by value stands nowhere in particular then (on aarch64: still at the
 * first argument). */
static void take_arguments(const char *first, va_list *list, size_t count, char **ret_argv) {
    ret_argv[0] = (char *)(uintptr_t)first;
    for (size_t i = 1; i < count; i++) {
        ret_argv[i] = va_arg(*list, char *);
    }
}

static size_t measure(const char *first, va_list list) {
    va_list copy;
    va_copy(copy, list);
    size_t count = count_arguments(first, copy);
    va_end(copy);
    return count;
}

PK_EXPORT int execl(const char *path, const char *first, ...) {
    va_list list;
    va_start(list, first);
    size_t count = measure(first, list);
    char **argv = alloca(count * sizeof *argv);
    take_arguments(first, &list, count, argv);
    va_end(list);
    return replace(PK_LAUNCH_PATH, path, argv, environ);
}

PK_EXPORT int execlp(const char *file, const char *first, ...) {
    va_list list;
    va_start(list, first);
    size_t count = measure(first, list);
    char **argv = alloca(count * sizeof *argv);
    take_arguments(first, &list, count, argv);
    va_end(list);
    return replace(PK_LAUNCH_SEARCH, file, argv, environ);
}

PK_EXPORT int execle(const char *path, const char *first, ...) {
    va_list list;
    va_start(list, first);
    size_t count = measure(first, list);
    char **argv = alloca(count * sizeof *argv);
    take_arguments(first, &list, count, argv);
    char *const *envp = va_arg(list, char *const *);
    va_end(list);
    return replace(PK_LAUNCH_PATH, path, argv, envp);
}

// ---- starting another one -----------------------------------------------------------------------

PK_EXPORT int posix_spawn(pid_t *restrict pid, const char *restrict path,
                          const posix_spawn_file_actions_t *restrict actions,
                          const posix_spawnattr_t *restrict attributes, char *const argv[restrict],
                          char *const envp[restrict]) {
    return pk_launch(&(struct pk_launch){.kind = PK_LAUNCH_SPAWN,
                                         .file = path,
                                         .argv = argv,
                                         .pid = pid,
                                         .actions = actions,
                                         .attributes = attributes},
                     envp);
}

PK_EXPORT int posix_spawnp(pid_t *restrict pid, const char *restrict file,
                           const posix_spawn_file_actions_t *restrict actions,
                           const posix_spawnattr_t *restrict attributes, char *const argv[restrict],
                           char *const envp[restrict]) {
    return pk_launch(&(struct pk_launch){.kind = PK_LAUNCH_SPAWN_SEARCH,
                                         .file = file,
                                         .argv = argv,
                                         .pid = pid,
                                         .actions = actions,
                                         .attributes = attributes},
                     envp);
}

// ---- ending -------------------------------------------------------------------------------------

PK_EXPORT _Noreturn void _exit(int status) {
    pk_runtime_leaving(PK_STATE_ENDED);
    if (pk_real._exit != NULL) {
        pk_real._exit(status);
    }
    for (;;) {
        (void)pk_sys6(SYS_exit_group, status, 0, 0, 0, 0, 0);
    }
}

PK_EXPORT _Noreturn void _Exit(int status) {
    _exit(status);
}

PK_EXPORT _Noreturn void quick_exit(int status) {
    if (pk_real.quick_exit == NULL) {
        pk_real_resolve();
    }
    // the handlers of at_quick_exit still run, and are still recorded
    pk_runtime_leaving(PK_STATE_ENDED);
    pk_real.quick_exit(status);
    __builtin_unreachable();
}
