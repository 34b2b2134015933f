/* SPDX-License-Identifier: Apache-2.0
 *
 * What a node says about itself: GET /livez, /readyz, /metrics, /v1/cluster,
 * /v1/regions. Specified in docs/PROTOCOLS.md.
 *
 * The first two are for load balancers: no credentials, no inner facts, small
 * whatever the load. On a node with keys the regions are for everyone with a
 * token, because clients choose theirs by it; the others need `admin:read`.
 *
 * A worker speaks for all of its process, unless it is asked on its admin port:
 * it asks the others (node/board.h) and answers when all have shown, or after
 * ASK_MS with what they showed before.
 */
#include <assert.h>
#include <stdlib.h>

#include "node/board.h"
#include "node/client/auth.h"
#include "node/conn/conn.h"
#include "node/door/door.h"
#include "node/door/members.h"
#include "node/door/web.h"
#include "node/watch/process.h"
#include "proto/json.h"

enum {
    /* Who is silent for so long is not ready: a lone node in the same place
     * would not answer either. */
    ASK_MS = 1000,
};

enum access {
    ACCESS_ALL,
    ACCESS_TOKEN, /* any that holds */
    ACCESS_ADMIN, /* scope admin:read */
};

/* By each of those the answer is for. */
struct said {
    const struct view *views;
    size_t len;
    struct view sum;
};

struct page {
    const char *path;
    const char *content_type;
    enum access access;
    bool of_all; /* of all workers of the process */
    /* Returns the status of the answer. */
    unsigned (*write)(struct buf *out, const struct core *core,
                      const struct said *said);
};

/* A client that waits until the other workers have shown themselves. */
struct asking {
    struct client *client;
    struct asking *next;     /* of the core */
    const struct page *page; /* NULL: nothing is owed */
    uint64_t number;         /* of the ask */
    struct web_headers headers;
};

static int on_request(struct client *client,
                      const struct http_request *request);
static int may_read(const struct client *client, enum access access);
static const struct page *page_of(const struct http_request *request);
static int answer(struct client *client, const struct http_request *request,
                  const struct page *page);
static int ask(struct client *client, const struct http_request *request,
               const struct page *page);
static void on_deadline(struct client *client);
static void say_error(struct client *client, int err);
static void on_close(struct client *client);
static void answer_all(struct client *client);
static void forget(struct client *client);
static unsigned write_page(struct buf *out, const struct core *core,
                           const struct page *page,
                           const struct asking *asking);
static unsigned write_livez(struct buf *out, const struct core *core,
                            const struct said *said);
static unsigned write_readyz(struct buf *out, const struct core *core,
                             const struct said *said);
static unsigned write_metrics(struct buf *out, const struct core *core,
                              const struct said *said);
static void write_workers(struct buf *out, const struct said *said);
static uint64_t is_up(const struct view *view);
static uint64_t is_ready(const struct view *view);
static uint64_t conns_of(const struct view *view);
static uint64_t lag_of(const struct view *view);
static unsigned write_cluster(struct buf *out, const struct core *core,
                              const struct said *said);
static unsigned write_regions(struct buf *out, const struct core *core,
                              const struct said *said);

static const struct page pages[] = {
    {"/livez", "application/json", ACCESS_ALL, false, write_livez},
    {"/readyz", "application/json", ACCESS_ALL, true, write_readyz},
    {"/metrics", "text/plain; version=0.0.4; charset=utf-8", ACCESS_ADMIN, true,
     write_metrics},
    {"/v1/cluster", "application/json", ACCESS_ADMIN, true, write_cluster},
    {"/v1/regions", "application/json", ACCESS_TOKEN, false, write_regions},
};

static const struct route_answer json[] = {
    {200, "an object", "application/json"}, {0}};
static const struct route_answer readiness[] = {
    {200, "it is ready", "application/json"},
    {503, "it is not, and why", "application/json"},
    {0}};
static const struct route_answer prometheus[] = {
    {200, "text for Prometheus", "text/plain"}, {0}};

static const struct route routes[] = {
    {.method = "GET",
     .path = "/livez",
     .summary = "Whether the loop of the node turns",
     .answers = json},
    {.method = "GET",
     .path = "/readyz",
     .summary = "Whether the node takes publishes, or why not",
     .answers = readiness},
    {.method = "GET",
     .path = "/metrics",
     .scope = "admin:read",
     .summary = "Counters and gauges of the node",
     .answers = prometheus},
    {.method = "GET",
     .path = "/v1/cluster",
     .scope = "admin:read",
     .summary = "The node and what it knows of the others",
     .answers = json},
    {.method = "GET",
     .path = "/v1/regions",
     .scope = "token",
     .summary = "The regions and where clients connect there",
     .answers = json},
    {0},
};

const struct door door_status = {
    .name = "status",
    .shape = DOOR_REQUEST,
    .state_len = sizeof(struct asking),
    .routes = routes,
    .on_request = on_request,
    .on_deadline = on_deadline,
    .say_error = say_error,
    .on_close = on_close,
};

static int on_request(struct client *client, const struct http_request *request)
{
    const struct page *page = page_of(request);

    assert(page != NULL); /* each route has one */
    int err = may_read(client, page->access);
    if (err < 0) {
        return err;
    }
    bool for_all = page->of_all && client->core->board != NULL &&
                   !client->conn->admin;
    return for_all ? ask(client, request, page) : answer(client, request, page);
}

static int may_read(const struct client *client, enum access access)
{
    switch (access) {
    case ACCESS_ALL:
        return 0;
    case ACCESS_TOKEN:
        return client_is_known(client);
    case ACCESS_ADMIN:
        return client_may_admin(client, "admin:read");
    }
    return ERR_INTERNAL;
}

/* The bytes of the path, as sent: no spelling of a path is another one's alias.
 */
static const struct page *page_of(const struct http_request *request)
{
    for (size_t i = 0; i < ARRAY_LEN(pages); i++) {
        if (bytes_eq(request->path, bytes_str(pages[i].path))) {
            return &pages[i];
        }
    }
    return NULL;
}

static int answer(struct client *client, const struct http_request *request,
                  const struct page *page)
{
    struct buf body = {0};
    unsigned status = write_page(&body, client->core, page, NULL);
    bool failed = body.failed;

    if (!failed) {
        request_answer(client, request, status, page->content_type,
                       buf_bytes(&body));
    }
    buf_fini(&body);
    return failed ? ERR_NOMEM : 0;
}

/* --- for all workers --- */

static int ask(struct client *client, const struct http_request *request,
               const struct page *page)
{
    struct asking *asking = client->state;
    struct core *core = client->core;
    int err = web_headers_init(&asking->headers, client, request);

    if (err < 0) {
        return err;
    }
    asking->client = client;
    asking->page = page;
    asking->next = core->asking;
    core->asking = asking;
    asking->number = board_ask(core->board, core->worker);
    client_deadline(client, core->now_ms + ASK_MS);
    if (board_has_shown(core->board, core->worker, asking->number)) {
        answer_all(client); /* there is nobody to ask, at the start and end */
    }
    return 0;
}

void status_on_board(struct core *core)
{
    uint64_t number = board_wanted(core->board, core->worker);
    struct view view;

    if (number > 0) {
        view_of(core, &view);
        board_show(core->board, core->worker, number, &view);
    }
    struct asking *next;
    for (struct asking *a = core->asking; a != NULL; a = next) {
        next = a->next;
        if (board_has_shown(core->board, core->worker, a->number)) {
            answer_all(a->client);
        }
    }
}

static void on_deadline(struct client *client)
{
    const struct asking *asking = client->state;

    if (asking->page != NULL) {
        answer_all(client);
    }
}

static void say_error(struct client *client, int err)
{
    (void)err; /* what it asked for can still be said */
    on_deadline(client);
}

static void answer_all(struct client *client)
{
    struct asking *asking = client->state;
    const struct page *page = asking->page;
    struct buf body = {0};
    unsigned status = write_page(&body, client->core, page, asking);

    forget(client);
    client_deadline(client, DEADLINE_NEVER);
    web_answer(client, &asking->headers, status, page->content_type, &body);
}

static void forget(struct client *client)
{
    struct asking *asking = client->state;
    struct core *core = client->core;
    struct asking **link = &core->asking;

    while (*link != asking) {
        link = &(*link)->next;
    }
    *link = asking->next;
    asking->page = NULL;
    if (core->asking == NULL) {
        board_rest(core->board, core->worker);
    }
}

static void on_close(struct client *client)
{
    struct asking *asking = client->state;

    if (asking->page != NULL) {
        forget(client);
    }
    web_headers_fini(&asking->headers);
}

/* --- pages --- */

/* Of this worker alone, or with what the others have shown. */
static unsigned write_page(struct buf *out, const struct core *core,
                           const struct page *page, const struct asking *asking)
{
    struct view one; /* a lone one needs no memory */
    size_t len = asking != NULL ? board_len(core->board) : 1;
    size_t self = asking != NULL ? core->worker : 0;
    struct view *all = len == 1 ? &one : calloc(len, sizeof *all);
    unsigned status = err_status(ERR_NOMEM);

    if (all == NULL) {
        out->failed = true;
        return status;
    }
    for (size_t i = 0; i < len; i++) {
        if (i == self) {
            view_of(core, &all[i]);
        } else {
            board_read(core->board, i, asking->number, &all[i]);
        }
    }
    struct said said = {.views = all, .len = len};
    view_sum(all, len, self, &said.sum);
    status = page->write(out, core, &said);
    if (all != &one) {
        free(all);
    }
    return status;
}

/* That it is written at all says that the loop turns. */
static unsigned write_livez(struct buf *out, const struct core *core,
                            const struct said *said)
{
    (void)core;
    (void)said;
    buf_add_str(out, "{\"live\":true}\n");
    return 200;
}

static unsigned write_readyz(struct buf *out, const struct core *core,
                             const struct said *said)
{
    const struct view *sum = &said->sum;
    bool ready = sum->why[0] == '\0';

    (void)core;
    buf_add_str(out, ready ? "{\"ready\":true" : "{\"ready\":false");
    buf_add_str(out, sum->alone ? ",\"alone\":true" : ",\"alone\":false");
    buf_add_str(out,
                sum->draining ? ",\"draining\":true" : ",\"draining\":false");
    json_add_name(out, true, "unlinked");
    buf_add_u64(out, sum->unlinked);
    json_add_name(out, true, "why");
    json_add_string(out, bytes_str(sum->why));
    buf_add_str(out, "}\n");
    return ready ? 200 : 503;
}

static unsigned write_metrics(struct buf *out, const struct core *core,
                              const struct said *said)
{
    stats_write(&said->sum.stats, out);
    tally_write(&said->sum.tally, out);
    peer_tally_write(&said->sum.peers, out);
    process_write(core->since_ms, out);
    buf_add_str(out, "# HELP starling_build_info What is running\n"
                     "# TYPE starling_build_info gauge\n"
                     "starling_build_info{version=\"" STARLING_VERSION "\"} 1\n"
                     "# HELP starling_uptime_seconds Since the start\n"
                     "# TYPE starling_uptime_seconds gauge\n"
                     "starling_uptime_seconds ");
    buf_add_u64(out, said->sum.uptime_ms / 1000);
    buf_add_u8(out, '\n');
    if (said->len > 1) {
        write_workers(out, said);
    }
    return 200;
}

/* Where one worker is worth a look beside the others. */
static void write_workers(struct buf *out, const struct said *said)
{
    static const struct {
        const char *metric;
        const char *help;
        uint64_t (*of)(const struct view *view);
        bool is_ms; /* shown in seconds */
    } rows[] = {
        {"starling_worker_up", "1 when this worker answered the others", is_up,
         false},
        {"starling_worker_ready", "1 when this worker takes publishes",
         is_ready, false},
        {"starling_worker_connections", "Open client connections of it",
         conns_of, false},
        {"starling_worker_loop_lag_seconds",
         "Longest recent turn of its event loop", lag_of, true},
    };

    for (size_t row = 0; row < ARRAY_LEN(rows); row++) {
        buf_add_str(out, "# HELP ");
        buf_add_str(out, rows[row].metric);
        buf_add_u8(out, ' ');
        buf_add_str(out, rows[row].help);
        buf_add_str(out, "\n# TYPE ");
        buf_add_str(out, rows[row].metric);
        buf_add_str(out, " gauge\n");
        for (size_t i = 0; i < said->len; i++) {
            buf_add_str(out, rows[row].metric);
            buf_add_str(out, "{worker=\"");
            buf_add_u64(out, i + 1);
            buf_add_str(out, "\"} ");
            uint64_t value = rows[row].of(&said->views[i]);
            if (rows[row].is_ms) {
                stats_add_ms(out, value);
            } else {
                buf_add_u64(out, value);
            }
            buf_add_u8(out, '\n');
        }
    }
}

static uint64_t is_up(const struct view *view)
{
    return !view->silent;
}

static uint64_t is_ready(const struct view *view)
{
    return view->why[0] == '\0' && !view->silent;
}

static uint64_t conns_of(const struct view *view)
{
    return view->stats.conns;
}

static uint64_t lag_of(const struct view *view)
{
    return view->stats.loop_lag_ms;
}

static unsigned write_cluster(struct buf *out, const struct core *core,
                              const struct said *said)
{
    members_add_cluster(out, core, said->views, said->len);
    buf_add_u8(out, '\n');
    return 200;
}

static unsigned write_regions(struct buf *out, const struct core *core,
                              const struct said *said)
{
    (void)said;
    members_add_regions(out, core);
    buf_add_u8(out, '\n');
    return 200;
}
