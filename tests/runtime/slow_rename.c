/* SPDX-License-Identifier: Apache-2.0
 * Preloaded: a rename says "!" on standard error and waits for a byte on standard input. */
#include <dlfcn.h>
#include <unistd.h>

int rename(const char *from, const char *to) {
    int (*real)(const char *, const char *) = dlsym(RTLD_NEXT, "rename");
    char byte;

    return write(2, "!", 1) == 1 && read(0, &byte, 1) == 1 ? real(from, to) : -1;
}
