/* SPDX-License-Identifier: Apache-2.0
 * The columns of a document, or of a page's data, are checked and become a profile.
 * May use profile_raw.h, view.h. */
#include "report/profile.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report/profile_raw.h"
#include "report/view.h"

#define FUNCTION_PROCESS 32 /* a frame that stands for a whole process */

static bool has_length(const struct pk_raw_column *column, size_t count) {
    return column->count == count;
}

static bool is_below(int64_t number, size_t count) {
    return number >= 0 && (uint64_t)number < count;
}

/* Add up two columns into the peak. False when they do not, or are negative. */
static bool add_up(const struct pk_raw_column *bytes, uint64_t wanted) {
    uint64_t sum = 0;
    for (size_t i = 0; i < bytes->count; i++) {
        if (bytes->numbers[i] < 0 ||
            __builtin_add_overflow(sum, (uint64_t)bytes->numbers[i], &sum)) {
            return false;
        }
    }
    return sum == wanted;
}

static const char *make_frames(struct pk_profile_raw *raw) {
    const struct pk_raw_column *c = raw->columns;
    struct pk_profile *profile = raw->profile;
    size_t files = c[PK_RAW_FILES_PATH].count, functions = c[PK_RAW_FUNCTIONS_NAME].count,
           frames = c[PK_RAW_FRAMES_FUNCTION].count;
    struct pk_path_rules rules = {.directory = profile->directory};

    if (frames > INT32_MAX || !has_length(&c[PK_RAW_FILES_KIND], files) ||
        !has_length(&c[PK_RAW_FILES_STATUS], files) ||
        !has_length(&c[PK_RAW_FUNCTIONS_FILE], functions) ||
        !has_length(&c[PK_RAW_FUNCTIONS_KIND], functions) ||
        !has_length(&c[PK_RAW_FRAMES_LINE], frames) ||
        !has_length(&c[PK_RAW_FRAMES_SOURCE], frames)) {
        return "its tables of lines have columns of different lengths";
    }
    profile->frames = pk_pool_array(&profile->pool, frames, sizeof(*profile->frames));
    if (profile->frames == NULL) {
        return NULL;
    }
    profile->frame_count = (uint32_t)frames;
    for (size_t i = 0; i < frames; i++) {
        int64_t function = c[PK_RAW_FRAMES_FUNCTION].numbers[i];
        int64_t line = c[PK_RAW_FRAMES_LINE].numbers[i];
        int64_t file =
            is_below(function, functions) ? c[PK_RAW_FUNCTIONS_FILE].numbers[function] : -1;
        int64_t kind = is_below(file, files) ? c[PK_RAW_FILES_KIND].numbers[file] : -1;
        if (!is_below(kind, PK_FILE_NONE + 1) || !is_below(line, UINT32_MAX)) {
            return "its tables of lines do not fit together";
        }
        profile->frames[i] = (struct pk_profile_frame){
            .path = pk_path_spoken(&rules, c[PK_RAW_FILES_PATH].texts[file]),
            .name = c[PK_RAW_FUNCTIONS_NAME].texts[function],
            .source = c[PK_RAW_FRAMES_SOURCE].texts[i],
            .line = (uint32_t)line,
            .kind = (uint32_t)kind,
            .is_stale = c[PK_RAW_FILES_STATUS].numbers[file] != PK_SOURCE_SAME,
            .is_process = c[PK_RAW_FUNCTIONS_KIND].numbers[function] == FUNCTION_PROCESS};
    }
    // threads differ by the line that started them
    for (size_t i = 0; i < frames && has_length(&c[PK_RAW_FRAMES_STARTED_BY], frames); i++) {
        int64_t by = c[PK_RAW_FRAMES_STARTED_BY].numbers[i];
        if (is_below(by, frames) && !is_below(c[PK_RAW_FRAMES_STARTED_BY].numbers[by], frames)) {
            profile->frames[i].source = c[PK_RAW_FRAMES_SOURCE].texts[by];
            profile->frames[i].is_stale = profile->frames[by].is_stale;
        }
    }
    for (size_t i = 0; i < frames; i++) {
        if (profile->frames[i].is_stale) {
            profile->frames[i].source = ""; // another line stands there now
        }
    }
    return NULL;
}

static const char *make_nodes(struct pk_profile_raw *raw) {
    bool is_page = raw->columns[PK_RAW_STACKS_UP].count > 0;
    const struct pk_raw_column *parents =
        &raw->columns[is_page ? PK_RAW_STACKS_UP : PK_RAW_STACKS_PARENT];
    const struct pk_raw_column *c = raw->columns + PK_RAW_STACKS_FRAME;
    struct pk_profile *profile = raw->profile;
    size_t count = parents->count;

    if (count == 0 || count > INT32_MAX || !has_length(&c[0], count) || !has_length(&c[1], count) ||
        !has_length(&c[2], count)) {
        return "its table of stacks is empty or has columns of different lengths";
    }
    profile->nodes = pk_pool_array(&profile->pool, count, sizeof(*profile->nodes));
    if (profile->nodes == NULL) {
        return NULL;
    }
    profile->node_count = (uint32_t)count;
    for (size_t i = 0; i < count; i++) {
        int64_t parent = parents->numbers[i], frame = c[0].numbers[i];
        bool is_linked = i == 0    ? true
                         : is_page ? parent >= 1 && (uint64_t)parent <= i
                                   : is_below(parent, i);
        bool is_named = i == 0 ? frame == PK_FRAME_ROOT
                               : frame == PK_FRAME_FOLDED || is_below(frame, profile->frame_count);
        if (!is_linked || !is_named) {
            return "its table of stacks does not fit together";
        }
        profile->nodes[i] = (struct pk_profile_node){
            .parent = i == 0 ? 0 : (uint32_t)(is_page ? (int64_t)i - parent : parent),
            .frame = (int32_t)frame,
            .bytes = (uint64_t)c[1].numbers[i],
            .blocks = (uint64_t)c[2].numbers[i]};
    }
    if (!add_up(&c[1], profile->peak_bytes) || !add_up(&c[2], profile->peak_blocks)) {
        return "its stacks do not add up to its peak";
    }
    return NULL;
}

/* Frames in order of path, name and line, to find the frame of a spelled line. */
static int compare_places(const char *path, const char *name, uint32_t line,
                          const struct pk_profile_frame *frame) {
    int order = strcmp(path, frame->path);
    order = order != 0 ? order : strcmp(name, frame->name);
    return order != 0 ? order : line < frame->line ? -1 : line > frame->line;
}

static int compare_frames(const void *left, const void *right, void *context) {
    const struct pk_profile_frame *frames = context;
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    int order = compare_places(frames[a].path, frames[a].name, frames[a].line, &frames[b]);
    return order != 0 ? order : a < b ? -1 : a > b;
}

/* The frames in that order, or NULL. */
static uint32_t *sort_frames(struct pk_pool *pool, const struct pk_profile *profile) {
    uint32_t *order = pk_pool_array(pool, profile->frame_count, sizeof(*order));
    for (uint32_t i = 0; order != NULL && i < profile->frame_count; i++) {
        order[i] = i;
    }
    if (order != NULL) {
        qsort_r(order, profile->frame_count, sizeof(*order), compare_frames, profile->frames);
    }
    return order;
}

/* The first frame of that place, or -1. */
static int64_t find_frame(const struct pk_profile *profile, const uint32_t *order, const char *path,
                          const char *name, uint32_t line) {
    uint32_t low = 0, high = profile->frame_count;
    while (low < high) { // the first that is not less
        uint32_t middle = low + (high - low) / 2;
        if (compare_places(path, name, line, &profile->frames[order[middle]]) > 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    bool is_found = low < profile->frame_count &&
                    compare_places(path, name, line, &profile->frames[order[low]]) == 0;
    return is_found ? (int64_t)order[low] : -1;
}

static const char *spell_blame(struct pk_profile_raw *raw) {
    struct pk_profile *profile = raw->profile;
    struct pk_path_rules rules = {.directory = profile->directory};
    uint32_t *order = sort_frames(&profile->pool, profile);
    uint64_t bytes = 0, blocks = 0;

    profile->blame = pk_pool_array(&profile->pool, raw->line_count, sizeof(*profile->blame));
    if (order == NULL || profile->blame == NULL) {
        return NULL;
    }
    profile->blame_count = (uint32_t)raw->line_count;
    for (size_t i = 0; i < raw->line_count; i++) {
        const struct pk_raw_line *line = &raw->lines[i];
        bool is_number = is_below(line->line, UINT32_MAX) && line->bytes >= 0 && line->blocks >= 0;
        int64_t found = is_number ? find_frame(profile, order, pk_path_spoken(&rules, line->path),
                                               line->name, (uint32_t)line->line)
                                  : -1;
        bool is_found = found >= 0;
        bool is_root = is_number && !is_found && strcmp(line->name, "[no stack]") == 0;
        bool is_rest = is_number && !is_found && strcmp(line->name, "[smaller lines]") == 0;
        if ((!is_found && !is_root && !is_rest) ||
            __builtin_add_overflow(bytes, (uint64_t)line->bytes, &bytes) ||
            __builtin_add_overflow(blocks, (uint64_t)line->blocks, &blocks)) {
            return "its blame lines do not fit its other tables";
        }
        profile->blame[i] = (struct pk_profile_blame){.frame = is_found  ? (int32_t)found
                                                               : is_root ? PK_FRAME_ROOT
                                                                         : PK_FRAME_FOLDED,
                                                      .bytes = (uint64_t)line->bytes,
                                                      .blocks = (uint64_t)line->blocks};
    }
    return bytes == profile->peak_bytes && blocks == profile->peak_blocks
               ? NULL
               : "its blame lines do not add up to its peak";
}

static const char *make_blame(struct pk_profile_raw *raw) {
    const struct pk_raw_column *c = raw->columns + PK_RAW_BLAME_FRAME;
    struct pk_profile *profile = raw->profile;
    size_t count = c[0].count;

    if (count == 0) {
        return spell_blame(raw);
    }
    if (count > INT32_MAX || !has_length(&c[1], count) || !has_length(&c[2], count)) {
        return "its blame lines have columns of different lengths";
    }
    profile->blame = pk_pool_array(&profile->pool, count, sizeof(*profile->blame));
    if (profile->blame == NULL) {
        return NULL;
    }
    profile->blame_count = (uint32_t)count;
    for (size_t i = 0; i < count; i++) {
        int64_t frame = c[0].numbers[i];
        if (frame != PK_FRAME_ROOT && frame != PK_FRAME_FOLDED &&
            !is_below(frame, profile->frame_count)) {
            return "its blame lines do not fit its other tables";
        }
        profile->blame[i] = (struct pk_profile_blame){.frame = (int32_t)frame,
                                                      .bytes = (uint64_t)c[1].numbers[i],
                                                      .blocks = (uint64_t)c[2].numbers[i]};
    }
    return add_up(&c[1], profile->peak_bytes) && add_up(&c[2], profile->peak_blocks)
               ? NULL
               : "its blame lines do not add up to its peak";
}

/* What processes held outside of all stacks is one line, and lines that held nothing at the peak
 * (they are there for other measures) are none. */
static void join_processes(struct pk_profile *profile) {
    uint32_t used = 0;
    int64_t root = -1;
    for (uint32_t i = 0; i < profile->blame_count; i++) {
        struct pk_profile_blame blame = profile->blame[i];
        if (blame.frame >= 0 && profile->frames[blame.frame].is_process) {
            blame.frame = PK_FRAME_ROOT;
        }
        if (blame.frame == PK_FRAME_ROOT && root >= 0) {
            profile->blame[root].bytes += blame.bytes;
            profile->blame[root].blocks += blame.blocks;
        } else if (blame.bytes > 0 || blame.blocks > 0) {
            root = blame.frame == PK_FRAME_ROOT ? (int64_t)used : root;
            profile->blame[used++] = blame;
        }
    }
    profile->blame_count = used;
}

/* Memory over time is a picture only: one that makes no sense is left out. */
static void make_moments(struct pk_profile_raw *raw) {
    const struct pk_raw_column *c = raw->columns + PK_RAW_TIMELINE_TIME;
    struct pk_profile *profile = raw->profile;
    size_t count = c[0].count;

    bool is_good = has_length(&c[1], count) && count <= INT32_MAX;
    for (size_t i = 0; is_good && i < count; i++) {
        is_good = c[0].numbers[i] >= (i == 0 ? 0 : c[0].numbers[i - 1]) && c[1].numbers[i] >= 0;
    }
    profile->moments =
        pk_pool_array(&profile->pool, is_good ? count : 0, sizeof(*profile->moments));
    profile->moment_count = is_good && profile->moments != NULL ? (uint32_t)count : 0;
    for (size_t i = 0; i < profile->moment_count; i++) {
        profile->moments[i] = (struct pk_profile_moment){.time_ns = c[0].numbers[i],
                                                         .bytes = (uint64_t)c[1].numbers[i]};
    }
}

/* What is wrong with it, or NULL. */
static const char *make_profile(struct pk_profile_raw *raw) {
    struct pk_profile *profile = raw->profile;
    if (raw->peak_bytes < 0 || raw->peak_blocks < 0) {
        return "it has no peak";
    }
    profile->peak_bytes = (uint64_t)raw->peak_bytes;
    profile->peak_blocks = (uint64_t)raw->peak_blocks;
    profile->duration_ns = profile->duration_ns < 0 ? -1 : profile->duration_ns;
    profile->peak_time_ns = profile->peak_time_ns < 0 ? -1 : profile->peak_time_ns;
    const char *wrong = make_frames(raw);
    wrong = wrong == NULL && !profile->pool.failed ? make_nodes(raw) : wrong;
    wrong = wrong == NULL && !profile->pool.failed ? make_blame(raw) : wrong;
    if (wrong == NULL && !profile->pool.failed) {
        join_processes(profile);
        make_moments(raw);
    }
    return wrong;
}

static int explain(const struct pk_profile_raw *raw, bool was_read, const char *wrong,
                   const char *name, char *error, size_t error_size) {
    if (raw->profile->pool.failed) {
        snprintf(error, error_size, "%s cannot be read: not enough memory", name);
        return -ENOMEM;
    }
    if (raw->diff_format > 0) {
        snprintf(error, error_size, "%s is itself a diff; name the reports that it was made from",
                 name);
    } else if (raw->format > PK_PROFILE_FORMAT) {
        snprintf(error, error_size,
                 "%s was written by a newer Peakline (format %" PRId64 "); update Peakline, or "
                 "name its result directory",
                 name, raw->format);
    } else if (!was_read && raw->format == 0) {
        snprintf(error, error_size,
                 "%s is not a JSON report of Peakline; name a result directory, its report.html or "
                 "what `peakline report DIR --format json` wrote",
                 name);
    } else if (raw->format == 0) {
        snprintf(error, error_size,
                 "%s is JSON, but no report of Peakline; name a result directory, its report.html "
                 "or what `peakline report DIR --format json` wrote",
                 name);
    } else {
        snprintf(error, error_size, "%s is damaged: %s; write it again from its result directory",
                 name, wrong != NULL ? wrong : "it is not whole");
    }
    return -EBADMSG;
}

int pk_profile_parse(const char *text, size_t size, const char *name,
                     struct pk_profile **ret_profile, char *error, size_t error_size) {
    *ret_profile = NULL;
    snprintf(error, error_size, "%s cannot be read: not enough memory", name);
    struct pk_profile_raw *raw = calloc(1, sizeof(*raw));
    struct pk_profile *profile = calloc(1, sizeof(*profile));
    if (raw == NULL || profile == NULL) {
        free(raw);
        free(profile);
        return -ENOMEM;
    }
    *profile = (struct pk_profile){.name = "",
                                   .tool = "",
                                   .command = "",
                                   .directory = "",
                                   .started = "",
                                   .python = "",
                                   .duration_ns = -1,
                                   .peak_time_ns = -1};
    raw->profile = profile;
    raw->peak_bytes = raw->peak_blocks = -1;
    bool was_read = pk_profile_raw_read(raw, text, size);
    bool is_ours =
        was_read && !profile->pool.failed && raw->format > 0 && raw->format <= PK_PROFILE_FORMAT;
    const char *wrong = is_ours ? make_profile(raw) : NULL;
    profile->name = pk_pool_text(&profile->pool, name, strlen(name));
    int r = 0;
    if (!is_ours || wrong != NULL || profile->pool.failed) {
        r = explain(raw, was_read, wrong, name, error, error_size);
        pk_profile_free(profile);
    } else {
        *ret_profile = profile;
    }
    pk_profile_raw_release(raw);
    free(raw);
    return r;
}

void pk_profile_free(struct pk_profile *profile) {
    if (profile != NULL) {
        pk_pool_free(&profile->pool);
        free(profile);
    }
}
