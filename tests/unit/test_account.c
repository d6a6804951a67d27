/* SPDX-License-Identifier: Apache-2.0
 * The exact peak in O(1): who held what when the total was highest. */
#include "check.h"

#include "ledger/account.h"

static struct pk_account account;
static struct pk_node_counters nodes[4];

static void start(void) {
    account = (struct pk_account){0};
    memset(nodes, 0, sizeof nodes);
    pk_account_start(&account);
}

// As the ledger does it: a sweep whenever one is due.
static void charge(uint32_t node, uint64_t bytes) {
    if (pk_account_charge(&account, &nodes[node], bytes, 1) == PK_ACCOUNT_SWEEP) {
        pk_account_sweep(&account, nodes, 4);
    }
}

static void release(uint32_t node, uint64_t bytes) {
    pk_account_release(&account, &nodes[node], bytes, 1);
}

static uint64_t share(uint32_t node) {
    return pk_node_peak_bytes(&account, &nodes[node]);
}

static uint64_t blocks_share(uint32_t node) {
    return pk_node_peak_blocks(&account, &nodes[node]);
}

static void nothing_has_no_peak(void) {
    start();
    CHECK_EQ(account.peak_bytes, 0);
    CHECK_EQ(share(0), 0);
}

static void while_the_total_climbs_the_peak_is_now(void) {
    start();
    charge(0, 100);
    charge(1, 50);
    CHECK_EQ(account.peak_bytes, 150);
    CHECK_EQ(share(0), 100);
    CHECK_EQ(share(1), 50);
    CHECK_EQ(account.epoch, 1); // and nothing had to be remembered
    CHECK_EQ(account.captured, 0);
}

static void the_first_change_after_a_peak_says_so(void) {
    start();
    charge(0, 100);
    CHECK_EQ(pk_account_release(&account, &nodes[0], 10, 1), PK_ACCOUNT_PEAK_ENDED);
    CHECK_EQ(pk_account_release(&account, &nodes[0], 10, 1), PK_ACCOUNT_FINE);
    CHECK_EQ(pk_account_charge(&account, &nodes[1], 10, 1), PK_ACCOUNT_FINE); // not a new peak yet
    CHECK_EQ(pk_account_charge(&account, &nodes[1], 11, 1), PK_ACCOUNT_FINE); // now it is
    CHECK_EQ(pk_account_release(&account, &nodes[1], 1, 1), PK_ACCOUNT_PEAK_ENDED);
}

static void what_is_freed_after_the_peak_is_still_in_it(void) {
    start();
    charge(0, 100);
    charge(1, 50);
    release(0, 100);
    charge(2, 30);
    CHECK_EQ(account.total_bytes, 80);
    CHECK_EQ(account.peak_bytes, 150);
    CHECK_EQ(share(0), 100);
    CHECK_EQ(share(1), 50);
    CHECK_EQ(share(2), 0); // came later
    CHECK_EQ(blocks_share(0), 1);
    CHECK_EQ(blocks_share(2), 0);
}

static void a_higher_peak_replaces_the_old_one(void) {
    start();
    charge(0, 100);
    release(0, 100);
    charge(1, 99);
    CHECK_EQ(share(0), 100);
    charge(1, 2); // 101: a new peak, without node 0
    CHECK_EQ(account.peak_bytes, 101);
    CHECK_EQ(share(0), 0);
    CHECK_EQ(share(1), 101);
    CHECK_EQ(blocks_share(1), 2);
    CHECK_EQ(account.peak_blocks, 2);
}

static void the_first_of_two_equal_peaks_counts(void) {
    start();
    charge(0, 100);
    release(0, 100);
    charge(1, 100);
    CHECK_EQ(share(0), 100);
    CHECK_EQ(share(1), 0);
}

static void empty_blocks_are_counted_and_do_not_move_the_peak(void) {
    start();
    charge(0, 100);
    charge(0, 0);
    CHECK_EQ(account.total_blocks, 2);
    CHECK_EQ(account.peak_blocks, 1);
    CHECK_EQ(blocks_share(0), 1);
}

static void falls_and_rises_cost_one_epoch_each(void) {
    start();
    for (uint64_t i = 1; i <= 5; i++) {
        charge(0, i);
        charge(0, i);
        release(0, i);
        release(0, i);
    }
    CHECK_EQ(account.epoch, 5); // four of the five rises came after a fall
}

static void used_up_epochs_are_swept_and_nobody_notices(void) {
    start();
    charge(0, 1000);
    release(0, 400);
    charge(1, 300);
    account.epoch = PK_EPOCH_LAST - 1; // as if that many falls and rises had been
    nodes[0].epoch = nodes[1].epoch = PK_EPOCH_LAST - 1;
    CHECK_EQ(share(0), 1000);
    charge(2, 200); // 1100: a new peak, for which no epoch is left
    CHECK_EQ(account.epoch, 1);
    CHECK_EQ(account.peak_bytes, 1100);
    CHECK_EQ(share(0), 600);
    CHECK_EQ(share(1), 300);
    CHECK_EQ(share(2), 200);
    release(1, 300);
    CHECK_EQ(share(1), 300);
    CHECK_EQ(share(0) + share(1) + share(2), account.peak_bytes);
}

static void very_large_numbers_stay_exact(void) {
    start();
    charge(0, 1ull << 46);
    charge(1, (1ull << 46) + 1);
    release(0, 1ull << 46);
    CHECK_EQ(account.peak_bytes, (1ull << 47) + 1);
    CHECK_EQ(share(1), (1ull << 46) + 1);
}

int main(int argc, char **argv) {
    static const struct check_test tests[] = {
        TEST(nothing_has_no_peak),
        TEST(while_the_total_climbs_the_peak_is_now),
        TEST(the_first_change_after_a_peak_says_so),
        TEST(what_is_freed_after_the_peak_is_still_in_it),
        TEST(a_higher_peak_replaces_the_old_one),
        TEST(the_first_of_two_equal_peaks_counts),
        TEST(empty_blocks_are_counted_and_do_not_move_the_peak),
        TEST(falls_and_rises_cost_one_epoch_each),
        TEST(used_up_epochs_are_swept_and_nobody_notices),
        TEST(very_large_numbers_stay_exact),
    };
    return check_run(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
