/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/storm.h"

#include <stdlib.h>

#include "proto/hash.h"
#include "tests/sim/inside.h"

enum {
    SHARED = SIM_TOPICS - 1, /* everyone wants it */
    LATER_MAX = 256,
    SETTLE_MS = 3000, /* what is under way arrives or is too old */
    AGAIN_MS = 5000,  /* a suspicion in passing */
    BURST_MAX = 20,
    WALL_APART_MS = 600000, /* each clock, from the right one */
};

/* Something that follows from what was begun. */
struct later {
    uint64_t at_ms;
    uint64_t life;
    uint16_t node;
    enum cluster_news_type say; /* CLUSTER_TICK: it ends */
};

struct storm {
    struct sim *sim;
    struct rng rng;
    bool values;
    size_t nodes;
    char hosts[SIM_NODES_MAX + 1];
    struct later later[LATER_MAX];
    size_t later_len;
};

static const struct sim *now_running; /* for storm_explain() */

static uint32_t any(struct storm *storm, uint32_t below)
{
    return rng_below(&storm->rng, below);
}

static size_t any_node(struct storm *storm)
{
    return any(storm, (uint32_t)storm->nodes);
}

static bool is_well(const struct storm *storm, size_t i)
{
    return sim_is_up(storm->sim, i) && !sim_is_paused(storm->sim, i);
}

static size_t living(const struct storm *storm)
{
    size_t len = 0;

    for (size_t i = 0; i < storm->nodes; i++) {
        len += sim_is_up(storm->sim, i);
    }
    return len;
}

/* --- what users do --- */

/* A new subscriber is often published to at once. */
static void turn_wish(struct storm *storm, size_t i, size_t wish)
{
    bool wanted = !sim_is_wanted(storm->sim, i, wish);

    sim_want(storm->sim, i, wish, wanted);
    if (wanted && wish < SIM_TOPICS && any(storm, 2) == 0) {
        sim_run(storm->sim, any(storm, 4));
        sim_publish_on(storm->sim, any_node(storm), any(storm, SIM_CONNS),
                       wish);
    }
}

static void change_wish(struct storm *storm)
{
    size_t i = any_node(storm);
    size_t wish = any(storm, SIM_WISHES - 1);

    if (!is_well(storm, i)) {
        return;
    }
    wish += wish >= SHARED; /* a topic of few, or a pattern */
    if (wish >= SIM_TOPICS && any(storm, 3) > 0) {
        wish = any(storm, SHARED); /* fewer patterns */
    }
    turn_wish(storm, i, wish);
    if (any(storm, 4) == 0) { /* at once back again */
        sim_run(storm->sim, any(storm, 3));
        if (is_well(storm, i)) {
            turn_wish(storm, i, wish);
        }
    }
}

static void set_value(struct storm *storm)
{
    size_t i = any_node(storm);
    size_t key = any(storm, SIM_KEYS);

    sim_set(storm->sim, i, key, (uint8_t)any(storm, 256));
}

static void burst(struct storm *storm)
{
    size_t i = any_node(storm);
    size_t conn = any(storm, SIM_CONNS);
    size_t topic = any(storm, 4) == 0 ? SHARED : any(storm, SHARED);
    uint32_t len = 1 + any(storm, BURST_MAX);

    for (uint32_t n = 0; n < len; n++) {
        sim_publish_on(storm->sim, i, conn, topic);
        if (any(storm, 8) == 0) {
            sim_run(storm->sim, any(storm, 4));
        }
    }
}

/* --- what becomes of nodes --- */

static void do_later(struct storm *storm, uint64_t ms, size_t i,
                     enum cluster_news_type say)
{
    if (storm->later_len < LATER_MAX) {
        storm->later[storm->later_len++] = (struct later){
            .at_ms = sim_now_ms(storm->sim) + ms,
            .life = storm->sim->nodes[i].life,
            .node = (uint16_t)i,
            .say = say,
        };
    }
}

/* It leaves, and others of its process still have subscribers. */
static bool waits_for_others(const struct storm *storm,
                             const struct later *later)
{
    return later->say != CLUSTER_DRAINED &&
           places_serve(storm->sim, later->node) &&
           storm->sim->nodes[later->node].life == later->life;
}

static void do_due(struct storm *storm)
{
    uint64_t now_ms = sim_now_ms(storm->sim);

    for (size_t l = 0; l < storm->later_len;) {
        struct later later = storm->later[l];
        if (later.at_ms > now_ms || sim_is_paused(storm->sim, later.node) ||
            waits_for_others(storm, &later)) {
            l++;
            continue;
        }
        storm->later[l] = storm->later[--storm->later_len];
        if (!sim_is_up(storm->sim, later.node) ||
            storm->sim->nodes[later.node].life != later.life) {
            continue;
        }
        if (later.say == CLUSTER_TICK) {
            sim_end(storm->sim, later.node, true);
        } else {
            sim_say(storm->sim, later.node, later.say);
        }
    }
}

static void leave_one(struct storm *storm, size_t i)
{
    uint64_t ms = 100 + any(storm, 1000);

    sim_met(storm->sim, i);
    sim_say(storm->sim, i, CLUSTER_DRAIN);
    do_later(storm, ms, i, CLUSTER_DRAINED);
    ms += 100 + any(storm, 500);
    do_later(storm, ms, i, CLUSTER_LEAVE);
    do_later(storm, ms + SWIM_LEAVE_MS, i, CLUSTER_TICK);
}

/* Each worker of a process has the signal. */
static void leave(struct storm *storm, size_t i)
{
    for (size_t w = 0;
         places_are_well(storm->sim, i) && w < sim_workers(storm->sim, i);
         w++) {
        leave_one(storm, sim_worker(storm->sim, i, w));
    }
}

static void start_one(struct storm *storm, size_t i)
{
    sim_start(storm->sim, i);
    sim_want(storm->sim, i, SHARED, true);
    sim_want(storm->sim, i, i % SHARED, true);
}

/* The others of a process follow, sooner or later; a process that is about to
 * end is not started. */
static void start(struct storm *storm, size_t i)
{
    size_t workers = sim_workers(storm->sim, i);

    for (size_t w = 0; !places_are_up(storm->sim, i, w) && w < workers; w++) {
        start_one(storm, sim_worker(storm->sim, i, w));
        if (w + 1 < workers) {
            sim_run(storm->sim, any(storm, 300));
        }
    }
}

/* One that is up goes, one that is down comes; most live at any time. */
static void change_node(struct storm *storm)
{
    size_t i = any_node(storm);

    if (!sim_is_up(storm->sim, i)) {
        start(storm, i);
    } else if (living(storm) > storm->nodes * 2 / 3) {
        if (is_well(storm, i) && any(storm, 3) == 0) {
            leave(storm, i);
        } else {
            sim_kill(storm->sim, i, any(storm, 2) == 0);
            if (any(storm, 3) == 0) { /* at once, at the same address */
                sim_run(storm->sim, any(storm, 50));
                start(storm, i);
            }
        }
    }
}

static void jump(struct storm *storm, size_t i, uint64_t ms)
{
    if (is_well(storm, i)) {
        sim_jump(storm->sim, i, ms);
    }
}

static void disturb_node(struct storm *storm)
{
    size_t i = any_node(storm);

    if (!is_well(storm, i)) {
        return;
    }
    if (any(storm, 3) == 0) {
        uint64_t ms = 10 + any(storm, 30000);
        for (size_t w = 0; w < sim_workers(storm->sim, i); w++) {
            jump(storm, sim_worker(storm->sim, i, w), ms);
        }
    } else {
        sim_pause(storm->sim, i, 50 + any(storm, any(storm, 2) ? 500 : 8000));
    }
}

/* Time passes, and users publish. */
static void pass(struct storm *storm, uint64_t ms)
{
    uint64_t end_ms = sim_now_ms(storm->sim) + ms;

    while (sim_now_ms(storm->sim) < end_ms) {
        burst(storm);
        sim_run(storm->sim, 50 + any(storm, 500));
        do_due(storm);
    }
}

/* --- what becomes of ways --- */

static void change_pair(struct storm *storm)
{
    size_t a = any_node(storm);
    size_t b = any_node(storm);
    struct sim *sim = storm->sim;

    switch (any(storm, 8)) {
    case 0:
    case 1:
        sim_cut(sim, a, b);
        break;
    case 2:
        sim_cut(sim, a, b);
        sim_cut(sim, b, a);
        break;
    case 3:
    case 4:
        sim_clog(sim, a, b);
        break;
    case 5:
        if (is_well(storm, a)) {
            sim_break(sim, a, b);
        }
        break;
    case 6:
        if (is_well(storm, a)) {
            sim_break_lane(sim, a, b, (enum peer_lane)any(storm, 2));
        }
        break;
    default:
        sim_mend(sim, a, b);
        sim_mend(sim, b, a);
        break;
    }
}

static void isolate(struct storm *storm, size_t i)
{
    bool both = any(storm, 2) == 0;

    for (size_t other = 0; other < storm->nodes; other++) {
        if (other != i) {
            sim_cut(storm->sim, i, other);
            if (both) {
                sim_cut(storm->sim, other, i);
            }
        }
    }
}

static void change_network(struct storm *storm)
{
    struct sim_habits habits = {
        .loss = any(storm, 2) == 0 ? any(storm, 30) : any(storm, 250),
        .duplicate = any(storm, 30),
        .reorder = any(storm, 200),
        .stale = any(storm, 600),
        .lie = any(storm, 60),
        .late = any(storm, 500),
    };

    switch (any(storm, 6)) {
    case 0:
        sim_partition(storm->sim, 1 + any_node(storm));
        break;
    case 1:
        isolate(storm, any_node(storm));
        break;
    case 2:
    case 3:
        sim_heal(storm->sim);
        break;
    default:
        sim_set_habits(storm->sim, &habits);
        break;
    }
}

/* --- another ingress --- */

/* Through which node items of that topic go from `a` to some other region or
 * process; none: `a`. */
static size_t any_ingress(struct storm *storm, size_t a, size_t topic)
{
    const struct sim_node *node = &storm->sim->nodes[a];
    size_t bucket = (size_t)(sim_hash(topic) % ROUTE_BUCKETS);
    size_t found = a;
    uint32_t len = 0;

    for (size_t i = 1; i < CLUSTER_REGIONS_MAX; i++) {
        const struct route_region *region = node->cluster->route.regions[i];
        uint16_t slot = region == NULL ? (uint16_t)CLUSTER_SLOT_NONE
                                       : region->ingress[bucket];
        if (slot != CLUSTER_SLOT_NONE && any(storm, ++len) == 0) {
            found = net_index(
                &node->mesh->links[slot]->lanes[PEER_CONTROL].addr);
        }
    }
    for (uint16_t i = 0; i < CLUSTER_PEERS_MAX; i++) {
        const struct host *host = node->cluster->route.hosts.of[i];
        if (host != NULL &&
            host->slots[host_worker(host, sim_hash(topic))] == i &&
            any(storm, ++len) == 0) {
            found = net_index(&node->mesh->links[i]->lanes[PEER_CONTROL].addr);
        }
    }
    return found;
}

static size_t any_neighbour(struct storm *storm, size_t i)
{
    size_t other = any_node(storm);

    for (size_t n = 0; n < storm->nodes; n++) {
        if (other != i && sim_is_near(storm->sim, i, other)) {
            return other;
        }
        other = (other + 1) % storm->nodes;
    }
    return i;
}

static void say_some(struct storm *storm, size_t a, size_t topic, uint32_t len)
{
    for (uint32_t n = 0; n < len; n++) {
        sim_publish_on(storm->sim, a, 0, topic);
        if (any(storm, 3) == 0) {
            sim_run(storm->sim, any(storm, 60));
            do_due(storm);
        }
    }
}

static void lose_ingress(struct storm *storm, size_t a, size_t ingress)
{
    struct sim *sim = storm->sim;

    switch (any(storm, 5)) {
    case 0:
    case 1:
        if (living(storm) > storm->nodes * 2 / 3) {
            leave(storm, ingress);
        }
        break;
    case 2:
        if (is_well(storm, a)) {
            sim_break(sim, a, ingress);
        }
        break;
    case 3:
        sim_cut(sim, a, ingress);
        break;
    default: /* its buckets are idle: another may take them */
        pass(storm, ROUTE_IDLE_MS + any(storm, 1000));
        break;
    }
}

/* What goes one way is followed by what goes another one, while the first has
 * not arrived everywhere. */
static void overtake(struct storm *storm)
{
    struct sim *sim = storm->sim;
    size_t a = any_node(storm);
    size_t topic = any(storm, 3) == 0 ? any(storm, SHARED) : SHARED;
    size_t ingress = is_well(storm, a) ? any_ingress(storm, a, topic) : a;

    if (ingress == a || !is_well(storm, ingress)) {
        return;
    }
    size_t slow = any_neighbour(storm, ingress);
    say_some(storm, a, topic, any(storm, 10));
    if (any(storm, 3) > 0 && slow != ingress) {
        sim_clog(sim, ingress, slow);
    }
    say_some(storm, a, topic, any(storm, 10));
    lose_ingress(storm, a, ingress);
    say_some(storm, a, topic, any(storm, 60));
    sim_mend(sim, ingress, slow);
    say_some(storm, a, topic, any(storm, 20));
}

static void any_fault(struct storm *storm)
{
    uint32_t dice = any(storm, 19);

    if (storm->values && any(storm, 10) == 0) {
        set_value(storm);
    }
    if (dice < 6) {
        change_pair(storm);
    } else if (dice < 9) {
        change_node(storm);
    } else if (dice < 11) {
        disturb_node(storm);
    } else if (dice < 13) {
        change_network(storm);
    } else if (dice < 16) {
        change_wish(storm);
    } else {
        overtake(storm);
    }
}

/* --- rounds --- */

static void play_faults(struct storm *storm)
{
    uint64_t end_ms = sim_now_ms(storm->sim) + 15000 + any(storm, 25000);

    while (sim_now_ms(storm->sim) < end_ms) {
        any_fault(storm);
        pass(storm, any(storm, 1200));
    }
}

static void heal(struct storm *storm)
{
    struct sim *sim = storm->sim;

    sim_note(sim, "healing");
    while (storm->later_len > 0) { /* who leaves shall have left */
        pass(storm, 100);
    }
    sim_heal(sim);
    sim_set_habits(sim, &(struct sim_habits){0});
    for (size_t i = 0; i < storm->nodes; i++) {
        if (!sim_is_up(sim, i)) {
            start(storm, i);
        }
    }
    pass(storm, 500);
    sim_until(sim, sim_is_whole, STORM_HEAL_MS);
    sim_run(sim, SETTLE_MS);
    sim_until(sim, sim_is_whole, AGAIN_MS);
    sim_calm(sim);
}

static size_t deaths(const struct storm *storm)
{
    size_t len = 0;

    for (size_t i = 0; i < storm->nodes; i++) {
        len += sim_events(storm->sim, i, CLUSTER_DEAD);
    }
    return len;
}

static void play_calm(struct storm *storm)
{
    uint64_t end_ms = sim_now_ms(storm->sim) + 10000 + any(storm, 30000);
    size_t before = deaths(storm);

    while (sim_now_ms(storm->sim) < end_ms) {
        change_wish(storm);
        if (storm->values && any(storm, 4) == 0) {
            set_value(storm);
        }
        pass(storm, any(storm, 2000));
    }
    sim_run(storm->sim, SETTLE_MS);
    if (deaths(storm) != before) {
        sim_broken(storm->sim, "L2", "a node was thought dead for no reason");
    }
    sim_until(storm->sim, sim_is_whole, AGAIN_MS);
    sim_calm(storm->sim);
}

static struct sim *begin(struct storm *storm,
                         const struct storm_options *options)
{
    static const uint32_t far_us[] = {5000, 20000, 40000, 120000};
    static const uint32_t rooms[] = {4 << 10, 64 << 10, 1 << 20};

    for (size_t i = 0; i < options->nodes && options->workers > 1; i++) {
        storm->hosts[i] = (char)('1' + any(storm, options->workers));
    }
    return sim_new(&(struct sim_options){
        .seed = options->seed,
        .hosts = storm->hosts,
        .nodes = options->nodes,
        .regions = options->nodes < 4 ? 1 : 1 + any(storm, 3),
        .near_us = 100 + any(storm, 900),
        .far_us = far_us[any(storm, ARRAY_LEN(far_us))],
        .room = rooms[any(storm, ARRAY_LEN(rooms))],
        .queue_len = any(storm, 2) == 0 ? 0 : 8 << 10,
        .skew_ppm = 300,
        .trace = options->trace,
        .on_broken = options->on_broken,
    });
}

struct sim_report storm_run(const struct storm_options *options)
{
    struct storm storm = {.nodes = options->nodes, .values = options->values};

    rng_init(&storm.rng, hash_mix(options->seed));
    storm.sim = begin(&storm, options);
    now_running = storm.sim;
    for (size_t i = 0; i < storm.nodes; i++) {
        if (storm.values) {
            int64_t late = any(&storm, 2 * WALL_APART_MS);
            sim_set_wall(storm.sim, i, late - WALL_APART_MS);
        }
        start(&storm, i);
    }
    heal(&storm);
    while (sim_now_ms(storm.sim) < options->ms) {
        play_faults(&storm);
        heal(&storm);
        play_calm(&storm);
    }
    struct sim_report report = sim_count(storm.sim);
    now_running = NULL;
    sim_free(storm.sim);
    return report;
}

void storm_explain(void)
{
    if (now_running != NULL) {
        fprintf(stderr, "seed %" PRIu64 ", step %" PRIu64 ", %" PRIu64 " ms\n",
                now_running->options.seed, now_running->report.events,
                sim_now_ms(now_running));
        whole_print_notes(now_running);
    }
}
