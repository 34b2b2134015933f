/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/test.h"

#include "node/deadline.h"

enum {
    MANY = 200
};

struct alarm {
    struct deadline deadline; /* first: on_due casts back */
    struct deadlines *all;
    unsigned rung;
    uint64_t again_at_ms;    /* set again to this, 0 = not */
    struct alarm *to_remove; /* removed when this one rings */
    struct alarm **order;    /* where to note who rang */
    size_t *order_len;
};

static void ring(struct deadline *deadline, uint64_t now_ms)
{
    struct alarm *alarm = (struct alarm *)deadline;
    (void)now_ms;

    alarm->rung++;
    assert_int_equal(deadline->slot, 0);
    if (alarm->order != NULL) {
        alarm->order[(*alarm->order_len)++] = alarm;
    }
    if (alarm->again_at_ms != 0) {
        deadline_set(alarm->all, deadline, alarm->again_at_ms);
    }
    if (alarm->to_remove != NULL) {
        deadline_set(alarm->all, &alarm->to_remove->deadline, DEADLINE_NEVER);
    }
}

static void alarm_init(struct alarm *alarm, struct deadlines *all)
{
    *alarm = (struct alarm){.deadline.on_due = ring, .all = all};
}

static void the_earliest_is_next_and_due_ones_ring_in_order(void **state)
{
    struct deadlines all = {0};
    struct alarm alarms[4];
    struct alarm *order[4];
    size_t order_len = 0;
    static const uint64_t at[] = {40, 10, 30, 20};
    (void)state;

    assert_true(deadlines_next(&all) == DEADLINE_NEVER);
    for (size_t i = 0; i < 4; i++) {
        alarm_init(&alarms[i], &all);
        alarms[i].order = order;
        alarms[i].order_len = &order_len;
        assert_int_equal(deadline_set(&all, &alarms[i].deadline, at[i]), 0);
    }
    assert_int_equal(deadlines_next(&all), 10);
    deadlines_run(&all, 9);
    assert_int_equal(order_len, 0);
    deadlines_run(&all, 30);
    assert_int_equal(order_len, 3);
    assert_ptr_equal(order[0], &alarms[1]);
    assert_ptr_equal(order[1], &alarms[3]);
    assert_ptr_equal(order[2], &alarms[2]);
    assert_int_equal(deadlines_next(&all), 40);
    deadlines_fini(&all);
}

static void a_deadline_moves_both_ways_and_goes(void **state)
{
    struct deadlines all = {0};
    struct alarm a;
    struct alarm b;
    (void)state;

    alarm_init(&a, &all);
    alarm_init(&b, &all);
    deadline_set(&all, &a.deadline, 10);
    deadline_set(&all, &b.deadline, 20);
    deadline_set(&all, &a.deadline, 30);
    assert_int_equal(deadlines_next(&all), 20);
    deadline_set(&all, &a.deadline, 5);
    assert_int_equal(deadlines_next(&all), 5);
    deadline_set(&all, &a.deadline, DEADLINE_NEVER);
    deadline_set(&all, &a.deadline, DEADLINE_NEVER); /* again: nothing */
    assert_int_equal(deadlines_next(&all), 20);
    deadlines_run(&all, 100);
    assert_int_equal(a.rung, 0);
    assert_int_equal(b.rung, 1);
    deadlines_fini(&all);
}

static void one_set_again_into_the_past_waits_for_a_later_run(void **state)
{
    struct deadlines all = {0};
    struct alarm a;
    (void)state;

    alarm_init(&a, &all);
    a.again_at_ms = 1;
    deadline_set(&all, &a.deadline, 10);
    deadlines_run(&all, 50);
    assert_int_equal(a.rung, 1);
    assert_int_equal(deadlines_next(&all), 51);
    deadlines_run(&all, 51);
    assert_int_equal(a.rung, 2);
    deadlines_fini(&all);
}

static void one_that_rings_may_remove_another_that_is_due(void **state)
{
    struct deadlines all = {0};
    struct alarm a;
    struct alarm b;
    (void)state;

    alarm_init(&a, &all);
    alarm_init(&b, &all);
    a.to_remove = &b;
    deadline_set(&all, &a.deadline, 1);
    deadline_set(&all, &b.deadline, 2);
    deadlines_run(&all, 3);
    assert_int_equal(a.rung, 1);
    assert_int_equal(b.rung, 0);
    assert_true(deadlines_next(&all) == DEADLINE_NEVER);
    deadlines_fini(&all);
}

static uint32_t next(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 8;
}

/* Against the naive model: an array of instants. */
static void any_order_of_changes_keeps_the_heap(void **state)
{
    struct deadlines all = {0};
    struct alarm alarms[MANY];
    uint64_t model[MANY];
    uint32_t seed = 7;
    (void)state;

    for (size_t i = 0; i < MANY; i++) {
        alarm_init(&alarms[i], &all);
        model[i] = DEADLINE_NEVER;
    }
    for (uint64_t now = 1; now < 20000; now++) {
        size_t i = next(&seed) % MANY;
        model[i] = next(&seed) % 4 == 0 ? DEADLINE_NEVER
                                        : now + next(&seed) % 300;
        assert_int_equal(deadline_set(&all, &alarms[i].deadline, model[i]), 0);
        deadlines_check(&all);
        uint64_t earliest = DEADLINE_NEVER;
        for (size_t j = 0; j < MANY; j++) {
            earliest = model[j] < earliest ? model[j] : earliest;
        }
        assert_true(deadlines_next(&all) == earliest);
        deadlines_run(&all, now);
        for (size_t j = 0; j < MANY; j++) {
            assert_int_equal(alarms[j].rung, model[j] <= now);
            model[j] = model[j] <= now ? DEADLINE_NEVER : model[j];
            alarms[j].rung = 0;
        }
    }
    deadlines_fini(&all);
    assert_int_equal(alarms[0].deadline.slot, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_earliest_is_next_and_due_ones_ring_in_order),
        cmocka_unit_test(a_deadline_moves_both_ways_and_goes),
        cmocka_unit_test(one_set_again_into_the_past_waits_for_a_later_run),
        cmocka_unit_test(one_that_rings_may_remove_another_that_is_due),
        cmocka_unit_test(any_order_of_changes_keeps_the_heap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
