/* SPDX-License-Identifier: Apache-2.0
 * Which process, and which thread of it, held the most at the peak.
 * May use view.h, paths.h. Must stay true: bytes are those of the tree; nothing is said where there
 * was only one process with one thread. */
#pragma once

#include <stddef.h>

#include "report/view.h"

enum pk_holder_thread {
    PK_HOLDER_ONLY = 0,    /* there was no other thread, or they cannot be told apart */
    PK_HOLDER_MAIN = 1,    /* the process's main thread */
    PK_HOLDER_STARTED = 2, /* threads that one line started */
};

struct pk_holder {
    int64_t process; /* index into the view's processes; -1: it was the only one */
    uint64_t bytes;  /* of the process, or of the whole peak */
    enum pk_holder_thread thread;
    int32_t thread_frame;  /* PK_HOLDER_STARTED: the frame "[thread]"; else PK_FRAME_ROOT */
    uint64_t thread_bytes; /* of `bytes` */
};

/* Looks through the tree once. Returns 0 or -ENOMEM. */
int pk_holder_find(const struct pk_view *view, struct pk_holder *ret_holder);

/* The sentence in pieces, of which the odd ones are the program's own texts (a label, a place) and
 * may need to be made harmless: "Process 4711 (", "w.py", ") holds the most, 61.2 MiB (45.1 %),
 * 40.0 MiB of it in threads started at ", "w.py:12", ".". All are "" when there is nothing to tell
 * apart. */
#define PK_HOLDER_PIECES 5
struct pk_holder_words {
    char pieces[PK_HOLDER_PIECES][448];
};
void pk_holder_say(const struct pk_view *view, const struct pk_path_rules *rules,
                   const struct pk_holder *holder, struct pk_holder_words *ret_words);

/* All of it in one. */
void pk_holder_join(const struct pk_holder_words *words, char *ret_text, size_t size);
