/* SPDX-License-Identifier: Apache-2.0
 * Source lines of files that were edited, or are gone, since the run: from the page of the run,
 * which was written when they were as they had been. May use model.h, page_context.h. Must stay
 * true: nothing is taken but from a page of the same run, at the same path and line; a page that
 * cannot be read, or left sources out, is as none. */
#pragma once

#include "report/model.h"

/* Give the frames of changed and missing files their lines back (pk_source_fill comes first). A
 * file of which the page has all lines gets the status it had there. `dir` is the result directory.
 * Returns 0 or -ENOMEM. */
int pk_old_lines_take(struct pk_report *report, const char *dir);

/* A line of a file with is_old; "" when the page does not have it. */
const char *pk_old_line(const struct pk_report *report, uint32_t file, uint32_t line);
