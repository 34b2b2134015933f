/* SPDX-License-Identifier: Apache-2.0
 *
 * A client: one logical stream on a connection, with its identity, its
 * subscriptions and its output. HTTP/1, WebSocket, RESP and MQTT have one a
 * connection; HTTP/2 has one a stream.
 *
 * These are the verbs that doors use; no door knows the carrier, a socket or a
 * clock. Everything that a client may do passes here once: one validator, one
 * authorisation, one output queue, one policy for slow readers (ADVERSARIAL
 * 0.1, 0.5).
 *
 * States          open --client_close()--> closing --client_free()--> gone
 *   closing: output is still written up to drain, nothing is read, every verb
 *   is accepted and does nothing. The carrier frees.
 *
 * Slow readers: beyond the hard bound, or the soft one for out_soft_ms, all
 * waiting items are dropped (one single item is not, however large). A door
 * that can tell keeps its client: it is *slow* until its queue is empty, gets
 * nothing meanwhile, then one discontinuity for each subscription that missed
 * something. Another door's client is closed in that door's own words
 * (door->say_error, ERR_SLOW).
 *
 * Loop thread only.
 */
#ifndef NODE_CLIENT_H
#define NODE_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "cluster/cluster.h"
#include "node/client/aim.h"
#include "node/client/outq.h"
#include "node/deadline.h"
#include "node/hub/hub.h"
#include "proto/http.h"

struct conn;
struct core;
struct door;
struct identity;
struct corks;
struct pumped;

struct client {
    /* What a delivery touches. */
    struct outq out;
    const struct door *door; /* NULL until one is chosen */
    struct core *core;
    struct client *dirty_next;
    uint64_t id;        /* counts from 1 on this node */
    uint8_t framing;    /* enum framing of what it is sent */
    bool dirty;         /* in the list of clients to flush */
    bool patterns_lost; /* marked, in this drop (hub_mark_lost()) */
    bool slow;
    bool saying; /* inside the last words of door and carrier */
    bool closing;
    bool cut; /* the peer ended it before we did: door->on_close() may ask */
    bool logged_in;  /* said who it is: pre-login bounds no longer hold */
    bool movable;    /* said that it can go on elsewhere (door->move) */
    uint32_t move_s; /* in this second + 1 it was asked to; 0 = never */

    struct conn *conn;
    void *state;   /* door->state_len zeroed bytes, freed with it */
    void *carried; /* the carrier's, for one of many clients of a conn */
    struct identity *who;
    struct aim aim;   /* what it published to last */
    struct sub *subs; /* newest first */
    uint32_t subs_len;
    uint32_t patterns_len;
    uint64_t soft_since_ms; /* above the soft bound since; 0 = below */

    struct deadline deadline; /* the door's; see client_deadline() */
    struct deadline watch;    /* the identity expires, or it is too slow */

    struct corks *corks; /* subscribes that wait for the barrier, or NULL */
    struct client *next; /* of all clients of the core */
    struct client *prev;
};

/* What a door publishes; the rest of the item is filled in here. */
struct client_item {
    struct bytes cache;
    struct bytes topic;
    struct bytes value;
    struct bytes attrs; /* encoded, or empty */
    uint8_t flags;      /* enum item_flag */
    bool bytes;         /* the door knows bytes only: binary unless text */
};

/* --- life --- */

/* A client without a door, anonymous. NULL when memory is short or the node's
 * memory bound is hit. */
struct client *client_new(struct core *core, struct conn *conn);
/* Ends subscriptions, tells the door (on_close), frees. The carrier's call. */
void client_free(struct client *client);

/* Gives the client to a door: zeroed state, then door->open(). `version`: index
 * of the subprotocol of a message door, else 0. Errors: what open returns,
 * ERR_NOMEM; the client then has no door. */
int client_open(struct client *client, const struct door *door,
                const struct http_request *request, size_t version);
/* Takes it away again (HTTP/1 keep-alive: the next request chooses anew):
 * subscriptions end, on_close is called, the identity is anonymous again. */
void client_leave_door(struct client *client);

/* Begins the end: nobody waits for a barrier any more, the door says why in its
 * own words when err is not 0, its subscriptions end, what waits is written,
 * then the carrier closes: the connection, or of HTTP/2 this stream alone.
 * Again: later calls do nothing. */
void client_close(struct client *client, int err);

/* In how many ms a client of a node that drains should come back: any number,
 * but the same each time, below core->retry_within_ms. */
uint64_t client_retry_ms(const struct client *client);

/* --- identity --- */

/* Logs in by token (auth_login()). Live subscriptions that the new identity
 * does not allow end. Errors: as auth_login(); the identity is unchanged. */
int client_login(struct client *client, struct bytes token);
/* Anonymous again, as before the first login. Live subscriptions that this does
 * not allow end. */
void client_logout(struct client *client);

/* Whether it may do what needs the scope ("admin:read"); whether it is anybody
 * (auth_knows()). A refusal is noted, like all of the verbs here
 * (node/watch/denied.h). Errors: as auth_allows_admin(), auth_knows(). */
int client_may_admin(const struct client *client, const char *scope);
int client_is_known(const struct client *client);

/* --- publish and subscribe --- */

/* Checks, in this order: gate (ERR_NOT_READY), names (ERR_NAME), size
 * (ERR_TOO_BIG), text (ERR_UTF8; not for from->bytes), attributes (ERR_SYNTAX),
 * grant (ERR_DENIED, ERR_UNAUTH, ERR_EXPIRED), cache (ERR_NO_CACHE) and its
 * quota (ERR_QUOTA_ITEM, ERR_QUOTA_RATE). Then it is counted, and on its way.
 */
int client_publish(struct client *client, const struct client_item *from,
                   struct hub_receipt *receipt);

/* Checks names, grant, cache (ERR_NO_CACHE), per-client bounds (ERR_LIMIT), the
 * cache's quota (ERR_QUOTA_SUBS), then hub_subscribe().
 * want->variant is filled in from the client's door and framing, its `version`
 * as given. */
int client_subscribe(struct client *client, struct hub_want *want,
                     struct sub **sub, struct hub_position *position);
/* The checks of client_subscribe() alone, for doors that check all names of a
 * request before they do any of it. */
int client_may_subscribe(struct client *client, const struct hub_want *want);
void client_unsubscribe(struct client *client, struct sub *sub);

/* Holds the output here until log version `version` is held in `scope`, or the
 * barrier gives up (partial). Then door->on_barrier(client, tag, partial, ack)
 * writes the acknowledgement to this very place, in the order of the calls; at
 * once when the version is held and nothing else waits. Doors without
 * on_barrier write their answer right after this call: it is behind the cork.
 * Errors: ERR_NOMEM, ERR_LIMIT (too many wait): close. */
int client_await(struct client *client, enum cluster_scope scope,
                 uint64_t version, uint64_t tag);

/* Holds the output here until client_fill() with the same tag puts its answer
 * into this very place, in whatever order answers come. Tags are the door's
 * own. Errors: ERR_NOMEM, ERR_LIMIT (too many wait): close. */
int client_hold(struct client *client, uint64_t tag);
/* Copies the answer. When the client closed meanwhile it is lost. */
void client_fill(struct client *client, uint64_t tag, struct bytes answer);

/* --- output --- */

/* Appends bytes exactly as they are (byte doors, bodies of streams). */
void client_write(struct client *client, struct bytes bytes);
/* Appends one message, framed as the carrier needs (message doors). */
void client_send(struct client *client, struct bytes message);

/* Request doors. respond() is a whole answer; stream() sends the head and then
 * client_write() adds to the body until client_end(), which is
 * client_end_with() without trailers. HTTP/1 drops trailers: only HTTP/2
 * carries them. Over HTTP/2 respond() with an empty body is a head that ends
 * the stream. */
void client_respond(struct client *client,
                    const struct http_response *response);
void client_stream(struct client *client, const struct http_response *response);
void client_end(struct client *client);
void client_end_with(struct client *client, const struct http_header *trailers,
                     size_t len);

/* Marks for the flush at the end of the turn; the verbs above do it. */
void client_dirty(struct client *client);
/* Takes the next client to flush, or NULL. Of a carrier of many clients it is
 * the conn's own one, after all others of the turn. */
struct client *clients_next_dirty(struct core *core);
/* That conn ends: it is not among those to flush any more. */
void clients_forget_pumped(struct core *core, struct pumped *pumped);

/* Appends a run of a fan, of a replay, or (items == 0) a discontinuity; or
 * gives it to door->on_items(). The only way of the hub into a client. */
void client_deliver(struct client *client, struct chunk *chunk, uint32_t off,
                    uint32_t len, uint64_t seq, uint64_t items);

/* Applies the slow-reader policy; called by the flush after writing what the
 * socket took. Returns false when the client is to be closed. */
bool client_check_slow(struct client *client, uint64_t now_ms);

/* --- time --- */

/* door->on_deadline() is called once at or after at_ms; DEADLINE_NEVER = off.
 */
void client_deadline(struct client *client, uint64_t at_ms);

/* --- all clients of a core --- */

/* The barrier rose, or gave up: releases what waited for <= version. */
void clients_release(struct core *core, enum cluster_scope scope,
                     uint64_t version, bool partial);
/* Tokens were revoked (auth_revoked()), or their keys are gone (auth_forgot()):
 * what their clients are subscribed to ends. */
void clients_revoke(struct core *core);
/* What a publish finds is looked for anew. */
void clients_forget_aims(struct core *core);
/* Ends all subscriptions in a cache that was deleted, by ERR_NO_CACHE; NULL: in
 * all that may not be used (caches_use()). */
void clients_end_cache(struct core *core, const struct bytes *cache);
/* Cuts the client whose output keeps most memory, then further ones, larger
 * before smaller, until all of the core is `enough`. Who cannot be cut is
 * closed at once. */
void clients_relieve(struct core *core, uint64_t enough);

void client_check(const struct client *client);

#endif
