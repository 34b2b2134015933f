/* SPDX-License-Identifier: Apache-2.0
 *
 * The gate when more than one thing goes on: many join, all restart, one is
 * thought dead, one cannot be linked.
 */
#include "tests/test.h"

#include "cluster/inside.h"
#include "tests/sim/inside.h"

enum {
    SHARED = 1 /* a topic that all want */
};

/* Everyone subscribes as it starts and publishes as soon as it may. */
static void run_and_publish(struct sim *sim, size_t nodes, uint64_t ms)
{
    for (uint64_t i = 0; i < ms; i++) {
        for (size_t n = 0; n < nodes; n++) {
            (void)sim_publish(sim, n, SHARED);
        }
        sim_run(sim, 1);
    }
}

static void start(struct sim *sim, size_t i)
{
    sim_start(sim, i);
    sim_want(sim, i, SHARED, true);
}

static void nodes_that_join_together_miss_nothing(void **state)
{
    enum {
        NODES = 8
    };

    (void)state;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        struct sim *sim = sim_new(&(struct sim_options){
            .seed = seed, .nodes = NODES, .habits = {.loss = 30}});
        struct rng rng;
        rng_init(&rng, seed);
        start(sim, 0);
        start(sim, 1);
        sim_until(sim, sim_is_whole, 8000);
        for (size_t i = 2; i < NODES; i++) {
            start(sim, i);
            run_and_publish(sim, NODES, rng_below(&rng, 15));
        }
        run_and_publish(sim, NODES, 300);
        sim_until(sim, sim_is_whole, 8000);
        run_and_publish(sim, NODES, 20);
        sim_run(sim, 100);
        sim_count(sim);
        assert_int_equal(sim->report.missed, 0);
        assert_true(sim->report.delivered > 0);
        sim_free(sim);
    }
}

/* Every node starts again, in any order, within half a second. */
static void a_full_restart_forms_within_5_s(void **state)
{
    enum {
        NODES = 20
    };
    uint64_t worst_ms = 0;

    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct sim *sim = sim_new(
            &(struct sim_options){.seed = seed, .nodes = NODES});
        size_t order[NODES];
        struct rng rng;
        sim_start_all(sim);
        sim_until(sim, sim_is_whole, 8000);
        rng_init(&rng, seed);
        for (size_t i = 0; i < NODES; i++) {
            sim_kill(sim, i, i % 2 == 0);
            order[i] = i;
        }
        sim_run(sim, rng_below(&rng, 3000));
        uint64_t began_ms = sim_now_ms(sim);
        for (uint32_t i = 0; i < NODES; i++) {
            size_t j = i + rng_below(&rng, NODES - i);
            start(sim, order[j]);
            order[j] = order[i];
            sim_run(sim, rng_below(&rng, 25));
        }
        sim_until(sim, sim_is_whole, 5000);
        uint64_t took_ms = sim_now_ms(sim) - began_ms;
        worst_ms = took_ms > worst_ms ? took_ms : worst_ms;
        sim_free(sim);
    }
    print_message("at worst %" PRIu64 " ms\n", worst_ms);
    assert_in_range(worst_ms, 1, 5000);
}

/* It goes on serving its own clients, with the topics it knew. */
static void who_was_thought_dead_comes_back_and_has_told(void **state)
{
    struct sim *sim = sim_new(&(struct sim_options){.seed = 1, .nodes = 4});
    bool partial;

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        start(sim, i);
    }
    sim_until(sim, sim_is_whole, 8000);
    run_and_publish(sim, 4, 50);
    sim_partition(sim, 3); /* node 3 alone */
    run_and_publish(sim, 4, 10000);
    assert_int_equal(sim_events(sim, 0, CLUSTER_DEAD), 1);
    assert_true(sim_events(sim, 3, CLUSTER_DEAD) > 0);
    assert_true(cluster_is_ready(sim_cluster(sim, 3)));
    sim_heal(sim);
    run_and_publish(sim, 4, 3000);
    sim_until(sim, sim_is_whole, 3000);
    sim_want(sim, 3, 5, true);
    sim_run(sim, 5);
    assert_in_range(sim_acked_ms(sim, 3, 5, CLUSTER_SCOPE_REGION, &partial), 0,
                    2);
    assert_false(partial);
    sim_publish(sim, 0, 5);
    sim_run(sim, 100);
    sim_count(sim);
    assert_true(sim->report.missed > 0);
    assert_int_equal(sim->report.untold, 0);
    sim_free(sim);
}

/* Packets pass between these two, and no pipe can be dialled. */
static void keep_apart(struct sim *sim, size_t a, size_t b)
{
    sim_refuse(sim, a, b);
    sim_refuse(sim, b, a);
}

static void a_member_that_cannot_be_linked_is_waited_for_10_s(void **state)
{
    struct sim *sim = sim_new(&(struct sim_options){.seed = 1, .nodes = 4});
    bool partial;

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        sim_start(sim, i);
    }
    sim_until(sim, sim_is_whole, 5000);
    sim_start(sim, 3);
    keep_apart(sim, 3, 1);
    sim_run(sim, GATE_LATE_MS - 100);
    assert_false(cluster_is_ready(sim_cluster(sim, 3)));
    sim_run(sim, 2500);
    assert_true(cluster_is_ready(sim_cluster(sim, 3)));
    for (size_t i = 0; i < 4; i++) {
        size_t late = i == 3 || i == 1;
        assert_int_equal(cluster_late(sim_cluster(sim, i)), late);
        assert_int_equal(sim_events(sim, i, CLUSTER_LATE), late);
        assert_int_equal(sim_gaps(sim, i), late);
    }
    sim_want(sim, 1, 2, true); /* held by all that are linked */
    sim_run(sim, 50);
    assert_in_range(sim_acked_ms(sim, 1, 2, CLUSTER_SCOPE_REGION, &partial), 0,
                    2);
    assert_true(partial);

    sim_run(sim, LATE_GAP_MS + 1000);
    assert_int_equal(sim_events(sim, 1, CLUSTER_LATE), 1);
    assert_int_equal(sim_gaps(sim, 1), 2);
    assert_int_equal(sim_gaps(sim, 3), 2);
    sim_heal(sim);
    sim_until(sim, sim_is_whole, 5000);
    assert_int_equal(cluster_late(sim_cluster(sim, 1)), 0);
    assert_int_equal(cluster_late(sim_cluster(sim, 3)), 0);
    assert_true(sim_gaps(sim, 1) > 2 && sim_gaps(sim, 3) > 2);
    sim_want(sim, 1, 3, true);
    sim_run(sim, 5);
    (void)sim_acked_ms(sim, 1, 3, CLUSTER_SCOPE_REGION, &partial);
    assert_false(partial);
    sim_free(sim);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nodes_that_join_together_miss_nothing),
        cmocka_unit_test(a_full_restart_forms_within_5_s),
        cmocka_unit_test(who_was_thought_dead_comes_back_and_has_told),
        cmocka_unit_test(a_member_that_cannot_be_linked_is_waited_for_10_s),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
