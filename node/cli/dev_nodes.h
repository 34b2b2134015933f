/* SPDX-License-Identifier: Apache-2.0
 *
 * The nodes of `starling dev`: each a real process on ports of its own, that
 * ends when this command ends; and what is wrong between them.
 */
#ifndef NODE_CLI_DEV_NODES_H
#define NODE_CLI_DEV_NODES_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "node/cli/checker.h"
#include "node/config/config.h"
#include "node/mesh/fault.h"

enum {
    DEV_NODES_MAX = CHECKER_NODES_MAX,
    DEV_REGIONS_MAX = 8,
    DEV_WORKERS_MAX = 3, /* their ports are within one step */
    DEV_WAN_MAX_MS = FAULT_DELAY_MAX_MS,
};

struct dev_node {
    pid_t pid; /* 0 = not running */
    uint16_t port;
    char name[24]; /* "n1" */
    size_t region; /* of the regions below */
    struct link_url url;
    char url_text[64];
    int ways[DEV_WORKERS_MAX]; /* node/dev.h; -1 = none */
    bool killed;               /* by wish: its end is no news */
    uint64_t started_ms;
    unsigned awaited; /* workers, started again, that are not ready yet */
};

struct dev_nodes {
    struct dev_node node[DEV_NODES_MAX];
    size_t len;
    unsigned workers;
    const char *regions[DEV_REGIONS_MAX]; /* node i is of region i % len */
    size_t regions_len;
    uint16_t port;    /* of the first node; the next ones step by 10 */
    const char *host; /* where clients find them; nodes are on loopback */
    const char *keys; /* path of the key file; NULL: none */
    sigset_t waited;  /* signals we wait for instead of being interrupted */
    sigset_t before;
    bool stopping; /* their end is no news */

    uint32_t wan_ms;                            /* each way between regions */
    bool cut[DEV_REGIONS_MAX][DEV_REGIONS_MAX]; /* both ways round */
};

/* Makes `port` the first of a row of free ports; `fixed`: this one or none.
 * false when they are taken. */
bool dev_nodes_choose_ports(struct dev_nodes *nodes, bool fixed);

/* Starts all; from here on SIGINT, SIGTERM and SIGCHLD only arrive by
 * dev_nodes_signal(). Errors: ERR_IO. */
int dev_nodes_start(struct dev_nodes *nodes);

/* Ends the process as a crash would; returns when it is gone. */
void dev_nodes_kill(struct dev_nodes *nodes, size_t i);
/* Starts it again, on its ports, with its seeds; ending it first if it runs.
 * Errors: ERR_IO. */
int dev_nodes_restart(struct dev_nodes *nodes, size_t i);

/* Waits for one of those signals; 0 when none came in wait_ms. */
int dev_nodes_signal(const struct dev_nodes *nodes, unsigned wait_ms);

/* Notices which processes have ended, and says so; returns how many run. */
size_t dev_nodes_reap(struct dev_nodes *nodes);

/* Ends all: politely, then not. */
void dev_nodes_stop(struct dev_nodes *nodes);

static inline const char *dev_region(const struct dev_nodes *nodes, size_t i)
{
    return nodes->regions[nodes->node[i].region];
}

#endif
