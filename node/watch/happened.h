/* SPDX-License-Identifier: Apache-2.0
 *
 * The events that this node keeps (node/watch/events.h), newest first, as rows
 * of what happened in the whole cluster (CALL_EVENTS, node/watch/gather.h).
 */
#ifndef NODE_HAPPENED_H
#define NODE_HAPPENED_H

struct core;

/* Answers from now on. */
void happened_serve(struct core *core);

#endif
