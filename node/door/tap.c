/* SPDX-License-Identifier: Apache-2.0
 *
 * What is being published, sampled, for an operator to look at: GET
 * /v1/admin/tap/{cache}/{prefix...}, an event stream to who asked and nobody
 * else. Specified in docs/PROTOCOLS.md.
 *
 *   head --> gather (CALL_TAP) --rows--> events --> TAP_POLL_MS later again
 *
 * It ends with its connection: nobody renews the leases then
 * (node/watch/tap.h).
 */
#include "node/watch/tap.h"
#include "node/client/auth.h"
#include "node/door/door.h"
#include "node/door/web.h"
#include "node/watch/gather.h"
#include "proto/json.h"
#include "proto/sse.h"

enum {
    POLL_MS = 250,
    RATE = 50, /* when nobody says */
    /* A reader with so much to take is shown no more until it has. */
    WAITING_LEN_MAX = 64 << 10,
};

struct tapping {
    struct gather *gather; /* NULL: nothing is under way */
    struct buf names;      /* cache and prefix */
    size_t cache_len;
    struct tap_pace pace; /* of all nodes together */
    uint64_t missed;      /* seen and not shown since the last one */
    uint64_t wrote_ms;
    bool streaming;
};

static int on_request(struct client *client,
                      const struct http_request *request);
static int read_names(const struct http_request *request,
                      struct tapping *tapping);
static int begin(struct client *client, const struct http_request *request);
static void poll(struct client *client);
static void on_rows(void *data, struct gathered *all);
static void say_error(struct client *client, int err);
static void on_close(struct client *client);

static const struct bytes below = BYTES("/v1/admin/tap/");

static const struct route_field fields[] = {
    {"rate", ROUTE_QUERY, "integer", "items a second at most, 1 to 100 (50)"},
    {0}};
static const struct route_answer answers[] = {
    {200, "items as they are published, sampled", "text/event-stream"}, {0}};

static const struct route routes[] = {
    {.method = "GET",
     .path = "/v1/admin/tap/{cache}/{prefix...}",
     .below = "/v1/admin/tap/",
     .scope = "admin:tap",
     .summary = "Look at what is being published, sampled",
     .fields = fields,
     .answers = answers},
    {0},
};

const struct door door_tap = {
    .name = "tap",
    .shape = DOOR_REQUEST,
    .state_len = sizeof(struct tapping),
    .routes = routes,
    .on_request = on_request,
    .on_deadline = poll,
    .say_error = say_error,
    .on_close = on_close,
};

static int on_request(struct client *client, const struct http_request *request)
{
    struct tapping *tapping = client->state;
    struct core *core = client->core;
    int err = client_may_admin(client, "admin:tap");

    tapping->pace.rate = RATE;
    if (err == 0) {
        err = web_within(request, "rate", 1, TAP_RATE_MAX, &tapping->pace.rate);
    }
    if (err == 0) {
        err = read_names(request, tapping);
    }
    if (err == 0 && core->calls == NULL) {
        err = ERR_NOT_READY;
    }
    if (err == 0 && taps_are_full(core)) {
        err = ERR_LIMIT;
    }
    return err == 0 ? begin(client, request) : err;
}

/* "CACHE" or "CACHE/PREFIX", each percent-decoded once. */
static int read_names(const struct http_request *request,
                      struct tapping *tapping)
{
    struct bytes rest = bytes_skip(request->path, below.len);
    ptrdiff_t slash = bytes_find(rest, '/');
    struct bytes cache = slash < 0 ? rest : bytes_of(rest.p, (size_t)slash);
    struct bytes prefix = slash < 0 ? (struct bytes){0}
                                    : bytes_skip(rest, (size_t)slash + 1);
    int err = http_decode(cache, false, &tapping->names);

    tapping->cache_len = tapping->names.len;
    if (err == 0) {
        err = http_decode(prefix, false, &tapping->names);
    }
    if (err != 0) {
        return err;
    }
    cache = bytes_of(tapping->names.p, tapping->cache_len);
    prefix = bytes_skip(buf_bytes(&tapping->names), tapping->cache_len);
    return topic_cache_is_valid(cache) &&
                   (prefix.len == 0 || topic_is_valid(prefix))
               ? 0
               : ERR_NAME;
}

static void say(const struct client *client, const char *event)
{
    const struct tapping *tapping = client->state;
    struct bytes by = client->who->token.subject;
    struct bytes names = buf_bytes(&tapping->names);
    size_t rest = names.len - tapping->cache_len;

    log_line(client->core->log, LOG_INFO, event,
             "cache=%.*s rate=%llu by=%.*s prefix=%.*s",
             (int)tapping->cache_len, (const char *)names.p,
             (unsigned long long)tapping->pace.rate, (int)by.len,
             (const char *)by.p, (int)rest,
             (const char *)names.p + tapping->cache_len);
}

static int begin(struct client *client, const struct http_request *request)
{
    struct tapping *tapping = client->state;
    struct web_headers headers;
    int err = web_headers_init(&headers, client, request);

    if (err < 0) {
        return err;
    }
    web_headers_add(&headers, "X-Accel-Buffering", "no");
    client_stream(client, &(struct http_response){
                              .status = 200,
                              .content_type = BYTES("text/event-stream"),
                              .headers = headers.list,
                              .headers_len = headers.len,
                          });
    web_headers_fini(&headers);
    if (client->closing) { /* HEAD */
        return 0;
    }
    tapping->streaming = true;
    tapping->pace.points = tapping->pace.rate * 1000;
    tapping->pace.at_ms = client->core->now_ms;
    say(client, "tap-started");
    client_write(client, SSE_BEAT);
    tapping->wrote_ms = client->core->now_ms;
    poll(client);
    return 0;
}

/* Asks all nodes for what they have, and to go on. */
static void poll(struct client *client)
{
    struct tapping *tapping = client->state;
    struct core *core = client->core;
    struct bytes names = buf_bytes(&tapping->names);
    int err = identity_check(client->who, core->wall_ms / 1000);
    const struct tap_ask ask = {
        .node = core->node_u64,
        .number = client->id,
        .rate = tapping->pace.rate,
        .cache = bytes_of(names.p, tapping->cache_len),
        .prefix = bytes_skip(names, tapping->cache_len),
    };
    struct buf what = {0};

    if (err != 0) {
        client_close(client, err);
        return;
    }
    tap_ask_write(&ask, &what);
    const struct gather_ask all = {
        .kind = CALL_TAP,
        .rows_max = ROWS_MAX,
        .what = buf_bytes(&what),
        .wait_ms = GATHER_WAIT_MS,
        .data = client,
        .on_rows = on_rows,
    };
    if (what.failed || gather_start(&tapping->gather, core, &all) != 0) {
        tapping->gather = NULL;
        client_deadline(client, core->now_ms + POLL_MS); /* try again */
    }
    buf_fini(&what);
}

/* --- what comes --- */

static void add_item(struct tapping *tapping, const struct gathered_row *row,
                     struct buf *out)
{
    struct buf json = {0};

    buf_add_u8(&json, '{');
    buf_add_bytes(&json, row->text);
    json_add_name(&json, true, "sampled");
    buf_add_u64(&json, row->place.id + tapping->missed);
    buf_add_u8(&json, '}');
    tapping->missed = 0;
    sse_add_event(out, BYTES("item"));
    sse_add_data(out, buf_bytes(&json));
    sse_end(out);
    out->failed = out->failed || json.failed;
    buf_fini(&json);
}

static void on_rows(void *data, struct gathered *all)
{
    struct client *client = data;
    struct tapping *tapping = client->state;
    uint64_t now_ms = client->core->now_ms;
    struct gathered_row row;
    struct buf out = {0};

    tapping->gather = NULL;
    while (gathered_next(all, &row)) {
        if (client->out.pinned + out.len < WAITING_LEN_MAX &&
            tap_pace_take(&tapping->pace, now_ms)) {
            add_item(tapping, &row, &out);
        } else {
            tapping->missed += row.place.id;
        }
    }
    if (out.len == 0 && outq_is_empty(&client->out) &&
        now_ms - tapping->wrote_ms >= client->core->limits.ping_ms) {
        buf_add_bytes(&out, SSE_BEAT);
    }
    if (out.len > 0 && !out.failed) {
        tapping->wrote_ms = now_ms;
        client_write(client, buf_bytes(&out));
    }
    buf_fini(&out);
    client_deadline(client, now_ms + POLL_MS);
}

/* --- the end --- */

static void say_error(struct client *client, int err)
{
    const struct tapping *tapping = client->state;
    struct buf json = {0};
    struct buf out = {0};

    if (!tapping->streaming) {
        return;
    }
    request_add_error(client, &json, err);
    sse_add_event(&out, BYTES("end"));
    sse_add_data(&out, buf_bytes(&json));
    sse_end(&out);
    if (!json.failed && !out.failed) {
        client_write(client, buf_bytes(&out));
    }
    buf_fini(&json);
    buf_fini(&out);
}

static void on_close(struct client *client)
{
    struct tapping *tapping = client->state;

    if (tapping->gather != NULL) {
        gather_forget(tapping->gather);
    }
    if (tapping->streaming) {
        say(client, "tap-ended");
    }
    buf_fini(&tapping->names);
}
