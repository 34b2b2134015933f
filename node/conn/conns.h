/* SPDX-License-Identifier: Apache-2.0
 *
 * All connections of a node (node/conn/conn.c), and what accepts them
 * (node/conn/listener.c). They have no handles of libuv: the loop watches one
 * epoll set of all their sockets (node/conn/conn_watch.c), which saves a
 * quarter of what an idle one costs.
 *
 * Reading  into one buffer of the loop; what a carrier leaves is copied into a
 *          buffer of the conn that is freed when it is empty, so an idle
 *          connection holds no read buffer.
 * Writing  once a turn (conns_flush()): runs below CONNS_GATHER_LEN are
 * gathered into one buffer of the loop, larger ones go as they lie; then one
 *          send(). What the socket does not take waits in the client's queue,
 *          where its bounds see it, until there is room again.
 * Ending   conn_finish(): written out, shut down, then up to 2 s for the peer
 * to close, so that no reset destroys the last words on their way.
 */
#ifndef NODE_CONNS_H
#define NODE_CONNS_H

#include <uv.h>

#include "node/conn/conn.h"
#include "node/core.h"

enum {
    CONNS_READ_LEN = 64 << 10,
    CONNS_GATHER_LEN = 1024, /* runs below this are gathered */
    CONNS_FDS_KEPT = 64,     /* for links, files, and refusing with words */
    LISTENER_PAUSE_MS = 100,
};

struct conns;

/* Raises the limit of open files to what the system allows and takes what is
 * left of it, shared out among the workers of the process, as a bound beside
 * limits.conns. Errors: ERR_NOMEM, ERR_IO. */
int conns_open(struct conns **conns, uv_loop_t *loop, struct core *core);
/* After conns_close() and a run of the loop. */
void conns_free(struct conns *conns);

/* Conns that begin with a TLS hello are served from now on, with this context,
 * which is then theirs. Again: new ones get the new context, who is connected
 * goes on with the old one. Errors: ERR_NOMEM. */
struct tls_context;
int conns_serve_tls(struct conns *conns, struct tls_context *context);

/* limits.conns was changed: those beyond it stay. */
void conns_bound(struct conns *conns);

/* Takes over an accepted socket, or refuses it: then it is closed. */
void conns_accept(struct conns *conns, int fd, bool loopback, bool admin);

/* Begins a turn: its time is that of its first event. */
void conns_enter(const struct conns *conns);
/* Ends the turn: offers what waited in conns whose pause has ended, settles the
 * hub and writes what waits, until nothing moves. */
void conns_end_turn(struct conns *conns);
/* Whether a pause has ended since: that conn is to be offered what waited. */
bool conns_have_more(const struct conns *conns);
/* Writes what waits without settling: core->flush, in the middle of a turn. */
void conns_write(struct core *core);

/* Says goodbye (ERR_CLOSING) to up to `most` connections that have not heard
 * it; returns how many there are, with those whose end is under way. */
size_t conns_drain(struct conns *conns, size_t most);
/* Closes and frees all at once. Not from inside a carrier or a door. The epoll
 * set is gone after the loop has run; then conns_free(). */
void conns_close(struct conns *conns);
size_t conns_len(const struct conns *conns);

/* The workers of a process share one port: the system gives each new connection
 * to one of those who listen on it. */
enum listener_kind {
    LISTENER_ALONE,
    LISTENER_FIRST, /* takes the port, for others to share */
    LISTENER_NEXT,  /* shares the port of a first one */
    LISTENER_ADMIN, /* alone, for what asks after one worker (conn.h) */
};

/* Listens with a long backlog. Without files or memory to accept with, it waits
 * LISTENER_PAUSE_MS: whoever is connected is served, the others wait in the
 * backlog, and the loop does not spin. Errors: ERR_CONFLICT (address taken),
 * ERR_DENIED (a port we may not use), ERR_IO, ERR_NOMEM. */
struct listener;
int listener_open(struct listener **listener, uv_loop_t *loop,
                  struct conns *conns, const struct addr *addr,
                  enum listener_kind kind);
/* Stops accepting; frees itself after the loop has run. NULL is fine. */
void listener_close(struct listener *listener);
/* Where it listens: the port that port 0 became. */
struct addr listener_addr(const struct listener *listener);

#endif
