/* SPDX-License-Identifier: Apache-2.0
 * speedscope: its own JSON file format, three sampled profiles over one table of frames: bytes at
 * the peak, bytes live at the end, bytes allocated over the run.
 * May use model.h, command.h, json.h, stacklist.h. Must stay true: a profile's weights add up to
 * its endValue; every frame of a sample is in the table. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "report/command.h"
#include "report/display.h"
#include "report/model.h"
#include "report/stacklist.h"

static const struct {
    const char *name;
    enum pk_column column;
} profiles[] = {
    {"bytes at the peak", PK_PEAK_BYTES},
    {"bytes live at the end", PK_END_BYTES},
    {"bytes allocated over the run", PK_ALLOC_BYTES},
};

/* "load (app.py:12)": boxes are labelled with the name alone. */
static int write_frame(struct pk_json *json, const struct pk_report *report,
                       const struct pk_stacklist *list, uint32_t number) {
    char buffer[PK_STACKLIST_NAME_ROOM], *label = NULL;
    const struct pk_view_file *file;
    uint32_t line;
    const char *name =
        pk_stacklist_name(list, &report->rules, number, buffer, sizeof(buffer), &file, &line);

    if (file != NULL && asprintf(&label, "%s (%s:%" PRIu32 ")", name,
                                 pk_path_spoken(&report->rules, file->path), line) < 0) {
        return -ENOMEM;
    }
    pk_json_object(json, NULL);
    pk_json_text(json, "name", file != NULL ? label : name);
    if (file != NULL) {
        pk_json_text(json, "file", file->path);
        if (line > 0) {
            pk_json_unsigned(json, "line", line);
        }
    }
    pk_json_end_object(json);
    free(label);
    return 0;
}

static void write_profile(struct pk_json *json, struct pk_stacklist *list, const char *name,
                          enum pk_column column) {
    uint64_t total = 0;

    pk_json_object(json, NULL);
    pk_json_text(json, "type", "sampled");
    pk_json_text(json, "name", name);
    pk_json_text(json, "unit", "bytes");
    pk_json_array(json, "samples");
    pk_stacklist_rewind(list);
    while (pk_stacklist_next(list)) {
        if (list->values[column] == 0) {
            continue;
        }
        total += list->values[column];
        pk_json_array(json, NULL);
        for (uint32_t i = 0; i < list->count; i++) {
            pk_json_unsigned(json, NULL, list->frames[i]);
        }
        pk_json_end_array(json);
    }
    pk_json_end_array(json);
    pk_json_array(json, "weights");
    pk_stacklist_rewind(list);
    while (pk_stacklist_next(list)) {
        if (list->values[column] != 0) {
            pk_json_unsigned(json, NULL, list->values[column]);
        }
    }
    pk_json_end_array(json);
    pk_json_unsigned(json, "startValue", 0);
    pk_json_unsigned(json, "endValue", total);
    pk_json_end_object(json);
}

int pk_write_speedscope(const struct pk_report *report, FILE *out) {
    struct pk_stacklist list;
    struct pk_json json;
    char title[PK_STACKLIST_NAME_ROOM], number[PK_NUMBER_ROOM];

    int r = pk_stacklist_start(&list, &report->view);
    if (r < 0) {
        return r;
    }
    snprintf(title, sizeof(title), "%s: %s at the peak%s", pk_report_main(report)->label,
             pk_format_bytes(number, report->view.peak_bytes),
             list.depth_limit != UINT32_MAX ? " (deep stacks cut in the middle)" : "");
    pk_json_start(&json, out, PK_JSON_LINES);
    pk_json_object(&json, NULL);
    pk_json_text(&json, "$schema", "https://www.speedscope.app/file-format-schema.json");
    pk_json_text(&json, "name", title);
    pk_json_text(&json, "exporter", pk_report_tool(report));
    pk_json_unsigned(&json, "activeProfileIndex", 0);
    pk_json_object(&json, "shared");
    pk_json_array(&json, "frames");
    for (uint32_t i = 0; i < list.table_count && r >= 0; i++) {
        r = write_frame(&json, report, &list, i);
    }
    pk_json_end_array(&json);
    pk_json_end_object(&json);
    pk_json_array(&json, "profiles");
    for (size_t i = 0; i < sizeof(profiles) / sizeof(profiles[0]); i++) {
        write_profile(&json, &list, profiles[i].name, profiles[i].column);
    }
    pk_json_end_array(&json);
    pk_json_end_object(&json);
    pk_stacklist_end(&list);
    return r;
}
