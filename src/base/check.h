/* SPDX-License-Identifier: Apache-2.0
 * Checks of our own logic, compiled in by the build option `checked` only (PK_CHECKED 1): a user's
 * program is not the place to find our mistakes. A failed check writes one line with a raw system
 * call and aborts: it never allocates. */
#pragma once

#include "base/attr.h"

PK_COLD _Noreturn void pk_check_failed(const char *condition, const char *file, int line);

#define PK_ASSERT(condition) \
    do { \
        if (PK_CHECKED && PK_UNLIKELY(!(condition))) { \
            pk_check_failed(#condition, __FILE__, __LINE__); \
        } \
    } while (0)
