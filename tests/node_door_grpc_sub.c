/* SPDX-License-Identifier: Apache-2.0
 *
 * Subscribe: what a stream begins with, carries and ends with, and how one that
 * was cut goes on.
 */
#include "tests/test.h"

#include "proto/err.h"
#include "tests/ask.h"
#include "tests/grpc_talk.h"

static const char subscribe_path[] = "/cache_client.pubsub.Pubsub/Subscribe";

/* To topic "t" of cache "c". */
static struct fake_conn *subscribe_from(struct core *core, const char *type,
                                        uint64_t resume_at, uint64_t page,
                                        const char *header)
{
    struct buf message = {0};
    buf_add(&message,
            "\x0a\x01"
            "c\x12\x01t",
            6);
    if (resume_at > 0) {
        buf_add_u8(&message, 0x18);
        grpc_add_varint(&message, resume_at);
        buf_add_u8(&message, 0x20);
        grpc_add_varint(&message, page);
    }
    struct fake_conn *fake = grpc_call_new(
        core, &(struct grpc_ask){.path = subscribe_path,
                                 .type = type,
                                 .header = header,
                                 .message = buf_bytes(&message)});
    buf_fini(&message);
    return fake;
}

static struct fake_conn *subscribe(struct core *core, const char *header)
{
    struct fake_conn *fake = subscribe_from(core, NULL, 0, 0, header);
    assert_true(fake->streaming);
    assert_int_equal(grpc_hear(fake).what, GRPC_BEAT);
    return fake;
}

static void publish(struct core *core, const char *value)
{
    ask_say(core, "/topics/c/t", value);
}

static void hears_item(struct fake_conn *fake, uint64_t seq, const char *value)
{
    struct grpc_heard heard = grpc_hear(fake);
    assert_int_equal(heard.what, GRPC_ITEM);
    assert_int_equal(heard.seq, seq);
    assert_string_equal(heard.value, value);
    assert_true(heard.page > 0 && heard.page < 1ull << 53);
}

static void hears_nothing(struct fake_conn *fake)
{
    assert_int_equal(grpc_hear(fake).what, GRPC_NOTHING);
}

/* The peer ends the stream, as the HTTP/2 carrier says it. */
static void cut(struct fake_conn *fake)
{
    fake->conn.client->cut = true;
    fake_conn_free(fake);
}

static void a_stream_begins_with_a_beat_and_numbers_from_one(void **state)
{
    static const char *const types[] = {"application/grpc",
                                        "application/grpc-web+proto",
                                        "application/grpc-web-text"};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        struct core core;
        fake_core_init(&core);
        struct fake_conn *fake = subscribe_from(&core, types[i], 0, 0, NULL);

        assert_int_equal(fake->status, 200);
        assert_true(fake->streaming);
        assert_int_equal(grpc_hear(fake).what, GRPC_BEAT);
        hears_nothing(fake);
        publish(&core, "one");
        publish(&core, "");
        hears_item(fake, 1, "one");
        hears_item(fake, 2, "");
        hears_nothing(fake);
        fake_conn_free(fake);
        core_fini(&core);
    }
}

static void the_beat_waits_for_the_barrier(void **state)
{
    struct core core;
    struct ask_others others = {{0}};
    (void)state;
    ask_core_among(&core, &others);
    struct fake_conn *fake = subscribe_from(&core, NULL, 0, 0, NULL);

    assert_true(fake->streaming);
    publish(&core, "x");
    hears_nothing(fake);
    others.held[CLUSTER_SCOPE_REGION] = 7;
    clients_release(&core, CLUSTER_SCOPE_REGION, 7, false);
    fake_flush(&core);
    assert_int_equal(grpc_hear(fake).what, GRPC_BEAT);
    hears_item(fake, 1, "x");
    fake_conn_free(fake);
    core_fini(&core);
}

static void beats_go_on_and_take_no_number(void **state)
{
    struct core core;
    (void)state;
    fake_core_init(&core);
    struct fake_conn *fake = subscribe(&core, NULL);

    for (uint64_t i = 1; i <= 3; i++) {
        fake_wait(&core, 3900);
        hears_nothing(fake);
        fake_wait(&core, 100);
        assert_int_equal(grpc_hear(fake).what, GRPC_BEAT);
        publish(&core, "x");
        hears_item(fake, i, "x");
    }
    fake_conn_free(fake);
    core_fini(&core);
}

static void a_reader_that_takes_nothing_gets_no_beats(void **state)
{
    struct core core;
    (void)state;
    fake_core_init(&core);
    struct fake_conn *fake = subscribe(&core, NULL);
    size_t len = fake_conn_out(fake).len;

    fake->window = 0;
    for (int i = 0; i < 10; i++) {
        fake_wait(&core, 4000);
    }
    fake->window = SIZE_MAX;
    fake_flush(&core);
    assert_int_equal(fake_conn_out(fake).len, len + 7);
    fake_conn_free(fake);
    core_fini(&core);
}

static void binary_and_publisher_are_carried(void **state)
{
    struct core core;
    struct buf header = {0};
    (void)state;
    fake_core_init(&core);
    fake_core_ask_tokens(&core);
    buf_add_str(&header, "Authorization: ");
    fake_token(&core, &header);
    buf_add_u8(&header, '\0');
    struct fake_conn *fake = fake_conn_new(&core);
    struct fake_conn *other = fake_conn_new(&core);
    struct bytes token = bytes_str((char *)header.p + 15);
    assert_int_equal(client_login(fake->conn.client, token), 0);
    assert_int_equal(client_login(other->conn.client, token), 0);
    struct buf bodies[2] = {{0}};
    struct http_request request = grpc_request(
        &(struct grpc_ask){.path = subscribe_path,
                           .message = BYTES("\x0a\x01"
                                            "c\x12\x01t")},
        &bodies[0]);
    ask_door_of(fake, &request);
    request = grpc_request(
        &(struct grpc_ask){.path = "/cache_client.pubsub.Pubsub/Publish",
                           .message = BYTES("\x0a\x01"
                                            "c\x12\x01t\x1a\x04\x12\x02\xff"
                                            "b")},
        &bodies[1]);
    ask_door_of(other, &request);
    fake_flush(&core);

    assert_int_equal(grpc_hear(fake).what, GRPC_BEAT);
    struct grpc_heard heard = grpc_hear(fake);
    assert_true(heard.binary);
    assert_string_equal(heard.value, "\xff"
                                     "b");
    assert_string_equal(heard.publisher, "alice");
    buf_fini(&bodies[0]);
    buf_fini(&bodies[1]);
    buf_fini(&header);
    fake_conn_free(fake);
    fake_conn_free(other);
    core_fini(&core);
}

static void resuming_begins_with_the_number_that_is_named(void **state)
{
    struct core core;
    (void)state;
    fake_core_init(&core);
    struct fake_conn *fake = subscribe(&core, NULL);
    publish(&core, "1");
    publish(&core, "2");
    publish(&core, "3");
    uint64_t page = grpc_hear(fake).page;
    cut(fake);

    fake = subscribe_from(&core, NULL, 2, page, NULL);
    assert_int_equal(grpc_hear(fake).what, GRPC_BEAT);
    hears_item(fake, 2, "2");
    hears_item(fake, 3, "3");
    publish(&core, "4");
    hears_item(fake, 4, "4");
    hears_nothing(fake);
    fake_conn_free(fake);
    core_fini(&core);
}

/* A reader that goes on after the number of a discontinuity misses nothing. */
static void what_cannot_be_resumed_is_a_discontinuity(void **state)
{
    struct core core;
    (void)state;
    fake_core_init(&core);
    struct fake_conn *fake = subscribe(&core, NULL);
    publish(&core, "1");
    publish(&core, "2");
    struct fake_conn *other = subscribe_from(&core, NULL, 300, 1, NULL);

    assert_int_equal(grpc_hear(other).what, GRPC_BEAT);
    struct grpc_heard gap = grpc_hear(other);
    assert_int_equal(gap.what, GRPC_GAP);
    assert_int_equal(gap.page, grpc_hear(fake).page);
    publish(&core, "3");
    hears_item(other, gap.next + 1, "3");
    fake_conn_free(other);
    fake_conn_free(fake);
    core_fini(&core);
}

static void a_call_ends_at_its_time_and_not_before(void **state)
{
    struct core core;
    (void)state;
    fake_core_init(&core);
    struct fake_conn *fake = subscribe(&core, "grpc-timeout: 5S");

    fake_wait(&core, 4000);
    assert_int_equal(grpc_hear(fake).what, GRPC_BEAT);
    fake_wait(&core, 1000);
    assert_int_equal(grpc_status_of(fake), -1);
    fake_wait(&core, 1);
    assert_int_equal(grpc_status_of(fake), GRPC_DEADLINE_EXCEEDED);
    assert_int_equal(core.stats.refused, 0);
    assert_true(fake->closed);
    fake_conn_free(fake);
    core_fini(&core);
}

static void a_timeout_that_is_none_is_refused(void **state)
{
    struct core core;
    (void)state;
    fake_core_init(&core);
    struct fake_conn *fake = subscribe_from(&core, NULL, 0, 0,
                                            "grpc-timeout: soon");

    assert_int_equal(grpc_status_of(fake), GRPC_INVALID_ARGUMENT);
    assert_false(fake->streaming);
    fake_conn_free(fake);
    core_fini(&core);
}

/* --- the cut --- */

/* Half a second passes, in which something is published. */
static struct fake_conn *come_back(struct core *core)
{
    fake_wait(core, 300);
    publish(core, "missed");
    fake_wait(core, 200);
    return subscribe(core, NULL);
}

static void who_was_cut_by_its_time_goes_on_where_it_began(void **state)
{
    (void)state;
    for (int by_us = 0; by_us < 2; by_us++) {
        struct core core;
        fake_core_init(&core);
        struct fake_conn *others = subscribe(&core, NULL);
        publish(&core, "before");
        struct fake_conn *fake = subscribe(&core, "grpc-timeout: 5S");

        fake_wait(&core, 4000);
        fake_wait(&core, by_us ? 1001 : 990);
        assert_int_equal(grpc_status_of(fake),
                         by_us ? GRPC_DEADLINE_EXCEEDED : -1);
        cut(fake);
        fake = come_back(&core);
        hears_item(fake, 2, "missed");
        publish(&core, "live");
        hears_item(fake, 3, "live");
        hears_nothing(fake);
        fake_conn_free(fake);
        fake_conn_free(others);
        core_fini(&core);
    }
}

static void two_subscriptions_of_one_client_both_go_on(void **state)
{
    struct core core;
    (void)state;
    fake_core_init(&core);
    struct fake_conn *one = subscribe(&core, "grpc-timeout: 5S");
    struct fake_conn *two = subscribe(&core, "grpc-timeout: 5S");
    fake_wait(&core, 4990);
    cut(one);
    cut(two);

    one = come_back(&core);
    two = subscribe(&core, NULL);
    hears_item(one, 1, "missed");
    hears_item(two, 1, "missed");
    fake_conn_free(one);
    fake_conn_free(two);
    core_fini(&core);
}

/* The item was on its way when the peer cut the stream. Had it come in time,
 * the peer would name its number. */
static void what_came_too_late_to_be_heard_comes_again(void **state)
{
    struct core core;
    (void)state;
    fake_core_init(&core);
    struct fake_conn *fake = subscribe(&core, "grpc-timeout: 5S");
    fake_wait(&core, 4000);
    fake_wait(&core, 990);
    publish(&core, "late");
    cut(fake);

    fake = come_back(&core);
    hears_item(fake, 1, "late");
    hears_item(fake, 2, "missed");
    fake_conn_free(fake);
    core_fini(&core);
}

static void a_fresh_subscription_begins_afresh(void **state)
{
    static const struct {
        const char *timeout;
        uint64_t heard_at_ms; /* an item; 0: none */
        uint64_t cut_at_ms;
        uint64_t back_ms;
    } cases[] = {
        {NULL, 0, 5000, 0},                  /* no time was set */
        {"grpc-timeout: 5S", 0, 3000, 0},    /* left long before */
        {"grpc-timeout: 5S", 0, 4990, 1600}, /* came back too late */
        {"grpc-timeout: 5S", 1000, 4990, 0}, /* knows its number */
        {"grpc-timeout: 30S", 0, 20000, 0},  /* left long before */
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct core core;
        fake_core_init(&core);
        struct fake_conn *fake = subscribe(&core, cases[i].timeout);
        fake_wait(&core, 1000);
        if (cases[i].heard_at_ms > 0) {
            publish(&core, "heard");
        }
        fake_wait(&core, 3000); /* a beat */
        fake_wait(&core, cases[i].cut_at_ms - 4000 < 99999
                             ? cases[i].cut_at_ms - 4000
                             : 0);
        cut(fake);
        publish(&core, "missed");
        fake_wait(&core, 500 + cases[i].back_ms);
        fake = subscribe(&core, NULL);
        hears_nothing(fake);
        fake_conn_free(fake);
        core_fini(&core);
    }
}

static void others_do_not_go_on_where_it_began(void **state)
{
    struct core core;
    (void)state;
    fake_core_init(&core);
    struct fake_conn *fake = subscribe(&core, "grpc-timeout: 5S");
    fake_wait(&core, 4990);
    cut(fake);
    publish(&core, "missed");

    fake = fake_conn_new(&core);
    fake->conn.remote.ip[15] = 9; /* another address */
    struct buf body = {0};
    struct http_request request = grpc_request(
        &(struct grpc_ask){.path = subscribe_path,
                           .message = BYTES("\x0a\x01"
                                            "c\x12\x01t")},
        &body);
    ask_door_of(fake, &request);
    fake_flush(&core);
    assert_int_equal(grpc_hear(fake).what, GRPC_BEAT);
    hears_nothing(fake);
    buf_fini(&body);
    fake_conn_free(fake);
    core_fini(&core);
}

/* --- ends --- */

static void a_draining_node_ends_streams_so_that_they_come_back(void **state)
{
    static const struct {
        const char *type;
        enum grpc_status status;
    } cases[] = {
        {"application/grpc", GRPC_UNAVAILABLE},
        {"application/grpc-web", GRPC_OK},
        {"application/grpc-web-text", GRPC_OK},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct core core;
        fake_core_init(&core);
        struct fake_conn *fake = subscribe_from(&core, cases[i].type, 0, 0,
                                                NULL);
        client_close(fake->conn.client, ERR_CLOSING);
        fake_flush(&core);
        assert_int_equal(grpc_status_of(fake), cases[i].status);
        assert_true(fake->closed);
        fake_conn_free(fake);
        core_fini(&core);
    }
}

static void a_right_that_is_lost_ends_the_stream(void **state)
{
    struct core core;
    struct buf token = {0};
    (void)state;
    fake_core_init(&core);
    fake_core_ask_tokens(&core);
    fake_token(&core, &token);
    struct fake_conn *fake = fake_conn_new(&core);
    assert_int_equal(client_login(fake->conn.client, buf_bytes(&token)), 0);
    struct buf body = {0};
    struct http_request request = grpc_request(
        &(struct grpc_ask){.path = subscribe_path,
                           .message = BYTES("\x0a\x01"
                                            "c\x12\x01t")},
        &body);
    ask_door_of(fake, &request);
    fake_flush(&core);
    assert_int_equal(grpc_status_of(fake), -1);
    fake_wait(&core, 3600 * 1000);
    fake_wait(&core, 1000);
    assert_int_equal(grpc_status_of(fake), GRPC_UNAUTHENTICATED);
    assert_true(fake->closed);
    buf_fini(&body);
    buf_fini(&token);
    fake_conn_free(fake);
    core_fini(&core);
}

static void a_slow_reader_stays_and_is_told_what_it_lost(void **state)
{
    struct core core;
    char value[60001];
    (void)state;
    memset(value, 'x', sizeof value - 1);
    value[sizeof value - 1] = '\0';
    fake_core_init(&core);
    struct fake_conn *fake = subscribe(&core, NULL);
    fake->window = 0;
    for (int i = 0; i < 30; i++) {
        publish(&core, value);
    }
    fake->window = SIZE_MAX;
    fake_flush(&core);
    fake_wait(&core, 1);

    assert_false(fake->closed);
    struct bytes out = bytes_skip(fake_conn_out(fake), fake->taken);
    struct grpc_frame frame;
    uint64_t next = 1; /* numbers have no hole that no gap tells */
    unsigned gaps = 0;
    for (size_t n; out.len > 0; out = bytes_skip(out, n)) {
        struct bytes inner = {0};
        uint64_t number;
        n = (size_t)grpc_read_frame(out, out.len, &frame);
        if (grpc_field(&frame.message, &number, &inner) == 1) {
            (void)grpc_field(&inner, &number, &inner);
            assert_int_equal(number, next);
            next = number + 1;
        } else {
            struct grpc_heard gap = {.what = GRPC_GAP};
            grpc_hear_gap(inner, &gap);
            next = gap.next + 1;
            gaps++;
        }
    }
    assert_true(gaps > 0);
    assert_int_equal(next, 31);
    fake_conn_free(fake);
    core_fini(&core);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stream_begins_with_a_beat_and_numbers_from_one),
        cmocka_unit_test(the_beat_waits_for_the_barrier),
        cmocka_unit_test(beats_go_on_and_take_no_number),
        cmocka_unit_test(a_reader_that_takes_nothing_gets_no_beats),
        cmocka_unit_test(binary_and_publisher_are_carried),
        cmocka_unit_test(resuming_begins_with_the_number_that_is_named),
        cmocka_unit_test(what_cannot_be_resumed_is_a_discontinuity),
        cmocka_unit_test(a_call_ends_at_its_time_and_not_before),
        cmocka_unit_test(a_timeout_that_is_none_is_refused),
        cmocka_unit_test(who_was_cut_by_its_time_goes_on_where_it_began),
        cmocka_unit_test(two_subscriptions_of_one_client_both_go_on),
        cmocka_unit_test(what_came_too_late_to_be_heard_comes_again),
        cmocka_unit_test(a_fresh_subscription_begins_afresh),
        cmocka_unit_test(others_do_not_go_on_where_it_began),
        cmocka_unit_test(a_draining_node_ends_streams_so_that_they_come_back),
        cmocka_unit_test(a_right_that_is_lost_ends_the_stream),
        cmocka_unit_test(a_slow_reader_stays_and_is_told_what_it_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
