/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/test.h"

#include "node/client/outq.h"
#include "proto/err.h"
#include "tests/fail_malloc.h"

/* A chunk that holds the text, as the hub would fill it. */
static struct chunk *chunk_of(struct chunk_pool *pool, const char *text)
{
    struct chunk *chunk = chunk_new(pool, strlen(text));

    assert_non_null(chunk);
    memcpy(chunk->p, text, strlen(text));
    chunk->len = (uint32_t)strlen(text);
    return chunk;
}

/* Everything that may be written now, joined. */
static struct bytes writable(const struct outq *q, struct buf *joined)
{
    struct bytes iov[OUTQ_IOV_MAX];
    size_t n = outq_peek(q, iov, OUTQ_IOV_MAX);

    buf_reset(joined);
    for (size_t i = 0; i < n; i++) {
        buf_add_bytes(joined, iov[i]);
    }
    return buf_bytes(joined);
}

/* --- queues ------------------------------------------------------------------
 */

static void frames_that_follow_each_other_lengthen_one_run(void **state)
{
    struct chunk_pool pool = {0};
    struct outq q = {0};
    struct buf joined = {0};
    (void)state;

    struct chunk *chunk = chunk_of(&pool, "onetwothree");
    assert_int_equal(outq_add(&q, &pool, chunk, 0, 3, 1), 0);
    assert_int_equal(outq_add(&q, &pool, chunk, 3, 3, 2), 0);
    assert_int_equal(q.len, 1);
    assert_int_equal(q.inline_runs[0].seq, 1);
    assert_int_equal(chunk->refs, 2);
    assert_int_equal(outq_add(&q, &pool, chunk, 6, 5, 0),
                     0); /* a reply: not merged */
    assert_int_equal(q.len, 2);
    assert_int_equal(q.pinned, chunk->cap); /* one chunk, counted once */
    assert_bytes(writable(&q, &joined), "onetwothree");
    outq_check(&q);
    chunk_unref(&pool, chunk);
    outq_taken(&q, &pool, 11);
    assert_true(outq_is_empty(&q));
    assert_int_equal(pool.bytes, 0);
    buf_fini(&joined);
    chunk_pool_fini(&pool);
}

static void a_gap_between_frames_starts_a_new_run(void **state)
{
    struct chunk_pool pool = {0};
    struct outq q = {0};
    struct buf joined = {0};
    (void)state;

    struct chunk *chunk = chunk_of(&pool, "onetwothree");
    outq_add(&q, &pool, chunk, 0, 3, 1);
    outq_add(&q, &pool, chunk, 6, 5, 3); /* its own item between was left out */
    assert_int_equal(q.len, 2);
    assert_int_equal(q.pinned, chunk->cap);
    assert_bytes(writable(&q, &joined), "onethree");
    chunk_unref(&pool, chunk);
    outq_fini(&q, &pool);
    assert_int_equal(pool.bytes, 0);
    buf_fini(&joined);
    chunk_pool_fini(&pool);
}

static void replies_share_a_chunk_and_never_move_it(void **state)
{
    struct chunk_pool pool = {0};
    struct outq q = {0};
    struct bytes first;
    (void)state;

    outq_write(&q, &pool, BYTES("+OK\r\n"));
    assert_int_equal(outq_peek(&q, &first, 1), 1);
    for (int i = 1; i < 20000; i++) {
        assert_int_equal(outq_write(&q, &pool, BYTES("+OK\r\n")), 0);
    }
    struct bytes again;
    outq_peek(&q, &again, 1);
    assert_ptr_equal(first.p, again.p);
    assert_int_equal(q.queued, 100000);
    assert_true(q.len < 16);
    assert_true(q.pinned <= 3 * q.queued);
    assert_int_equal(q.pinned, pool.bytes);
    outq_check(&q);
    outq_taken(&q, &pool, 100000);
    assert_null(q.runs);
    assert_int_equal(pool.bytes, 0);
    chunk_pool_fini(&pool);
}

static void a_reply_never_writes_into_a_chunk_of_others(void **state)
{
    struct chunk_pool pool = {0};
    struct outq q = {0};
    (void)state;

    struct chunk *shared = chunk_of(&pool, "head");
    outq_add(&q, &pool, shared, 0, 4, 0);
    outq_write(&q, &pool, BYTES("mine"));
    assert_int_equal(shared->len, 4);
    assert_int_equal(q.len, 2);
    outq_add(&q, &pool, shared, 0, 4, 7);
    outq_write(&q, &pool, BYTES("mine")); /* nor into one of items */
    assert_int_equal(q.len, 4);
    outq_check(&q);
    chunk_unref(&pool, shared);
    outq_fini(&q, &pool);

    shared = chunk_of(&pool, "headtail"); /* nor after bytes it does not have */
    outq_add(&q, &pool, shared, 0, 4, 0);
    chunk_unref(&pool, shared);
    outq_write(&q, &pool, BYTES("mine"));
    assert_int_equal(q.len, 2);
    outq_fini(&q, &pool);
    chunk_pool_fini(&pool);
}

static struct bytes same_ack(void *data)
{
    return *(const struct bytes *)data;
}

/* Takes the first cork out. 0, or the error. */
static int uncork(struct outq *q, struct chunk_pool *pool, struct bytes ack)
{
    ptrdiff_t rc = outq_uncork(q, pool, 1, same_ack, &ack);

    return rc < 0 ? (int)rc : 0;
}

static void nothing_behind_a_cork_is_written(void **state)
{
    struct chunk_pool pool = {0};
    struct outq q = {0};
    struct buf joined = {0};
    (void)state;

    outq_write(&q, &pool, BYTES("a"));
    outq_cork(&q, &pool);
    outq_write(&q, &pool, BYTES("b"));
    outq_cork(&q, &pool);
    outq_write(&q, &pool, BYTES("c"));
    outq_check(&q);
    assert_int_equal(outq_writable(&q), 1);
    assert_bytes(writable(&q, &joined), "a");
    uncork(&q, &pool, BYTES("1"));
    outq_check(&q);
    assert_bytes(writable(&q, &joined), "a1b");
    outq_taken(&q, &pool, 3);
    assert_int_equal(outq_writable(&q), 0);
    assert_int_equal(q.queued, 1);
    uncork(&q, &pool, BYTES(""));
    outq_check(&q);
    assert_bytes(writable(&q, &joined), "c");
    outq_taken(&q, &pool, 1);
    assert_int_equal(pool.bytes, 0);
    buf_fini(&joined);
    chunk_pool_fini(&pool);
}

struct losses {
    size_t len;
    struct run runs[8];
};

static void note_lost(void *data, const struct run *run)
{
    struct losses *losses = data;

    assert_true(run->chunk->refs > 0);
    losses->runs[losses->len++] = *run;
}

static void dropping_keeps_replies_corks_and_the_begun_run(void **state)
{
    struct chunk_pool pool = {0};
    struct outq q = {0};
    struct buf joined = {0};
    struct losses losses = {0};
    (void)state;

    struct chunk *a = chunk_of(&pool, "item1item2");
    struct chunk *b = chunk_of(&pool, "item3");
    outq_add(&q, &pool, a, 0, 5, 1);
    outq_taken(&q, &pool, 2);        /* the middle of a frame */
    outq_add(&q, &pool, a, 5, 5, 2); /* not part of the begun run */
    outq_write(&q, &pool, BYTES("+reply"));
    outq_cork(&q, &pool);
    outq_add(&q, &pool, b, 0, 5, 3);
    chunk_unref(&pool, a);
    chunk_unref(&pool, b);
    outq_check(&q);
    outq_drop_items(&q, &pool, note_lost, &losses);
    outq_check(&q);
    assert_int_equal(losses.len, 2);
    assert_int_equal(losses.runs[0].seq, 2);
    assert_int_equal(losses.runs[1].seq, 3);
    uncork(&q, &pool, BYTES("+ack"));
    assert_bytes(writable(&q, &joined), "em1+reply+ack");
    outq_fini(&q, &pool);
    assert_int_equal(pool.bytes, 0);
    buf_fini(&joined);
    chunk_pool_fini(&pool);
}

/* Short pieces side by side, with what was there; a long one as it lies. */
static void moved_bytes_are_replies_of_another_queue(void **state)
{
    static const uint8_t lots[3000] = {1, 2, 3};
    struct chunk_pool pool = {0};
    struct outq from = {0};
    struct outq to = {0};
    struct buf joined = {0};
    (void)state;

    struct chunk *chunk = chunk_of(&pool, "onetwo");
    struct chunk *large = chunk_new(&pool, sizeof lots);
    assert_non_null(large);
    memcpy(large->p, lots, sizeof lots);
    large->len = sizeof lots;
    assert_int_equal(outq_add(&from, &pool, chunk, 0, 6, 1), 0);
    assert_int_equal(outq_add(&from, &pool, large, 0, sizeof lots, 2), 0);
    assert_int_equal(outq_write(&to, &pool, BYTES("head ")), 0);
    assert_int_equal(outq_move(&from, &to, &pool, 3), 0);
    assert_bytes(writable(&to, &joined), "head one");
    assert_int_equal(to.len, 1);
    assert_true(from.head_begun); /* what is left of an item stays */
    assert_int_equal(outq_move(&from, &to, &pool, 3 + 1500), 0);
    assert_int_equal(to.queued, 5 + 6 + 1500);
    assert_int_equal(large->refs, 3); /* ours, and one of each queue */
    assert_int_equal(outq_move(&from, &to, &pool, 1500), 0);
    assert_true(outq_is_empty(&from));
    assert_memory_equal(writable(&to, &joined).p + 11, lots, sizeof lots);
    outq_check(&from);
    outq_check(&to);
    chunk_unref(&pool, chunk);
    chunk_unref(&pool, large);
    outq_fini(&to, &pool);
    assert_int_equal(pool.bytes, 0);
    buf_fini(&joined);
    chunk_pool_fini(&pool);
}

static void a_queue_of_items_alone_is_empty_after_a_drop(void **state)
{
    struct chunk_pool pool = {0};
    struct outq q = {0};
    struct losses losses = {0};
    (void)state;

    for (uint64_t i = 1; i <= 5; i++) {
        struct chunk *chunk = chunk_of(&pool, "item");
        outq_add(&q, &pool, chunk, 0, 4, i);
        chunk_unref(&pool, chunk);
    }
    outq_drop_items(&q, &pool, note_lost, &losses);
    assert_int_equal(losses.len, 5);
    assert_true(outq_is_empty(&q));
    assert_null(q.runs);
    assert_int_equal(pool.bytes, 0);
    outq_check(&q);
    chunk_pool_fini(&pool);
}

static void no_memory_leaves_a_queue_as_it_was(void **state)
{
    struct chunk_pool pool = {0};
    struct outq q = {0};
    (void)state;

    struct chunk *chunk = chunk_of(&pool, "onetwothree");
    outq_add(&q, &pool, chunk, 0, 3, 1);
    fail_malloc(0); /* beyond what has room in the struct */
    assert_int_equal(outq_cork(&q, &pool), ERR_NOMEM);
    fail_malloc(-1);
    for (uint64_t i = 1; i < OUTQ_ARRAY_MIN; i++) {
        assert_int_equal(outq_cork(&q, &pool), 0);
    }
    fail_malloc(0);
    assert_int_equal(outq_add(&q, &pool, chunk, 6, 5, 3), ERR_NOMEM);
    fail_malloc(0);
    assert_int_equal(outq_cork(&q, &pool), ERR_NOMEM);
    fail_malloc(0);
    assert_int_equal(outq_write(&q, &pool, BYTES("x")), ERR_NOMEM);
    assert_int_equal(q.len, OUTQ_ARRAY_MIN);
    assert_int_equal(q.corks, OUTQ_ARRAY_MIN - 1);
    assert_int_equal(chunk->refs, 2);
    outq_check(&q);
    fail_malloc(0);
    assert_int_equal(uncork(&q, &pool, BYTES("x")), ERR_NOMEM);
    fail_malloc(-1);
    assert_int_equal(q.corks, OUTQ_ARRAY_MIN - 2); /* it is out all the same */
    outq_check(&q);
    chunk_unref(&pool, chunk);
    outq_fini(&q, &pool);
    assert_int_equal(pool.bytes, 0);
    chunk_pool_fini(&pool);
}

/* --- against a naive model
 * ---------------------------------------------------- */

enum {
    CHUNKS = 4,
    SEGMENTS = 4096,
    STEPS = 60000
};

/* One run as the contract describes it, with its bytes copied. */
struct segment {
    struct chunk *chunk; /* of items: to know what merges; else NULL */
    uint32_t end;        /* in the chunk */
    uint64_t seq;
    bool cork;
    bool begun;
    struct buf bytes;
};

struct world {
    struct chunk_pool pool;
    struct outq q;
    struct chunk *open[CHUNKS]; /* the hub's open chunks */
    struct segment model[SEGMENTS];
    size_t len;
    size_t lost; /* segments that the queue has reported lost */
    uint64_t seq;
    uint32_t seed;
    uint8_t ack[300];
};

static uint32_t pick(struct world *w, uint32_t n)
{
    w->seed = w->seed * 1664525u + 1013904223u;
    return (w->seed >> 8) % n;
}

static struct segment *model_push(struct world *w)
{
    assert_true(w->len < SEGMENTS);
    w->model[w->len] = (struct segment){0};
    return &w->model[w->len++];
}

static void model_remove(struct world *w, size_t at)
{
    buf_fini(&w->model[at].bytes);
    memmove(&w->model[at], &w->model[at + 1],
            (w->len - at - 1) * sizeof w->model[0]);
    w->len--;
}

static void step_item(struct world *w)
{
    uint32_t i = pick(w, CHUNKS);
    uint32_t n = 1 + pick(w, pick(w, 20) == 0 ? 70000 : 300);
    bool skip = pick(w, 4) == 0; /* a frame that is not for this queue */

    if (pick(w, 10) == 0 || !chunk_room(&w->pool, w->open[i], n)) {
        chunk_unref(&w->pool, w->open[i]);
        w->open[i] = chunk_new(&w->pool, n);
    }
    struct chunk *chunk = w->open[i];
    uint32_t off = chunk->len;
    for (uint32_t j = 0; j < n; j++) {
        chunk->p[chunk->len++] = (uint8_t)pick(w, 256);
    }
    w->seq++;
    if (skip) {
        return;
    }
    assert_int_equal(outq_add(&w->q, &w->pool, chunk, off, n, w->seq), 0);
    struct segment *last = w->len == 0 ? NULL : &w->model[w->len - 1];
    if (last == NULL || last->chunk != chunk || last->end != off ||
        last->begun) {
        last = model_push(w);
        last->chunk = chunk;
        last->seq = w->seq;
    }
    last->end = off + n;
    buf_add(&last->bytes, chunk->p + off, n);
}

static void step_write(struct world *w)
{
    uint8_t reply[2000];
    uint32_t n = pick(w, sizeof reply);

    for (uint32_t j = 0; j < n; j++) {
        reply[j] = (uint8_t)pick(w, 256);
    }
    assert_int_equal(outq_write(&w->q, &w->pool, bytes_of(reply, n)), 0);
    if (n > 0) {
        buf_add(&model_push(w)->bytes, reply, n);
    }
}

static void step_cork(struct world *w)
{
    if (w->q.corks < 8) {
        assert_int_equal(outq_cork(&w->q, &w->pool), 0);
        model_push(w)->cork = true;
    }
}

/* An acknowledgement for each cork that is taken out, noted in the model. */
static struct bytes model_ack(void *data)
{
    struct world *w = data;
    uint32_t n = pick(w, 3) == 0 ? 0 : pick(w, sizeof w->ack);
    size_t at = 0;

    memset(w->ack, (int)pick(w, 256), n);
    while (!w->model[at].cork) {
        at++;
    }
    w->model[at].cork = false;
    buf_add(&w->model[at].bytes, w->ack, n);
    if (n == 0) {
        model_remove(w, at);
    }
    return bytes_of(w->ack, n);
}

static void step_uncork(struct world *w)
{
    uint32_t len = w->q.corks == 0 ? 0 : 1 + pick(w, w->q.corks);

    if (len == 0) {
        return;
    }
    assert_true(outq_uncork(&w->q, &w->pool, len, model_ack, w) >= 0);
}

static void step_taken(struct world *w)
{
    uint64_t most = outq_writable(&w->q);
    size_t n = pick(w, 3) == 0 ? most : pick(w, (uint32_t)most + 1);

    outq_taken(&w->q, &w->pool, n);
    while (n > 0) {
        struct segment *first = &w->model[0];
        assert_false(first->cork);
        if (n < first->bytes.len) {
            buf_drop(&first->bytes, n);
            first->begun = true;
            return;
        }
        n -= first->bytes.len;
        model_remove(w, 0);
    }
}

static void model_lost(void *data, const struct run *run)
{
    struct world *w = data;
    size_t at = w->len > 0 && w->model[0].begun ? 1 : 0;

    while (w->model[at].seq == 0) {
        at++;
        assert_true(at < w->len);
    }
    assert_int_equal(run->seq, w->model[at].seq);
    assert_int_equal(run->len, w->model[at].bytes.len);
    model_remove(w, at);
}

static void step_drop(struct world *w)
{
    outq_drop_items(&w->q, &w->pool, model_lost, w);
    for (size_t i = w->len > 0 && w->model[0].begun; i < w->len; i++) {
        assert_int_equal(w->model[i].seq, 0);
    }
}

static void compare(const struct world *w)
{
    static struct bytes iov[SEGMENTS];
    struct buf got = {0};
    struct buf want = {0};
    uint64_t queued = 0;
    bool corked = false;
    size_t n = outq_peek(&w->q, iov, SEGMENTS);

    for (size_t i = 0; i < n; i++) {
        buf_add_bytes(&got, iov[i]);
    }
    for (size_t i = 0; i < w->len; i++) {
        corked = corked || w->model[i].cork;
        queued += w->model[i].bytes.len;
        if (!corked) {
            buf_add_bytes(&want, buf_bytes(&w->model[i].bytes));
        }
    }
    assert_int_equal(w->q.queued, queued);
    assert_int_equal(outq_writable(&w->q), want.len);
    assert_true(bytes_eq(buf_bytes(&got), buf_bytes(&want)));
    buf_fini(&got);
    buf_fini(&want);
}

static void any_use_agrees_with_a_naive_queue(void **state)
{
    static void (*const steps[])(struct world *) = {
        step_item, step_item,   step_item,  step_write, step_write,
        step_cork, step_uncork, step_taken, step_taken,
    };
    static struct world w;
    (void)state;

    w.seed = 2026;
    for (size_t i = 0; i < CHUNKS; i++) {
        w.open[i] = chunk_new(&w.pool, 1);
    }
    for (int i = 0; i < STEPS; i++) {
        bool drop = pick(&w, 200) == 0 || w.q.queued > 100000;
        (drop ? step_drop : steps[pick(&w, ARRAY_LEN(steps))])(&w);
        outq_check(&w.q);
        compare(&w);
    }
    while (w.q.corks > 0) {
        step_uncork(&w);
    }
    outq_fini(&w.q, &w.pool);
    for (size_t i = 0; i < CHUNKS; i++) {
        chunk_unref(&w.pool, w.open[i]);
    }
    while (w.len > 0) {
        model_remove(&w, w.len - 1);
    }
    assert_int_equal(w.pool.bytes, 0);
    chunk_pool_fini(&w.pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_that_follow_each_other_lengthen_one_run),
        cmocka_unit_test(a_gap_between_frames_starts_a_new_run),
        cmocka_unit_test(replies_share_a_chunk_and_never_move_it),
        cmocka_unit_test(a_reply_never_writes_into_a_chunk_of_others),
        cmocka_unit_test(nothing_behind_a_cork_is_written),
        cmocka_unit_test(dropping_keeps_replies_corks_and_the_begun_run),
        cmocka_unit_test(moved_bytes_are_replies_of_another_queue),
        cmocka_unit_test(a_queue_of_items_alone_is_empty_after_a_drop),
        cmocka_unit_test(no_memory_leaves_a_queue_as_it_was),
        cmocka_unit_test(any_use_agrees_with_a_naive_queue),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
