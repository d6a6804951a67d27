/* SPDX-License-Identifier: Apache-2.0
 * The terminal summary: what a person reads when the program has ended.
 *
 *     Out of memory: the limit of 512 MiB was reached ...
 *     Peak memory 135.8 MiB in 4 processes at 12.4 s of 31.0 s
 *     Process 4711 (app.py, forked) holds the most, 61.2 MiB (45.1 %).
 *     Resident peak 188.0 MiB: 30.1 MiB pages of files, 16.2 MiB untracked ...
 *       61.2 MiB  45.1 %      10  load.py:123  data = load(path)
 *       40.0 MiB  29.5 %       1  model.py:88   w = np.zeros((5000, 1000))
 *       ... 212 more lines, 34.6 MiB (25.4 %)
 *     Report: peakline-result/latest/report.html
 *
 * May use model.h, display.h. Must stay true: at most MAX_LINES lines, none wider than asked (but
 * for the path of the report, which must stay whole); nothing from the program can act on the
 * terminal; meaning is never in colour alone. */
#include <stdlib.h>
#include <string.h>

#include "report/display.h"
#include "report/model.h"

#define MAX_LINES 11u /* the caller may put an empty one before: 12 */
#define MAX_ROWS 8u
#define SURE_ROWS 3u /* shown however small; further ones only from one per cent on */
#define MAX_NOTES 2u
#define MIN_WIDTH 40u
#define MAX_WIDTH 500u
#define TORN 20u /* columns of two lines that may stay empty where they are parted between words */
#define GAP 2u   /* columns between a place and its source line */
#define LINE_ROOM (4u * MAX_WIDTH + 8u)

struct summary {
    const struct pk_report *report;
    FILE *out;
    unsigned width;
    bool color;
    bool utf8;
    const char *link_host;
};

/* One of the 16 ANSI colours or bold, as the terminal's owner has set them. */
static const char *style(const struct summary *s, const char *sequence) {
    return s->color ? sequence : "";
}

#define BOLD "\033[1m"
#define RED "\033[31m"
#define YELLOW "\033[33m"
#define PLAIN "\033[0m"

/* A sentence on one line, or on two when `two_lines` and it needs them. Returns the lines used. */
static unsigned write_sentence(const struct summary *s, const char *sequence, const char *text,
                               bool two_lines) {
    char line[LINE_ROOM];
    size_t columns = pk_text_columns(text, s->utf8);
    if (columns <= s->width || !two_lines) {
        (void)pk_text_clean(line, sizeof(line), text, s->width, s->utf8, false);
        fprintf(s->out, "%s%s%s\n", style(s, sequence), line, style(s, PLAIN));
        return 1;
    }
    // break at the last space that fits; text is bytes, and a space is never inside a character
    size_t end = 0;
    for (size_t i = 1; text[i] != '\0' && i < LINE_ROOM - 1; i++) {
        if (text[i] == ' ') {
            char start[LINE_ROOM];
            memcpy(start, text, i);
            start[i] = '\0';
            if (pk_text_columns(start, s->utf8) > s->width) {
                break;
            }
            end = i;
        }
    }
    if (end == 0) {
        return write_sentence(s, sequence, text, false);
    }
    char start[LINE_ROOM];
    memcpy(start, text, end);
    start[end] = '\0';
    (void)pk_text_clean(line, sizeof(line), start, s->width, s->utf8, false);
    fprintf(s->out, "%s%s%s\n", style(s, sequence), line, style(s, PLAIN));
    (void)pk_text_clean(line, sizeof(line), text + end + 1, s->width - 2, s->utf8, false);
    fprintf(s->out, "%s  %s%s\n", style(s, sequence), line, style(s, PLAIN));
    return 2;
}

/* " in 3 processes", " in 3 of 9 processes": those that held something at the peak. */
static void name_processes(const struct pk_report *report, char ret_text[64]) {
    const struct pk_view *view = &report->view;
    uint32_t holding = 0;
    ret_text[0] = '\0';
    for (uint32_t i = 0; i < view->process_count; i++) {
        holding += view->processes[i].tree_bytes > 0 ? 1u : 0u;
    }
    if (view->process_count > 1 && holding == view->process_count) {
        snprintf(ret_text, 64, " in %u processes", holding);
    } else if (view->process_count > 1) {
        snprintf(ret_text, 64, " in %u of %u processes", holding, view->process_count);
    }
}

/* The peak, then as much of when and of the resident size as fits. */
static void write_first_line(const struct summary *s) {
    const struct pk_report *report = s->report;
    char bytes[PK_NUMBER_ROOM], number[PK_NUMBER_ROOM], processes[64];
    char when[2 * PK_NUMBER_ROOM] = "", total[2 * PK_NUMBER_ROOM] = "",
                  resident[2 * PK_NUMBER_ROOM] = "";

    pk_format_bytes(bytes, report->view.peak_bytes);
    name_processes(report, processes);
    if (report->peak_time_ns >= 0) {
        snprintf(when, sizeof(when), " at %s",
                 pk_format_time(number, (uint64_t)report->peak_time_ns));
    }
    if (report->duration_ns >= 0) {
        snprintf(total, sizeof(total), " %s %s", report->peak_time_ns >= 0 ? "of" : "in",
                 pk_format_time(number, (uint64_t)report->duration_ns));
    }
    if (report->run != NULL && report->run->rss_peak_bytes > 0 &&
        report->resident_note[0] == '\0') {
        snprintf(resident, sizeof(resident), " (resident peak %s)",
                 pk_format_bytes(number, report->run->rss_peak_bytes));
    }
    size_t columns = strlen("Peak memory ") + strlen(bytes);
    fprintf(s->out, "Peak memory %s%s%s", style(s, BOLD), bytes, style(s, PLAIN));
    const char *const parts[] = {processes, when, total, resident};
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        columns += strlen(parts[i]);
        if (columns > s->width || (i == 1 && columns + strlen(total) > s->width)) {
            break; // "at 3 s" belongs to "of 4 s"
        }
        fputs(parts[i], s->out);
    }
    putc('\n', s->out);
}

/* The resident peak and why it is another, where it is. */
static unsigned write_resident(const struct summary *s, bool two_lines) {
    char text[400], number[PK_NUMBER_ROOM];
    if (s->report->resident_note[0] == '\0') {
        return 0;
    }
    snprintf(text, sizeof(text), "Resident peak %s: %s",
             pk_format_bytes(number, s->report->run->rss_peak_bytes), s->report->resident_note);
    return write_sentence(s, "", text, two_lines);
}

/* Which process and thread, where there are several. */
static void describe_holder(const struct pk_report *report, char *ret_text, size_t size) {
    struct pk_holder_words words;
    pk_holder_say(&report->view, &report->rules, &report->holder, &words);
    pk_holder_join(&words, ret_text, size);
}

/* One blame line, ready to be aligned. */
struct row {
    char bytes[PK_NUMBER_ROOM];
    char share[PK_NUMBER_ROOM];
    char blocks[PK_NUMBER_ROOM];
    char place[4096 + 32];
    const char *source;
    const char *path; /* of the file, "" for none; and its line */
    uint32_t line;
    bool is_name; /* the source is not known, this is the function's name */
};

static void fill_row(const struct summary *s, const struct pk_view_blame *blame,
                     struct row *ret_row) {
    const struct pk_view *view = &s->report->view;

    pk_format_bytes(ret_row->bytes, blame->bytes);
    pk_format_share(ret_row->share, blame->bytes, view->peak_bytes);
    pk_format_count(ret_row->blocks, blame->blocks);
    ret_row->source = ret_row->path = "";
    ret_row->line = 0;
    ret_row->is_name = false;
    if (blame->frame < 0) {
        snprintf(ret_row->place, sizeof(ret_row->place), "[no stack]");
    } else {
        const struct pk_view_frame *frame = &view->frames[blame->frame];
        const struct pk_view_function *function = &view->functions[frame->function];
        const struct pk_view_file *file = &view->files[function->file];
        if (file->kind == PK_FILE_NONE) {
            snprintf(ret_row->place, sizeof(ret_row->place), "%.200s", function->name);
        } else {
            snprintf(ret_row->place, sizeof(ret_row->place), "%.4096s:%u",
                     pk_path_spoken(&s->report->rules, file->path), frame->line);
            ret_row->path = file->path;
            ret_row->line = frame->line;
            ret_row->is_name = frame->source[0] == '\0';
            ret_row->source = ret_row->is_name ? function->name : frame->source;
        }
    }
    ret_row->source += strspn(ret_row->source, " \t\f");
}

static size_t longest(size_t a, size_t b) {
    return a > b ? a : b;
}

static size_t shortest(size_t a, size_t b) {
    return a < b ? a : b;
}

/* How wide places may be at most where `room` columns are left for places and source lines: half of
 * it up to 32, more in wide terminals. In narrow ones the place is worth more than a shred of its
 * source. */
static size_t limit_places(size_t room) {
    size_t limit = shortest(room < 40 ? room : room / 2, 32);
    return longest(limit, shortest(room * 2 / 5, 60));
}

static void write_rows(const struct summary *s, uint32_t count) {
    const struct pk_view *view = &s->report->view;
    struct row rows[MAX_ROWS];
    size_t bytes = 0, share = 0, blocks = 0, place = 0;

    for (uint32_t i = 0; i < count; i++) {
        fill_row(s, &view->blame[i], &rows[i]);
        bytes = longest(bytes, strlen(rows[i].bytes));
        share = longest(share, strlen(rows[i].share));
        blocks = longest(blocks, strlen(rows[i].blocks));
    }
    size_t before = 2 + bytes + 2 + share + 2 + blocks + 2;
    size_t limit = limit_places(s->width > before ? s->width - before : 0);
    for (uint32_t i = 0; i < count; i++) {
        char shown[LINE_ROOM];
        place = longest(place,
                        pk_text_clean_place(shown, sizeof(shown), rows[i].place, limit, s->utf8));
    }
    for (uint32_t i = 0; i < count; i++) {
        const struct row *row = &rows[i];
        char shown[LINE_ROOM];
        size_t columns = pk_text_clean_place(shown, sizeof(shown), row->place, place, s->utf8);
        fprintf(s->out, "  %s%*s%s  %*s  %*s  ", style(s, BOLD), (int)bytes, row->bytes,
                style(s, PLAIN), (int)share, row->share, (int)blocks, row->blocks);
        bool is_link = pk_link_begin(s->out, s->link_host, row->path, row->line);
        fputs(shown, s->out);
        pk_link_end(s->out, is_link);
        size_t used = before + place + GAP;
        if (row->source[0] != '\0' && used + 8 <= s->width) {
            const char *in = row->is_name ? "in " : "";
            (void)pk_text_clean(shown, sizeof(shown), row->source, s->width - used - strlen(in),
                                s->utf8, false);
            fprintf(s->out, "%*s%s%s", (int)(place - columns + GAP), "", in, shown);
        }
        putc('\n', s->out);
    }
}

static void write_rest(const struct summary *s, uint32_t shown) {
    const struct pk_view *view = &s->report->view;
    char count[PK_NUMBER_ROOM], bytes[PK_NUMBER_ROOM], share[PK_NUMBER_ROOM];
    uint64_t rest = 0;
    for (uint32_t i = shown; i < view->peak_blame_count; i++) {
        rest += view->blame[i].bytes;
    }
    uint32_t more = view->peak_blame_count - shown;
    fprintf(s->out, "  ... %s more line%s, %s (%s)\n", pk_format_count(count, more),
            more == 1 ? "" : "s", pk_format_bytes(bytes, rest),
            pk_format_share(share, rest, view->peak_bytes));
}

/* What must be said besides the numbers: the failed allocation first, then the warnings, at most
 * `room` lines. */
static unsigned choose_notes(const struct pk_report *report, unsigned room,
                             const char *ret_notes[MAX_NOTES], unsigned *ret_more) {
    unsigned count = 0, total = report->warning_count + (report->failed_note[0] != '\0' ? 1u : 0u);
    if (report->failed_note[0] != '\0') {
        ret_notes[count++] = report->failed_note;
    }
    for (uint32_t i = 0; i < report->warning_count && count < room; i++) {
        ret_notes[count++] = report->warnings[i];
    }
    *ret_more = total - count;
    return count;
}

/* Lines that a sentence needs, when it may have two. */
static unsigned lines_of(const struct summary *s, const char *text) {
    return text[0] == '\0' ? 0 : pk_text_columns(text, s->utf8) > s->width ? 2 : 1;
}

/* `spare`: lines that nobody else needs; the notes that are longer than one line get them, from the
 * first on. */
static void write_notes(const struct summary *s, const char *const *notes, unsigned count,
                        unsigned more, unsigned spare) {
    for (unsigned i = 0; i < count; i++) {
        char text[700], end[48] = "";
        if (i == count - 1 && more > 0) {
            snprintf(end, sizeof(end), " (%u more in the report)", more);
        }
        size_t columns = pk_text_columns(notes[i], s->utf8) + strlen(end);
        bool two_lines = columns > s->width && spare > 0;
        if (end[0] != '\0' && columns > (two_lines ? 2 * s->width - TORN : s->width)) {
            // the count must be seen, however long the sentence
            char start[600];
            (void)pk_text_clean(start, sizeof(start), notes[i], s->width - strlen(end), s->utf8,
                                false);
            snprintf(text, sizeof(text), "%s%s", start, end);
        } else {
            snprintf(text, sizeof(text), "%s%s", notes[i], end);
        }
        spare -= write_sentence(s, YELLOW, text, two_lines) - 1;
    }
}

int pk_write_text(const struct pk_report *report, FILE *out,
                  const struct pk_report_options *options) {
    const struct pk_view *view = &report->view;
    unsigned width = options->width == 0 ? 80 : options->width;
    struct summary s = {.report = report,
                        .out = out,
                        .width = width < MIN_WIDTH   ? MIN_WIDTH
                                 : width > MAX_WIDTH ? MAX_WIDTH
                                                     : width,
                        .color = options->color,
                        .utf8 = options->utf8,
                        .link_host = options->link_host};
    const char *notes[MAX_NOTES];
    unsigned more_notes;
    char outcome[160];

    const char *headline =
        report->run != NULL && report->run->headline != NULL ? report->run->headline : "";
    pk_report_outcome_sentence(report, outcome, sizeof(outcome));
    const char *path = options->report_path;
    unsigned note_count =
        choose_notes(report, headline[0] != '\0' ? 1 : MAX_NOTES, notes, &more_notes);
    bool one_long_note = note_count == 1 && more_notes == 0 && lines_of(&s, notes[0]) > 1;
    // the resident size gets its second line where nothing went wrong
    bool long_resident = headline[0] == '\0' && outcome[0] == '\0';
    unsigned used = 1 + lines_of(&s, headline) + (one_long_note ? 2 : note_count) +
                    (report->resident_note[0] == '\0' ? 0
                     : long_resident                  ? 2
                                                      : 1) +
                    (outcome[0] != '\0' ? 1u : 0u) + (path != NULL ? 1u : 0u);
    char holder[1024];
    describe_holder(report, holder, sizeof(holder));
    unsigned holder_lines = lines_of(&s, holder);
    if (MAX_LINES - used < holder_lines + SURE_ROWS) {
        holder_lines = MAX_LINES - used > SURE_ROWS; // one, or none where so much went wrong
    }
    unsigned room = MAX_LINES - used - holder_lines;
    uint32_t rows = view->peak_blame_count;
    if (rows > room || rows > MAX_ROWS) {
        rows = room - 1 < MAX_ROWS ? room - 1 : MAX_ROWS;
    }
    while (rows > SURE_ROWS && view->blame[rows - 1].bytes < view->peak_bytes / 100) {
        rows--;
    }
    unsigned lines = 1 + note_count + (outcome[0] != '\0' ? 1u : 0u) + (path != NULL ? 1u : 0u);
    if (headline[0] != '\0') {
        lines += write_sentence(&s, RED, headline, true);
    }
    write_first_line(&s);
    if (holder[0] != '\0' && holder_lines > 0) {
        lines += write_sentence(&s, "", holder, holder_lines > 1);
    }
    lines += write_resident(&s, long_resident);
    if (view->peak_bytes > 0) {
        write_rows(&s, rows);
        lines += rows;
        if (rows < view->peak_blame_count) {
            write_rest(&s, rows);
            lines++;
        }
    }
    write_notes(&s, notes, note_count, more_notes, MAX_LINES - lines);
    if (outcome[0] != '\0') {
        (void)write_sentence(&s, RED, outcome, false);
    }
    if (path != NULL) {
        char line[8192];
        (void)pk_text_clean(line, sizeof(line), path, sizeof(line), s.utf8, false);
        char *absolute = s.link_host != NULL ? realpath(path, NULL) : NULL;
        fputs("Report: ", out);
        bool is_link = pk_link_begin(out, s.link_host, absolute != NULL ? absolute : "", 0);
        fputs(line, out);
        pk_link_end(out, is_link);
        putc('\n', out);
        free(absolute);
    }
    return 0;
}
