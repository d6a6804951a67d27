/* SPDX-License-Identifier: Apache-2.0
 * Which interpreters have a layout, and how a layout is held against the interpreter's own offsets.
 * Tests src/pyframe/layouts.c. The numbers themselves are proved on real interpreters (tests/e2e).
 * */
#include "check.h"

#include "pyframe/layout.h"

#define HEX(minor) (0x030000f0u | (uint32_t)(minor) << 16)

/* What 3.14.10, free-threaded, publishes (only the words that are compared; the rest stays 0xee).
 * */
static void fill_words_3_14t(uint64_t *words) {
    static const uint16_t pairs[][2] = {
        {26, 72},  {27, 152}, {32, 8},   {33, 0},   {34, 56},  {35, 80}, {36, 78},
        {38, 72},  {40, 128}, {41, 136}, {42, 144}, {43, 152}, {44, 84}, {48, 232},
        {49, 224}, {51, 24},  {75, 32},  {76, 48},  {78, 48},  {79, 32}, {80, 56},
    };
    memset(words, 0xee, PK_DEBUG_OFFSET_WORDS * sizeof(*words));
    memcpy(words, "xdebugpy", 8);
    words[1] = HEX(14);
    words[2] = 1;
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        words[pairs[i][0]] = pairs[i][1];
    }
}

static void every_supported_version_has_a_layout_of_its_own(void) {
    for (unsigned minor = 8; minor <= 15; minor++) {
        const struct pk_layout *layout = pk_layout_find(HEX(minor), false);
        CHECK(layout != NULL);
        CHECK_EQ(layout->minor, minor);
        CHECK(!layout->free_threaded);
    }
    for (unsigned minor = 13; minor <= 15; minor++) {
        const struct pk_layout *layout = pk_layout_find(HEX(minor), true);
        CHECK(layout != NULL);
        CHECK_EQ(layout->minor, minor);
        CHECK(layout->free_threaded);
    }
}

static void micro_releases_and_candidates_share_it(void) {
    const struct pk_layout *layout = pk_layout_find(0x030d00f0, false);
    CHECK(pk_layout_find(0x030d12f0, false) == layout); // 3.13.18
    CHECK(pk_layout_find(0x030d00c2, false) == layout); // 3.13.0rc2
    CHECK(pk_layout_find(0x030d00b1, false) == layout); // 3.13.0b1
}

static void strangers_have_none(void) {
    CHECK(pk_layout_find(HEX(7), false) == NULL);
    CHECK(pk_layout_find(HEX(16), false) == NULL);
    CHECK(pk_layout_find(HEX(12), true) == NULL);     // no free-threaded 3.12 was ever made
    CHECK(pk_layout_find(0x030f00a3, false) == NULL); // alphas move their fields
    CHECK(pk_layout_find(0x020712f0, false) == NULL);
    CHECK(pk_layout_find(0x040e00f0, false) == NULL);
    CHECK(pk_layout_find(0, false) == NULL);
}

static void every_offset_is_set_or_absent(void) {
    // A forgotten field would be 0; only the object header and 3.12+'s first frame field lie there.
    for (unsigned i = 0; i < 11; i++) {
        unsigned minor = i < 8 ? 8 + i : 13 + i - 8;
        const struct pk_layout *layout = pk_layout_find(HEX(minor), i >= 8);
        const uint16_t *first = &layout->thread_frame, *last = &layout->text_pointer;
        for (const uint16_t *field = first; field <= last; field++) {
            bool may_be_zero = (field == &layout->frame_code && minor >= 12) ||
                               (field == &layout->cframe_frame && minor == 12);
            CHECK(*field != 0 || may_be_zero);
        }
        CHECK(layout->text_kind_shift != 0);
    }
}

static void agreeing_offsets_pass(void) {
    uint64_t words[PK_DEBUG_OFFSET_WORDS];
    const char *what = "untouched";
    fill_words_3_14t(words);
    CHECK_OK(pk_layout_check_debug_offsets(pk_layout_find(HEX(14), true), words, HEX(14), &what));
    CHECK_STR(what, "untouched");
}

static void each_compared_word_counts(void) {
    const struct pk_layout *layout = pk_layout_find(HEX(14), true);
    uint64_t words[PK_DEBUG_OFFSET_WORDS];
    unsigned compared = 0;
    for (unsigned i = 0; i < PK_DEBUG_OFFSET_WORDS; i++) {
        const char *what = NULL;
        fill_words_3_14t(words);
        bool published = words[i] != 0xeeeeeeeeeeeeeeeeu;
        words[i] += i == 2 ? (uint64_t)-1 : 8; // free_threaded is a truth value: 1 becomes 0
        int result = pk_layout_check_debug_offsets(layout, words, HEX(14), &what);
        CHECK_EQ(result, published ? -EINVAL : 0);
        CHECK_EQ(what != NULL, published);
        compared += published ? 1 : 0;
    }
    CHECK_EQ(compared, 24);
}

static void the_first_disagreement_is_named(void) {
    const struct pk_layout *layout = pk_layout_find(HEX(14), true);
    uint64_t words[PK_DEBUG_OFFSET_WORDS];
    const char *what = NULL;

    fill_words_3_14t(words);
    words[0]++;
    CHECK_EQ(pk_layout_check_debug_offsets(layout, words, HEX(14), &what), -EINVAL);
    CHECK_STR(what, "cookie");

    fill_words_3_14t(words);
    CHECK_EQ(pk_layout_check_debug_offsets(layout, words, HEX(14) + 0x100, &what), -EINVAL);
    CHECK_STR(what, "version");
    CHECK_EQ(pk_layout_check_debug_offsets(pk_layout_find(HEX(14), false), words, HEX(14), &what),
             -EINVAL);
    CHECK_STR(what, "free_threaded");

    words[32] = 16;
    words[44] = 16;
    CHECK_EQ(pk_layout_check_debug_offsets(layout, words, HEX(14), &what), -EINVAL);
    CHECK_STR(what, "frame.previous");
}

static void versions_without_published_offsets_pass_unread(void) {
    const char *what = NULL;
    CHECK_OK(pk_layout_check_debug_offsets(pk_layout_find(HEX(12), false), NULL, HEX(12), &what));
}

int main(int argc, char **argv) {
    static const struct check_test tests[] = {
        TEST(every_supported_version_has_a_layout_of_its_own),
        TEST(micro_releases_and_candidates_share_it),
        TEST(strangers_have_none),
        TEST(every_offset_is_set_or_absent),
        TEST(agreeing_offsets_pass),
        TEST(each_compared_word_counts),
        TEST(the_first_disagreement_is_named),
        TEST(versions_without_published_offsets_pass_unread),
    };
    return check_run(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
