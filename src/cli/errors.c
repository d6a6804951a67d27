/* SPDX-License-Identifier: Apache-2.0
 * See errors.h. */
#include "cli/errors.h"

#include <stdarg.h>
#include <stdio.h>

int pk_error_print(const struct pk_failure *failure) {
    char shown[sizeof(failure->text)];
    size_t length = 0;

    for (; failure->text[length] != '\0'; length++) {
        unsigned char letter = (unsigned char)failure->text[length];
        shown[length] = letter < 32 || letter == 127 ? '?' : (char)letter;
    }
    shown[length] = '\0';
    (void)fprintf(stderr, "peakline: %s\n", shown);
    return failure->status;
}

int pk_error_say(int status, const char *format, ...) {
    struct pk_failure failure = {.status = status};
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(failure.text, sizeof(failure.text), format, arguments);
    va_end(arguments);
    return pk_error_print(&failure);
}
