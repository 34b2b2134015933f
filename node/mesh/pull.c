/* SPDX-License-Identifier: Apache-2.0 */
#include "node/mesh/pull.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <nng/nng.h>
#include <stdlib.h>
#include <unistd.h>

#include "node/conn/sockaddr.h"
#include "proto/err.h"

enum {
    URL_MAX = 6 + ADDR_TEXT_MAX, /* "tcp://" */
    FD_HOLE_MAX = 4096,          /* no descriptor beyond so many free ones */
};

/* SP over TCP: zero, "SP", version 0, the number of pull0, zeros. */
static const uint8_t greeting[FRAMING_GREETING_LEN] = {0, 'S', 'P', 0, 0, 0x51};

/* One connection. */
struct pipe {
    struct pull *pull; /* NULL: it was stopped */
    uint32_t id;
    nng_stream *stream;
    uv_poll_t poll;
    struct framing framing;
    enum pull_end end;
    bool admitted;
    bool broken;      /* closed; gone when the loop has closed poll */
    uint64_t read_ms; /* it last said something */
    struct pipe *next;
};

struct arrival {
    nng_stream *stream; /* NULL: none */
    int fd;
    struct addr from;
};

struct pull {
    struct pull_to to;
    uv_loop_t *loop;
    size_t frame_max;
    uint32_t stranger_ms;
    uint32_t ids;
    struct pipe *pipes;
    nng_aio *now; /* without a callback: done when the call returns */
    uint8_t *in;  /* PULL_READ_LEN */

    nng_stream_listener *listener;
    nng_aio *accept;

    uv_mutex_t mutex; /* for what follows */
    uv_cond_t idle;
    bool closing;
    bool accepting; /* accept is busy */
    bool resting;   /* with waiting only */
    struct arrival arrival;
};

static void start_accept(struct pull *pull);
static void on_accept(void *arg);
static void pipe_add(struct pull *pull, const struct arrival *arrival);
static bool greet(struct pull *pull, nng_stream *stream);
static void on_ready(uv_poll_t *poll, int status, int events);
static void break_off(struct pipe *pipe);

int pull_open(struct pull **out, const struct pull_options *options)
{
    struct pull *pull = calloc(1, sizeof *pull);
    char url[URL_MAX] = "tcp://";

    if (pull == NULL) {
        return ERR_NOMEM;
    }
    if (uv_mutex_init(&pull->mutex) != 0 || uv_cond_init(&pull->idle) != 0) {
        abort(); /* neither allocates: it cannot fail here */
    }
    pull->to = options->to;
    pull->loop = options->loop;
    pull->frame_max = options->frame_max;
    pull->stranger_ms = options->stranger_ms;
    pull->in = malloc(PULL_READ_LEN);
    addr_text(&options->listen, url + strlen(url));
    if (pull->in == NULL || nng_aio_alloc(&pull->now, NULL, NULL) != 0 ||
        nng_aio_alloc(&pull->accept, on_accept, pull) != 0 ||
        nng_stream_listener_alloc(&pull->listener, url) != 0) {
        pull_free(pull);
        return ERR_NOMEM;
    }
    nng_stream_listener_set_bool(pull->listener, NNG_OPT_TCP_NODELAY, true);
    nng_stream_listener_set_bool(pull->listener, NNG_OPT_TCP_KEEPALIVE, true);
    int rc = nng_stream_listener_listen(pull->listener);
    if (rc != 0) {
        pull_free(pull);
        return rc == NNG_EADDRINUSE ? ERR_CONFLICT : ERR_IO;
    }
    uv_mutex_lock(&pull->mutex);
    start_accept(pull);
    uv_mutex_unlock(&pull->mutex);
    *out = pull;
    return 0;
}

void pull_stop(struct pull *pull)
{
    while (pull->pipes != NULL) {
        struct pipe *pipe = pull->pipes;
        pull->pipes = pipe->next;
        break_off(pipe);
        pipe->pull = NULL;
    }
    uv_mutex_lock(&pull->mutex);
    pull->closing = true;
    uv_mutex_unlock(&pull->mutex);
}

void pull_close(struct pull *pull)
{
    uv_mutex_lock(&pull->mutex);
    nng_stream_listener_close(pull->listener);
    if (pull->resting) {
        nng_aio_abort(pull->accept, NNG_ECANCELED);
    }
    while (pull->accepting) {
        uv_cond_wait(&pull->idle, &pull->mutex);
    }
    uv_mutex_unlock(&pull->mutex);
    nng_aio_stop(pull->accept);
}

void pull_free(struct pull *pull)
{
    assert(pull->pipes == NULL);
    if (pull->arrival.stream != NULL) {
        nng_stream_free(pull->arrival.stream);
    }
    if (pull->listener != NULL) {
        nng_stream_listener_free(pull->listener);
    }
    nng_aio_free(pull->accept);
    nng_aio_free(pull->now);
    uv_cond_destroy(&pull->idle);
    uv_mutex_destroy(&pull->mutex);
    free(pull->in);
    free(pull);
}

void pull_take(struct pull *pull)
{
    uv_mutex_lock(&pull->mutex);
    struct arrival arrival = pull->arrival;
    pull->arrival.stream = NULL;
    if (arrival.stream != NULL && !pull->closing) {
        start_accept(pull);
    }
    uv_mutex_unlock(&pull->mutex);
    if (arrival.stream != NULL) {
        pipe_add(pull, &arrival);
    }
}

bool pull_tick(struct pull *pull)
{
    uint64_t now_ms = uv_now(pull->loop);
    bool strangers = false;

    for (struct pipe *pipe = pull->pipes; pipe != NULL; pipe = pipe->next) {
        if (pipe->framing.trusted || pipe->broken) {
            continue;
        }
        strangers = true;
        if (now_ms - pipe->read_ms >= pull->stranger_ms) {
            pipe->end = PULL_END_SILENT;
            break_off(pipe);
        }
    }
    return strangers;
}

static struct pipe *pipe_of(const struct pull *pull, uint32_t id)
{
    struct pipe *pipe = pull->pipes;

    while (pipe != NULL && pipe->id != id) {
        pipe = pipe->next;
    }
    return pipe;
}

void pull_trust(struct pull *pull, uint32_t id)
{
    struct pipe *pipe = pipe_of(pull, id);

    if (pipe != NULL) {
        pipe->framing.trusted = true;
    }
}

void pull_cut(struct pull *pull, uint32_t id)
{
    struct pipe *pipe = pipe_of(pull, id);

    if (pipe != NULL) {
        break_off(pipe);
    }
}

/* --- accepting: on nng's threads --- */

static struct addr addr_of(const nng_sockaddr *from)
{
    struct addr addr = {.ip = {[10] = 0xff, [11] = 0xff}};
    uint8_t port[2];

    if (from->s_family == NNG_AF_INET6) {
        memcpy(addr.ip, from->s_in6.sa_addr, sizeof addr.ip);
        memcpy(port, &from->s_in6.sa_port, sizeof port);
    } else {
        memcpy(addr.ip + 12, &from->s_in.sa_addr, 4);
        memcpy(port, &from->s_in.sa_port, sizeof port);
    }
    addr.port = (uint16_t)(port[0] << 8 | port[1]);
    return addr;
}

static bool has_ends(int fd, const struct addr *here, const struct addr *there)
{
    struct sockaddr_storage end;
    socklen_t len = sizeof end;

    errno = 0; /* EBADF says: no descriptor */
    if (getpeername(fd, (struct sockaddr *)&end, &len) != 0) {
        return false;
    }
    struct addr addr = sockaddr_read((struct sockaddr *)&end);
    len = sizeof end;
    if (!addr_eq(&addr, there) ||
        getsockname(fd, (struct sockaddr *)&end, &len) != 0) {
        return false;
    }
    addr = sockaddr_read((struct sockaddr *)&end);
    return addr_eq(&addr, here);
}

/* nng names no descriptor of a stream. It is the one that has the same two
 * ends: there is no other while the stream is open. What was opened last is
 * right below the first that is free, unless one further below was closed in
 * between. */
static int fd_of(const struct pull *pull, const struct addr *here,
                 const struct addr *there)
{
    int from = fcntl(uv_backend_fd(pull->loop), F_DUPFD_CLOEXEC, 0);

    if (from >= 0) {
        close(from);
    }
    for (int fd = from; fd >= 0; fd--) {
        if (has_ends(fd, here, there)) {
            return fd;
        }
    }
    for (int fd = from + 1, hole = 0; hole < FD_HOLE_MAX; fd++) {
        if (has_ends(fd, here, there)) {
            return fd;
        }
        hole = errno == EBADF ? hole + 1 : 0;
    }
    return -1;
}

/* false: the connection has ended already. */
static bool arrive(struct pull *pull, nng_stream *stream,
                   struct arrival *arrival)
{
    nng_sockaddr here;
    nng_sockaddr there;

    if (nng_stream_get_addr(stream, NNG_OPT_LOCADDR, &here) != 0 ||
        nng_stream_get_addr(stream, NNG_OPT_REMADDR, &there) != 0) {
        return false;
    }
    struct addr to = addr_of(&here);
    *arrival = (struct arrival){.stream = stream, .from = addr_of(&there)};
    arrival->fd = fd_of(pull, &to, &arrival->from);
    return arrival->fd >= 0;
}

/* Under the mutex, as what follows but where it says so. */
static void start_accept(struct pull *pull)
{
    pull->accepting = true;
    nng_stream_listener_accept(pull->listener, pull->accept);
}

static void on_accept(void *arg)
{
    struct pull *pull = arg;
    struct arrival arrival = {0};

    uv_mutex_lock(&pull->mutex);
    int result = nng_aio_result(pull->accept);
    bool rested = pull->resting;
    pull->resting = false;
    uv_mutex_unlock(&pull->mutex);
    if (!rested && result == 0) {
        nng_stream *stream = nng_aio_get_output(pull->accept, 0);
        if (!arrive(pull, stream, &arrival)) {
            nng_stream_free(stream);
            arrival.stream = NULL;
        }
    }
    uv_mutex_lock(&pull->mutex);
    pull->accepting = false;
    pull->arrival = arrival;
    if (pull->closing) {
        uv_cond_signal(&pull->idle);
    } else if (!rested && result != 0) { /* out of files: later */
        pull->accepting = true;
        pull->resting = true;
        nng_sleep_aio(PULL_ACCEPT_AGAIN_MS, pull->accept);
    } else if (arrival.stream == NULL) {
        start_accept(pull);
    }
    uv_mutex_unlock(&pull->mutex);
    if (arrival.stream != NULL) {
        pull->to.on_news(pull->to.data);
    }
}

/* --- pipes: on the loop --- */

static void on_pipe_closed(uv_handle_t *poll)
{
    struct pipe *pipe = poll->data;
    struct pull *pull = pipe->pull;

    if (pull != NULL) {
        struct pipe **at = &pull->pipes;
        while (*at != pipe) {
            at = &(*at)->next;
        }
        *at = pipe->next;
        if (pipe->admitted) {
            pull->to.left(pull->to.data, pipe->id, pipe->end);
        }
    }
    nng_stream_free(pipe->stream);
    framing_fini(&pipe->framing);
    free(pipe);
}

static void break_off(struct pipe *pipe)
{
    if (!pipe->broken) {
        pipe->broken = true;
        nng_stream_close(pipe->stream);
        uv_close((uv_handle_t *)&pipe->poll, on_pipe_closed);
    }
}

static void pipe_add(struct pull *pull, const struct arrival *arrival)
{
    struct pipe *pipe = calloc(1, sizeof *pipe);

    if (pipe == NULL || !greet(pull, arrival->stream) ||
        uv_poll_init(pull->loop, &pipe->poll, arrival->fd) != 0) {
        free(pipe);
        nng_stream_free(arrival->stream);
        return;
    }
    pipe->poll.data = pipe;
    pipe->pull = pull;
    pipe->id = ++pull->ids;
    pipe->stream = arrival->stream;
    pipe->framing.frame_max = pull->frame_max;
    pipe->read_ms = uv_now(pull->loop);
    pipe->next = pull->pipes;
    pull->pipes = pipe;
    pipe->admitted = pull->to.admit(pull->to.data, pipe->id, arrival->from.ip);
    if (!pipe->admitted ||
        uv_poll_start(&pipe->poll, UV_READABLE, on_ready) != 0) {
        break_off(pipe);
    }
}

/* What `now` was started for is done, or not begun: its result. */
static int settle(struct pull *pull)
{
    nng_aio_abort(pull->now, NNG_ECANCELED);
    nng_aio_wait(pull->now);
    return nng_aio_result(pull->now);
}

/* A fresh socket takes it whole. */
static bool greet(struct pull *pull, nng_stream *stream)
{
    /* nng only reads from there, whatever its type says. */
    nng_iov iov = {.iov_buf = (void *)(uintptr_t)greeting,
                   .iov_len = sizeof greeting};

    nng_aio_set_iov(pull->now, 1, &iov);
    nng_stream_send(stream, pull->now);
    return settle(pull) == 0 && nng_aio_count(pull->now) == sizeof greeting;
}

static enum pull_end end_of(const struct pipe *pipe)
{
    return pipe->framing.trusted               ? PULL_END_CLOSED
           : !pipe->framing.greeted            ? PULL_END_GREETING
           : framing_is_within(&pipe->framing) ? PULL_END_TRUNCATED
                                               : PULL_END_CLOSED;
}

/* Memory being short is the end of the pipe: its sender tries again. */
static void take_bytes(struct pipe *pipe, struct bytes in)
{
    const struct pull_to *to = &pipe->pull->to;
    struct bytes frame;
    int rc = 1;

    pipe->read_ms = uv_now(pipe->pull->loop);
    while (rc > 0 && !pipe->broken) {
        rc = framing_next(&pipe->framing, &in, &frame);
        if (rc > 0) {
            to->on_frame(to->data, frame, pipe->id);
        }
    }
    if (rc < 0) {
        pipe->end = rc == ERR_SYNTAX    ? PULL_END_GREETING
                    : rc == ERR_TOO_BIG ? PULL_END_OVERSIZED
                                        : PULL_END_CLOSED;
        break_off(pipe);
    }
}

/* libuv has stopped watching where status is not 0: all is read then. */
static void on_ready(uv_poll_t *poll, int status, int events)
{
    struct pipe *pipe = poll->data;
    struct pull *pull = pipe->pull;
    nng_iov iov = {.iov_buf = pull->in, .iov_len = PULL_READ_LEN};
    int result;
    (void)events;

    do {
        nng_aio_set_iov(pull->now, 1, &iov);
        nng_stream_recv(pipe->stream, pull->now);
        result = settle(pull);
        if (result == 0) {
            take_bytes(pipe, bytes_of(pull->in, nng_aio_count(pull->now)));
        }
    } while (result == 0 && status != 0 && !pipe->broken);
    if (!pipe->broken && result != 0 &&
        (result != NNG_ECANCELED || status != 0)) {
        pipe->end = end_of(pipe);
        break_off(pipe);
    }
}
