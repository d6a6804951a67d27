/* SPDX-License-Identifier: Apache-2.0
 * See interrupt.h. The text is made beforehand: a handler may only write and unlink. */
#include "cli/interrupt.h"

#include "cli/output.h"

#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const int guarded[] = {SIGINT, SIGTERM, SIGHUP};

#define GUARDED_COUNT (sizeof(guarded) / sizeof(guarded[0]))

static struct {
    struct sigaction before[GUARDED_COUNT];
    char message[PATH_MAX + 128];
    char partial[PK_OUTPUT_PARTIAL_ROOM];
} state;

static void stop_report(int number) {
    (void)!write(STDERR_FILENO, state.message, strlen(state.message));
    if (state.partial[0] != '\0') {
        (void)unlink(state.partial);
    }
    (void)signal(number, SIG_DFL);
    (void)raise(number);
}

void pk_interrupt_guard(const char *directory, const char *partial) {
    struct sigaction stop = {.sa_handler = stop_report};

    (void)snprintf(
        state.message, sizeof(state.message),
        "\npeakline: report stopped, the measurement is kept; write it with: peakline report %s\n",
        directory);
    (void)snprintf(state.partial, sizeof(state.partial), "%s", partial != NULL ? partial : "");
    for (size_t i = 0; i < GUARDED_COUNT; i++) {
        (void)sigaction(guarded[i], NULL, &state.before[i]);
        bool ignored = state.before[i].sa_handler == SIG_IGN;
        if (!ignored) {
            (void)sigaction(guarded[i], &stop, NULL);
        }
    }
}

void pk_interrupt_release(void) {
    for (size_t i = 0; i < GUARDED_COUNT; i++) {
        (void)sigaction(guarded[i], &state.before[i], NULL);
    }
}
