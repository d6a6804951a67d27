/* SPDX-License-Identifier: Apache-2.0
 * diff.html: the page of web/diff.html with a title and the diff's JSON put in. May use
 * diff_model.h, page.h, slots.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "report/diff_model.h"
#include "report/display.h"
#include "report/json.h"
#include "report/page.h"
#include "report/slots.h"

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

int pk_diff_write_html(const struct pk_diff *diff, FILE *out) {
    char *text = NULL;
    size_t size = 0;
    struct pk_slot_data data = {0};

    fputs((const char *)pk_diff_page_head, out);
    write_title(diff, out);
    fputs((const char *)pk_diff_page_middle, out);
    FILE *memory = open_memstream(&text, &size);
    int r = memory == NULL ? -ENOMEM
                           : pk_diff_write_json(diff, PK_DIFF_PAGE_NODES, PK_DIFF_PAGE_ROWS,
                                                PK_JSON_HTML, memory);
    if (memory != NULL && fclose(memory) != 0) {
        r = -ENOMEM;
    }
    r = r < 0 ? r : pk_slot_pack(text, size, &data);
    if (r >= 0) {
        pk_slot_write_data(out, &data);
    }
    pk_slot_free(&data);
    free(text);
    fputs((const char *)pk_diff_page_tail, out);
    return r;
}
