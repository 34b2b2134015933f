/* SPDX-License-Identifier: Apache-2.0
 *
 * Where did it go? POST /v1/admin/trace/{cache}/{topic...} publishes its body
 * as an item that all nodes take notes of, and answers what became of it.
 * Specified in docs/PROTOCOLS.md.
 *
 *   request --publish--> trace_ask_start() --report--> answered
 *
 * Only who asked hears the answer: there is no topic to name for it. Its
 * subscribers see an item as any other.
 */
#include "node/client/auth.h"
#include "node/door/door.h"
#include "node/door/web.h"
#include "node/watch/trace_ask.h"
#include "proto/json.h"
#include "proto/topic.h"

struct tracing {
    struct trace_ask *ask; /* NULL: nothing is under way */
    size_t len;            /* of the value */
    struct web_headers headers;
};

static int on_request(struct client *client,
                      const struct http_request *request);
static int publish(struct client *client, const struct request_topic *name,
                   const struct http_request *request);
static void on_report(void *data, const struct trace_report *report);
static void stop(struct client *client);
static void say_error(struct client *client, int err);
static void on_close(struct client *client);

static const struct bytes prefix = BYTES("/v1/admin/trace/");

static const struct route_answer told[] = {
    {200, "where the item went, node by node", "application/json"}, {0}};

static const struct route routes[] = {
    {.method = "POST",
     .path = "/v1/admin/trace/{cache}/{topic...}",
     .below = "/v1/admin/trace/",
     .scope = "admin:trace",
     .summary = "Publish the body and tell where it went",
     .body = "*/*",
     .answers = told},
    {0},
};

const struct door door_trace = {
    .name = "trace",
    .shape = DOOR_REQUEST,
    .state_len = sizeof(struct tracing),
    .routes = routes,
    .on_request = on_request,
    .say_error = say_error,
    .on_close = on_close,
};

static int on_request(struct client *client, const struct http_request *request)
{
    struct tracing *tracing = client->state;
    struct core *core = client->core;
    struct request_topic name = {0};

    int err = client_may_admin(client, "admin:trace");
    if (err == 0) {
        err = request_topic_under(request, prefix, &name);
    }
    if (err == 0) {
        err = web_headers_init(&tracing->headers, client, request);
    }
    if (err == 0) {
        err = trace_ask_open(&tracing->ask, core, client, on_report);
    }
    if (err == 0) {
        err = publish(client, &name, request);
    }
    if (err < 0) {
        stop(client);
    }
    buf_fini(&name.memory);
    return err;
}

static int publish(struct client *client, const struct request_topic *name,
                   const struct http_request *request)
{
    struct tracing *tracing = client->state;
    const struct client_item item = {
        .cache = name->cache,
        .topic = name->topic,
        .value = request->body,
        .flags = ITEM_TRACE,
        .bytes = true,
    };
    struct hub_receipt receipt;
    int err = client_publish(client, &item, &receipt);

    tracing->len = request->body.len;
    return err < 0 ? err
                   : trace_ask_start(tracing->ask, name->cache, name->topic,
                                     receipt.count);
}

/* --- the answer --- */

static void add_text(struct buf *out, bool comma, const char *name,
                     struct bytes text)
{
    json_add_name(out, comma, name);
    json_add_string(out, topic_text_is_valid(text) ? text : BYTES("?"));
}

static void add_number(struct buf *out, bool comma, const char *name,
                       uint64_t value)
{
    json_add_name(out, comma, name);
    buf_add_u64(out, value);
}

static void add_signed(struct buf *out, const char *name, int64_t value)
{
    json_add_name(out, true, name);
    buf_add_str(out, value < 0 ? "-" : "");
    buf_add_u64(out, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

static void add_id(struct buf *out, const char *name, bool comma, uint64_t id)
{
    uint8_t bytes[8];

    bytes_put_u64be(bytes, id);
    json_add_name(out, comma, name);
    buf_add_u8(out, '"');
    buf_add_hex(out, bytes, sizeof bytes);
    buf_add_u8(out, '"');
}

/* A time of that node as one since the publish; null: it never came. */
static void add_time(struct buf *out, const char *name,
                     const struct trace_node *node, uint64_t at_us)
{
    if (at_us == 0) {
        json_add_name(out, true, name);
        buf_add_str(out, "null");
        return;
    }
    add_signed(out, name, (int64_t)at_us + node->shift_us);
}

static void add_node_name(struct buf *out, const struct core *core, bool comma,
                          const char *name, uint64_t id)
{
    char text[MEMBER_NAME_MAX] = "";

    if (id != 0) {
        trace_name(core, id, text);
    }
    add_text(out, comma, name, bytes_str(text));
}

static void add_doors(struct buf *out, const struct traced *traced)
{
    uint64_t matched = 0;

    for (size_t i = 0; i < traced->doors_len; i++) {
        matched += traced->doors[i].subs;
    }
    add_number(out, true, "matched", matched);
    buf_add_str(out, ",\"doors\":{");
    for (size_t i = 0; i < traced->doors_len; i++) {
        buf_add_str(out, i == 0 ? "" : ",");
        json_add_string(out, traced->doors[i].name);
        buf_add_u8(out, ':');
        buf_add_u64(out, traced->doors[i].subs);
    }
    buf_add_u8(out, '}');
}

static void add_sends(struct buf *out, const struct core *core,
                      const struct trace_node *node)
{
    const struct traced *traced = &node->traced;

    buf_add_str(out, ",\"sent\":[");
    for (size_t i = 0; i < traced->sends_len; i++) {
        const struct traced_send *send = &traced->sends[i];
        buf_add_str(out, i == 0 ? "{" : ",{");
        add_node_name(out, core, false, "to", send->to);
        add_time(out, "at_us", node, send->at_us);
        add_text(out, true, "outcome",
                 bytes_str(traced_outcome_text(send->outcome)));
        add_text(out, true, "why", bytes_str(traced_why_text(send->why)));
        buf_add_u8(out, '}');
    }
    buf_add_u8(out, ']');
    if (traced->more > 0) {
        add_number(out, true, "sent_more", traced->more);
    }
}

static void add_drops(struct buf *out, const struct traced *traced)
{
    buf_add_str(out, ",\"dropped\":[");
    for (size_t i = 0; i < traced->drops_len; i++) {
        const struct traced_drop *drop = &traced->drops[i];
        buf_add_str(out, i == 0 ? "{" : ",{");
        add_text(out, false, "door", drop->door);
        add_number(out, true, "count", drop->count);
        add_text(out, true, "why", bytes_str(traced_why_text(drop->why)));
        buf_add_u8(out, '}');
    }
    buf_add_u8(out, ']');
}

/* What was told before the item says nothing of it. */
static uint64_t told_since(const struct trace_node *node)
{
    uint64_t told_us = node->traced.told_us;

    return (int64_t)told_us + node->shift_us < 0 ? 0 : told_us;
}

static void add_node(struct buf *out, const struct core *core,
                     const struct trace_node *node)
{
    const struct traced *traced = &node->traced;

    add_id(out, "id", false, node->id);
    add_text(out, true, "name", bytes_str(node->name));
    add_text(out, true, "region", bytes_str(node->region));
    add_node_name(out, core, true, "from", traced->from);
    add_text(out, true, "hop", bytes_str(traced_hop_text(traced->hop)));
    add_time(out, "at_us", node, traced->at_us);
    add_number(out, true, "error_us", node->error_us);
    add_signed(out, "clock_us", node->clock_us);
    add_doors(out, traced);
    add_time(out, "written_us", node, traced->written_us);
    add_number(out, true, "waiting", traced->waiting);
    add_time(out, "gap_us", node, told_since(node));
    add_sends(out, core, node);
    add_drops(out, traced);
}

static void add_names(struct buf *out, const char *name,
                      const char (*names)[MEMBER_NAME_MAX], size_t len)
{
    json_add_name(out, true, name);
    buf_add_u8(out, '[');
    for (size_t i = 0; i < len; i++) {
        buf_add_str(out, i == 0 ? "" : ",");
        json_add_string(out, bytes_str(names[i]));
    }
    buf_add_u8(out, ']');
}

static void add_report(struct buf *out, const struct core *core,
                       const struct trace_report *report, size_t len)
{
    buf_add_str(out, "{\"item\":{");
    add_id(out, "origin", false, report->origin);
    add_number(out, true, "count", report->count);
    add_text(out, true, "cache", report->cache);
    add_text(out, true, "topic", report->topic);
    add_number(out, true, "bytes", len);
    buf_add_str(out, "},\"nodes\":[");
    for (size_t i = 0; i < report->nodes_len; i++) {
        buf_add_str(out, i == 0 ? "{" : ",{");
        add_node(out, core, &report->nodes[i]);
        buf_add_u8(out, '}');
    }
    buf_add_u8(out, ']');
    add_names(out, "silent", report->silent, report->silent_len);
    add_names(out, "older", report->older, report->older_len);
    buf_add_str(out, "}\n");
}

static void on_report(void *data, const struct trace_report *report)
{
    struct client *client = data;
    struct tracing *tracing = client->state;
    struct buf body = {0};

    tracing->ask = NULL;
    add_report(&body, client->core, report, tracing->len);
    web_answer(client, &tracing->headers, 200, "application/json", &body);
}

/* --- the end --- */

static void stop(struct client *client)
{
    struct tracing *tracing = client->state;

    if (tracing->ask != NULL) {
        trace_ask_forget(tracing->ask);
        tracing->ask = NULL;
    }
}

static void say_error(struct client *client, int err)
{
    struct tracing *tracing = client->state;
    struct buf body = {0};

    if (tracing->ask != NULL) {
        stop(client);
        client->core->stats.refused++;
        request_add_error(client, &body, err);
        web_answer(client, &tracing->headers, err_status(err),
                   "application/json", &body);
    }
}

static void on_close(struct client *client)
{
    struct tracing *tracing = client->state;

    stop(client);
    web_headers_fini(&tracing->headers);
}
