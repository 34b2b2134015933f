/* SPDX-License-Identifier: Apache-2.0
 *
 * The ways in and out of a node that the checkers use, one connection each:
 *
 *   http       publishes by POST, subscribes by SSE
 *   websocket  the native protocol, both
 *   resp       PUBLISH and SUBSCRIBE
 *
 * Values are a letter, a space and digits: no escaping anywhere. Everything
 * here is for a loop around poll(): reading never waits.
 */
#ifndef NODE_CLI_WAY_H
#define NODE_CLI_WAY_H

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

struct way {
    enum way_kind kind;
    bool is_open;
    bool has_head; /* HTTP: the head of the stream was taken */
    const struct link_url *url;
    const char *token;      /* NULL = none */
    struct link link;       /* http, resp */
    struct session session; /* websocket */
};

/* The cache that the checkers publish to. */
extern const char way_cache[];

const char *way_name(enum way_kind kind);
/* Whether its subscribers are told what they missed. */
bool way_can_tell(enum way_kind kind);

/* `url` and `token` are borrowed as long as it is open. Errors: as of
 * link_open(). */
int way_open(struct way *way, enum way_kind kind, const struct link_url *url,
             const char *token);
void way_close(struct way *way); /* again: fine */
int way_fd(const struct way *way);

/* Errors: ERR_IO, ERR_TIMEOUT, ERR_NOMEM. */
int way_subscribe(struct way *way, const char *topic);
int way_publish(struct way *way, const char *topic, struct bytes value);

struct way_reader {
    void *data;
    void (*on_value)(void *data, struct bytes value);
    void (*on_gap)(void *data); /* may be NULL */
    /* May be NULL. partial: not every node knows yet; only the native protocol
     * can say so. */
    void (*on_subscribed)(void *data, bool partial);
};

/* Takes what has arrived at a subscriber. Errors: ERR_IO when it is closed. */
int way_take(struct way *way, const struct way_reader *reader);

/* Takes the answers that have arrived at a publisher, in the order of its
 * publishes. Errors: ERR_IO when it is closed. */
int way_take_answers(struct way *way,
                     void (*on_answer)(void *data, bool accepted), void *data);

#endif
