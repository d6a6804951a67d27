/* SPDX-License-Identifier: Apache-2.0
 * See target.h. */
#include "supervise/target.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <paths.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#if defined(__x86_64__)
#define OWN_MACHINE EM_X86_64
#elif defined(__aarch64__)
#define OWN_MACHINE EM_AARCH64
#else
#error "unknown machine"
#endif

#define MAX_SCRIPT_DEPTH 4 /* the kernel's own limit on chains of `#!` */
#define MAX_PROGRAM_HEADERS 128
#define MAX_DYNAMIC_BYTES 65536
#define MAX_NAMES_BYTES (4u << 20) /* of a dynamic string table; CPython's is about 60 KiB */

static void inspect_file(const char *path, const char *path_list, int depth,
                         struct pk_target *target);

int pk_target_find(const char *name, const char *path_list, char *ret_path) {
    bool denied = false;

    if (strchr(name, '/') != NULL) {
        struct stat status;
        if (snprintf(ret_path, PATH_MAX, "%s", name) >= PATH_MAX) {
            return -ENAMETOOLONG;
        }
        if (stat(name, &status) != 0) {
            return errno == EACCES ? -EACCES : -ENOENT;
        }
        return S_ISREG(status.st_mode) && access(name, X_OK) == 0 ? 0 : -EACCES;
    }
    if (path_list == NULL) {
        path_list = _PATH_DEFPATH;
    }
    if (name[0] == '\0') {
        return -ENOENT;
    }
    for (const char *start = path_list;; start++) {
        size_t length = strcspn(start, ":");
        char path[PATH_MAX];
        struct stat status;
        // An empty entry means the current directory.
        int bytes = length == 0 ? snprintf(path, sizeof(path), "./%s", name)
                                : snprintf(path, sizeof(path), "%.*s/%s", (int)length, start, name);

        if (bytes < PATH_MAX && stat(path, &status) == 0 && S_ISREG(status.st_mode)) {
            if (access(path, X_OK) == 0) {
                memcpy(ret_path, path, (size_t)bytes + 1);
                return 0;
            }
            if (!denied) {
                memcpy(ret_path, path, (size_t)bytes + 1);
                denied = true;
            }
        }
        start += length;
        if (*start == '\0') {
            return denied ? -EACCES : -ENOENT;
        }
    }
}

/* Read exactly `size` bytes at `offset`; false if the file does not have them. */
static bool read_at(int fd, void *buffer, size_t size, uint64_t offset) {
    return offset < INT64_MAX && pread(fd, buffer, size, (off_t)offset) == (ssize_t)size;
}

/* Where in the file the loader finds what it maps at `address`; 0: nowhere. */
static uint64_t find_file_offset(const Elf64_Phdr *headers, size_t count, uint64_t address) {
    for (size_t i = 0; i < count; i++) {
        const Elf64_Phdr *header = &headers[i];
        if (header->p_type == PT_LOAD && address >= header->p_vaddr &&
            address - header->p_vaddr < header->p_filesz) {
            return address - header->p_vaddr + header->p_offset;
        }
    }
    return 0;
}

/* Is this the CPython interpreter? It needs libpython3, or it has Python's entry point among the
 * names it exports. */
static bool names_python(int fd, const Elf64_Phdr *headers, size_t count,
                         const Elf64_Phdr *dynamic) {
    static const char entry[] = "\0Py_BytesMain";
    uint64_t names_address = 0, names_bytes = 0;
    bool found = false;

    if (dynamic->p_filesz > MAX_DYNAMIC_BYTES) {
        return false;
    }
    size_t entries = dynamic->p_filesz / sizeof(Elf64_Dyn);
    Elf64_Dyn *table = calloc(entries + 1, sizeof(*table));
    if (table == NULL || !read_at(fd, table, entries * sizeof(*table), dynamic->p_offset)) {
        free(table);
        return false;
    }
    for (size_t i = 0; i < entries && table[i].d_tag != DT_NULL; i++) {
        if (table[i].d_tag == DT_STRTAB) {
            names_address = table[i].d_un.d_ptr;
        } else if (table[i].d_tag == DT_STRSZ) {
            names_bytes = table[i].d_un.d_val;
        }
    }
    uint64_t names_offset = find_file_offset(headers, count, names_address);
    char *names =
        names_bytes > 0 && names_bytes <= MAX_NAMES_BYTES ? malloc(names_bytes + 1) : NULL;
    if (names != NULL && names_offset != 0 && read_at(fd, names, names_bytes, names_offset)) {
        names[names_bytes] = '\0';
        found = memmem(names, names_bytes + 1, entry, sizeof(entry)) != NULL;
        for (size_t i = 0; !found && i < entries && table[i].d_tag != DT_NULL; i++) {
            found = table[i].d_tag == DT_NEEDED && table[i].d_un.d_val < names_bytes &&
                    strncmp(names + table[i].d_un.d_val, "libpython", strlen("libpython")) == 0;
        }
    }
    free(names);
    free(table);
    return found;
}

static void inspect_elf(int fd, const unsigned char *start, struct pk_target *target) {
    Elf64_Ehdr file;
    Elf64_Phdr headers[MAX_PROGRAM_HEADERS];
    const Elf64_Phdr *interpreter = NULL, *dynamic = NULL;
    char loader[256] = "";

    if (start[EI_CLASS] == ELFCLASS32) {
        target->obstacle = PK_OBSTACLE_32BIT;
        return;
    }
    if (!read_at(fd, &file, sizeof(file), 0) || file.e_phentsize != sizeof(headers[0]) ||
        file.e_phnum == 0 || file.e_phnum > MAX_PROGRAM_HEADERS ||
        !read_at(fd, headers, file.e_phnum * sizeof(headers[0]), file.e_phoff)) {
        return;
    }
    if (file.e_machine != OWN_MACHINE) {
        target->obstacle = PK_OBSTACLE_MACHINE;
        return;
    }
    for (size_t i = 0; i < file.e_phnum; i++) {
        if (headers[i].p_type == PT_INTERP) {
            interpreter = &headers[i];
        } else if (headers[i].p_type == PT_DYNAMIC) {
            dynamic = &headers[i];
        }
    }
    if (interpreter == NULL) {
        target->obstacle = PK_OBSTACLE_STATIC;
        return;
    }
    if (interpreter->p_filesz < sizeof(loader) &&
        read_at(fd, loader, interpreter->p_filesz, interpreter->p_offset) &&
        strstr(loader, "musl") != NULL) {
        target->obstacle = PK_OBSTACLE_MUSL;
        return;
    }
    if (dynamic != NULL && names_python(fd, headers, file.e_phnum, dynamic)) {
        target->kind = PK_TARGET_CPYTHON;
    }
}

/* "#!/usr/bin/env -S NAME ...": the word that env will look up. NULL if there is none. */
static const char *find_env_name(char *words) {
    char *rest = NULL;

    for (char *word = strtok_r(words, " \t", &rest); word != NULL;
         word = strtok_r(NULL, " \t", &rest)) {
        if (word[0] != '-' && strchr(word, '=') == NULL) {
            return word;
        }
    }
    return NULL;
}

static void inspect_script(char *line, const char *path_list, int depth, struct pk_target *target) {
    char *interpreter = line + 2 + strspn(line + 2, " \t");
    char found[PATH_MAX];

    interpreter[strcspn(interpreter, "\n")] = '\0';
    char *arguments = interpreter + strcspn(interpreter, " \t");
    if (*arguments != '\0') {
        *arguments++ = '\0';
    }
    target->kind = PK_TARGET_SCRIPT;
    if (depth >= MAX_SCRIPT_DEPTH || interpreter[0] == '\0') {
        return;
    }
    const char *base = strrchr(interpreter, '/');
    if (base != NULL && strcmp(base, "/env") == 0) {
        const char *name = find_env_name(arguments);
        if (name == NULL || pk_target_find(name, path_list, found) != 0) {
            return;
        }
        interpreter = found;
    }
    inspect_file(interpreter, path_list, depth + 1, target);
    // A shell is not the Python, it will start one: say so.
    if (target->kind == PK_TARGET_OTHER) {
        target->kind = PK_TARGET_SCRIPT;
    }
}

static void inspect_file(const char *path, const char *path_list, int depth,
                         struct pk_target *target) {
    char start[512];
    struct stat status;

    target->kind = PK_TARGET_OTHER;
    (void)snprintf(target->path, sizeof(target->path), "%s", path);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return; // executable and not readable: nothing known, nothing refused
    }
    ssize_t bytes = pread(fd, start, sizeof(start) - 1, 0);
    if (bytes >= 2 && start[0] == '#' && start[1] == '!') {
        // The set-id bits of a script mean nothing, those of its interpreter do.
        start[bytes] = '\0';
        inspect_script(start, path_list, depth, target);
    } else if (bytes >= EI_NIDENT && memcmp(start, ELFMAG, SELFMAG) == 0) {
        inspect_elf(fd, (const unsigned char *)start, target);
        bool set_id = fstat(fd, &status) == 0 &&
                      ((status.st_mode & S_ISUID) != 0 ||
                       (status.st_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP));
        if (target->obstacle == PK_OBSTACLE_NONE &&
            (set_id || fgetxattr(fd, "security.capability", NULL, 0) > 0)) {
            target->obstacle = PK_OBSTACLE_SETUID;
        }
    }
    (void)close(fd);
}

void pk_target_inspect(const char *path, const char *path_list, struct pk_target *ret_target) {
    memset(ret_target, 0, sizeof(*ret_target));
    inspect_file(path, path_list, 0, ret_target);
}

int pk_target_check(const struct pk_target *target, const char *named, bool must_be_python,
                    struct pk_failure *failure) {
    const char *why = NULL, *next = NULL;

    switch (target->obstacle) {
    case PK_OBSTACLE_NONE:
        return 0;
    case PK_OBSTACLE_STATIC:
        if (!must_be_python) {
            return 0;
        }
        why = "is a static program, so no library can be loaded into it";
        next = "use a Python that is linked dynamically (--python PATH)";
        break;
    case PK_OBSTACLE_MUSL:
        why = "is built for the musl C library, and Peakline for glibc";
        next = "use a Python built for glibc (--python PATH)";
        break;
    case PK_OBSTACLE_32BIT:
        why = "is a 32-bit program, and Peakline is 64-bit";
        next = "use a 64-bit Python (--python PATH)";
        break;
    case PK_OBSTACLE_MACHINE:
        why = "is made for another kind of processor";
        next = "use a Python for this machine (--python PATH)";
        break;
    case PK_OBSTACLE_SETUID:
        why = "is setuid, setgid or has file capabilities, so the system keeps libraries out of it";
        next = "use a copy without them, or start peakline itself as the user you need";
        break;
    }
    return pk_failure_set(failure, -ENOTSUP, PK_EXIT_FAILED, "cannot profile %s: %s %s; %s", named,
                          strcmp(named, target->path) == 0 ? "it" : target->path, why, next);
}
