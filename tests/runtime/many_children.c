/* SPDX-License-Identifier: Apache-2.0
 * argv[1] children, one after the other: each holds BYTES and ends with a status of its own. Prints
 * how many did. */
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fake_interpreter.h"

#define BYTES 1000003

int main(int argc, char **argv) {
    int good = 0;
    for (int i = 0; argc == 2 && i < atoi(argv[1]); i++) {
        pid_t child = fork();
        if (child == 0) {
            *(volatile char *)malloc(BYTES) = 1;
            _exit(i & 127);
        }
        int status = 0;
        good += waitpid(child, &status, 0) == child && status == (i & 127) << 8;
    }
    printf("%d\n", good);
    return 0;
}
