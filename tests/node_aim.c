/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/test.h"

#include "node/client/aim.h"
#include "node/client/meter.h"

static void assert_aims(const struct aim *aim, const char *cache,
                        const char *topic, uint64_t hash,
                        const struct meter *meter)
{
    struct meter *found = NULL;

    assert_int_equal(aim_find(aim, bytes_str(cache), bytes_str(topic), &found),
                     hash);
    assert_ptr_equal(found, meter);
}

static void the_last_names_are_known_and_no_others(void **state)
{
    static struct meter of_c, of_d, of_default;
    struct aim aim = {0};
    (void)state;

    assert_aims(&aim, "c", "t", 0, NULL);
    aim_set(&aim, BYTES("c"), BYTES("topic"), 7, &of_c);
    assert_aims(&aim, "c", "topic", 7, &of_c);
    assert_aims(&aim, "c", "topix", 0, NULL);
    assert_aims(&aim, "d", "topic", 0, NULL);
    assert_aims(&aim, "ic", "topc", 0, NULL);
    assert_aims(&aim, "cc", "topi", 0, NULL);
    assert_aims(&aim, "", "", 0, NULL);
    aim_set(&aim, BYTES("d"), BYTES("x"), 8, &of_d); /* the same memory */
    assert_aims(&aim, "c", "topic", 0, NULL);
    assert_aims(&aim, "d", "x", 8, &of_d);
    aim_set(&aim, BYTES("default"), BYTES("a longer topic"), 9, &of_default);
    assert_aims(&aim, "default", "a longer topic", 9, &of_default);
    aim_fini(&aim);
    assert_aims(&aim, "default", "a longer topic", 0, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_names_are_known_and_no_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
