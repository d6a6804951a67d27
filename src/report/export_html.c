/* SPDX-License-Identifier: Apache-2.0
 * report.html: the embedded page with a title and the data put in.
 * May use model.h, page.h, slots.h. Must stay true: nothing of the program's texts reaches the
 * page unescaped: the title is escaped here, the data is JSON without any `<`, or base64. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "report/display.h"
#include "report/model.h"
#include "report/page.h"
#include "report/slots.h"

#define MIN_NODES 2000u

/* "app.py: 135.8 MiB - Peakline" */
static void write_title(const struct pk_report *report, FILE *out) {
    const struct pk_run_info *run = report->run;
    char number[PK_NUMBER_ROOM];
    if (run != NULL && run->argv != NULL && run->argv[0] != NULL) {
        const char *slash = strrchr(run->argv[0], '/');
        pk_slot_write_text(out, slash != NULL && slash[1] != '\0' ? slash + 1 : run->argv[0]);
        fputs(": ", out);
    }
    pk_slot_write_text(out, pk_format_bytes(number, report->view.peak_bytes));
    fputs(" - Peakline", out);
}

/* The page's data, as small as its limits say. `ret_data` is freed by the caller. */
static int make_data(const struct pk_report *report, uint32_t max_nodes, char **ret_data,
                     size_t *ret_size) {
    FILE *memory = open_memstream(ret_data, ret_size);
    if (memory == NULL) {
        *ret_data = NULL;
        return -ENOMEM;
    }
    uint32_t max_blame = max_nodes / 4 < PK_PAGE_MAX_BLAME ? max_nodes / 4 : PK_PAGE_MAX_BLAME;
    int r = pk_write_page_data(report, max_nodes, max_blame, memory);
    bool is_short = ferror(memory) != 0;
    if (fclose(memory) != 0 || is_short) {
        r = -ENOMEM;
    }
    return r;
}

/* Data small enough to be readable as it is, or packed; folded further until the page stays
 * mailable. What is folded then is thinner than a pixel. */
static int write_data(const struct pk_report *report, FILE *out) {
    uint32_t max_nodes = PK_PAGE_MAX_NODES;

    for (;;) {
        char *text = NULL;
        size_t size = 0;
        struct pk_slot_data data = {0};
        int r = make_data(report, max_nodes, &text, &size);
        r = r < 0 ? r : pk_slot_pack(text, size, &data);
        bool is_last =
            data.packed == NULL || data.written <= PK_PAGE_MAX_DATA_BYTES || max_nodes <= MIN_NODES;
        if (r >= 0 && is_last) {
            pk_slot_write_data(out, &data);
        }
        size_t written = data.written;
        pk_slot_free(&data);
        free(text);
        if (r < 0 || is_last) {
            return r;
        }
        uint32_t shown = max_nodes < report->view.tree.count ? max_nodes : report->view.tree.count;
        uint32_t fitting = (uint32_t)((uint64_t)shown * PK_PAGE_MAX_DATA_BYTES / written * 9 / 10);
        max_nodes = fitting < MIN_NODES ? MIN_NODES : fitting;
    }
}

int pk_write_html(const struct pk_report *report, FILE *out) {
    fputs((const char *)pk_page_head, out);
    write_title(report, out);
    fputs((const char *)pk_page_middle, out);
    int r = write_data(report, out);
    fputs((const char *)pk_page_tail, out);
    return r;
}
