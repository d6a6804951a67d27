/* SPDX-License-Identifier: Apache-2.0
 * Reasons for the difference. Each has an amount that was measured; they are named largest first
 * until the difference is explained. May use model.h, display.h. */
#include "report/resident.h"

#include <stdlib.h>
#include <string.h>

#include "report/display.h"

#define SMALL_BYTES (1u << 20) /* differences below this are not worth a line */
#define MAX_REASONS 2u         /* the sentence must fit two lines of a terminal */

struct reason {
    uint64_t bytes;
    const char *text;   /* follows the amount */
    const char *before; /* "up to ", or NULL */
};

/* What of all processes together matters here. */
struct sums {
    uint64_t inherited; /* by processes that hold part of the peak, from their parents */
    uint64_t arenas;
    uint64_t own;
    uint32_t flags;
};

static struct sums add_up(const struct pk_view *view) {
    struct sums sums = {0};
    for (uint32_t i = 0; i < view->process_count; i++) {
        const struct pk_view_process *process = &view->processes[i];
        sums.flags |= process->flags;
        if (!process->took_part) {
            continue;
        }
        sums.inherited += process->inherited_bytes;
        sums.arenas += process->arena_peak_bytes;
        sums.own += process->own_bytes;
    }
    return sums;
}

static int compare_reasons(const void *left, const void *right) {
    const struct reason *a = left, *b = right;
    return a->bytes != b->bytes ? (a->bytes > b->bytes ? -1 : 1) : strcmp(a->text, b->text);
}

static uint64_t smaller(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

/* Pages that are in several processes are resident in each. Measured, when the proportional size
 * was; else what forked processes inherited is an upper bound. */
static struct reason find_shared(const struct pk_run_info *run, const struct sums *sums) {
    struct reason shared = {.text = "shared by processes and counted in each"};
    if (run->processes_most < 2) {
        return shared;
    }
    if (run->pss_peak_bytes == 0) {
        shared.bytes = sums->inherited;
        shared.before = "up to ";
    } else if (run->pss_peak_bytes < run->rss_peak_bytes) {
        shared.bytes = run->rss_peak_bytes - run->pss_peak_bytes;
    }
    return shared;
}

/* `text` behind what is there. */
static void append(char *text, size_t size, const char *more) {
    size_t used = strlen(text);
    snprintf(text + used, size - used, "%s", more);
}

static void explain_more(const struct pk_report *report, uint64_t difference, char *ret_text,
                         size_t size) {
    const struct pk_run_info *run = report->run;
    const struct sums sums = add_up(&report->view);
    const uint64_t tracked = report->view.peak_bytes;
    const struct reason shared = find_shared(run, &sums);
    const struct reason known[] = {
        shared,
        // pages of files that are shared are in both: they count once
        {.bytes =
             run->rss_peak_file_bytes > shared.bytes ? run->rss_peak_file_bytes - shared.bytes : 0,
         .text = "pages of files"},
        {.bytes = sums.arenas > tracked ? sums.arenas - tracked : 0,
         .text = "free space in Python's arenas"},
        {.bytes = sums.own, .text = "Peakline's own"},
    };
    struct reason reasons[PK_LEN(known)];
    char number[PK_NUMBER_ROOM];
    uint64_t left = difference;
    memcpy(reasons, known, sizeof(reasons));
    qsort(reasons, PK_LEN(reasons), sizeof(reasons[0]), compare_reasons);
    ret_text[0] = '\0';
    for (size_t i = 0; i < PK_LEN(reasons) && i < MAX_REASONS; i++) {
        uint64_t bytes = smaller(reasons[i].bytes, left);
        if (bytes < difference / 10) {
            break;
        }
        append(ret_text, size, i == 0 ? "" : ", ");
        append(ret_text, size, reasons[i].before != NULL ? reasons[i].before : "");
        append(ret_text, size, pk_format_bytes(number, bytes));
        append(ret_text, size, " ");
        append(ret_text, size, reasons[i].text);
        left -= bytes;
    }
    if (left >= difference / 4) {
        append(ret_text, size, left == difference ? "" : ", ");
        append(ret_text, size, pk_format_bytes(number, left));
        append(ret_text, size,
               (sums.flags & PK_FLAG_OTHER_MALLOC) != 0
                   ? " untracked (the program's own malloc is not seen)"
                   : " untracked (kept by allocators after frees, or not Python's)");
    }
}

static void explain_less(const struct pk_report *report, uint64_t difference, char *ret_text,
                         size_t size) {
    const struct pk_run_info *run = report->run;
    char number[PK_NUMBER_ROOM], swapped[PK_NUMBER_ROOM];
    pk_format_bytes(number, difference);
    if (run->swap_peak_bytes >= difference / 2) {
        snprintf(ret_text, size, "up to %s swapped out",
                 pk_format_bytes(swapped, run->swap_peak_bytes));
    } else if (run->processes_most >= 2) {
        // the sum over processes is known from samples only
        snprintf(ret_text, size,
                 "%s allocated and never touched, or held too shortly to be sampled", number);
    } else {
        snprintf(ret_text, size, "%s allocated and never touched, or given back page by page",
                 number);
    }
}

void pk_resident_explain(const struct pk_report *report, char *ret_text, size_t size) {
    const struct pk_run_info *run = report->run;
    uint64_t tracked = report->view.peak_bytes;
    ret_text[0] = '\0';
    if (run == NULL || run->rss_peak_bytes == 0 || tracked == 0) {
        return;
    }
    bool is_more = run->rss_peak_bytes > tracked;
    uint64_t difference = is_more ? run->rss_peak_bytes - tracked : tracked - run->rss_peak_bytes;
    if (difference <= tracked / 5 || difference < SMALL_BYTES) {
        return;
    }
    if (is_more) {
        explain_more(report, difference, ret_text, size);
    } else {
        explain_less(report, difference, ret_text, size);
    }
}
