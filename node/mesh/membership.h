/* SPDX-License-Identifier: Apache-2.0
 *
 * A node's part in its cluster: the machine (cluster/cluster.h) with its UDP
 * socket, its links and its seeds around it. What the cluster wants done is
 * carried out in node/effects.c.
 */
#ifndef NODE_MEMBERSHIP_H
#define NODE_MEMBERSHIP_H

#include "node/node.h"

/* Binds gossip and both lanes on node->cluster_addr and the port after it.
 * Errors: ERR_CONFLICT (taken), ERR_IO, ERR_NOMEM; nothing stays open. */
int membership_bind(struct node *node);

/* Starts the machine under the bound addresses and begins to join. Errors:
 * ERR_CONFIG (no address that others could reach; a log line says so),
 * ERR_NOMEM. */
int membership_start(struct node *node);

/* Tells everyone that this node is about to leave: it is chosen for nothing
 * any more, but still answers. */
void membership_drain(struct node *node);
/* Ends the lanes to everyone: nothing of it follows. */
void membership_drained(struct node *node);
/* Whether everyone has all that was sent: cluster_has_parted(). */
bool membership_has_parted(const struct node *node);
/* Tells everyone that this node leaves, who then forget it. */
void membership_leave(struct node *node);

/* Closes what is open; the handles are gone after the loop has run. */
void membership_close(struct node *node);

/* Ends a turn: changes of interest and waiting batches leave. */
void membership_end_turn(struct node *node);

/* When the machine wants to be stepped, UINT64_MAX without one. */
uint64_t membership_wake_ms(const struct node *node);
/* Steps it if that time has come. */
void membership_run(struct node *node);

/* How the hub reaches the other nodes (node/hub/hub.h). */
struct hub_outside membership_outside(struct node *node);

#endif
