/* SPDX-License-Identifier: Apache-2.0
 * Becomes the program it was told. Linked statically, no library can be loaded into it. */
#include <stdio.h>
#include <unistd.h>

int main(int argc, char **argv) {
    if (argc > 1) {
        (void)execv(argv[1], argv + 1);
        perror(argv[1]);
    }
    return 127;
}
