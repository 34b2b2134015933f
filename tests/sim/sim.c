/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/test.h"

#include <stdio.h>

#include "cluster/inside.h"
#include "proto/hash.h"
#include "tests/sim/inside.h"

enum {
    LOOK_EVERY_MS = 20,
    SEEDS = 3,
    CHECKED_ALWAYS = 10,  /* so few nodes are checked at each step */
    CHECK_EVERY_US = 200, /* for each node: one of fifty each 10 ms */
};

static void around(const struct sim *sim, bool inside);
static void follow(struct sim *sim, size_t i);
static void note(struct sim *sim, size_t i,
                 const struct cluster_effect *effect);
static void arm(struct sim *sim, size_t i);
static void step_until(struct sim *sim, uint64_t until_us);
static void check_next(struct sim *sim);
static void end_life(struct sim *sim, size_t i);
static bool knows_all(struct sim *sim, size_t i, size_t up);
static bool holds_all(struct sim *sim, size_t i);
static size_t up_len(const struct sim *sim);

struct sim *sim_new(const struct sim_options *options)
{
    struct sim *sim = calloc(1, sizeof *sim);

    assert_in_range(options->nodes, 1, SIM_NODES_MAX);
    sim->options = *options;
    sim->options.regions = options->regions == 0 ? 1 : options->regions;
    sim->options.near_us = options->near_us == 0 ? 300 : options->near_us;
    sim->options.far_us = options->far_us == 0 ? 40000 : options->far_us;
    sim->now_us = 1000000;
    sim->nodes = calloc(options->nodes, sizeof *sim->nodes);
    sim->ways = calloc(options->nodes * options->nodes, sizeof(void *));
    rng_init(&sim->rng, options->seed);
    for (size_t i = 0; i < options->nodes; i++) {
        sim->nodes[i].addr = net_addr(i);
    }
    return sim;
}

void sim_free(struct sim *sim)
{
    net_fini(sim);
    for (size_t i = 0; i < sim->options.nodes; i++) {
        free(sim->nodes[i].pipes);
        free(sim->nodes[i].inlets);
        cluster_free(sim->nodes[i].cluster);
        free(sim->nodes[i].gaps);
    }
    for (size_t i = 0; i < sim->items_len; i++) {
        free(sim->items[i].receipts);
    }
    free(sim->items);
    free(sim->nodes);
    free(sim);
}

void sim_start(struct sim *sim, size_t i)
{
    struct sim_node *node = &sim->nodes[i];
    char name[8];
    char region[] = {'r', (char)('0' + i % sim->options.regions), '\0'};
    struct cluster_options options = {
        .seed = rng_u64(&sim->rng),
        .self = {.cluster = node->addr,
                 .data_port = 7402,
                 .region = bytes_str(region),
                 .version = BYTES("0.1.0")},
    };

    SIM_CHECK(sim, !node->up);
    snprintf(name, sizeof name, "n%03zu", i);
    options.self.name = bytes_str(name);
    for (size_t b = 0; b < NODE_ID_LEN; b += 8) {
        bytes_put_u64be(options.self.id.b + b, rng_u64(&sim->rng));
    }
    for (size_t seed = 0; seed < SEEDS && seed < sim->options.nodes; seed++) {
        if (seed != i) {
            options.seeds[options.seeds_len++] = net_addr(seed);
        }
    }
    struct addr addr = node->addr;
    free(node->gaps);
    free(node->inlets);
    memset(node, 0, sizeof *node);
    node->inlets = calloc(sim->options.nodes, sizeof *node->inlets);
    node->up = true;
    node->addr = addr;
    node->life = ++sim->lives;
    node->id = options.self.id;
    node->began_ms = sim_now_ms(sim);
    node->wake_ms = UINT64_MAX;
    node->cluster = cluster_new(&options, sim_now_ms(sim));
    SIM_CHECK(sim, node->cluster != NULL);
    sim_settle(sim, i);
}

void sim_start_all(struct sim *sim)
{
    for (size_t i = 0; i < sim->options.nodes; i++) {
        sim_start(sim, i);
    }
}

void sim_kill(struct sim *sim, size_t i, bool reset)
{
    net_died(sim, i, reset);
    end_life(sim, i);
}

/* As a node does: says so, answers for a while, then its kernel closes. */
void sim_leave(struct sim *sim, size_t i)
{
    sim_news(sim, i, &(struct cluster_news){.type = CLUSTER_LEAVE});
    sim_run(sim, SWIM_LEAVE_MS);
    sim_kill(sim, i, true);
}

void sim_partition(struct sim *sim, size_t border)
{
    for (size_t a = 0; a < border; a++) {
        for (size_t b = border; b < sim->options.nodes; b++) {
            sim_cut(sim, a, b);
            sim_cut(sim, b, a);
        }
    }
}

void sim_set_loss(struct sim *sim, uint32_t loss)
{
    sim->options.loss = loss;
}

void sim_run(struct sim *sim, uint64_t ms)
{
    step_until(sim, sim->now_us + ms * 1000);
}

uint64_t sim_until(struct sim *sim, sim_predicate predicate, uint64_t limit_ms)
{
    uint64_t began_ms = sim_now_ms(sim);

    while (!predicate(sim)) {
        if (sim_now_ms(sim) - began_ms >= limit_ms) {
            sim_fail(sim, "what was awaited did not come in time");
        }
        sim_run(sim, LOOK_EVERY_MS);
    }
    return sim_now_ms(sim) - began_ms;
}

bool sim_is_agreed(struct sim *sim)
{
    size_t up = up_len(sim);

    for (size_t i = 0; i < sim->options.nodes; i++) {
        if (sim->nodes[i].up && !knows_all(sim, i, up)) {
            return false;
        }
    }
    return true;
}

bool sim_is_whole(struct sim *sim)
{
    if (!sim_is_agreed(sim)) {
        return false;
    }
    for (size_t i = 0; i < sim->options.nodes; i++) {
        if (sim->nodes[i].up && !holds_all(sim, i)) {
            return false;
        }
    }
    return true;
}

struct cluster *sim_cluster(struct sim *sim, size_t i)
{
    return sim->nodes[i].cluster;
}

bool sim_is_up(const struct sim *sim, size_t i)
{
    return sim->nodes[i].up;
}

bool sim_is_near(const struct sim *sim, size_t a, size_t b)
{
    return a % sim->options.regions == b % sim->options.regions;
}

uint64_t sim_now_ms(const struct sim *sim)
{
    return sim->now_us / 1000;
}

size_t sim_events(const struct sim *sim, size_t i, enum cluster_event event)
{
    return sim->nodes[i].events[event];
}

size_t sim_gaps(const struct sim *sim, size_t i)
{
    return sim->nodes[i].gaps_len;
}

uint16_t sim_slot(struct sim *sim, size_t i, size_t of)
{
    return cluster_slot_of(sim->nodes[i].cluster, &sim->nodes[of].id);
}

struct sim_report sim_report(struct sim *sim, const char *name)
{
    struct sim_report *r = &sim->report;
    struct sim_report end;

    items_count(sim);
    end = *r;
    for (size_t i = 0; i < sim->options.nodes; i++) {
        if (sim->nodes[i].up) {
            end.node_ms += sim_now_ms(sim) - sim->nodes[i].began_ms;
        }
    }
    uint64_t seconds = end.node_ms / 1000 + 1;
    print_message(
        "SEED=%" PRIu64 " NODES=%zu digest=%016" PRIx64 " %s: %" PRIu64
        " events, %" PRIu64 " published, %" PRIu64 " delivered, %" PRIu64
        " spurious, %" PRIu64 " missed, %" PRIu64 " untold, gossip %" PRIu64
        " control %" PRIu64 " B/s a node\n",
        sim->options.seed, sim->options.nodes, end.digest, name, end.events,
        end.published, end.delivered, end.spurious, end.missed, end.untold,
        end.packet_bytes / seconds, end.control_bytes / seconds);
    return end;
}

void sim_fail(const struct sim *sim, const char *what)
{
    fail_msg("SEED=%" PRIu64 " NODES=%zu at %" PRIu64 " ms: %s",
             sim->options.seed, sim->options.nodes, sim_now_ms(sim), what);
}

void sim_news(struct sim *sim, size_t i, const struct cluster_news *news)
{
    if (sim->nodes[i].up) {
        around(sim, true);
        cluster_step(sim->nodes[i].cluster, news, sim_now_ms(sim));
        around(sim, false);
        sim_settle(sim, i);
        if (sim->options.nodes <= CHECKED_ALWAYS) {
            cluster_check(sim->nodes[i].cluster);
        }
    }
}

/* What a turn of a node's loop does after its news. */
void sim_settle(struct sim *sim, size_t i)
{
    follow(sim, i);
    around(sim, true);
    cluster_flush(sim->nodes[i].cluster, sim_now_ms(sim));
    around(sim, false);
    follow(sim, i);
    arm(sim, i);
}

static void around(const struct sim *sim, bool inside)
{
    if (sim->options.around != NULL) {
        sim->options.around(inside);
    }
}

static void follow(struct sim *sim, size_t i)
{
    struct cluster_effect effect;

    while (cluster_next(sim->nodes[i].cluster, &effect)) {
        note(sim, i, &effect);
        switch (effect.type) {
        case CLUSTER_SEND:
            net_send(sim, i, &effect);
            break;
        case CLUSTER_TELL:
            net_tell(sim, i, effect.slot, effect.bytes);
            break;
        case CLUSTER_PEER_OPEN:
            net_open(sim, i, &effect);
            break;
        case CLUSTER_PEER_CLOSE:
            net_close(sim, i, effect.slot);
            break;
        case CLUSTER_BARRIER:
            items_barrier(sim, i, &effect);
            break;
        case CLUSTER_GAP:
            items_gap(sim, i, effect.bytes);
            break;
        case CLUSTER_MARK:
            lane_mark(sim, i, &effect);
            break;
        case CLUSTER_END:
            lane_end(sim, i, effect.slot);
            break;
        case CLUSTER_PROBE:
            lane_probe(sim, i, effect.slot);
            break;
        case CLUSTER_REDIAL:
            sim_break(sim, i, sim->nodes[i].pipes[effect.slot].to);
            break;
        case CLUSTER_EVENT:
            sim->nodes[i].events[effect.event]++;
            SIM_CHECK(sim, sim->options.faulty ||
                               (effect.event != CLUSTER_DIVERGED &&
                                effect.event != CLUSTER_REFUSED));
            break;
        case CLUSTER_READY:
            break;
        }
    }
}

static void note(struct sim *sim, size_t i, const struct cluster_effect *effect)
{
    uint64_t h = sim->report.digest;

    h = hash_mix(h + sim->now_us);
    h = hash_mix(h + i * 16 + effect->type);
    for (size_t b = 0; b < effect->bytes.len; b++) {
        h = (h ^ effect->bytes.p[b]) * 0x100000001b3u;
    }
    sim->report.digest = hash_mix(h);
}

static void arm(struct sim *sim, size_t i)
{
    struct sim_node *node = &sim->nodes[i];
    uint64_t wake_ms = cluster_wake_ms(node->cluster);

    if (wake_ms < node->wake_ms) {
        node->wake_ms = wake_ms;
        net_push(sim, &(struct sim_event){.at_us = wake_ms * 1000,
                                          .type = SIM_WAKE,
                                          .node = (uint16_t)i,
                                          .life = node->life});
    }
}

static void step_until(struct sim *sim, uint64_t until_us)
{
    struct sim_event event;

    while (sim->heap_len > 0 && sim->heap[0].at_us <= until_us) {
        SIM_CHECK(sim, net_pop(sim, &event));
        if (event.at_us > sim->now_us) {
            sim->now_us = event.at_us;
        }
        if (sim->now_us >= sim->check_us) {
            check_next(sim);
        }
        sim->report.events++;
        net_event(sim, &event);
    }
    sim->now_us = until_us;
}

/* One after another: to check a node costs as much as it has peers. */
static void check_next(struct sim *sim)
{
    size_t i = sim->checked++ % sim->options.nodes;

    sim->check_us = sim->now_us + sim->options.nodes * CHECK_EVERY_US;
    if (sim->nodes[i].up) {
        cluster_check(sim->nodes[i].cluster);
    }
}

static void end_life(struct sim *sim, size_t i)
{
    struct sim_node *node = &sim->nodes[i];

    SIM_CHECK(sim, node->up);
    sim->report.node_ms += sim_now_ms(sim) - node->began_ms;
    node->up = false;
    cluster_free(node->cluster);
    node->cluster = NULL;
}

static bool knows_all(struct sim *sim, size_t i, size_t up)
{
    const struct swim *swim = sim->nodes[i].cluster->swim;

    if (swim_living(swim) != up - 1) {
        return false;
    }
    for (size_t other = 0; other < sim->options.nodes; other++) {
        if (other == i || !sim->nodes[other].up) {
            continue;
        }
        const struct member *member = swim_find(swim, &sim->nodes[other].id);
        if (member == NULL || member->state != GOSSIP_ALIVE) {
            return false;
        }
    }
    return true;
}

static bool holds_all(struct sim *sim, size_t i)
{
    struct cluster *cluster = sim->nodes[i].cluster;

    if (!cluster_is_ready(cluster)) {
        return false;
    }
    for (size_t other = 0; other < sim->options.nodes; other++) {
        if (other == i || !sim->nodes[other].up) {
            continue;
        }
        uint16_t slot = sim_slot(sim, i, other);
        if (slot == CLUSTER_SLOT_NONE || !cluster->peers[slot]->linked) {
            return false;
        }
        const struct replog *log = &sim->nodes[other].cluster->log;
        const struct interest_peer *held = interest_peer(&cluster->interest,
                                                         slot);
        if (!held->whole || held->version != log->version ||
            held->digest != log->digest) {
            return false;
        }
    }
    return true;
}

static size_t up_len(const struct sim *sim)
{
    size_t up = 0;

    for (size_t i = 0; i < sim->options.nodes; i++) {
        up += sim->nodes[i].up;
    }
    return up;
}
