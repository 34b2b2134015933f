/* SPDX-License-Identifier: Apache-2.0
 *
 * What the three files of connections share: conns.c (all of them, accepting),
 * conn.c (one: verbs, reading, ending) and conn_write.c (writing).
 */
#ifndef NODE_TCP_H
#define NODE_TCP_H

#include "node/conns.h"
#include "node/ips.h"

enum {
    TCP_GATHER_CAP = 64 << 10
};

/* One write that waits for the socket: the first run of the client's queue,
 * which is marked as begun so that nothing drops it meanwhile. */
struct waiting {
    uv_write_t write;
    size_t len;
};

struct tcp {
    struct conn conn; /* first: a struct conn * is a struct tcp * */
    struct conns *all;
    struct tcp *next;
    struct tcp *prev;
    struct tcp *resumed_next; /* its pause has ended */
    struct buf rest;          /* read, not yet taken by the carrier */
    struct waiting *waiting;  /* NULL: the socket took all so far */
    uint64_t linger_in;       /* read and forgotten while closing */
    bool counted;             /* in the list and in the counts */
    bool offering; /* the carrier looks at `rest`: it stays where it is */
    bool resumed;
    bool backlogged; /* offered nothing until its output is written */
    bool stopped;    /* reading is, because enough waits */
    bool ended;      /* the peer's side has */
    bool shut;       /* our side has */
    bool closed;     /* uv_close() was called */
    uv_tcp_t handle;
};

struct conns {
    uv_loop_t *loop;
    struct core *core;
    struct tcp *first;
    struct tcp *drained; /* conns_drain() goes on here */
    struct tcp *resumed;
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

static inline struct tcp *tcp_of_handle(void *handle)
{
    return (struct tcp *)(void *)((char *)handle -
                                  offsetof(struct tcp, handle));
}

/* Errors: ERR_IO. */
int tcp_read_start(struct tcp *tcp);
/* More output waits than is good: it is asked nothing before it has read. */
bool tcp_is_backlogged(const struct tcp *tcp);
/* Ends the conn if the peer's side has ended and all is answered. */
void tcp_end(struct tcp *tcp);
/* It is offered what waits at the end of the turn. */
void tcp_resume(struct tcp *tcp);
void tcp_resume_all(struct conns *conns);
/* Gives the memory back: it was closed, and forgotten by the lists. */
void tcp_free(struct tcp *tcp);
/* Ends our side after all is written; the peer then ends its own. */
void tcp_shut(struct tcp *tcp);

#endif
