/* SPDX-License-Identifier: Apache-2.0
 * Slots of the pages. */
#include "report/slots.h"

#include <stdlib.h>
#include <string.h>

#include "record/utf8.h"
#include "report/deflate.h"

#define PACK_ABOVE_BYTES \
    (200u << 10) /* smaller data stays readable, and needs no DecompressionStream */

void pk_slot_write_text(FILE *out, const char *text) {
    size_t size = strlen(text);
    for (size_t at = 0; at < size;) {
        uint32_t point;
        size_t taken = pk_utf8_decode(text + at, size - at, &point);
        if (taken == 0 || point < 0x20u || point == 0x7fu) {
            fputs("\xef\xbf\xbd", out);
            taken = 1;
        } else if (point < 0x80u && strchr("<>&\"'", (int)point) != NULL) {
            fprintf(out, "&#%u;", point);
        } else {
            fwrite(text + at, 1, taken, out);
        }
        at += taken;
    }
}

int pk_slot_pack(const char *text, size_t size, struct pk_slot_data *ret_data) {
    *ret_data = (struct pk_slot_data){0};
    if (size <= PACK_ABOVE_BYTES) {
        *ret_data = (struct pk_slot_data){.text = text, .size = size, .written = size};
        return 0;
    }
    int r = pk_gzip((const uint8_t *)text, size, &ret_data->packed, &ret_data->size);
    ret_data->written = ret_data->size / 3 * 4 + 4;
    return r;
}

void pk_slot_write_data(FILE *out, const struct pk_slot_data *data) {
    fprintf(out, "<script type=\"application/json\" id=\"peakline-data\" data-encoding=\"%s\">",
            data->text != NULL ? "json" : "gzip+base64");
    if (data->text != NULL) {
        fwrite(data->text, 1, data->size, out);
    } else {
        pk_base64_write(out, data->packed, data->size);
    }
    fputs("</script>", out);
}

void pk_slot_free(struct pk_slot_data *data) {
    free(data->packed);
    data->packed = NULL;
}
