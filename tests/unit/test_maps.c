/* SPDX-License-Identifier: Apache-2.0
 * Address space as ranges: cut, protected, moved, and all or nothing when there is no memory. */
#include "check.h"

#include "ledger/maps.h"

#define PAGE 4096u

static struct pk_arena arena;
static struct pk_maps maps;
static struct pk_map seen[64];
static uint32_t seen_count;

static void see(void *context, const struct pk_map *map) {
    (void)context;
    seen[seen_count++] = *map;
}

static void start(void) {
    arena = (struct pk_arena){0};
    pk_maps_init(&maps, &arena);
    seen_count = 0;
}

// A usable map of pages [from, to) that carries its block.
static int add(uint64_t from, uint64_t to, uint32_t stack) {
    return pk_maps_add(&maps, (struct pk_map){.start = from * PAGE,
                                              .end = to * PAGE,
                                              .stack = stack,
                                              .usable = true,
                                              .start_of_map = true});
}

static int cut(uint64_t from, uint64_t to) {
    seen_count = 0;
    return pk_maps_cut(&maps, from * PAGE, to * PAGE, see, NULL);
}

static bool is_seen(uint32_t index, uint64_t from, uint64_t to, uint32_t stack, bool start_of_map) {
    return index < seen_count && seen[index].start == from * PAGE && seen[index].end == to * PAGE &&
           seen[index].stack == stack && seen[index].start_of_map == start_of_map;
}

static uint32_t look(void) {
    seen_count = 0;
    pk_maps_each(&maps, see, NULL);
    return seen_count;
}

static void a_map_is_found_in_all_its_pages_and_not_beyond(void) {
    start();
    CHECK_OK(add(10, 13, 7));
    struct pk_map map;
    CHECK(!pk_maps_find(&maps, 10 * PAGE - 1, &map));
    CHECK(pk_maps_find(&maps, 10 * PAGE, &map));
    CHECK(pk_maps_find(&maps, 13 * PAGE - 1, &map));
    CHECK_EQ(map.stack, 7);
    CHECK(!pk_maps_find(&maps, 13 * PAGE, &map));
    CHECK(pk_maps_is_valid(&maps));
}

static void a_hole_leaves_two_ends(void) {
    start();
    CHECK_OK(add(10, 20, 7));
    CHECK_OK(cut(13, 15));
    CHECK_EQ(seen_count, 1);
    CHECK(is_seen(0, 13, 15, 7, false));
    CHECK_EQ(look(), 2);
    CHECK(is_seen(0, 10, 13, 7, true));
    CHECK(is_seen(1, 15, 20, 7, false));
    CHECK(pk_maps_is_valid(&maps));
}

static void the_head_takes_the_block_with_it(void) {
    start();
    CHECK_OK(add(10, 20, 7));
    CHECK_OK(cut(5, 12));
    CHECK(is_seen(0, 10, 12, 7, true));
    CHECK_EQ(look(), 1);
    CHECK(is_seen(0, 12, 20, 7, false));
}

static void a_cut_over_many_maps_reports_them_in_order(void) {
    start();
    CHECK_OK(add(40, 50, 4));
    CHECK_OK(add(10, 20, 1));
    CHECK_OK(add(30, 35, 3));
    CHECK_OK(add(20, 25, 2));
    CHECK_OK(cut(15, 42));
    CHECK_EQ(seen_count, 4);
    CHECK(is_seen(0, 15, 20, 1, false));
    CHECK(is_seen(1, 20, 25, 2, true));
    CHECK(is_seen(2, 30, 35, 3, true));
    CHECK(is_seen(3, 40, 42, 4, true));
    CHECK_EQ(look(), 2);
    CHECK(is_seen(0, 10, 15, 1, true));
    CHECK(is_seen(1, 42, 50, 4, false));
    CHECK_EQ(maps.count, 2);
}

static void cutting_nothing_changes_nothing(void) {
    start();
    CHECK_OK(add(10, 20, 1));
    CHECK_OK(cut(20, 30));
    CHECK_OK(cut(0, 10));
    CHECK_OK(cut(15, 15));
    CHECK_EQ(seen_count, 0);
    CHECK_EQ(look(), 1);
}

static void protection_changes_only_what_differs(void) {
    start();
    CHECK_OK(add(10, 20, 1));
    CHECK_OK(add(20, 30, 2));
    seen_count = 0;
    CHECK_OK(pk_maps_protect(&maps, 15 * PAGE, 25 * PAGE, false, see, NULL));
    CHECK_EQ(seen_count, 2);
    CHECK(is_seen(0, 15, 20, 1, false));
    CHECK(is_seen(1, 20, 25, 2, true));
    CHECK(!seen[0].usable && !seen[1].usable);
    seen_count = 0;
    CHECK_OK(pk_maps_protect(&maps, 12 * PAGE, 22 * PAGE, false, see, NULL)); // partly so already
    CHECK_EQ(seen_count, 1);
    CHECK(is_seen(0, 12, 15, 1, false));
    CHECK(pk_maps_is_valid(&maps));
}

static void a_reserved_map_begins_to_count_piece_by_piece(void) {
    start();
    CHECK_OK(pk_maps_add(
        &maps, (struct pk_map){.start = 0x100000, .end = 0x200000, .stack = 9, .usable = false}));
    struct pk_map map;
    CHECK(pk_maps_find(&maps, 0x180000, &map));
    CHECK(!pk_map_counts(&map));
    CHECK_OK(pk_maps_protect(&maps, 0x180000, 0x181000, true, NULL, NULL));
    CHECK(pk_maps_find(&maps, 0x180000, &map));
    CHECK(pk_map_counts(&map));
    CHECK_EQ(map.end - map.start, 0x1000);
    CHECK(pk_maps_find(&maps, 0x181000, &map));
    CHECK(!pk_map_counts(&map));
}

static void a_moved_range_takes_its_pieces_along(void) {
    start();
    CHECK_OK(add(10, 20, 1));
    CHECK_OK(add(20, 30, 2));
    CHECK_OK(add(50, 60, 5));
    CHECK_OK(pk_maps_move(&maps, 15 * PAGE, 25 * PAGE, 70 * PAGE));
    CHECK_EQ(look(), 5);
    CHECK(is_seen(0, 10, 15, 1, true));
    CHECK(is_seen(1, 25, 30, 2, false));
    CHECK(is_seen(2, 50, 60, 5, true));
    CHECK(is_seen(3, 70, 75, 1, false));
    CHECK(is_seen(4, 75, 80, 2, true));
    CHECK_OK(pk_maps_move(&maps, 70 * PAGE, 80 * PAGE, 15 * PAGE)); // and back, between the others
    CHECK_EQ(look(), 5);
    CHECK(is_seen(1, 15, 20, 1, false));
    CHECK(is_seen(4, 50, 60, 5, true));
    CHECK(pk_maps_is_valid(&maps));
}

static void only_a_range_that_ends_there_is_extended(void) {
    start();
    CHECK_OK(add(10, 20, 1));
    struct pk_map map;
    CHECK(!pk_maps_extend(&maps, 19 * PAGE, 30 * PAGE, &map));
    CHECK(!pk_maps_extend(&maps, 21 * PAGE, 30 * PAGE, &map));
    CHECK(!pk_maps_extend(&maps, 0, PAGE, &map));
    CHECK(pk_maps_extend(&maps, 20 * PAGE, 30 * PAGE, &map));
    CHECK_EQ(map.end, 30 * PAGE);
    CHECK(pk_maps_find(&maps, 29 * PAGE, &map));
}

static void the_last_page_of_the_address_space_is_no_special_case(void) {
    start();
    uint64_t last = UINT64_MAX / PAGE;
    CHECK_OK(add(last - 2, last, 1));
    CHECK_OK(add(0, 1, 2));
    CHECK_OK(cut(last - 1, last));
    CHECK(is_seen(0, last - 1, last, 1, false));
    CHECK_OK(cut(0, last));
    CHECK_EQ(seen_count, 2);
    CHECK_EQ(maps.count, 0);
    CHECK(pk_maps_is_valid(&maps));
}

// Uses up what is set aside, so that the next change must ask the arena, which has nothing.
static void starve(void) {
    arena.fail_countdown = 1;
    for (uint64_t page = 1000; pk_maps_reserve(&maps, 1) == 0; page += 2) {
        (void)add(page, page + 1, 100);
    }
}

static void without_memory_a_change_is_all_or_nothing(void) {
    start();
    CHECK_OK(add(10, 20, 1));
    CHECK_OK(add(20, 30, 2));
    starve();
    uint64_t count = maps.count;
    CHECK_EQ(cut(12, 15), -ENOMEM);
    CHECK_EQ(seen_count, 0);
    CHECK_EQ(pk_maps_protect(&maps, 15 * PAGE, 25 * PAGE, false, see, NULL), -ENOMEM);
    CHECK_EQ(pk_maps_move(&maps, 15 * PAGE, 25 * PAGE, 300 * PAGE), -ENOMEM);
    CHECK_EQ(add(40, 50, 3), -ENOMEM);
    CHECK_EQ(seen_count, 0);
    CHECK_EQ(maps.count, count);
    look();
    CHECK(is_seen(0, 10, 20, 1, true));
    CHECK(is_seen(1, 20, 30, 2, true));
    CHECK(pk_maps_is_valid(&maps));
}

static void what_needs_no_memory_works_without(void) {
    start();
    CHECK_OK(add(10, 20, 1));
    CHECK_OK(add(20, 30, 2));
    starve();
    CHECK_OK(cut(5, 12));
    CHECK_OK(cut(18, 22));
    CHECK_OK(pk_maps_protect(&maps, 12 * PAGE, 18 * PAGE, false, NULL, NULL));
    CHECK_OK(pk_maps_move(&maps, 12 * PAGE, 18 * PAGE, 100 * PAGE));
    struct pk_map map;
    CHECK(pk_maps_find(&maps, 105 * PAGE, &map));
    CHECK(!map.usable);
    CHECK(pk_maps_is_valid(&maps));
}

static void what_is_reserved_cannot_fail(void) {
    start();
    CHECK_OK(add(10, 20, 1));
    starve();
    arena.fail_countdown = 0;
    CHECK_OK(pk_maps_reserve(&maps, 3));
    arena.fail_countdown = 1;
    CHECK_OK(cut(13, 15));
    CHECK_OK(add(13, 14, 2));
    CHECK_OK(cut(16, 17));
    CHECK_EQ(add(14, 15, 3), -ENOMEM);
    CHECK(pk_maps_is_valid(&maps));
}

static void thousands_of_maps_in_any_order_stay_a_shallow_tree(void) {
    start();
    for (uint64_t i = 0; i < 20000; i++) {
        CHECK_OK(add(2 * i, 2 * i + 1, 1)); // in ascending order: the worst for an unbalanced tree
    }
    CHECK(pk_maps_is_valid(&maps)); // would take minutes on a list
    for (uint64_t i = 0; i < 20000; i += 2) {
        CHECK_OK(cut(2 * i, 2 * i + 1));
        CHECK_EQ(seen_count, 1);
    }
    CHECK_EQ(maps.count, 10000);
    uint64_t own = arena.own_bytes;
    for (uint64_t i = 0; i < 20000; i += 2) {
        CHECK_OK(add(2 * i, 2 * i + 1, 1));
    }
    CHECK_EQ(arena.own_bytes, own); // nodes are used again
    CHECK(pk_maps_is_valid(&maps));
}

int main(int argc, char **argv) {
    static const struct check_test tests[] = {
        TEST(a_map_is_found_in_all_its_pages_and_not_beyond),
        TEST(a_hole_leaves_two_ends),
        TEST(the_head_takes_the_block_with_it),
        TEST(a_cut_over_many_maps_reports_them_in_order),
        TEST(cutting_nothing_changes_nothing),
        TEST(protection_changes_only_what_differs),
        TEST(a_reserved_map_begins_to_count_piece_by_piece),
        TEST(a_moved_range_takes_its_pieces_along),
        TEST(only_a_range_that_ends_there_is_extended),
        TEST(the_last_page_of_the_address_space_is_no_special_case),
        TEST(without_memory_a_change_is_all_or_nothing),
        TEST(what_needs_no_memory_works_without),
        TEST(what_is_reserved_cannot_fail),
        TEST(thousands_of_maps_in_any_order_stay_a_shallow_tree),
    };
    return check_run(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
