/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/test.h"

#include "node/aim.h"

static void the_last_names_are_known_and_no_others(void **state)
{
    struct aim aim = {0};
    (void)state;

    assert_int_equal(aim_find(&aim, BYTES("c"), BYTES("t")), 0);
    aim_set(&aim, BYTES("c"), BYTES("topic"), 7);
    assert_int_equal(aim_find(&aim, BYTES("c"), BYTES("topic")), 7);
    assert_int_equal(aim_find(&aim, BYTES("c"), BYTES("topix")), 0);
    assert_int_equal(aim_find(&aim, BYTES("d"), BYTES("topic")), 0);
    assert_int_equal(aim_find(&aim, BYTES("ic"), BYTES("topc")), 0);
    assert_int_equal(aim_find(&aim, BYTES("cc"), BYTES("topi")), 0);
    assert_int_equal(aim_find(&aim, BYTES(""), BYTES("")), 0);
    aim_set(&aim, BYTES("d"), BYTES("x"), 8); /* shorter: the same memory */
    assert_int_equal(aim_find(&aim, BYTES("c"), BYTES("topic")), 0);
    assert_int_equal(aim_find(&aim, BYTES("d"), BYTES("x")), 8);
    aim_set(&aim, BYTES("default"), BYTES("a longer topic"), 9);
    assert_int_equal(aim_find(&aim, BYTES("default"), BYTES("a longer topic")),
                     9);
    aim_fini(&aim);
    assert_int_equal(aim_find(&aim, BYTES("default"), BYTES("a longer topic")),
                     0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_names_are_known_and_no_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
