/* SPDX-License-Identifier: Apache-2.0
 *
 * The doors that publish, for tests/node_doors_pairwise.c. Include after
 * tests/test.h.
 */
#ifndef TESTS_PAIRS_SAY_H
#define TESTS_PAIRS_SAY_H

#include "proto/json.h"
#include "proto/mp.h"
#include "proto/native.h"
#include "tests/ask.h"
#include "tests/grpc_talk.h"
#include "tests/resp_talk.h"

#define CACHE "demo"
#define TOPIC "a/\xc3\xbc \"$-1\\"
#define PATH  "/topics/demo/a/%C3%BC%20%22$-1%5C"

static struct core core;

struct said {
    const char *name;
    struct bytes value;
    bool binary;
    const char *event; /* NULL: none */
};

/* --- the doors that publish --- */

static void add_json_fields(struct buf *out, const struct said *said)
{
    json_add_name(out, true, said->binary ? "data" : "text");
    if (said->binary) {
        json_add_base64(out, said->value);
    } else {
        json_add_string(out, said->value);
    }
    if (said->event != NULL) {
        json_add_name(out, true, "event");
        json_add_string(out, bytes_str(said->event));
    }
}

static void say_http(struct fake_conn *fake, const struct said *said)
{
    char event[128] = "X-None: 1";
    if (said->event != NULL) {
        strcpy(event, "Starling-Event: ");
        strcat(event, said->event);
    }
    struct http_request request = ask_request(&(struct ask){
        "POST", PATH,
        said->binary ? "Content-Type: application/octet-stream" : NULL, event,
        NULL});
    request.body = said->value;
    fake_conn_reset(fake);
    ask_door_of(fake, &request);
    assert_int_equal(fake->status, 204);
}

static void say_json(struct fake_conn *fake, const struct said *said)
{
    struct buf out = {0};
    buf_add_str(&out, "{\"op\":\"publish\",\"cache\":\"" CACHE "\",\"topic\":");
    json_add_string(&out, BYTES(TOPIC));
    add_json_fields(&out, said);
    buf_add_u8(&out, '}');
    fake_conn_say_message(fake, buf_bytes(&out), false);
    buf_fini(&out);
}

static void put(struct buf *out, const char *name, const char *text)
{
    mp_put_str(out, bytes_str(name));
    mp_put_str(out, bytes_str(text));
}

static void say_msgpack(struct fake_conn *fake, const struct said *said)
{
    struct buf out = {0};
    mp_put_map(&out, said->event != NULL ? 5 : 4);
    put(&out, "op", "publish");
    put(&out, "cache", CACHE);
    put(&out, "topic", TOPIC);
    if (said->event != NULL) {
        put(&out, "event", said->event);
    }
    mp_put_str(&out, bytes_str(said->binary ? "data" : "text"));
    if (said->binary) {
        mp_put_bin(&out, said->value);
    } else {
        mp_put_str(&out, said->value);
    }
    fake_conn_say_message(fake, buf_bytes(&out), true);
    buf_fini(&out);
}

static void add_bulk(struct buf *out, struct bytes s)
{
    buf_add_u8(out, '$');
    buf_add_u64(out, s.len);
    buf_add_str(out, "\r\n");
    buf_add_bytes(out, s);
    buf_add_str(out, "\r\n");
}

static void say_resp(struct fake_conn *fake, const struct said *said)
{
    struct buf out = {0};
    buf_add_str(&out, "*3\r\n$7\r\nPUBLISH\r\n");
    add_bulk(&out, BYTES(TOPIC));
    add_bulk(&out, said->value);
    fake_conn_say(fake, buf_bytes(&out));
    buf_fini(&out);
}

static void add_grpc(struct buf *out, uint8_t field, struct bytes s)
{
    buf_add_u8(out, (uint8_t)(field << 3 | 2));
    grpc_add_varint(out, s.len);
    buf_add_bytes(out, s);
}

static void say_grpc(struct fake_conn *fake, const struct said *said)
{
    struct buf value = {0};
    struct buf message = {0};
    struct buf body = {0};
    add_grpc(&value, said->binary ? 2 : 1, said->value);
    add_grpc(&message, 1, BYTES(CACHE));
    add_grpc(&message, 2, BYTES(TOPIC));
    add_grpc(&message, 3, buf_bytes(&value));
    struct http_request request = grpc_request(
        &(struct grpc_ask){.path = "/cache_client.pubsub.Pubsub/"
                                   "Publish",
                           .message = buf_bytes(&message)},
        &body);
    fake_conn_reset(fake);
    ask_door_of(fake, &request);
    assert_int_equal(grpc_status_of(fake), GRPC_OK);
    buf_fini(&value);
    buf_fini(&message);
    buf_fini(&body);
}

static struct fake_conn *open_http(void)
{
    return fake_conn_new(&core);
}

static struct fake_conn *open_ws(enum native_format format)
{
    struct fake_conn *fake = fake_conn_new(&core);
    assert_int_equal(fake_conn_open_ws(fake, &door_native, NULL, format), 0);
    return fake;
}

static struct fake_conn *open_json(void)
{
    return open_ws(NATIVE_JSON);
}

static struct fake_conn *open_msgpack(void)
{
    return open_ws(NATIVE_MSGPACK);
}

static struct fake_conn *open_resp(void)
{
    struct fake_conn *fake = connect_to(&core);
    say(fake, "AUTH " CACHE " any\r\n");
    hears(fake, "+OK\r\n");
    return fake;
}

static const struct publisher {
    const char *name;
    struct fake_conn *(*open)(void);
    void (*say)(struct fake_conn *fake, const struct said *said);
    bool is_raw; /* bytes only: text is what is valid UTF-8 */
    bool has_event;
} publishers[] = {
    {"http", open_http, say_http, false, true},
    {"native json", open_json, say_json, false, true},
    {"native msgpack", open_msgpack, say_msgpack, false, true},
    {"resp", open_resp, say_resp, true, false},
    {"grpc", open_http, say_grpc, false, false},
};

#endif
