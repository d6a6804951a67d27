/* SPDX-License-Identifier: Apache-2.0
 * Stories about the ledger that the model's random events tell too seldom: a process is forked;
 * memory is mapped without reservation and touched later. After each story the conservation law is
 * recomputed. */
#include "check.h"

#include "ledger/hot.h"
#include "ledger/ledger.h"
#include "store_memory.h"

#define HEAP UINT64_C(0x555555554000)
#define MAPS UINT64_C(0x7e0000000000)
#define PAGE UINT64_C(4096)

static struct pk_ledger ledger;
static struct pk_account account, childs_account;
static struct pk_store stores[4];
static uint64_t limits[4];

static void begin(void) {
    memset(&ledger, 0, sizeof ledger);
    memset(&account, 0, sizeof account);
    memset(&childs_account, 0, sizeof childs_account);
    for (int i = 0; i < 4; i++) {
        limits[i] = 1u << 20;
        stores[i] = make_memory_store(&limits[i]);
    }
    CHECK_EQ(pk_ledger_init(&ledger, &account, &stores[0], &stores[1], &stores[2], &stores[3]), 0);
}

static void end(void) {
    for (int i = 0; i < 4; i++) {
        free_memory_store(&stores[i]);
    }
}

static void fork_here(void) {
    for (int i = 0; i < 4; i++) {
        free_memory_store(&stores[i]);
        stores[i] = make_memory_store(&limits[i]);
    }
    struct pk_account parents = *ledger.account;
    CHECK_EQ(pk_ledger_fork(&ledger, &childs_account, &parents), 0);
}

static uint32_t new_stack(uint32_t line) {
    return pk_stacks_child(&ledger.stacks, ledger.stacks.root, 0, line, PK_SPAN_NONE);
}

static void check_law(void) {
    const char *broken = pk_ledger_is_valid(&ledger);
    CHECK_STR(broken == NULL ? "" : broken, "");
}

static void what_a_child_frees_of_its_parents_is_no_loss_of_its_own(void) {
    begin();
    uint32_t parents = new_stack(7);
    pk_ledger_alloc(&ledger, HEAP, 100, parents, PK_BLOCK_PYTHON, true);
    pk_ledger_alloc(&ledger, HEAP + 4096, 5000, parents, 0, false);
    fork_here();
    CHECK_EQ(childs_account.total_bytes, 0);
    CHECK_EQ(ledger.inherited_bytes, 5100);
    // the same line is another stack: whose bytes are whose is told by the number
    uint32_t own = new_stack(7);
    CHECK(own > parents);
    CHECK_EQ(pk_stacks_ident(&ledger.stacks, own)->parent, PK_NODE_ROOT);
    pk_ledger_alloc(&ledger, HEAP + 16384, 300, own, PK_BLOCK_PYTHON, true);
    pk_hot_free(&ledger, HEAP);
    pk_ledger_free(&ledger, HEAP + 4096);
    CHECK_EQ(ledger.inherited_freed_bytes, 5100);
    CHECK_EQ(ledger.inherited_freed_blocks, 2);
    CHECK_EQ(childs_account.total_bytes, 300);
    CHECK_EQ(childs_account.peak_bytes, 300);
    CHECK_EQ(ledger.unknown_frees, 0);
    check_law();
    end();
}

static void an_inherited_block_that_grows_becomes_the_childs(void) {
    begin();
    uint32_t parents = new_stack(7);
    pk_ledger_alloc(&ledger, HEAP, 1000, parents, 0, false);
    fork_here();
    uint32_t own = new_stack(8);
    struct pk_block old = pk_ledger_resize_begin(&ledger, HEAP);
    check_law();
    pk_ledger_resize_abort(&ledger, old, HEAP);
    CHECK_EQ(ledger.inherited_freed_bytes, 0);
    old = pk_ledger_resize_begin(&ledger, HEAP);
    pk_ledger_resize_commit(&ledger, old, HEAP, 9000, own, 0, false, false);
    CHECK_EQ(ledger.inherited_freed_bytes, 1000);
    CHECK_EQ(childs_account.total_bytes, 9000);
    check_law();
    end();
}

static void an_inherited_map_grows_by_what_is_the_childs(void) {
    begin();
    uint32_t parents = new_stack(7);
    pk_ledger_map(
        &ledger,
        (struct pk_map){.start = MAPS, .end = MAPS + 4 * PAGE, .stack = parents, .usable = true});
    fork_here();
    uint32_t own = new_stack(8);
    pk_ledger_remap(&ledger, MAPS, 4 * PAGE, MAPS + 64 * PAGE, 10 * PAGE, own);
    CHECK_EQ(childs_account.total_bytes, 6 * PAGE);
    pk_ledger_unmap(&ledger, MAPS + 64 * PAGE, MAPS + 74 * PAGE);
    CHECK_EQ(childs_account.total_bytes, 0);
    CHECK_EQ(ledger.inherited_freed_bytes, 4 * PAGE);
    check_law();
    end();
}

static void a_grandchild_inherits_from_both(void) {
    begin();
    pk_ledger_alloc(&ledger, HEAP, 1000, new_stack(7), 0, false);
    fork_here();
    pk_ledger_alloc(&ledger, HEAP + 4096, 50, new_stack(8), 0, false);
    struct pk_account childs = childs_account;
    childs_account = (struct pk_account){0};
    for (int i = 0; i < 4; i++) {
        free_memory_store(&stores[i]);
        stores[i] = make_memory_store(&limits[i]);
    }
    CHECK_EQ(pk_ledger_fork(&ledger, &childs_account, &childs), 0);
    CHECK_EQ(ledger.inherited_bytes, 1050);
    pk_ledger_free(&ledger, HEAP + 4096);
    pk_ledger_free(&ledger, HEAP);
    CHECK_EQ(ledger.inherited_freed_bytes, 1050);
    check_law();
    end();
}

static uint64_t touched; /* bytes resident of any map, as the kernel of this test says */

static uint64_t say_touched(uint64_t start, uint64_t stop) {
    return touched < stop - start ? touched : stop - start;
}

static void memory_without_reservation_counts_by_what_is_resident(void) {
    begin();
    uint32_t mapper = new_stack(3);
    struct pk_map map = {.start = MAPS,
                         .end = MAPS + 1000 * PAGE,
                         .stack = mapper,
                         .kind = PK_MAP_NORESERVE,
                         .usable = true};
    pk_ledger_map(&ledger, map);
    CHECK_EQ(account.total_bytes, 0);
    touched = 10 * PAGE;
    pk_ledger_sample(&ledger, say_touched, 0);
    CHECK_EQ(account.total_bytes, 10 * PAGE);
    CHECK_EQ(account.total_blocks, 1);
    CHECK_EQ(ledger.sampled_bytes, 10 * PAGE);
    CHECK_EQ(pk_stacks_ident(&ledger.stacks, ledger.sampled[0].node)->parent, mapper);
    check_law();
    touched = 4 * PAGE;
    pk_ledger_sample(&ledger, say_touched, 0);
    CHECK_EQ(account.total_bytes, 4 * PAGE);
    CHECK_EQ(account.peak_bytes, 10 * PAGE);
    pk_ledger_unmap(&ledger, MAPS, MAPS + 1000 * PAGE);
    pk_ledger_sample(&ledger, say_touched, 0);
    CHECK_EQ(account.total_bytes, 0);
    CHECK_EQ(account.total_blocks, 0);
    check_law();
    end();
}

int main(int argc, char **argv) {
    static const struct check_test tests[] = {
        TEST(what_a_child_frees_of_its_parents_is_no_loss_of_its_own),
        TEST(an_inherited_block_that_grows_becomes_the_childs),
        TEST(an_inherited_map_grows_by_what_is_the_childs),
        TEST(a_grandchild_inherits_from_both),
        TEST(memory_without_reservation_counts_by_what_is_resident),
    };
    return check_run(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
