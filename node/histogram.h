/* SPDX-License-Identifier: Apache-2.0
 *
 * Values in buckets that are a part of a power of two wide: what is read from
 * it is at most that part too high, whatever the value. How many parts, and how
 * many buckets, is whose it is: a histogram stands in front of its buckets.
 */
#ifndef NODE_HISTOGRAM_H
#define NODE_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

struct histogram_shape {
    unsigned parts_log2; /* buckets of a power of two */
    size_t buckets;      /* what is beyond the last counts as that */
};

/* Zero is an empty one. */
struct histogram {
    uint64_t count;
    uint64_t max;
};

void histogram_add(struct histogram *histogram, uint64_t *buckets,
                   const struct histogram_shape *shape, uint64_t value);

/* Adds another one of that shape. */
void histogram_sum(struct histogram *sum, uint64_t *buckets,
                   const struct histogram_shape *shape,
                   const struct histogram *one, const uint64_t *one_buckets);

/* The value that `permille` of them do not exceed, as the upper end of its
 * bucket; 0 when there is none. */
uint64_t histogram_at(const struct histogram *histogram,
                      const uint64_t *buckets,
                      const struct histogram_shape *shape, unsigned permille);

#endif
