/* SPDX-License-Identifier: Apache-2.0
 *
 * Momento's Subscribe over gRPC: a connection a topic, in a stream of HTTP/2
 * whose windows never close. Items are published by RESP: what is measured is
 * the way to the subscribers.
 *
 *   bytes --unwrap--> messages of the stream --> scan, take
 */
#include "node/bench/code.h"
#include "node/bench/door.h"
#include "proto/err.h"

enum {
    HEAD_LEN = 9, /* of a frame of HTTP/2: RFC 9113 section 4.1 */
    FRAME_DATA = 0,
    FRAME_HEADERS = 1,
    FRAME_RESET = 3,
    FRAME_SETTINGS = 4,
    FRAME_PING = 6,
    FRAME_GOAWAY = 7,
    FRAME_WINDOW = 8,
    FLAG_END_STREAM = 1, /* of SETTINGS and PING: an answer */
    FLAG_END_HEADERS = 4,
    FLAG_PADDED = 8,
    OTHER_LEN_MAX = 64 << 10, /* of a frame without data */
    STREAM = 1,
    MESSAGE_HEAD_LEN = 5, /* of a message of gRPC */
    MESSAGE_MAX = BUF_MAX_DEFAULT,
};

/* More is allowed when so much came: 1 GiB of 2. */
static const uint32_t credit = UINT32_C(1) << 30;

static void add_u32(struct buf *out, uint32_t v)
{
    const uint8_t bytes[] = {(uint8_t)(v >> 24), (uint8_t)(v >> 16),
                             (uint8_t)(v >> 8), (uint8_t)v};

    buf_add(out, bytes, sizeof bytes);
}

static void add_frame(struct buf *out, uint8_t type, uint8_t flags,
                      uint32_t stream, struct bytes payload)
{
    add_u32(out, (uint32_t)payload.len << 8 | type);
    buf_add_u8(out, flags);
    add_u32(out, stream);
    buf_add_bytes(out, payload);
}

static void add_window(struct buf *out, uint32_t stream, uint32_t more)
{
    add_u32(out, 4 << 8 | FRAME_WINDOW);
    buf_add_u8(out, 0);
    add_u32(out, stream);
    add_u32(out, more);
}

static void greet(struct bench_talk *talk)
{
    buf_add_str(talk->out, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    /* SETTINGS_INITIAL_WINDOW_SIZE is all that there is */
    add_frame(talk->out, FRAME_SETTINGS, 0, 0, BYTES("\0\4\x7f\xff\xff\xff"));
    add_window(talk->out, 0, INT32_MAX - 65535);
    talk->greeted = true;
}

/* --- a request: RFC 7541, literals that nobody remembers --- */

static void add_string(struct buf *out, struct bytes s)
{
    size_t len = s.len;

    if (len < 127) {
        buf_add_u8(out, (uint8_t)len);
    } else {
        buf_add_u8(out, 127);
        for (len -= 127; len >= 128; len /= 128) {
            buf_add_u8(out, (uint8_t)(len | 128));
        }
        buf_add_u8(out, (uint8_t)len);
    }
    buf_add_bytes(out, s);
}

/* `name` is a place of the static table. */
static void add_header(struct buf *out, uint8_t name, const char *value)
{
    if (name < 15) {
        buf_add_u8(out, name);
    } else {
        buf_add_u8(out, 15);
        buf_add_u8(out, (uint8_t)(name - 15));
    }
    add_string(out, bytes_str(value));
}

static void subscribe(struct bench_talk *talk, uint32_t topic)
{
    struct buf headers = {0};
    struct buf message = {0};

    buf_add_str(&headers, "\x83\x86"); /* POST, http */
    add_header(&headers, 1, talk->url->authority);
    add_header(&headers, 4, "/cache_client.pubsub.Pubsub/Subscribe");
    add_header(&headers, 31, "application/grpc");
    if (talk->token != NULL) {
        add_header(&headers, 23, talk->token);
    }
    add_frame(talk->out, FRAME_HEADERS, FLAG_END_HEADERS, STREAM,
              buf_bytes(&headers));

    buf_add(&message, "\0\0\0\0", 4);
    buf_add_u8(&message, 2 + 7 + 2 + BENCH_TOPIC_LEN);
    buf_add_str(&message, "\x0a\x07"
                          "default\x12");
    buf_add_u8(&message, BENCH_TOPIC_LEN);
    bench_add_topic(&message, topic);
    add_frame(talk->out, FRAME_DATA, FLAG_END_STREAM, STREAM,
              buf_bytes(&message));
    talk->out->failed |= headers.failed || message.failed;
    buf_fini(&headers);
    buf_fini(&message);
}

/* --- the stream out of its frames --- */

static int take_other_frame(struct bench_talk *talk, const uint8_t *frame,
                            struct bytes payload)
{
    switch (frame[3]) {
    case FRAME_SETTINGS:
        if ((frame[4] & FLAG_END_STREAM) == 0) {
            add_frame(talk->out, FRAME_SETTINGS, FLAG_END_STREAM, 0,
                      (struct bytes){0});
        }
        return 0;
    case FRAME_PING:
        if ((frame[4] & FLAG_END_STREAM) == 0) {
            add_frame(talk->out, FRAME_PING, FLAG_END_STREAM, 0, payload);
        }
        return 0;
    case FRAME_HEADERS:
        return (frame[4] & FLAG_END_STREAM) == 0
                   ? 0
                   : bench_refused(talk, BYTES("the stream was ended"),
                                   ERR_DENIED);
    case FRAME_RESET:
    case FRAME_GOAWAY:
        return bench_refused(talk, BYTES("the stream was reset"), ERR_CLOSING);
    default:
        return 0;
    }
}

static void count_credit(struct bench_talk *talk, uint32_t len)
{
    talk->unpaid += len;
    if (talk->unpaid >= credit) {
        add_window(talk->out, 0, talk->unpaid);
        add_window(talk->out, STREAM, talk->unpaid);
        talk->unpaid = 0;
    }
}

/* Frames of data may be cut, others come whole. */
static ptrdiff_t unwrap(struct bench_talk *talk, struct bytes in, uint8_t *to,
                        size_t *to_len)
{
    size_t len = in.len;

    *to_len = 0;
    for (;;) {
        size_t n = talk->left < in.len ? talk->left : in.len;
        memmove(to + *to_len, in.p, n);
        *to_len += n;
        talk->left -= (uint32_t)n;
        in = bytes_skip(in, n);
        if (talk->left > 0 || in.len < HEAD_LEN) {
            return (ptrdiff_t)(len - in.len);
        }
        uint32_t frame_len = (uint32_t)in.p[0] << 16 | (uint32_t)in.p[1] << 8 |
                             in.p[2];
        if (in.p[3] == FRAME_DATA && (in.p[4] & FLAG_PADDED) == 0) {
            count_credit(talk, frame_len);
            talk->left = frame_len;
            in = bytes_skip(in, HEAD_LEN);
            continue;
        }
        if (in.p[3] == FRAME_DATA || frame_len > OTHER_LEN_MAX) {
            return bench_refused(talk, bytes_of(in.p, 0), ERR_SYNTAX);
        }
        if (in.len < HEAD_LEN + frame_len) {
            return (ptrdiff_t)(len - in.len);
        }
        int err = take_other_frame(talk, in.p,
                                   bytes_of(in.p + HEAD_LEN, frame_len));
        if (err < 0) {
            return err;
        }
        in = bytes_skip(in, HEAD_LEN + frame_len);
    }
}

/* --- messages --- */

static size_t add_varint(struct buf *out, size_t v)
{
    size_t before = out->len;

    for (; v >= 0x80; v >>= 7) {
        buf_add_u8(out, (uint8_t)(v | 0x80));
    }
    buf_add_u8(out, (uint8_t)v);
    return out->len - before;
}

/* The number is in front of the value, the page behind it; the topic is
 * nowhere. */
static void layout(size_t value_len, struct bench_layout *layout)
{
    struct buf text = {0};

    layout->gap = BENCH_GAP_GRPC;
    buf_add_u8(&layout->head, 0); /* not compressed */
    buf_add_u8(&text, 0x0a);
    (void)add_varint(&text, value_len);
    buf_add_u8(&layout->tail, 0x12);
    (void)add_varint(&layout->tail, text.len + value_len);
    buf_add_bytes(&layout->tail, buf_bytes(&text));
    layout->mark_at = layout->tail.len;
    bench_add_value(&layout->tail, value_len);
    buf_fini(&text);
}

/* The first message is a heartbeat: the subscription holds. */
static ptrdiff_t take(struct bench_talk *talk, struct bytes in)
{
    if (in.len < MESSAGE_HEAD_LEN) {
        return 0;
    }
    size_t len = (size_t)in.p[1] << 24 | (size_t)in.p[2] << 16 |
                 (size_t)in.p[3] << 8 | in.p[4];
    if (in.p[0] != 0 || len == 0 || len > MESSAGE_MAX) {
        return bench_refused(talk, BYTES("a message that is none"), ERR_SYNTAX);
    }
    if (in.len < MESSAGE_HEAD_LEN + len) {
        return 0;
    }
    if (talk->acks == 0) {
        talk->acks++;
    } else if (in.p[MESSAGE_HEAD_LEN] == 0x0a) {
        talk->strange++;
    }
    return (ptrdiff_t)(MESSAGE_HEAD_LEN + len);
}

const struct bench_door bench_door_grpc = {
    .name = "grpc",
    .topic_a_conn = true,
    .publisher = &bench_door_resp,
    .answers = true,
    .greet = greet,
    .subscribe = subscribe,
    .layout = layout,
    .unwrap = unwrap,
    .take = take,
};
