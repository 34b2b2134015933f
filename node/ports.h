/* SPDX-License-Identifier: Apache-2.0
 *
 * The ports of the nodes of a process, all of them or none: the client port,
 * which several share, and each one's own (node/worker.h).
 */
#ifndef NODE_PORTS_H
#define NODE_PORTS_H

#include "node/node.h"

/* Binds the ports of prepared nodes of one configuration; the first one takes
 * the client port. Default ports that are taken step by CONFIG_PORT_STEP; else
 * the first error is in the log and in the exit code of each: 73. Nothing stays
 * open then, when their loops have run once more. */
int ports_bind(struct node *const *nodes, size_t len);
/* At the start of one of the others: it listens on the client port, too, and is
 * given its part of the connections from now on. Errors: as above. */
int ports_share(struct node *node);
/* Closes those of one node. */
void ports_unbind(struct node *node);

#endif
