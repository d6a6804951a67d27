/* SPDX-License-Identifier: Apache-2.0
 * See doctor.h. */
#include "cli/doctor.h"

#include "base/clock.h"
#include "record/tree.h"
#include "report/display.h"
#include "supervise/aside.h"
#include "supervise/limits.h"
#include "supervise/procfs.h"

#include <errno.h>
#include <fcntl.h>
#include <gnu/libc-version.h>
#include <limits.h>
#include <linux/magic.h>
#include <linux/membarrier.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <unistd.h>

#ifndef CIFS_SUPER_MAGIC
#define CIFS_SUPER_MAGIC 0xff534d42
#endif
#ifndef SMB2_SUPER_MAGIC
#define SMB2_SUPER_MAGIC 0xfe534d42
#endif
#ifndef FUSE_SUPER_MAGIC
#define FUSE_SUPER_MAGIC 0x65735546
#endif

#define LITTLE_ROOM (UINT64_C(64) << 20) /* a ledger of 100,000 stacks has about 20 MiB */
#define FEW_FILES 64u                    /* Python itself needs about ten at a time */
#define PROBE_BYTES (4u << 20)
#define SLOW_PROBE_MS 200

bool pk_doctor_say(enum pk_finding finding, const char *what, const char *format, ...) {
    static const char *const names[] = {"ok", "note", "PROBLEM"};
    char text[2 * PATH_MAX + 512];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    for (char *at = text; *at != '\0'; at++) {
        unsigned char letter = (unsigned char)*at;
        *at = letter < 32 || letter == 127 ? '?' : *at;
    }
    (void)printf("%-8s %-9s %s\n", names[finding], what, text);
    return finding != PK_FINDING_PROBLEM;
}

bool pk_doctor_check_machine(void) {
    struct utsname machine;

    (void)uname(&machine);
    (void)pk_doctor_say(PK_FINDING_OK, "machine", "%s %s, %s, glibc %s", machine.sysname,
                        machine.release, machine.machine, gnu_get_libc_version());
    long known = syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0, 0);
    if (known < 0 || (known & MEMBARRIER_CMD_PRIVATE_EXPEDITED) == 0) {
        (void)pk_doctor_say(PK_FINDING_NOTE, "machine",
                            "the kernel (before 4.14, or a seccomp filter) offers no membarrier: "
                            "programs with threads run slower; allow the system call");
    }
    return true;
}

bool pk_doctor_check_proc(void) {
    struct pk_procfs_memory memory;

    if (pk_procfs_memory("", getpid(), &memory) == 0) {
        return pk_doctor_say(PK_FINDING_OK, "/proc", "resident memory can be sampled");
    }
    return pk_doctor_say(PK_FINDING_NOTE, "/proc",
                         "there is no /proc: resident memory and memory limits stay unknown; mount "
                         "it (mount -t proc proc /proc)");
}

bool pk_doctor_check_memory(void) {
    char limit[PK_NUMBER_ROOM], machine[PK_NUMBER_ROOM], high[PK_NUMBER_ROOM];
    struct pk_limits limits;

    pk_limits_read("", &limits);
    const struct pk_group *smallest = pk_limits_smallest(&limits);
    pk_format_bytes(machine, limits.machine_bytes);
    if (smallest == NULL) {
        (void)pk_doctor_say(PK_FINDING_OK, "memory", "no cgroup limit, the machine has %s",
                            limits.machine_bytes > 0 ? machine : "an unknown amount");
    } else {
        (void)pk_doctor_say(
            PK_FINDING_NOTE, "memory",
            "a limit of %s (cgroup %s), in which Peakline's own memory counts too: raise it if the "
            "program comes close without Peakline",
            pk_format_bytes(limit, (uint64_t)smallest->limit_bytes),
            smallest->path[0] != '\0' ? smallest->path : "out of sight");
    }
    for (size_t i = 0; i < limits.count; i++) {
        const struct pk_group *group = &limits.groups[i];
        if (group->high_bytes >= 0) {
            (void)pk_doctor_say(PK_FINDING_NOTE, "memory",
                                "above %s (memory.high of cgroup %s) the kernel slows programs "
                                "down; raise it for the measurement",
                                pk_format_bytes(high, (uint64_t)group->high_bytes), group->path);
        }
        if (group->kills_group == 1) {
            (void)pk_doctor_say(PK_FINDING_NOTE, "memory",
                                "out of memory kills all of cgroup %s, Peakline too "
                                "(memory.oom.group): `peakline report DIR` makes the report then",
                                group->path);
        }
    }
    pk_limits_release(&limits);
    return true;
}

/* A soft limit in bytes, or 0 for none. */
static uint64_t read_limit(int kind) {
    struct rlimit limit;

    return getrlimit((__rlimit_resource_t)kind, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY
               ? (uint64_t)limit.rlim_cur
               : 0;
}

bool pk_doctor_check_limits(void) {
    char text[PK_NUMBER_ROOM];
    bool has_note = false;

    uint64_t file = read_limit(RLIMIT_FSIZE);
    if (file > 0 && file < LITTLE_ROOM) {
        bool too_small = file < sizeof(struct pk_tree_page);
        has_note = true;
        (void)pk_doctor_say(PK_FINDING_NOTE, "limits",
                            "files may have %s (ulimit -f): stacks beyond that are merged%s; "
                            "ulimit -f unlimited",
                            pk_format_bytes(text, file),
                            too_small ? ", and processes are not added up" : "");
    }
    uint64_t space = read_limit(RLIMIT_AS);
    if (space > 0) {
        has_note = true;
        (void)pk_doctor_say(PK_FINDING_NOTE, "limits",
                            "address space is limited to %s (ulimit -v) and Peakline needs some of "
                            "it; ulimit -v unlimited, or expect a MemoryError a little sooner",
                            pk_format_bytes(text, space));
    }
    uint64_t files = read_limit(RLIMIT_NOFILE);
    if (files > 0 && files < FEW_FILES) {
        has_note = true;
        (void)pk_doctor_say(PK_FINDING_NOTE, "limits",
                            "only %llu files may be open (ulimit -n): when a program uses them up "
                            "its stacks are merged; ulimit -n 1024",
                            (unsigned long long)files);
    }
    if (!has_note) {
        (void)pk_doctor_say(PK_FINDING_OK, "limits", "none that matter (ulimit -f, -v, -n)");
    }
    return true;
}

/* What other preloaded libraries mean. */
static bool check_preload_list(const char *preload) {
    static const struct {
        const char *part;
        enum pk_finding finding;
        const char *says;
    } known[] = {
        {"libasan", PK_FINDING_PROBLEM,
         "the address sanitizer must be the first library loaded, and so must ours; unset "
         "LD_PRELOAD and measure a build without it"},
        {"libtsan", PK_FINDING_PROBLEM,
         "the thread sanitizer must be the first library loaded, and so must ours; unset "
         "LD_PRELOAD and measure a build without it"},
        {"jemalloc", PK_FINDING_NOTE,
         "jemalloc stays in use below Peakline; sizes are what the program asked for"},
        {"tcmalloc", PK_FINDING_NOTE,
         "tcmalloc stays in use below Peakline; sizes are what the program asked for"},
        {"mimalloc", PK_FINDING_NOTE,
         "mimalloc stays in use below Peakline; sizes are what the program asked for"},
        {"memray", PK_FINDING_NOTE, "another memory profiler is loaded too; unset LD_PRELOAD"},
        {"heaptrack", PK_FINDING_NOTE, "another memory profiler is loaded too; unset LD_PRELOAD"},
    };
    bool good = true;

    for (size_t i = 0; i < PK_LEN(known); i++) {
        if (strstr(preload, known[i].part) != NULL) {
            good &= pk_doctor_say(known[i].finding, "preload", "%s", known[i].says);
        }
    }
    return good;
}

bool pk_doctor_check_environment(void) {
    const char *preload = getenv("LD_PRELOAD"), *allocator = getenv("PYTHONMALLOC");
    bool good = true;

    if (getauxval(AT_SECURE) != 0) {
        good &=
            pk_doctor_say(PK_FINDING_PROBLEM, "preload",
                          "peakline itself runs with raised privileges (setuid or "
                          "capabilities): the loader ignores LD_PRELOAD; take them off the file");
    }
    if (preload != NULL && preload[0] != '\0') {
        good &= check_preload_list(preload);
    }
    if (allocator != NULL && allocator[0] != '\0') {
        (void)pk_doctor_say(PK_FINDING_NOTE, "settings",
                            "PYTHONMALLOC=%.40s is kept: blocks are as large as that allocator "
                            "makes them; unset it to see the program as it usually is",
                            allocator);
    }
    if (getenv("PYTHONTRACEMALLOC") != NULL) {
        (void)pk_doctor_say(PK_FINDING_NOTE, "settings",
                            "PYTHONTRACEMALLOC makes tracemalloc's own memory part of the "
                            "measurement; unset it");
    }
    if (good && (preload == NULL || preload[0] == '\0')) {
        (void)pk_doctor_say(PK_FINDING_OK, "preload", "no other library is preloaded");
    }
    return good;
}

bool pk_doctor_check_library(const char *runtime) {
    struct statvfs system;

    if (statvfs(runtime, &system) == 0 && (system.f_flag & ST_NOEXEC) != 0) {
        return pk_doctor_say(PK_FINDING_PROBLEM, "library",
                             "%s is on a file system mounted noexec, nothing can be loaded from "
                             "there; copy it elsewhere and name it in PEAKLINE_RUNTIME",
                             runtime);
    }
    return pk_doctor_say(PK_FINDING_OK, "library", "%s", runtime);
}

/* Room on the disk and what kind it is. */
static bool check_disk(void) {
    char room[PK_NUMBER_ROOM];
    struct statvfs system;
    struct statfs kind;

    if (statvfs(".", &system) == 0) {
        uint64_t bytes = (uint64_t)system.f_bavail * system.f_frsize;
        // A system that keeps no count (some network and memory disks) says 0 of 0.
        if (system.f_blocks > 0 && bytes < 2 * sizeof(struct pk_tree_page)) {
            return pk_doctor_say(PK_FINDING_PROBLEM, "results",
                                 "the disk is full (%s left); make room, or name another "
                                 "directory with `peakline run -o DIR`",
                                 pk_format_bytes(room, bytes));
        }
        if (system.f_blocks > 0 && bytes < LITTLE_ROOM) {
            (void)pk_doctor_say(PK_FINDING_NOTE, "results",
                                "only %s left on this disk; large programs need more: `peakline "
                                "run -o DIR`",
                                pk_format_bytes(room, bytes));
        }
    }
    if (statfs(".", &kind) != 0) {
        return true;
    }
    switch ((uint32_t)kind.f_type) {
    case TMPFS_MAGIC:
    case RAMFS_MAGIC:
        (void)pk_doctor_say(PK_FINDING_NOTE, "results",
                            "this directory is in memory: results count against memory limits and "
                            "are gone after a restart; `peakline run -o DIR` on a disk");
        break;
    case NFS_SUPER_MAGIC:
    case CIFS_SUPER_MAGIC:
    case SMB2_SUPER_MAGIC:
    case V9FS_MAGIC:
    case FUSE_SUPER_MAGIC:
        (void)pk_doctor_say(PK_FINDING_NOTE, "results",
                            "this directory is on a network or FUSE disk: slower, and what a "
                            "killed machine had not written is lost; `peakline run -o DIR` on a "
                            "local disk");
        break;
    default:
        break;
    }
    return true;
}

/* A disk that writes every page anew is said, and where the records are meanwhile. */
static void check_copies(void) {
    char path[] = ".peakline-doctor-XXXXXX";

    int fd = mkostemp(path, O_CLOEXEC);
    if (fd < 0) {
        return;
    }
    (void)unlink(path);
    const char *memory = pk_aside_find_memory();
    if (pk_aside_is_needed(fd) && memory != NULL) {
        (void)pk_doctor_say(
            PK_FINDING_NOTE, "results",
            "this disk writes every page anew (copy on write): while a program runs "
            "its records are in memory, in %s, and are moved here at its end",
            memory);
    } else if (pk_aside_is_needed(fd)) {
        (void)pk_doctor_say(
            PK_FINDING_NOTE, "results",
            "this disk writes every page anew (copy on write): if it becomes full "
            "during a run, the program may be killed (SIGBUS), as neither /tmp nor "
            "/dev/shm is in memory with 1 GiB, half of it free; mount one, or `peakline "
            "run -o DIR` on another disk");
    }
    (void)close(fd);
}

/* As a ledger is made: reserve, map, write. Returns milliseconds, or a negative errno. */
static long probe_disk(void) {
    char path[] = ".peakline-doctor-XXXXXX";

    int fd = mkostemp(path, O_CLOEXEC);
    if (fd < 0) {
        return -errno;
    }
    (void)unlink(path);
    uint64_t start = pk_clock_ns(CLOCK_MONOTONIC);
    long error = -posix_fallocate(fd, 0, PROBE_BYTES);
    if (error == 0) {
        char *mapped = mmap(NULL, PROBE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        error = mapped == MAP_FAILED ? -errno : 0;
        for (size_t i = 0; error == 0 && i < PROBE_BYTES; i += 4096) {
            mapped[i] = 1;
        }
        if (error == 0) {
            (void)munmap(mapped, PROBE_BYTES);
        }
    }
    uint64_t end = pk_clock_ns(CLOCK_MONOTONIC);
    (void)close(fd);
    return error != 0 ? error : (long)((end - start) / 1000000);
}

bool pk_doctor_check_results(void) {
    if (access(".", W_OK | X_OK) != 0) {
        return pk_doctor_say(PK_FINDING_PROBLEM, "results",
                             "this directory is not writable (%s); name another with `peakline run "
                             "-o DIR`",
                             strerror(errno));
    }
    if (!check_disk()) {
        return false;
    }
    check_copies();
    if (read_limit(RLIMIT_FSIZE) > 0) {
        return pk_doctor_say(PK_FINDING_OK, "results", "this directory is writable");
    }
    long probe = probe_disk();
    if (probe == -ENODEV || probe == -EOPNOTSUPP || probe == -EINVAL) {
        return pk_doctor_say(PK_FINDING_PROBLEM, "results",
                             "files on this disk cannot be mapped into memory (%s); name a "
                             "directory on another one with `peakline run -o DIR`",
                             strerror((int)-probe));
    }
    if (probe < 0) {
        return pk_doctor_say(PK_FINDING_PROBLEM, "results",
                             "4 MiB cannot be written here: %s; name another directory with "
                             "`peakline run -o DIR`",
                             strerror((int)-probe));
    }
    if (probe > SLOW_PROBE_MS) {
        return pk_doctor_say(PK_FINDING_NOTE, "results",
                             "writing 4 MiB here takes %ld ms: name a directory on a faster disk "
                             "with `peakline run -o DIR`",
                             probe);
    }
    return pk_doctor_say(PK_FINDING_OK, "results", "this directory is writable (4 MiB in %ld ms)",
                         probe);
}
