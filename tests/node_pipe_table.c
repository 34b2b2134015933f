/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/test.h"

#include "node/mesh/pipe_table.h"

static const uint8_t here[16] = {[15] = 1};
static const uint8_t there[16] = {[15] = 2};

static void an_address_gets_four_pipes(void **state)
{
    struct pipe_table table;
    (void)state;

    assert_int_equal(pipe_table_init(&table), 0);
    for (uint32_t pipe = 1; pipe <= PIPES_PER_IP; pipe++) {
        assert_true(pipe_table_admit(&table, pipe, here, 0));
    }
    assert_false(pipe_table_admit(&table, 9, here, 0));
    assert_true(pipe_table_admit(&table, 9, there, 0));
    assert_int_equal(table.refused, 1);
    pipe_table_remove(&table, 10); /* the refused one goes: no matter */
    assert_false(pipe_table_admit(&table, 10, here, 0));
    pipe_table_remove(&table, 2);
    assert_true(pipe_table_admit(&table, 10, here, 0));
    pipe_table_fini(&table);
}

static void peers_that_share_a_host_get_theirs(void **state)
{
    struct pipe_table table;
    (void)state;

    assert_int_equal(pipe_table_init(&table), 0);
    for (uint32_t pipe = 1; pipe <= 4 * PIPES_PER_IP; pipe++) {
        assert_true(pipe_table_admit(&table, pipe, here, 3));
    }
    assert_false(pipe_table_admit(&table, 100, here, 3));
    pipe_table_fini(&table);
}

/* A hundred nodes behind one address that we do not dial. */
static void who_holds_a_key_takes_no_place_of_others(void **state)
{
    struct pipe_table table;
    (void)state;

    assert_int_equal(pipe_table_init(&table), 0);
    for (uint32_t pipe = 1; pipe <= 100 * 2; pipe++) {
        assert_true(pipe_table_admit(&table, pipe, here, 0));
        pipe_table_trust(&table, pipe);
    }
    for (uint32_t pipe = 1; pipe <= PIPES_PER_IP; pipe++) {
        assert_true(pipe_table_admit(&table, 1000 + pipe, here, 0));
    }
    assert_false(pipe_table_admit(&table, 2000, here, 0));
    pipe_table_trust(&table, 2000); /* refused: no matter */
    assert_false(pipe_table_admit(&table, 2000, here, 0));
    pipe_table_fini(&table);
}

static void strangers_do_not_take_the_places_of_peers(void **state)
{
    struct pipe_table table;
    uint8_t ip[16] = {0};
    uint32_t pipe = 1;
    (void)state;

    assert_int_equal(pipe_table_init(&table), 0);
    for (; pipe <= PIPES_STRANGERS_MAX; pipe++) {
        ip[14] = (uint8_t)(pipe >> 8);
        ip[15] = (uint8_t)pipe;
        assert_true(pipe_table_admit(&table, pipe, ip, 0));
    }
    ip[0] = 1;
    assert_false(pipe_table_admit(&table, pipe, ip, 0));
    for (; pipe < PIPES_MAX; pipe++) {
        ip[13] = (uint8_t)(pipe >> 16);
        ip[14] = (uint8_t)(pipe >> 8);
        ip[15] = (uint8_t)pipe;
        assert_true(pipe_table_admit(&table, pipe, ip, 1));
    }
    ip[0] = 2;
    assert_true(pipe_table_admit(&table, PIPES_MAX, ip, 1));
    ip[0] = 3;
    assert_false(pipe_table_admit(&table, PIPES_MAX + 1, ip, 1)); /* full */
    while (pipe > 0) {
        pipe_table_remove(&table, pipe--);
    }
    assert_int_equal(table.len, 0);
    pipe_table_fini(&table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_gets_four_pipes),
        cmocka_unit_test(peers_that_share_a_host_get_theirs),
        cmocka_unit_test(who_holds_a_key_takes_no_place_of_others),
        cmocka_unit_test(strangers_do_not_take_the_places_of_peers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
