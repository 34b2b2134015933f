/* SPDX-License-Identifier: Apache-2.0 */
#include "node/cli/ages.h"

#include <stddef.h>

enum {
    PARTS_LOG2 = 3, /* of a power of two */
    PARTS = 1 << PARTS_LOG2
};

static size_t bucket_of(uint64_t us)
{
    if (us < PARTS) {
        return us;
    }
    unsigned log2 = 63 - (unsigned)__builtin_clzll(us);
    size_t part = (us >> (log2 - PARTS_LOG2)) % PARTS;
    size_t bucket = (size_t)(log2 - PARTS_LOG2 + 1) * PARTS + part;

    return bucket < AGES_BUCKETS ? bucket : AGES_BUCKETS - 1;
}

static uint64_t end_of(size_t bucket)
{
    if (bucket < PARTS) {
        return bucket;
    }
    size_t shift = bucket / PARTS - 1;

    return ((uint64_t)(PARTS + bucket % PARTS + 1) << shift) - 1;
}

void ages_add(struct ages *ages, uint64_t us)
{
    ages->count++;
    ages->max_us = us > ages->max_us ? us : ages->max_us;
    ages->buckets[bucket_of(us)]++;
}

uint64_t ages_at(const struct ages *ages, unsigned permille)
{
    uint64_t wanted = (ages->count * permille + 999) / 1000;
    uint64_t seen = 0;
    size_t bucket = 0;

    if (ages->count == 0) {
        return 0;
    }
    while (bucket < AGES_BUCKETS - 1 &&
           (seen += ages->buckets[bucket]) < wanted) {
        bucket++;
    }
    return end_of(bucket) < ages->max_us ? end_of(bucket) : ages->max_us;
}
