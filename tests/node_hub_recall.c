/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/test.h"

#include "tests/two_hubs.h"

static void what_was_missed_comes_with_old_numbers_then_live(void **state)
{
    (void)state;

    both_open();
    publish_to(&both.old, 9, 1, "one");
    publish_to(&both.old, 9, 2, "two");
    publish_to(&both.old, 9, 3, "three");
    assert_int_equal(move(0, both.page, 1).outcome, HUB_ASKED);
    told(0, "ack\n");
    wait_both(SETTLED_MS);
    publish_to(&both.new, 9, 4, "four");
    told(0, "c/t 2 two\nc/t 3 three\nc/t 1 four\n");
    assert_int_equal(both.new.core.stats.resumed, 1);
    assert_int_equal(both.new.core.stats.gaps, 0);
    both_close();
}

static void nothing_missed_is_nothing_delivered(void **state)
{
    (void)state;

    both_open();
    publish_to(&both.old, 9, 1, "one");
    move(0, both.page, 1);
    wait_both(SETTLED_MS);
    told(0, "ack\n");
    assert_int_equal(both.new.core.stats.resumed, 1);
    both_close();
}

/* What reaches both is delivered once, with the own number. */
static void what_came_here_too_is_delivered_once(void **state)
{
    (void)state;

    both_open();
    publish_to(&both.old, 9, 1, "one");
    publish_to(&both.old, 9, 2, "two");
    move(0, both.page, 1);
    publish_to(&both.new, 9, 3, "three");
    publish_to(&both.old, 9, 3, "three");
    wait_both(50);
    publish_to(&both.old, 9, 4, "four");
    publish_to(&both.new, 9, 4, "four");
    told(0, "ack\n"); /* held until it is certain */
    wait_both(SETTLED_MS);
    told(0, "c/t 2 two\nc/t 1 three\nc/t 2 four\n");
    both_close();
}

/* It saw "two" on the old node, and here it comes late. */
static void what_was_seen_before_is_not_seen_again(void **state)
{
    (void)state;

    both_open();
    publish_to(&both.old, 8, 1, "other");
    publish_to(&both.old, 9, 1, "one");
    publish_to(&both.old, 9, 2, "two");
    move(0, both.page, 3);
    publish_to(&both.new, 9, 2, "two");
    publish_to(&both.new, 9, 3, "three");
    publish_to(&both.old, 9, 3, "three");
    wait_both(SETTLED_MS);
    told(0, "ack\nc/t 2 three\n");
    both_close();
}

/* The publisher did not know of this node yet when it published two. The old
 * one gets it late: its list ends before what came here. */
static void what_is_under_way_to_the_old_node_is_waited_for(void **state)
{
    (void)state;

    both_open();
    publish_to(&both.old, 9, 1, "one");
    move(0, both.page, 1);
    publish_to(&both.new, 9, 3, "three");
    wait_both(SETTLED_MS);
    told(0, "ack\n");
    publish_to(&both.old, 9, 2, "two");
    publish_to(&both.old, 9, 3, "three");
    wait_both(SETTLED_MS);
    told(0, "c/t 2 two\nc/t 1 three\n");
    both_close();
}

/* The same with the two nodes in each other's place. */
static void what_is_under_way_to_this_node_is_not_delivered_twice(void **state)
{
    (void)state;

    both_open();
    publish_to(&both.old, 9, 1, "one");
    move(0, both.page, 1);
    wait_both(4 * TICK_MS); /* nearly certain */
    publish_to(&both.old, 9, 2, "two");
    wait_both(2 * TICK_MS);
    publish_to(&both.new, 9, 2, "two");
    wait_both(SETTLED_MS);
    told(0, "ack\nc/t 1 two\n");
    both_close();
}

static void who_wants_no_echo_gets_none(void **state)
{
    struct hub_want want = want_topic("t");
    struct hub_position position;
    struct sub *sub;
    (void)state;

    both_open();
    publish_to(&both.old, 9, 1, "one");
    struct client *client = world_open(&both.new, 0, &door_lines);
    want.no_echo = true;
    want.resume = true;
    want.page = both.page;
    assert_int_equal(client_subscribe(client, &want, &sub, &position), 0);
    publish(client, "t", "own");
    publish_to(&both.old, both.new.core.node_u64, 1, "own");
    wait_both(SETTLED_MS);
    publish(client, "t", "own");
    told(0, "c/t 1 one\n");
    both_close();
}

static void the_barrier_is_waited_for(void **state)
{
    (void)state;

    both_open();
    both.held = 6;
    publish_to(&both.old, 9, 1, "one");
    move(0, both.page, 0);
    wait_both(SETTLED_MS);
    publish_to(&both.old, 9, 2, "two"); /* not known here yet */
    both.held = 7;
    wait_both(75);
    told(0, "ack\n");
    wait_both(SETTLED_MS);
    told(0, "c/t 1 one\nc/t 2 two\n");
    both_close();
}

/* The ring of the old node goes on while it is asked. */
static void more_than_one_answer_is_put_together(void **state)
{
    struct buf want = {0};
    char value[32];
    uint64_t count = 1;
    (void)state;

    both_open();
    publish_to(&both.old, 9, 1, "seen");
    move(0, both.page, 1);
    buf_add_str(&want, "ack\n");
    for (int i = 0; i < 4; i++) {
        for (int k = 0; k < 40; k++) { /* the ring keeps 64 */
            (void)snprintf(value, sizeof value, "v%u", (unsigned)++count);
            publish_to(&both.old, 9, count, value);
            buf_add_str(&want, "c/t ");
            buf_add_u64(&want, count);
            buf_add_str(&want, " ");
            buf_add_str(&want, value);
            buf_add_str(&want, "\n");
        }
        wait_both(TICK_MS);
    }
    buf_add_u8(&want, '\0');
    wait_both(SETTLED_MS);
    told(0, (const char *)want.p);
    assert_true(both.asked > 4);
    buf_fini(&want);
    both_close();
}

static void large_items_come_one_an_answer(void **state)
{
    static char large[PEER_ANSWER_LEN + 1];
    (void)state;

    memset(large, 'x', sizeof large - 1);
    both_open();
    both.old.core.limits.ring_len = 16 << 20;
    publish_to(&both.old, 9, 1, "one");
    publish_to(&both.old, 9, 2, large);
    publish_to(&both.old, 9, 3, large);
    publish_to(&both.old, 9, 4, "four");
    move(0, both.page, 1);
    wait_both(SETTLED_MS);
    assert_int_equal(both.new.core.stats.resumed, 1);
    assert_int_equal(both.new.core.stats.delivered, 3);
    both_close();
}

/* Others of the topic, and of the client, are not held up. */
static void nobody_else_waits(void **state)
{
    (void)state;

    both_open();
    publish_to(&both.old, 9, 1, "one");
    struct client *a = world_open(&both.new, 1, &door_lines);
    subscribe(a, want_topic("t"));
    move(0, both.page, 0);
    subscribe(both.new.conns[0]->conn.client, want_topic("u"));
    publish_to(&both.new, 9, 2, "two");
    publish(a, "u", "other");
    told(1, "c/t 1 two\n");
    told(0, "ack\nc/u 1 other\n");
    both_close();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_missed_comes_with_old_numbers_then_live),
        cmocka_unit_test(nothing_missed_is_nothing_delivered),
        cmocka_unit_test(what_came_here_too_is_delivered_once),
        cmocka_unit_test(what_was_seen_before_is_not_seen_again),
        cmocka_unit_test(what_is_under_way_to_the_old_node_is_waited_for),
        cmocka_unit_test(what_is_under_way_to_this_node_is_not_delivered_twice),
        cmocka_unit_test(who_wants_no_echo_gets_none),
        cmocka_unit_test(the_barrier_is_waited_for),
        cmocka_unit_test(more_than_one_answer_is_put_together),
        cmocka_unit_test(large_items_come_one_an_answer),
        cmocka_unit_test(nobody_else_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
