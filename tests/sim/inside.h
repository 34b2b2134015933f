/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of the simulator share.
 *   sim.c    nodes, turns, the run loop     heap.c   events in their order
 *   net.c    ways, filters, packets         lanes.c  pipes and frames
 *   judge.c  wishes, S1-S5, S7              whole.c  L1-L3, B1, questions
 *   publish.c  publishing, S6               places.c processes
 *   values.c registers, R1, R2
 */
#ifndef TESTS_SIM_INSIDE_H
#define TESTS_SIM_INSIDE_H

#include "cluster/inside.h"
#include "cluster/rng.h"
#include "node/mesh/mesh_private.h"
#include "tests/sim/sim.h"

enum {
    SIM_SCOPES = 2,
    WORD = 64,      /* of nodes, a bit each */
    SIM_NOTES = 64, /* events of note that are remembered */
    SIM_GAPS_KEPT = 64,
    SIM_EVENTS = CLUSTER_LATE + 1,
};

enum sim_event_type {
    SIM_WAKE,
    SIM_PACKET,
    SIM_DIAL,   /* a pipe tries to stand */
    SIM_FRAME,  /* at the end of a pipe */
    SIM_BREAK,  /* a pipe breaks */
    SIM_BROKEN, /* its owner hears of it */
    SIM_LEFT,   /* its other end does, behind what came out of it */
    SIM_RESUME, /* a node that stood still */
};

struct sim_event {
    enum sim_event_type type;
    uint16_t node; /* who it happens to */
    uint16_t from; /* PACKET, FRAME: index of the sender */
    uint16_t slot; /* of the way at its owner: DIAL, BREAK, BROKEN: `node`;
                    * FRAME: `from` */
    uint8_t lane;
    uint32_t pipe;
    uint64_t life;      /* of the owner of the way; WAKE, RESUME: of `node` */
    struct node_id dst; /* PACKET (zero: join) */
    uint8_t *bytes;     /* owned */
    size_t len;
};

/* An entry of the heap: events are moved in it by their place only. */
struct sim_turn {
    uint64_t at_us;
    uint64_t number; /* ties have one order */
    uint32_t event;
};

/* A growing list of events, in order. */
struct sim_list {
    struct sim_event *events;
    size_t len;
    size_t cap;
};

enum {
    SIM_IS_CUT = 1,
    SIM_IS_CLOGGED = 2
};

/* One direction between two nodes; made when it is first used. */
struct sim_way {
    uint8_t blocked; /* SIM_IS_CUT, SIM_IS_CLOGGED */
    bool refused;    /* no pipe can be dialled */
    uint64_t since_us;
    uint64_t last_us[PEER_LANES]; /* arrival of the newest on its way */
    uint64_t free_us;             /* the rate allows the next byte */
    uint64_t held_us;   /* since it was mended nothing is sent again before, */
    uint32_t held_pipe; /* on pipes up to this one */
    struct sim_list stalled; /* while it is blocked */
    size_t packets;          /* of these */
};

/* A pipe that was ever dialled. */
struct sim_pipe {
    uint16_t node;
    uint16_t slot;
    uint8_t lane;
    bool stale; /* it broke, and its frames arrive all the same */
    bool lies;
    uint64_t stale_us; /* until then */
    uint64_t life;
    uint64_t to_life;
};

struct sim_wish {
    bool wanted;
    bool ever; /* in this life */
    uint64_t version;
    uint64_t at_ms;
    uint64_t acked_ms[SIM_SCOPES]; /* UINT64_MAX = not yet */
    uint64_t acked_order[SIM_SCOPES];
    bool partial[SIM_SCOPES];
};

struct sim_gap {
    uint64_t at_ms;
    uint64_t hash; /* 0 = all */
};

/* What a mesh is given to call back with. */
struct sim_seat {
    struct sim *sim;
    uint16_t node;
};

/* Which process a node is of. */
struct sim_place {
    uint16_t first; /* of its nodes, which are sim->options.regions apart */
    uint8_t worker;
    uint8_t workers;
    uint64_t life; /* of the process; the first one's counts */
};

struct sim_node {
    struct sim_seat seat;
    bool up;
    bool paused;
    bool draining; /* effects, in an outer call */
    bool parted;   /* it has said that it publishes no more */
    bool calm;     /* met by no fault since sim_calm() */
    uint64_t life;
    uint64_t life_order;
    uint64_t calm_life; /* of this index, when all was calm last */
    uint64_t began_ms;
    int64_t ppm;
    uint64_t ahead_ms;     /* jumps */
    int64_t wall_ahead_ms; /* of the wall clock, in every life */
    struct node_id id;
    struct addr addr;
    struct cluster *cluster;
    struct mesh *mesh;
    uv_loop_t loop; /* its time only */
    struct stats stats;
    uint64_t wake_ms; /* on its own clock */
    struct sim_list backlog;
    uint64_t paused_us;
    struct sim_wish wishes[SIM_WISHES];
    size_t events[SIM_EVENTS];
    struct sim_gap gaps[SIM_GAPS_KEPT]; /* the first ones */
    size_t gaps_len;
    uint64_t gap_order;                     /* the last for all */
    uint64_t topic_gap_order[SIM_TOPICS];   /* and for these */
    uint32_t series[SIM_CONNS][SIM_TOPICS]; /* 0: none yet */
};

struct sim_item {
    uint32_t series;
    uint32_t number;
    uint64_t at_us;
    uint64_t order;
    uint64_t origin;  /* node_id_u64() of the life that published it */
    uint64_t regions; /* that it has reached from another one */
    uint64_t *got;    /* by node index, a bit each */
    uint64_t *linked; /* likewise: who had a link to its origin by then */
    uint64_t *hosts;  /* likewise, by their first: came from outside */
};

/* What one publisher says on one topic. */
struct sim_series {
    uint16_t origin;
    uint16_t topic;
    uint32_t *items; /* number - 1 -> item */
    uint32_t len;
    uint32_t cap;
    uint32_t *seen;       /* by node: newest number that came or was judged */
    uint64_t *seen_order; /* and when */
    uint64_t *came_order; /* when one came last; 0 = none did */
};

struct sim_value {
    uint64_t stamp; /* when all was calm last; 0: there was none */
    uint8_t last;   /* set last */
    uint32_t sets;  /* since then */
};

/* Of a cluster's own event the text is made when somebody reads it. */
struct sim_note {
    uint64_t at_us;
    uint64_t step;
    const char *event; /* NULL: `text` */
    const char *why;   /* may be NULL */
    uint16_t node;
    uint16_t of;
    char text[96];
};

struct sim {
    struct sim_options options;
    struct limits limits;
    struct log log;
    struct rng rng;
    char topic[8]; /* of sim_item_of() */
    uint64_t now_us;
    uint64_t number;
    uint64_t lives;
    uint64_t order;
    uint64_t check_us; /* the next node */
    size_t checked;
    size_t apart; /* the node that was not whole when asked last */
    uint64_t calm_us;
    bool loss_calm; /* packets get through as at sim_calm() */
    struct sim_node *nodes;
    struct sim_place *places; /* by node */
    struct sim_way **ways;    /* [from * nodes + to], NULL = as new */

    struct sim_pipe *pipes; /* by number, from 1 */
    size_t pipes_len;
    size_t pipes_cap;

    struct sim_turn *heap;
    size_t heap_len;
    size_t heap_cap;
    struct sim_event *events; /* what the heap names */
    uint32_t *spare;          /* places of events not in use */
    size_t spare_len;
    size_t events_cap;

    struct sim_item *items;
    size_t items_len;
    size_t items_cap;
    struct sim_series *series; /* from 1 */
    size_t series_len;
    size_t series_cap;

    struct sim_value values[SIM_KEYS];

    struct sim_note notes[SIM_NOTES];
    uint64_t notes_len;
    struct sim_report report;
};

/* --- whole.c --- */

/* An invariant is broken: says which, why and where, and fails. */
__attribute__((format(printf, 3, 4))) void
sim_broken(const struct sim *sim, const char *name, const char *format, ...);
#define SIM_CHECK(sim, condition)                      \
    do {                                               \
        if (!(condition)) {                            \
            sim_broken(sim, "test", "%s", #condition); \
        }                                              \
    } while (0)
/* Remembers something of note. */
__attribute__((format(printf, 2, 3))) void sim_note(struct sim *sim,
                                                    const char *format, ...);
void sim_note_event(struct sim *sim, size_t node, const char *event, size_t of,
                    const char *why);
/* The limit has passed and the predicate does not hold: why. */
void whole_explain(struct sim *sim, sim_predicate predicate);
void whole_print_notes(const struct sim *sim);
/* B1: everything that can grow is within its bounds. */
void whole_check(struct sim *sim, size_t i);

/* --- sim.c --- */

uint64_t sim_node_ms(const struct sim *sim, size_t i); /* its clock */
void sim_news(struct sim *sim, size_t i, const struct cluster_news *news);
void sim_end_turn(struct sim *sim, size_t i);
void sim_event(struct sim *sim, struct sim_event *event);
void sim_met(struct sim *sim, size_t i); /* by a fault */

/* --- heap.c --- */

void heap_push(struct sim *sim, uint64_t at_us, const struct sim_event *event);
bool heap_pop(struct sim *sim, struct sim_event *event);
void heap_fini(struct sim *sim);
void list_add(struct sim_list *list, const struct sim_event *event);
void list_fini(struct sim_list *list); /* with what is in it */

/* --- net.c --- */

void net_send(struct sim *sim, size_t i, const struct cluster_effect *effect);
void net_packet(struct sim *sim, const struct sim_event *event);
/* How long the next thing takes from a to b. */
uint64_t net_us(struct sim *sim, size_t a, size_t b);
/* At the end of the way, in order; FRAME only. */
void net_carry(struct sim *sim, const struct sim_event *event);
/* A new pipe owes nothing to the last one. */
void net_begin(struct sim *sim, size_t from, size_t to, enum peer_lane lane);
/* true: the way is blocked, and has taken the event. */
bool net_stall(struct sim *sim, struct sim_event *event);
bool net_is_open(const struct sim *sim, size_t a, size_t b); /* both ways */
bool net_happens(struct sim *sim, uint32_t in_a_thousand);
struct addr net_addr(size_t i);
size_t net_index(const struct addr *addr);
void net_fini(struct sim *sim);

/* --- lanes.c --- */

/* Whether a frame sealed for dst opens here (a seam for tests/sim_mutants.c:
 * it must be a function of another file there). */
bool lanes_opens_for(const uint8_t *dst, const struct node_id *self);
void lanes_event(struct sim *sim, struct sim_event *event);
/* A life ends: its own pipes go, those to it break when `reset`. */
void lanes_died(struct sim *sim, size_t i, bool reset);

/* --- values.c --- */

bool values_are_same(const struct sim *sim, size_t i, size_t other);
void values_calm(struct sim *sim); /* judges R1, R2 */

/* --- places.c --- */

void places_init(struct sim *sim);
void places_started(struct sim *sim, size_t i); /* a life */
/* Others of its process are up, and have not drained. */
bool places_serve(const struct sim *sim, size_t i);
bool places_are_well(const struct sim *sim, size_t i); /* all of it */
/* Some of its process are up, from this worker on. */
bool places_are_up(const struct sim *sim, size_t i, size_t from);

/* --- publish.c --- */

/* As ingress, or within its process; `crossings` with this one. */
void publish_relay(struct sim *sim, size_t i, size_t topic, size_t index,
                   enum peer_hop hop, uint8_t crossings);

/* --- judge.c --- */

void judge_arrived(struct sim *sim, size_t i, size_t from,
                   const struct item *item, enum peer_hop hop);
void judge_barrier(struct sim *sim, size_t i,
                   const struct cluster_effect *effect);
void judge_gap(struct sim *sim, size_t i, struct bytes hashes);
void judge_started(struct sim *sim, size_t i);
void judge_all(struct sim *sim); /* nothing is on its way any more */
void judge_fini(struct sim *sim);

#endif
