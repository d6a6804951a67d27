/* SPDX-License-Identifier: Apache-2.0
 * system() and popen(). glibc's own start the shell by an inner call that no hook can see, with
 * `environ`, where our variables are not. So both are made anew here, from public functions, for
 * programs that are part of a run; in all others the C library's are called. What they do is what
 * POSIX and the manual of glibc say; where glibc's versions differ, that of the running one.
 *
 * popen's stream is a cookie stream (fopencookie) that has a descriptor too: fclose and pclose are
 * one function in glibc, and both close it through close_stream, which waits for the shell. This is
 * the only file of the runtime that uses stdio and malloc: on the program's behalf, where the C
 * library would. */
#include <errno.h>
#include <fcntl.h>
#include <gnu/libc-version.h>
#include <paths.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/attr.h"
#include "base/sys.h"
#include "runtime/environment.h"
#include "runtime/launch.h"
#include "runtime/real.h"

#define STATUS_NO_SHELL (127 << 8)

/* A lock that is free in a forked child, whoever held it in the parent: it holds the number of the
 * process. */
static void take(int *lock) {
    int self = pk_sys_getpid();
    for (;;) {
        int holder = __atomic_load_n(lock, __ATOMIC_RELAXED);
        if (holder != self && __atomic_compare_exchange_n(lock, &holder, self, false,
                                                          __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
            return;
        }
        struct timespec nap = {.tv_nsec = 50000};
        (void)pk_sys6(SYS_nanosleep, (long)&nap, 0, 0, 0, 0, 0);
    }
}

static void release(int *lock) {
    __atomic_store_n(lock, 0, __ATOMIC_RELEASE);
}

// glibc 2.38 and later: a command may begin with a dash, and want of processes or memory is an
// error of its own.
static bool is_newer_libc(void) {
    const char *version = gnu_get_libc_version(); // "2.36"
    int minor = version[0] == '2' && version[1] == '.' ? atoi(version + 2) : 0;
    return minor >= 38;
}

static int start_shell(const char *command, const posix_spawn_file_actions_t *actions,
                       const posix_spawnattr_t *attributes, pid_t *ret_pid) {
    char *text = (char *)(uintptr_t)command;
    char *newer[] = {(char *)(uintptr_t) "sh", (char *)(uintptr_t) "-c", (char *)(uintptr_t) "--",
                     text, NULL};
    char *older[] = {(char *)(uintptr_t) "sh", (char *)(uintptr_t) "-c", text, NULL};
    struct pk_launch launch = {.kind = PK_LAUNCH_SPAWN,
                               .file = _PATH_BSHELL,
                               .argv = is_newer_libc() ? newer : older,
                               .pid = ret_pid,
                               .actions = actions,
                               .attributes = attributes};
    return pk_launch(&launch, environ);
}

// ---- system -------------------------------------------------------------------------------------

// Several threads may be in system() at once: the first one ignores the signals, the last one
// restores them.
static struct {
    int lock;
    int users;
    struct sigaction interrupt;
    struct sigaction quit;
} ignored;

static void ignore_signals(sigset_t *ret_defaults) {
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    take(&ignored.lock);
    if (ignored.users++ == 0) {
        (void)sigaction(SIGINT, &ignore, &ignored.interrupt);
        (void)sigaction(SIGQUIT, &ignore, &ignored.quit);
    }
    (void)sigemptyset(ret_defaults); // what the shell shall not ignore: exec keeps SIG_IGN
    if (ignored.interrupt.sa_handler != SIG_IGN) {
        (void)sigaddset(ret_defaults, SIGINT);
    }
    if (ignored.quit.sa_handler != SIG_IGN) {
        (void)sigaddset(ret_defaults, SIGQUIT);
    }
    release(&ignored.lock);
}

static void restore_signals(void) {
    take(&ignored.lock);
    if (--ignored.users == 0) {
        (void)sigaction(SIGINT, &ignored.interrupt, NULL);
        (void)sigaction(SIGQUIT, &ignored.quit, NULL);
    }
    release(&ignored.lock);
}

static int wait_for(pid_t pid, int *ret_status) {
    pid_t ended = 0;
    do {
        ended = waitpid(pid, ret_status, 0);
    } while (ended < 0 && errno == EINTR);
    return ended == pid ? 0 : -1;
}

// The thread is cancelled while it waits: the shell does not outlive the call.
static void cancel_shell(void *context) {
    int state = 0;
    pid_t pid = *(pid_t *)context;
    (void)kill(pid, SIGKILL);
    (void)pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
    (void)wait_for(pid, NULL);
    (void)pthread_setcancelstate(state, NULL);
    restore_signals();
}

static int wait_cancellably(pid_t pid) {
    int status = 0;
    int result = -1;
    pthread_cleanup_push(cancel_shell, &pid);
    result = wait_for(pid, &status);
    pthread_cleanup_pop(0);
    return result == 0 ? status : -1;
}

static int run_shell(const char *command) {
    sigset_t defaults;
    sigset_t child;
    sigset_t before;
    posix_spawnattr_t attributes;
    pid_t pid = 0;
    int status = -1;

    ignore_signals(&defaults);
    (void)sigemptyset(&child);
    (void)sigaddset(&child, SIGCHLD);
    (void)sigprocmask(SIG_BLOCK, &child, &before);

    (void)posix_spawnattr_init(&attributes);
    (void)posix_spawnattr_setsigmask(&attributes, &before);
    (void)posix_spawnattr_setsigdefault(&attributes, &defaults);
    (void)posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
    int error = start_shell(command, NULL, &attributes, &pid);
    (void)posix_spawnattr_destroy(&attributes);
    if (error == 0) {
        status = wait_cancellably(pid);
    } else if (!is_newer_libc() || (error != EAGAIN && error != ENOMEM)) {
        status = STATUS_NO_SHELL;
    }

    restore_signals();
    (void)sigprocmask(SIG_SETMASK, &before, NULL);
    if (error != 0) {
        errno = error;
    }
    return status;
}

PK_EXPORT int system(const char *command) {
    if (PK_UNLIKELY(pk_real.system == NULL)) {
        pk_real_resolve();
    }
    if (pk_environment_directory() == NULL) {
        return pk_real.system(command);
    }
    return command == NULL ? run_shell("exit 0") == 0 : run_shell(command);
}

// ---- popen --------------------------------------------------------------------------------------

struct stream {
    pid_t pid;
    int fd;
    struct stream *next;
};

static struct stream *streams; // a later shell gets none of them; under the lock
static int streams_lock;

static ssize_t read_stream(void *cookie, char *buffer, size_t size) {
    return read(((struct stream *)cookie)->fd, buffer, size);
}

// All of it: stdio asks once. What was written before an error counts.
static ssize_t write_stream(void *cookie, const char *buffer, size_t size) {
    size_t done = 0;
    while (done < size) {
        ssize_t bytes = write(((struct stream *)cookie)->fd, buffer + done, size - done);
        if (bytes < 0) {
            break;
        }
        done += (size_t)bytes;
    }
    return (ssize_t)done;
}

static int seek_stream(void *cookie, off64_t *position, int whence) {
    off64_t result = lseek64(((struct stream *)cookie)->fd, *position, whence); // a pipe: ESPIPE
    *position = result;
    return result < 0 ? -1 : 0;
}

static int close_stream(void *cookie) {
    struct stream *stream = cookie;
    int status = -1;
    take(&streams_lock);
    for (struct stream **link = &streams; *link != NULL; link = &(*link)->next) {
        if (*link == stream) {
            *link = stream->next;
            break;
        }
    }
    release(&streams_lock);
    int result = close(stream->fd);
    if (result == 0) {
        result = wait_for(stream->pid, &status);
    }
    int error = errno;
    free(stream);
    errno = error;
    return result == 0 ? status : -1;
}

struct mode {
    bool reads, writes, closes_on_exec;
};

static bool parse_mode(const char *text, struct mode *ret_mode) {
    *ret_mode = (struct mode){false, false, false};
    for (; *text != '\0'; text++) {
        switch (*text) {
        case 'r':
            ret_mode->reads = true;
            break;
        case 'w':
            ret_mode->writes = true;
            break;
        case 'e':
            ret_mode->closes_on_exec = true;
            break;
        default:
            return false;
        }
    }
    return ret_mode->reads != ret_mode->writes;
}

// The shell with `theirs` as its standard input or output, and without the pipes of other shells. 0
// or an errno.
static int start_at_pipe(const char *command, int theirs, int wanted, pid_t *ret_pid) {
    posix_spawn_file_actions_t actions;
    (void)posix_spawn_file_actions_init(&actions);
    int error = posix_spawn_file_actions_adddup2(&actions, theirs, wanted);
    for (struct stream *each = streams; error == 0 && each != NULL; each = each->next) {
        if (each->fd != wanted) { // that one has just been replaced
            error = posix_spawn_file_actions_addclose(&actions, each->fd);
        }
    }
    if (error == 0) {
        error = start_shell(command, &actions, NULL, ret_pid);
    }
    (void)posix_spawn_file_actions_destroy(&actions);
    return error;
}

// Both ends close on exec: another thread may start a program meanwhile. The shell's end must not
// be at its place already, for then dup2 would leave it so.
static bool make_pipe(int theirs, int wanted, int *ret_ends) {
    if (pipe2(ret_ends, O_CLOEXEC) != 0) {
        return false;
    }
    if (ret_ends[theirs] == wanted) {
        int moved = fcntl(wanted, F_DUPFD_CLOEXEC, 0);
        int error = errno;
        (void)close(wanted);
        ret_ends[theirs] = moved;
        if (moved < 0) {
            (void)close(ret_ends[1 - theirs]);
            errno = error;
            return false;
        }
    }
    return true;
}

static FILE *open_pipe(const char *command, const struct mode *mode) {
    static const cookie_io_functions_t functions = {
        .read = read_stream, .write = write_stream, .seek = seek_stream, .close = close_stream};
    int ends[2];
    int wanted = mode->reads ? STDOUT_FILENO : STDIN_FILENO; // in the shell
    int theirs = mode->reads ? 1 : 0;
    struct stream *stream = malloc(sizeof *stream);
    FILE *file = stream == NULL ? NULL : fopencookie(stream, mode->reads ? "r" : "w", functions);
    if (file == NULL || !make_pipe(theirs, wanted, ends)) {
        goto failed;
    }
    take(&streams_lock);
    int error = start_at_pipe(command, ends[theirs], wanted, &stream->pid);
    if (error == 0) {
        stream->fd = ends[1 - theirs];
        stream->next = streams;
        streams = stream;
    }
    release(&streams_lock);
    (void)close(ends[theirs]);
    if (error != 0) {
        (void)close(ends[1 - theirs]);
        errno = error;
        goto failed;
    }
    if (!mode->closes_on_exec) {
        (void)fcntl(stream->fd, F_SETFD, 0);
    }
    file->_fileno = stream->fd; // so that fileno() knows it
    return file;

failed:
    error = errno;
    if (file != NULL) {
        stream->fd = -1; // closing fails at once, and frees the stream
        (void)fclose(file);
    } else {
        free(stream);
    }
    errno = error;
    return NULL;
}

PK_EXPORT FILE *popen(const char *command, const char *type) {
    struct mode mode;
    if (PK_UNLIKELY(pk_real.popen == NULL)) {
        pk_real_resolve();
    }
    if (pk_environment_directory() == NULL) {
        return pk_real.popen(command, type);
    }
    if (!parse_mode(type, &mode)) {
        errno = EINVAL;
        return NULL;
    }
    return open_pipe(command, &mode);
}
