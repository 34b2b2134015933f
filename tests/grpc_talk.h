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

/* --- streams --- */

/* A message of a stream of Subscribe. */
struct grpc_heard {
    enum {
        GRPC_NOTHING,
        GRPC_ITEM,
        GRPC_GAP,
        GRPC_BEAT,
        GRPC_TRAILERS
    } what;
    uint64_t seq; /* of a gap: the last */
    uint64_t next;
    uint64_t page;
    bool binary;
    char value[64];
    char publisher[64];
};

static inline void grpc_add_varint(struct buf *out, uint64_t v)
{
    for (; v >= 0x80; v >>= 7) {
        buf_add_u8(out, (uint8_t)(v | 0x80));
    }
    buf_add_u8(out, (uint8_t)v);
}

static inline uint64_t grpc_varint(struct bytes *in)
{
    uint64_t value = 0;

    for (unsigned shift = 0;; shift += 7) {
        assert_true(in->len > 0);
        uint8_t c = in->p[0];
        *in = bytes_skip(*in, 1);
        value |= (uint64_t)(c & 0x7f) << shift;
        if (c < 0x80) {
            return value;
        }
    }
}

/* The next field: its number, and its value in *number or *inner. */
static inline unsigned grpc_field(struct bytes *in, uint64_t *number,
                                  struct bytes *inner)
{
    uint64_t tag = grpc_varint(in);

    *number = grpc_varint(in);
    if ((tag & 7) == 2) {
        assert_true(*number <= in->len);
        *inner = bytes_of(in->p, (size_t)*number);
        *in = bytes_skip(*in, (size_t)*number);
    } else {
        assert_int_equal(tag & 7, 0);
    }
    return (unsigned)(tag >> 3);
}

static inline void grpc_keep_text(char out[64], struct bytes text)
{
    assert_true(text.len < 64);
    memcpy(out, text.p, text.len);
    out[text.len] = '\0';
}

static inline void grpc_hear_item(struct bytes in, struct grpc_heard *heard)
{
    while (in.len > 0) {
        uint64_t number;
        struct bytes inner = {0};
        struct bytes value = {0};
        switch (grpc_field(&in, &number, &inner)) {
        case 1:
            heard->seq = number;
            break;
        case 2:
            heard->binary = grpc_field(&inner, &number, &value) == 2;
            grpc_keep_text(heard->value, value);
            break;
        case 3:
            grpc_keep_text(heard->publisher, inner);
            break;
        case 4:
            heard->page = number;
            break;
        default:
            fail_msg("an item has no such field");
        }
    }
}

static inline void grpc_hear_gap(struct bytes in, struct grpc_heard *heard)
{
    uint64_t *const fields[] = {&heard->seq, &heard->next, &heard->page};

    while (in.len > 0) {
        uint64_t number;
        struct bytes inner;
        unsigned field = grpc_field(&in, &number, &inner);
        assert_true(field >= 1 && field <= 3);
        *fields[field - 1] = number;
    }
}

static inline struct grpc_heard grpc_hear_message(struct bytes in)
{
    struct grpc_heard heard = {.what = GRPC_NOTHING};
    uint64_t number;
    struct bytes inner = {0};

    switch (grpc_field(&in, &number, &inner)) {
    case 1:
        heard.what = GRPC_ITEM;
        grpc_hear_item(inner, &heard);
        break;
    case 2:
        heard.what = GRPC_GAP;
        grpc_hear_gap(inner, &heard);
        break;
    case 3:
        heard.what = GRPC_BEAT;
        assert_int_equal(inner.len, 0);
        break;
    default:
        fail_msg("no such kind");
    }
    assert_int_equal(in.len, 0);
    return heard;
}

/* Takes the next message of the stream; GRPC_NOTHING: there is none. */
static inline struct grpc_heard grpc_hear(struct fake_conn *fake)
{
    struct grpc_heard heard = {.what = GRPC_NOTHING};
    struct bytes rest = bytes_skip(fake_conn_out(fake), fake->taken);
    struct buf text = {0};
    struct grpc_frame frame;
    bool is_text = rest.len > 0 && rest.p[0] >= ' ' && rest.p[0] < 0x80;

    if (rest.len == 0) {
        return heard;
    }
    if (is_text) {
        assert_int_equal(grpc_read_text(rest, &text), 0);
        rest = buf_bytes(&text);
    }
    ptrdiff_t taken = grpc_read_frame(rest, rest.len, &frame);
    assert_true(taken > 0);
    if (frame.trailers) {
        heard.what = GRPC_TRAILERS;
    } else {
        heard = grpc_hear_message(frame.message);
    }
    fake->taken += is_text ? ((size_t)taken + 2) / 3 * 4 : (size_t)taken;
    buf_fini(&text);
    return heard;
}

#endif
