/* SPDX-License-Identifier: Apache-2.0
 *
 * Publishers in the place of the hub, and what is passed on.
 */
#include <stdlib.h>

#include "tests/sim/inside.h"

enum {
    VALUE_LEN = 17, /* item, when it was last sent on, crossings */
};

static uint32_t series_of(struct sim *sim, size_t i, size_t conn, size_t topic)
{
    uint32_t *at = &sim->nodes[i].series[conn][topic];
    size_t nodes = sim->options.nodes;

    if (*at != 0) {
        return *at;
    }
    if (sim->series_len + 1 >= sim->series_cap) {
        sim->series_cap = sim->series_cap == 0 ? 256 : sim->series_cap * 2;
        sim->series = realloc(sim->series,
                              sim->series_cap * sizeof *sim->series);
    }
    struct sim_series *series = &sim->series[++sim->series_len];
    *series = (struct sim_series){
        .origin = (uint16_t)i,
        .topic = (uint16_t)topic,
        .seen = calloc(nodes, sizeof *series->seen),
        .seen_order = calloc(nodes, sizeof *series->seen_order),
        .came_order = calloc(nodes, sizeof *series->came_order),
    };
    *at = (uint32_t)sim->series_len;
    return *at;
}

static size_t item_new(struct sim *sim, uint32_t series_at)
{
    struct sim_series *series = &sim->series[series_at];
    size_t words = (sim->options.nodes + WORD - 1) / WORD;

    if (sim->items_len == sim->items_cap) {
        sim->items_cap = sim->items_cap == 0 ? 256 : sim->items_cap * 2;
        sim->items = realloc(sim->items, sim->items_cap * sizeof *sim->items);
    }
    if (series->len == series->cap) {
        series->cap = series->cap == 0 ? 8 : series->cap * 2;
        series->items = realloc(series->items,
                                series->cap * sizeof *series->items);
    }
    series->items[series->len++] = (uint32_t)sim->items_len;
    sim->items[sim->items_len] = (struct sim_item){
        .series = series_at,
        .number = series->len,
        .at_us = sim->now_us,
        .order = ++sim->order,
        .origin = node_id_u64(&sim->nodes[series->origin].id),
        .got = calloc(3 * words, sizeof(uint64_t)),
    };
    sim->items[sim->items_len].hosts = sim->items[sim->items_len].got +
                                       2 * words;
    sim->items[sim->items_len].linked = sim->items[sim->items_len].got + words;
    return sim->items_len++;
}

static void note_links(struct sim *sim, size_t origin, struct sim_item *item)
{
    const struct node_id *id = &sim->nodes[origin].id;

    for (size_t i = 0; i < sim->options.nodes; i++) {
        const struct cluster *cluster = sim->nodes[i].cluster;
        uint16_t slot = cluster == NULL ? (uint16_t)CLUSTER_SLOT_NONE
                                        : cluster_slot_of(cluster, id);
        if (slot != CLUSTER_SLOT_NONE && cluster->peers[slot]->linked) {
            item->linked[i / WORD] |= 1ull << i % WORD;
        }
    }
}

/* How far the other may pass it on. */
static enum peer_hop hop_to(const struct sim *sim, size_t i, size_t to)
{
    return !sim_is_near(sim, i, to)       ? PEER_HOP_INGRESS
           : sim_is_sibling(sim, i, to)   ? PEER_HOP_LAST
           : sim->places[to].workers == 1 ? PEER_HOP_LAST
                                          : PEER_HOP_HOST;
}

/* Sends to the targets; `crossings` with this one. S6: one of them at most in
 * each other region, and it may pass it on only there; likewise in each other
 * process. */
static void forward(struct sim *sim, size_t i, const struct item *names,
                    size_t index, uint8_t crossings,
                    const struct cluster_target *targets, size_t len)
{
    uint64_t regions = 0;
    uint8_t value[VALUE_LEN];
    struct item item = *names;

    bytes_put_u64be(value, index);
    bytes_put_u64be(value + 8, ++sim->order);
    value[16] = crossings;
    item.value = bytes_of(value, sizeof value);
    item.flags = ITEM_BINARY;
    item.origin = sim->items[index].origin;
    item.count = index + 1;
    for (size_t t = 0; t < len; t++) {
        struct mesh *mesh = sim->nodes[i].mesh;
        size_t to = net_index(
            &mesh->links[targets[t].slot]->lanes[PEER_CONTROL].addr);
        uint64_t bit = 1ull << to % sim->options.regions;
        bool near = sim_is_near(sim, i, to);
        if ((regions & bit) != 0 && !near) {
            sim_broken(sim, "S6", "node %zu sends an item twice to region %zu",
                       i, to % sim->options.regions);
        }
        if (targets[t].hop != hop_to(sim, i, to) || (crossings > 1 && !near)) {
            sim_broken(sim, "S6", "node %zu lets node %zu pass on", i, to);
        }
        regions |= near ? 0 : bit;
        mesh_send(mesh, targets[t].slot, (enum peer_hop)targets[t].hop, &item);
    }
}

bool sim_publish_on(struct sim *sim, size_t i, size_t conn, size_t topic)
{
    struct sim_node *node = &sim->nodes[i];
    struct cluster_target targets[CLUSTER_PEERS_MAX];
    bool partial;

    if (!node->up || node->paused || node->parted ||
        !cluster_is_ready(node->cluster)) {
        return false;
    }
    node->loop.time = sim_node_ms(sim, i);
    size_t index = item_new(sim, series_of(sim, i, conn, topic));
    sim->report.published++;
    note_links(sim, i, &sim->items[index]);
    struct item names = sim_item_of(sim, topic);
    names.count = index + 1;
    size_t len = cluster_route(node->cluster, &names, targets,
                               ARRAY_LEN(targets), &partial);
    forward(sim, i, &names, index, 1, targets, len);
    sim_end_turn(sim, i);
    return true;
}

bool sim_publish(struct sim *sim, size_t i, size_t topic)
{
    return sim_publish_on(sim, i, 0, topic);
}

void publish_relay(struct sim *sim, size_t i, size_t topic, size_t index,
                   enum peer_hop hop, uint8_t crossings)
{
    struct cluster_target targets[CLUSTER_PEERS_MAX];
    struct item names = sim_item_of(sim, topic);
    size_t len = cluster_relay(sim->nodes[i].cluster, &names, hop, targets,
                               ARRAY_LEN(targets));

    for (size_t t = 0; hop == PEER_HOP_HOST && t < len; t++) {
        if (targets[t].hop != PEER_HOP_LAST) {
            sim_broken(sim, "S6", "node %zu passes on beyond its process", i);
        }
    }
    forward(sim, i, &names, index, crossings, targets, len);
}
