/* SPDX-License-Identifier: Apache-2.0
 *
 * What `starling bench` found out: a table for people, or one line of JSON.
 */
#ifndef NODE_BENCH_REPORT_H
#define NODE_BENCH_REPORT_H

#include "node/bench/options.h"

/* Numbers that mean nothing in a mode stay negative. */
struct bench_report {
    double published;
    double delivered;
    double publishes_per_s;
    double deliveries_per_s;
    double lost;
    double disorder;
    double duplicates;
    double strange;
    double cpu_ns_per_delivery;
    double cpu_percent;
    double rss_bytes;
    double rss_bytes_each;
    double connects_per_s;
    double all_ms;
    double p50_us;
    double p99_us;
    double p999_us;
    double max_us;
    double generator_cpu_ns_per_delivery;
    double server_delivered;
};

void bench_report_init(struct bench_report *report);
void bench_report_latency(struct bench_report *report,
                          const struct bench_latency *latency);

/* Prints it. Returns the exit code: CLI_REFUSED when items were lost, doubled
 * or out of order, or the server counted otherwise. */
int bench_report_print(const struct bench_report *report,
                       const struct bench_options *options);

#endif
