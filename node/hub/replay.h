/* SPDX-License-Identifier: Apache-2.0
 *
 * Which sealed packets were seen before: a window of counters for each sender,
 * named by the 16 life bytes of its nonces.
 *
 * Only packets that opened may be put here, so only members can make entries.
 * The table is bounded: REPLAY_SETS sets of REPLAY_WAYS senders; in a full set
 * the one that was quiet longest is forgotten, and its packets could be
 * repeated then. The sets hold places in a list that grows as senders come, so
 * that those of a small cluster lie side by side.
 */
#ifndef NODE_REPLAY_H
#define NODE_REPLAY_H

#include "proto/seal.h"

enum {
    REPLAY_LIFE_LEN = 16,
    REPLAY_SETS = 512, /* a power of two */
    REPLAY_WAYS = 8,
};

struct replay_sender {
    uint8_t life[REPLAY_LIFE_LEN];
    uint64_t used; /* when it was last heard, in packets */
    struct seal_window window;
};

struct replay {
    uint16_t places[REPLAY_SETS][REPLAY_WAYS]; /* in senders + 1; 0 = free */
    struct replay_sender *senders;
    size_t len;
    size_t cap;
    uint64_t packets;
};

/* A zeroed one is empty. */
void replay_fini(struct replay *replay);

/* True once for each (life, counter); false when seen or too old to know, or
 * when there is no memory for a new sender. */
bool replay_accept(struct replay *replay, const uint8_t life[REPLAY_LIFE_LEN],
                   uint64_t counter);

/* Whether it would say no; makes no entry, so anybody's packet may be asked
 * about before it is opened. */
bool replay_has(const struct replay *replay,
                const uint8_t life[REPLAY_LIFE_LEN], uint64_t counter);

#endif
