/* SPDX-License-Identifier: Apache-2.0
 * Walking frames and reading code objects, in memory laid out as each version would.
 * Tests src/pyframe/walk.h and codeinfo.c. Real interpreters are walked in tests/e2e. */
#include "check.h"
#include "fake_python.h"

#include "pyframe/codeinfo.h"
#include "pyframe/walk.h"

#define OWNER_THREAD 0
#define OWNER_GENERATOR 1
#define OWNER_INTERPRETER 3

static const uint8_t no_table[2];

/* All layouts, one after the other; NULL after the last. */
static const struct pk_layout *layout_number(unsigned i) {
    unsigned minor = i < 8 ? 8 + i : 13 + i - 8;
    return i < 11 ? pk_layout_find(0x030000f0u | minor << 16, i >= 8) : NULL;
}

struct step {
    const void *code;
    uint32_t offset;
};

/* The walk of walk.h's head comment. Returns the depth, at most `max`. */
static int walk(const struct pk_layout *layout, const void *tstate, struct step *steps, int max) {
    int depth = 0;
    for (const void *frame = pk_frame_current(layout, tstate); frame != NULL && depth < max;
         frame = pk_frame_previous(layout, frame)) {
        const void *code = pk_frame_code(layout, frame);
        uintptr_t instr = pk_frame_instr(layout, frame);
        if (!pk_frame_skippable(layout, frame, code, instr)) {
            steps[depth].code = code;
            steps[depth].offset = pk_frame_offset(layout, frame, code, instr);
            depth++;
        }
    }
    return depth;
}

static void a_chain_is_walked_innermost_first(void) {
    const struct pk_layout *layout;
    for (unsigned i = 0; (layout = layout_number(i)) != NULL; i++) {
        struct step steps[8];
        fake_reset();
        char *outer = fake_code(layout, "outer", "a.py", no_table, 2, 50);
        char *inner = fake_code(layout, "inner", "b.py", no_table, 2, 50);
        char *frame = fake_frame(layout, outer, 7, OWNER_THREAD, NULL);
        frame = fake_frame(layout, inner, 40, OWNER_GENERATOR, frame);
        frame = fake_frame(layout, inner, 41, OWNER_THREAD, frame);
        CHECK_EQ(walk(layout, fake_thread(layout, frame), steps, 8), 3);
        CHECK(steps[0].code == inner);
        CHECK_EQ(steps[0].offset, 82);
        CHECK(steps[1].code == inner);
        CHECK_EQ(steps[1].offset, 80);
        CHECK(steps[2].code == outer);
        CHECK_EQ(steps[2].offset, 14);
    }
}

static void no_frame_is_no_walk(void) {
    const struct pk_layout *layout;
    for (unsigned i = 0; (layout = layout_number(i)) != NULL; i++) {
        struct step steps[1];
        fake_reset();
        CHECK_EQ(walk(layout, fake_thread(layout, NULL), steps, 1), 0);
    }
    // a thread state of 3.12 that is being taken down has no cframe either
    char tstate[512] = {0};
    CHECK(pk_frame_current(layout_number(4), tstate) == NULL);
}

static void the_interpreters_own_frames_are_skipped(void) {
    const struct pk_layout *layout;
    for (unsigned i = 0; (layout = layout_number(i)) != NULL; i++) {
        if (layout->minor < 12) {
            continue; // none before
        }
        struct step steps[8];
        fake_reset();
        char *code = fake_code(layout, "f", "a.py", no_table, 2, 50);
        char *frame = fake_frame(layout, code, 7, OWNER_THREAD, NULL);
        // an entry frame's code is a shim, None or nothing: only the owner can be trusted
        frame = fake_frame(layout, code, 7, OWNER_INTERPRETER, frame);
        frame = fake_frame(layout, code, 8, OWNER_THREAD, frame);
        frame = fake_frame(layout, NULL, 7, OWNER_INTERPRETER + 1, frame);
        CHECK_EQ(walk(layout, fake_thread(layout, frame), steps, 8), 2);
        CHECK_EQ(steps[0].offset, 16);
        CHECK_EQ(steps[1].offset, 14);
    }
}

static void frames_before_their_first_traceable_unit_are_skipped(void) {
    const struct pk_layout *layout;
    for (unsigned i = 0; (layout = layout_number(i)) != NULL; i++) {
        struct step steps[8];
        bool has_rule = layout->minor >= 11;
        fake_reset();
        char *code = fake_code(layout, "f", "a.py", no_table, 2, 50);
        char *frame = fake_frame(layout, code, 2, OWNER_THREAD, NULL);
        frame = fake_frame(layout, code, 1, OWNER_THREAD, frame);
        frame = fake_frame(layout, code, 0, OWNER_THREAD, frame);
        CHECK_EQ(walk(layout, fake_thread(layout, frame), steps, 8), has_rule ? 1 : 3);
        CHECK_EQ(steps[has_rule ? 0 : 2].offset, 4);
        // generators count from their start
        frame = fake_frame(layout, code, 1, OWNER_GENERATOR, NULL);
        CHECK_EQ(walk(layout, fake_thread(layout, frame), steps, 8), 1);
        CHECK_EQ(steps[0].offset, 2);
    }
}

static void a_frame_without_code_is_skipped(void) {
    const struct pk_layout *layout;
    for (unsigned i = 0; (layout = layout_number(i)) != NULL; i++) {
        struct step steps[1];
        fake_reset();
        char *frame = fake_frame(layout, NULL, 7, OWNER_THREAD, NULL);
        CHECK_EQ(walk(layout, fake_thread(layout, frame), steps, 1), 0);
        // an index where others have an address (Py_STACKREF_DEBUG)
        frame = fake_frame(layout, (const char *)0x120, 7, OWNER_THREAD, NULL);
        CHECK_EQ(walk(layout, fake_thread(layout, frame), steps, 1), 0);
    }
}

static void a_position_before_the_start_counts_as_the_start(void) {
    const struct pk_layout *layout;
    for (unsigned i = 0; (layout = layout_number(i)) != NULL; i++) {
        struct step steps[1];
        fake_reset();
        char *code = fake_code(layout, "f", "a.py", no_table, 2, 50);
        char *frame = fake_frame(layout, code, -1, OWNER_GENERATOR, NULL);
        if (layout->family == PK_FAMILY_OBJECT) {
            fake_int(frame, layout->frame_instr, -1);
        }
        CHECK_EQ(walk(layout, fake_thread(layout, frame), steps, 1), 1);
        CHECK_EQ(steps[0].offset, PK_OFFSET_START);
    }
}

static void a_position_outside_the_bytecode_is_none(void) {
    const struct pk_layout *layout;
    for (unsigned i = 0; (layout = layout_number(i)) != NULL; i++) {
        if (layout->family == PK_FAMILY_OBJECT) {
            continue; // positions are offsets there already, and the decoder takes any
        }
        struct step steps[1];
        fake_reset();
        char *code = fake_code(layout, "f", "a.py", no_table, 2, 50);
        char *last = fake_frame(layout, code, 49, OWNER_THREAD, NULL);
        char *beyond = fake_frame(layout, code, 50, OWNER_THREAD, NULL);
        CHECK_EQ(walk(layout, fake_thread(layout, last), steps, 1), 1);
        CHECK_EQ(steps[0].offset, 98);
        CHECK_EQ(walk(layout, fake_thread(layout, beyond), steps, 1), 1);
        CHECK_EQ(steps[0].offset, PK_OFFSET_NONE);
        char *far_before = fake_frame(layout, code, -9, OWNER_GENERATOR, NULL);
        CHECK_EQ(walk(layout, fake_thread(layout, far_before), steps, 1), 1);
        CHECK_EQ(steps[0].offset, PK_OFFSET_NONE);
    }
}

static void a_threads_own_copy_of_the_bytecode_is_found(void) {
    const struct pk_layout *layout;
    for (unsigned i = 0; (layout = layout_number(i)) != NULL; i++) {
        if (layout->code_tlbc == PK_ABSENT) {
            continue;
        }
        struct step steps[4];
        fake_reset();
        char *code = fake_code(layout, "f", "a.py", no_table, 2, 50);
        char *copy = fake_alloc(100);
        char *copies = fake_alloc(64);
        fake_word(copies, 0, 2);
        fake_pointer(copies, 8, code + layout->code_start);
        fake_pointer(copies, 16, copy);
        fake_pointer(code, layout->code_tlbc, copies);

        char *frame = fake_frame(layout, code, 9, OWNER_THREAD, NULL); // runs the main copy
        char *incomplete = fake_frame(layout, code, 0, OWNER_THREAD, frame);
        fake_pointer(incomplete, layout->frame_instr, copy + 2);
        fake_int(incomplete, layout->frame_tlbc, 1);
        char *running = fake_frame(layout, code, 0, OWNER_THREAD, incomplete);
        fake_pointer(running, layout->frame_instr, copy + 30);
        fake_int(running, layout->frame_tlbc, 1);
        CHECK_EQ(walk(layout, fake_thread(layout, running), steps, 4), 2);
        CHECK_EQ(steps[0].offset, 30);
        CHECK_EQ(steps[1].offset, 18);

        fake_int(running, layout->frame_tlbc, 2); // no such copy
        CHECK_EQ(walk(layout, fake_thread(layout, running), steps, 4), 2);
        CHECK_EQ(steps[0].offset, PK_OFFSET_NONE);
        fake_int(running, layout->frame_tlbc, -1);
        CHECK_EQ(walk(layout, fake_thread(layout, running), steps, 4), 2);
        CHECK_EQ(steps[0].offset, PK_OFFSET_NONE);
    }
}

static uintptr_t instr_of(const struct pk_layout *layout, const char *code, int unit) {
    return pk_frame_instr(layout, fake_frame(layout, code, unit, OWNER_THREAD, NULL));
}

static void the_instruction_tells_functions_apart(void) {
    const struct pk_layout *layout;
    for (unsigned i = 0; (layout = layout_number(i)) != NULL; i++) {
        fake_reset();
        char *code = fake_code(layout, "f", "a.py", no_table, 2, 50);
        char *other = fake_code(layout, "g", "a.py", no_table, 2, 50);
        CHECK(instr_of(layout, code, 9) == instr_of(layout, code, 9));
        CHECK(instr_of(layout, code, 9) != instr_of(layout, code, 10));
        CHECK(instr_of(layout, code, 9) != instr_of(layout, other, 9));
        // not even when the positions are as far apart as the code objects
        CHECK(instr_of(layout, code, 9 + (int)(other - code)) != instr_of(layout, other, 9));
    }
}

static void a_code_object_names_itself(void) {
    const struct pk_layout *layout;
    for (unsigned i = 0; (layout = layout_number(i)) != NULL; i++) {
        static const uint8_t table[] = {1, 2, 3};
        struct pk_code_info info;
        char buffer[64];
        fake_reset();
        pk_code_read(layout, fake_code(layout, "method", "dir/a.py", table, 3, 50), &info);
        CHECK_EQ(pk_text_to_utf8(info.name, buffer, sizeof(buffer)), 6);
        CHECK_STR(buffer, "method");
        CHECK_EQ(pk_text_to_utf8(info.filename, buffer, sizeof(buffer)), 8);
        CHECK_STR(buffer, "dir/a.py");
        (void)pk_text_to_utf8(info.qualname, buffer, sizeof(buffer));
        CHECK_STR(buffer, layout->minor >= 11 ? "Class.method" : "method");
        CHECK_EQ(info.first_line, 10);
        CHECK_EQ(info.linetable_length, 3);
        CHECK_EQ(memcmp(info.linetable, table, 3), 0);
        CHECK_EQ(info.line_kind, layout->minor < 10    ? PK_LINES_LNOTAB
                                 : layout->minor == 10 ? PK_LINES_RANGES
                                                       : PK_LINES_LOCATIONS);
    }
}

/* The file name of a code object whose file name is this object, as UTF-8. */
static const char *read_back(const struct pk_layout *layout, char *code, const char *text) {
    static char buffer[64];
    struct pk_code_info info;
    fake_pointer(code, layout->code_filename, text);
    pk_code_read(layout, code, &info);
    (void)pk_text_to_utf8(info.filename, buffer, sizeof(buffer));
    return buffer;
}

static void strings_of_every_width_become_utf8(void) {
    const struct pk_layout *layout;
    for (unsigned i = 0; (layout = layout_number(i)) != NULL; i++) {
        static const uint8_t latin[] = {'d', 0xe4, 't', 0xff};
        static const uint16_t narrow[] = {'a', 0x7ff, 0x800, 0x4e2d, 0xffff};
        static const uint32_t wide[] = {'a', 0x1f600, 0x10ffff};
        static const uint16_t lone[] = {'x', 0xd800, 0xdfff, 'y'};
        static const uint32_t outside[] = {0x110000, 0xffffffff};
        fake_reset();
        char *code = fake_code(layout, "f", "a.py", no_table, 2, 50);
        for (enum fake_storage how = FAKE_COMPACT; how <= FAKE_SEPARATE; how++) {
            CHECK_STR(read_back(layout, code, fake_text(layout, latin, 4, 1, how)),
                      "d\u00e4t\u00ff");
            CHECK_STR(read_back(layout, code, fake_text(layout, narrow, 5, 2, how)),
                      "a\u07ff\u0800\u4e2d\uffff");
            CHECK_STR(read_back(layout, code, fake_text(layout, wide, 3, 4, how)),
                      "a\U0001f600\U0010ffff");
            CHECK_STR(read_back(layout, code, fake_text(layout, lone, 4, 2, how)),
                      "x\ufffd\ufffdy");
            CHECK_STR(read_back(layout, code, fake_text(layout, outside, 2, 4, how)),
                      "\ufffd\ufffd");
        }
        CHECK_STR(read_back(layout, code, fake_text(layout, "", 0, 1, FAKE_ASCII)), "");
    }
}

static void strings_that_make_no_sense_are_empty(void) {
    const struct pk_layout *layout;
    for (unsigned i = 0; (layout = layout_number(i)) != NULL; i++) {
        fake_reset();
        char *code = fake_code(layout, "f", "a.py", no_table, 2, 50);
        CHECK_STR(read_back(layout, code, NULL), "");
        char *text = fake_string(layout, "abc");
        fake_word(text, layout->text_length, UINT64_MAX);
        CHECK_STR(read_back(layout, code, text), "");
        CHECK_STR(read_back(layout, code, fake_text(layout, "abcdef", 2, 3, FAKE_COMPACT)), "");
        CHECK_STR(read_back(layout, code, fake_text(layout, "abc", 3, 0, FAKE_SEPARATE)), "");
        text = fake_text(layout, "abc", 3, 1, FAKE_SEPARATE);
        fake_pointer(text, layout->text_pointer, NULL);
        CHECK_STR(read_back(layout, code, text), "");

        struct pk_code_info info;
        fake_pointer(code, layout->code_linetable, NULL);
        pk_code_read(layout, code, &info);
        CHECK_EQ(info.linetable_length, 0);
        fake_pointer(code, layout->code_linetable, fake_bytes(layout, "ab", 2));
        char *table = fake_bytes(layout, "ab", 2);
        fake_word(table, layout->bytes_length, UINT64_MAX);
        fake_pointer(code, layout->code_linetable, table);
        pk_code_read(layout, code, &info);
        CHECK_EQ(info.linetable_length, 0);
    }
}

static void utf8_is_cut_between_characters(void) {
    static const uint32_t wide[] = {'a', 0xe4, 0x4e2d, 0x1f600};
    static const size_t expected[] = {0, 0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 10};
    struct pk_text text = {.data = wide, .length = 4, .kind = 4};
    for (size_t size = 1; size < 13; size++) {
        char buffer[16];
        memset(buffer, '#', sizeof(buffer));
        CHECK_EQ(pk_text_to_utf8(text, buffer, size), expected[size]);
        CHECK_EQ(buffer[expected[size]], '\0');
        CHECK_EQ(buffer[size], '#');
    }
}

static void equal_functions_have_equal_hashes(void) {
    const struct pk_layout *layout;
    for (unsigned i = 0; (layout = layout_number(i)) != NULL; i++) {
        static const uint8_t table[] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
        static const uint8_t other_table[] = {1, 2, 3, 4, 5, 6, 7, 8, 8};
        struct pk_code_info info;
        uint32_t hashes[6];
        fake_reset();
        for (unsigned k = 0; k < 6; k++) {
            char *code = fake_code(layout, k == 2 ? "g" : "f", k == 3 ? "b.py" : "a.py",
                                   k == 4 ? other_table : table, sizeof(table), 50);
            fake_int(code, layout->code_firstlineno, k == 5 ? 11 : 10);
            pk_code_read(layout, code, &info);
            hashes[k] = pk_code_hash(&info);
        }
        CHECK_EQ(hashes[0], hashes[1]);
        for (unsigned k = 2; k < 6; k++) {
            CHECK(hashes[k] != hashes[0]);
        }
        struct pk_code_info renamed = info;
        renamed.qualname.length--;
        CHECK(pk_code_hash(&renamed) != pk_code_hash(&info));
    }
}

static void hashes_know_where_a_name_ends(void) {
    struct pk_code_info one = {.name = {"ab", 2, 1}, .qualname = {"c", 1, 1}};
    struct pk_code_info two = {.name = {"a", 1, 1}, .qualname = {"bc", 2, 1}};
    one.filename = two.filename = (struct pk_text){"", 0, 1};
    CHECK(pk_code_hash(&one) != pk_code_hash(&two));
}

static void a_stamp_tells_a_reused_address(void) {
    const struct pk_layout *layout;
    for (unsigned i = 0; (layout = layout_number(i)) != NULL; i++) {
        struct pk_code_stamp before, after;
        fake_reset();
        char *code = fake_code(layout, "f", "a.py", no_table, 2, 50);
        pk_code_stamp_read(layout, code, &before);
        pk_code_stamp_read(layout, code, &after);
        CHECK(pk_code_stamp_equal(&before, &after));

        fake_int(code, layout->code_firstlineno, 11);
        pk_code_stamp_read(layout, code, &after);
        CHECK(!pk_code_stamp_equal(&before, &after));
        fake_int(code, layout->code_firstlineno, 10);

        fake_pointer(code, layout->code_linetable, fake_bytes(layout, no_table, 2));
        pk_code_stamp_read(layout, code, &after);
        CHECK(!pk_code_stamp_equal(&before, &after));

        pk_code_stamp_read(layout, code, &before);
        fake_pointer(code, layout->code_name, fake_string(layout, "f"));
        pk_code_stamp_read(layout, code, &after);
        CHECK(!pk_code_stamp_equal(&before, &after));

        pk_code_stamp_read(layout, code, &before);
        if (layout->code_version != PK_ABSENT) {
            fake_int(code, layout->code_version, 78);
            pk_code_stamp_read(layout, code, &after);
            CHECK(!pk_code_stamp_equal(&before, &after));
        }
    }
}

int main(int argc, char **argv) {
    static const struct check_test tests[] = {
        TEST(a_chain_is_walked_innermost_first),
        TEST(no_frame_is_no_walk),
        TEST(the_interpreters_own_frames_are_skipped),
        TEST(frames_before_their_first_traceable_unit_are_skipped),
        TEST(a_frame_without_code_is_skipped),
        TEST(a_position_before_the_start_counts_as_the_start),
        TEST(a_position_outside_the_bytecode_is_none),
        TEST(a_threads_own_copy_of_the_bytecode_is_found),
        TEST(the_instruction_tells_functions_apart),
        TEST(a_code_object_names_itself),
        TEST(strings_of_every_width_become_utf8),
        TEST(strings_that_make_no_sense_are_empty),
        TEST(utf8_is_cut_between_characters),
        TEST(equal_functions_have_equal_hashes),
        TEST(hashes_know_where_a_name_ends),
        TEST(a_stamp_tells_a_reused_address),
    };
    return check_run(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
