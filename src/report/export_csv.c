/* SPDX-License-Identifier: Apache-2.0
 * CSV for spreadsheets and data frames: one row a blame line, as RFC 4180 has it (commas, CRLF,
 * doubled quotes, UTF-8 without a mark), with a row of names first.
 *
 * May use model.h, display.h. Must stay true: each column adds up to its total, peak_bytes to the
 * peak; no cell that comes from the program is a formula to a spreadsheet: one that begins like
 * one has an apostrophe put before it, as spreadsheets themselves mark text. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "report/display.h"
#include "report/model.h"

/* A cell that begins so may be taken for a formula; the last four are full-width forms. */
static bool is_formula(const char *text) {
    static const char *const starts[] = {
        "=", "+", "-", "@", "\xef\xbc\x9d", "\xef\xbc\x8b", "\xef\xbc\x8d", "\xef\xbc\xa0",
    };
    for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
        if (strncmp(text, starts[i], strlen(starts[i])) == 0) {
            return true;
        }
    }
    return false;
}

/* A text without its indentation: quoted, harmless, on one line. Returns 0 or -ENOMEM. */
static int write_text(FILE *out, const char *text) {
    text += strspn(text, " \t\f");
    size_t room = strlen(text) * 3 + 8; // a wrong byte becomes three
    char *clean = malloc(room);
    if (clean == NULL) {
        return -ENOMEM;
    }
    (void)pk_text_clean(clean, room, text, SIZE_MAX, true, false);
    fputs(is_formula(clean) ? "\"'" : "\"", out);
    for (const char *at = clean; *at != '\0'; at++) {
        if (*at == '"') {
            putc('"', out);
        }
        putc(*at, out);
    }
    putc('"', out);
    free(clean);
    return 0;
}

static int write_row(FILE *out, const struct pk_view *view, const struct pk_view_blame *blame) {
    static const char *const kinds[] = {"user", "library", "stdlib", "import", "none"};
    const char *path = "", *name = "[no stack]", *source = "", *kind = kinds[PK_FILE_NONE];
    uint32_t line = 0;

    if (blame->frame >= 0) {
        const struct pk_view_frame *frame = &view->frames[blame->frame];
        const struct pk_view_function *function = &view->functions[frame->function];
        path = view->files[function->file].path;
        kind = kinds[view->files[function->file].kind];
        name = function->name;
        source = frame->source;
        line = frame->line;
    }
    for (unsigned column = 0; column < PK_COLUMNS; column++) {
        fprintf(out, "%" PRIu64 ",", blame->columns[column]);
    }
    int r = write_text(out, path);
    fprintf(out, ",%" PRIu32 ",", line);
    r = r < 0 ? r : write_text(out, name);
    fprintf(out, ",%s,", kind);
    r = r < 0 ? r : write_text(out, source);
    fputs("\r\n", out);
    return r;
}

int pk_write_csv(const struct pk_report *report, FILE *out) {
    int r = 0;
    fputs("peak_bytes,peak_blocks,end_bytes,end_blocks,alloc_bytes,alloc_blocks,path,line,function,"
          "kind,source\r\n",
          out);
    for (uint32_t i = 0; i < report->view.blame_count && r >= 0; i++) {
        r = write_row(out, &report->view, &report->view.blame[i]);
    }
    return r;
}
