/* SPDX-License-Identifier: Apache-2.0
 * See json_parts.h: what there is to say of the run besides its stacks. */
#include "report/json_parts.h"

#include <stddef.h>
#include <string.h>
#include <time.h>

#define DOCUMENT_FORMAT 1

static void write_optional_seconds(struct pk_json *json, const char *key, int64_t nanoseconds) {
    if (nanoseconds < 0) {
        pk_json_null(json, key);
    } else {
        pk_json_seconds(json, key, (uint64_t)nanoseconds);
    }
}

/* What stopped the program from having more memory. */
static void write_oom(struct pk_json *json, const struct pk_run_info *run) {
    static const char *const kinds[] = {"none", "cgroup", "machine", "address space", "data"};
    if (run == NULL || run->oom.kind == PK_OOM_NONE || run->oom.kind > PK_OOM_DATA) {
        pk_json_null(json, "oom");
        return;
    }
    pk_json_object(json, "oom");
    pk_json_text(json, "kind", kinds[run->oom.kind]);
    pk_json_unsigned(json, "limit_bytes", run->oom.limit_bytes);
    pk_json_unsigned(json, "usage_bytes", run->oom.usage_bytes);
    pk_json_unsigned(json, "held_bytes", run->oom.held_bytes);
    pk_json_unsigned(json, "failed_bytes", run->oom.failed_bytes);
    pk_json_unsigned(json, "kills", run->oom.kills);
    pk_json_signed(json, "killed_pid", run->oom.killed_pid);
    pk_json_bool(json, "is_program", run->oom.is_program);
    pk_json_bool(json, "is_certain", run->oom.is_certain);
    pk_json_text(json, "cgroup", run->oom.path != NULL ? run->oom.path : "");
    pk_json_end_object(json);
}

static void write_run(struct pk_json *json, const struct pk_report *report) {
    const struct pk_run_info *run = report->run;
    char started[40] = "";
    time_t seconds = (time_t)(report->start_unix_ns / 1000000000);
    struct tm parts;

    pk_json_object(json, "run");
    pk_json_array(json, "command");
    for (size_t i = 0; run != NULL && run->argv != NULL && run->argv[i] != NULL; i++) {
        pk_json_text(json, NULL, run->argv[i]);
    }
    pk_json_end_array(json);
    pk_json_text(json, "directory", run != NULL && run->directory != NULL ? run->directory : "");
    if (seconds > 0 && gmtime_r(&seconds, &parts) != NULL) {
        (void)strftime(started, sizeof(started), "%Y-%m-%dT%H:%M:%SZ", &parts);
    }
    pk_json_text(json, "started", started);
    write_optional_seconds(json, "duration_s", report->duration_ns);
    pk_json_text(json, "python", report->python);
    pk_json_unsigned(json, "pid", pk_report_main(report)->pid);
    pk_json_object(json, "outcome");
    pk_json_text(json, "kind", pk_report_outcome_name(report));
    pk_json_signed(json, "code", run == NULL ? 0 : run->code);
    pk_json_signed(json, "signal", run == NULL ? 0 : run->signal);
    pk_json_text(json, "signal_name", run == NULL ? "" : pk_report_signal_name(run->signal));
    pk_json_end_object(json);
    pk_json_text(json, "headline", run != NULL && run->headline != NULL ? run->headline : "");
    write_oom(json, run);
    pk_json_end_object(json);
}

/* Which process and thread held the most; null where there is one only. */
static void write_holder(struct pk_json *json, const struct pk_report *report,
                         const struct pk_selection *s) {
    const struct pk_holder *holder = &report->holder;
    struct pk_holder_words words;
    char text[1024];

    pk_holder_say(&report->view, &report->rules, holder, &words);
    pk_holder_join(&words, text, sizeof(text));
    if (text[0] == '\0') {
        pk_json_null(json, "holder");
        return;
    }
    int64_t process = holder->process < 0 ? 0 : holder->process;
    pk_json_object(json, "holder");
    pk_json_unsigned(json, "pid", report->view.processes[process].pid);
    pk_json_unsigned(json, "bytes", holder->bytes);
    if (holder->thread == PK_HOLDER_ONLY) {
        pk_json_null(json, "thread");
        pk_json_null(json, "thread_bytes");
    } else {
        pk_json_signed(json, "thread", pk_selection_frame(s, holder->thread_frame));
        pk_json_unsigned(json, "thread_bytes", holder->thread_bytes);
    }
    pk_json_text(json, "text", text);
    pk_json_end_object(json);
}

static void write_peak(struct pk_json *json, const struct pk_report *report,
                       const struct pk_selection *s) {
    pk_json_object(json, "peak");
    pk_json_unsigned(json, "bytes", report->view.peak_bytes);
    pk_json_unsigned(json, "blocks", report->view.peak_blocks);
    write_optional_seconds(json, "time_s", report->peak_time_ns);
    pk_json_unsigned(json, "rss_bytes", report->run == NULL ? 0 : report->run->rss_peak_bytes);
    pk_json_unsigned(json, "other_processes", report->view.process_count - 1);
    pk_json_text(json, "resident_note", report->resident_note);
    pk_json_unsigned(json, "pss_bytes", report->run == NULL ? 0 : report->run->pss_peak_bytes);
    pk_json_unsigned(json, "swap_bytes", report->run == NULL ? 0 : report->run->swap_peak_bytes);
    write_holder(json, report, s);
    pk_json_end_object(json);
}

static void write_warnings(struct pk_json *json, const struct pk_report *report) {
    pk_json_array(json, "warnings");
    for (uint32_t i = 0; i < report->warning_count; i++) {
        pk_json_text(json, NULL, report->warnings[i]);
    }
    pk_json_end_array(json);
}

static const char *state_name(uint32_t state) {
    static const char *const states[] = {"running", "ended", "exec"};
    return state < sizeof(states) / sizeof(states[0]) ? states[state] : "unknown";
}

static void write_process(struct pk_json *json, const struct pk_view_process *process,
                          bool is_tree_known, const struct pk_selection *s) {
    pk_json_object(json, NULL);
    pk_json_unsigned(json, "pid", process->pid);
    pk_json_unsigned(json, "parent_pid", process->parent_pid);
    pk_json_unsigned(json, "peak_bytes", process->peak_bytes);
    if (is_tree_known || process->took_part) {
        pk_json_unsigned(json, "bytes_at_tree_peak", process->tree_bytes);
    } else {
        pk_json_null(json, "bytes_at_tree_peak");
    }
    pk_json_text(json, "ledger", process->ledger);
    pk_json_bool(json, "shown", process->took_part);
    pk_json_unsigned(json, "forked_from", process->forked_from);
    pk_json_signed(json, "parent", process->parent);
    pk_json_unsigned(json, "group", process->group);
    pk_json_signed(json, "frame", pk_selection_frame(s, process->frame));
    pk_json_text(json, "command", process->command);
    pk_json_text(json, "label", process->label);
    pk_json_text(json, "state", state_name(process->state));
    pk_json_bool(json, "still_running", process->is_alive);
    write_optional_seconds(json, "start_s", process->start_ns);
    write_optional_seconds(json, "end_s", process->end_ns);
    write_optional_seconds(json, "peak_s", process->peak_ns);
    pk_json_unsigned(json, "peak_blocks", process->peak_blocks);
    pk_json_unsigned(json, "blocks_at_tree_peak", process->tree_blocks);
    pk_json_unsigned(json, "end_bytes", process->end_bytes);
    pk_json_unsigned(json, "end_blocks", process->end_blocks);
    pk_json_unsigned(json, "alloc_bytes", process->alloc_bytes);
    pk_json_unsigned(json, "alloc_blocks", process->alloc_blocks);
    pk_json_unsigned(json, "inherited_bytes", process->inherited_bytes);
    pk_json_unsigned(json, "inherited_blocks", process->inherited_blocks);
    pk_json_unsigned(json, "inherited_freed_bytes", process->inherited_freed_bytes);
    pk_json_unsigned(json, "inherited_freed_blocks", process->inherited_freed_blocks);
    pk_json_unsigned(json, "sampled_bytes", process->sampled_bytes);
    pk_json_unsigned(json, "arena_peak_bytes", process->arena_peak_bytes);
    pk_json_unsigned(json, "own_bytes", process->own_bytes);
    pk_json_unsigned(json, "dropped_events", process->dropped_events);
    pk_json_unsigned(json, "failed_allocs", process->failed_allocs);
    pk_json_text(json, "python", process->python);
    pk_json_text(json, "python_status", pk_report_python_status(process->python_status));
    pk_json_end_object(json);
}

static void write_processes(struct pk_json *json, const struct pk_report *report,
                            const struct pk_selection *s) {
    pk_json_array(json, "processes");
    for (uint32_t i = 0; i < report->view.process_count; i++) {
        write_process(json, &report->view.processes[i], report->tree != NULL, s);
    }
    pk_json_end_array(json);
}

/* One column of the timeline. */
static void write_points(struct pk_json *json, const struct pk_timeline_page *page, const char *key,
                         size_t offset) {
    pk_json_array(json, key);
    for (uint32_t i = 0; i < page->header.point_count; i++) {
        uint64_t value;
        memcpy(&value, (const char *)&page->point[i] + offset, sizeof(value));
        pk_json_unsigned(json, NULL, value);
    }
    pk_json_end_array(json);
}

/* Memory over time, as it was sampled; null when it was not. */
static void write_timeline(struct pk_json *json, const struct pk_report *report) {
    const struct pk_timeline_page *page = report->timeline;
    if (page == NULL || page->header.point_count == 0) {
        pk_json_null(json, "timeline");
        return;
    }
    pk_json_object(json, "timeline");
    pk_json_array(json, "time_s");
    for (uint32_t i = 0; i < page->header.point_count; i++) {
        pk_json_seconds(json, NULL, page->point[i].first_ns);
    }
    pk_json_end_array(json);
    write_points(json, page, "tracked_bytes", offsetof(struct pk_timeline_point, tracked_bytes));
    write_points(json, page, "rss_bytes", offsetof(struct pk_timeline_point, rss_bytes));
    write_points(json, page, "swap_bytes", offsetof(struct pk_timeline_point, swap_bytes));
    pk_json_end_object(json);
}

void pk_json_head(struct pk_json *json, const struct pk_report *report,
                  const struct pk_selection *s) {
    pk_json_object(json, NULL);
    pk_json_unsigned(json, "format", DOCUMENT_FORMAT);
    pk_json_text(json, "tool",
                 report->run != NULL && report->run->tool != NULL ? report->run->tool : "peakline");
    pk_json_unsigned(json, "peak_bytes", report->view.peak_bytes);
    write_peak(json, report, s);
    write_run(json, report);
    pk_json_text(json, "python_status",
                 pk_report_python_status(pk_report_main(report)->python_status));
    pk_json_text(json, "python_note", pk_report_main(report)->python_note);
    write_warnings(json, report);
    write_processes(json, report, s);
    write_timeline(json, report);
}

static void write_maps(struct pk_json *json, const struct pk_report *report, uint32_t limit) {
    const struct pk_view *view = &report->view;
    pk_json_array(json, "maps");
    for (uint32_t i = 0; i < view->map_count && i < limit; i++) {
        pk_json_object(json, NULL);
        pk_json_text(json, "path", view->maps[i].path);
        pk_json_unsigned(json, "bytes", view->maps[i].most_bytes);
        pk_json_text(json, "note",
                     view->maps[i].is_reserved ? "reserved address space, not counted"
                                               : "file, not counted");
        pk_json_end_object(json);
    }
    pk_json_end_array(json);
}

static void write_failed(struct pk_json *json, const struct pk_report *report,
                         const struct pk_selection *s) {
    if (report->failed_allocs == 0) {
        pk_json_null(json, "failed");
        return;
    }
    pk_json_object(json, "failed");
    pk_json_unsigned(json, "bytes", report->largest_failed_bytes);
    pk_json_unsigned(json, "count", report->failed_allocs);
    pk_json_signed(json, "frame", pk_selection_frame(s, report->view.failed_frame));
    pk_json_unsigned(json, "pid", report->failed_pid);
    pk_json_array(json, "stack");
    for (uint32_t i = 0; i < report->view.failed_depth; i++) {
        pk_json_signed(json, NULL, pk_selection_frame(s, report->view.failed_stack[i]));
    }
    pk_json_end_array(json);
    pk_json_end_object(json);
}

/* What the records themselves say, added up over all processes; a flag is one of any. */
static void write_ledger_facts(struct pk_json *json, const struct pk_report *report) {
    const struct pk_view *view = &report->view;
    struct pk_view_process sum = {0};
    uint64_t stacks = 0, functions = 0;

    for (uint32_t i = 0; i < view->process_count; i++) {
        const struct pk_view_process *process = &view->processes[i];
        stacks += process->node_count;
        functions += process->function_count;
        sum.end_bytes += process->end_bytes;
        sum.end_blocks += process->end_blocks;
        sum.arena_bytes += process->arena_bytes;
        sum.arena_peak_bytes += process->arena_peak_bytes;
        sum.file_map_bytes += process->file_map_bytes;
        sum.noreserve_bytes += process->noreserve_bytes;
        sum.own_bytes += process->own_bytes;
        sum.dropped_events += process->dropped_events;
        sum.merged_stacks += process->merged_stacks;
        sum.unknown_frees += process->unknown_frees;
        sum.missed_frees += process->missed_frees;
        sum.flags |= process->flags;
    }
    pk_json_object(json, "ledger");
    pk_json_text(json, "state", state_name(pk_report_main(report)->state));
    pk_json_unsigned(json, "stacks", stacks);
    pk_json_unsigned(json, "functions", functions);
    pk_json_unsigned(json, "live_bytes", sum.end_bytes);
    pk_json_unsigned(json, "live_blocks", sum.end_blocks);
    pk_json_unsigned(json, "arena_bytes", sum.arena_bytes);
    pk_json_unsigned(json, "arena_peak_bytes", sum.arena_peak_bytes);
    pk_json_unsigned(json, "file_map_bytes", sum.file_map_bytes);
    pk_json_unsigned(json, "noreserve_bytes", sum.noreserve_bytes);
    pk_json_unsigned(json, "own_bytes", sum.own_bytes);
    pk_json_unsigned(json, "dropped_events", sum.dropped_events);
    pk_json_unsigned(json, "merged_stacks", sum.merged_stacks);
    pk_json_unsigned(json, "unknown_frees", sum.unknown_frees);
    pk_json_unsigned(json, "missed_frees", sum.missed_frees);
    pk_json_unsigned(json, "failed_allocs", report->failed_allocs);
    pk_json_unsigned(json, "in_flight_bytes", view->in_flight_bytes);
    pk_json_unsigned(json, "in_flight_blocks", view->in_flight_blocks);
    pk_json_unsigned(json, "surplus_bytes", view->surplus_bytes);
    pk_json_unsigned(json, "surplus_blocks", view->surplus_blocks);
    pk_json_bool(json, "disk_full", (sum.flags & PK_FLAG_DISK_FULL) != 0);
    pk_json_bool(json, "unreachable", (sum.flags & PK_FLAG_UNREACHABLE) != 0);
    pk_json_bool(json, "table_full", (sum.flags & PK_FLAG_TABLE_FULL) != 0);
    pk_json_bool(json, "deepbind", (sum.flags & PK_FLAG_DEEPBIND) != 0);
    pk_json_bool(json, "other_malloc", (sum.flags & PK_FLAG_OTHER_MALLOC) != 0);
    pk_json_bool(json, "allocators_late", (sum.flags & PK_FLAG_ALLOCATORS_LATE) != 0);
    pk_json_bool(json, "free_threaded", (sum.flags & PK_FLAG_FREE_THREADED) != 0);
    pk_json_bool(json, "checked", (sum.flags & PK_FLAG_CHECKED) != 0);
    pk_json_bool(json, "in_process", (sum.flags & PK_FLAG_IN_PROCESS) != 0);
    pk_json_bool(json, "block", (sum.flags & PK_FLAG_BLOCK) != 0);
    pk_json_end_object(json);
}

void pk_json_tail(struct pk_json *json, const struct pk_report *report,
                  const struct pk_selection *s, uint32_t max_maps) {
    write_maps(json, report, max_maps);
    write_failed(json, report, s);
    write_ledger_facts(json, report);
}
