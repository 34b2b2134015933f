/* SPDX-License-Identifier: Apache-2.0
 *
 * Hellos: how many, how long a broken way goes unnoticed, and whose member
 * list is asked for.
 */
#include "tests/test.h"

#include "cluster/inside.h"
#include "tests/sim/inside.h"

enum {
    MANY = 102 /* links say hello every 2 s */
};

static struct sim *nodes(size_t len)
{
    struct sim *sim = sim_new(&(struct sim_options){.seed = 1, .nodes = len});

    sim_start_all(sim);
    sim_until(sim, sim_is_whole, 8000);
    return sim;
}

static uint64_t hellos(struct sim *sim, size_t i)
{
    const struct cluster *cluster = sim_cluster(sim, i);
    uint64_t sum = 0;

    for (size_t slot = 0; slot < cluster->slots; slot++) {
        const struct peer *peer = cluster->peers[slot];
        sum += peer != NULL ? peer->hello : 0;
    }
    return sum;
}

/* Also in each single second, not only on average. */
static void check_rate(struct sim *sim, uint64_t least, uint64_t most)
{
    sim_run(sim, 10000); /* what joining cost is over */
    for (size_t second = 0; second < 10; second++) {
        uint64_t before = hellos(sim, 1);
        sim_run(sim, 1000);
        assert_in_range(hellos(sim, 1) - before, least, most);
    }
}

static void a_few_peers_hear_a_hello_each_second(void **state)
{
    struct sim *sim = nodes(5);

    (void)state;
    check_rate(sim, 4, 4);
    sim_free(sim);
}

static void many_peers_share_fifty_hellos_a_second(void **state)
{
    struct sim *sim = nodes(MANY);

    (void)state;
    check_rate(sim, 50, 60);
    uint64_t before = sim->report.control_bytes;
    sim_run(sim, 10000);
    uint64_t bytes = (sim->report.control_bytes - before) / MANY / 10;
    print_message("%" PRIu64 " bytes a node and second\n", bytes);
    assert_in_range(bytes, 1000, 60 * 80);

    /* Idle: three hellos and a second. In use: as with few links. */
    sim_cut(sim, 1, 0);
    sim_run(sim, 3 * 2000 + 2500);
    assert_int_equal(sim_events(sim, 0, CLUSTER_UNLINKED), 1);
    assert_int_equal(sim_events(sim, 1, CLUSTER_UNLINKED), 1);
    sim_cut(sim, 3, 2);
    sim_want(sim, 3, 1, true);
    sim_run(sim, ANSWER_MS + 2000);
    assert_int_equal(sim_events(sim, 3, CLUSTER_UNLINKED), 1);
    sim_heal(sim);
    sim_until(sim, sim_is_whole, 3000);
    sim_free(sim);
}

/* Node 1 hears node 0, which does not hear it: its hellos alone must not make
 * the link whole again. */
static void who_does_not_answer_stays_unlinked(void **state)
{
    struct sim *sim = nodes(3);

    (void)state;
    sim_cut(sim, 1, 0);
    sim_want(sim, 1, 1, true);
    sim_run(sim, ANSWER_MS + 2000);
    assert_int_equal(sim_events(sim, 1, CLUSTER_UNLINKED), 1);
    sim_run(sim, 10000);
    assert_int_equal(sim_events(sim, 1, CLUSTER_LINKED), 2); /* the first */
    sim_heal(sim);
    sim_until(sim, sim_is_whole, 3000);
    sim_free(sim);
}

static bool was_asked(struct sim *sim, size_t i, size_t of)
{
    uint16_t slot = sim_slot(sim, i, of);

    return sim_cluster(sim, i)->peers[slot]->asked_hello != 0;
}

static void who_counts_in_whom_we_know_is_not_asked_for_a_list(void **state)
{
    struct sim *sim = sim_new(&(struct sim_options){.seed = 1, .nodes = 4});

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        sim_start(sim, i);
    }
    sim_until(sim, sim_is_whole, 5000);
    sim_start(sim, 3);
    sim_until(sim, sim_is_whole, 5000);
    for (size_t i = 0; i < 3; i++) {
        assert_false(was_asked(sim, 3, i));
    }
    sim_free(sim);
}

/* Node 0 has no link to node 1, so it counts in fewer than the newcomer knows:
 * a list of names that it knows is enough. */
static void who_counts_in_others_is_asked_for_a_list(void **state)
{
    struct sim *sim = sim_new(&(struct sim_options){.seed = 1, .nodes = 4});

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        sim_start(sim, i);
    }
    sim_until(sim, sim_is_whole, 5000);
    sim_break(sim, 0, 1);
    sim_start(sim, 3);
    for (size_t ms = 0; ms < 1500; ms++) {
        sim_break(sim, 0, 1);
        sim_run(sim, 1);
    }
    assert_true(cluster_is_ready(sim_cluster(sim, 3)));
    assert_true(was_asked(sim, 3, 0));
    assert_false(was_asked(sim, 3, 1) || was_asked(sim, 3, 2));
    sim_until(sim, sim_is_whole, 5000);
    sim_free(sim);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_few_peers_hear_a_hello_each_second),
        cmocka_unit_test(many_peers_share_fifty_hellos_a_second),
        cmocka_unit_test(who_does_not_answer_stays_unlinked),
        cmocka_unit_test(who_counts_in_whom_we_know_is_not_asked_for_a_list),
        cmocka_unit_test(who_counts_in_others_is_asked_for_a_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
