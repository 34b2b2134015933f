/* SPDX-License-Identifier: Apache-2.0
 *
 * Questions between nodes, on the control lane: what followed a position of a
 * topic on another node (node/hub/hub.h, HUB_ASKED), and calls to all peers
 * (node/mesh/calls.h). The cluster machine has no part in them.
 */
#ifndef NODE_QUESTION_H
#define NODE_QUESTION_H

#include "node/node.h"

enum {
    /* Bytes that may wait for the other node; beyond, an asker is told to ask
     * again, and calls fail. */
    QUESTION_QUEUED_MAX = 4 << 20,
};

/* Makes node->calls. Errors: ERR_NOMEM. */
int question_open(struct node *node);

/* hub_outside.ask. */
bool question_ask(void *data, const struct peer_message *question);

/* Answers the questions and takes the answers in a control batch of a peer;
 * what else is in it is skipped. */
void question_take(struct node *node, uint16_t slot, struct bytes batch);

#endif
