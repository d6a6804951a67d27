/* SPDX-License-Identifier: Apache-2.0
 * Which lines around which, and their texts. May use page_context.h, old_lines.h, source.h,
 * pool.h. */
#include "report/page_context.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "report/old_lines.h"
#include "report/source.h"

#define REACH 2u             /* lines either side */
#define MAX_LINES 5000u      /* then only lines with a share worth a look get any */
#define SHARE_OF_LIBRARY 200 /* one part in so many of any measure is worth a look */
#define SHARE_OF_USER 2000

/* For each frame, the largest share any stack ending in it has of any measure: 1 is one part in a
 * million. */
static int measure_frames(const struct pk_view *view, const struct pk_tree *tree,
                          struct pk_pool *pool, uint32_t **ret_shares) {
    uint32_t *shares = pk_pool_array(pool, view->frame_count, sizeof(*shares));
    uint64_t *totals = pk_pool_array(pool, tree->count, sizeof(*totals));
    if (pool->failed) {
        return -ENOMEM;
    }
    for (unsigned column = PK_PEAK_BYTES; column < PK_COLUMNS; column += 2) {
        memcpy(totals, tree->columns[column], tree->count * sizeof(*totals));
        for (uint32_t i = tree->count; i-- > 1;) {
            totals[i - tree->up[i]] += totals[i];
        }
        for (uint32_t i = 1; i < tree->count && totals[0] > 0; i++) {
            int32_t frame = tree->frames[i];
            uint32_t share = (uint32_t)((double)totals[i] / (double)totals[0] * 1e6);
            if (frame >= 0 && share > shares[frame]) {
                shares[frame] = share;
            }
        }
    }
    *ret_shares = shares;
    return 0;
}

int pk_page_line_compare(const void *left, const void *right) {
    const struct pk_page_line *a = left, *b = right;
    if (a->file != b->file) {
        return a->file < b->file ? -1 : 1;
    }
    return a->line < b->line ? -1 : a->line > b->line;
}

static bool is_wanted(const struct pk_view *view, uint32_t frame, uint32_t share, bool is_crowded) {
    enum pk_file_kind kind = view->files[view->functions[view->frames[frame].function].file].kind;
    if (kind == PK_FILE_USER) {
        return !is_crowded || share >= 1000000u / SHARE_OF_USER;
    }
    return kind != PK_FILE_NONE && share >= 1000000u / SHARE_OF_LIBRARY;
}

/* The wanted lines in order, each once; lines that are a frame's own (marked by a text) are dropped
 * at the end of it. Returns how many are left. */
static uint32_t collect_lines(const struct pk_view *view, const uint32_t *shares, bool is_crowded,
                              struct pk_page_line *lines) {
    uint32_t count = 0, left = 0;
    for (uint32_t i = 0; i < view->frame_count; i++) {
        const struct pk_view_frame *frame = &view->frames[i];
        if (frame->line == 0 || frame->source[0] == '\0' ||
            !is_wanted(view, i, shares[i], is_crowded)) {
            continue;
        }
        uint32_t file = view->functions[frame->function].file;
        uint32_t first = frame->line > REACH ? frame->line - REACH : 1;
        for (uint32_t line = first; line <= frame->line + REACH && line >= first; line++) {
            lines[count++] = (struct pk_page_line){
                .file = file, .line = line, .text = line == frame->line ? frame->source : NULL};
        }
    }
    qsort(lines, count, sizeof(*lines), pk_page_line_compare);
    for (uint32_t from = 0, to; from < count; from = to) {
        bool is_own = false;
        struct pk_page_line line = lines[from];
        for (to = from; to < count && lines[to].file == line.file && lines[to].line == line.line;
             to++) {
            is_own = is_own || lines[to].text != NULL;
        }
        if (!is_own) {
            lines[left++] = line;
        }
    }
    return left;
}

static int read_lines(const struct pk_report *report, struct pk_pool *pool,
                      struct pk_page_line *lines, uint32_t count) {
    const struct pk_view *view = &report->view;
    uint32_t *numbers = pk_pool_array(pool, count, sizeof(*numbers));
    const char **texts = pk_pool_array(pool, count, sizeof(*texts));
    if (pool->failed) {
        return -ENOMEM;
    }
    for (uint32_t from = 0, to; from < count; from = to) {
        const struct pk_view_file *file = &view->files[lines[from].file];
        const char *path = file->location != NULL ? file->location : file->path;
        for (to = from; to < count && lines[to].file == lines[from].file; to++) {
            numbers[to] = lines[to].line;
            texts[to] = "";
        }
        int r = 0;
        if (file->is_old) {
            for (uint32_t i = from; i < to; i++) {
                texts[i] = pk_old_line(report, lines[i].file, lines[i].line);
            }
        } else if (strcmp(path, "<string>") == 0 && report->command_text != NULL) {
            r = pk_source_read_text(pool, report->command_text, strlen(report->command_text),
                                    numbers + from, to - from, texts + from);
        } else if (path[0] == '/') {
            r = pk_source_read_file(pool, path, 0, numbers + from, to - from, texts + from);
        }
        if (r < 0) {
            return r;
        }
        for (uint32_t i = from; i < to; i++) {
            lines[i].text = texts[i];
        }
    }
    return 0;
}

int pk_page_context(const struct pk_report *report, const struct pk_tree *tree,
                    struct pk_pool *pool, struct pk_page_line **ret_lines, uint32_t *ret_count) {
    const struct pk_view *view = &report->view;
    uint32_t *shares;
    *ret_count = 0;
    *ret_lines =
        pk_pool_array(pool, (size_t)view->frame_count * (2 * REACH + 1), sizeof(**ret_lines));
    int r = pool->failed ? -ENOMEM : measure_frames(view, tree, pool, &shares);
    if (r >= 0 && !report->has_no_sources) {
        *ret_count = collect_lines(view, shares, false, *ret_lines);
        if (*ret_count > MAX_LINES) {
            *ret_count = collect_lines(view, shares, true, *ret_lines);
        }
        r = read_lines(report, pool, *ret_lines, *ret_count);
    }
    return r;
}
