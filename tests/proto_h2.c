/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/test.h"

#include "tests/h2_owner.h"

/* --- requests ----------------------------------------------------------------
 */

static void fields_become_a_request(void **state)
{
    struct buf block = {0};
    (void)state;

    h2_say_request(&block, "POST", "/a/b?c=d");
    h2_say_field(&block, "x-one", BYTES("1"));
    h2_say_field(&block, "x-two", BYTES(""));
    h2_say(&words, T_HEADERS, T_END_HEADERS, 1, buf_bytes(&block));
    h2_say(&words, T_DATA, 0, 1, BYTES("body"));
    h2_say(&words, T_DATA, T_END, 1, BYTES(""));
    say();
    assert_true(heard("HEADERS 1 :status=200\n"
                      "DATA 1 end POST /a/b x-one=1 x-two= host=localhost|"
                      "body\n"));
    assert_int_equal(gone, 1);
    assert_int_equal(cut, 0);
    buf_fini(&block);
}

static void a_host_is_said_once_and_the_same(void **state)
{
    static const struct {
        const char *authority;
        const char *host;
        const char *want;
    } cases[] = {
        {"a", NULL, "GET / host=a\n"},
        {NULL, "a", "GET / host=a\n"},
        {"a", "A", "GET / host=A\n"},
        {"a", "b", "HEADERS 1 end :status=400\n"},
        {NULL, NULL, "GET /\n"},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf block = {0};
        h2_say_field(&block, ":method", BYTES("GET"));
        h2_say_field(&block, ":scheme", BYTES("http"));
        h2_say_field(&block, ":path", BYTES("/"));
        if (cases[i].authority != NULL) {
            h2_say_field(&block, ":authority", bytes_str(cases[i].authority));
        }
        if (cases[i].host != NULL) {
            h2_say_field(&block, "host", bytes_str(cases[i].host));
        }
        h2_say(&words, T_HEADERS, T_END_HEADERS | T_END, 1, buf_bytes(&block));
        buf_fini(&block);
        say();
        assert_true(heard(cases[i].want) ||
                    /* nghttp2 wants one of the two */
                    (i == 4 && heard("RST 1 1\n")));
        again();
    }
}

static void a_long_head_is_refused_and_a_far_longer_one_ends_it(void **state)
{
    static const struct {
        size_t fields;
        size_t len;
        const char *want;
        bool ends;
    } cases[] = {
        {1, 7000, ":status=200\n", false}, {60, 10, ":status=200\n", false},
        {80, 1, ":status=431\n", false},   {1, 11000, ":status=431\n", false},
        {6, 8000, "GOAWAY 1 11\n", true},
    };
    static uint8_t value[16384];
    (void)state;

    memset(value, 'v', sizeof value);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf block = {0};
        h2_say_request(&block, "GET", "/");
        h2_say(&words, T_HEADERS, T_END, 1, buf_bytes(&block));
        for (size_t j = 0; j < cases[i].fields; j++) {
            buf_reset(&block);
            h2_say_field(&block, "x", bytes_of(value, cases[i].len));
            if (cases[i].len > 1000) {
                h2_say(&words, T_CONTINUATION, 0, 1, buf_bytes(&block));
            }
        }
        buf_reset(&block);
        for (size_t j = 0; cases[i].len < 1000 && j < cases[i].fields; j++) {
            h2_say_field(&block, "x", bytes_of(value, cases[i].len));
        }
        h2_say(&words, T_CONTINUATION, T_END_HEADERS, 1, buf_bytes(&block));
        buf_fini(&block);
        say();
        assert_true(heard(cases[i].want));
        assert_int_equal(rc, cases[i].ends ? ERR_LIMIT : 0);
        assert_true(cases[i].ends || lives(3));
        again();
    }
}

/* --- what is wrong -----------------------------------------------------------
 */

struct wrong {
    const char *name;
    struct bytes frames; /* after stream 1 was opened and not ended */
    const char *want;
    bool ends;
};

/* Frames written out: length, type, flags, stream, payload. */
#define FRAME(len, type, flags, stream, payload) \
    "\0\0" len type flags "\0\0\0" stream payload

static const struct wrong wrongs[] = {
    {"data of no stream", BYTES(FRAME("\1", "\0", "\0", "\0", "x")),
     "GOAWAY 1 1\n", true},
    {"an even stream", BYTES(FRAME("\1", "\1", "\4", "\2", "\x82")),
     "GOAWAY 1 1\n", true},
    {"a head of no stream", BYTES(FRAME("\1", "\1", "\4", "\0", "\x82")),
     "GOAWAY 1 1\n", true},
    {"a frame too long", BYTES("\0\x40\1\0\0\0\0\0\1"), "GOAWAY 1 6\n", true},
    {"settings of 5 bytes", BYTES(FRAME("\5", "\4", "\0", "\0", "12345")),
     "GOAWAY 1 6\n", true},
    {"an ack with settings",
     BYTES(FRAME("\6", "\4", "\1", "\0", "\0\3\0\0\0\1")), "GOAWAY 1 6\n",
     true},
    {"settings of a stream", BYTES(FRAME("\0", "\4", "\0", "\1", "")),
     "GOAWAY 1 1\n", true},
    {"a window above 2^31 - 1",
     BYTES(FRAME("\6", "\4", "\0", "\0", "\0\4\x80\0\0\0")), "GOAWAY 1 3\n",
     true},
    {"frames of one byte", BYTES(FRAME("\6", "\4", "\0", "\0", "\0\5\0\0\0\1")),
     "GOAWAY 1 1\n", true},
    {"a short ping", BYTES(FRAME("\7", "\6", "\0", "\0", "1234567")),
     "GOAWAY 1 6\n", true},
    {"a ping of a stream", BYTES(FRAME("\10", "\6", "\0", "\1", "12345678")),
     "GOAWAY 1 1\n", true},
    {"no more window for all",
     BYTES(FRAME("\4", "\10", "\0", "\0", "\0\0\0\0")), "GOAWAY 1 1\n", true},
    {"no more window for one",
     BYTES(FRAME("\4", "\10", "\0", "\1", "\0\0\0\0")), "GOAWAY 1 1\n", true},
    {"too much window for all",
     BYTES(FRAME("\4", "\10", "\0", "\0", "\x7f\xff\xff\xff")), "GOAWAY 1 3\n",
     true},
    {"too much window for one",
     BYTES(FRAME("\4", "\10", "\0", "\1", "\x7f\xff\xff\xff")), "RST 1 3\n",
     false},
    {"a window of three bytes", BYTES(FRAME("\3", "\10", "\0", "\0", "\0\0\1")),
     "GOAWAY 1 6\n", true},
    {"a reset of nobody", BYTES(FRAME("\4", "\3", "\0", "\7", "\0\0\0\10")),
     "GOAWAY 1 1\n", true},
    {"a short reset", BYTES(FRAME("\3", "\3", "\0", "\1", "\0\0\10")),
     "GOAWAY 1 6\n", true},
    {"a push", BYTES(FRAME("\5", "\5", "\4", "\1", "\0\0\0\2\x82")),
     "GOAWAY 1 1\n", true},
    {"a continuation of nothing", BYTES(FRAME("\1", "\11", "\4", "\1", "\x82")),
     "GOAWAY 1 1\n", true},
    {"data within a head",
     BYTES(FRAME("\1", "\1", "\0", "\3", "\x82")
               FRAME("\1", "\0", "\0", "\1", "x")),
     "GOAWAY 3 1\n", true},
    {"padding longer than its frame",
     BYTES(FRAME("\2", "\0", "\10", "\1", "\5x")), "GOAWAY 1 1\n", true},
    {"an index of nothing", BYTES(FRAME("\1", "\1", "\5", "\3", "\xff")),
     "GOAWAY", true},
    {"a table of 4 GiB",
     BYTES(FRAME("\6", "\1", "\5", "\3", "\x3f\xe0\xff\xff\xff\xf")), "GOAWAY",
     true},
    {"data after the end",
     BYTES(FRAME("\1", "\0", "\1", "\1", "x")
               FRAME("\1", "\0", "\0", "\1", "y")),
     "GOAWAY 1 5\n", true},
    {"a head after the end",
     BYTES(FRAME("\1", "\0", "\1", "\1", "x")
               FRAME("\1", "\1", "\5", "\1", "\x82")),
     "GOAWAY 1 5\n", true},
    {"trailers that do not end it",
     BYTES(FRAME("\5", "\1", "\4", "\1", "\0\1x\1y")), "RST 1 1\n", false},
    {"an unknown frame", BYTES(FRAME("\1", "\xfa", "\0", "\1", "x")), "",
     false},
    {"a priority", BYTES(FRAME("\5", "\2", "\0", "\1", "\0\0\0\1\1")), "",
     false},
};

static void what_is_wrong_ends_a_stream_or_the_connection(void **state)
{
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(wrongs); i++) {
        h2_say_ask(&words, 1, "POST", "/one", false);
        say();
        buf_add_bytes(&words, wrongs[i].frames);
        say();
        if (!heard(wrongs[i].want) || (!wrongs[i].ends && !lives(101)) ||
            h2_is_over(h2) != wrongs[i].ends) {
            fail_msg("%s: %.*s", wrongs[i].name, (int)ear.log.len,
                     (const char *)ear.log.p);
        }
        again();
    }
}

static void a_field_that_is_wrong_ends_its_stream(void **state)
{
    static const struct {
        const char *name;
        const char *value;
    } fields[] = {
        {"X-Upper", "1"},
        {":path", "/again"},
        {"connection", "close"},
        {"transfer-encoding", "chunked"},
        {"te", "gzip"},
        {"x", "a\r\nb: c"},
        {"x", "a\nb"},
        {"content-length", "7"},
        {"content-length", "-1"},
        {":status", "200"},
        {"keep-alive", "1"},
        {"upgrade", "websocket"},
        {"x y", "1"},
        {"", "1"},
        {"proxy-connection", "x"},
        {"host", "a b"},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        struct buf block = {0};
        h2_say_request(&block, "GET", "/");
        h2_say_field(&block, fields[i].name, bytes_str(fields[i].value));
        h2_say(&words, T_HEADERS, T_END_HEADERS | T_END, 1, buf_bytes(&block));
        buf_fini(&block);
        say();
        if (!(heard("RST 1 1\n") || heard(":status=400\n")) || !lives(3)) {
            fail_msg("%s: %.*s", fields[i].name, (int)ear.log.len,
                     (const char *)ear.log.p);
        }
        again();
    }
}

static void a_target_is_a_path(void **state)
{
    static const struct {
        const char *method;
        const char *path;
        const char *want;
    } cases[] = {
        {"OPTIONS", "*", ":status=200\n"},
        {"GET", "*", "1"},
        {"GET", "a", "1"},
        {"GET", "", "1"},
        {"GET", "/a#b", ":status=400\n"},
        {"GET", "http://h/", "1"},
        {"G T", "/", "1"},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        h2_say_ask(&words, 1, cases[i].method, cases[i].path, true);
        say();
        assert_true(heard(cases[i].want));
        assert_true(i == 0 || heard("RST 1 1\n") || heard(":status=400\n"));
        assert_true(lives(3));
        again();
    }
}

static void the_first_frame_must_be_settings(void **state)
{
    (void)state;

    buf_reset(&words);
    buf_add_bytes(&words, H2_PREFACE);
    h2_say_ask(&words, 1, "GET", "/", true);
    say();
    assert_true(heard("GOAWAY 0 1\n"));
    assert_true(h2_is_over(h2));
    assert_int_equal(h2_last_code(h2), H2_PROTOCOL_ERROR);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(fields_become_a_request),
        TEST(a_host_is_said_once_and_the_same),
        TEST(a_long_head_is_refused_and_a_far_longer_one_ends_it),
        TEST(what_is_wrong_ends_a_stream_or_the_connection),
        TEST(a_field_that_is_wrong_ends_its_stream),
        TEST(a_target_is_a_path),
        TEST(the_first_frame_must_be_settings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
