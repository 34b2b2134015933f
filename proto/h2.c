/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/h2.h"

#include <stdlib.h>

#include "proto/err.h"
#include "proto/h2_private.h"

enum {
    CONN_WINDOW = 1 << 20,   /* of all unfinished requests on their way */
    SETTINGS_MAX = 32,       /* entries of a frame */
    ACKS_MAX = 1000,         /* that wait to be written */
    CONTINUATIONS_MAX = 100, /* a piece of one counts as one */
};

static int begin_session(struct h2 *h2);
static int say_settings(struct h2 *h2, uint32_t streams);

/* --- life --------------------------------------------------------------------
 */

int h2_new(struct h2 **h2, const struct h2_options *options)
{
    struct h2 *made = calloc(1, sizeof *made);

    if (made == NULL) {
        return ERR_NOMEM;
    }
    made->events = options->events;
    made->owner = options->owner;
    made->credit = H2_CREDIT_MAX;
    made->credit_ms = options->now_ms;
    if (begin_session(made) != 0 || say_settings(made, options->streams) != 0) {
        h2_free(made);
        return ERR_NOMEM;
    }
    *h2 = made;
    return 0;
}

void h2_forget(struct h2 *h2, struct h2_stream *stream, bool cut)
{
    h2->events->on_gone(h2->owner, stream, cut);
    if (stream->prev != NULL) {
        stream->prev->next = stream->next;
    } else {
        h2->streams = stream->next;
    }
    if (stream->next != NULL) {
        stream->next->prev = stream->prev;
    }
    buf_fini(&stream->head);
    buf_fini(&stream->held);
    buf_fini(&stream->trailers);
    free(stream);
}

void h2_free(struct h2 *h2)
{
    while (h2->streams != NULL) {
        h2_forget(h2, h2->streams, false);
    }
    nghttp2_session_del(h2->session);
    buf_fini(&h2->fields.memory);
    free(h2);
}

/* No PRIORITY: it is ignored, so that no tree of it can be grown. The window is
 * the default one: a peer may send before it has read this. */
static int say_settings(struct h2 *h2, uint32_t streams)
{
    const nghttp2_settings_entry entries[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, streams},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, H2_LIST_MAX},
        {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
    };
    int rc = nghttp2_submit_settings(h2->session, NGHTTP2_FLAG_NONE, entries,
                                     ARRAY_LEN(entries));

    return rc != 0 ? rc
                   : nghttp2_session_set_local_window_size(
                         h2->session, NGHTTP2_FLAG_NONE, 0, CONN_WINDOW);
}

/* --- out ---------------------------------------------------------------------
 */

/* nghttp2 only reads them; the type says otherwise. */
static uint8_t *lent(struct bytes s)
{
    union {
        const uint8_t *from;
        uint8_t *to;
    } p = {.from = s.p};
    return p.to;
}

static void nv_of(const struct http_header *list, size_t len, nghttp2_nv *nv)
{
    for (size_t i = 0; i < len; i++) {
        nv[i] = (nghttp2_nv){.name = lent(list[i].name),
                             .value = lent(list[i].value),
                             .namelen = list[i].name.len,
                             .valuelen = list[i].value.len};
    }
}

static int submit_trailers(struct h2 *h2, const struct h2_stream *stream)
{
    struct http_header list[H2_FIELDS_MAX];
    nghttp2_nv nv[H2_FIELDS_MAX];
    size_t len = h2_fields_unpack(buf_bytes(&stream->trailers), list);

    nv_of(list, len, nv);
    return nghttp2_submit_trailer(h2->session, stream->id, nv, len);
}

static ssize_t on_read(nghttp2_session *session, int32_t id, uint8_t *p,
                       size_t max, uint32_t *flags, nghttp2_data_source *source,
                       void *data)
{
    struct h2 *h2 = data;
    struct h2_stream *stream = source->ptr;
    bool last = false;

    (void)session;
    (void)id;
    (void)p;
    if (h2->events->is_full(h2->owner)) {
        return NGHTTP2_ERR_PAUSE;
    }
    size_t len = h2->events->on_room(h2->owner, stream, max, &last);
    if (len == 0 && !last) {
        return NGHTTP2_ERR_DEFERRED;
    }
    *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    if (last) {
        stream->ended = true;
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    }
    if (last && stream->trails) {
        *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
        if (submit_trailers(h2, stream) != 0) {
            return h2_fail(h2, ERR_NOMEM);
        }
    }
    return (ssize_t)len;
}

static int on_send_data(nghttp2_session *session, nghttp2_frame *frame,
                        const uint8_t *head, size_t len,
                        nghttp2_data_source *source, void *data)
{
    struct h2 *h2 = data;

    (void)session;
    (void)frame;
    h2_credit_data(h2, len);
    h2->err = h2->events->on_data(h2->owner, source->ptr, head, len);
    return h2->err == 0 ? 0 : NGHTTP2_ERR_CALLBACK_FAILURE;
}

/* A stream that the peer did wrong costs it; one that we end does not. */
static int on_frame_sent(nghttp2_session *session, const nghttp2_frame *frame,
                         void *data)
{
    struct h2 *h2 = data;

    (void)session;
    if (frame->hd.type == NGHTTP2_GOAWAY) {
        h2->last_code = frame->goaway.error_code;
    }
    if (frame->hd.type == NGHTTP2_RST_STREAM) {
        switch (frame->rst_stream.error_code) {
        case NGHTTP2_NO_ERROR:
        case NGHTTP2_INTERNAL_ERROR:
        case NGHTTP2_CANCEL:
            break;
        default:
            h2_credit_wrong(h2);
        }
    }
    return 0;
}

int h2_give(struct h2 *h2)
{
    const uint8_t *frames;
    ssize_t len = 1;

    while (!h2->dead && len > 0 && !h2->events->is_full(h2->owner)) {
        len = nghttp2_session_mem_send(h2->session, &frames);
        if (len > 0) {
            h2->err = h2->events->on_frames(h2->owner,
                                            bytes_of(frames, (size_t)len));
        }
        if (len < 0 || h2->err != 0) {
            h2->dead = true;
            return h2->err != 0 ? h2->err : ERR_NOMEM;
        }
    }
    return 0;
}

bool h2_is_over(const struct h2 *h2)
{
    return h2->dead || (nghttp2_session_want_read(h2->session) == 0 &&
                        nghttp2_session_want_write(h2->session) == 0);
}

uint32_t h2_last_code(const struct h2 *h2)
{
    return h2->last_code;
}

/* --- verbs -------------------------------------------------------------------
 */

static int result(int rc)
{
    return rc == NGHTTP2_ERR_NOMEM ? ERR_NOMEM : 0;
}

void h2_request(const struct h2_stream *stream, struct http_request *request)
{
    int rc = h2_head_read(stream, request);

    assert(rc == 0); /* as in on_head */
}

void h2_forget_head(struct h2_stream *stream)
{
    buf_fini(&stream->head);
}

int h2_continue(struct h2 *h2, struct h2_stream *stream)
{
    static const struct http_header status = {BYTES(":status"), BYTES("100")};
    nghttp2_nv nv;

    nv_of(&status, 1, &nv);
    return result(nghttp2_submit_headers(h2->session, NGHTTP2_FLAG_NONE,
                                         stream->id, NULL, &nv, 1, NULL));
}

static int submit_head(struct h2 *h2, struct h2_stream *stream,
                       const struct http_header *list, size_t len)
{
    const nghttp2_data_provider provider = {.source.ptr = stream,
                                            .read_callback = on_read};
    bool is_end = stream->body == H2_BODY_NONE;
    nghttp2_nv nv[H2_FIELDS_MAX];

    stream->ended = is_end;
    nv_of(list, len, nv);
    return result(nghttp2_submit_response(h2->session, stream->id, nv, len,
                                          is_end ? NULL : &provider));
}

int h2_respond(struct h2 *h2, struct h2_stream *stream,
               const struct http_response *r, enum h2_body body)
{
    stream->body = body;
    return h2_fields_of(&h2->fields, r, body) != 0
               ? ERR_NOMEM
               : submit_head(h2, stream, h2->fields.list, h2->fields.len);
}

int h2_hold(struct h2 *h2, struct h2_stream *stream,
            const struct http_response *r, enum h2_body body)
{
    stream->body = body;
    if (h2_fields_of(&h2->fields, r, body) != 0) {
        return ERR_NOMEM;
    }
    return h2_fields_pack(&stream->held, h2->fields.list, h2->fields.len);
}

int h2_release(struct h2 *h2, struct h2_stream *stream)
{
    struct http_header list[H2_FIELDS_MAX];
    size_t len = h2_fields_unpack(buf_bytes(&stream->held), list);
    int rc = submit_head(h2, stream, list, len);

    buf_fini(&stream->held);
    return rc;
}

int h2_trail(struct h2_stream *stream, const struct http_header *trailers,
             size_t len)
{
    stream->trails = len > 0;
    return h2_fields_pack(&stream->trailers, trailers, len);
}

int h2_wake(struct h2 *h2, const struct h2_stream *stream)
{
    return result(nghttp2_session_resume_data(h2->session, stream->id));
}

int h2_grant(struct h2 *h2, struct h2_stream *stream)
{
    uint32_t unread = stream->unread;

    stream->unread = 0;
    return result(
        nghttp2_session_consume_stream(h2->session, stream->id, unread));
}

int h2_reset(struct h2 *h2, struct h2_stream *stream, enum h2_code code)
{
    stream->ended = true;
    return result(nghttp2_submit_rst_stream(h2->session, NGHTTP2_FLAG_NONE,
                                            stream->id, (uint32_t)code));
}

int h2_notice(struct h2 *h2)
{
    int rc = result(nghttp2_submit_shutdown_notice(h2->session));

    return rc != 0 ? rc
                   : result(nghttp2_submit_ping(h2->session, NGHTTP2_FLAG_NONE,
                                                h2_notice_ping));
}

bool h2_is_noticed(const struct h2 *h2)
{
    return h2->ponged;
}

int h2_goaway(struct h2 *h2)
{
    int32_t last = nghttp2_session_get_last_proc_stream_id(h2->session);

    return result(nghttp2_submit_goaway(h2->session, NGHTTP2_FLAG_NONE, last,
                                        NGHTTP2_NO_ERROR, NULL, 0));
}

/* Its payload is zeros: not that of a notice. */
int h2_ping(struct h2 *h2)
{
    return result(nghttp2_submit_ping(h2->session, NGHTTP2_FLAG_NONE, NULL));
}

/* --- nghttp2 -----------------------------------------------------------------
 */

static int make_session(struct h2 *h2, nghttp2_session_callbacks *callbacks,
                        nghttp2_option *option)
{
    h2_take_events(callbacks);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks,
                                                         on_frame_sent);
    nghttp2_session_callbacks_set_send_data_callback(callbacks, on_send_data);
    nghttp2_option_set_no_auto_window_update(option, 1);
    nghttp2_option_set_no_closed_streams(option, 1);
    nghttp2_option_set_max_outbound_ack(option, ACKS_MAX);
    nghttp2_option_set_max_settings(option, SETTINGS_MAX);
    nghttp2_option_set_max_continuations(option, CONTINUATIONS_MAX);
    /* By a clock of its own; resets are counted in h2_take.c. */
    nghttp2_option_set_stream_reset_rate_limit(option, UINT64_MAX / 2, 1);
    return nghttp2_session_server_new2(&h2->session, callbacks, h2, option);
}

static int begin_session(struct h2 *h2)
{
    nghttp2_session_callbacks *callbacks = NULL;
    nghttp2_option *option = NULL;
    int rc = nghttp2_session_callbacks_new(&callbacks);

    if (rc == 0) {
        rc = nghttp2_option_new(&option);
    }
    if (rc == 0) {
        rc = make_session(h2, callbacks, option);
    }
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_option_del(option);
    return rc;
}
