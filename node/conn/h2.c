/* SPDX-License-Identifier: Apache-2.0
 *
 * HTTP/2: many requests at a time, each with a client of its own
 * (node/conn/h2_request.c). What they say goes through the client of the conn,
 * which has no door:
 *
 *   request 1  client->out --.
 *   request 3  client->out --+-- proto/h2: whose turn, how much --> DATA head,
 *   request 5  client->out --'   and the bytes --> conn->client->out --> socket
 *
 * It is moved there only while that queue is short, so what waits does so with
 * its own client, whose bounds are those of every client, and a request whose
 * window is closed or whose reader is slow delays no other.
 *
 * Doors are called when nghttp2 is done with what was read, never inside it. So
 * a request that was cancelled in the same bytes costs its head alone.
 */
#include <stdlib.h>

#include "node/client/request.h"
#include "node/conn/h2_private.h"
#include "proto/err.h"

enum {
    QUEUED_MAX = 64 << 10, /* of the conn's queue */
    IN_MAX = 64 << 10,     /* of what was read, while nothing is taken */
    LINGER_MS = 2000,      /* for the last words of all requests */
};

static bool is_full(void *owner);
static int on_frames(void *owner, struct bytes frames);
static void on_due(struct deadline *deadline, uint64_t now_ms);
static void count_end(struct h2_conn *h2c);
static void end_all(struct h2_conn *h2c, int err);
static void end_notice(struct h2_conn *h2c);
static void end_when_over(struct h2_conn *h2c);

static const struct h2_events events = {
    .on_head = h2_on_head,
    .on_body = h2_on_body,
    .on_asked = h2_on_asked,
    .on_gone = h2_on_gone,
    .on_room = h2_on_room,
    .is_full = is_full,
    .on_data = h2_on_data,
    .on_frames = on_frames,
};

int h2_begin(struct conn *conn)
{
    const struct limits *limits = &conn->core->limits;
    struct h2_conn *h2c = calloc(1, sizeof *h2c);

    if (h2c == NULL) {
        return ERR_NOMEM;
    }
    const struct h2_options options = {
        .events = &events,
        .owner = h2c,
        .streams = (uint32_t)limits->streams_per_conn,
        .now_ms = conn->core->now_ms,
    };
    h2c->pumped.conn = conn;
    if (h2_new(&h2c->h2, &options) != 0) {
        free(h2c);
        return ERR_NOMEM;
    }
    conn_set_carrier(conn, &carrier_h2, h2c);
    conn->core->stats.h2_conns++;
    conn->bounds_hello_out = false; /* requests of a stranger are bounded */
    conn->in_max = IN_MAX;
    conn->deadline.on_due = on_due;
    h2c->due_ms = DEADLINE_NEVER;
    h2_arm(h2c, conn->opened_ms + limits->hello_ms);
    h2_poke(h2c);
    return 0;
}

static void h2_on_close(struct conn *conn)
{
    struct h2_conn *h2c = h2_of(conn);

    h2_free(h2c->h2); /* and all requests */
    assert(h2c->requests == NULL);
    clients_forget_pumped(conn->core, &h2c->pumped);
    client_free(conn->client);
    conn->client = NULL;
    conn->core->stats.h2_conns--;
    free(h2c);
    conn->carrier_state = NULL;
}

/* --- in ----------------------------------------------------------------------
 */

static ptrdiff_t h2_on_bytes(struct conn *conn, struct bytes in)
{
    struct h2_conn *h2c = h2_of(conn);

    if (in.len == 0) {
        return 0;
    }
    if (h2c->pinged) {
        h2c->pinged = false;
        h2_arm(h2c, conn->core->now_ms + conn->core->limits.ping_ms);
    }
    h2c->inside = true;
    int rc = h2_take(h2c->h2, in, conn->core->now_ms);
    h2c->inside = false;
    if (rc == 0) {
        h2_serve(h2c);
        end_notice(h2c);
    }
    h2_poke(h2c);
    if (rc != 0) {
        count_end(h2c);
        end_all(h2c, 0);
        return rc;
    }
    return (ptrdiff_t)in.len;
}

/* --- out ---------------------------------------------------------------------
 */

static bool is_full(void *owner)
{
    const struct h2_conn *h2c = owner;
    const struct outq *out = &h2c->pumped.conn->client->out;

    return out->queued >= QUEUED_MAX ||
           out->pinned > limits_out_hard(&h2c->pumped.conn->core->limits);
}

static int on_frames(void *owner, struct bytes frames)
{
    struct h2_conn *h2c = owner;
    struct client *client = h2c->pumped.conn->client;

    return outq_write(&client->out, &client->core->chunks, frames);
}

static bool h2_pump(struct conn *conn)
{
    struct h2_conn *h2c = h2_of(conn);
    uint64_t before = conn->client->out.queued;

    if (h2c->inside) {
        return false;
    }
    h2c->inside = true;
    int rc = h2_give(h2c->h2);
    h2c->inside = false;
    if (rc != 0) {
        conn_close(conn);
        return false;
    }
    return conn->client->out.queued > before;
}

static void h2_on_flushed(struct conn *conn)
{
    struct h2_conn *h2c = h2_of(conn);

    while (h2c->touched != NULL) {
        struct h2_request *request = h2c->touched;
        h2c->touched = request->touched_next;
        request->in_touched = false;
        h2_settle(request);
    }
    end_when_over(h2c);
}

void h2_poke(struct h2_conn *h2c)
{
    client_dirty(h2c->pumped.conn->client);
}

/* --- ends --------------------------------------------------------------------
 */

static void h2_say_close(struct client *client, int err)
{
    if (client != client->conn->client) {
        h2_request_say_close(client, err);
        return;
    }
    struct h2_conn *h2c = h2_of(client->conn);
    end_all(h2c, err);
    h2c->noticing = err == ERR_CLOSING && h2_notice(h2c->h2) == 0;
    if (!h2c->noticing) {
        (void)h2_goaway(h2c->h2);
    }
    h2_poke(h2c);
}

/* Nothing is on its way any more that was asked before the notice came. */
static void end_notice(struct h2_conn *h2c)
{
    if (h2c->noticing && h2_is_noticed(h2c->h2)) {
        h2c->noticing = false;
        end_all(h2c, ERR_CLOSING);
        (void)h2_goaway(h2c->h2);
    }
}

static void h2_finish(struct client *client)
{
    if (client != client->conn->client) {
        h2_request_finish(client);
        return;
    }
    struct h2_conn *h2c = h2_of(client->conn);
    h2c->end_ms = client->core->now_ms + LINGER_MS;
    h2_arm(h2c, h2c->end_ms);
    h2_poke(h2c);
}

static void h2_abort(struct client *client)
{
    if (client != client->conn->client) {
        h2_request_abort(client);
    } else {
        conn_close(client->conn);
    }
}

/* Each in its door's own words, or, with its peer gone, without any. */
static void end_all(struct h2_conn *h2c, int err)
{
    for (struct h2_request *r = h2c->requests; r != NULL; r = r->next) {
        if (h2c->pumped.conn->client->cut && !r->client->closing) {
            r->client->cut = true;
        }
        client_close(r->client, err);
    }
}

static void count_end(struct h2_conn *h2c)
{
    struct stats *stats = &h2c->pumped.conn->core->stats;
    uint32_t code = h2_last_code(h2c->h2);

    stats->h2_floods += code == H2_CALM;
    stats->h2_errors += code != H2_CALM && code != H2_NO_ERROR;
}

static void end_when_over(struct h2_conn *h2c)
{
    bool is_drained = h2c->end_ms != 0 && h2c->len == 0 && !h2c->noticing;

    if (!h2c->pumped.conn->closing && (is_drained || h2_is_over(h2c->h2))) {
        count_end(h2c);
        end_all(h2c, 0);
        conn_finish(h2c->pumped.conn);
    }
}

/* --- time --------------------------------------------------------------------
 */

void h2_arm(struct h2_conn *h2c, uint64_t at_ms)
{
    struct conn *conn = h2c->pumped.conn;

    if (at_ms >= h2c->due_ms || conn->closing) {
        return;
    }
    h2c->due_ms = at_ms;
    if (deadline_set(&conn->core->deadlines, &conn->deadline, at_ms) != 0) {
        conn_close(conn);
    }
}

static uint64_t end_late(struct h2_conn *h2c, uint64_t now_ms)
{
    struct h2_request *next;
    uint64_t at_ms = DEADLINE_NEVER;

    for (struct h2_request *r = h2c->requests; r != NULL; r = next) {
        next = r->next;
        if (now_ms >= r->due_ms) {
            h2_request_due(r);
        }
        at_ms = r->due_ms < at_ms ? r->due_ms : at_ms;
    }
    return at_ms;
}

/* Who asks for nothing is not kept by pings before it has said who it is. */
static uint64_t idle_ends_ms(const struct h2_conn *h2c)
{
    const struct conn *conn = h2c->pumped.conn;
    const struct limits *limits = &conn->core->limits;

    if (h2c->end_ms != 0) {
        return h2c->end_ms;
    }
    if (conn_is_known(conn) || h2c->len > 0) {
        return conn->heard_ms + limits->idle_ms;
    }
    return h2c->asked_ms == 0 ? conn->opened_ms + limits->hello_ms
                              : h2c->asked_ms + limits->idle_ms;
}

/* Asks who is silent, while something is open. */
static uint64_t ping_silent(struct h2_conn *h2c, uint64_t now_ms)
{
    uint64_t at_ms = h2c->pumped.conn->heard_ms +
                     h2c->pumped.conn->core->limits.ping_ms;

    if (h2c->len == 0 || h2c->pinged) {
        return DEADLINE_NEVER;
    }
    if (now_ms >= at_ms) {
        h2c->pinged = true;
        (void)h2_ping(h2c->h2);
        h2_poke(h2c);
        return DEADLINE_NEVER;
    }
    return at_ms;
}

static void end_idle(struct h2_conn *h2c)
{
    struct conn *conn = h2c->pumped.conn;

    if (h2c->end_ms != 0) { /* who was drained did not read to the end */
        conn_finish(conn);
        return;
    }
    conn->core->stats.hello_timeouts += h2c->asked_ms == 0 &&
                                        !conn_is_known(conn);
    client_close(conn->client, h2c->len > 0 ? ERR_TIMEOUT : 0);
}

static void on_due(struct deadline *deadline, uint64_t now_ms)
{
    struct conn *conn = conn_of_deadline(deadline);
    struct h2_conn *h2c = h2_of(conn);
    uint64_t idle_ms = idle_ends_ms(h2c);

    h2c->due_ms = DEADLINE_NEVER;
    if (now_ms >= idle_ms) {
        end_idle(h2c);
        return;
    }
    h2_arm(h2c, idle_ms);
    h2_arm(h2c, end_late(h2c, now_ms));
    h2_arm(h2c, ping_silent(h2c, now_ms));
}

const struct carrier carrier_h2 = {
    .name = "h2",
    .on_bytes = h2_on_bytes,
    .on_close = h2_on_close,
    .respond = h2_request_respond,
    .stream = h2_request_stream,
    .end = h2_request_end,
    .say_close = h2_say_close,
    .on_output = h2_request_output,
    .pump = h2_pump,
    .on_flushed = h2_on_flushed,
    .finish = h2_finish,
    .abort = h2_abort,
};
