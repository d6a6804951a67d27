/* SPDX-License-Identifier: Apache-2.0
 * The two variables by which the measurement goes from program to program: PEAKLINE_RUN and ours in
 * LD_PRELOAD. The constructor remembers them and takes them out, so that no program sees them (but
 * those that call the kernel themselves); whatever starts another program puts them back into that
 * program's environment (launch.c). Written once, at start; after that only read, without a lock: a
 * vfork child and a signal handler may do so.
 *
 * Ours are always the last two strings. A user's own LD_PRELOAD stays before them as it was, and
 * again inside ours, behind the runtime: the loader takes the last LD_PRELOAD there is. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Remembers the variables and takes them out of `environ`, in place (main's envp is the same
 * array). Returns the run's directory, or NULL: this program is not part of a run, and nothing was
 * changed. Once, from the constructor. */
const char *pk_environment_take(void);
/* The run's directory and the runtime's file, as they were remembered; NULL if this program is not
 * part of a run. */
const char *pk_environment_directory(void);
const char *pk_environment_runtime(void);
/* Is this the process that ran the constructor? If not, it is a child by fork, or by vfork on its
 * parent's memory. */
bool pk_environment_is_own_process(void);

/* What adding ours to an environment takes. */
struct pk_environment_plan {
    size_t count;        /* strings that are there */
    const char *preload; /* the value of the last LD_PRELOAD among them, NULL if there is none */
    size_t preload_bytes;
    size_t bytes; /* memory that pk_environment_build needs */
};

/* Looks at `envp` (NULL counts as empty). False: hand on `envp` itself: this program is not part of
 * a run, or the environment belongs to another run (a profiler that is profiled). */
bool pk_environment_plan(char *const *envp, struct pk_environment_plan *ret_plan);
/* Makes the environment in `memory` (plan->bytes, aligned for pointers) and returns it. `envp` is
 * not changed, and its strings must live as long as the result. */
char **pk_environment_build(const struct pk_environment_plan *plan, char *const *envp,
                            void *memory);
