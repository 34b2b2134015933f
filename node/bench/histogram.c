/* SPDX-License-Identifier: Apache-2.0 */
#include "node/bench/histogram.h"

#include <stddef.h>

enum {
    PARTS_LOG2 = BENCH_HISTOGRAM_PARTS_LOG2,
    PARTS = 1 << PARTS_LOG2
};

static size_t bucket_of(uint64_t ns)
{
    if (ns < PARTS) {
        return ns;
    }
    unsigned log2 = 63 - (unsigned)__builtin_clzll(ns);
    unsigned shift = log2 - PARTS_LOG2;
    size_t bucket = ((size_t)shift << PARTS_LOG2) + (ns >> shift);

    return bucket < BENCH_HISTOGRAM_BUCKETS ? bucket
                                            : BENCH_HISTOGRAM_BUCKETS - 1;
}

static uint64_t end_of(size_t bucket)
{
    if (bucket < PARTS) {
        return bucket;
    }
    size_t shift = bucket / PARTS - 1;

    return ((uint64_t)(PARTS + bucket % PARTS + 1) << shift) - 1;
}

void bench_histogram_add(struct bench_histogram *histogram, uint64_t ns)
{
    histogram->count++;
    histogram->max_ns = ns > histogram->max_ns ? ns : histogram->max_ns;
    histogram->buckets[bucket_of(ns)]++;
}

uint64_t bench_histogram_at(const struct bench_histogram *histogram,
                            unsigned per_mille)
{
    uint64_t wanted = (histogram->count * per_mille + 999) / 1000;
    uint64_t seen = 0;
    size_t bucket = 0;

    if (histogram->count == 0) {
        return 0;
    }
    while (bucket < BENCH_HISTOGRAM_BUCKETS - 1 &&
           (seen += histogram->buckets[bucket]) < wanted) {
        bucket++;
    }
    return end_of(bucket) < histogram->max_ns ? end_of(bucket)
                                              : histogram->max_ns;
}
