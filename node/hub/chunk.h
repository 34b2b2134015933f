/* SPDX-License-Identifier: Apache-2.0
 *
 * Chunks: refcounted bytes that many output queues share.
 *
 * A chunk starts small (CHUNK_LEN_MIN, or what its first frame needs) and grows
 * by doubling while only its maker holds it, so that what a slow reader pins is
 * at most twice what waits. Up to CHUNK_LEN the sizes are powers of two, and
 * the pool keeps some of each for reuse: a turn allocates nothing when the one
 * before it was like it. A larger chunk is for one large item and has its exact
 * size.
 *
 * Invariants: len <= cap; cap and p do not change while refs > 1, nor do the
 * bytes below len. Counts are not atomic: loop thread only.
 */
#ifndef NODE_CHUNK_H
#define NODE_CHUNK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    CHUNK_LEN_MIN = 256,
    CHUNK_LEN = 64 << 10, /* a shared chunk is closed at this size */
    CHUNK_SIZES = 9,      /* 256, 512 ... 64 KiB */
};

struct chunk {
    uint8_t *p;
    uint32_t len;
    uint32_t cap;
    uint32_t refs;
    uint32_t operations; /* of the frames that nobody has yet: the hub's */
    uint64_t value_len;  /* bytes of the values in them, likewise */
    uint64_t topic;      /* hub's topic number of its frames, 0 for replies */
    struct chunk *next_spare;
};

/* Where chunks come from: counts the bytes of a node's output. One for each
 * node; zero is a valid empty one. */
struct chunk_pool {
    uint64_t bytes;    /* cap of all living chunks; spare ones do not count */
    uint64_t runs_len; /* bytes of the queues that point to them */
    struct chunk *spare[CHUNK_SIZES];
    uint32_t spare_len[CHUNK_SIZES];
    struct spare_runs *spare_runs; /* node/client/outq.c: the smallest arrays */
    uint32_t spare_runs_len;
};

struct spare_runs {
    struct spare_runs *next;
};

/* All chunks must be gone. */
void chunk_pool_fini(struct chunk_pool *pool);

/* A chunk with room for `cap` bytes and one reference, or NULL. */
struct chunk *chunk_new(struct chunk_pool *pool, size_t cap);
/* Makes room for n more bytes at p + len, in place or (only while refs == 1) by
 * moving. false: it cannot, or the chunk would pass CHUNK_LEN; open another
 * chunk. */
bool chunk_room(struct chunk_pool *pool, struct chunk *chunk, size_t n);
void chunk_ref(struct chunk *chunk);
void chunk_unref(struct chunk_pool *pool, struct chunk *chunk);

#endif
