/* SPDX-License-Identifier: Apache-2.0 */
#include "node/hub/chunk.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
#ifdef __SANITIZE_ADDRESS__
    SPARE_LEN_MAX =
        0, /* so that the sanitizer sees a use after the last unref */
#else
    SPARE_LEN_MAX = 1 << 20, /* bytes kept of each size */
#endif
};

static_assert(CHUNK_LEN_MIN << (CHUNK_SIZES - 1) == CHUNK_LEN,
              "the sizes double from the least to the most");

static unsigned size_of(size_t cap);
static struct chunk *take(struct chunk_pool *pool, size_t cap);
static void give(struct chunk_pool *pool, struct chunk *chunk);
static void destroy(struct chunk *chunk);

void chunk_pool_fini(struct chunk_pool *pool)
{
    assert(pool->bytes == 0);
    for (unsigned i = 0; i < CHUNK_SIZES; i++) {
        while (pool->spare[i] != NULL) {
            struct chunk *chunk = pool->spare[i];
            pool->spare[i] = chunk->next_spare;
            destroy(chunk);
        }
    }
    while (pool->spare_runs != NULL) {
        struct spare_runs *runs = pool->spare_runs;
        pool->spare_runs = runs->next;
        free(runs);
    }
    *pool = (struct chunk_pool){0};
}

struct chunk *chunk_new(struct chunk_pool *pool, size_t cap)
{
    struct chunk *chunk = cap > UINT32_MAX ? NULL : take(pool, cap);

    if (chunk == NULL) {
        return NULL;
    }
    chunk->len = 0;
    chunk->refs = 1;
    chunk->topic = 0;
    chunk->next_spare = NULL;
    pool->bytes += chunk->cap;
    return chunk;
}

bool chunk_room(struct chunk_pool *pool, struct chunk *chunk, size_t n)
{
    assert(chunk->refs > 0);
    if (n <= chunk->cap - chunk->len) {
        return true;
    }
    if (chunk->refs > 1 || n > CHUNK_LEN || chunk->len + n > CHUNK_LEN) {
        return false;
    }
    /* Take a larger one, swap the blocks, give back what is now the smaller. */
    struct chunk *larger = take(pool, chunk->len + n);
    if (larger == NULL) {
        return false;
    }
    struct chunk old = *chunk;
    memcpy(larger->p, old.p, old.len);
    chunk->p = larger->p;
    chunk->cap = larger->cap;
    larger->p = old.p;
    larger->cap = old.cap;
    give(pool, larger);
    pool->bytes += chunk->cap - old.cap;
    return true;
}

void chunk_ref(struct chunk *chunk)
{
    assert(chunk->refs > 0 && chunk->refs < UINT32_MAX);
    chunk->refs++;
}

void chunk_unref(struct chunk_pool *pool, struct chunk *chunk)
{
    assert(chunk->refs > 0);
    if (--chunk->refs == 0) {
        assert(pool->bytes >= chunk->cap);
        pool->bytes -= chunk->cap;
        give(pool, chunk);
    }
}

/* Which size holds cap bytes: 0 .. CHUNK_SIZES - 1, CHUNK_SIZES = larger. */
static unsigned size_of(size_t cap)
{
    unsigned size = 0;

    while (size < CHUNK_SIZES && (size_t)CHUNK_LEN_MIN << size < cap) {
        size++;
    }
    return size;
}

static struct chunk *take(struct chunk_pool *pool, size_t cap)
{
    unsigned size = size_of(cap);

    if (size < CHUNK_SIZES) {
        struct chunk *spare = pool->spare[size];
        cap = (size_t)CHUNK_LEN_MIN << size;
        if (spare != NULL) {
            pool->spare[size] = spare->next_spare;
            pool->spare_len[size]--;
            return spare;
        }
    }
    struct chunk *chunk = malloc(sizeof *chunk);
    uint8_t *p = malloc(cap);
    if (chunk == NULL || p == NULL) {
        free(chunk);
        free(p);
        return NULL;
    }
    *chunk = (struct chunk){.p = p, .cap = (uint32_t)cap};
    return chunk;
}

static void give(struct chunk_pool *pool, struct chunk *chunk)
{
    unsigned size = size_of(chunk->cap);

    if (size == CHUNK_SIZES ||
        pool->spare_len[size] >= SPARE_LEN_MAX / chunk->cap) {
        destroy(chunk);
        return;
    }
    chunk->next_spare = pool->spare[size];
    pool->spare[size] = chunk;
    pool->spare_len[size]++;
}

static void destroy(struct chunk *chunk)
{
    free(chunk->p);
    free(chunk);
}
