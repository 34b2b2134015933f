/* SPDX-License-Identifier: Apache-2.0
 *
 * WebSocket: messages to and from a door. Each side may be silent for
 * limits.ping_ms, then it is asked; a peer that was not heard for
 * limits.idle_ms is gone.
 */
#include "proto/ws.h"

#include <assert.h>
#include <stdlib.h>

#include "node/client/client.h"
#include "node/conn/conn.h"
#include "node/door/door.h"
#include "proto/err.h"

enum {
    /* Around the largest value: names, quotes and base64 of a text protocol. */
    MESSAGE_EXTRA_LEN = 64 << 10,
    /* No pong joins more waiting output than this: a flood of pings by a peer
     * that does not read is not answered. */
    PONG_BEHIND_MAX = 4096,
};

struct ws_conn {
    struct ws ws;
    uint64_t since_ms;      /* what it was asked for by began */
    uint64_t part_since_ms; /* part of a message is here since; 0: none is */
    uint16_t close_code;    /* what the peer closed with, to be echoed */
    bool close_sent;
    bool pong_due;
    uint8_t pong_len;
    uint8_t pong[WS_CONTROL_LEN_MAX]; /* payload of the newest ping */
};

static int take(struct conn *conn, const struct ws_message *message);
static void write_pong(struct conn *conn);
static void on_due(struct deadline *deadline, uint64_t now_ms);
static void write_frame(struct client *client, enum ws_opcode opcode,
                        struct bytes payload);

static struct ws_conn *ws_of(const struct conn *conn)
{
    assert(conn->carrier == &carrier_ws);
    return conn->carrier_state;
}

int ws_begin(struct conn *conn, const struct door *door,
             const struct http_request *request, size_t version,
             uint64_t since_ms)
{
    struct core *core = conn->core;
    struct client *client = conn->client;
    struct ws_conn *ws = calloc(1, sizeof *ws);
    uint64_t at_ms = conn_is_known(conn) ? core->now_ms + core->limits.ping_ms
                                         : since_ms + core->limits.hello_ms;

    if (ws == NULL) {
        return ERR_NOMEM;
    }
    ws->since_ms = since_ms;
    conn->deadline.on_due = on_due;
    if (deadline_set(&core->deadlines, &conn->deadline, at_ms) != 0) {
        free(ws);
        return ERR_NOMEM;
    }
    conn_set_carrier(conn, &carrier_ws, ws);
    conn->bounds_hello_out = true;
    client->framing = door->subprotocol_is_binary != NULL &&
                              door->subprotocol_is_binary(version)
                          ? FRAMING_WS_BINARY
                          : FRAMING_WS_TEXT;
    int rc = client_open(client, door, request, version);
    if (rc != 0) {
        client_close(client, rc); /* in a close frame: 101 is written */
    }
    return 0;
}

static void ws_on_close(struct conn *conn)
{
    struct ws_conn *ws = ws_of(conn);

    client_free(conn->client);
    conn->client = NULL;
    ws_fini(&ws->ws);
    free(ws);
    conn->carrier_state = NULL;
}

/* --- in
 * ------------------------------------------------------------------------- */

static uint64_t message_max(const struct conn *conn)
{
    const struct limits *limits = &conn->core->limits;

    return conn_is_known(conn) ? 2 * limits->item_len + MESSAGE_EXTRA_LEN
                               : limits->hello_in_len;
}

static ptrdiff_t ws_on_bytes(struct conn *conn, struct bytes in)
{
    struct ws_conn *ws = ws_of(conn);
    struct ws_message message;
    bool has_ended = false; /* a message has: the open one is another */
    int rc = 0;

    ws->ws.message_max = message_max(conn);
    ws_feed(&ws->ws, in);
    while (rc >= 0 && !conn->client->closing &&
           (rc = ws_next(&ws->ws, &message)) > 0) {
        has_ended = has_ended || message.opcode == WS_TEXT ||
                    message.opcode == WS_BINARY;
        rc = take(conn, &message);
        ws->ws.message_max = message_max(conn); /* it may have logged in */
    }
    if (rc < 0) {
        client_close(conn->client, rc);
    }
    write_pong(conn);
    bool is_partial = ws->ws.held > 0 || ws->ws.opcode != 0;
    if (!is_partial) {
        ws->part_since_ms = 0;
    } else if (ws->part_since_ms == 0 || has_ended) {
        ws->part_since_ms = conn->core->now_ms;
    }
    return (ptrdiff_t)in.len;
}

static int take(struct conn *conn, const struct ws_message *message)
{
    struct ws_conn *ws = ws_of(conn);
    struct client *client = conn->client;

    switch (message->opcode) {
    case WS_TEXT:
    case WS_BINARY:
        return client->door->on_message(client, message->payload,
                                        message->opcode == WS_BINARY);
    case WS_PING: /* only the newest is answered (section 5.5.3) */
        ws->pong_due = true;
        ws->pong_len = (uint8_t)message->payload.len;
        if (ws->pong_len > 0) {
            memcpy(ws->pong, message->payload.p, ws->pong_len);
        }
        return 0;
    case WS_CLOSE:
        ws->close_code = message->code;
        client_close(client, 0);
        return 0;
    case WS_PONG: /* conn->heard_ms knows */
    case WS_CONTINUATION:
        break;
    }
    return 0;
}

static void write_pong(struct conn *conn)
{
    struct ws_conn *ws = ws_of(conn);

    if (ws->pong_due && conn->client->out.queued < PONG_BEHIND_MAX) {
        write_frame(conn->client, WS_PONG, bytes_of(ws->pong, ws->pong_len));
    }
    ws->pong_due = false;
}

/* --- out
 * ------------------------------------------------------------------------- */

static void write_frame(struct client *client, enum ws_opcode opcode,
                        struct bytes payload)
{
    uint8_t head[WS_FRAME_HEAD_MAX];

    client_write(client,
                 bytes_of(head, ws_frame_head(head, opcode, payload.len)));
    if (payload.len > 0) {
        client_write(client, payload);
    }
}

static void ws_send(struct client *client, struct bytes message)
{
    write_frame(client,
                client->framing == FRAMING_WS_BINARY ? WS_BINARY : WS_TEXT,
                message);
}

/* "CLOSING retry_after_ms=250": the name of the error, and of a drain when to
 * come back. */
static void add_reason(const struct client *client, int err, struct buf *out)
{
    if (err == 0) {
        return;
    }
    buf_add_str(out, err_name(err));
    if (err == ERR_CLOSING) {
        buf_add_str(out, " retry_after_ms=");
        buf_add_u64(out, client_retry_ms(client));
    }
}

static void ws_say_close(struct client *client, int err)
{
    struct ws_conn *ws = ws_of(client->conn);
    struct buf frame = {0};
    struct buf reason = {0};
    uint16_t code = ws->close_code;

    if (ws->close_sent) {
        return;
    }
    ws->close_sent = true;
    if (code == 0) {
        code = ws_code_of(err);
    }
    add_reason(client, err, &reason);
    ws_frame_close(&frame, code, buf_bytes(&reason), NULL);
    client_write(client, buf_bytes(&frame));
    buf_fini(&reason);
    buf_fini(&frame);
}

/* --- time
 * ------------------------------------------------------------------------ */

static void on_due(struct deadline *deadline, uint64_t now_ms)
{
    struct conn *conn = conn_of_deadline(deadline);
    struct ws_conn *ws = ws_of(conn);
    const struct limits *limits = &conn->core->limits;
    uint64_t silent_ms = now_ms - conn->heard_ms;

    if (!conn_is_known(conn) && now_ms - ws->since_ms >= limits->hello_ms) {
        conn->core->stats.hello_timeouts++;
        client_close(conn->client, ERR_UNAUTH);
        return;
    }
    bool is_dribbling = ws->part_since_ms != 0 &&
                        now_ms - ws->part_since_ms >= limits->idle_ms;
    if (is_dribbling || silent_ms >= limits->idle_ms) {
        client_close(conn->client, ERR_TIMEOUT);
        return;
    }
    uint64_t at_ms = now_ms + limits->ping_ms;
    if (silent_ms >= limits->ping_ms) {
        write_frame(conn->client, WS_PING, (struct bytes){0});
    } else {
        at_ms = conn->heard_ms + limits->ping_ms;
    }
    if (deadline_set(&conn->core->deadlines, &conn->deadline, at_ms) != 0) {
        conn_close(conn);
    }
}

const struct carrier carrier_ws = {
    .name = "ws",
    .on_bytes = ws_on_bytes,
    .on_close = ws_on_close,
    .send = ws_send,
    .say_close = ws_say_close,
};
