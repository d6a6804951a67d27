/* SPDX-License-Identifier: Apache-2.0
 * See limits.h. Where the files of a group are: /proc/self/cgroup has its path below the root of
 * the hierarchy, /proc/self/mountinfo has which part of the hierarchy is mounted where. In a
 * container without a cgroup namespace only the container's own part is mounted; in one with a
 * namespace both say "/". */
#include "supervise/limits.h"

#include "supervise/procfs.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_FILE_BYTES (256u << 10) /* mountinfo of a machine with a thousand containers */
#define NO_LIMIT (INT64_C(1) << 60) /* version 1 says "none" with the largest multiple of a page */

/* Is `word` one of the words of a comma-separated list? */
static bool has_word(const char *list, const char *word) {
    size_t length = strlen(word);

    for (const char *at = list; at != NULL; at = strchr(at, ',')) {
        at += *at == ',';
        if (strncmp(at, word, length) == 0 && (at[length] == ',' || at[length] == '\0')) {
            return true;
        }
    }
    return false;
}

/* The next line of `*text`, NUL-terminated in place; NULL at the end. */
static char *take_line(char **text) {
    char *line = *text;

    if (line == NULL || *line == '\0') {
        return NULL;
    }
    char *end = strchr(line, '\n');
    *text = end != NULL ? end + 1 : NULL;
    if (end != NULL) {
        *end = '\0';
    }
    return line;
}

/* The path of our group in the hierarchy of the memory controller. Version 1 if the controller is
 * there, else version 2. Returns the version, or 0 when there is neither. */
static int find_path(char *cgroup, char *ret_path) {
    int version = 0;

    for (char *line = take_line(&cgroup); line != NULL; line = take_line(&cgroup)) {
        char *controllers = strchr(line, ':');
        char *path = controllers != NULL ? strchr(controllers + 1, ':') : NULL;
        if (path == NULL) {
            continue;
        }
        *path++ = '\0';
        controllers++;
        bool is_memory = has_word(controllers, "memory");
        if (is_memory || (version == 0 && controllers[0] == '\0')) {
            version = is_memory ? 1 : 2;
            (void)snprintf(ret_path, PATH_MAX, "%s", path);
        }
        if (is_memory) {
            break;
        }
    }
    return version;
}

/* mountinfo has spaces and the like as \040. In place. */
static void unescape(char *text) {
    char *to = text;

    for (const char *from = text; *from != '\0'; from++) {
        if (from[0] == '\\' && from[1] >= '0' && from[1] <= '3' && from[2] >= '0' &&
            from[2] <= '7' && from[3] >= '0' && from[3] <= '7') {
            *to++ = (char)(((from[1] - '0') << 6) | ((from[2] - '0') << 3) | (from[3] - '0'));
            from += 3;
        } else {
            *to++ = *from;
        }
    }
    *to = '\0';
}

/* Is `path` the directory `top` or below it? Then the rest ("" or "/..."), else NULL. */
static const char *strip_top(const char *path, const char *top) {
    size_t length = strcmp(top, "/") == 0 ? 0 : strlen(top);

    if (strncmp(path, top, length) != 0 || (path[length] != '/' && path[length] != '\0')) {
        return NULL;
    }
    return strcmp(path + length, "/") == 0 ? "" : path + length;
}

/* Where the hierarchy with our group is mounted. Of several mounts one that shows our group is
 * taken; if none does (a bind mount of a foreign part), the first one. `ret_rest`: from the mount
 * point to our group. */
static bool find_mount(char *mountinfo, int version, const char *path, char *ret_point,
                       char *ret_rest) {
    bool found = false;

    for (char *line = take_line(&mountinfo); line != NULL; line = take_line(&mountinfo)) {
        char top[PATH_MAX], point[PATH_MAX], type[64], options[1024];
        const char *dash = strstr(line, " - ");
        if (dash == NULL || sscanf(line, "%*s %*s %*s %4095s %4095s", top, point) != 2 ||
            sscanf(dash, " - %63s %*s %1023s", type, options) != 2) {
            continue;
        }
        bool is_it = version == 1 ? strcmp(type, "cgroup") == 0 && has_word(options, "memory")
                                  : strcmp(type, "cgroup2") == 0;
        if (!is_it) {
            continue;
        }
        unescape(top);
        unescape(point);
        const char *rest = strip_top(path, top);
        if (rest != NULL || !found) {
            (void)snprintf(ret_point, PATH_MAX, "%s", point);
            (void)snprintf(ret_rest, PATH_MAX, "%s", rest != NULL ? rest : "");
            found = true;
        }
        if (rest != NULL) {
            break;
        }
    }
    return found;
}

static int64_t read_number(const char *root, const char *directory, const char *name) {
    char path[PATH_MAX];
    int64_t number = -1;

    if (snprintf(path, sizeof(path), "%s/%s", directory, name) >= PATH_MAX ||
        pk_procfs_number(root, path, &number) != 0) {
        return -1;
    }
    return number;
}

/* As read_number, for a limit: "none" is -1. */
static int64_t read_limit(const char *root, const char *directory, const char *name) {
    int64_t number = read_number(root, directory, name);

    return number >= NO_LIMIT ? -1 : number;
}

/* The number behind `key` in a file of several, or -1. */
static int64_t read_member(const char *root, const char *directory, const char *name,
                           const char *key) {
    char path[PATH_MAX], text[8192];
    int64_t number = -1;

    if (snprintf(path, sizeof(path), "%s/%s", directory, name) >= PATH_MAX ||
        pk_procfs_read(root, path, text, sizeof(text)) < 0 ||
        pk_procfs_find(text, key, &number) != 0) {
        return -1;
    }
    return number;
}

static void read_group_1(const char *root, struct pk_group *group) {
    const char *directory = group->directory;

    group->limit_bytes = read_limit(root, directory, "memory.limit_in_bytes");
    group->oom_kills = read_member(root, directory, "memory.oom_control", "oom_kill");
    group->limit_hits = read_number(root, directory, "memory.failcnt");
    int64_t swap_hits = read_number(root, directory, "memory.memsw.failcnt");
    if (group->limit_hits >= 0 && swap_hits > 0) {
        group->limit_hits += swap_hits;
    }
    group->usage_most = read_number(root, directory, "memory.max_usage_in_bytes");
}

static void read_group_2(const char *root, struct pk_group *group) {
    const char *directory = group->directory;

    group->limit_bytes = read_limit(root, directory, "memory.max");
    group->high_bytes = read_limit(root, directory, "memory.high");
    group->kills_group = read_number(root, directory, "memory.oom.group");
    // The local counters are of this group alone and came with Linux 5.2; the others include all
    // groups below.
    const char *events = read_member(root, directory, "memory.events.local", "oom_kill") >= 0
                             ? "memory.events.local"
                             : "memory.events";
    group->oom_kills = read_member(root, directory, events, "oom_kill");
    group->limit_hits = read_member(root, directory, events, "oom");
    group->usage_most = read_number(root, directory, "memory.peak"); // Linux 5.19
}

static void read_group(const char *root, struct pk_group *group) {
    group->high_bytes = group->kills_group = group->usage_most = -1;
    group->oom_kills = group->limit_hits = -1;
    if (group->directory[0] == '\0') {
        return; // out of sight: what is known of it stays
    }
    group->limit_bytes = -1;
    if (group->version == 1) {
        read_group_1(root, group);
    } else {
        read_group_2(root, group);
    }
}

static struct pk_group *add_group(struct pk_limits *limits, int version, const char *directory,
                                  const char *path) {
    struct pk_group *group = &limits->groups[limits->count];

    group->version = version;
    group->directory = strdup(directory);
    group->path = strdup(path);
    group->limit_bytes = -1;
    if (group->directory == NULL || group->path == NULL) {
        free(group->directory);
        free(group->path);
        memset(group, 0, sizeof(*group));
        return NULL;
    }
    limits->count++;
    return group;
}

/* Version 1 says the smallest limit of all ancestors, also of those that this container cannot
 * see. */
static void add_hidden(const char *root, struct pk_limits *limits, const char *directory) {
    const struct pk_group *smallest = pk_limits_smallest(limits);
    int64_t limit = read_member(root, directory, "memory.stat", "hierarchical_memory_limit");

    if (limit <= 0 || limit >= NO_LIMIT || limits->count == PK_LIMITS_MAX_GROUPS ||
        (smallest != NULL && smallest->limit_bytes <= limit)) {
        return;
    }
    struct pk_group *group = add_group(limits, 1, "", "");
    if (group != NULL) {
        read_group(root, group);
        group->limit_bytes = limit;
    }
}

/* From the own group at POINT+REST up to the mount point. */
static void read_groups(const char *root, int version, const char *path, const char *point,
                        const char *rest, struct pk_limits *limits) {
    char directory[2 * PATH_MAX], shown[PATH_MAX];

    (void)snprintf(directory, sizeof(directory), "%s%s", point, rest);
    (void)snprintf(shown, sizeof(shown), "%s", path);
    size_t stop = strlen(point);
    while (limits->count < PK_LIMITS_MAX_GROUPS - 1) {
        struct pk_group *group = add_group(limits, version, directory, shown);
        if (group == NULL) {
            break;
        }
        read_group(root, group);
        bool exists = group->limit_bytes >= 0 || group->oom_kills >= 0 || group->limit_hits >= 0;
        if (!exists) { // the top of version 2, or a group without the controller
            limits->count--;
            free(group->directory);
            free(group->path);
            memset(group, 0, sizeof(*group));
        }
        char *slash = strrchr(directory, '/');
        if (strlen(directory) <= stop || slash == NULL) {
            break;
        }
        *slash = '\0';
        slash = strrchr(shown, '/');
        if (slash != NULL) {
            slash[slash == shown ? 1 : 0] = '\0';
        }
    }
    if (version == 1 && limits->count > 0) {
        add_hidden(root, limits, limits->groups[0].directory);
    }
}

static void read_machine(const char *root, struct pk_limits *limits) {
    char text[8192];
    int64_t kilobytes = 0;

    limits->machine_oom_kills = read_member(root, "/proc", "vmstat", "oom_kill");
    if (pk_procfs_read(root, "/proc/meminfo", text, sizeof(text)) > 0 &&
        pk_procfs_find(text, "MemTotal", &kilobytes) == 0) {
        limits->machine_bytes = (uint64_t)kilobytes << 10;
    }
    (void)pk_procfs_read(root, "/proc/sys/kernel/random/boot_id", limits->boot_id,
                         sizeof(limits->boot_id));
    limits->boot_id[strcspn(limits->boot_id, "\n")] = '\0';
}

void pk_limits_read(const char *root, struct pk_limits *ret_limits) {
    char path[PATH_MAX], point[PATH_MAX], rest[PATH_MAX];
    char *text = malloc(MAX_FILE_BYTES);

    memset(ret_limits, 0, sizeof(*ret_limits));
    read_machine(root, ret_limits);
    if (text == NULL) {
        return;
    }
    int version = pk_procfs_read(root, "/proc/self/cgroup", text, MAX_FILE_BYTES) > 0
                      ? find_path(text, path)
                      : 0;
    if (version != 0 && pk_procfs_read(root, "/proc/self/mountinfo", text, MAX_FILE_BYTES) > 0 &&
        find_mount(text, version, path, point, rest)) {
        read_groups(root, version, path, point, rest, ret_limits);
    }
    free(text);
}

void pk_limits_read_again(const char *root, const struct pk_limits *before,
                          struct pk_limits *ret_limits) {
    memset(ret_limits, 0, sizeof(*ret_limits));
    for (size_t i = 0; i < before->count; i++) {
        const struct pk_group *old = &before->groups[i];
        struct pk_group *group = add_group(ret_limits, old->version, old->directory, old->path);
        if (group == NULL) {
            break;
        }
        group->limit_bytes = old->limit_bytes;
        read_group(root, group);
    }
    read_machine(root, ret_limits);
}

void pk_limits_release(struct pk_limits *limits) {
    for (size_t i = 0; i < limits->count; i++) {
        free(limits->groups[i].directory);
        free(limits->groups[i].path);
    }
    memset(limits, 0, sizeof(*limits));
}

const struct pk_group *pk_limits_smallest(const struct pk_limits *limits) {
    const struct pk_group *smallest = NULL;

    for (size_t i = 0; i < limits->count; i++) {
        const struct pk_group *group = &limits->groups[i];
        if (group->limit_bytes >= 0 &&
            (smallest == NULL || group->limit_bytes < smallest->limit_bytes)) {
            smallest = group;
        }
    }
    return smallest;
}

/* By how much a counter grew; 0 when it cannot be known. */
static uint64_t growth(int64_t before, int64_t after) {
    return before >= 0 && after > before ? (uint64_t)(after - before) : 0;
}

struct pk_verdict pk_limits_judge(const struct pk_limits *before, const struct pk_limits *after) {
    struct pk_verdict verdict = {.kind = PK_VERDICT_NONE};
    size_t count = before->count < after->count ? before->count : after->count;
    bool is_counted = false;

    // Another boot of the machine: its counters began anew.
    if (strcmp(before->boot_id, after->boot_id) != 0) {
        return verdict;
    }
    // The kernel counts a kill in the victim's own group. If the controller is not enabled in ours,
    // our processes are charged to the nearest one above in which it is.
    for (size_t i = 0; i < count && !is_counted; i++) {
        is_counted = before->groups[i].oom_kills >= 0 && after->groups[i].oom_kills >= 0;
        verdict.kills = growth(before->groups[i].oom_kills, after->groups[i].oom_kills);
    }
    if (!is_counted) {
        verdict.kills = growth(before->machine_oom_kills, after->machine_oom_kills);
    }
    if (verdict.kills == 0) {
        return verdict;
    }
    // The group whose limit was hit: the innermost one. Where only counters that include the groups
    // below exist, all above it have grown too.
    for (size_t i = 0; i < count; i++) {
        const struct pk_group *group = &after->groups[i];
        bool is_hidden = group->directory[0] == '\0';
        if (group->limit_bytes >= 0 &&
            (is_hidden || growth(before->groups[i].limit_hits, group->limit_hits) > 0)) {
            verdict.kind = PK_VERDICT_GROUP;
            verdict.group = group;
            return verdict;
        }
    }
    verdict.kind = PK_VERDICT_MACHINE;
    return verdict;
}
