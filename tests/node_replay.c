/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/test.h"

#include "node/hub/replay.h"

static void each_counter_of_a_sender_is_taken_once(void **state)
{
    uint8_t a[REPLAY_LIFE_LEN] = {1};
    uint8_t b[REPLAY_LIFE_LEN] = {2};
    struct replay replay = {0};
    (void)state;

    for (uint64_t counter = 1; counter < 5000; counter++) {
        assert_false(replay_has(&replay, a, counter));
        assert_true(replay_accept(&replay, a, counter));
        assert_true(replay_has(&replay, a, counter));
        assert_false(replay_accept(&replay, a, counter));
    }
    assert_true(replay_has(&replay, a, 1));
    assert_false(replay_has(&replay, b, 1));
    assert_true(replay_accept(&replay, b, 1));  /* another's */
    assert_false(replay_accept(&replay, a, 1)); /* too old to know */
    assert_false(replay_accept(&replay, b, 1));
    replay_fini(&replay);
}

/* All in one set: the one that was quiet longest is forgotten. */
static void the_table_is_bounded(void **state)
{
    uint8_t life[REPLAY_LIFE_LEN] = {0};
    struct replay replay = {0};
    (void)state;

    for (uint8_t i = 0; i <= REPLAY_WAYS; i++) {
        life[15] = i;
        assert_true(replay_accept(&replay, life, 7));
        life[15] = 1; /* speaks all the time */
        replay_accept(&replay, life, 8 + (uint64_t)i);
    }
    life[15] = 1;
    assert_false(replay_accept(&replay, life, 8));
    life[15] = REPLAY_WAYS;
    assert_false(replay_accept(&replay, life, 7));
    life[15] = 0;
    assert_true(replay_accept(&replay, life, 7)); /* forgotten */
    replay_fini(&replay);
}

static void a_thousand_senders_are_kept_apart(void **state)
{
    struct replay replay = {0};
    uint8_t life[REPLAY_LIFE_LEN] = {0};
    (void)state;

    for (uint64_t round = 1; round <= 3; round++) {
        for (uint16_t i = 0; i < 1000; i++) {
            life[6] = (uint8_t)(i >> 8);
            life[7] = (uint8_t)i;
            assert_true(replay_accept(&replay, life, i + round));
            assert_false(replay_accept(&replay, life, i + round));
        }
    }
    assert_int_equal(replay.len, 1000);
    replay_fini(&replay);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_counter_of_a_sender_is_taken_once),
        cmocka_unit_test(the_table_is_bounded),
        cmocka_unit_test(a_thousand_senders_are_kept_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
