/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/test.h"

#include "tests/h2_owner.h"

/* --- floods ------------------------------------------------------------------
 */

static void flood_ping(uint32_t i)
{
    (void)i;
    h2_say(&words, T_PING, 0, 0, BYTES("12345678"));
}

static void flood_settings(uint32_t i)
{
    (void)i;
    h2_say(&words, T_SETTINGS, 0, 0, BYTES(""));
}

static void flood_priority(uint32_t i)
{
    h2_say(&words, T_PRIORITY, 0, 2 * i + 1, BYTES("\0\0\0\0\1"));
}

static void flood_window(uint32_t i)
{
    (void)i;
    h2_say_u32(&words, T_WINDOW, 0, 1);
}

static void flood_empty_data(uint32_t i)
{
    if (i == 0) {
        h2_say_ask(&words, 1, "POST", "/", false);
    }
    h2_say(&words, T_DATA, 0, 1, BYTES(""));
}

static void flood_padding(uint32_t i)
{
    if (i == 0) {
        h2_say_ask(&words, 1, "POST", "/", false);
    }
    h2_say(&words, T_DATA, T_PADDED, 1, BYTES("\3\0\0\0"));
}

static void flood_rapid_reset(uint32_t i)
{
    h2_say_ask(&words, 2 * i + 1, "GET", "/", true);
    h2_say_u32(&words, T_RST, 2 * i + 1, H2_CANCEL);
}

/* The peer makes us reset what it opens. */
static void flood_made_you_reset(uint32_t i)
{
    h2_say_ask(&words, 2 * i + 1, "POST", "/", false);
    h2_say_u32(&words, T_WINDOW, 2 * i + 1, 0x7fffffff);
}

static void flood_wrong_heads(uint32_t i)
{
    h2_say_ask(&words, 2 * i + 1, "G T", "/", true);
}

static const struct {
    const char *name;
    void (*say)(uint32_t i);
} floods[] = {
    {"ping", flood_ping},
    {"settings", flood_settings},
    {"priority", flood_priority},
    {"window", flood_window},
    {"empty data", flood_empty_data},
    {"padding", flood_padding},
    {"rapid reset", flood_rapid_reset},
    {"made you reset", flood_made_you_reset},
    {"wrong heads", flood_wrong_heads},
};

static void floods_are_cut(void **state)
{
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(floods); i++) {
        uint32_t said = 0;
        for (; said < 1500 && rc == 0; said++) {
            floods[i].say(said);
            say();
        }
        if (rc != ERR_LIMIT || !h2_is_over(h2) || said < 90) {
            fail_msg("%s: %u frames", floods[i].name, said);
        }
        assert_int_equal(h2_last_code(h2), H2_CALM);
        assert_true(heard(" 11\n"));
        again();
    }
}

/* The same, slowly enough, is none. */
static void what_floods_fast_may_go_slowly(void **state)
{
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(floods); i++) {
        for (uint32_t said = 0; said < 1500; said++) {
            floods[i].say(said);
            say();
            now_ms += 200;
        }
        if (rc != 0 || h2_is_over(h2)) {
            fail_msg("%s", floods[i].name);
        }
        again();
    }
}

/* Whoever reads opens windows: that is no flood. */
static void windows_for_what_was_read_cost_nothing(void **state)
{
    (void)state;

    for (uint32_t i = 0; i < 5000; i++) {
        h2_say_ask(&words, 2 * i + 1, "GET", i % 2 == 0 ? "/" : "/a/longer/one",
                   true);
        h2_say_u32(&words, T_WINDOW, 0, 16);
        h2_say(&words, T_PING, 0, 0, BYTES("12345678"));
        say();
    }
    assert_int_equal(rc, 0);
    assert_int_equal(gone, 5000);
}

static void a_head_without_an_end_is_cut(void **state)
{
    (void)state;

    h2_say(&words, T_HEADERS, 0, 1, BYTES("\x82"));
    for (int i = 0; i < 200; i++) {
        h2_say(&words, T_CONTINUATION, 0, 1, BYTES("\x82"));
    }
    say();
    assert_int_equal(rc, ERR_LIMIT);
    assert_true(heard("GOAWAY 1 11\n"));
}

/* A few bytes that stand for many: 4 KiB in the table, named again and again.
 */
static void a_bomb_of_fields_is_cut(void **state)
{
    static uint8_t value[4000];
    struct buf block = {0};
    (void)state;

    memset(value, 'v', sizeof value);
    h2_say_request(&block, "GET", "/");
    buf_add_u8(&block, 0x40); /* literal, to be indexed */
    h2_say_int(&block, 1);
    buf_add_u8(&block, 'x');
    h2_say_int(&block, sizeof value);
    buf_add(&block, value, sizeof value);
    for (int i = 0; i < 12000; i++) {
        buf_add_u8(&block, 0x80 | 62);
    }
    h2_say(&words, T_HEADERS, T_END_HEADERS | T_END, 1,
           bytes_of(block.p, 16000));
    buf_fini(&block);
    say();
    assert_int_equal(rc, ERR_LIMIT);
    assert_int_equal(gone, 0);
}

/* The same in trailers, which nobody keeps. */
static void a_bomb_of_trailers_is_cut(void **state)
{
    static uint8_t value[8000];
    struct buf block = {0};
    (void)state;

    memset(value, 'v', sizeof value);
    h2_say_ask(&words, 1, "POST", "/", false);
    for (int i = 0; i < 2; i++) {
        h2_say_field(&block, "x", bytes_of(value, sizeof value));
    }
    h2_say(&words, T_HEADERS, T_END, 1, buf_bytes(&block));
    for (int i = 0; i < 2; i++) {
        h2_say(&words, T_CONTINUATION, 0, 1, buf_bytes(&block));
    }
    buf_fini(&block);
    say();
    assert_int_equal(rc, ERR_LIMIT);
}

static void too_many_streams_are_refused(void **state)
{
    (void)state;

    for (uint32_t i = 0; i < 101; i++) {
        h2_say_ask(&words, 2 * i + 1, "POST", "/", false);
    }
    say();
    assert_true(heard("RST 201 7\n"));
    h2_say_u32(&words, T_RST, 1, H2_CANCEL);
    say();
    assert_int_equal(gone, 1);
    assert_int_equal(cut, 1);
    assert_true(lives(203));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(floods_are_cut),
        TEST(what_floods_fast_may_go_slowly),
        TEST(windows_for_what_was_read_cost_nothing),
        TEST(a_head_without_an_end_is_cut),
        TEST(a_bomb_of_fields_is_cut),
        TEST(a_bomb_of_trailers_is_cut),
        TEST(too_many_streams_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
