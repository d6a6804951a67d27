/* SPDX-License-Identifier: Apache-2.0
 * diff.html: the page of web/diff.html with a title and the diff's JSON put in. May use
 * diff_model.h, page.h, slots.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "report/diff_model.h"
#include "report/display.h"
#include "report/json.h"
#include "report/model.h"
#include "report/page.h"
#include "report/slots.h"

#define MIN_NODES 2000u

/* "+14.4 MiB: old to new - Peakline" */
static void write_title(const struct pk_diff *diff, FILE *out) {
    char change[48];
    pk_diff_format_change(change, pk_diff_peak(diff, PK_DIFF_BEFORE),
                          pk_diff_peak(diff, PK_DIFF_AFTER), "\xe2\x88\x92");
    pk_slot_write_text(out, change);
    fputs(": ", out);
    pk_slot_write_text(out, diff->side[0].shown->name);
    fputs(" to ", out);
    pk_slot_write_text(out, diff->side[1].shown->name);
    fputs(" - Peakline", out);
}

/* The diff's JSON with so many nodes, packed. `ret_text` is freed by the caller. */
static int make_data(const struct pk_diff *diff, uint32_t max_nodes, char **ret_text,
                     struct pk_slot_data *ret_data) {
    uint32_t max_rows = max_nodes / 6 < PK_DIFF_PAGE_ROWS ? max_nodes / 6 : PK_DIFF_PAGE_ROWS;
    size_t size = 0;
    *ret_text = NULL;
    FILE *memory = open_memstream(ret_text, &size);
    if (memory == NULL) {
        return -ENOMEM;
    }
    int r = pk_diff_write_json(diff, max_nodes, max_rows, PK_JSON_HTML, memory);
    if (fclose(memory) != 0) {
        r = -ENOMEM;
    }
    return r < 0 ? r : pk_slot_pack(*ret_text, size, ret_data);
}

/* Folded further until the page stays mailable: what is folded then is thinner than a pixel. */
static int write_data(const struct pk_diff *diff, FILE *out) {
    for (uint32_t max_nodes = PK_DIFF_PAGE_NODES;; max_nodes = max_nodes * 2 / 3) {
        struct pk_slot_data data = {0};
        char *text;
        int r = make_data(diff, max_nodes, &text, &data);
        bool is_last =
            data.packed == NULL || data.written <= PK_PAGE_MAX_DATA_BYTES || max_nodes <= MIN_NODES;
        if (r >= 0 && is_last) {
            pk_slot_write_data(out, &data);
        }
        pk_slot_free(&data);
        free(text);
        if (r < 0 || is_last) {
            return r;
        }
    }
}

int pk_diff_write_html(const struct pk_diff *diff, FILE *out) {
    fputs((const char *)pk_diff_page_head, out);
    write_title(diff, out);
    fputs((const char *)pk_diff_page_middle, out);
    int r = write_data(diff, out);
    fputs((const char *)pk_diff_page_tail, out);
    return r;
}
