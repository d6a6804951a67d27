/* SPDX-License-Identifier: Apache-2.0
 * DHAT: the JSON of valgrind's heap profiler, version 2, for its viewer dh_view.html and for the
 * Firefox profiler. Its "t-gmax" is our peak, "t-end" what is live at the end, "total" all that was
 * allocated.
 *
 * May use model.h, command.h, json.h, stacklist.h. Must stay true: the bytes at t-gmax add up to
 * the peak; no two entries have the same frames (the viewer refuses that); an entry has a frame
 * at least.
 *
 * Not known here: how long blocks lived (`tl` is 0) and the most that one stack ever held (`mb` is
 * the larger of what it held at the peak and at the end, so at least that). The mode says it. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "report/command.h"
#include "report/model.h"
#include "report/stacklist.h"

#define MODE \
    "heap (Peakline: block lifetimes are not known and read 0; a maximum is the larger of " \
    "t-gmax and t-end)"

static uint64_t larger(uint64_t a, uint64_t b) {
    return a > b ? a : b;
}

static void write_header(struct pk_json *json, const struct pk_report *report) {
    char *command = pk_report_command(report);
    uint64_t end = report->duration_ns > 0 ? (uint64_t)report->duration_ns / 1000 : 0;
    uint64_t peak = report->peak_time_ns > 0 ? (uint64_t)report->peak_time_ns / 1000 : 0;

    pk_json_unsigned(json, "dhatFileVersion", 2);
    pk_json_text(json, "mode", MODE);
    pk_json_text(json, "verb", "Allocated");
    pk_json_bool(json, "bklt", true);
    pk_json_bool(json, "bkacc", false);
    pk_json_text(json, "tu", "us"); // and a million of them
    pk_json_text(json, "Mtu", "s");
    pk_json_unsigned(json, "tuth", 0);
    pk_json_text(json, "cmd", command != NULL && command[0] != '\0' ? command : "python");
    pk_json_unsigned(json, "pid", pk_report_main(report)->pid);
    pk_json_unsigned(json, "te", larger(larger(end, peak), 1)); // the viewer divides by it
    pk_json_unsigned(json, "tg", peak);
    free(command);
}

static void write_points(struct pk_json *json, struct pk_stacklist *list, uint32_t *ret_cuts) {
    uint32_t cuts = 0;

    pk_json_array(json, "pps");
    while (pk_stacklist_next(list)) {
        const uint64_t *values = list->values;
        pk_json_object(json, NULL);
        pk_json_unsigned(json, "tb", values[PK_ALLOC_BYTES]);
        pk_json_unsigned(json, "tbk", values[PK_ALLOC_BLOCKS]);
        pk_json_unsigned(json, "tl", 0);
        pk_json_unsigned(json, "mb", larger(values[PK_PEAK_BYTES], values[PK_END_BYTES]));
        pk_json_unsigned(json, "mbk", larger(values[PK_PEAK_BLOCKS], values[PK_END_BLOCKS]));
        pk_json_unsigned(json, "gb", values[PK_PEAK_BYTES]);
        pk_json_unsigned(json, "gbk", values[PK_PEAK_BLOCKS]);
        pk_json_unsigned(json, "eb", values[PK_END_BYTES]);
        pk_json_unsigned(json, "ebk", values[PK_END_BLOCKS]);
        pk_json_array(json, "fs");
        for (uint32_t i = list->count; i-- > 0;) { // innermost first; frame 0 is "[root]"
            bool is_cut = list->frames[i] == list->cut_number;
            // each gap is a frame of its own, or stacks that differ only inside would be the same
            pk_json_unsigned(json, NULL, is_cut ? list->table_count + ++cuts : list->frames[i] + 1);
        }
        pk_json_end_array(json);
        pk_json_end_object(json);
    }
    pk_json_end_array(json);
    *ret_cuts = cuts;
}

/* "0x1F: load (/app/main.py:12)", the shape that viewers take apart; the number is ours. */
static int write_frames(struct pk_json *json, const struct pk_report *report,
                        struct pk_stacklist *list, uint32_t cuts) {
    char buffer[PK_STACKLIST_NAME_ROOM], *text;

    pk_json_array(json, "ftbl");
    pk_json_text(json, NULL, "[root]");
    for (uint32_t i = 0; i < list->table_count; i++) {
        const struct pk_view_file *file;
        uint32_t line;
        const char *name =
            pk_stacklist_name(list, &report->rules, i, buffer, sizeof(buffer), &file, &line);
        int size = file != NULL ? asprintf(&text, "0x%" PRIX32 ": %s (%s:%" PRIu32 ")", i + 1, name,
                                           file->path, line)
                                : asprintf(&text, "0x%" PRIX32 ": %s (in Peakline)", i + 1, name);
        if (size < 0) {
            return -ENOMEM;
        }
        pk_json_text(json, NULL, text);
        free(text);
    }
    for (uint32_t i = 0; i < cuts; i++) {
        snprintf(buffer, sizeof(buffer), "0x%" PRIX32 ": [frames left out] (in Peakline)",
                 list->table_count + 1 + i);
        pk_json_text(json, NULL, buffer);
    }
    pk_json_end_array(json);
    return 0;
}

int pk_write_dhat(const struct pk_report *report, FILE *out) {
    struct pk_stacklist list;
    struct pk_json json;
    uint32_t cuts;

    int r = pk_stacklist_start(&list, &report->view);
    if (r < 0) {
        return r;
    }
    pk_json_start(&json, out, PK_JSON_LINES);
    pk_json_object(&json, NULL);
    write_header(&json, report);
    write_points(&json, &list, &cuts);
    r = write_frames(&json, report, &list, cuts);
    pk_json_end_object(&json);
    pk_stacklist_end(&list);
    return r;
}
