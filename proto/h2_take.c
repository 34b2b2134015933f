/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "proto/err.h"
#include "proto/h2_private.h"

enum {
    CREDIT_PER_SECOND = 100,
    CREDIT_PER_DATA = 2,   /* it answers a frame of use by window updates */
    CREDIT_PER_ANSWER = 2, /* and a whole one, however short */
    DATA_OF_USE = 32,      /* bytes: one of less is no use */
    FRAME_COST = 1,
    RESET_COST = 2,
    WRONG_COST = 10, /* a stream that it makes us reset */
    GOAWAY_LEN = H2_FRAME_HEAD_LEN + 8,
};

static void kill(struct h2 *h2, uint32_t code);

static struct h2_stream *stream_of(struct h2 *h2, int32_t id)
{
    return nghttp2_session_get_stream_user_data(h2->session, id);
}

/* --- credit ------------------------------------------------------------------
 */

static void give_credit(struct h2 *h2, uint64_t credit)
{
    uint64_t sum = credit + (uint64_t)(h2->credit + WRONG_COST);

    sum = sum > H2_CREDIT_MAX + WRONG_COST ? H2_CREDIT_MAX + WRONG_COST : sum;
    h2->credit = (int32_t)sum - WRONG_COST;
}

void h2_credit_data(struct h2 *h2, size_t len)
{
    if (len >= DATA_OF_USE) {
        give_credit(h2, CREDIT_PER_DATA);
    }
}

static void give_credit_for_time(struct h2 *h2, uint64_t now_ms)
{
    uint64_t credit = (now_ms - h2->credit_ms) * CREDIT_PER_SECOND / 1000;

    if (credit > 0) {
        give_credit(h2, credit);
        h2->credit_ms = now_ms;
    }
}

/* False when it has none left. Never below -WRONG_COST. */
static bool take_credit(struct h2 *h2, int32_t cost)
{
    if (h2->credit <= 0) {
        return false;
    }
    h2->credit -= cost;
    return true;
}

void h2_credit_wrong(struct h2 *h2)
{
    (void)take_credit(h2, WRONG_COST);
}

static int32_t cost_of(const nghttp2_frame_hd *head)
{
    bool is_end = (head->flags & NGHTTP2_FLAG_END_STREAM) != 0;
    bool is_padded = (head->flags & NGHTTP2_FLAG_PADDED) != 0;

    switch (head->type) {
    case NGHTTP2_HEADERS: /* a request: bounded as such */
        return 0;
    case NGHTTP2_DATA:
        return is_padded || (head->length == 0 && !is_end) ? FRAME_COST : 0;
    case NGHTTP2_RST_STREAM:
        return RESET_COST;
    default:
        return FRAME_COST;
    }
}

/* --- in ----------------------------------------------------------------------
 */

static int on_begin_frame(nghttp2_session *session,
                          const nghttp2_frame_hd *head, void *data)
{
    struct h2 *h2 = data;

    (void)session;
    return take_credit(h2, cost_of(head)) ? 0 : h2_fail(h2, ERR_LIMIT);
}

static int on_begin_headers(nghttp2_session *session,
                            const nghttp2_frame *frame, void *data)
{
    static const nghttp2_extpri in_turn = {
        .urgency = NGHTTP2_EXTPRI_DEFAULT_URGENCY, .inc = 1};
    struct h2 *h2 = data;

    if (frame->headers.cat != NGHTTP2_HCAT_REQUEST) {
        return 0; /* trailers */
    }
    struct h2_stream *stream = calloc(1, sizeof *stream);
    if (stream == NULL) {
        return h2_fail(h2, ERR_NOMEM);
    }
    stream->id = frame->hd.stream_id;
    stream->head.max = H2_LIST_MAX + 1024;
    stream->next = h2->streams;
    if (h2->streams != NULL) {
        h2->streams->prev = stream;
    }
    h2->streams = stream;
    nghttp2_session_set_stream_user_data(session, stream->id, stream);
    int rc = nghttp2_session_change_extpri_stream_priority(session, stream->id,
                                                           &in_turn, 1);
    return rc == 0 ? 0 : h2_fail(h2, ERR_NOMEM);
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame,
                     const uint8_t *name, size_t name_len, const uint8_t *value,
                     size_t value_len, uint8_t flags, void *data)
{
    struct h2 *h2 = data;
    struct h2_stream *stream = stream_of(h2, frame->hd.stream_id);

    (void)session;
    (void)flags;
    if (stream == NULL) {
        return 0;
    }
    if (stream->headed) { /* trailers: counted, else ignored */
        stream->list_len += (uint32_t)(name_len + value_len + H2_FIELD_EXTRA);
    } else {
        h2_head_add(stream, bytes_of(name, name_len),
                    bytes_of(value, value_len));
    }
    return stream->list_len > H2_LIST_CUT ? h2_fail(h2, ERR_LIMIT) : 0;
}

static void on_whole_head(struct h2 *h2, struct h2_stream *stream)
{
    struct http_request request;
    int rc = h2_head_read(stream, &request);

    stream->headed = true;
    h2->events->on_head(h2->owner, stream, &request, rc);
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame,
                    void *data)
{
    struct h2 *h2 = data;
    bool is_head = frame->hd.type == NGHTTP2_HEADERS;

    (void)session;
    if (frame->hd.type == NGHTTP2_PING &&
        (frame->hd.flags & NGHTTP2_FLAG_ACK) != 0 &&
        memcmp(frame->ping.opaque_data, h2_notice_ping,
               sizeof h2_notice_ping) == 0) {
        h2->ponged = true;
    }
    if (!is_head && frame->hd.type != NGHTTP2_DATA) {
        return 0;
    }
    struct h2_stream *stream = stream_of(h2, frame->hd.stream_id);
    if (stream == NULL) {
        return 0;
    }
    if (is_head && !stream->headed) {
        on_whole_head(h2, stream);
    }
    if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) {
        h2->events->on_asked(h2->owner, stream);
    }
    return 0;
}

static int on_data_chunk(nghttp2_session *session, uint8_t flags, int32_t id,
                         const uint8_t *p, size_t len, void *data)
{
    struct h2 *h2 = data;
    struct h2_stream *stream = stream_of(h2, id);

    (void)flags;
    if (nghttp2_session_consume_connection(session, len) != 0) {
        return h2_fail(h2, ERR_NOMEM);
    }
    if (stream != NULL) {
        stream->unread += (uint32_t)len;
        h2->events->on_body(h2->owner, stream, bytes_of(p, len));
    }
    return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t code,
                           void *data)
{
    struct h2 *h2 = data;
    struct h2_stream *stream = stream_of(h2, id);

    (void)session;
    if (stream == NULL) {
        return 0;
    }
    if (stream->ended && code == NGHTTP2_NO_ERROR) {
        give_credit(h2, CREDIT_PER_ANSWER);
    }
    h2_forget(h2, stream, h2->taking && !stream->ended);
    return 0;
}

static int err_of(int rc)
{
    switch (rc) {
    case NGHTTP2_ERR_NOMEM:
        return ERR_NOMEM;
    case NGHTTP2_ERR_FLOODED:
    case NGHTTP2_ERR_TOO_MANY_SETTINGS:
    case NGHTTP2_ERR_TOO_MANY_CONTINUATIONS:
        return ERR_LIMIT;
    default:
        return ERR_SYNTAX;
    }
}

int h2_take(struct h2 *h2, struct bytes in, uint64_t now_ms)
{
    if (h2->dead) {
        return 0;
    }
    give_credit_for_time(h2, now_ms);
    h2->taking = true;
    ssize_t taken = nghttp2_session_mem_recv(h2->session, in.p, in.len);
    h2->taking = false;
    if (taken >= 0) {
        assert((size_t)taken == in.len);
        return 0;
    }
    int err = h2->err != 0 ? h2->err : err_of((int)taken);
    kill(h2, err == ERR_LIMIT   ? H2_CALM
             : err == ERR_NOMEM ? H2_INTERNAL_ERROR
                                : H2_PROTOCOL_ERROR);
    return err;
}

/* nghttp2 says nothing more: the last frame is ours. */
static void kill(struct h2 *h2, uint32_t code)
{
    int32_t last = nghttp2_session_get_last_proc_stream_id(h2->session);
    uint8_t goaway[GOAWAY_LEN] = {0, 0, 8, NGHTTP2_GOAWAY};

    bytes_put_u64be(goaway + H2_FRAME_HEAD_LEN,
                    (uint64_t)(uint32_t)last << 32 | code);

    h2->dead = true;
    h2->last_code = code;
    (void)h2->events->on_frames(h2->owner, bytes_of(goaway, sizeof goaway));
}

void h2_take_events(nghttp2_session_callbacks *callbacks)
{
    nghttp2_session_callbacks_set_on_begin_frame_callback(callbacks,
                                                          on_begin_frame);
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks,
                                                            on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks,
                                                              on_data_chunk);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks,
                                                           on_stream_close);
}
