/* SPDX-License-Identifier: Apache-2.0
 *
 * Long-poll: GET /topics/{cache}/{topic...}?sequence_number=N&sequence_page=P.
 * Specified in docs/PROTOCOLS.md.
 *
 *   request --subscribe--> waits --items, discontinuity--> due --> answered
 *                            '------- ping_ms --------------'
 *
 * The door takes its items itself (on_items): an answer has a known length, so
 * they are gathered first. They arrive while the hub settles, where nothing
 * may be unsubscribed; so the answer is given by the deadline, set to now. All
 * items of one turn make one answer.
 *
 * What came between two polls is in the ring of the lingering topic. Who knows
 * the vendor's form only, where an answer without items says nothing, asks anew
 * after one: a mark says where that begins (node/client/cut.h).
 */
#include "node/core.h"
#include "node/door/door.h"
#include "node/door/web.h"
#include "proto/err.h"
#include "proto/momento.h"

struct poll {
    struct sub *sub; /* NULL: ended */
    uint64_t page;
    uint64_t last;      /* everything up to here is said */
    uint64_t lost_from; /* first sequence that did not fit, 0 none */
    uint64_t fresh_key; /* of its mark; 0: it asked for a position */
    struct buf elements;
    struct web_headers headers;
    bool waiting; /* the answer is owed */
    bool due;     /* there is something to say, or it has waited long enough */
    bool held;    /* the barrier: those who must know of it do */
};

static int on_request(struct client *client,
                      const struct http_request *request);
static int read_want(const struct http_request *request,
                     struct request_topic *name, struct hub_want *want);
static int subscribe(struct client *client, const struct hub_want *wanted,
                     enum cluster_scope scope);
static void find_begin(struct client *client, struct hub_want *want);
static void on_items(struct client *client, struct bytes frames, uint64_t seq,
                     uint64_t items);
static void on_barrier(struct client *client, uint64_t tag, bool partial,
                       struct buf *ack);
static void answer_soon(struct client *client);
static void on_deadline(struct client *client);
static void answer(struct client *client);
static void take_position(struct client *client);
static void add_body(const struct poll *poll, struct buf *body);
static void respond(struct client *client, unsigned status, struct bytes body);
static void refuse(struct client *client, int err);
static void on_ended(struct client *client, struct sub *sub, int err);
static void say_error(struct client *client, int err);
static void on_close(struct client *client);
static void render(const struct rendering *what, struct buf *out);
static void render_gap(const struct hub_gap *gap, struct buf *out);

static const struct route_field fields[] = {
    {"sequence_number", ROUTE_QUERY, "integer",
     "the sequence to begin with: the last one seen + 1; 0: from now on"},
    {"sequence_page", ROUTE_QUERY, "integer", "the page of the last one"},
    {"barrier", ROUTE_QUERY, "string",
     "all: first every region knows of the subscription"},
    {0},
};

static const struct route_answer answers[] = {
    {200, "items and discontinuities, and the position to go on from",
     "application/json"},
    {0},
};

static const struct route routes[] = {
    {.method = "GET",
     .path = "/topics/{cache}/{topic...}",
     .below = "/topics/",
     .scope = "subscribe",
     .summary = "Wait for items: long-poll",
     .fields = fields,
     .answers = answers},
    {0},
};

const struct door door_poll = {
    .name = "poll",
    .shape = DOOR_REQUEST,
    .counted = STATS_DOOR_poll,
    .tells_gaps = true,
    .resumable = true,
    .state_len = sizeof(struct poll),
    .routes = routes,
    .on_request = on_request,
    .on_deadline = on_deadline,
    .on_barrier = on_barrier,
    .on_ended = on_ended,
    .say_error = say_error,
    .on_close = on_close,
    .render = render,
    .render_gap = render_gap,
    .on_items = on_items,
};

static int on_request(struct client *client, const struct http_request *request)
{
    struct poll *poll = client->state;
    struct request_topic name = {0};
    struct hub_want want = {0};
    enum cluster_scope scope = CLUSTER_SCOPE_REGION;
    int err = read_want(request, &name, &want);
    if (err == 0) {
        err = web_scope(request, &scope);
    }
    if (err == 0) {
        err = web_headers_init(&poll->headers, client, request);
    }
    if (err == 0) {
        err = subscribe(client, &want, scope);
    }
    buf_fini(&name.memory);
    return err;
}

/* sequence_number is the one to begin with, last + 1; 0 is "from here on". */
static int read_want(const struct http_request *request,
                     struct request_topic *name, struct hub_want *want)
{
    uint64_t number = 0;
    int err = request_topic(request, name);
    if (err == 0) {
        err = web_number(request, "sequence_number", &number);
    }
    if (err == 0) {
        err = web_number(request, "sequence_page", &want->page);
    }
    want->cache = name->cache;
    want->topic = name->topic;
    want->dialect = TOPIC_EXACT;
    want->resume = number > 0;
    want->seq = number > 0 ? number - 1 : 0;
    return err;
}

static int subscribe(struct client *client, const struct hub_want *wanted,
                     enum cluster_scope scope)
{
    struct poll *poll = client->state;
    struct hub_want want = *wanted;
    struct hub_position position;
    find_begin(client, &want);
    int err = client_subscribe(client, &want, &poll->sub, &position);
    if (err < 0) {
        return err;
    }
    bool resumed = position.outcome == HUB_RESUMED;
    bool asked = position.outcome == HUB_ASKED;
    poll->page = asked ? want.page : position.page;
    poll->last = resumed || asked ? want.seq : position.seq;
    poll->waiting = true;

    err = client_await(client, scope, position.version, 0);
    if (err < 0) {
        poll->waiting = false;
        client_unsubscribe(client, poll->sub);
        poll->sub = NULL;
        return err;
    }
    client_deadline(client,
                    client->core->now_ms + client->core->limits.ping_ms);
    hub_replay(client->core->hub, poll->sub, &want, &position);
    return 0;
}

static void find_begin(struct client *client, struct hub_want *want)
{
    struct poll *poll = client->state;
    struct core *core = client->core;
    struct cut cut;
    if (want->resume) {
        return;
    }
    poll->fresh_key = web_cut_key(client, want->cache, want->topic);
    if (cuts_find(&core->cuts, poll->fresh_key, core->now_ms, &cut)) {
        want->resume = true;
        want->page = cut.page;
        want->seq = cut.seq;
    }
}

/* What does not fit is told, like to any slow reader; one item always fits. */
static void on_items(struct client *client, struct bytes frames, uint64_t seq,
                     uint64_t items)
{
    struct poll *poll = client->state;
    if (!poll->waiting) {
        return;
    }
    size_t len = poll->elements.len;
    bool fits = len == 0 ||
                len + frames.len <= limits_out_hard(&client->core->limits);
    if (poll->lost_from == 0 && fits) {
        buf_add_bytes(&poll->elements, frames);
        fits = !poll->elements.failed;
    }
    if (poll->lost_from == 0 && !fits) {
        poll->lost_from = poll->last + 1;
    }
    if (items > 0) {
        poll->last = seq + items - 1;
    }
    answer_soon(client);
}

/* A position is a promise: whoever goes on from it misses nothing. So even an
 * answer without items waits for the barrier, but not behind a cork: the
 * carrier takes the client from its door as soon as it is answered. */
static void on_barrier(struct client *client, uint64_t tag, bool partial,
                       struct buf *ack)
{
    struct poll *poll = client->state;
    (void)tag;
    (void)partial;
    (void)ack;
    poll->held = !client->saying; /* else nobody waited for it */
    if (poll->due) {
        answer_soon(client);
    }
}

static void answer_soon(struct client *client)
{
    struct poll *poll = client->state;
    poll->due = true;
    if (poll->held && poll->waiting) {
        client_deadline(client, client->core->now_ms);
    }
}

static void on_deadline(struct client *client)
{
    struct poll *poll = client->state;
    poll->due = true;
    if (poll->held && poll->waiting) {
        answer(client);
    }
}

static void answer(struct client *client)
{
    struct poll *poll = client->state;
    if (poll->sub != NULL) {
        take_position(client);
        client_unsubscribe(client, poll->sub);
        poll->sub = NULL;
    }
    if (poll->fresh_key != 0 && poll->elements.len == 0) {
        struct core *core = client->core;
        cuts_leave(&core->cuts, poll->fresh_key, poll->page, poll->last,
                   core->now_ms);
    }
    struct buf body = {0};
    add_body(poll, &body);
    if (body.failed) {
        refuse(client, ERR_NOMEM);
    } else {
        respond(client, 200, buf_bytes(&body));
    }
    buf_fini(&body);
}

/* The topic's own: a discontinuity takes a sequence number, too. Settling comes
 * first, so everything up to there has been gathered; but not while another
 * node is asked for what comes before. */
static void take_position(struct client *client)
{
    struct poll *poll = client->state;
    struct hub *hub = client->core->hub;
    struct hub_position position;
    hub_settle(hub);
    if (poll->lost_from == 0) { /* as a slow reader it got nothing */
        poll->lost_from = poll->sub->lost_from;
    }
    if (!poll->sub->held && hub_position(hub, hub_sub_cache(poll->sub),
                                         hub_sub_topic(poll->sub), &position)) {
        poll->page = position.page;
        poll->last = position.seq;
    }
}

static void add_body(const struct poll *poll, struct buf *body)
{
    struct buf gap = {0};
    if (poll->lost_from != 0) {
        momento_add_gap(&gap, poll->page, poll->lost_from - 1, poll->last);
    }
    momento_add_head(body);
    momento_add_elements(body, buf_bytes(&poll->elements));
    if (gap.len > 0 && poll->elements.len > 0) {
        buf_add_u8(body, ',');
    }
    momento_add_elements(body, buf_bytes(&gap));
    momento_add_tail(body, poll->page, poll->last);
    body->failed = body->failed || gap.failed;
    buf_fini(&gap);
}

static void respond(struct client *client, unsigned status, struct bytes body)
{
    struct poll *poll = client->state;
    const struct http_response response = {
        .status = status,
        .content_type = BYTES("application/json"),
        .body = body,
        .headers = poll->headers.list,
        .headers_len = poll->headers.len,
    };
    poll->waiting = false;
    client_deadline(client, DEADLINE_NEVER);
    client_respond(client, &response);
}

static void refuse(struct client *client, int err)
{
    struct poll *poll = client->state;
    struct buf body = {0};
    request_add_error(client, &body, err);
    if (err_status(err) == 503) {
        web_headers_add(&poll->headers, "Retry-After", "1");
    }
    client->core->stats.refused++;
    respond(client, err_status(err), buf_bytes(&body));
    buf_fini(&body);
}

static void on_ended(struct client *client, struct sub *sub, int err)
{
    struct poll *poll = client->state;
    (void)sub;
    poll->sub = NULL;
    if (poll->waiting && poll->elements.len == 0) {
        refuse(client, err);
    }
}

static void say_error(struct client *client, int err)
{
    const struct poll *poll = client->state;
    if (poll->waiting && poll->held && err == ERR_CLOSING) {
        answer(client); /* with its position: it goes on elsewhere from there */
    } else if (poll->waiting) {
        refuse(client, err);
    }
}

static void on_close(struct client *client)
{
    struct poll *poll = client->state;
    buf_fini(&poll->elements);
    web_headers_fini(&poll->headers);
}

static void render(const struct rendering *what, struct buf *out)
{
    momento_add_item(out, what->item, what->page, what->seq);
}

static void render_gap(const struct hub_gap *gap, struct buf *out)
{
    momento_add_gap(out, gap->page, gap->last, gap->next);
}
