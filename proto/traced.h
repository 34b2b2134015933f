/* SPDX-License-Identifier: Apache-2.0
 *
 * What one node knows of the way of one traced item (node/watch/trace.h), and
 * the bodies of the call by which it is asked for that (node/mesh/calls.h,
 * CALL_TRACE):
 *
 *   question  msgpack array: origin, count, hash, cache, topic
 *   answer    msgpack array: now, wall, seen, from, hop, at, written, waiting,
 *             told, [[door, subscriptions] ...], [[to, at, outcome, why] ...],
 *             more, [[door, why, count] ...]
 *
 * Times are microseconds of the monotonic clock of the node that answers; `now`
 * is that clock when it did, so that the asker, who knows how long the answer
 * took, can compare them with its own. 0 is never, or not yet. A newer node may
 * add elements behind each array, and outcomes and reasons.
 */
#ifndef PROTO_TRACED_H
#define PROTO_TRACED_H

#include <stdbool.h>

#include "proto/bytes.h"

enum {
    TRACED_DOORS_MAX = 16,
    TRACED_DROPS_MAX = 16,
    TRACED_SENT_MAX = 256, /* further peers are counted in `more` */
    TRACED_DOOR_LEN_MAX = 32,
};

/* How it came. */
enum traced_hop {
    TRACED_LOCAL = 0,   /* it was published here */
    TRACED_REGION = 1,  /* from a node of this region, for this one */
    TRACED_INGRESS = 2, /* from another region, to be passed on in this one */
    TRACED_HOST = 3,    /* for all nodes of this process */
    TRACED_HOPS
};

enum traced_outcome {
    TRACED_QUEUED = 0, /* waits for the link */
    TRACED_SENT = 1,   /* left to the link */
    TRACED_DROPPED = 2,
    TRACED_OUTCOMES
};

/* Why something did not get it. */
enum traced_why {
    TRACED_WHY_NONE = 0,
    TRACED_WHY_NO_LINK = 1,    /* it wants the item and has no link */
    TRACED_WHY_LINK_DOWN = 2,  /* the link broke before it left */
    TRACED_WHY_QUEUE_FULL = 3, /* newer items needed the room in the queue */
    TRACED_WHY_TOO_OLD = 4,    /* it waited in the queue for too long */
    TRACED_WHY_NO_MEMORY = 5,
    TRACED_WHY_SLOW = 6,   /* the reader is too slow */
    TRACED_WHY_CLOSED = 7, /* the reader went before it had read it */
    TRACED_WHY_GAP = 8,    /* told as missing, with what was lost before it */
    TRACED_WHY_LATE = 9,   /* came after it had been told as missing */
    TRACED_WHY_LOST = 10,  /* left to the link, and did not arrive */
    TRACED_WHYS
};

struct traced_door {
    struct bytes name;
    uint64_t subs;
};

struct traced_send {
    uint64_t to; /* node_id_u64() */
    uint64_t at_us;
    uint8_t outcome; /* enum traced_outcome */
    uint8_t why;     /* enum traced_why */
};

struct traced_drop {
    struct bytes door; /* empty: on its way in */
    uint64_t count;    /* subscriptions */
    uint8_t why;
};

struct traced {
    uint64_t now_us;
    uint64_t wall_us; /* wall clock, when it answered */
    bool seen;        /* else of what follows only told_us counts */
    uint64_t from;    /* node_id_u64(); 0: a client of this node */
    uint8_t hop;      /* enum traced_hop */
    uint64_t at_us;
    uint64_t written_us; /* all that wait for nobody have it since */
    uint64_t waiting;    /* subscriptions whose clients do not have it yet */
    uint64_t told_us;    /* a discontinuity in this topic was told, last */

    size_t doors_len;
    struct traced_door doors[TRACED_DOORS_MAX];
    size_t sends_len;
    struct traced_send sends[TRACED_SENT_MAX];
    uint64_t more; /* peers beyond them */
    size_t drops_len;
    struct traced_drop drops[TRACED_DROPS_MAX];
};

struct traced_question {
    uint64_t origin;
    uint64_t count;
    uint64_t hash;
    struct bytes cache;
    struct bytes topic;
};

/* Texts for people: "region", "sent", "link down". Any number is accepted. */
const char *traced_hop_text(uint8_t hop);
const char *traced_outcome_text(uint8_t outcome);
const char *traced_why_text(uint8_t why);

void traced_question_write(const struct traced_question *question,
                           struct buf *out);
/* Errors: ERR_SYNTAX. Slices borrow. */
int traced_question_read(struct bytes in, struct traced_question *question);

void traced_write(const struct traced *traced, struct buf *out);
/* Errors: ERR_SYNTAX: not an answer, or more of something than there may be.
 * Slices borrow. */
int traced_read(struct bytes in, struct traced *traced);

#endif
