/* SPDX-License-Identifier: Apache-2.0 */
#include "node/client/outq.h"

#include <assert.h>
#include <stdlib.h>

#include "proto/err.h"

enum {
#ifdef __SANITIZE_ADDRESS__
    SPARE_RUNS_MAX = 0, /* so that the sanitizer sees a use after release */
#else
    SPARE_RUNS_MAX = 4096, /* arrays that the pool keeps */
#endif
    MOVED_LEN_MIN = 1024, /* below this a copy costs less than a run */
};

static_assert((OUTQ_INLINE_RUNS & (OUTQ_INLINE_RUNS - 1)) == 0,
              "places wrap by a mask");

static struct run *run_at(struct outq *q, uint32_t i);
static const struct run *run_of(const struct outq *q, uint32_t i);
static uint64_t pin_of(const struct outq *q, uint32_t i);
static uint32_t first_cork(const struct outq *q);
static int push(struct outq *q, struct chunk_pool *pool, const struct run *run);
static void pop(struct outq *q, struct chunk_pool *pool);
static uint32_t after_corks(const struct outq *q, uint32_t from, uint32_t len);
static void unpin(struct outq *q, uint32_t from, uint32_t to);
static void pin(struct outq *q, uint32_t from, uint32_t to);
static ptrdiff_t close_gap(struct outq *q, uint32_t from, uint32_t to);
static bool extend(struct outq *q, uint32_t i, struct bytes reply);
static struct chunk *reply_chunk(const struct outq *q, struct chunk_pool *pool,
                                 uint32_t i, struct bytes reply);
static void release(struct outq *q, struct chunk_pool *pool);

void outq_fini(struct outq *q, struct chunk_pool *pool)
{
    for (uint32_t i = 0; i < q->len; i++) {
        if (run_at(q, i)->chunk != NULL) {
            chunk_unref(pool, run_at(q, i)->chunk);
        }
    }
    release(q, pool);
}

void outq_each(const struct outq *q,
               void (*each)(void *data, const struct run *run), void *data)
{
    for (uint32_t i = 0; i < q->len; i++) {
        if (run_of(q, i)->chunk != NULL) {
            each(data, run_of(q, i));
        }
    }
}

/* --- in --------------------------------------------------------------------
 */

int outq_add(struct outq *q, struct chunk_pool *pool, struct chunk *chunk,
             uint32_t off, uint32_t len, uint64_t seq)
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
    if (push(q, pool, &(struct run){chunk, off, len, seq}) != 0) {
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
    int rc = outq_add(q, pool, chunk, 0, chunk->len, 0);
    chunk_unref(pool, chunk);
    return rc;
}

int outq_cork(struct outq *q, struct chunk_pool *pool)
{
    if (push(q, pool, &(struct run){0}) != 0) {
        return ERR_NOMEM;
    }
    q->corks++;
    return 0;
}

ptrdiff_t outq_uncork(struct outq *q, struct chunk_pool *pool, uint32_t len,
                      struct bytes (*ack)(void *data), void *data)
{
    uint32_t from = first_cork(q);
    uint32_t end = after_corks(q, from, len);
    uint32_t to = from; /* runs up to here are in their new places */
    bool failed = false;

    unpin(q, from, end);
    for (uint32_t at = from; at < end; at++) {
        struct run run = *run_at(q, at);
        if (run.chunk != NULL) {
            *run_at(q, to++) = run;
            continue;
        }
        q->corks--;
        struct bytes reply = ack(data);
        /* Thousands of acknowledgements share a few chunks: see extend(). */
        if (failed || reply.len == 0 || (to > 0 && extend(q, to - 1, reply))) {
            continue;
        }
        struct chunk *chunk = reply_chunk(q, pool, to, reply);
        failed = chunk == NULL;
        if (!failed) {
            *run_at(q, to++) = (struct run){chunk, 0, chunk->len, 0};
            q->queued += chunk->len;
        }
    }
    ptrdiff_t steps = (ptrdiff_t)end + close_gap(q, to, end);
    pin(q, from, to);
    if (q->len == 0) {
        release(q, pool);
    }
    return failed ? ERR_NOMEM : steps;
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
        release(q, pool);
    }
}

int outq_move(struct outq *from, struct outq *to, struct chunk_pool *pool,
              size_t n)
{
    assert(n <= from->queued);
    while (n > 0) {
        const struct run *run = run_of(from, 0);
        assert(run->chunk != NULL);
        uint32_t len = n < run->len ? (uint32_t)n : run->len;
        int rc = len < MOVED_LEN_MIN
                     ? outq_write(to, pool,
                                  bytes_of(run->chunk->p + run->off, len))
                     : outq_add(to, pool, run->chunk, run->off, len, 0);
        if (rc != 0) {
            return rc;
        }
        outq_taken(from, pool, len);
        n -= len;
    }
    return 0;
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
        release(q, pool);
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

static struct run *take_array(struct chunk_pool *pool, uint32_t cap)
{
    struct spare_runs *spare = pool->spare_runs;

    if (cap != OUTQ_ARRAY_MIN || spare == NULL) {
        return malloc(sizeof(struct run) * cap);
    }
    pool->spare_runs = spare->next;
    pool->spare_runs_len--;
    return (struct run *)(void *)spare;
}

static void give_array(struct outq *q, struct chunk_pool *pool)
{
    struct spare_runs *spare = (struct spare_runs *)(void *)q->runs;

    if (q->cap != OUTQ_ARRAY_MIN || pool->spare_runs_len + 1 > SPARE_RUNS_MAX) {
        free(q->runs);
        return;
    }
    spare->next = pool->spare_runs;
    pool->spare_runs = spare;
    pool->spare_runs_len++;
}

static int grow(struct outq *q, struct chunk_pool *pool)
{
    uint32_t cap = q->runs == NULL ? OUTQ_ARRAY_MIN : q->cap * 2;
    struct run *runs = q->cap > UINT32_MAX / 4 ? NULL : take_array(pool, cap);

    if (runs == NULL) {
        return ERR_NOMEM;
    }
    for (uint32_t i = 0; i < q->len; i++) {
        runs[i] = *run_at(q, i);
    }
    give_array(q, pool);
    pool->runs_len += (cap - q->cap) * sizeof *runs;
    q->runs = runs;
    q->head = 0;
    q->cap = cap;
    return 0;
}

static int push(struct outq *q, struct chunk_pool *pool, const struct run *run)
{
    if (q->len == (q->runs == NULL ? OUTQ_INLINE_RUNS : q->cap) &&
        grow(q, pool) != 0) {
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

/* The place after the last of the next `len` corks. */
static uint32_t after_corks(const struct outq *q, uint32_t from, uint32_t len)
{
    while (len > 0) {
        assert(from < q->len);
        len -= run_of(q, from)->chunk == NULL ? 1 : 0;
        from++;
    }
    return from;
}

/* Takes places from..to, and the one after them, out of pinned, and in again:
 * their neighbours change meanwhile. */
static void unpin(struct outq *q, uint32_t from, uint32_t to)
{
    for (uint32_t i = from; i <= to; i++) {
        q->pinned -= pin_of(q, i);
    }
}

static void pin(struct outq *q, uint32_t from, uint32_t to)
{
    for (uint32_t i = from; i <= to; i++) {
        q->pinned += pin_of(q, i);
    }
}

/* Places from..to - 1 are free: moves the shorter side there. Returns how many
 * runs it moved. */
static ptrdiff_t close_gap(struct outq *q, uint32_t from, uint32_t to)
{
    uint32_t gap = to - from;
    uint32_t behind = q->len - to;
    ptrdiff_t moved = 0;

    if (gap > 0 && from < behind) {
        for (uint32_t i = from; i > 0; i--, moved++) {
            *run_at(q, i - 1 + gap) = *run_at(q, i - 1);
        }
        q->head += gap;
    } else if (gap > 0) {
        for (uint32_t i = to; i < q->len; i++, moved++) {
            *run_at(q, i - gap) = *run_at(q, i);
        }
    }
    q->len -= gap;
    return moved;
}

/* Back to an empty queue that holds nothing. */
static void release(struct outq *q, struct chunk_pool *pool)
{
    pool->runs_len -= q->cap * sizeof *q->runs;
    give_array(q, pool);
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
