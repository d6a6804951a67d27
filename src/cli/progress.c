/* SPDX-License-Identifier: Apache-2.0
 * See progress.h. A timer's handler writes; all it needs is made beforehand. */
#include "cli/progress.h"

#include "base/sys.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/time.h>
#include <unistd.h>

#define TICKS_A_SECOND 4
#define ERASE "\r\033[K"

static struct {
    bool is_running;
    volatile sig_atomic_t ticks; /* beyond the first second */
    char line[256];              /* up to the seconds */
    struct sigaction before;
} state;

static void show_line(int number) {
    char text[sizeof(state.line) + 24];
    int kept = errno;
    (void)number;

    size_t length = strlen(state.line);
    memcpy(text, state.line, length);
    length += pk_sys_decimal(1 + (uint32_t)state.ticks / TICKS_A_SECOND, text + length);
    memcpy(text + length, " s", 2);
    (void)!write(STDERR_FILENO, text, length + 2);
    state.ticks = state.ticks + 1;
    errno = kept;
}

static bool can_erase(void) {
    const char *terminal = getenv("TERM");
    return isatty(STDERR_FILENO) == 1 && terminal != NULL && terminal[0] != '\0' &&
           strcmp(terminal, "dumb") != 0;
}

void pk_progress_start(const char *doing) {
    struct sigaction show = {.sa_handler = show_line, .sa_flags = SA_RESTART};
    struct itimerval timer = {.it_value = {.tv_sec = 1},
                              .it_interval = {.tv_usec = 1000000 / TICKS_A_SECOND}};
    struct winsize size;
    int width = 79;

    if (state.is_running || !can_erase()) {
        return;
    }
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
        width = size.ws_col - 1; // a line that wraps cannot be taken back
    }
    int room = width - (int)strlen("peakline: , 9999 s");
    if (room < 10) {
        return;
    }
    int length = snprintf(state.line, sizeof(state.line), ERASE "peakline: %.*s, ",
                          room > 160 ? 160 : room, doing);
    for (int i = (int)strlen(ERASE); i < length; i++) {
        unsigned char letter = (unsigned char)state.line[i];
        if (letter < 32 || letter >= 127) {
            state.line[i] = '?'; // a name may hold anything; cut, it may be half a character
        }
    }
    state.ticks = 0;
    if (sigaction(SIGALRM, &show, &state.before) == 0) {
        state.is_running = setitimer(ITIMER_REAL, &timer, NULL) == 0;
    }
}

void pk_progress_end(void) {
    struct itimerval none = {0};

    if (!state.is_running) {
        return;
    }
    (void)setitimer(ITIMER_REAL, &none, NULL);
    (void)sigaction(SIGALRM, &state.before, NULL);
    state.is_running = false;
    if (state.ticks > 0) {
        (void)!write(STDERR_FILENO, ERASE, strlen(ERASE));
    }
}
