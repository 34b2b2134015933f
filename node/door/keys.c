/* SPDX-License-Identifier: Apache-2.0
 *
 * Cluster keys over HTTP: GET and POST /v1/admin/keys. Specified in
 * docs/PROTOCOLS.md.
 *
 *   request --rotation_start()--> waits for all nodes --report--> answered
 *
 * Fingerprints only: a secret comes in sealed by a key that the cluster has
 * (proto/keys.h), and none goes out.
 */
#include "node/client/auth.h"
#include "node/door/door.h"
#include "node/door/web.h"
#include "node/mesh/keyring.h"
#include "node/mesh/rotation.h"
#include "proto/json.h"
#include "proto/topic.h"

struct asking {
    struct rotation *rotation; /* NULL: nothing is under way */
    struct keys_wish wish;
    struct web_headers headers;
};

static int on_request(struct client *client,
                      const struct http_request *request);
static int read_wish(const struct client *client,
                     const struct http_request *request,
                     struct keys_wish *wish);
static void on_report(void *data, const struct rotation_report *report);
static void refuse(struct client *client, int err);
static void respond(struct client *client, unsigned status, struct buf *body);
static void add_report(struct buf *out, const struct core *core,
                       const struct keys_wish *wish,
                       const struct rotation_report *report);
static void say_error(struct client *client, int err);
static void on_close(struct client *client);

static const struct route_answer answers[] = {
    {200, "what each node has, or did", "application/json"},
    {409, "refused, or done on some nodes only", "application/json"},
    {0}};

static const struct route routes[] = {
    {.method = "GET",
     .path = "/v1/admin/keys",
     .scope = "admin:read",
     .summary = "The cluster keys of all nodes, by fingerprint",
     .answers = answers},
    {.method = "POST",
     .path = "/v1/admin/keys",
     .scope = "admin:write",
     .summary = "Install, use or remove a cluster key on all nodes",
     .body = "application/json",
     .answers = answers},
    {0},
};

const struct door door_keys = {
    .name = "keys",
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
    int err = read_wish(client, request, &asking->wish);
    if (err == 0) {
        err = web_headers_init(&asking->headers, client, request);
    }
    if (err < 0) {
        return err;
    }
    const struct rotation_options options = {
        .wish = asking->wish,
        .by = client->who->token.subject,
        .data = client,
        .on_report = on_report,
    };
    err = rotation_start(&asking->rotation, client->core, &options);
    if (err < 0) {
        refuse(client, err);
    }
    return 0;
}

/* Who may look may not change. A node without keys says so to everyone: it is
 * no secret, and the better answer. */
static int read_wish(const struct client *client,
                     const struct http_request *request, struct keys_wish *wish)
{
    struct core *core = client->core;
    bool look = web_is_get(request);

    if (core->auth.insecure) {
        *wish = (struct keys_wish){.op = KEYS_LIST};
        return 0; /* refused by rotation_start() */
    }
    int err = client_may_admin(client, look ? "admin:read" : "admin:write");
    if (err == 0 && look) {
        *wish = (struct keys_wish){.op = KEYS_LIST};
    } else if (err == 0) {
        err = keys_wish_read(request->body, wish);
    }
    return err;
}

/* --- answers --- */

static void on_report(void *data, const struct rotation_report *report)
{
    struct client *client = data;
    struct asking *asking = client->state;
    struct buf body = {0};

    asking->rotation = NULL;
    add_report(&body, client->core, &asking->wish, report);
    bool fine = report->result == ROTATION_DONE || asking->wish.op == KEYS_LIST;
    respond(client, fine ? 200 : err_status(ERR_CONFLICT), &body);
}

static const char *message_of(int err)
{
    switch (err) {
    case ERR_STATE:
        return "this cluster has no keys: start its nodes with a key file "
               "(starling keygen)";
    case ERR_NOT_FOUND:
        return "this node does not have that key: send it along, from the key "
               "file that has it";
    case ERR_FORGED:
        return "the key came in an envelope that no key of this node opens";
    case ERR_LIMIT:
        return "this node has 8 keys already, or too much is under way: "
               "remove a key, or repeat it";
    default:
        return err_text(err);
    }
}

static void refuse(struct client *client, int err)
{
    struct buf body = {0};

    request_add_error_as(&body, err, bytes_str(message_of(err)));
    buf_add_u8(&body, '\n');
    client->core->stats.refused++;
    respond(client, err == ERR_STATE ? 409 : err_status(err), &body);
}

static void respond(struct client *client, unsigned status, struct buf *body)
{
    const struct asking *asking = client->state;

    web_answer(client, &asking->headers, status, "application/json", body);
}

static void add_text(struct buf *out, bool comma, const char *name,
                     const char *text)
{
    json_add_name(out, comma, name);
    struct bytes s = bytes_str(text);
    json_add_string(out, topic_text_is_valid(s) ? s : BYTES("?"));
}

static void add_print(struct buf *out, uint64_t print)
{
    buf_add_u8(out, '"');
    keys_print_write(print, out);
    buf_add_u8(out, '"');
}

static void add_bool(struct buf *out, const char *name, bool value)
{
    json_add_name(out, true, name);
    buf_add_str(out, value ? "true" : "false");
}

static void add_node(struct buf *out, const struct rotation_node *node)
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
    add_text(out, true, "fault", node->fault != NULL ? node->fault : "");
    json_add_name(out, true, "keys");
    buf_add_u8(out, '[');
    for (size_t i = 0; i < node->state.len; i++) {
        buf_add_str(out, i == 0 ? "" : ",");
        add_print(out, node->state.prints[i]);
    }
    buf_add_str(out, "]}");
}

static void add_report(struct buf *out, const struct core *core,
                       const struct keys_wish *wish,
                       const struct rotation_report *report)
{
    buf_add_u8(out, '{');
    json_add_name(out, false, "cluster");
    json_add_string(out, core->keyring->ring.cluster_name);
    add_text(out, true, "asked", core->name);
    add_text(out, true, "op", keys_op_name(wish->op));
    if (wish->op != KEYS_LIST) {
        json_add_name(out, true, "key");
        add_print(out, wish->print);
    }
    add_text(out, true, "result", rotation_result_name(report->result));
    add_text(out, true, "why", report->why);
    buf_add_str(out, ",\"nodes\":[");
    for (size_t i = 0; i < report->len; i++) {
        buf_add_str(out, i == 0 ? "" : ",");
        add_node(out, &report->nodes[i]);
    }
    buf_add_str(out, "]}\n");
}

/* --- the end --- */

static void say_error(struct client *client, int err)
{
    struct asking *asking = client->state;

    if (asking->rotation != NULL) {
        rotation_cancel(asking->rotation);
        asking->rotation = NULL;
        refuse(client, err);
    }
}

static void on_close(struct client *client)
{
    struct asking *asking = client->state;

    if (asking->rotation != NULL) {
        rotation_cancel(asking->rotation);
        asking->rotation = NULL;
    }
    web_headers_fini(&asking->headers);
}
