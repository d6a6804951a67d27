/* SPDX-License-Identifier: Apache-2.0
 * See ending.h. */
#include "cli/ending.h"

#include "record/live.h"
#include "report/display.h"
#include "supervise/ledgers.h"
#include "supervise/outcome.h"
#include "supervise/place.h"
#include "supervise/procfs.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void pk_ending_begin(struct pk_ending *ending, struct pk_run_info *info) {
    pk_limits_read("", &ending->before);
    for (size_t i = 0; i < ending->before.count; i++) {
        const struct pk_group *group = &ending->before.groups[i];
        ending->groups[i] = (struct pk_run_group){.directory = group->directory,
                                                  .path = group->path,
                                                  .version = group->version,
                                                  .limit_bytes = group->limit_bytes,
                                                  .high_bytes = group->high_bytes,
                                                  .kills_group = group->kills_group,
                                                  .oom_kills = group->oom_kills,
                                                  .limit_hits = group->limit_hits};
    }
    info->groups = ending->groups;
    info->group_count = ending->before.count;
    info->machine_oom_kills = ending->before.machine_oom_kills;
    info->machine_bytes = ending->before.machine_bytes;
    info->boot_id = ending->before.boot_id;
    info->warnings = ending->warnings;
}

void pk_ending_warn(struct pk_ending *ending, struct pk_run_info *info, const char *format, ...) {
    uint32_t at = ending->warning_count;
    va_list arguments;

    if (at == PK_ENDING_WARNINGS) {
        return;
    }
    va_start(arguments, format);
    (void)vsnprintf(ending->text[at], sizeof(ending->text[at]), format, arguments);
    va_end(arguments);
    ending->warnings[at] = ending->text[at];
    ending->warnings[at + 1] = NULL;
    ending->warning_count++;
    info->warnings = ending->warnings;
}

/* ---- memory ran out -------------------------------------------------------------------------- */

/* "cgroup /a/b" */
static void name_group(const struct pk_run_oom *oom, char *ret_text, size_t size) {
    if (oom->path == NULL || oom->path[0] == '\0') {
        (void)snprintf(ret_text, size, "a cgroup that cannot be seen from here");
    } else if (strcmp(oom->path, "/") == 0) {
        (void)snprintf(ret_text, size, "the cgroup of this container");
    } else {
        (void)snprintf(ret_text, size, "cgroup %s", oom->path);
    }
}

/* The most important first: the terminal shows two lines of it. */
static void write_kill(struct pk_ending *ending, struct pk_run_info *info) {
    char limit[PK_NUMBER_ROOM], held[PK_NUMBER_ROOM], group[512], victim[64], then[96] = "";
    const struct pk_run_oom *oom = &info->oom;

    if (oom->is_program) {
        (void)snprintf(victim, sizeof(victim), "the program");
    } else {
        (void)snprintf(victim, sizeof(victim), "process %lld", (long long)oom->killed_pid);
    }
    if (oom->held_bytes > 0) {
        (void)snprintf(then, sizeof(then), "; it held %s then",
                       pk_format_bytes(held, oom->held_bytes));
    }
    pk_format_bytes(limit, oom->limit_bytes);
    name_group(oom, group, sizeof(group));
    if (oom->kind == PK_OOM_CGROUP) {
        (void)snprintf(ending->headline, sizeof(ending->headline),
                       "Out of memory: the kernel killed %s at the limit of %s%s (%s).", victim,
                       limit, then, group);
    } else {
        (void)snprintf(ending->headline, sizeof(ending->headline),
                       "Out of memory: the kernel killed %s; this machine (%s) had none left, or "
                       "a limit that cannot be seen from here was reached%s.",
                       victim, limit, then);
    }
    info->headline = ending->headline;
}

/* The kernel killed somebody for memory. Whom? */
static void find_victim(const struct pk_ledgers *ledgers, const struct pk_watched *watched,
                        pid_t program, struct pk_run_oom *oom) {
    if (watched != NULL && WIFSIGNALED(watched->status) && WTERMSIG(watched->status) == SIGKILL) {
        oom->is_program = true;
        oom->is_certain = true;
        oom->killed_pid = program;
        for (uint32_t i = 0; i < PK_LEDGERS_SHOWN; i++) {
            if (ledgers->ends[i].pid == program) {
                oom->held_bytes = ledgers->ends[i].total_bytes;
            }
        }
        return;
    }
    // Of those that ended without a word the kernel takes the largest first.
    if (ledgers->cut_short > 0) {
        oom->killed_pid = ledgers->ends[0].pid;
        oom->held_bytes = ledgers->ends[0].total_bytes;
        oom->is_certain = ledgers->cut_short <= oom->kills;
    }
}

static void judge_kill(struct pk_ending *ending, const struct pk_ledgers *ledgers,
                       const struct pk_watched *watched, pid_t program, struct pk_run_info *info) {
    struct pk_verdict verdict = pk_limits_judge(&ending->before, &ending->after);
    struct pk_run_oom *oom = &info->oom;

    if (verdict.kind == PK_VERDICT_NONE) {
        return;
    }
    oom->kind = verdict.kind == PK_VERDICT_GROUP ? PK_OOM_CGROUP : PK_OOM_MACHINE;
    oom->kills = verdict.kills;
    oom->limit_bytes = ending->after.machine_bytes;
    if (verdict.group != NULL) {
        oom->limit_bytes = (uint64_t)verdict.group->limit_bytes;
        oom->path = verdict.group->path;
        oom->usage_bytes = verdict.group->usage_most > 0 ? (uint64_t)verdict.group->usage_most : 0;
    }
    find_victim(ledgers, watched, program, oom);
    if (oom->is_certain) {
        write_kill(ending, info);
        return;
    }
    char group[512] = "this machine";
    if (oom->kind == PK_OOM_CGROUP) {
        name_group(oom, group, sizeof(group));
    }
    char limit[PK_NUMBER_ROOM];
    pk_ending_warn(ending, info,
                   "The kernel killed %llu process%s for memory during the run (limit %s, %s); %s.",
                   (unsigned long long)oom->kills, oom->kills == 1 ? "" : "es",
                   pk_format_bytes(limit, oom->limit_bytes), group,
                   oom->killed_pid != 0 ? "which ones cannot be told"
                                        : "none of those recorded here");
}

static bool is_limit(const struct rlimit *limit) {
    return limit->rlim_cur != RLIM_INFINITY && limit->rlim_cur != 0;
}

/* Requests got nothing below `ulimit -v` or `ulimit -d`. */
static void judge_refusal(struct pk_ending *ending, const struct pk_ledgers *ledgers,
                          const struct pk_watched *watched, struct pk_run_info *info) {
    bool is_space = is_limit(&watched->address_space);
    char limit[PK_NUMBER_ROOM], failed[PK_NUMBER_ROOM];

    if (ledgers->failed_allocs == 0 || (!is_space && !is_limit(&watched->data))) {
        return;
    }
    info->oom.kind = is_space ? PK_OOM_ADDRESS_SPACE : PK_OOM_DATA;
    info->oom.limit_bytes = is_space ? watched->address_space.rlim_cur : watched->data.rlim_cur;
    info->oom.failed_bytes = ledgers->largest_failed_bytes;
    info->oom.is_certain = true;
    bool ended_well = WIFEXITED(watched->status) && WEXITSTATUS(watched->status) == 0;
    char named[96];
    (void)snprintf(named, sizeof(named), "%s limit of %s (ulimit -%c)",
                   is_space ? "address space" : "data size",
                   pk_format_bytes(limit, info->oom.limit_bytes), is_space ? 'v' : 'd');
    if (ended_well) {
        pk_ending_warn(ending, info, "The %s was reached: a request for %s got nothing.", named,
                       pk_format_bytes(failed, info->oom.failed_bytes));
        return;
    }
    (void)snprintf(ending->headline, sizeof(ending->headline),
                   "Out of memory: the %s was reached; a request for %s got nothing.", named,
                   pk_format_bytes(failed, info->oom.failed_bytes));
    info->headline = ending->headline;
}

/* ---- sizes ----------------------------------------------------------------------------------- */

/* Of all processes together, as the samples have them. */
static void take_samples(const struct pk_timeline_header *header, struct pk_run_info *info) {
    info->rss_peak_bytes = header->rss_peak_bytes;
    info->rss_peak_file_bytes = header->rss_peak_file_bytes;
    info->pss_peak_bytes = header->pss_peak_bytes;
    info->swap_peak_bytes = header->swap_peak_bytes;
    info->tracked_peak_bytes = header->tracked_peak_bytes;
    info->processes_most = header->process_most;
}

static void take_sizes(const struct pk_watched *watched, const struct pk_sampler *sampler,
                       struct pk_run_info *info) {
    struct pk_procfs_memory memory;
    struct rusage own;

    info->program_rss_peak_bytes = (uint64_t)watched->usage.ru_maxrss * 1024;
    if (sampler->timeline.page != NULL) {
        take_samples(&sampler->timeline.page->header, info);
    }
    if (info->program_rss_peak_bytes > info->rss_peak_bytes) { // between two samples
        info->rss_peak_bytes = info->program_rss_peak_bytes;
    }
    // Not ru_maxrss: it begins with what the shell had when it became us.
    if (pk_procfs_memory("", getpid(), &memory) == 0) {
        info->own_rss_bytes = memory.rss_peak_bytes;
    }
    if (getrusage(RUSAGE_SELF, &own) == 0) {
        info->own_cpu_ns =
            ((uint64_t)own.ru_utime.tv_sec + (uint64_t)own.ru_stime.tv_sec) * 1000000000u +
            ((uint64_t)own.ru_utime.tv_usec + (uint64_t)own.ru_stime.tv_usec) * 1000u;
    }
}

static void tell_of_others(struct pk_ending *ending, const struct pk_watched *watched,
                           struct pk_run_info *info) {
    char pids[128] = "";
    size_t length = 0;

    info->waited_ns = watched->waited_ns;
    info->still_running = watched->others;
    if (watched->others == 0) {
        return;
    }
    for (uint32_t i = 0; i < watched->others && i < PK_WATCH_SHOWN; i++) {
        length += (size_t)snprintf(pids + length, sizeof(pids) - length, "%s%d", i == 0 ? "" : ", ",
                                   (int)watched->other_pids[i]);
    }
    pk_ending_warn(ending, info,
                   "%u process%s of the run still ran when this report was written (pid %s%s): "
                   "render it again later with `peakline report DIR`, or wait longer with --wait "
                   "SECONDS.",
                   watched->others, watched->others == 1 ? "" : "es", pids,
                   watched->others > PK_WATCH_SHOWN ? ", ..." : "");
}

void pk_ending_finish(struct pk_ending *ending, const char *directory,
                      const struct pk_watched *watched, const struct pk_sampler *sampler,
                      struct pk_run_info *info) {
    struct pk_outcome outcome = pk_outcome_from_status(watched->status);
    struct pk_ledgers ledgers;

    info->outcome = outcome.by_signal ? PK_RUN_SIGNAL : PK_RUN_EXIT;
    info->code = outcome.code;
    info->signal = outcome.signal;
    // By the clock that nobody sets: a run over the change to summer time has not taken an hour.
    info->end_unix_ns = info->start_unix_ns + (int64_t)watched->duration_ns;
    take_sizes(watched, sampler, info);
    pk_limits_read_again("", &ending->before, &ending->after);
    (void)pk_ledgers_look(directory, &ledgers);
    judge_kill(ending, &ledgers, watched, sampler->program, info);
    if (info->oom.kind == PK_OOM_NONE) {
        judge_refusal(ending, &ledgers, watched, info);
    }
    tell_of_others(ending, watched, info);
}

/* ---- somebody else's run --------------------------------------------------------------------- */

/* The limits as run.json has them from the start. Texts are copied. */
static void restore_before(const struct pk_run_info *info, struct pk_limits *ret_limits) {
    memset(ret_limits, 0, sizeof(*ret_limits));
    for (uint64_t i = 0; i < info->group_count && i < PK_LIMITS_MAX_GROUPS; i++) {
        const struct pk_run_group *group = &info->groups[i];
        if (group->directory == NULL || group->path == NULL) {
            break;
        }
        ret_limits->groups[i] = (struct pk_group){.directory = strdup(group->directory),
                                                  .path = strdup(group->path),
                                                  .version = (int)group->version,
                                                  .limit_bytes = group->limit_bytes,
                                                  .high_bytes = group->high_bytes,
                                                  .kills_group = group->kills_group,
                                                  .oom_kills = group->oom_kills,
                                                  .limit_hits = group->limit_hits};
        if (ret_limits->groups[i].directory == NULL || ret_limits->groups[i].path == NULL) {
            break;
        }
        ret_limits->count++;
    }
    ret_limits->machine_oom_kills = info->machine_oom_kills;
    ret_limits->machine_bytes = info->machine_bytes;
    (void)snprintf(ret_limits->boot_id, sizeof(ret_limits->boot_id), "%s",
                   info->boot_id != NULL ? info->boot_id : "");
}

/* Does any process of the run live? Marks those that do not, as the supervisor would have. */
static bool is_alive(const char *directory, const struct pk_ledgers *ledgers,
                     struct pk_timeline_page *timeline) {
    struct pk_tree_page *tree = pk_tree_map(directory, true);
    struct pk_sampler sampler = {.tree = tree, .timeline = {.page = timeline, .fd = -1}};

    bool is_alive =
        ledgers->alive > 0 || pk_sampler_others(&sampler, 0, PK_ANY_SESSION, NULL, 0) > 0;
    pk_sampler_bury(&sampler);
    if (tree != NULL) {
        pk_tree_unmap(tree);
    }
    return is_alive;
}

/* `stored` is completed and written again. */
static void finish(struct pk_ending *ending, const char *directory,
                   const struct pk_run_info *stored, const struct pk_ledgers *ledgers,
                   const struct pk_timeline_page *timeline) {
    struct pk_run_info info = *stored;
    uint64_t end_ns = timeline->header.end_ns; // since the start

    if (ledgers->end_mono_ns > timeline->header.start_mono_ns + end_ns) {
        end_ns = ledgers->end_mono_ns - timeline->header.start_mono_ns;
    }
    info.outcome = PK_RUN_UNKNOWN;
    info.end_unix_ns = info.start_unix_ns + (int64_t)end_ns;
    take_samples(&timeline->header, &info);
    restore_before(stored, &ending->before);
    pk_limits_read_again("", &ending->before, &ending->after);
    judge_kill(ending, ledgers, NULL, 0, &info);
    pk_ending_warn(ending, &info,
                   "`peakline run` was killed before it could see the program end: how the program "
                   "ended is not known.");
    (void)pk_run_info_write(directory, &info); // if that cannot be written: next time again
    pk_ending_release(ending);
}

void pk_ending_finish_late(const char *directory) {
    struct pk_ending *ending = calloc(1, sizeof(*ending));
    struct pk_timeline_page *timeline = NULL;
    struct pk_run_info *stored = NULL;
    struct pk_ledgers ledgers;
    char records[PATH_MAX];

    (void)pk_live_find(directory, records);
    if (ending != NULL && pk_run_info_read(directory, &stored) == 0 &&
        (stored->outcome == PK_RUN_RUNNING || strcmp(records, directory) != 0) &&
        !pk_timeline_is_watched(records) && pk_timeline_read(records, &timeline) == 0 &&
        pk_ledgers_look(records, &ledgers) == 0 && !is_alive(records, &ledgers, timeline)) {
        if (stored->outcome == PK_RUN_RUNNING) {
            finish(ending, directory, stored, &ledgers, timeline);
        }
        (void)pk_place_settle(directory); // if there is no room: next time again
    }
    free(timeline);
    pk_run_info_free(stored);
    free(ending);
}

void pk_ending_release(struct pk_ending *ending) {
    pk_limits_release(&ending->before);
    pk_limits_release(&ending->after);
}
