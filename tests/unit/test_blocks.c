/* SPDX-License-Identifier: Apache-2.0
 * The block index: what was put is found again, whatever shape its page has, and small objects cost
 * little. */
#include "check.h"

#include "ledger/blocks.h"

#define POOL 0x7f0000010000u
#define HEAP 0x555555560000u

static struct pk_arena arena;
static struct pk_blocks blocks;
static struct pk_block old;

static void start(void) {
    arena = (struct pk_arena){0};
    memset(&blocks, 0, sizeof blocks);
    pk_blocks_init(&blocks, &arena);
}

static int put_even(uint64_t address, uint64_t size, uint32_t stack) {
    return pk_blocks_put(&blocks, address, size, stack, PK_BLOCK_PYTHON, true, &old);
}

static int put(uint64_t address, uint64_t size, uint32_t stack) {
    return pk_blocks_put(&blocks, address, size, stack, 0, false, &old);
}

static bool holds(uint64_t address, uint64_t size, uint32_t stack) {
    struct pk_block block = pk_blocks_find(&blocks, address);
    return block.stack == stack && (stack == 0 || block.size == size);
}

static const struct pk_page *page_at(uint64_t address) {
    return &blocks.root[address >> 32][address >> 22 & 1023u][address >> 12 & 1023u];
}

static bool is_mixed(uint64_t address) {
    return page_at(address)->bias == PK_PAGE_MIXED;
}

static void an_empty_index_knows_nothing(void) {
    start();
    CHECK_EQ(pk_blocks_find(&blocks, HEAP).stack, 0);
    CHECK_EQ(pk_blocks_take(&blocks, HEAP).stack, 0);
    CHECK_EQ(pk_blocks_take(&blocks, 0).stack, 0);
    CHECK_EQ(pk_blocks_take(&blocks, UINT64_MAX).stack, 0);
    CHECK_EQ(arena.own_bytes, 0);
    CHECK(pk_blocks_is_valid(&blocks));
}

static void a_pool_of_one_size_takes_four_bytes_a_block(void) {
    start();
    for (uint32_t i = 0; i < 84; i++) { // a page of 48-byte objects behind a pool's header
        CHECK_OK(put_even(POOL + 48 + i * 48, 33 + i % 16, 5 + i));
        CHECK_EQ(old.stack, 0);
    }
    CHECK(!is_mixed(POOL));
    CHECK_EQ(page_at(POOL)->grain16, 3);
    for (uint32_t i = 0; i < 84; i++) {
        CHECK(holds(POOL + 48 + i * 48, 33 + i % 16, 5 + i));
        // inside is not a start
        CHECK_EQ(pk_blocks_find(&blocks, POOL + 48 + i * 48 + 16).stack, 0);
        CHECK_EQ(pk_blocks_take(&blocks, POOL + 48 + i * 48 + 32).stack, 0);
    }
    CHECK_EQ(blocks.count, 84);
    CHECK(pk_blocks_is_valid(&blocks));
}

static void every_size_class_at_every_offset_divides_exactly(void) {
    for (uint32_t grain = 1; grain <= 32; grain++) {
        for (uint32_t offset = 0; offset < grain; offset++) {
            start();
            uint32_t count = 0;
            for (uint32_t step = offset; step < 256; step += grain) {
                CHECK_OK(put_even(POOL + step * 16, grain * 16, step + 1));
                count++;
            }
            CHECK(!is_mixed(POOL));
            for (uint32_t step = 0; step < 256; step++) {
                bool is_start = step >= offset && (step - offset) % grain == 0;
                CHECK(holds(POOL + step * 16, grain * 16, is_start ? step + 1 : 0));
            }
            CHECK_EQ(blocks.count, count);
        }
    }
}

static void an_empty_pool_may_change_its_size_class(void) {
    start();
    CHECK_OK(put_even(POOL + 48, 512, 1));
    CHECK_EQ(pk_blocks_take(&blocks, POOL + 48).stack, 1);
    // The same first address suits every class; the old shape must not be taken for the new one.
    for (uint32_t i = 0; i < 250; i++) {
        CHECK_OK(put_even(POOL + 48 + i * 16, 16, 2));
    }
    CHECK(!is_mixed(POOL));
    CHECK_EQ(page_at(POOL)->grain16, 1);
    CHECK(pk_blocks_is_valid(&blocks));
}

static void a_block_out_of_step_makes_the_page_mixed_and_loses_nothing(void) {
    start();
    for (uint32_t i = 0; i < 40; i++) {
        CHECK_OK(put_even(POOL + i * 96, 90, 1 + i));
    }
    CHECK_OK(put(POOL + 41 * 96 + 16, 700, 99));
    CHECK(is_mixed(POOL));
    for (uint32_t i = 0; i < 40; i++) {
        CHECK(holds(POOL + i * 96, 90, 1 + i));
        CHECK_EQ(pk_blocks_find(&blocks, POOL + i * 96).flags, PK_BLOCK_PYTHON);
    }
    CHECK(holds(POOL + 41 * 96 + 16, 700, 99));
    CHECK_EQ(blocks.count, 41);
    CHECK(pk_blocks_is_valid(&blocks));
}

static void large_blocks_keep_their_page_coarse(void) {
    start();
    for (uint32_t i = 0; i < 5; i++) {
        CHECK_OK(put(HEAP + 16 + i * 816, 800, 1 + i));
    }
    CHECK_EQ(page_at(HEAP)->grain16, 5); // 512-byte cells: 64 bytes a page
    CHECK_EQ(page_at(HEAP)->displaced, 0);
    CHECK_OK(put(HEAP + 8192, 1u << 20, 9));
    CHECK_EQ(page_at(HEAP + 8192)->grain16, 7); // two cells: 16 bytes
    CHECK(holds(HEAP + 16 + 4 * 816, 800, 5) && holds(HEAP + 8192, 1u << 20, 9));
    CHECK(pk_blocks_is_valid(&blocks));
}

static void neighbours_get_a_finer_page_while_that_is_cheap(void) {
    start();
    CHECK_OK(put(HEAP, 800, 1));
    CHECK_OK(put(HEAP + 816, 20, 2)); // in the same 512 bytes as the next
    CHECK_OK(put(HEAP + 848, 20, 3));
    CHECK_EQ(page_at(HEAP)->grain16, 4);
    CHECK(holds(HEAP, 800, 1) && holds(HEAP + 816, 20, 2) && holds(HEAP + 848, 20, 3));
    CHECK(blocks.spread_bytes > 0);
    CHECK(pk_blocks_is_valid(&blocks));
}

static void neighbours_share_when_finer_pages_would_cost_too_much(void) {
    start();
    blocks.spread_bytes = 1u << 20; // as if that much were spent
    CHECK_OK(put(HEAP, 800, 1));
    for (uint32_t i = 0; i < 5; i++) {
        // all in the last 512 bytes: they go on at the first
        CHECK_OK(put(HEAP + 4000 + i * 16, 10, 2 + i));
    }
    CHECK_EQ(page_at(HEAP)->grain16, 5);
    CHECK_EQ(page_at(HEAP)->displaced, 4);
    CHECK_OK(put(HEAP + 512, 500, 8)); // whose own cell is taken by one of them
    for (uint32_t i = 0; i < 5; i++) {
        CHECK(holds(HEAP + 4000 + i * 16, 10, 2 + i));
    }
    CHECK(holds(HEAP + 512, 500, 8));
    CHECK(pk_blocks_is_valid(&blocks));
    CHECK_EQ(pk_blocks_take(&blocks, HEAP + 4000).stack, 2); // the others move up
    CHECK(pk_blocks_is_valid(&blocks));
    CHECK_EQ(pk_blocks_take(&blocks, HEAP).stack, 1);
    CHECK(pk_blocks_is_valid(&blocks));
    for (uint32_t i = 1; i < 5; i++) {
        CHECK_EQ(pk_blocks_take(&blocks, HEAP + 4000 + i * 16).stack, 2 + i);
    }
    CHECK_EQ(pk_blocks_take(&blocks, HEAP + 512).stack, 8);
    CHECK_EQ(page_at(HEAP)->displaced, 0);
    CHECK_EQ(blocks.count, 0);
}

static void a_page_full_of_the_smallest_blocks_holds_them_all(void) {
    start();
    blocks.spread_bytes = 1u << 20;
    for (uint32_t i = 0; i < 256; i++) {
        CHECK_OK(put(HEAP + (i * 77 % 256) * 16, i, 1 + i));
    }
    CHECK_EQ(page_at(HEAP)->grain16, 0);
    for (uint32_t i = 0; i < 256; i++) {
        CHECK_EQ(pk_blocks_take(&blocks, HEAP + (i * 77 % 256) * 16).stack, 1 + i);
    }
    CHECK(pk_blocks_is_valid(&blocks));
}

/* An inner page of a pool has no header: 256 blocks of 16 bytes, none of which was seen freed. */
static void a_block_that_fits_no_full_page_takes_the_place_of_the_forgotten_one(void) {
    for (uint32_t at = 0; at < 256; at += 51) {
        start();
        for (uint32_t step = 0; step < 256; step++) {
            CHECK_EQ(put_even(POOL + step * 16, 16, 5), 0);
        }
        CHECK_EQ(put_even(POOL + at * 16, 48, 6), 0);
        CHECK_EQ(old.stack, 5);
        CHECK_EQ(old.size, 16);
        CHECK(holds(POOL + at * 16, 48, 6));
        CHECK_EQ(blocks.count, 256);
        CHECK(pk_blocks_is_valid(&blocks));
    }
}

static void an_empty_page_forgets_that_it_was_fine(void) {
    start();
    for (uint32_t i = 0; i < 256; i++) {
        CHECK_OK(put(HEAP + i * 16, 8, 1));
    }
    CHECK_EQ(page_at(HEAP)->grain16, 0);
    for (uint32_t i = 0; i < 256; i++) {
        (void)pk_blocks_take(&blocks, HEAP + i * 16);
    }
    CHECK_OK(put(HEAP + 64, 100000, 2));
    CHECK_EQ(page_at(HEAP)->grain16, 7);
    CHECK(holds(HEAP + 64, 100000, 2));
}

static void an_address_given_out_twice_returns_the_forgotten_block(void) {
    start();
    CHECK_OK(put(HEAP, 100, 1));
    CHECK_OK(put(HEAP, 200, 2));
    CHECK_EQ(old.stack, 1);
    CHECK_EQ(old.size, 100);
    CHECK_OK(put_even(POOL, 48, 3));
    CHECK_OK(put_even(POOL + 48, 48, 4));
    CHECK_OK(put(POOL, 5000, 5)); // no longer fits the even page
    CHECK_EQ(old.stack, 3);
    CHECK(holds(POOL, 5000, 5) && holds(POOL + 48, 48, 4));
    CHECK_EQ(blocks.count, 3);
    CHECK(pk_blocks_is_valid(&blocks));
}

static void what_does_not_fit_a_page_lives_to_the_side(void) {
    start();
    CHECK_OK(put(HEAP + 8, 100, 1));                  // not on 16
    CHECK_OK(put(1ull << 50, 100, 2));                // above the tables
    CHECK_OK(put(HEAP, 16ull << 30, 3));              // too large for a cell
    CHECK_OK(put(HEAP + 4096, (16ull << 30) - 1, 4)); // the largest that is not
    CHECK_EQ(blocks.side.count, 3);
    CHECK(holds(HEAP + 8, 100, 1) && holds(1ull << 50, 100, 2) && holds(HEAP, 16ull << 30, 3));
    CHECK(holds(HEAP + 4096, (16ull << 30) - 1, 4));
    CHECK_EQ(pk_blocks_take(&blocks, HEAP).size, 16ull << 30);
    CHECK_EQ(pk_blocks_take(&blocks, HEAP + 8).stack, 1);
    CHECK_EQ(pk_blocks_take(&blocks, HEAP + 8).stack, 0);
    CHECK(pk_blocks_is_valid(&blocks));
}

/* Free-threaded Pythons have blocks not on 16 in every program: the short way (hot.h) must stay
 * open beside them. */
static void only_what_a_page_could_hold_hides_the_pages(void) {
    start();
    CHECK_OK(put_even(POOL, 48, 1));
    CHECK_OK(put(HEAP + 8, 8, 2));
    CHECK(pk_blocks_page(&blocks, POOL) != &blocks.nowhere);
    CHECK_OK(put(HEAP, 16ull << 30, 3));
    CHECK_OK(put(HEAP, 17ull << 30, 4)); // in its place: one still
    CHECK(pk_blocks_page(&blocks, POOL) == &blocks.nowhere);
    CHECK(pk_blocks_page(&blocks, HEAP) == &blocks.nowhere);
    CHECK_EQ(pk_blocks_take(&blocks, HEAP).stack, 4);
    CHECK(pk_blocks_page(&blocks, POOL) != &blocks.nowhere);
    CHECK(holds(HEAP + 8, 8, 2));
    CHECK(pk_blocks_is_valid(&blocks));
}

static void a_block_is_never_in_both_places(void) {
    start();
    CHECK_OK(put(HEAP, 100, 1));
    CHECK_OK(put(HEAP, 100ull << 30, 2));
    CHECK_EQ(old.stack, 1);
    CHECK_OK(put(HEAP, 50, 3));
    CHECK_EQ(old.stack, 2);
    CHECK_EQ(old.size, 100ull << 30);
    CHECK_EQ(blocks.count, 1);
    CHECK_EQ(blocks.side.count, 0);
    CHECK(pk_blocks_is_valid(&blocks));
}

static void the_side_table_survives_any_order_of_deaths(void) {
    start();
    static uint64_t addresses[3000];
    for (uint32_t i = 0; i < 3000; i++) {
        addresses[i] = HEAP + i * 24 + (i % 2 == 0 ? 12 : 4);
        CHECK_OK(put(addresses[i], i, 1 + i));
    }
    for (uint32_t i = 2999; i > 0; i--) {
        uint32_t j = (uint32_t)(check_random() % (i + 1));
        uint64_t other = addresses[i];
        addresses[i] = addresses[j];
        addresses[j] = other;
    }
    for (uint32_t i = 0; i < 3000; i++) {
        CHECK(pk_blocks_take(&blocks, addresses[i]).stack != 0);
        CHECK(i + 1 == 3000 || pk_blocks_find(&blocks, addresses[2999]).stack != 0);
        if (i % 500 == 0) {
            CHECK(pk_blocks_is_valid(&blocks));
        }
    }
    CHECK_EQ(blocks.count, 0);
}

static void flags_are_added_where_the_block_is(void) {
    start();
    CHECK_OK(put_even(POOL + 32, 32, 1));
    CHECK_OK(put(HEAP, 80, 2));
    CHECK_OK(put(HEAP + 104, 80, 3));
    CHECK(pk_blocks_flag(&blocks, POOL + 32, PK_BLOCK_CODE));
    CHECK(pk_blocks_flag(&blocks, HEAP, PK_BLOCK_CODE));
    CHECK(pk_blocks_flag(&blocks, HEAP + 104, PK_BLOCK_CODE));
    CHECK(!pk_blocks_flag(&blocks, HEAP + 16, PK_BLOCK_CODE));
    CHECK_EQ(pk_blocks_take(&blocks, POOL + 32).flags, PK_BLOCK_PYTHON | PK_BLOCK_CODE);
    CHECK_EQ(pk_blocks_take(&blocks, HEAP).flags, PK_BLOCK_CODE);
    CHECK_EQ(pk_blocks_take(&blocks, HEAP + 104).flags, PK_BLOCK_CODE);
}

static void the_largest_stack_number_and_empty_blocks_fit(void) {
    start();
    CHECK_OK(put_even(POOL, 0, PK_MAX_NODES - 1));
    CHECK_OK(put(HEAP, 0, PK_MAX_NODES - 1));
    CHECK(holds(POOL, 0, PK_MAX_NODES - 1));
    CHECK(holds(HEAP, 0, PK_MAX_NODES - 1));
}

// Every allocation a put may need is made to fail in turn; the index must stay whole and work again
// afterwards.
static void no_memory_at_any_point_breaks_nothing(void) {
    for (uint32_t countdown = 1; countdown < 12; countdown++) {
        start();
        CHECK_OK(put_even(POOL, 64, 1));
        CHECK_OK(put_even(POOL + 64, 64, 2));
        arena.fail_countdown = countdown;
        int results[] = {put(POOL + 16, 64, 3), put(HEAP, 16, 4),      put(HEAP + 16, 16, 5),
                         put(HEAP + 8, 16, 6),  put(1ull << 46, 9, 7), put(HEAP, 99ull << 30, 8)};
        static const uint64_t addresses[] = {POOL + 16, 0, HEAP + 16, HEAP + 8, 1ull << 46, 0};
        arena.fail_countdown = 0;
        CHECK(pk_blocks_is_valid(&blocks));
        CHECK(countdown != 1 || results[0] == -ENOMEM);
        for (uint32_t i = 0; i < 6; i++) {
            CHECK(results[i] == 0 || results[i] == -ENOMEM);
            CHECK(addresses[i] == 0 ||
                  (pk_blocks_find(&blocks, addresses[i]).stack != 0) == (results[i] == 0));
        }
        CHECK(holds(POOL, 64, 1) && holds(POOL + 64, 64, 2));
        CHECK_OK(put(POOL + 16, 64, 3));
        CHECK_OK(put(HEAP + 8, 64, 3));
        CHECK(pk_blocks_is_valid(&blocks));
    }
}

static void a_full_side_table_that_cannot_grow_says_so(void) {
    start();
    CHECK_OK(put(HEAP + 1, 1, 1));
    arena.fail_countdown = 1;
    uint32_t stored = 1;
    while (stored < 1000 && put(HEAP + 1 + stored * 16, 1, 1) == 0) {
        stored++;
    }
    CHECK(stored < 64); // one slot stays empty, so that every search ends
    CHECK_EQ(blocks.count, stored);
    CHECK_EQ(pk_blocks_find(&blocks, HEAP + 3).stack, 0);
    CHECK(pk_blocks_is_valid(&blocks));
}

int main(int argc, char **argv) {
    static const struct check_test tests[] = {
        TEST(an_empty_index_knows_nothing),
        TEST(a_pool_of_one_size_takes_four_bytes_a_block),
        TEST(every_size_class_at_every_offset_divides_exactly),
        TEST(an_empty_pool_may_change_its_size_class),
        TEST(a_block_out_of_step_makes_the_page_mixed_and_loses_nothing),
        TEST(large_blocks_keep_their_page_coarse),
        TEST(neighbours_get_a_finer_page_while_that_is_cheap),
        TEST(neighbours_share_when_finer_pages_would_cost_too_much),
        TEST(a_page_full_of_the_smallest_blocks_holds_them_all),
        TEST(a_block_that_fits_no_full_page_takes_the_place_of_the_forgotten_one),
        TEST(an_empty_page_forgets_that_it_was_fine),
        TEST(an_address_given_out_twice_returns_the_forgotten_block),
        TEST(what_does_not_fit_a_page_lives_to_the_side),
        TEST(only_what_a_page_could_hold_hides_the_pages),
        TEST(a_block_is_never_in_both_places),
        TEST(the_side_table_survives_any_order_of_deaths),
        TEST(flags_are_added_where_the_block_is),
        TEST(the_largest_stack_number_and_empty_blocks_fit),
        TEST(no_memory_at_any_point_breaks_nothing),
        TEST(a_full_side_table_that_cannot_grow_says_so),
    };
    return check_run(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
