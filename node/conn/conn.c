/* SPDX-License-Identifier: Apache-2.0 */
#include "node/conn/conn.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "node/client/client.h"
#include "node/conn/secure.h"
#include "node/conn/sockaddr.h"
#include "node/conn/tcp.h"
#include "proto/err.h"

enum {
    LINGER_MS = 2000,        /* conn_finish() to the end, whatever comes */
    LINGER_IN_LEN = 4 << 20, /* read and forgotten meanwhile */
    READS_MAX = 4, /* of one conn in a turn, while they fill the buffer */
};

static void on_linger_due(struct deadline *deadline, uint64_t now_ms);
static void offer(struct tcp *tcp, struct bytes in);

struct addr conn_local(const struct conn *conn)
{
    const struct tcp *tcp = (const struct tcp *)(const void *)conn;
    struct sockaddr_storage sockaddr = {0};
    socklen_t len = sizeof sockaddr;

    if (getsockname(tcp->fd, (struct sockaddr *)&sockaddr, &len) != 0) {
        return (struct addr){0};
    }
    return sockaddr_read((struct sockaddr *)&sockaddr);
}

void conn_set_carrier(struct conn *conn, const struct carrier *carrier,
                      void *state)
{
    conn->carrier = carrier;
    conn->carrier_state = state;
}

static void on_linger_due(struct deadline *deadline, uint64_t now_ms)
{
    (void)now_ms;
    conn_close(conn_of_deadline(deadline));
}

void conn_finish(struct conn *conn)
{
    struct core *core = conn->core;

    if (conn->closing) {
        return;
    }
    conn->closing = true;
    conn->shut_when_empty = true;
    conn->deadline.on_due = on_linger_due;
    if (deadline_set(&core->deadlines, &conn->deadline,
                     core->now_ms + LINGER_MS) != 0) {
        conn_close(conn);
        return;
    }
    if (!tcp_of(conn)->offering) {
        tcp_forget_rest(tcp_of(conn));
    }
    if (conn->client != NULL) {
        client_dirty(conn->client); /* the flush sees that it is empty */
    } else {
        tcp_shut(tcp_of(conn));
    }
}

void conn_close(struct conn *conn)
{
    struct tcp *tcp = tcp_of(conn);

    if (tcp->closed) {
        return;
    }
    tcp->closed = true;
    conn->closing = true;
    if (conn->carrier != NULL) { /* else it is refused and has no deadline */
        (void)deadline_set(&conn->core->deadlines, &conn->deadline,
                           DEADLINE_NEVER);
    }
    close(tcp->fd); /* that takes it out of the epoll set, too */
    tcp->fd = -1;
    tcp_leave(tcp);
}

void conn_pause(struct conn *conn, bool paused)
{
    struct tcp *tcp = tcp_of(conn);

    if (!paused && conn->paused) {
        tcp_resume(tcp);
    }
    conn->paused = paused;
}

void tcp_resume(struct tcp *tcp)
{
    if (!tcp->resumed) {
        tcp->resumed = true;
        tcp->resumed_next = tcp->all->resumed;
        tcp->all->resumed = tcp;
    }
}

/* --- reading
 * --------------------------------------------------------------------- */

/* It is the peer who ends it. */
static void note_cut(struct conn *conn)
{
    if (conn->client != NULL && !conn->client->closing) {
        conn->client->cut = true;
    }
}

/* No more will come. What it asked for may still be taken: some clients end
 * their side right after the request. */
void tcp_on_end(struct tcp *tcp)
{
    tcp->ended = true;
    (void)tcp_watch(tcp);
    if (tcp->shut) {
        conn_close(&tcp->conn);
    } else {
        tcp_end(tcp);
    }
}

/* Whether something that it asked is still to be answered. */
static bool is_owed(const struct tcp *tcp)
{
    const struct conn *conn = &tcp->conn;

    return conn->carrier->answers_after_end &&
           (conn->paused || tcp->backlogged || tcp->resumed ||
            (conn->client != NULL && conn->client->corks != NULL));
}

void tcp_break(struct tcp *tcp)
{
    note_cut(&tcp->conn);
    conn_close(&tcp->conn);
}

void tcp_end(struct tcp *tcp)
{
    struct conn *conn = &tcp->conn;

    if (!tcp->ended || conn->closing || is_owed(tcp)) {
        return;
    }
    note_cut(conn);
    if (conn->client != NULL) {
        client_close(conn->client, 0);
    }
    conn_finish(conn);
}

void tcp_take(struct tcp *tcp, struct bytes in)
{
    struct conn *conn = &tcp->conn;

    if (conn->closing) {
        tcp->linger_in += (uint32_t)in.len;
        if (tcp->linger_in > LINGER_IN_LEN) {
            conn_close(conn);
        }
        return;
    }
    conn->heard_ms = conn->core->now_ms;
    conn->core->stats.bytes_in += in.len;
    offer(tcp, in);
}

/* Bytes of the socket: TLS, or what a carrier reads. */
static void hear(struct tcp *tcp, struct bytes in)
{
    tcp->conn.hello_in += (uint32_t)in.len;
    if (tcp->all->secures == NULL) {
        tcp_take(tcp, in);
        return;
    }
    if (tcp->secure == NULL && secure_begins(tcp, in) &&
        secure_begin(tcp) != 0) {
        conn_close(&tcp->conn);
    } else if (tcp->secure == NULL) {
        tcp_take(tcp, in);
    } else {
        secure_take(tcp, in);
    }
}

void tcp_read(struct tcp *tcp)
{
    uint8_t *to = tcp->all->read;
    ssize_t n = CONNS_READ_LEN;

    for (int i = 0; i < READS_MAX && n == CONNS_READ_LEN; i++) {
        if (tcp->closed || tcp->stopped) {
            return;
        }
        n = recv(tcp->fd, to, CONNS_READ_LEN, 0);
        if (n > 0) {
            hear(tcp, bytes_of(to, (size_t)n));
        } else if (n == 0) {
            tcp_on_end(tcp);
        } else if (errno != EAGAIN && errno != EINTR) {
            tcp_break(tcp);
        }
    }
}

/* Who does not read answers may not go on asking: what waits for it is bounded
 * before it is made, however much was asked in one piece. */
bool tcp_is_backlogged(const struct tcp *tcp)
{
    const struct conn *conn = &tcp->conn;
    const struct limits *limits = &conn->core->limits;
    uint64_t most = conn_is_known(conn) ? limits->out_soft_len
                                        : limits->hello_out_len;

    return conn->client != NULL && conn->client->out.queued > most;
}

static bool may_ask(struct tcp *tcp)
{
    tcp->backlogged = tcp_is_backlogged(tcp);
    return !tcp->backlogged;
}

/* Lets the carrier take from the front of `in`; returns what it left. */
static struct bytes digest(struct conn *conn, struct bytes in)
{
    while (!conn->closing && !conn->paused && may_ask(tcp_of(conn))) {
        const struct carrier *carrier = conn->carrier;
        ptrdiff_t n = carrier->on_bytes(conn, in);
        if (n < 0) {
            conn_finish(conn);
            break;
        }
        in = bytes_skip(in, (size_t)n);
        if ((n == 0 && conn->carrier == carrier) || in.len == 0) {
            break;
        }
    }
    return in;
}

static size_t rest_len(const struct tcp *tcp)
{
    return tcp->rest == NULL ? 0 : tcp->rest->len;
}

void tcp_forget_rest(struct tcp *tcp)
{
    if (tcp->rest != NULL) {
        buf_fini(tcp->rest);
        free(tcp->rest);
        tcp->rest = NULL;
    }
}

bool tcp_says_too_much(const struct tcp *tcp)
{
    const struct conn *conn = &tcp->conn;

    return conn->hello_in > conn->core->limits.hello_in_len &&
           !tcp->backlogged && !conn_is_known(conn);
}

/* A conn that may not keep more stops reading while it is paused; otherwise
 * its carrier waits for something larger than its own bound. */
static void check_bounds(struct tcp *tcp)
{
    struct conn *conn = &tcp->conn;
    bool is_full = rest_len(tcp) > conn->in_max;
    bool waits = conn->paused || tcp->backlogged;

    if (tcp_says_too_much(tcp) || (is_full && !waits)) {
        conn_close(conn);
    } else if (is_full) {
        tcp->stopped = true;
        (void)tcp_watch(tcp);
    }
}

/* Errors: ERR_NOMEM. */
static int keep(struct tcp *tcp, struct bytes in)
{
    if (in.len == 0) {
        return 0;
    }
    if (tcp->rest == NULL) {
        tcp->rest = calloc(1, sizeof *tcp->rest);
    }
    if (tcp->rest == NULL) {
        return ERR_NOMEM;
    }
    buf_add_bytes(tcp->rest, in);
    return tcp->rest->failed ? ERR_NOMEM : 0;
}

static void offer(struct tcp *tcp, struct bytes in)
{
    struct conn *conn = &tcp->conn;
    bool waits = rest_len(tcp) > 0; /* what came before */
    int rc = waits ? keep(tcp, in) : 0;

    tcp->offering = true;
    struct bytes left = digest(conn, waits ? buf_bytes(tcp->rest) : in);
    if (!conn->closing && waits) {
        buf_drop(tcp->rest, tcp->rest->len - left.len);
    } else if (!conn->closing) {
        rc = keep(tcp, left);
    }
    tcp->offering = false;
    if (conn->closing || rest_len(tcp) == 0) {
        tcp_forget_rest(tcp);
    }
    if (rc != 0 && !conn->closing) {
        conn_close(conn);
    }
    if (!conn->closing) {
        check_bounds(tcp);
    }
}

void tcp_resume_all(struct conns *conns)
{
    while (conns->resumed != NULL) {
        struct tcp *tcp = conns->resumed;
        conns->resumed = tcp->resumed_next;
        tcp->resumed = false;
        if (tcp->conn.paused || tcp->conn.closing) {
            continue;
        }
        offer(tcp, (struct bytes){0});
        tcp_end(tcp);
        if (tcp->stopped && rest_len(tcp) <= tcp->conn.in_max &&
            !tcp->conn.closing && !tcp->ended) {
            tcp->stopped = false;
            (void)tcp_watch(tcp);
        }
    }
}
