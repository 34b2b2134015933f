/* SPDX-License-Identifier: Apache-2.0
 *
 * What the server side costs and counts while `starling bench` measures it.
 */
#ifndef NODE_BENCH_COST_H
#define NODE_BENCH_COST_H

#include "node/bench/options.h"

struct bench_cost {
    uint64_t cpu_ns;    /* of all tasks of --pid, as the scheduler counts */
    uint64_t rss_bytes; /* of --pid */
    uint64_t own_ns;    /* of this process */
    uint64_t delivered; /* as /metrics of --url says */
    bool counted;       /* there is such a number */
};

/* Errors: an exit code, after a sentence (a process that is not there). */
int bench_cost_read(const struct bench_options *options,
                    struct bench_cost *cost);

#endif
