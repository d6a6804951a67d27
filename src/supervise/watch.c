/* SPDX-License-Identifier: Apache-2.0
 * See watch.h. All signals are blocked since pk_spawn_start; they are taken one by one with
 * sigwaitinfo, so no code of ours ever runs inside a handler. */
#include "supervise/watch.h"

#include "supervise/witness.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* The program was stopped by `number`. Stop the same way, so that the shell sees its job stopped
 * for that reason. */
static void stop_with_program(int number) {
    struct timespec now = {0, 0};
    sigset_t one, pending, before;

    (void)sigpending(&pending);
    if (sigismember(&pending, SIGCONT) == 1) {
        return; // it has been told to go on since
    }
    (void)sigemptyset(&one);
    (void)sigaddset(&one, number);
    if (number != SIGSTOP) {
        // Our own copy of a Ctrl-Z must not stop us a second time.
        while (sigtimedwait(&one, NULL, &now) > 0) {
        }
    }
    (void)kill(getpid(), number);
    (void)sigprocmask(SIG_UNBLOCK, &one, &before); // stops here, returns after SIGCONT
    (void)sigprocmask(SIG_SETMASK, &before, NULL);
}

/* A child changed. Returns 1 when the program has ended, 0 when not, or a negative errno. */
static int reap(pid_t pid, struct pk_watched *watched) {
    for (;;) {
        pid_t changed = wait4(pid, &watched->status, WNOHANG | WUNTRACED, &watched->usage);
        if (changed == 0) {
            return 0;
        }
        if (changed < 0) {
            return -errno;
        }
        if (!WIFSTOPPED(watched->status)) {
            return 1;
        }
        stop_with_program(WSTOPSIG(watched->status));
    }
}

/* Does the program still have to be told of `number`? */
static bool is_for_program(const struct pk_witness *witness, int number, sigset_t *seen) {
    pk_witness_ask(witness, seen);
    if (sigismember(seen, number) == 1) {
        (void)sigdelset(seen, number);
        return false;
    }
    // Without a witness: the keyboard signals come from the keyboard, which sends them to the whole
    // group.
    bool from_keyboard =
        number == SIGINT || number == SIGQUIT || number == SIGTSTP || number == SIGWINCH;
    return witness->pid >= 0 || !from_keyboard;
}

static int take_signals(pid_t pid, const struct pk_witness *witness, struct pk_watched *watched) {
    sigset_t all, seen;

    (void)sigfillset(&all);
    (void)sigemptyset(&seen);
    for (;;) {
        siginfo_t info;
        int number = sigwaitinfo(&all, &info);
        if (number < 0) {
            if (errno == EINTR) {
                continue;
            }
            return -errno;
        }
        if (number == SIGCHLD) {
            int ended = reap(pid, watched);
            if (ended != 0) {
                return ended < 0 ? ended : 0;
            }
        } else if (is_for_program(witness, number, &seen)) {
            (void)kill(pid, number);
        }
    }
}

/* The program has ended: what is still pending was meant for it, and must not end us when signals
 * are let in again. */
static void drop_pending(void) {
    struct timespec now = {0, 0};
    sigset_t all;

    (void)sigfillset(&all);
    while (sigtimedwait(&all, NULL, &now) > 0) {
    }
}

static double subtract(const struct timespec *later, const struct timespec *earlier) {
    return (double)(later->tv_sec - earlier->tv_sec) +
           (double)(later->tv_nsec - earlier->tv_nsec) * 1e-9;
}

int pk_watch_wait(const struct pk_spawned *spawned, struct pk_watched *ret_watched) {
    struct timespec start, end;
    struct pk_witness witness;

    memset(ret_watched, 0, sizeof(*ret_watched));
    (void)clock_gettime(CLOCK_MONOTONIC, &start);
    (void)pk_witness_start(&witness);
    int error = take_signals(spawned->pid, &witness, ret_watched);
    drop_pending();
    pk_witness_stop(&witness);
    (void)clock_gettime(CLOCK_MONOTONIC, &end);
    (void)clock_gettime(CLOCK_REALTIME, &ret_watched->end);
    ret_watched->duration_s = subtract(&end, &start);
    return error;
}
