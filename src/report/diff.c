/* SPDX-License-Identifier: Apache-2.0
 * Two groups of profiles become rows: lines matched, blame lines paired, bands measured. */
#include "report/diff.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "report/diff_model.h"
#include "report/json.h"
#include "report/stream.h"

int pk_diff_start(struct pk_diff **ret_diff) {
    *ret_diff = calloc(1, sizeof(**ret_diff));
    return *ret_diff == NULL ? -ENOMEM : 0;
}

void pk_diff_free(struct pk_diff *diff) {
    if (diff != NULL) {
        for (unsigned which = 0; which < 2; which++) {
            for (uint32_t i = 0; i < diff->side[which].run_count; i++) {
                pk_profile_free(diff->side[which].runs[i]);
            }
        }
        pk_pool_free(&diff->pool);
        free(diff);
    }
}

int pk_diff_add(struct pk_diff *diff, enum pk_diff_which which, const char *path, char *error,
                size_t error_size) {
    struct pk_diff_side *side = &diff->side[which];
    if (side->run_count == PK_DIFF_MAX_RUNS) {
        snprintf(error, error_size, "%s is one too many: a side takes at most %u runs", path,
                 PK_DIFF_MAX_RUNS);
        return -E2BIG;
    }
    int r = pk_profile_load(path, &side->runs[side->run_count], error, error_size);
    side->run_count += r >= 0 ? 1u : 0u;
    return r;
}

static int compare_peaks(const void *left, const void *right) {
    const struct pk_profile *a = *(struct pk_profile *const *)left,
                            *b = *(struct pk_profile *const *)right;
    return a->peak_bytes < b->peak_bytes ? -1 : a->peak_bytes > b->peak_bytes;
}

/* The run with the median peak (of two the lower one) stands for the side. */
static void choose_shown(struct pk_diff_side *side) {
    struct pk_profile *sorted[PK_DIFF_MAX_RUNS];
    memcpy(sorted, side->runs, side->run_count * sizeof(sorted[0]));
    qsort(sorted, side->run_count, sizeof(sorted[0]), compare_peaks);
    side->shown = sorted[(side->run_count - 1) / 2];
    side->peak = (struct pk_diff_band){.least = sorted[0]->peak_bytes,
                                       .most = sorted[side->run_count - 1]->peak_bytes};
}

static bool bands_meet(const struct pk_diff *diff, const struct pk_diff_band *before,
                       const struct pk_diff_band *after) {
    bool is_measured = diff->side[0].run_count > 1 || diff->side[1].run_count > 1;
    return is_measured && before->least <= after->most && after->least <= before->most;
}

/* ---- lines of two runs ----------------------------------------------------------------------- */

/* The lines of one run are those of another: matches by frame, and blame lines by blame line. */
struct pairing {
    const struct pk_profile *from, *to;
    struct pk_match *matches; /* by frame of `from` */
    int32_t *blame;           /* by blame line of `from`: that of `to`, or -1 */
    int32_t *via;             /* the frame of `from` whose match led there; -1: none */
};

static struct pk_match_line *list_lines(struct pk_pool *pool, const struct pk_profile *profile) {
    struct pk_match_line *lines = pk_pool_array(pool, profile->frame_count, sizeof(*lines));
    for (uint32_t i = 0; lines != NULL && i < profile->frame_count; i++) {
        const struct pk_profile_frame *frame = &profile->frames[i];
        lines[i] = (struct pk_match_line){.path = frame->path,
                                          .function = frame->name,
                                          .source = frame->source,
                                          .line = frame->line};
    }
    return lines;
}

/* One line of one file; frames that are no lines (threads, native code) are each their own. */
static int compare_places(const struct pk_profile *profile, uint32_t left, uint32_t right) {
    const struct pk_profile_frame *a = &profile->frames[left], *b = &profile->frames[right];
    bool a_none = a->kind == PK_FILE_NONE, b_none = b->kind == PK_FILE_NONE;
    if (a_none || b_none) {
        return a_none != b_none ? (a_none ? 1 : -1) : left < right ? -1 : left > right;
    }
    int order = strcmp(a->path, b->path);
    return order != 0 ? order : a->line < b->line ? -1 : a->line > b->line;
}

static int compare_by_place(const void *left, const void *right, void *context) {
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    int order = compare_places(context, a, b);
    return order != 0 ? order : a < b ? -1 : a > b;
}

/* For each frame the blame line at its place, or -1. */
static int32_t *map_blame(struct pk_pool *pool, const struct pk_profile *profile) {
    uint32_t count = profile->frame_count;
    uint32_t *order = pk_pool_array(pool, count, sizeof(*order));
    int32_t *blame_of = pk_pool_array(pool, count, sizeof(*blame_of));
    if (order == NULL || blame_of == NULL) {
        return NULL;
    }
    for (uint32_t i = 0; i < count; i++) {
        order[i] = i;
        blame_of[i] = -1;
    }
    qsort_r(order, count, sizeof(*order), compare_by_place, (void *)(uintptr_t)profile);
    for (uint32_t i = 0; i < profile->blame_count; i++) {
        if (profile->blame[i].frame >= 0) {
            blame_of[profile->blame[i].frame] = (int32_t)i;
        }
    }
    for (uint32_t start = 0, end; start < count; start = end) {
        int32_t blame = -1;
        for (end = start; end < count && compare_places(profile, order[start], order[end]) == 0;
             end++) {
            blame = blame_of[order[end]] >= 0 ? blame_of[order[end]] : blame;
        }
        for (uint32_t i = start; i < end; i++) {
            blame_of[order[i]] = blame_of[order[i]] >= 0 ? blame_of[order[i]] : blame;
        }
    }
    return blame_of;
}

static int pair_runs(struct pk_pool *pool, const struct pk_profile *from,
                     const struct pk_profile *to, struct pairing *ret_pairing) {
    struct pk_match_line *from_lines = list_lines(pool, from), *to_lines = list_lines(pool, to);
    int32_t *from_blame = map_blame(pool, from), *to_blame = map_blame(pool, to);
    bool *is_taken = pk_pool_array(pool, to->blame_count, sizeof(*is_taken));
    struct pairing *p = ret_pairing;

    *p = (struct pairing){.from = from, .to = to};
    p->matches = pk_pool_array(pool, from->frame_count, sizeof(*p->matches));
    p->blame = pk_pool_array(pool, from->blame_count, sizeof(*p->blame));
    p->via = pk_pool_array(pool, from->blame_count, sizeof(*p->via));
    if (pool->failed) {
        return -ENOMEM;
    }
    int r = pk_match_lines(from_lines, from->frame_count, to_lines, to->frame_count, p->matches);
    if (r < 0) {
        return r;
    }
    for (uint32_t i = 0; i < from->blame_count; i++) {
        p->blame[i] = p->via[i] = -1;
        int32_t frame = from->blame[i].frame;
        // first by the frames that the blame lines name themselves
        int32_t other = frame >= 0 ? p->matches[frame].other : -1;
        int32_t target = other >= 0 ? to_blame[other] : -1;
        for (uint32_t j = 0; frame < 0 && j < to->blame_count; j++) {
            target = to->blame[j].frame == frame ? (int32_t)j : target;
        }
        if (target >= 0 && !is_taken[target]) {
            is_taken[target] = true;
            p->blame[i] = target;
            p->via[i] = frame;
        }
    }
    // then by the other functions that share their line (a comprehension in 3.11 and none in 3.12)
    for (uint32_t frame = 0; frame < from->frame_count; frame++) {
        int32_t blame = from_blame[frame], other = p->matches[frame].other;
        int32_t target = other >= 0 ? to_blame[other] : -1;
        if (blame >= 0 && p->blame[blame] < 0 && target >= 0 && !is_taken[target]) {
            is_taken[target] = true;
            p->blame[blame] = target;
            p->via[blame] = (int32_t)frame;
        }
    }
    return 0;
}

/* ---- frames and rows ------------------------------------------------------------------------- */

/* Frames of the diff: first all of after, then those of before alone. */
static int make_frames(struct pk_diff *diff, const struct pairing *pairing, int32_t *ret_maps[2]) {
    const struct pk_profile *before = pairing->from, *after = pairing->to;
    size_t room = (size_t)before->frame_count + after->frame_count + before->blame_count;

    diff->frames = pk_pool_array(&diff->pool, room, sizeof(*diff->frames));
    ret_maps[0] = pk_pool_array(&diff->pool, before->frame_count, sizeof(int32_t));
    ret_maps[1] = pk_pool_array(&diff->pool, after->frame_count, sizeof(int32_t));
    if (diff->pool.failed) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < after->frame_count; i++) {
        diff->frames[i].side[1] = &after->frames[i];
        ret_maps[1][i] = (int32_t)i;
    }
    diff->frame_count = after->frame_count;
    for (uint32_t i = 0; i < before->frame_count; i++) {
        const struct pk_match *match = &pairing->matches[i];
        uint32_t frame = match->other >= 0 ? (uint32_t)match->other : diff->frame_count++;
        diff->frames[frame].side[0] = &before->frames[i];
        diff->frames[frame].match = *match;
        ret_maps[0][i] = (int32_t)frame;
    }
    return 0;
}

static struct pk_diff_row *add_row(struct pk_diff *diff, int32_t frame) {
    struct pk_diff_row *row = &diff->rows[diff->row_count++];
    row->frame = frame;
    return row;
}

static void set_side(struct pk_diff_row *row, unsigned which,
                     const struct pk_profile_blame *blame) {
    row->bytes[which] = blame->bytes;
    row->blocks[which] = blame->blocks;
    row->band[which] = (struct pk_diff_band){.least = blame->bytes, .most = blame->bytes};
}

/* The rows, and which row each blame line of the two sides is. */
static int make_rows(struct pk_diff *diff, const struct pairing *pairing, int32_t *const maps[2],
                     uint32_t *ret_rows_of[2]) {
    const struct pk_profile *before = pairing->from, *after = pairing->to;

    diff->rows = pk_pool_array(&diff->pool, (size_t)before->blame_count + after->blame_count,
                               sizeof(*diff->rows));
    for (unsigned which = 0; which < 2; which++) {
        ret_rows_of[which] = pk_pool_array(&diff->pool, (which == 0 ? before : after)->blame_count,
                                           sizeof(uint32_t));
    }
    if (diff->pool.failed) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < after->blame_count; i++) {
        int32_t frame = after->blame[i].frame;
        ret_rows_of[1][i] = diff->row_count;
        set_side(add_row(diff, frame >= 0 ? maps[1][frame] : frame), 1, &after->blame[i]);
    }
    for (uint32_t i = 0; i < before->blame_count; i++) {
        int32_t frame = before->blame[i].frame, target = pairing->blame[i];
        if (target < 0) {
            ret_rows_of[0][i] = diff->row_count;
            set_side(add_row(diff, frame >= 0 ? maps[0][frame] : frame), 0, &before->blame[i]);
            continue;
        }
        struct pk_diff_row *row = &diff->rows[target]; // rows of after came first
        ret_rows_of[0][i] = (uint32_t)target;
        set_side(row, 0, &before->blame[i]);
        if (frame >= 0 && row->frame >= 0 && maps[0][frame] != row->frame) {
            // found by another function on the same line: a frame that shows both
            struct pk_diff_frame *both = &diff->frames[diff->frame_count];
            both->side[0] = &before->frames[frame];
            both->side[1] = &after->frames[after->blame[target].frame];
            both->match = pairing->matches[pairing->via[i]];
            row->frame = (int32_t)diff->frame_count++;
        }
    }
    return 0;
}

static void widen(struct pk_diff_band *band, uint64_t bytes) {
    band->least = bytes < band->least ? bytes : band->least;
    band->most = bytes > band->most ? bytes : band->most;
}

/* What the rows hold in another run of a side. The run is paired with the run shown of either side:
 * a line that its own side does not show may still be in it. */
static int add_run(struct pk_diff *diff, unsigned which, const struct pk_profile *run,
                   uint32_t *const rows_of[2]) {
    struct pk_pool scratch = {0};
    uint64_t *bytes = pk_pool_array(&scratch, diff->row_count, sizeof(*bytes));
    bool *is_known = pk_pool_array(&scratch, diff->row_count, sizeof(*is_known));
    int r = scratch.failed ? -ENOMEM : 0;

    for (unsigned step = 0; step < 2 && r == 0; step++) {
        unsigned shown = step == 0 ? which : 1 - which;
        struct pairing pairing;
        r = pair_runs(&scratch, diff->side[shown].shown, run, &pairing);
        for (uint32_t i = 0; r == 0 && i < diff->side[shown].shown->blame_count; i++) {
            uint32_t row = rows_of[shown][i];
            if (pairing.blame[i] >= 0 && !is_known[row]) {
                is_known[row] = true;
                bytes[row] = run->blame[pairing.blame[i]].bytes;
            }
        }
    }
    for (uint32_t i = 0; r == 0 && i < diff->row_count; i++) {
        widen(&diff->rows[i].band[which], bytes[i]);
    }
    pk_pool_free(&scratch);
    return r;
}

static uint64_t change_size(const struct pk_diff_row *row) {
    return row->bytes[1] > row->bytes[0] ? row->bytes[1] - row->bytes[0]
                                         : row->bytes[0] - row->bytes[1];
}

static int compare_rows(const void *left, const void *right) {
    const struct pk_diff_row *a = left, *b = right;
    uint64_t a_size = change_size(a), b_size = change_size(b);
    if ((a_size == 0) != (b_size == 0)) {
        return a_size == 0 ? 1 : -1;
    }
    if (a->is_noise != b->is_noise) {
        return a->is_noise ? 1 : -1;
    }
    if (a_size != b_size) {
        return a_size > b_size ? -1 : 1;
    }
    bool a_grew = a->bytes[1] > a->bytes[0], b_grew = b->bytes[1] > b->bytes[0];
    if (a_grew != b_grew) {
        return a_grew ? -1 : 1;
    }
    if (a->bytes[1] != b->bytes[1]) {
        return a->bytes[1] > b->bytes[1] ? -1 : 1;
    }
    return a->frame < b->frame ? -1 : a->frame > b->frame;
}

static int measure_noise(struct pk_diff *diff, uint32_t *const rows_of[2]) {
    for (unsigned which = 0; which < 2; which++) {
        const struct pk_diff_side *side = &diff->side[which];
        for (uint32_t i = 0; i < side->run_count; i++) {
            int r = side->runs[i] == side->shown ? 0 : add_run(diff, which, side->runs[i], rows_of);
            if (r < 0) {
                return r;
            }
        }
    }
    for (uint32_t i = 0; i < diff->row_count; i++) {
        struct pk_diff_row *row = &diff->rows[i];
        // a side without the line: bands begin at nothing
        row->is_noise =
            row->bytes[0] != row->bytes[1] && bands_meet(diff, &row->band[0], &row->band[1]);
    }
    diff->is_noise = bands_meet(diff, &diff->side[0].peak, &diff->side[1].peak);
    return 0;
}

/* ---- notes ----------------------------------------------------------------------------------- */

static void add_note(struct pk_diff *diff, const char *text) {
    if (diff->note_count < sizeof(diff->notes) / sizeof(diff->notes[0])) {
        const char *kept = pk_pool_text(&diff->pool, text, strlen(text));
        diff->notes[diff->note_count] = kept;
        diff->note_count += kept != NULL ? 1u : 0u;
    }
}

static bool has_folded(const struct pk_profile *profile) {
    for (uint32_t i = 0; i < profile->node_count; i++) {
        if (profile->nodes[i].frame == PK_FRAME_FOLDED) {
            return true;
        }
    }
    return false;
}

static bool has_stale(const struct pk_profile *profile) {
    for (uint32_t i = 0; i < profile->frame_count; i++) {
        if (profile->frames[i].is_stale && profile->frames[i].kind == PK_FILE_USER) {
            return true;
        }
    }
    return false;
}

static void add_notes(struct pk_diff *diff) {
    static const char *const names[] = {"before", "after"};
    const struct pk_profile *before = diff->side[0].shown, *after = diff->side[1].shown;
    char text[512];

    if (before->started[0] != '\0' && after->started[0] != '\0' &&
        strcmp(after->started, before->started) < 0) {
        add_note(diff, "The run after began before the run before: are they swapped?");
    }
    if (strcmp(before->python, after->python) != 0) {
        snprintf(text, sizeof(text), "The Pythons differ: %.100s before, %.100s after.",
                 before->python[0] != '\0' ? before->python : "not known",
                 after->python[0] != '\0' ? after->python : "not known");
        add_note(diff, text);
    }
    if (strcmp(before->command, after->command) != 0) {
        snprintf(text, sizeof(text), "The commands differ: %.200s before, %.200s after.",
                 before->command[0] != '\0' ? before->command : "not known",
                 after->command[0] != '\0' ? after->command : "not known");
        add_note(diff, text);
    }
    for (unsigned which = 0; which < 2; which++) {
        const struct pk_profile *shown = diff->side[which].shown;
        if (shown->warning_count > 0) {
            snprintf(text, sizeof(text), "The report of %s has %u warning%s.", names[which],
                     shown->warning_count, shown->warning_count == 1 ? "" : "s");
            add_note(diff, text);
        }
        if (has_stale(shown)) {
            snprintf(text, sizeof(text),
                     "Sources of %s changed since its run: matched by name and number alone.",
                     names[which]);
            add_note(diff, text);
        }
        if (has_folded(shown)) {
            snprintf(text, sizeof(text),
                     "Of %s a page was read, in which the smallest stacks are folded together.",
                     names[which]);
            add_note(diff, text);
        }
    }
}

int pk_diff_make(struct pk_diff *diff) {
    struct pairing pairing;
    int32_t *maps[2];
    uint32_t *rows_of[2];

    choose_shown(&diff->side[0]);
    choose_shown(&diff->side[1]);
    int r = pair_runs(&diff->pool, diff->side[0].shown, diff->side[1].shown, &pairing);
    r = r < 0 ? r : make_frames(diff, &pairing, maps);
    r = r < 0 ? r : make_rows(diff, &pairing, maps, rows_of);
    r = r < 0 ? r : measure_noise(diff, rows_of);
    r = r < 0 ? r : pk_diff_tree_build(diff, maps);
    if (r < 0) {
        return r;
    }
    qsort(diff->rows, diff->row_count, sizeof(*diff->rows), compare_rows);
    add_notes(diff);
    return diff->pool.failed ? -ENOMEM : 0;
}

uint64_t pk_diff_peak(const struct pk_diff *diff, enum pk_diff_which which) {
    return diff->side[which].shown->peak_bytes;
}

int pk_diff_write(const struct pk_diff *diff, enum pk_diff_format format, FILE *out,
                  const struct pk_diff_options *options) {
    int r = -EINVAL;
    switch (format) {
    case PK_DIFF_TEXT:
        r = pk_diff_write_text(diff, out, options);
        break;
    case PK_DIFF_HTML:
        r = pk_diff_write_html(diff, out);
        break;
    case PK_DIFF_JSON:
        r = pk_diff_write_json(diff, UINT32_MAX, UINT32_MAX, PK_JSON_LINES, out);
        break;
    case PK_DIFF_MARKDOWN:
        r = pk_diff_write_markdown(diff, out);
        break;
    case PK_DIFF_GITHUB:
        r = pk_diff_write_github(diff, out, options);
        break;
    }
    return r < 0 ? r : pk_stream_finish(out);
}
