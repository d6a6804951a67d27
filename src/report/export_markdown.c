/* SPDX-License-Identifier: Apache-2.0
 * Markdown for pull requests and CI summaries: a sentence, the table of blame lines, the notes.
 *
 * May use model.h, display.h, command.h. Must stay true: nothing that comes from the program is
 * anything but text (no markup, no HTML, no mention, no reference to an issue): it stands in code
 * spans, or in <code> with every special character as an entity; a document is at most
 * MAX_BYTES long, so that it fits a comment; what is left out is said. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "report/command.h"
#include "report/display.h"
#include "report/model.h"

#define MAX_ROWS 20u
#define FIRST_LINES 3u /* as many as the sentence is about */
#define MAX_NOTES 5u
#define PLACE_COLUMNS 80u
#define SOURCE_COLUMNS 100u
#define NOTE_COLUMNS 240u
#define HOLDER_ROOM 160u /* bytes of its label, of its place */
#define CODE_ROOM 320u /* bytes of a cleaned text: columns have no bound where marks are combined */

/* The worst that a text can grow to is an entity of six bytes for each of its bytes: */
#define MAX_BYTES 65536u
_Static_assert(2048u + 6u * CODE_ROOM * (MAX_NOTES + 3u) + 6u * 2u * HOLDER_ROOM +
                       MAX_ROWS * (128u + 6u * (2u * PLACE_COLUMNS + 2u * SOURCE_COLUMNS)) <
                   MAX_BYTES,
               "a comment holds it");

/* Program text, made harmless. Inside a code span nothing is markup; what would end the span or
 * the table's cell is written as entities. */
static void write_code(FILE *out, const char *text) {
    if (text[0] == '\0') {
        return;
    }
    size_t size = strlen(text);
    if (strpbrk(text, "`|\\") == NULL && text[0] != ' ' && text[size - 1] != ' ') {
        fprintf(out, "`%s`", text);
        return;
    }
    fputs("<code>", out);
    for (; *text != '\0'; text++) {
        bool is_special = *text > ' ' && *text < 0x7f && strchr(".,/ ", *text) == NULL &&
                          !(*text >= '0' && *text <= '9') && !(*text >= 'A' && *text <= 'Z') &&
                          !(*text >= 'a' && *text <= 'z');
        if (is_special) {
            fprintf(out, "&#%d;", *text);
        } else {
            putc(*text, out);
        }
    }
    fputs("</code>", out);
}

static void write_clean_code(FILE *out, const char *text, size_t columns, size_t bytes) {
    char clean[CODE_ROOM];
    text += strspn(text, " \t\f");
    (void)pk_text_clean(clean, bytes, text, columns, true, false);
    write_code(out, clean);
}

static void write_place(FILE *out, const struct pk_report *report,
                        const struct pk_view_frame *frame) {
    const struct pk_view_function *function = &report->view.functions[frame->function];
    const struct pk_view_file *file = &report->view.files[function->file];
    char place[4096 + 32], clean[2 * PLACE_COLUMNS];

    if (file->kind == PK_FILE_NONE) {
        write_clean_code(out, function->name, PLACE_COLUMNS, sizeof(clean));
        return;
    }
    snprintf(place, sizeof(place), "%.4096s:%u", pk_path_spoken(&report->rules, file->path),
             frame->line);
    (void)pk_text_clean_place(clean, sizeof(clean), place, PLACE_COLUMNS, true);
    write_code(out, clean);
}

static void write_row(FILE *out, const struct pk_report *report,
                      const struct pk_view_blame *blame) {
    const struct pk_view *view = &report->view;
    char bytes[PK_NUMBER_ROOM], share[PK_NUMBER_ROOM], blocks[PK_NUMBER_ROOM];

    fprintf(out, "| %s | %s | %s | ", pk_format_bytes(bytes, blame->bytes),
            pk_format_share(share, blame->bytes, view->peak_bytes),
            pk_format_count(blocks, blame->blocks));
    if (blame->frame < 0) {
        fputs("`[no stack]` | ", out);
    } else {
        const struct pk_view_frame *frame = &view->frames[blame->frame];
        write_place(out, report, frame);
        fputs(" | ", out);
        write_clean_code(out, frame->source, SOURCE_COLUMNS, 2 * SOURCE_COLUMNS);
    }
    fputs(" |\n", out);
}

static void write_table(FILE *out, const struct pk_report *report) {
    const struct pk_view *view = &report->view;
    char bytes[PK_NUMBER_ROOM], share[PK_NUMBER_ROOM], count[PK_NUMBER_ROOM];
    uint32_t rows = view->peak_blame_count < MAX_ROWS ? view->peak_blame_count : MAX_ROWS;
    uint64_t rest = 0, rest_blocks = 0;

    if (rows == 0) {
        return;
    }
    fputs("\n| At the peak | Share | Blocks | Line | Source |\n"
          "| ---: | ---: | ---: | --- | --- |\n",
          out);
    for (uint32_t i = 0; i < rows; i++) {
        write_row(out, report, &view->blame[i]);
    }
    for (uint32_t i = rows; i < view->peak_blame_count; i++) {
        rest += view->blame[i].bytes;
        rest_blocks += view->blame[i].blocks;
    }
    if (rows < view->peak_blame_count) {
        char blocks[PK_NUMBER_ROOM];
        fprintf(out, "| %s | %s | %s | %s more line%s | |\n", pk_format_bytes(bytes, rest),
                pk_format_share(share, rest, view->peak_bytes),
                pk_format_count(blocks, rest_blocks),
                pk_format_count(count, view->peak_blame_count - rows),
                view->peak_blame_count - rows == 1 ? "" : "s");
    }
}

/* " in 3 of 9 processes": those that held something at the peak. */
static void write_processes(FILE *out, const struct pk_report *report) {
    const struct pk_view *view = &report->view;
    uint32_t holding = 0;
    for (uint32_t i = 0; i < view->process_count; i++) {
        holding += view->processes[i].tree_bytes > 0 ? 1u : 0u;
    }
    if (view->process_count > 1) {
        fprintf(out, " in %u of %u processes", holding, view->process_count);
    }
}

/* Which process and thread, where there are several. */
static void write_holder(FILE *out, const struct pk_report *report) {
    struct pk_holder_words words;

    pk_holder_say(&report->view, &report->rules, &report->holder, &words);
    for (unsigned i = 0; i < PK_HOLDER_PIECES && words.pieces[0][0] != '\0'; i++) {
        if (i % 2 == 1) {
            write_clean_code(out, words.pieces[i], PLACE_COLUMNS, HOLDER_ROOM);
        } else {
            fprintf(out, "%s%s", i == 0 ? " " : "", words.pieces[i]);
        }
    }
}

/* "`app.py` held at most **135.8 MiB** (142,344,123 bytes in 4,210 blocks), 12.4 s into a run of
 * 31.0 s. The first 3 lines hold 78.8 % of it." */
static int write_sentence(FILE *out, const struct pk_report *report) {
    char bytes[PK_NUMBER_ROOM], exact[PK_NUMBER_ROOM], blocks[PK_NUMBER_ROOM];
    char number[PK_NUMBER_ROOM];
    char *command = pk_report_command(report);

    if (command == NULL) {
        return -ENOMEM;
    }
    write_clean_code(out, command[0] != '\0' ? command : "python", SOURCE_COLUMNS, CODE_ROOM);
    free(command);
    fprintf(out, " held at most **%s** (%s bytes in %s block%s)",
            pk_format_bytes(bytes, report->view.peak_bytes),
            pk_format_count(exact, report->view.peak_bytes),
            pk_format_count(blocks, report->view.peak_blocks),
            report->view.peak_blocks == 1 ? "" : "s");
    write_processes(out, report);
    if (report->peak_time_ns >= 0) {
        fprintf(out, ", %s", pk_format_time(number, (uint64_t)report->peak_time_ns));
        if (report->duration_ns >= 0) {
            fprintf(out, " into a run of %s",
                    pk_format_time(number, (uint64_t)report->duration_ns));
        } else {
            fputs(" after its start", out);
        }
    }
    fputs(".", out);
    write_holder(out, report);
    uint64_t first = 0;
    for (uint32_t i = 0; i < FIRST_LINES && i < report->view.peak_blame_count; i++) {
        first += report->view.blame[i].bytes;
    }
    if (report->view.peak_blame_count > FIRST_LINES) {
        fprintf(out, " The first %u lines hold %s of it.", FIRST_LINES,
                pk_format_share(number, first, report->view.peak_bytes));
    }
    fputs("\n", out);
    return 0;
}

static void write_notes(FILE *out, const struct pk_report *report) {
    char outcome[160];
    uint32_t notes = report->warning_count < MAX_NOTES ? report->warning_count : MAX_NOTES;

    if (report->run != NULL && report->run->headline != NULL && report->run->headline[0] != '\0') {
        fputs("\n- ", out); // memory ran out
        write_clean_code(out, report->run->headline, NOTE_COLUMNS, CODE_ROOM);
        fputs("\n", out);
    }
    pk_report_outcome_sentence(report, outcome, sizeof(outcome));
    if (outcome[0] != '\0') {
        fprintf(out, "\n**%s**\n", outcome);
    }
    if (report->failed_note[0] != '\0' || notes > 0) {
        fputs("\n", out);
    }
    if (report->failed_note[0] != '\0') {
        fputs("- ", out);
        write_clean_code(out, report->failed_note, NOTE_COLUMNS, CODE_ROOM);
        fputs("\n", out);
    }
    for (uint32_t i = 0; i < notes; i++) {
        fputs("- ", out);
        write_clean_code(out, report->warnings[i], NOTE_COLUMNS, CODE_ROOM);
        fputs("\n", out);
    }
    if (notes < report->warning_count) {
        fprintf(out, "- %u more in the report\n", report->warning_count - notes);
    }
}

int pk_write_markdown(const struct pk_report *report, FILE *out) {
    char bytes[PK_NUMBER_ROOM];

    fprintf(out, "### Peak memory %s\n\n", pk_format_bytes(bytes, report->view.peak_bytes));
    int r = write_sentence(out, report);
    write_notes(out, report);
    write_table(out, report);
    return r;
}
