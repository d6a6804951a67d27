/* SPDX-License-Identifier: Apache-2.0
 * See spawn.h. Signals are blocked across fork, so that none is lost between the child's start and
 * the watch, and no handler of ours can ever run in the child. A pipe that closes on exec tells
 * whether exec succeeded. */
#include "supervise/spawn.h"

#include "record/settings.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define PRELOAD "LD_PRELOAD="
#define RUN PK_ENV_RUN "="

bool pk_spawn_can_preload(const char *path) {
    return strpbrk(path, " :$\t\n") == NULL;
}

static bool starts_with(const char *text, const char *prefix) {
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

char **pk_spawn_environment(char *const *environment, const char *runtime, const char *result) {
    const char *others = "";
    size_t count = 0;

    for (; environment[count] != NULL; count++) {
        if (starts_with(environment[count], PRELOAD)) {
            others = environment[count] + strlen(PRELOAD);
        }
    }
    size_t preload_bytes = strlen(PRELOAD) + strlen(runtime) + 1 + strlen(others) + 1;
    size_t run_bytes = strlen(RUN) + strlen(result) + 1;
    size_t table_bytes = (count + 3) * sizeof(char *);
    char **copy = malloc(table_bytes + preload_bytes + run_bytes);
    if (copy == NULL) {
        return NULL;
    }
    char *preload = (char *)copy + table_bytes;
    char *run = preload + preload_bytes;
    (void)snprintf(preload, preload_bytes, "%s%s%s%s", PRELOAD, runtime,
                   others[0] == '\0' ? "" : ":", others);
    (void)snprintf(run, run_bytes, "%s%s", RUN, result);
    // In place, where they were there before: the order of the other variables is part of
    // "unchanged".
    size_t length = 0;
    bool has_preload = false, has_run = false;
    for (size_t i = 0; i < count; i++) {
        if (starts_with(environment[i], PRELOAD)) {
            copy[length] = preload;
            length += has_preload ? 0 : 1;
            has_preload = true;
        } else if (starts_with(environment[i], RUN)) {
            copy[length] = run;
            length += has_run ? 0 : 1;
            has_run = true;
        } else {
            copy[length++] = environment[i];
        }
    }
    if (!has_preload) {
        copy[length++] = preload;
    }
    if (!has_run) {
        copy[length++] = run;
    }
    copy[length] = NULL;
    return copy;
}

void pk_spawn_remove_alias(char *alias) {
    char path[PATH_MAX + sizeof(PK_RUNTIME_NAME) + 1];

    if (alias[0] != '\0') {
        (void)snprintf(path, sizeof(path), "%s/%s", alias, PK_RUNTIME_NAME);
        (void)unlink(path);
        (void)rmdir(alias);
        alias[0] = '\0';
    }
}

int pk_spawn_preload_path(const char *runtime, char *alias, char *ret_path) {
    const char *wanted = getenv("TMPDIR");

    alias[0] = '\0';
    if (pk_spawn_can_preload(runtime)) {
        (void)snprintf(ret_path, PATH_MAX, "%s", runtime);
        return 0;
    }
    if (wanted == NULL || wanted[0] != '/' || !pk_spawn_can_preload(wanted)) {
        wanted = "/tmp";
    }
    (void)snprintf(alias, PATH_MAX, "%s/peakline-XXXXXX", wanted);
    if (mkdtemp(alias) == NULL) {
        alias[0] = '\0';
        return -errno;
    }
    int error = -ENAMETOOLONG;
    if (snprintf(ret_path, PATH_MAX, "%s/%s", alias, PK_RUNTIME_NAME) < PATH_MAX) {
        error = symlink(runtime, ret_path) == 0 ? 0 : -errno;
    }
    if (error != 0) {
        pk_spawn_remove_alias(alias);
    }
    return error;
}

void pk_spawn_restore(struct pk_spawned *spawned) {
    (void)sigaction(SIGCHLD, &spawned->on_child, NULL);
    (void)sigprocmask(SIG_SETMASK, &spawned->mask, NULL);
    pk_spawn_remove_alias(spawned->alias);
}

/* In the child: become the program, or say why not. Only async-signal-safe calls. */
__attribute__((noreturn)) static void become_program(const struct pk_spawn_request *request,
                                                     char **environment,
                                                     const struct pk_spawned *spawned,
                                                     int error_fd) {
    (void)sigaction(SIGCHLD, &spawned->on_child, NULL);
    if (request->solo_pid != NULL) {
        __atomic_store_n(request->solo_pid, (uint32_t)getpid(), __ATOMIC_RELEASE);
    }
    (void)sigprocmask(SIG_SETMASK, &spawned->mask, NULL);
    (void)execve(request->path, request->argv, environment);
    int error = errno;
    (void)!write(error_fd, &error, sizeof(error));
    _exit(PK_EXIT_NO_EXEC);
}

/* What exec said: 0 when the program runs, else errno. */
static int read_exec_error(int fd) {
    int error = 0;
    ssize_t bytes = 0;

    do {
        bytes = read(fd, &error, sizeof(error));
    } while (bytes < 0 && errno == EINTR);
    return bytes == (ssize_t)sizeof(error) ? error : 0;
}

static int fail_exec(const struct pk_spawn_request *request, int error,
                     struct pk_failure *failure) {
    switch (error) {
    case ENOENT:
        // The file was there a moment ago: it is the interpreter named in it that is missing.
        return pk_failure_set(
            failure, -error, PK_EXIT_NOT_FOUND,
            "cannot run %s: the interpreter or loader it names does not exist; correct its first "
            "line or install it",
            request->path);
    case ENOEXEC:
        return pk_failure_set(failure, -error, PK_EXIT_NO_EXEC,
                              "cannot run %s: it is neither a program nor a script with a #! line",
                              request->path);
    case E2BIG:
        return pk_failure_set(failure, -error, PK_EXIT_NO_EXEC,
                              "cannot run %s: its arguments and environment are too long",
                              request->path);
    default:
        return pk_failure_set(failure, -error, PK_EXIT_NO_EXEC, "cannot run %s: %s", request->path,
                              strerror(error));
    }
}

int pk_spawn_start(const struct pk_spawn_request *request, struct pk_spawned *ret_spawned,
                   struct pk_failure *failure) {
    struct sigaction plain = {.sa_handler = SIG_DFL};
    char preload[PATH_MAX];
    sigset_t all;
    int ends[2];

    memset(ret_spawned, 0, sizeof(*ret_spawned));
    int error = pk_spawn_preload_path(request->runtime, ret_spawned->alias, preload);
    if (error != 0) {
        return pk_failure_set(
            failure, error, PK_EXIT_FAILED,
            "cannot make a link to %s in the temporary directory: %s; set TMPDIR to a writable one",
            request->runtime, strerror(-error));
    }
    char **environment = pk_spawn_environment(environ, preload, request->result);
    if (environment == NULL || pipe2(ends, O_CLOEXEC) != 0) {
        error = environment == NULL ? -ENOMEM : -errno;
        free(environment);
        pk_spawn_remove_alias(ret_spawned->alias);
        return pk_failure_set(failure, error, PK_EXIT_FAILED, "cannot start the program: %s",
                              strerror(-error));
    }
    (void)sigfillset(&all);
    (void)sigprocmask(SIG_SETMASK, &all, &ret_spawned->mask);
    // An ignored SIGCHLD, which some parents leave us, would make the kernel forget how the child
    // ended.
    (void)sigaction(SIGCHLD, &plain, &ret_spawned->on_child);

    ret_spawned->pid = fork();
    if (ret_spawned->pid == 0) {
        become_program(request, environment, ret_spawned, ends[1]);
    }
    error = ret_spawned->pid < 0 ? -errno : 0;
    free(environment);
    (void)close(ends[1]);
    int exec_error = error == 0 ? read_exec_error(ends[0]) : 0;
    (void)close(ends[0]);
    if (error == 0 && exec_error == 0) {
        return 0;
    }
    if (exec_error != 0) {
        (void)waitpid(ret_spawned->pid, NULL, 0);
    }
    pk_spawn_restore(ret_spawned);
    if (exec_error != 0) {
        return fail_exec(request, exec_error, failure);
    }
    return pk_failure_set(failure, error, PK_EXIT_FAILED, "cannot start the program: %s",
                          strerror(-error));
}
