/* SPDX-License-Identifier: Apache-2.0
 *
 * The event stream: positions, resuming, discontinuities, slow readers.
 */
#include "tests/test.h"

#include "proto/err.h"
#include "proto/sse.h"
#include "tests/ask.h"

static const char events[] = "Accept: text/event-stream";

static struct fake_conn *listen_to(struct core *core, const char *last)
{
    return ask_new(core, &(struct ask){.target = "/topics/demo/a",
                                       .header = events,
                                       .header2 = last});
}

/* The newest id of the stream, as "Last-Event-ID: PAGE-SEQ". */
static void last_id(const struct fake_conn *fake, char header[96])
{
    struct bytes out = fake_conn_out(fake);
    size_t at = 0;
    bool found = false;
    for (size_t i = 0; i + 4 <= out.len; i++) {
        bool at_line = i == 0 || out.p[i - 1] == '\n';
        if (at_line && memcmp(out.p + i, "id: ", 4) == 0) {
            at = i + 4;
            found = true;
        }
    }
    assert_true(found);
    struct bytes rest = bytes_skip(out, at);
    ptrdiff_t end = bytes_find(rest, '\n');
    assert_true(end > 0 && end <= SSE_ID_LEN_MAX);
    memcpy(header, "Last-Event-ID: ", 15);
    memcpy(header + 15, rest.p, (size_t)end);
    header[15 + end] = '\0';
}

static size_t count(const struct fake_conn *fake, const char *text)
{
    struct bytes rest = fake_conn_out(fake);
    size_t n = 0;
    while (rest.len >= strlen(text)) {
        const uint8_t *at = memmem(rest.p, rest.len, text, strlen(text));
        if (at == NULL) {
            break;
        }
        n++;
        rest = bytes_skip(rest, (size_t)(at - rest.p) + strlen(text));
    }
    return n;
}

/* For those who want everything of an item, and CR as it was. */
static void with_format_json_each_event_is_a_native_message(void **state)
{
    struct core core;
    (void)state;
    fake_core_init(&core);
    struct fake_conn *fake = ask_new(
        &core, &(struct ask){.target = "/topics/demo/a?format=json",
                             .header = events,
                             .header2 = "Last-Event-ID: 1-2"});

    assert_true(ask_out_has(fake, "data: {\"op\":\"subscribed\",\"id\":0,"
                                  "\"cache\":\"demo\",\"topic\":\"a\""));
    assert_true(ask_out_has(fake, "\"resumed\":false"));
    assert_true(ask_out_has(fake, "data: {\"op\":\"gap\",\"cache\":\"demo\""));
    ask_say(&core, "/topics/demo/a", "a\r\nb");
    assert_true(ask_out_has(fake, "data: {\"op\":\"item\",\"cache\":\"demo\""));
    assert_true(ask_out_has(fake, "\"text\":\"a\\r\\nb\"}\n\n"));
    assert_int_equal(count(fake, "event: "), 0);
    client_close(fake->conn.client, ERR_EXPIRED);
    fake_flush(&core);
    assert_true(ask_out_has(fake, "data: {\"op\":\"ended\",\"cache\":\"demo\","
                                  "\"topic\":\"a\",\"code\":4011"));
    fake_conn_free(fake);

    fake = ask_new(&core, &(struct ask){.target = "/topics/demo/a?format=xml",
                                        .header = events});
    assert_int_equal(fake->status, 400);
    fake_conn_free(fake);
    core_fini(&core);
}

static void the_stream_begins_with_its_position(void **state)
{
    struct core core;
    char header[96];
    uint64_t page = 0;
    uint64_t seq = 1;
    (void)state;
    fake_core_init(&core);
    struct fake_conn *fake = listen_to(&core, NULL);

    assert_int_equal(fake->status, 200);
    assert_true(fake->streaming);
    assert_true(ask_head_has(fake, "content-type: text/event-stream\n"));
    assert_true(ask_head_has(fake, "Cache-Control: no-cache"));
    assert_true(ask_head_has(fake, "X-Accel-Buffering: no\n"));
    last_id(fake, header);
    assert_int_equal(sse_id_read(bytes_str(header + 15), &page, &seq), 0);
    assert_true(page > 0 && page < 1ull << 53);
    assert_int_equal(seq, 0);
    assert_int_equal(count(fake, "retry: "), 1);
    assert_int_equal(count(fake, "event: "), 0);
    assert_int_equal(count(fake, "data:"), 0);
    fake_conn_free(fake);
    core_fini(&core);
}

static void every_accept_header_that_lists_events_opens_a_stream(void **state)
{
    static const struct {
        const char *header;
        const struct door *door;
    } cases[] = {
        {"Accept: text/event-stream", &door_sse},
        {"accept: TEXT/Event-Stream", &door_sse},
        {"Accept: text/event-stream;q=0.9", &door_sse},
        {"Accept: application/json, text/event-stream ; q=1", &door_sse},
        {"Accept: */*", &door_poll},
        {"Accept: text/event-streams", &door_poll},
        {"Accept:", &door_poll},
        {"Accept: ,;,", &door_poll},
        {NULL, &door_poll},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct http_request request = ask_request(&(struct ask){
            .target = "/topics/demo/a", .header = cases[i].header});
        assert_ptr_equal(door_for_request(&request), cases[i].door);
    }
}

/* Cut before the first item, the reader loses nothing. */
static void a_reader_that_was_cut_resumes_from_the_first_position(void **state)
{
    struct core core;
    char header[96];
    (void)state;
    fake_core_init(&core);
    struct fake_conn *fake = listen_to(&core, NULL);
    last_id(fake, header);
    fake_conn_free(fake);

    ask_say(&core, "/topics/demo/a", "one");
    ask_say(&core, "/topics/demo/a", "two");
    fake_wait(&core, core.limits.linger_ms - 1);
    fake = listen_to(&core, header);
    ask_say(&core, "/topics/demo/a", "three");

    assert_int_equal(count(fake, "data: one\n"), 1);
    assert_int_equal(count(fake, "data: two\n"), 1);
    assert_int_equal(count(fake, "data: three\n"), 1);
    assert_true(ask_out_has(fake, "-2\ndata: two\n\nid: "));
    assert_true(ask_out_has(fake, "-3\ndata: three\n\n"));
    assert_int_equal(count(fake, "discontinuity"), 0);
    /* Its own position comes first: a second cut is as harmless. */
    assert_true(ask_out_has(fake, header + 15));
    fake_conn_free(fake);
    core_fini(&core);
}

/* At every point of a stream: what was seen and what comes add up. */
static void resuming_after_any_item_neither_loses_nor_repeats(void **state)
{
    static const char *const values[] = {"v1", "v2", "v3", "v4", "v5"};
    (void)state;

    for (size_t cut = 0; cut <= ARRAY_LEN(values); cut++) {
        struct core core;
        char header[96];
        fake_core_init(&core);
        struct fake_conn *fake = listen_to(&core, NULL);
        for (size_t i = 0; i < cut; i++) {
            ask_say(&core, "/topics/demo/a", values[i]);
        }
        last_id(fake, header);
        fake_conn_free(fake);
        for (size_t i = cut; i < ARRAY_LEN(values); i++) {
            ask_say(&core, "/topics/demo/a", values[i]);
        }
        fake = listen_to(&core, header);
        assert_int_equal(count(fake, "data:"), ARRAY_LEN(values) - cut);
        for (size_t i = 0; i < ARRAY_LEN(values); i++) {
            assert_int_equal(count(fake, values[i]), i >= cut);
        }
        fake_conn_free(fake);
        core_fini(&core);
    }
}

static void
the_position_may_come_as_a_parameter_and_the_header_rules(void **state)
{
    struct core core;
    char header[96];
    struct buf target = {0};
    (void)state;
    fake_core_init(&core);
    struct fake_conn *fake = listen_to(&core, NULL);
    last_id(fake, header);
    buf_add_str(&target, "/topics/demo/a?last-event-id=");
    buf_add_str(&target, header + 15);
    buf_add_u8(&target, '\0');
    ask_say(&core, "/topics/demo/a", "one");

    struct ask ask = {.target = (char *)target.p, .header = events};
    struct fake_conn *second = ask_new(&core, &ask);
    assert_int_equal(count(second, "data: one\n"), 1);
    last_id(fake, header);
    ask.header2 = header;
    struct fake_conn *third = ask_new(&core, &ask);
    assert_int_equal(count(third, "data:"), 0);

    fake_conn_free(third);
    fake_conn_free(second);
    fake_conn_free(fake);
    buf_fini(&target);
    core_fini(&core);
}

static void what_the_window_no_longer_holds_is_a_discontinuity(void **state)
{
    struct core core;
    char header[96];
    (void)state;
    fake_core_init(&core);
    struct fake_conn *fake = listen_to(&core, NULL);
    ask_say(&core, "/topics/demo/a", "one");
    last_id(fake, header);
    fake_conn_free(fake);
    ask_say(&core, "/topics/demo/a", "missed");
    fake_wait(&core, core.limits.linger_ms);

    fake = listen_to(&core, header);
    assert_int_equal(count(fake, "event: discontinuity\n"), 1);
    assert_true(ask_out_has(fake, "data: {\"last\":0,\"next\":0,\"page\":"));
    assert_int_equal(count(fake, "id: "), 1);
    ask_say(&core, "/topics/demo/a", "after");
    assert_true(ask_out_has(fake, "-1\ndata: after\n\n"));

    /* And its id is a position like any other. */
    last_id(fake, header);
    fake_conn_free(fake);
    fake = listen_to(&core, header);
    assert_int_equal(count(fake, "discontinuity"), 0);
    fake_conn_free(fake);
    core_fini(&core);
}

/* Ignored, but not silently (ADVERSARIAL D12). */
static void an_id_that_was_never_ours_is_a_discontinuity(void **state)
{
    static char longest[7000] = "Last-Event-ID: ";
    static const char *const ids[] = {
        "Last-Event-ID: -1",
        "Last-Event-ID: -1--1",
        "Last-Event-ID: nonsense",
        "Last-Event-ID: 1",
        "Last-Event-ID: 1-1",
        "Last-Event-ID: 0-0",
        "Last-Event-ID: 18446744073709551615-18446744073709551615",
        "Last-Event-ID: 99999999999999999999-1",
        "Last-Event-ID: \xff\xfe",
        longest,
    };
    (void)state;
    memset(longest + 15, '9', sizeof longest - 16);

    for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
        struct core core;
        fake_core_init(&core);
        struct fake_conn *fake = listen_to(&core, ids[i]);
        assert_int_equal(fake->status, 200);
        assert_int_equal(count(fake, "event: discontinuity\n"), 1);
        ask_say(&core, "/topics/demo/a", "on");
        assert_int_equal(count(fake, "data: on\n"), 1);
        fake_conn_free(fake);
        core_fini(&core);
    }
}

static void a_loss_on_a_link_is_told_between_the_items(void **state)
{
    struct core core;
    char header[96];
    (void)state;
    fake_core_init(&core);
    struct fake_conn *fake = listen_to(&core, NULL);

    ask_say(&core, "/topics/demo/a", "one");
    hub_gap(core.hub, bytes_of(NULL, 0));
    fake_wait(&core, 1000);
    ask_say(&core, "/topics/demo/a", "two");
    assert_true(ask_out_has(fake, "data: one\n\nid: "));
    assert_true(ask_out_has(
        fake, "-2\nevent: discontinuity\ndata: {\"last\":1,\"next\":2,"));
    assert_true(ask_out_has(fake, "-3\ndata: two\n\n"));

    /* A reader that saw the discontinuity continues behind it ... */
    last_id(fake, header);
    struct fake_conn *second = listen_to(&core, header);
    assert_int_equal(count(second, "discontinuity"), 0);
    /* ... and one that did not is told. */
    char *dash = strrchr(header, '-');
    memcpy(dash, "-1", 3);
    struct fake_conn *third = listen_to(&core, header);
    assert_int_equal(count(third, "event: discontinuity\n"), 1);
    fake_conn_free(third);
    fake_conn_free(second);
    fake_conn_free(fake);
    core_fini(&core);
}

static void nothing_a_publisher_writes_becomes_an_event(void **state)
{
    struct core core;
    (void)state;
    fake_core_init(&core);
    struct fake_conn *fake = listen_to(&core, NULL);
    fake_conn_reset(fake);

    ask_say(&core, "/topics/demo/a", "x\r\n\r\nid: 1-1\revent: y\n\ndata: z");
    assert_int_equal(count(fake, "\nid: "), 0); /* ours is at the start */
    assert_int_equal(count(fake, "\nevent:"), 0);
    assert_true(ask_out_has(fake, "\ndata: x\ndata:\ndata: id: 1-1\n"
                                  "data: event: y\ndata:\ndata: data: z\n\n"));
    assert_int_equal(
        ask_publish(&core, &(struct ask){"POST", "/topics/demo/a",
                                         "Starling-Event: discontinuity", NULL,
                                         "forged"}),
        204);
    assert_int_equal(count(fake, "event:  discontinuity"), 0);
    assert_true(ask_out_has(fake, "-2\ndata: forged\n\n"));
    fake_conn_free(fake);
    core_fini(&core);
}

static void an_idle_stream_is_kept_in_use(void **state)
{
    struct core core;
    (void)state;
    fake_core_init(&core);
    struct fake_conn *fake = listen_to(&core, NULL);
    fake_conn_reset(fake);

    fake_wait(&core, core.limits.ping_ms - 1);
    assert_int_equal(fake_conn_out(fake).len, 0);
    fake_wait(&core, 1);
    assert_bytes(fake_conn_out(fake), ": beat\n\n");
    for (int i = 0; i < 3; i++) {
        fake_wait(&core, core.limits.ping_ms);
    }
    assert_int_equal(count(fake, ": beat\n\n"), 4);
    fake_conn_free(fake);
    core_fini(&core);
}

static void a_reader_that_takes_nothing_gets_no_beats(void **state)
{
    struct core core;
    (void)state;
    fake_core_init(&core);
    struct fake_conn *fake = listen_to(&core, NULL);
    fake->window = 0;

    ask_say(&core, "/topics/demo/a", "stuck");
    uint64_t queued = fake->conn.client->out.queued;
    for (int i = 0; i < 100; i++) {
        fake_wait(&core, core.limits.ping_ms);
    }
    assert_int_equal(fake->conn.client->out.queued, queued);
    fake_conn_free(fake);
    core_fini(&core);
}

/* ADVERSARIAL A6: the slow reader is told and stays, the other is unharmed. */
static void a_slow_reader_is_told_and_stays(void **state)
{
    enum {
        ITEMS = 2000
    };
    struct core core;
    char value[1001] = {0};
    (void)state;
    fake_core_init(&core);
    memset(value, 'v', 1000);
    struct fake_conn *slow = listen_to(&core, NULL);
    struct fake_conn *quick = listen_to(&core, NULL);
    slow->window = 0;

    for (int i = 0; i < ITEMS; i++) {
        ask_say(&core, "/topics/demo/a", value);
    }
    assert_true(slow->conn.client->out.queued <= limits_out_hard(&core.limits));
    uint64_t cuts = core.stats.slow_clients;
    assert_true(cuts > 0);
    slow->window = SIZE_MAX;
    client_dirty(slow->conn.client);
    fake_flush(&core);
    fake_flush(&core);
    ask_say(&core, "/topics/demo/a", "on");

    assert_false(slow->conn.closing);
    assert_int_equal(count(slow, "event: discontinuity\n"), cuts);
    assert_true(count(slow, "data: vvv") < ITEMS);
    assert_true(ask_out_has(slow, "-2001\ndata: on\n\n"));
    assert_int_equal(count(quick, "data: vvv"), ITEMS);
    assert_int_equal(count(quick, "discontinuity"), 0);
    fake_conn_free(quick);
    fake_conn_free(slow);
    core_fini(&core);
}

/* --- the barrier -----------------------------------------------------------
 */

static void the_stream_begins_when_the_region_knows_of_it(void **state)
{
    struct ask_others others = {{6, 6}};
    struct core core;
    (void)state;
    ask_core_among(&core, &others);
    struct fake_conn *fake = listen_to(&core, NULL);

    ask_say(&core, "/topics/demo/a", "meanwhile");
    assert_int_equal(fake_conn_out(fake).len, 0);
    others.held[CLUSTER_SCOPE_REGION] = 7;
    clients_release(&core, CLUSTER_SCOPE_REGION, 7, false);
    fake_flush(&core);
    assert_int_equal(count(fake, "id: "), 2);
    assert_true(ask_out_has(fake, "-0\n\nid: "));
    assert_true(ask_out_has(fake, "-1\ndata: meanwhile\n\n"));
    assert_int_equal(count(fake, "partial"), 0);
    fake_conn_free(fake);
    core_fini(&core);
}

static void a_barrier_that_gave_up_is_told(void **state)
{
    struct ask_others others = {{6, 6}};
    struct core core;
    (void)state;
    ask_core_among(&core, &others);
    struct fake_conn *fake = listen_to(&core, NULL);

    clients_release(&core, CLUSTER_SCOPE_REGION, 7, true);
    fake_flush(&core);
    assert_true(ask_out_has(fake, "-0\nevent: partial\ndata: {}\n\n"));
    fake_conn_free(fake);
    core_fini(&core);
}

static void a_stream_may_wait_for_all_regions(void **state)
{
    struct ask_others others = {{7, 6}};
    struct core core;
    (void)state;
    ask_core_among(&core, &others);
    struct fake_conn *fake = ask_new(
        &core, &(struct ask){.target = "/topics/demo/a?barrier=all",
                             .header = events});
    struct fake_conn *near = ask_new(
        &core, &(struct ask){.target = "/topics/demo/a?barrier=region",
                             .header = events});

    assert_int_equal(count(near, "id: "), 1);
    assert_int_equal(fake_conn_out(fake).len, 0);
    clients_release(&core, CLUSTER_SCOPE_ALL, 7, false);
    fake_flush(&core);
    assert_int_equal(count(fake, "id: "), 1);
    fake_conn_free(near);
    fake_conn_free(fake);
    core_fini(&core);
}

static void a_stream_that_the_node_ends_says_why(void **state)
{
    struct core core;
    (void)state;
    fake_core_init(&core);
    struct fake_conn *fake = listen_to(&core, NULL);

    client_close(fake->conn.client, ERR_CLOSING);
    fake_flush(&core);
    assert_true(ask_out_has(
        fake,
        "retry: 1\nevent: end\ndata: {\"code\":5032,\"error\":\"CLOSING\","));
    fake_conn_free(fake);
    core_fini(&core);
}

static void what_cannot_be_subscribed_is_refused_before_the_stream(void **state)
{
    static const char *const targets[] = {
        "/topics/demo/%00",
        "/topics/-_.~/a",
        "/topics/demo/",
        "/topics/demo/a?barrier=some",
        "/topics/demo/a?last-event-id=%",
    };
    struct core core;
    (void)state;
    fake_core_init(&core);

    for (size_t i = 0; i < ARRAY_LEN(targets); i++) {
        struct fake_conn *fake = ask_new(
            &core, &(struct ask){.target = targets[i], .header = events});
        assert_int_equal(fake->status, 400);
        assert_false(fake->streaming);
        assert_int_equal(fake->conn.client->subs_len, 0);
        fake_conn_free(fake);
    }
    core_fini(&core);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(with_format_json_each_event_is_a_native_message),
        cmocka_unit_test(the_stream_begins_with_its_position),
        cmocka_unit_test(every_accept_header_that_lists_events_opens_a_stream),
        cmocka_unit_test(a_reader_that_was_cut_resumes_from_the_first_position),
        cmocka_unit_test(resuming_after_any_item_neither_loses_nor_repeats),
        cmocka_unit_test(
            the_position_may_come_as_a_parameter_and_the_header_rules),
        cmocka_unit_test(what_the_window_no_longer_holds_is_a_discontinuity),
        cmocka_unit_test(an_id_that_was_never_ours_is_a_discontinuity),
        cmocka_unit_test(a_loss_on_a_link_is_told_between_the_items),
        cmocka_unit_test(nothing_a_publisher_writes_becomes_an_event),
        cmocka_unit_test(an_idle_stream_is_kept_in_use),
        cmocka_unit_test(a_reader_that_takes_nothing_gets_no_beats),
        cmocka_unit_test(a_slow_reader_is_told_and_stays),
        cmocka_unit_test(the_stream_begins_when_the_region_knows_of_it),
        cmocka_unit_test(a_barrier_that_gave_up_is_told),
        cmocka_unit_test(a_stream_may_wait_for_all_regions),
        cmocka_unit_test(a_stream_that_the_node_ends_says_why),
        cmocka_unit_test(
            what_cannot_be_subscribed_is_refused_before_the_stream),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
