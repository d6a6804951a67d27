/* SPDX-License-Identifier: Apache-2.0
 * What the terminal behind a stream can show.
 * May use libc. Must stay true: without a terminal nothing but plain text is written. */
#pragma once

#include "supervise/failure.h"

#include <stdbool.h>

/* What --color takes. */
#define PK_TERM_WHEN "always never auto"

struct pk_term {
    bool tty;
    bool colour;
    bool links;     /* it shows OSC 8 hyperlinks */
    bool utf8;      /* the locale's encoding */
    unsigned width; /* columns */
};

/* Look at file descriptor `fd`. `when` is --color: "always", "never", "auto" or NULL. Then
 * NO_COLOR, FORCE_COLOR, CLICOLOR_FORCE and TERM=dumb decide, in this order, then whether it is a
 * terminal. */
struct pk_term pk_term_look(int fd, const char *when);

/* This machine's name for links, NULL where the terminal shows none. Static. */
const char *pk_term_link_host(const struct pk_term *term);

/* The colour rules alone. */
bool pk_term_wants_colour(bool tty, const char *when);

/* The rules for hyperlinks alone: FORCE_HYPERLINK (0: never) decides for a terminal; then whether
 * it is known to show them, which its own variables say. Never where --color is "never", and not in
 * CI. */
bool pk_term_wants_links(bool tty, const char *when);

/* Is it a word that --color takes (NULL: not given)? Returns 0, or -EINVAL with `failure` filled
 * (exit status 2). */
int pk_term_check_when(const char *when, struct pk_failure *failure);
