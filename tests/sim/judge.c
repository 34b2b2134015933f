/* SPDX-License-Identifier: Apache-2.0
 *
 * Publishers and subscribers in the place of the hub, and what must hold
 * between them.
 *
 * A *series* is what one publisher says on one topic: 1, 2, 3 ... For each node
 * it is known what came last. When the next one comes, what is between the two
 * was missed: if a subscription that stands was acknowledged before it was
 * published, there must have been a discontinuity since the one before (S5),
 * and a fault (S4). What is missed at the end is judged when nothing is on its
 * way any more: judge_all(). Of a publisher of whom nothing has come yet, only
 * what was published while the two nodes were linked is owed, and the
 * discontinuity must be behind it.
 */
#include <stdio.h>
#include <stdlib.h>

#include "proto/hash.h"
#include "proto/topic.h"
#include "tests/sim/inside.h"

enum {
    CROSSINGS_MAX = 2, /* between nodes: three hops with the publisher's; within
                        * a process one more */
};

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
    int len = snprintf(sim->topic, sizeof sim->topic, "t%zu", topic % 1000);

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

/* --- wishes --- */

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

static void acknowledge(struct sim *sim, size_t i, enum cluster_scope scope,
                        uint64_t version, bool partial)
{
    for (size_t w = 0; w < SIM_WISHES; w++) {
        struct sim_wish *wish = &sim->nodes[i].wishes[w];
        if (wish->wanted && wish->version <= version &&
            wish->acked_ms[scope] == UINT64_MAX) {
            wish->acked_ms[scope] = sim_now_ms(sim);
            wish->acked_order[scope] = ++sim->order;
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

void sim_want(struct sim *sim, size_t i, size_t topic, bool wanted)
{
    struct sim_node *node = &sim->nodes[i];
    struct sim_wish *wish = &node->wishes[topic];

    SIM_CHECK(sim, node->up && !node->paused && wish->wanted != wanted);
    sim_note(sim, "%zu: %s %zu", i, wanted ? "wants" : "no longer wants",
             topic);
    *wish = (struct sim_wish){
        .wanted = wanted,
        .ever = true,
        .at_ms = sim_now_ms(sim),
        .version = want(node->cluster, topic, wanted),
        .acked_ms = {UINT64_MAX, UINT64_MAX},
    };
    SIM_CHECK(sim, wish->version > 0);
    sim_end_turn(sim, i);
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
    sim_end_turn(sim, i);
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

void judge_barrier(struct sim *sim, size_t i,
                   const struct cluster_effect *effect)
{
    acknowledge(sim, i, effect->scope, effect->version, effect->partial);
}

/* --- discontinuities --- */

static void note_gap(struct sim_node *node, uint64_t hash, uint64_t at_ms)
{
    if (node->gaps_len < SIM_GAPS_KEPT) {
        node->gaps[node->gaps_len] = (struct sim_gap){at_ms, hash};
    }
    node->gaps_len++;
}

void judge_gap(struct sim *sim, size_t i, struct bytes hashes)
{
    struct sim_node *node = &sim->nodes[i];
    uint64_t order = ++sim->order;

    sim_note(sim, "%zu: told of a gap in %zu topics (0: all)", i,
             hashes.len / 8);
    if (hashes.len == 0) {
        node->gap_order = order;
        note_gap(node, 0, sim_now_ms(sim));
    }
    for (size_t at = 0; at < hashes.len; at += 8) {
        uint64_t hash = bytes_u64be(hashes.p + at);
        note_gap(node, hash, sim_now_ms(sim));
        for (size_t topic = 0; topic < SIM_TOPICS; topic++) {
            if (sim_hash(topic) == hash) {
                node->topic_gap_order[topic] = order;
            }
        }
    }
}

/* A hash does not say which patterns match, so the hub tells all of them: here
 * only the topic's own is counted, which is less. */
static uint64_t last_gap(const struct sim_node *node, size_t topic)
{
    uint64_t own = node->topic_gap_order[topic];

    return own > node->gap_order ? own : node->gap_order;
}

/* --- what was missed --- */

/* Since when a subscription that stands is owed what that node publishes on
 * that topic; UINT64_MAX: none is. */
static uint64_t owed_since(struct sim *sim, size_t to, size_t origin,
                           size_t topic)
{
    const struct sim_node *node = &sim->nodes[to];
    bool near = sim_is_near(sim, to, origin);
    uint64_t since = UINT64_MAX;

    for (size_t w = 0; w < SIM_WISHES; w++) {
        const struct sim_wish *wish = &node->wishes[w];
        enum cluster_scope scope = near ? CLUSTER_SCOPE_REGION
                                        : CLUSTER_SCOPE_ALL;
        if (wish->wanted && wish->acked_ms[scope] != UINT64_MAX &&
            !wish->partial[scope] && wish->acked_order[scope] < since &&
            is_for(sim, w, topic)) {
            since = wish->acked_order[scope];
        }
    }
    return since;
}

static bool is_calm(const struct sim *sim, size_t origin, size_t to)
{
    if (!sim->loss_calm || !sim->nodes[origin].calm || !sim->nodes[to].calm) {
        return false;
    }
    for (size_t i = 0; i < sim->options.nodes; i++) {
        bool between = !sim_is_near(sim, origin, to) ||
                       sim_is_sibling(sim, i, to);
        if (between && !sim->nodes[i].calm) {
            return false; /* any may have been the ingress, or received it */
        }
    }
    return true;
}

/* The items of the series from `first` to `last` did not come to that node, and
 * will not. */
static void missed(struct sim *sim, const struct sim_series *series, size_t to,
                   uint32_t first, uint32_t last)
{
    const struct sim_node *node = &sim->nodes[to];
    uint64_t since = owed_since(sim, to, series->origin, series->topic);
    uint64_t gap = last_gap(node, series->topic);
    bool came = series->came_order[to] > since;

    if (since == UINT64_MAX) {
        return;
    }
    for (uint32_t number = last; number >= first; number--) {
        const struct sim_item *item = &sim->items[series->items[number - 1]];
        if (item->order < since) {
            return;
        }
        if (!came && (item->linked[to / WORD] >> to % WORD & 1) == 0) {
            continue; /* of nodes without a link nothing was promised yet */
        }
        bool told = gap > (came ? series->seen_order[to] : item->order);
        sim->report.missed++;
        sim->report.untold += !told;
        if (is_calm(sim, series->origin, to) && item->at_us >= sim->calm_us) {
            sim_broken(sim, "S4",
                       "node %zu was never given item %u of node %u on t%u, "
                       "published at %" PRIu64 " us, though nothing was in the "
                       "way",
                       to, number, series->origin, series->topic, item->at_us);
        }
        if (!told) {
            sim_broken(sim, "S5",
                       "node %zu was not told that it missed item %u of node "
                       "%u on t%u, published at %" PRIu64 " us",
                       to, number, series->origin, series->topic, item->at_us);
        }
    }
}

/* Up to `number` nothing will come any more. */
static void settle(struct sim *sim, struct sim_series *series, size_t to,
                   uint32_t until)
{
    uint32_t first = series->seen[to] + 1;

    if (first <= until) {
        missed(sim, series, to, first, until);
    }
}

void judge_all(struct sim *sim)
{
    for (size_t s = 1; s <= sim->series_len; s++) {
        struct sim_series *series = &sim->series[s];
        for (size_t to = 0; to < sim->options.nodes; to++) {
            if (series->seen[to] == series->len || to == series->origin) {
                continue;
            }
            if (sim->nodes[to].up) {
                settle(sim, series, to, series->len);
            }
            series->seen[to] = series->len;
            series->seen_order[to] = ++sim->order;
        }
    }
}

void sim_calm(struct sim *sim)
{
    values_calm(sim);
    judge_all(sim);
    for (size_t i = 0; i < sim->options.nodes; i++) {
        sim->nodes[i].calm = sim->nodes[i].up;
    }
    sim->loss_calm = true;
    sim->calm_us = sim->now_us;
    sim_note(sim, "all is calm");
}

/* --- arriving --- */

/* S1: who never wanted it gets it only to pass it on; and nobody what was sent
 * before it lived. */
static void check_stranger(struct sim *sim, size_t i, uint64_t sent,
                           size_t topic, enum peer_hop hop)
{
    const struct sim_node *node = &sim->nodes[i];
    bool wanted = false;
    bool ever = hop != PEER_HOP_LAST;

    for (size_t w = 0; w < SIM_WISHES && !wanted; w++) {
        if (node->wishes[w].ever && is_for(sim, w, topic)) {
            ever = true;
            wanted = node->wishes[w].wanted;
        }
    }
    if (sent < node->life_order) {
        sim_broken(sim, "S1", "node %zu is given what was sent before it lived",
                   i);
    }
    if (!ever) {
        sim_broken(sim, "S1", "node %zu is given t%zu and never wanted it", i,
                   topic);
    }
    if (wanted) {
        sim->report.delivered++;
    } else {
        sim->report.spurious++; /* as ingress, or unsubscribed just now */
    }
}

/* S2, S3: once, and in the order of its publisher. */
static void check_order(struct sim *sim, size_t i, struct sim_item *item,
                        struct sim_series *series)
{
    uint64_t *word = &item->got[i / WORD];
    uint64_t bit = 1ull << i % WORD;

    if (i == series->origin || (*word & bit) != 0) {
        sim_broken(sim, "S2",
                   "node %zu is given item %u of node %u on t%u "
                   "again",
                   i, item->number, series->origin, series->topic);
    }
    if (item->number <= series->seen[i]) {
        sim_broken(sim, "S3",
                   "node %zu is given item %u of node %u on t%u "
                   "behind item %u",
                   i, item->number, series->origin, series->topic,
                   series->seen[i]);
    }
    *word |= bit;
    settle(sim, series, i, item->number - 1);
    series->seen[i] = item->number;
    series->came_order[i] = ++sim->order;
    series->seen_order[i] = sim->order;
}

/* S6: it comes into a process once. */
static void check_process(struct sim *sim, size_t i, size_t from,
                          const struct sim_item *item)
{
    size_t first = sim->places[i].first;
    uint64_t *word = &item->hosts[first / WORD];
    uint64_t bit = 1ull << first % WORD;

    if (sim_is_sibling(sim, i, from)) {
        return;
    }
    if ((*word & bit) != 0) {
        sim_broken(sim, "S6", "an item reaches the process of node %zu twice",
                   i);
    }
    *word |= bit;
}

void judge_arrived(struct sim *sim, size_t i, size_t from,
                   const struct item *came, enum peer_hop hop)
{
    uint64_t index = bytes_u64be(came->value.p);
    uint64_t sent = bytes_u64be(came->value.p + 8);
    uint8_t crossings = came->value.p[16];
    struct sim_item *item = &sim->items[index];
    struct sim_series *series = &sim->series[item->series];
    uint64_t region = 1ull << i % sim->options.regions;

    if (crossings > CROSSINGS_MAX + sim_is_sibling(sim, i, from)) {
        sim_broken(sim, "S7", "an item reaches node %zu over %u nodes", i,
                   crossings);
    }
    if (hop == PEER_HOP_INGRESS && (item->regions & region) != 0) {
        sim_broken(sim, "S6", "an item reaches the region of node %zu twice",
                   i);
    }
    item->regions |= hop == PEER_HOP_INGRESS ? region : 0;
    check_stranger(sim, i, sent, series->topic, hop);
    check_order(sim, i, item, series);
    check_process(sim, i, from, item);
    if (hop != PEER_HOP_LAST) {
        publish_relay(sim, i, series->topic, index, hop,
                      (uint8_t)(crossings + 1));
    }
}

/* A new life, which has seen nothing. */
void judge_started(struct sim *sim, size_t i)
{
    for (size_t s = 1; s <= sim->series_len; s++) {
        sim->series[s].seen[i] = 0;
        sim->series[s].seen_order[i] = 0;
        sim->series[s].came_order[i] = 0;
    }
    for (size_t item = 0; item < sim->items_len; item++) {
        sim->items[item].got[i / WORD] &= ~(1ull << i % WORD);
        sim->items[item].hosts[i / WORD] &= ~(1ull << i % WORD);
    }
}

/* --- what it came to --- */

struct sim_report sim_count(struct sim *sim)
{
    struct sim_report end;

    judge_all(sim);
    end = sim->report;
    for (size_t i = 0; i < sim->options.nodes; i++) {
        if (sim->nodes[i].up) {
            end.node_ms += sim_now_ms(sim) - sim->nodes[i].began_ms;
        }
    }
    return end;
}

struct sim_report sim_report(struct sim *sim, const char *name)
{
    struct sim_report end = sim_count(sim);
    uint64_t seconds = end.node_ms / 1000 + 1;

    printf("SEED=%" PRIu64 " NODES=%zu digest=%016" PRIx64 " %s: %" PRIu64
           " events, %" PRIu64 " published, %" PRIu64 " delivered, %" PRIu64
           " spurious, %" PRIu64 " missed, %" PRIu64 " untold, gossip %" PRIu64
           " control %" PRIu64 " B/s a node\n",
           sim->options.seed, sim->options.nodes, end.digest, name, end.events,
           end.published, end.delivered, end.spurious, end.missed, end.untold,
           end.packet_bytes / seconds, end.control_bytes / seconds);
    return end;
}

void judge_fini(struct sim *sim)
{
    for (size_t i = 0; i < sim->items_len; i++) {
        free(sim->items[i].got);
    }
    for (size_t s = 1; s <= sim->series_len; s++) {
        free(sim->series[s].items);
        free(sim->series[s].seen);
        free(sim->series[s].seen_order);
        free(sim->series[s].came_order);
    }
    free(sim->items);
    free(sim->series);
}
