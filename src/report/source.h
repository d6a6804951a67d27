/* SPDX-License-Identifier: Apache-2.0
 * Source lines of Python files, as the files are now.
 * May use pool.h, record/utf8.h. Must stay true: only the wanted lines are kept; only ordinary
 * files are opened for reading, so nothing can make us wait; every line that comes out is UTF-8
 * without line ends and NULs. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "report/pool.h"
#include "report/view.h"

#define PK_SOURCE_MAX_FILE_BYTES (16u << 20) /* longer files are cut; lines beyond are unknown */
#define PK_SOURCE_MAX_CHARACTERS 500u        /* longer lines are cut and end in three dots */

/* The wanted lines of one file. `lines` are 1-based, ascending, without duplicates; ret_texts[i]
 * becomes the text of lines[i], from `pool`, or "" when there is no such line. `run_start_unix_ns`
 * is for the status; 0: unknown. Returns the status, or -ENOMEM. */
int pk_source_read_file(struct pk_pool *pool, const char *path, int64_t run_start_unix_ns,
                        const uint32_t *lines, size_t line_count, const char **ret_texts);

/* The same from a text in memory (the program of `-c`). Returns 0 or -ENOMEM. */
int pk_source_read_text(struct pk_pool *pool, const char *text, size_t size, const uint32_t *lines,
                        size_t line_count, const char **ret_texts);

/* The part of the frame's source that all its stacks came from, as its first character and the one
 * behind it. False: not known, or the file is not what it was. */
bool pk_source_part(const struct pk_view *view, uint32_t frame, uint32_t *ret_column,
                    uint32_t *ret_end);

/* Fill in the sources of all frames and the status of all files of a view. `command_text` is the
 * program given with -c, the source of `<string>`; or NULL. Returns 0 or -ENOMEM. */
int pk_source_fill(struct pk_view *view, int64_t run_start_unix_ns, const char *command_text);
