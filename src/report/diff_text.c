/* SPDX-License-Identifier: Apache-2.0
 * The diff in the terminal:
 *
 *     Peak memory 135.8 MiB -> 150.2 MiB: +14.4 MiB (+10.6 %)
 *       before  old    python app.py
 *       after   new    python app.py
 *
 *          change     before      after    line        source
 *       +20.0 MiB   40.0 MiB   60.0 MiB  > load.py:22  data = load(path)
 *        -5.0 MiB    5.0 MiB        0 B  - load.py:30  copy = list(data)
 *        -0.6 MiB   90.8 MiB   90.2 MiB    everything else: 212 lines
 *       +14.4 MiB  135.8 MiB  150.2 MiB    the peak
 *
 * May use diff_model.h, display.h. Must stay true: the rows add up to the last one in bytes; no
 * line is wider than asked; nothing from the program can act on the terminal; colour says nothing
 * that signs do not. */
#include <string.h>

#include "report/diff_model.h"
#include "report/display.h"

#define MAX_ROWS 20u
#define MIN_WIDTH 40u
#define MAX_WIDTH 500u
#define LINE_ROOM (4u * MAX_WIDTH + 8u)

#define BOLD "\033[1m"
#define RED "\033[31m"
#define CYAN "\033[36m"
#define YELLOW "\033[33m"
#define FAINT "\033[2m"
#define PLAIN "\033[0m"

struct table {
    const struct pk_diff *diff;
    FILE *out;
    size_t width;
    bool color;
    bool utf8;
    size_t change, before, after, place; /* widths of columns */
    bool has_mark[128];
};

static const char *style(const struct table *t, const char *sequence) {
    return t->color ? sequence : "";
}

static const char *change_style(const struct table *t, uint64_t before, uint64_t after) {
    return after > before ? style(t, RED) : after < before ? style(t, CYAN) : "";
}

static void write_line(const struct table *t, const char *sequence, const char *text) {
    char line[LINE_ROOM];
    (void)pk_text_clean(line, sizeof(line), text, t->width, t->utf8, false);
    fprintf(t->out, "%s%s%s\n", style(t, sequence), line, style(t, PLAIN));
}

/* How sure it is that it is one line, in one sign. */
static char mark_of(const struct pk_diff *diff, const struct pk_diff_row *row) {
    if (row->frame < 0) {
        return ' ';
    }
    const struct pk_diff_frame *frame = &diff->frames[row->frame];
    return frame->side[0] == NULL                ? '+'
           : frame->side[1] == NULL              ? '-'
           : frame->match.kind == PK_MATCH_SAME  ? ' '
           : frame->match.kind == PK_MATCH_MOVED ? '>'
                                                 : '~';
}

static void write_amounts(const struct table *t, uint64_t before, uint64_t after) {
    char change[48], from[PK_NUMBER_ROOM], to[PK_NUMBER_ROOM];
    pk_diff_format_change(change, before, after, "-");
    fprintf(t->out, "  %s%*s%s  %*s  %*s  ", change_style(t, before, after), (int)t->change, change,
            style(t, PLAIN), (int)t->before, pk_format_bytes(from, before), (int)t->after,
            pk_format_bytes(to, after));
}

static size_t amounts_width(const struct table *t) {
    return 2 + t->change + 2 + t->before + 2 + t->after + 2;
}

static void widen(size_t *width, const char *text) {
    size_t length = strlen(text);
    *width = length > *width ? length : *width;
}

static void measure(struct table *t, uint64_t before, uint64_t after) {
    char text[PK_NUMBER_ROOM + 8];
    pk_diff_format_change(text, before, after, "-");
    widen(&t->change, text);
    widen(&t->before, pk_format_bytes(text, before));
    widen(&t->after, pk_format_bytes(text, after));
}

static void write_row(struct table *t, const struct pk_diff_row *row) {
    char place[4096 + 32], shown[LINE_ROOM], origin[4096 + 512];
    const struct pk_profile_frame *line = pk_diff_line(t->diff, row->frame);
    char mark = mark_of(t->diff, row);

    pk_diff_place(line, row->frame, place, sizeof(place));
    pk_diff_origin(t->diff, row->frame, origin, sizeof(origin));
    write_amounts(t, row->bytes[0], row->bytes[1]);
    size_t columns = pk_text_clean_place(shown, sizeof(shown), place, t->place, t->utf8);
    fprintf(t->out, "%c %s", mark, shown);
    t->has_mark[(unsigned char)mark] = true;
    size_t used = amounts_width(t) + 2 + t->place + 2;
    bool is_name = line != NULL && line->source[0] == '\0' && line->kind != PK_FILE_NONE;
    const char *source = line == NULL ? "" : is_name ? line->name : line->source;
    source += strspn(source, " \t\f");
    if (source[0] != '\0' && used + 8 <= t->width) {
        const char *in = is_name ? "in " : "";
        (void)pk_text_clean(shown, sizeof(shown), source, t->width - used - strlen(in), t->utf8,
                            false);
        fprintf(t->out, "%*s%s%s", (int)(t->place - columns + 2), "", in, shown);
    }
    putc('\n', t->out);
    // a mere move needs no words
    const struct pk_diff_frame *frame = row->frame < 0 ? NULL : &t->diff->frames[row->frame];
    bool is_plain = frame == NULL || frame->side[0] == NULL || frame->side[1] == NULL ||
                    (frame->match.kind <= PK_MATCH_MOVED &&
                     strcmp(frame->side[0]->name, frame->side[1]->name) == 0 &&
                     strcmp(frame->side[0]->path, frame->side[1]->path) == 0);
    if (!is_plain && origin[0] != '\0') {
        size_t indent = amounts_width(t) + 2;
        indent = indent + 30 <= t->width ? indent : 4;
        (void)pk_text_clean(shown, sizeof(shown), origin, t->width - indent, t->utf8, false);
        fprintf(t->out, "%*s%s%s%s\n", (int)indent, "", style(t, FAINT), shown, style(t, PLAIN));
    }
}

static void write_sum(const struct table *t, const char *sequence, uint64_t before, uint64_t after,
                      const char *words) {
    char shown[LINE_ROOM];
    write_amounts(t, before, after);
    (void)pk_text_clean(shown, sizeof(shown), words, t->width - amounts_width(t) - 2, t->utf8,
                        false);
    fprintf(t->out, "  %s%s%s\n", style(t, sequence), shown, style(t, PLAIN));
}

static void write_side(const struct table *t, const char *word, const struct pk_diff_side *side,
                       size_t name_width) {
    char text[8192], least[PK_NUMBER_ROOM], most[PK_NUMBER_ROOM];
    size_t columns = pk_text_columns(side->shown->name, t->utf8);
    int gap = (int)(columns < name_width ? name_width - columns : 0) + 2;
    if (side->run_count > 1) {
        snprintf(text, sizeof(text), "  %s  %.4000s%*s%u runs, %s to %s", word, side->shown->name,
                 gap, "", side->run_count, pk_format_bytes(least, side->peak.least),
                 pk_format_bytes(most, side->peak.most));
    } else {
        snprintf(text, sizeof(text), "  %s  %.4000s%*s%.3000s", word, side->shown->name, gap, "",
                 side->shown->command);
    }
    write_line(t, "", text);
}

static void write_head(const struct table *t) {
    const struct pk_diff *diff = t->diff;
    uint64_t before = pk_diff_peak(diff, PK_DIFF_BEFORE), after = pk_diff_peak(diff, PK_DIFF_AFTER);
    char from[PK_NUMBER_ROOM], to[PK_NUMBER_ROOM], change[48], share[48];

    pk_diff_format_change(change, before, after, "-");
    pk_diff_format_share(share, before, after, "-");
    fprintf(t->out, "Peak memory %s -> %s: %s%s%s%s", pk_format_bytes(from, before),
            pk_format_bytes(to, after), style(t, BOLD), change_style(t, before, after),
            before == after ? "no change" : change, style(t, PLAIN));
    if (before != after && before > 0) {
        fprintf(t->out, " (%s)", share);
    }
    fprintf(t->out, "%s\n", diff->is_noise && before != after ? ", within the noise" : "");
    size_t name_width = 0;
    for (unsigned which = 0; which < 2; which++) {
        size_t columns = pk_text_columns(diff->side[which].shown->name, t->utf8);
        name_width = columns > name_width ? columns : name_width;
    }
    name_width = name_width > t->width / 2 ? t->width / 2 : name_width;
    write_side(t, "before", &diff->side[0], name_width);
    write_side(t, "after ", &diff->side[1], name_width);
}

static void write_legend(const struct table *t) {
    static const struct {
        char mark;
        const char *words;
    } marks[] = {{'>', "> moved"},
                 {'~', "~ changed a little"},
                 {'+', "+ not there before"},
                 {'-', "- not there any more"}};
    char text[200] = "";
    for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
        if (t->has_mark[(unsigned char)marks[i].mark]) {
            size_t used = strlen(text);
            snprintf(text + used, sizeof(text) - used, "%s%s",
                     used > 0 ? ", " : "Lines: ", marks[i].words);
        }
    }
    if (text[0] != '\0') {
        write_line(t, FAINT, text);
    }
}

static void write_table(struct table *t) {
    const struct pk_diff *diff = t->diff;
    uint64_t peaks[2] = {pk_diff_peak(diff, PK_DIFF_BEFORE), pk_diff_peak(diff, PK_DIFF_AFTER)};
    uint64_t rest[2] = {peaks[0], peaks[1]}, noise[2] = {0, 0};
    uint32_t shown = 0, noisy = 0;
    char place[4096 + 32], text[LINE_ROOM];

    measure(t, peaks[0], peaks[1]);
    widen(&t->change, "change");
    widen(&t->before, "before");
    widen(&t->after, "after");
    for (uint32_t i = 0; i < diff->row_count; i++) {
        const struct pk_diff_row *row = &diff->rows[i];
        if (row->is_noise) {
            noisy++;
            for (unsigned which = 0; which < 2; which++) {
                noise[which] += row->bytes[which];
                rest[which] -= row->bytes[which];
            }
        } else if (i == shown && pk_diff_is_shown(diff, i) && shown < MAX_ROWS) {
            shown++; // rows come with the largest changes first
            measure(t, row->bytes[0], row->bytes[1]);
            for (unsigned which = 0; which < 2; which++) {
                rest[which] -= row->bytes[which];
            }
        }
    }
    measure(t, rest[0], rest[1]);
    measure(t, noise[0], noise[1]);
    size_t room = t->width > amounts_width(t) + 2 ? t->width - amounts_width(t) - 2 : 10;
    size_t limit = room < 40 ? (room < 28 ? room : 20) : room / 2;
    widen(&t->place, "line");
    for (uint32_t i = 0; i < shown; i++) {
        pk_diff_place(pk_diff_line(diff, diff->rows[i].frame), diff->rows[i].frame, place,
                      sizeof(place));
        size_t columns = pk_text_clean_place(text, sizeof(text), place, limit, t->utf8);
        t->place = columns > t->place ? columns : t->place;
    }
    if (shown > 0) {
        snprintf(text, sizeof(text), "  %*s  %*s  %*s    %-*s  source", (int)t->change, "change",
                 (int)t->before, "before", (int)t->after, "after", (int)t->place, "line");
        write_line(t, FAINT, text);
    }
    for (uint32_t i = 0; i < shown; i++) {
        write_row(t, &diff->rows[i]);
    }
    char count[PK_NUMBER_ROOM];
    if (noisy > 0) {
        snprintf(text, sizeof(text), "noise: %s line%s", pk_format_count(count, noisy),
                 noisy == 1 ? "" : "s");
        write_sum(t, "", noise[0], noise[1], text);
    }
    uint32_t more = diff->row_count - shown - noisy;
    if (more > 0) {
        snprintf(text, sizeof(text), "%s: %s line%s", shown + noisy > 0 ? "everything else" : "all",
                 pk_format_count(count, more), more == 1 ? "" : "s");
        write_sum(t, "", rest[0], rest[1], text);
    }
    write_sum(t, BOLD, peaks[0], peaks[1], "the peak");
    write_legend(t);
}

int pk_diff_write_text(const struct pk_diff *diff, FILE *out,
                       const struct pk_diff_options *options) {
    unsigned width = options == NULL || options->width == 0 ? 80 : options->width;
    struct table t = {.diff = diff,
                      .out = out,
                      .width = width < MIN_WIDTH   ? MIN_WIDTH
                               : width > MAX_WIDTH ? MAX_WIDTH
                                                   : width,
                      .color = options != NULL && options->color,
                      .utf8 = options != NULL && options->utf8};
    write_head(&t);
    for (uint32_t i = 0; i < diff->note_count; i++) {
        write_line(&t, YELLOW, diff->notes[i]);
    }
    putc('\n', out);
    write_table(&t);
    return 0;
}
