/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <sys/socket.h>

#include "node/client/client.h"
#include "node/conn/secure.h"
#include "node/conn/tcp.h"
#include "node/watch/lens.h"
#include "proto/err.h"

static void flush_client(struct client *client);

/* Somebody watches how old items are when they are written. */
static void end_look(struct lens *lens)
{
    uv_timeval64_t wall = {0};
    uint64_t now_us = 0;

    if (lens_has_items(lens)) {
        now_us = uv_hrtime() / 1000;
        uv_gettimeofday(&wall);
    }
    lens_end(lens, now_us,
             (uint64_t)wall.tv_sec * 1000000 + (uint64_t)wall.tv_usec);
}

void conns_end_turn(struct conns *conns)
{
    do {
        tcp_resume_all(conns);
        hub_settle(conns->core->hub);
        conns_write(conns->core);
        if (trace_has_waiting(&conns->core->trace)) {
            trace_written(&conns->core->trace);
        }
        tcp_free_closed(conns);
    } while (conns->resumed != NULL);
    if (conns->core->lens != NULL) {
        end_look(conns->core->lens);
    }
}

bool conns_have_more(const struct conns *conns)
{
    return conns->resumed != NULL;
}

void conns_write(struct core *core)
{
    struct client *client;

    while ((client = clients_next_dirty(core)) != NULL) {
        flush_client(client);
    }
}

/* What is sent is only read; the type says otherwise. */
static struct iovec iovec_of(struct bytes s)
{
    union {
        const uint8_t *from;
        void *to;
    } p = {.from = s.p};
    return (struct iovec){p.to, s.len};
}

/* Puts runs side by side: small ones are copied together, large ones stay
 * where they are. Returns the number of buffers, their bytes in *total. */
static size_t gather(struct conns *conns, const struct bytes *iov, size_t len,
                     struct iovec *bufs, size_t *total)
{
    size_t n = 0;
    size_t used = 0;
    bool joins = false; /* the last buffer is the end of conns->gather */

    *total = 0;
    for (size_t i = 0; i < len; i++) {
        bool is_small = iov[i].len < CONNS_GATHER_LEN;
        if (is_small && used + iov[i].len > TCP_GATHER_CAP) {
            break;
        }
        if (is_small) {
            memcpy(conns->gather + used, iov[i].p, iov[i].len);
        }
        if (is_small && joins) {
            bufs[n - 1].iov_len += iov[i].len;
        } else if (is_small) {
            bufs[n++] = (struct iovec){conns->gather + used, iov[i].len};
        } else {
            bufs[n++] = iovec_of(iov[i]);
        }
        joins = is_small;
        used += is_small ? iov[i].len : 0;
        *total += iov[i].len;
    }
    return n;
}

/* Returns what the socket took, 0 when it is full; or < 0, it is broken. */
static ssize_t send_bufs(int fd, struct iovec *bufs, size_t len)
{
    struct msghdr message = {.msg_iov = bufs, .msg_iovlen = len};
    ssize_t sent = len == 1 ? send(fd, bufs[0].iov_base, bufs[0].iov_len,
                                   MSG_NOSIGNAL)
                            : sendmsg(fd, &message, MSG_NOSIGNAL);

    return sent < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : sent;
}

/* Sends from the front of what waits; returns how many bytes, or < 0. */
static ssize_t send_plain(struct tcp *tcp, const struct bytes *iov, size_t len)
{
    struct iovec bufs[OUTQ_IOV_MAX];
    size_t total;
    size_t n = gather(tcp->all, iov, len, bufs, &total);
    ssize_t sent = send_bufs(tcp->fd, bufs, n);

    tcp->full = sent >= 0 && (size_t)sent < total;
    return sent;
}

static bool pump(struct conn *conn)
{
    return conn->carrier->pump != NULL && conn->carrier->pump(conn);
}

/* Writes until the queue is empty or the socket full. */
static void write_out(struct tcp *tcp, struct client *client)
{
    struct core *core = client->core;
    struct bytes iov[OUTQ_IOV_MAX];

    while (!tcp->full) {
        size_t len = outq_peek(&client->out, iov, OUTQ_IOV_MAX);
        if (len == 0 && pump(&tcp->conn)) {
            continue;
        }
        if (len == 0) {
            break;
        }
        ssize_t sent = tcp->secure == NULL ? send_plain(tcp, iov, len)
                                           : secure_send(tcp, iov, len);
        if (sent < 0) {
            tcp_break(tcp);
            return;
        }
        core->stats.bytes_out += (uint64_t)sent;
        outq_taken(&client->out, &core->chunks, (size_t)sent);
    }
    if (tcp_watch(tcp) != 0) {
        conn_close(&tcp->conn);
    }
}

static void flush_client(struct client *client)
{
    struct conn *conn = client->conn;
    struct tcp *tcp = tcp_of(conn);
    const struct limits *limits = &client->core->limits;

    if (tcp->closed || tcp->shut) {
        return;
    }
    write_out(tcp, client);
    if (tcp->closed) {
        return;
    }
    if (conn->bounds_hello_out && !conn_is_known(conn) &&
        client->out.queued > limits->hello_out_len) {
        conn_close(conn);
        return;
    }
    if (conn->carrier->on_flushed != NULL) {
        conn->carrier->on_flushed(conn);
    } else if (!client_check_slow(client, client->core->now_ms)) {
        client_close(client, ERR_SLOW);
    }
    if (tcp->backlogged && !tcp_is_backlogged(tcp)) {
        tcp_resume(tcp);
    }
    tcp_end(tcp);
    if (conn->shut_when_empty && outq_is_empty(&client->out)) {
        tcp_shut(tcp);
    }
}

/* Ends our side; the peer ends its own, or the linger deadline does. */
void tcp_shut(struct tcp *tcp)
{
    if (tcp->shut || tcp->closed) {
        return;
    }
    tcp->shut = true;
    if (tcp->secure == NULL || secure_end(tcp)) {
        tcp_shut_socket(tcp);
    }
}

void tcp_shut_socket(struct tcp *tcp)
{
    if (tcp->ended || shutdown(tcp->fd, SHUT_WR) != 0) {
        conn_close(&tcp->conn);
    } else if (tcp->stopped) { /* to see the peer's end */
        tcp->stopped = false;
        (void)tcp_watch(tcp);
    }
}
