/* SPDX-License-Identifier: Apache-2.0
 * The unit test harness: TAP on standard output, nothing else. It allocates nothing, forks nothing
 * and installs no signal handler, so that no machinery stands between a bug and the sanitizer. May
 * be used by every C test; uses the C library only. Must stay true: a failed check ends its test by
 * `return`, the exit status is 0 only when every selected test passed and at least one was
 * selected.
 *
 *     static void empty_has_no_peak(void) { CHECK_EQ(peak_of(NULL), 0); }
 *
 *     int main(int argc, char **argv) {
 *         static const struct check_test tests[] = { TEST(empty_has_no_peak) };
 *         return check_run(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
 *     }
 *
 * Arguments: words select the tests whose name contains one of them; --seed N sets check_seed();
 * --list names the tests. */
#pragma once

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct check_test {
    const char *name;
    void (*run)(void);
};

#define TEST(function) \
    { #function, function }

struct check_state {
    bool failed;
    const char *skipped; /* why, or NULL */
    uint64_t seed;
    uint64_t random;
};

static struct check_state check_state;

/* Say that the running test failed; what is printed becomes TAP diagnostics. */
__attribute__((format(printf, 3, 4), unused)) static void check_fail(const char *file, int line,
                                                                     const char *format, ...) {
    __builtin_va_list arguments;
    check_state.failed = true;
    printf("# %s:%d: ", file, line);
    __builtin_va_start(arguments, format);
    vprintf(format, arguments);
    __builtin_va_end(arguments);
    printf("\n");
}

/* The seed of this run: the time, or what --seed gave. Always printed, so that a failure can be
 * repeated. */
__attribute__((unused)) static uint64_t check_seed(void) {
    return check_state.seed;
}

/* A repeatable stream of numbers from the seed (splitmix64); each test starts it anew. */
__attribute__((unused)) static uint64_t check_random(void) {
    uint64_t z = (check_state.random += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

#define CHECK(condition) \
    do { \
        if (!(condition)) { \
            check_fail(__FILE__, __LINE__, "expected: %s", #condition); \
            return; \
        } \
    } while (0)

/* Two integers are equal; each side is evaluated once. */
#define CHECK_EQ(actual, expected) \
    do { \
        int64_t check_a_ = (int64_t)(actual), check_e_ = (int64_t)(expected); \
        if (check_a_ != check_e_) { \
            check_fail( \
                __FILE__, __LINE__, \
                "%s is %" PRId64 " (0x%" PRIx64 "), expected %s = %" PRId64 " (0x%" PRIx64 ")", \
                #actual, check_a_, (uint64_t)check_a_, #expected, check_e_, (uint64_t)check_e_); \
            return; \
        } \
    } while (0)

/* Two strings are equal; NULL equals only NULL. */
#define CHECK_STR(actual, expected) \
    do { \
        const char *check_a_ = (actual), *check_e_ = (expected); \
        if ((check_a_ == NULL) != (check_e_ == NULL) || \
            (check_a_ != NULL && strcmp(check_a_, check_e_) != 0)) { \
            check_fail(__FILE__, __LINE__, "%s is \"%s\", expected \"%s\"", #actual, \
                       check_a_ == NULL ? "(null)" : check_a_, \
                       check_e_ == NULL ? "(null)" : check_e_); \
            return; \
        } \
    } while (0)

/* A call that returns 0 (or more) on success and a negative errno on failure. */
#define CHECK_OK(call) \
    do { \
        int check_r_ = (int)(call); \
        if (check_r_ < 0) { \
            check_fail(__FILE__, __LINE__, "%s failed: %s", #call, strerror(-check_r_)); \
            return; \
        } \
    } while (0)

#define SKIP_IF(condition, why) \
    do { \
        if (condition) { \
            check_state.skipped = (why); \
            return; \
        } \
    } while (0)

static bool check_is_selected(const char *name, int argc, char **argv) {
    bool any_word = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--seed") == 0) {
            i++;
            continue;
        }
        any_word = true;
        if (strstr(name, argv[i]) != NULL) {
            return true;
        }
    }
    return !any_word;
}

/* Run the selected tests in the order of the list. Returns the exit status for main. */
static int check_run(int argc, char **argv, const struct check_test *tests, size_t count) {
    size_t selected = 0, failures = 0;

    check_state.seed = (uint64_t)time(NULL);
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc) {
            check_state.seed = strtoull(argv[i + 1], NULL, 0);
        } else if (strcmp(argv[i], "--list") == 0) {
            for (size_t t = 0; t < count; t++) {
                printf("%s\n", tests[t].name);
            }
            return 0;
        }
    }
    for (size_t t = 0; t < count; t++) {
        selected += check_is_selected(tests[t].name, argc, argv) ? 1u : 0u;
    }
    printf("1..%zu\n", selected);
    printf("# seed %" PRIu64 "\n", check_state.seed);
    size_t number = 0;
    for (size_t t = 0; t < count; t++) {
        if (!check_is_selected(tests[t].name, argc, argv)) {
            continue;
        }
        check_state.failed = false;
        check_state.skipped = NULL;
        check_state.random = check_state.seed;
        fflush(stdout); // a crash inside the test must not lose the lines before it
        tests[t].run();
        failures += check_state.failed ? 1u : 0u;
        printf("%s %zu - %s", check_state.failed ? "not ok" : "ok", ++number, tests[t].name);
        if (check_state.skipped != NULL && !check_state.failed) {
            printf(" # SKIP %s", check_state.skipped);
        }
        printf("\n");
    }
    if (selected == 0) {
        printf("# no test has a name like that\n");
    }
    return failures == 0 && selected > 0 ? 0 : 1;
}
