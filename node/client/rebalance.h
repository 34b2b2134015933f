/* SPDX-License-Identifier: Apache-2.0
 *
 * Spreads the clients of a region evenly over its nodes, slowly and politely:
 * each second the nodes say how many they have, and those with too many ask
 * some of theirs to go on elsewhere (node/client/rebalance_plan.h,
 * node/client/mover.h). Who is asked connects there first and leaves then:
 * nothing is lost.
 *
 *   idle --start--> running --even, or nobody else can move--> done
 *                      \--a node drains, goes or is silent, another run, the
 *                         time, or a wish--> stopped (why)
 *
 * The node that was asked runs it, for any region, one at a time; it ends with
 * that node. Loop thread only; neither libuv nor a clock.
 */
#ifndef NODE_REBALANCE_H
#define NODE_REBALANCE_H

#include "node/client/rebalance_plan.h"
#include "node/mesh/calls.h"

struct core;
struct rebalance;

enum {
    REBALANCE_ROUND_MS = 1000,
    REBALANCE_WAIT_MS = 800, /* for the answers of a round */
    REBALANCE_MS = 120000,   /* all of it */
    REBALANCE_STILL = 12,    /* rounds without anybody to move: the end; longer
                                than it is waited for who was asked */
    REBALANCE_WHY_MAX = 160,
};

/* `core`, whose calls and deadlines it uses, is borrowed; core->rebalance is
 * set. NULL: memory is short. */
struct rebalance *rebalance_new(struct core *core);
/* NULL is fine. */
void rebalance_free(struct rebalance *rebalance);

/* Begins with a region; empty: the own one. Errors: ERR_CONFLICT (one is
 * running here), ERR_NOT_FOUND (no node there takes clients), ERR_NOT_READY (no
 * cluster yet), ERR_LIMIT (more than PLAN_NODES_MAX nodes), ERR_NOMEM. */
int rebalance_start(struct rebalance *rebalance, struct bytes region);
/* Nobody is asked any more; who was asked goes. Again: harmless. */
void rebalance_stop(struct rebalance *rebalance);

/* Appends where it stands, as JSON (docs/PROTOCOLS.md). */
void rebalance_add(const struct rebalance *rebalance, struct buf *out);

#endif
