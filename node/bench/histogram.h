/* SPDX-License-Identifier: Apache-2.0
 *
 * Spans of time, in buckets a 128th of a power of two wide: what is read from
 * it is at most 0.8 % too high.
 */
#ifndef NODE_BENCH_HISTOGRAM_H
#define NODE_BENCH_HISTOGRAM_H

#include <stdint.h>

enum {
    BENCH_HISTOGRAM_PARTS_LOG2 = 7,
    /* Up to 2^40 ns, 18 minutes; longer ones count as that. */
    BENCH_HISTOGRAM_BUCKETS = (40 - BENCH_HISTOGRAM_PARTS_LOG2 + 1)
                              << BENCH_HISTOGRAM_PARTS_LOG2
};

struct bench_histogram {
    uint64_t count;
    uint64_t max_ns;
    uint64_t buckets[BENCH_HISTOGRAM_BUCKETS];
};

void bench_histogram_add(struct bench_histogram *histogram, uint64_t ns);

/* The span that `per_mille` thousandths of all do not exceed, as the upper end
 * of its bucket; 0 when there is none. */
uint64_t bench_histogram_at(const struct bench_histogram *histogram,
                            unsigned per_mille);

#endif
