/* SPDX-License-Identifier: Apache-2.0
 * Starts the program with the runtime library preloaded, and otherwise just as this process was
 * started: same directory, files, environment, process group, signal mask and dispositions. May use
 * libc and record/. Must stay true: two variables are added to the environment and nothing else;
 * the program's file descriptors are those this process inherited. */
#pragma once

#include "supervise/failure.h"

#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct pk_spawn_request {
    const char *path; /* file to execute */
    char *const *argv;
    const char *runtime; /* libpeakline.so */
    const char *result;  /* result directory, absolute */
    /* of DIR/tree: the program's pid is put there, if it is a Python; or NULL */
    uint32_t *solo_pid;
};

struct pk_spawned {
    pid_t pid;
    sigset_t mask;             /* of signals, as inherited */
    struct sigaction on_child; /* SIGCHLD's disposition, as inherited */
    char alias[PATH_MAX]; /* directory made for a runtime whose path LD_PRELOAD cannot hold; "" if
                             none */
};

/* `environment` with the runtime in front of LD_PRELOAD and with PEAKLINE_RUN; a new array, whose
 * new strings are in the same allocation: free() it. NULL: no memory. */
char **pk_spawn_environment(char *const *environment, const char *runtime, const char *result);

/* Can LD_PRELOAD hold this path? Not with a space or a colon, which separate, or a dollar, which is
 * replaced. */
bool pk_spawn_can_preload(const char *path);

/* A path to the runtime that LD_PRELOAD can hold: itself, or a link in a directory made for it,
 * whose name is then in `alias` (else ""). Both have PATH_MAX bytes. Returns 0, or a negative errno
 * and nothing made. pk_spawn_remove_alias removes link and directory, if there are any. */
int pk_spawn_preload_path(const char *runtime, char *alias, char *ret_path);
void pk_spawn_remove_alias(char *alias);

/* Start it. From here on all signals of this process are blocked, for pk_watch_wait;
 * pk_spawn_restore undoes that. Returns 0, or a negative errno with `failure` filled (125; 126 or
 * 127 when it could not be executed) and everything restored. */
int pk_spawn_start(const struct pk_spawn_request *request, struct pk_spawned *ret_spawned,
                   struct pk_failure *failure);

/* Mask and disposition back to what they were; the alias directory removed. Once, after the program
 * has ended. */
void pk_spawn_restore(struct pk_spawned *spawned);
