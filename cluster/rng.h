/* SPDX-License-Identifier: Apache-2.0
 *
 * A seeded generator (xoshiro256**): the only source of chance in cluster/.
 * The same seed gives the same choices; nothing here is secret.
 */
#ifndef CLUSTER_RNG_H
#define CLUSTER_RNG_H

#include <stddef.h>
#include <stdint.h>

struct rng {
    uint64_t s[4];
};

void rng_init(struct rng *rng, uint64_t seed);
uint64_t rng_u64(struct rng *rng);
/* 0 .. n - 1, each equally likely; n > 0. */
uint32_t rng_below(struct rng *rng, uint32_t n);
void rng_shuffle(struct rng *rng, uint16_t *list, size_t len);

#endif
