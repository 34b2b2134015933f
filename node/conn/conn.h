/* SPDX-License-Identifier: Apache-2.0
 *
 * A connection and its carrier. The socket itself is in node/conn/conn.c
 * (libuv); what carriers need of it is here, without libuv, so that a test can
 * stand in (tests/fake_conn.c).
 *
 *   socket --bytes--> conn --> carrier --> door
 *                              sniff: decides by the first bytes
 *                              byte:  RESP (and MQTT later) own the bytes
 *                              h1:    requests; h2 later; ws: messages
 *
 * States          open --conn_close()--> closing --(written, handle closed)-->
 *                 freed by conn.c. A closing conn accepts every call and does
 *                 nothing.
 */
#ifndef NODE_CONN_H
#define NODE_CONN_H

#include <stdbool.h>
#include <stdint.h>

#include "node/deadline.h"
#include "proto/addr.h"
#include "proto/bytes.h"
#include "proto/http.h"

struct client;
struct core;
struct conn;

/* The functions of one carrier. All are called on the loop thread. */
struct carrier {
    const char *name;
    /* Takes bytes from the front of `in`. Returns how many it took (0: needs
     * more), or an error: the conn is then finished, after the carrier wrote
     * what its protocol says. The rest is offered again with the next bytes,
     * or, maybe empty, after a pause. A change of the carrier takes nothing:
     * the new one is offered the same bytes. */
    ptrdiff_t (*on_bytes)(struct conn *conn, struct bytes in);
    void (*on_close)(struct conn *conn); /* frees client and carrier_state */
    /* Its client, who was known, is a stranger again. NULL: nothing to do. */
    void (*on_stranger)(struct conn *conn);
    /* What was asked is still answered when the peer has ended its side, since
     * no request waits for long. Else the end is the end. */
    bool answers_after_end;

    /* Verbs of client.h that differ by carrier. NULL: not for this one. */
    void (*send)(struct client *client, struct bytes message);
    void (*respond)(struct client *client, const struct http_response *r);
    void (*stream)(struct client *client, const struct http_response *r);
    void (*end)(struct client *client, const struct http_header *trailers,
                size_t len);
    /* Last words of the carrier itself (a WebSocket close frame). */
    void (*say_close)(struct client *client, int err);
    /* Carriers of many clients, whose output goes through conn->client, and
     * whose state begins with a struct pumped. One has output: its conn will be
     * pumped. */
    void (*on_output)(struct client *client);
    /* Puts what may go now into conn->client->out; false: nothing may. */
    bool (*pump)(struct conn *conn);
    /* What the socket took is written. */
    void (*on_flushed)(struct conn *conn);

    /* Ends a closing client when its output is written, or at once. NULL: the
     * whole conn, by conn_finish() or conn_close(). */
    void (*finish)(struct client *client);
    void (*abort)(struct client *client);
};

/* Of core->pumped: conns whose many clients have output. */
struct pumped {
    struct conn *conn;
    struct pumped *next;
    bool waits; /* is in the list */
};

struct conn {
    struct core *core;
    const struct carrier *carrier;
    void *carrier_state;
    /* The only one, or what all streams of the conn are written through;
     * NULL: none yet. */
    struct client *client;
    struct addr remote;
    bool paused : 1;
    bool closing : 1;
    bool shut_when_empty : 1;  /* close once the output is written */
    bool bounds_hello_out : 1; /* limits.hello_out_len holds for a stranger */
    bool tls : 1;      /* what it says comes sealed (node/conn/secure.h) */
    bool loopback : 1; /* the listener is: who may be named as Host */
    bool admin : 1;    /* asks after this worker alone, not its whole process */
    uint64_t opened_ms;
    uint64_t heard_ms;        /* last bytes from the peer */
    struct deadline deadline; /* hello, idle, heartbeat: the carrier's */
    uint32_t hello_in;        /* bytes from a stranger: limits.hello_in_len */
    uint32_t in_max; /* undigested bytes that may wait; the carrier's */
};

static inline struct conn *conn_of_deadline(struct deadline *deadline)
{
    return (struct conn *)(void *)((char *)deadline -
                                   offsetof(struct conn, deadline));
}

/* Whether the pre-login bounds no longer hold: it said who it is, or this node
 * asks nobody. */
bool conn_is_known(const struct conn *conn);

/* The address of this side, as the peer connected to it; none when the socket
 * is gone. */
struct addr conn_local(const struct conn *conn);

/* Changes the carrier in the middle of the stream (sniffed, upgraded). */
void conn_set_carrier(struct conn *conn, const struct carrier *carrier,
                      void *state);

/* Closes when all output is written, or after 2 s. */
void conn_finish(struct conn *conn);
/* Closes at once; output is lost. */
void conn_close(struct conn *conn);

/* A paused conn is offered nothing: a request is answered later. What arrives
 * waits up to in_max, then reading stops. The end of a pause offers what waits
 * in the next turn, never inside the call. */
void conn_pause(struct conn *conn, bool paused);

/* node/conn/sniff.c: what every accepted conn starts with: decides by the first
 * bytes within limits.hello_ms. */
void sniff_begin(struct conn *conn);
extern const struct carrier carrier_sniff;
extern const struct carrier carrier_byte; /* byte doors own the bytes */

/* node/conn/h1.c; the conn has a client without a door. Errors: ERR_NOMEM. */
int h1_begin(struct conn *conn);
extern const struct carrier carrier_h1;

/* node/conn/h2.c; the conn has a client without a door, which becomes the one
 * that all streams are written through. Errors: ERR_NOMEM. */
int h2_begin(struct conn *conn);
extern const struct carrier carrier_h2;

/* node/conn/ws.c, after the 101 was written: gives the client to the door. A
 * stranger has limits.hello_ms from since_ms, when its request began, for the
 * connection may be an old one. Errors: ERR_NOMEM, then nothing has changed. */
struct door;
int ws_begin(struct conn *conn, const struct door *door,
             const struct http_request *request, size_t version,
             uint64_t since_ms);
extern const struct carrier carrier_ws;

#endif
