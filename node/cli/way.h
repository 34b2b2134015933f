/* SPDX-License-Identifier: Apache-2.0
 *
 * The ways in and out of a node that the checkers use, one connection each:
 *
 *   http       publishes by POST, subscribes by SSE
 *   websocket  the native protocol, both
 *   resp       PUBLISH and SUBSCRIBE
 *
 * Values are a letter, a space and digits: no escaping anywhere. Everything
 * here is for a loop around poll(): opening and reading never wait.
 *
 *   closed -- way_open --> connecting -- (websocket) --> upgrading --> ready
 *
 * way_take() and way_take_answers() take the steps; any error: way_close().
 */
#ifndef NODE_CLI_WAY_H
#define NODE_CLI_WAY_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

#include "node/cli/link.h"
#include "node/cli/session.h"

enum way_kind {
    WAY_HTTP = 0,
    WAY_WEBSOCKET = 1,
    WAY_RESP = 2,
    WAYS = 3
};

enum way_state {
    WAY_CLOSED = 0,
    WAY_CONNECTING,
    WAY_UPGRADING,
    WAY_READY
};

struct way {
    enum way_kind kind;
    enum way_state state;
    bool has_head; /* HTTP: the head of the stream was taken */
    const struct link_url *url;
    const char *token;      /* NULL = none */
    struct link link;       /* http, resp */
    struct session session; /* websocket */
    struct buf first;       /* to be said when it is ready */
    uint64_t give_up_ms;    /* not ready by then: ERR_TIMEOUT */
};

/* The cache that the checkers publish to. */
extern const char way_cache[];

const char *way_name(enum way_kind kind);
/* Whether its subscribers are told what they missed. */
bool way_can_tell(enum way_kind kind);

/* Begins to open. `url` (found) and `token` are borrowed until it is closed.
 * Errors: as of link_begin(). */
int way_open(struct way *way, enum way_kind kind, const struct link_url *url,
             const char *token);
void way_close(struct way *way); /* again: fine */

/* What poll() is to wait for: no descriptor while it is closed. */
struct pollfd way_waits_for(const struct way *way);
/* Whether it should be taken from although poll() said nothing. */
bool way_is_late(const struct way *way, uint64_t now_ms);

/* Once, also before it is ready. Errors: ERR_IO, ERR_TIMEOUT, ERR_NOMEM. */
int way_subscribe(struct way *way, const char *topic);
/* Only when it is ready. Errors: the same. */
int way_publish(struct way *way, const char *topic, struct bytes value);

struct way_reader {
    void *data;
    void (*on_value)(void *data, struct bytes value);
    void (*on_gap)(void *data); /* may be NULL */
    /* May be NULL. partial: not every node knows yet; only the native protocol
     * can say so. */
    void (*on_subscribed)(void *data, bool partial);
};

/* Takes what has arrived at a subscriber. Errors: ERR_IO when it is closed by
 * the node, ERR_TIMEOUT when it does not get ready. */
int way_take(struct way *way, const struct way_reader *reader);

/* Takes the answers that have arrived at a publisher, in the order of its
 * publishes. Errors: the same. */
int way_take_answers(struct way *way,
                     void (*on_answer)(void *data, bool accepted), void *data);

#endif
