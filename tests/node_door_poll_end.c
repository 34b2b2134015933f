/* SPDX-License-Identifier: Apache-2.0
 *
 * Long-poll, and a node that shuts down.
 */
#include "tests/test.h"

#include "proto/err.h"
#include "tests/ask.h"

static void a_closing_node_answers_the_polls_that_wait(void **state)
{
    struct core core;
    (void)state;
    fake_core_init(&core);
    struct fake_conn *fake = ask_new(&core,
                                     &(struct ask){.target = "/topics/demo/a"});

    client_close(fake->conn.client, ERR_CLOSING);
    fake_flush(&core);
    assert_int_equal(fake->status, 200);
    assert_true(ask_out_has(fake, "\"items\":[]"));
    fake_conn_free(fake);
    core_fini(&core);
}

/* Its peers do not know yet that it subscribes: a position would be a promise
 * that nobody keeps. */
static void
a_closing_node_gives_no_position_that_its_peers_do_not_hold(void **state)
{
    struct ask_others others = {0};
    struct core core;
    (void)state;
    ask_core_among(&core, &others);
    struct fake_conn *fake = ask_new(&core,
                                     &(struct ask){.target = "/topics/demo/a"});

    client_close(fake->conn.client, ERR_CLOSING);
    fake_flush(&core);
    assert_int_equal(fake->status, 503);
    assert_true(ask_head_has(fake, "Retry-After: 1\n"));
    fake_conn_free(fake);
    core_fini(&core);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_closing_node_answers_the_polls_that_wait),
        cmocka_unit_test(
            a_closing_node_gives_no_position_that_its_peers_do_not_hold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
