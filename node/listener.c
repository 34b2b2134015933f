/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "node/conns.h"
#include "node/sockaddr.h"
#include "proto/err.h"

enum {
    /* A short backlog makes a herd of clients wait a second for the next SYN;
     * the system cuts this to net.core.somaxconn. */
    BACKLOG = 4096
};

struct listener {
    uv_tcp_t handle;
    struct conns *conns;
    bool loopback;
};

static void on_connection(uv_stream_t *server, int status);
static void on_closed(uv_handle_t *handle);
static int err_of(int rc);

int listener_open(struct listener **listener, uv_loop_t *loop,
                  struct conns *conns, const struct addr *addr)
{
    struct listener *l = calloc(1, sizeof *l);
    struct sockaddr_storage sockaddr;

    if (l == NULL) {
        return ERR_NOMEM;
    }
    int rc = uv_tcp_init(loop, &l->handle);
    if (rc != 0) {
        free(l);
        return ERR_IO;
    }
    l->conns = conns;
    l->loopback = addr_is_loopback(addr);
    sockaddr_write(addr, &sockaddr);
    rc = uv_tcp_bind(&l->handle, (struct sockaddr *)&sockaddr, 0);
    if (rc == 0) {
        rc = uv_listen((uv_stream_t *)&l->handle, BACKLOG, on_connection);
    }
    if (rc != 0) {
        listener_close(l);
        return err_of(rc);
    }
    *listener = l;
    return 0;
}

static int err_of(int rc)
{
    switch (rc) {
    case UV_EADDRINUSE:
        return ERR_CONFLICT;
    case UV_EACCES:
        return ERR_DENIED;
    default:
        return ERR_IO;
    }
}

void listener_close(struct listener *listener)
{
    if (listener != NULL) {
        uv_close((uv_handle_t *)&listener->handle, on_closed);
    }
}

struct addr listener_addr(const struct listener *listener)
{
    struct sockaddr_storage sockaddr = {0};
    int len = sizeof sockaddr;

    (void)uv_tcp_getsockname(&listener->handle, (struct sockaddr *)&sockaddr,
                             &len);
    return sockaddr_read((struct sockaddr *)&sockaddr);
}

/* libuv accepts in a loop and, when the process is out of files, takes and
 * closes what waits with a file it keeps for that; `status` says so, and there
 * is nothing to do. CONNS_FDS_KEPT makes this rare. */
static void on_connection(uv_stream_t *server, int status)
{
    struct listener *listener = (struct listener *)(void *)server;

    if (status == 0) {
        conns_accept(listener->conns, server, listener->loopback);
    }
}

static void on_closed(uv_handle_t *handle)
{
    free(handle);
}
