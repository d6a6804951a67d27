/* SPDX-License-Identifier: Apache-2.0
 * Checks in three tiers, chosen by one constant: PK_CHECK_LEVEL 0 none, 1 cheap ones (the release build),
 * 2 our own logic, 3 walks over whole tables after every so many events (the checked build).
 * A failed check writes one line with a raw system call and aborts: it never allocates. */
#pragma once

#include "base/attr.h"

#ifndef PK_CHECK_LEVEL
#define PK_CHECK_LEVEL 1
#endif

PK_COLD _Noreturn void pk_check_failed(const char *condition, const char *file, int line);

#define PK_CHECK_AT(level, condition) \
    do { \
        if (PK_CHECK_LEVEL >= (level) && PK_UNLIKELY(!(condition))) { \
            pk_check_failed(#condition, __FILE__, __LINE__); \
        } \
    } while (0)

#define PK_ASSERT(condition) PK_CHECK_AT(2, condition)
