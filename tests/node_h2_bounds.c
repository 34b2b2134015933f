/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/test.h"

#include "tests/h2_world.h"

/* --- bodies of requests ------------------------------------------------------
 */

static void say_body(uint32_t stream, size_t len)
{
    static const uint8_t zeros[16384];

    while (len > 0) {
        size_t n = len < sizeof zeros ? len : sizeof zeros;
        h2_say(&words, T_DATA, 0, stream, bytes_of(zeros, n));
        len -= n;
    }
}

static void a_body_that_is_too_long_is_refused(void **state)
{
    (void)state;

    core.limits.item_len = 1024;
    greet();
    h2_say_ask(&words, 1, "POST", "/now", false);
    say_body(1, 65535);
    say();
    assert_false(heard("HEADERS 1"));
    say_body(1, 24000); /* limits_body() is a third more than item and room */
    say();
    assert_true(heard("HEADERS 1 :status=413 "));
    assert_true(heard("RST 1 0\n"));
    get(3, "/now");
    say();
    assert_true(heard(OK("3", "8", "now GET ")));
    assert_int_equal(table_seen.requests, 1);
}

/* Long bodies come a few at a time; who waits has sent a window at most. */
static void few_may_send_long_bodies_at_a_time(void **state)
{
    (void)state;

    greet();
    for (uint32_t stream = 1; stream <= 11; stream += 2) {
        h2_say_ask(&words, stream, "POST", "/now", false);
        say_body(stream, 60000);
        say();
    }
    assert_true(heard("WINDOW 7\n"));
    assert_false(heard("WINDOW 9\n"));
    assert_false(heard("WINDOW 11\n"));
    h2_say_u32(&words, T_RST, 1, H2_CANCEL);
    say();
    assert_true(heard("WINDOW 11\n") != heard("WINDOW 9\n"));
    h2_say(&words, T_DATA, T_END, 3, BYTES("."));
    say();
    assert_true(heard("WINDOW 9\n") && heard("WINDOW 11\n"));
}

static void a_request_that_dribbles_is_ended(void **state)
{
    (void)state;

    greet();
    get(1, "/stream");
    h2_say_ask(&words, 3, "POST", "/now", false);
    say();
    for (uint64_t ms = 0; ms < core.limits.idle_ms; ms += 1000) {
        h2_say(&words, T_DATA, 0, 3, BYTES("."));
        say();
        wait_ms(1000);
    }
    assert_true(heard("HEADERS 3 :status=408 "));
    assert_false(fake->finishing);
    assert_int_equal(core.stats.streams, 1);
}

/* --- strangers ---------------------------------------------------------------
 */

static void ask_as(uint32_t stream, const char *path, struct bytes token,
                   bool end)
{
    struct buf block = {0};

    h2_say_request(&block, "POST", path);
    if (token.len > 0) {
        h2_say_field(&block, "authorization", token);
    }
    h2_say(&words, T_HEADERS, (uint8_t)(T_END_HEADERS | (end ? T_END : 0)),
           stream, buf_bytes(&block));
    buf_fini(&block);
}

static void a_stranger_may_have_little(void **state)
{
    (void)state;

    fake_core_ask_tokens(&core);
    for (uint32_t i = 0; i < 17; i++) {
        ask_as(2 * i + 1, "/later", (struct bytes){0}, true);
        say();
    }
    assert_true(heard("RST 33 7\n"));
    assert_int_equal(core.stats.streams, 16);
    assert_int_equal(core.stats.streams_refused, 1);
    stop();
    start();
    ask_as(1, "/now", (struct bytes){0}, false);
    say_body(1, core.limits.hello_in_len / 2 + 1);
    say();
    assert_true(heard("HEADERS 1 :status=401 "));
}

static void one_login_makes_the_conn_known(void **state)
{
    struct buf token = {0};
    (void)state;

    fake_core_ask_tokens(&core);
    fake_token(&core, &token);
    ask_as(1, "/now", buf_bytes(&token), true);
    say();
    assert_true(conn_is_known(&fake->conn));
    assert_int_equal(core.stats.streams, 0);
    ask_as(3, "/now", buf_bytes(&token), false);
    say_body(3, 60000);
    say();
    assert_false(heard("HEADERS 3"));
    wait_ms(core.limits.hello_ms);
    assert_false(fake->finishing);
    buf_fini(&token);
}

static void who_asks_nothing_is_closed(void **state)
{
    (void)state;

    fake_core_ask_tokens(&core);
    for (uint64_t ms = 0; ms < core.limits.hello_ms; ms += 1000) {
        h2_say(&words, T_PING, 0, 0, BYTES("12345678"));
        say();
        assert_false(fake->finishing);
        wait_ms(1000);
    }
    assert_true(heard("GOAWAY 0 0\n"));
    assert_true(fake->closed);
    assert_int_equal(core.stats.hello_timeouts, 1);
}

/* --- time --------------------------------------------------------------------
 */

static void keepalive_pings_are_answered_for_ever(void **state)
{
    (void)state;

    greet();
    for (int i = 0; i < 2000; i++) {
        h2_say(&words, T_PING, 0, 0, BYTES("12345678"));
        say();
        expect_log("PING ack\n");
        wait_ms(5000);
    }
    assert_false(fake->finishing);
}

static void a_silent_peer_is_asked_and_then_gone(void **state)
{
    (void)state;

    greet();
    get(1, "/stream");
    say();
    buf_reset(&ear.log);
    wait_ms(core.limits.ping_ms);
    expect_log("PING\n");
    h2_say(&words, T_PING, T_END, 0, BYTES("\0\0\0\0\0\0\0\0"));
    say();
    wait_ms(core.limits.ping_ms);
    expect_log("PING\n");
    wait_ms(core.limits.idle_ms - core.limits.ping_ms - 1);
    assert_false(fake->finishing);
    wait_ms(1);
    assert_true(heard("GOAWAY 1 0\n"));
    assert_true(fake->closed);
    assert_int_equal(table_seen.last_error, ERR_TIMEOUT);
}

static void an_idle_conn_without_streams_is_closed(void **state)
{
    (void)state;

    greet();
    get(1, "/now");
    say();
    buf_reset(&ear.log);
    wait_ms(core.limits.idle_ms - 1);
    assert_false(fake->finishing);
    wait_ms(1);
    expect_log("GOAWAY 1 0\n");
    assert_true(fake->closed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_body_that_is_too_long_is_refused),
        TEST(few_may_send_long_bodies_at_a_time),
        TEST(a_request_that_dribbles_is_ended),
        TEST(a_stranger_may_have_little),
        TEST(one_login_makes_the_conn_known),
        TEST(who_asks_nothing_is_closed),
        TEST(keepalive_pings_are_answered_for_ever),
        TEST(a_silent_peer_is_asked_and_then_gone),
        TEST(an_idle_conn_without_streams_is_closed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
