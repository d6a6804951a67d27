/* SPDX-License-Identifier: Apache-2.0
 * No Python at all: prints what it was handed, then becomes the program it was told, if any. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv) {
    free(malloc(100));
    const char *preload = getenv("LD_PRELOAD");
    const char *run = getenv("PEAKLINE_RUN");
    printf("LD_PRELOAD=%s\nPEAKLINE_RUN=%s\n", preload == NULL ? "" : preload,
           run == NULL ? "" : run);
    fflush(stdout);
    if (argc > 1) {
        execvp(argv[1], argv + 1);
        return 127;
    }
    return 3;
}
