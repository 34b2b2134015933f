/* SPDX-License-Identifier: Apache-2.0
 *
 * Barrier and gate, case by case, with a few whole nodes in the simulator.
 */
#include "tests/test.h"

#include "cluster/inside.h"
#include "tests/sim/inside.h"

static const enum cluster_scope R = CLUSTER_SCOPE_REGION;
static const enum cluster_scope A = CLUSTER_SCOPE_ALL;

/* --- barrier --- */

static void a_lone_node_is_ready_and_holds_at_once(void **state)
{
    struct sim *sim = sim_new(&(struct sim_options){.seed = 1, .nodes = 1});
    bool partial;

    (void)state;
    sim_start(sim, 0);
    assert_true(cluster_is_ready(sim_cluster(sim, 0)));
    assert_false(cluster_is_alone(sim_cluster(sim, 0)));
    sim_want(sim, 0, 1, true);
    assert_int_equal(sim_acked_ms(sim, 0, 1, R, &partial), 0);
    assert_int_equal(sim_acked_ms(sim, 0, 1, A, &partial), 0);
    assert_false(partial);
    sim_free(sim);
}

static void a_subscribe_holds_after_one_round_trip(void **state)
{
    struct sim *sim = sim_whole(3, 1);
    bool partial;

    (void)state;
    sim_want(sim, 0, 1, true);
    assert_int_equal(sim_acked_ms(sim, 0, 1, R, NULL), UINT64_MAX);
    sim_run(sim, 5);
    assert_in_range(sim_acked_ms(sim, 0, 1, R, &partial), 0, 2);
    assert_false(partial);
    sim_free(sim);
}

/* What happens to node 1 after a subscribe on node 0 that it cannot answer,
 * and how that subscribe then ends. */
static void a_barrier_ends_as_its_peers_do(void **state)
{
    static const struct {
        const char *what;
        char fault; /* 100 ms after the subscribe */
        uint64_t least, most;
        bool partial;
    } rows[] = {
        {"it stays silent", '-', 250, 250, true},
        {"its host vanishes", 'v', 250, 250, true},
        {"its kernel says it died", 'k', 100, 102, false},
        {"its pipe breaks", 'b', 100, 102, false},
        {"it answers at last", 'h', 100, 102, false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct sim *sim = sim_whole(3, 1);
        bool partial;
        sim_cut(sim, 1, 0);
        sim_want(sim, 0, 1, true);
        sim_run(sim, 100);
        assert_int_equal(sim_acked_ms(sim, 0, 1, R, NULL), UINT64_MAX);
        if (rows[i].fault == 'h') {
            sim_heal(sim);
        } else if (rows[i].fault == 'b') {
            sim_break(sim, 0, 1);
        } else if (rows[i].fault != '-') {
            sim_mend(sim, 1, 0);
            sim_kill(sim, 1, rows[i].fault == 'k');
        }
        sim_run(sim, 200);
        uint64_t took = sim_acked_ms(sim, 0, 1, R, &partial);
        if (took < rows[i].least || took > rows[i].most ||
            partial != rows[i].partial) {
            fail_msg("%s: %" PRIu64 " ms, partial %d", rows[i].what, took,
                     partial);
        }
        sim_free(sim);
    }
}

static void a_peer_that_joins_is_not_waited_for(void **state)
{
    struct sim *sim = sim_new(&(struct sim_options){.seed = 1, .nodes = 3});

    (void)state;
    sim_start(sim, 0);
    sim_start(sim, 1);
    sim_until(sim, sim_is_whole, 5000);
    sim_want_many(sim, 0, 0, 150000, true); /* the newcomer has much to take */
    sim_until(sim, sim_is_whole, 5000);
    sim_start(sim, 2);
    for (size_t topic = 0; topic < SIM_TOPICS; topic++) {
        sim_want(sim, 0, topic, true);
        sim_run(sim, 1);
    }
    sim_until(sim, sim_is_whole, 5000);
    for (size_t topic = 0; topic < SIM_TOPICS; topic++) {
        bool partial;
        uint64_t took = sim_acked_ms(sim, 0, topic, R, &partial);
        assert_false(partial);
        assert_in_range(took, 0, 100);
    }
    sim_free(sim);
}

/* It takes no publishes before it holds what others had when they began to
 * count it in, so nobody waits for it to acknowledge that. */
static void a_peer_that_joins_takes_back_nothing(void **state)
{
    struct sim *sim = sim_new(
        &(struct sim_options){.seed = 1, .nodes = 2, .regions = 2});

    (void)state;
    sim_start(sim, 0);
    sim_want_many(sim, 0, 0, 100, true);
    sim_run(sim, CLUSTER_ALONE_MS + 100);
    sim_start(sim, 1);
    while (!sim_is_whole(sim)) {
        assert_int_equal(cluster_held(sim_cluster(sim, 0), A), 100);
        assert_true(sim_now_ms(sim) < 9000);
        sim_run(sim, 1);
    }
    sim_free(sim);
}

static void other_regions_are_waited_for_on_request(void **state)
{
    struct sim *sim = sim_whole(4, 2);

    (void)state;
    sim_want(sim, 0, 1, true);
    sim_run(sim, 200);
    assert_in_range(sim_acked_ms(sim, 0, 1, R, NULL), 0, 2);
    assert_in_range(sim_acked_ms(sim, 0, 1, A, NULL), 80, 105);
    sim_free(sim);
}

/* Subscribes of one turn: one delta to each peer, in as many messages as it
 * takes, and at most one answer to each message. */
static void subscribes_of_a_turn_share_one_delta(void **state)
{
    static const uint64_t turns[] = {1000, 100000};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(turns); i++) {
        struct sim *sim = sim_whole(3, 1);
        sim_run(sim, 500);
        uint64_t before = sim->report.control_bytes;
        sim_want_many(sim, 0, 0, turns[i], true);
        sim_run(sim, 20);
        uint64_t bytes = sim->report.control_bytes - before;
        uint64_t messages = 2 * (turns[i] / PEER_RECORDS_MAX + 1);
        assert_in_range(bytes, 2 * turns[i] * 12,
                        2 * turns[i] * 12 + messages * 60 + 200);
        assert_int_equal(cluster_held(sim_cluster(sim, 0), R), turns[i]);
        sim_free(sim);
    }
}

/* A joining node that has not taken our log yet takes no publishes either. */
static void a_peer_that_takes_a_long_snapshot_is_not_waited_for(void **state)
{
    struct sim *sim = sim_new(&(struct sim_options){.seed = 1, .nodes = 3});
    bool partial;

    (void)state;
    sim_start(sim, 0);
    sim_start(sim, 1);
    sim_until(sim, sim_is_whole, 5000);
    sim_want_many(sim, 0, 0, 300000, true);
    sim_until(sim, sim_is_whole, 5000);
    sim_start(sim, 2);
    while (sim_events(sim, 0, CLUSTER_LINKED) < 2) {
        assert_true(sim_now_ms(sim) < 10000);
        sim_run(sim, 1);
    }
    sim_cut(sim, 2, 0); /* nothing of it arrives for a while */
    assert_false(cluster_is_ready(sim_cluster(sim, 2)));
    sim_want(sim, 0, 1, true);
    sim_run(sim, 500);
    assert_in_range(sim_acked_ms(sim, 0, 1, R, &partial), 0, 5);
    assert_false(partial);
    assert_false(cluster_is_ready(sim_cluster(sim, 2)));
    sim_heal(sim);
    sim_until(sim, sim_is_whole, 5000);
    sim_free(sim);
}

/* It may be alive and take publishes; its link says how long it takes. */
static void a_suspect_is_waited_for_while_its_link_stands(void **state)
{
    struct sim *sim = sim_whole(3, 1);
    bool partial;

    (void)state;
    sim_set_loss(sim, 1000); /* packets; the links stand */
    while (sim_events(sim, 0, CLUSTER_SUSPECT) < 2) {
        assert_true(sim_now_ms(sim) < 8000);
        sim_run(sim, 10);
    }
    sim_want(sim, 0, 1, true);
    sim_run(sim, 5);
    assert_in_range(sim_acked_ms(sim, 0, 1, R, &partial), 0, 2);
    assert_false(partial);
    sim_set_loss(sim, 0);
    sim_until(sim, sim_is_whole, 8000);
    sim_free(sim);
}

/* The last subscriber goes and another one comes in the same turn: the wish
 * never goes, and the newcomer waits for the version that brought it back. */
static void who_comes_as_the_last_one_goes_misses_nothing(void **state)
{
    struct sim *sim = sim_whole(3, 1);

    (void)state;
    sim_want(sim, 0, 1, true);
    sim_run(sim, 10);
    for (size_t ms = 0; ms < 500; ms++) {
        sim_publish(sim, 1, 1);
        sim_publish(sim, 2, 1);
        if (ms % 10 == 5) {
            (void)cluster_want(sim_cluster(sim, 0), sim_hash(1), false);
            (void)cluster_want(sim_cluster(sim, 0), sim_hash(1), true);
            sim_end_turn(sim, 0);
        }
        sim_run(sim, 1);
    }
    sim_run(sim, 100);
    sim_count(sim);
    assert_int_equal(sim->report.missed, 0);
    assert_int_equal(sim->report.delivered, 1000);
    uint64_t version = cluster_version(sim_cluster(sim, 0));
    assert_int_equal(version, 1 + 2 * 50);
    assert_int_equal(cluster_held(sim_cluster(sim, 0), R), version);
    sim_free(sim);
}

/* Before its gate opens nobody has promised a node anything. */
static void a_joining_node_answers_partially(void **state)
{
    struct sim *sim = sim_new(&(struct sim_options){.seed = 1, .nodes = 3});
    bool partial;

    (void)state;
    sim_start(sim, 1); /* its seeds are silent */
    sim_want(sim, 1, 1, true);
    sim_run(sim, 300);
    assert_int_equal(sim_acked_ms(sim, 1, 1, R, &partial), 250);
    assert_true(partial);
    sim_free(sim);
}

/* --- gate --- */

static void silent_seeds_leave_a_node_alone_after_3_s(void **state)
{
    struct sim *sim = sim_new(&(struct sim_options){.seed = 1, .nodes = 3});

    (void)state;
    sim_start(sim, 1);
    sim_run(sim, CLUSTER_ALONE_MS - 200);
    assert_false(cluster_is_ready(sim_cluster(sim, 1)));
    assert_int_not_equal(strlen(cluster_why_not_ready(sim_cluster(sim, 1))), 0);
    sim_run(sim, 400);
    assert_true(cluster_is_ready(sim_cluster(sim, 1)));
    assert_true(cluster_is_alone(sim_cluster(sim, 1)));
    assert_string_equal(cluster_why_not_ready(sim_cluster(sim, 1)), "");
    sim_start(sim, 0); /* the seed comes: it is tried for ever */
    sim_until(sim, sim_is_whole, 5000);
    assert_false(cluster_is_alone(sim_cluster(sim, 1)));
    sim_free(sim);
}

/* A node that was restarted and publishes in the first millisecond in which
 * it may: everyone hears it (NATS' oldest complaint). */
static void the_first_publish_of_a_new_node_is_heard_by_all(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct sim *sim = sim_new(&(struct sim_options){
            .seed = seed, .nodes = 6, .habits = {.loss = 50}});
        for (size_t i = 0; i < 5; i++) {
            sim_start(sim, i);
            sim_want(sim, i, 1, true);
        }
        sim_until(sim, sim_is_whole, 8000);
        sim_run(sim, 500);
        sim_start(sim, 5);
        sim_want(sim, 5, 1, true);
        uint64_t waited = 0;
        while (!sim_publish(sim, 5, 1)) {
            sim_run(sim, 1);
            assert_true(++waited < 8000);
        }
        sim_run(sim, 1000);
        sim_count(sim);
        assert_int_equal(sim->report.delivered, 5);
        assert_int_equal(sim->report.missed, 0);
        sim_free(sim);
    }
}

static void the_gate_stays_shut_until_all_topics_are_here(void **state)
{
    struct sim *sim = sim_new(&(struct sim_options){.seed = 1, .nodes = 2});
    const uint64_t topics = (WINDOW_PARTS + 20) * PEER_RECORDS_MAX;

    (void)state;
    sim_start(sim, 0);
    sim_want_many(sim, 0, 0, topics, true);
    sim_start(sim, 1);
    while (!cluster_is_ready(sim_cluster(sim, 1))) {
        assert_true(sim_now_ms(sim) < 5000);
        sim_run(sim, 1);
    }
    struct cluster *cluster = sim_cluster(sim, 1);
    uint16_t slot = sim_slot(sim, 1, 0);
    assert_int_equal(interest_peer(&cluster->interest, slot)->version, topics);
    sim_free(sim);
}

/* Node 1 hears all of node 0, which hears only the first word of node 1: it
 * cannot know that it is heard, so its barriers do not wait for node 1. */
static void the_gate_stays_shut_until_everyone_counts_us_in(void **state)
{
    struct sim *sim = sim_new(
        &(struct sim_options){.seed = 1, .nodes = 2, .near_us = 20000});
    uint16_t slot;

    (void)state;
    sim_start(sim, 0);
    sim_start(sim, 1);
    do {
        assert_true(sim_now_ms(sim) < 5000);
        sim_run(sim, 1);
        slot = sim_slot(sim, 0, 1);
    } while (slot == CLUSTER_SLOT_NONE ||
             sim_cluster(sim, 0)->peers[slot]->heard_epoch == 0);
    sim_cut(sim, 1, 0);
    sim_run(sim, 500);
    assert_int_equal(sim_events(sim, 0, CLUSTER_LINKED), 0);
    assert_int_equal(sim_events(sim, 1, CLUSTER_LINKED), 1);
    assert_false(cluster_is_ready(sim_cluster(sim, 1)));
    sim_heal(sim);
    sim_until(sim, sim_is_whole, 3000);
    sim_free(sim);
}

static void the_gate_stays_shut_without_a_link_in_the_region(void **state)
{
    struct sim *sim = sim_new(&(struct sim_options){.seed = 1, .nodes = 4});

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        sim_start(sim, i);
    }
    sim_until(sim, sim_is_whole, 5000);
    sim_start(sim, 3);
    /* Packets pass, and no pipe of node 3 to node 1 can be dialled. */
    for (size_t ms = 0; ms < 2000; ms++) {
        sim_break(sim, 3, 1);
        sim_run(sim, 1);
        assert_false(cluster_is_ready(sim_cluster(sim, 3)));
    }
    sim_until(sim, sim_is_whole, 5000);
    sim_free(sim);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lone_node_is_ready_and_holds_at_once),
        cmocka_unit_test(a_subscribe_holds_after_one_round_trip),
        cmocka_unit_test(a_barrier_ends_as_its_peers_do),
        cmocka_unit_test(a_peer_that_joins_is_not_waited_for),
        cmocka_unit_test(a_peer_that_joins_takes_back_nothing),
        cmocka_unit_test(other_regions_are_waited_for_on_request),
        cmocka_unit_test(subscribes_of_a_turn_share_one_delta),
        cmocka_unit_test(a_peer_that_takes_a_long_snapshot_is_not_waited_for),
        cmocka_unit_test(a_suspect_is_waited_for_while_its_link_stands),
        cmocka_unit_test(who_comes_as_the_last_one_goes_misses_nothing),
        cmocka_unit_test(a_joining_node_answers_partially),
        cmocka_unit_test(silent_seeds_leave_a_node_alone_after_3_s),
        cmocka_unit_test(the_first_publish_of_a_new_node_is_heard_by_all),
        cmocka_unit_test(the_gate_stays_shut_until_all_topics_are_here),
        cmocka_unit_test(the_gate_stays_shut_until_everyone_counts_us_in),
        cmocka_unit_test(the_gate_stays_shut_without_a_link_in_the_region),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
