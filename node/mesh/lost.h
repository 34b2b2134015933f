/* SPDX-License-Identifier: Apache-2.0
 *
 * The topics of what was lost: a set of hashes that becomes "all" when it
 * grows too large or memory is short, because whoever is told needlessly is
 * told the truth still, and whoever is not told is not.
 */
#ifndef NODE_LOST_H
#define NODE_LOST_H

#include "proto/peer.h"

struct lost {
    struct buf hashes; /* 8 bytes each, big endian */
    bool all;          /* then there are none */
};

void lost_fini(struct lost *lost);
void lost_reset(struct lost *lost); /* empty; keeps its memory */
void lost_add(struct lost *lost, uint64_t hash);
/* 8 bytes each; none = all. */
void lost_add_many(struct lost *lost, struct bytes hashes);

/* Sorted, each once, at most PEER_GAP_HASHES_MAX: it may become "all" here.
 * Borrowed until the next call. */
struct bytes lost_hashes(struct lost *lost);

#endif
