/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "node/client/request.h"
#include "node/conn/h2_private.h"
#include "node/watch/denied.h"
#include "proto/err.h"

enum {
    /* Requests at a time of who has not said who it is: the first that does
     * lifts it. */
    STRANGER_MAX = 16,
    /* Long bodies come from so many requests at a time; others wait with what
     * the first window holds. So a conn keeps at most this many whole bodies,
     * and a window for each stream. */
    UPLOADS_MAX = 4,
    LINGER_MS = 2000, /* for the last words of a closed one */
};

static struct h2_request *open_request(struct h2_conn *h2c,
                                       struct h2_stream *stream);
static void close_request(struct h2_request *request);
static int admit(struct h2_request *request, const struct http_request *head);
static void refuse_stream(struct h2_conn *h2c, struct h2_stream *stream);
static void end_upload(struct h2_request *request);
static void leave_asked(struct h2_request *request);
static void leave_touched(struct h2_request *request);
static void send_head(struct h2_request *request,
                      const struct http_response *r);

static const struct http_request no_request;

static struct conn *conn_of(const struct h2_request *request)
{
    return request->h2c->pumped.conn;
}

/* --- life --------------------------------------------------------------------
 */

static struct h2_request *open_request(struct h2_conn *h2c,
                                       struct h2_stream *stream)
{
    struct core *core = h2c->pumped.conn->core;
    struct h2_request *request;

    if (core->stats.streams >= core->limits.streams ||
        (!conn_is_known(h2c->pumped.conn) && h2c->len >= STRANGER_MAX)) {
        return NULL;
    }
    request = calloc(1, sizeof *request);
    if (request == NULL) {
        return NULL;
    }
    request->client = client_new(core, h2c->pumped.conn);
    if (request->client == NULL) {
        free(request);
        return NULL;
    }
    request->client->carried = request;
    request->h2c = h2c;
    request->stream = stream;
    request->due_ms = DEADLINE_NEVER;
    request->next = h2c->requests;
    if (h2c->requests != NULL) {
        h2c->requests->prev = request;
    }
    h2c->requests = request;
    stream->data = request;
    h2c->len++;
    core->stats.streams++;
    core->stats.streams_opened++;
    return request;
}

static void close_request(struct h2_request *request)
{
    struct h2_conn *h2c = request->h2c;

    if (request->prev != NULL) {
        request->prev->next = request->next;
    } else {
        h2c->requests = request->next;
    }
    if (request->next != NULL) {
        request->next->prev = request->prev;
    }
    leave_asked(request);
    leave_touched(request);
    end_upload(request);
    h2c->len--;
    h2c->pumped.conn->core->stats.streams--;
    client_free(request->client);
    buf_fini(&request->body);
    free(request);
}

void h2_on_gone(void *owner, struct h2_stream *stream, bool cut)
{
    struct h2_conn *h2c = owner;
    struct h2_request *request = stream->data;

    if (request == NULL) {
        return; /* refused, or wrong before its head was whole */
    }
    struct client *client = request->client;
    h2c->pumped.conn->core->stats.streams_cut += cut;
    if (!client->closing) {
        client->cut = cut || h2c->pumped.conn->client->cut;
    }
    request->stream = NULL;
    if (request->busy) {
        client_close(client, 0);
    } else {
        close_request(request);
    }
}

/* --- the request -------------------------------------------------------------
 */

void h2_on_head(void *owner, struct h2_stream *stream,
                const struct http_request *head, int err)
{
    struct h2_conn *h2c = owner;
    struct h2_request *request = open_request(h2c, stream);

    if (request == NULL) {
        refuse_stream(h2c, stream);
        return;
    }
    h2c->pumped.conn->hello_in = 0;
    request->is_head = bytes_eq(head->method, BYTES("HEAD"));
    if (err == 0) {
        err = admit(request, head);
    }
    if (err != 0) {
        request_error(request->client, head, err);
    } else if (http_has_token(http_header(head, "expect"), "100-continue")) {
        (void)h2_continue(h2c->h2, stream);
    }
}

static void refuse_stream(struct h2_conn *h2c, struct h2_stream *stream)
{
    h2c->pumped.conn->core->stats.streams_refused++;
    (void)h2_reset(h2c->h2, stream, H2_REFUSED_STREAM);
}

/* Who logged in with one request is no stranger on this conn any more. */
static void note_known(struct h2_request *request)
{
    if (request->client->logged_in) {
        conn_of(request)->client->logged_in = true;
    }
}

static int admit(struct h2_request *request, const struct http_request *head)
{
    struct conn *conn = conn_of(request);
    const struct limits *limits = &conn->core->limits;
    int rc = request_admit(request->client, head);

    if (rc != 0) {
        return rc;
    }
    note_known(request);
    request->h2c->asked_ms = conn->core->now_ms;
    request->due_ms = conn->core->now_ms + (conn_is_known(conn)
                                                ? limits->idle_ms
                                                : limits->hello_ms);
    h2_arm(request->h2c, request->due_ms);
    h2_arm(request->h2c, conn->core->now_ms + limits->ping_ms);
    return 0;
}

static size_t body_max(const struct conn *conn)
{
    const struct limits *limits = &conn->core->limits;

    return (size_t)(conn_is_known(conn) ? limits_body(limits)
                                        : limits->hello_in_len / 2);
}

/* A body that nobody wants any more is not kept. */
static void refuse(struct h2_request *request, int err)
{
    struct http_request head;

    h2_request(request->stream, &head);
    buf_fini(&request->body);
    end_upload(request);
    request_error(request->client, &head, err);
}

/* The first half of a window is anyone's; who sends more needs a place. */
static void give_room(struct h2_request *request)
{
    struct h2_conn *h2c = request->h2c;

    if (request->stream->unread < H2_WINDOW / 2) {
        return;
    }
    if (!request->uploads && h2c->uploads < UPLOADS_MAX) {
        request->uploads = true;
        h2c->uploads++;
    }
    request->wants_room = !request->uploads;
    if (request->uploads) {
        (void)h2_grant(h2c->h2, request->stream);
    }
}

static void end_upload(struct h2_request *request)
{
    struct h2_conn *h2c = request->h2c;

    request->wants_room = false;
    if (!request->uploads) {
        return;
    }
    request->uploads = false;
    h2c->uploads--;
    for (struct h2_request *r = h2c->requests; r != NULL; r = r->next) {
        if (r->wants_room && r->stream != NULL) {
            give_room(r);
            return;
        }
    }
}

void h2_on_body(void *owner, struct h2_stream *stream, struct bytes part)
{
    struct h2_request *request = stream->data;
    (void)owner;

    if (request == NULL || request->answered || request->client->closing) {
        return;
    }
    size_t max = body_max(conn_of(request));
    size_t len = request->body.len + part.len;
    if (len > max) {
        bool is_stranger = !conn_is_known(conn_of(request)) &&
                           len <= limits_body(&conn_of(request)->core->limits);
        refuse(request,
               is_stranger
                   ? denied(request->client,
                            &(struct denied_what){.verb = "send a body"},
                            ERR_UNAUTH)
                   : ERR_TOO_BIG);
        return;
    }
    request->body.max = max;
    buf_add_bytes(&request->body, part);
    if (request->body.failed) {
        refuse(request, ERR_NOMEM);
        return;
    }
    give_room(request);
}

void h2_on_asked(void *owner, struct h2_stream *stream)
{
    struct h2_conn *h2c = owner;
    struct h2_request *request = stream->data;

    if (request == NULL) {
        return;
    }
    request->is_whole = true;
    end_upload(request);
    if (request->answered || request->client->closing) {
        return;
    }
    request->due_ms = DEADLINE_NEVER;
    request->in_asked = true;
    request->asked_next = NULL;
    if (h2c->asked != NULL) {
        h2c->asked_last->asked_next = request;
    } else {
        h2c->asked = request;
    }
    h2c->asked_last = request;
}

static void leave_asked(struct h2_request *request)
{
    struct h2_conn *h2c = request->h2c;
    struct h2_request *before = NULL;

    if (!request->in_asked) {
        return;
    }
    for (struct h2_request *r = h2c->asked; r != request; r = r->asked_next) {
        before = r;
    }
    if (before != NULL) {
        before->asked_next = request->asked_next;
    } else {
        h2c->asked = request->asked_next;
    }
    if (h2c->asked_last == request) {
        h2c->asked_last = before;
    }
    request->in_asked = false;
}

static void serve(struct h2_request *request)
{
    struct http_request asked;

    h2_request(request->stream, &asked);
    asked.body = buf_bytes(&request->body);
    if (request->is_head) {
        asked.method = BYTES("GET");
    }
    request->busy = true; /* it may end under its door's hands */
    request_serve(request->client, &asked);
    request->busy = false;
    buf_fini(&request->body);
    if (request->stream == NULL) {
        close_request(request);
        return;
    }
    h2_forget_head(request->stream);
    note_known(request);
    client_dirty(request->client); /* it was not looked at while busy */
}

void h2_serve(struct h2_conn *h2c)
{
    while (h2c->asked != NULL) {
        struct h2_request *request = h2c->asked;
        leave_asked(request);
        if (!request->answered && !request->client->closing) {
            serve(request);
        }
    }
}

/* --- the answer --------------------------------------------------------------
 */

/* Behind a cork it waits: one byte keeps its place in the queue. */
static void send_head(struct h2_request *request, const struct http_response *r)
{
    struct client *client = request->client;
    struct h2 *h2 = request->h2c->h2;
    int rc;

    request->answered = true;
    request->holds = client->out.corks > 0;
    if (request->holds) {
        rc = h2_hold(h2, request->stream, r, request->answer);
        client_write(client, BYTES("\0"));
    } else {
        rc = h2_respond(h2, request->stream, r, request->answer);
    }
    if (rc != 0) {
        h2_request_abort(client);
    }
    client_dirty(client);
}

static void due_in(struct h2_request *request, uint64_t ms)
{
    request->due_ms = conn_of(request)->core->now_ms + ms;
    h2_arm(request->h2c, request->due_ms);
}

void h2_request_respond(struct client *client, const struct http_response *r)
{
    struct h2_request *request = h2_request_of(client);
    bool is_bare = r->status == 204 || r->status == 304 || request->is_head;
    bool has_body = !is_bare && r->body.len > 0;

    if (request->answered || request->stream == NULL) {
        return; /* one request, one answer */
    }
    request->answer = has_body ? H2_BODY_LENGTH : H2_BODY_NONE;
    send_head(request, r);
    if (has_body) {
        client_write(client, r->body);
    }
    request->ended = true;
    due_in(request, client->core->limits.idle_ms);
}

void h2_request_stream(struct client *client, const struct http_response *r)
{
    struct h2_request *request = h2_request_of(client);

    if (request->answered || request->stream == NULL) {
        return;
    }
    request->is_stream = true;
    request->answer = request->is_head ? H2_BODY_NONE : H2_BODY_STREAM;
    send_head(request, r);
    if (request->is_head) {
        client_close(client, 0);
    } else {
        client_write(client, r->body);
    }
}

void h2_request_end(struct client *client, const struct http_header *trailers,
                    size_t len)
{
    struct h2_request *request = h2_request_of(client);

    if (!request->is_stream || request->ended || request->stream == NULL) {
        return;
    }
    if (h2_trail(request->stream, trailers, len) != 0) {
        h2_request_abort(client);
        return;
    }
    client_close(client, 0);
}

void h2_request_say_close(struct client *client, int err)
{
    const struct h2_request *request = h2_request_of(client);

    if (err != 0 && !request->answered) {
        request_error(client, &no_request, err);
    }
}

void h2_request_finish(struct client *client)
{
    struct h2_request *request = h2_request_of(client);

    if (request->stream == NULL) {
        return;
    }
    if (!request->answered) {
        (void)h2_reset(request->h2c->h2, request->stream, H2_CANCEL);
        h2_poke(request->h2c);
        return;
    }
    request->ended = true;
    due_in(request, LINGER_MS);
    client_dirty(client);
}

void h2_request_abort(struct client *client)
{
    struct h2_request *request = h2_request_of(client);

    client->closing = true;
    if (request->stream != NULL) {
        (void)h2_reset(request->h2c->h2, request->stream, H2_INTERNAL_ERROR);
        h2_poke(request->h2c);
    }
}

void h2_request_due(struct h2_request *request)
{
    request->due_ms = DEADLINE_NEVER;
    if (!request->answered && !request->client->closing) {
        request->client->core->stats.hello_timeouts++;
        request_error(request->client, &no_request, ERR_TIMEOUT);
        return;
    }
    (void)h2_reset(request->h2c->h2, request->stream, H2_CANCEL);
    h2_poke(request->h2c);
}

/* --- output ------------------------------------------------------------------
 */

void h2_touch(struct h2_request *request)
{
    if (!request->in_touched) {
        request->in_touched = true;
        request->touched_next = request->h2c->touched;
        request->h2c->touched = request;
    }
}

static void leave_touched(struct h2_request *request)
{
    struct h2_request **at = &request->h2c->touched;

    if (!request->in_touched) {
        return;
    }
    while (*at != request) {
        at = &(*at)->touched_next;
    }
    *at = request->touched_next;
    request->in_touched = false;
}

void h2_request_output(struct client *client)
{
    struct h2_request *request = h2_request_of(client);
    struct h2 *h2 = request->h2c->h2;
    int rc = 0;

    h2_touch(request);
    if (request->stream == NULL || !request->answered) {
        return;
    }
    if (request->holds && outq_writable(&client->out) > 0) {
        outq_taken(&client->out, &client->core->chunks, 1);
        request->holds = false;
        rc = h2_release(h2, request->stream);
    } else if (request->answer != H2_BODY_NONE) {
        rc = h2_wake(h2, request->stream);
    }
    if (rc != 0) {
        h2_request_abort(client);
    }
}

size_t h2_on_room(void *owner, struct h2_stream *stream, size_t max, bool *last)
{
    const struct h2_request *request = stream->data;
    const struct outq *out = &request->client->out;
    uint64_t len = outq_writable(out);
    (void)owner;

    len = len < max ? len : max;
    *last = request->ended && len == out->queued && out->corks == 0;
    return (size_t)len;
}

int h2_on_data(void *owner, struct h2_stream *stream,
               const uint8_t head[H2_FRAME_HEAD_LEN], size_t len)
{
    struct h2_conn *h2c = owner;
    struct h2_request *request = stream->data;
    struct outq *out = &h2c->pumped.conn->client->out;
    struct chunk_pool *pool = &h2c->pumped.conn->core->chunks;
    int rc = outq_write(out, pool, bytes_of(head, H2_FRAME_HEAD_LEN));

    if (rc == 0) {
        rc = outq_move(&request->client->out, out, pool, len);
    }
    h2_touch(request);
    if (stream->ended && !request->is_whole) { /* nobody reads the rest */
        (void)h2_reset(h2c->h2, stream, H2_NO_ERROR);
    }
    return rc;
}

/* The door of a whole answer has done its part; the others' queues are looked
 * at. */
void h2_settle(struct h2_request *request)
{
    struct client *client = request->client;

    if (request->busy) {
        return;
    }
    if (request->answered && !request->is_stream) {
        if (client->door != NULL && !client->closing) {
            client_leave_door(client);
            client_dirty(client); /* a cork of it may have gone */
        }
    } else if (!client_check_slow(client, client->core->now_ms)) {
        client_close(client, ERR_SLOW);
    }
}
