/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/test.h"

#include "tests/carry.h"

#include "proto/err.h"
#include "proto/ws_frame.h"

#define HOST      "Host: localhost\r\n"
#define GET(path) "GET " path " HTTP/1.1\r\n" HOST "\r\n"
#define ANSWER(len, body)                                                 \
    "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: " len \
    "\r\n\r\n" body

static struct core core;
static struct fake_conn *fake;

static int setup(void **state)
{
    (void)state;
    table_reset();
    fake_core_init(&core);
    fake = carry_new(&core);
    sniff_begin(&fake->conn);
    assert_int_equal(h1_begin(&fake->conn), 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    carry_free(fake);
    core_fini(&core);
    return 0;
}

static void again(void)
{
    teardown(NULL);
    setup(NULL);
}

static void say(const char *text)
{
    carry_say(fake, bytes_str(text));
}

static bool out_starts(const char *text)
{
    return bytes_starts(fake_conn_out(fake), bytes_str(text));
}

static bool out_has(const char *text)
{
    struct bytes out = fake_conn_out(fake);
    return out.len > 0 && memmem(out.p, out.len, text, strlen(text)) != NULL;
}

static void requests_are_answered_in_order_however_they_are_cut(void **state)
{
    static const char text[] =
        GET("/now") "POST /now HTTP/1.1\r\n" HOST
                    "Content-Length: 5\r\n\r\nhello" GET("/now");
    static const char want[] = ANSWER("8", "now GET ")
        ANSWER("14", "now POST hello") ANSWER("8", "now GET ");
    (void)state;

    for (size_t cut = 0; cut < sizeof text; cut++) {
        carry_say(fake, bytes_of(text, cut));
        carry_say(fake, bytes_of(text + cut, sizeof text - 1 - cut));
        assert_bytes(fake_conn_out(fake), want);
        assert_false(fake->finishing);
        again();
    }
    for (size_t i = 0; i < sizeof text - 1; i++) {
        carry_say(fake, bytes_of(text + i, 1));
    }
    assert_bytes(fake_conn_out(fake), want);
    assert_int_equal(table_seen.opened, table_seen.closed);
}

static void a_later_answer_holds_back_the_next_request(void **state)
{
    (void)state;

    say(GET("/later") GET("/now"));
    assert_int_equal(table_seen.requests, 1);
    assert_int_equal(fake_conn_out(fake).len, 0);
    assert_true(fake->conn.paused);
    table_answer();
    say("");
    assert_bytes(fake_conn_out(fake),
                 ANSWER("5", "later") ANSWER("8", "now GET "));
    assert_int_equal(table_seen.opened, 2);
    assert_int_equal(table_seen.closed, 2);
}

static void one_request_gets_one_answer(void **state)
{
    (void)state;

    say(GET("/later"));
    table_answer();
    table_answer();
    client_write(fake->conn.client, BYTES(""));
    say("");
    assert_bytes(fake_conn_out(fake), ANSWER("5", "later"));
}

static void head_gets_the_head_alone(void **state)
{
    (void)state;

    say("HEAD /now HTTP/1.1\r\n" HOST "\r\n");
    assert_bytes(fake_conn_out(fake), ANSWER("8", ""));
    assert_false(fake->finishing);
}

static void the_connection_lives_as_long_as_the_client_says(void **state)
{
    (void)state;

    say("GET /now HTTP/1.0\r\n\r\n" GET("/now"));
    assert_true(fake->closed);
    assert_int_equal(table_seen.requests, 1);
    assert_true(out_has("Connection: close\r\n"));
    again();
    say("GET /now HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n");
    assert_true(fake->closed);
    again();
    core.draining = true;
    say(GET("/now"));
    assert_true(fake->closed);
}

static void what_a_door_refuses_leaves_the_connection_open(void **state)
{
    (void)state;

    say(GET("/refuse") GET("/nowhere") GET("/now"));
    assert_true(out_starts("HTTP/1.1 403 Forbidden\r\n"));
    assert_true(out_has("HTTP/1.1 404 Not Found\r\n"));
    assert_true(out_has("\"code\":4030"));
    assert_true(out_has("now GET"));
    assert_false(fake->finishing);
    assert_int_equal(core.stats.refused, 2);
}

static void after_an_error_nothing_more_is_executed(void **state)
{
    static const struct {
        const char *request;
        const char *status;
    } cases[] = {
        {"GET /now HTTP/1.1\r\nbroken\r\n\r\n", "400"},
        {"GET /now HTTP/1.1\r\n\r\n", "400"}, /* no Host */
        {"GET /now HTTP/1.1\r\n" HOST HOST "\r\n", "400"},
        {"GET /now HTTP/1.1\r\nHost: :\r\n\r\n", "400"},
        {"GET /now HTTP/1.1\r\nHost: a b\r\n\r\n", "400"},
        {"GET /now HTTP/1.1\r\nHost: localhost:x\r\n\r\n", "400"},
        {"GET /now HTTP/1.1\r\nHost: evil.example\r\n\r\n", "403"},
        {"GET /now HTTP/1.1\r\nHost: localhost.evil.example\r\n\r\n", "403"},
        {"POST /now HTTP/1.1\r\n" HOST "Origin: https://evil.example\r\n"
         "Content-Length: 0\r\n\r\n",
         "403"},
        {"POST /now HTTP/1.1\r\n" HOST "Origin: null\r\n"
         "Content-Length: 0\r\n\r\n",
         "403"},
        {"GET /now?token=a HTTP/1.1\r\n" HOST "Authorization: b\r\n\r\n",
         "400"},
        {"GET /now?token=%zz HTTP/1.1\r\n" HOST "\r\n", "400"},
        {"POST /now HTTP/1.1\r\n" HOST "Content-Length: 9999999999\r\n\r\n",
         "413"},
        {"POST /now HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
         "ffffff\r\n",
         "413"},
        {"POST /now HTTP/1.1\r\n" HOST
         "Transfer-Encoding: chunked\r\n\r\nx\r\n",
         "400"},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf text = {0};
        buf_add_str(&text, cases[i].request);
        buf_add_str(&text, GET("/now"));
        carry_say(fake, buf_bytes(&text));
        assert_int_equal(table_seen.requests, 0);
        assert_true(out_starts("HTTP/1.1 "));
        assert_memory_equal(fake_conn_out(fake).p + 9, cases[i].status, 3);
        assert_true(out_has("Connection: close\r\n"));
        assert_true(fake->closed);
        buf_fini(&text);
        again();
    }
}

static void a_long_head_is_431(void **state)
{
    (void)state;

    say("GET /now HTTP/1.1\r\nA: ");
    for (int i = 0; i < 9; i++) {
        char text[1001];
        memset(text, 'a', 1000);
        text[1000] = '\0';
        say(text);
    }
    assert_true(out_starts("HTTP/1.1 431 "));
    assert_true(fake->closed);
}

static void names_of_others_are_not(void **state)
{
    static const char *const hosts[] = {
        "evil.example", "xbroker.example", "broker.example.evil",
        ".example",     "roker.example",   "broker.example.",
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(hosts); i++) {
        struct buf text = {0};
        strcpy(core.endpoint, "https://broker.example/x");
        buf_add_str(&text, "GET /now HTTP/1.1\r\nHost: ");
        buf_add_str(&text, hosts[i]);
        buf_add_str(&text, "\r\n\r\n");
        carry_say(fake, buf_bytes(&text));
        assert_int_equal(table_seen.requests, 0);
        assert_true(out_starts("HTTP/1.1 403 "));
        buf_fini(&text);
        again();
    }
}

static void names_of_this_host_are_taken(void **state)
{
    static const char *const hosts[] = {
        "localhost",
        "LOCALHOST:7400",
        "127.0.0.1:1",
        "127.8.0.1",
        "[::1]:7400",
        "app.localhost",
        "broker.example:80",
        "web.cache.broker.example",
        "cache.Broker.example:443",
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(hosts); i++) {
        struct buf text = {0};
        strcpy(core.endpoint, "https://broker.example/x");
        buf_add_str(&text, "GET /now HTTP/1.1\r\nHost: ");
        buf_add_str(&text, hosts[i]);
        buf_add_str(&text, "\r\n\r\n");
        carry_say(fake, buf_bytes(&text));
        assert_int_equal(table_seen.requests, 1);
        buf_fini(&text);
        again();
    }
    fake->conn.loopback = false; /* a public listener has any name */
    say("GET /now HTTP/1.1\r\nHost: evil.example\r\n\r\n");
    assert_int_equal(table_seen.requests, 1);
}

static void pages_of_allowed_origins_may_ask(void **state)
{
    static const struct {
        const char *listed; /* NULL: no list */
        const char *origin;
        bool loopback;
        bool allowed;
    } cases[] = {
        {NULL, "http://localhost:3000", true, true},
        {NULL, "http://localhost:3000", false, false},
        {NULL, "https://evil.example", true, false},
        {NULL, "http://here:7400", false, true}, /* the same host */
        {NULL, "http://here:7401", false, false},
        {"https://app.example", "https://app.example", false, true},
        {"https://app.example", "https://app.example.evil", false, false},
        {"https://app.example", "http://app.example", false, false},
        {"*", "https://evil.example", false, true},
        {NULL, "null", true, false},
        {NULL, "http://", true, false},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct bytes listed = bytes_str(cases[i].listed ? cases[i].listed : "");
        struct buf text = {0};
        core.origins = &listed;
        core.origins_len = cases[i].listed != NULL;
        fake->conn.loopback = cases[i].loopback;
        buf_add_str(&text, "OPTIONS /now HTTP/1.1\r\nHost: ");
        buf_add_str(&text, cases[i].loopback ? "localhost" : "here:7400");
        buf_add_str(&text, "\r\nAccess-Control-Request-Method: POST\r\n"
                           "Origin: ");
        buf_add_str(&text, cases[i].origin);
        buf_add_str(&text, "\r\n\r\n");
        carry_say(fake, buf_bytes(&text));
        assert_true(out_starts("HTTP/1.1 204 "));
        assert_int_equal(out_has("Access-Control-Allow-Origin: "),
                         cases[i].allowed);
        assert_int_equal(out_has("Access-Control-Allow-Methods: "),
                         cases[i].allowed);
        assert_int_equal(table_seen.requests, 0);
        buf_fini(&text);
        again();
    }
}

static void a_slow_head_has_one_deadline(void **state)
{
    (void)state;

    say("G");
    for (int i = 0; i < 4 && !fake->finishing; i++) {
        fake_wait(&core, core.limits.hello_ms / 3);
        say("E"); /* each byte buys nothing */
    }
    fake_flush(&core);
    assert_true(out_starts("HTTP/1.1 408 "));
    assert_true(fake->closed);
    assert_int_equal(core.stats.hello_timeouts, 1);
}

static void the_head_of_a_later_request_has_one_too(void **state)
{
    (void)state;

    say(GET("/now"));
    fake_wait(&core, core.limits.hello_ms);
    say("GET ");
    fake_wait(&core, core.limits.hello_ms - 1);
    say("/now");
    assert_false(fake->closed);
    fake_wait(&core, 1);
    assert_true(out_has("HTTP/1.1 408 "));
    assert_true(fake->closed);
}

static void a_slow_body_has_one_deadline(void **state)
{
    (void)state;

    say("POST /now HTTP/1.1\r\n" HOST "Content-Length: 100\r\n\r\n");
    for (int i = 0; i < 3; i++) {
        fake_wait(&core, core.limits.idle_ms / 3 + 1);
        say("x");
    }
    assert_true(out_starts("HTTP/1.1 408 "));
    assert_true(fake->closed);
}

static void an_idle_connection_is_closed_without_a_word(void **state)
{
    (void)state;

    say(GET("/now"));
    fake_conn_reset(fake);
    fake_wait(&core, core.limits.idle_ms - 1);
    assert_false(fake->finishing);
    fake_wait(&core, 1);
    assert_true(fake->closed);
    assert_int_equal(fake_conn_out(fake).len, 0);
}

static void who_waits_for_an_answer_is_not_idle(void **state)
{
    (void)state;

    say(GET("/later"));
    fake_wait(&core, 10 * core.limits.idle_ms);
    assert_false(fake->finishing);
    table_answer();
    say("");
    assert_bytes(fake_conn_out(fake), ANSWER("5", "later"));
}

static void a_client_that_expects_100_gets_it(void **state)
{
    (void)state;

    say("POST /now HTTP/1.1\r\n" HOST
        "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    assert_bytes(fake_conn_out(fake), "HTTP/1.1 100 Continue\r\n\r\n");
    fake_conn_reset(fake);
    say("h");
    say("i");
    assert_bytes(fake_conn_out(fake), ANSWER("11", "now POST hi"));
}

static void a_refused_client_is_not_asked_for_its_body(void **state)
{
    (void)state;

    say("POST /now HTTP/1.1\r\nHost: evil.example\r\n"
        "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    assert_true(out_starts("HTTP/1.1 403 "));
    assert_true(fake->closed);
}

static void a_stranger_may_send_little(void **state)
{
    struct buf text = {0};
    (void)state;

    fake_core_ask_tokens(&core);
    say("POST /now HTTP/1.1\r\n" HOST "Content-Length: 20000\r\n\r\n");
    assert_true(out_starts("HTTP/1.1 401 "));
    assert_true(out_has("WWW-Authenticate: Bearer\r\n"));
    assert_true(fake->closed);
    again();
    fake_core_ask_tokens(&core);
    buf_add_str(&text, "POST /now HTTP/1.1\r\n" HOST "Authorization: Bearer ");
    fake_token(&core, &text);
    buf_add_str(&text, "\r\nContent-Length: 20000\r\n\r\n");
    buf_add_u8(&text, 0);
    say((const char *)text.p);
    buf_fini(&text);
    assert_int_equal(fake_conn_out(fake).len, 0); /* waits for the body */
    assert_true(fake->conn.client->logged_in);
}

static void a_stream_goes_on_until_its_end(void **state)
{
    static const struct http_header trailer = {BYTES("x"), BYTES("y")};
    (void)state;

    say(GET("/stream") GET("/now"));
    client_write(table_seen.later, BYTES("more"));
    say("whatever comes now means nothing");
    assert_bytes(fake_conn_out(fake),
                 "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
                 "Connection: close\r\n\r\nbegin more");
    assert_int_equal(table_seen.requests, 1);
    client_end_with(table_seen.later, &trailer, 1);
    fake_flush(&core);
    assert_true(fake->closed);
    assert_false(out_has("x: y"));
}

static void a_request_whose_client_is_closed_is_answered(void **state)
{
    (void)state;

    say(GET("/later"));
    client_close(fake->conn.client, ERR_CLOSING);
    fake_flush(&core);
    assert_true(out_starts("HTTP/1.1 503 "));
    assert_true(out_has("Retry-After: 1\r\n"));
    assert_true(fake->closed);
}

/* --- WebSocket -------------------------------------------------------------
 */

#define KEY     "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define V13     "Sec-WebSocket-Version: 13\r\n"
#define UPGRADE "Upgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\n"

static void wrong_upgrades_are_refused(void **state)
{
    static const struct {
        const char *request;
        const char *status;
    } cases[] = {
        {"GET /ws HTTP/1.1\r\n" HOST UPGRADE V13 "\r\n", "400"}, /* no key */
        {"HEAD /ws HTTP/1.1\r\n" HOST UPGRADE V13 KEY "\r\n", "400"},
        {"GET /ws HTTP/1.1\r\n" HOST UPGRADE V13 KEY KEY "\r\n", "400"},
        {"GET /ws HTTP/1.1\r\n" HOST UPGRADE V13
         "Sec-WebSocket-Key: short\r\n\r\n",
         "400"},
        {"GET /ws HTTP/1.1\r\n" HOST UPGRADE KEY "\r\n", "426"},
        {"GET /ws HTTP/1.1\r\n" HOST UPGRADE KEY
         "Sec-WebSocket-Version: 8\r\n\r\n",
         "426"},
        {"GET /ws HTTP/1.1\r\n" HOST "Upgrade: websocket\r\n" V13 KEY "\r\n",
         "400"},
        {"POST /ws HTTP/1.1\r\n" HOST UPGRADE V13 KEY
         "Content-Length: 0\r\n\r\n",
         "400"},
        {"GET /ws HTTP/1.1\r\n" HOST UPGRADE V13 KEY
         "Content-Length: 1\r\n\r\nx",
         "400"},
        {"GET /ws HTTP/1.1\r\n" HOST UPGRADE V13 KEY
         "Sec-WebSocket-Protocol: three\r\n\r\n",
         "400"},
        {"GET /ws HTTP/1.1\r\n" HOST UPGRADE V13 KEY
         "Origin: https://evil.example\r\n\r\n",
         "403"},
        {"GET /other HTTP/1.1\r\n" HOST UPGRADE V13 KEY "\r\n", "404"},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        say(cases[i].request);
        assert_true(out_starts("HTTP/1.1 "));
        assert_memory_equal(fake_conn_out(fake).p + 9, cases[i].status, 3);
        assert_ptr_equal(fake->conn.carrier, &carrier_h1);
        assert_int_equal(table_seen.opened, 0);
        if (strcmp(cases[i].status, "426") == 0) {
            assert_true(out_has("Sec-WebSocket-Version: 13\r\n"));
        }
        again();
    }
}

static void an_upgrade_hands_over_the_bytes_behind_it(void **state)
{
    static const uint8_t mask[4] = {1, 2, 3, 4};
    struct buf text = {0};
    (void)state;

    buf_add_str(&text, "GET /ws HTTP/1.1\r\n" HOST UPGRADE V13 KEY
                       "Sec-WebSocket-Protocol: zero, two\r\n\r\n");
    ws_frame(&text, WS_TEXT, BYTES("hi"), mask);
    for (size_t cut = 1; cut < text.len; cut++) {
        carry_say(fake, bytes_of(text.p, cut));
        carry_say(fake, bytes_skip(buf_bytes(&text), cut));
        assert_bytes(fake_conn_out(fake),
                     "HTTP/1.1 101 Switching Protocols\r\n"
                     "Upgrade: websocket\r\nConnection: Upgrade\r\n"
                     "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
                     "Sec-WebSocket-Protocol: two\r\n\r\n\x82\x02hi");
        assert_ptr_equal(fake->conn.carrier, &carrier_ws);
        again();
    }
    buf_fini(&text);
}

/* Clients keep connections, and some upgrade one that was idle for a while. */
static void
an_old_connection_has_its_time_to_log_in_after_the_upgrade(void **state)
{
    (void)state;

    core.auth.insecure = false;
    say(GET("/now"));
    fake_wait(&core, 2 * core.limits.hello_ms);
    fake_conn_reset(fake);
    say("GET /ws HTTP/1.1\r\n" HOST UPGRADE V13 KEY "\r\n");
    fake->conn.client->logged_in = false;
    assert_true(out_starts("HTTP/1.1 101 "));
    fake_wait(&core, core.limits.hello_ms - 1);
    assert_false(fake->finishing || fake->closed);
    fake_wait(&core, 1);
    assert_true(fake->finishing || fake->closed);
    assert_int_equal(core.stats.hello_timeouts, 1);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(requests_are_answered_in_order_however_they_are_cut),
        TEST(a_later_answer_holds_back_the_next_request),
        TEST(one_request_gets_one_answer),
        TEST(head_gets_the_head_alone),
        TEST(the_connection_lives_as_long_as_the_client_says),
        TEST(what_a_door_refuses_leaves_the_connection_open),
        TEST(after_an_error_nothing_more_is_executed),
        TEST(a_long_head_is_431),
        TEST(names_of_others_are_not),
        TEST(names_of_this_host_are_taken),
        TEST(pages_of_allowed_origins_may_ask),
        TEST(a_slow_head_has_one_deadline),
        TEST(the_head_of_a_later_request_has_one_too),
        TEST(a_slow_body_has_one_deadline),
        TEST(an_idle_connection_is_closed_without_a_word),
        TEST(who_waits_for_an_answer_is_not_idle),
        TEST(a_client_that_expects_100_gets_it),
        TEST(a_refused_client_is_not_asked_for_its_body),
        TEST(a_stranger_may_send_little),
        TEST(a_stream_goes_on_until_its_end),
        TEST(a_request_whose_client_is_closed_is_answered),
        TEST(wrong_upgrades_are_refused),
        TEST(an_upgrade_hands_over_the_bytes_behind_it),
        TEST(an_old_connection_has_its_time_to_log_in_after_the_upgrade),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
