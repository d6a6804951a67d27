/* SPDX-License-Identifier: Apache-2.0
 * A library that loads another by its bare name, which only its own RUNPATH leads to. */
#include <dlfcn.h>
#include <stddef.h>

int load_neighbour(const char *name);

int load_neighbour(const char *name) {
    void *handle = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    return handle != NULL;
}
