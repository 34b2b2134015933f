/* SPDX-License-Identifier: Apache-2.0
 *
 * A *fence* is an origin and the number of one of its items: what it numbered
 * up to there is void where it comes after the fence. It was told to be
 * missing.
 *
 *   by the old ingress   16 17                   18 19 20 (it was clogged)
 *   by the new one             (fence 20) 21 22
 *                                   `-------->   18 19 20: void
 *
 * An origin that goes over to another ingress, and does not know what became of
 * what went through the old one, puts a fence into the lanes to all of that
 * region before what follows (cluster/moves.c). Who hears of one that is higher
 * than what it knew tells its subscribers that something is missing, and drops
 * what is below from then on, whichever way it comes: so order is kept, and
 * what is dropped lies behind a discontinuity. Items of one node are numbered
 * over all its topics, so one number says it all, and it never has to be taken
 * back.
 *
 * At most FENCES_MAX origins, in their order.
 */
#ifndef CLUSTER_FENCE_H
#define CLUSTER_FENCE_H

#include "proto/peer.h"

enum {
    FENCES_MAX = PEER_FENCES_LEN_MAX / PEER_NUMBER_LEN
};

struct fences {
    struct buf pairs; /* PEER_NUMBER_LEN each */
};

void fences_fini(struct fences *fences);

static inline struct bytes fences_bytes(const struct fences *fences)
{
    return buf_bytes(&fences->pairs);
}
static inline uint64_t fence_origin(struct bytes pairs, size_t at)
{
    return bytes_u64be(pairs.p + at);
}
static inline uint64_t fence_count(struct bytes pairs, size_t at)
{
    return bytes_u64be(pairs.p + at + 8);
}
void fence_put(uint8_t pair[PEER_NUMBER_LEN], uint64_t origin, uint64_t count);

/* The number up to which an origin's items are void: 0 none. */
uint64_t fences_of(const struct fences *fences, uint64_t origin);

/* Returns 1 if it is higher now, 0 if it was as high before. Errors: ERR_LIMIT,
 * ERR_NOMEM. */
int fences_raise(struct fences *fences, uint64_t origin, uint64_t count);
/* All of these; what does not fit is left out. */
void fences_raise_all(struct fences *fences, struct bytes pairs);

/* Forgets those that `keeps` does not keep. */
void fences_sift(struct fences *fences,
                 bool (*keeps)(const void *data, uint64_t origin),
                 const void *data);

#endif
