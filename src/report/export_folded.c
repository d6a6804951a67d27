/* SPDX-License-Identifier: Apache-2.0
 * Folded stacks: one line a stack, `function (path:line);function (path:line) bytes`, for flame
 * graph tools. May use model.h. Must stay true: the bytes of all lines add up to the peak; a name
 * cannot break a line or a frame. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "record/utf8.h"
#include "report/model.h"

/* The line so far: the frames from the outermost to the current node, and where each level ends. */
struct line {
    char *text;
    size_t used;
    size_t room;
    size_t *ends;
    uint32_t depth;
    uint32_t ends_room;
    bool failed;
};

static void append(struct line *line, const char *bytes, size_t size) {
    if (line->used + size > line->room) {
        size_t room = (line->used + size) * 2 + 4096;
        char *grown = line->failed ? NULL : realloc(line->text, room);
        if (grown == NULL) {
            line->failed = true;
            return;
        }
        line->text = grown;
        line->room = room;
    }
    memcpy(line->text + line->used, bytes, size);
    line->used += size;
}

/* `;` separates frames and a line end separates stacks: neither may come from a name. */
static void append_name(struct line *line, const char *name) {
    size_t size = strlen(name);
    for (size_t at = 0; at < size;) {
        uint32_t point;
        size_t taken = pk_utf8_decode(name + at, size - at, &point);
        if (taken == 0) {
            append(line, "\xef\xbf\xbd", 3);
            at++;
        } else if (point == ';') {
            append(line, ",", 1);
            at++;
        } else if (point < 0x20u || point == 0x7fu || point == 0x85u || point == 0x2028u ||
                   point == 0x2029u) {
            append(line, " ", 1);
            at += taken;
        } else {
            append(line, name + at, taken);
            at += taken;
        }
    }
}

/* "process 1234" of "process 1234 app.py": what is behind the number is for people. */
static size_t process_length(const char *name) {
    size_t length = strlen("process ");
    return length + strcspn(name + length, " ");
}

static void append_frame(struct line *line, const struct pk_view *view, int32_t frame_index) {
    const struct pk_view_frame *frame = &view->frames[frame_index];
    const struct pk_view_function *function = &view->functions[frame->function];
    const struct pk_view_file *file = &view->files[function->file];
    char number[16];

    if (function->kind == PK_VIEW_PROCESS && function->name[strlen("process ")] != 'x') {
        append(line, function->name, process_length(function->name));
        return;
    }
    append_name(line, function->name);
    if (file->kind == PK_FILE_NONE) {
        return; // "[native thread]"
    }
    append(line, " (", 2);
    append_name(line, file->path);
    int length = snprintf(number, sizeof(number), ":%" PRIu32 ")", frame->line);
    append(line, number, (size_t)length);
}

static uint32_t kind_of(const struct pk_view *view, int32_t frame) {
    return view->functions[view->frames[frame].function].kind;
}

/* What a process or a thread holds outside of all frames has a frame all the same. */
static const char *name_own(const struct pk_view *view, int32_t frame) {
    uint32_t kind = kind_of(view, frame);
    return kind == PK_VIEW_PROCESS ? "[no stack]" : kind == PK_FUNCTION_THREAD ? "[thread]" : NULL;
}

/* One level deeper: remember where its frame ends. */
static void push_level(struct line *line) {
    if (line->depth == line->ends_room) {
        uint32_t room = line->ends_room * 2 + 256;
        size_t *grown = line->failed ? NULL : realloc(line->ends, room * sizeof(*grown));
        if (grown == NULL) {
            line->failed = true;
            return;
        }
        line->ends = grown;
        line->ends_room = room;
    }
    line->ends[line->depth++] = line->used;
}

int pk_write_folded(const struct pk_report *report, FILE *out) {
    const struct pk_view *view = &report->view;
    const struct pk_tree *tree = &view->tree;
    struct pk_pool scratch = {0};
    struct line line = {0};
    uint32_t *depths = pk_pool_array(&scratch, tree->count, sizeof(*depths));

    if (depths == NULL) {
        return -ENOMEM;
    }
    if (tree->bytes[0] > 0) {
        fprintf(out, "[no stack] %" PRIu64 "\n", tree->bytes[0]);
    }
    for (uint32_t i = 1; i < tree->count && !line.failed; i++) {
        depths[i] = depths[i - tree->up[i]] + 1;
        line.depth = depths[i] - 1;
        line.used = line.depth == 0 ? 0 : line.ends[line.depth - 1];
        // "[thread]" is no frame of Python's: stacks begin below it, as `sys._getframe` sees them
        if (kind_of(view, tree->frames[i]) != PK_FUNCTION_THREAD) {
            if (line.used > 0) {
                append(&line, ";", 1);
            }
            append_frame(&line, view, tree->frames[i]);
        }
        push_level(&line);
        if (tree->bytes[i] > 0 && !line.failed) {
            const char *own = name_own(view, tree->frames[i]);
            if (line.used > 0) {
                fwrite(line.text, 1, line.used, out);
            }
            if (own != NULL) {
                fprintf(out, "%s%s", line.used > 0 ? ";" : "", own);
            }
            fprintf(out, " %" PRIu64 "\n", tree->bytes[i]);
        }
    }
    free(line.text);
    free(line.ends);
    pk_pool_free(&scratch);
    return line.failed ? -ENOMEM : 0;
}
