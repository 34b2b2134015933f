/* SPDX-License-Identifier: Apache-2.0
 *
 * Spans of time, to a 128th: what is read from it is at most 0.8 % too high.
 */
#ifndef NODE_BENCH_LATENCY_H
#define NODE_BENCH_LATENCY_H

#include "node/histogram.h"

enum {
    BENCH_LATENCY_PARTS_LOG2 = 7,
    /* Up to 2^40 ns, 18 minutes; longer ones count as that. */
    BENCH_LATENCY_BUCKETS = (40 - BENCH_LATENCY_PARTS_LOG2 + 1)
                            << BENCH_LATENCY_PARTS_LOG2
};

struct bench_latency {
    struct histogram all; /* ns */
    uint64_t buckets[BENCH_LATENCY_BUCKETS];
};

static const struct histogram_shape bench_latency_shape = {
    .parts_log2 = BENCH_LATENCY_PARTS_LOG2,
    .buckets = BENCH_LATENCY_BUCKETS,
};

static inline void bench_latency_add(struct bench_latency *latency, uint64_t ns)
{
    histogram_add(&latency->all, latency->buckets, &bench_latency_shape, ns);
}

static inline uint64_t bench_latency_at(const struct bench_latency *latency,
                                        unsigned permille)
{
    return histogram_at(&latency->all, latency->buckets, &bench_latency_shape,
                        permille);
}

#endif
