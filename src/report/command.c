/* SPDX-License-Identifier: Apache-2.0
 * See command.h. */
#include "report/command.h"

#include <stdlib.h>
#include <string.h>

#include "record/utf8.h"

static bool is_plain(const char *word) {
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "%+,-./:=@_";
    return word[0] != '\0' && word[strspn(word, plain)] == '\0';
}

static void write_word(FILE *out, const char *word) {
    if (is_plain(word)) {
        fputs(word, out);
        return;
    }
    putc('\'', out);
    for (; *word != '\0'; word++) {
        if (*word == '\'') {
            fputs("'\\''", out);
        } else {
            putc(*word, out);
        }
    }
    putc('\'', out);
}

char *pk_report_command(const struct pk_report *report) {
    char *const *argv = report->run == NULL ? NULL : report->run->argv;
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    if (out == NULL) {
        return NULL;
    }
    for (size_t i = 0; argv != NULL && argv[i] != NULL; i++) {
        if (i > 0) {
            putc(' ', out);
        }
        write_word(out, argv[i]);
    }
    bool is_short = ferror(out) != 0;
    if (fclose(out) != 0 || is_short) {
        free(text);
        return NULL;
    }
    (void)pk_utf8_repair(text, size);
    return text;
}

const char *pk_report_tool(const struct pk_report *report) {
    return report->run != NULL && report->run->tool != NULL ? report->run->tool : "peakline";
}
