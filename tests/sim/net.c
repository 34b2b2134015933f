/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "tests/sim/inside.h"

enum {
    REDIAL_US = 100 * 1000,
};

static bool earlier(const struct sim_turn *a, const struct sim_turn *b);
static uint32_t keep(struct sim *sim, const struct sim_event *event);
static size_t index_of(const struct addr *addr);
static uint64_t way_us(struct sim *sim, size_t a, size_t b);
static void stall(struct sim *sim, const struct sim_event *event);
static void on_packet(struct sim *sim, const struct sim_event *event);
static void on_dial(struct sim *sim, const struct sim_event *event);
static void on_lane(struct sim *sim, struct sim_event *event);
static struct sim_pipe *pipe_of(struct sim *sim, const struct sim_event *event);

void net_push(struct sim *sim, const struct sim_event *event)
{
    if (sim->heap_len == sim->heap_cap) {
        sim->heap_cap = sim->heap_cap == 0 ? 1024 : sim->heap_cap * 2;
        sim->heap = realloc(sim->heap, sim->heap_cap * sizeof *sim->heap);
    }
    struct sim_turn added = {.at_us = event->at_us,
                             .number = sim->number++,
                             .event = keep(sim, event)};
    size_t at = sim->heap_len++;
    while (at > 0 && earlier(&added, &sim->heap[(at - 1) / 2])) {
        sim->heap[at] = sim->heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    sim->heap[at] = added;
}

bool net_pop(struct sim *sim, struct sim_event *event)
{
    if (sim->heap_len == 0) {
        return false;
    }
    *event = sim->events[sim->heap[0].event];
    sim->spare[sim->spare_len++] = sim->heap[0].event;
    const struct sim_turn last = sim->heap[--sim->heap_len];
    size_t at = 0;
    for (size_t child; (child = 2 * at + 1) < sim->heap_len; at = child) {
        if (child + 1 < sim->heap_len &&
            earlier(&sim->heap[child + 1], &sim->heap[child])) {
            child++;
        }
        if (!earlier(&sim->heap[child], &last)) {
            break;
        }
        sim->heap[at] = sim->heap[child];
    }
    sim->heap[at] = last;
    return true;
}

/* The place of a copy of the event. */
static uint32_t keep(struct sim *sim, const struct sim_event *event)
{
    if (sim->spare_len == 0) {
        size_t old = sim->events_cap;
        size_t cap = old == 0 ? 1024 : old * 2;
        sim->events = realloc(sim->events, cap * sizeof *sim->events);
        sim->spare = realloc(sim->spare, cap * sizeof *sim->spare);
        for (size_t i = cap; i > old; i--) {
            sim->spare[sim->spare_len++] = (uint32_t)(i - 1);
        }
        sim->events_cap = cap;
    }
    uint32_t place = sim->spare[--sim->spare_len];
    sim->events[place] = *event;
    return place;
}

struct sim_way *net_way_if(const struct sim *sim, size_t from, size_t to)
{
    return sim->ways[from * sim->options.nodes + to];
}

struct sim_way *net_way(struct sim *sim, size_t from, size_t to)
{
    struct sim_way **way = &sim->ways[from * sim->options.nodes + to];

    if (*way == NULL) {
        *way = calloc(1, sizeof **way);
    }
    return *way;
}

void net_fini(struct sim *sim)
{
    struct sim_event event;

    sim_heal(sim); /* moves what is stalled to the heap */
    while (net_pop(sim, &event)) {
        free(event.bytes);
    }
    for (size_t i = 0; i < sim->options.nodes * sim->options.nodes; i++) {
        if (sim->ways[i] != NULL) {
            free(sim->ways[i]->stalled);
            free(sim->ways[i]);
        }
    }
    free(sim->ways);
    free(sim->heap);
    free(sim->events);
    free(sim->spare);
}

static bool is_cut(const struct sim *sim, size_t from, size_t to)
{
    const struct sim_way *way = net_way_if(sim, from, to);

    return way != NULL && way->cut;
}

void sim_cut(struct sim *sim, size_t a, size_t b)
{
    net_way(sim, a, b)->cut = true;
}

void sim_mend(struct sim *sim, size_t a, size_t b)
{
    struct sim_way *way = net_way_if(sim, a, b);

    if (way == NULL || !way->cut) {
        return;
    }
    size_t len = way->len;
    way->cut = false;
    way->len = 0;
    for (size_t i = 0; i < len; i++) { /* before what is on its way */
        way->stalled[i].at_us = sim->now_us;
        net_push(sim, &way->stalled[i]);
    }
}

void sim_heal(struct sim *sim)
{
    for (size_t a = 0; a < sim->options.nodes; a++) {
        for (size_t b = 0; b < sim->options.nodes; b++) {
            sim_mend(sim, a, b);
        }
    }
}

void net_send(struct sim *sim, size_t i, const struct cluster_effect *effect)
{
    size_t to = index_of(&effect->to);
    unsigned copies = 1;

    sim->report.packet_bytes += effect->bytes.len;
    if (to >= sim->options.nodes || is_cut(sim, i, to) ||
        rng_below(&sim->rng, 1000) < sim->options.loss) {
        return;
    }
    copies += rng_below(&sim->rng, 1000) < sim->options.duplicate;
    while (copies-- > 0) {
        net_push(sim,
                 &(struct sim_event){.at_us = sim->now_us + way_us(sim, i, to),
                                     .type = SIM_PACKET,
                                     .node = (uint16_t)to,
                                     .from = (uint16_t)i,
                                     .dst = effect->dst,
                                     .bytes = net_copy(effect->bytes),
                                     .len = effect->bytes.len});
    }
}

static struct sim_pipe *pipe_room(struct sim_node *node, uint16_t slot)
{
    if (slot >= node->pipes_len) {
        size_t len = slot < 32 ? 64 : 2u * slot;
        node->pipes = realloc(node->pipes, len * sizeof *node->pipes);
        memset(node->pipes + node->pipes_len, 0,
               (len - node->pipes_len) * sizeof *node->pipes);
        node->pipes_len = len;
    }
    return &node->pipes[slot];
}

void net_open(struct sim *sim, size_t i, const struct cluster_effect *effect)
{
    struct sim_pipe *pipe = pipe_room(&sim->nodes[i], effect->slot);

    SIM_CHECK(sim, !pipe->open);
    *pipe = (struct sim_pipe){
        .open = true,
        .to = (uint16_t)index_of(&effect->peer->cluster),
        .dst = effect->peer->id,
        .number = ++sim->pipes,
        .seq = sim->nodes[i].numbers,
    };
    sim->nodes[i].has_numbers = true;
    net_push(sim, &(struct sim_event){.at_us = sim->now_us +
                                               2 * way_us(sim, i, pipe->to),
                                      .type = SIM_DIAL,
                                      .node = (uint16_t)i,
                                      .slot = effect->slot,
                                      .life = sim->nodes[i].life,
                                      .pipe = pipe->number});
}

void net_close(struct sim *sim, size_t i, uint16_t slot)
{
    struct sim_pipe *pipe = &sim->nodes[i].pipes[slot];

    SIM_CHECK(sim, pipe->open);
    if (pipe->seq >= sim->nodes[i].numbers) {
        sim->nodes[i].numbers = pipe->seq + 1; /* never one twice */
    }
    *pipe = (struct sim_pipe){0};
}

void net_tell(struct sim *sim, size_t i, uint16_t slot, struct bytes bytes)
{
    const struct sim_pipe *pipe = &sim->nodes[i].pipes[slot];

    SIM_CHECK(sim, pipe->open && pipe->up);
    sim->report.control_bytes += bytes.len;
    net_schedule(sim, &(struct sim_event){.type = SIM_LANE,
                                          .node = pipe->to,
                                          .from = (uint16_t)i,
                                          .slot = slot,
                                          .lane = PEER_CONTROL,
                                          .life = sim->nodes[i].life,
                                          .pipe = pipe->number,
                                          .dst = pipe->dst,
                                          .sent_us = sim->now_us,
                                          .bytes = net_copy(bytes),
                                          .len = bytes.len});
}

void net_event(struct sim *sim, struct sim_event *event)
{
    struct sim_node *node = &sim->nodes[event->node];
    bool here = node->up && node->life == event->life;

    switch (event->type) {
    case SIM_LANE:
        on_lane(sim, event);
        break;
    case SIM_PACKET:
        on_packet(sim, event);
        break;
    case SIM_DIAL:
        if (here) {
            on_dial(sim, event);
        }
        break;
    case SIM_RESET:
        if (here && node->pipes[event->slot].number == event->pipe) {
            size_t dead = node->pipes[event->slot].to;
            sim_break(sim, event->node, dead);
            lane_broke(sim, dead, event->node);
        }
        break;
    case SIM_WAKE:
        if (here && node->wake_ms * 1000 <= sim->now_us) {
            node->wake_ms = UINT64_MAX;
            lane_numbers(sim, event->node);
            sim_news(sim, event->node,
                     &(struct cluster_news){.type = CLUSTER_TICK});
        }
        break;
    }
    free(event->bytes);
}

void sim_break(struct sim *sim, size_t a, size_t b)
{
    struct sim_node *node = &sim->nodes[a];

    for (uint16_t slot = 0; slot < node->pipes_len; slot++) {
        struct sim_pipe *pipe = &node->pipes[slot];
        if (!pipe->up || pipe->to != b) {
            continue;
        }
        pipe->up = false;
        pipe->clogged = false;
        pipe->number = ++sim->pipes;
        net_push(sim, &(struct sim_event){.at_us = sim->now_us + REDIAL_US,
                                          .type = SIM_DIAL,
                                          .node = (uint16_t)a,
                                          .slot = slot,
                                          .life = node->life,
                                          .pipe = pipe->number});
        sim_news(
            sim, a,
            &(struct cluster_news){.type = CLUSTER_PIPE_DOWN, .slot = slot});
        lane_broke(sim, a, b);
    }
}

void net_died(struct sim *sim, size_t i, bool reset)
{
    for (size_t from = 0; from < sim->options.nodes; from++) {
        const struct sim_node *node = &sim->nodes[from];
        for (uint16_t slot = 0; slot < node->pipes_len; slot++) {
            const struct sim_pipe *pipe = &node->pipes[slot];
            if (reset && node->up && pipe->up && pipe->to == i) {
                net_push(sim, &(struct sim_event){.at_us = sim->now_us +
                                                           way_us(sim, i, from),
                                                  .type = SIM_RESET,
                                                  .node = (uint16_t)from,
                                                  .slot = slot,
                                                  .life = node->life,
                                                  .pipe = pipe->number});
            }
        }
    }
    free(sim->nodes[i].pipes);
    sim->nodes[i].pipes = NULL;
    sim->nodes[i].pipes_len = 0;
}

/* 10.0.x.y with x.y = index + 1 */
struct addr net_addr(size_t i)
{
    return (struct addr){.ip = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0,
                                (uint8_t)((i + 1) >> 8), (uint8_t)(i + 1)},
                         .port = 7401};
}

static size_t index_of(const struct addr *addr)
{
    return ((size_t)addr->ip[14] << 8 | addr->ip[15]) - 1;
}

static bool earlier(const struct sim_turn *a, const struct sim_turn *b)
{
    return a->at_us != b->at_us ? a->at_us < b->at_us : a->number < b->number;
}

static uint64_t way_us(struct sim *sim, size_t a, size_t b)
{
    uint32_t base = sim_is_near(sim, a, b) ? sim->options.near_us
                                           : sim->options.far_us;

    return base + rng_below(&sim->rng, base / 4 + 1);
}

/* Lanes keep their order, whatever the jitter. */
void net_schedule(struct sim *sim, struct sim_event *event)
{
    struct sim_way *way = net_way(sim, event->from, event->node);

    event->at_us = sim->now_us + way_us(sim, event->from, event->node);
    if (event->at_us < way->last_us[event->lane]) {
        event->at_us = way->last_us[event->lane];
    }
    way->last_us[event->lane] = event->at_us;
    net_push(sim, event);
}

static void stall(struct sim *sim, const struct sim_event *event)
{
    struct sim_way *way = net_way(sim, event->from, event->node);

    if (way->len == way->cap) {
        way->cap = way->cap == 0 ? 16 : way->cap * 2;
        way->stalled = realloc(way->stalled, way->cap * sizeof *way->stalled);
    }
    way->stalled[way->len++] = *event;
}

static void on_packet(struct sim *sim, const struct sim_event *event)
{
    const struct sim_node *node = &sim->nodes[event->node];
    bool join = node_id_is_zero(&event->dst);

    if (node->up && (join || node_id_eq(&event->dst, &node->id))) {
        sim_news(
            sim, event->node,
            &(struct cluster_news){.type = CLUSTER_PACKET,
                                   .from = sim->nodes[event->from].addr,
                                   .bytes = bytes_of(event->bytes, event->len),
                                   .sealed_for_me = !join});
    }
}

static void on_dial(struct sim *sim, const struct sim_event *event)
{
    struct sim_node *node = &sim->nodes[event->node];
    struct sim_pipe *pipe = &node->pipes[event->slot];

    if (!pipe->open || pipe->number != event->pipe) {
        return;
    }
    if (!sim->nodes[pipe->to].up || is_cut(sim, event->node, pipe->to) ||
        is_cut(sim, pipe->to, event->node)) {
        struct sim_event again = *event;
        again.at_us = sim->now_us + REDIAL_US;
        net_push(sim, &again);
        return;
    }
    pipe->up = true;
    pipe->epoch = ++node->epochs;
    lane_pipe_up(sim, event->node, event->slot);
    sim_news(sim, event->node,
             &(struct cluster_news){.type = CLUSTER_PIPE_UP,
                                    .slot = event->slot,
                                    .epoch = pipe->epoch});
}

/* Takes the event's bytes when it is stalled. */
static void on_lane(struct sim *sim, struct sim_event *event)
{
    struct sim_node *node = &sim->nodes[event->node];
    const struct sim_pipe *pipe = pipe_of(sim, event);

    if (pipe == NULL || !node->up || !node_id_eq(&event->dst, &node->id)) {
        return;
    }
    if (is_cut(sim, event->from, event->node)) {
        stall(sim, event);
        event->bytes = NULL;
        return;
    }
    uint16_t slot = cluster_slot_of(node->cluster, &sim->nodes[event->from].id);
    if (event->lane == PEER_DATA && pipe->clogged) {
        return;
    }
    if (slot == CLUSTER_SLOT_NONE) {
        return; /* a stranger: refused, as the mesh does */
    }
    if (event->lane == PEER_DATA) {
        lane_arrived(sim, event, slot);
        return;
    }
    sim_news(
        sim, event->node,
        &(struct cluster_news){.type = CLUSTER_CONTROL,
                               .slot = slot,
                               .epoch = pipe->epoch,
                               .bytes = bytes_of(event->bytes, event->len)});
}

/* The pipe a message is in, NULL when it broke meanwhile. */
static struct sim_pipe *pipe_of(struct sim *sim, const struct sim_event *event)
{
    struct sim_node *from = &sim->nodes[event->from];
    struct sim_pipe *pipe = &from->pipes[event->slot];
    bool same = from->up && from->life == event->life && pipe->up &&
                pipe->number == event->pipe;

    return same ? pipe : NULL;
}

uint8_t *net_copy(struct bytes bytes)
{
    uint8_t *p = malloc(bytes.len + 1);

    if (bytes.len > 0) {
        memcpy(p, bytes.p, bytes.len);
    }
    return p;
}
