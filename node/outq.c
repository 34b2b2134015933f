/* SPDX-License-Identifier: Apache-2.0 */
#include "node/outq.h"

#include <assert.h>
#include <stdlib.h>

#include "proto/err.h"

static_assert((OUTQ_INLINE_RUNS & (OUTQ_INLINE_RUNS - 1)) == 0,
              "places wrap by a mask");

static struct run *run_at(struct outq *q, uint32_t i);
static const struct run *run_of(const struct outq *q, uint32_t i);
static uint64_t pin_of(const struct outq *q, uint32_t i);
static uint32_t first_cork(const struct outq *q);
static int push(struct outq *q, const struct run *run);
static void pop(struct outq *q, struct chunk_pool *pool);
static void remove_at(struct outq *q, uint32_t at);
static bool extend(struct outq *q, uint32_t i, struct bytes reply);
static struct chunk *reply_chunk(const struct outq *q, struct chunk_pool *pool,
                                 uint32_t i, struct bytes reply);
static void release(struct outq *q);

void outq_fini(struct outq *q, struct chunk_pool *pool)
{
    for (uint32_t i = 0; i < q->len; i++) {
        if (run_at(q, i)->chunk != NULL) {
            chunk_unref(pool, run_at(q, i)->chunk);
        }
    }
    release(q);
}

/* --- in --------------------------------------------------------------------
 */

int outq_add(struct outq *q, struct chunk *chunk, uint32_t off, uint32_t len,
             uint64_t seq)
{
    assert(len > 0);
    assert(off <= chunk->len && len <= chunk->len - off);

    if (q->len > 0) {
        struct run *last = run_at(q, q->len - 1);
        bool begun = q->len == 1 && q->head_begun;
        if (last->chunk == chunk && last->off + last->len == off &&
            (last->seq == 0) == (seq == 0) && (seq == 0 || !begun)) {
            last->len += len;
            q->queued += len;
            return 0;
        }
    }
    if (push(q, &(struct run){chunk, off, len, seq}) != 0) {
        return ERR_NOMEM;
    }
    chunk_ref(chunk);
    q->queued += len;
    q->pinned += pin_of(q, q->len - 1);
    return 0;
}

int outq_write(struct outq *q, struct chunk_pool *pool, struct bytes reply)
{
    if (reply.len == 0 || (q->len > 0 && extend(q, q->len - 1, reply))) {
        return 0;
    }
    struct chunk *chunk = reply_chunk(q, pool, q->len, reply);
    if (chunk == NULL) {
        return ERR_NOMEM;
    }
    int rc = outq_add(q, chunk, 0, chunk->len, 0);
    chunk_unref(pool, chunk);
    return rc;
}

int outq_cork(struct outq *q)
{
    if (push(q, &(struct run){0}) != 0) {
        return ERR_NOMEM;
    }
    q->corks++;
    return 0;
}

int outq_uncork(struct outq *q, struct chunk_pool *pool, struct bytes ack)
{
    uint32_t at = first_cork(q);

    assert(at < q->len);
    q->corks--;
    /* Thousands of acknowledgements share a few chunks: see extend(). */
    if (ack.len == 0 || (at > 0 && extend(q, at - 1, ack))) {
        remove_at(q, at);
        return 0;
    }
    struct chunk *chunk = reply_chunk(q, pool, at, ack);
    if (chunk == NULL) {
        remove_at(q, at);
        return ERR_NOMEM;
    }
    *run_at(q, at) = (struct run){chunk, 0, chunk->len, 0};
    q->queued += chunk->len;
    q->pinned += chunk->cap; /* a new chunk: no neighbour is in it */
    return 0;
}

/* --- out -------------------------------------------------------------------
 */

size_t outq_peek(const struct outq *q, struct bytes *iov, size_t max)
{
    size_t n = 0;

    while (n < max && n < q->len) {
        const struct run *run = run_of(q, (uint32_t)n);
        if (run->chunk == NULL) {
            break;
        }
        iov[n++] = bytes_of(run->chunk->p + run->off, run->len);
    }
    return n;
}

uint64_t outq_writable(const struct outq *q)
{
    uint64_t bytes = 0;

    if (q->corks == 0) {
        return q->queued;
    }
    for (uint32_t i = 0; run_of(q, i)->chunk != NULL; i++) {
        bytes += run_of(q, i)->len;
    }
    return bytes;
}

void outq_taken(struct outq *q, struct chunk_pool *pool, size_t n)
{
    assert(n <= q->queued);
    q->queued -= n;
    while (n > 0) {
        struct run *run = run_at(q, 0);
        assert(run->chunk != NULL);
        if (n < run->len) {
            run->off += (uint32_t)n;
            run->len -= (uint32_t)n;
            q->head_begun = true;
            return;
        }
        n -= run->len;
        pop(q, pool);
    }
    if (q->len == 0) {
        release(q);
    }
}

void outq_drop_items(struct outq *q, struct chunk_pool *pool,
                     void (*lost)(void *data, const struct run *run),
                     void *data)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < q->len; i++) {
        struct run run = *run_at(q, i);
        if (run.seq != 0 && !(i == 0 && q->head_begun)) {
            lost(data, &run);
            q->queued -= run.len;
            chunk_unref(pool, run.chunk);
        } else {
            *run_at(q, kept++) = run;
        }
    }
    q->len = kept;
    q->pinned = 0;
    for (uint32_t i = 0; i < q->len; i++) {
        q->pinned += pin_of(q, i);
    }
    if (q->len == 0) {
        release(q);
    }
}

static void run_check(const struct run *run)
{
    if (run->chunk == NULL) {
        assert(run->len == 0 && run->seq == 0);
        return;
    }
    assert(run->len > 0 && run->chunk->refs > 0);
    assert(run->off <= run->chunk->len);
    assert(run->len <= run->chunk->len - run->off);
}

void outq_check(const struct outq *q)
{
    uint64_t queued = 0;
    uint64_t pinned = 0;
    uint32_t corks = 0;

    for (uint32_t i = 0; i < q->len; i++) {
        const struct run *run = run_of(q, i);
        queued += run->len;
        pinned += pin_of(q, i);
        corks += run->chunk == NULL ? 1 : 0;
        run_check(run);
    }
    assert(queued == q->queued);
    assert(pinned == q->pinned);
    assert(corks == q->corks);
    assert(q->len > 0 || (q->runs == NULL && !q->head_begun));
    assert(q->runs == NULL ? q->cap == 0 : q->cap > OUTQ_INLINE_RUNS);
    assert(q->len <= (q->runs == NULL ? OUTQ_INLINE_RUNS : q->cap));
    assert(!q->head_begun || run_of(q, 0)->chunk != NULL);
}

/* --- the circle of runs ------------------------------------------------------
 */

static const struct run *run_of(const struct outq *q, uint32_t i)
{
    if (q->runs == NULL) {
        return &q->inline_runs[(q->head + i) & (OUTQ_INLINE_RUNS - 1)];
    }
    return &q->runs[(q->head + i) & (q->cap - 1)];
}

static struct run *run_at(struct outq *q, uint32_t i)
{
    if (q->runs == NULL) {
        return &q->inline_runs[(q->head + i) & (OUTQ_INLINE_RUNS - 1)];
    }
    return &q->runs[(q->head + i) & (q->cap - 1)];
}

/* What run i adds to pinned: nothing when the run before is in its chunk. */
static uint64_t pin_of(const struct outq *q, uint32_t i)
{
    const struct chunk *chunk = i < q->len ? run_of(q, i)->chunk : NULL;

    if (chunk == NULL || (i > 0 && run_of(q, i - 1)->chunk == chunk)) {
        return 0;
    }
    return chunk->cap;
}

/* q->len when there is none. */
static uint32_t first_cork(const struct outq *q)
{
    uint32_t i = 0;

    while (i < q->len && run_of(q, i)->chunk != NULL) {
        i++;
    }
    return i;
}

static int grow(struct outq *q)
{
    uint32_t cap = q->runs == NULL ? OUTQ_INLINE_RUNS : q->cap;
    struct run *runs = NULL;

    if (cap <= UINT32_MAX / 4) {
        runs = malloc(sizeof *runs * cap * 2);
    }
    if (runs == NULL) {
        return ERR_NOMEM;
    }
    for (uint32_t i = 0; i < q->len; i++) {
        runs[i] = *run_at(q, i);
    }
    free(q->runs);
    q->runs = runs;
    q->head = 0;
    q->cap = cap * 2;
    return 0;
}

static int push(struct outq *q, const struct run *run)
{
    if (q->len == (q->runs == NULL ? OUTQ_INLINE_RUNS : q->cap) &&
        grow(q) != 0) {
        return ERR_NOMEM;
    }
    q->len++;
    *run_at(q, q->len - 1) = *run;
    return 0;
}

/* Removes the first run. Its bytes are no longer in queued. */
static void pop(struct outq *q, struct chunk_pool *pool)
{
    struct chunk *chunk = run_at(q, 0)->chunk;

    q->pinned -= pin_of(q, 0) + pin_of(q, 1);
    q->head++;
    q->len--;
    q->head_begun = false;
    q->pinned += pin_of(q, 0);
    chunk_unref(pool, chunk);
}

/* Takes out place `at`, which is a cork, moving the shorter side. */
static void remove_at(struct outq *q, uint32_t at)
{
    q->pinned -= pin_of(q, at + 1);
    if (at < q->len / 2) {
        for (uint32_t i = at; i > 0; i--) {
            *run_at(q, i) = *run_at(q, i - 1);
        }
        q->head++;
    } else {
        for (uint32_t i = at; i + 1 < q->len; i++) {
            *run_at(q, i) = *run_at(q, i + 1);
        }
    }
    q->len--;
    q->pinned += pin_of(q, at);
    if (q->len == 0) {
        release(q);
    }
}

/* Back to an empty queue that holds nothing. */
static void release(struct outq *q)
{
    free(q->runs);
    *q = (struct outq){0};
}

/* --- replies -----------------------------------------------------------------
 */

/* Appends to the chunk of run i when that is a reply nobody else sees. Only in
 * place: its bytes may be on their way to the socket (outq_peek()). */
static bool extend(struct outq *q, uint32_t i, struct bytes reply)
{
    struct run *run = run_at(q, i);
    struct chunk *chunk = run->chunk;

    if (chunk == NULL || run->seq != 0 || chunk->refs > 1 ||
        run->off + run->len != chunk->len ||
        reply.len > chunk->cap - chunk->len) {
        return false;
    }
    memcpy(chunk->p + chunk->len, reply.p, reply.len);
    chunk->len += (uint32_t)reply.len;
    run->len += (uint32_t)reply.len;
    q->queued += reply.len;
    return true;
}

/* A chunk that begins with these bytes, for place i. After a reply that is full
 * it is twice as large as that one, so that many small replies need few. */
static struct chunk *reply_chunk(const struct outq *q, struct chunk_pool *pool,
                                 uint32_t i, struct bytes reply)
{
    const struct run *before = i == 0 ? NULL : run_of(q, i - 1);
    size_t cap = reply.len;

    if (before != NULL && before->chunk != NULL && before->seq == 0) {
        size_t twice = (size_t)before->chunk->cap * 2;
        twice = twice < CHUNK_LEN ? twice : CHUNK_LEN;
        cap = cap < twice ? twice : cap;
    }
    struct chunk *chunk = chunk_new(pool, cap);
    if (chunk != NULL) {
        memcpy(chunk->p, reply.p, reply.len);
        chunk->len = (uint32_t)reply.len;
    }
    return chunk;
}
