/* SPDX-License-Identifier: Apache-2.0
 *
 * What a door answers with an error is counted once, whoever found the error:
 * the door, the client's verbs, the hub or the carrier.
 */
#include "tests/test.h"

#include "proto/native.h"
#include "tests/ask.h"
#include "tests/resp_talk.h"

#define NATIVE_PUBLISH_TO(topic) \
    "{\"op\":\"publish\",\"cache\":\"demo\",\"text\":\"x\",\"topic\":" topic "}"

static struct core core;

static int setup(void **state)
{
    struct core_options options = fake_core_options();
    (void)state;

    options.limits.subs_per_client = 1;
    assert_int_equal(core_init(&core, &options), 0);
    core_turn(&core, 1000, 1795305600000);
    core.ready = true;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    core_fini(&core);
    return 0;
}

static void assert_counted(const char *what, uint64_t count)
{
    if (core.stats.refused != count) {
        fail_msg("%s: %llu refused, not %llu", what,
                 (unsigned long long)core.stats.refused,
                 (unsigned long long)count);
    }
    core.stats.refused = 0;
}

static void by_http(void **state)
{
    static const char *const events = "Accept: text/event-stream";
    static const struct ask asks[] = {
        {"POST", "/topics/_sys/t", NULL, NULL, "x"},
        {"POST", "/topics/demo/%01", NULL, NULL, "x"},
        {"POST", "/topics/demo/t", NULL, NULL, "\xff"},
        {"POST", "/topics/demo/t", "Starling-Event: a", "Starling-Event: b",
         "x"},
        {"DELETE", "/topics/demo/t", NULL, NULL, ""},
        {"GET", "/topics/_sys/%01", NULL, NULL, ""},
        {"GET", "/topics/demo/t?sequence_page=x", NULL, NULL, ""},
        {"GET", "/topics/_sys/%01", events, NULL, ""},
        {"GET", "/topics/demo/t?barrier=some", events, NULL, ""},
        {"POST", "/v1/cluster", NULL, NULL, ""},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(asks); i++) {
        struct fake_conn *fake = ask_new(&core, &asks[i]);
        assert_in_range(fake->status, 400, 499);
        fake_conn_free(fake);
        assert_counted(asks[i].target, 1);
    }
    ask_say(&core, "/topics/demo/t", "fine");
    assert_counted("a good one", 0);
}

static void by_native(void **state)
{
    static const char *const messages[] = {
        NATIVE_PUBLISH_TO("\"\\u0001\""),
        "{\"op\":\"publish\",\"cache\":\"_sys\",\"topic\":\"t\",\"text\":\"\"}",
        "{\"op\":\"subscribe\",\"id\":1,\"cache\":\"a/b\",\"topic\":\"t\"}",
        "{\"op\":\"subscribe\",\"id\":1,\"cache\":\"demo\",\"topic\":\"u\"}",
        "{\"op\":\"unsubscribe\",\"id\":1,\"cache\":\"demo\",\"topic\":\"u\"}",
        "{\"op\":\"fly\"}",
        "{",
    };
    struct fake_conn *fake = fake_conn_new(&core);
    (void)state;

    assert_int_equal(fake_conn_open_ws(fake, &door_native, NULL, NATIVE_JSON),
                     0);
    fake_conn_say_message(fake,
                          BYTES("{\"op\":\"subscribe\",\"id\":1,\"cache\":"
                                "\"demo\",\"topic\":\"t\"}"),
                          false);
    assert_counted("a good subscribe", 0);
    for (size_t i = 0; i < ARRAY_LEN(messages); i++) {
        fake_conn_say_message(fake, bytes_str(messages[i]), false);
        assert_counted(messages[i], 1);
    }
    fake_conn_say_message(fake, bytes_str(NATIVE_PUBLISH_TO("\"t\"")), false);
    assert_counted("a good one", 0);
    fake_conn_free(fake);
}

static void by_resp(void **state)
{
    static const struct {
        const char *text;
        uint64_t count;
    } cases[] = {
        {"SUBSCRIBE t\r\n", 0},
        {"SUBSCRIBE u\r\n", 1},
        {"SUBSCRIBE u v w\r\n", 1},
        {"PSUBSCRIBE u*\r\n", 1},
        {"GET x\r\n", 1},
        {"PUBLISH t\r\n", 1},
        {"PUBLISH t x\r\n", 0}, /* RESP3: also when subscribed */
        {"PING\r\nPUBLISH \x01 x\r\nPING\r\nSUBSCRIBE u\r\nGET\r\n", 3},
        {"CLIENT NOSUCH\r\n", 1},
        {"CLIENT REPLY OFF\r\nPUBLISH \x01 x\r\n", 1},
        {"CLIENT REPLY ON\r\n", 0},
        {"UNSUBSCRIBE\r\n", 0},
        {"PING\r\nPUBLISH \x01 x\r\n*x\r\n", 2}, /* the last ends it */
    };
    struct fake_conn *fake = connect_to(&core);
    (void)state;

    say(fake, "HELLO 3\r\n");
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        say(fake, cases[i].text);
        assert_counted(cases[i].text, cases[i].count);
    }
    fake_conn_free(fake);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(by_http, setup, teardown),
        cmocka_unit_test_setup_teardown(by_native, setup, teardown),
        cmocka_unit_test_setup_teardown(by_resp, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
