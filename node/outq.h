/* SPDX-License-Identifier: Apache-2.0
 *
 * The output of one client: runs of shared chunks, in order.
 *
 *   chunk (refcounted bytes)   [ frame | frame | frame | ...        ]
 *                                ^off          ^off+len
 *   client A  outq:  run(chunk, off, len) -> run(own reply) -> ...
 *   client B  outq:  run(chunk, off, len) -> ...
 *
 * A frame is encoded once for all subscribers that read the same bytes; a queue
 * holds (chunk, offset, length), and consecutive frames only lengthen its last
 * run. Nothing is copied until the flush.
 *
 * A *cork* is a place in the queue behind which nothing is written until it is
 * taken out: the acknowledgement of a subscribe waits there for the barrier,
 * and all that follows it waits with it (DESIGN 5). Corks are taken out in
 * order.
 *
 * Invariants: queued = sum of the run lengths; an empty queue holds no memory
 * beyond this struct; chunks have at least one reference for each run.
 * Counts are not atomic: loop thread only.
 */
#ifndef NODE_OUTQ_H
#define NODE_OUTQ_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/bytes.h"

enum {
    CHUNK_LEN = 64 << 10, /* a shared chunk is closed at this size */
    OUTQ_INLINE_RUNS = 2,
    OUTQ_IOV_MAX = 64,
};

struct chunk {
    uint8_t *p;
    uint32_t len;
    uint32_t cap;
    uint32_t refs;
    uint64_t topic; /* hub's topic number of its frames, 0 for replies */
};

/* Where chunks come from: counts the bytes of a node's output, keeps a few
 * blocks for reuse. One for each node. */
struct chunk_pool {
    uint64_t bytes;     /* cap of all living chunks */
    uint8_t *spare[32]; /* free blocks of CHUNK_LEN */
    uint32_t spare_len;
};

void chunk_pool_fini(struct chunk_pool *pool);

/* A chunk with room for `cap` bytes and one reference, or NULL. */
struct chunk *chunk_new(struct chunk_pool *pool, size_t cap);
/* Makes room for n more bytes, in place or (only while refs == 1) by moving.
 * false: it cannot; open another chunk. */
bool chunk_room(struct chunk_pool *pool, struct chunk *chunk, size_t n);
void chunk_ref(struct chunk *chunk);
void chunk_unref(struct chunk_pool *pool, struct chunk *chunk);

struct run {
    struct chunk *chunk; /* NULL: a cork */
    uint32_t off;
    uint32_t len;
    uint64_t seq; /* of its first item; 0: a reply, never dropped */
};

struct outq {
    struct run *runs; /* NULL: the inline ones */
    struct run inline_runs[OUTQ_INLINE_RUNS];
    uint32_t head;
    uint32_t len; /* runs in use, from head */
    uint32_t cap;
    uint32_t corks;  /* corks among them */
    bool head_begun; /* part of the first run is already on the wire */
    uint64_t queued; /* bytes that wait */
    uint64_t
        pinned; /* bytes of the chunks they keep alive: what bounds count */
};

void outq_fini(struct outq *q, struct chunk_pool *pool);

/* Appends a run and takes a reference of the chunk. Lengthens the last run when
 * the bytes follow it. Errors: ERR_NOMEM, the queue is as it was. */
int outq_add(struct outq *q, struct chunk *chunk, uint32_t off, uint32_t len,
             uint64_t seq);

/* Copies reply bytes to the end. Errors: ERR_NOMEM. */
int outq_write(struct outq *q, struct chunk_pool *pool, struct bytes reply);

/* Puts a cork at the end. Errors: ERR_NOMEM. */
int outq_cork(struct outq *q);
/* Replaces the first cork by `ack` (may be empty). There must be one. Errors:
 * ERR_NOMEM, the cork is then out and the acknowledgement lost: close. */
int outq_uncork(struct outq *q, struct chunk_pool *pool, struct bytes ack);

/* Fills iov with what may be written now, in order, up to the first cork.
 * Returns how many; borrowed until outq_taken(). */
size_t outq_peek(const struct outq *q, struct bytes *iov, size_t max);
/* Bytes that may be written now. */
uint64_t outq_writable(const struct outq *q);
/* Removes n written bytes from the front. */
void outq_taken(struct outq *q, struct chunk_pool *pool, size_t n);

/* Removes every whole run of items (seq != 0) but a begun one. Calls `lost`
 * for each, first to last, before it goes. Replies and corks stay. */
void outq_drop_items(struct outq *q, struct chunk_pool *pool,
                     void (*lost)(void *data, const struct run *run),
                     void *data);

static inline bool outq_is_empty(const struct outq *q)
{
    return q->len == 0;
}

void outq_check(const struct outq *q);

#endif
