/* SPDX-License-Identifier: Apache-2.0
 * A ledger of as many stacks as told, heavy-tailed, for bench/page.py:
 *
 *     page_ledger LEDGER STACKS DEPTH FILES DIR
 *
 * Functions are in DIR/part_N.py (the user's) and DIR/site-packages/lib_N.py. Uses the reference
 * writer of the tests. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/make_ledger.h"

#define FUNCTIONS 2000u

static uint64_t state = 88172645463325252u;

static uint32_t next_random(void) { // xorshift: the same on every machine
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 32);
}

int main(int count, char **words) {
    if (count != 6) {
        fputs("usage: page_ledger LEDGER STACKS DEPTH FILES DIR\n", stderr);
        return 2;
    }
    uint32_t stacks = (uint32_t)atoi(words[2]), depth = (uint32_t)atoi(words[3]);
    uint32_t files = (uint32_t)atoi(words[4]);
    uint32_t *level = calloc(stacks + 2, sizeof(*level));
    uint32_t *above = calloc(stacks + 2, sizeof(*above));
    struct make_ledger make;
    make_ledger_start(&make);
    for (uint32_t i = 0; i < FUNCTIONS; i++) {
        char path[4096], name[32];
        uint32_t file = i % files;
        snprintf(path, sizeof(path), file % 4 == 0 ? "%s/part_%u.py" : "%s/site-packages/lib_%u.py",
                 words[5], file);
        snprintf(name, sizeof(name), "function_%u", i);
        (void)make_ledger_function(&make, name, path, 1, PK_FUNCTION_PYTHON);
    }
    for (uint32_t node = 2; node < stacks + 2; node++) {
        uint32_t parent = node - 1;
        if (node > depth + 1) {
            uint32_t back = 1 + next_random() % 400;
            parent = node - 1 > back ? node - back : 1;
        }
        while (level[parent] >= depth) {
            parent = above[parent];
        }
        above[node] = parent;
        level[node] = level[parent] + 1;
        uint32_t function = next_random() % FUNCTIONS;
        uint32_t line = 1 + function * 7 % 900 + next_random() % 4;
        uint32_t index = make_ledger_node(&make, parent, function, line);
        double draw = (next_random() + 1.0) / 4294967297.0;
        double bytes = 64 * pow(draw, -1.1);
        uint64_t size = bytes > 268435456.0 ? 268435456u : (uint64_t)bytes;
        if (node % 3 == 0) {
            make_ledger_held(&make, index, size, 1 + next_random() % 9);
        } else {
            make_ledger_hold(&make, index, size, 1 + next_random() % 9);
        }
    }
    size_t bytes_size;
    uint8_t *bytes = make_ledger_finish(&make, &bytes_size);
    return make_ledger_save(words[1], bytes, bytes_size) < 0;
}
