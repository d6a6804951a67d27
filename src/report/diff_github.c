/* SPDX-License-Identifier: Apache-2.0
 * The diff as annotations of a GitHub workflow: a note beside each of the lines that grew most.
 *
 *     ::warning file=app/load.py,line=12,title=Peak memory grew::+61.2 MiB at the peak: ...
 *
 * May use diff_model.h, display.h, github_text.h. Must stay true: nothing that comes from the
 * program can begin a command of its own; only lines of the user's own code that grew by more than
 * the noise. */
#include <string.h>

#include "report/diff_model.h"
#include "report/display.h"
#include "report/github_text.h"

#define MAX_NOTES 5u     /* a workflow shows ten of a step at most */
#define LEAST_SHARE 100u /* growth by less than a hundredth of the peak is no news */

static bool is_worth_a_note(const struct pk_diff_row *row, const struct pk_profile_frame *line,
                            uint64_t peak) {
    return line != NULL && line->kind == PK_FILE_USER && line->line > 0 &&
           pk_github_is_file(line->path) && !row->is_noise && row->bytes[1] > row->bytes[0] &&
           row->bytes[1] - row->bytes[0] >= peak / LEAST_SHARE;
}

/* Paths are said below the directory of the run; the workflow knows them below its checkout. */
static void write_path(const struct pk_diff *diff, const char *path, const char *root, FILE *out) {
    const char *directory = diff->side[PK_DIFF_AFTER].shown->directory;

    if (path[0] != '/' && root != NULL && root[0] != '\0') {
        const char *below = pk_github_shorten(directory, root);
        if (below != directory) {
            pk_github_escape(out, below, true);
            putc('/', out);
        }
    }
    pk_github_escape(out, pk_github_shorten(path, root), true);
}

int pk_diff_write_github(const struct pk_diff *diff, FILE *out,
                         const struct pk_diff_options *options) {
    uint64_t before = pk_diff_peak(diff, PK_DIFF_BEFORE), after = pk_diff_peak(diff, PK_DIFF_AFTER);
    const char *root = options != NULL ? options->root : NULL;
    uint32_t notes = 0;

    for (uint32_t i = 0; i < diff->row_count && notes < MAX_NOTES; i++) {
        const struct pk_diff_row *row = &diff->rows[i];
        const struct pk_profile_frame *line = pk_diff_line(diff, row->frame);
        char change[48], was[PK_NUMBER_ROOM], now[PK_NUMBER_ROOM];
        if (!is_worth_a_note(row, line, before > after ? before : after)) {
            continue;
        }
        pk_diff_format_change(change, row->bytes[0], row->bytes[1], "-");
        fputs("::warning file=", out);
        write_path(diff, line->path, root, out);
        fprintf(out, ",line=%u,title=Peak memory grew::%s at the peak: %s before, %s now\n",
                line->line, change, pk_format_bytes(was, row->bytes[0]),
                pk_format_bytes(now, row->bytes[1]));
        notes++;
    }
    return 0;
}
