/* SPDX-License-Identifier: Apache-2.0
 *
 * The native protocol, as msgpack over WebSocket. Publishes are not answered.
 *
 * Frames of a client must be masked; ours have the mask 0, so that a request
 * can be patched where it lies. The server unmasks them all the same.
 */
#include "node/bench/code.h"
#include "node/bench/door.h"
#include "node/bench/http.h"
#include "proto/err.h"
#include "proto/json.h"
#include "proto/mp.h"
#include "proto/ws_frame.h"

enum {
    MESSAGE_MAX = BUF_MAX_DEFAULT,
    WORD_MAX = 64
};

static const uint8_t mask[4];

static void greet(struct bench_talk *talk)
{
    bench_http_begin(talk->out, talk, "GET", "/v1/ws");
    buf_add_str(talk->out, "Connection: Upgrade\r\nUpgrade: websocket\r\n"
                           "Sec-WebSocket-Version: 13\r\n"
                           "Sec-WebSocket-Protocol: starling.v1.msgpack\r\n"
                           "Sec-WebSocket-Key: ");
    json_base64(talk->out, BYTES("starling bench 1")); /* 16 bytes */
    buf_add_str(talk->out, "\r\n\r\n");
}

static void add_text(struct buf *out, const char *text)
{
    mp_put_str(out, bytes_str(text));
}

static void add_topic(struct buf *out, uint32_t topic)
{
    struct buf name = {0};

    bench_add_topic(&name, topic);
    mp_put_str(out, buf_bytes(&name));
    out->failed |= name.failed;
    buf_fini(&name);
}

static void add_value(struct buf *out, size_t value_len)
{
    struct buf value = {.max = 2 * value_len};

    bench_add_value(&value, value_len);
    mp_put_str(out, buf_bytes(&value));
    out->failed |= value.failed;
    buf_fini(&value);
}

/* Appends the frame and frees the message. */
static void add_frame(struct buf *out, struct buf *message)
{
    ws_frame(out, WS_BINARY, buf_bytes(message), mask);
    out->failed |= message->failed;
    buf_fini(message);
}

static void ask(struct bench_talk *talk, const char *op, uint32_t topic)
{
    struct buf message = {0};

    mp_put_map(&message, 4);
    add_text(&message, "op");
    add_text(&message, op);
    add_text(&message, "id");
    mp_put_u64(&message, topic);
    add_text(&message, "cache");
    add_text(&message, "default");
    add_text(&message, "topic");
    add_topic(&message, topic);
    add_frame(talk->out, &message);
}

static void subscribe(struct bench_talk *talk, uint32_t topic)
{
    ask(talk, "subscribe", topic);
}

static void unsubscribe(struct bench_talk *talk, uint32_t topic)
{
    ask(talk, "unsubscribe", topic);
}

static void publish(const struct bench_talk *talk, size_t value_len,
                    struct bench_request *request)
{
    struct buf message = {.max = 2 * value_len + 1024};

    (void)talk;
    mp_put_map(&message, 4);
    add_text(&message, "op");
    add_text(&message, "publish");
    add_text(&message, "cache");
    add_text(&message, "default");
    add_text(&message, "topic");
    add_topic(&message, 0);
    size_t topic_end = message.len;
    add_text(&message, "text");
    add_value(&message, value_len);
    size_t after_topic = message.len - topic_end;
    add_frame(&request->bytes, &message);
    request->topic_at = request->bytes.len - after_topic - BENCH_CODE_LEN;
    request->mark_at = request->bytes.len - value_len;
}

static void layout(size_t value_len, struct bench_layout *layout)
{
    layout->gap = BENCH_GAP_WEBSOCKET;
    add_text(&layout->head, "default");
    add_topic(&layout->head, 0);
    layout->topic_at = layout->head.len - BENCH_CODE_LEN;
    layout->topic_len = BENCH_CODE_LEN;
    add_value(&layout->tail, value_len);
    layout->mark_at = layout->tail.len - value_len;
}

/* --- what is no delivery --- */

/* The number of an error or of an end, and what it says. */
static int refuse(struct bench_talk *talk, struct mp *mp, uint32_t fields)
{
    uint64_t code = 0;
    struct bytes message = {0};

    for (uint32_t i = 0; i < fields && mp->state == 0; i++) {
        struct bytes name = mp_take_str(mp, WORD_MAX);
        if (bytes_eq(name, BYTES("code"))) {
            code = mp_take_u64(mp);
        } else if (bytes_eq(name, BYTES("message"))) {
            message = mp_take_str(mp, BENCH_WHY_LEN);
        } else {
            mp_skip(mp);
        }
    }
    return bench_refused(talk, message, err_from_code((unsigned)code));
}

/* An item is an array, all else is a map. */
static bool is_item(struct bytes message)
{
    struct mp mp = mp_of(message);

    return mp_take_array(&mp) > 0;
}

static int take_message(struct bench_talk *talk, struct bytes message)
{
    if (is_item(message)) {
        talk->strange++;
        return 0;
    }
    struct mp mp = mp_of(message);
    uint32_t fields = mp_take_map(&mp);
    struct bytes name = mp_take_str(&mp, WORD_MAX);
    struct bytes op = mp_take_str(&mp, WORD_MAX);

    if (mp.state != 0 || fields == 0 || !bytes_eq(name, BYTES("op"))) {
        return bench_refused(talk, BYTES("a message without op"), ERR_SYNTAX);
    }
    if (bytes_eq(op, BYTES("subscribed"))) {
        talk->acks++;
    } else if (bytes_eq(op, BYTES("error")) || bytes_eq(op, BYTES("ended"))) {
        return refuse(talk, &mp, fields - 1);
    }
    return 0; /* welcome, unsubscribed, gap: what is missing is counted */
}

static ptrdiff_t take_frame(struct bench_talk *talk, struct bytes in)
{
    uint64_t len;
    size_t head_len = bench_websocket_head(in, &len);

    if (head_len == 0) {
        return 0;
    }
    if (len > MESSAGE_MAX) {
        return bench_refused(talk, BYTES("an endless frame"), ERR_SYNTAX);
    }
    if (in.len < head_len + len) {
        return 0;
    }
    struct bytes payload = bytes_of(in.p + head_len, len);
    int rc = 0;
    switch (in.p[0]) {
    case 0x80 | WS_BINARY:
        rc = take_message(talk, payload);
        break;
    case 0x80 | WS_PING:
        ws_frame(talk->out, WS_PONG, payload, mask);
        break;
    case 0x80 | WS_CLOSE:
        rc = bench_refused(talk, bytes_skip(payload, len < 2 ? len : 2),
                           ERR_CLOSING);
        break;
    default:
        rc = bench_refused(talk, BYTES("an unexpected frame"), ERR_SYNTAX);
    }
    return rc < 0 ? rc : (ptrdiff_t)(head_len + len);
}

static ptrdiff_t take(struct bench_talk *talk, struct bytes in)
{
    unsigned status;

    if (talk->greeted) {
        return take_frame(talk, in);
    }
    ptrdiff_t n = bench_http_take(talk, in, &status);
    if (n > 0 && status != 101) {
        return bench_refused(talk, in, ERR_SYNTAX);
    }
    talk->greeted = n > 0;
    return n;
}

const struct bench_door bench_door_ws = {
    .name = "ws",
    .greet = greet,
    .subscribe = subscribe,
    .unsubscribe = unsubscribe,
    .publish = publish,
    .layout = layout,
    .take = take,
};
