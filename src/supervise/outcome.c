/* SPDX-License-Identifier: Apache-2.0
 * See outcome.h. */
#include "supervise/outcome.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

struct pk_outcome pk_outcome_from_status(int status) {
    struct pk_outcome outcome = {.by_signal = WIFSIGNALED(status)};

    if (outcome.by_signal) {
        outcome.signal = WTERMSIG(status);
    } else {
        outcome.code = WEXITSTATUS(status);
    }
    return outcome;
}

void pk_outcome_leave(const struct pk_outcome *outcome) {
    if (outcome->by_signal) {
        struct rlimit none = {0, 0};
        sigset_t one;

        // The limit stops core files, the flag stops pipes to a crash collector, which ignore the
        // limit.
        (void)setrlimit(RLIMIT_CORE, &none);
        (void)prctl(PR_SET_DUMPABLE, 0);
        (void)signal(outcome->signal, SIG_DFL);
        (void)sigemptyset(&one);
        (void)sigaddset(&one, outcome->signal);
        (void)kill(getpid(), outcome->signal);
        (void)sigprocmask(SIG_UNBLOCK, &one, NULL);
        // Still here: process 1 of a container, which default actions do not touch. Say it as
        // shells do.
        exit(128 + outcome->signal);
    }
    exit(outcome->code);
}
