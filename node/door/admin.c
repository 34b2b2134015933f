/* SPDX-License-Identifier: Apache-2.0 */
#include "node/door/admin.h"

#include <assert.h>

#include "node/client/auth.h"
#include "node/door/door.h"
#include "proto/json.h"
#include "proto/topic.h"

static int on_request(struct client *client,
                      const struct http_request *request);
static int start(struct client *client, const struct http_request *request,
                 struct bytes segment);
static void on_rows(void *data, struct gathered *all);
static void say_error(struct client *client, int err);
static void on_close(struct client *client);

static const struct route_field clients_fields[] = {
    {"sort", ROUTE_QUERY, "string", "queue, id or subs"},
    {"limit", ROUTE_QUERY, "integer", "how many at most, 1 to 1000 (100)"},
    {"after", ROUTE_QUERY, "string", "where the last page ended: its next"},
    {"node", ROUTE_QUERY, "string", "only those of this node"},
    {0}};
static const struct route_field page_fields[] = {
    {"limit", ROUTE_QUERY, "integer", "how many at most, 1 to 1000 (100)"},
    {"after", ROUTE_QUERY, "string", "where the last page ended: its next"},
    {0}};
static const struct route_field topics_fields[] = {
    {"cache", ROUTE_QUERY, "string", "of this cache; without, of all"},
    {"topic", ROUTE_QUERY, "string", "this one alone; needs the cache"},
    {"prefix", ROUTE_QUERY, "string", "only those that begin so"},
    {"limit", ROUTE_QUERY, "integer", "how many at most, 1 to 1000 (100)"},
    {"after", ROUTE_QUERY, "string", "where the last page ended: its next"},
    {0}};
static const struct route_answer rows[] = {
    {200, "rows, where the next page begins, and who is silent",
     "application/json"},
    {0}};
static const struct route_answer done[] = {{204, "done", NULL}, {0}};

static const struct route routes[] = {
    {.method = "GET",
     .path = "/v1/admin/clients",
     .scope = "admin:read",
     .summary = "Who is connected, at any node",
     .fields = clients_fields,
     .answers = rows},
    {.method = "POST",
     .path = "/v1/admin/clients/{client}/kick",
     .scope = "admin:kick",
     .summary = "Close a client in its protocol's words",
     .answers = done},
    {.method = "GET",
     .path = "/v1/admin/denied",
     .scope = "admin:read",
     .summary = "Who was refused lately, at any node",
     .fields = page_fields,
     .answers = rows},
    {.method = "GET",
     .path = "/v1/admin/events",
     .scope = "admin:read",
     .summary = "What happened lately, at any node",
     .fields = page_fields,
     .answers = rows},
    {.method = "GET",
     .path = "/v1/admin/topics",
     .scope = "admin:read",
     .summary = "What is subscribed to, and where",
     .fields = topics_fields,
     .answers = rows},
    {0},
};

/* What nodes keep of it: node/watch/denied.h, node/watch/events.h. */
static const struct admin_page denied = {.kind = CALL_DENIED, .rows = "denied"};
static const struct admin_page events = {.kind = CALL_EVENTS, .rows = "events"};

/* What answers them, in the same order. */
static const struct admin_page *const pages[] = {
    &admin_clients, &admin_kick, &denied, &events, &admin_topics,
};

static_assert(ARRAY_LEN(routes) == ARRAY_LEN(pages) + 1, "a page a row");

const struct door door_admin = {
    .name = "admin",
    .shape = DOOR_REQUEST,
    .state_len = sizeof(struct admin),
    .routes = routes,
    .on_request = on_request,
    .say_error = say_error,
    .on_close = on_close,
};

static int on_request(struct client *client, const struct http_request *request)
{
    struct admin *admin = client->state;
    const struct route *route = route_find(routes, request);

    assert(route != NULL);
    int err = client_may_admin(client, route->scope);
    if (err == 0) {
        admin->page = pages[route - routes];
        err = start(client, request, route_segment(route, request->path));
    }
    return err;
}

static int start(struct client *client, const struct http_request *request,
                 struct bytes segment)
{
    struct admin *admin = client->state;
    struct buf what = {0};
    struct gather_ask ask = {
        .kind = admin->page->kind,
        .rows_max = 1,
        .wait_ms = GATHER_WAIT_MS,
        .data = client,
        .on_rows = on_rows,
    };
    int err = admin->page->ask != NULL
                  ? admin->page->ask(client, request, segment, &ask, &what)
                  : admin_read_page(client, request, &ask);

    ask.what = buf_bytes(&what);
    if (err == 0) {
        err = what.failed ? ERR_NOMEM
                          : web_headers_init(&admin->headers, client, request);
    }
    if (err == 0) {
        err = gather_start(&admin->gather, client->core, &ask);
    }
    buf_fini(&what);
    return err;
}

/* --- what pages share --- */

int admin_read_page(struct client *client, const struct http_request *request,
                    struct gather_ask *ask)
{
    struct admin *admin = client->state;
    struct buf after = {0};
    int err;

    admin->limit = ADMIN_LIMIT;
    err = web_within(request, "limit", 1, ROWS_MAX, &admin->limit);
    if (err == 0) {
        err = http_query(request->query, "after", &after);
    }
    if (err > 0) { /* the empty one is the first page's */
        err = after.len == 0 ? 0
                             : rows_place_read(buf_bytes(&after), &ask->after);
    }
    ask->rows_max = admin->limit;
    buf_fini(&after);
    return err;
}

void admin_add_rows(struct client *client, struct gathered *all,
                    const char *name, struct buf *out)
{
    const struct admin *admin = client->state;
    struct gathered_row row;

    json_add_name(out, false, name);
    buf_add_u8(out, '[');
    for (uint64_t i = 0; i < admin->limit && out->len < ADMIN_BODY_LEN &&
                         gathered_next(all, &row);
         i++) {
        buf_add_str(out, i == 0 ? "" : ",");
        buf_add_bytes(out, row.text);
    }
    buf_add_u8(out, ']');
    admin_add_rest(all, out);
}

void admin_add_rest(const struct gathered *all, struct buf *out)
{
    const struct call_answer *silent;
    struct rows_place after;

    buf_add_str(out, ",\"next\":\"");
    if (gathered_rest(all, &after)) {
        rows_place_text(&after, out);
    }
    buf_add_str(out, "\",\"silent\":[");
    for (size_t i = 0; (silent = gathered_silent(all, i)) != NULL; i++) {
        struct bytes name = bytes_str(silent->name);
        buf_add_str(out, i == 0 ? "" : ",");
        json_add_string(out, topic_text_is_valid(name) ? name : BYTES("?"));
    }
    buf_add_u8(out, ']');
}

static void answer_rows(struct client *client, struct gathered *all)
{
    const struct admin *admin = client->state;
    struct buf body = {0};

    buf_add_u8(&body, '{');
    admin_add_rows(client, all, admin->page->rows, &body);
    buf_add_str(&body, "}\n");
    admin_respond(client, 200, &body);
}

static void on_rows(void *data, struct gathered *all)
{
    struct client *client = data;
    struct admin *admin = client->state;

    admin->gather = NULL;
    if (admin->page->answer != NULL) {
        admin->page->answer(client, all);
    } else {
        answer_rows(client, all);
    }
}

void admin_respond(struct client *client, unsigned status, struct buf *body)
{
    const struct admin *admin = client->state;

    web_answer(client, &admin->headers, status,
               body->len > 0 ? "application/json" : "", body);
}

void admin_refuse(struct client *client, int err, const char *message)
{
    struct buf body = {0};

    client->core->stats.refused++;
    if (message == NULL) {
        request_add_error(client, &body, err);
    } else {
        request_add_error_as(&body, err, bytes_str(message));
    }
    buf_add_u8(&body, '\n');
    admin_respond(client, err_status(err), &body);
}

/* --- the end --- */

static void forget(struct admin *admin)
{
    if (admin->gather != NULL) {
        gather_forget(admin->gather);
        admin->gather = NULL;
    }
}

static void say_error(struct client *client, int err)
{
    struct admin *admin = client->state;

    if (admin->gather != NULL) {
        forget(admin);
        admin_refuse(client, err, NULL);
    }
}

static void on_close(struct client *client)
{
    struct admin *admin = client->state;

    forget(admin);
    web_headers_fini(&admin->headers);
}
