/* SPDX-License-Identifier: Apache-2.0
 * See environment.h. No allocation, no errno. */
#include "runtime/environment.h"

#include <elf.h>
#include <limits.h>
#include <stdint.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "base/sys.h"
#include "record/settings.h"

#define RUN PK_ENV_RUN "="
#define PRELOAD "LD_PRELOAD="
#define RUN_BYTES (sizeof RUN - 1)
#define PRELOAD_BYTES (sizeof PRELOAD - 1)

// The two strings as they go to the next program, one behind the other: a page touched, not two.
static char strings[RUN_BYTES + PATH_MAX + PRELOAD_BYTES + PATH_MAX];
static char *run;
static char *preload;
static size_t runtime_bytes; // of the path in `preload`; 0: not part of a run
static int own_pid;

static bool starts_with(const char *text, const char *start, size_t bytes) {
    return strncmp(text, start, bytes) == 0;
}

static bool is_runtime(const char *path, size_t bytes) {
    size_t name = strlen(PK_RUNTIME_NAME);
    return bytes >= name && memcmp(path + bytes - name, PK_RUNTIME_NAME, name) == 0 &&
           (bytes == name || path[bytes - name - 1] == '/');
}

// The runtime's path at the start of a list for LD_PRELOAD; its length, 0 if another file is first.
static size_t runtime_length(const char *list) {
    size_t bytes = strcspn(list, ": ");
    return is_runtime(list, bytes) ? bytes : 0;
}

// Finds both variables and keeps them. False: not both are there, or they are no ones of ours.
static bool remember(void) {
    const char *directory = NULL;
    const char *runtime = NULL;
    for (char **entry = environ; entry != NULL && *entry != NULL; entry++) {
        if (starts_with(*entry, RUN, RUN_BYTES)) {
            directory = *entry + RUN_BYTES;
        } else if (starts_with(*entry, PRELOAD, PRELOAD_BYTES) &&
                   runtime_length(*entry + PRELOAD_BYTES) != 0) {
            runtime = *entry + PRELOAD_BYTES;
        }
    }
    if (directory == NULL || directory[0] != '/' || runtime == NULL ||
        strlen(directory) >= PATH_MAX || runtime_length(runtime) >= PATH_MAX) {
        return false;
    }
    run = strings;
    memcpy(run, RUN, RUN_BYTES);
    memcpy(run + RUN_BYTES, directory, strlen(directory) + 1);
    preload = run + RUN_BYTES + strlen(directory) + 1;
    runtime_bytes = runtime_length(runtime);
    memcpy(preload, PRELOAD, PRELOAD_BYTES);
    memcpy(preload + PRELOAD_BYTES, runtime, runtime_bytes);
    preload[PRELOAD_BYTES + runtime_bytes] = '\0';
    return true;
}

// Takes the runtime out of one LD_PRELOAD string. False: nothing of the user's is left of it.
static bool clean_preload(char *entry, bool has_other) {
    char *list = entry + PRELOAD_BYTES;
    size_t bytes = runtime_length(list);
    if (bytes == 0) {
        return true;
    }
    if (has_other || list[bytes] == '\0') {
        return false;
    }
    size_t rest = strlen(list + bytes + 1);
    memmove(list, list + bytes + 1, rest);
    memset(list + rest, 0, bytes + 1);
    return true;
}

/* /proc/self/environ shows the memory of these strings, so they are wiped. And whoever looks for
 * the auxiliary vector (Go's runtime does) looks behind the NULL that ends the environment: there
 * it finds pairs to be ignored. */
static void take_out(void) {
    bool has_other = false; // a user's LD_PRELOAD: then ours is a string of its own
    char **to = environ;
    char **entry = environ;
    for (; *entry != NULL; entry++) {
        bool keep = !starts_with(*entry, RUN, RUN_BYTES);
        if (keep && starts_with(*entry, PRELOAD, PRELOAD_BYTES)) {
            keep = clean_preload(*entry, has_other);
            has_other = true;
        }
        if (keep) {
            *to++ = *entry;
        } else {
            memset(*entry, 0, strlen(*entry));
        }
    }
    if (to < entry) {
        *to++ = NULL;
    }
    for (; to < entry; to += 2) {
        to[0] = (char *)(uintptr_t)AT_IGNORE;
        to[1] = NULL;
    }
}

/* Was the program made by the Go compiler? Its note says so: header, "Go", build. Such a program
 * starts others by system calls of its own, which no hook sees, so it must hand on our variables
 * like a static one. */
static bool has_go_note(const char *notes, size_t bytes) {
    Elf64_Nhdr note;
    while (bytes >= sizeof note + 4) {
        memcpy(&note, notes, sizeof note);
        if (note.n_namesz == 4 && memcmp(notes + sizeof note, "Go\0", 4) == 0) {
            return true;
        }
        size_t size = sizeof note + (((size_t)note.n_namesz + 3) & ~(size_t)3) +
                      (((size_t)note.n_descsz + 3) & ~(size_t)3);
        if (size > bytes) {
            return false;
        }
        notes += size;
        bytes -= size;
    }
    return false;
}

static bool calls_kernel_itself(void) {
    const Elf64_Phdr *headers = (const Elf64_Phdr *)getauxval(AT_PHDR);
    size_t count = getauxval(AT_PHNUM);
    uintptr_t base = 0;
    for (size_t i = 0; headers != NULL && i < count; i++) {
        if (headers[i].p_type == PT_PHDR) {
            base = (uintptr_t)headers - headers[i].p_vaddr;
        } else if (headers[i].p_type == PT_NOTE &&
                   has_go_note((const char *)(base + headers[i].p_vaddr), headers[i].p_memsz)) {
            return true;
        }
    }
    return false;
}

const char *pk_environment_take(void) {
    if (!remember()) {
        return NULL;
    }
    own_pid = pk_sys_getpid();
    if (!calls_kernel_itself()) {
        take_out();
    }
    return pk_environment_directory();
}

const char *pk_environment_directory(void) {
    return runtime_bytes == 0 ? NULL : run + RUN_BYTES;
}

const char *pk_environment_runtime(void) {
    return runtime_bytes == 0 ? NULL : preload + PRELOAD_BYTES;
}

bool pk_environment_is_own_process(void) {
    return own_pid == pk_sys_getpid();
}

bool pk_environment_plan(char *const *envp, struct pk_environment_plan *ret_plan) {
    size_t count = 0;
    const char *list = NULL;
    if (runtime_bytes == 0) {
        return false;
    }
    for (; envp != NULL && envp[count] != NULL; count++) {
        if (starts_with(envp[count], RUN, RUN_BYTES)) {
            return false;
        }
        if (starts_with(envp[count], PRELOAD, PRELOAD_BYTES)) {
            list = envp[count] + PRELOAD_BYTES;
        }
    }
    ret_plan->count = count;
    ret_plan->preload = list;
    ret_plan->preload_bytes = list == NULL ? 0 : strlen(list);
    ret_plan->bytes = (count + 3) * sizeof(char *);
    if (list != NULL) {
        ret_plan->bytes += PRELOAD_BYTES + runtime_bytes + 1 + ret_plan->preload_bytes + 1;
    }
    return true;
}

char **pk_environment_build(const struct pk_environment_plan *plan, char *const *envp,
                            void *memory) {
    char **built = memory;
    size_t count = 0;
    // another thread may shorten `environ`
    for (; count < plan->count && envp[count] != NULL; count++) {
        built[count] = envp[count];
    }
    built[count] = preload;
    if (plan->preload != NULL) {
        char *list = (char *)(built + plan->count + 3);
        size_t bytes = PRELOAD_BYTES + runtime_bytes;
        memcpy(list, preload, bytes);
        list[bytes] = ':';
        memcpy(list + bytes + 1, plan->preload, plan->preload_bytes);
        list[bytes + 1 + plan->preload_bytes] = '\0';
        built[count] = list;
    }
    built[count + 1] = run;
    built[count + 2] = NULL;
    return built;
}
