/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/test.h"

#include "tests/h2_world.h"

/* --- requests ----------------------------------------------------------------
 */

static void put_two(void)
{
    h2_say_ask(&words, 1, "POST", "/now", false);
    h2_say(&words, T_DATA, 0, 1, BYTES("hel"));
    get(3, "/now");
    h2_say(&words, T_DATA, 0, 1, BYTES("lo"));
    h2_say(&words, T_DATA, T_END, 1, BYTES(""));
}

static bool is_answered(void)
{
    return heard("DATA 3 end now GET \n") &&
           heard("DATA 1 end now POST hello\n");
}

static void requests_are_answered_however_they_are_cut(void **state)
{
    struct buf all = {0};
    (void)state;

    put_two();
    buf_add_bytes(&all, buf_bytes(&words));
    for (size_t cut = 0; cut < all.len; cut++) {
        stop();
        start();
        buf_reset(&words);
        carry_say(fake, bytes_of(all.p, cut));
        carry_say(fake, bytes_skip(buf_bytes(&all), cut));
        say();
        assert_true(is_answered());
        assert_int_equal(ear.frames, 7);
    }
    stop();
    start();
    buf_reset(&words);
    for (size_t i = 0; i < all.len; i++) {
        carry_say(fake, bytes_of(all.p + i, 1));
    }
    say();
    assert_true(is_answered());
    assert_int_equal(table_seen.opened, table_seen.closed);
    buf_fini(&all);
}

static void a_whole_answer_is_a_head_and_its_body(void **state)
{
    (void)state;

    get(1, "/now");
    say();
    expect_log(HELLO OK("1", "8", "now GET "));
    assert_int_equal(table_seen.closed, 1);
    assert_int_equal(core.stats.streams, 0);
    assert_int_equal(core.stats.streams_opened, 1);
}

/* Its door has done its part, whether its reader has or not. */
static void a_door_is_left_when_it_has_answered(void **state)
{
    (void)state;

    h2_say_setting(&words, 4, 0);
    get(1, "/now");
    say();
    assert_false(heard("DATA"));
    assert_int_equal(table_seen.closed, 1);
    assert_int_equal(core.stats.streams, 1);
    h2_say_u32(&words, T_WINDOW, 1, 100);
    say();
    assert_true(heard("DATA 1 end now GET \n"));
    assert_int_equal(core.stats.streams, 0);
}

static void a_later_answer_delays_no_other(void **state)
{
    (void)state;

    greet();
    get(1, "/later");
    get(3, "/now");
    say();
    expect_log(OK("3", "8", "now GET "));
    table_answer();
    table_answer();
    flush();
    expect_log(OK("1", "5", "later"));
    assert_int_equal(table_seen.closed, 2);
    assert_int_equal(table_seen.cut, 0);
}

static void answers_without_a_body_are_one_frame(void **state)
{
    static const struct http_header headers[] = {
        {BYTES("Grpc-Status"), BYTES("7")},
        {BYTES("x-bad"), BYTES("a\r\nb: c")},
    };
    const struct http_response bare = {
        .status = 200, .headers = headers, .headers_len = 2};
    (void)state;

    greet();
    h2_say_ask(&words, 1, "HEAD", "/now", true);
    get(3, "/later");
    say();
    client_respond(table_seen.later, &bare);
    flush();
    expect_log("HEADERS 1 end :status=200 content-type=text/plain\n"
               "HEADERS 3 end :status=200 grpc-status=7\n");
}

static void a_stream_ends_with_its_trailers(void **state)
{
    static const struct http_header trailers[] = {
        {BYTES("grpc-status"), BYTES("0")},
        {BYTES("Err"), BYTES("none")},
    };
    (void)state;

    greet();
    get(1, "/stream");
    say();
    client_write(table_seen.later, BYTES("and "));
    client_write(table_seen.later, BYTES("more"));
    flush();
    client_write(table_seen.later, BYTES(" to come"));
    client_end_with(table_seen.later, trailers, 2);
    flush();
    expect_log("HEADERS 1 :status=200 content-type=text/plain\n"
               "DATA 1 begin \nDATA 1 and more\nDATA 1  to come\n"
               "HEADERS 1 end grpc-status=0 err=none\n");
    assert_int_equal(table_seen.closed, 1);
    get(3, "/stream");
    say();
    client_end(table_seen.later);
    flush();
    expect_log("HEADERS 3 :status=200 content-type=text/plain\n"
               "DATA 3 begin \nDATA 3 end \n");
}

static void an_answer_waits_behind_a_cork(void **state)
{
    const struct http_response head = {.status = 200, .body = BYTES("first ")};
    (void)state;

    greet();
    get(1, "/later");
    say();
    struct client *client = table_seen.later;
    assert_int_equal(client_hold(client, 1), 0);
    client_stream(client, &head);
    assert_int_equal(client_hold(client, 2), 0);
    client_write(client, BYTES("third"));
    flush();
    expect_log("");
    client_fill(client, 1, BYTES(""));
    flush();
    expect_log("HEADERS 1 :status=200\nDATA 1 first \n");
    client_fill(client, 2, BYTES("second "));
    flush();
    expect_log("DATA 1 second third\n");
}

static void a_door_that_refuses_is_an_answer(void **state)
{
    (void)state;

    greet();
    get(1, "/refuse");
    get(3, "/nowhere");
    say();
    assert_true(heard("HEADERS 1 :status=403 "));
    assert_true(heard("HEADERS 3 :status=404 "));
    assert_true(heard("\"code\":4030"));
    assert_false(fake->finishing);
    assert_int_equal(core.stats.refused, 2);
}

static void who_asks_is_what_http_1_asks(void **state)
{
    static const struct {
        const char *name;
        const char *value;
        const char *heard;
    } cases[] = {
        {"host", "localhost", "HEADERS 1 :status=200 "},
        {"host", "other", "HEADERS 1 :status=400 "},
        {"origin", "https://evil.example", "HEADERS 1 :status=403 "},
        {"authorization", "x", "HEADERS 1 :status=401 "},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf block = {0};
        h2_say_request(&block, "POST", "/now");
        h2_say_field(&block, cases[i].name, bytes_str(cases[i].value));
        h2_say(&words, T_HEADERS, T_END_HEADERS | T_END, 1, buf_bytes(&block));
        buf_fini(&block);
        core.auth.insecure = i < 3;
        say();
        assert_true(heard(cases[i].heard));
        stop();
        start();
    }
}

/* --- ends --------------------------------------------------------------------
 */

static void a_cancelled_stream_is_gone_at_once(void **state)
{
    (void)state;

    greet();
    get(1, "/stream");
    get(3, "/stream");
    say();
    h2_say_u32(&words, T_RST, 1, H2_CANCEL);
    say();
    assert_int_equal(table_seen.closed, 1);
    assert_int_equal(table_seen.cut, 1);
    assert_int_equal(core.stats.streams_cut, 1);
    assert_int_equal(core.stats.streams, 1);
    client_write(table_seen.later, BYTES("on"));
    flush();
    assert_true(heard("DATA 3 on\n"));
}

static void a_stream_that_is_cancelled_as_it_comes_reaches_no_door(void **state)
{
    (void)state;

    greet();
    get(1, "/now");
    h2_say_u32(&words, T_RST, 1, H2_CANCEL);
    get(3, "/now");
    say();
    assert_int_equal(table_seen.requests, 1);
    expect_log(OK("3", "8", "now GET "));
}

static void a_closed_client_ends_its_stream_alone(void **state)
{
    (void)state;

    greet();
    get(1, "/stream");
    say();
    client_close(table_seen.later, ERR_EXPIRED);
    flush();
    assert_true(heard("DATA 1 end \n"));
    assert_int_equal(table_seen.last_error, ERR_EXPIRED);
    get(3, "/later");
    say();
    client_close(table_seen.later, ERR_EXPIRED);
    get(5, "/later");
    say();
    assert_true(heard("HEADERS 3 :status=401 "));
    client_close(table_seen.later, 0); /* no words for it */
    flush();
    assert_true(heard("RST 5 8\n"));
    assert_false(fake->finishing);
    assert_int_equal(core.stats.streams, 0);
}

static void a_drain_ends_all_in_their_own_words(void **state)
{
    (void)state;

    greet();
    get(1, "/stream");
    say();
    get(3, "/later");
    h2_say_ask(&words, 5, "POST", "/now", false); /* not whole */
    say();
    client_close(fake->conn.client, ERR_CLOSING);
    flush();
    assert_int_equal(table_seen.errors, 2);
    assert_true(heard("DATA 1 end \n"));
    assert_true(heard("HEADERS 3 :status=503 "));
    assert_true(heard("HEADERS 5 :status=503 "));
    assert_true(heard("RST 5 0\n"));
    assert_true(heard("GOAWAY 2147483647 0\n"));
    assert_false(heard("GOAWAY 5 0\n"));
    assert_false(fake->closed);
    h2_say(&words, T_PING, T_END, 0,
           BYTES("\0\0\0\0\0\0\0\0")); /* an older one */
    get(7, "/now");                    /* asked before it heard of the end */
    say();
    assert_true(heard("HEADERS 7 :status=200 "));
    assert_false(heard("GOAWAY 7 0\n"));
    h2_say(&words, T_PING, T_END, 0, BYTES("drained\0"));
    say();
    assert_true(heard("GOAWAY 7 0\n"));
    assert_true(fake->closed);
}

/* Its last bytes are waited for, though not for long. */
static void a_drain_waits_for_closed_windows(void **state)
{
    (void)state;

    h2_say_setting(&words, 4, 3);
    get(1, "/stream");
    say();
    client_close(fake->conn.client, ERR_CLOSING);
    flush();
    assert_true(heard("DATA 1 beg\n"));
    assert_false(fake->finishing);
    h2_say_u32(&words, T_WINDOW, 1, 100);
    say();
    assert_true(heard("DATA 1 end in \n"));
    assert_false(fake->closed);
    h2_say(&words, T_PING, T_END, 0, BYTES("drained\0"));
    say();
    assert_true(fake->closed);
    stop();
    start();
    h2_say_setting(&words, 4, 3);
    get(1, "/stream");
    say();
    client_close(fake->conn.client, ERR_CLOSING);
    flush();
    wait_ms(1999);
    assert_false(fake->finishing);
    wait_ms(1);
    assert_true(fake->closed);
}

static void a_peer_that_goes_away_has_cut_its_streams(void **state)
{
    (void)state;

    greet();
    get(1, "/stream");
    say();
    fake->conn.client->cut = true; /* as node/conn/conn.c does */
    client_close(fake->conn.client, 0);
    conn_finish(&fake->conn);
    flush();
    stop();
    assert_int_equal(table_seen.cut, 1);
    start();
}

/* --- output ------------------------------------------------------------------
 */

static void a_closed_window_delays_no_other_stream(void **state)
{
    (void)state;

    h2_say_setting(&words, 4, 5); /* SETTINGS_INITIAL_WINDOW_SIZE */
    greet();
    get(1, "/stream");
    say();
    struct client *first = table_seen.later;
    get(3, "/stream");
    h2_say_u32(&words, T_WINDOW, 3, 100);
    say();
    expect_log("HEADERS 1 :status=200 content-type=text/plain\nDATA 1 begin\n"
               "HEADERS 3 :status=200 content-type=text/plain\n"
               "DATA 3 begin \n");
    client_write(first, BYTES("x"));
    client_write(table_seen.later, BYTES("y"));
    flush();
    expect_log("DATA 3 y\n");
    h2_say_u32(&words, T_WINDOW, 1, 1);
    say();
    expect_log("DATA 1  \n");
    h2_say_setting(&words, 4, 6);
    say();
    expect_log("SETTINGS ack\nDATA 1 x\n");
}

static void streams_take_turns(void **state)
{
    static uint8_t many[50000];
    (void)state;

    memset(many, 'a', sizeof many);
    h2_say_u32(&words, T_WINDOW, 0, 1 << 20);
    greet();
    get(1, "/stream");
    say();
    struct client *first = table_seen.later;
    get(3, "/stream");
    say();
    ear.log.len = 0;
    client_write(first, bytes_of(many, sizeof many));
    client_write(table_seen.later, BYTES("short"));
    client_write(first, bytes_of(many, 1));
    flush();
    const char *log = (const char *)ear.log.p;
    const char *one = memmem(log, ear.log.len, "DATA 3 short", 12);
    const char *two = memmem(log + 12, ear.log.len - 12, "DATA 1", 6);
    assert_non_null(one);
    assert_non_null(two);
    assert_true(one < two);
    assert_int_equal(ear.data, 6 + 6 + 50001 + 5);
}

static void far_too_much_for_a_stream_ends_it_at_once(void **state)
{
    static uint8_t many[700000];
    (void)state;

    greet();
    get(1, "/stream");
    say();
    struct client *first = table_seen.later;
    get(3, "/stream");
    say();
    client_write(first, bytes_of(many, sizeof many));
    client_write(first, bytes_of(many, sizeof many));
    flush();
    assert_int_equal(table_seen.errors, 1);
    assert_int_equal(table_seen.last_error, ERR_SLOW);
    client_write(table_seen.later, BYTES("on"));
    flush();
    assert_int_equal(core.stats.slow_clients, 1);
    assert_false(fake->finishing);
}

/* What the socket does not take waits with the stream, where its bounds are. */
static void output_waits_with_its_stream(void **state)
{
    static uint8_t some[1000];
    (void)state;

    memset(some, 'a', sizeof some);
    h2_say_setting(&words, 4, 1 << 30);
    h2_say_u32(&words, T_WINDOW, 0, 1 << 30);
    greet();
    get(1, "/stream");
    say();
    fake->window = 1000;
    for (int i = 0; i < 400; i++) {
        client_write(table_seen.later, bytes_of(some, sizeof some));
    }
    flush();
    assert_true(fake->conn.client->out.queued < 100000);
    assert_true(table_seen.later->out.queued > 290000);
    fake->window = SIZE_MAX;
    flush();
    assert_int_equal(ear.data, 6 + 400 * sizeof some);
    assert_int_equal(core.chunks.bytes, 0);
}

static void a_reader_that_opens_no_window_is_slow(void **state)
{
    static uint8_t many[400000];
    (void)state;

    greet();
    get(1, "/stream");
    say();
    struct client *first = table_seen.later;
    get(3, "/stream");
    say();
    client_write(first, bytes_of(many, sizeof many));
    flush();
    wait_ms(core.limits.out_soft_ms - 1);
    assert_int_equal(table_seen.errors, 0);
    wait_ms(1);
    assert_int_equal(table_seen.last_error, ERR_SLOW);
    wait_ms(2000);
    assert_true(heard("RST 1 8\n"));
    assert_int_equal(core.stats.slow_clients, 1);
    assert_int_equal(core.stats.streams, 1);
    assert_false(fake->finishing);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(requests_are_answered_however_they_are_cut),
        TEST(a_whole_answer_is_a_head_and_its_body),
        TEST(a_door_is_left_when_it_has_answered),
        TEST(a_later_answer_delays_no_other),
        TEST(answers_without_a_body_are_one_frame),
        TEST(a_stream_ends_with_its_trailers),
        TEST(an_answer_waits_behind_a_cork),
        TEST(a_door_that_refuses_is_an_answer),
        TEST(who_asks_is_what_http_1_asks),
        TEST(a_cancelled_stream_is_gone_at_once),
        TEST(a_stream_that_is_cancelled_as_it_comes_reaches_no_door),
        TEST(a_closed_client_ends_its_stream_alone),
        TEST(a_drain_ends_all_in_their_own_words),
        TEST(a_drain_waits_for_closed_windows),
        TEST(a_peer_that_goes_away_has_cut_its_streams),
        TEST(a_closed_window_delays_no_other_stream),
        TEST(streams_take_turns),
        TEST(far_too_much_for_a_stream_ends_it_at_once),
        TEST(output_waits_with_its_stream),
        TEST(a_reader_that_opens_no_window_is_slow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
