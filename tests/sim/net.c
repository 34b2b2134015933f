/* SPDX-License-Identifier: Apache-2.0
 *
 * The ways between nodes and what they do to what is on them.
 */
#include <stdlib.h>

#include "tests/sim/inside.h"

enum {
    STALLED_PACKETS_MAX = 64,      /* a clogged way drops the others, */
    PACKET_LIVES_US = 2000 * 1000, /* and all when it was for longer */
    REORDER = 10,
    /* TCP sends again at once after a short cut, and later after a long one. */
    SILENCE_LEAST_US = 10 * 1000 * 1000,
    SILENCE_MOST_US = 5000 * 1000,
};

static struct sim_way *way_if(const struct sim *sim, size_t from, size_t to)
{
    return sim->ways[from * sim->options.nodes + to];
}

static struct sim_way *way_at(struct sim *sim, size_t from, size_t to)
{
    struct sim_way **way = &sim->ways[from * sim->options.nodes + to];

    if (*way == NULL) {
        *way = calloc(1, sizeof **way);
    }
    return *way;
}

static uint8_t blocked(const struct sim *sim, size_t from, size_t to)
{
    const struct sim_way *way = way_if(sim, from, to);

    return way == NULL ? 0 : way->blocked;
}

bool net_is_open(const struct sim *sim, size_t a, size_t b)
{
    const struct sim_way *way = way_if(sim, a, b);

    return blocked(sim, a, b) == 0 && blocked(sim, b, a) == 0 &&
           (way == NULL || !way->refused);
}

bool net_happens(struct sim *sim, uint32_t in_a_thousand)
{
    return in_a_thousand > 0 && rng_below(&sim->rng, 1000) < in_a_thousand;
}

uint64_t net_us(struct sim *sim, size_t a, size_t b)
{
    uint32_t base = sim_is_near(sim, a, b) ? sim->options.near_us
                                           : sim->options.far_us;

    return base + rng_below(&sim->rng, base / 4 + 1);
}

/* 10.0.x.y with x.y = index + 1 */
struct addr net_addr(size_t i)
{
    return (struct addr){.ip = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0,
                                (uint8_t)((i + 1) >> 8), (uint8_t)(i + 1)},
                         .port = 7401};
}

size_t net_index(const struct addr *addr)
{
    return ((size_t)addr->ip[14] << 8 | addr->ip[15]) - 1;
}

/* --- packets --- */

static void post(struct sim *sim, size_t i, size_t to,
                 const struct cluster_effect *effect)
{
    struct sim_event event = {.type = SIM_PACKET,
                              .node = (uint16_t)to,
                              .from = (uint16_t)i,
                              .dst = effect->dst,
                              .bytes = malloc(effect->bytes.len + 1),
                              .len = effect->bytes.len};
    uint64_t us = net_us(sim, i, to);

    memcpy(event.bytes, effect->bytes.p, effect->bytes.len);
    if (net_happens(sim, sim->options.habits.reorder)) {
        us += rng_below(&sim->rng, (uint32_t)us * REORDER);
    }
    heap_push(sim, sim->now_us + us, &event);
}

void net_send(struct sim *sim, size_t i, const struct cluster_effect *effect)
{
    size_t to = net_index(&effect->to);

    sim->report.packet_bytes += effect->bytes.len;
    if (to >= sim->options.nodes || (blocked(sim, i, to) & SIM_IS_CUT) != 0 ||
        net_happens(sim, sim->options.habits.loss)) {
        return;
    }
    post(sim, i, to, effect);
    if (net_happens(sim, sim->options.habits.duplicate)) {
        post(sim, i, to, effect);
    }
}

void net_packet(struct sim *sim, const struct sim_event *event)
{
    const struct sim_node *node = &sim->nodes[event->node];
    bool join = node_id_is_zero(&event->dst);

    /* The seal opens for whom it names. */
    if (node->up && (join || node_id_eq(&event->dst, &node->id))) {
        sim_news(
            sim, event->node,
            &(struct cluster_news){.type = CLUSTER_PACKET,
                                   .from = sim->nodes[event->from].addr,
                                   .bytes = bytes_of(event->bytes, event->len),
                                   .sealed_for_me = !join});
        sim_end_turn(sim, event->node);
    }
}

/* --- frames --- */

/* Lanes keep their order, whatever the jitter: what is of an old pipe, too. */
void net_carry(struct sim *sim, const struct sim_event *event)
{
    struct sim_way *way = way_at(sim, event->from, event->node);
    uint64_t at_us = sim->now_us + net_us(sim, event->from, event->node);

    if (sim->options.rate > 0) {
        if (way->free_us < sim->now_us) {
            way->free_us = sim->now_us;
        }
        way->free_us += event->len * 1000 / sim->options.rate;
        at_us += way->free_us - sim->now_us;
    }
    if (at_us < way->last_us[event->lane]) {
        at_us = way->last_us[event->lane];
    }
    way->last_us[event->lane] = at_us;
    heap_push(sim, at_us, event);
}

bool net_stall(struct sim *sim, struct sim_event *event)
{
    struct sim_way *way = way_if(sim, event->from, event->node);

    if (way == NULL) {
        return false;
    }
    if (event->type != SIM_PACKET && sim->now_us < way->held_us &&
        event->pipe <= way->held_pipe) {
        heap_push(sim, way->held_us, event);
        return true;
    }
    if (way->blocked == 0) {
        return false;
    }
    if (event->type == SIM_PACKET) {
        if ((way->blocked & SIM_IS_CUT) != 0) {
            return false; /* it left before */
        }
        if (way->packets == STALLED_PACKETS_MAX) {
            free(event->bytes);
            return true;
        }
        way->packets++;
    }
    list_add(&way->stalled, event);
    return true;
}

static void block(struct sim *sim, size_t a, size_t b, uint8_t how)
{
    struct sim_way *way = way_at(sim, a, b);

    if (way->blocked == 0) {
        way->since_us = sim->now_us;
    }
    way->blocked |= how;
    sim_met(sim, a);
    sim_met(sim, b);
}

void sim_cut(struct sim *sim, size_t a, size_t b)
{
    sim_note(sim, "cut %zu -> %zu", a, b);
    block(sim, a, b, SIM_IS_CUT);
}

void sim_clog(struct sim *sim, size_t a, size_t b)
{
    sim_note(sim, "clog %zu -> %zu", a, b);
    block(sim, a, b, SIM_IS_CLOGGED);
}

void sim_refuse(struct sim *sim, size_t a, size_t b)
{
    way_at(sim, a, b)->refused = true;
    sim_break(sim, a, b);
}

void sim_mend(struct sim *sim, size_t a, size_t b)
{
    struct sim_way *way = way_if(sim, a, b);

    if (way != NULL) {
        way->refused = false;
    }
    if (way == NULL || way->blocked == 0) {
        return;
    }
    uint64_t at_us = sim->now_us;
    struct sim_list stalled = way->stalled;
    if ((way->blocked & SIM_IS_CUT) != 0 && stalled.len > 0) {
        uint64_t cut_us = sim->now_us - way->since_us;
        uint32_t most_us = cut_us > SILENCE_MOST_US ? (uint32_t)SILENCE_MOST_US
                                                    : (uint32_t)cut_us;
        at_us += cut_us > SILENCE_LEAST_US ? rng_below(&sim->rng, most_us) : 0;
    }
    way->blocked = 0;
    way->packets = 0;
    way->stalled = (struct sim_list){0};
    bool old = sim->now_us - way->since_us > PACKET_LIVES_US;
    for (size_t i = 0; i < stalled.len; i++) {
        if (stalled.events[i].type == SIM_PACKET && old) {
            free(stalled.events[i].bytes);
        } else {
            heap_push(sim, at_us, &stalled.events[i]);
        }
    }
    free(stalled.events);
    way->held_us = at_us;
    way->held_pipe = (uint32_t)sim->pipes_len;
}

void net_begin(struct sim *sim, size_t from, size_t to, enum peer_lane lane)
{
    way_at(sim, from, to)->last_us[lane] = sim->now_us;
}

void sim_heal(struct sim *sim)
{
    for (size_t a = 0; a < sim->options.nodes; a++) {
        for (size_t b = 0; b < sim->options.nodes; b++) {
            sim_mend(sim, a, b);
        }
    }
}

void sim_partition(struct sim *sim, size_t border)
{
    for (size_t a = 0; a < border; a++) {
        for (size_t b = border; b < sim->options.nodes; b++) {
            block(sim, a, b, SIM_IS_CUT);
            block(sim, b, a, SIM_IS_CUT);
        }
    }
    sim_note(sim, "partition below %zu", border);
}

void sim_set_loss(struct sim *sim, uint32_t loss)
{
    sim->options.habits.loss = loss;
    sim->loss_calm = false;
}

void sim_set_habits(struct sim *sim, const struct sim_habits *habits)
{
    sim->options.habits = *habits;
    sim->loss_calm = false;
}

void net_fini(struct sim *sim)
{
    for (size_t i = 0; i < sim->options.nodes * sim->options.nodes; i++) {
        if (sim->ways[i] != NULL) {
            list_fini(&sim->ways[i]->stalled);
            free(sim->ways[i]);
        }
    }
    free(sim->ways);
}
