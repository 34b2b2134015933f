/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/test.h"

#include "node/hub/chunk.h"
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

static void the_pool_counts_living_chunks_and_reuses_the_dead(void **state)
{
    struct chunk_pool pool = {0};
    (void)state;

    struct chunk *small = chunk_new(&pool, 10);
    struct chunk *full = chunk_new(&pool, CHUNK_LEN);
    struct chunk *large = chunk_new(&pool, CHUNK_LEN + 1);
    assert_int_equal(small->cap, CHUNK_LEN_MIN);
    assert_int_equal(large->cap, CHUNK_LEN + 1);
    assert_int_equal(pool.bytes, CHUNK_LEN_MIN + CHUNK_LEN + CHUNK_LEN + 1);
    uint8_t *block = full->p;
    chunk_ref(full);
    chunk_unref(&pool, full);
    chunk_unref(&pool, full);
    chunk_unref(&pool, large);
    assert_int_equal(pool.bytes, CHUNK_LEN_MIN);
#ifndef __SANITIZE_ADDRESS__
    fail_malloc(0);
    full = chunk_new(&pool, CHUNK_LEN - 1);
    assert_false(fail_malloc_hit);
    fail_malloc(-1);
    assert_ptr_equal(full->p, block);
    assert_int_equal(full->len, 0);
    chunk_unref(&pool, full);
#else
    (void)block;
#endif
    chunk_unref(&pool, small);
    assert_int_equal(pool.bytes, 0);
    chunk_pool_fini(&pool);
}

static void the_pool_keeps_a_bounded_number_of_spare_chunks(void **state)
{
    enum {
        MANY = 64
    };
    struct chunk_pool pool = {0};
    struct chunk *chunks[MANY];
    (void)state;

    for (size_t i = 0; i < MANY; i++) {
        chunks[i] = chunk_new(&pool, CHUNK_LEN);
    }
    for (size_t i = 0; i < MANY; i++) {
        chunk_unref(&pool, chunks[i]);
    }
    assert_true(pool.spare_len[CHUNK_SIZES - 1] <= (1 << 20) / CHUNK_LEN);
    chunk_pool_fini(&pool);
}

static void a_chunk_grows_only_while_it_is_not_shared(void **state)
{
    struct chunk_pool pool = {0};
    (void)state;

    struct chunk *chunk = chunk_of(&pool, "abc");
    assert_true(chunk_room(&pool, chunk, CHUNK_LEN_MIN - 3));
    assert_int_equal(chunk->cap, CHUNK_LEN_MIN);
    assert_true(chunk_room(&pool, chunk, CHUNK_LEN_MIN - 2));
    assert_int_equal(chunk->cap, 2 * CHUNK_LEN_MIN);
    assert_int_equal(pool.bytes, 2 * CHUNK_LEN_MIN);
    assert_memory_equal(chunk->p, "abc", 3);
    chunk_ref(chunk);
    assert_true(chunk_room(&pool, chunk, 100));
    assert_false(chunk_room(&pool, chunk, 2 * CHUNK_LEN_MIN));
    chunk_unref(&pool, chunk);
    assert_true(chunk_room(&pool, chunk, CHUNK_LEN - 3));
    assert_false(chunk_room(&pool, chunk, CHUNK_LEN - 2));
    assert_false(chunk_room(&pool, chunk, SIZE_MAX));
    chunk_unref(&pool, chunk);
    assert_int_equal(pool.bytes, 0);
    chunk_pool_fini(&pool);
}

static void no_memory_leaves_a_chunk_as_it_was(void **state)
{
    struct chunk_pool pool = {0};
    (void)state;

    for (long after = 0; after < 2; after++) {
        fail_malloc(after);
        assert_null(chunk_new(&pool, 1));
        assert_true(fail_malloc_hit);
        fail_malloc(-1);
    }
    assert_null(chunk_new(&pool, (size_t)UINT32_MAX + 1));
    struct chunk *chunk = chunk_of(&pool, "abc");
    fail_malloc(0);
    assert_false(chunk_room(&pool, chunk, CHUNK_LEN_MIN));
    fail_malloc(-1);
    assert_memory_equal(chunk->p, "abc", 3);
    chunk_unref(&pool, chunk);
    assert_int_equal(pool.bytes, 0);
    chunk_pool_fini(&pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_pool_counts_living_chunks_and_reuses_the_dead),
        cmocka_unit_test(the_pool_keeps_a_bounded_number_of_spare_chunks),
        cmocka_unit_test(a_chunk_grows_only_while_it_is_not_shared),
        cmocka_unit_test(no_memory_leaves_a_chunk_as_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
