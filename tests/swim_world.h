/* SPDX-License-Identifier: Apache-2.0
 *
 * A small network of swim machines for tests: virtual clock, loss, delay, cuts.
 * A packet arrives only where its destination id lives, as the seal would have
 * it. Two rings hold what is due in each coming millisecond, packets and nodes
 * to wake, in the order in which they came: an hour of a hundred nodes takes
 * seconds.
 */
#ifndef TESTS_SWIM_WORLD_H
#define TESTS_SWIM_WORLD_H

#include "tests/test.h"

#include "cluster/cluster.h"
#include "cluster/rng.h"
#include "cluster/swim.h"

enum {
    WORLD_NODES_MAX = 1024,
    WORLD_SEAL_LEN = 50 + 28, /* envelope, UDP and IP */
    WORLD_SOCKET_LEN = 1024,  /* packets that wait for a paused node */
    WORLD_PACKET_MS = 256,    /* no packet is under way for so long */
    WORLD_WAKE_MS = 1024,     /* nodes that sleep longer are looked at then */
    WORLD_PLACES = 1 << 16,
};

struct world_node {
    struct swim *swim;
    struct node_id id;
    struct addr addr;
    char name[16];
    char region[8];
    bool running;
    bool paused;         /* packets wait in its socket */
    unsigned side;       /* of a partition */
    uint64_t wake_at_ms; /* of its one valid place in `wakes`; 0: none */
    struct world_packet **waiting;
    size_t waiting_len;
    uint64_t bytes_out;
    uint64_t packets_out;
    unsigned events[SWIM_HEARD + 1];
    const char *text; /* of the last event that had one */
};

struct world_packet {
    size_t node;
    struct node_id dst;
    struct addr from;
    size_t len;
    uint8_t bytes[];
};

/* What is due in one millisecond. */
struct world_packets {
    struct world_packet **list;
    size_t len;
    size_t cap;
};
struct world_wakes {
    uint16_t *nodes;
    size_t len;
    size_t cap;
};

struct world {
    uint64_t now_ms;
    struct rng rng;
    struct world_node nodes[WORLD_NODES_MAX];
    size_t nodes_len;
    uint16_t at_place[WORLD_PLACES]; /* index + 1 of who runs there */
    struct world_packets packets[WORLD_PACKET_MS];
    struct world_wakes wakes[WORLD_WAKE_MS];
    uint32_t loss_percent;
    uint32_t delay_ms;     /* each way, plus 0..delay_ms */
    uint32_t far_delay_ms; /* between regions */
    size_t torn[2];  /* two nodes that cannot reach each other; equal: none */
    bool check;      /* every machine after each of its steps */
    uint64_t digest; /* of all packets sent while `check` */
    /* Told of each output but packets; may be NULL. */
    void (*on_event)(void *data, size_t node, const struct swim_out *out);
    void *data;
    uint16_t peers_max;
    uint16_t dead_max;   /* 0 = default; both for nodes started from now on */
    uint64_t print;      /* of the hash key, likewise */
    uint16_t says_place; /* likewise: where they say they are; 0: the truth */
};

struct world *world_new(uint64_t seed);
void world_free(struct world *world);

/* Starts a node at address number `place` (port) with `seed_place` as its only
 * seed (0: none). Returns its index. A place taken by a node that no longer
 * runs may be used again. */
size_t world_start(struct world *world, uint16_t place, const char *name,
                   const char *region, uint16_t seed_place);
/* n nodes named n1.. at places 1.., in `regions` regions in turn, all seeded
 * by place 1. */
void world_start_many(struct world *world, size_t n, size_t regions);
void world_kill(struct world *world, size_t node);
/* Tells all others that their link to it broke. */
void world_reset_links(struct world *world, size_t node);
void world_pause(struct world *world, size_t node, bool paused);
void world_news(struct world *world, size_t node, const struct swim_news *news);
/* Hands node a packet as if it came from `from`. */
void world_inject(struct world *world, size_t node, const struct addr *from,
                  struct bytes bytes, bool sealed_for_me);

void world_run(struct world *world, uint64_t ms);
typedef bool (*world_test)(const struct world *world, const void *data);
/* Runs until the test holds; how long that took, or fails after limit_ms. */
uint64_t world_until(struct world *world, world_test test, const void *data,
                     uint64_t limit_ms);

/* What `at` believes of `about`; -1 if it does not know it. */
int world_state(const struct world *world, size_t at, size_t about);
/* All running nodes hold all running nodes alive and nobody else living. */
bool world_agrees(const struct world *world, const void *unused);
/* No running node holds the node of index *data alive or suspected. */
bool world_buried(const struct world *world, const void *data);
unsigned world_events(const struct world *world, enum swim_out_type type);
struct addr world_addr(uint16_t place);
/* The node that runs at this address, or ran there last. */
size_t world_index(const struct world *world, const struct addr *addr);

#endif
