/* SPDX-License-Identifier: Apache-2.0
 *
 * The deterministic simulator: many real nodes in one thread, on a virtual
 * clock, over a network that delays, loses, repeats, clogs and breaks.
 *
 *   heap of (time, number) -> one event -> a turn of one node: its cluster
 *   (cluster/cluster.h) and its mesh (node/mesh/mesh.h: queues, numbers, checks
 * of what comes in), both the real ones -> packets and frames -> filters ->
 * heap
 *
 * Stood in for: the sockets. tests/sim/lanes.c is node/mesh/lanes.h without
 * nng, and as bad: pipes break with what is in them, stale frames reach the
 * next process at an address, dials lie, news come late or in another order.
 * The seal is left out but for its destination, and the hub: tests/sim/judge.c
 * is in its place, publishes, subscribes, and knows what must arrive.
 *
 * Nothing here depends on addresses or the real clock: the same seed gives the
 * same run, and `digest` hashes each effect of each node with its time.
 *
 * Invariants (docs/CLUSTER.md), each checked where its name stands in the code:
 *   S1 no delivery to a stranger   S2 at most once   S3 in order
 *   S4 acknowledged and nothing in the way: delivered   S5 no silent loss
 *   S6 one copy to a region, and to a process   S7 at most three hops
 *   L1 after healing equal logs   L2 and equal members   B1 bounds
 *   L3 and equal registers   R1 the last value set in calm holds   R2 what all
 *   had is not forgotten
 * What breaks one prints seed, step, time and the last events, and fails.
 */
#ifndef TESTS_SIM_SIM_H
#define TESTS_SIM_SIM_H

#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cluster/cluster.h"

enum {
    SIM_NODES_MAX = 1024,
    SIM_TOPICS = 32,
    SIM_PATTERNS = 6, /* wishes from SIM_TOPICS on: *, t?, t1*, ... */
    SIM_WISHES = SIM_TOPICS + SIM_PATTERNS,
    SIM_CONNS = 4, /* publishers on each node */
    SIM_KEYS = 8,  /* registers */
};

struct sim;

/* In a thousand: how often the network does what it should not. */
struct sim_habits {
    uint32_t loss;      /* packets */
    uint32_t duplicate; /* packets */
    uint32_t reorder;   /* packets: up to ten times as long on their way */
    uint32_t stale;     /* a pipe that breaks: its frames arrive after all,
                         * whoever lives there by then */
    uint32_t lie;       /* a dial: the pipe stands, and nothing arrives */
    uint32_t late;      /* news of a pipe: 200 ms late */
};

struct sim_options {
    uint64_t seed;
    size_t nodes;       /* indexes 0 .. nodes - 1; none is up yet */
    size_t regions;     /* node i is in region i % regions; 0 = 1 */
    uint32_t near_us;   /* one way in a region; 0 = 300 */
    uint32_t far_us;    /* one way between regions; 0 = 40 000 */
    uint32_t rate;      /* bytes in a millisecond on each way; 0 = any */
    uint32_t room;      /* bytes that a pipe holds; 0 = 256 KiB */
    uint32_t skew_ppm;  /* clocks run up to so much too fast or slow */
    uint64_t queue_len; /* of the mesh for one peer; 0 = as in limits.h */
    const char *hosts;  /* a digit a process: how many of the nodes of a region
                         * it is, in their order; the others have their own */
    struct sim_habits habits;
    bool faulty;                 /* the test itself makes nodes disagree */
    bool trace;                  /* print each event of note */
    void (*around)(bool inside); /* each step of a node, or NULL */
    /* What breaks an invariant calls this; NULL: the test fails. */
    void (*on_broken)(const char *name, const char *what);
};

struct sim *sim_new(const struct sim_options *options);
/* Nodes of seed 1, all started and whole. */
struct sim *sim_whole(size_t nodes, size_t regions);
void sim_free(struct sim *sim);

/* --- nodes --- */

/* A new life at the address of index i; seeds are nodes 0, 1 and 2. */
void sim_start(struct sim *sim, size_t i);
void sim_start_all(struct sim *sim);
/* Ends a life: its host vanishes, or (reset) its kernel says so on pipes. */
void sim_kill(struct sim *sim, size_t i, bool reset); /* with its process */
/* Of a worker alone, as its process ends. */
void sim_end(struct sim *sim, size_t i, bool reset);
void sim_leave(struct sim *sim, size_t i); /* takes SWIM_LEAVE_MS */
/* The steps of leaving, each to be followed by some time: drain, drained,
 * leave; then sim_kill(). */
void sim_say(struct sim *sim, size_t i, enum cluster_news_type type);
/* Its loop stands still so long, then gets all at once. */
void sim_pause(struct sim *sim, size_t i, uint64_t ms);
/* Its clock jumps ahead: it was asleep, or its host was. */
void sim_jump(struct sim *sim, size_t i, uint64_t ms);
/* Its wall clock is so much ahead of the others, or behind, from now on. */
void sim_set_wall(struct sim *sim, size_t i, int64_t ahead_ms);
uint64_t sim_wall_ms(const struct sim *sim, size_t i);

/* --- ways --- */

/* Nothing passes from a to b any more, until mended. */
void sim_cut(struct sim *sim, size_t a, size_t b);
/* Everything waits, then comes in a burst. */
void sim_clog(struct sim *sim, size_t a, size_t b);
/* Packets pass, and no pipe can be dialled. */
void sim_refuse(struct sim *sim, size_t a, size_t b);
void sim_mend(struct sim *sim, size_t a, size_t b); /* this way only */
/* Two sides: nodes below `border`, and the others. */
void sim_partition(struct sim *sim, size_t border);
void sim_heal(struct sim *sim); /* all ways */
/* The pipes from a to b break; what is in them is lost; they are dialled
 * again. */
void sim_break(struct sim *sim, size_t a, size_t b);
void sim_break_lane(struct sim *sim, size_t a, size_t b, enum peer_lane lane);
/* Nothing comes any more out of the data lane from a to b, until its pipe
 * breaks. */
void sim_mute(struct sim *sim, size_t a, size_t b);
void sim_set_loss(struct sim *sim, uint32_t loss);
void sim_set_habits(struct sim *sim, const struct sim_habits *habits);

/* --- time --- */

void sim_run(struct sim *sim, uint64_t ms);
/* Runs until the predicate holds; returns the milliseconds it took. Fails the
 * test, with the seed, when it does not within the limit. */
typedef bool (*sim_predicate)(struct sim *sim);
uint64_t sim_until(struct sim *sim, sim_predicate predicate, uint64_t limit_ms);

/* Everyone who is up knows exactly those as living members (L2). */
bool sim_is_agreed(struct sim *sim);
/* And is linked with all, ready, holds the log of each: equal version and
 * digest (L1), and has the same registers (L3). */
bool sim_is_whole(struct sim *sim);

/* --- items --- */

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
/* The next item of a publisher (its first, or `conn` below SIM_CONNS). false:
 * the gate of that node is shut, or it is down, stands still or has drained. */
bool sim_publish(struct sim *sim, size_t i, size_t topic);
bool sim_publish_on(struct sim *sim, size_t i, size_t conn, size_t topic);

/* Writes a register. false: as sim_publish(). */
bool sim_set(struct sim *sim, size_t i, size_t key, uint8_t value);

/* All ways are mended, all that may arrive has, and sim_is_whole(): what was
 * missed until now is judged (S5), and from now on nothing may be missed but by
 * those whom a fault meets (S4). */
void sim_calm(struct sim *sim);

/* --- questions --- */

struct cluster *sim_cluster(struct sim *sim, size_t i);
bool sim_is_up(const struct sim *sim, size_t i);
bool sim_is_paused(const struct sim *sim, size_t i);
bool sim_is_near(const struct sim *sim, size_t a, size_t b);
size_t sim_workers(const struct sim *sim, size_t i); /* of its process */
size_t sim_worker(const struct sim *sim, size_t i, size_t worker); /* which */
bool sim_is_sibling(const struct sim *sim, size_t a, size_t b);
uint64_t sim_now_ms(const struct sim *sim);
size_t sim_events(const struct sim *sim, size_t i, enum cluster_event event);
size_t sim_gaps(const struct sim *sim, size_t i); /* CLUSTER_GAP effects */
uint16_t sim_slot(struct sim *sim, size_t i, size_t of);    /* of `of`, at i */
uint64_t sim_heard(struct sim *sim, size_t i, size_t from); /* newest batch */
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

/* Judges all that was published and prints one line. */
struct sim_report sim_report(struct sim *sim, const char *name);
/* The same without a line. */
struct sim_report sim_count(struct sim *sim);

#endif
