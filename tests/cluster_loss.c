/* SPDX-License-Identifier: Apache-2.0
 *
 * Who is told of what is lost on links, and who is not: case by case, with a
 * few whole nodes in the simulator.
 */
#include "tests/test.h"

#include "cluster/inside.h"
#include "tests/sim/inside.h"

/* The numbers of the lane say what is missing. */
static void a_link_that_breaks_is_a_gap_only_with_items_in_it(void **state)
{
    (void)state;

    for (int items = 0; items < 2; items++) {
        struct sim *sim = sim_whole(3, 1);
        sim_want(sim, 1, 7, true);
        sim_run(sim, 500);
        if (items) {
            assert_true(sim_publish(sim, 0, 7));
        }
        sim_break(sim, 0, 1);
        sim_until(sim, sim_is_whole, 5000);
        sim_run(sim, 100);
        assert_int_equal(sim_gaps(sim, 1), items);
        assert_int_equal(sim_gaps(sim, 0), 0); /* the other way stands */
        assert_int_equal(sim_gaps(sim, 2), 0);
        sim_free(sim);
    }
}

/* Node 1 has heard nothing of the lane of 0: what is lost with its pipe is told
 * when the next one stands. Frees the simulator. */
static void is_told_by_the_next_pipe(struct sim *sim)
{
    assert_int_equal(sim_heard(sim, 1, 0), 0);
    assert_true(sim_publish(sim, 0, 7));
    sim_run(sim, 100);
    size_t before = sim_gaps(sim, 1);
    sim_break(sim, 0, 1);
    sim_until(sim, sim_is_whole, 5000);
    sim_run(sim, 100);
    assert_true(sim_gaps(sim, 1) > before);
    assert_int_equal(sim_count(sim).missed, 1);
    sim_free(sim);
}

/* The first number that comes may be any: nothing before it shows what was
 * lost. Found by tests/sim/run --nodes 5 --minutes 3 --seed 52. */
static void what_a_lane_began_with_and_lost_is_told(void **state)
{
    struct sim *sim = sim_new(
        &(struct sim_options){.seed = 1, .nodes = 2, .near_us = 5000});
    uint16_t slot;

    (void)state;
    sim_start_all(sim);
    do {
        sim_run(sim, 1);
        slot = sim_slot(sim, 0, 1);
    } while (slot == CLUSTER_SLOT_NONE ||
             !sim_cluster(sim, 0)->peers[slot]->pipe);
    sim_mute(sim, 0, 1); /* before the first batch is there */
    sim_until(sim, sim_is_whole, 5000);
    sim_want(sim, 1, 7, true);
    sim_run(sim, 200);
    is_told_by_the_next_pipe(sim);
}

/* The same for who was given up and forgotten meanwhile: that node 0 had more
 * acknowledged before says nothing. Found by tests/sim/run --seed 126. */
static void what_a_forgotten_lane_began_with_is_told(void **state)
{
    struct sim *sim = sim_whole(3, 1);
    const struct peer *peer = sim_cluster(sim, 0)->peers[sim_slot(sim, 0, 1)];
    uint64_t epoch = peer->epoch;

    (void)state;
    sim_want(sim, 1, 7, true);
    sim_run(sim, 200);
    assert_true(sim_publish(sim, 0, 7));
    sim_run(sim, 2000);
    assert_true(peer->sent_acked > 0);
    sim_pause(sim, 0, 15000);
    do {
        sim_run(sim, 1);
    } while (!peer->pipe || peer->epoch == epoch);
    assert_int_equal(sim_events(sim, 1, CLUSTER_DEAD), 1);
    sim_mute(sim, 0, 1);
    sim_until(sim, sim_is_whole, 5000);
    sim_run(sim, 200);
    is_told_by_the_next_pipe(sim);
}

/* So a process ends: told at once, and not again when it is called dead. */
static void both_ways_that_break_are_a_gap_at_once(void **state)
{
    struct sim *sim = sim_whole(3, 1);

    (void)state;
    sim_run(sim, 500);
    sim_kill(sim, 2, true);
    sim_run(sim, 5);
    assert_int_equal(sim_events(sim, 0, CLUSTER_DEAD), 0);
    assert_int_equal(sim_gaps(sim, 0), 1);
    sim_until(sim, sim_is_agreed, 5000);
    assert_int_equal(sim_events(sim, 0, CLUSTER_DEAD), 1);
    assert_int_equal(sim_gaps(sim, 0), 1);
    sim_free(sim);
}

/* What node 1 wants since its way to node 0 broke, node 0 did not know. */
static void what_began_without_a_way_is_told_when_it_is_back(void **state)
{
    (void)state;

    for (int wants = 0; wants < 2; wants++) {
        struct sim *sim = sim_whole(3, 1);
        sim_break(sim, 1, 0);
        if (wants) {
            sim_want(sim, 1, 7, true);
        }
        sim_until(sim, sim_is_whole, 5000);
        assert_int_equal(sim_gaps(sim, 1) > 0, wants);
        assert_int_equal(sim_gaps(sim, 0) + sim_gaps(sim, 2), 0);
        sim_free(sim);
    }
}

/* Node 0 has no way to node 1, which hears everything else. */
static void what_had_no_way_is_told_in_the_lane(void **state)
{
    (void)state;

    for (int items = 0; items < 2; items++) {
        struct sim *sim = sim_whole(3, 1);
        sim_want(sim, 1, 7, true);
        sim_run(sim, 500);
        sim_break(sim, 0, 1);
        sim_run(sim, 10);
        if (items) {
            assert_true(sim_publish(sim, 0, 7));
        }
        sim_until(sim, sim_is_whole, 5000);
        sim_run(sim, 100);
        assert_int_equal(sim_gaps(sim, 1), items);
        assert_int_equal(sim_gaps(sim, 0) + sim_gaps(sim, 2), 0);
        sim_free(sim);
    }
}

static void a_silent_way_is_a_link_lost(void **state)
{
    struct sim *sim = sim_whole(3, 1);

    (void)state;
    sim_cut(sim, 1, 0); /* membership lives on through node 2 */
    sim_run(sim, LINK_SILENT_MS + 1000);
    assert_true(sim_is_agreed(sim));
    assert_false(sim_is_whole(sim));
    assert_int_equal(sim_events(sim, 0, CLUSTER_UNLINKED), 1);
    assert_int_equal(sim_events(sim, 1, CLUSTER_UNLINKED), 1);
    sim_heal(sim);
    sim_until(sim, sim_is_whole, 3000);
    sim_free(sim);
}

static void lose(struct sim *sim, size_t i, size_t from, struct bytes hashes)
{
    sim_news(sim, i,
             &(struct cluster_news){.type = CLUSTER_LOST,
                                    .slot = sim_slot(sim, i, from),
                                    .bytes = hashes});
}

static void a_hole_is_a_gap_here_only(void **state)
{
    struct sim *sim = sim_whole(3, 1);

    (void)state;
    lose(sim, 0, 1, (struct bytes){0});
    sim_run(sim, 500);
    assert_int_equal(sim_gaps(sim, 0), 1);
    assert_int_equal(sim_gaps(sim, 1) + sim_gaps(sim, 2), 0);
    sim_free(sim);
}

/* Nodes 0, 2 and 4 are one region, 1, 3 and 5 the other. What node 0 misses
 * from node 1 was for its region, too; it goes no further. */
static void an_ingress_tells_its_region_what_it_missed(void **state)
{
    struct sim *sim = sim_whole(6, 2);

    (void)state;
    assert_int_equal(sim_gaps(sim, 2), 0); /* joining is no loss */
    lose(sim, 0, 1, (struct bytes){0});
    sim_run(sim, 1000);
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(sim_gaps(sim, i), i % 2 == 0);
    }
    sim_free(sim);
}

/* Of its region only those who may want these topics. */
static void an_ingress_tells_of_some_topics_whom_they_concern(void **state)
{
    struct sim *sim = sim_whole(8, 2);
    uint8_t hash[8];

    (void)state;
    sim_want(sim, 2, 7, true);
    sim_want(sim, 3, 7, true);
    sim_want(sim, 4, 8, true);
    sim_want(sim, 6, SIM_TOPICS, true); /* a pattern */
    sim_run(sim, 500);
    bytes_put_u64be(hash, sim_hash(7));
    lose(sim, 0, 1, bytes_of(hash, sizeof hash));
    sim_run(sim, 1000);
    for (size_t i = 0; i < 8; i++) {
        assert_int_equal(sim_gaps(sim, i), i == 0 || i == 2 || i == 6);
        if (sim_gaps(sim, i) > 0) {
            assert_true(sim->nodes[i].gaps[0].hash == sim_hash(7));
        }
    }
    sim_free(sim);
}

/* In the lane in which it relays: an item before it, one after it. */
static void an_ingress_tells_between_the_right_items(void **state)
{
    struct sim *sim = sim_whole(4, 2);

    (void)state;
    sim_want(sim, 2, 7, true);
    sim_run(sim, 500);
    for (int round = 0; round < 20; round++) {
        uint64_t before = sim_heard(sim, 2, 0);
        assert_true(sim_publish(sim, 1, 7));
        sim_run(sim, MESH_GAP_MS + 60); /* the last one is long ago */
        lose(sim, 0, 1, (struct bytes){0});
        sim_run(sim, 1);
        /* The same lane, whoever relays the item. */
        assert_true(sim_heard(sim, 2, 0) >= before + 1);
        assert_int_equal(sim_gaps(sim, 2), round + 1);
    }
    sim_free(sim);
}

static uint64_t gaps_in_lanes(const struct sim *sim)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < sim->options.nodes; i++) {
        sum += sim->nodes[i].stats.link_gaps;
    }
    return sum;
}

/* Each of one region tells each of the other one, which tells each of its own:
 * but not one by one. */
static void gaps_that_follow_each_other_are_one(void **state)
{
    struct sim *sim = sim_whole(24, 2);
    uint64_t lanes = 24 * 11; /* in the regions */

    (void)state;
    for (size_t i = 0; i < 24; i++) {
        sim_want(sim, i, i % 7, true);
    }
    sim_run(sim, 2000);
    for (size_t i = 0; i < 24 * 24; i++) { /* all ways between them */
        if ((i / 24 + i) % 2 != 0) {
            sim_break(sim, i / 24, i % 24);
        }
    }
    sim_until(sim, sim_is_whole, 8000);
    sim_run(sim, 1000);
    assert_in_range(gaps_in_lanes(sim), lanes, 3 * lanes);
    sim_free(sim);
}

/* A data lane that stands still while control flows: cut within 4 s, the time
 * of a hello and of a visit. */
static void a_data_lane_that_stands_still_is_dialled_anew(void **state)
{
    struct sim *sim = sim_whole(3, 1);
    uint16_t slot = sim_slot(sim, 0, 1);
    uint64_t epoch = sim_cluster(sim, 0)->peers[slot]->epoch;

    (void)state;
    sim_want(sim, 1, 7, true);
    sim_run(sim, 10000); /* an idle lane is not a still one */
    assert_true(sim_cluster(sim, 0)->peers[slot]->epoch == epoch);
    assert_true(sim_publish(sim, 0, 7));
    sim_run(sim, 100);
    sim_mute(sim, 0, 1);
    for (size_t i = 0; i < 30; i++) {
        assert_true(sim_publish(sim, 0, 7));
        sim_run(sim, 100);
        assert_true(sim_cluster(sim, 0)->peers[slot]->epoch == epoch);
    }
    sim_run(sim, LANE_STILL_MS - 3000 + 3 * HELLO_MS);
    assert_true(sim_cluster(sim, 0)->peers[slot]->epoch > epoch);
    assert_int_equal(sim_events(sim, 0, CLUSTER_UNLINKED), 1);
    assert_int_equal(sim_gaps(sim, 1), 1);
    assert_int_equal(sim_gaps(sim, 0) + sim_gaps(sim, 2), 0);
    assert_true(sim_publish(sim, 0, 7));
    sim_run(sim, 100);
    struct sim_report report = sim_report(sim, "still");
    assert_int_equal(report.missed, 30);
    assert_int_equal(report.untold, 0);
    sim_free(sim);
}

/* It slept, or its clock was set: nobody could be heard, and what it sent just
 * before cannot have been acknowledged. Only what comes in may be too old. */
static void a_clock_that_jumps_breaks_no_way_out(void **state)
{
    struct sim *sim = sim_whole(4, 2);
    struct cluster *cluster = sim_cluster(sim, 0);
    uint64_t epochs[4] = {0};

    (void)state;
    for (size_t i = 1; i < 4; i++) {
        sim_want(sim, i, 7, true);
        epochs[i] = cluster->peers[sim_slot(sim, 0, i)]->epoch;
    }
    sim_run(sim, 500);
    for (int round = 0; round < 8; round++) {
        assert_true(sim_publish(sim, 0, 7));
        sim_jump(sim, 0, 500u << round);
        sim_run(sim, 5000);
    }
    for (size_t i = 1; i < 4; i++) {
        assert_true(cluster->peers[sim_slot(sim, 0, i)]->epoch == epochs[i]);
    }
    assert_int_equal(sim_count(sim).missed, 0);
    sim_free(sim);
}

/* Nothing can be lost with a node whose end has come; else nobody knows. */
static void who_leaves_behind_its_end_leaves_no_gap(void **state)
{
    (void)state;

    for (int ends = 0; ends < 2; ends++) {
        struct sim *sim = sim_whole(6, 2);
        uint64_t began_ms = sim_now_ms(sim);
        sim_news(sim, 1, &(struct cluster_news){.type = CLUSTER_DRAIN});
        sim_run(sim, 10);
        assert_true(cluster_has_heir(sim_cluster(sim, 0)));
        if (ends) {
            sim_news(sim, 1, &(struct cluster_news){.type = CLUSTER_DRAINED});
            while (!cluster_has_parted(sim_cluster(sim, 1))) {
                sim_run(sim, 5);
                assert_true(sim_now_ms(sim) < began_ms + 500);
            }
        }
        assert_int_equal(sim_events(sim, 0, CLUSTER_LEFT), 0);
        sim_leave(sim, 1);
        sim_run(sim, 1000);
        for (size_t i = 0; i < 6; i++) {
            if (i != 1) {
                assert_int_equal(sim_events(sim, i, CLUSTER_LEFT), 1);
                assert_int_equal(sim_gaps(sim, i) == 0, ends);
            }
        }
        sim_free(sim);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_link_that_breaks_is_a_gap_only_with_items_in_it),
        cmocka_unit_test(what_a_lane_began_with_and_lost_is_told),
        cmocka_unit_test(what_a_forgotten_lane_began_with_is_told),
        cmocka_unit_test(both_ways_that_break_are_a_gap_at_once),
        cmocka_unit_test(what_began_without_a_way_is_told_when_it_is_back),
        cmocka_unit_test(a_silent_way_is_a_link_lost),
        cmocka_unit_test(a_hole_is_a_gap_here_only),
        cmocka_unit_test(what_had_no_way_is_told_in_the_lane),
        cmocka_unit_test(an_ingress_tells_its_region_what_it_missed),
        cmocka_unit_test(an_ingress_tells_of_some_topics_whom_they_concern),
        cmocka_unit_test(an_ingress_tells_between_the_right_items),
        cmocka_unit_test(gaps_that_follow_each_other_are_one),
        cmocka_unit_test(a_data_lane_that_stands_still_is_dialled_anew),
        cmocka_unit_test(a_clock_that_jumps_breaks_no_way_out),
        cmocka_unit_test(who_leaves_behind_its_end_leaves_no_gap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
