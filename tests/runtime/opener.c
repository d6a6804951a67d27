/* SPDX-License-Identifier: Apache-2.0
 * Loads and closes a library many times, for threads that do so at once. */
#include <dlfcn.h>
#include <stddef.h>

/* How many of `rounds` went well. */
long open_often(const char *path, long rounds) {
    long good = 0;
    for (long i = 0; i < rounds; i++) {
        void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
        void (*visit)(void);
        if (library != NULL && (*(void **)&visit = dlsym(library, "visit")) != NULL) {
            visit();
            good += dlclose(library) == 0;
        }
    }
    return good;
}
