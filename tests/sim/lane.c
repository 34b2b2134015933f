/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "tests/sim/inside.h"

enum {
    ITEM_AGE_US = 2000 * 1000, /* older ones are dropped by their sender */
};

static void send_data(struct sim *sim, size_t i, uint16_t slot,
                      const struct sim_event *what);
static void tell_numbers(struct sim *sim, size_t i, uint16_t slot);
static void lose(struct sim *sim, size_t i, uint16_t slot, struct bytes hashes);

void lane_item(struct sim *sim, size_t i, const struct cluster_target *target,
               uint64_t item)
{
    send_data(sim, i, target->slot,
              &(struct sim_event){
                  .kind = PEER_ITEMS, .hop = target->hop, .item = item});
}

void lane_mark(struct sim *sim, size_t i, const struct cluster_effect *effect)
{
    send_data(sim, i, effect->slot,
              &(struct sim_event){.kind = PEER_LOST,
                                  .hop = effect->hop,
                                  .bytes = net_copy(effect->bytes),
                                  .len = effect->bytes.len});
}

void lane_end(struct sim *sim, size_t i, uint16_t slot)
{
    send_data(sim, i, slot, &(struct sim_event){.kind = PEER_END});
}

void lane_probe(struct sim *sim, size_t i, uint16_t slot)
{
    send_data(sim, i, slot,
              &(struct sim_event){.kind = PEER_ITEMS, .item = SIM_NO_ITEM});
}

void sim_clog(struct sim *sim, size_t a, size_t b)
{
    struct sim_pipe *pipe = &sim->nodes[a].pipes[sim_slot(sim, a, b)];

    SIM_CHECK(sim, pipe->up && pipe->to == b);
    pipe->clogged = true;
}

void lane_pipe_up(struct sim *sim, size_t i, uint16_t slot)
{
    struct sim_pipe *pipe = &sim->nodes[i].pipes[slot];

    /* Tells of what is missing even if nothing follows. */
    send_data(sim, i, slot,
              &(struct sim_event){
                  .kind = pipe->lossy ? PEER_LOST : PEER_ITEMS,
                  .hop = sim_is_near(sim, i, pipe->to) ? PEER_HOP_LAST
                                                       : PEER_HOP_INGRESS,
                  .item = SIM_NO_ITEM,
              });
    pipe->lossy = false;
}

static void send_data(struct sim *sim, size_t i, uint16_t slot,
                      const struct sim_event *what)
{
    struct sim_pipe *pipe = &sim->nodes[i].pipes[slot];
    struct sim_event event = *what;

    if (!pipe->up) {
        pipe->lossy = true;
        free(event.bytes);
        return;
    }
    event.type = SIM_LANE;
    event.node = pipe->to;
    event.from = (uint16_t)i;
    event.slot = slot;
    event.lane = PEER_DATA;
    event.life = sim->nodes[i].life;
    event.pipe = pipe->number;
    event.dst = pipe->dst;
    event.sent_us = sim->now_us;
    event.seq = ++pipe->seq;
    sim->nodes[i].has_numbers = true;
    bool changed = pipe->closed != (what->kind == PEER_END);
    pipe->closed = what->kind == PEER_END;
    net_schedule(sim, &event);
    if (changed) {
        tell_numbers(sim, i, slot);
    }
}

static void tell_numbers(struct sim *sim, size_t i, uint16_t slot)
{
    struct sim_node *node = &sim->nodes[i];
    struct sim_pipe *pipe = &node->pipes[slot];
    const struct sim_inlet *inlet = &node->inlets[pipe->to];

    if (!pipe->open) {
        return;
    }
    bool same = node_id_eq(&inlet->src, &pipe->dst);
    uint64_t heard = same ? inlet->seq : 0;
    bool flows = same && inlet->flows;
    if (pipe->seq == pipe->told_sent && heard == pipe->told_heard &&
        flows == pipe->told_flows) {
        return;
    }
    pipe->told_sent = pipe->seq;
    pipe->told_heard = heard;
    pipe->told_flows = flows;
    sim_news(sim, i,
             &(struct cluster_news){.type = CLUSTER_NUMBERS,
                                    .slot = slot,
                                    .sent = pipe->seq,
                                    .heard = heard,
                                    .closed = pipe->closed,
                                    .ended = same && inlet->ended,
                                    .flows = flows});
}

void lane_numbers(struct sim *sim, size_t i)
{
    struct sim_node *node = &sim->nodes[i];
    bool has = node->has_numbers;

    node->has_numbers = false;
    for (uint16_t slot = 0; has && slot < node->pipes_len; slot++) {
        tell_numbers(sim, i, slot);
    }
}

void lane_arrived(struct sim *sim, const struct sim_event *event, uint16_t slot)
{
    struct sim_inlet *inlet = &sim->nodes[event->node].inlets[event->from];
    const struct node_id *src = &sim->nodes[event->from].id;
    uint8_t hash[8];

    if (!node_id_eq(&inlet->src, src)) {
        *inlet = (struct sim_inlet){.src = *src, .seq = event->seq - 1};
    }
    SIM_CHECK(sim, event->seq > inlet->seq);
    bool hole = event->seq != inlet->seq + 1;
    bool changed = inlet->ended != (event->kind == PEER_END) || !inlet->flows;
    inlet->flows = true;
    inlet->seq = event->seq;
    sim->nodes[event->node].has_numbers = true;
    inlet->ended = event->kind == PEER_END;
    if (changed) {
        tell_numbers(sim, event->node, slot);
    }
    if (hole) {
        lose(sim, event->node, slot, (struct bytes){0});
    }
    if (event->kind == PEER_LOST) {
        lose(sim, event->node, slot, bytes_of(event->bytes, event->len));
    } else if (event->kind == PEER_ITEMS && event->item != SIM_NO_ITEM) {
        if (sim->now_us - event->sent_us <= ITEM_AGE_US) {
            items_arrived(sim, event->node, event->item, event->hop);
            return;
        }
        /* Its sender dropped it and put a gap into its place. */
        bytes_put_u64be(hash, sim_hash(sim->items[event->item].topic));
        lose(sim, event->node, slot, bytes_of(hash, sizeof hash));
    }
}

static void lose(struct sim *sim, size_t i, uint16_t slot, struct bytes hashes)
{
    sim_news(sim, i,
             &(struct cluster_news){
                 .type = CLUSTER_LOST, .slot = slot, .bytes = hashes});
}

/* The pipe broke, and its end is seen at the other side, too. */
void lane_broke(struct sim *sim, size_t from, size_t to)
{
    struct sim_node *node = &sim->nodes[to];

    if (!node->up || !node->inlets[from].flows) {
        return;
    }
    node->inlets[from].flows = false;
    uint16_t slot = cluster_slot_of(node->cluster, &node->inlets[from].src);
    if (slot != CLUSTER_SLOT_NONE && slot < node->pipes_len) {
        tell_numbers(sim, to, slot);
    }
}
