/* SPDX-License-Identifier: Apache-2.0 */
#include "node/pull.h"

#include <assert.h>
#include <nng/nng.h>
#include <stdlib.h>
#include <uv.h>

#include "proto/err.h"

enum {
    URL_MAX = 6 + ADDR_TEXT_MAX, /* "tcp://" */
    GREETING_LEN = 8,
    HEAD_LEN = 8,           /* length of the frame, big endian */
    BODY_CAP_MIN = 4 << 10, /* what an announced frame gets at first */
    AHEAD_LEN = 2 << 10,    /* read behind a head, of each pipe */
};

/* What was read ahead never makes a held frame whole. */
static_assert((int)AHEAD_LEN < (int)PULL_STRANGER_LEN, "nobody to tell");

/* SP over TCP: zero, "SP", version 0, the protocol's number, zeros. */
static const uint8_t greeting_push[GREETING_LEN] = {0, 'S', 'P', 0, 0, 0x50};
static const uint8_t greeting_pull[GREETING_LEN] = {0, 'S', 'P', 0, 0, 0x51};

enum state {
    GREETING_OUT,
    GREETING_IN,
    FRAMES
};

/* One connection. One operation at a time, so everything is in order. */
struct pipe {
    struct pull *pull;
    uint32_t id;
    nng_stream *stream;
    nng_aio *aio;
    enum state state;
    enum pull_end end;
    bool busy;
    bool broken; /* the stream is closed; dead when not busy */
    bool trusted;
    bool heard;  /* a frame of it was handed over */
    bool parked; /* a whole frame is here, but no room in the inbox */
    bool held;   /* a long frame is announced: not read before trust */
    size_t at;   /* in the greeting, or in head */
    uint8_t head[HEAD_LEN];
    uint8_t *body; /* NULL until its head is whole */
    size_t body_at;
    size_t body_cap;
    size_t body_len;   /* announced */
    struct pipe *next; /* of the living, or of the dead */
    size_t ahead_at;   /* taken of what was read behind the head */
    size_t ahead_len;
    uint8_t ahead[AHEAD_LEN];
};

struct letter {
    uint8_t *frame;
    size_t len;
    uint32_t pipe;
};

struct pull {
    struct pull_to to;
    size_t frame_max;
    uint32_t stranger_ms;
    nng_stream_listener *listener;
    nng_aio *accept;

    uv_mutex_t mutex; /* for what follows */
    uv_cond_t idle;
    bool closing;
    bool accepting; /* accept is busy */
    bool resting;   /* with waiting only */
    uint32_t ids;
    struct pipe *pipes;
    struct pipe *dead; /* to be freed by the loop */
    struct letter inbox[PULL_INBOX_MAX];
    size_t inbox_len;
    size_t inbox_bytes;
};

static void start_accept(struct pull *pull);
static void on_accept(void *arg);
static void pipe_add(struct pull *pull, nng_stream *stream);
static void pipe_go_on(struct pipe *pipe, bool good);
static void start(struct pipe *pipe);
static bool unpark(struct pipe *pipe);
static void on_pipe(void *arg);
static bool take_frames(struct pipe *pipe);
static void break_off(struct pipe *pipe);
static void pipe_free(struct pipe *pipe);

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
    pull->frame_max = options->frame_max;
    pull->stranger_ms = options->stranger_ms != 0 ? options->stranger_ms
                                                  : PULL_STRANGER_MS;
    addr_text(&options->listen, url + strlen(url));
    if (nng_aio_alloc(&pull->accept, on_accept, pull) != 0 ||
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

void pull_close(struct pull *pull)
{
    uv_mutex_lock(&pull->mutex);
    pull->closing = true;
    nng_stream_listener_close(pull->listener);
    if (pull->resting) {
        nng_aio_abort(pull->accept, NNG_ECANCELED);
    }
    for (struct pipe *pipe = pull->pipes; pipe != NULL;) {
        struct pipe *next = pipe->next;
        break_off(pipe);
        pipe = next;
    }
    while (pull->accepting || pull->pipes != NULL) {
        uv_cond_wait(&pull->idle, &pull->mutex);
    }
    uv_mutex_unlock(&pull->mutex);
    nng_aio_stop(pull->accept);
}

void pull_free(struct pull *pull)
{
    while (pull->dead != NULL) {
        struct pipe *pipe = pull->dead;
        pull->dead = pipe->next;
        pipe_free(pipe);
    }
    for (size_t i = 0; i < pull->inbox_len; i++) {
        free(pull->inbox[i].frame);
    }
    if (pull->listener != NULL) {
        nng_stream_listener_free(pull->listener);
    }
    nng_aio_free(pull->accept);
    uv_cond_destroy(&pull->idle);
    uv_mutex_destroy(&pull->mutex);
    free(pull);
}

void pull_take(struct pull *pull,
               void (*on_frame)(void *data, struct bytes frame, uint32_t pipe),
               void *data)
{
    struct letter letters[PULL_INBOX_MAX];
    bool news = false;

    uv_mutex_lock(&pull->mutex);
    size_t len = pull->inbox_len;
    memcpy(letters, pull->inbox, len * sizeof letters[0]);
    pull->inbox_len = 0;
    pull->inbox_bytes = 0;
    struct pipe *dead = pull->dead; /* of each, the last frame is here */
    pull->dead = NULL;
    for (struct pipe *pipe = pull->pipes; pipe != NULL;) {
        struct pipe *next = pipe->next;
        news = unpark(pipe) || news;
        pipe = next;
    }
    uv_mutex_unlock(&pull->mutex);
    if (news) {
        pull->to.on_news(pull->to.data);
    }
    for (size_t i = 0; i < len; i++) {
        on_frame(data, bytes_of(letters[i].frame, letters[i].len),
                 letters[i].pipe);
        free(letters[i].frame);
    }
    while (dead != NULL) {
        struct pipe *next = dead->next;
        pull->to.left(pull->to.data, dead->id, dead->end);
        pipe_free(dead);
        dead = next;
    }
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
    uv_mutex_lock(&pull->mutex);
    struct pipe *pipe = pipe_of(pull, id);
    if (pipe != NULL && !pipe->trusted) {
        pipe->trusted = true;
        if (pipe->held) {
            pipe->held = false;
            pipe_go_on(pipe, take_frames(pipe));
        }
    }
    uv_mutex_unlock(&pull->mutex);
}

void pull_cut(struct pull *pull, uint32_t id)
{
    uv_mutex_lock(&pull->mutex);
    struct pipe *pipe = pipe_of(pull, id);
    if (pipe != NULL) {
        break_off(pipe);
    }
    uv_mutex_unlock(&pull->mutex);
    pull->to.on_news(pull->to.data); /* to free it */
}

/* All that follows is under the mutex, but for the first lines of callbacks.
 * nng calls none of them from inside a function of a stream. */

static void start_accept(struct pull *pull)
{
    pull->accepting = true;
    nng_stream_listener_accept(pull->listener, pull->accept);
}

static void on_accept(void *arg)
{
    struct pull *pull = arg;

    uv_mutex_lock(&pull->mutex);
    int result = nng_aio_result(pull->accept);
    nng_stream *stream = !pull->resting && result == 0
                             ? nng_aio_get_output(pull->accept, 0)
                             : NULL;
    bool failed = !pull->resting && result != 0;
    if (stream != NULL) {
        uv_mutex_unlock(&pull->mutex);
        pipe_add(pull, stream);
        uv_mutex_lock(&pull->mutex);
    }
    pull->accepting = false;
    pull->resting = false;
    if (pull->closing) {
        uv_cond_signal(&pull->idle);
    } else if (failed) { /* out of files: later */
        pull->accepting = true;
        pull->resting = true;
        nng_sleep_aio(PULL_ACCEPT_AGAIN_MS, pull->accept);
    } else {
        start_accept(pull);
    }
    uv_mutex_unlock(&pull->mutex);
}

static bool ip_of(nng_stream *stream, uint8_t ip[16])
{
    static const uint8_t v4_prefix[12] = {[10] = 0xff, [11] = 0xff};
    nng_sockaddr from;

    if (nng_stream_get_addr(stream, NNG_OPT_REMADDR, &from) != 0) {
        return false;
    }
    if (from.s_family == NNG_AF_INET6) {
        memcpy(ip, from.s_in6.sa_addr, 16);
    } else {
        memcpy(ip, v4_prefix, sizeof v4_prefix);
        memcpy(ip + sizeof v4_prefix, &from.s_in.sa_addr, 4);
    }
    return true;
}

/* Not under the mutex. */
static void pipe_add(struct pull *pull, nng_stream *stream)
{
    struct pipe *pipe = calloc(1, sizeof *pipe);
    uint8_t ip[16];

    if (pipe == NULL || nng_aio_alloc(&pipe->aio, on_pipe, pipe) != 0) {
        free(pipe);
        nng_stream_free(stream);
        return;
    }
    pipe->pull = pull;
    pipe->stream = stream;
    pipe->id = ++pull->ids; /* only here: one accept at a time */
    if (!ip_of(stream, ip) || !pull->to.admit(pull->to.data, pipe->id, ip)) {
        pipe_free(pipe);
        return;
    }
    uv_mutex_lock(&pull->mutex);
    pipe->next = pull->pipes;
    pull->pipes = pipe;
    pipe_go_on(pipe, !pull->closing);
    uv_mutex_unlock(&pull->mutex);
}

/* Reads on, unless something is in the way; `good` is false at an offence. */
static void pipe_go_on(struct pipe *pipe, bool good)
{
    if (!good || pipe->broken) {
        break_off(pipe);
    } else if (!pipe->parked && !pipe->held) {
        start(pipe);
    }
}

/* Starts the next read, or the writing of our greeting. A body, the head of
 * the frame behind it and what follows are read together: each read costs two
 * changes of thread. */
static void start(struct pipe *pipe)
{
    nng_iov iov[3];
    unsigned len = 0;

    assert(!pipe->busy && !pipe->broken);
    if (pipe->state == GREETING_OUT) {
        /* nng only reads from there, whatever its type says. */
        iov[len++] = (nng_iov){
            .iov_buf = (void *)(uintptr_t)(greeting_pull + pipe->at),
            .iov_len = GREETING_LEN - pipe->at};
    } else {
        if (pipe->body != NULL) {
            size_t room = pipe->body_cap < pipe->body_len ? pipe->body_cap
                                                          : pipe->body_len;
            iov[len++] = (nng_iov){.iov_buf = pipe->body + pipe->body_at,
                                   .iov_len = room - pipe->body_at};
        }
        if (pipe->body == NULL || pipe->body_cap >= pipe->body_len) {
            iov[len++] = (nng_iov){.iov_buf = pipe->head + pipe->at,
                                   .iov_len = HEAD_LEN - pipe->at};
            if (pipe->state == FRAMES) {
                iov[len++] = (nng_iov){.iov_buf = pipe->ahead,
                                       .iov_len = AHEAD_LEN};
            }
        }
    }
    nng_aio_set_timeout(pipe->aio, pipe->trusted
                                       ? NNG_DURATION_INFINITE
                                       : (nng_duration)pipe->pull->stranger_ms);
    nng_aio_set_iov(pipe->aio, len, iov);
    pipe->busy = true;
    if (pipe->state == GREETING_OUT) {
        nng_stream_send(pipe->stream, pipe->aio);
    } else {
        nng_stream_recv(pipe->stream, pipe->aio);
    }
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static bool offends(struct pipe *pipe, enum pull_end end)
{
    pipe->end = end;
    return false;
}

static size_t take_ahead(struct pipe *pipe, uint8_t *to, size_t room)
{
    size_t n = least(pipe->ahead_len - pipe->ahead_at, room);

    memcpy(to, pipe->ahead + pipe->ahead_at, n);
    pipe->ahead_at += n;
    return n;
}

/* Twice the memory when it is full: it grows with what came. */
static bool body_room(struct pipe *pipe)
{
    if (pipe->body != NULL && pipe->body_at < pipe->body_cap) {
        return true;
    }
    size_t cap = pipe->trusted ? pipe->body_len : 2 * pipe->body_cap;
    cap = cap < BODY_CAP_MIN ? BODY_CAP_MIN : cap;
    cap = cap > pipe->body_len ? pipe->body_len : cap;
    uint8_t *body = realloc(pipe->body, cap);
    if (body == NULL) {
        return false; /* the pipe goes: its sender tries again */
    }
    pipe->body = body;
    pipe->body_cap = cap;
    return true;
}

/* From what was read ahead; false: memory is short. */
static bool fill_body(struct pipe *pipe)
{
    while (pipe->body_at < pipe->body_len) {
        if (!body_room(pipe)) {
            return false;
        }
        size_t n = take_ahead(pipe, pipe->body + pipe->body_at,
                              pipe->body_cap - pipe->body_at);
        if (n == 0) {
            break;
        }
        pipe->body_at += n;
    }
    return true;
}

/* Begins the next frame if its head is whole. An empty one is nonsense. */
static bool take_head(struct pipe *pipe)
{
    const struct pull *pull = pipe->pull;
    uint64_t len = bytes_u64be(pipe->head);

    if (pipe->at < HEAD_LEN) {
        return true;
    }
    if (len == 0 || len > pull->frame_max) {
        return offends(pipe, PULL_END_OVERSIZED);
    }
    if (len > PULL_STRANGER_LEN && !pipe->trusted) {
        pipe->held = pipe->heard; /* its first frame is being judged */
        return pipe->held || offends(pipe, PULL_END_OVERSIZED);
    }
    pipe->at = 0;
    pipe->body_len = (size_t)len;
    pipe->body_at = 0;
    pipe->body_cap = 0;
    return body_room(pipe);
}

/* Puts the whole frame into the inbox; false: there is no room. */
static bool deliver(struct pipe *pipe)
{
    struct pull *pull = pipe->pull;

    if (pull->inbox_len == PULL_INBOX_MAX ||
        (pull->inbox_len > 0 &&
         pull->inbox_bytes + pipe->body_len > PULL_INBOX_LEN)) {
        return false;
    }
    pull->inbox[pull->inbox_len++] = (struct letter){
        .frame = pipe->body, .len = pipe->body_len, .pipe = pipe->id};
    pull->inbox_bytes += pipe->body_len;
    pipe->body = NULL;
    pipe->heard = true;
    return true;
}

/* Delivers each frame that is whole; all that was read ahead is then taken,
 * unless the pipe is parked or held. */
static bool take_frames(struct pipe *pipe)
{
    do {
        if (pipe->body != NULL) {
            if (!fill_body(pipe)) {
                return false;
            }
            if (pipe->body_at < pipe->body_len) {
                return true;
            }
            if (!deliver(pipe)) {
                pipe->parked = true;
                return true;
            }
        }
        pipe->at += take_ahead(pipe, pipe->head + pipe->at,
                               HEAD_LEN - pipe->at);
        if (!take_head(pipe)) {
            return false;
        }
    } while (pipe->body != NULL);
    return true;
}

/* They lie in the body, in the head, and in `ahead`, in this order. */
static bool take_frame_bytes(struct pipe *pipe, size_t len)
{
    if (pipe->body != NULL) {
        size_t body = least(len, pipe->body_len - pipe->body_at);
        pipe->body_at += body;
        len -= body;
    }
    size_t head = least(len, HEAD_LEN - pipe->at);
    pipe->at += head;
    pipe->ahead_at = 0;
    pipe->ahead_len = len - head;
    return take_frames(pipe);
}

/* false: the other end is no pusher, or says too much. */
static bool take_bytes(struct pipe *pipe, size_t len)
{
    if (pipe->state == FRAMES) {
        return take_frame_bytes(pipe, len);
    }
    pipe->at += len;
    if (pipe->at < GREETING_LEN) {
        return true;
    }
    pipe->at = 0;
    if (pipe->state == GREETING_OUT) {
        pipe->state = GREETING_IN;
        return true;
    }
    pipe->state = FRAMES;
    return memcmp(pipe->head, greeting_push, GREETING_LEN) == 0 ||
           offends(pipe, PULL_END_GREETING);
}

static enum pull_end stranger_end(const struct pipe *pipe, int result)
{
    return result == NNG_ETIMEDOUT              ? PULL_END_SILENT
           : pipe->state != FRAMES              ? PULL_END_GREETING
           : pipe->at > 0 || pipe->body != NULL ? PULL_END_TRUNCATED
                                                : PULL_END_CLOSED;
}

static void on_pipe(void *arg)
{
    struct pipe *pipe = arg;
    struct pull *pull = pipe->pull;

    uv_mutex_lock(&pull->mutex);
    bool idle = pull->inbox_len == 0 && pull->dead == NULL;
    pipe->busy = false;
    int result = nng_aio_result(pipe->aio);
    /* Trusted while a stranger's read was under way: silence is permitted. */
    bool quiet = result == NNG_ETIMEDOUT && pipe->trusted;
    if (result != 0 && !pipe->trusted && !pipe->broken) {
        pipe->end = stranger_end(pipe, result);
    }
    pipe_go_on(pipe, quiet || (result == 0 && !pipe->broken &&
                               take_bytes(pipe, nng_aio_count(pipe->aio))));
    bool news = idle && (pull->inbox_len > 0 || pull->dead != NULL);
    uv_mutex_unlock(&pull->mutex);
    if (news) {
        pull->to.on_news(pull->to.data);
    }
}

/* The inbox has room again. True when it now has something. */
static bool unpark(struct pipe *pipe)
{
    if (!pipe->parked || !deliver(pipe)) {
        return false;
    }
    pipe->parked = false;
    pipe_go_on(pipe, take_frames(pipe));
    return true;
}

/* Closes the stream; dead, for the loop to free, when nothing is busy. */
static void break_off(struct pipe *pipe)
{
    struct pull *pull = pipe->pull;
    struct pipe **at = &pull->pipes;

    if (!pipe->broken) {
        pipe->broken = true;
        nng_stream_close(pipe->stream);
    }
    if (pipe->busy) {
        return; /* its callback comes */
    }
    while (*at != pipe) {
        at = &(*at)->next;
    }
    *at = pipe->next;
    pipe->next = pull->dead;
    pull->dead = pipe;
    uv_cond_signal(&pull->idle);
}

/* Not under the mutex, nor in a callback of its aio. */
static void pipe_free(struct pipe *pipe)
{
    nng_aio_free(pipe->aio);
    nng_stream_free(pipe->stream);
    free(pipe->body);
    free(pipe);
}
