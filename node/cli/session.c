/* SPDX-License-Identifier: Apache-2.0 */
#include "node/cli/session.h"

#include <stdio.h>
#include <sys/random.h>

#include "proto/err.h"
#include "proto/json.h"

static int read_upgrade(struct session *s, unsigned wait_ms);

int session_open(struct session *session, const struct link_url *url,
                 const char *token)
{
    *session = (struct session){0};
    int rc = link_open(&session->link, url, LINK_WAIT_MS);
    if (rc == 0) {
        rc = session_ask(session, url, token);
    }
    while (rc == 0) {
        rc = read_upgrade(session, LINK_WAIT_MS);
    }
    if (rc < 0) {
        session_close(session);
        return rc;
    }
    return 0;
}

int session_upgraded(struct session *session)
{
    int rc = read_upgrade(session, 0);

    return rc == ERR_TIMEOUT ? 0 : rc;
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

static int status_error(uint64_t status)
{
    switch (status) {
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

/* Reads once of the answer to the upgrade: 1 when it is whole. What follows its
 * head are frames. */
static int read_upgrade(struct session *s, unsigned wait_ms)
{
    struct buf *in = &s->link.in;
    uint64_t status;
    ptrdiff_t n = link_read(&s->link, wait_ms);

    if (n <= 0) {
        return n == 0 ? ERR_IO : (int)n;
    }
    const uint8_t *end = memmem(in->p, in->len, "\r\n\r\n", 4);
    if (end == NULL) {
        return 0;
    }
    if (!bytes_starts(buf_bytes(in), BYTES("HTTP/1.1 ")) ||
        bytes_u64(bytes_of(in->p + 9, 3), &status) != 0) {
        return ERR_VERSION;
    }
    if (status != 101) {
        return status_error(status);
    }
    buf_drop(in, (size_t)(end + 4 - in->p));
    ws_feed(&s->ws, buf_bytes(in));
    return 1;
}

int session_ask(struct session *session, const struct link_url *url,
                const char *token)
{
    struct buf out = {0};
    uint8_t key[16];

    session->words[0] = '\0';
    session->ws = (struct ws){.message_max = LINK_IN_MAX / 2,
                              .from_server = true};
    if (getrandom(key, sizeof key, 0) != sizeof key) {
        return ERR_IO;
    }
    write_upgrade(&out, url, token, key);
    int rc = out.failed ? ERR_NOMEM
                        : link_write(&session->link, buf_bytes(&out));
    buf_fini(&out);
    return rc;
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

int session_refused(struct session *session, const json_t *message)
{
    const char *words = session_text(message, "message");

    (void)snprintf(session->words, sizeof session->words, "%s",
                   words == NULL ? "" : words);
    return err_from_code((unsigned)session_number(message, "code"));
}
