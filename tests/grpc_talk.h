/* SPDX-License-Identifier: Apache-2.0
 *
 * Calls of the gRPC door without a carrier, and what it answers, of whichever
 * kind. Include after tests/ask.h.
 */
#ifndef TESTS_GRPC_TALK_H
#define TESTS_GRPC_TALK_H

#include "proto/grpc.h"
#include "proto/json.h"
#include "tests/ask.h"

struct grpc_ask {
    const char *path;
    const char *type;   /* NULL: application/grpc */
    const char *method; /* NULL: POST */
    const char *header;
    unsigned major; /* 0: 2 for application/grpc, else 1 */
    struct bytes message;
    const struct bytes *body; /* instead of the message in its frame */
};

/* `body` holds the body. */
static inline struct http_request grpc_request(const struct grpc_ask *ask,
                                               struct buf *body)
{
    const char *type = ask->type == NULL ? "application/grpc" : ask->type;
    struct bytes answer;
    enum grpc_kind kind = grpc_kind(bytes_str(type), &answer);
    unsigned major = kind == GRPC_HTTP2 ? 2 : 1;

    if (ask->body != NULL) {
        buf_add_bytes(body, *ask->body);
    } else {
        size_t at = grpc_begin(body, false);
        buf_add_bytes(body, ask->message);
        grpc_finish(body, at, kind);
    }
    struct http_request request = ask_request(
        &(struct ask){.method = ask->method == NULL ? "POST" : ask->method,
                      .target = ask->path,
                      .header = ask->header});
    request.headers[request.headers_len++] = (struct http_header){
        BYTES("content-type"), bytes_str(type)};
    request.body = buf_bytes(body);
    request.major = (uint8_t)(ask->major != 0 ? ask->major : major);
    return request;
}

static inline struct fake_conn *grpc_call_new(struct core *core,
                                              const struct grpc_ask *ask)
{
    struct fake_conn *fake = fake_conn_new(core);
    struct buf body = {0};
    struct http_request request = grpc_request(ask, &body);

    ask_door_of(fake, &request);
    fake_flush(core);
    buf_fini(&body);
    return fake;
}

/* Messages and trailers so far, whatever the kind: frames as they would be
 * without text; the trailers of HTTP/2 are lines "name:value". */
static inline void grpc_answer(const struct fake_conn *fake, struct buf *frames)
{
    if (ask_head_has(fake, "grpc-web-text")) {
        assert_int_equal(grpc_read_text(fake_conn_out(fake), frames), 0);
    } else {
        buf_add_bytes(frames, fake_conn_out(fake));
    }
}

/* The trailers as text, "name:value\r\n" or "name: value\n". */
static inline void grpc_trailers(const struct fake_conn *fake, struct buf *out)
{
    struct buf frames = {0};
    struct grpc_frame frame;

    buf_add_bytes(out, buf_bytes(&fake->trailers));
    buf_add_bytes(out, buf_bytes(&fake->head));
    grpc_answer(fake, &frames);
    for (struct bytes rest = buf_bytes(&frames); rest.len > 0;) {
        ptrdiff_t taken = grpc_read_frame(rest, rest.len, &frame);
        assert_true(taken > 0);
        if (frame.trailers) {
            buf_add_bytes(out, frame.message);
        }
        rest = bytes_skip(rest, (size_t)taken);
    }
    buf_fini(&frames);
}

static inline bool grpc_trailers_have(const struct fake_conn *fake,
                                      const char *text)
{
    struct buf out = {0};

    grpc_trailers(fake, &out);
    bool found = memmem(out.p, out.len, text, strlen(text)) != NULL;
    buf_fini(&out);
    return found;
}

/* The status, or -1: none yet. */
static inline int grpc_status_of(const struct fake_conn *fake)
{
    static const char name[] = "grpc-status:";
    struct buf out = {0};
    int status = -1;

    grpc_trailers(fake, &out);
    buf_add_u8(&out, '\0');
    const char *at = memmem(out.p, out.len, name, sizeof name - 1);
    if (at != NULL) {
        status = atoi(at + sizeof name - 1);
    }
    buf_fini(&out);
    return status;
}

#endif
