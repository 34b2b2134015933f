/* SPDX-License-Identifier: Apache-2.0
 *
 * The doors that subscribe, for tests/node_doors_pairwise.c, and a reader for
 * each that is written from the specification of its protocol, not from our
 * writer. Include after tests/test.h.
 */
#ifndef TESTS_PAIRS_HEAR_H
#define TESTS_PAIRS_HEAR_H

#include "tests/pairs_say.h"

/* What a reader understood of one item. */
struct heard {
    bool binary;
    struct buf value;
    char event[64];
    char publisher[64];
    uint64_t page;
    uint64_t seq;
};

/* --- the doors that subscribe --- */

/* Gives away that everything that was said was one item. */
static void hear_sse(struct fake_conn *fake, struct heard *heard)
{
    struct bytes in = fake_conn_out(fake);
    size_t ends = 0;
    size_t datas = 0;
    while (in.len > 0) {
        ptrdiff_t len = 0;
        while (in.p[len] != '\n' && in.p[len] != '\r') {
            len++;
            assert_true((size_t)len < in.len);
        }
        assert_int_equal(in.p[len], '\n'); /* we write no other line end */
        struct bytes line = bytes_of(in.p, (size_t)len);
        in = bytes_skip(in, (size_t)len + 1);
        if (bytes_starts(line, BYTES("id: "))) {
            ptrdiff_t dash = bytes_find(line, '-');
            assert_true(dash > 4);
            assert_int_equal(
                bytes_u64(bytes_of(line.p + 4, (size_t)dash - 4), &heard->page),
                0);
            assert_int_equal(
                bytes_u64(bytes_skip(line, (size_t)dash + 1), &heard->seq), 0);
        } else if (bytes_starts(line, BYTES("event: "))) {
            memcpy(heard->event, line.p + 7, line.len - 7);
        } else if (bytes_starts(line, BYTES("data:"))) {
            size_t skip = line.len > 5 && line.p[5] == ' ' ? 6 : 5;
            if (datas++ > 0) {
                buf_add_u8(&heard->value, '\n');
            }
            buf_add_bytes(&heard->value, bytes_skip(line, skip));
        } else {
            assert_int_equal(line.len, 0);
            ends++;
        }
    }
    assert_int_equal(ends, 1);
    assert_true(datas > 0);
    fake_conn_reset(fake);
}

/* The name of the event says what its data is. */
static void hear_sse_item(struct fake_conn *fake, struct heard *heard)
{
    struct buf text = {0};
    hear_sse(fake, heard);
    if (strncmp(heard->event, "binary", 6) != 0) {
        return;
    }
    heard->binary = true;
    size_t skip = heard->event[6] == ':' ? 7 : 6;
    memmove(heard->event, heard->event + skip, sizeof heard->event - skip);
    text = heard->value;
    heard->value = (struct buf){0};
    assert_int_equal(json_base64_read(buf_bytes(&text), &heard->value), 0);
    buf_fini(&text);
}

static void take_text(const json_t *node, char to[64])
{
    if (node != NULL) {
        assert_true(json_string_length(node) < 64);
        memcpy(to, json_string_value(node), json_string_length(node) + 1);
    }
}

static void take_json_value(const json_t *text, const json_t *data,
                            struct heard *heard)
{
    assert_true((text == NULL) != (data == NULL));
    const json_t *node = text != NULL ? text : data;
    const struct bytes s = bytes_of(json_string_value(node),
                                    json_string_length(node));
    heard->binary = data != NULL;
    if (heard->binary) {
        assert_int_equal(json_base64_read(s, &heard->value), 0);
    } else {
        buf_add_bytes(&heard->value, s);
    }
}

static json_t *read_json(struct bytes s)
{
    json_t *root = json_loadb((const char *)s.p, s.len,
                              JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
    assert_non_null(root);
    return root;
}

static uint64_t number(const json_t *object, const char *name)
{
    return (uint64_t)json_integer_value(json_object_get(object, name));
}

static void hear_poll(struct fake_conn *fake, struct heard *heard)
{
    fake_wait(&core, 0); /* it answers when the turn is over */
    assert_int_equal(fake->status, 200);
    json_t *root = read_json(fake_conn_out(fake));
    const json_t *items = json_object_get(root, "items");
    assert_int_equal(json_array_size(items), 1);
    const json_t *item = json_object_get(json_array_get(items, 0), "item");
    const json_t *value = json_object_get(item, "value");
    heard->page = number(item, "sequence_page");
    heard->seq = number(item, "topic_sequence_number");
    take_text(json_object_get(item, "publisher_id"), heard->publisher);
    take_json_value(json_object_get(value, "text"),
                    json_object_get(value, "binary"), heard);
    json_decref(root);
}

static struct bytes next(struct fake_conn *fake)
{
    struct bytes message;
    assert_true(fake_conn_message(fake, &message));
    return message;
}

static void hear_json(struct fake_conn *fake, struct heard *heard)
{
    json_t *root = read_json(next(fake));
    assert_string_equal(json_string_value(json_object_get(root, "op")), "item");
    assert_string_equal(json_string_value(json_object_get(root, "topic")),
                        TOPIC);
    heard->page = number(root, "page");
    heard->seq = number(root, "seq");
    take_text(json_object_get(root, "event"), heard->event);
    take_text(json_object_get(root, "publisher"), heard->publisher);
    take_json_value(json_object_get(root, "text"),
                    json_object_get(root, "data"), heard);
    json_decref(root);
}

static void take_mp_attr(struct mp *mp, struct heard *heard)
{
    struct bytes key = mp_take_str(mp, 64);
    if (bytes_eq(key, BYTES("event"))) {
        struct bytes text = mp_take_str(mp, 63);
        memcpy(heard->event, text.p, text.len);
    } else {
        mp_skip(mp);
    }
}

/* [cache, topic, page, seq, origin, at, publisher, value] or with {attributes}
 */
static void hear_msgpack(struct fake_conn *fake, struct heard *heard)
{
    struct bytes message = next(fake);
    struct mp mp = mp_of(message);
    uint32_t len = mp_take_array(&mp);
    mp_skip(&mp);
    assert_bytes(mp_take_str(&mp, 512), TOPIC);
    heard->page = mp_take_u64(&mp);
    heard->seq = mp_take_u64(&mp);
    assert_int_equal(mp_take_bin(&mp, 8).len, 8);
    assert_int_not_equal(mp_take_u64(&mp), 0);
    struct bytes publisher = mp_take_str(&mp, 63);
    memcpy(heard->publisher, publisher.p, publisher.len);
    heard->binary = mp_next_type(&mp) == MP_BIN;
    buf_add_bytes(&heard->value, heard->binary ? mp_take_bin(&mp, SIZE_MAX)
                                               : mp_take_str(&mp, SIZE_MAX));
    uint32_t attrs = len == 9 ? mp_take_map(&mp) : 0;
    for (uint32_t i = 0; i < attrs; i++) {
        take_mp_attr(&mp, heard);
    }
    assert_int_equal(mp_outcome(&mp), message.len);
}

/* Takes the front of *in, which must be this. */
static void take(struct bytes *in, const char *text)
{
    assert_true(bytes_starts(*in, bytes_str(text)));
    *in = bytes_skip(*in, strlen(text));
}

static void hear_bulk(struct bytes *in, struct buf *out)
{
    uint64_t len;
    take(in, "$");
    ptrdiff_t end = bytes_find(*in, '\r');
    assert_true(end > 0);
    assert_int_equal(bytes_u64(bytes_of(in->p, (size_t)end), &len), 0);
    *in = bytes_skip(*in, (size_t)end);
    take(in, "\r\n");
    assert_true(len <= in->len);
    buf_add(out, in->p, len);
    *in = bytes_skip(*in, len);
    take(in, "\r\n");
}

static void hear_resp(struct fake_conn *fake, struct heard *heard,
                      const char *head)
{
    struct bytes in = fake_conn_out(fake);
    struct buf topic = {0};
    take(&in, head);
    hear_bulk(&in, &topic);
    assert_bytes(buf_bytes(&topic), TOPIC);
    hear_bulk(&in, &heard->value);
    assert_int_equal(in.len, 0);
    buf_fini(&topic);
    fake_conn_reset(fake);
}

static void hear_resp2(struct fake_conn *fake, struct heard *heard)
{
    hear_resp(fake, heard, "*3\r\n$7\r\nmessage\r\n");
}

static void hear_resp3(struct fake_conn *fake, struct heard *heard)
{
    hear_resp(fake, heard, ">3\r\n$7\r\nmessage\r\n");
}

static void hear_pattern(struct fake_conn *fake, struct heard *heard)
{
    hear_resp(fake, heard, "*4\r\n$8\r\npmessage\r\n$1\r\n*\r\n");
}

static void take_grpc_item(struct bytes in, struct heard *heard)
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
            buf_add_bytes(&heard->value, value);
            break;
        case 3:
            memcpy(heard->publisher, inner.p, inner.len);
            break;
        case 4:
            heard->page = number;
            break;
        default:
            fail_msg("an item has no such field");
        }
    }
}

static void hear_grpc_frame(struct bytes in, struct heard *heard)
{
    struct grpc_frame frame = {0};
    uint64_t number;
    struct bytes inner = {0};
    assert_int_equal(grpc_read_frame(in, in.len, &frame), in.len);
    assert_int_equal(grpc_field(&frame.message, &number, &inner), 1);
    assert_int_equal(frame.message.len, 0);
    take_grpc_item(inner, heard);
}

static void hear_grpc(struct fake_conn *fake, struct heard *heard)
{
    hear_grpc_frame(fake_conn_out(fake), heard);
}

static void hear_grpc_text(struct fake_conn *fake, struct heard *heard)
{
    struct buf frame = {0};
    assert_int_equal(grpc_read_text(fake_conn_out(fake), &frame), 0);
    hear_grpc_frame(buf_bytes(&frame), heard);
    buf_fini(&frame);
}

static struct fake_conn *listen_grpc_as(const char *type)
{
    struct buf message = {0};
    add_grpc(&message, 1, BYTES(CACHE));
    add_grpc(&message, 2, BYTES(TOPIC));
    struct fake_conn *fake = grpc_call_new(
        &core, &(struct grpc_ask){.path = "/cache_client.pubsub.Pubsub/"
                                          "Subscribe",
                                  .type = type,
                                  .message = buf_bytes(&message)});
    fake_conn_reset(fake);
    buf_fini(&message);
    return fake;
}

static struct fake_conn *listen_grpc(void)
{
    return listen_grpc_as("application/grpc");
}

static struct fake_conn *listen_grpc_text(void)
{
    return listen_grpc_as("application/grpc-web-text");
}

/* Subscribes, and forgets what was said so far. */
static struct fake_conn *listen_http(const char *header)
{
    struct fake_conn *fake = ask_new(
        &core, &(struct ask){.target = PATH, .header = header});
    fake_conn_reset(fake);
    return fake;
}

static struct fake_conn *listen_sse(void)
{
    return listen_http("Accept: text/event-stream");
}

static struct fake_conn *listen_poll(void)
{
    return listen_http(NULL);
}

static struct fake_conn *listen_json(void)
{
    struct fake_conn *fake = open_json();
    struct buf out = {0};
    buf_add_str(&out, "{\"op\":\"subscribe\",\"id\":1,\"cache\":\"" CACHE
                      "\",\"topic\":");
    json_add_string(&out, BYTES(TOPIC));
    buf_add_u8(&out, '}');
    fake_conn_say_message(fake, buf_bytes(&out), false);
    buf_fini(&out);
    fake_flush(&core);
    (void)next(fake);
    (void)next(fake);
    return fake;
}

static struct fake_conn *listen_msgpack(void)
{
    struct fake_conn *fake = open_msgpack();
    struct buf out = {0};
    mp_put_map(&out, 4);
    put(&out, "op", "subscribe");
    put(&out, "cache", CACHE);
    put(&out, "topic", TOPIC);
    mp_put_str(&out, BYTES("id"));
    mp_put_u64(&out, 1);
    fake_conn_say_message(fake, buf_bytes(&out), true);
    buf_fini(&out);
    fake_flush(&core);
    (void)next(fake);
    (void)next(fake);
    return fake;
}

static struct fake_conn *listen_resp(const char *before, const char *verb,
                                     struct bytes what)
{
    struct fake_conn *fake = open_resp();
    struct buf out = {0};
    buf_add_str(&out, before);
    buf_add_str(&out, "*2\r\n");
    add_bulk(&out, bytes_str(verb));
    add_bulk(&out, what);
    fake_conn_say(fake, buf_bytes(&out));
    buf_fini(&out);
    fake_flush(&core);
    fake_conn_reset(fake);
    return fake;
}

static struct fake_conn *listen_resp2(void)
{
    return listen_resp("", "SUBSCRIBE", BYTES(TOPIC));
}

static struct fake_conn *listen_resp3(void)
{
    return listen_resp("HELLO 3\r\n", "SUBSCRIBE", BYTES(TOPIC));
}

static struct fake_conn *listen_pattern(void)
{
    return listen_resp("", "PSUBSCRIBE", BYTES("*"));
}

static const struct subscriber {
    const char *name;
    struct fake_conn *(*listen)(void);
    void (*hear)(struct fake_conn *fake, struct heard *heard);
    bool is_raw;   /* shows bytes only */
    bool is_lines; /* CR and CRLF of a text become LF */
    bool has_event;
    bool has_publisher;
} subscribers[] = {
    {"sse", listen_sse, hear_sse_item, false, true, true, false},
    {"long-poll", listen_poll, hear_poll, false, false, false, true},
    {"native json", listen_json, hear_json, false, false, true, true},
    {"native msgpack", listen_msgpack, hear_msgpack, false, false, true, true},
    {"resp2", listen_resp2, hear_resp2, true, false, false, false},
    {"resp3", listen_resp3, hear_resp3, true, false, false, false},
    {"resp pattern", listen_pattern, hear_pattern, true, false, false, false},
    {"grpc", listen_grpc, hear_grpc, false, false, false, true},
    {"grpc-web-text", listen_grpc_text, hear_grpc_text, false, false, false,
     true},
};

#endif
