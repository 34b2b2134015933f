/* SPDX-License-Identifier: Apache-2.0
 *
 * What it costs to take many corks out of a queue.
 */
#include "tests/test.h"

#include "node/client/outq.h"

static struct chunk *chunk_of(struct chunk_pool *pool, const char *text)
{
    struct chunk *chunk = chunk_new(pool, strlen(text));

    assert_non_null(chunk);
    memcpy(chunk->p, text, strlen(text));
    chunk->len = (uint32_t)strlen(text);
    return chunk;
}

static struct bytes same_ack(void *data)
{
    return *(const struct bytes *)data;
}

/* What is between the corks of the next test. */
enum between {
    NOTHING,
    REPLIES,
    ITEMS,
    BETWEEN_LEN
};

static void push_corks(struct outq *q, struct chunk_pool *pool,
                       enum between between, int len)
{
    for (int i = 0; i < len; i++) {
        assert_int_equal(outq_cork(q, pool), 0);
        if (between == REPLIES) {
            assert_int_equal(outq_write(q, pool, BYTES("reply")), 0);
        } else if (between == ITEMS) {
            struct chunk *chunk = chunk_of(pool, "item");
            assert_int_equal(outq_add(q, pool, chunk, 0, 4, (uint64_t)i + 1),
                             0);
            chunk_unref(pool, chunk);
        }
    }
}

/* Ten thousand subscribes of one client wait: taking them out costs so many
 * steps, whether all at once, or a part each time with all of it written in
 * between, or nothing written at all. */
static void thousands_of_corks_are_taken_out_in_one_pass(void **state)
{
    static const struct {
        uint32_t at_once;
        bool written;
        ptrdiff_t steps_most; /* for each cork */
    } cases[] = {
        {10000, false, 3},
        {100, true, 3},
        {1, true, 3},
        {2500, false, 6}, /* four times past what is not written */
    };
    const struct bytes acks[] = {BYTES(""), BYTES("acknowledged")};
    enum {
        MANY = 10000
    };
    struct chunk_pool pool = {0};
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases) * BETWEEN_LEN * 2; i++) {
        size_t c = i / BETWEEN_LEN / 2;
        struct outq q = {0};
        struct bytes ack = acks[i % 2];
        ptrdiff_t steps = 0;
        push_corks(&q, &pool, (enum between)(i / 2 % BETWEEN_LEN), MANY);
        while (q.corks > 0) {
            ptrdiff_t n = outq_uncork(&q, &pool, cases[c].at_once, same_ack,
                                      &ack);
            assert_true(n >= 0);
            steps += n;
            if (cases[c].written) {
                outq_taken(&q, &pool, outq_writable(&q));
            }
        }
        outq_check(&q);
        if (steps > cases[c].steps_most * MANY) {
            fail_msg("case %zu: %td steps", i, steps);
        }
        outq_fini(&q, &pool);
    }
    assert_int_equal(pool.bytes, 0);
    chunk_pool_fini(&pool);
}

/* And their acknowledgements share few chunks. */
static void acknowledgements_share_chunks(void **state)
{
    enum {
        MANY = 10000
    };
    struct chunk_pool pool = {0};
    struct outq q = {0};
    struct bytes ack = BYTES("acknowledged");
    (void)state;

    push_corks(&q, &pool, NOTHING, MANY);
    assert_true(outq_uncork(&q, &pool, MANY, same_ack, &ack) > 0);
    outq_check(&q);
    assert_int_equal(q.corks, 0);
    assert_int_equal(q.queued, MANY * strlen("acknowledged"));
    assert_true(q.len < 16);
    assert_true(q.pinned < 3 * q.queued);
    outq_fini(&q, &pool);
    assert_int_equal(pool.bytes, 0);
    chunk_pool_fini(&pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(thousands_of_corks_are_taken_out_in_one_pass),
        cmocka_unit_test(acknowledgements_share_chunks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
