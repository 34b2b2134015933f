/* SPDX-License-Identifier: Apache-2.0
 *
 * Is what was acknowledged subscribed? Each connection subscribes to a topic
 * that nobody had, at --url; the moment that is acknowledged an item is
 * published there, at --publish-url: it must come. Then the topic is given back
 * and the next one asked for, at once or when it is due (--rate).
 *
 * With --topics all of them are asked for at once, in one piece on each
 * connection, and kept.
 */
#ifndef NODE_BENCH_CHURN_H
#define NODE_BENCH_CHURN_H

#include "node/bench/report.h"

/* An exit code, after a sentence. Finds the addresses of the options' URLs. */
int bench_churn_run(struct bench_options *options, struct bench_report *report);

#endif
