/* SPDX-License-Identifier: Apache-2.0
 * See watch.h. All signals are blocked since pk_spawn_start; they are taken one by one with
 * sigtimedwait, so no code of ours ever runs inside a handler. */
#include "supervise/watch.h"

#include "base/clock.h"
#include "supervise/witness.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define USUAL_WAIT_S 1.0
#define LONGEST_WAIT_S 1e9 /* 30 years, as nanoseconds in 64 bits */
#define OTHERS_LOOK_NS UINT64_C(5000000)

/* What happens while the program runs. */
struct watch {
    pid_t program;
    const struct pk_watch_request *request;
    struct pk_witness witness;
    pid_t reporter; /* writes a report of the run so far; 0: nobody does */
};

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

/* As process 1 of a container we are given the orphans of all others; the remains of those that
 * ended would pile up until no process can be made. Our own children are for those who know them:
 * where one is met, its SIGCHLD is still to come, and the rest is collected then. */
static void collect_orphans(const struct watch *watch) {
    siginfo_t info = {0};
    while (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid > 0 &&
           info.si_pid != watch->program && info.si_pid != watch->witness.pid &&
           info.si_pid != watch->reporter && waitpid(info.si_pid, NULL, WNOHANG) > 0) {
        info.si_pid = 0;
    }
}

/* The user of a process that is not reaped yet. */
static uid_t find_user(pid_t pid) {
    char path[32];
    struct stat status;

    (void)snprintf(path, sizeof(path), "/proc/%d", (int)pid);
    return stat(path, &status) == 0 ? status.st_uid : geteuid();
}

/* A child changed. Returns 1 when the program has ended, 0 when not, or a negative errno. */
static int reap(struct watch *watch, struct pk_watched *watched) {
    if (watch->reporter > 0 && waitpid(watch->reporter, NULL, WNOHANG) == watch->reporter) {
        watch->reporter = 0;
    }
    // While it is not reaped its limits can still be asked for: it may have set them itself.
    (void)prlimit(watch->program, RLIMIT_AS, NULL, &watched->address_space);
    (void)prlimit(watch->program, RLIMIT_DATA, NULL, &watched->data);
    watched->user = find_user(watch->program);
    for (;;) {
        pid_t changed =
            wait4(watch->program, &watched->status, WNOHANG | WUNTRACED, &watched->usage);
        if (changed == 0) {
            collect_orphans(watch);
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

/* A report of the run so far, by a process of its own: the program's signals and its end do not
 * wait for it, and what it allocates goes with it. */
static void start_report(struct watch *watch) {
    if (watch->request->report_so_far == NULL || watch->reporter > 0) {
        return;
    }
    pid_t supervisor = getpid();
    watch->reporter = fork();
    if (watch->reporter == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() == supervisor) {
            watch->request->report_so_far(watch->request->context);
        }
        _exit(0);
    }
}

/* The last report is about to be written under the same name. */
static void stop_report(struct watch *watch) {
    if (watch->reporter > 0) {
        (void)kill(watch->reporter, SIGKILL);
        while (waitpid(watch->reporter, NULL, 0) < 0 && errno == EINTR) {
        }
        watch->reporter = 0;
    }
}

/* The next signal, or 0 when it is `until` (CLOCK_MONOTONIC, ns); a negative errno. */
static int take_signal(uint64_t until) {
    siginfo_t info;
    sigset_t all;

    (void)sigfillset(&all);
    for (;;) {
        uint64_t now = pk_clock_ns(CLOCK_MONOTONIC);
        uint64_t left = until > now ? until - now : 0;
        struct timespec pause = {.tv_sec = (time_t)(left / 1000000000u),
                                 .tv_nsec = (long)(left % 1000000000u)};
        int number = sigtimedwait(&all, &info, &pause);
        if (number > 0) {
            return number;
        }
        if (errno == EAGAIN) {
            return 0;
        }
        if (errno != EINTR) {
            return -errno;
        }
    }
}

static int take_signals(struct watch *watch, struct pk_watched *watched) {
    struct pk_sampler *sampler = watch->request->sampler;
    sigset_t seen;

    (void)sigemptyset(&seen);
    for (;;) {
        int number = take_signal(sampler->next_ns);
        if (number < 0) {
            return number;
        }
        if (number == SIGCHLD) {
            int ended = reap(watch, watched);
            if (ended != 0) {
                return ended < 0 ? ended : 0;
            }
        } else if (number > 0 && is_for_program(&watch->witness, number, &seen)) {
            if (number == SIGUSR2) {
                start_report(watch);
            } else {
                (void)kill(watch->program, number);
            }
        }
        if (pk_clock_ns(CLOCK_MONOTONIC) >= sampler->next_ns) { // also in a storm of signals
            pk_sampler_take(sampler, watch->program);
        }
    }
}

/* The program has ended, others of the run may not have. Whoever presses Ctrl-C or ends us has
 * waited long enough. */
static void wait_for_others(const struct watch *watch, struct pk_watched *watched) {
    const struct pk_watch_request *request = watch->request;
    // A session of its own is how a daemon says that nobody is to wait for it.
    pid_t session = request->wait_s < 0 ? getsid(0) : PK_ANY_SESSION;
    double wait_s = request->wait_s < 0 ? USUAL_WAIT_S : request->wait_s;
    wait_s = wait_s < LONGEST_WAIT_S ? wait_s : LONGEST_WAIT_S;
    uint64_t start = pk_clock_ns(CLOCK_MONOTONIC);
    uint64_t deadline = start + (uint64_t)(wait_s * 1e9);

    while (pk_sampler_others(request->sampler, watch->program, session, NULL, 0) > 0) {
        uint64_t now = pk_clock_ns(CLOCK_MONOTONIC);
        if (now >= deadline) {
            break;
        }
        if (now >= request->sampler->next_ns) {
            pk_sampler_take(request->sampler, 0); // the pid may be another's by now
        }
        uint64_t look = now + OTHERS_LOOK_NS;
        int number = take_signal(look < deadline ? look : deadline);
        if (number == SIGINT || number == SIGTERM || number == SIGHUP || number == SIGQUIT) {
            break;
        }
        if (number == SIGCHLD) {
            collect_orphans(watch);
        }
        watched->waited_ns = pk_clock_ns(CLOCK_MONOTONIC) - start;
    }
    watched->others = pk_sampler_others(request->sampler, watch->program, PK_ANY_SESSION,
                                        watched->other_pids, PK_WATCH_SHOWN);
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

int pk_watch_wait(const struct pk_spawned *spawned, const struct pk_watch_request *request,
                  struct pk_watched *ret_watched) {
    struct watch watch = {.program = spawned->pid, .request = request};

    memset(ret_watched, 0, sizeof(*ret_watched));
    request->sampler->program = spawned->pid;
    uint64_t start = pk_clock_ns(CLOCK_MONOTONIC);
    (void)pk_witness_start(&watch.witness);
    int error = take_signals(&watch, ret_watched);
    ret_watched->duration_ns = pk_clock_ns(CLOCK_MONOTONIC) - start;
    stop_report(&watch);
    if (error == 0) {
        wait_for_others(&watch, ret_watched);
        pk_sampler_bury(request->sampler);
    }
    drop_pending();
    pk_witness_stop(&watch.witness);
    return error;
}
