/* SPDX-License-Identifier: Apache-2.0 */
#include "node/bench/churn.h"

#include <stdlib.h>

#include "node/bench/code.h"
#include "node/bench/cost.h"
#include "node/bench/net.h"
#include "node/bench/progress.h"
#include "node/cli/cli.h"
#include "proto/err.h"

enum {
    TURN_NS = 100000000,
    UNDER_WAY_MAX = 1000 /* items: it is about subscribes */
};

static const uint64_t quiet_ns = UINT64_C(3000000000);

/* The topics of connection c are c, c + conns, c + 2 conns ...: counted. */
struct churner {
    struct bench_conn *conn;
    uint64_t due_ns; /* of the one that was asked for, or of all */
    uint32_t asked;
    uint32_t acknowledged;
    uint32_t published;
    uint32_t released;
    bool touched;
};

struct churn {
    struct bench_options *options;
    struct bench_net net;
    struct bench_conn *conns;
    struct bench_conn *pub;
    struct churner *churners;
    size_t len;
    uint32_t *next; /* of each topic: 1 when its item came */
    uint32_t topics_max;
    struct bench_request request;
    struct buf out; /* the publishes of this turn */

    struct churner **idle; /* wait until a subscribe is due */
    size_t idle_len;
    struct churner **touched; /* have something to publish or to say */
    size_t touched_len;
    uint64_t due; /* subscribes asked for in this phase, of an open loop */
    uint64_t start_ns;
    uint64_t end_ns;
    uint64_t asked;
    uint64_t acknowledged;
    uint64_t published;
    uint64_t moved_ns; /* something was acknowledged or came */
    uint64_t moved;
    struct bench_latency latency; /* of acknowledgements */
};

/* --- asking --- */

static uint32_t topic_of(const struct churn *c, const struct churner *churner,
                         uint32_t count)
{
    return count * (uint32_t)c->len + churner->conn->number;
}

static bool may_ask(const struct churn *c, const struct churner *churner)
{
    return bench_now_ns() < c->end_ns &&
           topic_of(c, churner, churner->asked) < c->topics_max;
}

static void touch(struct churn *c, struct churner *churner)
{
    if (!churner->touched) {
        churner->touched = true;
        c->touched[c->touched_len++] = churner;
    }
}

/* Gives back the topics whose items came: with the next subscribe, for it
 * should not cost a write of its own. */
static void release(struct churn *c, struct churner *churner)
{
    while (churner->released < churner->published &&
           c->next[topic_of(c, churner, churner->released)] > 0) {
        c->options->door->unsubscribe(
            &churner->conn->talk,
            c->net.scan.topic_base + topic_of(c, churner, churner->released++));
    }
}

static void ask(struct churn *c, struct churner *churner, uint64_t due_ns)
{
    uint32_t topic = topic_of(c, churner, churner->asked++);

    touch(c, churner);
    release(c, churner);
    churner->due_ns = due_ns;
    c->asked++;
    c->options->door->subscribe(&churner->conn->talk,
                                c->net.scan.topic_base + topic);
}

/* From when it was due a subscribe waits, even if no connection was free. */
static uint64_t due_ns(const struct churn *c)
{
    return c->start_ns + c->due * 1000000000u / c->options->rate;
}

static void ask_due(struct churn *c)
{
    uint64_t now_ns = bench_now_ns();

    while (c->options->rate > 0 && c->idle_len > 0 && due_ns(c) <= now_ns &&
           may_ask(c, c->idle[c->idle_len - 1])) {
        ask(c, c->idle[--c->idle_len], due_ns(c));
        c->due++;
    }
}

static void go_on(struct churn *c, struct churner *churner)
{
    if (c->options->rate > 0) {
        c->idle[c->idle_len++] = churner;
    } else if (may_ask(c, churner)) {
        ask(c, churner, bench_now_ns());
    }
}

static void on_read(void *data, struct bench_conn *conn)
{
    struct churn *c = data;
    uint64_t now_ns = bench_now_ns();

    if (conn == c->pub) {
        return;
    }
    struct churner *churner = &c->churners[conn->number];
    while (churner->acknowledged < conn->talk.acks) {
        touch(c, churner);
        churner->acknowledged++;
        c->acknowledged++;
        bench_latency_add(&c->latency, now_ns - churner->due_ns);
        if (c->options->topics == 0) {
            go_on(c, churner);
        }
    }
}

/* --- what follows an acknowledgement --- */

static void add_publish(struct churn *c, uint32_t topic)
{
    size_t at = c->out.len;

    buf_add_bytes(&c->out, buf_bytes(&c->request.bytes));
    if (c->out.failed) {
        return;
    }
    bench_code_put(c->out.p + at + c->request.topic_at,
                   c->net.scan.topic_base + topic);
    bench_code_put(c->out.p + at + c->request.mark_at, topic);
    c->published++;
}

static void publish_for(struct churn *c, struct churner *churner)
{
    while (churner->published < churner->acknowledged &&
           c->published - c->net.scan.delivered < UNDER_WAY_MAX) {
        add_publish(c, topic_of(c, churner, churner->published++));
    }
}

/* Says and publishes what is to be; who has more than may be under way is
 * served again. */
static int serve(struct churn *c)
{
    size_t kept = 0;
    int exit_code = CLI_OK;

    ask_due(c);
    for (size_t i = 0; i < c->touched_len && exit_code == CLI_OK; i++) {
        struct churner *churner = c->touched[i];
        publish_for(c, churner);
        exit_code = bench_net_flush(&c->net, churner->conn);
        churner->touched = churner->published < churner->acknowledged;
        c->touched[kept] = churner;
        kept += churner->touched;
    }
    c->touched_len = kept;
    if (c->out.failed) {
        return bench_fail(CLI_INTERNAL, "%s", err_text(ERR_NOMEM));
    }
    if (c->out.len > 0 && exit_code == CLI_OK) {
        exit_code = bench_net_send(&c->net, c->pub, buf_bytes(&c->out));
    }
    buf_reset(&c->out);
    return exit_code;
}

static int turn(struct churn *c, uint64_t until_ns)
{
    uint64_t now_ns = bench_now_ns();
    uint64_t wait_ns = until_ns > now_ns ? until_ns - now_ns : 0;
    int exit_code = bench_net_turn(&c->net,
                                   wait_ns < TURN_NS ? wait_ns : TURN_NS);

    if (exit_code == CLI_OK) {
        exit_code = serve(c);
    }
    if (c->acknowledged + c->net.scan.delivered != c->moved) {
        c->moved = c->acknowledged + c->net.scan.delivered;
        c->moved_ns = bench_now_ns();
    }
    return exit_code;
}

/* --- phases --- */

/* What is under way: subscribes, their items, answers to those. */
static bool is_done(const struct churn *c)
{
    return c->acknowledged == c->asked && c->published == c->acknowledged &&
           c->net.scan.delivered >= c->published &&
           (!c->options->door->answers || c->pub->talk.answers >= c->published);
}

static int drain(struct churn *c)
{
    int exit_code = CLI_OK;

    while (exit_code == CLI_OK && !is_done(c) &&
           bench_now_ns() - c->moved_ns < quiet_ns) {
        exit_code = turn(c, UINT64_MAX);
    }
    return exit_code;
}

static int run_phase(struct churn *c, const char *what, uint64_t run_ns)
{
    c->start_ns = c->moved_ns = bench_now_ns();
    c->end_ns = c->start_ns + run_ns;
    c->due = 0;
    c->idle_len = 0;
    for (size_t i = 0; i < c->len; i++) {
        go_on(c, &c->churners[i]);
    }
    int exit_code = serve(c);
    while (exit_code == CLI_OK && bench_now_ns() < c->end_ns) {
        bool waits = c->options->rate > 0 && c->idle_len > 0;
        uint64_t next_ns = waits ? due_ns(c) : c->end_ns;
        exit_code = turn(c, next_ns < c->end_ns ? next_ns : c->end_ns);
        bench_progress((double)(bench_now_ns() - c->start_ns) / (double)run_ns,
                       what, 0);
    }
    return exit_code == CLI_OK ? drain(c) : exit_code;
}

/* All subscribes of all connections in one piece each. */
static int run_burst(struct churn *c, struct bench_report *report)
{
    c->start_ns = c->moved_ns = bench_now_ns();
    c->end_ns = UINT64_MAX;
    for (uint32_t i = 0; i < c->options->topics; i++) {
        ask(c, &c->churners[i % c->len], c->start_ns);
    }
    int exit_code = serve(c);
    while (exit_code == CLI_OK && c->acknowledged < c->asked &&
           bench_now_ns() - c->moved_ns < quiet_ns) {
        exit_code = turn(c, UINT64_MAX);
        bench_progress((double)c->acknowledged / (double)c->asked,
                       "subscribing", 0);
    }
    report->all_ms = (double)(bench_now_ns() - c->start_ns) / 1e6;
    return exit_code == CLI_OK ? drain(c) : exit_code;
}

/* --- the whole --- */

static int set_up(struct churn *c)
{
    const struct bench_options *o = c->options;

    c->len = o->conns;
    c->topics_max = o->topics > 0 ? o->topics : BENCH_TOPICS_MAX;
    int exit_code = bench_net_init(&c->net, o, c->len + 1);
    c->conns = calloc(c->len, sizeof *c->conns);
    c->pub = calloc(1, sizeof *c->pub);
    c->churners = calloc(c->len, sizeof *c->churners);
    c->idle = calloc(c->len, sizeof *c->idle);
    c->touched = calloc(c->len, sizeof *c->touched);
    c->next = calloc(c->topics_max, sizeof *c->next);
    if (exit_code == CLI_OK &&
        (c->conns == NULL || c->pub == NULL || c->churners == NULL ||
         c->idle == NULL || c->touched == NULL || c->next == NULL)) {
        exit_code = bench_fail(CLI_INTERNAL, "%s", err_text(ERR_NOMEM));
    }
    for (uint32_t i = 0; exit_code == CLI_OK && i < c->len; i++) {
        c->churners[i].conn = &c->conns[i];
        c->conns[i].number = i;
        c->conns[i].subscriber = true;
        c->conns[i].reader = (struct bench_reader){
            .first = 0, .streams = c->topics_max, .next = c->next};
    }
    if (exit_code == CLI_OK) {
        exit_code = bench_net_open(&c->net, &c->options->at, c->conns, c->len);
    }
    if (exit_code == CLI_OK) {
        exit_code = bench_net_open(&c->net, &c->options->publish_at, c->pub, 1);
    }
    if (exit_code == CLI_OK) {
        o->door->publish(&c->pub->talk, BENCH_MARK_LEN, &c->request);
        c->net.on_read = on_read;
        c->net.data = c;
    }
    return exit_code;
}

static void tear_down(struct churn *c)
{
    bench_net_close(c->conns, c->conns == NULL ? 0 : c->len);
    bench_net_close(c->pub, c->pub == NULL ? 0 : 1);
    bench_net_fini(&c->net);
    buf_fini(&c->request.bytes);
    buf_fini(&c->out);
    free(c->conns);
    free(c->pub);
    free(c->churners);
    free(c->idle);
    free(c->touched);
    free(c->next);
}

struct counts {
    uint64_t acknowledged;
    uint64_t published;
    uint64_t delivered;
};

static struct counts counts_of(const struct churn *c)
{
    return (struct counts){.acknowledged = c->acknowledged,
                           .published = c->published,
                           .delivered = c->net.scan.delivered};
}

static void conclude(const struct churn *c, const struct counts *from,
                     const struct bench_cost costs[2],
                     struct bench_report *report)
{
    const struct bench_scan *scan = &c->net.scan;
    double took = (double)(c->moved_ns - c->start_ns) / 1e9;
    double delivered = (double)(scan->delivered - from->delivered);

    report->published = (double)(c->published - from->published);
    report->delivered = delivered;
    report->lost = (double)(c->asked - (scan->delivered - scan->duplicates));
    report->disorder = (double)scan->disorder;
    report->duplicates = (double)scan->duplicates;
    if (costs[0].counted && costs[1].counted) {
        report->server_delivered = (double)(costs[1].delivered -
                                            costs[0].delivered);
    }
    bench_report_latency(report, &c->latency);
    if (delivered > 0 && took > 0) {
        report->publishes_per_s = report->published / took;
        report->generator_cpu_ns_per_delivery =
            (double)(costs[1].own_ns - costs[0].own_ns) / delivered;
    }
    if (c->options->pids_len > 0 && delivered > 0 && took > 0) {
        double cpu = (double)(costs[1].cpu_ns - costs[0].cpu_ns);
        report->cpu_ns_per_delivery = cpu / delivered;
        report->cpu_percent = cpu / took / 1e7;
        report->rss_bytes = (double)costs[1].rss_bytes;
    }
}

static int measure(struct churn *c, struct bench_report *report)
{
    const struct bench_options *o = c->options;
    struct bench_cost costs[2];
    struct counts from;
    int exit_code = CLI_OK;

    if (o->topics == 0 && o->warmup_ns > 0) {
        exit_code = run_phase(c, "warming up", o->warmup_ns);
    }
    c->latency = (struct bench_latency){0};
    from = counts_of(c);
    if (exit_code == CLI_OK) {
        exit_code = bench_cost_read(o, &costs[0]);
    }
    if (exit_code == CLI_OK) {
        exit_code = o->topics > 0 ? run_burst(c, report)
                                  : run_phase(c, "measuring", o->run_ns);
    }
    if (exit_code == CLI_OK) {
        exit_code = bench_cost_read(o, &costs[1]);
    }
    if (exit_code == CLI_OK) {
        conclude(c, &from, costs, report);
    }
    return exit_code;
}

int bench_churn_run(struct bench_options *options, struct bench_report *report)
{
    struct churn *c = calloc(1, sizeof *c);

    if (c == NULL) {
        return bench_fail(CLI_INTERNAL, "%s", err_text(ERR_NOMEM));
    }
    c->options = options;
    int exit_code = set_up(c);
    if (exit_code == CLI_OK) {
        exit_code = measure(c, report);
    }
    tear_down(c);
    free(c);
    return exit_code;
}
