/* SPDX-License-Identifier: Apache-2.0
 *
 * Hellos: how many, how long a broken way goes unnoticed, and whose member
 * list is asked for.
 */
#include "tests/test.h"

#include "cluster/inside.h"
#include "tests/sim/inside.h"

enum {
    MANY = 102, /* each link says hello ... */
    MANY_MS = 10000,
    USED_SILENT_MS = 3 * HELLO_USED_MS + HELLO_MS,
    FOUND_MS = ACK_MS + ANSWER_MS + 2 * HELLO_MS, /* and two visits */
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

static void many_peers_share_ten_hellos_a_second(void **state)
{
    struct sim *sim = nodes(MANY);

    (void)state;
    check_rate(sim, 10, 11);
    uint64_t before = sim->report.control_bytes;
    sim_run(sim, 10000);
    uint64_t bytes = (sim->report.control_bytes - before) / MANY / 10;
    print_message("%" PRIu64 " bytes a node and second\n", bytes);
    assert_in_range(bytes, 300, 10 * 80);

    /* Three hellos and a second. */
    sim_cut(sim, 1, 0);
    sim_run(sim, 3 * MANY_MS + 2500);
    assert_int_equal(sim_events(sim, 0, CLUSTER_UNLINKED), 1);
    assert_int_equal(sim_events(sim, 1, CLUSTER_UNLINKED), 1);
    sim_heal(sim);
    sim_until(sim, sim_is_whole, REDIAL_MS + 5000); /* TCP waits, too */
    sim_free(sim);
}

/* Node 3 has something for node 2, node 5 for nodes 4 and 6. */
static void of_many_ways_one_in_use_is_found_as_soon_as_of_few(void **state)
{
    struct sim *sim = nodes(MANY);

    (void)state;
    sim_want(sim, 4, 1, true);
    sim_want(sim, 6, 1, true);
    sim_run(sim, 3000);
    sim_publish(sim, 5, 1);
    sim_run(sim, 2000);
    size_t gaps = sim_gaps(sim, 6);

    sim_cut(sim, 3, 2);
    sim_want(sim, 3, 1, true);
    sim_cut(sim, 5, 4);
    sim_cut(sim, 5, 6);
    sim_publish(sim, 5, 1);
    sim_run(sim, ANSWER_MS + 2000);
    assert_int_equal(sim_events(sim, 3, CLUSTER_UNLINKED), 1);
    sim_run(sim, FOUND_MS - ANSWER_MS - 2000);
    assert_int_equal(sim_events(sim, 5, CLUSTER_UNLINKED), 2);
    assert_int_equal(sim_gaps(sim, 6), gaps); /* it heard of none so far */
    sim_run(sim, USED_SILENT_MS + HELLO_MS - FOUND_MS);
    assert_int_equal(sim_gaps(sim, 6), gaps + 1);
    assert_int_equal(sim_gaps(sim, 4), gaps + 1);
    sim_heal(sim);
    sim_until(sim, sim_is_whole, REDIAL_MS + 5000); /* TCP waits, too */
    sim_free(sim);
}

static uint64_t batches(struct sim *sim, size_t i)
{
    uint64_t sum = 0;

    for (size_t of = 0; of < MANY; of++) {
        sum += of == i ? 0 : sim_heard(sim, of, i);
    }
    return sum;
}

/* Of node 0 and of all others, while each way has its turn. */
static void count_hellos(struct sim *sim, uint64_t count[2])
{
    count[0] = 0;
    count[1] = 0;
    for (size_t i = 0; i < MANY; i++) {
        count[i > 0] -= hellos(sim, i);
    }
    sim_run(sim, MANY_MS);
    for (size_t i = 0; i < MANY; i++) {
        count[i > 0] += hellos(sim, i);
    }
}

/* One hello acknowledges it, and nobody asks for that; and one of its own says
 * to each that the way is in use. */
static void an_item_costs_a_hello_each_way(void **state)
{
    struct sim *sim = nodes(MANY);
    uint64_t idle[2];
    uint64_t used[2];

    (void)state;
    for (size_t i = 1; i < MANY; i++) {
        sim_want(sim, i, 1, true);
    }
    sim_run(sim, MANY_MS + 2500); /* it is not the turn of node 0 */
    count_hellos(sim, idle);
    uint64_t sent = batches(sim, 0);
    sim_publish(sim, 0, 1);
    count_hellos(sim, used);
    assert_int_equal(batches(sim, 0) - sent, MANY - 1);
    assert_in_range(used[0] - idle[0], MANY - 20, 2 * MANY);
    assert_in_range(used[1] - idle[1], MANY - 20, MANY + 20);
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
        cmocka_unit_test(many_peers_share_ten_hellos_a_second),
        cmocka_unit_test(of_many_ways_one_in_use_is_found_as_soon_as_of_few),
        cmocka_unit_test(an_item_costs_a_hello_each_way),
        cmocka_unit_test(who_does_not_answer_stays_unlinked),
        cmocka_unit_test(who_counts_in_whom_we_know_is_not_asked_for_a_list),
        cmocka_unit_test(who_counts_in_others_is_asked_for_a_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
