/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/test.h"

#include "tests/carry.h"

#include "proto/err.h"
#include "proto/ws.h"

static const uint8_t mask[4] = {0x11, 0x22, 0x33, 0x44};

static struct core core;
static struct fake_conn *fake;

static void begin(size_t version)
{
    fake = carry_new(&core);
    sniff_begin(&fake->conn);
    const struct door *door;
    struct http_request request = {.path = BYTES("/ws")};
    ptrdiff_t chosen;

    door = door_for_upgrade(&request, &chosen);
    assert_int_equal(
        ws_begin(&fake->conn, door, &request, version, core.now_ms), 0);
}

static int setup(void **state)
{
    (void)state;
    table_reset();
    fake_core_init(&core);
    begin(0);
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
    carry_free(fake);
    begin(0);
}

static void say(enum ws_opcode opcode, struct bytes payload)
{
    struct buf frame = {0};

    ws_frame(&frame, opcode, payload, mask);
    carry_say(fake, buf_bytes(&frame));
    buf_fini(&frame);
}

static void expect_out(const char *text, size_t len)
{
    assert_int_equal(fake_conn_out(fake).len, len);
    assert_memory_equal(fake_conn_out(fake).p, text, len);
}
#define EXPECT(literal) expect_out(literal, sizeof(literal) - 1)

/* The code of the close frame that the output begins with. */
static unsigned close_code(void)
{
    struct bytes out = fake_conn_out(fake);

    assert_true(out.len >= 4);
    assert_int_equal(out.p[0], 0x88);
    return bytes_u16be(out.p + 2);
}

static void messages_go_to_the_door_and_back(void **state)
{
    struct buf wire = {0};
    (void)state;

    ws_frame(&wire, WS_TEXT, BYTES("one"), mask);
    ws_frame(&wire, WS_TEXT, BYTES("two"), mask);
    for (size_t cut = 0; cut < wire.len; cut++) {
        carry_say(fake, bytes_of(wire.p, cut));
        carry_say(fake, bytes_skip(buf_bytes(&wire), cut));
        EXPECT("\x81\3one\x81\3two");
        again();
    }
    buf_fini(&wire);
}

static void a_binary_subprotocol_is_sent_binary_frames(void **state)
{
    (void)state;

    carry_free(fake);
    begin(1);
    say(WS_BINARY, BYTES("x"));
    EXPECT("\x82\1x");
}

static void a_ping_is_answered_with_its_payload(void **state)
{
    (void)state;

    say(WS_PING, BYTES("abc"));
    EXPECT("\x8a\3"
           "abc");
}

static void of_many_pings_the_newest_is_answered(void **state)
{
    struct buf wire = {0};
    (void)state;

    for (int i = 0; i < 1000; i++) {
        ws_frame(&wire, WS_PING, bytes_of(&i, 1), mask);
    }
    ws_frame(&wire, WS_PING, BYTES("z"), mask);
    carry_say(fake, buf_bytes(&wire));
    EXPECT("\x8a\1z");
    buf_fini(&wire);
}

static void a_flood_of_pings_that_reads_nothing_fills_nothing(void **state)
{
    uint8_t payload[125] = {0};
    (void)state;

    fake->window = 0;
    for (int i = 0; i < 10000; i++) {
        say(WS_PING, bytes_of(payload, sizeof payload));
    }
    assert_true(fake->conn.client->out.queued < 5000);
    assert_false(fake->conn.closing);
}

static void a_close_is_echoed_and_ends_it(void **state)
{
    (void)state;

    say(WS_CLOSE, BYTES("\x0f\xa1"
                        "bye")); /* 4001 */
    EXPECT("\x88\2\x0f\xa1");
    assert_true(fake->closed);
    assert_int_equal(table_seen.errors, 0);
    again();
    fake_conn_reset(fake);
    say(WS_CLOSE, BYTES(""));
    EXPECT("\x88\2\x03\xe8");
}

static void nothing_after_a_close_is_looked_at(void **state)
{
    struct buf wire = {0};
    (void)state;

    ws_frame_close(&wire, 1000, BYTES(""), mask);
    ws_frame(&wire, WS_TEXT, BYTES("late"), mask);
    carry_say(fake, buf_bytes(&wire));
    EXPECT("\x88\2\x03\xe8");
    assert_int_equal(table_seen.messages, 0);
    buf_fini(&wire);
}

static void errors_are_said_as_close_codes(void **state)
{
    static const struct {
        struct bytes wire;
        unsigned code;
    } cases[] = {
        {BYTES("\x81\1g"), 1002},                    /* not masked */
        {BYTES("\xc1\x81\0\0\0\0g"), 1002},          /* RSV1 */
        {BYTES("\x83\x80\0\0\0\0"), 1002},           /* reserved */
        {BYTES("\x09\x80\0\0\0\0"), 1002},           /* ping in pieces */
        {BYTES("\x88\x82\0\0\0\0\3\xed"), 1002},     /* 1005 */
        {BYTES("\x88\x83\0\0\0\0\3\xe8\xff"), 1007}, /* reason */
        {BYTES("\x81\x81\0\0\0\0\xff"), 1007},
        {BYTES("\x82\xff\0\0\0\1\0\0\0\0\0\0\0\0x"), 1009}, /* 4 GiB */
        {BYTES("\x81\x84\0\0\0\0boom"), 1008},   /* the door's error */
        {BYTES("GET / HTTP/1.1\r\n\r\n"), 1002}, /* upgrade twice */
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        carry_say(fake, cases[i].wire);
        assert_int_equal(close_code(), cases[i].code);
        assert_true(fake->closed);
        again();
    }
}

static void a_door_that_will_not_open_says_so_in_a_close_frame(void **state)
{
    (void)state;

    carry_free(fake);
    table_seen.open_fails = ERR_UNAUTH;
    begin(0);
    fake_flush(&core);
    assert_int_equal(close_code(), 1008);
    assert_true(fake->closed);
}

static void a_silent_peer_is_asked_and_then_given_up(void **state)
{
    uint64_t waited = 0;
    (void)state;

    fake_wait(&core, core.limits.ping_ms - 1);
    assert_int_equal(fake_conn_out(fake).len, 0);
    fake_wait(&core, 1);
    EXPECT("\x89\0");
    for (waited = core.limits.ping_ms; waited < core.limits.idle_ms;
         waited += core.limits.ping_ms) {
        assert_false(fake->closed);
        fake_conn_reset(fake);
        fake_wait(&core, core.limits.ping_ms);
    }
    assert_int_equal(close_code(), 1008);
    assert_true(fake->closed);
}

static void a_peer_that_answers_stays(void **state)
{
    (void)state;

    for (int i = 0; i < 20; i++) {
        fake_wait(&core, core.limits.ping_ms);
        say(WS_PONG, BYTES(""));
    }
    assert_false(fake->closed);
}

static void a_stranger_has_one_deadline_to_say_who_it_is(void **state)
{
    (void)state;

    core.auth.insecure = false;
    again();
    fake->conn.client->logged_in = false;
    for (int i = 0; i < 3; i++) {
        say(WS_TEXT, BYTES("x"));
        fake_conn_reset(fake);
        fake_wait(&core, core.limits.hello_ms / 3 + 1);
    }
    assert_int_equal(close_code(), 1008);
    assert_true(fake->closed);
    assert_int_equal(core.stats.hello_timeouts, 1);
}

static void a_message_that_never_ends_does(void **state)
{
    uint64_t waited = 0;
    (void)state;

    carry_say(fake, BYTES("\x81\xfe\x10\0\0\0\0\0"));
    while (!fake->closed && waited < 3 * core.limits.idle_ms) {
        fake_conn_reset(fake);
        fake_wait(&core, 4000);
        waited += 4000;
        if (!fake->closed) {
            carry_say(fake, BYTES("a"));
        }
    }
    assert_true(waited <= core.limits.idle_ms + core.limits.ping_ms + 4000);
    assert_int_equal(close_code(), 1008);
}

/* What a read holds ends somewhere: a busy peer is always in a message. */
static void a_peer_whose_messages_end_may_always_be_in_one(void **state)
{
    struct buf two = {0};
    (void)state;

    ws_frame(&two, WS_TEXT, BYTES("ab"), mask);
    size_t len = two.len;
    ws_frame(&two, WS_TEXT, BYTES("ab"), mask);
    carry_say(fake, bytes_of(two.p, len - 1));
    for (int i = 0; i < 20; i++) {
        fake_wait(&core, core.limits.ping_ms / 2);
        carry_say(fake, bytes_of(two.p + len - 1, len));
        assert_false(fake->closed);
        fake_conn_reset(fake);
    }
    buf_fini(&two);
}

/* Who comes back when is spread over the time that is given, and the same
 * client is told the same. */
static void the_end_of_the_node_is_1012_and_says_when_to_come_back(void **state)
{
    static const char reason[] = "CLOSING retry_after_ms=";
    size_t len = sizeof reason - 1;
    uint64_t ms = 0;
    (void)state;

    core.retry_within_ms = 700;
    client_close(fake->conn.client, ERR_CLOSING);
    fake_flush(&core);
    assert_int_equal(close_code(), 1012);
    assert_int_equal(table_seen.last_error, ERR_CLOSING);
    struct bytes said = bytes_skip(fake_conn_out(fake), 4);
    assert_true(said.len > len && memcmp(said.p, reason, len) == 0);
    assert_int_equal(bytes_u64(bytes_skip(said, len), &ms), 0);
    assert_in_range(ms, 1, 701);
    assert_int_equal(ms, client_retry_ms(fake->conn.client));
    core.retry_within_ms = 0;
    assert_int_equal(client_retry_ms(fake->conn.client), 1);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(messages_go_to_the_door_and_back),
        TEST(a_binary_subprotocol_is_sent_binary_frames),
        TEST(a_ping_is_answered_with_its_payload),
        TEST(of_many_pings_the_newest_is_answered),
        TEST(a_flood_of_pings_that_reads_nothing_fills_nothing),
        TEST(a_close_is_echoed_and_ends_it),
        TEST(nothing_after_a_close_is_looked_at),
        TEST(errors_are_said_as_close_codes),
        TEST(a_door_that_will_not_open_says_so_in_a_close_frame),
        TEST(a_silent_peer_is_asked_and_then_given_up),
        TEST(a_peer_that_answers_stays),
        TEST(a_stranger_has_one_deadline_to_say_who_it_is),
        TEST(a_message_that_never_ends_does),
        TEST(a_peer_whose_messages_end_may_always_be_in_one),
        TEST(the_end_of_the_node_is_1012_and_says_when_to_come_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
