/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "node/client.h"
#include "node/tcp.h"
#include "proto/err.h"

static void flush_client(struct client *client);

void conns_end_turn(struct conns *conns)
{
    do {
        tcp_resume_all(conns);
        hub_settle(conns->core->hub);
        conns_write(conns->core);
    } while (conns->resumed != NULL);
}

bool conns_have_more(const struct conns *conns)
{
    return conns->resumed != NULL;
}

void conns_write(struct core *core)
{
    while (core->dirty != NULL) {
        struct client *client = core->dirty;
        core->dirty = client->dirty_next;
        client->dirty = false;
        flush_client(client);
    }
}

/* libuv only reads what it writes; its type says otherwise. */
static uv_buf_t buf_of(struct bytes s)
{
    union {
        const uint8_t *from;
        char *to;
    } p = {.from = s.p};
    return uv_buf_init(p.to, (unsigned)s.len);
}

/* Puts runs side by side: small ones are copied together, large ones stay
 * where they are. Returns the number of buffers, their bytes in *total. */
static unsigned gather(struct conns *conns, const struct bytes *iov, size_t len,
                       uv_buf_t *bufs, size_t *total)
{
    unsigned n = 0;
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
            bufs[n - 1].len += iov[i].len;
        } else if (is_small) {
            bufs[n++] = uv_buf_init((char *)conns->gather + used,
                                    (unsigned)iov[i].len);
        } else {
            bufs[n++] = buf_of(iov[i]);
        }
        joins = is_small;
        used += is_small ? iov[i].len : 0;
        *total += iov[i].len;
    }
    return n;
}

static void on_written(uv_write_t *write, int status)
{
    struct waiting *waiting = (struct waiting *)(void *)write;
    struct tcp *tcp = write->data;
    struct client *client = tcp->conn.client;

    conns_enter(tcp->all); /* may write for others, and may close this one */
    tcp->waiting = NULL;
    if (status == 0 && client != NULL && !tcp->closed) {
        client->core->stats.bytes_out += waiting->len;
        outq_taken(&client->out, &client->core->chunks, waiting->len);
        client_dirty(client);
    } else if (!tcp->closed) {
        conn_close(&tcp->conn);
    }
    free(waiting);
}

/* The socket is full: lets libuv write the first run when there is room. Its
 * chunk lives as long as the run stays at the head of the queue. */
static void wait_for_room(struct tcp *tcp, struct client *client)
{
    struct waiting *waiting = malloc(sizeof *waiting);
    struct bytes first;
    uv_buf_t buf;

    if (waiting == NULL || outq_peek(&client->out, &first, 1) == 0) {
        free(waiting);
        conn_close(&tcp->conn);
        return;
    }
    buf = buf_of(first);
    client->out.head_begun = true;
    waiting->len = first.len;
    waiting->write.data = tcp;
    tcp->waiting = waiting;
    if (uv_write(&waiting->write, (uv_stream_t *)&tcp->handle, &buf, 1,
                 on_written) != 0) {
        tcp->waiting = NULL;
        free(waiting);
        conn_close(&tcp->conn);
    }
}

/* Writes until the queue is empty or the socket full. */
static void write_out(struct tcp *tcp, struct client *client)
{
    struct core *core = client->core;
    struct bytes iov[OUTQ_IOV_MAX];
    uv_buf_t bufs[OUTQ_IOV_MAX];

    while (!tcp->closed && tcp->waiting == NULL) {
        size_t total;
        size_t len = outq_peek(&client->out, iov, OUTQ_IOV_MAX);
        if (len == 0) {
            return;
        }
        unsigned n = gather(tcp->all, iov, len, bufs, &total);
        int sent = uv_try_write((uv_stream_t *)&tcp->handle, bufs, n);
        if (sent < 0 && sent != UV_EAGAIN) {
            conn_close(&tcp->conn);
            return;
        }
        if (sent > 0) {
            core->stats.bytes_out += (uint64_t)sent;
            outq_taken(&client->out, &core->chunks, (size_t)sent);
        }
        if (sent < 0 || (size_t)sent < total) {
            wait_for_room(tcp, client);
        }
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
    if (!client_check_slow(client, client->core->now_ms)) {
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

static void on_shut(uv_shutdown_t *request, int status)
{
    struct tcp *tcp = request->data;

    free(request);
    if ((status != 0 || tcp->ended) && !tcp->closed) {
        conn_close(&tcp->conn);
    }
}

/* Ends our side; the peer ends its own, or the linger deadline does. */
void tcp_shut(struct tcp *tcp)
{
    uv_shutdown_t *request;

    if (tcp->shut || tcp->closed) {
        return;
    }
    request = malloc(sizeof *request);
    tcp->shut = true;
    if (request == NULL) {
        conn_close(&tcp->conn);
        return;
    }
    request->data = tcp;
    if (uv_shutdown(request, (uv_stream_t *)&tcp->handle, on_shut) != 0) {
        free(request);
        conn_close(&tcp->conn);
        return;
    }
    if (tcp->stopped) { /* to see the peer's end */
        (void)tcp_read_start(tcp);
    }
}
