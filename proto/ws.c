/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/ws.h"

#include <assert.h>
#include <wslay/wslay.h>

#include "proto/err.h"
#include "proto/topic.h"

static ssize_t on_recv(uint8_t *to, size_t len, int flags, void *data);
static int read_chunk(struct ws *ws, const struct wslay_frame_iocb *io,
                      struct ws_message *message);
static int begin_frame(struct ws *ws, const struct wslay_frame_iocb *io);
static int end_frame(struct ws *ws, const struct wslay_frame_iocb *io,
                     struct bytes whole, struct ws_message *message);

void ws_fini(struct ws *ws)
{
    if (ws->frames != NULL) {
        wslay_frame_context_free(ws->frames);
    }
    buf_fini(&ws->message);
    buf_fini(&ws->control);
    *ws = (struct ws){.message_max = ws->message_max,
                      .from_server = ws->from_server};
}

void ws_feed(struct ws *ws, struct bytes in)
{
    assert(ws->in.len == 0);
    ws->in = in;
}

static int open_frames(struct ws *ws)
{
    static const struct wslay_frame_callbacks callbacks = {
        .recv_callback = on_recv,
    };
    return wslay_frame_context_init(&ws->frames, &callbacks, ws) == 0
               ? 0
               : ERR_NOMEM;
}

/* Between frames with nothing half read: its 4 KiB are not worth keeping. */
static void close_idle_frames(struct ws *ws)
{
    if (ws->frames != NULL && ws->held == 0) {
        wslay_frame_context_free(ws->frames);
        ws->frames = NULL;
    }
}

int ws_next(struct ws *ws, struct ws_message *message)
{
    if (ws->ended) {
        ws->ended = false;
        buf_fini(&ws->message);
    }
    for (;;) {
        struct wslay_frame_iocb io = {0};
        if (ws->frames == NULL) {
            if (ws->in.len == 0) {
                return 0;
            }
            if (open_frames(ws) != 0) {
                return ERR_NOMEM;
            }
        }
        ssize_t got = wslay_frame_recv(ws->frames, &io);
        if (got == WSLAY_ERR_WANT_READ) {
            close_idle_frames(ws);
            return 0;
        }
        int rc = got < 0 ? ERR_SYNTAX : read_chunk(ws, &io, message);
        if (rc != 0) {
            return rc;
        }
    }
}

static ssize_t on_recv(uint8_t *to, size_t len, int flags, void *data)
{
    struct ws *ws = data;
    size_t n = ws->in.len < len ? ws->in.len : len;
    (void)flags;

    if (n == 0) {
        return -1;
    }
    memcpy(to, ws->in.p, n);
    ws->in = bytes_skip(ws->in, n);
    ws->held += n;
    return (ssize_t)n;
}

static uint64_t head_len(const struct wslay_frame_iocb *io)
{
    uint64_t more = io->payload_length <= WS_CONTROL_LEN_MAX ? 0
                    : io->payload_length <= UINT16_MAX       ? 2
                                                             : 8;
    return 2 + more + (io->mask != 0 ? 4 : 0);
}

/* One piece of payload of the open frame; wslay has already unmasked it. */
static int read_chunk(struct ws *ws, const struct wslay_frame_iocb *io,
                      struct ws_message *message)
{
    struct bytes chunk = bytes_of(io->data, io->data_length);
    bool is_control = wslay_is_ctrl_frame(io->opcode) != 0;
    struct buf *to = is_control ? &ws->control : &ws->message;

    if (!ws->in_frame) {
        int rc = begin_frame(ws, io);
        if (rc != 0) {
            return rc;
        }
    }
    ws->frame_off += chunk.len;
    bool is_last = ws->frame_off == io->payload_length;
    bool is_whole = is_last && io->fin && to->len == 0;
    if (!is_whole) {
        buf_add_bytes(to, chunk);
        if (to->failed) {
            return ERR_NOMEM;
        }
    }
    if (!is_last) {
        return 0;
    }
    ws->in_frame = false;
    ws->held -= head_len(io) + io->payload_length;
    return end_frame(ws, io, is_whole ? chunk : buf_bytes(to), message);
}

/* What can be wrong with a frame is known from its head (section 5). */
static int begin_frame(struct ws *ws, const struct wslay_frame_iocb *io)
{
    ws->in_frame = true;
    ws->frame_off = 0;
    if (io->rsv != 0 || (io->mask != 0) == ws->from_server) {
        return ERR_SYNTAX;
    }
    switch (io->opcode) {
    case WS_CLOSE:
    case WS_PING:
    case WS_PONG:
        buf_fini(&ws->control);
        return 0;
    case WS_TEXT:
    case WS_BINARY:
        if (ws->opcode != 0) {
            return ERR_SYNTAX; /* the last message is still open */
        }
        ws->opcode = io->opcode;
        ws->fragments = 0;
        break;
    case WS_CONTINUATION:
        if (ws->opcode == 0) {
            return ERR_SYNTAX;
        }
        break;
    default:
        return ERR_SYNTAX;
    }
    if (++ws->fragments > WS_FRAGMENTS_MAX ||
        io->payload_length > ws->message_max - ws->message.len) {
        return ERR_TOO_BIG;
    }
    return 0;
}

/* Section 7.4: what a peer may put into a close frame. */
static bool code_is_valid(uint16_t code)
{
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
           (code >= 3000 && code <= 4999);
}

static int read_close(struct bytes payload, struct ws_message *message)
{
    if (payload.len == 0) {
        return 1;
    }
    if (payload.len == 1) {
        return ERR_SYNTAX;
    }
    message->code = bytes_u16be(payload.p);
    message->payload = bytes_skip(payload, 2);
    if (!code_is_valid(message->code)) {
        return ERR_SYNTAX;
    }
    return topic_text_is_valid(message->payload) ? 1 : ERR_UTF8;
}

static int end_frame(struct ws *ws, const struct wslay_frame_iocb *io,
                     struct bytes whole, struct ws_message *message)
{
    *message = (struct ws_message){.payload = whole};
    if (wslay_is_ctrl_frame(io->opcode)) {
        message->opcode = (enum ws_opcode)io->opcode;
        return io->opcode == WS_CLOSE ? read_close(whole, message) : 1;
    }
    if (!io->fin) {
        return 0;
    }
    message->opcode = (enum ws_opcode)ws->opcode;
    ws->opcode = 0;
    ws->ended = true;
    /* Checked whole, by the validator of all doors: the text is bounded. */
    return message->opcode == WS_TEXT && !topic_text_is_valid(whole) ? ERR_UTF8
                                                                     : 1;
}

uint16_t ws_code_of(int err)
{
    switch (err) {
    case 0:
        return WS_CODE_NORMAL;
    case ERR_SYNTAX:
        return WS_CODE_PROTOCOL;
    case ERR_UTF8:
        return WS_CODE_NOT_TEXT;
    case ERR_TOO_BIG:
        return WS_CODE_TOO_BIG;
    case ERR_CLOSING:
        return WS_CODE_RESTART;
    case ERR_NOT_READY:
    case ERR_NOMEM:
        return WS_CODE_TRY_LATER;
    default:
        return err_status(err) < 500 ? WS_CODE_POLICY : WS_CODE_INTERNAL;
    }
}
