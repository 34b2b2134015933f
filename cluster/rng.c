/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster/rng.h"

#include <assert.h>

#include "proto/hash.h"

static uint64_t turn_left(uint64_t v, unsigned bits)
{
    return v << bits | v >> (64 - bits);
}

void rng_init(struct rng *rng, uint64_t seed)
{
    /* Four steps of splitmix64: never all zero, far apart for near seeds. */
    for (size_t i = 0; i < 4; i++) {
        rng->s[i] = hash_mix(seed);
        seed += 0x9e3779b97f4a7c15u;
    }
}

uint64_t rng_u64(struct rng *rng)
{
    uint64_t *s = rng->s;
    uint64_t result = turn_left(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;

    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = turn_left(s[3], 45);
    return result;
}

uint32_t rng_below(struct rng *rng, uint32_t n)
{
    assert(n > 0);
    /* Values past the last whole multiple of n would favour small results. */
    uint32_t limit = UINT32_MAX - UINT32_MAX % n;
    uint32_t v;
    do {
        v = (uint32_t)(rng_u64(rng) >> 32);
    } while (v >= limit);
    return v % n;
}

void rng_shuffle(struct rng *rng, uint16_t *list, size_t len)
{
    for (size_t i = len; i > 1; i--) {
        size_t j = rng_below(rng, (uint32_t)i);
        uint16_t v = list[i - 1];
        list[i - 1] = list[j];
        list[j] = v;
    }
}
