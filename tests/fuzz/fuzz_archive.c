/* SPDX-License-Identifier: Apache-2.0
 * Hostile pages and documents: any bytes as a file given to `peakline diff` or `peakline report`.
 * Reaches src/report/archive.c, inflate.c, json_in.c, json_tree.c, profile_raw.c, profile.c,
 * match.c, page_report.c and the writers of all formats.
 *
 * With libFuzzer: LLVMFuzzerTestOneInput. Without it: standalone.h, which changes right pages and
 * documents. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report/archive.h"
#include "report/deflate.h"
#include "report/match.h"
#include "report/model.h"
#include "report/profile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool condition, const char *what) {
    if (!condition) {
        fprintf(stderr, "fuzz_archive: violated: %s\n", what);
        abort();
    }
}

/* A profile that was taken keeps what its header promises. */
static void check_profile(const struct pk_profile *profile) {
    uint64_t bytes = 0, blocks = 0;
    for (uint32_t i = 0; i < profile->node_count; i++) {
        const struct pk_profile_node *node = &profile->nodes[i];
        expect(i == 0 ? node->parent == 0 : node->parent < i, "parents come first");
        expect(node->frame >= PK_FRAME_FOLDED && node->frame < (int64_t)profile->frame_count,
               "frames are in range");
        bytes += node->bytes;
        blocks += node->blocks;
    }
    expect(bytes == profile->peak_bytes && blocks == profile->peak_blocks, "stacks add up");
    bytes = 0;
    for (uint32_t i = 0; i < profile->blame_count; i++) {
        expect(profile->blame[i].frame >= PK_FRAME_FOLDED &&
                   profile->blame[i].frame < (int64_t)profile->frame_count,
               "blame lines are in range");
        bytes += profile->blame[i].bytes;
    }
    expect(bytes == profile->peak_bytes, "blame lines add up");

    struct pk_match_line *lines = calloc(profile->frame_count + 1, sizeof(*lines));
    struct pk_match *matches = calloc(profile->frame_count + 1, sizeof(*matches));
    for (uint32_t i = 0; i < profile->frame_count; i++) {
        const struct pk_profile_frame *frame = &profile->frames[i];
        lines[i] = (struct pk_match_line){frame->path, frame->name, frame->source, frame->line};
    }
    expect(pk_match_lines(lines, profile->frame_count, lines, profile->frame_count, matches) == 0,
           "a program matches itself");
    for (uint32_t i = 0; i < profile->frame_count; i++) {
        expect(matches[i].kind == PK_MATCH_SAME, "each line is itself");
    }
    free(lines);
    free(matches);
}

/* The page in every format but the page itself. */
static void write_page(const struct pk_archive *archive, uint64_t peak_bytes) {
    static FILE *nowhere;
    struct pk_report *report = NULL;
    char error[600] = "";
    uint64_t folded = 0, bytes = 0;

    nowhere = nowhere == NULL ? fopen("/dev/null", "w") : nowhere;
    if (pk_report_from_page(archive, "input", &report, &folded, error, sizeof(error)) < 0) {
        expect(report == NULL && strstr(error, "input") != NULL, "a report or an error");
        return;
    }
    for (uint32_t i = 0; i < report->view.tree.count; i++) {
        bytes += report->view.tree.bytes[i];
    }
    expect(bytes == peak_bytes && report->view.peak_bytes == bytes, "a page's stacks add up");
    for (int format = PK_FORMAT_TEXT; format <= PK_FORMAT_GITHUB; format++) {
        if (format != PK_FORMAT_JSON) { // which is copied, not written again
            const struct pk_report_options options = {.width = 80};
            (void)pk_report_write(report, (enum pk_report_format)format, nowhere, &options);
        }
    }
    pk_report_free(report);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct pk_archive archive;
    struct pk_profile *profile = NULL;
    char error[600] = "";

    char *copy = malloc(size > 0 ? size : 1); // ends where its memory ends
    if (copy == NULL) {
        return 0;
    }
    memcpy(copy, data, size);
    (void)pk_archive_is_text(copy, size);
    int r = pk_archive_extract(copy, size, "input", &archive, error, sizeof(error));
    free(copy);
    if (r == 0) {
        r = pk_profile_parse(archive.text, archive.size, "input", &profile, error, sizeof(error));
        if (r == 0 && archive.is_page) {
            write_page(&archive, profile->peak_bytes);
        }
        pk_archive_free(&archive);
    }
    expect((r == 0) == (profile != NULL), "a profile or an error");
    expect(r == 0 || strstr(error, "input") != NULL, "the error names the file");
    if (profile != NULL) {
        check_profile(profile);
        pk_profile_free(profile);
    }
    return 0;
}

#ifdef PK_FUZZ_STANDALONE
#include "standalone.h"

static const char document[] =
    "{\"format\":1,\"tool\":\"peakline "
    "0.1.0\",\"peak\":{\"bytes\":60,\"blocks\":3,\"time_s\":1.25},"
    "\"run\":{\"command\":[\"app.py\",\"x\"],\"directory\":\"/"
    "d\",\"started\":\"\",\"duration_s\":null,"
    "\"python\":\"3.11.7\"},\"warnings\":[\"one\"],\"blame\":[{\"bytes\":50,\"blocks\":2,\"path\":"
    "\"/d/a.py\",\"line\":3,\"function\":\"f\",\"source\":\"x = 1\",\"kind\":0},{\"bytes\":10,"
    "\"blocks\":1,\"path\":\"\",\"line\":0,\"function\":\"[no "
    "stack]\",\"source\":\"\",\"kind\":4}],"
    "\"files\":{\"path\":[\"/d/"
    "a.py\"],\"kind\":[0],\"status\":[0]},\"functions\":{\"name\":[\"f\",\"g\"],"
    "\"file\":[0,0],\"kind\":[0,0]},\"frames\":{\"function\":[0,1],\"line\":[3,7],\"started_by\":"
    "[-1,-1],\"source\":[\"x = 1\",\"y = "
    "f()\"]},\"stacks\":{\"parent\":[-1,0,1],\"frame\":[-1,1,0],"
    "\"bytes\":[10,0,50],\"blocks\":[1,0,2]},\"timeline\":{\"time_s\":[0,1.5],\"tracked_bytes\":[0,"
    "60]}}";
static const char page_data[] =
    "{\"format\":1,\"run\":{\"command\":[],\"directory\":\"\"},\"peak\":{\"bytes\":60,\"blocks\":3}"
    ","
    "\"files\":{\"path\":[\"/d/"
    "a.py\",\"\"],\"kind\":[0,4],\"status\":[0,0]},\"functions\":{\"name\":"
    "[\"f\",\"[thread]\"],\"file\":[0,1],\"kind\":[0,6]},\"frames\":{\"function\":[0,1],\"line\":["
    "3,0],"
    "\"started_by\":[-1,0],\"source\":[\"x = "
    "1\",\"\"]},\"stacks\":{\"up\":[0,1,1],\"frame\":[-1,1,0],"
    "\"bytes\":[10,0,50],\"blocks\":[1,0,2]},\"blame\":{\"frame\":[0,-1],\"bytes\":[50,10],"
    "\"blocks\":[2,1]},\"processes\":[{\"pid\":7,\"frame\":1,\"shown\":true,"
    "\"bytes_at_tree_peak\":50,\"label\":\"a.py\"},{\"pid\":8,\"frame\":0}],\"maps\":[{\"path\":\"/"
    "f\",\"bytes\":9}],"
    "\"failed\":{\"bytes\":5,\"count\":2,\"frame\":1}}";

/* The same as a page, plain or packed. Returns the length in `ret_page`. */
static size_t make_page(bool is_packed, char *ret_page, size_t room) {
    FILE *out = fmemopen(ret_page, room, "w");
    fprintf(out,
            "<!DOCTYPE html><title>x</title><script type=\"application/json\" "
            "id=\"peakline-data\" data-encoding=\"%s\">",
            is_packed ? "gzip+base64" : "json");
    if (is_packed) {
        uint8_t *packed;
        size_t size;
        if (pk_gzip((const uint8_t *)page_data, sizeof(page_data) - 1, &packed, &size) < 0) {
            abort();
        }
        pk_base64_write(out, packed, size);
        free(packed);
    } else {
        fputs(page_data, out);
    }
    fputs("</script></html>", out);
    long length = ftell(out);
    fclose(out);
    return (size_t)length;
}

/* A byte, a piece left out, a piece twice, or a number made another. */
static size_t mutate(char *input, size_t size, size_t room) {
    size_t place = next_random() % size, length = next_random() % 20 + 1;
    length = length > size - place ? size - place : length;
    switch (next_random() % 4) {
    case 0:
        input[place] = (char)next_random();
        return size;
    case 1:
        memmove(input + place, input + place + length, size - place - length);
        return size - length > 0 ? size - length : 1;
    case 2:
        if (size + length <= room) {
            memmove(input + place + length, input + place, size - place);
            return size + length;
        }
        return size;
    default:
        for (size_t i = place; i < size; i++) {
            if (input[i] >= '0' && input[i] <= '9') {
                input[i] = (char)('0' + next_random() % 10);
                break;
            }
        }
        return size;
    }
}

static char seeds[3][4096];
static size_t sizes[3];

static void make_seeds(void) {
    sizes[0] = sizeof(document) - 1;
    memcpy(seeds[0], document, sizes[0]);
    sizes[1] = make_page(false, seeds[1], sizeof(seeds[1]));
    sizes[2] = make_page(true, seeds[2], sizeof(seeds[2]));
    for (int i = 0; i < 3; i++) { // unchanged, each is a profile
        struct pk_archive archive;
        struct pk_profile *profile;
        char error[600];
        expect(pk_archive_extract(seeds[i], sizes[i], "seed", &archive, error, sizeof(error)) ==
                       0 &&
                   pk_profile_parse(archive.text, archive.size, "seed", &profile, error,
                                    sizeof(error)) == 0,
               "the seeds are right");
        check_profile(profile);
        pk_profile_free(profile);
        pk_archive_free(&archive);
    }
}

static void run_round(void) {
    static char input[8192];
    uint32_t which = next_random() % 3;
    size_t size = sizes[which];
    memcpy(input, seeds[which], size);
    for (uint32_t changes = next_random() % 5; changes > 0; changes--) {
        size = mutate(input, size, sizeof(input));
    }
    (void)LLVMFuzzerTestOneInput((const uint8_t *)input, size);
}
#endif
