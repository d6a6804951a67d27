/* SPDX-License-Identifier: Apache-2.0
 * src/supervise/limits: the memory limits of a machine that is recorded file by file, of both
 * versions of cgroups, as they look from a login, from containers with and without a namespace. */
#include "supervise/limits.h"

#include "check.h"

#include <sys/stat.h>
#include <unistd.h>

static char root[64];

static void start_root(void) {
    strcpy(root, "/tmp/test_limits.XXXXXX");
    if (mkdtemp(root) == NULL) {
        abort();
    }
}

static void end_root(void) {
    char command[128];
    snprintf(command, sizeof(command), "rm -rf %s", root);
    CHECK_EQ(system(command), 0);
}

/* ROOT/path, with its directories. */
static void put(const char *path, const char *text) {
    char full[512];
    snprintf(full, sizeof(full), "%s%s", root, path);
    for (char *slash = strchr(full + strlen(root) + 1, '/'); slash != NULL;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(full, 0700);
        *slash = '/';
    }
    FILE *file = fopen(full, "w");
    if (file == NULL) {
        abort();
    }
    fputs(text, file);
    fclose(file);
}

static void put_machine(const char *oom_kill) {
    put("/proc/meminfo", "MemTotal:       16000000 kB\nMemFree: 1 kB\n");
    put("/proc/sys/kernel/random/boot_id", "b87152db-5d89-4dd6-89b5-7c85825a06d4\n");
    put("/proc/vmstat", oom_kill);
}

static void put_v1(const char *group, const char *limit, const char *failcnt, const char *kills) {
    char path[256], text[128];
    snprintf(path, sizeof(path), "%s/memory.limit_in_bytes", group);
    put(path, limit);
    snprintf(path, sizeof(path), "%s/memory.failcnt", group);
    put(path, failcnt);
    snprintf(path, sizeof(path), "%s/memory.oom_control", group);
    snprintf(text, sizeof(text), "oom_kill_disable 0\nunder_oom 0\noom_kill %s\n", kills);
    put(path, text);
}

static void put_v2(const char *group, const char *max, const char *oom, const char *kills) {
    char path[256], text[256];
    snprintf(path, sizeof(path), "%s/memory.max", group);
    put(path, max);
    snprintf(path, sizeof(path), "%s/memory.high", group);
    put(path, "max\n");
    snprintf(path, sizeof(path), "%s/memory.oom.group", group);
    put(path, "1\n");
    snprintf(path, sizeof(path), "%s/memory.events.local", group);
    snprintf(text, sizeof(text), "low 0\nhigh 0\nmax 12\noom %s\noom_kill %s\noom_group_kill 0\n",
             oom, kills);
    put(path, text);
}

#define NO_LIMIT_1 "9223372036854771712\n"
#define V1_MOUNTS \
    "30 23 0:28 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu\n" \
    "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory\n"

/* A login on a version 1 machine: two ancestors, the limit is on the middle one. */
static void put_login_v1(const char *failcnt, const char *kills) {
    put_machine("nr_free_pages 5\noom_kill 7\n");
    put("/proc/self/cgroup", "9:cpu:/\n4:memory:/user/job\n0::/user.slice\n");
    put("/proc/self/mountinfo", V1_MOUNTS);
    put_v1("/sys/fs/cgroup/memory/user/job", NO_LIMIT_1, "0\n", kills);
    put_v1("/sys/fs/cgroup/memory/user", "104857600\n", failcnt, "0");
    put_v1("/sys/fs/cgroup/memory", NO_LIMIT_1, "0\n", "0");
}

static void all_ancestors_of_version_1(void) {
    struct pk_limits limits;
    start_root();
    put_login_v1("3\n", "2");
    pk_limits_read(root, &limits);
    CHECK_EQ(limits.count, 3);
    CHECK_STR(limits.groups[0].path, "/user/job");
    CHECK_STR(limits.groups[1].path, "/user");
    CHECK_STR(limits.groups[2].path, "/");
    CHECK_EQ(limits.groups[0].limit_bytes, -1);
    CHECK_EQ(limits.groups[0].oom_kills, 2);
    CHECK_EQ(limits.groups[1].limit_bytes, 104857600);
    CHECK_EQ(limits.groups[1].limit_hits, 3);
    CHECK(pk_limits_smallest(&limits) == &limits.groups[1]);
    CHECK_EQ(limits.machine_bytes, UINT64_C(16000000) << 10);
    CHECK_EQ(limits.machine_oom_kills, 7);
    pk_limits_release(&limits);
    end_root();
}

static void a_kill_at_an_ancestors_limit_of_version_1(void) {
    struct pk_limits before, after;
    start_root();
    put_login_v1("3\n", "2");
    pk_limits_read(root, &before);
    put_login_v1("90\n", "3");
    pk_limits_read_again(root, &before, &after);
    struct pk_verdict verdict = pk_limits_judge(&before, &after);
    CHECK_EQ(verdict.kind, PK_VERDICT_GROUP);
    CHECK_EQ(verdict.kills, 1);
    CHECK(verdict.group == &after.groups[1]);
    pk_limits_release(&before);
    pk_limits_release(&after);
    end_root();
}

static void limit_hits_without_a_kill_are_no_end(void) {
    struct pk_limits before, after;
    start_root();
    put_login_v1("3\n", "2");
    pk_limits_read(root, &before);
    put_login_v1("900\n", "2"); // reclaiming helped
    pk_limits_read_again(root, &before, &after);
    CHECK_EQ(pk_limits_judge(&before, &after).kind, PK_VERDICT_NONE);
    pk_limits_release(&before);
    pk_limits_release(&after);
    end_root();
}

static void a_kill_at_no_limit_is_the_machines(void) {
    struct pk_limits before, after;
    start_root();
    put_login_v1("3\n", "2");
    pk_limits_read(root, &before);
    put_login_v1("3\n", "4");
    pk_limits_read_again(root, &before, &after);
    struct pk_verdict verdict = pk_limits_judge(&before, &after);
    CHECK_EQ(verdict.kind, PK_VERDICT_MACHINE);
    CHECK_EQ(verdict.kills, 2);
    CHECK(verdict.group == NULL);
    pk_limits_release(&before);
    pk_limits_release(&after);
    end_root();
}

static void after_a_reboot_counters_say_nothing(void) {
    struct pk_limits before, after;
    start_root();
    put_login_v1("3\n", "2");
    pk_limits_read(root, &before);
    put_login_v1("900\n", "5");
    put("/proc/sys/kernel/random/boot_id", "another\n");
    pk_limits_read_again(root, &before, &after);
    CHECK_EQ(pk_limits_judge(&before, &after).kind, PK_VERDICT_NONE);
    pk_limits_release(&before);
    pk_limits_release(&after);
    end_root();
}

/* Docker on version 1: the container sees its own group at the mount point, and the path that the
 * machine has for it. The limit above it, a pod's, shows only as the smallest of all. */
static void a_container_without_a_namespace(void) {
    struct pk_limits before, after;
    start_root();
    put_machine("oom_kill 0\n");
    put("/proc/self/cgroup", "4:cpu,memory:/docker/0123\n");
    put("/proc/self/mountinfo", "900 890 0:32 /docker/0123 /sys/fs/cgroup/cpu\\040and\\040memory "
                                "ro,nosuid master:15 - cgroup cgroup rw,cpu,memory\n");
    put_v1("/sys/fs/cgroup/cpu and memory", "268435456\n", "0\n", "0");
    put("/sys/fs/cgroup/cpu and memory/memory.stat",
        "cache 5\nhierarchical_memory_limit 134217728\n");
    pk_limits_read(root, &before);
    CHECK_EQ(before.count, 2);
    CHECK_STR(before.groups[0].directory, "/sys/fs/cgroup/cpu and memory");
    CHECK_STR(before.groups[0].path, "/docker/0123");
    CHECK_STR(before.groups[1].directory, "");
    CHECK_EQ(pk_limits_smallest(&before)->limit_bytes, 134217728);
    // killed, and not at the limit that can be seen
    put_v1("/sys/fs/cgroup/cpu and memory", "268435456\n", "0\n", "1");
    pk_limits_read_again(root, &before, &after);
    CHECK_EQ(pk_limits_judge(&before, &after).kind, PK_VERDICT_GROUP);
    CHECK_EQ(pk_limits_judge(&before, &after).group->limit_bytes, 134217728);
    pk_limits_release(&before);
    pk_limits_release(&after);
    end_root();
}

/* systemd on version 2: the controller ends above our group, so that the kernel charges and counts
 * one level up; the limit is on the slice. */
static void put_login_v2(const char *oom, const char *kills) {
    put_machine("oom_kill 3\n");
    put("/proc/self/cgroup", "0::/user.slice/user-1000.slice/session\n");
    put("/proc/self/mountinfo",
        "25 20 0:22 / /proc rw - proc proc rw\n"
        "35 31 0:32 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n");
    put("/sys/fs/cgroup/user.slice/user-1000.slice/session/cgroup.procs", "1\n");
    put_v2("/sys/fs/cgroup/user.slice/user-1000.slice", "max\n", "0", kills);
    put_v2("/sys/fs/cgroup/user.slice", "536870912\n", oom, "0");
}

static void version_2(void) {
    struct pk_limits before, after;
    start_root();
    put_login_v2("0", "0");
    pk_limits_read(root, &before);
    CHECK_EQ(before.count, 2);
    CHECK_STR(before.groups[0].path, "/user.slice/user-1000.slice");
    CHECK_EQ(before.groups[0].limit_bytes, -1);
    CHECK_EQ(before.groups[0].kills_group, 1);
    CHECK_EQ(before.groups[1].limit_bytes, 536870912);
    CHECK_EQ(before.groups[1].version, 2);
    put_login_v2("1", "4"); // the whole group at once
    pk_limits_read_again(root, &before, &after);
    struct pk_verdict verdict = pk_limits_judge(&before, &after);
    CHECK_EQ(verdict.kind, PK_VERDICT_GROUP);
    CHECK_EQ(verdict.kills, 4);
    CHECK_STR(verdict.group->path, "/user.slice");
    pk_limits_release(&before);
    pk_limits_release(&after);
    end_root();
}

/* A container with a namespace of its own: everything is "/". An old kernel without local
 * events. */
static void a_namespace_of_version_2_on_an_old_kernel(void) {
    struct pk_limits before, after;
    start_root();
    put_machine("oom_kill 0\n");
    put("/proc/self/cgroup", "0::/\n");
    put("/proc/self/mountinfo", "35 31 0:32 / /sys/fs/cgroup ro - cgroup2 cgroup rw\n");
    put("/sys/fs/cgroup/memory.max", "1048576\n");
    put("/sys/fs/cgroup/memory.events", "low 0\nhigh 0\nmax 5\noom 1\noom_kill 1\n");
    pk_limits_read(root, &before);
    CHECK_EQ(before.count, 1);
    CHECK_STR(before.groups[0].path, "/");
    CHECK_EQ(before.groups[0].limit_bytes, 1048576);
    CHECK_EQ(before.groups[0].kills_group, -1);
    put("/sys/fs/cgroup/memory.events", "low 0\nhigh 0\nmax 9\noom 2\noom_kill 2\n");
    pk_limits_read_again(root, &before, &after);
    CHECK_EQ(pk_limits_judge(&before, &after).kind, PK_VERDICT_GROUP);
    pk_limits_release(&before);
    pk_limits_release(&after);
    end_root();
}

/* Of two mounts the one that shows our group counts; a foreign part mounted first does not. */
static void a_bind_mount_of_another_part(void) {
    struct pk_limits limits;
    start_root();
    put_machine("oom_kill 0\n");
    put("/proc/self/cgroup", "0::/mine/deep\n");
    put("/proc/self/mountinfo", "34 31 0:32 /min /foreign rw - cgroup2 cgroup2 rw\n"
                                "35 31 0:32 /mine /here rw - cgroup2 cgroup2 rw\n");
    put_v2("/foreign", "1\n", "0", "0");
    put_v2("/here/deep", "4096\n", "0", "0");
    put_v2("/here", "8192\n", "0", "0");
    pk_limits_read(root, &limits);
    CHECK_EQ(limits.count, 2);
    CHECK_STR(limits.groups[0].directory, "/here/deep");
    CHECK_EQ(limits.groups[0].limit_bytes, 4096);
    CHECK_STR(limits.groups[1].path, "/mine");
    pk_limits_release(&limits);
    end_root();
}

static void nothing_to_read(void) {
    struct pk_limits limits, again;
    start_root();
    pk_limits_read(root, &limits);
    CHECK_EQ(limits.count, 0);
    CHECK_EQ(limits.machine_oom_kills, -1);
    CHECK_EQ(limits.machine_bytes, 0);
    CHECK(pk_limits_smallest(&limits) == NULL);
    pk_limits_read_again(root, &limits, &again);
    CHECK_EQ(pk_limits_judge(&limits, &again).kind, PK_VERDICT_NONE);
    pk_limits_release(&limits);
    pk_limits_release(&again);
    // broken lines
    put("/proc/self/cgroup", "4:memory\n\n:::\n0::/x\n");
    put("/proc/self/mountinfo", "1 2\n35 31 0:32 / - cgroup2\n- - -\n");
    pk_limits_read(root, &limits);
    CHECK_EQ(limits.count, 0);
    pk_limits_release(&limits);
    end_root();
}

int main(int argc, char **argv) {
    static const struct check_test tests[] = {
        TEST(all_ancestors_of_version_1),
        TEST(a_kill_at_an_ancestors_limit_of_version_1),
        TEST(limit_hits_without_a_kill_are_no_end),
        TEST(a_kill_at_no_limit_is_the_machines),
        TEST(after_a_reboot_counters_say_nothing),
        TEST(a_container_without_a_namespace),
        TEST(version_2),
        TEST(a_namespace_of_version_2_on_an_old_kernel),
        TEST(a_bind_mount_of_another_part),
        TEST(nothing_to_read),
    };
    return check_run(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
