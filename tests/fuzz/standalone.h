/* SPDX-License-Identifier: Apache-2.0
 * For a fuzz target that is run without a fuzzer: random numbers that can be had again, and files given again. Included
 * by one file each. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t random_state;

static uint32_t next_random(void) { // xorshift64*
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return (uint32_t)((random_state * 0x2545f4914f6cdd1du) >> 32);
}

/* Each round can be repeated alone. */
static void start_round(uint64_t seed, uint64_t round) {
    random_state = (seed << 32) + round + 1;
    (void)next_random();
}

static int replay_file(const char *path) {
    static uint8_t bytes[1 << 22];
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        fprintf(stderr, "cannot open %s\n", path);
        return 1;
    }
    size_t size = fread(bytes, 1, sizeof(bytes), file);
    fclose(file);
    return LLVMFuzzerTestOneInput(bytes, size);
}

/* 0, or 1 if one could not be read. */
static int replay_files(char *const *paths, int count) {
    int failed = 0;
    for (int i = 0; i < count; i++) {
        failed |= replay_file(paths[i]);
    }
    return failed;
}
