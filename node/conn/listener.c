/* SPDX-License-Identifier: Apache-2.0
 *
 * Accepts by itself instead of through uv_listen(), which has no way to pause:
 * out of files it would call back for ever.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "node/conn/conns.h"
#include "node/conn/sockaddr.h"
#include "node/conn/tcp.h"
#include "node/core.h"
#include "proto/err.h"

enum {
    /* A short backlog makes a herd of clients wait a second for the next SYN;
     * the system cuts this to net.core.somaxconn. */
    BACKLOG = 4096,
    ACCEPTS_MAX = 128, /* of one turn: those who are here wait, too */
    /* What a reader has not asked for yet waits here, where our bounds see it,
     * rather than in the kernel: up to 4 MiB each, and when all sockets of the
     * machine have too much, all of them stand still. */
    UNSENT_LEN = 64 << 10,
    KEEPALIVE_S = 60,   /* an idle peer that vanished ... */
    PROBES = 10,        /* ... is asked so often, each second */
    UNACKED_MS = 60000, /* a peer that vanished with our bytes */
};

struct listener {
    uv_poll_t poll;
    uv_timer_t pause;
    int fd;
    unsigned open; /* handles */
    struct conns *conns;
    bool loopback;
    bool admin;
};

static int listening_socket(const struct addr *addr, enum listener_kind kind,
                            int *fd);
static int bind_and_listen(int fd, const struct sockaddr_storage *where,
                           enum listener_kind kind);
static void on_readable(uv_poll_t *poll, int status, int events);
static bool may_go_on(struct listener *listener, int error);
static void on_pause_end(uv_timer_t *timer);
static void on_closed(uv_handle_t *handle);
static int err_of(int error);

int listener_open(struct listener **listener, uv_loop_t *loop,
                  struct conns *conns, const struct addr *addr,
                  enum listener_kind kind)
{
    struct listener *l = calloc(1, sizeof *l);

    if (l == NULL) {
        return ERR_NOMEM;
    }
    int rc = listening_socket(addr, kind, &l->fd);
    if (rc == 0 && uv_poll_init(loop, &l->poll, l->fd) != 0) {
        close(l->fd);
        rc = ERR_IO;
    }
    if (rc != 0) {
        free(l);
        return rc;
    }
    uv_timer_init(loop, &l->pause);
    l->open = 2;
    l->poll.data = l;
    l->pause.data = l;
    l->conns = conns;
    l->loopback = addr_is_loopback(addr);
    l->admin = kind == LISTENER_ADMIN;
    if (uv_poll_start(&l->poll, UV_READABLE, on_readable) != 0) {
        listener_close(l);
        return ERR_IO;
    }
    *listener = l;
    return 0;
}

static int listening_socket(const struct addr *addr, enum listener_kind kind,
                            int *fd)
{
    struct sockaddr_storage where = {0};

    sockaddr_write(addr, &where);
    *fd = socket(where.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
                 0);
    if (*fd < 0) {
        return ERR_IO;
    }
    int rc = bind_and_listen(*fd, &where, kind) == 0 ? 0 : err_of(errno);
    if (rc != 0) {
        close(*fd);
    }
    return rc;
}

/* What an accepted socket inherits need not be said of each. */
static int set_inherited(int fd)
{
    static const struct {
        int level, name, value;
    } options[] = {
        {IPPROTO_TCP, TCP_NODELAY, 1},
        {IPPROTO_TCP, TCP_NOTSENT_LOWAT, UNSENT_LEN},
        {SOL_SOCKET, SO_KEEPALIVE, 1},
        {IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_S},
        {IPPROTO_TCP, TCP_KEEPINTVL, 1},
        {IPPROTO_TCP, TCP_KEEPCNT, PROBES},
        {IPPROTO_TCP, TCP_USER_TIMEOUT, UNACKED_MS},
    };
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < ARRAY_LEN(options); i++) {
        rc = setsockopt(fd, options[i].level, options[i].name,
                        &options[i].value, sizeof options[i].value);
    }
    return rc;
}

/* The first one of a shared port takes it alone and shares it afterwards: a
 * port that anybody listens on, shared or not, is taken. Were it shared before,
 * a second program of this user would get half of the connections. */
static int bind_and_listen(int fd, const struct sockaddr_storage *where,
                           enum listener_kind kind)
{
    const int on = 1;
    socklen_t len = where->ss_family == AF_INET ? sizeof(struct sockaddr_in)
                                                : sizeof(struct sockaddr_in6);
    int rc = setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);

    if (rc == 0 && kind == LISTENER_NEXT) {
        rc = setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    }
    if (rc == 0) {
        rc = bind(fd, (const struct sockaddr *)where, len);
    }
    if (rc == 0) {
        rc = set_inherited(fd);
    }
    if (rc == 0) {
        rc = listen(fd, BACKLOG);
    }
    if (rc == 0 && kind == LISTENER_FIRST) {
        rc = setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    }
    return rc;
}

static int err_of(int error)
{
    switch (error) {
    case EADDRINUSE:
        return ERR_CONFLICT;
    case EACCES:
        return ERR_DENIED;
    default:
        return ERR_IO;
    }
}

void listener_close(struct listener *listener)
{
    if (listener != NULL) {
        uv_close((uv_handle_t *)&listener->poll, on_closed);
        uv_close((uv_handle_t *)&listener->pause, on_closed);
        close(listener->fd); /* no longer watched */
        listener->fd = -1;
    }
}

struct addr listener_addr(const struct listener *listener)
{
    struct sockaddr_storage where = {0};
    socklen_t len = sizeof where;

    (void)getsockname(listener->fd, (struct sockaddr *)&where, &len);
    return sockaddr_read((struct sockaddr *)&where);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct listener *listener = poll->data;

    (void)events;
    for (int i = 0; status == 0 && i < ACCEPTS_MAX; i++) {
        int fd = accept4(listener->fd, NULL, NULL,
                         SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            conns_accept(listener->conns, fd, listener->loopback,
                         listener->admin);
        } else if (!may_go_on(listener, errno)) {
            break;
        }
    }
}

/* Whether the next one may be tried; else all are taken, or it must wait. */
static bool may_go_on(struct listener *listener, int error)
{
    if (error == EAGAIN || error == EWOULDBLOCK) {
        return false;
    }
    if (error != EMFILE && error != ENFILE && error != ENOBUFS &&
        error != ENOMEM) {
        return true; /* that one has gone (accept(2)) */
    }
    listener->conns->core->stats.accept_pauses++;
    uv_poll_stop(&listener->poll);
    uv_timer_start(&listener->pause, on_pause_end, LISTENER_PAUSE_MS, 0);
    return false;
}

static void on_pause_end(uv_timer_t *timer)
{
    struct listener *listener = timer->data;

    (void)uv_poll_start(&listener->poll, UV_READABLE, on_readable);
}

static void on_closed(uv_handle_t *handle)
{
    struct listener *listener = handle->data;

    if (--listener->open == 0) {
        free(listener);
    }
}
