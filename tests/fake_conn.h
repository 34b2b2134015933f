/* SPDX-License-Identifier: Apache-2.0
 *
 * A conn without a socket, for tests of clients and doors: what the client is
 * sent is collected in `out` when the turn is flushed. It stands in for
 * node/conn/conn.c at link time and brings a carrier of its own.
 *
 *   struct core core;
 *   fake_core_init(&core);              a lone, ready, insecure core
 *   struct fake_conn *conn = fake_conn_new(&core);
 *   fake_conn_open(conn, &door_resp);   a client behind that door
 *   fake_conn_say(conn, BYTES("PING\r\n"));
 *   fake_flush(&core);
 *   assert_bytes(fake_conn_out(conn), "+PONG\r\n");
 *   fake_conn_free(conn);
 *   core_fini(&core);
 *
 * Include after tests/test.h.
 */
#ifndef TESTS_FAKE_CONN_H
#define TESTS_FAKE_CONN_H

#include <stdbool.h>
#include <stddef.h>

#include "node/client/client.h"
#include "node/conn/conn.h"
#include "node/core.h"
#include "node/door/door.h"

struct fake_conn {
    struct conn conn; /* first: a struct conn * is a struct fake_conn * */
    struct buf in;    /* said but not yet taken by the door */
    struct buf out;   /* written by the client and taken by the socket */
    size_t window;  /* bytes the socket takes in one flush; SIZE_MAX at first */
    bool finishing; /* conn_finish() was called */
    bool closed;    /* all written after it, or conn_close() was called */
    size_t taken;   /* of out, by fake_conn_message() */

    /* Request doors: of the last client_respond() or client_stream(); the body
     * goes to `out`. */
    unsigned status; /* 0: no answer yet */
    struct buf head; /* "name: value\n" of each header, content type first */
    bool streaming;
    bool ended; /* client_respond(), client_end() or client_end_with() */
    struct buf trailers; /* of client_end_with(), as `head` */
    int said_close;      /* the error that the carrier's say_close() got */
};

extern const struct carrier carrier_fake;

/* A lone core: insecure, ready, the default limits, time 1000 ms. */
void fake_core_init(struct core *core);
/* The same with other options; what fake_core_init() uses. */
struct core_options fake_core_options(void);

/* From now on a client is a stranger until it shows a token. */
void fake_core_ask_tokens(struct core *core);
/* Appends a token that may everything in every cache for an hour. */
void fake_token(const struct core *core, struct buf *out);

/* A connection with a client that has no door yet. */
struct fake_conn *fake_conn_new(struct core *core);
void fake_conn_free(struct fake_conn *fake); /* frees its client, too */

/* client_open() by byte and request doors (framing raw). */
int fake_conn_open(struct fake_conn *fake, const struct door *door,
                   const struct http_request *request);
/* client_open() by message doors: subprotocol `version`, framed as WebSocket
 * frames; read them with fake_conn_message(). */
int fake_conn_open_ws(struct fake_conn *fake, const struct door *door,
                      const struct http_request *request, size_t version);

/* Gives a byte door more bytes, as a carrier does: until it takes none. An
 * error closes the client. */
void fake_conn_say(struct fake_conn *fake, struct bytes bytes);
/* Gives a message door one message; an error closes the client. */
void fake_conn_say_message(struct fake_conn *fake, struct bytes message,
                           bool binary);

struct bytes fake_conn_out(const struct fake_conn *fake);
/* Forgets `out`, `head`, `trailers` and `status`. */
void fake_conn_reset(struct fake_conn *fake);
/* Takes the next whole WebSocket message from the front of the output, which
 * it borrows until the next flush or reset. false: there is none. */
bool fake_conn_message(struct fake_conn *fake, struct bytes *message);

/* Ends the turn as the loop does: settles, writes, applies the slow policy. */
void fake_flush(struct core *core);
/* A turn `ms` later: deadlines, hub_expire(), flush. */
void fake_wait(struct core *core, uint64_t ms);

#endif
