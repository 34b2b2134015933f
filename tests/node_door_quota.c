/* SPDX-License-Identifier: Apache-2.0
 *
 * What each door says to who asks more of a cache than its quota.
 */
#include "tests/test.h"

#include <stdio.h>

#include "proto/native.h"
#include "tests/ask.h"
#include "tests/grpc_talk.h"
#include "tests/resp_talk.h"

static struct core core;

/* A cache "default" that takes one item a second, of 3 bytes, and one reader.
 */
static int setup(void **state)
{
    const struct quota quota = {.publish_rate = 1, .item_len = 3, .subs = 1};
    (void)state;

    fake_core_init(&core);
    meter_bound(meters_of(&core.meters, BYTES("default")), &quota);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    core_fini(&core);
    return 0;
}

static void assert_refused(const struct fake_conn *fake, const char *text,
                           bool again)
{
    assert_int_equal(fake->status, 429);
    assert_true(ask_out_has(fake, text));
    assert_int_equal(ask_head_has(fake, "Retry-After: 1\n"), again);
}

static void by_http(void **state)
{
    static const char *const topic = "/topics/default/t";
    static const struct ask large = {"POST", topic, NULL, NULL, "1234"};
    static const struct ask small = {"POST", topic, NULL, NULL, "123"};
    (void)state;

    struct fake_conn *fake = ask_new(&core, &large);
    assert_refused(fake, "{\"code\":4293,\"error\":\"QUOTA_ITEM\"", false);
    ask_again(fake, &small);
    assert_int_equal(fake->status, 204);
    ask_again(fake, &small);
    assert_refused(fake, "{\"code\":4292,\"error\":\"QUOTA_RATE\"", true);
    assert_int_equal(core.stats.refused, 2);
    fake_wait(&core, 1000);
    ask_again(fake, &small);
    assert_int_equal(fake->status, 204);
    fake_conn_free(fake);
}

static void by_http_readers(void **state)
{
    static const struct ask events = {.target = "/topics/default/t",
                                      .header = "Accept: text/event-stream"};
    static const struct ask poll = {.target = "/topics/default/t"};
    (void)state;

    struct fake_conn *first = ask_new(&core, &events);
    assert_int_equal(first->status, 200);
    struct fake_conn *fake = ask_new(&core, &events);
    assert_refused(fake, "{\"code\":4294,\"error\":\"QUOTA_SUBS\"", true);
    ask_again(fake, &poll);
    assert_refused(fake, "{\"code\":4294,\"error\":\"QUOTA_SUBS\"", true);
    fake_conn_free(first);
    ask_again(fake, &events);
    assert_int_equal(fake->status, 200);
    fake_conn_free(fake);
}

/* Says a message and returns the text of the answer, "" when there is none. */
static const char *talk(struct fake_conn *fake, const char *message)
{
    static char text[512];
    struct bytes answer;

    fake_conn_reset(fake);
    fake_conn_say_message(fake, bytes_str(message), false);
    fake_flush(&core);
    text[0] = '\0';
    if (fake_conn_message(fake, &answer)) {
        assert_in_range(answer.len, 1, sizeof text - 1);
        memcpy(text, answer.p, answer.len);
        text[answer.len] = '\0';
    }
    return text;
}

static void by_native(void **state)
{
    static const struct {
        const char *message;
        const char *code; /* NULL: no error */
    } cases[] = {
        {"{\"op\":\"publish\",\"id\":1,\"cache\":\"default\",\"topic\":\"t\","
         "\"text\":\"1234\"}",
         "\"code\":4293"},
        {"{\"op\":\"publish\",\"id\":2,\"cache\":\"default\",\"topic\":\"t\","
         "\"text\":\"123\"}",
         NULL},
        {"{\"op\":\"publish\",\"id\":3,\"cache\":\"default\",\"topic\":\"t\","
         "\"text\":\"123\"}",
         "\"code\":4292"},
        {"{\"op\":\"subscribe\",\"id\":4,\"cache\":\"default\",\"topic\":"
         "\"t\"}",
         NULL},
        {"{\"op\":\"subscribe\",\"id\":5,\"cache\":\"default\",\"topic\":"
         "\"u\"}",
         "\"code\":4294"},
        {"{\"op\":\"subscribe\",\"id\":6,\"cache\":\"other\",\"topic\":\"u\"}",
         NULL},
    };
    struct fake_conn *fake = fake_conn_new(&core);
    (void)state;

    assert_int_equal(fake_conn_open_ws(fake, &door_native, NULL, NATIVE_JSON),
                     0);
    fake_flush(&core); /* the welcome */
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *answer = talk(fake, cases[i].message);
        bool refused = strstr(answer, "\"error\"") != NULL;
        assert_int_equal(refused, cases[i].code != NULL);
        assert_true(!refused || strstr(answer, cases[i].code) != NULL);
    }
    fake_conn_free(fake);
}

/* Of a list that does not fit whole nothing is subscribed. */
static void by_resp(void **state)
{
    struct fake_conn *fake = connect_to(&core);
    (void)state;

    say(fake, "PUBLISH t 1234\r\nPUBLISH t 123\r\nPUBLISH t 123\r\n");
    hears(fake, "-QUOTA over the item size of this cache\r\n:0\r\n"
                "-QUOTA over the publish rate of this cache\r\n");
    say(fake, "SUBSCRIBE t u\r\n");
    hears(fake, "-QUOTA over the subscriptions of this cache\r\n");
    assert_int_equal(hub_subs_in(core.hub, BYTES("default")), 0);
    say(fake, "PSUBSCRIBE t*\r\n");
    hears(fake, "*3\r\n$10\r\npsubscribe\r\n$2\r\nt*\r\n:1\r\n");
    say(fake, "SUBSCRIBE t\r\n");
    hears(fake, "-QUOTA over the subscriptions of this cache\r\n");
    say(fake, "PUNSUBSCRIBE\r\nSUBSCRIBE t\r\n");
    hears(fake, "*3\r\n$12\r\npunsubscribe\r\n$2\r\nt*\r\n:0\r\n"
                "*3\r\n$9\r\nsubscribe\r\n$1\r\nt\r\n:1\r\n");
    fake_conn_free(fake);
}

static struct fake_conn *call(const char *method, struct bytes message,
                              enum grpc_status status, const char *err)
{
    char path[64];

    (void)snprintf(path, sizeof path, "/cache_client.pubsub.Pubsub/%s", method);
    struct fake_conn *fake = grpc_call_new(
        &core, &(struct grpc_ask){.path = path, .message = message});
    if (err != NULL) {
        assert_int_equal(grpc_status_of(fake), status);
        assert_true(grpc_trailers_have(fake, err));
    }
    return fake;
}

/* The SDKs read `err`. */
static void by_grpc(void **state)
{
    static const struct {
        const char *method;
        struct bytes message;
        enum grpc_status status;
        const char *err;
    } cases[] = {
        {"Publish",
         BYTES("\x0a\x07"
               "default\x12\x01t\x1a\x06\x0a\x04"
               "1234"),
         GRPC_RESOURCE_EXHAUSTED, "item_size_limit_exceeded"},
        {"Publish",
         BYTES("\x0a\x07"
               "default\x12\x01t\x1a\x05\x0a\x03"
               "123"),
         GRPC_OK, ""},
        {"Publish",
         BYTES("\x0a\x07"
               "default\x12\x01t\x1a\x05\x0a\x03"
               "123"),
         GRPC_RESOURCE_EXHAUSTED, "operations_rate_limit_exceeded"},
        {"Subscribe",
         BYTES("\x0a\x07"
               "default\x12\x01u"),
         GRPC_RESOURCE_EXHAUSTED, "topic_subscriptions_limit_exceeded"},
    };
    (void)state;

    struct fake_conn *reader = call("Subscribe",
                                    BYTES("\x0a\x07"
                                          "default\x12\x01t"),
                                    0, NULL);
    assert_true(reader->streaming);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        fake_conn_free(call(cases[i].method, cases[i].message, cases[i].status,
                            cases[i].err));
    }
    fake_conn_free(reader);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(by_http), T(by_http_readers), T(by_native), T(by_resp), T(by_grpc),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
