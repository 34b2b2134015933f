/* SPDX-License-Identifier: Apache-2.0
 *
 * The report card: what is promised of the cluster, measured. A *run* plays one
 * scene with many seeds on all cores and fills a tally; its *lines* say what is
 * read from the tally and what it should be.
 */
#ifndef TESTS_SIM_CARD_H
#define TESTS_SIM_CARD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    CARD_BINS = 60001,
    CARD_LINES_MAX = 4,
};

/* Shared by the processes that play. */
struct card_tally {
    _Atomic uint64_t bins[CARD_BINS]; /* how often each value came */
    _Atomic uint64_t sum;             /* of something ... */
    _Atomic uint64_t per;             /* ... in so many of something else */
};

enum card_value {
    CARD_NONE,
    CARD_P50, /* of the values */
    CARD_P99,
    CARD_MAX,
    CARD_RATE,     /* sum / per */
    CARD_PER_HOUR, /* sum / per seconds, an hour */
};

#define CARD_NO_GOAL (-1.0)

struct card_line {
    const char *metric;
    enum card_value value;
    const char *unit;
    double goal; /* at most this, or CARD_NO_GOAL */
};

struct card_run {
    size_t n;
    unsigned loss; /* of packets, in a hundred */
    size_t seeds;
    size_t quick_seeds; /* 0: not in a quick card */
    uint32_t minutes;   /* of virtual time, where the scene lasts so long */
    void (*play)(const struct card_run *run, uint64_t seed,
                 struct card_tally *tally);
    struct card_line lines[CARD_LINES_MAX];
};

/* One value; past the last bin it counts there. */
static inline void card_add(struct card_tally *tally, uint64_t value)
{
    atomic_fetch_add(&tally->bins[value < CARD_BINS ? value : CARD_BINS - 1],
                     1);
}

static inline void card_add_rate(struct card_tally *tally, uint64_t sum,
                                 uint64_t per)
{
    atomic_fetch_add(&tally->sum, sum);
    atomic_fetch_add(&tally->per, per);
}

extern const struct card_run card_swim_runs[];
extern const size_t card_swim_runs_len;
extern const struct card_run card_maps_runs[];
extern const size_t card_maps_runs_len;

#endif
