/* SPDX-License-Identifier: Apache-2.0
 * The diff as a comment on a pull request, or a step summary. May use diff_model.h, display.h. Must
 * stay true: at most MAX_CHARACTERS characters (a comment takes 65,536); texts of the program are
 * inside code spans, where nothing is markup, a mention or a link; the hidden first line lets a
 * script find the comment again. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "report/diff_model.h"
#include "report/display.h"

#define MAX_CHARACTERS 60000u
#define FIRST_ROWS 10u
#define MAX_TEXT 160u /* columns of one source line or place */

/* A code span that ends nowhere but at its end: backticks become apostrophes, a bar would end the
 * cell of the table even inside code. */
static void write_code(FILE *out, const char *text) {
    char clean[4 * MAX_TEXT + 8];
    text += strspn(text, " \t\f");
    (void)pk_text_clean(clean, sizeof(clean), text, MAX_TEXT, true, false);
    if (clean[0] == '\0') {
        return;
    }
    putc('`', out);
    for (const char *at = clean; *at != '\0'; at++) {
        if (*at == '`') {
            putc('\'', out);
        } else if (*at == '|') {
            fputs("\\|", out);
        } else {
            putc(*at, out);
        }
    }
    putc('`', out);
}

static void write_number(FILE *out, uint64_t bytes) {
    char number[PK_NUMBER_ROOM];
    fputs(pk_format_bytes(number, bytes), out);
}

static void write_change(FILE *out, uint64_t before, uint64_t after) {
    char change[48];
    pk_diff_format_change(change, before, after, "\xe2\x88\x92");
    fputs(change, out);
}

static void write_head_row(FILE *out) {
    fputs("| change | before | after | line | source |\n| --: | --: | --: | :-- | :-- |\n", out);
}

static void write_row(const struct pk_diff *diff, const struct pk_diff_row *row, FILE *out) {
    char place[4096 + 32], origin[4096 + 512];
    const struct pk_profile_frame *line = pk_diff_line(diff, row->frame);

    fputs("| ", out);
    write_change(out, row->bytes[0], row->bytes[1]);
    fputs(" | ", out);
    write_number(out, row->bytes[0]);
    fputs(" | ", out);
    write_number(out, row->bytes[1]);
    fputs(" | ", out);
    pk_diff_place(line, row->frame, place, sizeof(place));
    write_code(out, place);
    fputs(" | ", out);
    if (line != NULL) {
        write_code(out, line->source[0] != '\0' || line->kind == PK_FILE_NONE ? line->source
                                                                              : line->name);
    }
    pk_diff_origin(diff, row->frame, origin, sizeof(origin));
    const struct pk_diff_frame *frame = row->frame < 0 ? NULL : &diff->frames[row->frame];
    if (frame != NULL && (frame->side[0] == NULL || frame->side[1] == NULL)) {
        fputs(frame->side[0] == NULL ? " new" : " gone", out);
    } else if (origin[0] != '\0') {
        putc(' ', out);
        write_code(out, origin);
    }
    fputs(row->is_noise ? " noise |\n" : " |\n", out);
}

static void write_sum(FILE *out, const char *words, const char *mark, const uint64_t bytes[2]) {
    fprintf(out, "| %s", mark);
    write_change(out, bytes[0], bytes[1]);
    fprintf(out, "%s | %s", mark, mark);
    write_number(out, bytes[0]);
    fprintf(out, "%s | %s", mark, mark);
    write_number(out, bytes[1]);
    fprintf(out, "%s | %s%s%s | |\n", mark, mark, words, mark);
}

static void write_side(const char *word, const struct pk_diff_side *side, FILE *out) {
    fprintf(out, "- %s: ", word);
    write_code(out, side->shown->name);
    fputs(", ", out);
    write_number(out, side->shown->peak_bytes);
    if (side->run_count > 1) {
        fprintf(out, " (median of %u runs, ", side->run_count);
        write_number(out, side->peak.least);
        fputs(" to ", out);
        write_number(out, side->peak.most);
        putc(')', out);
    }
    if (side->shown->command[0] != '\0') {
        fputs(", ", out);
        write_code(out, side->shown->command);
    }
    if (side->shown->python[0] != '\0') {
        fputs(", Python ", out);
        write_code(out, side->shown->python);
    }
    putc('\n', out);
}

static void write_headline(const struct pk_diff *diff, FILE *out) {
    uint64_t before = pk_diff_peak(diff, PK_DIFF_BEFORE), after = pk_diff_peak(diff, PK_DIFF_AFTER);
    char share[48];

    fputs("### Peak memory: ", out);
    if (before == after) {
        fputs("no change (", out);
        write_number(out, after);
        fputs(")\n\n", out);
        return;
    }
    write_change(out, before, after);
    pk_diff_format_share(share, before, after, "\xe2\x88\x92");
    fprintf(out, " (%s%s", before > 0 ? share : "", before > 0 ? "; " : "");
    write_number(out, before);
    fputs(" to ", out);
    write_number(out, after);
    fprintf(out, ")%s\n\n", diff->is_noise ? ", within the noise" : "");
}

/* All but the table: what it says is never cut. */
static void write_start(const struct pk_diff *diff, FILE *out) {
    fputs("<!-- peakline-diff -->\n", out);
    write_headline(diff, out);
}

static void write_end(const struct pk_diff *diff, FILE *out) {
    putc('\n', out);
    write_side("before", &diff->side[0], out);
    write_side("after", &diff->side[1], out);
    for (uint32_t i = 0; i < diff->note_count; i++) {
        fputs("- note: ", out);
        write_code(out, diff->notes[i]);
        putc('\n', out);
    }
}

/* The whole with `rows` rows in the tables. */
static void write_all(const struct pk_diff *diff, uint32_t rows, FILE *out) {
    uint64_t peaks[2] = {pk_diff_peak(diff, PK_DIFF_BEFORE), pk_diff_peak(diff, PK_DIFF_AFTER)};
    uint64_t rest[2] = {peaks[0], peaks[1]};
    uint32_t first = 0;
    while (first < rows && first < FIRST_ROWS && pk_diff_is_shown(diff, first)) {
        first++;
    }

    write_start(diff, out);
    write_head_row(out);
    for (uint32_t i = 0; i < first; i++) {
        write_row(diff, &diff->rows[i], out);
        rest[0] -= diff->rows[i].bytes[0];
        rest[1] -= diff->rows[i].bytes[1];
    }
    if (first < diff->row_count) {
        write_sum(out, "everything else", "", rest);
    }
    write_sum(out, "the peak", "**", peaks);
    if (rows > first) {
        fprintf(out, "\n<details><summary>%u more lines that changed</summary>\n\n", rows - first);
        write_head_row(out);
        for (uint32_t i = first; i < rows; i++) {
            write_row(diff, &diff->rows[i], out);
        }
        fputs("\n</details>\n", out);
    }
    write_end(diff, out);
}

static size_t count_characters(const char *text, size_t size) {
    size_t count = 0;
    for (size_t i = 0; i < size; i++) {
        count += ((unsigned char)text[i] & 0xc0u) != 0x80u ? 1u : 0u;
    }
    return count;
}

int pk_diff_write_markdown(const struct pk_diff *diff, FILE *out) {
    uint32_t rows = 0;
    while (rows < diff->row_count && diff->rows[rows].bytes[0] != diff->rows[rows].bytes[1]) {
        rows++; // lines without a change come last
    }
    rows = rows > 1000 ? 1000 : rows; // no row is shorter than 60 characters
    for (;;) {
        char *text = NULL;
        size_t size = 0;
        FILE *memory = open_memstream(&text, &size);
        if (memory == NULL) {
            return -ENOMEM;
        }
        write_all(diff, rows, memory);
        if (fclose(memory) != 0) {
            free(text);
            return -ENOMEM;
        }
        size_t characters = count_characters(text, size);
        if (characters <= MAX_CHARACTERS || rows == 0) {
            (void)fwrite(text, 1, size, out);
            free(text);
            return 0;
        }
        free(text);
        uint32_t fitting = (uint32_t)((uint64_t)rows * MAX_CHARACTERS / characters * 9 / 10);
        rows = fitting < rows ? fitting : rows - 1;
    }
}
