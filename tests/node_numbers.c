/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/test.h"

#include "node/numbers.h"
#include "proto/err.h"

static void the_newest_of_each_origin_is_kept(void **state)
{
    struct numbers numbers = {0};
    (void)state;

    assert_int_equal(numbers_of(&numbers, 7), 0);
    assert_int_equal(numbers_raise(&numbers, 7, 3), 0);
    assert_int_equal(numbers_raise(&numbers, 8, 9), 0);
    assert_int_equal(numbers_raise(&numbers, 7, 5), 0);
    assert_int_equal(numbers_raise(&numbers, 7, 4), 0);
    assert_int_equal(numbers_of(&numbers, 7), 5);
    assert_int_equal(numbers_of(&numbers, 8), 9);
    assert_int_equal(numbers.len, 2);
    numbers_fini(&numbers);
}

static void the_first_of_each_origin_is_kept(void **state)
{
    struct numbers numbers = {0};
    (void)state;

    assert_int_equal(numbers_first(&numbers, 7, 5), 0);
    assert_int_equal(numbers_first(&numbers, 7, 6), 0);
    assert_int_equal(numbers_of(&numbers, 7), 5);
    numbers_clear(&numbers);
    assert_int_equal(numbers_of(&numbers, 7), 0);
    assert_int_equal(numbers_first(&numbers, 7, 6), 0);
    assert_int_equal(numbers_of(&numbers, 7), 6);
    numbers_fini(&numbers);
}

static void origins_are_bounded(void **state)
{
    struct numbers numbers = {0};
    (void)state;

    for (uint64_t origin = 1; origin <= NUMBERS_MAX; origin++) {
        assert_int_equal(numbers_raise(&numbers, origin, origin), 0);
    }
    assert_int_equal(numbers_raise(&numbers, 0, 1), ERR_LIMIT);
    assert_int_equal(numbers_raise(&numbers, 1, 2), 0);
    assert_int_equal(numbers_of(&numbers, 1), 2);
    assert_int_equal(numbers_of(&numbers, NUMBERS_MAX), NUMBERS_MAX);
    numbers_fini(&numbers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_newest_of_each_origin_is_kept),
        cmocka_unit_test(the_first_of_each_origin_is_kept),
        cmocka_unit_test(origins_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
