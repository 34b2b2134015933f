/* SPDX-License-Identifier: Apache-2.0
 *
 * Who sends how many clients where, so that the nodes of a region come to carry
 * the same: one round at a time, from what the nodes say. Pure.
 *
 * A round moves a fifth of what is too many, at least PLAN_LEAST and at most
 * PLAN_MOST clients. What was asked to go and has not gone yet counts as gone
 * at its node, and as come at the others together: so no round moves what an
 * earlier one has moved.
 */
#ifndef NODE_REBALANCE_PLAN_H
#define NODE_REBALANCE_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/bytes.h"

enum {
    PLAN_NODES_MAX = 1024,
    PLAN_PART = 5,
    PLAN_LEAST = 5, /* clients a round */
    PLAN_MOST = 1000,
    PLAN_TOLERANCE = 10, /* per cent of a node's share */
};

struct plan_node {
    uint64_t clients;
    uint64_t movable;      /* of them: can be asked */
    uint64_t moving;       /* were asked, and are still there */
    struct bytes endpoint; /* workers of a process have one in common */
};

struct plan_order {
    size_t from; /* index of a node */
    size_t to;
    uint64_t count;
};

/* What each would have. */
uint64_t plan_share(const struct plan_node *nodes, size_t len);

/* Whether all are within the tolerance, and nobody is on the way. */
bool plan_is_even(const struct plan_node *nodes, size_t len);

/* At most `most` orders of the next round. 0: nobody who is too many can be
 * asked, or all are on the way. */
size_t plan_round(const struct plan_node *nodes, size_t len,
                  struct plan_order *orders, size_t most);

#endif
