/* SPDX-License-Identifier: Apache-2.0
 * What our gzip writer makes, Python's zlib reads: the referee is not ours. Base64 likewise. */
#include "check.h"
#include "report/deflate.h"
#include "report/huffman.h"

#include <unistd.h>

static char directory[64];

static void path_of(char ret_path[128], const char *name) {
    snprintf(ret_path, 128, "%s/%s", directory, name);
}

static int save(const char *name, const uint8_t *bytes, size_t size) {
    char path[128];
    path_of(path, name);
    FILE *file = fopen(path, "wb");
    if (file == NULL) {
        return -1;
    }
    size_t written = fwrite(bytes, 1, size, file);
    return fclose(file) == 0 && written == size ? 0 : -1;
}

static int python_exists(void) {
    return system("python3 -c 'import zlib' 2>/dev/null") == 0;
}

/* Compress, let Python inflate the base64 of it and compare; `ret_size` is the packed size. */
static int survives(const uint8_t *bytes, size_t size, size_t *ret_size) {
    char path[128], line[512];
    uint8_t *packed;
    if (pk_gzip(bytes, size, &packed, ret_size) < 0) {
        return 0;
    }
    path_of(path, "packed");
    FILE *file = fopen(path, "w");
    pk_base64_write(file, packed, *ret_size);
    fclose(file);
    free(packed);
    if (save("plain", bytes, size) < 0) {
        return 0;
    }
    snprintf(line, sizeof(line),
             "cd %s && python3 -c \"import base64, zlib; d = zlib.decompressobj(31); "
             "t = d.decompress(base64.b64decode(open('packed').read(), validate=True)); "
             "assert d.eof and not d.unused_data and t == open('plain', 'rb').read()\"",
             directory);
    return system(line) == 0;
}

static void start_directory(void) {
    strcpy(directory, "/tmp/test_deflate.XXXXXX");
    if (mkdtemp(directory) == NULL) {
        abort();
    }
}

static void end_directory(void) {
    char path[128];
    path_of(path, "packed");
    unlink(path);
    path_of(path, "plain");
    unlink(path);
    rmdir(directory);
}

static void small_inputs_survive(void) {
    SKIP_IF(!python_exists(), "no python3");
    start_directory();
    size_t packed;
    CHECK(survives((const uint8_t *)"", 0, &packed));
    CHECK(survives((const uint8_t *)"a", 1, &packed));
    CHECK(survives((const uint8_t *)"ab", 2, &packed));
    CHECK(survives((const uint8_t *)"abc", 3, &packed));
    CHECK(survives((const uint8_t *)"aaaa", 4, &packed));
    CHECK(survives((const uint8_t *)"abcabcabcabcabcabc", 18, &packed));
    end_directory();
}

static void random_bytes_survive_and_hardly_grow(void) {
    SKIP_IF(!python_exists(), "no python3");
    start_directory();
    size_t size = 200001, packed;
    uint8_t *bytes = malloc(size);
    for (size_t i = 0; i < size; i++) {
        bytes[i] = (uint8_t)check_random();
    }
    CHECK(survives(bytes, size, &packed));
    CHECK(packed < size + size / 100);
    free(bytes);
    end_directory();
}

static void repetition_of_every_distance_and_length_survives(void) {
    SKIP_IF(!python_exists(), "no python3");
    start_directory();
    size_t size = 600000, at = 0, packed;
    uint8_t *bytes = malloc(size);
    while (at < 1000) {
        bytes[at++] = (uint8_t)check_random();
    }
    while (at < size) { // copies of earlier stretches: lengths around the limits, distances up to
                        // beyond the window
        size_t distance = check_random() % (check_random() % 2 != 0 ? 100 : 40000) + 1;
        size_t length = check_random() % 300 + 1;
        distance = distance > at ? at : distance;
        for (size_t i = 0; i < length && at < size; i++, at++) {
            bytes[at] = bytes[at - distance];
        }
        if (check_random() % 4 == 0 && at < size) {
            bytes[at++] = (uint8_t)check_random();
        }
    }
    CHECK(survives(bytes, size, &packed));
    CHECK(packed < size / 10);
    memset(bytes, 'x', size);
    CHECK(survives(bytes, size, &packed));
    CHECK(packed < 1500);
    free(bytes);
    end_directory();
}

/* Counts like Fibonacci numbers make the deepest code there is: 40 symbols, 39 bits. */
static void codes_keep_to_their_limit_and_stay_complete(void) {
    uint32_t counts[40];
    struct pk_huffman code;
    for (unsigned i = 0; i < 40; i++) {
        counts[i] = i < 2 ? 1 : counts[i - 1] + counts[i - 2];
    }
    for (unsigned limit = 6; limit <= 15; limit++) {
        uint32_t used = 0; // of all bit strings of the longest length
        pk_huffman_make(counts, 40, limit, &code);
        for (unsigned i = 0; i < 40; i++) {
            CHECK(code.lengths[i] >= 1 && code.lengths[i] <= limit);
            CHECK(i == 0 ||
                  code.lengths[i] <= code.lengths[i - 1]); // the more frequent, the shorter
            used += 1u << (limit - code.lengths[i]);
        }
        CHECK_EQ(used, 1u << limit);
    }
    const uint32_t single[4] = {0, 0, 9, 0};
    pk_huffman_make(single, 4, 15, &code);
    CHECK_EQ(code.lengths[2], 1);
    CHECK_EQ(code.lengths[0] + code.lengths[1] + code.lengths[3], 0);
}

static void columns_of_numbers_pack_as_well_as_elsewhere(void) {
    SKIP_IF(!python_exists(), "no python3");
    start_directory();
    char *text = malloc(2000000);
    size_t size = 0, packed;
    for (int i = 0; i < 200000; i++) {
        uint64_t value = check_random() % (check_random() % 8 == 0 ? 100000 : 50);
        size += (size_t)sprintf(text + size, "%llu,", (unsigned long long)value);
    }
    CHECK(survives((const uint8_t *)text, size, &packed));
    char line[512];
    snprintf(line, sizeof(line),
             "cd %s && python3 -c \"import zlib; "
             "assert %zu <= 1.05 * len(zlib.compress(open('plain', 'rb').read(), 6))\"",
             directory, packed);
    CHECK_EQ(system(line), 0);
    free(text);
    end_directory();
}

static void the_same_input_gives_the_same_bytes(void) {
    static const char text[] = "the same input gives the same bytes, gives the same bytes";
    uint8_t *one, *two;
    size_t one_size, two_size;
    CHECK_OK(pk_gzip((const uint8_t *)text, sizeof(text), &one, &one_size));
    CHECK_OK(pk_gzip((const uint8_t *)text, sizeof(text), &two, &two_size));
    CHECK_EQ(one_size, two_size);
    CHECK_EQ(memcmp(one, two, one_size), 0);
    CHECK_EQ(memcmp(one + 4, "\0\0\0\0", 4), 0); // no time stamp
    free(one);
    free(two);
}

static void base64_pads(void) {
    static const struct {
        const char *plain, *coded;
    } cases[] = {{"", ""},        {"f", "Zg=="},        {"fo", "Zm8="},
                 {"foo", "Zm9v"}, {"foob", "Zm9vYg=="}, {"\xff\xfe\xfd", "//79"}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char coded[32] = "";
        FILE *file = fmemopen(coded, sizeof(coded), "w");
        pk_base64_write(file, (const uint8_t *)cases[i].plain, strlen(cases[i].plain));
        fclose(file);
        CHECK_STR(coded, cases[i].coded);
    }
}

int main(int argc, char **argv) {
    static const struct check_test tests[] = {
        TEST(small_inputs_survive),
        TEST(random_bytes_survive_and_hardly_grow),
        TEST(repetition_of_every_distance_and_length_survives),
        TEST(codes_keep_to_their_limit_and_stay_complete),
        TEST(columns_of_numbers_pack_as_well_as_elsewhere),
        TEST(the_same_input_gives_the_same_bytes),
        TEST(base64_pads),
    };
    return check_run(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
