/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/test.h"

#include "node/drain.h"
#include "proto/bytes.h"

/* How many ticks it takes until all of `len` have heard it. */
static uint64_t ticks(size_t len, uint64_t left_ms)
{
    uint64_t count = 0;

    while (len > 0) {
        size_t now = drain_portion(len, left_ms);
        assert_true(now > 0);
        len -= now < len ? now : len;
        left_ms -= left_ms < DRAIN_EVERY_MS ? left_ms : DRAIN_EVERY_MS;
        count++;
    }
    return count;
}

static void few_hear_it_at_once_and_many_spread_over_the_time(void **state)
{
    static const struct {
        size_t len;
        uint64_t ms;
        uint64_t least; /* ms until the last one heard it */
        uint64_t most;
    } cases[] = {
        {0, 14000, 0, 0},
        {1, 14000, 0, 50},
        {DRAIN_LEAST, 14000, 0, 50},
        {2000, 14000, 900, 1000},
        {65536, 14000, 13000, 14050},
        {1 << 20, 14000, 13000, 14050},
        {1 << 20, 0, 0, 50},
        {1000, 40, 0, 50},
        {SIZE_MAX / 2, 60000, 55000, 60050},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        uint64_t took_ms = ticks(cases[i].len, cases[i].ms) * DRAIN_EVERY_MS;
        assert_in_range(took_ms, cases[i].least, cases[i].most);
    }
}

static void what_remains_is_for_questions_and_last_bytes(void **state)
{
    static const uint64_t drains[] = {0, 1, 100, 3000, 12000, 12001, 600000};
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(drains); i++) {
        assert_true(drain_saying_ms(drains[i]) <= drains[i]);
        assert_true(drain_saying_ms(drains[i]) >= drains[i] / 2);
    }
    assert_int_equal(drain_saying_ms(20000), 14000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(few_hear_it_at_once_and_many_spread_over_the_time),
        cmocka_unit_test(what_remains_is_for_questions_and_last_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
