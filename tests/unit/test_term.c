/* SPDX-License-Identifier: Apache-2.0
 * src/cli/term and src/cli/browser: colour and browser only where a person wants them. */
#include "cli/term.h"

#include "check.h"
#include "cli/browser.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* Start from a known environment: exactly these "NAME=VALUE" entries. */
static void set_environment(const char *const *entries) {
    clearenv();
    for (; *entries != NULL; entries++) {
        putenv((char *)(uintptr_t)*entries);
    }
}

#define WITH(...) set_environment((const char *const[]){__VA_ARGS__, NULL})

static void a_terminal_gets_colour_and_a_file_does_not(void) {
    WITH("TERM=xterm");
    CHECK(pk_term_wants_colour(true, NULL));
    CHECK(pk_term_wants_colour(true, "auto"));
    CHECK(!pk_term_wants_colour(false, NULL));
    WITH("TERM=dumb");
    CHECK(!pk_term_wants_colour(true, NULL));
}

static void the_flag_beats_the_environment(void) {
    WITH("NO_COLOR=1");
    CHECK(pk_term_wants_colour(false, "always"));
    WITH("FORCE_COLOR=1");
    CHECK(!pk_term_wants_colour(true, "never"));
}

static void no_color_beats_force_color(void) {
    WITH("NO_COLOR=1", "FORCE_COLOR=1");
    CHECK(!pk_term_wants_colour(true, NULL));
    WITH("NO_COLOR=", "FORCE_COLOR=1");
    CHECK(pk_term_wants_colour(false, NULL));
    WITH("CLICOLOR_FORCE=0");
    CHECK(!pk_term_wants_colour(false, NULL));
    WITH("CLICOLOR_FORCE=1", "TERM=dumb");
    CHECK(pk_term_wants_colour(false, NULL));
}

static void width_comes_from_columns_without_a_terminal(void) {
    int ends[2];

    CHECK_EQ(pipe(ends), 0);
    WITH("COLUMNS=123");
    CHECK_EQ(pk_term_look(ends[1], NULL).width, 123);
    WITH("COLUMNS=x");
    CHECK_EQ(pk_term_look(ends[1], NULL).width, 80);
    WITH("COLUMNS=3");
    CHECK_EQ(pk_term_look(ends[1], NULL).width, 40);
    CHECK(!pk_term_look(ends[1], NULL).tty);
    close(ends[0]);
    close(ends[1]);
}

static void encoding_comes_from_the_locale(void) {
    WITH("LC_ALL=C");
    CHECK(!pk_term_look(2, NULL).utf8);
    WITH("LC_ALL=C.UTF-8");
    CHECK(pk_term_look(2, NULL).utf8);
}

static void a_browser_needs_a_person_and_a_display(void) {
    WITH("DISPLAY=:0");
    CHECK(pk_browser_is_welcome(true));
    CHECK(!pk_browser_is_welcome(false));
    WITH("WAYLAND_DISPLAY=wayland-0");
    CHECK(pk_browser_is_welcome(true));
    WITH("HOME=/root");
    CHECK(!pk_browser_is_welcome(true));
}

static void robots_and_ssh_get_no_browser(void) {
    WITH("DISPLAY=:0", "CI=true");
    CHECK(!pk_browser_is_welcome(true));
    WITH("DISPLAY=:0", "PYTEST_CURRENT_TEST=x");
    CHECK(!pk_browser_is_welcome(true));
    WITH("DISPLAY=localhost:10.0", "SSH_CONNECTION=1.2.3.4 1 5.6.7.8 22");
    CHECK(!pk_browser_is_welcome(true));
    WITH("BROWSER=/opt/remote-open", "SSH_CONNECTION=1.2.3.4 1 5.6.7.8 22");
    CHECK(pk_browser_is_welcome(true));
    WITH("BROWSER=/opt/remote-open", "CI=1");
    CHECK(!pk_browser_is_welcome(true));
}

static void links_are_for_terminals_that_show_them(void) {
    WITH("TERM=xterm-256color", "VTE_VERSION=7200");
    CHECK(pk_term_wants_links(true, NULL));
    CHECK(!pk_term_wants_links(false, NULL));
    CHECK(!pk_term_wants_links(true, "never"));
    WITH("TERM=xterm-256color"); // nobody says which terminal it is
    CHECK(!pk_term_wants_links(true, NULL));
    WITH("TERM=xterm-256color", "VTE_VERSION=5000"); // it crashed on them
    CHECK(!pk_term_wants_links(true, NULL));
    WITH("TERM=xterm-kitty");
    CHECK(pk_term_wants_links(true, NULL));
    WITH("TERM=xterm-256color", "TERM_PROGRAM=vscode");
    CHECK(pk_term_wants_links(true, NULL));
    WITH("TERM=xterm-256color", "WT_SESSION=1", "CI=true");
    CHECK(!pk_term_wants_links(true, NULL));
    WITH("TERM=dumb", "FORCE_HYPERLINK=1");
    CHECK(!pk_term_wants_links(true, NULL));
    WITH("TERM=xterm", "FORCE_HYPERLINK=1");
    CHECK(pk_term_wants_links(true, NULL));
    CHECK(!pk_term_wants_links(false, NULL));
    WITH("TERM=xterm-kitty", "FORCE_HYPERLINK=0");
    CHECK(!pk_term_wants_links(true, NULL));
    WITH("TERM=linux", "WT_SESSION=1"); // the console writes out what it does not know
    CHECK(!pk_term_wants_links(true, NULL));
}

/* A browser that writes down what it was asked to show. */
static void a_browser_is_given_a_url(void) {
    char script[] = "/tmp/pk-browser-XXXXXX", variable[64], got[256] = "";
    int fd = mkstemp(script), ends[2];

    CHECK(fd >= 0);
    CHECK_EQ(pipe(ends), 0); // inherited by the browser, so that its end can be awaited
    dprintf(fd, "#!/bin/sh\nprintf '%%s' \"$1\" >/proc/self/fd/%d\n", ends[1]);
    CHECK_EQ(fchmod(fd, 0700), 0);
    close(fd);
    snprintf(variable, sizeof(variable), "BROWSER=%s:other", script);
    WITH(variable, "PATH=/usr/bin:/bin");
    CHECK(pk_browser_open("/home/me/a b#1%.html"));
    close(ends[1]);
    CHECK(read(ends[0], got, sizeof(got) - 1) > 0);
    CHECK_STR(got, "file:///home/me/a%20b%231%25.html");
    WITH("BROWSER=/no/such/browser");
    CHECK(!pk_browser_open("/x.html"));
    CHECK_EQ(unlink(script), 0);
    close(ends[0]);
}

int main(int argc, char **argv) {
    static const struct check_test tests[] = {
        TEST(a_terminal_gets_colour_and_a_file_does_not),
        TEST(the_flag_beats_the_environment),
        TEST(no_color_beats_force_color),
        TEST(width_comes_from_columns_without_a_terminal),
        TEST(encoding_comes_from_the_locale),
        TEST(a_browser_needs_a_person_and_a_display),
        TEST(robots_and_ssh_get_no_browser),
        TEST(links_are_for_terminals_that_show_them),
        TEST(a_browser_is_given_a_url),
    };
    return check_run(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
