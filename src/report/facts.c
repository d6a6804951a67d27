/* SPDX-License-Identifier: Apache-2.0
 * What there is to say besides the stacks: when, which Python, how it ended, and every reason to
 * doubt a number. May use record, model.h, display.h. Must stay true: each warning is one sentence
 * that says what it means for the reader. */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "report/display.h"
#include "report/model.h"

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
        if (report->snapshot->header.state == PK_STATE_RUNNING) {
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

static void derive_times(struct pk_report *report) {
    const struct pk_ledger_header *header = &report->snapshot->header;
    const struct pk_run_info *run = report->run;

    report->start_unix_ns =
        run != NULL && run->start_unix_ns > 0 ? run->start_unix_ns : (int64_t)header->start_unix_ns;
    report->duration_ns = -1;
    report->peak_time_ns = -1;
    if (report->start_unix_ns < 0) {
        report->start_unix_ns = 0;
    }
    if (run != NULL && run->start_unix_ns > 0 && run->end_unix_ns >= run->start_unix_ns) {
        report->duration_ns = run->end_unix_ns - run->start_unix_ns;
    } else if (header->end_mono_ns >= header->start_mono_ns && header->end_mono_ns != 0) {
        report->duration_ns = (int64_t)(header->end_mono_ns - header->start_mono_ns);
    }
    if (header->peak_mono_ns >= header->start_mono_ns && header->peak_mono_ns != 0) {
        report->peak_time_ns = (int64_t)(header->peak_mono_ns - header->start_mono_ns);
    } else if (header->peak_mono_ns == 0) {
        report->peak_time_ns = report->duration_ns; // it was highest at the end
    }
    if (report->duration_ns >= 0 && report->peak_time_ns > report->duration_ns) {
        report->peak_time_ns = report->duration_ns; // two clocks
    }
}

static void derive_python(struct pk_report *report) {
    const struct pk_ledger_header *header = &report->snapshot->header;
    size_t length = strcspn(header->python_version, " ");
    if (length > 0) {
        snprintf(report->python, sizeof(report->python), "%.*s%s", (int)(length > 32 ? 32 : length),
                 header->python_version,
                 (header->flags & PK_FLAG_FREE_THREADED) != 0 ? " free-threaded" : "");
    } else if (header->python_hex != 0) {
        snprintf(report->python, sizeof(report->python), "%u.%u.%u", header->python_hex >> 24,
                 header->python_hex >> 16 & 0xffu, header->python_hex >> 8 & 0xffu);
    }
}

static void derive_failure(struct pk_report *report) {
    const struct pk_ledger_header *header = &report->snapshot->header;
    const struct pk_view *view = &report->view;
    char size[PK_NUMBER_ROOM], count[PK_NUMBER_ROOM], place[160] = "";

    if (header->failed_allocs == 0) {
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
    pk_format_bytes(size, header->largest_failed_bytes);
    if (header->failed_allocs == 1) {
        snprintf(report->failed_note, sizeof(report->failed_note), "An allocation of %s failed%s.",
                 size, place);
    } else {
        snprintf(report->failed_note, sizeof(report->failed_note),
                 "%s allocations failed, the largest (%s)%s.",
                 pk_format_count(count, header->failed_allocs), size, place);
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

static void warn_about_python(struct pk_report *report) {
    const struct pk_ledger_header *header = &report->snapshot->header;
    if (header->python_status == PK_PYTHON_UNKNOWN || header->python_status == PK_PYTHON_MISMATCH) {
        warn(report,
             "Stacks of this Python (%s) cannot be read, its memory is shown as unknown Python "
             "stack.%s%s",
             report->python[0] == '\0' ? "no version" : report->python,
             header->python_note[0] == '\0' ? "" : " ", header->python_note);
    } else if (header->python_status == PK_PYTHON_NONE && header->peak_bytes > 0) {
        warn(report, "No Python was found in the program: its memory is shown without stacks.");
    }
}

static void warn_about_losses(struct pk_report *report) {
    const struct pk_ledger_header *header = &report->snapshot->header;
    char number[PK_NUMBER_ROOM];
    if ((header->flags & PK_FLAG_DISK_FULL) != 0) {
        warn(report,
             "The disk was full: stacks first seen after that are charged to their callers.");
    }
    if ((header->flags & PK_FLAG_UNREACHABLE) != 0) {
        warn(report, "The record could not grow, its file was not to be reached: stacks first seen "
                     "after that are charged to their callers.");
    }
    if ((header->flags & PK_FLAG_TABLE_FULL) != 0) {
        warn(report, "There were more stacks than the record holds: those first seen after that are "
                     "charged to their callers.");
    }
    if (header->dropped_events > 0) {
        warn(report, "%s events could not be recorded, the numbers may be off by what they moved.",
             pk_format_count(number, header->dropped_events));
    }
    if ((header->flags & PK_FLAG_DEEPBIND) != 0) {
        warn(report,
             "A library was loaded with RTLD_DEEPBIND: its own C allocations may be missing.");
    }
    if ((header->flags & PK_FLAG_OTHER_MALLOC) != 0) {
        warn(report, "The program brings its own malloc: what C libraries allocate is missing, "
                     "Python's objects are not.");
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
             "middle of "
             "an event.",
             pk_format_count(number, view->surplus_bytes));
    }
    if (report->snapshot->negative_nodes > 0) {
        warn(report, "%s stacks were being changed while they were read.",
             pk_format_count(number, report->snapshot->negative_nodes));
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

static void warn_about_processes(struct pk_report *report) {
    if (report->process_count > 1) {
        warn(report,
             "%u processes were recorded; this report shows the one with the largest peak, process "
             "%u.",
             report->process_count, report->snapshot->header.pid);
    }
}

int pk_report_derive(struct pk_report *report, char *const *load_warnings) {
    report->warnings = pk_pool_array(&report->pool, MAX_WARNINGS, sizeof(*report->warnings));
    if (report->warnings == NULL) {
        return -ENOMEM;
    }
    derive_times(report);
    derive_python(report);
    derive_failure(report);
    for (size_t i = 0;
         report->run != NULL && report->run->warnings != NULL && report->run->warnings[i] != NULL;
         i++) {
        warn(report, "%s", report->run->warnings[i]);
    }
    for (size_t i = 0; load_warnings[i] != NULL; i++) {
        warn(report, "%s", load_warnings[i]);
    }
    warn_about_python(report);
    warn_about_losses(report);
    warn_about_sums(report);
    warn_about_sources(report);
    warn_about_processes(report);
    return report->pool.failed ? -ENOMEM : 0;
}
