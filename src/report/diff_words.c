/* SPDX-License-Identifier: Apache-2.0
 * The words and numbers of a diff, the same in all formats, and the limit on its growth. May use
 * diff_model.h, display.h. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <strings.h>

#include "report/diff_model.h"
#include "report/display.h"

const struct pk_profile_frame *pk_diff_line(const struct pk_diff *diff, int32_t frame) {
    if (frame < 0) {
        return NULL;
    }
    const struct pk_diff_frame *both = &diff->frames[frame];
    return both->side[1] != NULL ? both->side[1] : both->side[0];
}

const char *pk_diff_status(const struct pk_diff_row *row) {
    return row->bytes[0] == row->bytes[1]  ? "same"
           : row->bytes[0] == 0            ? "new"
           : row->bytes[1] == 0            ? "gone"
           : row->bytes[1] > row->bytes[0] ? "more"
                                           : "less";
}

bool pk_diff_is_shown(const struct pk_diff *diff, uint32_t row) {
    uint64_t before = diff->rows[row].bytes[0], after = diff->rows[row].bytes[1];
    uint64_t change = after > before ? after - before : before - after;
    uint64_t peaks[2] = {pk_diff_peak(diff, PK_DIFF_BEFORE), pk_diff_peak(diff, PK_DIFF_AFTER)};
    uint64_t most = peaks[0] > peaks[1] ? peaks[0] : peaks[1];
    return change > 0 && !diff->rows[row].is_noise && (row < 3 || change >= most / 1000);
}

const char *pk_diff_match_name(const struct pk_diff_frame *frame) {
    static const char *const names[] = {"none", "same", "moved", "similar", "place"};
    return frame->side[0] == NULL || frame->side[1] == NULL ? names[0] : names[frame->match.kind];
}

void pk_diff_place(const struct pk_profile_frame *line, int32_t frame, char *ret_text,
                   size_t size) {
    if (line == NULL) {
        snprintf(ret_text, size, "%s", frame == PK_FRAME_FOLDED ? "[smaller lines]" : "[no stack]");
    } else if (line->kind == PK_FILE_NONE) {
        snprintf(ret_text, size, "%.200s", line->name);
    } else {
        snprintf(ret_text, size, "%.4096s:%u", line->path, line->line);
    }
}

void pk_diff_origin(const struct pk_diff *diff, int32_t frame, char *ret_text, size_t size) {
    char place[4096 + 32], was[4096 + 300] = "", sure[32] = "";

    ret_text[0] = '\0';
    if (frame < 0) {
        return;
    }
    const struct pk_diff_frame *both = &diff->frames[frame];
    const struct pk_profile_frame *before = both->side[0], *after = both->side[1];
    if (before == NULL || after == NULL || after->kind == PK_FILE_NONE) {
        return;
    }
    if (both->match.kind == PK_MATCH_SIMILAR) {
        snprintf(sure, sizeof(sure), "similar %u %%", both->match.percent);
    } else if (both->match.kind == PK_MATCH_PLACE) {
        snprintf(sure, sizeof(sure), "by its place");
    }
    bool is_renamed = strcmp(before->name, after->name) != 0;
    pk_diff_place(before, 0, place, sizeof(place));
    if (strcmp(before->path, after->path) != 0) {
        snprintf(was, sizeof(was), "was %s", place);
    } else if (before->line != after->line || is_renamed) {
        snprintf(was, sizeof(was), "was line %u", before->line);
    }
    if (is_renamed) {
        size_t used = strlen(was);
        snprintf(was + used, sizeof(was) - used, " in %.200s", before->name);
    }
    snprintf(ret_text, size, "%s%s%s", sure, sure[0] != '\0' && was[0] != '\0' ? ", " : "", was);
}

void pk_diff_format_change(char ret_text[48], uint64_t before, uint64_t after, const char *minus) {
    char number[PK_NUMBER_ROOM];
    bool is_less = after < before;
    pk_format_bytes(number, is_less ? before - after : after - before);
    snprintf(ret_text, 48, "%s%s", before == after ? "" : is_less ? minus : "+", number);
}

void pk_diff_format_share(char ret_text[48], uint64_t before, uint64_t after, const char *minus) {
    char number[PK_NUMBER_ROOM];
    bool is_less = after < before;
    if (before == 0) {
        snprintf(ret_text, 48, "%s", after == 0 ? "" : "new");
        return;
    }
    pk_format_share(number, is_less ? before - after : after - before, before);
    snprintf(ret_text, 48, "%s%s", before == after ? "" : is_less ? minus : "+", number);
}

/* ---- the limit ------------------------------------------------------------------------------- */

bool pk_diff_exceeds(const struct pk_diff *diff, const struct pk_amount *limit, char *ret_sentence,
                     size_t size) {
    uint64_t before = pk_diff_peak(diff, PK_DIFF_BEFORE), after = pk_diff_peak(diff, PK_DIFF_AFTER);
    char change[48], share[48], from[PK_NUMBER_ROOM], to[PK_NUMBER_ROOM], most[PK_NUMBER_ROOM];

    ret_sentence[0] = '\0';
    if (after <= before || diff->is_noise) {
        return false;
    }
    uint64_t grown = after - before;
    // before * tenths / 1000 without overflow
    uint64_t allowed = limit->is_share
                           ? before / 1000 * limit->tenths + before % 1000 * limit->tenths / 1000
                           : limit->bytes;
    if (grown <= allowed) {
        return false;
    }
    pk_diff_format_change(change, before, after, "-");
    pk_diff_format_share(share, before, after, "-");
    if (limit->is_share) {
        snprintf(most, sizeof(most), "%" PRIu64 ".%" PRIu64 " %%", limit->tenths / 10,
                 limit->tenths % 10);
    } else {
        pk_format_bytes(most, limit->bytes);
    }
    snprintf(ret_sentence, size,
             "the peak grew by %s (%s), from %s to %s: more than the %s that --fail-on-increase "
             "allows",
             change + 1, share[0] == 'n' ? "from nothing" : share, pk_format_bytes(from, before),
             pk_format_bytes(to, after), most);
    return true;
}
