/* SPDX-License-Identifier: Apache-2.0
 *
 * TLS between a socket and its carrier (node/conn/tls.h has the protocol, tcp.h
 * the socket). A conn begins it by its first byte, 0x16; what it says inside is
 * then offered to the carriers like any other bytes.
 *
 *   socket -> read -> [ secure_take ] -> tcp_take() -> carrier
 *   socket <- unsent <- [ secure_send ] <- client's queue
 *
 * Reading: all that one read brought is opened at once, so libssl keeps at most
 * a part of a record, and pauses and bounds work as without it.
 *
 * Writing: up to SECURE_SEND_LEN of the queue (for a stranger one record)
 * becomes records and is sent at once; what the socket does not take waits
 * here, counted in core->sealed_len, and nothing more is sealed before it is
 * gone. All of that may have a quarter of limits.memory_len: beyond it, who
 * does not take his is closed.
 *
 * Shaking: a handshake costs as much as hundreds of deliveries. Each turn works
 * on them for SECURE_TURN_NS; the others wait with what they said, in order,
 * those that have begun first, and go on in the next turns.
 *
 * Ending: close_notify is the end of the peer's side, as a FIN is; ours is said
 * before the socket is shut.
 */
#ifndef NODE_SECURE_H
#define NODE_SECURE_H

#include "node/conn/tcp.h"
#include "node/conn/tls.h"

enum {
    SECURE_SEND_LEN = 64 << 10,   /* plain bytes sealed at a time */
    SECURE_UNSENT_MAX = 96 << 10, /* and answers of libssl beside them */
    SECURE_TURN_NS = 1000000,
};

/* Whether a conn that has said nothing yet begins TLS with these bytes. */
bool secure_begins(const struct tcp *tcp, struct bytes in);
/* Begins it: tcp->secure. Errors: ERR_NOMEM. */
int secure_begin(struct tcp *tcp);
void secure_free(struct tcp *tcp);

/* Bytes of the socket. */
void secure_take(struct tcp *tcp, struct bytes in);

/* Seals and sends from the front of what waits; returns how many plain bytes,
 * or < 0: it is broken. tcp->full says that some of it is still here. */
ssize_t secure_send(struct tcp *tcp, const struct bytes *iov, size_t len);
/* The socket has room again. */
void secure_flush(struct tcp *tcp);
/* Says the end. Returns whether all is sent; else secure_flush() goes on with
 * tcp_shut_socket(). */
bool secure_end(struct tcp *tcp);

/* Part of conns_close() and conns_free(). */
void secures_close(struct conns *conns);
void secures_free(struct conns *conns);

#endif
