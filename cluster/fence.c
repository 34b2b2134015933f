/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster/fence.h"

#include "proto/err.h"

/* Where the origin is, or belongs. */
static size_t place(const struct fences *fences, uint64_t origin)
{
    size_t low = 0;
    size_t high = fences->pairs.len / PEER_NUMBER_LEN;

    while (low < high) {
        size_t mid = (low + high) / 2;
        if (bytes_u64be(fences->pairs.p + mid * PEER_NUMBER_LEN) < origin) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low * PEER_NUMBER_LEN;
}

static bool is_at(const struct fences *fences, size_t at, uint64_t origin)
{
    return at < fences->pairs.len &&
           bytes_u64be(fences->pairs.p + at) == origin;
}

void fences_fini(struct fences *fences)
{
    buf_fini(&fences->pairs);
}

void fence_put(uint8_t pair[PEER_NUMBER_LEN], uint64_t origin, uint64_t count)
{
    bytes_put_u64be(pair, origin);
    bytes_put_u64be(pair + 8, count);
}

uint64_t fences_of(const struct fences *fences, uint64_t origin)
{
    size_t at = place(fences, origin);

    return is_at(fences, at, origin) ? bytes_u64be(fences->pairs.p + at + 8)
                                     : 0;
}

int fences_raise(struct fences *fences, uint64_t origin, uint64_t count)
{
    size_t at = place(fences, origin);
    struct buf *pairs = &fences->pairs;

    if (is_at(fences, at, origin)) {
        bool higher = count > bytes_u64be(pairs->p + at + 8);
        if (higher) {
            bytes_put_u64be(pairs->p + at + 8, count);
        }
        return higher;
    }
    if (count == 0) {
        return 0;
    }
    if (pairs->len == PEER_FENCES_LEN_MAX) {
        return ERR_LIMIT;
    }
    if (buf_reserve(pairs, PEER_NUMBER_LEN) == NULL) {
        pairs->failed = false; /* what is there stands */
        return ERR_NOMEM;
    }
    memmove(pairs->p + at + PEER_NUMBER_LEN, pairs->p + at, pairs->len - at);
    fence_put(pairs->p + at, origin, count);
    pairs->len += PEER_NUMBER_LEN;
    return 1;
}

void fences_raise_all(struct fences *fences, struct bytes pairs)
{
    for (size_t at = 0; at < pairs.len; at += PEER_NUMBER_LEN) {
        (void)fences_raise(fences, fence_origin(pairs, at),
                           fence_count(pairs, at));
    }
}

void fences_sift(struct fences *fences,
                 bool (*keeps)(const void *data, uint64_t origin),
                 const void *data)
{
    struct buf *pairs = &fences->pairs;
    size_t kept = 0;

    for (size_t at = 0; at < pairs->len; at += PEER_NUMBER_LEN) {
        if (keeps(data, bytes_u64be(pairs->p + at))) {
            memmove(pairs->p + kept, pairs->p + at, PEER_NUMBER_LEN);
            kept += PEER_NUMBER_LEN;
        }
    }
    pairs->len = kept;
}
