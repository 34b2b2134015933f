/* SPDX-License-Identifier: Apache-2.0
 *
 * Answers, from this node's hub, who is subscribed to what (proto/census.h):
 * for this node's own clients and for the other nodes (CALL_PUBSUB).
 */
#ifndef NODE_CENSUS_H
#define NODE_CENSUS_H

#include <stdbool.h>

#include "proto/bytes.h"

struct core;

/* Adds the answer to `out`, whose max bounds it: what fails in it is too much,
 * too much work for this second, or memory. false: the question makes no sense.
 */
bool census_answer(struct core *core, struct bytes question, struct buf *out);

#endif
