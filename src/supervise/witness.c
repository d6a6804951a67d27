/* SPDX-License-Identifier: Apache-2.0
 * See witness.h. */
#include "supervise/witness.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef SYS_close_range
#define SYS_close_range 436 // the same on all machines; headers of before 2020 do not know it
#endif

#define OLD_KERNEL_FILES 1024 /* before Linux 5.9 files are closed one by one */

/* Take all pending signals; bit N-1 stands for signal N. */
static uint64_t take_pending(void) {
    struct timespec now = {0, 0};
    uint64_t taken = 0;
    sigset_t all;

    (void)sigfillset(&all);
    for (;;) {
        int number = sigtimedwait(&all, NULL, &now);
        if (number <= 0) {
            return taken;
        }
        taken |= UINT64_C(1) << (number - 1);
    }
}

/* `pkill peakline` and `pkill -f 'peakline run'` mean the supervisor: a witness that is hit too
 * would say that the whole group was. So it is called otherwise, in /proc/PID/cmdline too, which is
 * the memory of the words that main() got. */
static void change_name(void) {
    static const char name[] = "signal-witness";
    char words[4096];
    ssize_t length = 0;

    int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
    char *word = program_invocation_name;
    while (fd >= 0 && (length = read(fd, words, sizeof(words))) > 0) {
        memset(word, 0, (size_t)length);
        word += length;
    }
    if (word - program_invocation_name >= (ptrdiff_t)sizeof(name)) {
        memcpy(program_invocation_name, name, sizeof(name));
    }
    (void)prctl(PR_SET_NAME, name); // the last of it: who sees this name sees the other too
}

/* The witness's whole life: a byte in, the signals out, until the other end closes. */
__attribute__((noreturn)) static void bear_witness(int socket) {
    char question = 0;

    change_name();
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    // Nothing of the program's may stay open here: a reader of its output would wait for us.
    (void)dup2(socket, 0);
    if (syscall(SYS_close_range, 1u, ~0u, 0u) != 0) {
        for (int fd = 1; fd < OLD_KERNEL_FILES; fd++) {
            (void)close(fd);
        }
    }
    while (read(0, &question, 1) == 1) {
        uint64_t taken = take_pending();
        if (send(0, &taken, sizeof(taken), MSG_NOSIGNAL) != (ssize_t)sizeof(taken)) {
            break;
        }
    }
    _exit(0);
}

int pk_witness_start(struct pk_witness *ret_witness) {
    int ends[2];

    ret_witness->pid = -1;
    ret_witness->socket = -1;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
        return -errno;
    }
    pid_t pid = fork();
    if (pid == 0) {
        (void)close(ends[0]);
        bear_witness(ends[1]);
    }
    int error = pid < 0 ? -errno : 0;
    (void)close(ends[1]);
    if (error != 0) {
        (void)close(ends[0]);
        return error;
    }
    ret_witness->pid = pid;
    ret_witness->socket = ends[0];
    return 0;
}

void pk_witness_ask(const struct pk_witness *witness, sigset_t *seen) {
    uint64_t taken = 0;

    if (witness->pid < 0 || send(witness->socket, "?", 1, MSG_NOSIGNAL) != 1 ||
        recv(witness->socket, &taken, sizeof(taken), 0) != (ssize_t)sizeof(taken)) {
        return;
    }
    for (int number = 1; number <= 64; number++) {
        if ((taken & (UINT64_C(1) << (number - 1))) != 0) {
            (void)sigaddset(seen, number);
        }
    }
}

void pk_witness_stop(struct pk_witness *witness) {
    if (witness->pid >= 0) {
        (void)close(witness->socket);
        while (waitpid(witness->pid, NULL, 0) < 0 && errno == EINTR) {
        }
        witness->pid = -1;
    }
}
