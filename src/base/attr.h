/* SPDX-License-Identifier: Apache-2.0
 * Compiler attributes, spelled once. May be used by everything; uses nothing. */
#pragma once

#define PK_LIKELY(x) __builtin_expect(!!(x), 1)
#define PK_UNLIKELY(x) __builtin_expect(!!(x), 0)
#define PK_COLD __attribute__((cold, noinline))
#define PK_NOINLINE __attribute__((noinline))
#define PK_INLINE static inline __attribute__((always_inline))
#define PK_EXPORT __attribute__((visibility("default")))
#define PK_PRINTF(fmt, first) __attribute__((format(printf, fmt, first)))
#define PK_LEN(array) (sizeof(array) / sizeof((array)[0]))
