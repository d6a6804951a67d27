/* SPDX-License-Identifier: Apache-2.0
 * See interpreter.h. */
#include "supervise/interpreter.h"

#include "base/clock.h"
#include "supervise/locate.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define ANSWER_TIMEOUT_MS 10000
#define QUESTION \
    "import sys, sysconfig\n" \
    "sys.stdout.write('peakline %s %d %d %d %d\\n' % ((sys.implementation.name,) + " \
    "tuple(sys.version_info[:3])" \
    " + (int(bool(sysconfig.get_config_var('Py_GIL_DISABLED'))),)))\n"

/* Start `path` with nothing on stdin, nothing shown on stderr and stdout in `out` (-1: nowhere). */
static int start_quietly(const char *path, char *const *argv, char *const *environment, int out,
                         pid_t *ret_pid) {
    posix_spawn_file_actions_t actions;
    int error = posix_spawn_file_actions_init(&actions);

    if (error != 0) {
        return -error;
    }
    error = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    if (error == 0) {
        error = posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    }
    if (error == 0) {
        error = out >= 0 ? posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO)
                         : posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null",
                                                            O_WRONLY, 0);
    }
    if (error == 0) {
        error = posix_spawn(ret_pid, path, &actions, NULL, argv, environment);
    }
    (void)posix_spawn_file_actions_destroy(&actions);
    return -error;
}

static int64_t read_milliseconds(void) {
    return (int64_t)(pk_clock_ns(CLOCK_MONOTONIC) / 1000000);
}

/* All that comes out of `fd` until it is closed, cut to `size` - 1. Returns 0 or -ETIMEDOUT. */
static int read_answer(int fd, size_t size, char *ret_answer) {
    int64_t end = read_milliseconds() + ANSWER_TIMEOUT_MS;
    size_t length = 0;

    for (;;) {
        struct pollfd watched = {.fd = fd, .events = POLLIN};
        int64_t left = end - read_milliseconds();
        int ready = left <= 0 ? 0 : poll(&watched, 1, (int)left);
        if (ready == 0) {
            return -ETIMEDOUT;
        }
        if (ready < 0) {
            continue;
        }
        char chunk[512];
        ssize_t bytes = read(fd, chunk, sizeof(chunk));
        if (bytes <= 0) {
            break;
        }
        for (ssize_t i = 0; i < bytes && length + 1 < size; i++) {
            ret_answer[length++] = chunk[i];
        }
    }
    ret_answer[length] = '\0';
    return 0;
}

static int wait_for(pid_t pid) {
    int status = 0;

    while (waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR) {
            return -errno;
        }
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int pk_interpreter_ask(const char *path, const char *name, struct pk_interpreter_facts *ret_facts) {
    char *argv[] = {(char *)name, (char *)"-I", (char *)"-c", (char *)QUESTION, NULL};
    char answer[512] = "";
    int pipe_ends[2];
    pid_t pid = 0;

    memset(ret_facts, 0, sizeof(*ret_facts));
    if (pipe2(pipe_ends, O_CLOEXEC) != 0) {
        return -errno;
    }
    int error = start_quietly(path, argv, environ, pipe_ends[1], &pid);
    (void)close(pipe_ends[1]);
    if (error == 0) {
        error = read_answer(pipe_ends[0], sizeof(answer), answer);
        if (error != 0) {
            (void)kill(pid, SIGKILL);
        }
        (void)wait_for(pid);
    }
    (void)close(pipe_ends[0]);
    if (error != 0) {
        return error;
    }
    if (sscanf(answer, "peakline %31s %d %d %d %d", ret_facts->implementation, &ret_facts->major,
               &ret_facts->minor, &ret_facts->micro, &ret_facts->free_threaded) != 5) {
        return -EPROTO;
    }
    return 0;
}

int pk_interpreter_try(const char *path, const char *name, char *const *environment) {
    char *argv[] = {(char *)name, (char *)"-c", (char *)"pass", NULL};
    pid_t pid = 0;
    int error = start_quietly(path, argv, environment, -1, &pid);

    return error != 0 ? error : wait_for(pid);
}

/* A Python beside this program: that of the virtual environment it was installed into. */
static bool find_beside(struct pk_interpreter *interpreter) {
    static const char *const names[] = {"python3", "python"};
    char directory[PATH_MAX];

    if (pk_locate_own_directory(directory) != 0) {
        return false;
    }
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        int bytes =
            snprintf(interpreter->name, sizeof(interpreter->name), "%s/%s", directory, names[i]);
        if (bytes < PATH_MAX && pk_target_find(interpreter->name, NULL, interpreter->path) == 0) {
            return true;
        }
    }
    return false;
}

static int find_by_name(const char *name, const char *path_list, struct pk_interpreter *interpreter,
                        struct pk_failure *failure) {
    int error = -ENAMETOOLONG;

    if (snprintf(interpreter->name, sizeof(interpreter->name), "%s", name) < PATH_MAX) {
        error = pk_target_find(name, path_list, interpreter->path);
    }
    if (error == -EACCES) {
        return pk_failure_set(failure, error, PK_EXIT_NO_EXEC,
                              "%s cannot be executed; give a Python with --python PATH", name);
    }
    if (error != 0) {
        return pk_failure_set(failure, error, PK_EXIT_NOT_FOUND,
                              "there is no %s%s; give a Python with --python PATH", name,
                              strchr(name, '/') == NULL ? " on PATH" : "");
    }
    return 0;
}

/* The file does not look like CPython: a launcher in front of one, or another thing. Ask it. */
static int check_answer(const struct pk_interpreter *interpreter, struct pk_failure *failure) {
    struct pk_interpreter_facts facts;
    int error = pk_interpreter_ask(interpreter->path, interpreter->name, &facts);

    if (error != 0) {
        return pk_failure_set(
            failure, error, PK_EXIT_FAILED,
            "%s is not a Python 3: it %s; give a CPython with --python PATH", interpreter->name,
            error == -ETIMEDOUT ? "did not answer within 10 seconds" : "does not answer as one");
    }
    if (strcmp(facts.implementation, "cpython") != 0) {
        return pk_failure_set(failure, -ENOTSUP, PK_EXIT_FAILED,
                              "%s is %s, not CPython; give a CPython with --python PATH",
                              interpreter->name, facts.implementation);
    }
    return 0;
}

int pk_interpreter_choose(const char *wanted, const char *path_list,
                          struct pk_interpreter *ret_interpreter, struct pk_failure *failure) {
    if (wanted != NULL || !find_beside(ret_interpreter)) {
        int error =
            find_by_name(wanted != NULL ? wanted : "python3", path_list, ret_interpreter, failure);
        if (error != 0) {
            return error;
        }
    }
    pk_target_inspect(ret_interpreter->path, path_list, &ret_interpreter->target);
    int error = pk_target_check(&ret_interpreter->target, ret_interpreter->name, true, failure);
    if (error != 0 || ret_interpreter->target.kind == PK_TARGET_CPYTHON) {
        return error;
    }
    // A script called python3 on PATH is a version manager's; asking it would double its own
    // start-up.
    if (wanted == NULL && ret_interpreter->target.kind == PK_TARGET_SCRIPT) {
        return 0;
    }
    return check_answer(ret_interpreter, failure);
}
