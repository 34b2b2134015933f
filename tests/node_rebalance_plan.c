/* SPDX-License-Identifier: Apache-2.0
 *
 * Rounds of a rebalance, each carried out as far as it may be.
 */
#include "tests/test.h"

#include <stdlib.h>

#include "node/client/rebalance_plan.h"

enum {
    NODES_MAX = 64
};

static struct plan_node node_of(uint64_t clients, const char *endpoint)
{
    return (struct plan_node){.clients = clients,
                              .movable = clients,
                              .endpoint = bytes_str(endpoint)};
}

static const char *endpoint_of(size_t i)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz";
    static char text[NODES_MAX][3];

    text[i][0] = letters[i / 26];
    text[i][1] = letters[i % 26];
    return text[i];
}

static uint64_t distance(uint64_t a, uint64_t b)
{
    return a > b ? a - b : b - a;
}

/* Everybody goes at once, or a round late. Returns the rounds. */
static size_t play(struct plan_node *nodes, size_t len, bool late)
{
    struct plan_order orders[NODES_MAX];
    struct plan_order before[NODES_MAX];
    size_t before_len = 0;

    for (size_t rounds = 0; rounds < 1000; rounds++) {
        if (plan_is_even(nodes, len)) {
            return rounds;
        }
        size_t n = plan_round(nodes, len, orders, ARRAY_LEN(orders));
        uint64_t sum = 0;
        for (size_t i = 0; i < before_len; i++) {
            nodes[before[i].from].clients -= before[i].count;
            nodes[before[i].from].moving -= before[i].count;
            nodes[before[i].to].clients += before[i].count;
            nodes[before[i].to].movable += before[i].count;
        }
        before_len = 0;
        for (size_t i = 0; i < n; i++) {
            struct plan_node *from = &nodes[orders[i].from];
            assert_true(orders[i].count > 0);
            assert_true(orders[i].count + from->moving <= from->clients);
            assert_true(orders[i].count <= from->movable);
            assert_false(
                bytes_eq(from->endpoint, nodes[orders[i].to].endpoint));
            sum += orders[i].count;
            from->movable -= orders[i].count;
            if (late) {
                from->moving += orders[i].count;
                before[before_len++] = orders[i];
            } else {
                from->clients -= orders[i].count;
                nodes[orders[i].to].clients += orders[i].count;
                nodes[orders[i].to].movable += orders[i].count;
            }
        }
        assert_true(sum <= PLAN_MOST);
    }
    fail_msg("never even");
    return 0;
}

static void assert_even(const struct plan_node *nodes, size_t len)
{
    uint64_t share = plan_share(nodes, len);

    for (size_t i = 0; i < len; i++) {
        assert_true(distance(nodes[i].clients, share) <= share / 5 + 1);
    }
}

static void a_third_node_comes_to_have_a_third_within_the_minute(void **state)
{
    static const uint64_t all[] = {9, 300, 3000, 30000, 60000};
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        for (int late = 0; late < 2; late++) {
            struct plan_node nodes[] = {node_of(all[i] / 2, "a"),
                                        node_of(all[i] - all[i] / 2, "b"),
                                        node_of(0, "c")};
            assert_in_range(play(nodes, 3, late == 1), 1, 50);
            assert_even(nodes, 3);
        }
    }
}

static void nobody_moves_where_all_have_the_same(void **state)
{
    static const uint64_t even[][3] = {
        {0, 0, 0}, {100, 100, 100}, {103, 98, 99}, {1, 0, 0}, {2, 1, 1}};
    struct plan_order orders[4];
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(even); i++) {
        struct plan_node nodes[] = {node_of(even[i][0], "a"),
                                    node_of(even[i][1], "b"),
                                    node_of(even[i][2], "c")};
        assert_true(plan_is_even(nodes, 3));
    }
    assert_true(plan_is_even(NULL, 0));
    assert_int_equal(plan_round(NULL, 0, orders, 4), 0);
    struct plan_node alone = node_of(500, "a");
    assert_true(plan_is_even(&alone, 1));
    assert_int_equal(plan_round(&alone, 1, orders, 4), 0);
}

/* Who did not say that it can go stays, and the round says nothing of it. */
static void only_those_that_can_are_asked(void **state)
{
    struct plan_node nodes[] = {node_of(100, "a"), node_of(0, "b")};
    struct plan_order orders[4];
    (void)state;

    nodes[0].movable = 3;
    assert_int_equal(plan_round(nodes, 2, orders, 4), 1);
    assert_int_equal(orders[0].count, 3);
    nodes[0].movable = 0;
    assert_int_equal(plan_round(nodes, 2, orders, 4), 0);
    assert_false(plan_is_even(nodes, 2));
}

/* The workers of a process take connections from one port, in turns. */
static void nobody_is_sent_to_where_it_is(void **state)
{
    struct plan_node nodes[] = {node_of(100, "a"), node_of(0, "a")};
    struct plan_order orders[4];
    (void)state;

    assert_int_equal(plan_round(nodes, 2, orders, 4), 0);
}

static void those_on_the_way_are_not_sent_twice(void **state)
{
    struct plan_node nodes[] = {node_of(100, "a"), node_of(0, "b")};
    struct plan_order orders[4];
    (void)state;

    nodes[0].moving = 50;
    assert_int_equal(plan_round(nodes, 2, orders, 4), 0);
    assert_false(plan_is_even(nodes, 2));
    nodes[0].moving = 48;
    assert_int_equal(plan_round(nodes, 2, orders, 4), 1);
    assert_int_equal(orders[0].count, 2);
    nodes[0].moving = UINT32_MAX; /* whatever a node says */
    assert_int_equal(plan_round(nodes, 2, orders, 4), 0);
}

static void any_numbers_are_planned_for(void **state)
{
    struct plan_node nodes[NODES_MAX];
    (void)state;

    srand(7);
    for (int game = 0; game < 300; game++) {
        size_t len = 2 + (size_t)rand() % (NODES_MAX - 2);
        for (size_t i = 0; i < len; i++) {
            nodes[i] = node_of((uint64_t)rand() % 5000, endpoint_of(i));
        }
        assert_in_range(play(nodes, len, game % 2 == 1), 0, 200);
        assert_even(nodes, len);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_third_node_comes_to_have_a_third_within_the_minute),
        cmocka_unit_test(nobody_moves_where_all_have_the_same),
        cmocka_unit_test(only_those_that_can_are_asked),
        cmocka_unit_test(nobody_is_sent_to_where_it_is),
        cmocka_unit_test(those_on_the_way_are_not_sent_twice),
        cmocka_unit_test(any_numbers_are_planned_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
