/* SPDX-License-Identifier: Apache-2.0
 *
 * Which sealed packets were seen before: a window of counters for each sender,
 * named by the 16 life bytes of its nonces.
 *
 * Only packets that opened may be put here, so only members can make entries.
 * The table is bounded: REPLAY_SETS sets of REPLAY_WAYS senders; in a full set
 * the one that was quiet longest is forgotten, and its packets could be
 * repeated then.
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
    uint64_t used; /* when it was last heard, in packets; 0 = free */
    struct seal_window window;
};

struct replay {
    struct replay_sender *senders; /* REPLAY_SETS * REPLAY_WAYS */
    uint64_t packets;
};

/* Errors: ERR_NOMEM. */
int replay_init(struct replay *replay);
void replay_fini(struct replay *replay);

/* True once for each (life, counter); false when seen or too old to know. */
bool replay_accept(struct replay *replay, const uint8_t life[REPLAY_LIFE_LEN],
                   uint64_t counter);

/* Whether it would say no; makes no entry, so anybody's packet may be asked
 * about before it is opened. */
bool replay_has(const struct replay *replay,
                const uint8_t life[REPLAY_LIFE_LEN], uint64_t counter);

#endif
