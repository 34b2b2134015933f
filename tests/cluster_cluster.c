/* SPDX-License-Identifier: Apache-2.0
 *
 * The facade: logs, members and memory, case by case, with a few whole
 * nodes in the simulator. tests/cluster_gate.c has barrier and gate,
 * tests/sim_cluster.c the long scenarios.
 */
#include "tests/test.h"

#include "cluster/inside.h"
#include "tests/fail_malloc.h"
#include "tests/sim/inside.h"

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
    struct sim *sim = sim_whole(3, 1);

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
    struct sim *sim = sim_whole(2, 1);

    (void)state;
    sim_want_many(sim, 0, 0, REPLOG_RING_MAX + 10, true);
    sim_until(sim, sim_is_whole, 5000);
    sim_free(sim);
}

/* Node 1 believes a change that node 0 never made, as after a bug. */
static void divergence_is_said_and_repaired(void **state)
{
    struct sim *sim = sim_whole(3, 1);
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

/* Nothing changes any more, so that only hellos can show it. */
static void silent_divergence_is_found_by_hellos(void **state)
{
    struct sim *sim = sim_whole(3, 1);
    struct cluster *writer = sim_cluster(sim, 0);

    (void)state;
    sim->options.faulty = true;
    sim_want_many(sim, 0, 0, 100, true);
    sim_until(sim, sim_is_whole, 1000);
    writer->flushed_digest ^= 1;
    while (sim_events(sim, 1, CLUSTER_DIVERGED) == 0 ||
           sim_events(sim, 2, CLUSTER_DIVERGED) == 0) {
        assert_true(sim_now_ms(sim) < 8000);
        sim_run(sim, 10);
    }
    writer->flushed_digest ^= 1;
    sim_until(sim, sim_is_whole, 2000);
    sim_free(sim);
}

/* What node 0 says of a change goes nowhere, although no pipe breaks. */
static void a_delta_that_was_lost_is_pulled(void **state)
{
    struct sim *sim = sim_whole(3, 1);
    struct cluster *writer = sim_cluster(sim, 0);
    struct cluster_effect effect;

    (void)state;
    sim_want_many(sim, 0, 0, 100, true);
    sim_until(sim, sim_is_whole, 1000);
    (void)cluster_want(writer, 100, true);
    cluster_flush(writer, sim_now_ms(sim));
    while (cluster_next(writer, &effect)) {
        assert_int_equal(effect.type, CLUSTER_TELL);
    }
    assert_false(sim_is_whole(sim));
    sim_until(sim, sim_is_whole, 1500);
    assert_int_equal(cluster_held(writer, CLUSTER_SCOPE_REGION), 101);
    assert_int_equal(sim_events(sim, 0, CLUSTER_UNLINKED), 0);
    sim_free(sim);
}

static void garbage_from_a_peer_changes_nothing(void **state)
{
    struct sim *sim = sim_whole(3, 1);
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

/* --- leaving, members, memory --- */

static void who_leaves_is_no_ingress_and_then_gone(void **state)
{
    struct sim *sim = sim_whole(4, 2);
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

/* Also while nothing can be sent there, which is what a trace wants to know. */
static void who_wants_an_item_is_known_by_its_slot(void **state)
{
    struct sim *sim = sim_whole(2, 1);
    const struct cluster *cluster = sim_cluster(sim, 0);
    const struct item wanted = {.hash = 100};
    const struct item other = {.hash = 101};
    uint16_t slot = sim_slot(sim, 0, 1);
    (void)state;

    assert_false(cluster_wants(cluster, slot, &wanted));
    (void)cluster_want(sim_cluster(sim, 1), 100, true);
    sim_run(sim, 500);
    assert_true(cluster_wants(cluster, slot, &wanted));
    assert_false(cluster_wants(cluster, slot, &other));
    assert_false(cluster_wants(cluster, slot + 1, &wanted));
    assert_false(cluster_wants(cluster, CLUSTER_SLOT_NONE, &wanted));
    sim_cut(sim, 0, 1);
    sim_cut(sim, 1, 0);
    sim_run(sim, 200);
    assert_true(cluster_wants(cluster, slot, &wanted));
    sim_heal(sim);
    (void)cluster_want(sim_cluster(sim, 1), 100, false);
    sim_until(sim, sim_is_whole, 3000);
    sim_run(sim, 500);
    assert_false(cluster_wants(cluster, sim_slot(sim, 0, 1), &wanted));
    sim_free(sim);
}

static void who_drains_is_nobodys_heir_and_still_found_by_its_id(void **state)
{
    struct sim *sim = sim_whole(2, 1);
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
    struct sim *sim = sim_whole(10, 1);
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
    struct sim *sim = sim_whole(3, 1);
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
        cmocka_unit_test(silent_divergence_is_found_by_hellos),
        cmocka_unit_test(a_delta_that_was_lost_is_pulled),
        cmocka_unit_test(garbage_from_a_peer_changes_nothing),
        cmocka_unit_test(who_leaves_is_no_ingress_and_then_gone),
        cmocka_unit_test(who_wants_an_item_is_known_by_its_slot),
        cmocka_unit_test(who_drains_is_nobodys_heir_and_still_found_by_its_id),
        cmocka_unit_test(members_are_listed_in_the_order_of_ids),
        cmocka_unit_test(nothing_is_told_to_a_slot_that_closed),
        cmocka_unit_test(the_cluster_survives_each_failing_allocation),
        cmocka_unit_test(cluster_new_survives_each_failing_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
