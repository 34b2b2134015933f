/* SPDX-License-Identifier: Apache-2.0
 *
 * What a node says of itself, as a value: so that one worker of a process can
 * speak for all of them (node/board.h).
 */
#ifndef NODE_VIEW_H
#define NODE_VIEW_H

#include "node/client/tally.h"
#include "node/core.h"
#include "node/watch/peer_tally.h"

enum {
    VIEW_WHY_MAX = 160,
};

struct view {
    char name[65];
    uint64_t node_u64;
    bool ready; /* the gate is open */
    bool alone;
    bool draining;
    bool silent;            /* a worker that did not answer: this is old */
    char why[VIEW_WHY_MAX]; /* it takes no publishes; "" when it does */
    uint64_t unlinked;      /* living nodes of the region without a link */
    uint64_t uptime_ms;
    uint64_t links_up;
    uint64_t links_of; /* living peers */
    struct stats stats;
    struct tally tally;
    struct peer_tally peers;
};

/* Why this node takes no publishes: a fixed text, "" when it does. */
const char *view_why_not_ready(const struct core *core);

void view_of(const struct core *core, struct view *view);

/* One view for all, `all[self]` being that of who speaks: sums (what is the
 * greatest or the least of all says node/watch/stats.h), ready when all are,
 * and `why` begins with the first that takes no publishes ("worker 2: ..."). */
void view_sum(const struct view *all, size_t len, size_t self,
              struct view *sum);

#endif
