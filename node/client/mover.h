/* SPDX-License-Identifier: Apache-2.0
 *
 * What a node does for who rebalances its region: says how many clients it has,
 * and asks some of them to go on at another node (CALL_MOVE). They are those
 * that said they can, each asked once in MOVER_AGAIN_S, taken evenly from all
 * of them.
 *
 * It obeys one run at a time, until MOVER_RUN_MS after its last word. A node
 * that drains obeys nobody: it sends all of them (node/drain.h).
 */
#ifndef NODE_MOVER_H
#define NODE_MOVER_H

#include <stdint.h>

#include "proto/rebalance.h"

struct core;

enum {
    MOVER_RUN_MS = 5000,
    MOVER_GONE_S = 10, /* who was asked and is still here then stays */
    MOVER_AGAIN_S = 60,
};

struct mover {
    uint64_t run; /* that is obeyed; 0 none */
    uint64_t heard_ms;
};

/* Answers the others from now on. */
void mover_serve(struct core *core);

/* The same for who is asked here: obeys the orders to this node. */
void mover_answer(struct core *core, const struct rebalance_question *question,
                  struct rebalance_answer *answer);

/* How many clients are here, can move, and are about to. */
void mover_count(const struct core *core, struct rebalance_answer *answer);
/* Asks up to `most` of those that can to go on at `endpoint`. Returns how many
 * were asked. */
uint64_t mover_send(struct core *core, struct bytes endpoint, uint64_t most);

#endif
