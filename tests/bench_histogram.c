/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/test.h"

#include <stdlib.h>

#include "node/bench/histogram.h"

static struct bench_histogram *empty(void)
{
    struct bench_histogram *histogram = calloc(1, sizeof *histogram);

    assert_non_null(histogram);
    return histogram;
}

static void a_bucket_is_no_wider_than_a_128th(void **state)
{
    (void)state;
    const uint64_t cases[] = {0,
                              1,
                              127,
                              128,
                              129,
                              255,
                              256,
                              257,
                              1000,
                              65535,
                              65536,
                              1000000,
                              999999999,
                              UINT64_C(1) << 39,
                              (UINT64_C(1) << 40) - 1};

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct bench_histogram *histogram = empty();
        bench_histogram_add(histogram, cases[i]);
        bench_histogram_add(histogram, UINT64_MAX);
        assert_in_range(bench_histogram_at(histogram, 500), cases[i],
                        cases[i] + cases[i] / 128);
        free(histogram);
    }
}

static void a_percentile_is_what_so_many_do_not_exceed(void **state)
{
    (void)state;
    struct bench_histogram *histogram = empty();

    for (uint64_t us = 1; us <= 1000; us++) {
        bench_histogram_add(histogram, us * 1000);
    }
    assert_int_equal(histogram->count, 1000);
    assert_in_range(bench_histogram_at(histogram, 500), 500000, 503999);
    assert_in_range(bench_histogram_at(histogram, 990), 990000, 997999);
    assert_in_range(bench_histogram_at(histogram, 999), 999000, 1000000);
    assert_int_equal(bench_histogram_at(histogram, 1000), 1000000);
    assert_int_equal(histogram->max_ns, 1000000);
    free(histogram);
}

static void one_late_item_of_a_thousand_shows_in_the_last_one_only(void **state)
{
    (void)state;
    struct bench_histogram *histogram = empty();

    for (int i = 0; i < 999; i++) {
        bench_histogram_add(histogram, 100);
    }
    bench_histogram_add(histogram, 5000000);
    assert_int_equal(bench_histogram_at(histogram, 990), 100);
    assert_int_equal(bench_histogram_at(histogram, 999), 100);
    assert_int_equal(bench_histogram_at(histogram, 1000), 5000000);
    free(histogram);
}

static void none_is_zero(void **state)
{
    (void)state;
    struct bench_histogram *histogram = empty();

    assert_int_equal(bench_histogram_at(histogram, 990), 0);
    free(histogram);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bucket_is_no_wider_than_a_128th),
        cmocka_unit_test(a_percentile_is_what_so_many_do_not_exceed),
        cmocka_unit_test(
            one_late_item_of_a_thousand_shows_in_the_last_one_only),
        cmocka_unit_test(none_is_zero),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
