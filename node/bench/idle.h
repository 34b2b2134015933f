/* SPDX-License-Identifier: Apache-2.0
 *
 * Many connections with one subscription each on which nothing happens: how
 * fast they are opened, what each of them holds and what all of them cost.
 */
#ifndef NODE_BENCH_IDLE_H
#define NODE_BENCH_IDLE_H

#include "node/bench/report.h"

/* An exit code, after a sentence. Finds the addresses of the options' URLs. */
int bench_idle_run(struct bench_options *options, struct bench_report *report);

#endif
