/* SPDX-License-Identifier: Apache-2.0 */
#include "node/cli/session.h"

#include <sys/random.h>

#include "proto/err.h"
#include "proto/json.h"

static int upgrade(struct session *s, const struct link_url *url,
                   const char *token);

int session_open(struct session *session, const struct link_url *url,
                 const char *token)
{
    *session = (struct session){
        .ws = {.message_max = LINK_IN_MAX / 2, .from_server = true}};
    int rc = link_open(&session->link, url, LINK_WAIT_MS);
    if (rc == 0) {
        rc = upgrade(session, url, token);
    }
    if (rc == 0) {
        ws_feed(&session->ws, buf_bytes(&session->link.in));
    } else {
        session_close(session);
    }
    return rc;
}

void session_close(struct session *session)
{
    ws_fini(&session->ws);
    link_close(&session->link);
}

static void write_upgrade(struct buf *out, const struct link_url *url,
                          const char *token, const uint8_t key[16])
{
    buf_add_str(out, "GET /v1/ws HTTP/1.1\r\nHost: ");
    buf_add_str(out, url->authority);
    buf_add_str(out, "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                     "Sec-WebSocket-Version: 13\r\n"
                     "Sec-WebSocket-Protocol: starling.v1.json\r\n"
                     "Sec-WebSocket-Key: ");
    json_base64(out, bytes_of(key, 16));
    if (token != NULL) {
        buf_add_str(out, "\r\nAuthorization: ");
        buf_add_str(out, token);
    }
    buf_add_str(out, "\r\n\r\n");
}

/* Reads the answer to the upgrade; what follows its head stays in link.in. */
static int read_upgrade(struct session *s)
{
    const uint8_t *end = NULL;
    uint64_t status;

    while (end == NULL) {
        ptrdiff_t n = link_read(&s->link, LINK_WAIT_MS);
        if (n <= 0) {
            return n == 0 ? ERR_IO : (int)n;
        }
        end = memmem(s->link.in.p, s->link.in.len, "\r\n\r\n", 4);
    }
    if (!bytes_starts(buf_bytes(&s->link.in), BYTES("HTTP/1.1 ")) ||
        bytes_u64(bytes_of(s->link.in.p + 9, 3), &status) != 0) {
        return ERR_VERSION;
    }
    buf_drop(&s->link.in, (size_t)(end + 4 - s->link.in.p));
    switch (status) {
    case 101:
        return 0;
    case 401:
        return ERR_UNAUTH;
    case 403:
        return ERR_ORIGIN;
    case 429:
        return ERR_LIMIT;
    case 503:
        return ERR_CLOSING;
    default:
        return ERR_VERSION;
    }
}

static int upgrade(struct session *s, const struct link_url *url,
                   const char *token)
{
    struct buf out = {0};
    uint8_t key[16];

    if (getrandom(key, sizeof key, 0) != sizeof key) {
        return ERR_IO;
    }
    write_upgrade(&out, url, token, key);
    int rc = out.failed ? ERR_NOMEM : link_write(&s->link, buf_bytes(&out));
    buf_fini(&out);
    return rc != 0 ? rc : read_upgrade(s);
}

static int send_frame(struct session *s, enum ws_opcode opcode,
                      struct bytes payload)
{
    struct buf out = {0};
    uint8_t mask[4];

    if (getrandom(mask, sizeof mask, 0) != sizeof mask) {
        return ERR_IO;
    }
    ws_frame(&out, opcode, payload, mask);
    int rc = out.failed ? ERR_NOMEM : link_write(&s->link, buf_bytes(&out));
    buf_fini(&out);
    return rc;
}

int session_send(struct session *session, struct bytes message)
{
    return send_frame(session, WS_TEXT, message);
}

/* Takes one text message that has already arrived: 1, 0 for none, or < 0. */
static int next_arrived(struct session *s, struct ws_message *message)
{
    int rc;

    while ((rc = ws_next(&s->ws, message)) > 0) {
        if (message->opcode == WS_TEXT) {
            return 1;
        }
        if (message->opcode == WS_CLOSE) {
            return ERR_IO;
        }
        if (message->opcode == WS_PING) {
            rc = send_frame(s, WS_PONG, message->payload);
            if (rc != 0) {
                return rc;
            }
        }
    }
    return rc;
}

json_t *session_next(struct session *session, unsigned wait_ms, int *rc)
{
    uint64_t give_up_ms = link_now_ms() + wait_ms;
    struct ws_message message;

    while ((*rc = next_arrived(session, &message)) == 0) {
        uint64_t now_ms = link_now_ms();
        unsigned left = now_ms >= give_up_ms ? 0
                                             : (unsigned)(give_up_ms - now_ms);
        /* All that was fed is taken: the buffer may be filled anew. */
        buf_reset(&session->link.in);
        ptrdiff_t n = link_read(&session->link, left);
        if (n <= 0) {
            *rc = n == 0 ? ERR_IO : (int)n;
            return NULL;
        }
        ws_feed(&session->ws, buf_bytes(&session->link.in));
    }
    if (*rc < 0) {
        return NULL;
    }
    json_t *root = json_loadb((const char *)message.payload.p,
                              message.payload.len, JSON_ALLOW_NUL, NULL);
    *rc = root == NULL ? ERR_SYNTAX : 0;
    return root;
}

const char *session_text(const json_t *message, const char *name)
{
    return json_string_value(json_object_get(message, name));
}

uint64_t session_number(const json_t *message, const char *name)
{
    return (uint64_t)json_integer_value(json_object_get(message, name));
}

bool session_is(const json_t *message, const char *op)
{
    const char *text = session_text(message, "op");
    return text != NULL && strcmp(text, op) == 0;
}
