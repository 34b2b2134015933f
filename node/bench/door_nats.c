/* SPDX-License-Identifier: Apache-2.0
 *
 * The text protocol of nats-server. Publishes and subscribes are not answered;
 * a PING behind a SUB is, once the SUB holds.
 */
#include "node/bench/code.h"
#include "node/bench/door.h"
#include "proto/err.h"
#include "proto/json.h"

/* The server speaks first. */
static void greet(struct bench_talk *talk)
{
    (void)talk;
}

static void connect_to(struct bench_talk *talk)
{
    buf_add_str(talk->out,
                "CONNECT {\"verbose\":false,\"pedantic\":false,"
                "\"name\":\"starling bench\",\"lang\":\"c\","
                "\"version\":\"" STARLING_VERSION "\",\"protocol\":1");
    if (talk->token != NULL) {
        json_add_name(talk->out, true, "auth_token");
        json_add_string(talk->out, bytes_str(talk->token));
    }
    buf_add_str(talk->out, "}\r\nPING\r\n");
}

/* What a connection calls a subscription: the code of its topic. */
static void add_sid(struct buf *out, uint32_t topic)
{
    uint64_t code = bench_code(topic);

    buf_add(out, &code, sizeof code);
}

static void subscribe(struct bench_talk *talk, uint32_t topic)
{
    buf_add_str(talk->out, "SUB ");
    bench_add_topic(talk->out, topic);
    buf_add_u8(talk->out, ' ');
    add_sid(talk->out, topic);
    buf_add_str(talk->out, "\r\nPING\r\n");
}

static void unsubscribe(struct bench_talk *talk, uint32_t topic)
{
    buf_add_str(talk->out, "UNSUB ");
    add_sid(talk->out, topic);
    buf_add_str(talk->out, "\r\n");
}

static void publish(const struct bench_talk *talk, size_t value_len,
                    struct bench_request *request)
{
    struct buf *out = &request->bytes;

    (void)talk;
    buf_add_str(out, "PUB ");
    bench_add_topic(out, 0);
    request->topic_at = out->len - BENCH_CODE_LEN;
    buf_add_u8(out, ' ');
    buf_add_u64(out, value_len);
    buf_add_str(out, "\r\n");
    request->mark_at = out->len;
    bench_add_value(out, value_len);
    buf_add_str(out, "\r\n");
}

static void layout(size_t value_len, struct bench_layout *layout)
{
    buf_add_str(&layout->head, "MSG ");
    bench_add_topic(&layout->head, 0);
    layout->topic_at = layout->head.len - BENCH_CODE_LEN;
    layout->topic_len = BENCH_CODE_LEN + 1 + BENCH_CODE_LEN;
    buf_add_u8(&layout->head, ' ');
    add_sid(&layout->head, 0);
    buf_add_u8(&layout->head, ' ');
    buf_add_u64(&layout->head, value_len);
    buf_add_str(&layout->head, "\r\n");
    layout->mark_at = 0;
    bench_add_value(&layout->tail, value_len);
    buf_add_str(&layout->tail, "\r\n");
}

/* --- what is no delivery --- */

static ptrdiff_t refuse(struct bench_talk *talk, struct bytes line)
{
    bool auth = bytes_starts(line, BYTES("-ERR 'Authorization"));
    bool denied = bytes_starts(line, BYTES("-ERR 'Permissions"));

    return bench_refused(talk, line,
                         auth     ? ERR_UNAUTH
                         : denied ? ERR_DENIED
                                  : ERR_ARGUMENT);
}

/* A message with its payload, whose length is the last word of its line. */
static ptrdiff_t take_message(struct bench_talk *talk, struct bytes in,
                              struct bytes line)
{
    size_t at = line.len;
    uint64_t len;

    while (at > 0 && line.p[at - 1] != ' ') {
        at--;
    }
    if (bytes_u64(bytes_skip(line, at), &len) != 0 || len > BUF_MAX_DEFAULT) {
        return bench_refused(talk, line, ERR_SYNTAX);
    }
    if (in.len < line.len + 2 + len + 2) {
        return 0;
    }
    talk->strange++;
    return (ptrdiff_t)(line.len + 2 + len + 2);
}

static ptrdiff_t take(struct bench_talk *talk, struct bytes in)
{
    const uint8_t *feed = memchr(in.p, '\n', in.len);

    if (feed == NULL || feed == in.p) {
        return feed == NULL ? 0 : ERR_SYNTAX;
    }
    struct bytes line = bytes_of(in.p, (size_t)(feed - in.p) - 1);
    if (bytes_starts(line, BYTES("MSG "))) {
        return take_message(talk, in, line);
    }
    if (bytes_starts(line, BYTES("-ERR"))) {
        return refuse(talk, line);
    }
    if (bytes_starts(line, BYTES("PING"))) {
        buf_add_str(talk->out, "PONG\r\n");
    } else if (bytes_starts(line, BYTES("PONG"))) {
        talk->acks += talk->greeted;
        talk->greeted = true;
    } else if (bytes_starts(line, BYTES("INFO"))) {
        if (!talk->greeted) {
            connect_to(talk);
        }
    } else if (!bytes_eq(line, BYTES("+OK"))) {
        return bench_refused(talk, line, ERR_SYNTAX);
    }
    return (ptrdiff_t)(line.len + 2);
}

const struct bench_door bench_door_nats = {
    .name = "nats",
    .greet = greet,
    .subscribe = subscribe,
    .unsubscribe = unsubscribe,
    .publish = publish,
    .layout = layout,
    .take = take,
};
