/* SPDX-License-Identifier: Apache-2.0
 *
 * HTTP/1.1: requests one after the other. One is with its door at a time, so
 * pipelined answers are in order and nobody makes us queue more than one.
 *
 *   HEAD --head whole, admitted--> BODY --whole--> ASKED --respond--> HEAD
 *                                                    '---stream---> STREAM
 *
 * A door may answer later (long-poll): the conn is paused until then. After an
 * error that leaves doubt where the next request begins, the conn closes.
 */
#include <assert.h>
#include <stdlib.h>

#include "node/client/client.h"
#include "node/client/request.h"
#include "node/conn/conn.h"
#include "node/door/door.h"
#include "node/watch/denied.h"
#include "proto/err.h"
#include "proto/http1.h"
#include "proto/ws.h"

enum h1_state {
    H1_HEAD,
    H1_BODY,
    H1_ASKED,
    H1_STREAM,
};

enum {
    /* Of pipelined requests that wait while one is with its door. */
    WAITING_LEN_MAX = 16 << 10,
    CHUNK_FRAMES_LEN = 64 << 10,
};

struct h1 {
    struct http1 reader;
    enum h1_state state;
    uint64_t head_since_ms; /* part of a head is here since; 0: none is */
    bool answered;          /* in H1_ASKED: the whole answer is written */
    bool is_head;           /* a HEAD request: no body in the answer */
    bool keep_alive;
};

static ptrdiff_t read_head(struct conn *conn, struct bytes in);
static ptrdiff_t read_body(struct conn *conn, struct bytes in);
static ptrdiff_t refuse(struct conn *conn, const struct http_request *request,
                        int err);
static void ask(struct conn *conn, struct http_request *request);
static void finish_request(struct conn *conn);
static bool upgrade(struct conn *conn, const struct http_request *request);
static void set_deadline(struct conn *conn, uint64_t at_ms);
static void on_due(struct deadline *deadline, uint64_t now_ms);

static struct h1 *h1_of(const struct conn *conn)
{
    assert(conn->carrier == &carrier_h1);
    return conn->carrier_state;
}

int h1_begin(struct conn *conn)
{
    struct h1 *h1 = calloc(1, sizeof *h1);

    if (h1 == NULL) {
        return ERR_NOMEM;
    }
    conn_set_carrier(conn, &carrier_h1, h1);
    h1->head_since_ms = conn->opened_ms; /* the hello deadline goes on */
    conn->bounds_hello_out = false; /* one answer at a time is bound enough */
    conn->deadline.on_due = on_due;
    return 0;
}

static void h1_on_close(struct conn *conn)
{
    struct h1 *h1 = h1_of(conn);

    client_free(conn->client);
    conn->client = NULL;
    http1_reset(&h1->reader);
    free(h1);
    conn->carrier_state = NULL;
}

/* --- requests in ------------------------------------------------------------
 */

static ptrdiff_t h1_on_bytes(struct conn *conn, struct bytes in)
{
    struct h1 *h1 = h1_of(conn);

    if (h1->state == H1_ASKED && h1->answered) {
        finish_request(conn);
    }
    if (in.len == 0 || conn->closing) {
        return 0;
    }
    switch (h1->state) {
    case H1_HEAD:
        return read_head(conn, in);
    case H1_BODY:
        return read_body(conn, in);
    case H1_STREAM:
        return (ptrdiff_t)in.len; /* nothing more can be asked here */
    case H1_ASKED:
        break;
    }
    return 0;
}

static ptrdiff_t read_head(struct conn *conn, struct bytes in)
{
    struct h1 *h1 = h1_of(conn);
    const struct limits *limits = &conn->core->limits;
    struct http_request request = {0};
    ptrdiff_t len = http1_head(&h1->reader, in, &request);

    conn->in_max = HTTP_HEAD_LEN_MAX;
    if (len < 0) {
        return refuse(conn, &request, (int)len);
    }
    if (len == 0) {
        if (h1->head_since_ms == 0) {
            h1->head_since_ms = conn->core->now_ms;
            set_deadline(conn, h1->head_since_ms + limits->hello_ms);
        }
        return 0;
    }
    conn->hello_in = 0;
    h1->keep_alive = request.keep_alive;
    int rc = request_admit(conn->client, &request);
    if (rc != 0) {
        return refuse(conn, &request, rc);
    }
    h1->state = H1_BODY;
    set_deadline(conn,
                 conn->core->now_ms + (conn_is_known(conn) ? limits->idle_ms
                                                           : limits->hello_ms));
    return read_body(conn, in);
}

/* A stranger's body is bounded like all else before a login. */
static size_t body_max(const struct conn *conn)
{
    const struct limits *limits = &conn->core->limits;

    return (size_t)(conn_is_known(conn) ? limits_body(limits)
                                        : limits->hello_in_len / 2);
}

static ptrdiff_t read_body(struct conn *conn, struct bytes in)
{
    struct h1 *h1 = h1_of(conn);
    struct http_request request;
    ptrdiff_t len = http1_body(&h1->reader, in, body_max(conn), &request);

    if (len < 0) {
        bool is_stranger = len == ERR_TOO_BIG && !conn_is_known(conn) &&
                           h1->reader.body_len <=
                               limits_body(&conn->core->limits);
        (void)http1_head(&h1->reader, in, &request);
        if (is_stranger) {
            len = denied(conn->client,
                         &(struct denied_what){.verb = "send a body"},
                         ERR_UNAUTH);
        }
        return refuse(conn, &request, (int)len);
    }
    if (len == 0) {
        conn->in_max = (uint32_t)(HTTP_HEAD_LEN_MAX + 2 * body_max(conn) +
                                  CHUNK_FRAMES_LEN);
        if (h1->reader.expects) {
            h1->reader.expects = false;
            client_write(conn->client, BYTES("HTTP/1.1 100 Continue\r\n\r\n"));
        }
        return 0;
    }
    set_deadline(conn, DEADLINE_NEVER);
    ask(conn, &request);
    return len;
}

static bool is_method(const struct http_request *request, const char *method)
{
    return bytes_eq(request->method, bytes_str(method));
}

/* Answers and closes: the rest of the input cannot be trusted, or is a body
 * that nobody wants. */
static ptrdiff_t refuse(struct conn *conn, const struct http_request *request,
                        int err)
{
    struct h1 *h1 = h1_of(conn);

    h1->state = H1_ASKED;
    h1->answered = false;
    h1->is_head = is_method(request, "HEAD");
    h1->keep_alive = false;
    request_error(conn->client, request, err);
    return err;
}

static void ask(struct conn *conn, struct http_request *request)
{
    struct h1 *h1 = h1_of(conn);
    struct bytes wanted = http_header(request, "upgrade");

    h1->state = H1_ASKED;
    h1->answered = false;
    h1->is_head = is_method(request, "HEAD");
    if (h1->is_head) {
        request->method = BYTES("GET");
    }
    conn->in_max = WAITING_LEN_MAX;
    if (http_has_token(wanted, "websocket")) {
        if (upgrade(conn, request)) {
            return; /* it is a WebSocket now */
        }
    } else {
        request_serve(conn->client, request);
    }
    if (conn->closing) {
        return;
    }
    if (h1->state == H1_ASKED && h1->answered) {
        finish_request(conn);
    } else if (h1->state == H1_ASKED) {
        conn_pause(conn, true); /* until respond() */
    }
}

/* Never inside the door's own call: its state goes here. */
static void finish_request(struct conn *conn)
{
    struct h1 *h1 = h1_of(conn);

    client_leave_door(conn->client);
    http1_reset(&h1->reader);
    conn->hello_in = 0;
    if (!h1->keep_alive) {
        conn_finish(conn);
        return;
    }
    h1->state = H1_HEAD;
    h1->head_since_ms = 0;
    set_deadline(conn, conn->core->now_ms + conn->core->limits.idle_ms);
}

/* --- answers out -------------------------------------------------------------
 */

static void write_head(struct client *client, const struct http_response *r,
                       enum http1_body_kind kind, bool keep_alive)
{
    struct buf head = {0};

    http1_write_head(&head, r, kind, keep_alive);
    if (head.failed) {
        conn_close(client->conn);
    } else {
        client_write(client, buf_bytes(&head));
    }
    buf_fini(&head);
}

static void h1_respond(struct client *client, const struct http_response *r)
{
    struct h1 *h1 = h1_of(client->conn);
    bool is_bare = r->status == 204 || r->status == 304;

    if (h1->state != H1_ASKED || h1->answered) {
        return; /* one request, one answer */
    }
    h1->answered = true;
    h1->keep_alive = h1->keep_alive && !client->core->draining;
    write_head(client, r, is_bare ? HTTP1_BODY_NONE : HTTP1_BODY_LENGTH,
               h1->keep_alive);
    if (!is_bare && !h1->is_head) {
        client_write(client, r->body);
    }
    conn_pause(client->conn, false);
}

static void h1_stream(struct client *client, const struct http_response *r)
{
    struct h1 *h1 = h1_of(client->conn);

    if (h1->state != H1_ASKED || h1->answered) {
        return;
    }
    h1->state = H1_STREAM;
    h1->keep_alive = false;
    write_head(client, r, HTTP1_BODY_STREAM, false);
    if (h1->is_head) {
        client_close(client, 0);
    } else {
        client_write(client, r->body);
    }
}

/* Nobody reads trailers of HTTP/1. */
static void h1_end(struct client *client, const struct http_header *trailers,
                   size_t len)
{
    (void)trailers;
    (void)len;
    client_close(client, 0);
}

/* The request that is still owed an answer gets one. */
static void h1_say_close(struct client *client, int err)
{
    static const struct http_request none;
    struct h1 *h1 = h1_of(client->conn);

    if (err != 0 && h1->state == H1_ASKED && !h1->answered) {
        h1->keep_alive = false;
        request_error(client, &none, err);
    }
}

/* --- time
 * ---------------------------------------------------------------------- */

static void set_deadline(struct conn *conn, uint64_t at_ms)
{
    if (deadline_set(&conn->core->deadlines, &conn->deadline, at_ms) != 0) {
        conn_close(conn);
    }
}

/* Idle between requests, or too slow with one. */
static void on_due(struct deadline *deadline, uint64_t now_ms)
{
    static const struct http_request none;
    struct conn *conn = conn_of_deadline(deadline);
    struct h1 *h1 = h1_of(conn);
    (void)now_ms;

    if (h1->state == H1_BODY ||
        (h1->state == H1_HEAD && h1->head_since_ms != 0)) {
        conn->core->stats.hello_timeouts++;
        (void)refuse(conn, &none, ERR_TIMEOUT);
    }
    conn_finish(conn);
}

/* --- WebSocket
 * -------------------------------------------------------------------- */

/* RFC 6455 section 4.2.1; ERR_VERSION for one that is not 13. */
static int check_upgrade(const struct http_request *request,
                         char accept[WS_ACCEPT_LEN + 1])
{
    bool is_get = is_method(request, "GET") && request->minor == 1;

    if (!is_get || request->body.len > 0 ||
        !http_has_token(http_header(request, "connection"), "upgrade")) {
        return ERR_SYNTAX;
    }
    if (!bytes_eq(http_header(request, "sec-websocket-version"), BYTES("13"))) {
        return ERR_VERSION;
    }
    return http_header_count(request, "sec-websocket-key") == 1 &&
                   ws_accept(http_header(request, "sec-websocket-key"), accept)
               ? 0
               : ERR_SYNTAX;
}

static void refuse_version(struct conn *conn)
{
    static const struct http_header headers[] = {
        {BYTES("Sec-WebSocket-Version"), BYTES("13")},
        {BYTES("Upgrade"), BYTES("websocket")},
    };
    struct http_response response = {
        .status = 426,
        .content_type = BYTES("text/plain"),
        .body = BYTES("WebSocket version 13 only\n"),
        .headers = headers,
        .headers_len = ARRAY_LEN(headers)};
    conn->core->stats.refused++;
    client_respond(conn->client, &response);
}

static void write_101(struct client *client, const char *accept,
                      const char *protocol)
{
    struct http_header headers[4] = {
        {BYTES("Upgrade"), BYTES("websocket")},
        {BYTES("Connection"), BYTES("Upgrade")},
        {BYTES("Sec-WebSocket-Accept"), bytes_str(accept)},
    };
    struct http_response response = {
        .status = 101, .headers = headers, .headers_len = 3};

    if (protocol != NULL) {
        headers[response.headers_len++] = (struct http_header){
            BYTES("Sec-WebSocket-Protocol"), bytes_str(protocol)};
    }
    write_head(client, &response, HTTP1_BODY_NONE, true);
}

/* true: h1 is gone. Otherwise the request was answered. */
static bool upgrade(struct conn *conn, const struct http_request *request)
{
    struct h1 *h1 = h1_of(conn);
    char accept[WS_ACCEPT_LEN + 1];
    ptrdiff_t version = -1;
    const struct door *door = door_for_upgrade(request, &version);
    int rc = door == NULL ? ERR_NOT_FOUND : check_upgrade(request, accept);

    if (rc == ERR_VERSION) {
        refuse_version(conn);
        return false;
    }
    if (rc == 0 && h1->is_head) {
        rc = ERR_SYNTAX;
    }
    if (rc == 0 && version < 0) {
        rc = ERR_ARGUMENT; /* a browser would fail without a word of why */
    }
    if (rc != 0) {
        request_error(conn->client, request, rc);
        return false;
    }
    bool offers = http_header(request, "sec-websocket-protocol").p != NULL;
    write_101(conn->client, accept,
              offers ? door->subprotocols[version] : NULL);
    rc = ws_begin(conn, door, request, (size_t)version,
                  h1->head_since_ms != 0 ? h1->head_since_ms
                                         : conn->core->now_ms);
    if (rc != 0) {
        conn_close(conn);
        return false;
    }
    http1_reset(&h1->reader);
    free(h1);
    return true;
}

const struct carrier carrier_h1 = {
    .name = "h1",
    .on_bytes = h1_on_bytes,
    .on_close = h1_on_close,
    .respond = h1_respond,
    .stream = h1_stream,
    .end = h1_end,
    .say_close = h1_say_close,
};
