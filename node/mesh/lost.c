/* SPDX-License-Identifier: Apache-2.0 */
#include "node/mesh/lost.h"

#include <assert.h>
#include <stdlib.h>

enum {
    HASH_LEN = 8,
    KEPT_LEN_MAX = 2 * PEER_GAP_LEN_MAX, /* doubles included */
};

static void add_all(struct lost *lost)
{
    lost->all = true;
    buf_fini(&lost->hashes);
}

static int compare(const void *a, const void *b)
{
    return memcmp(a, b, HASH_LEN); /* big endian: the order of the numbers */
}

/* Sorts and removes doubles. */
static void tidy(struct lost *lost)
{
    uint8_t *p = lost->hashes.p;
    size_t kept = HASH_LEN;

    if (lost->hashes.len == 0) {
        return;
    }
    qsort(p, lost->hashes.len / HASH_LEN, HASH_LEN, compare);
    for (size_t at = HASH_LEN; at < lost->hashes.len; at += HASH_LEN) {
        if (memcmp(p + at, p + kept - HASH_LEN, HASH_LEN) != 0) {
            memmove(p + kept, p + at, HASH_LEN);
            kept += HASH_LEN;
        }
    }
    lost->hashes.len = kept;
}

void lost_fini(struct lost *lost)
{
    buf_fini(&lost->hashes);
    *lost = (struct lost){0};
}

void lost_reset(struct lost *lost)
{
    buf_reset(&lost->hashes);
    lost->all = false;
}

/* Items of one topic come in a row. */
static bool is_last(const struct lost *lost, const uint8_t hash[HASH_LEN])
{
    const struct buf *hashes = &lost->hashes;

    return hashes->len > 0 &&
           memcmp(hashes->p + hashes->len - HASH_LEN, hash, HASH_LEN) == 0;
}

void lost_add(struct lost *lost, uint64_t hash)
{
    uint8_t bytes[HASH_LEN];

    bytes_put_u64be(bytes, hash);
    if (lost->all || is_last(lost, bytes)) {
        return;
    }
    buf_add(&lost->hashes, bytes, sizeof bytes);
    if (lost->hashes.failed) {
        add_all(lost);
    } else if (lost->hashes.len == KEPT_LEN_MAX) {
        tidy(lost);
        if (lost->hashes.len > PEER_GAP_LEN_MAX) {
            add_all(lost);
        }
    }
}

void lost_add_many(struct lost *lost, struct bytes hashes)
{
    assert(hashes.len % HASH_LEN == 0);
    if (hashes.len == 0) {
        add_all(lost);
    }
    for (size_t at = 0; at < hashes.len; at += HASH_LEN) {
        lost_add(lost, bytes_u64be(hashes.p + at));
    }
}

struct bytes lost_hashes(struct lost *lost)
{
    tidy(lost);
    if (lost->hashes.len > PEER_GAP_LEN_MAX) {
        add_all(lost);
    }
    return buf_bytes(&lost->hashes);
}
