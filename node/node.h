/* SPDX-License-Identifier: Apache-2.0
 *
 * One node: a core with an event loop, a listener, a mesh and gossip around it.
 * Several may live in one process; nothing is global.
 *
 *   turn:  read sockets -> doors -> hub          (poll phase)
 *          hub_settle, cluster_flush, mesh_flush, flush dirty clients (check)
 *
 * Exit codes are those of EXPECTATIONS 2d: 73 cannot bind, 78 configuration.
 */
#ifndef NODE_NODE_H
#define NODE_NODE_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "node/config.h"
#include "node/core.h"
#include "node/gossip.h"
#include "node/keyfile.h"
#include "node/mesh.h"

struct conns;
struct listener;

struct node {
    struct core core;
    struct config config;
    struct log log;
    struct keyfile keys;
    struct node_id id;
    uint8_t life[16];

    uv_loop_t *loop;
    uv_timer_t timer;     /* the earliest of deadlines, hub, cluster */
    uv_prepare_t prepare; /* before the poll: arms the timer */
    uv_check_t check;     /* after the poll: ends the turn */
    uv_signal_t sigterm;
    uv_signal_t sigint;

    struct cluster *cluster;
    struct conns *conns;
    struct listener *listener;
    struct mesh *mesh;
    struct gossip *gossip;
    uint64_t last_turn_ms; /* for the loop lag */
    uint64_t lag_ms;       /* longest turn of the last second */
    int exit_code;
    bool stopping;
};

/* Opens everything and logs `node-listening`. On error nothing stays open and
 * *exit_code is what the process should end with; a log line said why. */
int node_open(struct node *node, uv_loop_t *loop, const struct config *config,
              int *exit_code);
/* Drains and closes; uv_run() then returns. Again: the second call hurries. */
void node_stop(struct node *node);
/* After the loop has ended. */
void node_fini(struct node *node);

/* What the cluster wants done, carried out: node/effects.c. */
void node_tell_cluster(struct node *node, const struct cluster_news *news);
void node_drain_effects(struct node *node);

/* Adds /v1/cluster etc. their facts without giving doors the loop. */
struct mesh_link;
bool node_link(const struct core *core, uint16_t slot, struct mesh_link *link);

#endif
