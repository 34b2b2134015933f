/* SPDX-License-Identifier: Apache-2.0 */
#include "node/mesh/push.h"

#include <assert.h>
#include <nng/nng.h>
#include <nng/supplemental/util/platform.h>
#include <stdlib.h>
#include <uv.h>

#include "proto/err.h"

enum {
    URL_MAX = 6 + ADDR_TEXT_MAX, /* "tcp://" */
    GREETING_LEN = 8,
    FRAME_HEAD_LEN = 8, /* length of the frame, big endian */
};

/* SP over TCP: zero, "SP", version 0, the protocol's number, zeros. */
static const uint8_t greeting_push[GREETING_LEN] = {0, 'S', 'P', 0, 0, 0x50};
static const uint8_t greeting_pull[GREETING_LEN] = {0, 'S', 'P', 0, 0, 0x51};

struct waiting {
    uint8_t *memory; /* head and frame */
    size_t len;
};

struct push {
    struct push_to to;

    uv_mutex_t mutex; /* for what follows */
    bool wanted;      /* somebody is dialled */
    bool closing;
    struct addr addr;
    uint32_t pipe;
    uint32_t pipes; /* so far */

    nng_stream_dialer *dialer;
    struct addr dialer_addr;
    nng_aio *dial; /* connects, or rests before */
    bool dial_busy;
    bool rest;         /* before the next dial */
    bool resting;      /* that is what dial does */
    uint32_t delay_ms; /* the next rest */

    nng_stream *stream;
    nng_aio *now; /* never busy but within write_now() */
    nng_time stands_since;
    bool broken; /* the stream is closed and goes when nothing is busy */
    nng_aio *out;
    bool out_busy;
    size_t out_at; /* in what is written now: greeting, or waiting[0] */
    bool greeted;  /* our greeting is out */
    nng_aio *in;
    bool in_busy;
    size_t in_at; /* of the other's greeting */
    uint8_t in_bytes[GREETING_LEN];

    struct waiting waiting[PUSH_IN_FLIGHT];
    size_t waiting_len;
    bool waits; /* wants to hear of room */
};

static void on_dial(void *arg);
static void on_out(void *arg);
static void on_in(void *arg);
static void start_dial(struct push *push);
static void start_out(struct push *push);
static bool write_now(struct push *push);
static bool wrote(struct push *push, size_t len);
static void start_in(struct push *push);
static bool break_off(struct push *push);
static void settle(struct push *push);
static bool stands(struct push *push);
static void frames_drop(struct push *push);

int push_open(struct push **out, const struct push_to *to)
{
    struct push *push = calloc(1, sizeof *push);

    if (push == NULL || uv_mutex_init(&push->mutex) != 0) {
        free(push);
        return ERR_NOMEM;
    }
    push->to = *to;
    push->delay_ms = PUSH_WAIT_MIN_MS;
    if (nng_aio_alloc(&push->dial, on_dial, push) != 0 ||
        nng_aio_alloc(&push->out, on_out, push) != 0 ||
        nng_aio_alloc(&push->now, NULL, NULL) != 0 ||
        nng_aio_alloc(&push->in, on_in, push) != 0) {
        push_free(push);
        return ERR_NOMEM;
    }
    *out = push;
    return 0;
}

void push_close(struct push *push)
{
    uv_mutex_lock(&push->mutex);
    push->closing = true;
    uv_mutex_unlock(&push->mutex);
    push_hang_up(push);
    nng_aio_stop(push->dial);
    nng_aio_stop(push->out);
    nng_aio_stop(push->in);
}

void push_free(struct push *push)
{
    frames_drop(push);
    if (push->stream != NULL) {
        nng_stream_free(push->stream);
    }
    if (push->dialer != NULL) {
        nng_stream_dialer_free(push->dialer);
    }
    nng_aio_free(push->dial);
    nng_aio_free(push->out);
    nng_aio_free(push->now);
    nng_aio_free(push->in);
    uv_mutex_destroy(&push->mutex);
    free(push);
}

void push_dial(struct push *push, const struct addr *to)
{
    push_hang_up(push);
    uv_mutex_lock(&push->mutex);
    push->addr = *to;
    push->wanted = true;
    push->rest = false;
    push->delay_ms = PUSH_WAIT_MIN_MS;
    settle(push);
    uv_mutex_unlock(&push->mutex);
}

void push_hang_up(struct push *push)
{
    uv_mutex_lock(&push->mutex);
    push->wanted = false;
    break_off(push);
    if (push->dial_busy) {
        nng_aio_abort(push->dial, NNG_ECANCELED);
    }
    uv_mutex_unlock(&push->mutex);
}

uint32_t push_pipe(struct push *push)
{
    uv_mutex_lock(&push->mutex);
    uint32_t pipe = push->pipe;
    uv_mutex_unlock(&push->mutex);
    return pipe;
}

int push_frame_init(struct push_frame *frame, size_t cap)
{
    *frame = (struct push_frame){.memory = malloc(FRAME_HEAD_LEN + cap)};
    if (frame->memory == NULL) {
        return ERR_NOMEM;
    }
    /* max = cap: the buffer never moves. */
    frame->out = (struct buf){
        .p = frame->memory + FRAME_HEAD_LEN, .cap = cap, .max = cap};
    return 0;
}

void push_frame_fini(struct push_frame *frame)
{
    free(frame->memory);
    *frame = (struct push_frame){0};
}

bool push_has_room(struct push *push)
{
    uv_mutex_lock(&push->mutex);
    bool room = push->waiting_len < PUSH_IN_FLIGHT;
    push->waits = !room;
    uv_mutex_unlock(&push->mutex);
    return room;
}

void push_send(struct push *push, struct push_frame *frame)
{
    size_t len = frame->out.len;
    bool news = false;

    assert(!frame->out.failed);
    bytes_put_u64be(frame->memory, len);
    uv_mutex_lock(&push->mutex);
    assert(push->waiting_len < PUSH_IN_FLIGHT);
    if (push->pipe == 0) {
        free(frame->memory);
    } else {
        push->waiting[push->waiting_len++] = (struct waiting){
            .memory = frame->memory, .len = FRAME_HEAD_LEN + len};
        if (!push->out_busy) {
            news = write_now(push);
        }
    }
    uv_mutex_unlock(&push->mutex);
    *frame = (struct push_frame){0};
    if (news) {
        push->to.on_news(push->to.data);
    }
}

/* All that follows is under the mutex. nng calls none of our callbacks from
 * inside a stream's functions. */

/* Goes on where nothing is busy any more: frees what broke, dials anew. */
static void settle(struct push *push)
{
    if (push->out_busy || push->in_busy || push->dial_busy) {
        return;
    }
    if (push->stream != NULL && push->broken) {
        nng_stream_free(push->stream);
        push->stream = NULL;
        frames_drop(push);
    }
    if (push->stream == NULL && push->wanted && !push->closing) {
        start_dial(push);
    }
}

static void start_dial(struct push *push)
{
    char url[URL_MAX] = "tcp://";

    push->dial_busy = true;
    push->resting = push->rest;
    if (push->resting) {
        push->rest = false;
        nng_aio_set_timeout(push->dial, NNG_DURATION_INFINITE);
        nng_sleep_aio((nng_duration)push->delay_ms, push->dial);
        push->delay_ms *= 2;
        if (push->delay_ms > PUSH_WAIT_MAX_MS) {
            push->delay_ms = PUSH_WAIT_MAX_MS;
        }
        return;
    }
    if (push->dialer != NULL && !addr_eq(&push->dialer_addr, &push->addr)) {
        nng_stream_dialer_free(push->dialer);
        push->dialer = NULL;
    }
    addr_text(&push->addr, url + strlen(url));
    if (push->dialer == NULL &&
        nng_stream_dialer_alloc(&push->dialer, url) != 0) {
        push->dialer = NULL;
        push->resting = true; /* no memory: later */
        nng_sleep_aio(PUSH_WAIT_MAX_MS, push->dial);
        return;
    }
    push->dialer_addr = push->addr;
    nng_stream_dialer_set_bool(push->dialer, NNG_OPT_TCP_NODELAY, true);
    nng_stream_dialer_set_bool(push->dialer, NNG_OPT_TCP_KEEPALIVE, true);
    nng_aio_set_timeout(push->dial, PUSH_DIAL_MS);
    nng_stream_dialer_dial(push->dialer, push->dial);
}

static void on_dial(void *arg)
{
    struct push *push = arg;

    uv_mutex_lock(&push->mutex);
    int result = nng_aio_result(push->dial);
    push->dial_busy = false;
    if (!push->resting && result == 0) {
        push->stream = nng_aio_get_output(push->dial, 0);
        push->broken = false;
        push->greeted = false;
        push->out_at = 0;
        push->in_at = 0;
        if (push->wanted && addr_eq(&push->dialer_addr, &push->addr)) {
            start_out(push);
            start_in(push);
        } else { /* connected in spite of hanging up */
            break_off(push);
            push->rest = false;
        }
    } else if (!push->resting && result != NNG_ECANCELED) {
        push->rest = true;
    }
    settle(push);
    uv_mutex_unlock(&push->mutex);
}

/* Writes the rest of our greeting, or of the first frame that waits. */
static void start_out(struct push *push)
{
    const uint8_t *p = greeting_push;
    size_t len = GREETING_LEN;
    nng_iov iov;

    if (push->greeted) {
        p = push->waiting[0].memory;
        len = push->waiting[0].len;
    }
    /* nng only reads from here, whatever its type says. */
    iov.iov_buf = (void *)(uintptr_t)(p + push->out_at);
    iov.iov_len = len - push->out_at;
    nng_aio_set_iov(push->out, 1, &iov);
    push->out_busy = true;
    nng_stream_send(push->stream, push->out);
}

/* Writes what waits, here and now: nng tells an aio with a callback on another
 * thread, one without is done when the call returns. What the socket does not
 * take at once is left to start_out(). True when somebody is to be told. */
static bool write_now(struct push *push)
{
    const struct waiting *frame = &push->waiting[0];
    nng_iov iov = {.iov_buf = frame->memory, .iov_len = frame->len};

    assert(push->waiting_len == 1 && push->out_at == 0);
    nng_aio_set_iov(push->now, 1, &iov);
    nng_stream_send(push->stream, push->now);
    nng_aio_abort(push->now, NNG_ECANCELED);
    nng_aio_wait(push->now);
    int result = nng_aio_result(push->now);
    if (result == NNG_ECANCELED) {
        start_out(push);
        return false;
    }
    return result == 0 ? wrote(push, nng_aio_count(push->now))
                       : break_off(push);
}

/* True when somebody is to be told. */
static bool wrote(struct push *push, size_t len)
{
    bool news = false;

    push->out_at += len;
    if (!push->greeted) {
        push->greeted = push->out_at == GREETING_LEN;
        if (!push->greeted) {
            start_out(push);
            return false;
        }
        push->out_at = 0;
        return stands(push);
    }
    if (push->out_at == push->waiting[0].len) {
        free(push->waiting[0].memory);
        push->waiting_len--;
        memmove(push->waiting, push->waiting + 1,
                push->waiting_len * sizeof push->waiting[0]);
        push->out_at = 0;
        news = push->waits;
        push->waits = false;
    }
    if (push->waiting_len > 0) {
        start_out(push);
    }
    return news;
}

static void on_out(void *arg)
{
    struct push *push = arg;

    uv_mutex_lock(&push->mutex);
    push->out_busy = false;
    bool news = nng_aio_result(push->out) != 0 || push->broken
                    ? break_off(push)
                    : wrote(push, nng_aio_count(push->out));
    settle(push);
    uv_mutex_unlock(&push->mutex);
    if (news) {
        push->to.on_news(push->to.data);
    }
}

/* Reads the rest of the other's greeting; afterwards only its end can come. */
static void start_in(struct push *push)
{
    size_t at = push->in_at % GREETING_LEN;
    nng_iov iov = {.iov_buf = push->in_bytes + at,
                   .iov_len = GREETING_LEN - at};

    nng_aio_set_timeout(push->in, push->in_at < GREETING_LEN
                                      ? PUSH_DIAL_MS
                                      : NNG_DURATION_INFINITE);
    nng_aio_set_iov(push->in, 1, &iov);
    push->in_busy = true;
    nng_stream_recv(push->stream, push->in);
}

static void on_in(void *arg)
{
    struct push *push = arg;
    bool news = false;

    uv_mutex_lock(&push->mutex);
    push->in_busy = false;
    push->in_at += nng_aio_count(push->in);
    if (nng_aio_result(push->in) != 0 || push->broken ||
        push->in_at > GREETING_LEN) { /* a puller says nothing more */
        news = break_off(push);
    } else {
        start_in(push);
        news = stands(push);
    }
    settle(push);
    uv_mutex_unlock(&push->mutex);
    if (news) {
        push->to.on_news(push->to.data);
    }
}

/* Looks whether both greetings are exchanged; true when it now stands. */
static bool stands(struct push *push)
{
    if (!push->greeted || push->in_at < GREETING_LEN || push->pipe != 0) {
        return false;
    }
    if (memcmp(push->in_bytes, greeting_pull, GREETING_LEN) != 0) {
        return break_off(push);
    }
    push->pipe = ++push->pipes;
    push->stands_since = nng_clock();
    return true;
}

/* Closes the stream; settle() frees it. True when somebody is to be told. */
static bool break_off(struct push *push)
{
    bool stood = push->pipe != 0;

    if (push->stream == NULL || push->broken) {
        return false;
    }
    if (stood && nng_clock() - push->stands_since >= PUSH_STEADY_MS) {
        push->delay_ms = PUSH_WAIT_MIN_MS;
    }
    push->broken = true;
    push->pipe = 0;
    push->rest = true;
    nng_stream_close(push->stream);
    return stood;
}

/* Nothing is busy: no aio uses them. */
static void frames_drop(struct push *push)
{
    while (push->waiting_len > 0) {
        free(push->waiting[--push->waiting_len].memory);
    }
}
