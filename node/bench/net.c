/* SPDX-License-Identifier: Apache-2.0 */
#include "node/bench/net.h"

#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "node/bench/code.h"
#include "node/bench/progress.h"
#include "node/cli/cli.h"
#include "node/conn/tls.h"
#include "proto/err.h"

enum {
    READ_LEN = 256 << 10,
    EVENTS = 256,
    OPENING_MAX = 100, /* at a time: not more than a short backlog takes */
    OPEN_MS = 5000,    /* without any progress */
    TURN_NS = 100000000,
    FILES_MORE = 32, /* standard ones, epoll, /proc, /metrics */
    OTHER_MAX = 1 << 20
};

uint64_t bench_now_ns(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

int bench_fail(int exit_code, const char *format, ...)
{
    va_list args;

    bench_progress_end();
    fputs("starling bench: ", stderr);
    va_start(args, format);
    (void)vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    return exit_code;
}

/* --- life --- */

static int raise_files(size_t files)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return CLI_OK;
    }
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_max < files + FILES_MORE) {
        return bench_fail(CLI_REFUSED,
                          "%zu connections need %zu files, and this process "
                          "may open %lu: see `ulimit -Hn`",
                          files, files + FILES_MORE,
                          (unsigned long)limit.rlim_max);
    }
    return CLI_OK;
}

static void add_layout(struct bench_net *net)
{
    struct bench_layout *layout = &net->scan.layout;
    size_t size = net->options->size;

    layout->head.max = layout->tail.max = 2 * BENCH_SIZE_MAX;
    net->options->door->layout(size > 0 ? size : BENCH_MARK_LEN, layout);
}

int bench_net_init(struct bench_net *net, const struct bench_options *options,
                   size_t files)
{
    struct timespec t;

    net->options = options;
    int exit_code = raise_files(files);
    if (exit_code != CLI_OK) {
        return exit_code;
    }
    (void)prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0);
    (void)clock_gettime(CLOCK_REALTIME, &t);
    net->scan.topic_base = (uint32_t)t.tv_nsec * 2654435761u ^
                           (uint32_t)t.tv_sec;
    add_layout(net);
    net->in_len = READ_LEN + 2 * (size_t)options->size + OTHER_MAX;
    net->in = malloc(net->in_len);
    net->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (net->in == NULL || net->epoll < 0 || net->scan.layout.tail.failed) {
        return bench_fail(CLI_INTERNAL, "%s", err_text(ERR_NOMEM));
    }
    return CLI_OK;
}

void bench_net_fini(struct bench_net *net)
{
    bench_scan_fini(&net->scan);
    free(net->in);
    free(net->sealed);
    if (net->epoll > 0) {
        close(net->epoll);
    }
}

void bench_net_close(struct bench_conn *conns, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (conns[i].fd > 0) {
            close(conns[i].fd);
        }
        tls_free(conns[i].tls);
        buf_fini(&conns[i].sealed);
        buf_fini(&conns[i].rest);
        buf_fini(&conns[i].raw);
        buf_fini(&conns[i].out);
    }
}

/* --- what goes wrong --- */

static const struct bench_door *door_of(const struct bench_net *net,
                                        const struct bench_conn *conn)
{
    return conn->subscriber ? net->options->door
                            : bench_publisher_door(net->options);
}

static const char *kind(const struct bench_conn *conn)
{
    return conn->subscriber ? "subscriber" : "publisher";
}

static int lost(const struct bench_conn *conn)
{
    return bench_fail(conn->state < BENCH_READY ? CLI_UNREACHABLE : CLI_REFUSED,
                      "%s closed the connection of %s %u",
                      conn->talk.url->authority, kind(conn), conn->number);
}

/* What a door made of it. */
static int refused(const struct bench_net *net, const struct bench_conn *conn,
                   int err)
{
    const char *why = conn->talk.why;

    if (err == ERR_UNAUTH || err == ERR_DENIED || err == ERR_EXPIRED) {
        return bench_fail(CLI_NOT_PERMITTED,
                          "%s: %s (%s); the token is STARLING_TOKEN",
                          conn->talk.url->authority, err_text(err), why);
    }
    if (err == ERR_SYNTAX) {
        return bench_fail(CLI_REFUSED, "%s does not speak %s as expected: '%s'",
                          conn->talk.url->authority, door_of(net, conn)->name,
                          why);
    }
    return bench_fail(CLI_REFUSED, "%s refused %s %u: %s",
                      conn->talk.url->authority, kind(conn), conn->number,
                      why[0] != '\0' ? why : err_text(err));
}

/* --- one connection --- */

static int watch(struct bench_net *net, struct bench_conn *conn, int op,
                 bool write)
{
    struct epoll_event event = {.events = EPOLLIN | (write ? EPOLLOUT : 0u),
                                .data.ptr = conn};

    conn->waits_to_write = write;
    return epoll_ctl(net->epoll, op, conn->fd, &event) == 0
               ? CLI_OK
               : bench_fail(CLI_INTERNAL, "epoll: %s", strerror(errno));
}

/* How many bytes the socket took; -1: it is broken. */
static ptrdiff_t write_raw(const struct bench_conn *conn, struct bytes bytes)
{
    size_t done = 0;

    while (done < bytes.len) {
        ssize_t n = send(conn->fd, bytes.p + done, bytes.len - done,
                         MSG_NOSIGNAL);
        if (n >= 0) {
            done += (size_t)n;
        } else if (errno == EAGAIN) {
            break;
        } else if (errno != EINTR) {
            return -1;
        }
    }
    return (ptrdiff_t)done;
}

/* Sends what is sealed, as far as the socket takes it. */
static int write_sealed(struct bench_conn *conn)
{
    ptrdiff_t n = write_raw(conn, buf_bytes(&conn->sealed));

    if (n < 0) {
        return -1;
    }
    buf_drop(&conn->sealed, (size_t)n);
    return 0;
}

/* How many bytes are on their way; -1: it is broken. */
static ptrdiff_t write_some(struct bench_conn *conn, struct bytes bytes)
{
    if (conn->tls == NULL) {
        return write_raw(conn, bytes);
    }
    if (write_sealed(conn) != 0) {
        return -1;
    }
    if (conn->sealed.len > 0 || bytes.len == 0) {
        return 0;
    }
    return tls_write(conn->tls, bytes, &conn->sealed) == 0 &&
                   write_sealed(conn) == 0
               ? (ptrdiff_t)bytes.len
               : -1;
}

static bool has_more(const struct bench_conn *conn)
{
    return conn->out.len > 0 || conn->sealed.len > 0;
}

static int flush(struct bench_net *net, struct bench_conn *conn)
{
    ptrdiff_t n = write_some(conn, buf_bytes(&conn->out));

    if (n < 0) {
        return lost(conn);
    }
    buf_drop(&conn->out, (size_t)n);
    if (conn->waits_to_write != has_more(conn)) {
        return watch(net, conn, EPOLL_CTL_MOD, has_more(conn));
    }
    return CLI_OK;
}

int bench_net_send(struct bench_net *net, struct bench_conn *conn,
                   struct bytes bytes)
{
    ptrdiff_t n = conn->out.len > 0 ? 0 : write_some(conn, bytes);

    if (n < 0) {
        return lost(conn);
    }
    if ((size_t)n == bytes.len && conn->sealed.len == 0) {
        return CLI_OK;
    }
    buf_add_bytes(&conn->out, bytes_skip(bytes, (size_t)n));
    if (conn->out.failed) {
        return bench_fail(CLI_INTERNAL, "%s", err_text(ERR_NOMEM));
    }
    return conn->waits_to_write ? CLI_OK
                                : watch(net, conn, EPOLL_CTL_MOD, true);
}

int bench_net_flush(struct bench_net *net, struct bench_conn *conn)
{
    if (conn->out.failed) {
        return bench_fail(CLI_INTERNAL, "%s", err_text(ERR_NOMEM));
    }
    return has_more(conn) && !conn->waits_to_write ? flush(net, conn) : CLI_OK;
}

/* A client that asked and was answered before it subscribed is taken for one
 * that will answer each thing it hears, so the kernel holds its
 * acknowledgements back and the server keeps what it sent: on loopback, where a
 * segment has 64 KiB, for as long as the next batch. Over a network, where the
 * second segment is acknowledged at once, this makes no difference. */
static void listen_only(const struct bench_conn *conn)
{
    const int on = 1;

    if (conn->topics > 0) {
        (void)setsockopt(conn->fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof on);
    }
}

/* Goes on with opening as far as what was heard allows. */
static int go_on(struct bench_net *net, struct bench_conn *conn)
{
    if (conn->state == BENCH_GREETING && conn->talk.greeted) {
        for (uint32_t i = 0; i < conn->topics; i++) {
            door_of(net, conn)->subscribe(&conn->talk, net->scan.topic_base +
                                                           conn->topic + i);
        }
        conn->state = BENCH_SUBSCRIBING;
    }
    if (conn->state == BENCH_SUBSCRIBING && conn->talk.acks >= conn->topics) {
        conn->state = BENCH_READY;
        net->ready++;
        listen_only(conn);
    }
    return bench_net_flush(net, conn);
}

static int shake(struct bench_net *net, struct bench_conn *conn);
static int greet(struct bench_net *net, struct bench_conn *conn);

static int connected(struct bench_net *net, struct bench_conn *conn)
{
    int error = 0;
    socklen_t len = sizeof error;

    if (getsockopt(conn->fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0 ||
        error != 0) {
        return bench_fail(CLI_UNREACHABLE, "%s: %s", conn->talk.url->authority,
                          strerror(error));
    }
    conn->waits_to_write = false;
    int exit_code = conn->tls != NULL ? shake(net, conn) : greet(net, conn);
    if (exit_code == CLI_OK && !conn->waits_to_write) {
        exit_code = watch(net, conn, EPOLL_CTL_MOD, false);
    }
    return exit_code;
}

/* Says hello; the rest happens while it reads. */
static int shake(struct bench_net *net, struct bench_conn *conn)
{
    struct bytes none = {0};

    conn->state = BENCH_SHAKING;
    if (net->sealed == NULL) {
        net->sealed = malloc(READ_LEN);
    }
    if (net->sealed == NULL ||
        tls_read(conn->tls, &none, net->in, 1, &conn->sealed) < 0) {
        return bench_fail(CLI_INTERNAL, "%s", err_text(ERR_NOMEM));
    }
    return flush(net, conn);
}

static int greet(struct bench_net *net, struct bench_conn *conn)
{
    conn->state = BENCH_GREETING;
    door_of(net, conn)->greet(&conn->talk);
    return go_on(net, conn);
}

/* --- reading --- */

/* Takes all answers that look like the one of `len` bytes before `in`. */
static size_t take_same(struct bench_talk *talk, struct bytes in, size_t len)
{
    size_t taken = 0;

    while (in.len - taken >= len &&
           memcmp(in.p + taken, in.p + taken - len, len) == 0) {
        talk->answers++;
        taken += len;
    }
    return taken;
}

/* One thing that is no delivery, and its like. */
static int take_other(struct bench_net *net, struct bench_conn *conn,
                      struct bytes *in, bool *more)
{
    uint64_t answers = conn->talk.answers;
    ptrdiff_t n = door_of(net, conn)->take(&conn->talk, *in);

    *more = n == 0;
    if (n < 0) {
        return refused(net, conn, (int)n);
    }
    *in = bytes_skip(*in, (size_t)n);
    if (conn->talk.answers > answers) {
        *in = bytes_skip(*in, take_same(&conn->talk, *in, (size_t)n));
    }
    return conn->state < BENCH_READY || conn->out.len > 0 ? go_on(net, conn)
                                                          : CLI_OK;
}

static int take(struct bench_net *net, struct bench_conn *conn,
                struct bytes *in)
{
    int exit_code = CLI_OK;
    bool more = false;

    while (in->len > 0 && !more && exit_code == CLI_OK) {
        bool other = true;
        if (conn->reader.next != NULL && conn->state >= BENCH_SUBSCRIBING) {
            size_t n = bench_scan_take(&net->scan, &conn->reader, *in, &other);
            *in = bytes_skip(*in, n);
            more = !other;
        }
        if (other && in->len > 0) {
            exit_code = take_other(net, conn, in, &more);
        }
    }
    return exit_code;
}

/* Opens what came. *plain: 0 if there is nothing but words of TLS. */
static int open_some(struct bench_net *net, struct bench_conn *conn,
                     struct bytes sealed, size_t *plain)
{
    uint8_t *to = net->in + conn->rest.len + conn->raw.len;
    size_t cap = net->in_len - conn->rest.len - conn->raw.len;
    ptrdiff_t n;

    *plain = 0;
    do {
        n = tls_read(conn->tls, &sealed, to + *plain, cap - *plain,
                     &conn->sealed);
        *plain += n > 0 ? (size_t)n : 0;
    } while (n > 0);
    if (n < 0) {
        return bench_fail(CLI_UNREACHABLE, "%s: TLS: %s",
                          conn->talk.url->authority, tls_why(conn->tls));
    }
    if (conn->state == BENCH_SHAKING && tls_is_shaken(conn->tls)) {
        return greet(net, conn);
    }
    return conn->sealed.len > 0 ? flush(net, conn) : CLI_OK;
}

/* What was read becomes what it carries, behind the `rest` bytes before. */
static int unwrap(struct bench_net *net, struct bench_conn *conn, size_t rest,
                  struct bytes raw, struct bytes *in)
{
    const struct bench_door *door = door_of(net, conn);
    size_t len = raw.len;

    if (door->unwrap != NULL) {
        ptrdiff_t n = door->unwrap(&conn->talk, raw, net->in + rest, &len);
        if (n < 0) {
            return refused(net, conn, (int)n);
        }
        buf_reset(&conn->raw);
        buf_add_bytes(&conn->raw, bytes_skip(raw, (size_t)n));
    }
    *in = bytes_of(net->in, rest + len);
    return bench_net_flush(net, conn);
}

static int read_some(struct bench_net *net, struct bench_conn *conn)
{
    size_t rest = conn->rest.len;
    size_t before = rest + conn->raw.len;
    struct bytes in;

    if (before > net->in_len / 2) {
        return bench_fail(CLI_REFUSED, "%s sent something longer than expected",
                          conn->talk.url->authority);
    }
    memcpy(net->in, conn->rest.p == NULL ? net->in : conn->rest.p, rest);
    if (conn->raw.len > 0) {
        memcpy(net->in + rest, conn->raw.p, conn->raw.len);
    }
    bool plain = conn->tls == NULL;
    ssize_t n = recv(conn->fd, plain ? net->in + before : net->sealed,
                     plain ? net->in_len - before : READ_LEN, 0);
    if (n <= 0) {
        return n < 0 && (errno == EAGAIN || errno == EINTR) ? CLI_OK
                                                            : lost(conn);
    }
    size_t came = (size_t)n;
    if (!plain) {
        int exit_code = open_some(net, conn, bytes_of(net->sealed, came),
                                  &came);
        if (exit_code != CLI_OK || came == 0) {
            return exit_code;
        }
    }
    if (net->scan.schedule.rate > 0) {
        net->scan.now_ns = bench_now_ns();
    }
    net->heard += (uint64_t)n;
    int exit_code = unwrap(net, conn, rest,
                           bytes_of(net->in + rest, before - rest + came), &in);
    if (exit_code == CLI_OK) {
        exit_code = take(net, conn, &in);
        buf_reset(&conn->rest);
        buf_add_bytes(&conn->rest, in);
    }
    if (conn->rest.failed || conn->raw.failed) {
        return bench_fail(CLI_INTERNAL, "%s", err_text(ERR_NOMEM));
    }
    if (net->on_read != NULL && exit_code == CLI_OK) {
        net->on_read(net->data, conn);
    }
    return exit_code;
}

static int on_event(struct bench_net *net, const struct epoll_event *event)
{
    struct bench_conn *conn = event->data.ptr;
    int exit_code = CLI_OK;

    if (conn->state == BENCH_CONNECTING) {
        return connected(net, conn);
    }
    if ((event->events & EPOLLOUT) != 0) {
        exit_code = flush(net, conn);
    }
    if (exit_code == CLI_OK && (event->events & ~(uint32_t)EPOLLOUT) != 0) {
        exit_code = read_some(net, conn);
    }
    return exit_code;
}

int bench_net_turn(struct bench_net *net, uint64_t wait_ns)
{
    struct epoll_event events[EVENTS];
    const struct timespec wait = {.tv_sec = (time_t)(wait_ns / 1000000000u),
                                  .tv_nsec = (long)(wait_ns % 1000000000u)};
    int exit_code = CLI_OK;
    int n = epoll_pwait2(net->epoll, events, EVENTS, &wait, NULL);

    for (int i = 0; i < n && exit_code == CLI_OK; i++) {
        exit_code = on_event(net, &events[i]);
    }
    return exit_code;
}

/* --- opening --- */

static int begin(struct bench_net *net, const struct bench_place *place,
                 struct bench_conn *conn)
{
    struct link link;
    int rc = link_begin(&link, &place->url);

    if (rc != 0) {
        return bench_fail(CLI_UNREACHABLE, "%s: %s", place->url.authority,
                          strerror(errno));
    }
    conn->fd = link.fd;
    conn->tls = link.tls;
    conn->talk.url = &place->url;
    conn->talk.token = net->options->token;
    conn->talk.out = &conn->out;
    return watch(net, conn, EPOLL_CTL_ADD, true);
}

int bench_net_open(struct bench_net *net, struct bench_place *place,
                   struct bench_conn *conns, size_t len)
{
    size_t begun = 0;
    uint64_t before = 0;
    uint64_t moved_ns = bench_now_ns();
    int rc = link_url_find(&place->url, LINK_WAIT_MS);

    if (rc != 0) {
        return bench_fail(CLI_UNREACHABLE, "%s: %s", place->url.authority,
                          err_text(rc));
    }
    net->ready = 0;
    int exit_code = CLI_OK;
    while (net->ready < len && exit_code == CLI_OK) {
        while (begun < len && begun - net->ready < OPENING_MAX &&
               exit_code == CLI_OK) {
            exit_code = begin(net, place, &conns[begun++]);
        }
        if (exit_code == CLI_OK) {
            exit_code = bench_net_turn(net, TURN_NS);
        }
        bench_progress((double)net->ready / (double)len, "connecting", 0);
        moved_ns = net->heard > before ? bench_now_ns() : moved_ns;
        before = net->heard;
        if (bench_now_ns() - moved_ns > (uint64_t)OPEN_MS * 1000000) {
            return bench_fail(CLI_UNREACHABLE,
                              "%s does not answer on door %s (%zu of %zu "
                              "connections are ready)",
                              place->url.authority, net->options->door->name,
                              net->ready, len);
        }
    }
    return exit_code;
}
