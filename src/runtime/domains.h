/* SPDX-License-Identifier: Apache-2.0
 * Python's three allocator domains and its arena allocator, wrapped; what lies below stays in
 * place. Two ways:
 *
 *   by the preload    before Python runs, for good
 *   by the program    while it runs, and undone again. Threads may be inside the wrappers at either
 *                     moment, or may have read half of a struct that is being replaced (the raw
 *                     domain is used without the GIL, and a free-threaded Python has none). So
 *                     these wrappers leave the context as it was: any mixture of old and new
 *                     functions with any context does what it should. */
#pragma once

#include <stdbool.h>

/* From the constructor, when the layout was looked for: once. */
void pk_domains_wrap(void);
/* Has start-up thrown the wrappers away (PYTHONMALLOC, -X dev)? Then wraps once more and says true,
 * once. */
bool pk_domains_wrap_again(void);

/* In a running interpreter, by a thread that holds the GIL and is not self->open. Any number of
 * times, in turns. Where another tool has wrapped the allocators since (tracemalloc), unwrapping
 * leaves ours below it, where they only forward; wrapping finds them there again. False: this
 * interpreter exports no allocators. */
bool pk_domains_wrap_running(void);
void pk_domains_unwrap_running(void);
