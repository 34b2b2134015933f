/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include "proto/hash.h"
#include "proto/topic.h"
#include "tests/sim/inside.h"

static void owe(struct sim *sim, struct sim_item *item, size_t to);
static struct sim_item *add_item(struct sim *sim);
static void acknowledge(struct sim *sim, size_t i, enum cluster_scope scope,
                        uint64_t version, bool partial);
static void acknowledge_held(struct sim *sim, size_t i);
static bool is_owed(const struct sim *sim, const struct sim_item *item,
                    size_t to);
static bool was_told(const struct sim *sim, size_t index, size_t to);

/* Topics are t0, t1, ... t31. */
static const char *const patterns[SIM_PATTERNS] = {
    "*", "t?", "t1*", "t*[13579]", "[^t]*", "t30",
};

uint64_t sim_hash(size_t topic)
{
    return hash_mix(topic + 1);
}

struct item sim_item_of(struct sim *sim, size_t topic)
{
    int len = snprintf(sim->topic, sizeof sim->topic, "t%zu", topic);

    return (struct item){
        .cache = BYTES("sim"),
        .topic = bytes_of(sim->topic, (size_t)len),
        .hash = sim_hash(topic),
    };
}

/* Whether a wish is for this topic. */
static bool is_for(struct sim *sim, size_t wish, size_t topic)
{
    return wish < SIM_TOPICS
               ? wish == topic
               : topic_glob_match(bytes_str(patterns[wish - SIM_TOPICS]),
                                  sim_item_of(sim, topic).topic);
}

static bool is_wanted(struct sim *sim, const struct sim_node *node,
                      size_t topic)
{
    for (size_t w = 0; w < SIM_WISHES; w++) {
        if (node->wishes[w].wanted && is_for(sim, w, topic)) {
            return true;
        }
    }
    return false;
}

/* What the hub asks of its cluster. */
static uint64_t want(struct cluster *cluster, size_t wish, bool wanted)
{
    if (wish < SIM_TOPICS) {
        return cluster_want(cluster, sim_hash(wish), wanted);
    }
    struct peer_record record = {
        .type = PEER_PATTERN,
        .removed = !wanted,
        .dialect = TOPIC_GLOB,
        .hash = hash_mix(sim_hash(wish)),
        .cache = BYTES("sim"),
        .pattern = bytes_str(patterns[wish - SIM_TOPICS]),
    };
    return cluster_want_pattern(cluster, &record);
}

void sim_want(struct sim *sim, size_t i, size_t topic, bool wanted)
{
    struct sim_node *node = &sim->nodes[i];
    struct sim_wish *wish = &node->wishes[topic];

    SIM_CHECK(sim, node->up && wish->wanted != wanted);
    *wish = (struct sim_wish){
        .wanted = wanted,
        .at_ms = sim_now_ms(sim),
        .version = want(node->cluster, topic, wanted),
        .acked_ms = {UINT64_MAX, UINT64_MAX},
    };
    SIM_CHECK(sim, wish->version > 0);
    sim_settle(sim, i);
    acknowledge_held(sim, i);
}

bool sim_is_wanted(const struct sim *sim, size_t i, size_t topic)
{
    return sim->nodes[i].wishes[topic].wanted;
}

void sim_want_many(struct sim *sim, size_t i, uint64_t from, uint64_t until,
                   bool wanted)
{
    struct cluster *cluster = sim->nodes[i].cluster;

    for (uint64_t topic = from; topic < until; topic++) {
        uint64_t hash = sim_hash(SIM_TOPICS + topic);
        SIM_CHECK(sim, cluster_want(cluster, hash, wanted) > 0);
    }
    sim_settle(sim, i);
}

uint64_t sim_acked_ms(const struct sim *sim, size_t i, size_t topic,
                      enum cluster_scope scope, bool *partial)
{
    const struct sim_wish *wish = &sim->nodes[i].wishes[topic];

    if (partial != NULL) {
        *partial = wish->partial[scope];
    }
    return wish->acked_ms[scope] == UINT64_MAX
               ? UINT64_MAX
               : wish->acked_ms[scope] - wish->at_ms;
}

bool sim_publish(struct sim *sim, size_t i, size_t topic)
{
    struct sim_node *node = &sim->nodes[i];
    struct cluster_target targets[SIM_NODES_MAX];
    bool partial;

    if (!node->up || !cluster_is_ready(node->cluster)) {
        return false;
    }
    uint64_t index = sim->items_len;
    struct sim_item *item = add_item(sim);
    item->origin = (uint16_t)i;
    item->topic = (uint16_t)topic;
    item->life = node->life;
    item->at_ms = sim_now_ms(sim);
    sim->report.published++;
    for (size_t to = 0; to < sim->options.nodes; to++) {
        if (to != i && sim->nodes[to].up) {
            owe(sim, item, to);
        }
    }
    struct item names = sim_item_of(sim, topic);
    size_t len = cluster_route(node->cluster, &names, targets, SIM_NODES_MAX,
                               &partial);
    for (size_t t = 0; t < len; t++) {
        lane_item(sim, i, &targets[t], index);
    }
    return true;
}

void items_arrived(struct sim *sim, size_t i, uint64_t index, uint8_t hop)
{
    struct sim_node *node = &sim->nodes[i];
    struct sim_item *item = &sim->items[index];
    struct sim_receipt *receipt = &item->receipts[i];
    struct cluster_target targets[SIM_NODES_MAX];

    SIM_CHECK(sim, i != item->origin); /* never back */
    SIM_CHECK(sim, receipt->got_ms == 0 || receipt->life != node->life);
    receipt->got_ms = sim_now_ms(sim);
    receipt->life = node->life;
    if (is_wanted(sim, node, item->topic)) {
        sim->report.delivered++;
    } else {
        sim->report.spurious++; /* as ingress, or unsubscribed just now */
    }
    if (hop != PEER_HOP_INGRESS) {
        return;
    }
    struct item names = sim_item_of(sim, item->topic);
    size_t len = cluster_relay(node->cluster, &names, targets, SIM_NODES_MAX);
    for (size_t t = 0; t < len; t++) {
        SIM_CHECK(sim, targets[t].hop == PEER_HOP_LAST);
        lane_item(sim, i, &targets[t], index);
    }
}

void items_barrier(struct sim *sim, size_t i,
                   const struct cluster_effect *effect)
{
    acknowledge(sim, i, effect->scope, effect->version, effect->partial);
}

static void add_gap(struct sim *sim, size_t i, uint64_t hash)
{
    struct sim_node *node = &sim->nodes[i];

    if (node->gaps_len == node->gaps_cap) {
        node->gaps_cap = node->gaps_cap == 0 ? 16 : node->gaps_cap * 2;
        node->gaps = realloc(node->gaps, node->gaps_cap * sizeof *node->gaps);
    }
    node->gaps[node->gaps_len++] = (struct sim_gap){sim_now_ms(sim), hash};
}

void items_gap(struct sim *sim, size_t i, struct bytes hashes)
{
    if (hashes.len == 0) {
        add_gap(sim, i, 0);
    }
    for (size_t at = 0; at < hashes.len; at += 8) {
        add_gap(sim, i, bytes_u64be(hashes.p + at));
    }
}

void items_count(struct sim *sim)
{
    sim->report.missed = 0;
    sim->report.untold = 0;
    for (size_t index = 0; index < sim->items_len; index++) {
        const struct sim_item *item = &sim->items[index];
        for (size_t to = 0; to < sim->options.nodes; to++) {
            if (is_owed(sim, item, to) && item->receipts[to].got_ms == 0) {
                sim->report.missed++;
                sim->report.untold += !was_told(sim, index, to);
            }
        }
    }
}

/* Whoever was told that its subscribe holds, on a node where that means this
 * publisher, must get what is published from now on. */
static void owe(struct sim *sim, struct sim_item *item, size_t to)
{
    const struct sim_node *node = &sim->nodes[to];
    struct sim_receipt *receipt = &item->receipts[to];
    enum cluster_scope scope = sim_is_near(sim, to, item->origin)
                                   ? CLUSTER_SCOPE_REGION
                                   : CLUSTER_SCOPE_ALL;

    for (size_t w = 0; w < SIM_WISHES; w++) {
        const struct sim_wish *wish = &node->wishes[w];
        uint64_t since_ms = wish->acked_ms[scope];
        bool holds = wish->wanted && since_ms != UINT64_MAX &&
                     !wish->partial[scope] && is_for(sim, w, item->topic);
        if (holds && (receipt->since_ms == 0 || since_ms < receipt->since_ms)) {
            *receipt = (struct sim_receipt){
                .life = node->life, .since_ms = since_ms, .wish = (uint16_t)w};
        }
    }
}

static struct sim_item *add_item(struct sim *sim)
{
    if (sim->items_len == sim->items_cap) {
        sim->items_cap = sim->items_cap == 0 ? 256 : sim->items_cap * 2;
        sim->items = realloc(sim->items, sim->items_cap * sizeof *sim->items);
    }
    struct sim_item *item = &sim->items[sim->items_len++];
    *item = (struct sim_item){
        .receipts = calloc(sim->options.nodes, sizeof *item->receipts)};
    return item;
}

static void acknowledge(struct sim *sim, size_t i, enum cluster_scope scope,
                        uint64_t version, bool partial)
{
    for (size_t topic = 0; topic < SIM_WISHES; topic++) {
        struct sim_wish *wish = &sim->nodes[i].wishes[topic];
        if (wish->wanted && wish->version <= version &&
            wish->acked_ms[scope] == UINT64_MAX) {
            wish->acked_ms[scope] = sim_now_ms(sim);
            wish->partial[scope] = partial;
        }
    }
}

/* A caller looks at once before it begins to wait. */
static void acknowledge_held(struct sim *sim, size_t i)
{
    for (size_t scope = 0; scope < SIM_SCOPES; scope++) {
        enum cluster_scope s = (enum cluster_scope)scope;
        acknowledge(sim, i, s, cluster_held(sim->nodes[i].cluster, s), false);
    }
}

/* The same subscription still stands, in the same life. */
static bool is_owed(const struct sim *sim, const struct sim_item *item,
                    size_t to)
{
    const struct sim_receipt *receipt = &item->receipts[to];
    const struct sim_node *node = &sim->nodes[to];
    const struct sim_wish *wish = &node->wishes[receipt->wish];

    return receipt->since_ms != 0 && node->up && node->life == receipt->life &&
           wish->wanted &&
           (wish->acked_ms[0] == receipt->since_ms ||
            wish->acked_ms[1] == receipt->since_ms);
}

/* A discontinuity between the delivered item before (or the acknowledgement)
 * and the one after it (or the end), of the same publisher and topic. */
static bool was_told(const struct sim *sim, size_t index, size_t to)
{
    const struct sim_item *item = &sim->items[index];
    const struct sim_node *node = &sim->nodes[to];
    uint64_t from_ms = item->receipts[to].since_ms;
    uint64_t until_ms = UINT64_MAX;

    for (size_t i = 0; i < sim->items_len; i++) {
        const struct sim_item *other = &sim->items[i];
        const struct sim_receipt *got = &other->receipts[to];
        if (other->origin != item->origin || other->life != item->life ||
            other->topic != item->topic || got->got_ms == 0 ||
            got->life != node->life) {
            continue;
        }
        if (i < index && got->got_ms > from_ms) {
            from_ms = got->got_ms;
        } else if (i > index && got->got_ms < until_ms) {
            until_ms = got->got_ms;
        }
    }
    for (size_t i = 0; i < node->gaps_len; i++) {
        const struct sim_gap *gap = &node->gaps[i];
        bool concerns = gap->hash == 0 || gap->hash == sim_hash(item->topic) ||
                        item->receipts[to].wish >= SIM_TOPICS; /* a pattern */
        if (concerns && gap->at_ms >= from_ms && gap->at_ms <= until_ms) {
            return true;
        }
    }
    return false;
}
