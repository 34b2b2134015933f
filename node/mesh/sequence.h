/* SPDX-License-Identifier: Apache-2.0
 *
 * The numbers of the batches of one peer on one lane: tells when some never
 * came.
 *
 *   1 2 3 | 5          4 is missing: a hole
 *   6..8 | 9           a gap stands for 6 to 8: in order
 *   next epoch: 10     nothing was in the pipe that broke: in order
 *   old epoch: 11      refused
 *
 * Batches are numbered 1, 2, 3 ... over all pipes of a life of their sender and
 * come in that order: one pipe, read by one receive at a time
 * (node/mesh/pull.h). So a number that is skipped, and that no gap stands for,
 * was lost. Another epoch is another pipe; what comes of an older one is
 * refused, as is a number that was passed: nothing comes twice.
 *
 * The first number ever seen may be any: the peer may have known us before we
 * knew it, and what it said then was refused. That is no hole.
 */
#ifndef NODE_SEQUENCE_H
#define NODE_SEQUENCE_H

#include <stdint.h>

struct sequence {
    uint64_t epoch; /* 0: nothing came yet */
    uint64_t newest;
};

enum {
    SEQUENCE_NEXT = 0,
    SEQUENCE_HOLE = 1
};

/* Takes the next batch, which stands for the numbers from .. number: in order,
 * or after a hole. Errors: ERR_STALE (older epoch, a number already passed),
 * ERR_SYNTAX (epoch or a number 0, from above number). */
int sequence_take(struct sequence *sequence, uint64_t epoch, uint64_t from,
                  uint64_t number);

#endif
