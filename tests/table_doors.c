/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/table_doors.h"

#include "node/conn/conn.h"
#include "proto/err.h"

struct table_seen table_seen;

void table_reset(void)
{
    table_seen = (struct table_seen){0};
}

static void answer(struct client *client, struct bytes body)
{
    struct http_response response = {
        .status = 200, .content_type = BYTES("text/plain"), .body = body};
    client_respond(client, &response);
}

void table_answer(void)
{
    answer(table_seen.later, BYTES("later"));
}

static int on_open(struct client *client, const struct http_request *request,
                   size_t version)
{
    (void)client;
    (void)request;
    (void)version;
    table_seen.opened++;
    return 0;
}

static void on_close(struct client *client)
{
    table_seen.closed++;
    table_seen.cut += client->cut;
    if (table_seen.later == client) {
        table_seen.later = NULL;
    }
}

static void say_error(struct client *client, int err)
{
    (void)client;
    table_seen.errors++;
    table_seen.last_error = err;
}

/* --- bytes -----------------------------------------------------------------
 */

static enum door_sniff lines_sniff(struct bytes first)
{
    struct bytes word = BYTES("echo\n");
    size_t n = first.len < word.len ? first.len : word.len;

    if (memcmp(first.p, word.p, n) != 0) {
        return SNIFF_NO;
    }
    return n == word.len ? SNIFF_YES : SNIFF_MORE;
}

static ptrdiff_t lines_on_bytes(struct client *client, struct bytes in)
{
    ptrdiff_t end = bytes_find(in, '\n');

    if (end < 0) {
        return 0;
    }
    struct bytes line = bytes_of(in.p, (size_t)end + 1);
    if (bytes_eq(line, BYTES("boom\n"))) {
        return ERR_SYNTAX;
    }
    if (bytes_eq(line, BYTES("login\n"))) {
        client->logged_in = true;
    }
    if (bytes_eq(line, BYTES("logout\n"))) {
        client_logout(client);
    }
    if (bytes_eq(line, BYTES("wait\n"))) {
        conn_pause(client->conn, true);
    }
    client_write(client, line);
    if (bytes_eq(line, BYTES("bye\n"))) {
        client_close(client, 0);
        table_seen.last_byte = line.p[0];
    }
    return end + 1;
}

static const struct door door_lines_back = {
    .name = "lines",
    .shape = DOOR_BYTE,
    .sniff = lines_sniff,
    .open = on_open,
    .on_bytes = lines_on_bytes,
    .say_error = say_error,
    .on_close = on_close,
};

/* --- requests ---------------------------------------------------------------
 */

static bool takes(const struct http_request *request)
{
    static const char *const paths[] = {"/now", "/later", "/stream", "/refuse"};

    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        if (bytes_eq(request->path, bytes_str(paths[i]))) {
            return true;
        }
    }
    return false;
}

static void answer_now(struct client *client, const struct http_request *r)
{
    struct buf body = {0};

    buf_add_str(&body, "now ");
    buf_add_bytes(&body, r->method);
    buf_add_u8(&body, ' ');
    buf_add_bytes(&body, r->body);
    answer(client, buf_bytes(&body));
    buf_fini(&body);
}

static int on_request(struct client *client, const struct http_request *request)
{
    struct http_response head = {.status = 200,
                                 .content_type = BYTES("text/plain"),
                                 .body = BYTES("begin ")};

    table_seen.requests++;
    if (client->out.queued > table_seen.most_queued) {
        table_seen.most_queued = client->out.queued;
    }
    if (bytes_eq(request->path, BYTES("/refuse"))) {
        return ERR_DENIED;
    }
    if (bytes_eq(request->path, BYTES("/now"))) {
        answer_now(client, request);
        return 0;
    }
    table_seen.later = client;
    if (bytes_eq(request->path, BYTES("/stream"))) {
        client_stream(client, &head);
    }
    return 0;
}

static const struct door door_paths = {
    .name = "paths",
    .shape = DOOR_REQUEST,
    .state_len = 16,
    .takes = takes,
    .open = on_open,
    .on_request = on_request,
    .say_error = say_error,
    .on_close = on_close,
};

/* --- messages ---------------------------------------------------------------
 */

static int on_message(struct client *client, struct bytes message, bool binary)
{
    (void)binary;
    table_seen.messages++;
    if (bytes_eq(message, BYTES("boom"))) {
        return ERR_ARGUMENT;
    }
    client_send(client, message);
    return 0;
}

static int ws_open(struct client *client, const struct http_request *request,
                   size_t version)
{
    on_open(client, request, version);
    return table_seen.open_fails;
}

static bool is_binary(size_t version)
{
    return version == 1;
}

static const char *const subprotocols[] = {"one", "two", NULL};

static const struct door door_echo = {
    .name = "echo",
    .shape = DOOR_MESSAGE,
    .subprotocols = subprotocols,
    .path = "/ws",
    .subprotocol_is_binary = is_binary,
    .open = ws_open,
    .on_message = on_message,
    .say_error = say_error,
    .on_close = on_close,
};

/* --- the table ---------------------------------------------------------------
 */

enum door_sniff door_for_bytes(struct bytes first, const struct door **door)
{
    enum door_sniff sniff = lines_sniff(first);

    *door = sniff == SNIFF_YES ? &door_lines_back : NULL;
    return sniff;
}

const struct door *door_for_request(const struct http_request *request)
{
    return takes(request) ? &door_paths : NULL;
}

/* What no door takes is at no path. */
void door_add_methods(const struct http_request *request, struct buf *out)
{
    (void)request;
    (void)out;
}

const struct door *door_for_upgrade(const struct http_request *request,
                                    ptrdiff_t *version)
{
    struct bytes offers = http_header(request, "sec-websocket-protocol");

    *version = offers.p == NULL                ? 0
               : http_has_token(offers, "one") ? 0
               : http_has_token(offers, "two") ? 1
                                               : -1;
    return bytes_eq(request->path, BYTES("/ws")) ? &door_echo : NULL;
}
