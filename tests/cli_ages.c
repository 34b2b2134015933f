/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/test.h"

#include "node/cli/ages.h"

static void buckets_are_an_eighth_wide(void **state)
{
    (void)state;
    const uint64_t cases[] = {
        0,    1,    7,    8,    9,     15,     16,      17,       100,
        1000, 4095, 4096, 4097, 65535, 100000, 1000000, 10000000, 3600000000};

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct ages ages = {0};
        ages_add(&ages, cases[i]);
        ages_add(&ages, UINT64_MAX);
        assert_in_range(ages_at(&ages, 500), cases[i], cases[i] + cases[i] / 8);
    }
}

static void the_oldest_is_exact(void **state)
{
    (void)state;
    struct ages ages = {0};

    for (uint64_t us = 1; us <= 1000; us++) {
        ages_add(&ages, us);
    }
    assert_int_equal(ages.count, 1000);
    assert_int_equal(ages.max_us, 1000);
    assert_int_equal(ages_at(&ages, 1000), 1000);
    assert_in_range(ages_at(&ages, 990), 990, 1000);
    assert_in_range(ages_at(&ages, 500), 500, 563);
}

static void none_is_zero(void **state)
{
    (void)state;
    const struct ages ages = {0};

    assert_int_equal(ages_at(&ages, 990), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buckets_are_an_eighth_wide),
        cmocka_unit_test(the_oldest_is_exact),
        cmocka_unit_test(none_is_zero),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
