/* SPDX-License-Identifier: Apache-2.0
 * The loaded objects' references to the allocation functions, led to our hooks and back again.
 *
 * Each object (the program, its libraries, the extension modules; libc too, for strdup and the
 * like) has a table of addresses that the dynamic linker fills from its relocation entries. Entries
 * for the names we hook are rewritten in place; their pages are made writable for the moment where
 * the linker has protected them. Nothing is remembered of them: leading back means walking the
 * tables again and writing the real function wherever our hook is found. So objects may be loaded
 * and unloaded in between.
 *
 * Only references that lead (or, not yet bound, will lead) to the function behind our hook are
 * taken: an object that has an allocator of its own keeps it, malloc with its free. The dynamic
 * linker itself and this library are left alone. */
#pragma once

#include <stdbool.h>

/* Leads all references to the hooks; again for what was loaded since. dl_iterate_phdr() keeps
 * callers apart. */
void pk_redirect(void);
/* Leads them back to the real functions. */
void pk_redirect_undo(void);
