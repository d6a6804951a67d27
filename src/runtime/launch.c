/* SPDX-License-Identifier: Apache-2.0
 * See launch.h. */
#include "runtime/launch.h"

#include <alloca.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/attr.h"
#include "base/sys.h"
#include "runtime/environment.h"
#include "runtime/process.h"
#include "runtime/program.h"
#include "runtime/real.h"
#include "runtime/runtime.h"

/* some 8,000 variables; beyond that a map, but not in a vfork child: it would stay */
#define STACK_BYTES 65536

static bool is_spawn(const struct pk_launch *launch) {
    return launch->kind == PK_LAUNCH_SPAWN || launch->kind == PK_LAUNCH_SPAWN_SEARCH;
}

static int call_real(const struct pk_launch *launch, char *const *envp) {
    switch (launch->kind) {
    case PK_LAUNCH_PATH:
        return pk_real.execve(launch->file, launch->argv, envp);
    case PK_LAUNCH_SEARCH:
        return pk_real.execvpe(launch->file, launch->argv, envp);
    case PK_LAUNCH_DESCRIPTOR:
        return pk_real.fexecve(launch->fd, launch->argv, envp);
    case PK_LAUNCH_SPAWN:
        return pk_real.posix_spawn(launch->pid, launch->file, launch->actions, launch->attributes,
                                   launch->argv, envp);
    case PK_LAUNCH_SPAWN_SEARCH:
        return pk_real.posix_spawnp(launch->pid, launch->file, launch->actions, launch->attributes,
                                    launch->argv, envp);
    case PK_LAUNCH_AT:
        break;
    }
    // glibc has a function for it since 2.34 only
    long result = pk_sys6(SYS_execveat, launch->fd, (long)launch->file, (long)launch->argv,
                          (long)envp, launch->flags, 0);
    errno = (int)-result;
    return -1;
}

static enum pk_program inspect(const struct pk_launch *launch) {
    switch (launch->kind) {
    case PK_LAUNCH_SEARCH:
    case PK_LAUNCH_SPAWN_SEARCH:
        return pk_program_inspect_name(launch->file);
    case PK_LAUNCH_DESCRIPTOR:
        return pk_program_inspect_file(launch->fd);
    case PK_LAUNCH_AT:
        return launch->file[0] == '\0' && (launch->flags & AT_EMPTY_PATH) != 0
                   ? pk_program_inspect_file(launch->fd)
                   : pk_program_inspect(launch->fd, launch->file);
    default:
        return pk_program_inspect(AT_FDCWD, launch->file);
    }
}

static void note_unmeasured(enum pk_tree_note_kind kind, const struct pk_launch *launch) {
    pk_process_note(kind, launch->file[0] != '\0' ? launch->file : "[open file]");
}

// Shall the program get our variables? Says so in the tree if what runs there cannot be measured.
static bool wants_ours(const struct pk_launch *launch, enum pk_program program) {
    switch (program) {
    case PK_PROGRAM_PRIVILEGED:
        note_unmeasured(PK_NOTE_SET_ID, launch);
        return false;
    case PK_PROGRAM_FOREIGN:
        note_unmeasured(PK_NOTE_STATIC, launch);
        return false;
    case PK_PROGRAM_HANDS_ON:
        note_unmeasured(PK_NOTE_STATIC, launch);
        return true;
    default:
        break;
    }
    // Another user, another root: the loader would complain about a library that it cannot open,
    // and who cannot write a record cannot say so either, when the page of the processes is out of
    // reach too.
    if (!pk_program_can_read(pk_environment_runtime()) ||
        !pk_program_can_write(pk_environment_directory())) {
        note_unmeasured(PK_NOTE_OUT_OF_REACH, launch);
        return false;
    }
    return true;
}

// The same program with the environment as the caller made it, if ours made it too large.
static int call_with(const struct pk_launch *launch, char *const *ours, char *const *envp) {
    int result = call_real(launch, ours);
    if (is_spawn(launch) ? result == E2BIG : errno == E2BIG) {
        result = call_real(launch, envp);
    }
    return result;
}

static int call_with_ours(const struct pk_launch *launch, char *const *envp) {
    struct pk_environment_plan plan;
    if (!pk_environment_plan(envp, &plan)) {
        return call_real(launch, envp);
    }
    if (plan.bytes <= STACK_BYTES) {
        return call_with(launch, pk_environment_build(&plan, envp, alloca(plan.bytes)), envp);
    }
    void *memory = pk_environment_is_own_process()
                       ? pk_sys_mmap(NULL, plan.bytes, PROT_READ | PROT_WRITE,
                                     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
                       : NULL;
    if (memory == NULL) {
        return call_real(launch, envp);
    }
    int result = call_with(launch, pk_environment_build(&plan, envp, memory), envp);
    (void)pk_sys_munmap(memory, plan.bytes);
    return result;
}

int pk_launch(const struct pk_launch *launch, char *const *envp) {
    if (PK_UNLIKELY(pk_real.execve == NULL)) {
        pk_real_resolve();
    }
    if (pk_environment_directory() == NULL) {
        return call_real(launch, envp);
    }
    enum pk_program program = launch->file == NULL ? PK_PROGRAM_NONE : inspect(launch);
    if (program == PK_PROGRAM_NONE) {
        return call_real(launch, envp);
    }
    bool leaves = !is_spawn(launch) && pk_runtime_is_own();
    bool ours = wants_ours(launch, program);
    if (leaves) {
        pk_runtime_leaving(PK_STATE_EXEC);
    } else {
        pk_process_spawning();
    }
    int result = ours ? call_with_ours(launch, envp) : call_real(launch, envp);
    if (leaves) {
        pk_runtime_stays();
    }
    return result;
}
