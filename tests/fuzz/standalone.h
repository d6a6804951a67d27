/* SPDX-License-Identifier: Apache-2.0
 * For a fuzz target that is run without a fuzzer (-DPK_FUZZ_STANDALONE): a main that either
 *
 *     fuzz_x [SEED [ROUNDS]]    makes hostile inputs at random, or
 *     fuzz_x FILE...            replays inputs.
 *
 * Included by one file each, which defines the two functions below. Must stay true: the same seed
 * and round give the same input, whatever ran before. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define ROUNDS 20000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The target's: what it changes at random, made once; and one input of it, given to the above. */
static void make_seeds(void);
static void run_round(void);

static uint64_t random_state;

static uint32_t next_random(void) { // xorshift64*
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return (uint32_t)((random_state * 0x2545f4914f6cdd1du) >> 32);
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

int main(int argc, char **argv) {
    char *end = NULL;
    uint64_t seed = argc > 1 ? strtoull(argv[1], &end, 0) : 1;
    unsigned long rounds = argc > 2 ? strtoul(argv[2], NULL, 0) : ROUNDS;

    if (argc > 1 && *end != '\0') {
        int failed = 0;
        for (int i = 1; i < argc; i++) {
            failed |= replay_file(argv[i]);
        }
        return failed;
    }
    make_seeds();
    for (unsigned long round = 0; round < rounds; round++) {
        random_state = (seed << 32) + round + 1;
        (void)next_random();
        run_round();
    }
    printf("%s: %lu inputs, seed %llu\n", argv[0], rounds, (unsigned long long)seed);
    return 0;
}
