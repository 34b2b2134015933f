/* SPDX-License-Identifier: Apache-2.0
 *
 * The small parts under swim: generator, numbers, queue of rumours, table.
 */
#include "tests/test.h"

#include "cluster/member.h"
#include "cluster/rng.h"
#include "cluster/rumour.h"
#include "cluster/timing.h"

static void the_same_seed_gives_the_same_numbers(void **state)
{
    struct rng a;
    struct rng b;
    struct rng c;
    (void)state;

    rng_init(&a, 0);
    rng_init(&b, 0);
    rng_init(&c, 1);
    for (int i = 0; i < 100; i++) {
        uint64_t v = rng_u64(&a);
        assert_int_equal(v, rng_u64(&b));
        assert_int_not_equal(v, rng_u64(&c));
    }
}

static void chances_are_even(void **state)
{
    unsigned hits[7] = {0};
    struct rng rng;
    (void)state;

    rng_init(&rng, 1);
    for (int i = 0; i < 70000; i++) {
        hits[rng_below(&rng, 7)]++;
    }
    for (size_t i = 0; i < 7; i++) {
        assert_in_range(hits[i], 9600, 10400);
    }
    assert_int_equal(rng_below(&rng, 1), 0);
}

static void a_shuffle_keeps_all(void **state)
{
    uint16_t list[50];
    uint32_t moved = 0;
    uint64_t seen = 0;
    struct rng rng;
    (void)state;

    rng_init(&rng, 2);
    for (uint16_t i = 0; i < 50; i++) {
        list[i] = i;
    }
    rng_shuffle(&rng, list, 50);
    for (uint16_t i = 0; i < 50; i++) {
        seen |= (uint64_t)1 << list[i];
        moved += list[i] != i;
    }
    assert_int_equal(seen, ((uint64_t)1 << 50) - 1);
    assert_true(moved > 30);
}

static void suspicions_last_by_size_and_confirmations(void **state)
{
    static const struct {
        uint32_t n;
        unsigned confirmed;
        uint32_t ms;
    } cases[] = {
        {2, 0, 1500},  {3, 0, 9000},     {3, 1, 1500},   {4, 1, 4268},
        {10, 0, 9000}, {10, 1, 5250},    {10, 2, 3060},  {10, 3, 1500},
        {10, 9, 1500}, {100, 0, 15000},  {100, 3, 2500}, {1000, 3, 3500},
        {15, 3, 1650}, {99999, 3, 4500},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(timing_suspicion_ms(cases[i].n, cases[i].confirmed),
                         cases[i].ms);
    }
    assert_int_equal(timing_confirmers(1), 0);
    assert_int_equal(timing_confirmers(3), 1);
    assert_int_equal(timing_confirmers(500), 3);
}

static void limits_grow_with_the_digits(void **state)
{
    (void)state;

    assert_int_equal(timing_rumour_limit(2), 4);
    assert_int_equal(timing_rumour_limit(9), 4);
    assert_int_equal(timing_rumour_limit(10), 8);
    assert_int_equal(timing_rumour_limit(1000), 16);
}

static void answers_are_awaited_by_round_trip_within_bounds(void **state)
{
    (void)state;

    static const struct {
        struct timing_rtt rtt;
        bool far;
        uint32_t ms;
    } cases[] = {
        {{false, false, 0, 0}, false, 150},
        {{false, false, 0, 0}, true, 1000},
        {{true, false, 8, 2}, false, 50},
        {{true, false, 8 * 40, 4}, false, 129},
        {{true, false, 8 * 900, 20}, false, 300},
        {{true, false, 8 * 900, 200}, true, 1000},
        {{true, false, 8 * 80, 8}, true, 258},
        {{true, false, 8, 2}, true, 150},
        {{true, true, 8, 2}, true, 1000},
        {{true, true, 8, 2}, false, 150},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(timing_answer_ms(&cases[i].rtt, cases[i].far),
                         cases[i].ms);
    }
}

/* The mean of what a clock of milliseconds shows is finer than that clock. */
static void round_trips_are_never_nothing_once_known(void **state)
{
    struct timing_rtt rtt = {0};
    (void)state;

    assert_int_equal(timing_rtt_us(&rtt), 0);
    for (int i = 0; i < 100; i++) {
        timing_learn(&rtt, 0);
    }
    assert_int_equal(timing_rtt_us(&rtt), 125);
    for (int i = 0; i < 100; i++) {
        timing_learn(&rtt, 20);
    }
    assert_in_range(timing_rtt_us(&rtt), 19000, 20000);
    assert_in_range(timing_answer_ms(&rtt, false), 57, 70);
}

static uint16_t next_of(struct rumours *rumours, bool whole)
{
    struct rumour *r = rumour_next(rumours, RUMOUR_NEAR, 4, whole);

    if (r == NULL) {
        return MEMBER_NONE;
    }
    r->sent[RUMOUR_NEAR]++;
    return r->row;
}

static uint16_t next(struct rumours *rumours)
{
    uint16_t row = next_of(rumours, false);

    return row == MEMBER_NONE ? next_of(rumours, true) : row;
}

static void in_its_class_the_seldom_sent_goes_first_then_the_newer(void **state)
{
    struct rumours rumours;
    (void)state;

    assert_int_equal(rumours_init(&rumours, 8), 0);
    rumour_add(&rumours, 1, true);
    rumour_add(&rumours, 2, true);
    rumour_add(&rumours, 3, false);
    rumour_add(&rumours, 4, true);
    rumours_begin(&rumours);
    assert_int_equal(next(&rumours), 3);
    assert_int_equal(next(&rumours), 4);
    assert_int_equal(next(&rumours), 2);
    rumours_begin(&rumours);
    assert_int_equal(next_of(&rumours, true), 1); /* never sent */
    assert_int_equal(next_of(&rumours, true), 4);
    assert_int_equal(next_of(&rumours, true), 2);
    assert_int_equal(next_of(&rumours, true), MEMBER_NONE); /* once a packet */
    struct rumour *r = rumour_next(&rumours, RUMOUR_NEAR, 4, false);
    assert_int_equal(r->row, 3);
    rumour_put_back(r);
    assert_int_equal(next_of(&rumours, false), 3);
    assert_int_equal(next_of(&rumours, false), MEMBER_NONE);
    rumours_fini(&rumours);
}

static void a_rumour_ends_when_both_lanes_have_had_enough(void **state)
{
    struct rumours rumours;
    (void)state;

    assert_int_equal(rumours_init(&rumours, 8), 0);
    rumour_add(&rumours, 1, false);
    for (int i = 0; i < 4; i++) {
        rumours_begin(&rumours);
        assert_int_equal(next(&rumours), 1);
    }
    rumours_begin(&rumours);
    assert_int_equal(next(&rumours), MEMBER_NONE);
    rumours_sweep(&rumours, (unsigned[]){4, 1});
    assert_int_equal(rumours.len, 1); /* the far ones know nothing yet */
    rumours_sweep(&rumours, (unsigned[]){4, 0});
    assert_int_equal(rumours.len, 0);
    rumours_fini(&rumours);
}

static void news_of_a_row_begins_again_and_stays_whole(void **state)
{
    struct rumours rumours;
    (void)state;

    assert_int_equal(rumours_init(&rumours, 8), 0);
    rumour_add(&rumours, 1, true);
    rumours_begin(&rumours);
    assert_int_equal(next(&rumours), 1);
    rumour_add(&rumours, 1, false);
    assert_int_equal(rumours.len, 1);
    assert_true(rumours.list[0].whole);
    assert_int_equal(rumours.list[0].sent[RUMOUR_NEAR], 0);
    rumour_remove(&rumours, 1);
    assert_int_equal(rumours.len, 0);
    rumours_fini(&rumours);
}

static struct peer_node node_of(uint64_t number)
{
    struct peer_node node = {.cluster = {.ip = {[15] = 1}, .port = 1},
                             .data_port = 2,
                             .name = BYTES("n"),
                             .region = BYTES("r")};
    bytes_put_u64be(node.id.b, number);
    return node;
}

static void the_table_is_in_the_order_of_ids_and_bounded(void **state)
{
    struct member_table table;
    struct rng rng;
    (void)state;

    rng_init(&rng, 5);
    assert_int_equal(member_table_init(&table, 20, 10), 0);
    for (int i = 0; i < 2000; i++) {
        struct peer_node node = node_of(1 + rng_below(&rng, 60));
        struct member *m = member_find(&table, &node.id);
        if (m == NULL) {
            m = member_add(&table, &node, 0, rng_below(&rng, 2) == 0,
                           (uint64_t)i);
            assert_int_equal(m == NULL,
                             table.living_len == 20 &&
                                 member_find(&table, &node.id) == NULL);
        } else if (member_is_living(m)) {
            member_move(&table, m, GOSSIP_DEAD, m->incarnation, (uint64_t)i);
        } else if (table.living_len < 20) {
            member_move(&table, m, GOSSIP_ALIVE, m->incarnation + 1,
                        (uint64_t)i);
        }
        struct member *surplus = member_surplus(&table);
        if (surplus != NULL) {
            member_forget(&table, surplus);
        }
        member_table_check(&table, table.parts);
    }
    assert_null(member_at(&table, table.order_len));
    member_table_fini(&table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_seed_gives_the_same_numbers),
        cmocka_unit_test(chances_are_even),
        cmocka_unit_test(a_shuffle_keeps_all),
        cmocka_unit_test(suspicions_last_by_size_and_confirmations),
        cmocka_unit_test(limits_grow_with_the_digits),
        cmocka_unit_test(answers_are_awaited_by_round_trip_within_bounds),
        cmocka_unit_test(round_trips_are_never_nothing_once_known),
        cmocka_unit_test(
            in_its_class_the_seldom_sent_goes_first_then_the_newer),
        cmocka_unit_test(a_rumour_ends_when_both_lanes_have_had_enough),
        cmocka_unit_test(news_of_a_row_begins_again_and_stays_whole),
        cmocka_unit_test(the_table_is_in_the_order_of_ids_and_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
