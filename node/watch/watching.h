/* SPDX-License-Identifier: Apache-2.0
 *
 * What is around a node's watch (node/watch/watch.h): its links, its cluster,
 * and what its process costs. Events of its log are kept from here on.
 */
#ifndef NODE_WATCHING_H
#define NODE_WATCHING_H

#include "node/node.h"

/* Makes node->watch. Errors: ERR_NOMEM. */
int watching_open(struct node *node);
/* Before the core goes. Again, or never opened: nothing. */
void watching_close(struct node *node);

#endif
