/* SPDX-License-Identifier: Apache-2.0
 *
 * Opens what came on the lanes: seal, replay, header of the batch. What is none
 * of a member's is counted by reason (node/watch/stats.h) and must cost it its
 * pipe: no member says such things.
 */
#ifndef NODE_OPENER_H
#define NODE_OPENER_H

#include "node/hub/replay.h"
#include "node/log.h"
#include "node/watch/stats.h"
#include "proto/peer.h"
#include "proto/seal.h"

struct opener {
    const struct seal_ring *ring; /* borrowed; may change its keys */
    struct stats *stats;
    struct log *log;
    struct node_id self;
    struct replay heard[PEER_LANES];
    struct buf plain;
    uint64_t log_ms; /* when another version is worth a line again */
};

/* A zeroed one with the first fields set is ready. */
void opener_fini(struct opener *opener);

/* True: a batch for us that was not heard before; `body` is borrowed until the
 * next call. False: refused and counted. */
bool opener_open(struct opener *opener, enum peer_lane lane, struct bytes frame,
                 uint64_t now_ms, struct peer_batch *head, struct bytes *body);

#endif
