/* SPDX-License-Identifier: Apache-2.0
 * Texts and paths inside the commands of a GitHub workflow. May use nothing. Must stay true: what
 * is written can neither end its command nor begin another. */
#pragma once

#include <stdbool.h>
#include <stdio.h>

/* `%` and line ends would be commands; `:` and `,` too, in a property. */
void pk_github_escape(FILE *out, const char *text, bool is_property);

/* Can a note stand beside a line of it? Code out of no file is called `<string>`, `<stdin>`. */
bool pk_github_is_file(const char *path);

/* As the workflow knows the file: relative to its checkout `root` (NULL or "": unknown), where it
 * is below that; else `path` itself. */
const char *pk_github_shorten(const char *path, const char *root);
