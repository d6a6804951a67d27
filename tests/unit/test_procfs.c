/* SPDX-License-Identifier: Apache-2.0
 * Other processes through /proc: their memory, however long what stands before it is, and whether
 * they live. */
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

#include "supervise/procfs.h"

#define MOST_GROUPS 65536 /* NGROUPS_MAX */

/* A root with the status of process 7, as the kernel writes it, in `groups` groups. */
static void write_status(const char *root, unsigned groups, const char *memory) {
    char path[128];
    (void)snprintf(path, sizeof path, "%s/proc/7/status", root);
    FILE *file = fopen(path, "w");
    CHECK(file != NULL);
    CHECK(fprintf(file, "Name:\tapp\nState:\tS (sleeping)\nPid:\t7\nFDSize:\t64\nGroups:\t") > 0);
    for (unsigned i = 0; i < groups; i++) {
        CHECK(fprintf(file, "%u ", 2000000000u + i) > 0);
    }
    CHECK(fprintf(file, "\nNStgid:\t7\n%sThreads:\t1\n", memory) > 0);
    CHECK_OK(fclose(file));
}

static void memory_is_found_behind_any_number_of_groups(void) {
    // Around one piece of the reader, where its line is cut at every place, and the most there can
    // be.
    static const unsigned counts[] = {0,   1,   340, 365, 366, 367, 368,        369,
                                      370, 371, 372, 373, 374, 500, MOST_GROUPS};
    char root[] = "/tmp/peakline-procfs-XXXXXX", proc[64], process[64], status[80];
    struct pk_procfs_memory memory;
    CHECK(mkdtemp(root) != NULL);
    (void)snprintf(proc, sizeof proc, "%s/proc", root);
    (void)snprintf(process, sizeof process, "%s/proc/7", root);
    (void)snprintf(status, sizeof status, "%s/proc/7/status", root);
    CHECK_OK(mkdir(proc, 0700));
    CHECK_OK(mkdir(process, 0700));
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        write_status(root, counts[i],
                     "VmPeak:\t  9 kB\nVmHWM:\t  50 kB\nVmRSS:\t  40 kB\nRssAnon:\t  28 "
                     "kB\nRssFile:\t  7 kB\n"
                     "RssShmem:\t  5 kB\nVmSwap:\t  3 kB\n");
        CHECK_OK(pk_procfs_memory(root, 7, &memory));
        CHECK_EQ(memory.rss_bytes, 40 << 10);
        CHECK_EQ(memory.file_bytes, 12 << 10);
        CHECK_EQ(memory.swap_bytes, 3 << 10);
        CHECK_EQ(memory.rss_peak_bytes, 50 << 10);
        write_status(root, counts[i], "");
        CHECK_EQ(pk_procfs_memory(root, 7, &memory), -ESRCH); // a zombie
    }
    CHECK_OK(unlink(status));
    CHECK_EQ(pk_procfs_memory(root, 7, &memory), -ENOENT);
    CHECK_OK(rmdir(process));
    CHECK_OK(rmdir(proc));
    CHECK_OK(rmdir(root));
}

static void the_living_a_zombie_and_the_dead(void) {
    siginfo_t end;
    CHECK(pk_procfs_is_alive(getpid()));
    pid_t child = fork();
    if (child == 0) {
        _exit(0);
    }
    CHECK(child > 0);
    CHECK_OK(waitid(P_PID, (id_t)child, &end, WEXITED | WNOWAIT));
    CHECK(!pk_procfs_is_alive(child));
    CHECK_EQ(waitpid(child, NULL, 0), child);
    CHECK(!pk_procfs_is_alive(child));
}

int main(int argc, char **argv) {
    static const struct check_test tests[] = {
        TEST(memory_is_found_behind_any_number_of_groups),
        TEST(the_living_a_zombie_and_the_dead),
    };
    return check_run(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
