/* SPDX-License-Identifier: Apache-2.0
 * Stacks as a prefix tree: equal stacks are one node, short cuts lead where the long way leads,
 * full tables say so. */
#include "check.h"

#include "ledger/stacks.h"
#include "store_memory.h"

static struct pk_arena arena;
static struct pk_stacks stacks;
static struct pk_store stores[4]; /* counters, idents, functions, strings */
static uint64_t limits[4];

static int start(void) {
    for (uint32_t i = 0; i < 4; i++) {
        if (stores[i].base != NULL) {
            free_memory_store(&stores[i]);
        }
        limits[i] = 64u << 20;
        stores[i] = make_memory_store(&limits[i]);
    }
    arena = (struct pk_arena){0};
    return pk_stacks_init(&stacks, &arena, &stores[0], &stores[1], &stores[2], &stores[3]);
}

static int64_t function(const char *name, const char *file, uint32_t first_line, uint32_t hash) {
    struct pk_function_key key = {.name = name,
                                  .qualname = name,
                                  .file = file,
                                  .name_bytes = (uint32_t)strlen(name),
                                  .qualname_bytes = (uint32_t)strlen(name),
                                  .file_bytes = (uint32_t)strlen(file),
                                  .first_line = first_line,
                                  .hash = hash};
    return pk_stacks_function(&stacks, &key);
}

static uint32_t child(uint32_t parent, uint32_t func, uint32_t line) {
    return pk_stacks_child(&stacks, parent, func, line, PK_SPAN_NONE);
}

static const char *text(uint32_t offset) {
    return stores[3].base + offset + 4;
}

static void at_first_there_is_only_the_root(void) {
    CHECK_OK(start());
    CHECK_EQ(stacks.node_count, 2);
    CHECK_EQ(stores[0].used, 2 * sizeof(struct pk_node_counters));
    CHECK_EQ(stores[1].used, 2 * sizeof(struct pk_node_ident));
    CHECK_EQ(pk_stacks_string(&stacks, "", 0), 0);
    CHECK_STR(text(0), "");
}

static void equal_stacks_are_one_node(void) {
    CHECK_OK(start());
    uint32_t main_10 = child(PK_NODE_ROOT, 0, 10);
    uint32_t load_3 = child(main_10, 1, 3);
    CHECK(main_10 > PK_NODE_ROOT && load_3 > main_10);
    CHECK_EQ(child(main_10, 1, 3), load_3);
    CHECK(child(main_10, 1, 4) != load_3);      // another line
    CHECK(child(main_10, 2, 3) != load_3);      // another function
    CHECK(child(PK_NODE_ROOT, 1, 3) != load_3); // another caller
    CHECK_EQ(pk_stacks_ident(&stacks, load_3)->parent, main_10);
    CHECK_EQ(pk_stacks_ident(&stacks, load_3)->line, 3);
    CHECK_EQ(stacks.node_count, 7);
}

static void a_node_knows_the_part_of_the_line_that_all_of_it_came_from(void) {
    CHECK_OK(start());
    uint32_t node = pk_stacks_child(&stacks, PK_NODE_ROOT, 0, 7, pk_span(4, 9));
    const struct pk_node_ident *ident = pk_stacks_ident(&stacks, node);
    CHECK_EQ(pk_stacks_child(&stacks, PK_NODE_ROOT, 0, 7, pk_span(4, 9)), node);
    CHECK_EQ(ident->span, 9u << 16 | 4);
    CHECK_EQ(pk_stacks_child(&stacks, PK_NODE_ROOT, 0, 7, pk_span(12, 20)), node);
    CHECK_EQ(ident->span, 20u << 16 | 4);
    CHECK_EQ(pk_stacks_child(&stacks, PK_NODE_ROOT, 0, 7, pk_span(2, PK_SPAN_LINE_END)), node);
    CHECK_EQ(ident->span, 0xffffu << 16 | 2);
    // One that is not known, and nothing can be said of the whole any more.
    CHECK_EQ(pk_stacks_child(&stacks, PK_NODE_ROOT, 0, 7, PK_SPAN_NONE), node);
    CHECK_EQ(pk_stacks_child(&stacks, PK_NODE_ROOT, 0, 7, pk_span(4, 9)), node);
    CHECK_EQ(ident->span, PK_SPAN_NONE);
    CHECK_EQ(pk_span(5, 5), PK_SPAN_NONE);
    CHECK_EQ(pk_span(5, 0x10000), PK_SPAN_NONE);
}

static void code_compiled_again_is_the_same_function(void) {
    CHECK_OK(start());
    int64_t load = function("load", "/app/main.py", 12, 777);
    CHECK(load >= 0);
    CHECK_EQ(function("load", "/app/main.py", 12, 777), load);
    CHECK(function("load", "/app/main.py", 13, 777) != load);
    CHECK(function("load", "/app/main.py", 12, 778) != load); // same place, other code
    CHECK(function("load", "/app/other.py", 12, 777) != load);
    CHECK(function("lode", "/app/main.py", 12, 777) != load); // the hash alone proves nothing
    const struct pk_function *entry =
        (const struct pk_function *)(const void *)stores[2].base + load;
    CHECK_STR(text(entry->name), "load");
    CHECK_STR(text(entry->file), "/app/main.py");
    CHECK_EQ(entry->first_line, 12);
    CHECK_EQ(stores[2].used, 5 * sizeof(struct pk_function));
}

static void a_string_is_stored_once_with_its_length_and_a_nul(void) {
    CHECK_OK(start());
    // the length counts, not a NUL
    uint32_t offset = pk_stacks_string(&stacks,
                                       "caf\xc3\xa9"
                                       "XX",
                                       5);
    CHECK(offset != 0);
    CHECK_EQ(offset % 4, 0);
    CHECK_STR(text(offset), "caf\xc3\xa9");
    uint64_t used = stores[3].used;
    CHECK_EQ(used % 4, 0);
    CHECK_EQ(pk_stacks_string(&stacks, "caf\xc3\xa9", 5), offset);
    CHECK_EQ(stores[3].used, used);
    CHECK(pk_stacks_string(&stacks, "caf\xc3", 4) != offset);
    uint32_t with_nul = pk_stacks_string(&stacks, "a\0b", 3);
    CHECK(with_nul != pk_stacks_string(&stacks, "a\0c", 3));
    CHECK_EQ(memcmp(text(with_nul), "a\0b", 4), 0);
}

static void tables_grow_and_forget_nothing(void) {
    CHECK_OK(start());
    static uint32_t made[30000];
    for (uint32_t i = 0; i < 30000; i++) {
        uint32_t parent = i == 0 ? PK_NODE_ROOT : made[i / 3];
        made[i] = child(parent, i % 50, 1000 + i);
        CHECK(made[i] != 0);
        char name[16];
        snprintf(name, sizeof name, "f%u", i);
        CHECK_EQ(function(name, "/app/main.py", i, i * 7919), i);
    }
    for (uint32_t i = 0; i < 30000; i++) {
        uint32_t parent = i == 0 ? PK_NODE_ROOT : made[i / 3];
        CHECK_EQ(child(parent, i % 50, 1000 + i), made[i]);
        char name[16];
        snprintf(name, sizeof name, "f%u", i);
        CHECK_EQ(function(name, "/app/main.py", i, i * 7919), i);
    }
    CHECK_EQ(stacks.node_count, 30002);
}

static void a_full_disk_makes_no_half_nodes(void) {
    for (uint32_t table = 0; table < 2; table++) { // the counters', then the identities'
        CHECK_OK(start());
        uint64_t entry =
            table == 0 ? sizeof(struct pk_node_counters) : sizeof(struct pk_node_ident);
        limits[table] = stores[table].used + 3 * entry;
        stores[table].capacity = limits[table];
        uint32_t first = child(PK_NODE_ROOT, 0, 1);
        CHECK(first != 0 && child(first, 0, 2) != 0 && child(first, 0, 3) != 0);
        CHECK_EQ(child(first, 0, 4), 0);
        CHECK_EQ(child(first, 0, 4), 0);
        CHECK_EQ(child(PK_NODE_ROOT, 0, 1), first); // what is known stays known
        CHECK_EQ(stacks.node_count, 5);
        CHECK_EQ(stores[0].used, 5 * sizeof(struct pk_node_counters));
        CHECK_EQ(stores[1].used, 5 * sizeof(struct pk_node_ident));
        limits[table] = 64u << 20; // somebody made room on the disk
        CHECK_EQ(child(first, 0, 4), 5);
    }
}

static uint32_t chain(uint32_t parent, uint32_t levels, uint32_t func) {
    for (uint32_t level = 0; level < levels && parent != 0; level++) {
        parent = child(parent, func, 1);
    }
    return parent;
}

/* 1,024 places: the last 128 are for stacks of at most 32 levels, the last 32 of them for at most
 * 8. */
static void the_last_places_are_for_short_stacks(void) {
    CHECK_OK(start());
    stores[0].limit = limits[0] = 1024 * sizeof(struct pk_node_counters);
    uint32_t func = (uint32_t)function("walk", "/app/main.py", 1, 1);
    const struct pk_function_key kind = {
        .name = "[heap]", .name_bytes = 6, .kind = PK_FUNCTION_HEAP};
    uint32_t heap = (uint32_t)pk_stacks_function(&stacks, &kind);
    uint32_t far = chain(PK_NODE_ROOT, 32, func), near = chain(PK_NODE_ROOT, 8, func);
    uint32_t line = 2;
    while (stacks.node_count < 1024 - 128) {
        CHECK(child(far, func, line++) != 0);
    }
    CHECK_EQ(child(far, func, line), 0);
    CHECK(child(far, func, line - 1) != 0); // what is known stays known
    CHECK(child(far, heap, 0) != 0);        // no frame, but the kind of what a frame holds
    uint32_t above = chain(PK_NODE_ROOT, 31, func);
    while (stacks.node_count < 1024 - 32) {
        CHECK(child(above, func, line++) != 0);
    }
    CHECK_EQ(child(above, func, line), 0);
    CHECK_EQ(child(near, func, line), 0);
    uint32_t last = chain(PK_NODE_ROOT, 7, func);
    while (stacks.node_count < 1024) {
        CHECK(child(last, func, line++) != 0);
    }
    CHECK_EQ(child(last, func, line), 0);
}

static void no_room_for_text_leaves_it_empty_and_for_functions_says_so(void) {
    CHECK_OK(start());
    limits[3] = stores[3].capacity = stores[3].used;
    CHECK_EQ(pk_stacks_string(&stacks, "name", 4), 0);
    CHECK_OK(start());
    limits[2] = stores[2].capacity = stores[2].used;
    CHECK_EQ(function("load", "/app/main.py", 1, 1), -1);
}

static void hash_tables_that_cannot_grow_fill_up_and_then_refuse(void) {
    CHECK_OK(start());
    arena.fail_countdown = 1;
    uint32_t made = 0;
    while (made < 100000 && child(PK_NODE_ROOT, 0, made + 1) != 0) {
        made++;
    }
    CHECK(made > 1000 && made < 100000);
    CHECK_EQ(child(PK_NODE_ROOT, 0, 1), 2); // what is known stays known
    uint32_t strings = 0;
    for (char name[16]; strings < 100000; strings++) {
        snprintf(name, sizeof name, "%u", strings);
        if (pk_stacks_string(&stacks, name, (uint32_t)strlen(name)) == 0) {
            break;
        }
    }
    CHECK(strings > 500 && strings < 100000);
    arena.fail_countdown = 0;
    CHECK(child(PK_NODE_ROOT, 0, made + 1) != 0);
}

static void without_any_memory_it_does_not_begin(void) {
    for (uint32_t countdown = 1; countdown <= 3; countdown++) {
        CHECK_OK(start());
        struct pk_stacks fresh;
        arena.fail_countdown = countdown;
        CHECK_EQ(pk_stacks_init(&fresh, &arena, &stores[0], &stores[1], &stores[2], &stores[3]),
                 -ENOMEM);
    }
    CHECK_OK(start());
    limits[3] = stores[3].capacity = stores[3].used;
    struct pk_stacks fresh;
    CHECK_EQ(pk_stacks_init(&fresh, &arena, &stores[0], &stores[1], &stores[2], &stores[3]),
             -ENOSPC);
}

int main(int argc, char **argv) {
    static const struct check_test tests[] = {
        TEST(at_first_there_is_only_the_root),
        TEST(equal_stacks_are_one_node),
        TEST(a_node_knows_the_part_of_the_line_that_all_of_it_came_from),
        TEST(code_compiled_again_is_the_same_function),
        TEST(a_string_is_stored_once_with_its_length_and_a_nul),
        TEST(tables_grow_and_forget_nothing),
        TEST(a_full_disk_makes_no_half_nodes),
        TEST(the_last_places_are_for_short_stacks),
        TEST(no_room_for_text_leaves_it_empty_and_for_functions_says_so),
        TEST(hash_tables_that_cannot_grow_fill_up_and_then_refuse),
        TEST(without_any_memory_it_does_not_begin),
    };
    return check_run(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
