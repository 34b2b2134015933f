/* SPDX-License-Identifier: Apache-2.0
 *
 * The HTTP doors when memory is short: one story, told again and again with
 * the first, second, third ... allocation failing. The process lives, what was
 * not delivered is told or its connection closed, and nothing is left behind.
 */
#include "tests/test.h"

#include "tests/ask.h"
#include "tests/fail_malloc.h"

struct story {
    struct core core;
    struct fake_conn *stream;  /* subscribed before memory is short */
    struct fake_conn *poll;    /* likewise */
    struct fake_conn *publish; /* the others ask while it is */
    struct fake_conn *stream_resumed;
    struct fake_conn *poll_resumed;
    struct fake_conn *status;
};

static void begin(struct story *story)
{
    fake_core_init(&story->core);
    story->stream = ask_new(
        &story->core, &(struct ask){.target = "/topics/demo/a",
                                    .header = "Accept: text/event-stream",
                                    .header2 = "Origin: http://127.0.0.1"});
    story->poll = ask_new(&story->core,
                          &(struct ask){.target = "/topics/demo/a",
                                        .header = "Origin: http://127.0.0.1"});
    story->publish = fake_conn_new(&story->core);
    story->stream_resumed = fake_conn_new(&story->core);
    story->poll_resumed = fake_conn_new(&story->core);
    story->status = fake_conn_new(&story->core);
}

static void ask_once(struct fake_conn *fake, const struct ask *ask)
{
    struct http_request request = ask_request(ask);
    ask_door_of(fake, &request);
}

static void go_on(struct story *story)
{
    ask_once(story->publish,
             &(struct ask){"POST", "/topics/demo/a", "Starling-Event: price",
                           NULL, "one\ntwo"});
    ask_once(story->stream_resumed,
             &(struct ask){.target = "/topics/demo/a?last-event-id=1-1",
                           .header = "Accept: text/event-stream"});
    ask_once(story->poll_resumed,
             &(struct ask){.target = "/topics/demo/a?sequence_number=1"
                                     "&sequence_page=1"});
    ask_once(story->status, &(struct ask){.target = "/v1/cluster"});
    hub_settle(story->core.hub);
    deadlines_run(&story->core.deadlines, story->core.now_ms);
}

static bool is_over(const struct fake_conn *fake)
{
    return fake->conn.closing || fake->conn.client->closing;
}

static void check(const struct story *story)
{
    const struct fake_conn *stream = story->stream;
    const struct fake_conn *poll = story->poll;

    if (story->publish->status == 204) {
        assert_true(is_over(stream) || ask_out_has(stream, "data: one\n") ||
                    ask_out_has(stream, "event: discontinuity\n"));
        assert_true(is_over(poll) || poll->status == 503 ||
                    ask_out_has(poll, "\"one\\ntwo\"") ||
                    ask_out_has(poll, "\"discontinuity\""));
    }
    assert_true(is_over(story->stream_resumed) ||
                story->stream_resumed->status == 503 ||
                ask_out_has(story->stream_resumed, "discontinuity"));
    assert_true(is_over(story->poll_resumed) ||
                story->poll_resumed->status == 503 ||
                ask_out_has(story->poll_resumed, "discontinuity"));
    assert_true(is_over(story->status) || story->status->status == 503 ||
                story->status->status == 200);
    hub_check(story->core.hub);
}

static void end(struct story *story)
{
    fake_conn_free(story->stream);
    fake_conn_free(story->poll);
    fake_conn_free(story->publish);
    fake_conn_free(story->stream_resumed);
    fake_conn_free(story->poll_resumed);
    fake_conn_free(story->status);
    assert_int_equal(story->core.stats.subs, 0);
    core_fini(&story->core);
}

static void no_allocation_that_fails_is_silent_or_deadly(void **state)
{
    bool hit = true;
    (void)state;

    for (long n = 0; hit; n++) {
        struct story story = {0};
        begin(&story);
        fail_malloc(n);
        go_on(&story);
        hit = fail_malloc_hit;
        fail_malloc(-1);
        fake_flush(&story.core);
        fake_wait(&story.core, 1000); /* what is due is told */
        fake_wait(&story.core, 0);
        check(&story);
        end(&story);
        assert_true(n < 10000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_allocation_that_fails_is_silent_or_deadly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
