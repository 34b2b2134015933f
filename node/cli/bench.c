/* SPDX-License-Identifier: Apache-2.0
 *
 * starling bench MODE: how fast is it here? Publishes and subscribes as fast as
 * the server goes, or on a schedule, and says what came, what it cost and how
 * long it took (docs/BENCHMARKS.md).
 */
#include "node/bench/churn.h"
#include "node/bench/flow.h"
#include "node/bench/idle.h"
#include "node/cli/cli.h"

static int run_mode(struct bench_options *options, struct bench_report *report)
{
    switch (options->mode) {
    case BENCH_CONNECTIONS:
        return bench_idle_run(options, report);
    case BENCH_CHURN:
        return bench_churn_run(options, report);
    case BENCH_FANOUT:
    case BENCH_FANIN:
    case BENCH_PAIRS:
    case BENCH_TOPICS:
    case BENCH_LATENCY:
    case BENCH_CLUSTER:
        break;
    }
    return bench_flow_run(options, report);
}

static int run(int argc, char **argv)
{
    struct bench_options options;
    struct bench_report report;
    int exit_code = bench_options_read(&options, &command_bench, argc, argv);

    if (exit_code != CLI_OK) {
        return exit_code;
    }
    bench_report_init(&report);
    exit_code = run_mode(&options, &report);
    return exit_code == CLI_OK ? bench_report_print(&report, &options)
                               : exit_code;
}

const struct command command_bench = {
    .name = "bench",
    .run = run,
    .words = "MODE",
    .what = "how fast is it here?",
    .options = bench_rows,
    .more = bench_more,
    .choices = bench_modes,
    .group = COMMAND_USES,
};
