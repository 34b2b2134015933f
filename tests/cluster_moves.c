/* SPDX-License-Identifier: Apache-2.0
 *
 * Another ingress: what comes late, what is held, what moves, case by case,
 * with a few whole nodes in the simulator. That nothing comes out of order or
 * is missing untold is checked at each step by tests/sim/judge.c.
 */
#include "tests/test.h"

#include "cluster/inside.h"
#include "tests/sim/inside.h"

enum {
    TOPIC = 7,
    FAR_MS = 50 /* one way between regions, jitter included */
};

/* Node 0 is one region; of the others, of regions 1 and 0 in turn, those with
 * odd numbers are the other one: 1, 3 and 5. All of them want the topic. */
static struct sim *world(void)
{
    struct sim *sim = sim_whole(6, 2);

    for (size_t i = 1; i < 6; i += 2) {
        sim_want(sim, i, TOPIC, true);
    }
    sim_run(sim, 500);
    return sim;
}

/* Of node 0 for the topic, in the other region. */
static size_t ingress_of(struct sim *sim)
{
    struct sim_node *node = &sim->nodes[0];
    struct item item = sim_item_of(sim, TOPIC);
    const struct route *route = &node->cluster->route;

    for (size_t i = 1; i < CLUSTER_REGIONS_MAX; i++) {
        uint16_t slot =
            route->regions[i] == NULL
                ? (uint16_t)CLUSTER_SLOT_NONE
                : route->regions[i]->ingress[item.hash % ROUTE_BUCKETS];
        if (slot != CLUSTER_SLOT_NONE) {
            return net_index(
                &node->mesh->links[slot]->lanes[PEER_CONTROL].addr);
        }
    }
    return 0;
}

/* One of the region that is not the ingress. */
static size_t another(size_t ingress)
{
    return ingress == 1 ? 3 : 1;
}

static void publish(struct sim *sim, int len, uint64_t each_ms)
{
    for (int i = 0; i < len; i++) {
        assert_true(sim_publish(sim, 0, TOPIC));
        sim_run(sim, each_ms);
    }
}

static size_t gaps(struct sim *sim)
{
    size_t len = 0;

    for (size_t i = 0; i < 6; i++) {
        len += sim_is_up(sim, i) ? sim_gaps(sim, i) : 0;
    }
    return len;
}

static void end(struct sim *sim, uint64_t missed)
{
    sim_run(sim, 3000);
    struct sim_report report = sim_count(sim);
    assert_int_equal(report.untold, 0);
    assert_int_equal(report.missed, missed);
    sim_free(sim);
}

/* The first item ever comes late, from an ingress that cannot be reached any
 * more. Found by tests/sim/run --nodes 5 --minutes 3 --seed 86, 102 and 241. */
static void what_a_left_ingress_still_relays_is_void(void **state)
{
    (void)state;

    for (int before = 0; before < 2; before++) {
        struct sim *sim = world();
        publish(sim, before ? 3 : 1, before ? 200 : 0);
        size_t ingress = ingress_of(sim);
        size_t slow = another(ingress);
        sim_clog(sim, ingress, slow);
        publish(sim, 2, FAR_MS);
        sim_break(sim, 0, ingress);
        publish(sim, 5, FAR_MS);
        assert_int_not_equal(ingress_of(sim), ingress);
        assert_true(sim_gaps(sim, slow) > 0);
        sim_mend(sim, ingress, slow);
        end(sim, before ? 2 : 3);
    }
}

/* In the ordinary case: in order, nobody misses anything, nobody is told, and
 * it waits no longer than two ways between regions. */
static void an_ingress_that_drains_is_not_overtaken(void **state)
{
    struct sim *sim = world();
    size_t before = gaps(sim);
    (void)state;

    publish(sim, 20, 7);
    size_t ingress = ingress_of(sim);
    sim_say(sim, ingress, CLUSTER_DRAIN);
    publish(sim, 200, 1);
    assert_int_not_equal(ingress_of(sim), ingress);
    sim_say(sim, ingress, CLUSTER_DRAINED);
    publish(sim, 20, 7);
    for (int i = 0; !cluster_has_parted(sim_cluster(sim, ingress)); i++) {
        assert_true(i < 500);
        sim_run(sim, 1);
    }
    sim_leave(sim, ingress);
    publish(sim, 20, 7);
    assert_int_equal(gaps(sim), before);
    end(sim, 0);
}

static void a_held_lane_goes_on_after_two_ways(void **state)
{
    struct sim *sim = world();
    (void)state;

    publish(sim, 2, 200);
    size_t ingress = ingress_of(sim);
    sim_say(sim, ingress, CLUSTER_DRAIN);
    sim_run(sim, FAR_MS); /* node 0 has heard of it */
    publish(sim, 1, 1);
    uint64_t delivered = sim->report.delivered;
    uint64_t began_ms = sim_now_ms(sim);
    while (sim->report.delivered < delivered + 3) {
        assert_true(sim_now_ms(sim) < began_ms + 3 * FAR_MS + 10);
        sim_run(sim, 1);
    }
    assert_true(sim_now_ms(sim) > began_ms + 2 * FAR_MS - 20);
    end(sim, 0);
}

/* Two at a time, as the workers of one process. */
static void those_that_drain_together_go_together(void **state)
{
    struct sim *sim = world();
    size_t before = gaps(sim);
    (void)state;

    publish(sim, 20, 7);
    sim_say(sim, 1, CLUSTER_DRAIN);
    publish(sim, 10, 1);
    sim_say(sim, 3, CLUSTER_DRAIN);
    publish(sim, 300, 2);
    assert_int_equal(ingress_of(sim), 5);
    assert_int_equal(gaps(sim), before);
    end(sim, 0);
}

/* It drains, and nothing comes back of it. Found by tests/sim/run --nodes 5
 * --minutes 3 --seed 142. */
static void what_a_cut_off_ingress_took_with_it_is_told(void **state)
{
    struct sim *sim = world();
    (void)state;

    publish(sim, 5, 100);
    size_t ingress = ingress_of(sim);
    sim_cut(sim, 0, ingress); /* it is still heard */
    publish(sim, 4, 1);
    sim_say(sim, ingress, CLUSTER_DRAIN);
    sim_run(sim, FAR_MS);
    publish(sim, 50, 1); /* held */
    assert_int_not_equal(ingress_of(sim), ingress);
    assert_int_equal(gaps(sim), 0);
    publish(sim, 100, 20); /* HOLD_MS pass */
    assert_true(sim_gaps(sim, another(ingress)) == 1);
    sim_heal(sim);
    end(sim, 12);
}

/* It drains, and could not relay to one that hears of what follows. Found by
 * tests/sim/run --nodes 6 --minutes 3 --seed 87. */
static void whom_an_ingress_did_not_reach_is_told_before_it_goes(void **state)
{
    struct sim *sim = world();
    (void)state;

    publish(sim, 5, 100);
    size_t ingress = ingress_of(sim);
    size_t other = another(ingress);
    sim_kill(sim, other, true);
    sim_clog(sim, ingress, other);
    sim_clog(sim, other, ingress);
    sim_start(sim, other);
    sim_want(sim, other, TOPIC, true);
    sim_run(sim, 600);
    assert_true(sim_is_agreed(sim));
    publish(sim, 4, 20);
    sim_say(sim, ingress, CLUSTER_DRAIN);
    publish(sim, 40, 5);
    assert_int_equal(sim_cluster(sim, ingress)->rounds[ROUND_REGION].left, 1);
    assert_int_equal(sim_cluster(sim, 0)->moves_len, 1);
    sim_heal(sim);
    sim_run(sim, 4000);
    assert_int_equal(sim_cluster(sim, ingress)->rounds[ROUND_REGION].left, 0);
    assert_int_equal(sim_cluster(sim, 0)->moves_len, 0);
    end(sim, 0); /* it was partial: nothing was owed */
}

/* Held for an ingress that breaks away meanwhile. */
static void a_break_ends_the_wait(void **state)
{
    struct sim *sim = world();
    (void)state;

    publish(sim, 5, 100);
    size_t ingress = ingress_of(sim);
    sim_clog(sim, ingress, another(ingress));
    publish(sim, 4, 20);
    sim_say(sim, ingress, CLUSTER_DRAIN);
    sim_run(sim, FAR_MS);
    publish(sim, 10, 1);
    sim_kill(sim, ingress, true);
    publish(sim, 10, 20);
    assert_true(sim_gaps(sim, another(ingress)) > 0);
    sim_heal(sim);
    end(sim, 4); /* the clogged one, of whom nothing is left */
}

/* A bucket comes home to a node that is back, but not while anything of it is
 * on its way. */
static void an_idle_bucket_moves_when_all_has_arrived(void **state)
{
    (void)state;

    for (int clogged = 0; clogged < 2; clogged++) {
        struct sim *sim = world();
        publish(sim, 5, 100);
        size_t home = ingress_of(sim);
        sim_break(sim, 0, home);
        publish(sim, 5, 100);
        size_t away = ingress_of(sim);
        assert_int_not_equal(away, home);
        sim_until(sim, sim_is_whole, 5000);
        size_t before = gaps(sim);
        if (clogged) {
            sim_clog(sim, away, home);
        }
        publish(sim, 1, ROUTE_IDLE_MS);
        publish(sim, 1, 1); /* it is asked of what went before */
        assert_int_equal(ingress_of(sim), away);
        sim_run(sim, ROUTE_IDLE_MS);
        publish(sim, 1, 1);
        assert_int_equal(ingress_of(sim) == home, !clogged);
        sim_heal(sim);
        assert_int_equal(gaps(sim), before);
        end(sim, 0);
    }
}

/* Who meets an ingress again is told what is void before what follows. */
static void fences_are_told_to_whom_they_did_not_reach(void **state)
{
    struct sim *sim = world();
    (void)state;

    publish(sim, 5, 100);
    size_t ingress = ingress_of(sim);
    size_t cut_off = another(ingress);
    size_t third = 9 - ingress - cut_off;
    sim_cut(sim, third, cut_off);
    sim_cut(sim, 0, cut_off);
    sim_run(sim, LINK_SILENT_MS + 2000);
    sim_break(sim, 0, ingress);
    publish(sim, 1, FAR_MS * 2);
    uint64_t origin = node_id_u64(&sim->nodes[0].id);
    assert_int_equal(ingress_of(sim), third);
    assert_true(fences_of(&sim_cluster(sim, cut_off)->fences, origin) == 0);
    sim_heal(sim);
    sim_until(sim, sim_is_whole, 10000);
    sim_run(sim, 200);
    for (size_t i = 1; i < 6; i += 2) {
        assert_true(fences_of(&sim_cluster(sim, i)->fences, origin) != 0);
    }
    end(sim, 1);
}

/* Two nodes of a region that cannot reach each other, and one that reaches
 * both: that is told once, and then everything flows through that one. */
static void an_ingress_that_lacks_some_is_left(void **state)
{
    struct sim *sim = world();
    (void)state;

    publish(sim, 5, 100);
    size_t ingress = ingress_of(sim);
    size_t other = another(ingress);
    size_t third = 9 - ingress - other;
    sim_cut(sim, ingress, other);
    sim_cut(sim, other, ingress);
    publish(sim, 190, 100);
    assert_int_equal(ingress_of(sim), third);
    size_t missed_from = gaps(sim);
    uint64_t delivered = sim->report.delivered;
    publish(sim, 50, 100);
    assert_int_equal(sim->report.delivered - delivered, 3 * 50);
    assert_int_equal(gaps(sim), missed_from);
    sim_heal(sim);
    sim_until(sim, sim_is_whole, 10000);
    sim_run(sim, 1000);
    publish(sim, 5, 100);
    assert_int_equal(sim_count(sim).untold, 0);
    sim_free(sim);
}

/* Nothing went through it: nobody needs to know. */
static void an_ingress_that_has_nothing_breaks_in_silence(void **state)
{
    struct sim *sim = world();
    (void)state;

    for (size_t i = 1; i < 6; i += 2) {
        sim_break(sim, 0, i);
        sim_until(sim, sim_is_whole, 5000);
    }
    publish(sim, 1, 500);
    assert_int_equal(gaps(sim), 0);
    end(sim, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_left_ingress_still_relays_is_void),
        cmocka_unit_test(an_ingress_that_drains_is_not_overtaken),
        cmocka_unit_test(a_held_lane_goes_on_after_two_ways),
        cmocka_unit_test(those_that_drain_together_go_together),
        cmocka_unit_test(what_a_cut_off_ingress_took_with_it_is_told),
        cmocka_unit_test(whom_an_ingress_did_not_reach_is_told_before_it_goes),
        cmocka_unit_test(a_break_ends_the_wait),
        cmocka_unit_test(an_idle_bucket_moves_when_all_has_arrived),
        cmocka_unit_test(fences_are_told_to_whom_they_did_not_reach),
        cmocka_unit_test(an_ingress_that_lacks_some_is_left),
        cmocka_unit_test(an_ingress_that_has_nothing_breaks_in_silence),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
