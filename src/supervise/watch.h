/* SPDX-License-Identifier: Apache-2.0
 * Waits for the program as a shell's child would want its parent to: signals meant for this process
 * are passed on, signals that the program got too are not repeated, and when the program is stopped
 * (Ctrl-Z) this process stops with it, so that the shell's job control works. May use libc. Must
 * stay true: it sleeps until a signal comes; no timer, no polling. */
#pragma once

#include "supervise/spawn.h"

#include <sys/resource.h>
#include <time.h>

struct pk_watched {
    int status;          /* as from waitpid: it has exited or was killed */
    struct rusage usage; /* of the program and the children it has waited for */
    struct timespec end; /* wall clock */
    double duration_s;   /* since pk_watch_wait was called */
};

/* Wait until the program has ended. Once, after pk_spawn_start. Returns 0 or a negative errno. */
int pk_watch_wait(const struct pk_spawned *spawned, struct pk_watched *ret_watched);
