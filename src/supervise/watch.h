/* SPDX-License-Identifier: Apache-2.0
 * Waits for the program as a shell's child would want its parent to: signals meant for this process
 * are passed on, signals that the program got too are not repeated, and when the program is stopped
 * (Ctrl-Z) this process stops with it, so that the shell's job control works. While it waits it
 * looks at the run's memory from outside (sample.h). SIGUSR2 is the one signal that is ours: it
 * asks for a report of the run so far. May use libc. Must stay true: between two looks it sleeps;
 * the program's end is seen at once, whatever else is going on. */
#pragma once

#include "supervise/sample.h"
#include "supervise/spawn.h"

#include <sys/resource.h>
#include <time.h>

#define PK_WATCH_SHOWN 8u

struct pk_watch_request {
    struct pk_sampler *sampler;
    /* Runs in a process of its own, forked from this one, all signals blocked; NULL: nothing. */
    void (*report_so_far)(void *context);
    void *context;
    double wait_s; /* for other processes of the run once the program has ended; negative: up to a
                      second for those that are no daemons */
};

struct pk_watched {
    int status;                        /* as from waitpid: it has exited or was killed */
    struct rusage usage;               /* of the program and the children it has waited for */
    struct rlimit address_space, data; /* of the program when it ended */
    uid_t user;           /* whom the program was when it ended; ours where that cannot be known */
    uint64_t duration_ns; /* since pk_watch_wait was called, by CLOCK_MONOTONIC */
    uint64_t waited_ns;   /* for others, after that; 0 if there were none to wait for */
    uint32_t others;      /* processes of the run that are still alive */
    pid_t other_pids[PK_WATCH_SHOWN];
};

/* Wait until the program has ended. Once, after pk_spawn_start. Returns 0 or a negative errno. */
int pk_watch_wait(const struct pk_spawned *spawned, const struct pk_watch_request *request,
                  struct pk_watched *ret_watched);
