/* SPDX-License-Identifier: Apache-2.0
 * Leaves a loop of system calls by siglongjmp() out of a signal handler, again and again; any
 * argument: while another thread maps, too. Then maps 100 MiB, which must be seen. */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <unistd.h>

#include "fake_interpreter.h"

#define ENOUGH 2000

static sigjmp_buf again;
static volatile sig_atomic_t jumps;

static void *map(size_t size) {
    return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void jump(int number) {
    (void)number;
    jumps++;
    siglongjmp(again, 1);
}

static void *map_for_ever(void *context) {
    for (;;) {
        munmap(map(8192), 8192);
    }
    return context;
}

static void set_timer(int microseconds) {
    struct itimerval value = {.it_interval = {.tv_usec = microseconds},
                              .it_value = {.tv_usec = microseconds}};
    setitimer(ITIMER_REAL, &value, NULL);
}

int main(int argc, char **argv) {
    (void)argv;
    sigset_t alarms;
    sigemptyset(&alarms);
    sigaddset(&alarms, SIGALRM);
    pthread_sigmask(SIG_BLOCK, &alarms, NULL);
    pthread_t thread;
    // it never gets the signal
    if (argc > 1 && pthread_create(&thread, NULL, map_for_ever, NULL) != 0) {
        return 1;
    }
    signal(SIGALRM, jump);
    if (sigsetjmp(again, 1) == 0) {
        set_timer(100);
    }
    pthread_sigmask(SIG_UNBLOCK, &alarms, NULL);
    while (jumps < ENOUGH) {
        munmap(map(4096), 4096);
    }
    pthread_sigmask(SIG_BLOCK, &alarms, NULL);
    if (map(100u << 20) == MAP_FAILED) {
        return 1;
    }
    printf("fine\n");
    fflush(stdout);
    _exit(0); // the other thread never ends
}
