/* SPDX-License-Identifier: Apache-2.0
 *
 * How old items are when they come, to an eighth.
 */
#ifndef NODE_CLI_AGES_H
#define NODE_CLI_AGES_H

#include "node/histogram.h"

enum {
    AGES_BUCKETS = 256 /* up to an hour; older ones count as that */
};

struct ages {
    struct histogram all; /* us */
    uint64_t buckets[AGES_BUCKETS];
};

static const struct histogram_shape ages_shape = {.parts_log2 = 3,
                                                  .buckets = AGES_BUCKETS};

static inline void ages_add(struct ages *ages, uint64_t us)
{
    histogram_add(&ages->all, ages->buckets, &ages_shape, us);
}

static inline void ages_sum(struct ages *sum, const struct ages *one)
{
    histogram_sum(&sum->all, sum->buckets, &ages_shape, &one->all,
                  one->buckets);
}

static inline uint64_t ages_at(const struct ages *ages, unsigned permille)
{
    return histogram_at(&ages->all, ages->buckets, &ages_shape, permille);
}

#endif
