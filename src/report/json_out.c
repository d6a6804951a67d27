/* SPDX-License-Identifier: Apache-2.0
 * The two JSON documents, made of the same parts: docs/json.md for tools, and the data inside the
 * page (for src/report/web). May use json.h, model.h. Must stay true: numbers are integers or have
 * three decimals; the order of keys never changes; columns of one table have one length. */
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <time.h>

#include "report/model.h"
#include "report/page_context.h"
#include "report/source.h"

#define DOCUMENT_FORMAT 1
#define PAGE_MAX_MAPS 1000u
#define NONE UINT32_MAX

/* Which files, functions and frames a tree and the blame lines need, in order of first use, under
 * new numbers. */
struct selection {
    const struct pk_view *view;
    const struct pk_tree *tree;
    uint32_t blame_count; /* lines shown one by one; the others are one folded line */
    struct pk_pool pool;
    uint32_t *frames, *frame_numbers, frame_count; /* new to old, old to new */
    uint32_t *functions, *function_numbers, function_count;
    uint32_t *files, *file_numbers, file_count;
};

static void select_one(uint32_t old, uint32_t *list, uint32_t *numbers, uint32_t *count) {
    if (numbers[old] == NONE) {
        numbers[old] = *count;
        list[(*count)++] = old;
    }
}

static void select_frame(struct selection *selection, int32_t frame) {
    if (frame >= 0) {
        uint32_t function = selection->view->frames[frame].function;
        uint32_t file = selection->view->functions[function].file;
        select_one((uint32_t)frame, selection->frames, selection->frame_numbers,
                   &selection->frame_count);
        select_one(function, selection->functions, selection->function_numbers,
                   &selection->function_count);
        select_one(file, selection->files, selection->file_numbers, &selection->file_count);
    }
}

/* The frame, and what it refers to: the line that started a thread is never a thread itself. */
static void select_with_starter(struct selection *selection, int32_t frame) {
    select_frame(selection, frame);
    if (frame >= 0) {
        select_frame(selection, selection->view->frames[frame].started_by);
    }
}

static int make_selection(const struct pk_view *view, const struct pk_tree *tree,
                          uint32_t blame_count, int32_t thread_frame,
                          struct selection *ret_selection) {
    struct selection *s = ret_selection;
    *s = (struct selection){.view = view, .tree = tree, .blame_count = blame_count};
    s->frames = pk_pool_array(&s->pool, view->frame_count, sizeof(*s->frames));
    s->frame_numbers = pk_pool_array(&s->pool, view->frame_count, sizeof(*s->frame_numbers));
    s->functions = pk_pool_array(&s->pool, view->function_count, sizeof(*s->functions));
    s->function_numbers =
        pk_pool_array(&s->pool, view->function_count, sizeof(*s->function_numbers));
    s->files = pk_pool_array(&s->pool, view->file_count, sizeof(*s->files));
    s->file_numbers = pk_pool_array(&s->pool, view->file_count, sizeof(*s->file_numbers));
    if (s->pool.failed) {
        pk_pool_free(&s->pool);
        return -ENOMEM;
    }
    memset(s->frame_numbers, 0xff, view->frame_count * sizeof(*s->frame_numbers));
    memset(s->function_numbers, 0xff, view->function_count * sizeof(*s->function_numbers));
    memset(s->file_numbers, 0xff, view->file_count * sizeof(*s->file_numbers));
    for (uint32_t i = 0; i < tree->count; i++) {
        select_with_starter(s, tree->frames[i]);
    }
    for (uint32_t i = 0; i < blame_count; i++) {
        select_with_starter(s, view->blame[i].frame);
    }
    select_with_starter(s, view->failed_frame);
    select_with_starter(s, thread_frame);
    for (uint32_t i = 0; i < view->failed_depth; i++) {
        select_with_starter(s, view->failed_stack[i]);
    }
    for (uint32_t i = 0; i < view->process_count; i++) {
        select_frame(s, view->processes[i].frame);
    }
    return 0;
}

static int64_t new_frame(const struct selection *selection, int32_t frame) {
    return frame < 0 ? frame : (int64_t)selection->frame_numbers[frame];
}

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
                         const struct selection *s) {
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
        pk_json_signed(json, "thread", new_frame(s, holder->thread_frame));
        pk_json_unsigned(json, "thread_bytes", holder->thread_bytes);
    }
    pk_json_text(json, "text", text);
    pk_json_end_object(json);
}

static void write_peak(struct pk_json *json, const struct pk_report *report,
                       const struct selection *s) {
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

static void write_tables(struct pk_json *json, const struct selection *s) {
    const struct pk_view *view = s->view;

    pk_json_object(json, "files");
    pk_json_array(json, "path");
    for (uint32_t i = 0; i < s->file_count; i++) {
        pk_json_text(json, NULL, view->files[s->files[i]].path);
    }
    pk_json_end_array(json);
    pk_json_array(json, "kind");
    for (uint32_t i = 0; i < s->file_count; i++) {
        pk_json_unsigned(json, NULL, view->files[s->files[i]].kind);
    }
    pk_json_end_array(json);
    pk_json_array(json, "status");
    for (uint32_t i = 0; i < s->file_count; i++) {
        pk_json_unsigned(json, NULL, view->files[s->files[i]].status);
    }
    pk_json_end_array(json);
    pk_json_end_object(json);

    pk_json_object(json, "functions");
    pk_json_array(json, "name");
    for (uint32_t i = 0; i < s->function_count; i++) {
        pk_json_text(json, NULL, view->functions[s->functions[i]].name);
    }
    pk_json_end_array(json);
    pk_json_array(json, "file");
    for (uint32_t i = 0; i < s->function_count; i++) {
        pk_json_unsigned(json, NULL, s->file_numbers[view->functions[s->functions[i]].file]);
    }
    pk_json_end_array(json);
    pk_json_array(json, "kind");
    for (uint32_t i = 0; i < s->function_count; i++) {
        pk_json_unsigned(json, NULL, view->functions[s->functions[i]].kind);
    }
    pk_json_end_array(json);
    pk_json_end_object(json);

    pk_json_object(json, "frames");
    pk_json_array(json, "function");
    for (uint32_t i = 0; i < s->frame_count; i++) {
        pk_json_unsigned(json, NULL, s->function_numbers[view->frames[s->frames[i]].function]);
    }
    pk_json_end_array(json);
    pk_json_array(json, "line");
    for (uint32_t i = 0; i < s->frame_count; i++) {
        pk_json_unsigned(json, NULL, view->frames[s->frames[i]].line);
    }
    pk_json_end_array(json);
    pk_json_array(json, "started_by");
    for (uint32_t i = 0; i < s->frame_count; i++) {
        pk_json_signed(json, NULL, new_frame(s, view->frames[s->frames[i]].started_by));
    }
    pk_json_end_array(json);
    pk_json_array(json, "source");
    for (uint32_t i = 0; i < s->frame_count; i++) {
        pk_json_text(json, NULL, view->frames[s->frames[i]].source);
    }
    pk_json_end_array(json);
    for (unsigned is_end = 0; is_end < 2; is_end++) {
        pk_json_array(json, is_end ? "end_column" : "column");
        for (uint32_t i = 0; i < s->frame_count; i++) {
            uint32_t part[2];
            bool is_known = pk_source_part(view, s->frames[i], &part[0], &part[1]);
            pk_json_signed(json, NULL, is_known ? (int64_t)part[is_end] : -1);
        }
        pk_json_end_array(json);
    }
    pk_json_end_object(json);
}

static const char *const column_names[PK_COLUMNS] = {"bytes",      "blocks",      "end_bytes",
                                                     "end_blocks", "alloc_bytes", "alloc_blocks"};

/* The tree, as distances to the caller (the page) or as its number, -1 for the root (the document).
 */
static void write_tree(struct pk_json *json, const struct selection *s, bool with_distance) {
    const struct pk_tree *tree = s->tree;

    pk_json_object(json, "stacks");
    pk_json_array(json, with_distance ? "up" : "parent");
    for (uint32_t i = 0; i < tree->count; i++) {
        if (with_distance) {
            pk_json_unsigned(json, NULL, tree->up[i]);
        } else {
            pk_json_signed(json, NULL, i == 0 ? -1 : (int64_t)i - (int64_t)tree->up[i]);
        }
    }
    pk_json_end_array(json);
    pk_json_array(json, "frame");
    for (uint32_t i = 0; i < tree->count; i++) {
        pk_json_signed(json, NULL, new_frame(s, tree->frames[i]));
    }
    pk_json_end_array(json);
    for (unsigned column = 0; column < PK_COLUMNS; column++) {
        pk_json_array(json, column_names[column]);
        for (uint32_t i = 0; i < tree->count; i++) {
            pk_json_unsigned(json, NULL, tree->columns[column][i]);
        }
        pk_json_end_array(json);
    }
    pk_json_end_object(json);
}

/* What of the stacks' columns did not come from Python's allocators: a row for each stack and kind
 * that has any, since most have none. */
static void write_kinds(struct pk_json *json, const struct pk_tree *tree) {
    pk_json_object(json, "kinds");
    for (int field = -2; field < (int)PK_COLUMNS; field++) {
        pk_json_array(json, field == -2 ? "stack" : field == -1 ? "kind" : column_names[field]);
        for (uint32_t i = 0; i < tree->count * PK_MEMORY_KINDS; i++) {
            unsigned kind = i % PK_MEMORY_KINDS;
            uint32_t node = i / PK_MEMORY_KINDS;
            uint64_t any = 0;
            for (unsigned column = 0; column < PK_COLUMNS; column++) {
                any |= tree->columns[pk_kind_column(kind, column)][node];
            }
            if (any != 0) {
                pk_json_unsigned(json, NULL, field == -2   ? node
                                             : field == -1 ? kind + 1
                                                           : tree->columns[pk_kind_column(
                                                                 kind, (unsigned)field)][node]);
            }
        }
        pk_json_end_array(json);
    }
    pk_json_end_object(json);
}

/* Behind the measures of a blame line: what of its bytes at the peak is of a kind. */
static const char *const kind_names[PK_MEMORY_KINDS] = {"heap_bytes", "map_bytes"};

/* The blame lines as columns; those beyond the selection are one folded line. */
static void write_blame(struct pk_json *json, const struct selection *s) {
    const struct pk_view *view = s->view;
    bool has_rest = s->blame_count < view->blame_count;

    pk_json_object(json, "blame");
    pk_json_array(json, "frame");
    for (uint32_t i = 0; i < s->blame_count; i++) {
        pk_json_signed(json, NULL, new_frame(s, view->blame[i].frame));
    }
    if (has_rest) {
        pk_json_signed(json, NULL, PK_FRAME_FOLDED);
    }
    pk_json_end_array(json);
    for (unsigned i = 0; i < PK_COLUMNS + PK_MEMORY_KINDS; i++) {
        bool is_kind = i >= PK_COLUMNS;
        unsigned column = is_kind ? pk_kind_column(i - PK_COLUMNS, PK_PEAK_BYTES) : i;
        uint64_t rest = 0;
        pk_json_array(json, is_kind ? kind_names[i - PK_COLUMNS] : column_names[i]);
        for (uint32_t line = 0; line < view->blame_count; line++) {
            if (line < s->blame_count) {
                pk_json_unsigned(json, NULL, view->blame[line].columns[column]);
            } else {
                rest += view->blame[line].columns[column];
            }
        }
        if (has_rest) {
            pk_json_unsigned(json, NULL, rest);
        }
        pk_json_end_array(json);
    }
    for (unsigned is_least = 0; is_least < 2; is_least++) {
        uint64_t rest = 0;
        pk_json_array(json, is_least ? "largest_least_bytes" : "largest_bytes");
        for (uint32_t line = 0; line < view->blame_count; line++) {
            const struct pk_view_blame *blame = &view->blame[line];
            uint64_t value = is_least ? blame->largest_least : blame->largest_most;
            if (line < s->blame_count) {
                pk_json_unsigned(json, NULL, value);
            } else {
                rest = value > rest ? value : rest;
            }
        }
        if (has_rest) {
            pk_json_unsigned(json, NULL, rest);
        }
        pk_json_end_array(json);
    }
    pk_json_end_object(json);
}

/* The blame lines spelled out: a tool needs no join to find the largest. */
static void write_blame_lines(struct pk_json *json, const struct pk_report *report) {
    const struct pk_view *view = &report->view;

    pk_json_array(json, "blame");
    for (uint32_t i = 0; i < view->blame_count; i++) {
        const struct pk_view_blame *blame = &view->blame[i];
        pk_json_object(json, NULL);
        pk_json_unsigned(json, "bytes", blame->bytes);
        pk_json_unsigned(json, "blocks", blame->blocks);
        if (blame->frame >= 0) {
            const struct pk_view_frame *frame = &view->frames[blame->frame];
            const struct pk_view_function *function = &view->functions[frame->function];
            const struct pk_view_file *file = &view->files[function->file];
            pk_json_text(json, "path", file->path);
            pk_json_unsigned(json, "line", frame->line);
            pk_json_text(json, "function", function->name);
            pk_json_text(json, "source", frame->source);
            pk_json_unsigned(json, "kind", file->kind);
        } else {
            pk_json_text(json, "path", "");
            pk_json_unsigned(json, "line", 0);
            pk_json_text(json, "function", "[no stack]");
            pk_json_text(json, "source", "");
            pk_json_unsigned(json, "kind", PK_FILE_NONE);
        }
        for (unsigned column = PK_END_BYTES; column < PK_COLUMNS; column++) {
            pk_json_unsigned(json, column_names[column], blame->columns[column]);
        }
        for (unsigned kind = 0; kind < PK_MEMORY_KINDS; kind++) {
            pk_json_unsigned(json, kind_names[kind],
                             blame->columns[pk_kind_column(kind, PK_PEAK_BYTES)]);
        }
        pk_json_unsigned(json, "largest_bytes", blame->largest_most);
        pk_json_unsigned(json, "largest_least_bytes", blame->largest_least);
        pk_json_end_object(json);
    }
    pk_json_end_array(json);
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
                         const struct selection *s) {
    if (report->failed_allocs == 0) {
        pk_json_null(json, "failed");
        return;
    }
    pk_json_object(json, "failed");
    pk_json_unsigned(json, "bytes", report->largest_failed_bytes);
    pk_json_unsigned(json, "count", report->failed_allocs);
    pk_json_signed(json, "frame", new_frame(s, report->view.failed_frame));
    pk_json_unsigned(json, "pid", report->failed_pid);
    pk_json_array(json, "stack");
    for (uint32_t i = 0; i < report->view.failed_depth; i++) {
        pk_json_signed(json, NULL, new_frame(s, report->view.failed_stack[i]));
    }
    pk_json_end_array(json);
    pk_json_end_object(json);
}

static const char *state_name(uint32_t state) {
    static const char *const states[] = {"running", "ended", "exec"};
    return state < sizeof(states) / sizeof(states[0]) ? states[state] : "unknown";
}

static void write_process(struct pk_json *json, const struct pk_view_process *process,
                          bool is_tree_known, const struct selection *s) {
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
    pk_json_signed(json, "frame", new_frame(s, process->frame));
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
                            const struct selection *s) {
    pk_json_array(json, "processes");
    for (uint32_t i = 0; i < report->view.process_count; i++) {
        write_process(json, &report->view.processes[i], report->tree != NULL, s);
    }
    pk_json_end_array(json);
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

static void write_start(struct pk_json *json, const struct pk_report *report) {
    pk_json_object(json, NULL);
    pk_json_unsigned(json, "format", DOCUMENT_FORMAT);
    pk_json_text(json, "tool",
                 report->run != NULL && report->run->tool != NULL ? report->run->tool : "peakline");
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

/* What document and page have in common, up to the blame lines. */
static void write_head(struct pk_json *json, const struct pk_report *report,
                       const struct selection *s) {
    write_start(json, report);
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

int pk_write_json(const struct pk_report *report, FILE *out) {
    struct selection selection;
    struct pk_json json;

    int r = make_selection(&report->view, &report->view.tree, report->view.blame_count,
                           report->holder.thread_frame, &selection);
    if (r < 0) {
        return r;
    }
    pk_json_start(&json, out, PK_JSON_LINES);
    write_head(&json, report, &selection);
    write_blame_lines(&json, report);
    write_tables(&json, &selection);
    write_tree(&json, &selection, false);
    write_kinds(&json, &report->view.tree);
    write_maps(&json, report, UINT32_MAX);
    write_failed(&json, report, &selection);
    write_ledger_facts(&json, report);
    pk_json_end_object(&json);
    pk_pool_free(&selection.pool);
    return r;
}

/* What the page leaves out, or null. */
static void write_folded(struct pk_json *json, const struct pk_view *view,
                         const struct pk_tree *tree) {
    uint64_t bytes = 0;
    uint32_t leaves = 0;

    for (uint32_t i = 0; i < tree->count; i++) {
        if (tree->frames[i] == PK_FRAME_FOLDED) {
            bytes += tree->bytes[i];
            leaves++;
        }
    }
    if (leaves == 0) {
        pk_json_null(json, "folded");
        return;
    }
    pk_json_object(json, "folded");
    pk_json_unsigned(json, "stacks", view->tree.count - (tree->count - leaves));
    pk_json_unsigned(json, "bytes", bytes);
    pk_json_end_object(json);
}

static int write_context(struct pk_json *json, const struct pk_report *report,
                         const struct selection *s) {
    struct pk_pool pool = {0};
    struct pk_page_line *lines;
    uint32_t count;
    int r = pk_page_context(report, s->tree, &pool, &lines, &count);

    pk_json_object(json, "page");
    pk_json_object(json, "context");
    pk_json_array(json, "file");
    for (uint32_t i = 0; r >= 0 && i < count; i++) {
        pk_json_unsigned(json, NULL, s->file_numbers[lines[i].file]);
    }
    pk_json_end_array(json);
    pk_json_array(json, "line"); // from the one before it in the same file
    for (uint32_t i = 0; r >= 0 && i < count; i++) {
        bool is_same = i > 0 && lines[i].file == lines[i - 1].file;
        pk_json_unsigned(json, NULL, lines[i].line - (is_same ? lines[i - 1].line : 0));
    }
    pk_json_end_array(json);
    pk_json_array(json, "text");
    for (uint32_t i = 0; r >= 0 && i < count; i++) {
        pk_json_text(json, NULL, lines[i].text);
    }
    pk_json_end_array(json);
    pk_json_end_object(json);
    pk_json_end_object(json);
    pk_pool_free(&pool);
    return r;
}

int pk_write_page_data(const struct pk_report *report, uint32_t max_nodes, uint32_t max_blame,
                       FILE *out) {
    struct pk_pool pool = {0};
    struct pk_tree tree;
    struct selection selection;
    struct pk_json json;

    uint32_t blame_count =
        report->view.blame_count < max_blame ? report->view.blame_count : max_blame;
    int r = pk_tree_fold(&pool, &report->view.tree, max_nodes,
                         PK_BY_PEAK | PK_BY_END | PK_BY_ALLOC, &tree);
    if (r >= 0) {
        r = make_selection(&report->view, &tree, blame_count, report->holder.thread_frame,
                           &selection);
    }
    if (r < 0) {
        pk_pool_free(&pool);
        return r;
    }
    pk_json_start(&json, out, PK_JSON_HTML);
    write_head(&json, report, &selection);
    write_blame(&json, &selection);
    write_tables(&json, &selection);
    write_tree(&json, &selection, true);
    write_kinds(&json, &tree);
    write_maps(&json, report, PAGE_MAX_MAPS);
    write_failed(&json, report, &selection);
    write_ledger_facts(&json, report);
    write_folded(&json, &report->view, &tree);
    r = write_context(&json, report, &selection);
    pk_json_end_object(&json);
    pk_pool_free(&selection.pool);
    pk_pool_free(&pool);
    return r;
}
