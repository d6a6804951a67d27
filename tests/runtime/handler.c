/* SPDX-License-Identifier: Apache-2.0
 * A signal handler that allocates, again and again, while the thread it interrupts allocates.
 * argv[1]: "maps", or "blocks", which needs an allocator that may be interrupted (bump.c); argv[2]:
 * after how many signals to end. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <unistd.h>

#include "fake_interpreter.h"

static int blocks;
static volatile sig_atomic_t signals;

static void allocate_once(size_t size) {
    if (blocks) {
        char *block = malloc(size);
        block = realloc(block, size * 2);
        block[0] = 1;
        free(block);
        return;
    }
    char *map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    (void)mprotect(map, size, PROT_NONE);
    (void)munmap(map, size);
}

static void handle(int number) {
    (void)number;
    allocate_once(8192);
    signals++;
}

int main(int argc, char **argv) {
    if (argc != 3) {
        return 2;
    }
    blocks = strcmp(argv[1], "blocks") == 0;
    int enough = atoi(argv[2]);
    struct sigaction action = {.sa_handler = handle, .sa_flags = SA_RESTART};
    sigaction(SIGALRM, &action, NULL);
    struct itimerval often = {.it_interval = {.tv_usec = 50}, .it_value = {.tv_usec = 50}};
    setitimer(ITIMER_REAL, &often, NULL);
    while (signals < enough) {
        for (int i = 0; i < 100; i++) {
            allocate_once(64 + (size_t)i);
        }
    }
    struct itimerval never = {0};
    setitimer(ITIMER_REAL, &never, NULL);
    printf("fine\n");
    return 0;
}
