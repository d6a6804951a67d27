/* SPDX-License-Identifier: Apache-2.0
 * How every writer of the room ends. Uses the C library. */
#pragma once

#include <errno.h>
#include <stdio.h>

/* Did the file take all that was written? Returns 0, or a negative errno (-EIO: none was set). */
static inline int pk_stream_finish(FILE *out) {
    errno = 0;
    if (fflush(out) != 0 || ferror(out) != 0) {
        return errno != 0 ? -errno : -EIO;
    }
    return 0;
}
