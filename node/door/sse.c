/* SPDX-License-Identifier: Apache-2.0
 *
 * Server-sent events: GET /topics/{cache}/{topic...} with
 * `Accept: text/event-stream`. Specified in docs/PROTOCOLS.md.
 *
 *   cork    status and headers wait here for the barrier
 *   head    200, text/event-stream
 *   cork    `partial` is known when this one is taken out
 *   id      the position, so that a reader can resume before its first item
 *   ...     what was missed or a discontinuity, then live
 *
 * With `format=json` each event is a message of the native protocol instead.
 *
 * Both corks wait for the same version and go at the same moment: a reader that
 * has the head is subscribed, and the first event still tells how firmly.
 */
#include "proto/sse.h"
#include "node/door/door.h"
#include "node/door/web.h"
#include "proto/hash.h"
#include "proto/native.h"

enum {
    TAG_HEAD = 1,
    TAG_POSITION = 2,
    RETRY_LEAST_MS = 500, /* a herd that lost its node comes back spread out */
    RETRY_SPREAD_MS = 2000,
};

/* What the variants differ in. */
enum form {
    FORM_PLAIN,
    FORM_JSON,
};

struct sse {
    struct hub_position from; /* what the reader has when the stream begins */
    bool streaming;           /* the head is written */
    enum form form;
};

static int on_request(struct client *client,
                      const struct http_request *request);
static int read_want(const struct http_request *request,
                     struct request_topic *name, struct hub_want *want);
static int read_position(const struct http_request *request,
                         struct hub_want *want);
static int subscribe(struct client *client, const struct http_request *request,
                     struct hub_want *want);
static int begin(struct client *client, const struct http_request *request,
                 enum cluster_scope scope, uint64_t version);
static int write_head(struct client *client,
                      const struct http_request *request);
static void on_barrier(struct client *client, uint64_t tag, bool partial,
                       struct buf *ack);
static void add_message(struct buf *out, const struct buf *json);
static void add_subscribed(struct client *client, bool partial,
                           struct buf *ack);
static void on_deadline(struct client *client);
static void on_ended(struct client *client, struct sub *sub, int err);
static void say_error(struct client *client, int err);
static void add_end(struct client *client, int err, struct buf *out);
static void render(const struct rendering *what, struct buf *out);
static void render_json(const struct rendering *what, struct buf *out);
static void render_gap(const struct hub_gap *gap, struct buf *out);

static const struct route_field fields[] = {
    {"Last-Event-ID", ROUTE_HEADER, "string",
     "the position to go on from, PAGE-SEQUENCE"},
    {"last-event-id", ROUTE_QUERY, "string", "the same as a parameter"},
    {"format", ROUTE_QUERY, "string",
     "json: each event is a message of the native protocol"},
    {"barrier", ROUTE_QUERY, "string",
     "all: first every region knows of the subscription"},
    {0},
};

static const struct route_answer answers[] = {
    {200, "with Accept: text/event-stream, a stream of items as events",
     "text/event-stream"},
    {0},
};

/* Asked before the long-poll, which shares it. */
static const struct route routes[] = {
    {.method = "GET",
     .path = "/topics/{cache}/{topic...}",
     .below = "/topics/",
     .scope = "subscribe",
     .summary = "Subscribe: server-sent events, or else a long-poll",
     .fields = fields,
     .answers = answers},
    {0},
};

const struct door door_sse = {
    .name = "sse",
    .shape = DOOR_REQUEST,
    .counted = STATS_DOOR_sse,
    .tells_gaps = true,
    .resumable = true,
    .state_len = sizeof(struct sse),
    .routes = routes,
    .takes = web_wants_events,
    .on_request = on_request,
    .on_deadline = on_deadline,
    .on_barrier = on_barrier,
    .on_ended = on_ended,
    .say_error = say_error,
    .render = render,
    .render_gap = render_gap,
};

static int on_request(struct client *client, const struct http_request *request)
{
    struct request_topic name = {0};
    struct hub_want want = {0};
    int err = read_want(request, &name, &want);
    if (err == 0) {
        err = subscribe(client, request, &want);
    }
    buf_fini(&name.memory);
    return err;
}

static int read_want(const struct http_request *request,
                     struct request_topic *name, struct hub_want *want)
{
    int err = request_topic(request, name);
    if (err < 0) {
        return err;
    }
    want->cache = name->cache;
    want->topic = name->topic;
    want->dialect = TOPIC_EXACT;
    bool json = false;
    err = web_format(request, &json);
    if (err < 0) {
        return err;
    }
    want->variant.version = json ? FORM_JSON : FORM_PLAIN;
    return read_position(request, want);
}

/* EventSource sends the header when it connects again, so it is newer than a
 * parameter of the URL. A position that we never wrote is no reason to refuse:
 * page 0 never was, so it is answered with a discontinuity. */
static int read_position(const struct http_request *request,
                         struct hub_want *want)
{
    struct buf memory = {0};
    struct bytes text = http_header(request, "Last-Event-ID");
    if (text.len == 0) {
        int err = http_query(request->query, "last-event-id", &memory);
        if (err < 0) {
            buf_fini(&memory);
            return err;
        }
        text = buf_bytes(&memory);
    }
    want->resume = text.len > 0;
    if (want->resume && sse_id_read(text, &want->page, &want->seq) < 0) {
        want->page = 0;
        want->seq = 0;
    }
    buf_fini(&memory);
    return 0;
}

static int subscribe(struct client *client, const struct http_request *request,
                     struct hub_want *want)
{
    struct sse *sse = client->state;
    struct sub *sub = NULL;
    enum cluster_scope scope = CLUSTER_SCOPE_REGION;
    int err = web_scope(request, &scope);
    if (err < 0) {
        return err;
    }
    err = client_subscribe(client, want, &sub, &sse->from);
    if (err < 0) {
        return err;
    }
    sse->form = (enum form)want->variant.version;
    struct hub_position position = sse->from;
    if (position.outcome == HUB_RESUMED || position.outcome == HUB_ASKED) {
        sse->from.page = want->page;
        sse->from.seq = want->seq;
    }
    err = begin(client, request, scope, position.version);
    if (err < 0 && !sse->streaming) {
        client_unsubscribe(client, sub);
        return err;
    }
    if (err < 0) {
        client_close(client, err);
        return 0;
    }
    if (client->closing) { /* HEAD: no stream, no subscription any more */
        return 0;
    }
    hub_replay(client->core->hub, sub, want, &position);
    client_deadline(client,
                    client->core->now_ms + client->core->limits.ping_ms);
    return 0;
}

static int begin(struct client *client, const struct http_request *request,
                 enum cluster_scope scope, uint64_t version)
{
    int err = client_await(client, scope, version, TAG_HEAD);
    if (err < 0) {
        return err;
    }
    err = write_head(client, request);
    if (err < 0) {
        return err;
    }
    return client_await(client, scope, version, TAG_POSITION);
}

static int write_head(struct client *client, const struct http_request *request)
{
    struct sse *sse = client->state;
    struct web_headers headers;
    int err = web_headers_init(&headers, client, request);
    if (err < 0) {
        return err;
    }
    /* nginx holds a stream back until its buffer is full, unless told. */
    web_headers_add(&headers, "X-Accel-Buffering", "no");
    const struct http_response response = {
        .status = 200,
        .content_type = BYTES("text/event-stream"),
        .headers = headers.list,
        .headers_len = headers.len,
    };
    client_stream(client, &response);
    sse->streaming = true;
    web_headers_fini(&headers);
    return 0;
}

static void on_barrier(struct client *client, uint64_t tag, bool partial,
                       struct buf *ack)
{
    const struct sse *sse = client->state;
    if (tag != TAG_POSITION) {
        return;
    }
    sse_add_retry(ack, RETRY_LEAST_MS + hash_mix(client->id) % RETRY_SPREAD_MS);
    if (sse->from.outcome != HUB_LOST) { /* else the discontinuity says it */
        sse_add_id(ack, sse->from.page, sse->from.seq);
    }
    if (sse->form == FORM_JSON) {
        add_subscribed(client, partial, ack);
    } else if (partial) {
        sse_add_event(ack, BYTES("partial"));
        sse_add_data(ack, BYTES("{}"));
    }
    sse_end(ack);
}

static void add_message(struct buf *out, const struct buf *json)
{
    sse_add_data(out, buf_bytes(json));
    out->failed = out->failed || json->failed;
}

static void add_subscribed(struct client *client, bool partial, struct buf *ack)
{
    const struct sse *sse = client->state;
    const struct sub *sub = client->subs;
    struct buf json = {0};
    const struct native_position position = {
        .cache = hub_sub_cache(sub),
        .topic = hub_sub_topic(sub),
        .page = sse->from.page,
        .seq = sse->from.seq,
        .resumed = sse->from.outcome == HUB_RESUMED ||
                   sse->from.outcome == HUB_ASKED,
        .partial = partial,
    };
    native_write_subscribed(NATIVE_JSON, 0, &position, &json);
    add_message(ack, &json);
    buf_fini(&json);
}

/* A reader that has not taken the last bytes needs no beat, and a queue of
 * beats would grow for ever. */
static void on_deadline(struct client *client)
{
    if (outq_is_empty(&client->out)) {
        client_write(client, SSE_BEAT);
    }
    client_deadline(client,
                    client->core->now_ms + client->core->limits.ping_ms);
}

static void on_ended(struct client *client, struct sub *sub, int err)
{
    (void)sub;
    client_close(client, err);
}

static void say_error(struct client *client, int err)
{
    const struct sse *sse = client->state;
    if (!sse->streaming) {
        return;
    }
    struct buf out = {0};
    add_end(client, err, &out);
    if (!out.failed) {
        client_write(client, buf_bytes(&out));
    }
    buf_fini(&out);
}

static void add_end(struct client *client, int err, struct buf *out)
{
    const struct sse *sse = client->state;
    const struct sub *sub = client->subs;
    struct bytes none = {0};
    struct buf json = {0};
    struct buf text = {0};
    if (err == ERR_CLOSING) {
        sse_add_retry(out, client_retry_ms(client));
    }
    if (sse->form == FORM_JSON) {
        auth_add_text(&client->core->auth, err, &text);
        native_write_ended(NATIVE_JSON, sub == NULL ? none : hub_sub_cache(sub),
                           sub == NULL ? none : hub_sub_topic(sub), err,
                           buf_bytes(&text), &json);
    } else {
        sse_add_event(out, BYTES("end"));
        request_add_error(client, &json, err);
    }
    add_message(out, &json);
    sse_end(out);
    out->failed = out->failed || text.failed;
    buf_fini(&text);
    buf_fini(&json);
}

static void render(const struct rendering *what, struct buf *out)
{
    const struct item *item = what->item;
    if (what->version == FORM_JSON) {
        render_json(what, out);
        return;
    }
    bool binary = (item->flags & ITEM_BINARY) != 0;
    struct item_attrs attrs = {0};
    if (item->attrs.len > 0 && item_attrs_read(item->attrs, &attrs) < 0) {
        attrs = (struct item_attrs){0};
    }
    sse_add_id(out, what->page, what->seq);
    sse_add_item_event(out, binary, attrs.event);
    if (binary) {
        sse_add_base64(out, item->value);
    } else {
        sse_add_data(out, item->value);
    }
    sse_end(out);
}

static void render_json(const struct rendering *what, struct buf *out)
{
    struct buf json = {0};
    native_write_item(NATIVE_JSON, what->item, what->page, what->seq, &json);
    sse_add_id(out, what->page, what->seq);
    add_message(out, &json);
    sse_end(out);
    buf_fini(&json);
}

static void render_gap(const struct hub_gap *gap, struct buf *out)
{
    struct buf json = {0};
    sse_add_id(out, gap->page, gap->next);
    if (gap->version == FORM_JSON) {
        native_write_gap(NATIVE_JSON, gap->cache, gap->topic, gap->page,
                         gap->last, gap->next, &json);
        add_message(out, &json);
        sse_end(out);
        buf_fini(&json);
        return;
    }
    buf_add_str(&json, "{\"last\":");
    buf_add_u64(&json, gap->last);
    buf_add_str(&json, ",\"next\":");
    buf_add_u64(&json, gap->next);
    buf_add_str(&json, ",\"page\":");
    buf_add_u64(&json, gap->page);
    buf_add_u8(&json, '}');

    sse_add_event(out, BYTES("discontinuity"));
    add_message(out, &json);
    sse_end(out);
    buf_fini(&json);
}
