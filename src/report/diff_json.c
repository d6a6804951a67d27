/* SPDX-License-Identifier: Apache-2.0
 * The diff as JSON, for tools and for its page: docs/json.md. May use json.h, diff_model.h. Must
 * stay true: what is folded for the page is folded into members that say so; sums stay exact. */
#include <errno.h>
#include <string.h>

#include "report/diff_model.h"
#include "report/json.h"

static const char *const side_names[2] = {"before", "after"};

static void write_change(struct pk_json *json, const char *key, uint64_t before, uint64_t after) {
    pk_json_signed(json, key,
                   after >= before ? (int64_t)(after - before) : -(int64_t)(before - after));
}

static void write_band(struct pk_json *json, const char *key, const struct pk_diff_band *band) {
    pk_json_array(json, key);
    pk_json_unsigned(json, NULL, band->least);
    pk_json_unsigned(json, NULL, band->most);
    pk_json_end_array(json);
}

static void write_seconds(struct pk_json *json, const char *key, int64_t nanoseconds) {
    if (nanoseconds < 0) {
        pk_json_null(json, key);
    } else {
        pk_json_seconds(json, key, (uint64_t)nanoseconds);
    }
}

static void write_timeline(struct pk_json *json, const struct pk_profile *profile) {
    if (profile->moment_count == 0) {
        pk_json_null(json, "timeline");
        return;
    }
    pk_json_object(json, "timeline");
    pk_json_array(json, "time_s");
    for (uint32_t i = 0; i < profile->moment_count; i++) {
        pk_json_seconds(json, NULL, (uint64_t)profile->moments[i].time_ns);
    }
    pk_json_end_array(json);
    pk_json_array(json, "bytes");
    for (uint32_t i = 0; i < profile->moment_count; i++) {
        pk_json_unsigned(json, NULL, profile->moments[i].bytes);
    }
    pk_json_end_array(json);
    pk_json_end_object(json);
}

static void write_side(struct pk_json *json, const struct pk_diff_side *side, const char *key) {
    const struct pk_profile *shown = side->shown;
    pk_json_object(json, key);
    pk_json_bytes(json, "name", shown->name);
    pk_json_unsigned(json, "peak_bytes", shown->peak_bytes);
    pk_json_unsigned(json, "peak_blocks", shown->peak_blocks);
    write_seconds(json, "peak_time_s", shown->peak_time_ns);
    write_seconds(json, "duration_s", shown->duration_ns);
    pk_json_text(json, "command", shown->command);
    pk_json_text(json, "started", shown->started);
    pk_json_text(json, "python", shown->python);
    pk_json_text(json, "tool", shown->tool);
    write_band(json, "peak_range", &side->peak);
    pk_json_array(json, "runs");
    for (uint32_t i = 0; i < side->run_count; i++) {
        pk_json_object(json, NULL);
        pk_json_bytes(json, "name", side->runs[i]->name);
        pk_json_unsigned(json, "peak_bytes", side->runs[i]->peak_bytes);
        pk_json_end_object(json);
    }
    pk_json_end_array(json);
    write_timeline(json, shown);
    pk_json_end_object(json);
}

/* The line of one side, or null. */
static void write_line(struct pk_json *json, const char *key, const struct pk_profile_frame *line) {
    if (line == NULL) {
        pk_json_null(json, key);
        return;
    }
    pk_json_object(json, key);
    pk_json_text(json, "path", line->path);
    pk_json_unsigned(json, "line", line->line);
    pk_json_text(json, "function", line->name);
    pk_json_text(json, "source", line->source);
    pk_json_end_object(json);
}

static void write_rows(struct pk_json *json, const struct pk_diff *diff, uint32_t max_rows) {
    pk_json_array(json, "lines");
    for (uint32_t i = 0; i < diff->row_count && i < max_rows; i++) {
        const struct pk_diff_row *row = &diff->rows[i];
        pk_json_object(json, NULL);
        write_change(json, "change", row->bytes[0], row->bytes[1]);
        pk_json_unsigned(json, "before", row->bytes[0]);
        pk_json_unsigned(json, "after", row->bytes[1]);
        pk_json_unsigned(json, "before_blocks", row->blocks[0]);
        pk_json_unsigned(json, "after_blocks", row->blocks[1]);
        pk_json_text(json, "status", pk_diff_status(row));
        pk_json_bool(json, "noise", row->is_noise);
        write_band(json, "before_range", &row->band[0]);
        write_band(json, "after_range", &row->band[1]);
        pk_json_signed(json, "frame", row->frame);
        pk_json_end_object(json);
    }
    pk_json_end_array(json);
    uint64_t rest[2] = {0, 0};
    uint32_t more = 0;
    for (uint32_t i = max_rows; i < diff->row_count; i++) {
        rest[0] += diff->rows[i].bytes[0];
        rest[1] += diff->rows[i].bytes[1];
        more++;
    }
    pk_json_object(json, "other_lines");
    pk_json_unsigned(json, "count", more);
    write_change(json, "change", rest[0], rest[1]);
    pk_json_unsigned(json, "before", rest[0]);
    pk_json_unsigned(json, "after", rest[1]);
    pk_json_end_object(json);
}

/* Only what nodes and rows name gets a place in the table of frames. */
static void number_frames(const struct pk_diff *diff, const struct pk_diff_node *nodes,
                          uint32_t node_count, uint32_t max_rows, bool *ret_is_used) {
    for (uint32_t i = 0; i < node_count; i++) {
        if (nodes[i].frame >= 0) {
            ret_is_used[nodes[i].frame] = true;
        }
    }
    for (uint32_t i = 0; i < diff->row_count && i < max_rows; i++) {
        if (diff->rows[i].frame >= 0) {
            ret_is_used[diff->rows[i].frame] = true;
        }
    }
}

static void write_frames(struct pk_json *json, const struct pk_diff *diff, const bool *is_used) {
    pk_json_array(json, "frames");
    for (uint32_t i = 0; i < diff->frame_count; i++) {
        const struct pk_diff_frame *frame = &diff->frames[i];
        if (!is_used[i]) {
            pk_json_null(json, NULL); // keeps the numbers
            continue;
        }
        const struct pk_profile_frame *line = pk_diff_line(diff, (int32_t)i);
        pk_json_object(json, NULL);
        pk_json_text(json, "path", line->path);
        pk_json_unsigned(json, "line", line->line);
        pk_json_text(json, "function", line->name);
        pk_json_text(json, "source", line->source);
        pk_json_unsigned(json, "kind", line->kind);
        pk_json_text(json, "match", pk_diff_match_name(frame));
        if (frame->side[0] != NULL && frame->side[1] != NULL) {
            pk_json_unsigned(json, "similar", frame->match.percent);
            write_line(json, "was", frame->match.kind == PK_MATCH_SAME ? NULL : frame->side[0]);
        } else {
            pk_json_text(json, "only", side_names[frame->side[1] != NULL ? 1 : 0]);
        }
        pk_json_end_object(json);
    }
    pk_json_end_array(json);
}

static void write_nodes(struct pk_json *json, const struct pk_diff_node *nodes, uint32_t count) {
    pk_json_object(json, "stacks");
    pk_json_array(json, "parent");
    for (uint32_t i = 0; i < count; i++) {
        pk_json_signed(json, NULL, i == 0 ? -1 : (int64_t)nodes[i].parent);
    }
    pk_json_end_array(json);
    pk_json_array(json, "frame");
    for (uint32_t i = 0; i < count; i++) {
        pk_json_signed(json, NULL, nodes[i].frame);
    }
    pk_json_end_array(json);
    for (unsigned which = 0; which < 2; which++) {
        pk_json_array(json, side_names[which]);
        for (uint32_t i = 0; i < count; i++) {
            pk_json_unsigned(json, NULL, nodes[i].bytes[which]);
        }
        pk_json_end_array(json);
    }
    pk_json_end_object(json);
}

int pk_diff_write_json(const struct pk_diff *diff, uint32_t max_nodes, uint32_t max_rows,
                       unsigned json_flags, FILE *out) {
    struct pk_pool pool = {0};
    struct pk_diff_node *nodes = diff->nodes;
    uint32_t node_count = diff->node_count;
    struct pk_json json;

    if (node_count > max_nodes) {
        int r =
            pk_diff_tree_fold(&pool, diff->nodes, diff->node_count, max_nodes, &nodes, &node_count);
        if (r < 0) {
            return r;
        }
    }
    bool *is_used = pk_pool_array(&pool, diff->frame_count, sizeof(*is_used));
    if (is_used == NULL) {
        pk_pool_free(&pool);
        return -ENOMEM;
    }
    number_frames(diff, nodes, node_count, max_rows, is_used);
    pk_json_start(&json, out, json_flags);
    pk_json_object(&json, NULL);
    pk_json_unsigned(&json, "diff_format", PK_DIFF_FORMAT);
    write_change(&json, "change_bytes", pk_diff_peak(diff, PK_DIFF_BEFORE),
                 pk_diff_peak(diff, PK_DIFF_AFTER));
    pk_json_bool(&json, "noise", diff->is_noise);
    write_side(&json, &diff->side[0], side_names[0]);
    write_side(&json, &diff->side[1], side_names[1]);
    pk_json_array(&json, "notes");
    for (uint32_t i = 0; i < diff->note_count; i++) {
        pk_json_text(&json, NULL, diff->notes[i]);
    }
    pk_json_end_array(&json);
    write_rows(&json, diff, max_rows);
    write_frames(&json, diff, is_used);
    write_nodes(&json, nodes, node_count);
    pk_json_end_object(&json);
    pk_pool_free(&pool);
    return 0;
}
