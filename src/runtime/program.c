/* SPDX-License-Identifier: Apache-2.0
 * See program.h. What cannot be found out counts as carrying: then all goes on as it would for most
 * programs. */
#include "runtime/program.h"

#include <alloca.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/attr.h"
#include "base/sys.h"

#if defined(__x86_64__)
#define OWN_MACHINE EM_X86_64
#elif defined(__aarch64__)
#define OWN_MACHINE EM_AARCH64
#endif

#define MAX_SCRIPT_DEPTH 4 /* the kernel's own limit on chains of `#!` */
#define NAME_BYTES 256     /* of an interpreter; the kernel reads no more of the first line */
/* holds the ELF header, the 13 or so program headers and the loader's name */
#define START_BYTES 1024
#define DEFAULT_PATH "/bin:/usr/bin" /* execvp without a PATH */

struct start {
    long bytes;
    _Alignas(Elf64_Ehdr) char data[START_BYTES + 1];
};

static void read_start(int fd, uint64_t offset, struct start *start) {
    start->bytes = pk_sys6(SYS_pread64, fd, (long)start->data, START_BYTES, (long)offset, 0, 0);
    if (start->bytes < 0) {
        start->bytes = 0;
    }
    start->data[start->bytes] = '\0';
}

// ---- privileges ---------------------------------------------------------------------------------

static unsigned own_id(long number) {
    return (unsigned)pk_sys6(number, 0, 0, 0, 0, 0, 0);
}

// True where the kernel ignores the bits: a process that gave up privileges for good, a mount
// without them.
static bool bits_are_ignored(int fd) {
    struct statfs mount;
    if (pk_sys6(SYS_prctl, PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0, 0) == 1) {
        return true;
    }
    return fd >= 0 && pk_sys6(SYS_fstatfs, fd, (long)&mount, 0, 0, 0, 0) == 0 &&
           (mount.f_flags & ST_NOSUID) != 0;
}

// Will the loader be told to trust nobody (AT_SECURE)? The kernel's rule: effective ids that are
// not the real ones, or capabilities for somebody who is not root.
static bool gains_privileges(int fd, const struct stat *status) {
    unsigned user = own_id(SYS_getuid);
    unsigned group = own_id(SYS_getgid);
    unsigned effective_user = own_id(SYS_geteuid);
    unsigned effective_group = own_id(SYS_getegid);
    bool set_user = (status->st_mode & S_ISUID) != 0;
    bool set_group = (status->st_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP);
    bool capable = user != 0 && fd >= 0 &&
                   pk_sys6(SYS_fgetxattr, fd, (long)"security.capability", 0, 0, 0, 0) > 0;
    if ((set_user || set_group || capable) && !bits_are_ignored(fd)) {
        effective_user = set_user ? status->st_uid : effective_user;
        effective_group = set_group ? status->st_gid : effective_group;
    } else {
        capable = false;
    }
    return effective_user != user || effective_group != group || capable;
}

// ---- ELF ----------------------------------------------------------------------------------------

static bool is_loader(const char *path) {
    const char *base = strrchr(path, '/');
    base = base == NULL ? path : base + 1;
    return strncmp(base, "ld-linux", 8) == 0 || strncmp(base, "ld-2.", 5) == 0 ||
           strcmp(base, "ld.so") == 0;
}

static enum pk_program inspect_loader(int fd, const Elf64_Phdr *interpreter) {
    char name[256];
    size_t bytes = interpreter->p_filesz < sizeof name ? interpreter->p_filesz : sizeof name - 1;
    long got = pk_sys6(SYS_pread64, fd, (long)name, (long)bytes, (long)interpreter->p_offset, 0, 0);
    name[got < 0 ? 0 : got] = '\0';
    return strstr(name, "musl") != NULL ? PK_PROGRAM_FOREIGN : PK_PROGRAM_CARRIES;
}

static enum pk_program inspect_elf(int fd, const char *path, struct start *start) {
    Elf64_Ehdr file;
    memcpy(&file, start->data, sizeof file);
    if (file.e_ident[EI_CLASS] != ELFCLASS64 || file.e_machine != OWN_MACHINE) {
        return PK_PROGRAM_FOREIGN;
    }
    if (file.e_phentsize != sizeof(Elf64_Phdr) || file.e_phnum == 0) {
        return PK_PROGRAM_CARRIES;
    }
    uint64_t table_bytes = (uint64_t)file.e_phnum * sizeof(Elf64_Phdr);
    uint64_t at = file.e_phoff;
    if (at > (uint64_t)start->bytes || table_bytes > (uint64_t)start->bytes - at) {
        read_start(fd, file.e_phoff, start); // an editor of ELF files moved the table
        at = 0;
        if (table_bytes > (uint64_t)start->bytes) {
            return PK_PROGRAM_CARRIES;
        }
    }
    for (size_t i = 0; i < file.e_phnum; i++) {
        Elf64_Phdr header;
        memcpy(&header, start->data + at + i * sizeof header, sizeof header);
        if (header.p_type == PT_INTERP) {
            return inspect_loader(fd, &header);
        }
    }
    return is_loader(path) ? PK_PROGRAM_CARRIES : PK_PROGRAM_HANDS_ON;
}

// ---- scripts ------------------------------------------------------------------------------------

// The interpreter named in "#!  /bin/sh -e", or NULL.
static const char *script_interpreter(struct start *start) {
    if (start->bytes < 2 || start->data[0] != '#' || start->data[1] != '!') {
        return NULL;
    }
    char *name = start->data + 2 + strspn(start->data + 2, " \t");
    name[strcspn(name, " \t\n")] = '\0';
    return name[0] == '\0' ? NULL : name;
}

/* A file at first, then the interpreter it names, and so on. Set-id bits count on the last one
 * only. */
static enum pk_program inspect(int at, const char *path, int fd) {
    struct start start;
    char next[NAME_BYTES]; // keeps the name while `start` is read again
    for (int depth = 0; depth <= MAX_SCRIPT_DEPTH; depth++) {
        struct stat status;
        bool given = fd >= 0;
        const char *name = given ? "" : path;
        if (pk_sys6(SYS_newfstatat, given ? fd : at, (long)name, (long)&status,
                    given ? AT_EMPTY_PATH : 0, 0, 0) < 0 ||
            !S_ISREG(status.st_mode) || (status.st_mode & 0111) == 0) {
            return PK_PROGRAM_NONE;
        }
        if (!given) {
            fd = (int)pk_sys6(SYS_openat, at, (long)path,
                              O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0, 0, 0);
        }
        start.bytes = 0;
        start.data[0] = '\0';
        if (fd >= 0) {
            read_start(fd, 0, &start);
        }
        const char *interpreter = script_interpreter(&start);
        enum pk_program kind = PK_PROGRAM_CARRIES;
        if (interpreter == NULL) {
            if (start.bytes >= (long)sizeof(Elf64_Ehdr) &&
                memcmp(start.data, ELFMAG, SELFMAG) == 0) {
                kind = inspect_elf(fd, path, &start);
            }
            if (kind != PK_PROGRAM_FOREIGN && gains_privileges(fd, &status)) {
                kind = PK_PROGRAM_PRIVILEGED;
            }
        }
        if (!given && fd >= 0) {
            (void)pk_sys_close(fd);
        }
        if (interpreter == NULL) {
            return kind;
        }
        size_t bytes = strlen(interpreter) + 1;
        if (bytes > sizeof next) {
            return PK_PROGRAM_NONE;
        }
        memcpy(next, interpreter, bytes);
        path = next;
        at = AT_FDCWD;
        fd = -1;
    }
    return PK_PROGRAM_CARRIES;
}

enum pk_program pk_program_inspect(int at, const char *path) {
    return inspect(at, path, -1);
}

enum pk_program pk_program_inspect_file(int fd) {
    return fd < 0 ? PK_PROGRAM_NONE : inspect(AT_FDCWD, "", fd);
}

static const char *find_path(void) {
    for (char **entry = environ; entry != NULL && *entry != NULL; entry++) {
        if (strncmp(*entry, "PATH=", 5) == 0) {
            return *entry + 5;
        }
    }
    return DEFAULT_PATH;
}

enum pk_program pk_program_inspect_name(const char *name) {
    size_t name_bytes = strlen(name) + 1;
    if (strchr(name, '/') != NULL) {
        return pk_program_inspect(AT_FDCWD, name);
    }
    if (name_bytes == 1 || name_bytes > NAME_MAX + 1) {
        return PK_PROGRAM_NONE;
    }
    const char *list = find_path();
    // of the stack no more than it takes: a handler may have little
    size_t room = strnlen(list, PATH_MAX) + 1;
    char *path = alloca(room + name_bytes);
    for (const char *folder = list;; folder++) {
        size_t bytes = strcspn(folder, ":");
        if (bytes < room) {
            memcpy(path, folder, bytes);
            path[bytes] = '/';
            // an empty entry is the current directory
            memcpy(path + bytes + (bytes != 0), name, name_bytes);
            enum pk_program kind = pk_program_inspect(AT_FDCWD, path);
            if (kind != PK_PROGRAM_NONE) {
                return kind;
            }
        }
        folder += bytes;
        if (*folder == '\0') {
            return PK_PROGRAM_NONE;
        }
    }
}

bool pk_program_can_write(const char *path) {
    return pk_sys6(SYS_faccessat, AT_FDCWD, (long)path, W_OK | X_OK, 0, 0, 0) != -EACCES;
}

bool pk_program_can_read(const char *path) {
    return pk_sys6(SYS_faccessat, AT_FDCWD, (long)path, R_OK, 0, 0, 0) == 0;
}
