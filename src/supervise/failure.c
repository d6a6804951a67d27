/* SPDX-License-Identifier: Apache-2.0
 * See failure.h. */
#include "supervise/failure.h"

#include <stdarg.h>
#include <stdio.h>

int pk_failure_set(struct pk_failure *failure, int error, int status, const char *format, ...) {
    va_list arguments;

    failure->status = status;
    va_start(arguments, format);
    (void)vsnprintf(failure->text, sizeof(failure->text), format, arguments);
    va_end(arguments);
    return error;
}
