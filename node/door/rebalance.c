/* SPDX-License-Identifier: Apache-2.0
 *
 * Rebalancing over HTTP: POST /v1/admin/rebalance[?region=R] begins, GET says
 * where it stands, DELETE ends it. Specified in docs/PROTOCOLS.md.
 */
#include "node/client/rebalance.h"
#include "node/client/auth.h"
#include "node/door/door.h"
#include "node/door/web.h"

static int start(struct client *client, const struct http_request *request)
{
    struct buf region = {0};
    int err = http_query(request->query, "region", &region);

    if (err >= 0) {
        err = rebalance_start(client->core->rebalance, buf_bytes(&region));
    }
    buf_fini(&region);
    return err;
}

static int act(struct client *client, const struct http_request *request)
{
    struct core *core = client->core;
    int err = client_may_admin(client, "admin:write");

    if (err == 0 && core->rebalance == NULL && rebalance_new(core) == NULL) {
        err = ERR_NOMEM;
    }
    if (err == 0 && bytes_eq(request->method, BYTES("POST"))) {
        err = start(client, request);
    } else if (err == 0 && bytes_eq(request->method, BYTES("DELETE"))) {
        rebalance_stop(core->rebalance);
    }
    return err;
}

static int on_request(struct client *client, const struct http_request *request)
{
    struct buf body = {0};

    int err = act(client, request);
    if (err < 0) {
        return err;
    }
    rebalance_add(client->core->rebalance, &body);
    if (body.failed) {
        buf_fini(&body);
        return ERR_NOMEM;
    }
    request_answer(client, request, 200, "application/json", buf_bytes(&body));
    buf_fini(&body);
    return 0;
}

static const struct route_answer answers[] = {
    {200, "where it stands", "application/json"}, {0}};

static const struct route_field fields[] = {
    {"region", ROUTE_QUERY, "string", "Which one; the node's own by default"},
    {0}};

static const struct route routes[] = {
    {.method = "GET",
     .path = "/v1/admin/rebalance",
     .scope = "admin:write",
     .summary = "How far this node is with spreading clients",
     .answers = answers},
    {.method = "POST",
     .path = "/v1/admin/rebalance",
     .scope = "admin:write",
     .summary = "Spread the clients of a region evenly over its nodes",
     .fields = fields,
     .answers = answers},
    {.method = "DELETE",
     .path = "/v1/admin/rebalance",
     .scope = "admin:write",
     .summary = "Ask no further client to move",
     .answers = answers},
    {0},
};

const struct door door_rebalance = {
    .name = "rebalance",
    .shape = DOOR_REQUEST,
    .routes = routes,
    .on_request = on_request,
};
