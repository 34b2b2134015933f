/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/test.h"

#include "node/bench/latency.h"
#include "node/cli/ages.h"

/* The median of one value and a larger one. */
static uint64_t ages_say(uint64_t value)
{
    struct ages ages = {0};

    ages_add(&ages, value);
    ages_add(&ages, UINT64_MAX);
    return ages_at(&ages, 500);
}

static uint64_t latency_says(uint64_t value)
{
    static struct bench_latency latency;

    latency = (struct bench_latency){0};
    bench_latency_add(&latency, value);
    bench_latency_add(&latency, UINT64_MAX);
    return bench_latency_at(&latency, 500);
}

static void a_bucket_is_no_wider_than_its_part(void **state)
{
    const uint64_t cases[] = {
        0,      1,       7,        8,         9,         15,    16,
        17,     100,     127,      128,       129,       255,   256,
        257,    1000,    4095,     4096,      4097,      65535, 65536,
        100000, 1000000, 10000000, 999999999, 3600000000};
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        uint64_t value = cases[i];
        assert_in_range(ages_say(value), value, value + value / 8);
        assert_in_range(latency_says(value), value, value + value / 128);
    }
    uint64_t last = (UINT64_C(1) << 40) - 1;
    assert_in_range(latency_says(last / 2), last / 2, last);
    assert_int_equal(latency_says(last), last);
}

/* And the largest of all is exact. */
static void a_percentile_is_what_so_many_do_not_exceed(void **state)
{
    static struct bench_latency latency;
    struct ages ages = {0};
    (void)state;

    latency = (struct bench_latency){0};
    for (uint64_t us = 1; us <= 1000; us++) {
        bench_latency_add(&latency, us * 1000);
        ages_add(&ages, us);
    }
    assert_int_equal(latency.all.count, 1000);
    assert_in_range(bench_latency_at(&latency, 500), 500000, 503999);
    assert_in_range(bench_latency_at(&latency, 990), 990000, 997999);
    assert_in_range(bench_latency_at(&latency, 999), 999000, 1000000);
    assert_int_equal(bench_latency_at(&latency, 1000), 1000000);
    assert_int_equal(latency.all.max, 1000000);
    assert_in_range(ages_at(&ages, 500), 500, 563);
    assert_in_range(ages_at(&ages, 990), 990, 1000);
    assert_int_equal(ages_at(&ages, 1000), 1000);
    ages = (struct ages){0};
    for (uint64_t us = 1; us <= 3; us++) {
        ages_add(&ages, us);
    }
    assert_int_equal(ages_at(&ages, 500), 2);
}

static void one_late_item_of_a_thousand_shows_in_the_last_one_only(void **state)
{
    static struct bench_latency latency;
    (void)state;

    latency = (struct bench_latency){0};
    for (int i = 0; i < 999; i++) {
        bench_latency_add(&latency, 100);
    }
    bench_latency_add(&latency, 5000000);
    assert_int_equal(bench_latency_at(&latency, 990), 100);
    assert_int_equal(bench_latency_at(&latency, 999), 100);
    assert_int_equal(bench_latency_at(&latency, 1000), 5000000);
}

static void sums_are_as_of_all_values(void **state)
{
    struct ages all = {0};
    struct ages parts[3] = {0};
    struct ages sum = {0};
    (void)state;

    for (uint64_t us = 0; us < 3000; us++) {
        ages_add(&all, us * us);
        ages_add(&parts[us % 3], us * us);
    }
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        ages_sum(&sum, &parts[ARRAY_LEN(parts) - 1 - i]);
    }
    assert_memory_equal(&sum, &all, sizeof all);
}

static void none_is_zero(void **state)
{
    static const struct bench_latency latency;
    const struct ages ages = {0};
    (void)state;

    assert_int_equal(bench_latency_at(&latency, 990), 0);
    assert_int_equal(ages_at(&ages, 990), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bucket_is_no_wider_than_its_part),
        cmocka_unit_test(a_percentile_is_what_so_many_do_not_exceed),
        cmocka_unit_test(
            one_late_item_of_a_thousand_shows_in_the_last_one_only),
        cmocka_unit_test(sums_are_as_of_all_values),
        cmocka_unit_test(none_is_zero),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
