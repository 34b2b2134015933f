/* SPDX-License-Identifier: Apache-2.0
 *
 * Questions between hubs, on the control lane: what followed a position of a
 * topic on another node (node/hub.h, HUB_ASKED). The cluster machine has no
 * part in them.
 */
#ifndef NODE_QUESTION_H
#define NODE_QUESTION_H

#include "node/node.h"

enum {
    /* Bytes that may wait for the asker; beyond, it is told to ask again. */
    QUESTION_QUEUED_MAX = 4 << 20,
};

/* hub_outside.ask. */
bool question_ask(void *data, const struct peer_message *question);

/* Answers the questions and takes the answers in a control batch of a peer;
 * what else is in it is skipped. */
void question_take(struct node *node, uint16_t slot, struct bytes batch);

#endif
