/* SPDX-License-Identifier: Apache-2.0 */
#include "node/bench/flow.h"

#include <stdlib.h>

#include "node/bench/code.h"
#include "node/bench/cost.h"
#include "node/bench/net.h"
#include "node/bench/progress.h"
#include "node/cli/cli.h"
#include "proto/err.h"

enum {
    BATCH_LEN = 256 << 10, /* of one write */
    TURN_NS = 100000000,
    SETTLE_NS = 300000000, /* until another node has surely heard of a topic */
    NS_PER_S = 1000000000,
    WINDOW_ALL = 512,         /* items on their way, of all publishers */
    WINDOW_WIDE = 128,        /* to a thousand and more subscribers */
    WINDOW_LEAST = 64,        /* of each of many publishers */
    WINDOW_BYTES = 768 << 10, /* to one subscriber: a node of ours cuts those
                                 that let 1 MiB wait */
    GAP_LEN = 64              /* about */
};

/* Nothing came for so long: what is missing is lost. */
static const uint64_t quiet_ns = UINT64_C(2000000000);

struct publisher {
    struct bench_conn *conn;
    uint32_t first; /* its streams */
    uint32_t streams;
    uint32_t at;       /* the next item is of that one, ... */
    uint32_t sequence; /* ... and this one there */
    uint64_t published;
};

struct flow {
    struct bench_options *options;
    struct bench_net net;
    struct bench_conn *subs;
    size_t subs_len;
    struct bench_conn *conns; /* of publishers */
    struct publisher *pubs;
    size_t pubs_len;
    uint32_t streams;
    bool all_hear;  /* each stream has all subscribers, else one of them */
    uint32_t *next; /* what the subscribers must get next */
    struct bench_request request;
    struct buf batch; /* requests, one after another */
    size_t batch_max;
    uint64_t published;
    uint64_t seen; /* deliveries at ... */
    uint64_t seen_ns;
};

/* What came of one phase, and when. */
struct phase {
    uint64_t published;
    uint64_t delivered;
    uint64_t owed;
    uint64_t lost;
    uint64_t took_ns;
};

/* --- the shape of a mode --- */

static void choose_shape(struct flow *f)
{
    const struct bench_options *o = f->options;
    bool pairs = o->mode == BENCH_PAIRS ||
                 (o->mode == BENCH_CLUSTER && o->pubs > 1);

    f->pubs_len = o->pubs;
    f->streams = o->mode == BENCH_TOPICS ? o->topics : o->pubs;
    f->subs_len = o->mode == BENCH_TOPICS ? o->conns : o->subs;
    f->all_hear = !pairs && o->mode != BENCH_FANIN && o->mode != BENCH_TOPICS;
    f->net.scan.one_topic = f->all_hear || o->mode == BENCH_FANIN;
}

/* Unless it was given. */
static void choose_window(struct flow *f)
{
    struct bench_options *o = f->options;
    const struct bench_layout *layout = &f->net.scan.layout;
    size_t frame_len = layout->head.len + layout->tail.len +
                       (layout->gap == BENCH_GAP_NONE ? 0 : GAP_LEN);
    size_t most = WINDOW_BYTES / frame_len /
                  (o->mode == BENCH_FANIN ? f->pubs_len : 1);
    size_t window = f->subs_len >= 1000 && f->all_hear
                        ? WINDOW_WIDE
                        : WINDOW_ALL / f->pubs_len;

    window = window < WINDOW_LEAST ? WINDOW_LEAST : window;
    window = window > most ? most : window;
    if (o->window == 0) {
        o->window = window < 1 ? 1 : (uint32_t)window;
    }
}

static void share_streams(struct flow *f)
{
    size_t counters = 0;

    for (size_t i = 0; i < f->subs_len; i++) {
        struct bench_conn *sub = &f->subs[i];
        uint32_t from = (uint32_t)(i * f->streams / f->subs_len);
        uint32_t to = (uint32_t)((i + 1) * f->streams / f->subs_len);
        sub->number = (uint32_t)i;
        sub->subscriber = true;
        sub->reader.first = f->all_hear ? 0 : from;
        sub->reader.streams = f->all_hear ? 1 : to - from;
        sub->reader.next = f->next + counters;
        sub->topic = f->net.scan.one_topic ? 0 : from;
        sub->topics = f->net.scan.one_topic ? 1 : to - from;
        counters += sub->reader.streams;
    }
    for (size_t i = 0; i < f->pubs_len; i++) {
        f->conns[i].number = (uint32_t)i;
        f->pubs[i] = (struct publisher){
            .conn = &f->conns[i],
            .first = (uint32_t)(i * f->streams / f->pubs_len),
            .streams = f->streams / (uint32_t)f->pubs_len};
    }
}

static int make_batch(struct flow *f)
{
    const struct bench_options *o = f->options;

    f->request.bytes.max = f->batch.max = 4 * BENCH_SIZE_MAX;
    bench_publisher_door(o)->publish(&f->conns[0].talk, o->size, &f->request);
    f->batch_max = BATCH_LEN / f->request.bytes.len;
    f->batch_max = f->batch_max < 1 ? 1 : f->batch_max;
    for (size_t i = 0; i < f->batch_max; i++) {
        buf_add_bytes(&f->batch, buf_bytes(&f->request.bytes));
    }
    return f->request.bytes.failed || f->batch.failed
               ? bench_fail(CLI_INTERNAL, "%s", err_text(ERR_NOMEM))
               : CLI_OK;
}

static int set_up(struct flow *f)
{
    choose_shape(f);
    int exit_code = bench_net_init(&f->net, f->options,
                                   f->subs_len + f->pubs_len);
    if (exit_code != CLI_OK) {
        return exit_code;
    }
    f->subs = calloc(f->subs_len, sizeof *f->subs);
    f->conns = calloc(f->pubs_len, sizeof *f->conns);
    f->pubs = calloc(f->pubs_len, sizeof *f->pubs);
    f->next = calloc(f->subs_len + f->streams, sizeof *f->next);
    if (f->subs == NULL || f->conns == NULL || f->pubs == NULL ||
        f->next == NULL) {
        return bench_fail(CLI_INTERNAL, "%s", err_text(ERR_NOMEM));
    }
    choose_window(f);
    share_streams(f);
    exit_code = bench_net_open(&f->net, &f->options->at, f->subs, f->subs_len);
    if (exit_code == CLI_OK) {
        exit_code = bench_net_open(&f->net, &f->options->publish_at, f->conns,
                                   f->pubs_len);
    }
    return exit_code == CLI_OK ? make_batch(f) : exit_code;
}

static void tear_down(struct flow *f)
{
    bench_net_close(f->subs, f->subs == NULL ? 0 : f->subs_len);
    bench_net_close(f->conns, f->conns == NULL ? 0 : f->pubs_len);
    bench_net_fini(&f->net);
    buf_fini(&f->request.bytes);
    buf_fini(&f->batch);
    free(f->subs);
    free(f->conns);
    free(f->pubs);
    free(f->next);
}

/* --- publishing --- */

/* The next n items of a publisher, in one write. */
static int publish(struct flow *f, struct publisher *p, size_t n)
{
    const struct bench_request *request = &f->request;
    const struct bench_scan *scan = &f->net.scan;
    size_t len = request->bytes.len;

    for (size_t i = 0; i < n; i++) {
        uint8_t *to = f->batch.p + i * len;
        uint32_t stream = p->first + p->at;
        bench_code_put(to + request->topic_at,
                       scan->topic_base + (scan->one_topic ? 0 : stream));
        bench_code_put(to + request->mark_at, stream);
        bench_code_put(to + request->mark_at + BENCH_CODE_LEN, p->sequence);
        if (++p->at == p->streams) {
            p->at = 0;
            p->sequence++;
        }
    }
    p->published += n;
    f->published += n;
    return bench_net_send(&f->net, p->conn, bytes_of(f->batch.p, n * len));
}

/* The oldest item that not every subscriber has. */
static uint32_t slowest(const struct flow *f, const struct publisher *p)
{
    uint32_t most = 0;

    for (size_t i = 0; i < f->subs_len; i++) {
        uint32_t behind = p->sequence - f->next[i];
        most = behind > most ? behind : most;
    }
    return p->sequence - most;
}

static uint64_t came(const struct flow *f)
{
    return f->net.scan.delivered - f->net.scan.duplicates;
}

static size_t on_their_way(const struct flow *f, const struct publisher *p)
{
    if (f->all_hear) {
        return p->sequence - slowest(f, p);
    }
    if (p->streams == 1) {
        return p->sequence - f->next[p->first];
    }
    return f->published - came(f);
}

/* Not for a single item each time: a quarter of the window at least. */
static int fill_windows(struct flow *f)
{
    size_t window = f->options->window;
    int exit_code = CLI_OK;

    for (size_t i = 0; i < f->pubs_len && exit_code == CLI_OK; i++) {
        struct publisher *p = &f->pubs[i];
        if (p->conn->out.len > 0) {
            continue;
        }
        size_t out = on_their_way(f, p);
        size_t room = out < window ? window - out : 0;
        if (room < (window + 3) / 4) {
            continue;
        }
        while (room > 0 && p->conn->out.len == 0 && exit_code == CLI_OK) {
            size_t n = room < f->batch_max ? room : f->batch_max;
            exit_code = publish(f, p, n);
            room -= n;
        }
    }
    return exit_code;
}

static uint64_t due_ns(const struct flow *f, uint64_t number)
{
    return f->net.scan.schedule.start_ns + number * NS_PER_S / f->options->rate;
}

/* Of an open loop: what is due, each publisher in turn. `number` counts the
 * items of this phase. */
static int publish_due(struct flow *f, uint64_t *number, uint64_t total)
{
    uint64_t now_ns = bench_now_ns();
    int exit_code = CLI_OK;

    while (*number < total && due_ns(f, *number) <= now_ns &&
           exit_code == CLI_OK) {
        struct publisher *p = &f->pubs[f->published % f->pubs_len];
        size_t n = 1;
        if (p->conn->out.len > 0) {
            break; /* late, and counted as such */
        }
        while (f->pubs_len == 1 && n < f->batch_max && *number + n < total &&
               due_ns(f, *number + n) <= now_ns) {
            n++;
        }
        exit_code = publish(f, p, n);
        *number += n;
    }
    return exit_code;
}

/* When there is something to do but to read: the next item is due, even if it
 * came to be just now, or its publisher can write again. */
static uint64_t next_ns(const struct flow *f, uint64_t number)
{
    const struct publisher *p = &f->pubs[f->published % f->pubs_len];

    return p->conn->out.len > 0 ? UINT64_MAX : due_ns(f, number);
}

/* --- phases --- */

static int turn(struct flow *f, uint64_t until_ns)
{
    uint64_t now_ns = bench_now_ns();
    uint64_t wait_ns = until_ns > now_ns ? until_ns - now_ns : 0;
    int exit_code = bench_net_turn(&f->net,
                                   wait_ns < TURN_NS ? wait_ns : TURN_NS);

    if (f->net.scan.delivered != f->seen) {
        f->seen = f->net.scan.delivered;
        f->seen_ns = bench_now_ns();
    }
    return exit_code;
}

static void show(const struct flow *f, const char *what, uint64_t start_ns,
                 uint64_t before, uint64_t run_ns)
{
    double took = (double)(bench_now_ns() - start_ns);

    bench_progress(took / (double)run_ns, what,
                   (double)(f->seen - before) * 1e9 / took);
}

static int publish_closed(struct flow *f, const char *what, uint64_t run_ns)
{
    uint64_t start_ns = bench_now_ns();
    uint64_t end_ns = start_ns + run_ns;
    uint64_t before = f->seen;
    int exit_code = CLI_OK;

    while (exit_code == CLI_OK && bench_now_ns() < end_ns) {
        exit_code = fill_windows(f);
        if (exit_code == CLI_OK) {
            exit_code = turn(f, end_ns);
        }
        show(f, what, start_ns, before, run_ns);
    }
    return exit_code;
}

static int publish_open(struct flow *f, const char *what, uint64_t run_ns)
{
    uint64_t start_ns = bench_now_ns();
    uint64_t total = run_ns / 1000 * f->options->rate / 1000000;
    uint64_t before = f->seen;
    uint64_t number = 0;
    int exit_code = CLI_OK;

    f->net.scan.schedule = (struct bench_schedule){.start_ns = start_ns,
                                                   .first = f->published,
                                                   .rate = f->options->rate,
                                                   .streams = f->streams};
    while (exit_code == CLI_OK && number < total &&
           bench_now_ns() - f->seen_ns < quiet_ns) {
        exit_code = publish_due(f, &number, total);
        if (exit_code == CLI_OK && number < total) {
            exit_code = turn(f, next_ns(f, number));
        }
        show(f, what, start_ns, before, run_ns);
    }
    return exit_code;
}

static bool all_answered(const struct flow *f)
{
    for (size_t i = 0;
         bench_publisher_door(f->options)->answers && i < f->pubs_len; i++) {
        if (f->conns[i].talk.answers < f->pubs[i].published) {
            return false;
        }
    }
    return true;
}

/* Until `owed` items have come and everything is answered. */
static int drain(struct flow *f, uint64_t owed)
{
    int exit_code = CLI_OK;

    while (exit_code == CLI_OK && (came(f) < owed || !all_answered(f)) &&
           bench_now_ns() - f->seen_ns < quiet_ns) {
        exit_code = turn(f, UINT64_MAX);
    }
    return exit_code;
}

static int run_phase(struct flow *f, const char *what, uint64_t run_ns,
                     struct phase *phase)
{
    uint64_t start_ns = bench_now_ns();
    uint64_t published = f->published;
    uint64_t delivered = f->net.scan.delivered;
    uint64_t distinct = came(f);

    f->seen_ns = start_ns;
    int exit_code = f->options->rate > 0 ? publish_open(f, what, run_ns)
                                         : publish_closed(f, what, run_ns);
    phase->published = f->published - published;
    phase->owed = phase->published * (f->all_hear ? f->subs_len : 1);
    if (exit_code == CLI_OK) {
        exit_code = drain(f, distinct + phase->owed);
    }
    phase->delivered = f->net.scan.delivered - delivered;
    phase->lost = distinct + phase->owed - came(f);
    phase->took_ns = f->seen_ns - start_ns;
    return exit_code;
}

/* --- the whole --- */

static uint64_t strange(const struct flow *f)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < f->subs_len; i++) {
        sum += f->subs[i].talk.strange;
    }
    return sum;
}

static void conclude(const struct flow *f, const struct phase *warm_up,
                     const struct phase *run, const struct bench_cost costs[2],
                     struct bench_report *report)
{
    const struct bench_scan *scan = &f->net.scan;
    double delivered = (double)run->delivered;
    double took = (double)run->took_ns / 1e9;

    report->published = (double)run->published;
    report->delivered = delivered;
    report->lost = (double)(warm_up->lost + run->lost);
    report->disorder = (double)scan->disorder;
    report->duplicates = (double)scan->duplicates;
    report->strange = (double)strange(f);
    if (costs[0].counted && costs[1].counted) {
        report->server_delivered = (double)(costs[1].delivered -
                                            costs[0].delivered);
    }
    if (f->options->rate > 0) {
        bench_report_latency(report, &scan->latency);
    }
    if (run->delivered == 0 || run->took_ns == 0) {
        return;
    }
    report->publishes_per_s = (double)run->published / took;
    report->deliveries_per_s = delivered / took;
    report->generator_cpu_ns_per_delivery =
        (double)(costs[1].own_ns - costs[0].own_ns) / delivered;
    if (f->options->pids_len > 0) {
        double cpu = (double)(costs[1].cpu_ns - costs[0].cpu_ns);
        report->cpu_ns_per_delivery = cpu / delivered;
        report->cpu_percent = cpu * 100 / (double)run->took_ns;
        report->rss_bytes = (double)costs[1].rss_bytes;
    }
}

static int measure(struct flow *f, struct bench_report *report)
{
    const struct bench_options *o = f->options;
    struct phase warm_up = {0};
    struct phase run = {0};
    struct bench_cost costs[2];
    int exit_code = CLI_OK;

    if (o->at.text != o->publish_at.text) {
        uint64_t end_ns = bench_now_ns() + SETTLE_NS;
        while (exit_code == CLI_OK && bench_now_ns() < end_ns) {
            exit_code = turn(f, end_ns);
        }
    }
    if (exit_code == CLI_OK) {
        exit_code = run_phase(f, "warming up", o->warmup_ns, &warm_up);
    }
    f->net.scan.latency = (struct bench_latency){0};
    if (exit_code == CLI_OK) {
        exit_code = bench_cost_read(o, &costs[0]);
    }
    if (exit_code == CLI_OK) {
        exit_code = run_phase(f, "measuring", o->run_ns, &run);
    }
    if (exit_code == CLI_OK) {
        exit_code = bench_cost_read(o, &costs[1]);
    }
    if (exit_code == CLI_OK) {
        conclude(f, &warm_up, &run, costs, report);
    }
    return exit_code;
}

int bench_flow_run(struct bench_options *options, struct bench_report *report)
{
    struct flow *f = calloc(1, sizeof *f);

    if (f == NULL) {
        return bench_fail(CLI_INTERNAL, "%s", err_text(ERR_NOMEM));
    }
    f->options = options;
    int exit_code = set_up(f);
    if (exit_code == CLI_OK) {
        exit_code = measure(f, report);
    }
    tear_down(f);
    free(f);
    return exit_code;
}
