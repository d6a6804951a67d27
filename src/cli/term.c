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

bool pk_term_wants_links(bool tty, const char *when) {
    static const char *const owners[] = {
        "KITTY_WINDOW_ID", "WT_SESSION",   "KONSOLE_VERSION",       "DOMTERM",
        "ALACRITTY_LOG",   "WEZTERM_PANE", "GHOSTTY_RESOURCES_DIR", "ITERM_SESSION_ID"};
    static const char *const kinds[] = {"xterm-kitty", "alacritty", "foot",  "xterm-ghostty",
                                        "wezterm",     "contour",   "mintty"};
    static const char *const programs[] = {"vscode", "WezTerm", "iTerm.app", "ghostty",
                                           "Hyper",  "mintty",  "rio",       "Tabby"};
    const char *terminal = getenv("TERM"), *program = getenv("TERM_PROGRAM");
    const char *vte = getenv("VTE_VERSION");

    bool is_off = when != NULL && strcmp(when, "never") == 0;
    if (!tty || is_off || terminal == NULL || strcmp(terminal, "dumb") == 0) {
        return false;
    }
    if (is_set("FORCE_HYPERLINK")) {
        return is_forced("FORCE_HYPERLINK");
    }
    if (is_set("CI") || is_set("STY") || strcmp(terminal, "linux") == 0) {
        return false; // STY: GNU screen
    }
    for (size_t i = 0; i < sizeof(owners) / sizeof(owners[0]); i++) {
        if (is_set(owners[i])) {
            return true;
        }
    }
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (strncmp(terminal, kinds[i], strlen(kinds[i])) == 0) {
            return true;
        }
    }
    for (size_t i = 0; program != NULL && i < sizeof(programs) / sizeof(programs[0]); i++) {
        if (strcmp(program, programs[i]) == 0) {
            return true;
        }
    }
    return vte != NULL && strtoul(vte, NULL, 10) > 5000; // 0.50 and older crashed
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
    term.links = pk_term_wants_links(term.tty, when);
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

const char *pk_term_link_host(const struct pk_term *term) {
    static char host[256];
    if (!term->links || gethostname(host, sizeof(host) - 1) != 0) {
        return NULL;
    }
    return host;
}
