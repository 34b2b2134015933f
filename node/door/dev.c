/* SPDX-License-Identifier: Apache-2.0
 *
 * /v1/dev: the faults of a `starling dev`, shown and made. Specified in
 * docs/PROTOCOLS.md. In any other node there is no such thing: 404.
 *
 *   POST --dev_ask()--> waits for the parent --answer--> answered
 *
 * It ends processes, so only a page of this very origin may ask for it: not one
 * of another node, nor of the list of origins.
 */
#include "node/dev.h"
#include "node/client/auth.h"
#include "node/door/door.h"
#include "node/door/web.h"

struct asking {
    struct dev_ask ask;
    struct web_headers headers;
};

static int on_request(struct client *client,
                      const struct http_request *request);
static bool is_own_page(const struct http_request *request);
static int admit(struct client *client, const struct http_request *request);
static int wish(struct client *client, const struct http_request *request);
static void on_answer(void *data, int err, struct bytes message);
static void on_deadline(struct client *client);
static void stop(struct client *client, int err, struct bytes message);
static void say_error(struct client *client, int err);
static void on_close(struct client *client);

static const struct route_answer document[] = {
    {200, "the nodes and what is broken on purpose", "application/json"}, {0}};

static const struct route routes[] = {
    {.method = "GET",
     .path = "/v1/dev",
     .scope = "admin:read",
     .summary = "The faults of a starling dev; else there is no such thing",
     .answers = document},
    {.method = "POST",
     .path = "/v1/dev",
     .scope = "admin:write",
     .summary = "Kill, restart, cut off, heal or slow down, in a starling dev",
     .body = "application/json",
     .answers = document},
    {0},
};

const struct door door_dev = {
    .name = "dev",
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
    const struct core *core = client->core;

    if (core->dev == NULL) {
        return ERR_NOT_FOUND;
    }
    int err = admit(client, request);
    if (err == 0 && web_is_get(request)) {
        request_answer(client, request, 200, "application/json",
                       dev_state(core->dev));
        return 0;
    }
    return err == 0 ? wish(client, request) : err;
}

/* A page says where it came from in everything that changes something. */
static bool is_own_page(const struct http_request *request)
{
    struct bytes origin = http_header(request, "origin");
    ptrdiff_t slash = bytes_find(origin, '/');

    if (http_header_count(request, "origin") == 0) {
        return true;
    }
    return slash > 0 && origin.len > (size_t)slash + 2 &&
           bytes_eq_nocase(bytes_skip(origin, (size_t)slash + 2),
                           http_header(request, "host"));
}

/* Without keys everyone on this host may do it, as with a key press. */
static int admit(struct client *client, const struct http_request *request)
{
    struct core *core = client->core;
    const char *scope = web_is_get(request) ? "admin:read" : "admin:write";

    if (!is_own_page(request)) {
        return ERR_ORIGIN;
    }
    return core->auth.insecure ? 0 : client_may_admin(client, scope);
}

static int wish(struct client *client, const struct http_request *request)
{
    struct asking *asking = client->state;
    int err = web_headers_init(&asking->headers, client, request);

    if (err < 0) {
        return err;
    }
    asking->ask.data = client;
    asking->ask.on_answer = on_answer;
    err = dev_ask(client->core->dev, request->body, &asking->ask);
    if (err == 0) {
        client_deadline(client, client->core->now_ms + DEV_ANSWER_MS);
    }
    return err;
}

/* --- answers --- */

static void on_answer(void *data, int err, struct bytes message)
{
    struct client *client = data;
    struct asking *asking = client->state;
    struct buf body = {0};

    client_deadline(client, DEADLINE_NEVER);
    if (err == 0) {
        buf_add_bytes(&body, dev_state(client->core->dev));
    } else {
        request_add_error_as(&body, err, message);
        buf_add_u8(&body, '\n');
        client->core->stats.refused++;
    }
    web_answer(client, &asking->headers, err == 0 ? 200 : err_status(err),
               "application/json", &body);
}

static void on_deadline(struct client *client)
{
    stop(client, ERR_TIMEOUT, BYTES("starling dev does not answer"));
}

static void stop(struct client *client, int err, struct bytes message)
{
    struct asking *asking = client->state;

    if (asking->ask.id != 0) {
        dev_forget(client->core->dev, &asking->ask);
        on_answer(client, err, message);
    }
}

static void say_error(struct client *client, int err)
{
    stop(client, err, bytes_str(err_text(err)));
}

static void on_close(struct client *client)
{
    struct asking *asking = client->state;

    if (asking->ask.id != 0) {
        dev_forget(client->core->dev, &asking->ask);
    }
    web_headers_fini(&asking->headers);
}
