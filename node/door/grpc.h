/* SPDX-License-Identifier: Apache-2.0
 *
 * The gRPC door's inside: one request is one call of a method. Unary methods
 * and the stream of Subscribe are answered alike over HTTP/2 and, as gRPC-web
 * or its text form, over HTTP/1 and HTTP/2.
 *
 *   grpc.c          requests to calls, answers, statuses; the table of methods
 *   grpc_pubsub.c   Ping, Publish, Subscribe
 *   grpc_token.c    tokens
 *   grpc_control.c  caches
 *
 * To add a method: its messages in proto/momento/ and proto/momento_*.c, a
 * function here, a row in grpc.c.
 */
#ifndef NODE_DOOR_GRPC_H
#define NODE_DOOR_GRPC_H

#include "node/client/client.h"
#include "node/client/cut.h"
#include "node/door/web.h"
#include "proto/grpc.h"
#include "proto/http.h"

/* The client's state. */
struct grpc {
    enum grpc_kind kind;
    bool streaming; /* the head is written */
    bool ended;
    bool owed;                   /* grpc_reply_when_known() */
    struct bytes type;           /* of the answer */
    struct web_headers *headers; /* of a web answer that is owed, or NULL */

    /* Of Subscribe. */
    uint64_t beat_ms; /* the next heartbeat */
    uint64_t ends_ms; /* the time that the call was given is over */
    struct cut begin; /* where it began; key 0: that is of no use */
};

struct grpc_call {
    struct bytes message; /* the one of the request, without its frame */
    const struct http_request *request;
    bool web; /* gRPC-web, of either form */
};

struct grpc_method {
    const char *path; /* "/token.Token/GenerateDisposableToken" */
    /* For those who have not logged in: the credential is in the message. */
    bool anonymous_ok;
    /* Answers by grpc_reply() or grpc_fail(), now or later, or returns an error
     * (< 0), which is answered as grpc_status() and grpc_err() have it.
     * `call` is borrowed for the time of this. */
    int (*call)(struct client *client, const struct grpc_call *call);
};

/* The answer of a unary method; an empty message is one. */
void grpc_reply(struct client *client, struct bytes message);
/* Answers with an empty message when every linked node holds this version of
 * the log, or after CLUSTER_BARRIER_MS. Errors: as client_await(). */
int grpc_reply_when_known(struct client *client, uint64_t version);
/* Ends the call. `message` is for people, any text; err: the trailer of that
 * name, or NULL. Again: later ends do nothing. */
void grpc_fail(struct client *client, enum grpc_status status,
               struct bytes message, const char *err);
/* The same for an error of ours. */
void grpc_refuse(struct client *client, int err);

/* Writes the head of an answer of many messages: each is then a frame that the
 * client is written. client_close() ends it. */
void grpc_stream(struct client *client);
/* Appends a message as the frame that a client of this kind reads. */
void grpc_add_frame(struct buf *out, enum grpc_kind kind, struct bytes message);

/* --- rows --- */

int grpc_ping(struct client *client, const struct grpc_call *call);
int grpc_publish(struct client *client, const struct grpc_call *call);
int grpc_subscribe(struct client *client, const struct grpc_call *call);
int grpc_disposable_token(struct client *client, const struct grpc_call *call);
int grpc_api_token(struct client *client, const struct grpc_call *call);
int grpc_refresh_token(struct client *client, const struct grpc_call *call);
int grpc_create_cache(struct client *client, const struct grpc_call *call);
int grpc_delete_cache(struct client *client, const struct grpc_call *call);
int grpc_flush_cache(struct client *client, const struct grpc_call *call);
int grpc_list_caches(struct client *client, const struct grpc_call *call);

/* --- of grpc_subscribe(), for the door --- */

void grpc_on_deadline(struct client *client);
void grpc_on_barrier(struct client *client, uint64_t tag, bool partial,
                     struct buf *ack);
/* The client goes, whoever ended it and whatever it asked. */
void grpc_on_over(struct client *client);
void grpc_render(const struct rendering *what, struct buf *out);
void grpc_render_gap(const struct hub_gap *gap, struct buf *out);

#endif
