/* SPDX-License-Identifier: Apache-2.0
 * Every start of another program comes through here: its environment gets what the caller took care
 * of and ours beside it, this process says that it leaves if it is about to become that program,
 * and what cannot be measured is noted. The caller's environment is never changed.
 *
 * May run in a vfork child, on its parent's memory and stack, and in a signal handler: no malloc,
 * no lock but the runtime's own (never in a vfork child), nothing kept. */
#pragma once

#include <spawn.h>
#include <stdbool.h>

enum pk_launch_kind {
    PK_LAUNCH_PATH,         /* execve */
    PK_LAUNCH_SEARCH,       /* execvpe */
    PK_LAUNCH_DESCRIPTOR,   /* fexecve */
    PK_LAUNCH_AT,           /* execveat */
    PK_LAUNCH_SPAWN,        /* posix_spawn */
    PK_LAUNCH_SPAWN_SEARCH, /* posix_spawnp */
};

struct pk_launch {
    enum pk_launch_kind kind;
    int fd;    /* DESCRIPTOR, AT */
    int flags; /* AT */
    const char *file;
    char *const *argv;
    pid_t *pid; /* from here on: SPAWN */
    const posix_spawn_file_actions_t *actions;
    const posix_spawnattr_t *attributes;
};

/* Starts the program with `envp` and our variables. The kinds that replace the process return -1
 * with errno set if they return; the others what posix_spawn returns. */
int pk_launch(const struct pk_launch *launch, char *const *envp);
