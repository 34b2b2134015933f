/* SPDX-License-Identifier: Apache-2.0
 *
 * The usage of the whole cluster from any node: GET /v1/usage. Specified in
 * docs/PROTOCOLS.md.
 *
 *   request --usage_start()--> waits for all nodes --report--> answered
 */
#include "node/client/usage.h"
#include "node/client/auth.h"
#include "node/door/door.h"
#include "node/door/web.h"
#include "proto/json.h"
#include "proto/topic.h"

struct asking {
    struct usage_ask *ask; /* NULL: nothing is under way */
    struct web_headers headers;
};

static int on_request(struct client *client,
                      const struct http_request *request);
static void on_report(void *data, const struct usage_report *report);
static void respond(struct client *client, unsigned status, struct buf *body);
static void stop(struct client *client);
static void say_error(struct client *client, int err);
static void on_close(struct client *client);

static const struct route_answer answers[] = {
    {200, "counts by cache and region", "application/json"}, {0}};

static const struct route routes[] = {
    {.method = "GET",
     .path = "/v1/usage",
     .scope = "admin:read",
     .summary = "What went through the caches of the whole cluster",
     .answers = answers},
    {0},
};

const struct door door_usage = {
    .name = "usage",
    .shape = DOOR_REQUEST,
    .state_len = sizeof(struct asking),
    .routes = routes,
    .on_request = on_request,
    .say_error = say_error,
    .on_close = on_close,
};

static int on_request(struct client *client, const struct http_request *request)
{
    struct asking *asking = client->state;
    struct core *core = client->core;

    int err = client_may_admin(client, "admin:read");
    if (err == 0) {
        err = web_headers_init(&asking->headers, client, request);
    }
    if (err == 0) {
        err = usage_start(&asking->ask, core, client, on_report);
    }
    return err;
}

/* --- the answer --- */

static void add_text(struct buf *out, bool comma, const char *name,
                     const char *text)
{
    struct bytes s = bytes_str(text);

    json_add_name(out, comma, name);
    json_add_string(out, topic_text_is_valid(s) ? s : BYTES("?"));
}

static void add_number(struct buf *out, bool comma, const char *name,
                       uint64_t value)
{
    json_add_name(out, comma, name);
    buf_add_u64(out, value);
}

static void add_bool(struct buf *out, const char *name, bool value)
{
    json_add_name(out, true, name);
    buf_add_str(out, value ? "true" : "false");
}

static void add_node(struct buf *out, const struct usage_node *node)
{
    buf_add_u8(out, '{');
    add_text(out, false, "name", node->name);
    json_add_name(out, true, "id");
    buf_add_u8(out, '"');
    buf_add_hex(out, node->id.b, 8);
    buf_add_u8(out, '"');
    add_text(out, true, "region", node->region);
    add_bool(out, "self", node->self);
    add_bool(out, "dead", node->dead);
    add_bool(out, "answered", node->answered);
    if (node->answered) {
        add_number(out, true, "since_ms", node->since_ms);
    }
    buf_add_u8(out, '}');
}

static void add_count(struct buf *out, bool comma, const char *name,
                      const struct usage_count *count)
{
    json_add_name(out, comma, name);
    buf_add_u8(out, '{');
    add_number(out, false, "items", count->items);
    add_number(out, true, "bytes", count->bytes);
    add_number(out, true, "operations", count->operations);
    buf_add_u8(out, '}');
}

static void add_usage(struct buf *out, bool comma, const struct usage *usage)
{
    add_count(out, comma, "in", &usage->in);
    add_count(out, true, "out", &usage->out);
    add_number(out, true, "refused", usage->refused);
}

/* How many rows from this one on are of the same cache, and their sum. */
static size_t sum_cache(const struct usage_report *report, size_t from,
                        struct usage *sum)
{
    const char *cache = report->rows[from]->cache;
    size_t i = from;

    *sum = (struct usage){0};
    while (i < report->rows_len && strcmp(report->rows[i]->cache, cache) == 0) {
        usage_add(sum, &report->rows[i++]->usage);
    }
    return i - from;
}

static void add_cache(struct buf *out, const struct usage_report *report,
                      size_t from, size_t len, const struct usage *sum)
{
    const char *cache = report->rows[from]->cache;

    buf_add_u8(out, '{');
    json_add_name(out, false, "cache");
    if (cache[0] == '\0') {
        buf_add_str(out, "null");
    } else {
        json_add_string(out, bytes_str(cache));
    }
    add_usage(out, true, sum);
    buf_add_str(out, ",\"regions\":[");
    for (size_t i = from; i < from + len; i++) {
        buf_add_str(out, i == from ? "{" : ",{");
        add_text(out, false, "region", report->rows[i]->region);
        add_usage(out, true, &report->rows[i]->usage);
        buf_add_u8(out, '}');
    }
    buf_add_str(out, "]}");
}

static void add_caches(struct buf *out, const struct usage_report *report)
{
    struct usage sum;

    buf_add_str(out, ",\"caches\":[");
    for (size_t i = 0, len = 0; i < report->rows_len; i += len) {
        buf_add_str(out, i == 0 ? "" : ",");
        len = sum_cache(report, i, &sum);
        add_cache(out, report, i, len, &sum);
    }
    buf_add_u8(out, ']');
}

static bool is_first_of_region(const struct usage_report *report, size_t node)
{
    for (size_t i = 0; i < node; i++) {
        if (strcmp(report->nodes[i].region, report->nodes[node].region) == 0) {
            return false;
        }
    }
    return true;
}

/* Each region that has nodes, whether something was counted there or not. */
static void add_regions(struct buf *out, const struct usage_report *report)
{
    bool comma = false;

    buf_add_str(out, ",\"regions\":[");
    for (size_t n = 0; n < report->nodes_len; n++) {
        const char *region = report->nodes[n].region;
        struct usage sum = {0};
        if (!is_first_of_region(report, n)) {
            continue;
        }
        for (size_t i = 0; i < report->rows_len; i++) {
            if (strcmp(report->rows[i]->region, region) == 0) {
                usage_add(&sum, &report->rows[i]->usage);
            }
        }
        buf_add_str(out, comma ? ",{" : "{");
        add_text(out, false, "region", region);
        add_usage(out, true, &sum);
        buf_add_u8(out, '}');
        comma = true;
    }
    buf_add_u8(out, ']');
}

static void add_report(struct buf *out, const struct core *core,
                       const struct usage_report *report)
{
    struct usage sum = {0};

    for (size_t i = 0; i < report->rows_len; i++) {
        usage_add(&sum, &report->rows[i]->usage);
    }
    buf_add_u8(out, '{');
    add_text(out, false, "asked", core->name);
    add_number(out, true, "at_ms", core->wall_ms);
    add_bool(out, "complete", report->complete);
    buf_add_str(out, ",\"nodes\":[");
    for (size_t i = 0; i < report->nodes_len; i++) {
        buf_add_str(out, i == 0 ? "" : ",");
        add_node(out, &report->nodes[i]);
    }
    buf_add_str(out, "],\"total\":{");
    add_usage(out, false, &sum);
    buf_add_u8(out, '}');
    add_regions(out, report);
    add_caches(out, report);
    buf_add_str(out, "}\n");
}

static void on_report(void *data, const struct usage_report *report)
{
    struct client *client = data;
    struct asking *asking = client->state;
    struct buf body = {0};

    asking->ask = NULL;
    add_report(&body, client->core, report);
    respond(client, 200, &body);
}

static void respond(struct client *client, unsigned status, struct buf *body)
{
    const struct asking *asking = client->state;

    web_answer(client, &asking->headers, status, "application/json", body);
}

/* --- the end --- */

static void stop(struct client *client)
{
    struct asking *asking = client->state;

    if (asking->ask != NULL) {
        usage_forget(asking->ask);
        asking->ask = NULL;
    }
}

static void say_error(struct client *client, int err)
{
    const struct asking *asking = client->state;
    struct buf body = {0};

    if (asking->ask != NULL) {
        stop(client);
        client->core->stats.refused++;
        request_add_error(client, &body, err);
        respond(client, err_status(err), &body);
    }
}

static void on_close(struct client *client)
{
    struct asking *asking = client->state;

    stop(client);
    web_headers_fini(&asking->headers);
}
