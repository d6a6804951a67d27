/* SPDX-License-Identifier: Apache-2.0
 * See term.h. */
#include "cli/term.h"

#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define USUAL_WIDTH 80
#define LEAST_WIDTH 40
#define MOST_WIDTH 1000

static bool is_set(const char *name) {
    const char *value = getenv(name);
    return value != NULL && value[0] != '\0';
}

/* Set to something other than 0: what FORCE_COLOR and CLICOLOR_FORCE mean by "on". */
static bool is_forced(const char *name) {
    return is_set(name) && strcmp(getenv(name), "0") != 0;
}

bool pk_term_wants_colour(bool tty, const char *when) {
    const char *terminal = getenv("TERM");

    if (when != NULL && strcmp(when, "auto") != 0) {
        return strcmp(when, "always") == 0;
    }
    if (is_set("NO_COLOR")) {
        return false;
    }
    if (is_forced("FORCE_COLOR") || is_forced("CLICOLOR_FORCE")) {
        return true;
    }
    return tty && !(terminal != NULL && strcmp(terminal, "dumb") == 0);
}

static unsigned find_width(int fd) {
    struct winsize size;
    const char *columns = getenv("COLUMNS");
    unsigned long width = 0;

    if (ioctl(fd, TIOCGWINSZ, &size) == 0) {
        width = size.ws_col;
    }
    if (width == 0 && columns != NULL) {
        width = strtoul(columns, NULL, 10);
    }
    if (width == 0) {
        return USUAL_WIDTH;
    }
    return width < LEAST_WIDTH ? LEAST_WIDTH : width > MOST_WIDTH ? MOST_WIDTH : (unsigned)width;
}

struct pk_term pk_term_look(int fd, const char *when) {
    struct pk_term term = {.tty = isatty(fd) == 1, .width = find_width(fd)};

    term.colour = pk_term_wants_colour(term.tty, when);
    (void)setlocale(LC_CTYPE, "");
    term.utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
    return term;
}

int pk_term_check_when(const char *when, struct pk_failure *failure) {
    if (when == NULL || strcmp(when, "auto") == 0 || strcmp(when, "always") == 0 ||
        strcmp(when, "never") == 0) {
        return 0;
    }
    return pk_failure_set(failure, -EINVAL, PK_EXIT_USAGE,
                          "--color takes always, never or auto, not %s", when);
}
