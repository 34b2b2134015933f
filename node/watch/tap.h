/* SPDX-License-Identifier: Apache-2.0
 *
 * Taps: what is published at this node, sampled for an operator who watches at
 * any node (/v1/admin/tap, CALL_TAP).
 *
 *   client_publish() --tap_see()--> each tap it matches counts it, and keeps a
 *                                   copy if its rate and its room allow
 *   who watches --CALL_TAP, four times a second--> takes what is kept
 *
 * Asking is also the lease: a tap that nobody asked after for TAP_LEASE_MS is
 * gone, whatever became of who watched, and a node that joins is tapped by the
 * next question. Without taps a publish pays for looking at one pointer. What
 * is over the rate or the room is counted and never waited for.
 *
 * A row: id how many were seen since the last one that is shown, itself
 * included; text members of an object (docs/PROTOCOLS.md) without that number.
 */
#ifndef NODE_TAP_H
#define NODE_TAP_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/item.h"
#include "proto/topic.h"

struct core;
struct taps;

enum {
    TAPS_MAX = 8, /* of a node; further ones are refused */
    TAP_RATE_MAX = 100,
    TAP_LEASE_MS = 3000,
    TAP_VALUE_LEN_MAX = 4096, /* of each value */
    TAP_KEPT_LEN_MAX = 128 << 10,
};

/* What is asked: for gather_ask.what. */
struct tap_ask {
    uint64_t node; /* who watches: node and number there */
    uint64_t number;
    uint64_t rate;       /* items a second, 1 .. TAP_RATE_MAX */
    struct bytes cache;
    struct bytes prefix; /* of topics; empty: all */
};

void tap_ask_write(const struct tap_ask *ask, struct buf *out);

/* Answers from now on. */
void tap_serve(struct core *core);
/* Whether one more would be refused here. */
bool taps_are_full(const struct core *core);
/* NULL is fine. */
void taps_free(struct taps *taps);

/* A client's item was published. Only when core->taps is not NULL. */
void tap_see(struct taps *taps, const struct item *item);

/* How many a second, and as many at once: a thousand points an item. */
struct tap_pace {
    uint64_t rate;
    uint64_t points;
    uint64_t at_ms;
};
bool tap_pace_take(struct tap_pace *pace, uint64_t now_ms);

#endif
