/* SPDX-License-Identifier: Apache-2.0
 * The runtime's only allocator: zeroed, recycled, honest about what it took, and without fear of
 * having nothing. */
#include <sys/mman.h>
#include <sys/resource.h>

#include "check.h"

#include "base/arena.h"

static bool is_zero(const char *piece, size_t size) {
    for (size_t i = 0; i < size; i++) {
        if (piece[i] != 0) {
            return false;
        }
    }
    return true;
}

static void pieces_are_zeroed_aligned_and_apart(void) {
    static struct pk_arena arena;
    static char *pieces[500];
    static size_t sizes[500];
    for (size_t i = 0; i < 500; i++) {
        sizes[i] = (size_t)(check_random() % 5000);
        pieces[i] = pk_arena_alloc(&arena, sizes[i]);
        CHECK(pieces[i] != NULL);
        CHECK_EQ((uintptr_t)pieces[i] % (sizes[i] > PK_ARENA_SMALL ? 4096 : 16), 0);
        CHECK(is_zero(pieces[i], sizes[i]));
        memset(pieces[i], (int)(i % 255 + 1), sizes[i]);
    }
    for (size_t i = 0; i < 500; i++) {
        for (size_t at = 0; at < sizes[i]; at++) {
            CHECK_EQ((unsigned char)pieces[i][at], i % 255 + 1); // nobody wrote into a neighbour
        }
    }
}

static void a_piece_given_back_is_used_again_and_zeroed(void) {
    static struct pk_arena arena;
    char *first = pk_arena_alloc(&arena, 100);
    CHECK(first != NULL);
    memset(first, 0xff, 100);
    pk_arena_free(&arena, first, 100);
    uint64_t own = arena.own_bytes;
    char *second = pk_arena_alloc(&arena, 112); // the same 16-byte step
    CHECK(second == first);
    CHECK(is_zero(second, 112));
    CHECK_EQ(arena.own_bytes, own);
}

static void large_pieces_go_back_to_the_kernel(void) {
    static struct pk_arena arena;
    char *piece = pk_arena_alloc(&arena, 1u << 20);
    CHECK(piece != NULL);
    CHECK_EQ(arena.own_bytes, (1u << 20) + 4096); // a page for the list of large pieces
    piece[(1u << 20) - 1] = 1;
    pk_arena_free(&arena, piece, 1u << 20);
    CHECK_EQ(arena.own_bytes, 4096);
}

static void nothing_is_a_size_and_null_can_be_freed(void) {
    static struct pk_arena arena;
    char *a = pk_arena_alloc(&arena, 0);
    char *b = pk_arena_alloc(&arena, 0);
    CHECK(a != NULL && b != NULL && a != b);
    pk_arena_free(&arena, NULL, 64);
    pk_arena_free(&arena, a, 0);
    CHECK(pk_arena_alloc(&arena, 0) == a);
}

static void what_the_kernel_does_not_have_is_null(void) {
    static struct pk_arena arena;
    CHECK(pk_arena_alloc(&arena, (size_t)1 << 60) == NULL);
    CHECK_EQ(arena.own_bytes, 4096);
    CHECK(pk_arena_alloc(&arena, 16) != NULL);
}

static void take_all(struct pk_arena *arena, size_t *ret_taken) {
    *ret_taken = 0;
    for (char *piece = pk_arena_alloc(arena, 1024); piece != NULL;
         piece = pk_arena_alloc(arena, 1024)) {
        CHECK(is_zero(piece, 1024));
        memset(piece, 1, 1024);
        *ret_taken += 1024;
    }
}

/* `ulimit -v`: the program still has room in memory that it had before, and what it does there is
 * to be recorded. */
static void at_the_limit_something_is_left(void) {
    static struct pk_arena arena;
    struct rlimit before, none;
    CHECK(pk_arena_alloc(&arena, 16) != NULL);
    CHECK_EQ(arena.own_bytes, PK_ARENA_CHUNK); // what is left for then is only address space
    CHECK_OK(getrlimit(RLIMIT_AS, &before));
    none = (struct rlimit){.rlim_cur = 4096, .rlim_max = before.rlim_max};
    for (int again = 0; again < 2; again++) {
        CHECK_OK(setrlimit(RLIMIT_AS, &none));
        char *large = pk_arena_alloc(&arena, 16384);
        size_t taken;
        take_all(&arena, &taken);
        char *none_left = pk_arena_alloc(&arena, 16384);
        CHECK_OK(setrlimit(RLIMIT_AS, &before));
        CHECK(large != NULL && is_zero(large, 16384));
        CHECK(none_left == NULL);
        CHECK(taken > PK_ARENA_SPARES * PK_ARENA_CHUNK - 65536);
        pk_arena_free(&arena, large, 16384);
        // there is memory again, and some is left for the next time
        CHECK(pk_arena_alloc(&arena, 1024) != NULL);
    }
    pk_arena_release(&arena);
    CHECK_EQ(arena.own_bytes, 0);
}

/* Only one of the spares was used up at the limit: when there is memory again, it is made again
 * too. */
static void every_spare_that_was_taken_is_made_again(void) {
    static struct pk_arena arena;
    struct rlimit before, none;
    CHECK(pk_arena_alloc(&arena, 16) != NULL);
    CHECK_OK(getrlimit(RLIMIT_AS, &before));
    none = (struct rlimit){.rlim_cur = 4096, .rlim_max = before.rlim_max};
    CHECK_OK(setrlimit(RLIMIT_AS, &none));
    while (arena.own_bytes == PK_ARENA_CHUNK && pk_arena_alloc(&arena, 1024) != NULL) {
    }
    CHECK_OK(setrlimit(RLIMIT_AS, &before));
    CHECK_EQ(arena.own_bytes, 2 * PK_ARENA_CHUNK); // the second is the spare
    while (arena.own_bytes == 2 * PK_ARENA_CHUNK && pk_arena_alloc(&arena, 1024) != NULL) {
    }
    CHECK_EQ(arena.own_bytes, 3 * PK_ARENA_CHUNK); // from the kernel, which has memory again
    for (size_t i = 0; i < PK_ARENA_SPARES; i++) {
        CHECK(arena.spares[i] != NULL);
    }
    pk_arena_release(&arena);
}

static void a_countdown_makes_it_fail_for_ever(void) {
    static struct pk_arena arena;
    arena.fail_countdown = 3;
    CHECK(pk_arena_alloc(&arena, 16) != NULL);
    CHECK(pk_arena_alloc(&arena, 10000) != NULL);
    CHECK(pk_arena_alloc(&arena, 16) == NULL);
    CHECK(pk_arena_alloc(&arena, 16) == NULL);
    arena.fail_countdown = 0;
    CHECK(pk_arena_alloc(&arena, 16) != NULL);
}

// A page of this process's memory is there, or not.
static bool is_mapped(const void *address) {
    unsigned char resident;
    return mincore((void *)((uintptr_t)address & ~(uintptr_t)4095), 4096, &resident) == 0;
}

static void releasing_gives_everything_back(void) {
    static struct pk_arena arena;
    static char *pieces[2000];
    for (size_t i = 0; i < 2000; i++) {
        // 500 large ones: their list grows
        pieces[i] = pk_arena_alloc(&arena, i % 4 == 0 ? 10000 : 1000);
        CHECK(pieces[i] != NULL);
    }
    pk_arena_free(&arena, pieces[0], 10000);
    pk_arena_release(&arena);
    CHECK_EQ(arena.own_bytes, 0);
    for (size_t i = 0; i < 2000; i++) {
        CHECK(!is_mapped(pieces[i]));
    }
    CHECK(pk_arena_alloc(&arena, 16) != NULL); // as new
}

int main(int argc, char **argv) {
    static const struct check_test tests[] = {
        TEST(pieces_are_zeroed_aligned_and_apart),
        TEST(a_piece_given_back_is_used_again_and_zeroed),
        TEST(large_pieces_go_back_to_the_kernel),
        TEST(nothing_is_a_size_and_null_can_be_freed),
        TEST(what_the_kernel_does_not_have_is_null),
        TEST(releasing_gives_everything_back),
        TEST(at_the_limit_something_is_left),
        TEST(every_spare_that_was_taken_is_made_again),
        TEST(a_countdown_makes_it_fail_for_ever),
    };
    return check_run(argc, argv, tests, sizeof tests / sizeof tests[0]);
}
