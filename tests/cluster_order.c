/* SPDX-License-Identifier: Apache-2.0
 *
 * Which items come too late, and which of them may be dropped.
 */
#include "tests/test.h"

#include "cluster/order.h"

static bool take(struct order *order, uint64_t origin, uint64_t count,
                 uint64_t gaps)
{
    return order_take(
        order, &(struct item){.origin = origin, .count = count, .hash = 7},
        gaps);
}

static void only_what_a_gap_stands_for_is_dropped(void **state)
{
    static const struct {
        uint64_t count;
        uint64_t gaps;
        bool taken;
    } steps[] = {
        {16, 0, true},  {17, 0, true},
        {34, 1, true},                  /* another way, behind a gap */
        {18, 1, false}, {33, 1, false}, /* that is where they were */
        {12, 1, true},                  /* nobody was told of this */
        {35, 1, true},  {34, 1, true},
        {40, 1, true},  {37, 1, true}, /* another way without a gap */
        {50, 3, true},  {45, 3, false},
        {60, 3, true},  {55, 3, true},
    };
    struct order order = {0};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        assert_int_equal(take(&order, 1, steps[i].count, steps[i].gaps),
                         steps[i].taken);
    }
    order_fini(&order);
}

static void origins_are_apart(void **state)
{
    struct order order = {0};

    (void)state;
    assert_true(take(&order, 1, 5, 0));
    assert_true(take(&order, 2, 3, 1));
    assert_true(take(&order, 1, 9, 1));
    assert_false(take(&order, 1, 7, 1));
    assert_true(take(&order, 2, 4, 1));
    order_fini(&order);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_what_a_gap_stands_for_is_dropped),
        cmocka_unit_test(origins_are_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
