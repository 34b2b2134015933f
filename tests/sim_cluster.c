/* SPDX-License-Identifier: Apache-2.0
 *
 * Whole clusters through faults. Each scenario has two halves: faults, when
 * only safety is asked for (no item twice, none to a stranger's region, every
 * loss told), and healing, when everyone must know, link and hold everyone
 * again within a bound.
 *
 *   sim_cluster                  all scenarios with 3 and 10 nodes
 *   sim_cluster 100 crash        one scenario with so many nodes
 *   SEED=7 sim_cluster ...       another run
 */
#include "tests/test.h"

#include <time.h>

#include "cluster/rng.h"
#include "tests/sim/sim.h"

enum {
    SHARED = SIM_TOPICS - 1
}; /* the topic that all nodes want */

static uint64_t seed = 1;

static struct sim *begin(size_t nodes, size_t regions)
{
    struct sim *sim = sim_new(
        &(struct sim_options){.seed = seed,
                              .nodes = nodes,
                              .regions = regions,
                              .habits = {.duplicate = 5}});

    sim_start_all(sim);
    for (size_t i = 0; i < nodes; i++) {
        sim_want(sim, i, i % SHARED, true);
        sim_want(sim, i, SHARED, true);
    }
    sim_until(sim, sim_is_whole, 5000);
    sim_run(sim, 300);
    return sim;
}

static struct sim_report end(struct sim *sim, const char *name)
{
    sim_run(sim, 500);
    sim_until(sim, sim_is_whole, 2000); /* at most a suspicion in passing */
    struct sim_report report = sim_report(sim, name);
    assert_int_equal(report.untold, 0);
    assert_true(report.delivered > 0);
    sim_free(sim);
    return report;
}

/* The nodes take turns, one every `every_ms`, for that long. */
static void publish(struct sim *sim, size_t nodes, uint64_t ms,
                    uint64_t every_ms)
{
    for (uint64_t at = 0; at < ms; at += every_ms) {
        size_t i = at / every_ms % nodes;
        sim_publish(sim, i, SHARED);
        sim_publish(sim, i, (i + 1) % SHARED);
        sim_run(sim, every_ms);
    }
}

static uint64_t join(size_t nodes)
{
    struct sim *sim = begin(nodes, 1);

    publish(sim, nodes, 1000, 20);
    struct sim_report report = end(sim, "join");
    assert_int_equal(report.missed, 0);
    return report.digest;
}

static void crash_how(size_t nodes, bool reset, uint64_t limit_ms)
{
    struct sim *sim = begin(nodes, 1);

    publish(sim, nodes, 100, 2);
    sim_kill(sim, nodes - 1, reset);
    publish(sim, nodes, 200, 10);
    uint64_t seen_ms = 200 + sim_until(sim, sim_is_whole, limit_ms);
    sim_start(sim, nodes - 1);
    sim_want(sim, nodes - 1, SHARED, true);
    uint64_t back_ms = sim_until(sim, sim_is_whole, 3000);
    publish(sim, nodes, 500, 10);
    print_message("seen in %" PRIu64 " ms, back in %" PRIu64 " ms\n", seen_ms,
                  back_ms);
    end(sim, reset ? "crash, reset" : "crash, silent");
}

static uint64_t crash(size_t nodes)
{
    crash_how(nodes, true, 2000);
    crash_how(nodes, false, 8000);
    return 0;
}

static uint64_t partition(size_t nodes)
{
    struct sim *sim = begin(nodes, 1);

    sim_partition(sim, (nodes + 1) / 3);
    publish(sim, nodes, 8000, 50);
    for (size_t i = 0; i < nodes; i++) { /* both sides go on changing */
        sim_want(sim, i, (i + 5) % SHARED, true);
    }
    publish(sim, nodes, 500, 50);
    sim_heal(sim);
    uint64_t took_ms = sim_until(sim, sim_is_whole, 5000);
    print_message("healed in %" PRIu64 " ms\n", took_ms);
    publish(sim, nodes, 500, 20);
    struct sim_report report = end(sim, "partition");
    assert_true(report.missed > 0); /* and all of them told */
    return report.digest;
}

static uint64_t loss(size_t nodes)
{
    struct sim *sim = begin(nodes, 1);

    sim_set_loss(sim, 100);
    publish(sim, nodes, 6000, 60);
    for (size_t i = 0; i < nodes; i++) { /* nobody is thought dead */
        assert_int_equal(sim_events(sim, i, CLUSTER_DEAD), 0);
        assert_int_equal(sim_events(sim, i, CLUSTER_UNLINKED), 0);
    }
    struct sim_report report = end(sim, "10 % loss");
    assert_int_equal(report.missed, 0);
    return report.digest;
}

/* One after another leaves and comes back, while the others publish. */
static uint64_t restart(size_t nodes)
{
    struct sim *sim = begin(nodes, 1);

    for (size_t i = 0; i < 3; i++) {
        sim_leave(sim, i);
        publish(sim, nodes, 100, 5);
        sim_start(sim, i);
        sim_want(sim, i, SHARED, true);
        publish(sim, nodes, 200, 5);
        sim_until(sim, sim_is_whole, 5000);
    }
    struct sim_report report = end(sim, "rolling restart");
    assert_int_equal(report.missed, 0);
    return report.digest;
}

/* Two regions, 40 ms apart; the ingress of some buckets dies under load. */
static uint64_t regions(size_t nodes)
{
    struct sim *sim = begin(nodes, 2);

    publish(sim, nodes, 1000, 10);
    for (size_t topic = 0; topic < SHARED; topic++) {
        sim_publish(sim, 1, topic); /* on their way as it dies */
    }
    sim_kill(sim, 2 % nodes, true);
    publish(sim, nodes, 1000, 5);
    sim_until(sim, sim_is_whole, 8000);
    publish(sim, nodes, 500, 10);
    sim_break(sim, 1, 0); /* and a way between the regions breaks */
    publish(sim, nodes, 1000, 10);
    return end(sim, "regions").digest;
}

/* Patterns alone and beside topics, in two regions, as they come and go. Each
 * acknowledged one is owed its items from that moment on. */
static uint64_t patterns(size_t nodes)
{
    struct sim *sim = begin(nodes, 2);
    struct rng rng;

    rng_init(&rng, seed);
    for (size_t round = 0; round < 20; round++) {
        size_t i = rng_below(&rng, (uint32_t)nodes);
        size_t wish = SIM_TOPICS + rng_below(&rng, SIM_PATTERNS);
        sim_want(sim, i, wish, !sim_is_wanted(sim, i, wish));
        publish(sim, nodes, 250, 1); /* also in the moment of the answer */
        uint64_t took_ms = sim_acked_ms(sim, i, wish, CLUSTER_SCOPE_ALL, NULL);
        assert_true(took_ms != UINT64_MAX || !sim_is_wanted(sim, i, wish));
        publish(sim, nodes, 200, 5);
    }
    sim_run(sim, 100); /* all have arrived */
    assert_int_equal(sim_report(sim, "patterns").missed, 0);
    sim_want(sim, 0, SIM_TOPICS, !sim_is_wanted(sim, 0, SIM_TOPICS));
    sim_kill(sim, nodes - 1, true);
    publish(sim, nodes, 500, 5);
    sim_start(sim, nodes - 1);
    sim_want(sim, nodes - 1, SIM_TOPICS, true);
    sim_until(sim, sim_is_whole, 8000);
    sim_break(sim, 0, 1);
    publish(sim, nodes, 500, 5);
    return end(sim, "patterns, crash").digest;
}

/* Anything at any time, then healing. Half of the nodes always live. */
static void any_fault(struct sim *sim, struct rng *rng, size_t nodes)
{
    size_t a = rng_below(rng, (uint32_t)nodes);
    size_t b = rng_below(rng, (uint32_t)nodes);

    switch (rng_below(rng, 8)) {
    case 0:
        if (a >= nodes / 2 && sim_is_up(sim, a)) {
            sim_kill(sim, a, rng_below(rng, 2) == 0);
        }
        break;
    case 1:
    case 2:
        if (!sim_is_up(sim, a)) {
            sim_start(sim, a);
            sim_want(sim, a, SHARED, true);
        }
        break;
    case 3:
        sim_cut(sim, a, b);
        break;
    case 4:
        sim_heal(sim);
        break;
    case 5:
        if (sim_is_up(sim, a)) {
            sim_break(sim, a, b);
        }
        break;
    case 6:
        sim_set_loss(sim, rng_below(rng, 300));
        break;
    default:
        if (sim_is_up(sim, a)) {
            size_t wish = rng_below(rng, SIM_WISHES - 1);
            wish += wish >= SHARED; /* a topic of few, or a pattern */
            sim_want(sim, a, wish, !sim_is_wanted(sim, a, wish));
        }
        break;
    }
}

static uint64_t chaos_in(size_t nodes, size_t regions_len)
{
    struct sim *sim = begin(nodes, regions_len);
    struct rng rng;

    rng_init(&rng, seed);
    for (size_t i = 0; i < 60; i++) {
        any_fault(sim, &rng, nodes);
        publish(sim, nodes, 20 + rng_below(&rng, 400), 20);
    }
    sim_heal(sim);
    sim_set_loss(sim, 0);
    for (size_t i = 0; i < nodes; i++) {
        if (!sim_is_up(sim, i)) {
            sim_start(sim, i);
        }
    }
    sim_until(sim, sim_is_whole, 15000);
    publish(sim, nodes, 500, 10);
    return end(sim, "chaos").digest;
}

static uint64_t chaos(size_t nodes)
{
    return chaos_in(nodes, 1);
}

static uint64_t chaos_far(size_t nodes)
{
    return chaos_in(nodes, 2);
}

/* Not a test: what a minute costs when nothing happens but a few items. */
static uint64_t steady(size_t nodes)
{
    struct sim *sim = sim_new(
        &(struct sim_options){.seed = seed, .nodes = nodes});
    clock_t began = clock();

    sim_start_all(sim);
    for (size_t i = 0; i < nodes; i++) {
        sim_want(sim, i, i % SHARED, true);
    }
    uint64_t took_ms = sim_until(sim, sim_is_whole, 60000);
    clock_t joined = clock();
    publish(sim, nodes, 60000, 50);
    clock_t end = clock();
    print_message("joined in %" PRIu64 " ms, %.2f s of CPU; then a minute took"
                  " %.2f s of CPU\n",
                  took_ms, (double)(joined - began) / CLOCKS_PER_SEC,
                  (double)(end - joined) / CLOCKS_PER_SEC);
    struct sim_report report = sim_report(sim, "steady");
    sim_free(sim);
    return report.digest;
}

static const struct scenario {
    const char *name;
    uint64_t (*play)(size_t nodes);
} scenarios[] = {
    {"join", join},     {"crash", crash},         {"partition", partition},
    {"loss", loss},     {"restart", restart},     {"regions", regions},
    {"chaos", chaos},   {"chaos-far", chaos_far}, {"patterns", patterns},
    {"steady", steady},
};

static void three_nodes_come_through_all_scenarios(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(scenarios); i++) {
        scenarios[i].play(3);
    }
}

static void ten_nodes_come_through_all_scenarios(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(scenarios); i++) {
        scenarios[i].play(10);
    }
}

static void ten_nodes_come_through_other_seeds(void **state)
{
    uint64_t first = seed;

    (void)state;
    for (seed = first + 1; seed <= first + 5; seed++) {
        for (size_t i = 0; i < ARRAY_LEN(scenarios); i++) {
            scenarios[i].play(10);
        }
    }
    seed = first;
}

static void the_same_seed_plays_the_same_run(void **state)
{
    uint64_t first = seed;
    uint64_t digest = partition(10);

    (void)state;
    assert_int_equal(partition(10), digest);
    seed++;
    assert_int_not_equal(partition(10), digest);
    seed = first;
}

static size_t chosen_nodes;
static const char *chosen;

static void the_chosen_scenario(void **state)
{
    bool found = false;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(scenarios); i++) {
        if (strcmp(scenarios[i].name, chosen) == 0) {
            found = true;
            scenarios[i].play(chosen_nodes);
        }
    }
    assert_true(found);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest all[] = {
        cmocka_unit_test(three_nodes_come_through_all_scenarios),
        cmocka_unit_test(ten_nodes_come_through_all_scenarios),
        cmocka_unit_test(ten_nodes_come_through_other_seeds),
        cmocka_unit_test(the_same_seed_plays_the_same_run),
    };
    const struct CMUnitTest one[] = {cmocka_unit_test(the_chosen_scenario)};
    const char *env = getenv("SEED");

    seed = env != NULL ? strtoull(env, NULL, 10) : 1;
    if (argc < 3) {
        return cmocka_run_group_tests(all, NULL, NULL);
    }
    chosen_nodes = strtoull(argv[1], NULL, 10);
    chosen = argv[2];
    return cmocka_run_group_tests(one, NULL, NULL);
}
