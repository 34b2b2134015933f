/* SPDX-License-Identifier: Apache-2.0
 *
 * gRPC and gRPC-web. Specified in docs/PROTOCOLS.md.
 *
 *            HTTP/2                     gRPC-web, text or not
 *   answer   head, frame, trailers      head, frame + frame of trailers
 *   refusal  head alone, which ends     head, frame of trailers
 *   stream   head, frames, trailers     head, frames, frame of trailers
 */
#include "node/door/grpc.h"

#include <stdlib.h>

#include "node/core.h"
#include "node/door/door.h"
#include "proto/err.h"

enum {
    TRAILERS_MAX = 3,
    HEADERS_MAX = 1 + REQUEST_CORS_HEADERS_MAX + 3 + TRAILERS_MAX,
    STATUS_DIGITS = 2,
};

struct ending {
    enum grpc_status status;
    struct bytes message; /* percent-encoded */
    const char *err;
};

static bool takes(const struct http_request *request);
static int on_request(struct client *client,
                      const struct http_request *request);
static bool refuse(struct client *client, const struct http_request *request,
                   int err);
static int begin(struct grpc *grpc, const struct client *client,
                 const struct http_request *request);
static int call(struct client *client, const struct http_request *request);
static int call_with(struct client *client, const struct http_request *request,
                     struct bytes body);
static void fail(struct client *client, struct grpc *grpc,
                 enum grpc_status status, struct bytes message,
                 const char *err);
static void fail_for(struct client *client, struct grpc *grpc, int err);
static void end(struct client *client, struct grpc *grpc, struct bytes frame,
                const struct ending *ending);
static void end_http2(struct client *client, struct grpc *grpc,
                      struct bytes frame, const struct ending *ending);
static void end_web(struct client *client, struct grpc *grpc,
                    struct bytes frame, const struct ending *ending);
static size_t add_trailers(const struct ending *ending,
                           uint8_t digits[STATUS_DIGITS],
                           struct http_header out[TRAILERS_MAX]);
static void on_barrier(struct client *client, uint64_t tag, bool partial,
                       struct buf *ack);
static void on_deadline(struct client *client);
static void on_ended(struct client *client, struct sub *sub, int err);
static void say_error(struct client *client, int err);
static void on_close(struct client *client);
static void fini(struct grpc *grpc);

static const struct grpc_method methods[] = {
    {"/cache_client.Ping/Ping", true, grpc_ping},
    {"/cache_client.pubsub.Pubsub/Publish", false, grpc_publish},
    {"/cache_client.pubsub.Pubsub/Subscribe", false, grpc_subscribe},
    {"/token.Token/GenerateDisposableToken", true, grpc_disposable_token},
    {"/auth.Auth/GenerateApiToken", true, grpc_api_token},
    {"/auth.Auth/RefreshApiToken", true, grpc_refresh_token},
    {"/control_client.ScsControl/CreateCache", false, grpc_create_cache},
    {"/control_client.ScsControl/DeleteCache", false, grpc_delete_cache},
    {"/control_client.ScsControl/FlushCache", false, grpc_flush_cache},
    {"/control_client.ScsControl/ListCaches", false, grpc_list_caches},
};

/* What else is below these paths does not exist yet, and says so. */
static const struct bytes services[] = {
    BYTES("/cache_client."), BYTES("/control_client."), BYTES("/token."),
    BYTES("/auth."),         BYTES("/webhook."),
};

const struct door door_grpc = {
    .name = "grpc",
    .shape = DOOR_REQUEST,
    .counted = STATS_DOOR_grpc,
    .tells_gaps = true,
    .resumable = true,
    .state_len = sizeof(struct grpc),
    .takes = takes,
    .refuse = refuse,
    .on_request = on_request,
    .on_deadline = on_deadline,
    .on_barrier = on_barrier,
    .on_ended = on_ended,
    .say_error = say_error,
    .on_close = on_close,
    .render = grpc_render,
    .render_gap = grpc_render_gap,
};

static bool takes(const struct http_request *request)
{
    for (size_t i = 0; i < ARRAY_LEN(services); i++) {
        if (bytes_starts(request->path, services[i])) {
            return true;
        }
    }
    return grpc_is_meant(http_header(request, "content-type"));
}

/* --- calls --- */

static int on_request(struct client *client, const struct http_request *request)
{
    int err = begin(client->state, client, request);

    if (err < 0) {
        return err;
    }
    err = call(client, request);
    if (err < 0) {
        grpc_refuse(client, err);
    }
    return 0;
}

/* Before the door is chosen, or when it could not begin. */
static bool refuse(struct client *client, const struct http_request *request,
                   int err)
{
    struct grpc grpc = {0};
    bool is_call = begin(&grpc, client, request) == 0;

    if (is_call) {
        fail_for(client, &grpc, err);
    }
    fini(&grpc);
    return is_call;
}

/* Errors are those of HTTP: this is no call. */
static int begin(struct grpc *grpc, const struct client *client,
                 const struct http_request *request)
{
    grpc->kind = grpc_kind(http_header(request, "content-type"), &grpc->type);
    if (grpc->kind == GRPC_NONE) {
        return ERR_MEDIA;
    }
    if (!bytes_eq(request->method, BYTES("POST"))) {
        return ERR_METHOD;
    }
    if (grpc->kind == GRPC_HTTP2) {
        return request->major >= 2 ? 0 : ERR_VERSION;
    }
    grpc->headers = calloc(1, sizeof *grpc->headers);
    if (grpc->headers == NULL ||
        web_headers_init(grpc->headers, client, request) < 0) {
        return ERR_NOMEM;
    }
    web_headers_add(grpc->headers, "Access-Control-Expose-Headers",
                    "grpc-status, grpc-message, err");
    /* nginx holds a stream back until its buffer is full, unless told. */
    web_headers_add(grpc->headers, "X-Accel-Buffering", "no");
    return 0;
}

static int call(struct client *client, const struct http_request *request)
{
    const struct grpc *grpc = client->state;
    struct buf memory = {0};

    if (grpc->kind != GRPC_WEB_TEXT) {
        return call_with(client, request, request->body);
    }
    int err = grpc_read_text(request->body, &memory);
    if (err == 0) {
        err = call_with(client, request, buf_bytes(&memory));
    }
    buf_fini(&memory);
    return err;
}

static const struct grpc_method *find(struct bytes path)
{
    for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
        if (bytes_eq(path, bytes_str(methods[i].path))) {
            return &methods[i];
        }
    }
    return NULL;
}

/* One request message, whatever the method; so the body is one frame. */
static int call_with(struct client *client, const struct http_request *request,
                     struct bytes body)
{
    const struct grpc *grpc = client->state;
    const struct grpc_method *method = find(request->path);
    struct grpc_frame frame;

    if (method == NULL) {
        return ERR_UNSUPPORTED;
    }
    int err = method->anonymous_ok ? 0 : client_is_known(client);
    if (err < 0) {
        return err;
    }
    ptrdiff_t taken = grpc_read_frame(body, body.len, &frame);
    if (taken <= 0 || (size_t)taken < body.len || frame.trailers) {
        return ERR_SYNTAX;
    }
    if (frame.compressed) {
        grpc_fail(client, GRPC_UNIMPLEMENTED,
                  BYTES("compressed messages are not supported"), NULL);
        return 0;
    }
    const struct grpc_call one = {
        .message = frame.message,
        .request = request,
        .web = grpc->kind != GRPC_HTTP2,
    };
    return method->call(client, &one);
}

/* --- answers --- */

void grpc_add_frame(struct buf *out, enum grpc_kind kind, struct bytes message)
{
    size_t at = grpc_begin(out, false);

    buf_add_bytes(out, message);
    grpc_finish(out, at, kind);
}

void grpc_reply(struct client *client, struct bytes message)
{
    struct grpc *grpc = client->state;
    struct buf frame = {0};

    grpc_add_frame(&frame, grpc->kind, message);
    if (frame.failed) {
        grpc_refuse(client, ERR_NOMEM);
    } else {
        end(client, grpc, buf_bytes(&frame), &(struct ending){GRPC_OK});
    }
    buf_fini(&frame);
}

int grpc_reply_when_known(struct client *client, uint64_t version)
{
    struct grpc *grpc = client->state;

    grpc->owed = true;
    return client_await(client, CLUSTER_SCOPE_ALL, version, 0);
}

/* Inside the client's output: what is owed follows at once. */
static void on_barrier(struct client *client, uint64_t tag, bool partial,
                       struct buf *ack)
{
    const struct grpc *grpc = client->state;

    if (grpc->owed) {
        client_deadline(client, client->core->now_ms);
    } else {
        grpc_on_barrier(client, tag, partial, ack);
    }
}

static void on_deadline(struct client *client)
{
    struct grpc *grpc = client->state;

    if (grpc->owed) {
        grpc->owed = false;
        grpc_reply(client, (struct bytes){0});
    } else {
        grpc_on_deadline(client);
    }
}

void grpc_fail(struct client *client, enum grpc_status status,
               struct bytes message, const char *err)
{
    fail(client, client->state, status, message, err);
}

void grpc_refuse(struct client *client, int err)
{
    fail_for(client, client->state, err);
}

static void fail(struct client *client, struct grpc *grpc,
                 enum grpc_status status, struct bytes message, const char *err)
{
    struct buf text = {0};

    grpc_add_message(&text, message);
    client->core->stats.refused += !grpc->streaming; /* else it just ends */
    end(client, grpc, (struct bytes){0},
        &(struct ending){status, buf_bytes(&text), err});
    buf_fini(&text);
}

static void fail_for(struct client *client, struct grpc *grpc, int err)
{
    struct buf text = {0};
    const char *hint = grpc_hint(err);

    auth_add_text(&client->core->auth, err, &text);
    if (hint != NULL) {
        buf_add_str(&text, " (");
        buf_add_str(&text, hint);
        buf_add_u8(&text, ')');
    }
    fail(client, grpc, grpc_status(err), buf_bytes(&text), grpc_err(err));
    buf_fini(&text);
}

/* The head, without those headers that say how it ended. */
static struct http_response head_of(const struct grpc *grpc,
                                    struct http_header list[HEADERS_MAX])
{
    size_t len = 0;

    list[len++] = (struct http_header){BYTES("grpc-accept-encoding"),
                                       BYTES("identity")};
    for (size_t i = 0; grpc->headers != NULL && i < grpc->headers->len; i++) {
        list[len++] = grpc->headers->list[i];
    }
    return (struct http_response){.status = 200,
                                  .content_type = grpc->type,
                                  .headers = list,
                                  .headers_len = len};
}

void grpc_stream(struct client *client)
{
    struct grpc *grpc = client->state;
    struct http_header list[HEADERS_MAX];
    struct http_response response = head_of(grpc, list);

    grpc->streaming = true;
    client_stream(client, &response);
    fini(grpc);
}

static void end(struct client *client, struct grpc *grpc, struct bytes frame,
                const struct ending *ending)
{
    if (grpc->ended) {
        return;
    }
    grpc->ended = true;
    if (grpc->kind == GRPC_HTTP2) {
        end_http2(client, grpc, frame, ending);
    } else {
        end_web(client, grpc, frame, ending);
    }
}

static void end_http2(struct client *client, struct grpc *grpc,
                      struct bytes frame, const struct ending *ending)
{
    struct http_header list[HEADERS_MAX];
    struct http_header trailers[TRAILERS_MAX];
    uint8_t digits[STATUS_DIGITS];
    struct http_response response = head_of(grpc, list);
    size_t len = add_trailers(ending, digits, trailers);

    if (!grpc->streaming && frame.len == 0) {
        memcpy(list + response.headers_len, trailers, len * sizeof *trailers);
        response.headers_len += len;
        client_respond(client, &response);
        return;
    }
    if (!grpc->streaming) {
        response.body = frame;
        client_stream(client, &response);
    }
    client_end_with(client, trailers, len);
}

static void end_web(struct client *client, struct grpc *grpc,
                    struct bytes frame, const struct ending *ending)
{
    struct http_header list[HEADERS_MAX];
    struct http_header trailers[TRAILERS_MAX];
    uint8_t digits[STATUS_DIGITS];
    struct http_response response = head_of(grpc, list);
    size_t len = add_trailers(ending, digits, trailers);
    struct buf body = {0};

    buf_add_bytes(&body, frame);
    size_t at = grpc_begin(&body, true);
    for (size_t i = 0; i < len; i++) {
        buf_add_bytes(&body, trailers[i].name);
        buf_add_u8(&body, ':');
        buf_add_bytes(&body, trailers[i].value);
        buf_add_str(&body, "\r\n");
    }
    grpc_finish(&body, at, grpc->kind);
    if (body.failed) {
        client_close(client, 0);
    } else if (grpc->streaming) {
        client_write(client, buf_bytes(&body));
        client_end(client);
    } else {
        response.body = buf_bytes(&body);
        client_respond(client, &response);
    }
    buf_fini(&body);
}

static size_t add_trailers(const struct ending *ending,
                           uint8_t digits[STATUS_DIGITS],
                           struct http_header out[TRAILERS_MAX])
{
    size_t len = 0;
    size_t digits_len = bytes_put_decimal(digits, ending->status);

    out[len++] = (struct http_header){BYTES("grpc-status"),
                                      bytes_of(digits, digits_len)};
    if (ending->message.len > 0) {
        out[len++] = (struct http_header){BYTES("grpc-message"),
                                          ending->message};
    }
    if (ending->err != NULL) {
        out[len++] = (struct http_header){BYTES("err"), bytes_str(ending->err)};
    }
    return len;
}

/* --- ends --- */

static void on_ended(struct client *client, struct sub *sub, int err)
{
    (void)sub; /* the only one */
    client_close(client, err);
}

/* The SDK for browsers takes UNAVAILABLE for the end of its subscription, and
 * a clean end for a reason to subscribe again: elsewhere, since this node
 * takes no new connection any more. */
static void say_error(struct client *client, int err)
{
    struct grpc *grpc = client->state;

    if (err == ERR_CLOSING && grpc->streaming && grpc->kind != GRPC_HTTP2) {
        end(client, grpc, (struct bytes){0}, &(struct ending){GRPC_OK});
    } else {
        grpc_refuse(client, err);
    }
}

static void on_close(struct client *client)
{
    grpc_on_over(client);
    fini(client->state);
}

static void fini(struct grpc *grpc)
{
    if (grpc->headers != NULL) {
        web_headers_fini(grpc->headers);
        free(grpc->headers);
        grpc->headers = NULL;
    }
}
