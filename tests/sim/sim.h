/* SPDX-License-Identifier: Apache-2.0
 *
 * The deterministic simulator: many real `struct cluster` in one thread, on a
 * virtual clock, over links that delay, lose, repeat and break.
 *
 *   heap of (time, number) -> one event -> the node steps -> its effects become
 *   events: packets (UDP: may be lost), pipes with two lanes (TCP: in order,
 *   stalled by a cut, emptied by a break), items for the checkers
 *
 * Nothing here depends on addresses or the real clock: the same seed gives the
 * same run, and `digest` hashes each effect of each node with its time.
 *
 * Up to ten nodes are checked after each of their steps, more one after
 * another. Checked at once: no item twice at one node. Counted: items where
 * nobody wants them (spurious), items that did not come although the
 * subscription was acknowledged, and whether a discontinuity told of them
 * (told, untold).
 */
#ifndef TESTS_SIM_SIM_H
#define TESTS_SIM_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cluster/cluster.h"

enum {
    SIM_NODES_MAX = 1024,
    SIM_TOPICS = 32,
    SIM_PATTERNS = 6, /* wishes from SIM_TOPICS on: *, t?, t1*, ... */
    SIM_WISHES = SIM_TOPICS + SIM_PATTERNS
};

struct sim;

struct sim_options {
    uint64_t seed;
    size_t nodes;       /* indexes 0 .. nodes - 1; none is up yet */
    size_t regions;     /* node i is in region i % regions; 0 = 1 */
    uint32_t near_us;   /* one way in a region; 0 = 300 */
    uint32_t far_us;    /* one way between regions; 0 = 40 000 */
    uint32_t loss;      /* of packets, in a thousand */
    uint32_t duplicate; /* likewise */
    bool faulty;        /* the test itself makes nodes disagree or refuse */
    void (*around)(bool inside); /* each step of a node, or NULL */
};

struct sim *sim_new(const struct sim_options *options);
void sim_free(struct sim *sim);

/* A new life at the address of index i; seeds are nodes 0, 1 and 2. */
void sim_start(struct sim *sim, size_t i);
void sim_start_all(struct sim *sim);
/* Ends a life: its host vanishes, or (reset) its kernel says so on pipes. */
void sim_kill(struct sim *sim, size_t i, bool reset);
void sim_leave(struct sim *sim, size_t i);

/* Nothing passes from a to b any more, until healed. */
void sim_cut(struct sim *sim, size_t a, size_t b);
void sim_mend(struct sim *sim, size_t a, size_t b); /* that way only */
/* Two sides: nodes below `border`, and the others. */
void sim_partition(struct sim *sim, size_t border);
void sim_heal(struct sim *sim);
/* The pipe from a to b breaks; what is in it is lost; it is dialled again. */
void sim_break(struct sim *sim, size_t a, size_t b);
/* Nothing comes any more out of the data lane from a to b, until its pipe
 * breaks. */
void sim_clog(struct sim *sim, size_t a, size_t b);
void sim_set_loss(struct sim *sim, uint32_t loss);

void sim_run(struct sim *sim, uint64_t ms);
/* Runs until the predicate holds; returns the milliseconds it took. Fails the
 * test, with the seed, when it does not within the limit. */
typedef bool (*sim_predicate)(struct sim *sim);
uint64_t sim_until(struct sim *sim, sim_predicate predicate, uint64_t limit_ms);

/* Everyone who is up knows exactly those as living members. */
bool sim_is_agreed(struct sim *sim);
/* And is linked with all, ready, and holds the log of each: equal version and
 * digest. */
bool sim_is_whole(struct sim *sim);

/* One local subscription appears or goes: a topic, or from SIM_TOPICS on a
 * pattern. */
void sim_want(struct sim *sim, size_t i, size_t topic, bool wanted);
bool sim_is_wanted(const struct sim *sim, size_t i, size_t topic);
/* Wishes for topics beyond those that are followed here. */
void sim_want_many(struct sim *sim, size_t i, uint64_t from, uint64_t until,
                   bool wanted);
/* How long the acknowledgement of that subscribe took; UINT64_MAX: not yet.
 * `partial` may be NULL. */
uint64_t sim_acked_ms(const struct sim *sim, size_t i, size_t topic,
                      enum cluster_scope scope, bool *partial);
/* false: the gate of that node is shut, or it is down. */
bool sim_publish(struct sim *sim, size_t i, size_t topic);

struct cluster *sim_cluster(struct sim *sim, size_t i);
bool sim_is_up(const struct sim *sim, size_t i);
uint64_t sim_now_ms(const struct sim *sim);
size_t sim_events(const struct sim *sim, size_t i, enum cluster_event event);
size_t sim_gaps(const struct sim *sim, size_t i); /* CLUSTER_GAP effects */
uint16_t sim_slot(struct sim *sim, size_t i, size_t of); /* of `of`, at i */
uint64_t sim_hash(size_t topic);
/* Cache, name and hash of a topic; valid until the next call. */
struct item sim_item_of(struct sim *sim, size_t topic);

struct sim_report {
    uint64_t digest;
    uint64_t events;
    uint64_t published;
    uint64_t delivered;
    uint64_t spurious;
    uint64_t missed; /* acknowledged, published after that, never came */
    uint64_t untold; /* of these, without a discontinuity in their interval */
    uint64_t packet_bytes;
    uint64_t control_bytes;
    uint64_t node_ms; /* virtual time that nodes were up, in all */
};

/* Counts over all items and prints one line. */
struct sim_report sim_report(struct sim *sim, const char *name);

#endif
