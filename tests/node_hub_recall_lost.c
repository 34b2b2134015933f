/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/test.h"

#include "tests/two_hubs.h"

/* --- discontinuities --- */

static void lost(const char *text)
{
    told(0, text);
    assert_int_equal(both.new.core.stats.resumed, 0);
    assert_int_equal(both.new.core.stats.gaps, 1);
}

static void a_node_that_is_gone_is_a_discontinuity_at_once(void **state)
{
    (void)state;

    both_open();
    both.gone = true;
    assert_int_equal(move(0, both.page, 1).outcome, HUB_LOST);
    publish_to(&both.new, 9, 2, "two");
    lost("ack\nc/t gap 0 0\nc/t 1 two\n");
    both_close();
}

static void own_pages_and_none_are_not_asked_for(void **state)
{
    (void)state;

    both_open();
    assert_int_equal(move(0, 0, 1).outcome, HUB_LOST);
    assert_int_equal(move(1,
                          (both.page & ~(uint64_t)HUB_PAGE_NODE_MASK) |
                              (both.new.core.node_u64 &HUB_PAGE_NODE_MASK),
                          1)
                         .outcome,
                     HUB_LOST);
    assert_int_equal(both.asked, 0);
    both_close();
}

static void what_the_old_node_does_not_know_is_a_discontinuity(void **state)
{
    static const struct {
        int64_t page;
        uint64_t seq;
    } cases[] = {
        {1 << HUB_PAGE_NODE_BITS, 1},    /* a later life */
        {-(1 << HUB_PAGE_NODE_BITS), 1}, /* an earlier one */
        {0, 3},                          /* ahead of the topic */
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        both_open();
        publish_to(&both.old, 9, 1, "one");
        publish_to(&both.old, 9, 2, "two");
        move(0, both.page + (uint64_t)cases[i].page, cases[i].seq);
        exchange();
        publish_to(&both.new, 9, 3, "three");
        lost("ack\nc/t gap 0 0\nc/t 1 three\n");
        both_close();
    }
}

static void what_its_ring_lost_is_a_discontinuity(void **state)
{
    (void)state;

    both_open();
    for (uint64_t i = 1; i <= 100; i++) {
        publish_to(&both.old, 9, i, "x");
    }
    move(0, both.page, 10);
    exchange();
    lost("ack\nc/t gap 0 0\n");
    both_close();
}

static void a_loss_of_its_own_is_a_discontinuity(void **state)
{
    (void)state;

    both_open();
    publish_to(&both.old, 9, 1, "one");
    hub_gap(both.old.core.hub, bytes_of(NULL, 0));
    move(0, both.page, 1);
    exchange();
    lost("ack\nc/t gap 0 0\n");
    both_close();
}

static void silence_is_a_discontinuity_then_what_came_here(void **state)
{
    (void)state;

    both_open();
    publish_to(&both.old, 9, 1, "one");
    move(0, both.page, 1);
    publish_to(&both.new, 9, 2, "two");
    for (int i = 0; i < 39; i++) {
        fake_wait(&both.new.core, TICK_MS);
    }
    told(0, "ack\n");
    fake_wait(&both.new.core, TICK_MS);
    publish_to(&both.new, 9, 3, "three");
    lost("c/t gap 0 0\nc/t 1 two\nc/t 2 three\n");
    exchange(); /* too late: nothing more */
    lost("");
    both_close();
}

static void a_loss_here_meanwhile_is_one_discontinuity(void **state)
{
    (void)state;

    both_open();
    publish_to(&both.old, 9, 1, "one");
    move(0, both.page, 0);
    publish_to(&both.new, 9, 2, "two");
    hub_gap(both.new.core.hub, bytes_of(NULL, 0));
    publish_to(&both.new, 9, 3, "three");
    wait_both(SETTLED_MS);
    lost("ack\nc/t gap 0 2\nc/t 3 three\n");
    both_close();
}

/* The old node never gets what came here: its list may have a hole. */
static void a_hole_that_is_not_closed_is_a_discontinuity(void **state)
{
    (void)state;

    both_open();
    publish_to(&both.old, 9, 1, "one");
    move(0, both.page, 0);
    publish_to(&both.new, 9, 3, "three");
    wait_both(1100);
    lost("ack\nc/t gap 0 0\nc/t 1 three\n");
    both_close();
}

static void answers_that_make_no_sense_are_discontinuities(void **state)
{
    static const struct peer_message cases[] = {
        {.known = true, .newest = 2, .records_len = 1},
        {.known = true, .newest = 2, .records = BYTES("x")},
        {.known = true, .newest = 2, .records_len = 1, .records = BYTES("x")},
        {.known = false},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct peer_message answer = cases[i];
        both_open();
        publish_to(&both.old, 9, 1, "one");
        move(0, both.page, 1);
        answer.type = PEER_ANSWER;
        answer.number = 1;
        answer.seq = 2; /* not what was asked */
        hub_take_answer(both.new.core.hub, &answer);
        told(0, "ack\n");
        answer.seq = 1;
        hub_take_answer(both.new.core.hub, &answer);
        lost("c/t gap 0 0\n");
        hub_take_answer(both.new.core.hub, &answer);
        lost("");
        both_close();
    }
}

static void an_item_of_another_topic_is_a_discontinuity(void **state)
{
    struct item item = {.cache = BYTES("c"),
                        .topic = BYTES("u"),
                        .value = BYTES("secret"),
                        .origin = 9,
                        .count = 2};
    struct buf wire = {0};
    (void)state;

    both_open();
    move(0, both.page, 1);
    item_write(&item, &wire);
    hub_take_answer(both.new.core.hub,
                    &(struct peer_message){.type = PEER_ANSWER,
                                           .number = 1,
                                           .seq = 1,
                                           .known = true,
                                           .newest = 2,
                                           .records_len = 1,
                                           .records = buf_bytes(&wire)});
    lost("ack\nc/t gap 0 0\n");
    buf_fini(&wire);
    both_close();
}

/* --- bounds and ends --- */

static void own_items_are_kept_up_to_a_bound(void **state)
{
    static char large[1 << 20];
    (void)state;

    memset(large, 'x', sizeof large - 1);
    both_open();
    publish_to(&both.old, 9, 1, "one");
    move(0, both.page, 1);
    for (uint64_t i = 2; i < 10; i++) {
        publish_to(&both.new, 9, i, large);
    }
    wait_both(SETTLED_MS);
    lost("ack\nc/t gap 0 8\n");
    both_close();
}

static void a_client_that_goes_is_not_asked_for_any_more(void **state)
{
    (void)state;

    both_open();
    publish_to(&both.old, 9, 1, "one");
    move(0, both.page, 0);
    move(1, both.page, 0);
    world_leave(&both.new, 0);
    hub_check(both.new.core.hub);
    wait_both(SETTLED_MS);
    told(1, "ack\nc/t 1 one\n");
    both_close();
}

static void questions_are_bounded(void **state)
{
    struct hub_want want = want_topic("t");
    struct hub_position position;
    struct sub *sub;
    (void)state;

    both_open();
    struct client *client = world_open(&both.new, 0, &door_lines);
    want.resume = true;
    want.page = both.page;
    for (uint64_t i = 0; i < 4096; i++) {
        want.tag = i;
        assert_int_equal(client_subscribe(client, &want, &sub, &position), 0);
        assert_int_equal(position.outcome, HUB_ASKED);
    }
    want.tag++;
    assert_int_equal(client_subscribe(client, &want, &sub, &position), 0);
    assert_int_equal(position.outcome, HUB_LOST);
    wait_both(SETTLED_MS);
    assert_int_equal(both.new.core.stats.resumed, 4096);
    both_close();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_node_that_is_gone_is_a_discontinuity_at_once),
        cmocka_unit_test(own_pages_and_none_are_not_asked_for),
        cmocka_unit_test(what_the_old_node_does_not_know_is_a_discontinuity),
        cmocka_unit_test(what_its_ring_lost_is_a_discontinuity),
        cmocka_unit_test(a_loss_of_its_own_is_a_discontinuity),
        cmocka_unit_test(silence_is_a_discontinuity_then_what_came_here),
        cmocka_unit_test(a_loss_here_meanwhile_is_one_discontinuity),
        cmocka_unit_test(a_hole_that_is_not_closed_is_a_discontinuity),
        cmocka_unit_test(answers_that_make_no_sense_are_discontinuities),
        cmocka_unit_test(an_item_of_another_topic_is_a_discontinuity),
        cmocka_unit_test(own_items_are_kept_up_to_a_bound),
        cmocka_unit_test(a_client_that_goes_is_not_asked_for_any_more),
        cmocka_unit_test(questions_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
