/* SPDX-License-Identifier: Apache-2.0
 *
 * The bodies of the call (node/mesh/calls.h, CALL_MOVE) by which the node that
 * rebalances a region asks the others how many clients they have, and tells
 * them to send some away.
 *
 *   question   msgpack array: run, orders: array of orders
 *   order      array: id of the node (16 bytes), endpoint, count
 *   answer     array: run, clients, movable, moving
 *
 * The run of an answer is the one that the node obeys at present: another one
 * means that somebody else rebalances. What a newer node adds behind is passed
 * over. Reading borrows.
 */
#ifndef PROTO_REBALANCE_H
#define PROTO_REBALANCE_H

#include "proto/mp.h"
#include "proto/peer.h"

enum {
    REBALANCE_ORDERS_MAX = 256, /* of a question; they fit a call */
    REBALANCE_COUNT_MAX = 1 << 20,
};

struct rebalance_order {
    struct node_id from;   /* which is to send clients */
    struct bytes endpoint; /* there */
    uint64_t count;        /* so many, 1 to REBALANCE_COUNT_MAX */
};

struct rebalance_question {
    uint64_t run; /* never 0 */
    uint32_t orders_len;
    struct mp orders; /* rebalance_order_read() takes one */
};

/* orders_len orders follow, each by rebalance_order_write(). */
void rebalance_question_write(uint64_t run, uint32_t orders_len,
                              struct buf *out);
void rebalance_order_write(const struct rebalance_order *order,
                           struct buf *out);
/* Errors: ERR_SYNTAX: not a question, or not whole. */
int rebalance_question_read(struct bytes in,
                            struct rebalance_question *question);
/* The next order; false when there are no more. */
bool rebalance_order_read(struct rebalance_question *question,
                          struct rebalance_order *order);

struct rebalance_answer {
    uint64_t run;
    uint64_t clients;
    uint64_t movable; /* of them: could be asked now */
    uint64_t moving;  /* were asked, and are still here */
};

void rebalance_answer_write(const struct rebalance_answer *answer,
                            struct buf *out);
/* Errors: ERR_SYNTAX. */
int rebalance_answer_read(struct bytes in, struct rebalance_answer *answer);

#endif
