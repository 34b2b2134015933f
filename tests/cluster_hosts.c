/* SPDX-License-Identifier: Apache-2.0
 *
 * Processes of several nodes, with a few whole ones in the simulator. That
 * nothing comes twice, out of order, or is missing untold, and that each item
 * comes into a process once, is checked at each step by tests/sim/judge.c.
 */
#include "tests/test.h"

#include "cluster/inside.h"
#include "tests/sim/inside.h"

enum {
    TOPIC = 7
};

static void want_everywhere(struct sim *sim)
{
    for (size_t i = 0; i < sim->options.nodes; i++) {
        sim_want(sim, i, TOPIC, true);
    }
    sim_run(sim, 500);
}

/* Node 0 has its own process; 1, 2, 3 and 4, 5, 6 share one. All of them want
 * the topic. */
static struct sim *world(void)
{
    struct sim *sim = sim_new(
        &(struct sim_options){.seed = 1, .nodes = 7, .hosts = "133"});

    sim_start_all(sim);
    sim_until(sim, sim_is_whole, 5000);
    want_everywhere(sim);
    return sim;
}

/* Even nodes are one region, odd ones another; in each the first is alone, the
 * other three share a process. */
static struct sim *two_regions(void)
{
    struct sim *sim = sim_new(&(struct sim_options){
        .seed = 1, .nodes = 8, .regions = 2, .hosts = "13"});

    sim_start_all(sim);
    sim_until(sim, sim_is_whole, 5000);
    want_everywhere(sim);
    return sim;
}

static uint64_t items_out(const struct sim *sim)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < sim->options.nodes; i++) {
        sum += sim->nodes[i].stats.link_items_out;
    }
    return sum;
}

static size_t gaps(struct sim *sim)
{
    size_t sum = 0;

    for (size_t i = 0; i < sim->options.nodes; i++) {
        sum += sim_is_up(sim, i) ? sim_gaps(sim, i) : 0;
    }
    return sum;
}

static void publish(struct sim *sim, size_t i, int len, uint64_t each_ms)
{
    for (int n = 0; n < len; n++) {
        assert_true(sim_publish(sim, i, TOPIC));
        sim_run(sim, each_ms);
    }
}

static void end(struct sim *sim, uint64_t missed)
{
    sim_run(sim, 3000);
    struct sim_report report = sim_count(sim);
    assert_int_equal(report.untold, 0);
    assert_int_equal(report.missed, missed);
    sim_free(sim);
}

/* Which of the process of node `of` receives the topic. */
static size_t receiver(const struct sim *sim, size_t of)
{
    return sim_worker(sim, of, sim_hash(TOPIC) % sim_workers(sim, of));
}

static size_t another(const struct sim *sim, size_t worker)
{
    size_t first = sim_worker(sim, worker, 0);

    return worker == first ? sim_worker(sim, worker, 1) : first;
}

static void an_item_crosses_once_to_each_process(void **state)
{
    static const struct {
        size_t from;
        uint64_t out; /* of it */
        uint64_t all; /* of everyone */
    } cases[] = {
        {0, 2, 6}, /* to each process once; there to two others */
        {1, 4, 6}, /* to the lone one, to both of its own, to the other */
        {6, 4, 6},
    };
    struct sim *sim = world();
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct stats *stats = &sim->nodes[cases[i].from].stats;
        uint64_t own = stats->link_items_out;
        uint64_t all = items_out(sim);
        uint64_t delivered = sim->report.delivered;
        publish(sim, cases[i].from, 10, 5);
        sim_run(sim, 50);
        assert_int_equal(stats->link_items_out - own, 10 * cases[i].out);
        assert_int_equal(items_out(sim) - all, 10 * cases[i].all);
        assert_int_equal(sim->report.delivered - delivered, 60);
    }
    assert_int_equal(gaps(sim), 0);
    end(sim, 0);
}

static void an_item_crosses_once_to_a_region_and_its_processes(void **state)
{
    struct sim *sim = two_regions();
    (void)state;

    for (size_t i = 0; i < 8; i++) {
        uint64_t before = items_out(sim);
        publish(sim, i, 10, 5);
        sim_run(sim, 200);
        assert_int_equal(items_out(sim) - before, 70);
    }
    assert_int_equal(gaps(sim), 0);
    end(sim, 0);
}

/* Whoever of them wants it. */
static void the_same_worker_receives_at_all_times(void **state)
{
    struct sim *sim = world();
    size_t at = receiver(sim, 4);
    (void)state;

    for (size_t w = 0; w < 3; w++) {
        uint64_t before = sim->nodes[at].stats.link_items_in;
        publish(sim, 0, 5, 5);
        assert_int_equal(sim->nodes[at].stats.link_items_in - before, 5);
        sim_want(sim, sim_worker(sim, 4, w), TOPIC, false);
        sim_run(sim, 50);
    }
    uint64_t before = sim->nodes[at].stats.link_items_in;
    publish(sim, 0, 5, 5);
    assert_int_equal(sim->nodes[at].stats.link_items_in, before);
    end(sim, 0);
}

/* What could not be sent to the one that receives is told to all of them, and
 * nobody receives it in its place. */
static void a_broken_way_is_waited_for_and_told(void **state)
{
    struct sim *sim = world();
    size_t at = receiver(sim, 4);
    (void)state;

    publish(sim, 0, 5, 5);
    sim_cut(sim, 0, at);
    sim_break(sim, 0, at);
    sim_run(sim, 200);
    uint64_t before = sim->report.delivered;
    publish(sim, 0, 5, 5);
    assert_int_equal(sim->report.delivered - before, 15); /* the others */
    sim_mend(sim, 0, at);
    sim_until(sim, sim_is_whole, 5000);
    publish(sim, 0, 5, 5);
    for (size_t i = 4; i <= 6; i++) {
        assert_true(sim_gaps(sim, i) > 0);
    }
    assert_int_equal(sim_gaps(sim, 1), 0);
    end(sim, 15);
}

/* In the lane in which it passes on; with hashes, to those who want one. */
static void a_worker_tells_the_others_what_is_missing(void **state)
{
    struct sim *sim = world();
    size_t at = receiver(sim, 4);
    uint8_t hash[8];
    struct cluster_news news = {.type = CLUSTER_LOST,
                                .slot = sim_slot(sim, at, 0)};
    (void)state;

    sim_want(sim, another(sim, at), TOPIC, false);
    sim_run(sim, 100);
    bytes_put_u64be(hash, sim_hash(TOPIC));
    news.bytes = bytes_of(hash, sizeof hash);
    sim_news(sim, at, &news);
    sim_end_turn(sim, at);
    sim_run(sim, 300);
    for (size_t i = 1; i <= 6; i++) {
        bool told = i >= 4 && i != another(sim, at);
        assert_int_equal(sim_gaps(sim, i), told);
    }
    news.bytes = (struct bytes){0};
    sim_news(sim, at, &news);
    sim_end_turn(sim, at);
    sim_run(sim, 300);
    assert_true(sim_gaps(sim, another(sim, at)) > 0);
    assert_int_equal(sim_gaps(sim, 1), 0);
    end(sim, 0);
}

/* The process lives, so what should come through it goes nowhere else, and the
 * others are told: when it is found, again each 30 s, and when it is back. */
static void a_worker_that_stands_still_is_told_of(void **state)
{
    struct sim *sim = world();
    size_t still = receiver(sim, 4);
    size_t other = another(sim, still);
    bool partial;
    (void)state;

    publish(sim, 0, 5, 5);
    sim_cut(sim, still, other); /* and stays so: a pause ends by itself */
    sim_pause(sim, still, 50000);
    sim_run(sim, 12000);
    size_t told = sim_gaps(sim, other);
    assert_true(told > 0);
    publish(sim, 0, 5, 5);
    sim_run(sim, 10000);
    assert_true(cluster_late(sim_cluster(sim, other)) > 0);
    sim_want(sim, other, TOPIC + 1, true);
    sim_run(sim, 1000);
    assert_true(sim_acked_ms(sim, other, TOPIC + 1, CLUSTER_SCOPE_REGION,
                             &partial) <= CLUSTER_BARRIER_MS);
    assert_true(partial);
    sim_run(sim, 24000);
    assert_true(sim_gaps(sim, other) > told);
    sim_mend(sim, still, other);
    sim_run(sim, 8000);
    sim_until(sim, sim_is_whole, 20000);
    assert_int_equal(cluster_late(sim_cluster(sim, other)), 0);
    publish(sim, 0, 5, 5);
    end(sim, 5 * 3);
}

/* Each topic has its way in only when all of them are known everywhere. */
static void nothing_is_promised_before_all_of_a_process_are_ready(void **state)
{
    struct sim *sim = sim_new(
        &(struct sim_options){.seed = 1, .nodes = 3, .hosts = "12"});
    bool partial;
    (void)state;

    sim_start(sim, 0);
    sim_start(sim, 1);
    sim_run(sim, 1000);
    assert_true(cluster_is_ready(sim_cluster(sim, 1)));
    sim_want(sim, 1, TOPIC, true);
    assert_int_equal(sim_acked_ms(sim, 1, TOPIC, CLUSTER_SCOPE_REGION, NULL),
                     UINT64_MAX);
    sim_run(sim, 1000);
    assert_int_equal(
        sim_acked_ms(sim, 1, TOPIC, CLUSTER_SCOPE_REGION, &partial),
        CLUSTER_BARRIER_MS);
    assert_true(partial);
    publish(sim, 0, 2, 5); /* nothing of it is sent by another way */

    sim_start(sim, 2);
    sim_until(sim, sim_is_whole, 5000);
    sim_want(sim, 2, TOPIC, true);
    sim_run(sim, 100);
    assert_true(sim_acked_ms(sim, 2, TOPIC, CLUSTER_SCOPE_REGION, &partial) <
                CLUSTER_BARRIER_MS);
    assert_false(partial);
    publish(sim, 0, 5, 5);
    end(sim, 0);
}

/* Through an ingress that relays to processes: "through" is what all of their
 * nodes have. */
static void an_ingress_that_drains_is_not_overtaken(void **state)
{
    (void)state;

    for (size_t from = 0; from < 8; from++) {
        struct sim *sim = two_regions();
        size_t lone = from % 2 == 0 ? 1 : 0; /* of the other region */
        publish(sim, from, 20, 7);
        sim_say(sim, lone, CLUSTER_DRAIN);
        publish(sim, from, 200, 1);
        sim_say(sim, lone, CLUSTER_DRAINED);
        publish(sim, from, 20, 7);
        for (int i = 0; !cluster_has_parted(sim_cluster(sim, lone)); i++) {
            assert_true(i < 500);
            sim_run(sim, 1);
        }
        sim_leave(sim, lone);
        publish(sim, from, 20, 7);
        assert_int_equal(gaps(sim), 0);
        end(sim, 0);
    }
}

/* All of its workers at once; the others of their region take over. */
static void a_process_that_drains_loses_nothing(void **state)
{
    struct sim *sim = two_regions();
    (void)state;

    publish(sim, 0, 20, 7);
    for (size_t w = 0; w < 3; w++) {
        sim_say(sim, sim_worker(sim, 3, w), CLUSTER_DRAIN);
    }
    publish(sim, 0, 200, 1);
    for (size_t w = 0; w < 3; w++) {
        sim_say(sim, sim_worker(sim, 3, w), CLUSTER_DRAINED);
    }
    publish(sim, 0, 20, 7);
    sim_run(sim, 1000);
    for (size_t w = 0; w < 3; w++) {
        assert_true(
            cluster_has_parted(sim_cluster(sim, sim_worker(sim, 3, w))));
    }
    sim_leave(sim, 3);
    publish(sim, 0, 20, 7);
    assert_int_equal(gaps(sim), 0);
    end(sim, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_item_crosses_once_to_each_process),
        cmocka_unit_test(an_item_crosses_once_to_a_region_and_its_processes),
        cmocka_unit_test(the_same_worker_receives_at_all_times),
        cmocka_unit_test(a_broken_way_is_waited_for_and_told),
        cmocka_unit_test(a_worker_tells_the_others_what_is_missing),
        cmocka_unit_test(a_worker_that_stands_still_is_told_of),
        cmocka_unit_test(nothing_is_promised_before_all_of_a_process_are_ready),
        cmocka_unit_test(an_ingress_that_drains_is_not_overtaken),
        cmocka_unit_test(a_process_that_drains_loses_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
