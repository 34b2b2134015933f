/* SPDX-License-Identifier: Apache-2.0
 *
 * What the two files of the carrier of HTTP/2 share:
 *
 *   h2.c          the conn: bytes, time, ends
 *   h2_request.c  one request and its client
 */
#ifndef NODE_H2_PRIVATE_H
#define NODE_H2_PRIVATE_H

#include "node/client/client.h"
#include "node/conn/conn.h"
#include "node/core.h"
#include "proto/h2.h"

struct h2_conn {
    struct pumped pumped; /* first: see struct carrier */
    struct h2 *h2;
    struct h2_request *requests; /* all, newest first */
    struct h2_request *asked;    /* whole, for their doors: the oldest */
    struct h2_request *asked_last;
    struct h2_request *touched; /* had output in this flush */
    uint32_t len;               /* of requests */
    uint32_t uploads;           /* of them, how many may send long bodies */
    uint64_t asked_ms;          /* a request was admitted; 0: none yet */
    uint64_t due_ms;            /* conn->deadline */
    uint64_t end_ms;            /* the end of its drain; 0: it does not */
    bool noticing;              /* the end, and has not heard it yet */
    bool pinged;                /* since it was last heard */
    bool inside;                /* a call of proto/h2 */
};

/* One stream: a request, its client, and what is to be said to it.
 *
 *   head, body --whole--> asked --door--> answered --written--> gone
 */
struct h2_request {
    struct h2_request *next; /* of the conn */
    struct h2_request *prev;
    struct h2_request *asked_next;
    struct h2_request *touched_next;
    struct h2_conn *h2c;
    struct h2_stream *stream; /* NULL: gone, freed when its door is done */
    struct client *client;
    struct buf body;     /* of the request, so far */
    uint64_t due_ms;     /* whole, or written, by then; else it is ended */
    enum h2_body answer; /* what follows the head */
    bool is_head;        /* HEAD: no body in the answer */
    bool is_whole;       /* the peer's side has ended */
    bool in_asked;       /* in that list */
    bool in_touched;     /* in that list */
    bool busy;           /* its door is being called */
    bool answered;       /* the head of the answer is made */
    bool holds;          /* but waits behind a cork */
    bool is_stream;      /* of client_stream(): the door stays */
    bool ended;          /* nothing will be added to the output */
    bool uploads;        /* one of h2c->uploads */
    bool wants_room;     /* would be, if there were a place */
};

static inline struct h2_conn *h2_of(const struct conn *conn)
{
    assert(conn->carrier == &carrier_h2);
    return conn->carrier_state;
}

static inline struct h2_request *h2_request_of(const struct client *client)
{
    return client->carried;
}

/* The events of proto/h2 that concern one stream. */
void h2_on_head(void *owner, struct h2_stream *stream,
                const struct http_request *request, int err);
void h2_on_body(void *owner, struct h2_stream *stream, struct bytes part);
void h2_on_asked(void *owner, struct h2_stream *stream);
void h2_on_gone(void *owner, struct h2_stream *stream, bool cut);
size_t h2_on_room(void *owner, struct h2_stream *stream, size_t max,
                  bool *last);
int h2_on_data(void *owner, struct h2_stream *stream,
               const uint8_t head[H2_FRAME_HEAD_LEN], size_t len);

/* Gives the whole requests to their doors. */
void h2_serve(struct h2_conn *h2c);
/* It has output, or had: looked at after the flush. */
void h2_touch(struct h2_request *request);
/* After what the socket took is written. */
void h2_settle(struct h2_request *request);
/* It is late: ends it. */
void h2_request_due(struct h2_request *request);

/* Verbs of the carrier for a request's client. */
void h2_request_respond(struct client *client, const struct http_response *r);
void h2_request_stream(struct client *client, const struct http_response *r);
void h2_request_end(struct client *client, const struct http_header *trailers,
                    size_t len);
void h2_request_say_close(struct client *client, int err);
void h2_request_finish(struct client *client);
void h2_request_abort(struct client *client);
void h2_request_output(struct client *client);

/* Something is to be written that no client's output says. */
void h2_poke(struct h2_conn *h2c);
/* The conn is looked at again by then. */
void h2_arm(struct h2_conn *h2c, uint64_t at_ms);

#endif
