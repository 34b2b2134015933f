/* SPDX-License-Identifier: Apache-2.0
 *
 * The clients of this node as rows of the table of all clients of the cluster
 * (CALL_CLIENTS, node/watch/gather.h), and the end of one of them (CALL_KICK).
 *
 * A client is named NODE-N: its node's id in 16 hexadecimal digits and its own
 * number there. Rows are objects of JSON (docs/PROTOCOLS.md). Of each order
 * only the rows of the page are kept while the clients are walked over
 * (node/watch/walk.h), newest first among equals.
 */
#ifndef NODE_ROSTER_H
#define NODE_ROSTER_H

#include <stdint.h>

#include "proto/bytes.h"

struct core;

enum roster_sort {
    ROSTER_BY_QUEUE = 0, /* most bytes that wait first */
    ROSTER_BY_ID = 1,    /* newest of each node first */
    ROSTER_BY_SUBS = 2,  /* most subscriptions first */
    ROSTER_SORTS
};

enum {
    ROSTER_NAME_LEN_MAX = 64, /* of a node, to filter by */
};

struct roster_client {
    uint64_t node;
    uint64_t id;
};

/* "a1b2c3d4e5f60718-12", nothing else. Errors: ERR_NOT_FOUND. */
int roster_client_read(struct bytes text, struct roster_client *client);
void roster_client_text(const struct roster_client *client, struct buf *out);

/* What is asked: for gather_ask.what. `node`: of that name or id only; empty:
 * of all. */
void roster_ask_write(enum roster_sort sort, struct bytes node,
                      struct buf *out);
/* `by`: who wants it, for the log. One row is the answer when there was such a
 * client. */
void roster_kick_write(const struct roster_client *client, struct bytes by,
                       struct buf *out);

/* Answers both from now on. */
void roster_serve(struct core *core);

#endif
