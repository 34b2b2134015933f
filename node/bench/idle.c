/* SPDX-License-Identifier: Apache-2.0 */
#include "node/bench/idle.h"

#include <stdlib.h>

#include "node/bench/cost.h"
#include "node/bench/net.h"
#include "node/bench/progress.h"
#include "node/cli/cli.h"
#include "proto/err.h"

enum {
    TURN_NS = 100000000,
    QUIET_NS = 1000000000 /* until the work of connecting is done */
};

struct idle {
    struct bench_options *options;
    struct bench_net net;
    struct bench_conn *conns;
};

static int wait_for(struct idle *idle, const char *what, uint64_t wait_ns)
{
    uint64_t start_ns = bench_now_ns();
    uint64_t gone_ns = 0;
    int exit_code = CLI_OK;

    while (exit_code == CLI_OK && gone_ns < wait_ns) {
        uint64_t left_ns = wait_ns - gone_ns;
        exit_code = bench_net_turn(&idle->net,
                                   left_ns < TURN_NS ? left_ns : TURN_NS);
        gone_ns = bench_now_ns() - start_ns;
        bench_progress((double)gone_ns / (double)wait_ns, what, 0);
    }
    return exit_code;
}

static int open_all(struct idle *idle, struct bench_report *report)
{
    uint64_t start_ns = bench_now_ns();
    uint32_t conns = idle->options->conns;
    int exit_code = bench_net_open(&idle->net, &idle->options->at, idle->conns,
                                   conns);

    report->connects_per_s = (double)conns * 1e9 /
                             (double)(bench_now_ns() - start_ns);
    return exit_code;
}

static void conclude(const struct idle *idle, const struct bench_cost costs[3],
                     uint64_t idle_ns, struct bench_report *report)
{
    double grown = (double)costs[1].rss_bytes - (double)costs[0].rss_bytes;

    if (idle->options->pids_len > 0) {
        report->rss_bytes = (double)costs[1].rss_bytes;
        report->rss_bytes_each = grown > 0
                                     ? grown / (double)idle->options->conns
                                     : 0;
        report->cpu_percent = (double)(costs[2].cpu_ns - costs[1].cpu_ns) *
                              100 / (double)idle_ns;
    }
}

static int measure(struct idle *idle, struct bench_report *report)
{
    const struct bench_options *o = idle->options;
    struct bench_cost costs[3];
    int exit_code = bench_cost_read(o, &costs[0]);

    if (exit_code == CLI_OK) {
        exit_code = open_all(idle, report);
    }
    if (exit_code == CLI_OK) {
        exit_code = wait_for(idle, "settling", QUIET_NS);
    }
    if (exit_code == CLI_OK) {
        exit_code = bench_cost_read(o, &costs[1]);
    }
    uint64_t start_ns = bench_now_ns();
    if (exit_code == CLI_OK) {
        exit_code = wait_for(idle, "idle", o->run_ns);
    }
    uint64_t idle_ns = bench_now_ns() - start_ns;
    if (exit_code == CLI_OK) {
        exit_code = bench_cost_read(o, &costs[2]);
    }
    if (exit_code == CLI_OK) {
        conclude(idle, costs, idle_ns, report);
    }
    return exit_code;
}

int bench_idle_run(struct bench_options *options, struct bench_report *report)
{
    struct idle *idle = calloc(1, sizeof *idle);

    if (idle == NULL) {
        return bench_fail(CLI_INTERNAL, "%s", err_text(ERR_NOMEM));
    }
    idle->options = options;
    idle->conns = calloc(options->conns, sizeof *idle->conns);
    int exit_code = bench_net_init(&idle->net, options, options->conns);
    if (exit_code == CLI_OK && idle->conns == NULL) {
        exit_code = bench_fail(CLI_INTERNAL, "%s", err_text(ERR_NOMEM));
    }
    for (uint32_t i = 0; exit_code == CLI_OK && i < options->conns; i++) {
        idle->conns[i].number = i;
        idle->conns[i].subscriber = true;
        idle->conns[i].topic = i;
        idle->conns[i].topics = 1;
    }
    if (exit_code == CLI_OK) {
        exit_code = measure(idle, report);
    }
    bench_net_close(idle->conns, idle->conns == NULL ? 0 : options->conns);
    bench_net_fini(&idle->net);
    free(idle->conns);
    free(idle);
    return exit_code;
}
