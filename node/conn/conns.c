/* SPDX-License-Identifier: Apache-2.0 */
#include "node/conn/conns.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "node/client/client.h"
#include "node/conn/secure.h"
#include "node/conn/sockaddr.h"
#include "node/conn/tcp.h"
#include "node/watch/lens.h"
#include "proto/err.h"

static uint64_t files_left(const struct core *core);
static struct tcp *tcp_new(struct conns *conns);
static int admit(struct tcp *tcp);

int conns_open(struct conns **conns, uv_loop_t *loop, struct core *core)
{
    struct conns *all = calloc(1, sizeof *all);

    if (all == NULL) {
        return ERR_NOMEM;
    }
    all->loop = loop;
    all->core = core;
    all->ips.key = core->hash_key;
    conns_bound(all);
    if (watch_open(all) != 0) {
        free(all);
        return ERR_IO;
    }
    core->flush = conns_write;
    *conns = all;
    return 0;
}

void conns_bound(struct conns *conns)
{
    uint64_t files = files_left(conns->core);
    uint64_t wanted = conns->core->limits.conns;

    conns->most = wanted < files ? wanted : files;
}

void conns_free(struct conns *conns)
{
    assert(conns->len == 0);
    assert(conns->epoll < 0);
    ips_fini(&conns->ips);
    secures_free(conns);
    free(conns);
}

/* Its part of those of the process, less what each needs for itself. */
static uint64_t files_left(const struct core *core)
{
    static const rlim_t kept = CONNS_FDS_KEPT;
    rlim_t workers = core->workers > 1 ? core->workers : 1;
    struct rlimit files;

    if (getrlimit(RLIMIT_NOFILE, &files) != 0) {
        return UINT64_MAX;
    }
    files.rlim_cur = files.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &files);
    (void)getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur /= workers;
    return files.rlim_cur > 2 * kept ? files.rlim_cur - kept
                                     : files.rlim_cur / 2;
}

void conns_enter(const struct conns *conns)
{
    uint64_t now_ms = uv_now(conns->loop);
    uv_timeval64_t wall = {0};
    struct lens *lens = conns->core->lens;

    if (lens != NULL && lens_is_idle(lens)) {
        lens_begin(lens, uv_hrtime() / 1000);
    }
    if (now_ms != conns->core->now_ms) {
        uv_gettimeofday(&wall);
        core_turn(conns->core, now_ms,
                  (uint64_t)wall.tv_sec * 1000 + (uint64_t)wall.tv_usec / 1000);
    }
}

void conns_accept(struct conns *conns, int fd, bool loopback, bool admin)
{
    struct core *core = conns->core;
    struct tcp *tcp = tcp_new(conns);

    if (tcp == NULL) {
        core->stats.conns_refused++;
        close(fd);
        return;
    }
    conns_enter(conns);
    tcp->conn.loopback = loopback;
    tcp->conn.admin = admin;
    tcp->conn.opened_ms = core->now_ms;
    tcp->conn.heard_ms = core->now_ms;
    tcp->fd = fd;
    if (admit(tcp) != 0) {
        core->stats.conns_refused++;
        conn_close(&tcp->conn);
        return;
    }
    core->stats.conns_opened++;
    core->stats.conns = conns->len;
    sniff_begin(&tcp->conn);
    if (tcp_watch(tcp) != 0) {
        conn_close(&tcp->conn);
    }
}

static struct tcp *tcp_new(struct conns *conns)
{
    struct tcp *tcp = calloc(1, sizeof *tcp);

    if (tcp != NULL) {
        tcp->conn.core = conns->core;
        tcp->all = conns;
    }
    return tcp;
}

/* Checks the bounds and counts it. */
static int admit(struct tcp *tcp)
{
    struct conns *conns = tcp->all;
    struct sockaddr_storage peer;
    socklen_t len = sizeof peer;

    if (conns->len >= conns->most ||
        getpeername(tcp->fd, (struct sockaddr *)&peer, &len) != 0) {
        return ERR_LIMIT;
    }
    tcp->conn.remote = sockaddr_read((struct sockaddr *)&peer);
    int rc = ips_add(&conns->ips, &tcp->conn.remote,
                     conns->core->limits.conns_per_ip);
    if (rc != 0) {
        return rc;
    }
    tcp->counted = true;
    tcp->next = conns->first;
    if (conns->first != NULL) {
        conns->first->prev = tcp;
    }
    conns->first = tcp;
    conns->len++;
    return 0;
}

static void uncount(struct tcp *tcp)
{
    struct conns *conns = tcp->all;

    if (conns->drained == tcp) {
        conns->drained = tcp->next;
    }
    if (tcp->prev != NULL) {
        tcp->prev->next = tcp->next;
    } else {
        conns->first = tcp->next;
    }
    if (tcp->next != NULL) {
        tcp->next->prev = tcp->prev;
    }
    ips_remove(&conns->ips, &tcp->conn.remote);
    conns->len--;
    conns->core->stats.conns = conns->len;
}

static void forget_resumed(struct tcp *tcp)
{
    struct tcp **link = &tcp->all->resumed;

    while (*link != tcp) {
        link = &(*link)->resumed_next;
    }
    *link = tcp->resumed_next;
}

void tcp_leave(struct tcp *tcp)
{
    if (tcp->counted) {
        uncount(tcp);
    }
    tcp->next = tcp->all->closed;
    tcp->all->closed = tcp;
}

static void free_one(struct tcp *tcp)
{
    struct conn *conn = &tcp->conn;

    if (conn->carrier != NULL) {
        conn->carrier->on_close(conn);
        /* A carrier may have set it after the close. */
        (void)deadline_set(&conn->core->deadlines, &conn->deadline,
                           DEADLINE_NEVER);
    }
    if (tcp->resumed) {
        forget_resumed(tcp);
    }
    tcp_forget_rest(tcp);
    secure_free(tcp);
    free(tcp);
}

void tcp_free_closed(struct conns *conns)
{
    while (conns->closed != NULL) {
        struct tcp *tcp = conns->closed;
        conns->closed = tcp->next;
        free_one(tcp);
    }
}

/* Whether it had not heard it before. */
static bool say_goodbye(struct conn *conn)
{
    if (conn->closing || conn->shut_when_empty ||
        (conn->client != NULL && conn->client->closing)) {
        return false;
    }
    if (conn->client != NULL) {
        client_close(conn->client, ERR_CLOSING);
    } else {
        conn_finish(conn);
    }
    return true;
}

size_t conns_drain(struct conns *conns, size_t most)
{
    size_t told = 0;

    if (conns->drained == NULL) {
        conns->drained = conns->first;
    }
    while (told < most && conns->drained != NULL) {
        struct conn *conn = &conns->drained->conn;
        conns->drained = conns->drained->next;
        told += say_goodbye(conn);
    }
    return conns->len;
}

void conns_close(struct conns *conns)
{
    while (conns->first != NULL) {
        conn_close(&conns->first->conn);
    }
    tcp_free_closed(conns);
    watch_close(conns);
    secures_close(conns);
}

size_t conns_len(const struct conns *conns)
{
    return conns->len;
}
