/* SPDX-License-Identifier: Apache-2.0
 *
 * What the five files of connections share: conns.c (all of them, accepting),
 * conn.c (one: verbs, reading, ending), conn_write.c (writing), conn_watch.c
 * (what their sockets are waited for) and secure.c (TLS between the socket and
 * the rest).
 *
 * A conn has no handle of libuv: their sockets are in one epoll set, which the
 * loop watches as one. A closed one is freed at the end of the turn, so that
 * whoever has it in hand need not care.
 */
#ifndef NODE_TCP_H
#define NODE_TCP_H

#include "node/conn/conns.h"
#include "node/conn/ips.h"

enum {
    TCP_GATHER_CAP = 64 << 10
};

struct tcp {
    struct conn conn; /* first: a struct conn * is a struct tcp * */
    struct conns *all;
    struct secure *secure; /* of node/conn/secure.c; NULL: it speaks plainly */
    struct tcp *next;      /* of conns->first, or of conns->closed */
    struct tcp *prev;
    struct tcp *resumed_next; /* its pause has ended */
    struct buf *rest;   /* read, not yet taken by the carrier; NULL: nothing */
    uint32_t linger_in; /* read and forgotten while closing */
    int fd;             /* -1: closed */
    uint8_t watched;    /* events that are waited for, of epoll */
    bool full;          /* the socket: output waits until it has room */
    bool counted;       /* in conns->first and in the counts */
    bool offering;      /* the carrier looks at `rest`: it stays where it is */
    bool resumed;
    bool backlogged; /* offered nothing until its output is written */
    bool stopped;    /* reading is, because enough waits */
    bool ended;      /* the peer's side has */
    bool shut;       /* our side has */
    bool closed;     /* the socket is; in conns->closed */
};

struct conns {
    uv_loop_t *loop;
    uv_poll_t poll;          /* of the epoll set */
    int epoll;               /* -1: closed */
    struct secures *secures; /* NULL: TLS is not spoken */
    struct core *core;
    struct tcp *first;
    struct tcp *drained; /* conns_drain() goes on here */
    struct tcp *resumed;
    struct tcp *closed;
    struct ips ips;
    size_t len;
    uint64_t most;
    uint8_t read[CONNS_READ_LEN];
    uint8_t gather[TCP_GATHER_CAP];
};

static inline struct tcp *tcp_of(struct conn *conn)
{
    return (struct tcp *)(void *)conn;
}

/* Waits for what the conn now waits for. Errors: ERR_IO. */
int tcp_watch(struct tcp *tcp);
/* The socket has something to read, or its end. */
void tcp_read(struct tcp *tcp);
/* What it said, plain. */
void tcp_take(struct tcp *tcp, struct bytes in);
/* No more comes from it. */
void tcp_on_end(struct tcp *tcp);
/* Before login: limits.hello_in_len, of what came over the socket. */
bool tcp_says_too_much(const struct tcp *tcp);
/* The epoll set, and its place in the loop. Errors: ERR_IO. */
int watch_open(struct conns *conns);
void watch_close(struct conns *conns);
/* More output waits than is good: it is asked nothing before it has read. */
bool tcp_is_backlogged(const struct tcp *tcp);
/* The peer is gone. */
void tcp_break(struct tcp *tcp);
/* Ends the conn if the peer's side has ended and all is answered. */
void tcp_end(struct tcp *tcp);
/* It is offered what waits at the end of the turn. */
void tcp_resume(struct tcp *tcp);
void tcp_resume_all(struct conns *conns);
/* What it said and nobody took is no longer wanted. */
void tcp_forget_rest(struct tcp *tcp);
/* It is closed: leaves the list and the counts, and waits to be freed. */
void tcp_leave(struct tcp *tcp);
/* Gives back those that are closed. */
void tcp_free_closed(struct conns *conns);
/* Ends our side after all is written; the peer then ends its own. */
void tcp_shut(struct tcp *tcp);
void tcp_shut_socket(struct tcp *tcp); /* its second half */

#endif
