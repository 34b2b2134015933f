/* SPDX-License-Identifier: Apache-2.0
 *
 * One node: a core with an event loop, a listener, a mesh and gossip around it.
 * Several may live in one process; nothing is global.
 *
 *   timers, then: read sockets -> doors -> hub -> end of turn
 *   The end of a turn settles the hub and writes what waits (conns.h): right
 *   after the poll for what sockets did; before the next one for what timers,
 *   ends of connections and the first end did, until nothing moves.
 *
 *   open --node_stop()--> draining (node/drain.h) --> closed
 *
 * Exit codes are those of EXPECTATIONS 2d: 73 cannot bind, 78 configuration.
 */
#ifndef NODE_NODE_H
#define NODE_NODE_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "node/config/config.h"
#include "node/conn/tls.h"
#include "node/core.h"
#include "node/drain.h"
#include "node/mesh/gossip.h"
#include "node/mesh/keyring.h"
#include "node/mesh/mesh.h"

struct calls;
struct clocks;
struct conns;
struct fault;
struct listener;
struct notify;
struct reload;
struct seeds;
struct watch;

struct node {
    struct core core;
    struct config config;
    struct log log;
    struct keyring keyring;
    struct node_id id;
    uint8_t life[16];
    uint64_t host; /* of a process of several: the first one's id, in short */

    uv_loop_t *loop;
    uv_timer_t timer;     /* the earliest of deadlines, hub, cluster */
    uv_prepare_t prepare; /* before the poll: ends the turn, arms the timer */
    uv_check_t check;     /* after the poll: writes what sockets did */
    struct drain drain;
    uv_signal_t sigterm;
    uv_signal_t sigint;
    uv_signal_t sighup;
    uv_async_t wake;       /* the board, or a reload, has something */
    uv_timer_t beat;       /* for the service manager */
    bool has_handles;      /* the ones above are open */
    struct notify *notify; /* borrowed, of the process; NULL: no manager */

    struct cluster *cluster;
    struct addr client_addr;  /* of the process: what port 0 became */
    struct addr cluster_addr; /* bound: gossip and control lane */
    struct seeds *seeds;
    struct calls *calls; /* asked of the peers, and answered */
    struct watch *watch; /* what this node says of itself */
    struct clocks *clocks;
    struct buf wire; /* an item on its way to several peers */
    bool draining_effects;
    unsigned gaps_unlogged; /* discontinuities since the last log line */
    uint64_t gap_log_ms;    /* when the next one may be written */
    struct conns *conns;
    struct listener *listener;
    struct listener *admin; /* of a worker, for it alone; else NULL */
    struct mesh *mesh;
    struct gossip *gossip;
    struct fault *fault;          /* of a `starling dev`: node/dev.h */
    struct tls_facts certificate; /* the one in use; zero: none */
    struct deadline certificate_day;
    struct bytes origins[CONFIG_ORIGINS_MAX];
    struct bytes caches[QUOTAS_MAX];
    uint64_t armed_ms; /* what the timer waits for */
    uint64_t hub_ms;   /* when the hub has something to forget */
    uint64_t lag_ms;   /* longest turn since lag_from_ms */
    uint64_t lag_from_ms;
    int exit_code;
    bool stopping;
    bool closed; /* handles are closing; uv_run() returns soon */
};

/* Opens everything and logs `node-listening`. On error nothing stays open and
 * *exit_code is what the process should end with; a log line said why. */
int node_open(struct node *node, uv_loop_t *loop, const struct config *config,
              int *exit_code);

/* The same in steps, for the workers of a process, with node/ports.h in the
 * middle. An error is in node->exit_code and in the log. */
struct board;
int node_prepare(struct node *node, uv_loop_t *loop,
                 const struct config *config, struct board *board);
/* With its ports bound. On error nothing stays open. */
int node_start(struct node *node);
/* What the process has for all its nodes: after node_prepare() or node_open(),
 * before the loop runs. */
void node_serve(struct node *node, struct reload *reload,
                struct notify *notify);
/* Undoes node_prepare(), when it was not started. */
void node_drop(struct node *node);

/* Drains (node/drain.h) and closes; uv_run() then returns. Again: the second
 * call ends it at once. */
void node_stop(struct node *node);
/* New connections are refused from now on. */
void node_stop_listening(struct node *node);
/* The end of a drain: says so to all peers, and closes. */
void node_leave(struct node *node);
/* After the loop has ended. */
void node_fini(struct node *node);

/* The caches and origins of its configuration hold from now on. Errors:
 * ERR_NOMEM, of some quotas. */
int node_fix_caches(struct node *node);
void node_take_origins(struct node *node);

/* Steps the cluster with one piece of news and carries out what it wants done:
 * node/effects.c. Again: from inside an effect, too. */
void node_tell_cluster(struct node *node, const struct cluster_news *news);
void node_drain_effects(struct node *node);

#endif
