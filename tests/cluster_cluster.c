/* SPDX-License-Identifier: Apache-2.0
 *
 * The facade: logs, gaps, members and memory, case by case, with a few whole
 * nodes in the simulator. tests/cluster_gate.c has barrier and gate,
 * tests/sim_cluster.c the long scenarios.
 */
#include "tests/test.h"

#include "cluster/inside.h"
#include "tests/fail_malloc.h"
#include "tests/sim/inside.h"

static struct sim *nodes(size_t len, size_t regions)
{
    struct sim *sim = sim_new(
        &(struct sim_options){.seed = 1, .nodes = len, .regions = regions});

    sim_start_all(sim);
    sim_until(sim, sim_is_whole, 5000);
    return sim;
}

/* --- logs --- */

static void a_newcomer_takes_a_long_snapshot(void **state)
{
    struct sim *sim = sim_new(&(struct sim_options){.seed = 1, .nodes = 2});
    const uint64_t topics = (WINDOW_PARTS + 20) * PEER_RECORDS_MAX;

    (void)state;
    sim_start(sim, 0);
    sim_want_many(sim, 0, 0, topics, true);
    sim_start(sim, 1);
    while (!sim_is_whole(sim)) { /* the set changes meanwhile */
        sim_want_many(sim, 0, topics, topics + 50, true);
        sim_want_many(sim, 0, topics, topics + 50, false);
        sim_want_many(sim, 0, 0, 50, false);
        sim_want_many(sim, 0, 0, 50, true);
        sim_run(sim, 2);
        assert_true(sim_now_ms(sim) < 10000);
    }
    print_message("%" PRIu64 " topics in %" PRIu64 " ms\n", topics,
                  sim_now_ms(sim) - 1000);
    sim_free(sim);
}

/* The reader asks for more when it has half of the window; here it cannot. */
static void a_snapshot_keeps_to_its_window(void **state)
{
    struct sim *sim = sim_new(&(struct sim_options){.seed = 1, .nodes = 2});
    const uint64_t topics = 3 * WINDOW_PARTS * PEER_RECORDS_MAX;
    uint16_t slot;

    (void)state;
    sim_start(sim, 0);
    sim_want_many(sim, 0, 0, topics, true);
    sim_start(sim, 1);
    do {
        assert_true(sim_now_ms(sim) < 5000);
        sim_run(sim, 1);
        slot = sim_slot(sim, 0, 1);
    } while (slot == CLUSTER_SLOT_NONE ||
             !sim_cluster(sim, 0)->peers[slot]->walking);
    sim_cut(sim, 1, 0);
    sim_run(sim, 500);
    assert_in_range(sim_cluster(sim, 0)->peers[slot]->walk.part, WINDOW_PARTS,
                    2 * WINDOW_PARTS);
    sim_heal(sim);
    sim_until(sim, sim_is_whole, 3000);
    sim_free(sim);
}

static void changes_beyond_the_ring_are_repaired_by_snapshot(void **state)
{
    struct sim *sim = nodes(3, 1);

    (void)state;
    sim_want_many(sim, 0, 0, 1000, true);
    sim_run(sim, 100);
    sim_cut(sim, 0, 1);
    sim_cut(sim, 1, 0);
    for (uint64_t i = 0; i < 40; i++) {
        sim_want_many(sim, 0, i * 2000, (i + 1) * 2000, i > 0);
        sim_run(sim, 10);
    }
    sim_break(sim, 0, 1); /* what was in the pipe is lost, too */
    sim_heal(sim);
    sim_until(sim, sim_is_whole, 5000);
    sim_free(sim);
}

static void a_turn_longer_than_the_ring_arrives(void **state)
{
    struct sim *sim = nodes(2, 1);

    (void)state;
    sim_want_many(sim, 0, 0, REPLOG_RING_MAX + 10, true);
    sim_until(sim, sim_is_whole, 5000);
    sim_free(sim);
}

/* Node 1 believes a change that node 0 never made, as after a bug. */
static void divergence_is_said_and_repaired(void **state)
{
    struct sim *sim = nodes(3, 1);
    struct buf record = {0};
    struct buf control = {0};

    (void)state;
    sim->options.faulty = true;
    sim_want_many(sim, 0, 0, 100, true);
    sim_until(sim, sim_is_whole, 1000);
    struct cluster *cluster = sim_cluster(sim, 1);
    uint16_t slot = sim_slot(sim, 1, 0);
    uint64_t digest = interest_peer(&cluster->interest, slot)->digest;
    peer_record_write(&(struct peer_record){.type = PEER_INTEREST, .hash = 99},
                      &record);
    peer_message_write(
        &(struct peer_message){.type = PEER_DELTA,
                               .from = 100,
                               .version = 101,
                               .digest = digest +
                                         record_digest(PEER_INTEREST, 99),
                               .records_len = 1,
                               .records = buf_bytes(&record)},
        &control);
    sim_news(sim, 1,
             &(struct cluster_news){.type = CLUSTER_CONTROL,
                                    .slot = slot,
                                    .epoch = cluster->peers[slot]->heard_epoch,
                                    .bytes = buf_bytes(&control)});
    assert_false(sim_is_whole(sim));
    sim_want_many(sim, 0, 100, 101, true);
    sim_until(sim, sim_is_whole, 1500);
    assert_int_equal(sim_events(sim, 1, CLUSTER_DIVERGED), 1);
    buf_fini(&record);
    buf_fini(&control);
    sim_free(sim);
}

static void garbage_from_a_peer_changes_nothing(void **state)
{
    struct sim *sim = nodes(3, 1);
    struct rng rng;

    (void)state;
    sim->options.faulty = true;
    sim_want_many(sim, 0, 0, 100, true);
    sim_until(sim, sim_is_whole, 1000);
    rng_init(&rng, 7);
    uint16_t slot = sim_slot(sim, 1, 0);
    uint64_t epoch = sim_cluster(sim, 1)->peers[slot]->heard_epoch;
    for (size_t round = 0; round < 5000; round++) {
        uint8_t bytes[64];
        size_t len = 1 + rng_below(&rng, sizeof bytes);
        for (size_t b = 0; b < len; b++) {
            bytes[b] = (uint8_t)rng_u64(&rng);
        }
        bytes[0] = (uint8_t)(0x90 + rng_below(&rng, 10)); /* an array */
        bytes[1 % len] = (uint8_t)rng_below(&rng, 9);     /* of a type */
        sim_news(sim, 1,
                 &(struct cluster_news){.type = CLUSTER_CONTROL,
                                        .slot = slot,
                                        .epoch = epoch,
                                        .bytes = bytes_of(bytes, len)});
    }
    assert_int_equal(sim_events(sim, 1, CLUSTER_REFUSED), 1); /* once */
    sim_until(sim, sim_is_whole, 5000);
    sim_free(sim);
}

/* --- gaps --- */

/* The numbers of the lane say what is missing. */
static void a_link_that_breaks_is_a_gap_only_with_items_in_it(void **state)
{
    (void)state;

    for (int items = 0; items < 2; items++) {
        struct sim *sim = nodes(3, 1);
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

/* What node 1 wants since its way to node 0 broke, node 0 did not know. */
static void what_began_without_a_way_is_told_when_it_is_back(void **state)
{
    (void)state;

    for (int wants = 0; wants < 2; wants++) {
        struct sim *sim = nodes(3, 1);
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
static void
what_was_not_sent_for_want_of_a_way_is_told_in_the_lane(void **state)
{
    (void)state;

    for (int items = 0; items < 2; items++) {
        struct sim *sim = nodes(3, 1);
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
    struct sim *sim = nodes(3, 1);

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
    struct sim *sim = nodes(3, 1);

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
    struct sim *sim = nodes(6, 2);

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
    struct sim *sim = nodes(8, 2);
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
    struct sim *sim = nodes(4, 2);
    struct node_id src;

    (void)state;
    sim_want(sim, 2, 7, true);
    sim_run(sim, 500);
    src = sim->nodes[0].id;
    for (int round = 0; round < 20; round++) {
        struct sim_inlet *inlet = &sim->nodes[2].inlets[0];
        uint64_t before = inlet->seq;
        assert_true(sim_publish(sim, 1, 7));
        sim_run(sim, 60);
        lose(sim, 0, 1, (struct bytes){0});
        sim_run(sim, 1);
        assert_true(node_id_eq(&inlet->src, &src));
        /* The same lane, whoever relays the item. */
        assert_true(inlet->seq >= before + 1);
        assert_int_equal(sim_gaps(sim, 2), round + 1);
    }
    sim_free(sim);
}

/* A data lane that stands still while control flows: cut within 4 s, the time
 * of a hello and of a visit. */
static void a_data_lane_that_stands_still_is_dialled_anew(void **state)
{
    struct sim *sim = nodes(3, 1);
    uint16_t slot = sim_slot(sim, 0, 1);
    uint64_t epoch = sim_cluster(sim, 0)->peers[slot]->epoch;

    (void)state;
    sim_want(sim, 1, 7, true);
    sim_run(sim, 10000); /* an idle lane is not a still one */
    assert_true(sim_cluster(sim, 0)->peers[slot]->epoch == epoch);
    assert_true(sim_publish(sim, 0, 7));
    sim_run(sim, 100);
    sim_clog(sim, 0, 1);
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

/* --- leaving, members, memory --- */

static void who_leaves_is_no_ingress_and_then_gone(void **state)
{
    struct sim *sim = nodes(4, 2);
    struct cluster_member member = {0};
    struct cluster_target targets[4];
    bool partial;

    (void)state;
    sim_want(sim, 3, 1, true);
    sim_run(sim, 500);
    sim_news(sim, 1, &(struct cluster_news){.type = CLUSTER_LEAVE});
    sim_run(sim, 100);
    for (uint64_t topic = 0; topic < 256; topic++) {
        struct cluster *cluster = sim_cluster(sim, 0);
        struct item item = {.hash = topic};
        size_t len = cluster_route(cluster, &item, targets, 4, &partial);
        for (size_t i = 0; i < len; i++) {
            assert_int_not_equal(targets[i].slot, sim_slot(sim, 0, 1));
        }
    }
    sim_run(sim, 1000);
    sim_kill(sim, 1, true);
    sim_until(sim, sim_is_whole, 1000);
    assert_int_equal(sim_events(sim, 0, CLUSTER_DEAD), 0);
    for (size_t i = 0; cluster_member_at(sim_cluster(sim, 0), i, &member);
         i++) {
        assert_true(i < 4);
    }
    assert_int_equal(member.state, CLUSTER_STATE_LEFT); /* it is the last */
    sim_free(sim);
}

/* Nothing can be lost with a node whose end has come; else nobody knows. */
static void who_leaves_behind_its_end_leaves_no_gap(void **state)
{
    (void)state;

    for (int ends = 0; ends < 2; ends++) {
        struct sim *sim = nodes(6, 2);
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

static void who_drains_is_nobodys_heir_and_still_found_by_its_id(void **state)
{
    struct sim *sim = nodes(2, 1);
    struct cluster_member member;
    const uint64_t mask = 0x3fffff;
    (void)state;

    sim_run(sim, 500);
    sim_news(sim, 1, &(struct cluster_news){.type = CLUSTER_DRAIN});
    sim_run(sim, 100);
    assert_false(cluster_has_heir(sim_cluster(sim, 0)));
    assert_true(cluster_has_heir(sim_cluster(sim, 1)));
    for (size_t i = 0; cluster_member_at(sim_cluster(sim, 0), i, &member);
         i++) {
        uint64_t low = node_id_u64(&member.node.id) & mask;
        uint16_t slot = cluster_slot_of_low(sim_cluster(sim, 0), mask, low);
        assert_int_equal(slot,
                         member.self ? CLUSTER_SLOT_NONE : sim_slot(sim, 0, 1));
    }
    sim_free(sim);
}

static void members_are_listed_in_the_order_of_ids(void **state)
{
    struct sim *sim = nodes(10, 1);
    struct cluster_member member;
    struct node_id last = {{0}};
    size_t selves = 0;
    size_t i = 0;

    (void)state;
    for (; cluster_member_at(sim_cluster(sim, 4), i, &member); i++) {
        assert_true(memcmp(member.node.id.b, last.b, NODE_ID_LEN) > 0);
        assert_true(member.linked && member.ready);
        assert_int_equal(member.state, CLUSTER_ALIVE);
        assert_true(member.self == (member.slot == CLUSTER_SLOT_NONE));
        selves += member.self;
        last = member.node.id;
    }
    assert_int_equal(i, 10);
    assert_int_equal(selves, 1);
    sim_free(sim);
}

/* Its slot may be another peer's before the effects are taken. */
static void nothing_is_told_to_a_slot_that_closed(void **state)
{
    struct sim *sim = nodes(3, 1);
    struct cluster *cluster = sim_cluster(sim, 0);
    struct cluster_effect effect;
    uint16_t gone = sim_slot(sim, 0, 1);
    size_t told = 0;

    (void)state;
    (void)cluster_want(cluster, 1, true);
    cluster_flush(cluster, sim_now_ms(sim));
    slots_close(cluster, swim_find(cluster->swim, &cluster->peers[gone]->id));
    while (cluster_next(cluster, &effect)) {
        if (effect.type == CLUSTER_TELL) {
            assert_int_not_equal(effect.slot, gone);
            told++;
        }
    }
    assert_true(told > 0);
    sim_free(sim);
}

static long allocations_left = -1;

/* One allocation inside a node fails: the n-th of all nodes together. */
static void fail_inside(bool inside)
{
    if (inside) {
        fail_malloc(allocations_left);
    } else {
        allocations_left = fail_malloc_hit ? -1 : fail_malloc_after;
        fail_malloc(-1);
    }
}

/* Peers are opened, told, and gates open, only later. */
static void the_cluster_survives_each_failing_allocation(void **state)
{
    bool hit = true;
    long n = 0;

    (void)state;
    for (; hit; n++) {
        struct sim *sim = sim_new(&(struct sim_options){
            .seed = 3, .nodes = 3, .around = fail_inside});
        allocations_left = n;
        sim_start_all(sim);
        for (size_t i = 0; i < 3; i++) {
            sim_want(sim, i, i, true);
        }
        sim_until(sim, sim_is_whole, 5000);
        sim_want_many(sim, 0, 0, 5000, true);
        sim_kill(sim, 2, true);
        sim_start(sim, 2);
        sim_until(sim, sim_is_whole, 8000);
        hit = allocations_left < 0;
        allocations_left = -1;
        sim_free(sim);
    }
    print_message("%ld allocations\n", n);
    assert_true(n > 20);
}

static void cluster_new_survives_each_failing_allocation(void **state)
{
    struct cluster_options options = {.seed = 1,
                                      .self = {.id = {{1}},
                                               .cluster = net_addr(0),
                                               .data_port = 7402,
                                               .name = BYTES("n"),
                                               .region = BYTES("r"),
                                               .version = BYTES("0.1.0")}};
    struct cluster *cluster = NULL;
    long n = 0;

    (void)state;
    for (; cluster == NULL; n++) {
        fail_malloc(n);
        cluster = cluster_new(&options, 1000);
        fail_malloc(-1);
    }
    assert_in_range(n, 5, 30);
    cluster_check(cluster);
    cluster_free(cluster);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_newcomer_takes_a_long_snapshot),
        cmocka_unit_test(a_snapshot_keeps_to_its_window),
        cmocka_unit_test(changes_beyond_the_ring_are_repaired_by_snapshot),
        cmocka_unit_test(a_turn_longer_than_the_ring_arrives),
        cmocka_unit_test(divergence_is_said_and_repaired),
        cmocka_unit_test(garbage_from_a_peer_changes_nothing),
        cmocka_unit_test(a_link_that_breaks_is_a_gap_only_with_items_in_it),
        cmocka_unit_test(what_began_without_a_way_is_told_when_it_is_back),
        cmocka_unit_test(
            what_was_not_sent_for_want_of_a_way_is_told_in_the_lane),
        cmocka_unit_test(a_silent_way_is_a_link_lost),
        cmocka_unit_test(a_hole_is_a_gap_here_only),
        cmocka_unit_test(an_ingress_tells_its_region_what_it_missed),
        cmocka_unit_test(an_ingress_tells_of_some_topics_whom_they_concern),
        cmocka_unit_test(an_ingress_tells_between_the_right_items),
        cmocka_unit_test(a_data_lane_that_stands_still_is_dialled_anew),
        cmocka_unit_test(who_leaves_is_no_ingress_and_then_gone),
        cmocka_unit_test(who_leaves_behind_its_end_leaves_no_gap),
        cmocka_unit_test(who_drains_is_nobodys_heir_and_still_found_by_its_id),
        cmocka_unit_test(members_are_listed_in_the_order_of_ids),
        cmocka_unit_test(nothing_is_told_to_a_slot_that_closed),
        cmocka_unit_test(the_cluster_survives_each_failing_allocation),
        cmocka_unit_test(cluster_new_survives_each_failing_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
