/* SPDX-License-Identifier: Apache-2.0
 * What there is to say besides the stacks: when, which Python, how it ended, and every reason to
 * doubt a number. May use record, model.h, display.h. Must stay true: each warning is one sentence
 * that says what it means for the reader. */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "report/display.h"
#include "report/gather.h"
#include "report/model.h"
#include "report/resident.h"

#define MAX_WARNINGS 64u

static const struct {
    int number;
    const char *name;
} signals[] = {
    {SIGHUP, "SIGHUP"},   {SIGINT, "SIGINT"},   {SIGQUIT, "SIGQUIT"},     {SIGILL, "SIGILL"},
    {SIGTRAP, "SIGTRAP"}, {SIGABRT, "SIGABRT"}, {SIGBUS, "SIGBUS"},       {SIGFPE, "SIGFPE"},
    {SIGKILL, "SIGKILL"}, {SIGUSR1, "SIGUSR1"}, {SIGSEGV, "SIGSEGV"},     {SIGUSR2, "SIGUSR2"},
    {SIGPIPE, "SIGPIPE"}, {SIGALRM, "SIGALRM"}, {SIGTERM, "SIGTERM"},     {SIGXCPU, "SIGXCPU"},
    {SIGXFSZ, "SIGXFSZ"}, {SIGSYS, "SIGSYS"},   {SIGVTALRM, "SIGVTALRM"},
};

const char *pk_report_signal_name(int signal) {
    for (size_t i = 0; i < PK_LEN(signals); i++) {
        if (signals[i].number == signal) {
            return signals[i].name;
        }
    }
    return "";
}

const char *pk_report_outcome_name(const struct pk_report *report) {
    static const char *const names[] = {"unknown", "exit", "signal", "running"};
    return names[report->run == NULL ? PK_RUN_UNKNOWN : report->run->outcome];
}

const char *pk_report_python_status(uint32_t python_status) {
    static const char *const names[] = {"none", "attached", "verified", "unknown", "mismatch"};
    return python_status < PK_LEN(names) ? names[python_status] : "unknown";
}

void pk_report_outcome_sentence(const struct pk_report *report, char *ret_text, size_t size) {
    const struct pk_run_info *run = report->run;
    ret_text[0] = '\0';
    if (run == NULL || run->outcome == PK_RUN_UNKNOWN) {
        if (pk_report_main(report)->state == PK_STATE_RUNNING) {
            snprintf(ret_text, size, "Nobody saw the program end; this is what it had recorded.");
        }
    } else if (run->outcome == PK_RUN_RUNNING) {
        snprintf(ret_text, size, "The program was still running; this is what it had recorded.");
    } else if (run->outcome == PK_RUN_EXIT && run->code != 0) {
        snprintf(ret_text, size, "The program ended with exit status %d.", run->code);
    } else if (run->outcome == PK_RUN_SIGNAL && pk_report_signal_name(run->signal)[0] != '\0') {
        snprintf(ret_text, size, "The program was killed by %s (signal %d).",
                 pk_report_signal_name(run->signal), run->signal);
    } else if (run->outcome == PK_RUN_SIGNAL) {
        snprintf(ret_text, size, "The program was killed by signal %d.", run->signal);
    }
}

/* The process whose own peak is the report's; NULL when that is the tree's. */
static const struct pk_view_process *highest_process(const struct pk_report *report) {
    for (uint32_t i = 0; !report->is_tree_peak && i < report->view.process_count; i++) {
        if (report->view.processes[i].took_part) {
            return &report->view.processes[i];
        }
    }
    return NULL;
}

static void derive_times(struct pk_report *report) {
    const struct pk_view_process *first = pk_report_main(report);
    const struct pk_view_process *highest = highest_process(report);
    const struct pk_run_info *run = report->run;

    report->duration_ns = -1;
    report->peak_time_ns = -1;
    if (run != NULL && run->start_unix_ns > 0 && run->end_unix_ns >= run->start_unix_ns) {
        report->duration_ns = run->end_unix_ns - run->start_unix_ns;
    } else if (first->end_ns >= 0 && first->start_ns >= 0) {
        report->duration_ns = first->end_ns - first->start_ns;
    }
    if (report->is_tree_peak && report->tree->peak_mono_ns >= report->start_mono_ns) {
        report->peak_time_ns = (int64_t)(report->tree->peak_mono_ns - report->start_mono_ns);
    } else if (highest != NULL && highest->peak_ns >= 0) {
        report->peak_time_ns = highest->peak_ns;
    } else if (highest != NULL) {
        report->peak_time_ns = report->duration_ns; // it was highest when it was killed
    }
    if (report->duration_ns >= 0 && report->peak_time_ns > report->duration_ns) {
        report->peak_time_ns = report->duration_ns; // two clocks
    }
}

static void derive_failure(struct pk_report *report) {
    const struct pk_view *view = &report->view;
    uint64_t failed = 0, largest = 0;

    for (uint32_t i = 0; i < view->process_count; i++) {
        const struct pk_view_process *process = &view->processes[i];
        failed += process->failed_allocs;
        if (process->failed_allocs > 0 && process->largest_failed_bytes >= largest) {
            largest = process->largest_failed_bytes; // of equals the last, as the view does it
            report->failed_pid = process->pid;
        }
    }
    report->failed_allocs = failed;
    report->largest_failed_bytes = largest;
    pk_report_say_failure(report);
}

void pk_report_say_failure(struct pk_report *report) {
    const struct pk_view *view = &report->view;
    char size[PK_NUMBER_ROOM], count[PK_NUMBER_ROOM], place[160] = "";
    uint64_t failed = report->failed_allocs;

    if (failed == 0) {
        return;
    }
    if (view->failed_frame >= 0) {
        const struct pk_view_frame *frame = &view->frames[view->failed_frame];
        const struct pk_view_file *file = &view->files[view->functions[frame->function].file];
        if (file->kind != PK_FILE_NONE) {
            snprintf(place, sizeof(place), " at %.120s:%u",
                     pk_path_short(&report->rules, file->path), frame->line);
        }
    }
    pk_format_bytes(size, report->largest_failed_bytes);
    if (failed == 1) {
        snprintf(report->failed_note, sizeof(report->failed_note), "An allocation of %s failed%s.",
                 size, place);
    } else {
        snprintf(report->failed_note, sizeof(report->failed_note),
                 "%s allocations failed, the largest (%s)%s.", pk_format_count(count, failed), size,
                 place);
    }
}

PK_PRINTF(2, 3) static void warn(struct pk_report *report, const char *format, ...) {
    char text[640];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    if (length > 0 && report->warning_count < MAX_WARNINGS) {
        size_t kept = (size_t)length < sizeof(text) ? (size_t)length : sizeof(text) - 1;
        const char *copy = pk_pool_text(&report->pool, text, kept);
        if (copy != NULL) {
            report->warnings[report->warning_count++] = copy;
        }
    }
}

/* " in 3 of 9 processes", or nothing when there is only one. */
static const char *in_processes(const struct pk_report *report, uint32_t count, char ret_text[64]) {
    ret_text[0] = '\0';
    if (report->view.process_count > 1) {
        snprintf(ret_text, 64, " in %u of %u processes", count, report->view.process_count);
    }
    return ret_text;
}

static void warn_about_python(struct pk_report *report) {
    const struct pk_view *view = &report->view;
    const struct pk_view_process *first = NULL;
    uint32_t unreadable = 0, pythons = 0;
    char where[64];
    for (uint32_t i = 0; i < view->process_count; i++) {
        const struct pk_view_process *process = &view->processes[i];
        if (process->python_status == PK_PYTHON_UNKNOWN ||
            process->python_status == PK_PYTHON_MISMATCH) {
            first = unreadable++ == 0 ? process : first;
        }
        pythons += process->python_status != PK_PYTHON_NONE ? 1u : 0u;
    }
    if (first != NULL) {
        warn(report,
             "Stacks of this Python (%s) cannot be read%s, its memory is shown as unknown Python "
             "stack%s%s.",
             first->python[0] == '\0' ? "no version" : first->python,
             in_processes(report, unreadable, where), first->python_note[0] == '\0' ? "" : ": ",
             first->python_note);
    } else if (pythons == 0 && view->peak_bytes > 0) {
        warn(report, "No Python was found in the program: its memory is shown without stacks.");
    }
}

/* How many processes have the flag. */
static uint32_t count_flag(const struct pk_report *report, uint32_t flag) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < report->view.process_count; i++) {
        count += (report->view.processes[i].flags & flag) != 0 ? 1u : 0u;
    }
    return count;
}

static void warn_about_losses(struct pk_report *report) {
    static const struct {
        uint32_t flag;
        const char *what, *meaning;
    } losses[] = {
        {PK_FLAG_DISK_FULL, "The disk was full",
         "stacks first seen after that are charged to their callers."},
        {PK_FLAG_UNREACHABLE, "The record could not grow, its file was not to be reached",
         "stacks first seen after that are charged to their callers."},
        {PK_FLAG_TABLE_FULL, "There were more stacks than the record holds",
         "those first seen after that are charged to their callers, deep ones first."},
        {PK_FLAG_DEEPBIND, "A library was loaded with RTLD_DEEPBIND",
         "its own C allocations may be missing."},
        {PK_FLAG_OTHER_MALLOC, "The program brings its own malloc",
         "what C libraries allocate is missing, Python's objects are not."},
    };
    const struct pk_view *view = &report->view;
    char number[PK_NUMBER_ROOM], where[64];
    uint64_t dropped = 0;
    uint32_t droppers = 0;
    for (size_t i = 0; i < PK_LEN(losses); i++) {
        uint32_t count = count_flag(report, losses[i].flag);
        if (count > 0) {
            warn(report, "%s%s: %s", losses[i].what, in_processes(report, count, where),
                 losses[i].meaning);
        }
    }
    for (uint32_t i = 0; i < view->process_count; i++) {
        dropped += view->processes[i].dropped_events;
        droppers += view->processes[i].dropped_events > 0 ? 1u : 0u;
    }
    if (dropped > 0) {
        warn(report,
             "%s events%s could not be recorded, the numbers may be off by what they moved.",
             pk_format_count(number, dropped), in_processes(report, droppers, where));
    }
}

/* What an in-process start cannot see, and what a block's bytes are. A block's ledger is the only
 * one in its directory. */
static void warn_about_in_process(struct pk_report *report) {
    const struct pk_view_process *process =
        report->view.process_count > 0 ? report->view.processes : NULL;
    char start[PK_NUMBER_ROOM], freed[PK_NUMBER_ROOM], above[PK_NUMBER_ROOM];
    if (count_flag(report, PK_FLAG_IN_PROCESS) > 0) {
        warn(report,
             "Measured from inside the program: what it held before is not counted, nor are Python "
             "programs that it starts (forked processes are).");
    }
    if (process == NULL || (process->flags & PK_FLAG_BLOCK) == 0) {
        return;
    }
    warn(report,
         "This is one block of the program: bytes are those above the %s held when it began.",
         pk_format_bytes(start, process->inherited_bytes));
    if (process->inherited_freed_bytes > 0) {
        uint64_t peak = report->view.peak_bytes;
        uint64_t rest =
            peak > process->inherited_freed_bytes ? peak - process->inherited_freed_bytes : 0;
        warn(report,
             "By its peak the block had freed %s of those, so the process held %s more than at its "
             "start.",
             pk_format_bytes(freed, process->inherited_freed_bytes), pk_format_bytes(above, rest));
    }
}

static void warn_about_sums(struct pk_report *report) {
    const struct pk_view *view = &report->view;
    char number[PK_NUMBER_ROOM];
    if (view->in_flight_bytes > 0 || view->in_flight_blocks > 0) {
        warn(report,
             "%s bytes of the peak are in no stack: the record ended in the middle of an event.",
             pk_format_count(number, view->in_flight_bytes));
    }
    if (view->surplus_bytes > 0 || view->surplus_blocks > 0) {
        warn(report,
             "The stacks add up to %s bytes more than the recorded peak: the record ended in the "
             "middle of an event.",
             pk_format_count(number, view->surplus_bytes));
    }
    if (view->negative_nodes > 0) {
        warn(report, "%s stacks were being changed while they were read.",
             pk_format_count(number, view->negative_nodes));
    }
}

/* "app.py", "app.py and 2 more". */
static void warn_about_sources(struct pk_report *report) {
    const struct pk_view *view = &report->view;
    uint32_t changed = 0, missing = 0, first_changed = 0, first_missing = 0;
    char more[48];

    for (uint32_t i = 0; i < view->file_count; i++) {
        if (view->files[i].status == PK_SOURCE_CHANGED && changed++ == 0) {
            first_changed = i;
        }
        if (view->files[i].status == PK_SOURCE_MISSING && view->files[i].kind == PK_FILE_USER &&
            missing++ == 0) {
            first_missing = i;
        }
    }
    if (changed > 0) {
        snprintf(more, sizeof(more), changed == 1 ? "" : " and %u more", changed - 1);
        warn(report, "Changed since the run began, lines shown may be others: %.300s%s.",
             pk_path_short(&report->rules, view->files[first_changed].path), more);
    }
    if (missing > 0) {
        snprintf(more, sizeof(more), missing == 1 ? "" : " and %u more", missing - 1);
        warn(report, "Source not readable, lines are not shown: %.300s%s.",
             pk_path_short(&report->rules, view->files[first_missing].path), more);
    }
}

/* What the processes published of the peak and what their stacks say may differ by one step each.
 */
static void warn_about_tree_sum(struct pk_report *report) {
    const struct pk_view *view = &report->view;
    char sum[PK_NUMBER_ROOM], published[PK_NUMBER_ROOM];
    uint64_t processes = 0;
    for (uint32_t i = 0; i < view->process_count; i++) {
        processes += view->processes[i].took_part ? 1u : 0u;
    }
    uint64_t peak = report->tree->peak;
    uint64_t difference =
        peak > view->peak_bytes ? peak - view->peak_bytes : view->peak_bytes - peak;
    bool is_running = report->run != NULL && report->run->outcome == PK_RUN_RUNNING;
    if (difference > (processes + 1) * PK_TREE_STEP) {
        warn(report, "The stacks of the peak add up to %s, the processes had published %s: %s.",
             pk_format_bytes(sum, view->peak_bytes), pk_format_bytes(published, peak),
             is_running ? "they went on while they were read"
                        : "a ledger of one of them is missing, or damaged");
    }
}

/* Maps of one object in several processes are a part of the peak in each. Nobody tells which maps
 * are the same object. But where all of the peak was resident, far less of it with each page
 * counted once, and as much in pages of files and of shared memory as is mapped, maps that are
 * shared are the one cause: what a fork shares is in the peak once, and neither that nor what each
 * OpenBLAS maps for itself is such a page. */
static void warn_about_sharing(struct pk_report *report) {
    const struct pk_run_info *run = report->run;
    uint64_t peak = report->view.peak_bytes;
    uint64_t maps = report->view.totals[pk_kind_column(PK_MEMORY_MAP, PK_PEAK_BYTES)];
    char mapped[PK_NUMBER_ROOM], once[PK_NUMBER_ROOM];
    if (run != NULL && run->processes_most > 1 && run->pss_peak_bytes > 0 && maps > peak / 5 &&
        run->rss_peak_file_bytes > maps - maps / 5 && run->rss_peak_bytes > peak - peak / 5 &&
        run->pss_peak_bytes < peak - peak / 5) {
        warn(report,
             "Shared memory counts in each process that maps it (%s of the peak are maps). With "
             "each page counted once, %s were resident.",
             pk_format_bytes(mapped, maps), pk_format_bytes(once, run->pss_peak_bytes));
    }
}

static void warn_about_note(struct pk_report *report, const struct pk_tree_note *note) {
    const char *text = note->text[0] == '\0' ? "a program" : note->text;
    switch (note->kind) {
    case PK_NOTE_SET_ID:
        warn(report, "%s runs with other privileges: what ran below it is not measured.", text);
        break;
    case PK_NOTE_STATIC:
        warn(report,
             "%s is linked statically, or for another system: Pythons below it are measured only "
             "if it passes its environment on.",
             text);
        break;
    case PK_NOTE_NO_LEDGER:
        warn(
            report,
            "No record could be made for %u Python process%s%s%s%s: not measured, not in the peak.",
            note->count, note->count == 1 ? "" : "es", note->text[0] == '\0' ? "" : " (",
            note->text, note->text[0] == '\0' ? "" : ")");
        break;
    case PK_NOTE_OUT_OF_REACH:
        warn(report,
             "%s was started as another user, or in another root directory, where Peakline cannot "
             "be loaded or write its record: it and what ran below it is not measured.",
             text);
        break;
    case PK_NOTE_NO_HANDLERS:
        warn(report,
             "%u process%s made by a bare system call, without fork(): not measured, not in the "
             "peak.",
             note->count, note->count == 1 ? " was" : "es were");
        break;
    default:
        break; // 3, which nobody notes
    }
}

static void warn_about_processes(struct pk_report *report) {
    const struct pk_view *view = &report->view;
    const struct pk_tree_snapshot *tree = report->tree;
    uint32_t alive = 0;
    for (uint32_t i = 0; i < view->process_count; i++) {
        alive += view->processes[i].is_alive ? 1u : 0u;
    }
    bool is_ended = report->run != NULL && report->run->outcome != PK_RUN_RUNNING &&
                    report->run->outcome != PK_RUN_UNKNOWN;
    // what the supervisor saw and has said
    uint64_t ran_on = report->run == NULL ? 0 : report->run->still_running;
    if (ran_on > 0 && alive == 0 && tree != NULL) {
        warn(report, "The processes that ran on have ended since: all of them is in this report.");
    } else if (ran_on == 0 && alive > 0 && is_ended) {
        warn(report,
             "%u process%s still running, this is what %s had recorded: `peakline report` again "
             "later shows the rest.",
             alive, alive == 1 ? " was" : "es were", alive == 1 ? "it" : "they");
    }
    if (tree == NULL && view->process_count > 1) {
        warn(report,
             "It is not known what the %u processes held together: this is the largest peak of one "
             "of them, without the others.",
             view->process_count);
    }
    if (report->is_tree_peak) {
        warn_about_tree_sum(report);
    }
    if (tree != NULL && tree->refused > 0) {
        warn(report, "%u processes were too many for the tree file: they are not in the peak.",
             tree->refused);
    }
    for (uint32_t i = 0; tree != NULL && i < tree->note_count; i++) {
        warn_about_note(report, &tree->notes[i]);
    }
    if (report->merged_count > 0) {
        warn(report,
             "The processes have too many stacks to show each by itself: of the smaller ones, "
             "those that ran the same code are shown as one.");
    }
}

int pk_report_derive(struct pk_report *report, const struct pk_load_warnings *load_warnings) {
    report->warnings = pk_pool_array(&report->pool, MAX_WARNINGS, sizeof(*report->warnings));
    if (report->warnings == NULL) {
        return -ENOMEM;
    }
    report->python = pk_report_main(report)->python;
    derive_times(report);
    derive_failure(report);
    pk_resident_explain(report, report->resident_note, sizeof(report->resident_note));
    for (size_t i = 0;
         report->run != NULL && report->run->warnings != NULL && report->run->warnings[i] != NULL;
         i++) {
        warn(report, "%s", report->run->warnings[i]);
    }
    for (uint32_t i = 0; i < load_warnings->count; i++) {
        warn(report, "%s", load_warnings->list[i]);
    }
    if (load_warnings->unread > 0) {
        warn(report, "%u more ledgers could not be read.", load_warnings->unread);
    }
    warn_about_python(report);
    warn_about_in_process(report);
    warn_about_losses(report);
    warn_about_sums(report);
    warn_about_sharing(report);
    warn_about_processes(report);
    warn_about_sources(report);
    int r = pk_holder_find(&report->view, &report->holder);
    return report->pool.failed ? -ENOMEM : r;
}
