/* SPDX-License-Identifier: Apache-2.0
 *
 * The checker: publishes on every node through every way of publishing and
 * subscribes on every node through every way of subscribing, then counts what
 * is missing, doubled or out of order.
 *
 *   publishers   HTTP POST, WebSocket, RESP on each node, one connection each
 *   subscribers  SSE, WebSocket, RESP on each node
 *
 * First unnumbered warm-up items until every subscriber has heard every
 * publisher, then numbered ones. Order is judged for each publisher connection.
 */
#ifndef NODE_CLI_CHECKER_H
#define NODE_CLI_CHECKER_H

#include "node/cli/link.h"

enum {
    CHECKER_NODES_MAX = 16,
    CHECKER_WAYS = 3
};

struct checker_report {
    size_t subscribers;
    size_t publishers;
    uint64_t items;   /* published and counted */
    uint64_t missing; /* deliveries that did not come */
    uint64_t duplicate;
    uint64_t disordered;
    uint64_t refused;  /* publishes answered with an error */
    const char *wrong; /* why it could not be done, NULL when it was */
};

/* Runs against these nodes, `items` from each publisher, within deadline_ms. */
void checker_run(const struct link_url *nodes, size_t nodes_len, uint64_t items,
                 unsigned deadline_ms, struct checker_report *report);

#endif
