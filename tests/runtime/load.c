/* SPDX-License-Identifier: Apache-2.0
 * Asks loader.c's library to load argv[1]. */
#include <stdio.h>

#include "fake_interpreter.h"

int load_neighbour(const char *name);

int main(int argc, char **argv) {
    printf("%s\n", argc == 2 && load_neighbour(argv[1]) ? "found" : "not found");
    return 0;
}
