/* SPDX-License-Identifier: Apache-2.0 */
#include "node/watch/report.h"

#include "proto/json.h"

enum {
    /* What lists may take of the text; the rest is 4 KiB at most. */
    LINKS_LEN = 5 << 10,
    HOT_LEN = 4 << 10,
    SLOW_LEN = 3 << 10,
};

static const uint64_t bounds_us[REPORT_BUCKETS - 1] = {
    50,    100,   200,    500,    1000,   2000,    5000,    10000,
    20000, 50000, 100000, 200000, 500000, 1000000, 2000000, 5000000,
};

typedef void (*add_row)(struct buf *out, const struct report *report, size_t i);

static void add_self(struct buf *out, const struct report *report);
static void add_counts(struct buf *out, const struct report *report);
static void add_gauges(struct buf *out, const struct report *report);
static void add_latency(struct buf *out, const struct report *report);
static void add_rows(struct buf *out, const struct report *report, size_t len,
                     size_t len_max, add_row add);
static void add_link(struct buf *out, const struct report *report, size_t i);
static void add_hot(struct buf *out, const struct report *report, size_t i);
static void add_slow(struct buf *out, const struct report *report, size_t i);

unsigned report_bucket(uint64_t age_us)
{
    unsigned bucket = 0;

    while (bucket < REPORT_BUCKETS - 1 && age_us > bounds_us[bucket]) {
        bucket++;
    }
    return bucket;
}

uint64_t report_bound_us(unsigned bucket)
{
    return bucket < REPORT_BUCKETS - 1 ? bounds_us[bucket] : UINT64_MAX;
}

void report_write(const struct report *report, struct buf *out)
{
    buf_add_str(out, "{\"v\":1");
    add_self(out, report);
    add_counts(out, report);
    add_gauges(out, report);
    json_add_name(out, true, "links_len");
    buf_add_u64(out, report->links_len);
    json_add_name(out, true, "links");
    add_rows(out, report, report->links_len, LINKS_LEN, add_link);
    json_add_name(out, true, "hot");
    add_rows(out, report, report->hot_len, HOT_LEN, add_hot);
    add_latency(out, report);
    json_add_name(out, true, "slow");
    add_rows(out, report, report->slow_len, SLOW_LEN, add_slow);
    buf_add_u8(out, '}');
}

/* --- values --- */

/* What came from elsewhere was checked when it did; text is checked again,
 * since what is no UTF-8 would spoil the whole. */
static void add_text(struct buf *out, const char *name, struct bytes text)
{
    json_add_name(out, true, name);
    json_add_string(out, topic_text_is_valid(text) ? text : BYTES("?"));
}

static void add_number(struct buf *out, const char *name, uint64_t value)
{
    json_add_name(out, true, name);
    buf_add_u64(out, value);
}

static void add_bool(struct buf *out, const char *name, bool value)
{
    json_add_name(out, true, name);
    buf_add_str(out, value ? "true" : "false");
}

static void add_hex(struct buf *out, uint64_t id)
{
    uint8_t bytes[8];

    bytes_put_u64be(bytes, id);
    buf_add_hex(out, bytes, sizeof bytes);
}

static void add_id(struct buf *out, bool comma, uint64_t id)
{
    json_add_name(out, comma, "id");
    buf_add_u8(out, '"');
    add_hex(out, id);
    buf_add_u8(out, '"');
}

static void add_flow(struct buf *out, const char *name,
                     const struct report_flow *flow)
{
    json_add_name(out, true, name);
    buf_add_str(out, "{\"items\":");
    buf_add_u64(out, flow->items);
    add_number(out, "bytes", flow->bytes);
    buf_add_u8(out, '}');
}

/* --- the parts --- */

static void add_self(struct buf *out, const struct report *report)
{
    add_id(out, true, report->id);
    add_text(out, "name", bytes_str(report->name));
    add_text(out, "region", bytes_str(report->region));
    add_text(out, "endpoint", bytes_str(report->endpoint));
    add_text(out, "version", BYTES(STARLING_VERSION));
    add_number(out, "at", report->at_ms);
    add_number(out, "uptime_ms", report->uptime_ms);
    add_number(out, "every_ms", report->every_ms);
    add_bool(out, "ready", report->ready);
    add_bool(out, "draining", report->draining);
    add_text(out, "why", bytes_str(report->why));
}

static void add_doors(struct buf *out, const struct stats *now)
{
    bool comma = false;

    json_add_name(out, true, "doors");
    buf_add_u8(out, '{');
    for (size_t i = 0; i < STATS_DOORS; i++) {
        if (now->doors[i] > 0) {
            json_add_name(out, comma, stats_door(i));
            buf_add_u64(out, now->doors[i]);
            comma = true;
        }
    }
    buf_add_u8(out, '}');
}

static void add_counts(struct buf *out, const struct report *report)
{
    const struct stats *last = &report->last;
    const struct report_flow peer_in = {last->link_items_in,
                                        last->link_bytes_in};
    const struct report_flow peer_out = {last->link_items_out,
                                         last->link_bytes_out};

    add_flow(out, "in", &report->in);
    add_flow(out, "out", &report->out);
    add_flow(out, "peer_in", &peer_in);
    add_flow(out, "peer_out", &peer_out);
    json_add_name(out, true, "dropped");
    buf_add_str(out, "{\"slow\":");
    buf_add_u64(out, last->dropped_slow);
    add_number(out, "link", last->link_dropped);
    buf_add_u8(out, '}');
    add_number(out, "refused", last->refused);
    add_number(out, "denied", last->denied);
    add_number(out, "gaps", last->gaps);
    add_number(out, "opened", last->conns_opened);
    add_number(out, "closed", report->closed);
}

static uint64_t clients_of(const struct stats *now)
{
    uint64_t len = 0;

    for (size_t i = 0; i < STATS_DOORS; i++) {
        len += now->doors[i];
    }
    return len;
}

static void add_gauges(struct buf *out, const struct report *report)
{
    const struct stats *now = &report->now;

    add_number(out, "clients", clients_of(now));
    add_number(out, "conns", now->conns);
    add_number(out, "subscriptions", now->subs);
    add_number(out, "topics", now->topics);
    add_doors(out, now);
    add_number(out, "cpu_permille", report->cpu_permille);
    add_number(out, "rss", report->rss);
    add_number(out, "loop_lag_ms", now->loop_lag_ms);
    add_number(out, "queue", now->output_len);
    add_number(out, "memory", report->memory);
    add_number(out, "memory_limit", report->memory_limit);
}

static void add_latency(struct buf *out, const struct report *report)
{
    static const char *const names[] = {"local", "region", "far"};

    static_assert(ARRAY_LEN(names) == REPORT_HOPS, "a name for each");
    buf_add_str(out, ",\"latency\":{");
    for (size_t hop = 0; hop < REPORT_HOPS; hop++) {
        json_add_name(out, hop > 0, names[hop]);
        for (size_t i = 0; i < REPORT_BUCKETS; i++) {
            buf_add_u8(out, i == 0 ? '[' : ',');
            buf_add_u64(out, report->latency[hop][i]);
        }
        buf_add_u8(out, ']');
    }
    buf_add_u8(out, '}');
}

/* --- lists --- */

/* Those that fit in len_max bytes. */
static void add_rows(struct buf *out, const struct report *report, size_t len,
                     size_t len_max, add_row add)
{
    size_t from = out->len;
    size_t whole = from + 1;

    buf_add_u8(out, '[');
    for (size_t i = 0; i < len && !out->failed; i++) {
        if (i > 0) {
            buf_add_u8(out, ',');
        }
        add(out, report, i);
        if (out->len - from >= len_max) {
            out->len = whole;
            break;
        }
        whole = out->len;
    }
    buf_add_u8(out, ']');
}

static void add_link(struct buf *out, const struct report *report, size_t i)
{
    const struct report_link *link = &report->links[i];

    buf_add_u8(out, '{');
    add_id(out, false, link->id);
    add_text(out, "name", bytes_str(link->name));
    add_text(out, "region", bytes_str(link->region));
    add_text(out, "state", bytes_str(link->state));
    add_bool(out, "up", link->up);
    add_number(out, "rtt_us", link->rtt_us);
    add_number(out, "items", link->out.items);
    add_number(out, "bytes", link->out.bytes);
    add_number(out, "queue", link->queue);
    add_number(out, "queue_limit", link->queue_limit);
    add_number(out, "dropped", link->dropped);
    json_add_name(out, true, "clock_us");
    buf_add_i64(out, link->clock_us);
    buf_add_u8(out, '}');
}

static void add_hot(struct buf *out, const struct report *report, size_t i)
{
    const struct report_hot *hot = &report->hot[i];

    buf_add_str(out, "{\"cache\":");
    json_add_string(out, bytes_of(hot->cache, hot->cache_len));
    add_text(out, "topic", bytes_of(hot->topic, hot->topic_len));
    add_number(out, "in", hot->in);
    add_number(out, "out", hot->out);
    add_number(out, "subs", hot->subs);
    buf_add_u8(out, '}');
}

static void add_slow(struct buf *out, const struct report *report, size_t i)
{
    const struct report_slow *slow = &report->slow[i];

    buf_add_str(out, "{\"client\":\"");
    add_hex(out, report->id);
    buf_add_u8(out, '-');
    buf_add_u64(out, slow->client);
    buf_add_u8(out, '"');
    add_text(out, "door", bytes_str(slow->door));
    add_text(out, "address", bytes_str(slow->address));
    add_text(out, "who", bytes_str(slow->who));
    add_number(out, "queue", slow->queue);
    add_number(out, "limit", slow->limit);
    add_number(out, "age_ms", slow->age_ms);
    add_number(out, "over_ms", slow->over_ms);
    buf_add_u8(out, '}');
}
