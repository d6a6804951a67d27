/* SPDX-License-Identifier: Apache-2.0
 * What our gzip writer packs, our reader unpacks; what others pack it unpacks as well (the packed
 * bytes below are zlib's); what is damaged it refuses. */
#include "check.h"
#include "report/deflate.h"
#include "report/inflate.h"

#include <stdlib.h>
#include <string.h>

#define LIMIT ((size_t)16 << 20)

static bool survives(const uint8_t *bytes, size_t size) {
    uint8_t *packed, *unpacked;
    size_t packed_size, unpacked_size;
    if (pk_gzip(bytes, size, &packed, &packed_size) < 0) {
        return false;
    }
    int r = pk_gunzip(packed, packed_size, LIMIT, &unpacked, &unpacked_size);
    bool is_same = r == 0 && unpacked_size == size && memcmp(unpacked, bytes, size) == 0 &&
                   unpacked[size] == 0;
    free(packed);
    free(unpacked);
    return is_same;
}

static void what_we_pack_we_unpack(void) {
    CHECK(survives((const uint8_t *)"", 0));
    CHECK(survives((const uint8_t *)"a", 1));
    CHECK(survives((const uint8_t *)"aaaaaaaaaaaaaaaaaaaaaaaa", 24));
    size_t size = 300000;
    uint8_t *bytes = malloc(size);
    for (int kind = 0; kind < 3; kind++) {
        for (size_t i = 0; i < size; i++) {
            bytes[i] = (uint8_t)(kind == 0   ? (char)check_random()
                                 : kind == 1 ? "0123456789,"[check_random() % 11]
                                             : (char)(i / 1000));
        }
        CHECK(survives(bytes, size));
    }
    free(bytes);
}

/* gzip.compress(b"hello hello hello hello", mtime=0), once stored (level 0) and once packed with
 * fixed codes; and a member with a file name, an extra field and a comment. */
static void what_others_pack_we_unpack(void) {
    static const uint8_t fixed[] = {0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03,
                                    0xcb, 0x48, 0xcd, 0xc9, 0xc9, 0x57, 0xc8, 0x40, 0x27, 0x01,
                                    0xe3, 0x51, 0x3d, 0x8d, 0x17, 0x00, 0x00, 0x00};
    static const uint8_t stored[] = {0x1f, 0x8b, 0x08, 0x1c, 0, 0, 0, 0, 0x04, 0xff, // head
                                     0x02, 0x00, 'x', 'y',                           // extra
                                     // name, comment
                                     'n', 0, 'c', 0, 0x01, 0x05, 0x00, 0xfa, 0xff, 'h', 'e', 'l',
                                     'l', 'o', 0x86, 0xa6, 0x10, 0x36, 0x05, 0x00, 0x00, 0x00};
    uint8_t *bytes;
    size_t size;
    CHECK_EQ(pk_gunzip(fixed, sizeof(fixed), LIMIT, &bytes, &size), 0);
    CHECK_STR((char *)bytes, "hello hello hello hello");
    free(bytes);
    CHECK_EQ(pk_gunzip(stored, sizeof(stored), LIMIT, &bytes, &size), 0);
    CHECK_STR((char *)bytes, "hello");
    free(bytes);
}

static void a_cut_stream_is_refused_wherever_it_is_cut(void) {
    const char *text = "a text that is cut, a text that is cut, and cut again 0123456789";
    uint8_t *packed, *bytes;
    size_t packed_size, size;
    CHECK_OK(pk_gzip((const uint8_t *)text, strlen(text), &packed, &packed_size));
    for (size_t length = 0; length < packed_size; length++) {
        CHECK_EQ(pk_gunzip(packed, length, LIMIT, &bytes, &size), -EBADMSG);
        CHECK(bytes == NULL);
    }
    free(packed);
}

static void no_changed_bit_goes_unseen(void) {
    const char *text = "a text that is changed, a text that is changed, one bit at a time";
    uint8_t *packed, *bytes;
    size_t packed_size, size;
    CHECK_OK(pk_gzip((const uint8_t *)text, strlen(text), &packed, &packed_size));
    for (size_t bit = 10 * 8; bit < packed_size * 8; bit++) { // the head's fields mean nothing
        packed[bit / 8] ^= (uint8_t)(1u << bit % 8);
        int r = pk_gunzip(packed, packed_size, LIMIT, &bytes, &size);
        // unused bits between the last code and the checksum may be anything
        CHECK(r < 0 || strcmp((char *)bytes, text) == 0);
        free(bytes);
        packed[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    free(packed);
}

static void more_than_the_limit_is_refused(void) {
    size_t size = 1000000, got;
    uint8_t *zeros = calloc(1, size), *packed, *bytes;
    size_t packed_size;
    CHECK_OK(pk_gzip(zeros, size, &packed, &packed_size));
    CHECK(packed_size < 3000);
    CHECK_EQ(pk_gunzip(packed, packed_size, size, &bytes, &got), 0);
    free(bytes);
    CHECK_EQ(pk_gunzip(packed, packed_size, size - 1, &bytes, &got), -EFBIG);
    CHECK_EQ(pk_gunzip(packed, packed_size, 0, &bytes, &got), -EFBIG);
    free(packed);
    free(zeros);
}

static void base64_of_every_length_comes_back(void) {
    uint8_t bytes[64], *back;
    size_t size;
    for (size_t length = 0; length < sizeof(bytes); length++) {
        char *text = NULL;
        size_t text_size = 0;
        for (size_t i = 0; i < length; i++) {
            bytes[i] = (uint8_t)check_random();
        }
        FILE *memory = open_memstream(&text, &text_size);
        pk_base64_write(memory, bytes, length);
        fclose(memory);
        CHECK_EQ(pk_base64_read(text, text_size, &back, &size), 0);
        CHECK_EQ(size, length);
        CHECK(memcmp(back, bytes, length) == 0);
        free(back);
        free(text);
    }
}

static void wrong_base64_is_refused(void) {
    static const char *const wrong[] = {"A", "A===", "AA=A", "AA?=", "=", "AAAA=", "AA<="};
    uint8_t *bytes;
    size_t size;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        CHECK_EQ(pk_base64_read(wrong[i], strlen(wrong[i]), &bytes, &size), -EBADMSG);
    }
    CHECK_EQ(pk_base64_read(" aGVs\nbG8= ", 11, &bytes, &size), 0);
    CHECK_EQ(size, 5);
    CHECK(memcmp(bytes, "hello", 5) == 0);
    free(bytes);
}

int main(int argc, char **argv) {
    static const struct check_test tests[] = {
        TEST(what_we_pack_we_unpack),
        TEST(what_others_pack_we_unpack),
        TEST(a_cut_stream_is_refused_wherever_it_is_cut),
        TEST(no_changed_bit_goes_unseen),
        TEST(more_than_the_limit_is_refused),
        TEST(base64_of_every_length_comes_back),
        TEST(wrong_base64_is_refused),
    };
    return check_run(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
