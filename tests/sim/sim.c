/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include "node/mesh/peer_index.h"
#include "proto/hash.h"
#include "tests/sim/inside.h"

enum {
    SEEDS = 3,
    LOOK_EVERY_MS = 20,
    BACKLOG_PACKETS_MAX = 256, /* what a socket holds */
    LAG_TOLD_MS = 100,
    CHECKED_ALWAYS = 10,   /* so few nodes are checked at each step */
    CHECK_EVERY_US = 1000, /* for each node: one of fifty each 50 ms */
};

static const uint64_t WALL_MS = 1700000000000; /* as the virtual time begins */

static void around(const struct sim *sim, bool inside);
static void follow(struct sim *sim, size_t i);
static void arm(struct sim *sim, size_t i);
static void step_until(struct sim *sim, uint64_t until_us);
static void end_life(struct sim *sim, size_t i);
static void resume(struct sim *sim, size_t i);

struct sim *sim_new(const struct sim_options *options)
{
    struct sim *sim = calloc(1, sizeof *sim);

    sim->options = *options;
    SIM_CHECK(sim, options->nodes >= 1 && options->nodes <= SIM_NODES_MAX);
    sim->options.regions = options->regions == 0 ? 1 : options->regions;
    sim->options.near_us = options->near_us == 0 ? 300 : options->near_us;
    sim->options.far_us = options->far_us == 0 ? 40000 : options->far_us;
    sim->limits = limits_default();
    if (options->queue_len > 0) {
        sim->limits.link_queue_len = options->queue_len;
    }
    sim->now_us = 1000000;
    sim->loss_calm = true;
    sim->nodes = calloc(options->nodes, sizeof *sim->nodes);
    sim->ways = calloc(options->nodes * options->nodes, sizeof(void *));
    rng_init(&sim->rng, options->seed);
    places_init(sim);
    for (size_t i = 0; i < options->nodes; i++) {
        sim->nodes[i].addr = net_addr(i);
    }
    return sim;
}

struct sim *sim_whole(size_t nodes, size_t regions)
{
    struct sim *sim = sim_new(
        &(struct sim_options){.seed = 1, .nodes = nodes, .regions = regions});

    sim_start_all(sim);
    sim_until(sim, sim_is_whole, 5000);
    return sim;
}

void sim_free(struct sim *sim)
{
    heap_fini(sim);
    for (size_t i = 0; i < sim->options.nodes; i++) {
        if (sim->nodes[i].up) {
            end_life(sim, i);
        }
        list_fini(&sim->nodes[i].backlog);
    }
    net_fini(sim);
    judge_fini(sim);
    free(sim->pipes);
    free(sim->nodes);
    free(sim->places);
    free(sim);
}

/* --- nodes --- */

static void on_news(void *data, const struct cluster_news *news)
{
    const struct sim_seat *seat = data;

    sim_news(seat->sim, seat->node, news);
}

static void on_item(void *data, uint16_t slot, struct item *item,
                    enum peer_hop hop)
{
    const struct sim_seat *seat = data;

    const struct sim_node *node = &seat->sim->nodes[seat->node];
    size_t from = net_index(&node->mesh->links[slot]->lanes[0].addr);

    if (cluster_take(node->cluster, slot, item)) {
        judge_arrived(seat->sim, seat->node, from, item, hop);
    }
}

static void open_mesh(struct sim *sim, size_t i)
{
    struct sim_node *node = &sim->nodes[i];
    struct mesh_options options = {
        .loop = &node->loop,
        .limits = &sim->limits,
        .stats = &node->stats,
        .log = &sim->log,
        .self = node->id,
        .listen = node->addr,
        .data_port = 7402,
        .data = &node->seat,
        .on_news = on_news,
        .on_item = on_item,
    };

    memcpy(options.life, node->id.b, sizeof options.life);
    SIM_CHECK(sim, mesh_open(&node->mesh, &options) == 0);
}

static void open_cluster(struct sim *sim, size_t i)
{
    struct sim_node *node = &sim->nodes[i];
    const struct sim_place *place = &sim->places[i];
    char name[8];
    char region[] = {'r', (char)('0' + i % sim->options.regions), '\0'};
    struct cluster_options options = {
        .seed = rng_u64(&sim->rng),
        .self = {.id = node->id,
                 .cluster = node->addr,
                 .data_port = 7402,
                 .region = bytes_str(region),
                 .version = BYTES("0.1.0")},
    };

    options.host = (struct peer_host){.id = sim->places[place->first].life,
                                      .worker = place->worker,
                                      .workers = place->workers};
    snprintf(name, sizeof name, "n%03zu", i % 10000);
    options.self.name = bytes_str(name);
    for (size_t seed = 0; seed < SEEDS && seed < sim->options.nodes; seed++) {
        if (seed != i) {
            options.seeds[options.seeds_len++] = net_addr(seed);
        }
    }
    node->cluster = cluster_new(&options, sim_node_ms(sim, i));
    SIM_CHECK(sim, node->cluster != NULL);
}

static int64_t any_skew(struct sim *sim)
{
    uint32_t most = sim->options.skew_ppm;

    return most == 0 ? 0 : (int64_t)rng_below(&sim->rng, 2 * most + 1) - most;
}

void sim_start(struct sim *sim, size_t i)
{
    struct sim_node *node = &sim->nodes[i];

    SIM_CHECK(sim, !node->up);
    sim_note(sim, "start %zu", i);
    list_fini(&node->backlog);
    *node = (struct sim_node){
        .wall_ahead_ms = node->wall_ahead_ms,
        .calm_life = node->calm_life,
        .seat = {.sim = sim, .node = (uint16_t)i},
        .up = true,
        .addr = net_addr(i),
        .life = ++sim->lives,
        .life_order = ++sim->order,
        .began_ms = sim_now_ms(sim),
        .ppm = any_skew(sim),
        .wake_ms = UINT64_MAX,
    };
    for (size_t b = 0; b < NODE_ID_LEN; b += 8) {
        bytes_put_u64be(node->id.b + b, rng_u64(&sim->rng));
    }
    places_started(sim, i);
    judge_started(sim, i);
    node->loop.time = sim_node_ms(sim, i);
    open_mesh(sim, i);
    open_cluster(sim, i);
    follow(sim, i);
    sim_end_turn(sim, i);
}

void sim_start_all(struct sim *sim)
{
    for (size_t i = 0; i < sim->options.nodes; i++) {
        sim_start(sim, i);
    }
}

void sim_met(struct sim *sim, size_t i)
{
    sim->nodes[i].calm = false;
}

void sim_end(struct sim *sim, size_t i, bool reset)
{
    sim_note(sim, "kill %zu%s", i, reset ? ", reset" : "");
    sim_met(sim, i);
    lanes_died(sim, i, reset);
    end_life(sim, i);
}

void sim_say(struct sim *sim, size_t i, enum cluster_news_type type)
{
    sim_note(sim, "%s %zu",
             type == CLUSTER_DRAIN     ? "drain"
             : type == CLUSTER_DRAINED ? "drained"
                                       : "leave",
             i);
    if (type != CLUSTER_DRAIN) {
        sim->nodes[i].parted = true;
    }
    sim_news(sim, i, &(struct cluster_news){.type = type});
    sim_end_turn(sim, i);
}

void sim_pause(struct sim *sim, size_t i, uint64_t ms)
{
    struct sim_node *node = &sim->nodes[i];

    SIM_CHECK(sim, node->up && !node->paused);
    sim_note(sim, "pause %zu for %" PRIu64 " ms", i, ms);
    sim_met(sim, i);
    node->paused = true;
    node->paused_us = sim->now_us;
    heap_push(sim, sim->now_us + ms * 1000,
              &(struct sim_event){
                  .type = SIM_RESUME, .node = (uint16_t)i, .life = node->life});
}

void sim_jump(struct sim *sim, size_t i, uint64_t ms)
{
    sim_note(sim, "clock of %zu jumps by %" PRIu64 " ms", i, ms);
    sim_met(sim, i);
    sim->nodes[i].ahead_ms += ms;
    sim_news(sim, i, &(struct cluster_news){.type = CLUSTER_TICK});
    sim_end_turn(sim, i);
}

static void end_life(struct sim *sim, size_t i)
{
    struct sim_node *node = &sim->nodes[i];

    SIM_CHECK(sim, node->up);
    sim->report.node_ms += sim_now_ms(sim) - node->began_ms;
    node->up = false;
    node->paused = false;
    mesh_close(node->mesh);
    cluster_free(node->cluster);
    node->mesh = NULL;
    node->cluster = NULL;
    list_fini(&node->backlog);
}

/* --- turns --- */

uint64_t sim_node_ms(const struct sim *sim, size_t i)
{
    const struct sim_node *node = &sim->nodes[i];
    int64_t us = (int64_t)sim->now_us;

    return (uint64_t)(us + us * node->ppm / 1000000) / 1000 + node->ahead_ms;
}

uint64_t sim_wall_ms(const struct sim *sim, size_t i)
{
    return WALL_MS + sim->now_us / 1000 + (uint64_t)sim->nodes[i].wall_ahead_ms;
}

void sim_set_wall(struct sim *sim, size_t i, int64_t ahead_ms)
{
    sim->nodes[i].wall_ahead_ms = ahead_ms;
}

void sim_news(struct sim *sim, size_t i, const struct cluster_news *news)
{
    struct sim_node *node = &sim->nodes[i];

    if (!node->up) {
        return;
    }
    node->loop.time = sim_node_ms(sim, i);
    around(sim, true);
    cluster_clock(node->cluster, sim_wall_ms(sim, i));
    cluster_step(node->cluster, news, node->loop.time);
    around(sim, false);
    follow(sim, i);
}

/* What a turn of a node's loop does after its news. */
void sim_end_turn(struct sim *sim, size_t i)
{
    struct sim_node *node = &sim->nodes[i];

    if (!node->up) {
        return;
    }
    node->loop.time = sim_node_ms(sim, i);
    around(sim, true);
    cluster_flush(node->cluster, node->loop.time);
    around(sim, false);
    follow(sim, i);
    mesh_flush(node->mesh, node->loop.time);
    arm(sim, i);
    if (sim->options.nodes <= CHECKED_ALWAYS) {
        whole_check(sim, i);
    }
}

static void around(const struct sim *sim, bool inside)
{
    if (sim->options.around != NULL) {
        sim->options.around(inside);
    }
}

/* 8 bytes at a time, whatever their alignment. */
static uint64_t digest_of(uint64_t h, struct bytes bytes)
{
    for (; bytes.len >= 8; bytes = bytes_skip(bytes, 8)) {
        h = (h ^ bytes_u64be(bytes.p)) * 0x9e3779b97f4a7c15u;
        h ^= h >> 29;
    }
    for (size_t b = 0; b < bytes.len; b++) {
        h = (h ^ bytes.p[b]) * 0x100000001b3u;
    }
    return h;
}

static void digest(struct sim *sim, size_t i,
                   const struct cluster_effect *effect)
{
    uint64_t h = hash_mix(sim->report.digest + sim->now_us);

    h = digest_of(h + i * 16 + effect->type, effect->bytes);
    sim->report.digest = hash_mix(h);
}

static void on_event(struct sim *sim, size_t i,
                     const struct cluster_effect *effect)
{
    static const char *const names[] = {
        [CLUSTER_JOINED] = "joined",      [CLUSTER_SUSPECT] = "suspect",
        [CLUSTER_REFUTED] = "refuted",    [CLUSTER_DEAD] = "dead",
        [CLUSTER_LEFT] = "left",          [CLUSTER_LINKED] = "linked",
        [CLUSTER_UNLINKED] = "unlinked",  [CLUSTER_DUPLICATE] = "duplicate",
        [CLUSTER_REFUSED] = "refused",    [CLUSTER_DIVERGED] = "diverged",
        [CLUSTER_SEED_SILENT] = "silent", [CLUSTER_LATE] = "late",
    };
    static_assert(ARRAY_LEN(names) == SIM_EVENTS, "each has a name");
    size_t of = effect->peer == NULL ? i : net_index(&effect->peer->cluster);

    sim->nodes[i].events[effect->event]++;
    sim_note_event(sim, i, names[effect->event], of, effect->text);
    if (!sim->options.faulty && (effect->event == CLUSTER_DIVERGED ||
                                 effect->event == CLUSTER_REFUSED)) {
        sim_broken(sim, "L1", "node %zu: %s: %s", i, names[effect->event],
                   effect->text);
    }
}

static void carry_out(struct sim *sim, size_t i,
                      const struct cluster_effect *effect)
{
    struct sim_node *node = &sim->nodes[i];

    switch (effect->type) {
    case CLUSTER_SEND:
        net_send(sim, i, effect);
        break;
    case CLUSTER_TELL:
        sim->report.control_bytes += effect->bytes.len;
        mesh_tell(node->mesh, effect->slot, effect->bytes);
        break;
    case CLUSTER_PEER_OPEN:
        mesh_peer_open(node->mesh, effect->slot, effect->peer);
        break;
    case CLUSTER_PEER_CLOSE:
        mesh_peer_close(node->mesh, effect->slot);
        break;
    case CLUSTER_BARRIER:
        judge_barrier(sim, i, effect);
        break;
    case CLUSTER_GAP:
        judge_gap(sim, i, effect->bytes);
        break;
    case CLUSTER_MARK:
    case CLUSTER_FENCE:
    case CLUSTER_HOLD:
    case CLUSTER_FREE:
    case CLUSTER_END:
    case CLUSTER_PROBE:
    case CLUSTER_REDIAL:
        if (effect->type == CLUSTER_REDIAL) {
            sim_note(sim, "%zu: dials slot %u anew", i, effect->slot);
        }
        mesh_carry_out(node->mesh, effect);
        break;
    case CLUSTER_EVENT:
        on_event(sim, i, effect);
        break;
    case CLUSTER_READY:
    case CLUSTER_REGISTER:
        break;
    }
}

/* As node/effects.c: an effect may make news, which add to the effects that
 * the outer call takes. */
static void follow(struct sim *sim, size_t i)
{
    struct sim_node *node = &sim->nodes[i];
    struct cluster_effect effect;

    if (node->draining) {
        return;
    }
    node->draining = true;
    while (cluster_next(node->cluster, &effect)) {
        digest(sim, i, &effect);
        carry_out(sim, i, &effect);
    }
    node->draining = false;
}

static void arm(struct sim *sim, size_t i)
{
    struct sim_node *node = &sim->nodes[i];
    uint64_t wake_ms = cluster_wake_ms(node->cluster);
    uint64_t now_ms = sim_node_ms(sim, i);

    if (wake_ms < node->wake_ms) {
        node->wake_ms = wake_ms;
        heap_push(
            sim, sim->now_us + (wake_ms > now_ms ? wake_ms - now_ms : 0) * 1000,
            &(struct sim_event){
                .type = SIM_WAKE, .node = (uint16_t)i, .life = node->life});
    }
}

static void on_wake(struct sim *sim, const struct sim_event *event)
{
    struct sim_node *node = &sim->nodes[event->node];
    uint64_t now_ms = sim_node_ms(sim, event->node);

    if (node->wake_ms == UINT64_MAX) {
        return;
    }
    if (node->wake_ms > now_ms) { /* its clock is slow, or it woke before */
        if (node->wake_ms - now_ms == 1) {
            heap_push(sim, sim->now_us + 1000, event);
        }
        return;
    }
    node->wake_ms = UINT64_MAX;
    sim_news(sim, event->node, &(struct cluster_news){.type = CLUSTER_TICK});
    sim_end_turn(sim, event->node);
}

void sim_event(struct sim *sim, struct sim_event *event)
{
    const struct sim_node *node = &sim->nodes[event->node];
    bool here = node->up && node->life == event->life;

    switch (event->type) {
    case SIM_WAKE:
        if (here) {
            on_wake(sim, event);
        }
        break;
    case SIM_RESUME:
        if (here) {
            resume(sim, event->node);
        }
        break;
    case SIM_PACKET:
        net_packet(sim, event);
        break;
    case SIM_FRAME:
    case SIM_DIAL:
    case SIM_BREAK:
    case SIM_BROKEN:
    case SIM_LEFT:
        lanes_event(sim, event);
        break;
    }
    free(event->bytes);
}

/* --- a process that stands still --- */

static bool waits(struct sim *sim, struct sim_event *event)
{
    struct sim_node *node = &sim->nodes[event->node];

    if (!node->paused || event->type == SIM_RESUME ||
        event->type == SIM_BREAK) {
        return false;
    }
    if (event->type == SIM_PACKET && node->backlog.len > BACKLOG_PACKETS_MAX) {
        free(event->bytes);
        return true;
    }
    list_add(&node->backlog, event);
    return true;
}

static void resume(struct sim *sim, size_t i)
{
    struct sim_node *node = &sim->nodes[i];
    struct sim_list backlog = node->backlog;
    uint64_t ms = (sim->now_us - node->paused_us) / 1000;

    sim_note(sim, "resume %zu", i);
    node->paused = false;
    node->backlog = (struct sim_list){0};
    /* Some loops notice at once, others after what lies there. */
    bool first = net_happens(sim, 500);
    struct cluster_news lag = {.type = CLUSTER_LAG, .ms = (uint32_t)ms};
    if (first && ms > LAG_TOLD_MS) {
        sim_news(sim, i, &lag);
    }
    for (size_t e = 0; e < backlog.len; e++) {
        sim_event(sim, &backlog.events[e]);
    }
    free(backlog.events);
    if (!first && ms > LAG_TOLD_MS) {
        sim_news(sim, i, &lag);
    }
    sim_end_turn(sim, i);
}

/* --- time --- */

void sim_run(struct sim *sim, uint64_t ms)
{
    step_until(sim, sim->now_us + ms * 1000);
}

uint64_t sim_until(struct sim *sim, sim_predicate predicate, uint64_t limit_ms)
{
    uint64_t began_ms = sim_now_ms(sim);

    while (!predicate(sim)) {
        if (sim_now_ms(sim) - began_ms >= limit_ms) {
            whole_explain(sim, predicate);
        }
        sim_run(sim, LOOK_EVERY_MS + sim->options.nodes / 10);
    }
    return sim_now_ms(sim) - began_ms;
}

/* One after another: to check a node costs as much as it has peers. */
static void check_next(struct sim *sim)
{
    size_t i = sim->checked++ % sim->options.nodes;

    sim->check_us = sim->now_us + sim->options.nodes * CHECK_EVERY_US;
    if (sim->nodes[i].up) {
        whole_check(sim, i);
    }
}

static void step_until(struct sim *sim, uint64_t until_us)
{
    struct sim_event event;

    while (sim->heap_len > 0 && sim->heap[0].at_us <= until_us) {
        if (sim->heap[0].at_us > sim->now_us) {
            sim->now_us = sim->heap[0].at_us;
        }
        SIM_CHECK(sim, heap_pop(sim, &event));
        if (sim->now_us >= sim->check_us) {
            check_next(sim);
        }
        bool moves = event.type == SIM_PACKET || event.type == SIM_FRAME ||
                     event.type == SIM_LEFT;
        if (waits(sim, &event) || (moves && net_stall(sim, &event))) {
            continue;
        }
        sim->report.events++;
        sim_event(sim, &event);
    }
    sim->now_us = until_us;
}
