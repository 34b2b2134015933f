/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/test.h"

#include "tests/fake_conn.h"

#include <stdlib.h>

#include "proto/ws_frame.h"

static struct fake_conn *fake_of(struct conn *conn)
{
    return (struct fake_conn *)(void *)conn;
}

/* --- node/conn/conn.c, without a socket --- */

struct addr conn_local(const struct conn *conn)
{
    struct addr addr = {0};

    (void)conn;
    assert_int_equal(addr_read(BYTES("127.0.0.1:7400"), 0, &addr), 0);
    return addr;
}

void conn_set_carrier(struct conn *conn, const struct carrier *carrier,
                      void *state)
{
    conn->carrier = carrier;
    conn->carrier_state = state;
}

void conn_finish(struct conn *conn)
{
    struct fake_conn *fake = fake_of(conn);

    fake->finishing = true;
    conn->closing = true;
    conn->shut_when_empty = true;
    if (conn->client == NULL || outq_is_empty(&conn->client->out)) {
        fake->closed = true;
    }
}

void conn_close(struct conn *conn)
{
    conn->closing = true;
    fake_of(conn)->closed = true;
}

void conn_pause(struct conn *conn, bool paused)
{
    conn->paused = paused;
}

/* --- the carrier --- */

static void keep_headers(struct buf *to, const struct http_header *headers,
                         size_t len)
{
    for (size_t i = 0; i < len; i++) {
        buf_add_bytes(to, headers[i].name);
        buf_add_str(to, ": ");
        buf_add_bytes(to, headers[i].value);
        buf_add_u8(to, '\n');
    }
}

static void keep_head(struct fake_conn *fake, const struct http_response *r)
{
    fake->status = r->status;
    buf_reset(&fake->head);
    if (r->content_type.len > 0) {
        buf_add_str(&fake->head, "content-type: ");
        buf_add_bytes(&fake->head, r->content_type);
        buf_add_u8(&fake->head, '\n');
    }
    keep_headers(&fake->head, r->headers, r->headers_len);
}

static void fake_send(struct client *client, struct bytes message)
{
    uint8_t head[WS_FRAME_HEAD_MAX];
    bool binary = client->framing == FRAMING_WS_BINARY;
    size_t head_len = ws_frame_head(head, binary ? WS_BINARY : WS_TEXT,
                                    message.len);

    if (client->framing != FRAMING_RAW) {
        client_write(client, bytes_of(head, head_len));
    }
    client_write(client, message);
}

static void fake_respond(struct client *client, const struct http_response *r)
{
    keep_head(fake_of(client->conn), r);
    fake_of(client->conn)->ended = true;
    client_write(client, r->body);
}

static void fake_stream(struct client *client, const struct http_response *r)
{
    keep_head(fake_of(client->conn), r);
    fake_of(client->conn)->streaming = true;
    client_write(client, r->body);
}

static void fake_end(struct client *client, const struct http_header *trailers,
                     size_t len)
{
    struct fake_conn *fake = fake_of(client->conn);

    fake->ended = true;
    buf_reset(&fake->trailers);
    keep_headers(&fake->trailers, trailers, len);
}

static void fake_say_close(struct client *client, int err)
{
    fake_of(client->conn)->said_close = err;
}

const struct carrier carrier_fake = {
    .name = "fake",
    .send = fake_send,
    .respond = fake_respond,
    .stream = fake_stream,
    .end = fake_end,
    .say_close = fake_say_close,
};

/* --- the core --- */

struct core_options fake_core_options(void)
{
    struct core_options options = {
        .limits = limits_default(),
        .name = "n1",
        .region = "eu",
        .id = {.b = {1, 2, 3, 4, 5, 6, 7, 8}},
    };
    hash_key_from_name(&options.hash_key, BYTES("test"));
    return options;
}

void fake_core_init(struct core *core)
{
    struct core_options options = fake_core_options();

    assert_int_equal(core_init(core, &options), 0);
    core_turn(core, 1000, 1795305600000);
    core->ready = true;
}

void fake_core_ask_tokens(struct core *core)
{
    const struct token_key key = {
        .alg = TOKEN_HS256, .kid = "k0", .can_sign = true, .secret = {1}};

    core->auth.insecure = false;
    core->auth.anonymous->token.grants_len = 0;
    core->auth.anonymous->token.scopes_len = 0;
    core->auth.keys = (struct token_keys){.len = 1, .keys = {key}};
}

void fake_token(const struct core *core, struct buf *out)
{
    const struct token token = {
        .subject = BYTES("alice"),
        .expires_at = core->wall_ms / 1000 + 3600,
        .grants_len = 1,
        .grants = {{.all = true, .role = TOKEN_BOTH}},
    };

    assert_int_equal(token_write(&core->auth.keys, &token, out), 0);
}

/* --- life --- */

struct fake_conn *fake_conn_new(struct core *core)
{
    struct fake_conn *fake = calloc(1, sizeof *fake);

    assert_non_null(fake);
    fake->conn.core = core;
    fake->conn.carrier = &carrier_fake;
    fake->conn.loopback = true;
    fake->conn.opened_ms = core->now_ms;
    fake->window = SIZE_MAX;
    fake->conn.client = client_new(core, &fake->conn);
    assert_non_null(fake->conn.client);
    return fake;
}

void fake_conn_free(struct fake_conn *fake)
{
    if (fake->conn.client != NULL) {
        client_free(fake->conn.client);
    }
    buf_fini(&fake->in);
    buf_fini(&fake->out);
    buf_fini(&fake->head);
    buf_fini(&fake->trailers);
    free(fake);
}

int fake_conn_open(struct fake_conn *fake, const struct door *door,
                   const struct http_request *request)
{
    return client_open(fake->conn.client, door, request, 0);
}

int fake_conn_open_ws(struct fake_conn *fake, const struct door *door,
                      const struct http_request *request, size_t version)
{
    bool binary = door->subprotocol_is_binary != NULL &&
                  door->subprotocol_is_binary(version);

    fake->conn.client->framing = binary ? FRAMING_WS_BINARY : FRAMING_WS_TEXT;
    return client_open(fake->conn.client, door, request, version);
}

/* --- talking --- */

void fake_conn_say(struct fake_conn *fake, struct bytes bytes)
{
    struct client *client = fake->conn.client;

    buf_add_bytes(&fake->in, bytes);
    while (!client->closing && fake->in.len > 0) {
        ptrdiff_t taken = client->door->on_bytes(client, buf_bytes(&fake->in));
        if (taken < 0) {
            client_close(client, (int)taken);
        }
        if (taken <= 0) {
            break;
        }
        buf_drop(&fake->in, (size_t)taken);
    }
}

void fake_conn_say_message(struct fake_conn *fake, struct bytes message,
                           bool binary)
{
    struct client *client = fake->conn.client;
    int rc = client->door->on_message(client, message, binary);

    if (rc < 0) {
        client_close(client, rc);
    }
}

struct bytes fake_conn_out(const struct fake_conn *fake)
{
    return buf_bytes(&fake->out);
}

void fake_conn_reset(struct fake_conn *fake)
{
    buf_reset(&fake->out);
    buf_reset(&fake->head);
    buf_reset(&fake->trailers);
    fake->status = 0;
    fake->taken = 0;
}

bool fake_conn_message(struct fake_conn *fake, struct bytes *message)
{
    struct bytes rest = bytes_skip(buf_bytes(&fake->out), fake->taken);
    size_t head_len = 2;
    uint64_t len;

    if (rest.len < 2) {
        return false;
    }
    len = rest.p[1];
    if (len == 126) {
        len = bytes_u16be(rest.p + 2);
        head_len = 4;
    } else if (len == 127) {
        len = bytes_u64be(rest.p + 2);
        head_len = 10;
    }
    if (rest.len < head_len + len) {
        return false;
    }
    *message = bytes_of(rest.p + head_len, (size_t)len);
    fake->taken += head_len + (size_t)len;
    return true;
}

/* --- turns --- */

/* As conn_write.c: the socket takes at most `window` bytes. */
static void flush_client(struct client *client)
{
    struct fake_conn *fake = fake_of(client->conn);
    struct bytes iov[OUTQ_IOV_MAX];
    const struct carrier *carrier = fake->conn.carrier;
    size_t room = fake->window;
    size_t len = 1;

    while (room > 0 && len > 0 && !fake->closed) {
        len = outq_peek(&client->out, iov, ARRAY_LEN(iov));
        if (len == 0 && carrier->pump != NULL && carrier->pump(&fake->conn)) {
            len = 1;
            continue;
        }
        size_t taken = 0;
        for (size_t i = 0; i < len && taken < room; i++) {
            size_t n = iov[i].len < room - taken ? iov[i].len : room - taken;
            buf_add(&fake->out, iov[i].p, n);
            taken += n;
        }
        outq_taken(&client->out, &client->core->chunks, taken);
        room -= taken;
    }
    if (carrier->on_flushed != NULL) {
        carrier->on_flushed(&fake->conn);
    } else {
        (void)client_check_slow(client, client->core->now_ms);
    }
    if (fake->finishing && outq_is_empty(&client->out)) {
        fake->closed = true;
    }
}

void fake_flush(struct core *core)
{
    hub_settle(core->hub);
    for (struct client *c = core->clients; c != NULL; c = c->next) {
        if (!outq_is_empty(&c->out)) {
            client_dirty(c); /* the socket takes more */
        }
    }
    struct client *client;
    while ((client = clients_next_dirty(core)) != NULL) {
        flush_client(client);
    }
    if (trace_has_waiting(&core->trace)) {
        trace_written(&core->trace);
    }
}

void fake_wait(struct core *core, uint64_t ms)
{
    core_turn(core, core->now_ms + ms, core->wall_ms + ms);
    deadlines_run(&core->deadlines, core->now_ms);
    (void)hub_expire(core->hub, core->now_ms);
    fake_flush(core);
}
