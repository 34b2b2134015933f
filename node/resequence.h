/* SPDX-License-Identifier: Apache-2.0
 *
 * Puts the batches of one peer on one lane back into order, and finds out when
 * some never came.
 *
 *   arrival   1 3 2 | 6 5 ............ | epoch+1: 1
 *   delivered 1 2 3 | (4 never came)  hole 5 6 | hole 1
 *
 * Batches are numbered 1, 2, 3 ... within an epoch, one life of the link at its
 * sender. What arrives early is held: at most RESEQUENCE_WINDOW batches,
 * RESEQUENCE_LEN_MAX bytes, RESEQUENCE_WAIT_MS. Then the missing one is given
 * up: a hole. A new epoch ends the old one, whose tail nobody knows: a hole
 * too. What comes for a number already passed, or an older epoch, is refused.
 *
 * The first number ever seen may be any: the peer may have known us before we
 * knew it, and what it said then was refused. That is no hole.
 *
 * Nothing here knows sockets or a clock.
 */
#ifndef NODE_RESEQUENCE_H
#define NODE_RESEQUENCE_H

#include "proto/peer.h"

enum {
    RESEQUENCE_WINDOW = 64,       /* batches, a power of two */
    RESEQUENCE_LEN_MAX = 4 << 20, /* bytes held */
    RESEQUENCE_WAIT_MS = 20,      /* callbacks swap places for less */
};

/* Both may call resequence_reset(), nothing else of this header. */
struct resequence_to {
    void *data;
    void (*on_batch)(void *data, const struct peer_batch *head,
                     struct bytes body);
    void (*on_hole)(void *data);
};

struct resequence_held {
    struct peer_batch head;
    uint8_t *body; /* NULL: empty place, or an empty batch (at_ms set) */
    size_t len;
    uint64_t at_ms; /* when it came, + 1; 0 = empty place */
};

struct resequence {
    struct resequence_to to;
    uint64_t epoch; /* 0: nothing came yet */
    uint64_t next;  /* the number to deliver next */
    bool fresh;     /* nothing was delivered: the start is unknown */
    uint32_t held_len;
    uint64_t bytes;  /* of the held bodies */
    uint64_t resets; /* tells a delivery that its callback reset this */
    struct resequence_held *held; /* RESEQUENCE_WINDOW, NULL until needed */
};

void resequence_init(struct resequence *r, const struct resequence_to *to);
void resequence_fini(struct resequence *r);

/* Forgets everything, as if the peer were new. Callable from a callback. */
void resequence_reset(struct resequence *r);

/* Takes one batch; `body` is borrowed. Errors: ERR_STALE (older epoch, a number
 * already passed), ERR_SYNTAX (epoch or number 0): refuse and count. Memory
 * that is short makes a hole, never an error. */
int resequence_put(struct resequence *r, const struct peer_batch *head,
                   struct bytes body, uint64_t now_ms);

/* Gives up what was waited for too long. */
void resequence_tick(struct resequence *r, uint64_t now_ms);

/* When to call resequence_tick() again; UINT64_MAX while nothing is held. */
uint64_t resequence_wake_ms(const struct resequence *r);

void resequence_check(const struct resequence *r);

#endif
