/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of the simulator share.
 *   sim.c   nodes, verbs, the run loop     net.c   heap, packets, pipes
 *   lane.c  data lanes
 *   items.c publishing, wishes, checkers
 */
#ifndef TESTS_SIM_INSIDE_H
#define TESTS_SIM_INSIDE_H

#include "cluster/rng.h"
#include "tests/sim/sim.h"

enum {
    SIM_SCOPES = 2
};

static const uint64_t SIM_NO_ITEM = UINT64_MAX;

enum sim_event_type {
    SIM_WAKE,
    SIM_PACKET,
    SIM_DIAL,  /* a pipe tries to stand */
    SIM_RESET, /* the other end of a pipe has gone */
    SIM_LANE,  /* a message at the end of a pipe */
};

/* An entry of the heap: events are moved in it by their place only. */
struct sim_turn {
    uint64_t at_us;
    uint64_t number; /* ties have one order */
    uint32_t event;
};

struct sim_event {
    uint64_t at_us;
    enum sim_event_type type;
    uint16_t node;      /* who it happens to */
    uint16_t from;      /* PACKET, LANE: index of the sender */
    uint16_t slot;      /* DIAL, RESET: at `node`; LANE: at `from` */
    uint8_t lane;       /* LANE */
    uint8_t hop;        /* LANE, data */
    uint8_t kind;       /* LANE, data: enum peer_kind */
    uint64_t life;      /* of `node`; LANE: of `from` */
    uint64_t pipe;      /* DIAL, RESET, LANE: number of the pipe */
    struct node_id dst; /* PACKET (zero: join), LANE */
    uint64_t sent_us;   /* LANE */
    uint64_t seq;       /* LANE, data */
    uint64_t item;      /* LANE, data; SIM_NO_ITEM: a mark */
    uint8_t *bytes;     /* owned; of a gap the hashes */
    size_t len;
};

/* The pipe of one node to one peer slot. */
struct sim_pipe {
    bool open;
    bool up;
    uint16_t to; /* index of the other node */
    struct node_id dst;
    uint64_t number; /* grows; what is of an older one is lost */
    uint64_t epoch;
    uint64_t seq; /* data lane, over all epochs */
    bool closed;  /* the newest is the end */
    bool lossy;   /* something could not be put into it */
    bool clogged; /* nothing comes out of its data lane, until it breaks */
    uint64_t told_sent;
    uint64_t told_heard;
    bool told_flows;
};

/* What a node knows of the data lane of another one. */
struct sim_inlet {
    struct node_id src;
    uint64_t seq;
    bool ended;
    bool flows; /* the pipe it comes from stands */
};

struct sim_wish {
    bool wanted;
    uint64_t version;
    uint64_t at_ms;
    uint64_t acked_ms[SIM_SCOPES]; /* UINT64_MAX = not yet */
    bool partial[SIM_SCOPES];
};

struct sim_node {
    bool up;
    uint64_t life;
    uint64_t began_ms;
    struct node_id id;
    struct addr addr;
    struct cluster *cluster;
    uint64_t wake_ms;
    uint64_t epochs;
    uint64_t numbers;       /* of lanes that are closed, none was above */
    bool has_numbers;       /* that its cluster may not know */
    struct sim_pipe *pipes; /* by slot */
    size_t pipes_len;
    struct sim_inlet *inlets; /* by index */
    struct sim_wish wishes[SIM_WISHES];
    size_t events[CLUSTER_LATE + 1];
    struct sim_gap *gaps;
    size_t gaps_len;
    size_t gaps_cap;
};

struct sim_gap {
    uint64_t at_ms;
    uint64_t hash; /* 0 = all */
};

/* What became of an item at one node. */
struct sim_receipt {
    uint64_t life;     /* of the receiver when it was published */
    uint64_t got_ms;   /* 0 = not */
    uint64_t since_ms; /* acknowledgement of the subscription; 0 = not owed */
    uint16_t wish;     /* of that subscription */
};

struct sim_item {
    uint16_t origin;
    uint16_t topic;
    uint64_t life; /* of the origin */
    uint64_t at_ms;
    struct sim_receipt *receipts; /* by node index */
};

/* One direction between two nodes; made when it is first used. */
struct sim_way {
    bool cut;
    uint64_t last_us[PEER_LANES]; /* arrival of the newest on its way */
    struct sim_event *stalled;    /* at a cut */
    size_t len;
    size_t cap;
};

struct sim {
    struct sim_options options;
    struct rng rng;
    char topic[8]; /* of sim_item_of() */
    uint64_t now_us;
    uint64_t number;
    uint64_t lives;
    uint64_t pipes;
    uint64_t check_us; /* the next node */
    size_t checked;
    struct sim_node *nodes;
    struct sim_way **ways; /* [from * nodes + to], NULL = as new */

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
    struct sim_report report;
};

#define SIM_CHECK(sim, condition)      \
    do {                               \
        if (!(condition)) {            \
            sim_fail(sim, #condition); \
        }                              \
    } while (0)
void sim_fail(const struct sim *sim, const char *what);

/* sim.c */
void sim_news(struct sim *sim, size_t i, const struct cluster_news *news);
void sim_settle(struct sim *sim, size_t i); /* flush, effects, wake */
bool sim_is_near(const struct sim *sim, size_t a, size_t b);

/* net.c */
void net_push(struct sim *sim, const struct sim_event *event);
bool net_pop(struct sim *sim, struct sim_event *event);
void net_send(struct sim *sim, size_t i, const struct cluster_effect *effect);
void net_open(struct sim *sim, size_t i, const struct cluster_effect *effect);
void net_close(struct sim *sim, size_t i, uint16_t slot);
void net_tell(struct sim *sim, size_t i, uint16_t slot, struct bytes bytes);
void net_event(struct sim *sim, struct sim_event *event);
/* NULL when nothing ever went this way. */
struct sim_way *net_way_if(const struct sim *sim, size_t from, size_t to);
struct sim_way *net_way(struct sim *sim, size_t from, size_t to);
void net_fini(struct sim *sim);
void net_died(struct sim *sim, size_t i, bool reset);
struct addr net_addr(size_t i);

/* Takes the bytes of the event. Lanes keep their order. */
void net_schedule(struct sim *sim, struct sim_event *event);
uint8_t *net_copy(struct bytes bytes);

/* lane.c */
void lane_item(struct sim *sim, size_t i, const struct cluster_target *target,
               uint64_t item);
void lane_mark(struct sim *sim, size_t i, const struct cluster_effect *effect);
void lane_end(struct sim *sim, size_t i, uint16_t slot);
void lane_probe(struct sim *sim, size_t i, uint16_t slot);
void lane_pipe_up(struct sim *sim, size_t i, uint16_t slot);
void lane_arrived(struct sim *sim, const struct sim_event *event,
                  uint16_t slot);
void lane_numbers(struct sim *sim, size_t i); /* to its cluster */
void lane_broke(struct sim *sim, size_t from, size_t to);

/* items.c */
void items_arrived(struct sim *sim, size_t i, uint64_t item, uint8_t hop);
void items_barrier(struct sim *sim, size_t i,
                   const struct cluster_effect *effect);
void items_gap(struct sim *sim, size_t i, struct bytes hashes);
void items_count(struct sim *sim);

#endif
