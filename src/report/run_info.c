/* SPDX-License-Identifier: Apache-2.0
 * run.json: how the program was started and how it ended. Ours alone: read it with `peakline
 * report`. May use json.h. Must stay true: what is written reads back byte for byte, file names
 * that are not UTF-8 included. */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <unistd.h>

#include "base/attr.h"
#include "report/json.h"
#include "report/report.h"
#include "report/run_info.h"

const char *const pk_run_outcome_names[4] = {"unknown", "exit", "signal", "running"};
const char *const pk_run_oom_names[PK_RUN_OOM_KINDS] = {"none", "cgroup", "machine",
                                                        "address-space", "data"};

const struct pk_run_number pk_run_numbers[] = {
    {"rss_peak_bytes", offsetof(struct pk_run_info, rss_peak_bytes)},
    {"rss_peak_file_bytes", offsetof(struct pk_run_info, rss_peak_file_bytes)},
    {"program_rss_peak_bytes", offsetof(struct pk_run_info, program_rss_peak_bytes)},
    {"pss_peak_bytes", offsetof(struct pk_run_info, pss_peak_bytes)},
    {"swap_peak_bytes", offsetof(struct pk_run_info, swap_peak_bytes)},
    {"tracked_peak_bytes", offsetof(struct pk_run_info, tracked_peak_bytes)},
    {"processes_most", offsetof(struct pk_run_info, processes_most)},
    {"own_rss_bytes", offsetof(struct pk_run_info, own_rss_bytes)},
    {"own_cpu_ns", offsetof(struct pk_run_info, own_cpu_ns)},
    {"still_running", offsetof(struct pk_run_info, still_running)},
    {"waited_ns", offsetof(struct pk_run_info, waited_ns)},
    {"machine_bytes", offsetof(struct pk_run_info, machine_bytes)},
};
const size_t pk_run_number_count = PK_LEN(pk_run_numbers);

const struct pk_run_number pk_run_oom_numbers[] = {
    {"limit_bytes", offsetof(struct pk_run_oom, limit_bytes)},
    {"usage_bytes", offsetof(struct pk_run_oom, usage_bytes)},
    {"held_bytes", offsetof(struct pk_run_oom, held_bytes)},
    {"failed_bytes", offsetof(struct pk_run_oom, failed_bytes)},
    {"kills", offsetof(struct pk_run_oom, kills)},
};
const size_t pk_run_oom_number_count = PK_LEN(pk_run_oom_numbers);

const struct pk_run_number pk_run_group_numbers[] = {
    {"version", offsetof(struct pk_run_group, version)},
    {"limit_bytes", offsetof(struct pk_run_group, limit_bytes)},
    {"high_bytes", offsetof(struct pk_run_group, high_bytes)},
    {"kills_group", offsetof(struct pk_run_group, kills_group)},
    {"oom_kills", offsetof(struct pk_run_group, oom_kills)},
    {"limit_hits", offsetof(struct pk_run_group, limit_hits)},
};
const size_t pk_run_group_number_count = PK_LEN(pk_run_group_numbers);

static void write_texts(struct pk_json *json, const char *key, char *const *texts) {
    pk_json_array(json, key);
    for (size_t i = 0; texts != NULL && texts[i] != NULL; i++) {
        pk_json_bytes(json, NULL, texts[i]);
    }
    pk_json_end_array(json);
}

static void write_oom(struct pk_json *json, const struct pk_run_oom *oom) {
    pk_json_object(json, "oom");
    pk_json_text(json, "kind", pk_run_oom_names[oom->kind]);
    for (size_t i = 0; i < pk_run_oom_number_count; i++) {
        pk_json_unsigned(json, pk_run_oom_numbers[i].key,
                         *(const uint64_t *)((const char *)oom + pk_run_oom_numbers[i].offset));
    }
    pk_json_signed(json, "killed_pid", oom->killed_pid);
    pk_json_bool(json, "is_program", oom->is_program);
    pk_json_bool(json, "is_certain", oom->is_certain);
    pk_json_bytes(json, "path", oom->path);
    pk_json_end_object(json);
}

static void write_groups(struct pk_json *json, const struct pk_run_info *info) {
    pk_json_array(json, "groups");
    for (uint64_t i = 0; i < info->group_count; i++) {
        const struct pk_run_group *group = &info->groups[i];
        pk_json_object(json, NULL);
        pk_json_bytes(json, "directory", group->directory);
        pk_json_bytes(json, "path", group->path);
        for (size_t j = 0; j < pk_run_group_number_count; j++) {
            const struct pk_run_number *number = &pk_run_group_numbers[j];
            pk_json_signed(json, number->key,
                           *(const int64_t *)((const char *)group + number->offset));
        }
        pk_json_end_object(json);
    }
    pk_json_end_array(json);
}

static void write_info(FILE *file, const struct pk_run_info *info) {
    struct pk_json json;
    pk_json_start(&json, file, PK_JSON_LINES);
    pk_json_object(&json, NULL);
    pk_json_unsigned(&json, "format", PK_RUN_FORMAT);
    pk_json_text(&json, "tool", info->tool);
    write_texts(&json, "command", info->argv);
    pk_json_bytes(&json, "directory", info->directory);
    pk_json_signed(&json, "start_unix_ns", info->start_unix_ns);
    pk_json_signed(&json, "end_unix_ns", info->end_unix_ns);
    pk_json_object(&json, "outcome");
    pk_json_text(&json, "kind", pk_run_outcome_names[info->outcome]);
    pk_json_signed(&json, "code", info->code);
    pk_json_signed(&json, "signal", info->signal);
    pk_json_end_object(&json);
    for (size_t i = 0; i < pk_run_number_count; i++) {
        pk_json_unsigned(&json, pk_run_numbers[i].key,
                         *(const uint64_t *)((const char *)info + pk_run_numbers[i].offset));
    }
    pk_json_text(&json, "headline", info->headline);
    write_oom(&json, &info->oom);
    write_groups(&json, info);
    pk_json_signed(&json, "machine_oom_kills", info->machine_oom_kills);
    pk_json_text(&json, "boot_id", info->boot_id);
    write_texts(&json, "warnings", info->warnings);
    pk_json_end_object(&json);
}

int pk_run_info_write(const char *dir, const struct pk_run_info *info) {
    int dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir_fd < 0) {
        return -errno;
    }
    int r = 0;
    int fd =
        openat(dir_fd, "run.json.new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "w");
    if (file == NULL) {
        r = -errno;
        if (fd >= 0) {
            close(fd);
        }
    } else {
        errno = 0;
        write_info(file, info);
        bool failed = ferror(file) != 0;
        int reason = errno; // of that failure, if it was one
        errno = 0;
        if (fclose(file) != 0 || failed) {
            r = failed && reason != 0 ? -reason : errno != 0 ? -errno : -EIO;
        }
    }
    if (r >= 0 && renameat(dir_fd, "run.json.new", dir_fd, "run.json") < 0) {
        r = -errno;
    }
    if (r < 0) {
        (void)unlinkat(dir_fd, "run.json.new", 0);
    }
    close(dir_fd);
    return r;
}
