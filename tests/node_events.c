/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/test.h"

#include "node/watch/events.h"

static struct events events;
static struct log log_of_events;
static size_t told;

static void on_event(void *data)
{
    (void)data;
    told++;
}

static int setup(void **state)
{
    (void)state;
    events = (struct events){.on_event = on_event};
    log_of_events = (struct log){
        .level = LOG_WARN, .on_line = events_take, .data = &events};
    told = 0;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    events_fini(&events);
    return 0;
}

static void lines_that_are_info_or_worse_are_kept_unwritten(void **state)
{
    (void)state;

    log_line(&log_of_events, LOG_DEBUG, "not-worth-it", "");
    log_line(&log_of_events, LOG_INFO, "node-ready", "peers=%d", 2);
    log_line(&log_of_events, LOG_ERROR, "all-lost", "by=%s", "\x1b[2J");
    assert_int_equal(events.made, 2);
    assert_int_equal(told, 2);
    const struct event *first = events_at(&events, 1);
    assert_non_null(first);
    assert_string_equal(first->name, "node-ready");
    assert_int_equal(first->level, LOG_INFO);
    assert_true(first->at_ms > 1700000000000);
    assert_bytes(bytes_of(first->text, first->len), "peers=2");
    const struct event *second = events_at(&events, 2);
    assert_bytes(bytes_of(second->text, second->len), "by=\\x1b[2J");
    assert_null(events_at(&events, 0));
    assert_null(events_at(&events, 3));
}

static void the_newest_stay(void **state)
{
    (void)state;

    for (int i = 1; i <= EVENTS_KEPT + 5; i++) {
        log_line(&log_of_events, LOG_INFO, "one-more", "i=%d", i);
    }
    assert_int_equal(events.made, EVENTS_KEPT + 5);
    assert_null(events_at(&events, 5));
    const struct event *oldest = events_at(&events, 6);
    assert_bytes(bytes_of(oldest->text, oldest->len), "i=6");
    assert_non_null(events_at(&events, EVENTS_KEPT + 5));
}

static void long_text_is_cut_at_a_character(void **state)
{
    char text[EVENT_TEXT_MAX + 10];
    (void)state;

    memset(text, 'x', sizeof text);
    memcpy(text + EVENT_TEXT_MAX - 1, "\xc3\xa4", 2);
    text[sizeof text - 1] = '\0';
    log_line(&log_of_events, LOG_INFO, "much-said", "%s", text);
    assert_int_equal(events_at(&events, 1)->len, EVENT_TEXT_MAX - 1);
}

static void an_event_is_one_object(void **state)
{
    const struct event_frame frame = {.node = BYTES("n\"1"), .id = 0xab};
    const struct event_frame after = {
        .node = BYTES("n1"), .id = 0xab, .suppressed = 7};
    struct buf out = {0};
    char want[200];
    (void)state;

    log_line(&log_of_events, LOG_WARN, "member-dead", "why=\"%s\"", "gone");
    const struct event *event = events_at(&events, 1);
    event_write(event, &frame, &out);
    snprintf(want, sizeof want,
             "{\"at\":%llu,\"level\":\"warn\",\"event\":\"member-dead\","
             "\"node\":\"n\\\"1\",\"id\":\"00000000000000ab\","
             "\"text\":\"why=\\\"gone\\\"\"}",
             (unsigned long long)event->at_ms);
    assert_bytes(buf_bytes(&out), want);
    buf_reset(&out);
    event_write(event, &after, &out);
    buf_add_u8(&out, '\0');
    assert_non_null(strstr((char *)out.p, ",\"suppressed\":7,\"text\":"));
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            lines_that_are_info_or_worse_are_kept_unwritten, setup, teardown),
        cmocka_unit_test_setup_teardown(the_newest_stay, setup, teardown),
        cmocka_unit_test_setup_teardown(long_text_is_cut_at_a_character, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(an_event_is_one_object, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
