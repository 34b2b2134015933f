/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "node/client/client.h"
#include "node/conn/secure.h"
#include "node/conn/tcp.h"
#include "proto/err.h"

enum {
    EVENTS_MAX = 256, /* of one turn: the others are there in the next one */
};

static_assert((EPOLLIN | EPOLLOUT) <= UINT8_MAX, "tcp->watched holds them");

static void on_ready(uv_poll_t *poll, int status, int events);

int watch_open(struct conns *conns)
{
    conns->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (conns->epoll < 0) {
        return ERR_IO;
    }
    if (uv_poll_init(conns->loop, &conns->poll, conns->epoll) != 0) {
        close(conns->epoll);
        return ERR_IO;
    }
    conns->poll.data = conns;
    int rc = uv_poll_start(&conns->poll, UV_READABLE, on_ready);
    assert(rc == 0); /* it only links a struct that is new */
    return 0;
}

void watch_close(struct conns *conns)
{
    if (conns->epoll >= 0) {
        uv_close((uv_handle_t *)&conns->poll, NULL);
        close(conns->epoll);
        conns->epoll = -1;
    }
}

/* A socket that nothing is waited for is taken out: errors and ends are
 * reported unasked, again and again. */
int tcp_watch(struct tcp *tcp)
{
    bool reads = !tcp->stopped && !tcp->ended;
    uint32_t events = (reads ? (uint32_t)EPOLLIN : 0) |
                      (tcp->full ? (uint32_t)EPOLLOUT : 0);
    struct epoll_event event = {.events = events, .data.ptr = tcp};
    int verb = events == 0         ? EPOLL_CTL_DEL
               : tcp->watched == 0 ? EPOLL_CTL_ADD
                                   : EPOLL_CTL_MOD;

    if (tcp->closed || events == tcp->watched) {
        return 0;
    }
    tcp->watched = (uint8_t)events;
    return epoll_ctl(tcp->all->epoll, verb, tcp->fd, &event) == 0 ? 0 : ERR_IO;
}

static void on_event(struct tcp *tcp, uint32_t events)
{
    if (tcp->closed) { /* by what came before it in this turn */
        return;
    }
    conns_enter(tcp->all);
    if (tcp->full && (events & ~(uint32_t)EPOLLIN) != 0) {
        tcp->full = false; /* it has room, or writing shows what is wrong */
        if (tcp->secure != NULL) {
            secure_flush(tcp);
        }
        if (tcp->conn.client != NULL) {
            client_dirty(tcp->conn.client);
        }
    }
    if (!tcp->closed && (events & ~(uint32_t)EPOLLOUT) != 0 && !tcp->stopped &&
        !tcp->ended) {
        tcp_read(tcp);
    }
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
    struct conns *conns = poll->data;
    struct epoll_event ready[EVENTS_MAX];

    (void)status;
    (void)events;
    int len = epoll_wait(conns->epoll, ready, EVENTS_MAX, 0);
    for (int i = 0; i < len; i++) {
        on_event(ready[i].data.ptr, ready[i].events);
    }
}
