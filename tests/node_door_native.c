/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/test.h"

#include <jansson.h>

#include "proto/native.h"
#include "tests/fake_conn.h"

static struct core core;

static int setup(void **state)
{
    (void)state;
    fake_core_init(&core);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    core_fini(&core);
    return 0;
}

static struct fake_conn *open_json(void)
{
    struct fake_conn *conn = fake_conn_new(&core);
    assert_int_equal(fake_conn_open_ws(conn, &door_native, NULL, NATIVE_JSON),
                     0);
    return conn;
}

/* The next message as JSON; fails when there is none. */
static json_t *next(struct fake_conn *conn)
{
    struct bytes message;
    fake_flush(&core);
    assert_true(fake_conn_message(conn, &message));
    json_t *root = json_loadb((const char *)message.p, message.len,
                              JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
    assert_non_null(root);
    return root;
}

static void say(struct fake_conn *conn, const char *text)
{
    fake_conn_say_message(conn, bytes_str(text), false);
}

static void assert_text(const json_t *message, const char *name,
                        const char *text)
{
    const char *got = json_string_value(json_object_get(message, name));
    assert_non_null(got);
    assert_string_equal(got, text);
}

static long long number(const json_t *message, const char *name)
{
    return json_integer_value(json_object_get(message, name));
}

/* Takes one message of that op and drops it. */
static void expect(struct fake_conn *conn, const char *op)
{
    json_t *message = next(conn);
    assert_text(message, "op", op);
    json_decref(message);
}

static void expect_error(struct fake_conn *conn, int err, long long id)
{
    json_t *message = next(conn);
    assert_text(message, "op", "error");
    assert_int_equal(number(message, "code"), err_code(err));
    assert_int_equal(number(message, "id"), id);
    json_decref(message);
}

static void expect_nothing(struct fake_conn *conn)
{
    struct bytes message;
    fake_flush(&core);
    assert_false(fake_conn_message(conn, &message));
}

#define SUBSCRIBE \
    "{\"op\":\"subscribe\",\"id\":7,\"cache\":\"demo\",\"topic\":\"chat\"}"
#define PUBLISH                                                           \
    "{\"op\":\"publish\",\"cache\":\"demo\",\"topic\":\"chat\",\"text\":" \
    "\"hi\"}"

static void it_says_who_it_is(void **state)
{
    struct fake_conn *conn = open_json();
    json_t *welcome = next(conn);
    (void)state;

    assert_text(welcome, "op", "welcome");
    assert_true(json_is_true(json_object_get(welcome, "ready")));
    json_decref(welcome);
    fake_conn_free(conn);
}

/* Who did not say that it can is not asked: see node/client/mover.h. */
static void who_says_moves_true_can_be_asked_to_move(void **state)
{
    static const struct {
        const char *query;
        bool can;
    } cases[] = {{"moves=true", true},   {"a=b&moves=true", true},
                 {"moves=false", false}, {"moves=", false},
                 {"moves", false},       {"", false}};
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct http_request request = {
            .query = bytes_str(cases[i].query)};
        struct fake_conn *conn = fake_conn_new(&core);
        assert_int_equal(
            fake_conn_open_ws(conn, &door_native, &request, NATIVE_JSON), 0);
        assert_int_equal(conn->conn.client->movable, cases[i].can);
        expect(conn, "welcome");
        door_native.move(conn->conn.client, BYTES("http://n2:7400"));
        json_t *message = next(conn);
        assert_text(message, "op", "move");
        assert_text(message, "endpoint", "http://n2:7400");
        json_decref(message);
        fake_conn_free(conn);
    }
}

static void a_published_item_reaches_a_subscriber(void **state)
{
    struct fake_conn *a = open_json();
    struct fake_conn *b = open_json();
    json_t *message;
    (void)state;

    expect(a, "welcome");
    expect(b, "welcome");
    say(a, SUBSCRIBE);
    message = next(a);
    assert_text(message, "op", "subscribed");
    assert_int_equal(number(message, "id"), 7);
    assert_int_equal(number(message, "seq"), 0);
    long long page = number(message, "page");
    json_decref(message);
    say(b, "{\"op\":\"publish\",\"id\":1,\"receipt\":true,\"cache\":\"demo\","
           "\"topic\":\"chat\",\"text\":\"h\\u0000i\",\"event\":\"greeting\"}");
    message = next(b);
    assert_text(message, "op", "published");
    assert_int_equal(number(message, "subscriptions"), 1);
    json_decref(message);
    message = next(a);
    assert_text(message, "op", "item");
    assert_int_equal(json_string_length(json_object_get(message, "text")), 3);
    assert_text(message, "event", "greeting");
    assert_int_equal(number(message, "seq"), 1);
    assert_int_equal(number(message, "page"), page);
    json_decref(message);
    fake_conn_free(a);
    fake_conn_free(b);
}

static void binary_stays_binary_between_the_formats(void **state)
{
    static const uint8_t publish[] = "\x84\xa2op\xa7publish\xa5"
                                     "cache\xa4"
                                     "demo\xa5topic\xa4"
                                     "chat\xa4"
                                     "data\xc4\x02\xff\x00";
    struct fake_conn *json = open_json();
    struct fake_conn *pack = fake_conn_new(&core);
    json_t *message;
    (void)state;

    assert_int_equal(
        fake_conn_open_ws(pack, &door_native, NULL, NATIVE_MSGPACK), 0);
    expect(json, "welcome");
    say(json, SUBSCRIBE);
    expect(json, "subscribed");
    fake_conn_say_message(pack, bytes_of(publish, sizeof publish - 1), true);
    message = next(json);
    assert_text(message, "data", "/wA=");
    json_decref(message);
    fake_conn_free(json);
    fake_conn_free(pack);
}

static void
resuming_brings_what_was_missed_after_the_acknowledgement(void **state)
{
    struct fake_conn *a = open_json();
    struct fake_conn *b = open_json();
    char again[256];
    json_t *message;
    (void)state;

    expect(a, "welcome");
    expect(b, "welcome");
    say(a, SUBSCRIBE);
    message = next(a);
    long long page = number(message, "page");
    json_decref(message);
    say(b, PUBLISH);
    expect(a, "item");
    fake_conn_free(a);
    say(b, PUBLISH);
    say(b, PUBLISH);
    fake_flush(&core);

    a = open_json();
    expect(a, "welcome");
    snprintf(again, sizeof again,
             "{\"op\":\"subscribe\",\"id\":8,\"cache\":\"demo\",\"topic\":"
             "\"chat\",\"page\":%lld,\"seq\":1}",
             page);
    say(a, again);
    message = next(a);
    assert_text(message, "op", "subscribed");
    assert_true(json_is_true(json_object_get(message, "resumed")));
    json_decref(message);
    for (int seq = 2; seq <= 3; seq++) {
        message = next(a);
        assert_text(message, "op", "item");
        assert_int_equal(number(message, "seq"), seq);
        json_decref(message);
    }
    expect_nothing(a);
    fake_conn_free(a);
    fake_conn_free(b);
}

static void a_position_of_another_life_is_a_gap(void **state)
{
    struct fake_conn *a = open_json();
    (void)state;

    expect(a, "welcome");
    say(a, "{\"op\":\"subscribe\",\"id\":8,\"cache\":\"demo\",\"topic\":"
           "\"chat\",\"page\":5,\"seq\":9}");
    json_t *message = next(a);
    assert_true(json_is_false(json_object_get(message, "resumed")));
    json_decref(message);
    expect(a, "gap");
    fake_conn_free(a);
}

static void echo_can_be_turned_off(void **state)
{
    struct fake_conn *a = open_json();
    struct fake_conn *b = open_json();
    (void)state;

    expect(a, "welcome");
    expect(b, "welcome");
    say(a, "{\"op\":\"subscribe\",\"id\":1,\"cache\":\"demo\",\"topic\":"
           "\"chat\",\"echo\":false}");
    expect(a, "subscribed");
    say(a, PUBLISH);
    expect_nothing(a);
    say(b, PUBLISH);
    expect(a, "item");
    fake_conn_free(a);
    fake_conn_free(b);
}

static void unsubscribing_ends_the_stream(void **state)
{
    struct fake_conn *a = open_json();
    (void)state;

    expect(a, "welcome");
    say(a, SUBSCRIBE);
    expect(a, "subscribed");
    say(a, "{\"op\":\"unsubscribe\",\"id\":9,\"cache\":\"demo\",\"topic\":"
           "\"chat\"}");
    expect(a, "unsubscribed");
    say(a, PUBLISH);
    expect_nothing(a);
    say(a, "{\"op\":\"unsubscribe\",\"id\":10,\"cache\":\"demo\",\"topic\":"
           "\"chat\"}");
    expect_error(a, ERR_NOT_FOUND, 10);
    fake_conn_free(a);
}

/* Bad input is answered by code and id, and the connection goes on. */
static void wrong_messages_are_answered_and_survived(void **state)
{
    static const struct {
        const char *text;
        int err;
        long long id;
    } cases[] = {
        {"nonsense", ERR_SYNTAX, 0},
        {"{\"op\":\"fly\",\"id\":3}", ERR_ARGUMENT, 3},
        {"{\"op\":\"subscribe\",\"id\":4,\"cache\":\"a/b\",\"topic\":\"t\"}",
         ERR_NAME, 4},
        {"{\"op\":\"subscribe\",\"id\":5,\"cache\":\"demo\",\"topic\":\"\"}",
         ERR_NAME, 5},
        {"{\"op\":\"publish\",\"id\":6,\"cache\":\"demo\",\"topic\":\"a\\nb\","
         "\"text\":\"x\"}",
         ERR_NAME, 6},
    };
    struct fake_conn *a = open_json();
    (void)state;

    expect(a, "welcome");
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        say(a, cases[i].text);
        expect_error(a, cases[i].err, cases[i].id);
    }
    fake_conn_say_message(a, BYTES("{\"op\":\"ping\"}"), true);
    expect_error(a, ERR_SYNTAX, 0);
    say(a, "{\"op\":\"ping\",\"id\":1}");
    expect(a, "pong");
    fake_conn_free(a);
}

static void nothing_is_published_before_the_gate_opens(void **state)
{
    struct fake_conn *a = open_json();
    (void)state;

    core.ready = false;
    expect(a, "welcome");
    say(a, "{\"op\":\"publish\",\"id\":2,\"cache\":\"demo\",\"topic\":\"t\","
           "\"text\":\"x\"}");
    expect_error(a, ERR_NOT_READY, 2);
    say(a, SUBSCRIBE);
    expect(a, "subscribed");
    fake_conn_free(a);
}

/* A subscription is held in the own region at once, not yet in all. */
static uint64_t on_want(void *data, uint64_t hash, bool wanted)
{
    (void)data;
    (void)hash;
    (void)wanted;
    return 1;
}

static uint64_t on_held(void *data, enum cluster_scope scope)
{
    (void)data;
    return scope == CLUSTER_SCOPE_REGION ? 1 : 0;
}

static void acknowledgements_keep_the_order_of_their_commands(void **state)
{
    struct core_options options = fake_core_options();
    (void)state;

    core_fini(&core);
    options.outside = (struct hub_outside){.want = on_want, .held = on_held};
    assert_int_equal(core_init(&core, &options), 0);
    core_turn(&core, 1000, 1795305600000);
    struct fake_conn *a = open_json();
    expect(a, "welcome");
    say(a, "{\"op\":\"subscribe\",\"id\":1,\"cache\":\"demo\","
           "\"topic\":\"far\",\"barrier\":\"all\"}");
    say(a, "{\"op\":\"subscribe\",\"id\":2,\"cache\":\"demo\","
           "\"topic\":\"near\"}");
    expect_nothing(a);
    clients_release(&core, CLUSTER_SCOPE_ALL, 1, true);
    for (long long id = 1; id <= 2; id++) {
        json_t *message = next(a);
        assert_text(message, "op", "subscribed");
        assert_int_equal(number(message, "id"), id);
        json_decref(message);
    }
    fake_conn_free(a);
}

static void a_slow_reader_is_told_what_it_missed(void **state)
{
    struct fake_conn *a = open_json();
    struct fake_conn *b = open_json();
    static char publish[70000];
    (void)state;

    expect(a, "welcome");
    expect(b, "welcome");
    say(a, SUBSCRIBE);
    expect(a, "subscribed");
    snprintf(publish, sizeof publish,
             "{\"op\":\"publish\",\"cache\":\"demo\",\"topic\":\"chat\","
             "\"text\":\"%065000d\"}",
             0);
    a->window = 1000;
    for (int i = 0; i < 40; i++) {
        say(b, publish);
        fake_flush(&core);
    }
    a->window = SIZE_MAX;
    bool told = false;
    struct bytes message;
    fake_flush(&core);
    fake_flush(&core);
    while (fake_conn_message(a, &message)) {
        told = told || memmem(message.p, message.len, "\"op\":\"gap\"", 10);
    }
    assert_true(told);
    assert_false(a->closed);
    say(b, PUBLISH);
    expect(a, "item");
    fake_conn_free(a);
    fake_conn_free(b);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(it_says_who_it_is),
        TEST(who_says_moves_true_can_be_asked_to_move),
        TEST(a_published_item_reaches_a_subscriber),
        TEST(binary_stays_binary_between_the_formats),
        TEST(resuming_brings_what_was_missed_after_the_acknowledgement),
        TEST(a_position_of_another_life_is_a_gap),
        TEST(echo_can_be_turned_off),
        TEST(unsubscribing_ends_the_stream),
        TEST(wrong_messages_are_answered_and_survived),
        TEST(nothing_is_published_before_the_gate_opens),
        TEST(acknowledgements_keep_the_order_of_their_commands),
        TEST(a_slow_reader_is_told_what_it_missed),
    };
#undef TEST
    return cmocka_run_group_tests(tests, NULL, NULL);
}
