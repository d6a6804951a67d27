/* SPDX-License-Identifier: Apache-2.0
 * src/report/amount: how much memory somebody means. */
#include "report/amount.h"

#include "check.h"

static struct pk_amount amount;

static uint64_t bytes_of(const char *text) {
    if (pk_amount_parse(text, &amount) != 0 || amount.is_share) {
        return 404;
    }
    return amount.bytes;
}

static void units_are_those_of_the_standards(void) {
    CHECK_EQ(bytes_of("4096"), 4096);
    CHECK_EQ(bytes_of("1B"), 1);
    CHECK_EQ(bytes_of("500MiB"), 500u << 20);
    CHECK_EQ(bytes_of("500 mib"), 500u << 20);
    CHECK_EQ(bytes_of("64K"), 64u << 10);
    CHECK_EQ(bytes_of("1.5 GB"), 1500000000);
    CHECK_EQ(bytes_of("1.5GiB"), 3u << 29);
    CHECK_EQ(bytes_of("2kB"), 2000);
    CHECK_EQ(bytes_of("0"), 0);
    CHECK_EQ(bytes_of("3TiB"), UINT64_C(3) << 40);
}

static void parts_of_a_byte_are_cut_off(void) {
    CHECK_EQ(bytes_of("0.1KiB"), 102);
    CHECK_EQ(bytes_of("0.00000000099999TiB"), 0);
    CHECK_EQ(bytes_of("1.000000001TB"), UINT64_C(1000000001000));
}

static void a_share_has_tenths_of_a_per_cent(void) {
    CHECK_EQ(pk_amount_parse("10%", &amount), 0);
    CHECK(amount.is_share);
    CHECK_EQ(amount.tenths, 100);
    CHECK_EQ(pk_amount_parse("12.50 %", &amount), 0);
    CHECK_EQ(amount.tenths, 125);
}

static void what_is_no_amount_is_refused(void) {
    static const char *const bad[] = {"",      " ",    "MiB",    "-1",        "+1",   "1,5GB",
                                      "1.MiB", ".5",   "1 2",    "1.5",       "1.5B", "1.25%",
                                      "1MiBs", "10%%", "%",      "1e6",       "0x10", "inf",
                                      "1 B ",  "1PiB", "one GB", "10 percent"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        CHECK_EQ(pk_amount_parse(bad[i], &amount), -EINVAL);
    }
}

static void what_does_not_fit_is_refused(void) {
    CHECK_EQ(bytes_of("18446744073709551615"), 404); // 10^18 and more: nobody means that
    CHECK_EQ(bytes_of("999999999999999999"), UINT64_C(999999999999999999));
    CHECK_EQ(pk_amount_parse("16777216TiB", &amount), -EINVAL);
    CHECK_EQ(bytes_of("16777215TiB"), UINT64_C(16777215) << 40);
    CHECK_EQ(pk_amount_parse("99999999999999999999999999999999", &amount), -EINVAL);
    CHECK_EQ(pk_amount_parse("999999999999%", &amount), -EINVAL);
}

int main(int argc, char **argv) {
    static const struct check_test tests[] = {
        TEST(units_are_those_of_the_standards), TEST(parts_of_a_byte_are_cut_off),
        TEST(a_share_has_tenths_of_a_per_cent), TEST(what_is_no_amount_is_refused),
        TEST(what_does_not_fit_is_refused),
    };
    return check_run(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
