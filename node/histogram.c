/* SPDX-License-Identifier: Apache-2.0 */
#include "node/histogram.h"

static size_t bucket_of(const struct histogram_shape *shape, uint64_t value)
{
    unsigned parts_log2 = shape->parts_log2;

    if (value >> parts_log2 == 0) {
        return value;
    }
    unsigned log2 = 63 - (unsigned)__builtin_clzll(value);
    unsigned shift = log2 - parts_log2;
    size_t bucket = ((size_t)shift << parts_log2) + (value >> shift);

    return bucket < shape->buckets ? bucket : shape->buckets - 1;
}

static uint64_t end_of(const struct histogram_shape *shape, size_t bucket)
{
    size_t parts = (size_t)1 << shape->parts_log2;

    if (bucket < parts) {
        return bucket;
    }
    size_t shift = bucket / parts - 1;

    return ((uint64_t)(parts + bucket % parts + 1) << shift) - 1;
}

void histogram_add(struct histogram *histogram, uint64_t *buckets,
                   const struct histogram_shape *shape, uint64_t value)
{
    histogram->count++;
    histogram->max = value > histogram->max ? value : histogram->max;
    buckets[bucket_of(shape, value)]++;
}

void histogram_sum(struct histogram *sum, uint64_t *buckets,
                   const struct histogram_shape *shape,
                   const struct histogram *one, const uint64_t *one_buckets)
{
    sum->count += one->count;
    sum->max = one->max > sum->max ? one->max : sum->max;
    for (size_t i = 0; i < shape->buckets; i++) {
        buckets[i] += one_buckets[i];
    }
}

uint64_t histogram_at(const struct histogram *histogram,
                      const uint64_t *buckets,
                      const struct histogram_shape *shape, unsigned permille)
{
    uint64_t wanted = (histogram->count * permille + 999) / 1000;
    uint64_t seen = 0;
    size_t bucket = 0;

    if (histogram->count == 0) {
        return 0;
    }
    while (bucket < shape->buckets - 1 && (seen += buckets[bucket]) < wanted) {
        bucket++;
    }
    uint64_t end = end_of(shape, bucket);

    return end < histogram->max ? end : histogram->max;
}
