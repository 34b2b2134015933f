/* SPDX-License-Identifier: Apache-2.0
 *
 * Items flow from publishers to subscribers and all of them are counted: the
 * modes fanout, fanin, pairs, topics, latency and cluster.
 *
 * In a closed loop a publisher has at most --window items that not all of their
 * subscribers have; in an open loop items are due at --rate, whatever becomes
 * of them. A run is two phases, the warm-up and what is measured; each ends
 * when all of it has come, or nothing came for a while: the rest is lost.
 */
#ifndef NODE_BENCH_FLOW_H
#define NODE_BENCH_FLOW_H

#include "node/bench/report.h"

/* An exit code, after a sentence. Finds the addresses of the options' URLs. */
int bench_flow_run(struct bench_options *options, struct bench_report *report);

#endif
