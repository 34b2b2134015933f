/* SPDX-License-Identifier: Apache-2.0
 *
 * The processes of `starling dev`: each a real node on loopback, with ports of
 * its own, that ends when this command ends.
 */
#ifndef NODE_CLI_DEV_NODES_H
#define NODE_CLI_DEV_NODES_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "node/cli/checker.h"
#include "node/config.h"

enum {
    DEV_NODES_MAX = CHECKER_NODES_MAX,
    DEV_REGIONS_MAX = 8
};

struct dev_node {
    pid_t pid; /* 0 = not running */
    uint16_t port;
    char name[24]; /* "n1" */
    const char *region;
    struct link_url url;
    char url_text[64];
};

struct dev_nodes {
    struct dev_node node[DEV_NODES_MAX];
    size_t len;
    const char *regions[DEV_REGIONS_MAX]; /* node i is of region i % len */
    size_t regions_len;
    uint16_t port;   /* of the first node; the next ones step by 10 */
    sigset_t waited; /* signals we wait for instead of being interrupted */
    sigset_t before;
    bool stopping; /* their end is no news */
};

/* Makes `port` the first of a row of free ports; `fixed`: this one or none.
 * false when they are taken. */
bool dev_nodes_choose_ports(struct dev_nodes *nodes, bool fixed);

/* Starts all; from here on SIGINT, SIGTERM and SIGCHLD only arrive by
 * dev_nodes_signal(). Errors: ERR_IO. */
int dev_nodes_start(struct dev_nodes *nodes);

/* Waits for one of those signals; 0 when none came in wait_ms. */
int dev_nodes_signal(const struct dev_nodes *nodes, unsigned wait_ms);

/* Notices which processes have ended, and says so; returns how many run. */
size_t dev_nodes_reap(struct dev_nodes *nodes);

/* Ends all: politely, then not. */
void dev_nodes_stop(struct dev_nodes *nodes);

#endif
