/* SPDX-License-Identifier: Apache-2.0
 *
 * The numbers of the batches of one peer on one lane: tells when some never
 * came.
 *
 *   came   1 2 3 | 5   | epoch+1: 1 | epoch: 6
 *              hole^          hole^   refused
 *
 * Batches are numbered 1, 2, 3 ... within an epoch, one life of the way at its
 * sender, and come in that order: one pipe, read by one receive at a time
 * (node/pull.h). So a number that is skipped was dropped by its sender. A new
 * epoch ends the old one, whose tail nobody knows: a hole too.
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

/* Takes the next batch: in order, or after a hole. Errors: ERR_STALE (older
 * epoch, a number already passed), ERR_SYNTAX (epoch or number 0). */
int sequence_take(struct sequence *sequence, uint64_t epoch, uint64_t number);

#endif
