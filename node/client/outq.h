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
 * beyond this struct and is all zero; a run holds one reference of its chunk;
 * pinned counts a chunk once for each stretch of neighbouring runs in it; the
 * pool counts the memory of all queues (runs_len). Loop thread only.
 */
#ifndef NODE_OUTQ_H
#define NODE_OUTQ_H

#include <stdbool.h>
#include <stdint.h>

#include "node/hub/chunk.h"
#include "proto/bytes.h"

enum {
    OUTQ_INLINE_RUNS = 1, /* a subscriber's turn is one run */
    OUTQ_ARRAY_MIN = 4,   /* runs of the smallest array; the pool keeps some */
    OUTQ_IOV_MAX = 64,
};

struct run {
    struct chunk *chunk; /* NULL: a cork */
    uint32_t off;
    uint32_t len;
    uint64_t seq; /* of its first item; 0: a reply, never dropped */
};

struct outq {
    struct run *runs; /* NULL: the inline ones */
    struct run inline_runs[OUTQ_INLINE_RUNS];
    uint32_t head;   /* circular: place of the first run */
    uint32_t len;    /* runs in use, from head */
    uint32_t cap;    /* of runs; a power of two */
    uint32_t corks;  /* corks among them */
    bool head_begun; /* part of the first run is already on the wire */
    uint64_t queued; /* bytes that wait */
    uint64_t
        pinned; /* bytes of the chunks they keep alive: what bounds count */
};

void outq_fini(struct outq *q, struct chunk_pool *pool);

/* Appends a run and takes a reference of the chunk. Lengthens the last run when
 * the bytes follow it there, but never makes items part of a begun run, which
 * could no longer be dropped. Errors: ERR_NOMEM, the queue is as it was. */
int outq_add(struct outq *q, struct chunk_pool *pool, struct chunk *chunk,
             uint32_t off, uint32_t len, uint64_t seq);

/* Copies reply bytes to the end. Errors: ERR_NOMEM. */
int outq_write(struct outq *q, struct chunk_pool *pool, struct bytes reply);

/* Puts a cork at the end. Errors: ERR_NOMEM. */
int outq_cork(struct outq *q, struct chunk_pool *pool);
/* Replaces the first `len` corks, which must be there, each by what ack() gives
 * for it (may be empty; it lives until the next call). ack() does not touch the
 * queue. Returns how many runs it looked at or moved, which tests count: one
 * pass, however many corks. Errors: ERR_NOMEM, the corks are then out and
 * acknowledgements lost: close. */
ptrdiff_t outq_uncork(struct outq *q, struct chunk_pool *pool, uint32_t len,
                      struct bytes (*ack)(void *data), void *data);

/* Fills iov with what may be written now, in order, up to the first cork.
 * Returns how many. The bytes stay where they are until outq_taken(),
 * outq_drop_items() or outq_fini(), whatever is added meanwhile. */
size_t outq_peek(const struct outq *q, struct bytes *iov, size_t max);
/* Bytes that may be written now. */
uint64_t outq_writable(const struct outq *q);
/* Removes n written bytes from the front. */
void outq_taken(struct outq *q, struct chunk_pool *pool, size_t n);

/* Moves the first n bytes, which may be written now, to the end of another
 * queue, where they are a reply that is on its way: short runs are copied side
 * by side, longer ones go as they lie. Errors: ERR_NOMEM, part of them may have
 * gone: close. */
int outq_move(struct outq *from, struct outq *to, struct chunk_pool *pool,
              size_t n);

/* Removes every whole run of items (seq != 0) but a begun one. Calls `lost`
 * for each, first to last, before it goes. Replies and corks stay. */
void outq_drop_items(struct outq *q, struct chunk_pool *pool,
                     void (*lost)(void *data, const struct run *run),
                     void *data);

/* Each run but corks, first to last. */
void outq_each(const struct outq *q,
               void (*each)(void *data, const struct run *run), void *data);

/* What it keeps alive: chunks, and its own runs. */
static inline uint64_t outq_memory(const struct outq *q)
{
    return q->pinned + q->cap * sizeof(struct run);
}

static inline bool outq_is_empty(const struct outq *q)
{
    return q->len == 0;
}

void outq_check(const struct outq *q);

#endif
