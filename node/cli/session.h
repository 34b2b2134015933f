/* SPDX-License-Identifier: Apache-2.0
 *
 * A session of a command with a node: the native protocol as JSON, over a
 * WebSocket (docs/PROTOCOLS.md).
 */
#ifndef NODE_CLI_SESSION_H
#define NODE_CLI_SESSION_H

#include <jansson.h>

#include "node/cli/link.h"
#include "proto/ws.h"

struct session {
    struct link link;
    struct ws ws;
    char words[1024]; /* of session_refused(); empty before */
};

/* Connects and upgrades. token may be NULL. Errors: as link_open();
 * ERR_UNAUTH, ERR_DENIED, ERR_ORIGIN and the like when the node refuses the
 * upgrade, ERR_VERSION when it is no such node. */
int session_open(struct session *session, const struct link_url *url,
                 const char *token);
void session_close(struct session *session);

/* The same without waiting: connect by link_begin(&session->link), then ask,
 * and when something has arrived, session_upgraded() says 1, or 0: not yet. */
int session_ask(struct session *session, const struct link_url *url,
                const char *token);
int session_upgraded(struct session *session);

/* Sends one JSON text. Errors: ERR_IO, ERR_TIMEOUT, ERR_NOMEM. */
int session_send(struct session *session, struct bytes message);

/* The next message, or NULL with *rc: ERR_TIMEOUT (nothing within wait_ms),
 * ERR_IO (closed), or what was wrong. Pings are answered inside. Owner: the
 * caller (json_decref). */
json_t *session_next(struct session *session, unsigned wait_ms, int *rc);

/* The message's string or number by name; NULL or 0 when it has none. */
const char *session_text(const json_t *message, const char *name);
uint64_t session_number(const json_t *message, const char *name);
bool session_is(const json_t *message, const char *op);

/* The error that an "error" or "ended" is about; what the node says of it is
 * kept in `words`. */
int session_refused(struct session *session, const json_t *message);

#endif
