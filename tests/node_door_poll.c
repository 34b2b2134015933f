/* SPDX-License-Identifier: Apache-2.0
 *
 * Long-poll, as a client uses it: every poll asks for what the last answer
 * said.
 */
#include "tests/test.h"

#include "proto/err.h"
#include "tests/ask.h"

struct place {
    uint64_t page;
    uint64_t number;
};

/* The answer of a poll, taken apart. */
struct answer {
    json_t *root;
    size_t len;
    struct place next;
};

static struct answer answer_of(struct fake_conn *fake)
{
    assert_int_equal(fake->status, 200);
    assert_true(ask_head_has(fake, "content-type: application/json\n"));
    json_t *root = ask_json(fake);
    json_t *page = json_object_get(root, "sequence_page");
    json_t *number = json_object_get(root, "sequence_number");
    assert_true(json_is_integer(page) && json_is_integer(number));
    return (struct answer){
        .root = root,
        .len = json_array_size(json_object_get(root, "items")),
        .next = {(uint64_t)json_integer_value(page),
                 (uint64_t)json_integer_value(number)},
    };
}

static json_t *element(const struct answer *answer, size_t i, const char *kind)
{
    json_t *items = json_object_get(answer->root, "items");
    return json_object_get(json_array_get(items, i), kind);
}

static long long number_of(json_t *object, const char *name)
{
    json_t *number = json_object_get(object, name);
    assert_true(json_is_integer(number));
    return json_integer_value(number);
}

static const char *text_of(const struct answer *answer, size_t i)
{
    json_t *item = element(answer, i, "item");
    const char *text = json_string_value(
        json_object_get(json_object_get(item, "value"), "text"));
    assert_non_null(text);
    return text;
}

static void poll_from(struct fake_conn *fake, struct place from)
{
    struct buf target = {0};
    buf_add_str(&target, "/topics/demo/a?sequence_page=");
    buf_add_u64(&target, from.page);
    buf_add_str(&target, "&sequence_number=");
    buf_add_u64(&target, from.number);
    buf_add_u8(&target, '\0');
    ask_again(fake, &(struct ask){.target = (char *)target.p});
    buf_fini(&target);
}

/* The turn after: where what a poll has gathered is answered. */
static void next_turn(struct core *core)
{
    fake_wait(core, 0);
}

static struct place idle(struct fake_conn *fake)
{
    struct core *core = fake->conn.core;
    assert_int_equal(fake->status, 0);
    fake_wait(core, core->limits.ping_ms);
    struct answer answer = answer_of(fake);
    assert_int_equal(answer.len, 0);
    json_decref(answer.root);
    return answer.next;
}

static void a_fresh_poll_waits_for_the_first_item(void **state)
{
    struct core core;
    (void)state;
    fake_core_init(&core);
    ask_say(&core, "/topics/demo/a", "before");
    struct fake_conn *fake = ask_new(&core,
                                     &(struct ask){.target = "/topics/demo/a"});

    fake_wait(&core, core.limits.ping_ms - 1);
    assert_int_equal(fake->status, 0);
    ask_say(&core, "/topics/demo/a", "hello");
    next_turn(&core);

    struct answer answer = answer_of(fake);
    assert_int_equal(answer.len, 1);
    assert_string_equal(text_of(&answer, 0), "hello");
    assert_int_equal(
        number_of(element(&answer, 0, "item"), "topic_sequence_number"), 1);
    assert_int_equal(answer.next.number, 2);
    assert_true(ask_head_has(fake, "Cache-Control: no-cache, no-store\n"));
    json_decref(answer.root);
    fake_conn_free(fake);
    core_fini(&core);
}

static void an_idle_poll_is_answered_with_its_position_in_time(void **state)
{
    struct core core;
    (void)state;
    fake_core_init(&core);
    struct fake_conn *fake = ask_new(
        &core, &(struct ask){.target = "/topics/demo/a?sequence_number=0"
                                       "&sequence_page=0"});

    struct place next = idle(fake);
    assert_int_equal(next.number, 1);
    assert_true(next.page > 0 && next.page < 1ull << 53);
    fake_conn_free(fake);
    core_fini(&core);
}

/* As a client does that reads nothing but the items. */
static void who_asks_anew_after_an_idle_answer_misses_nothing(void **state)
{
    struct core core;
    (void)state;
    fake_core_init(&core);
    struct fake_conn *fake = ask_new(&core,
                                     &(struct ask){.target = "/topics/demo/a"});
    idle(fake);
    ask_say(&core, "/topics/demo/a", "between");
    fake_wait(&core, CUT_FOR_MS);
    ask_again(fake, &(struct ask){.target = "/topics/demo/a"});
    next_turn(&core);
    struct answer answer = answer_of(fake);
    assert_int_equal(answer.len, 1);
    assert_string_equal(text_of(&answer, 0), "between");
    json_decref(answer.root);
    fake_conn_free(fake);
    core_fini(&core);
}

static void who_asks_anew_later_or_for_another_topic_is_new(void **state)
{
    static const struct {
        const char *target;
        uint64_t wait_ms;
    } cases[] = {{"/topics/demo/a", CUT_FOR_MS + 1}, {"/topics/demo/b", 0}};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct core core;
        fake_core_init(&core);
        struct fake_conn *fake = ask_new(
            &core, &(struct ask){.target = "/topics/demo/a"});
        idle(fake);
        ask_say(&core, cases[i].target, "between");
        fake_wait(&core, cases[i].wait_ms);
        ask_again(fake, &(struct ask){.target = cases[i].target});
        next_turn(&core);
        assert_int_equal(fake->status, 0);
        fake_conn_free(fake);
        core_fini(&core);
    }
}

/* The whole point of the idle answer's position. */
static void nothing_is_lost_between_two_polls(void **state)
{
    struct core core;
    (void)state;
    fake_core_init(&core);
    struct fake_conn *fake = ask_new(&core,
                                     &(struct ask){.target = "/topics/demo/a"});
    struct place next = idle(fake);

    for (int round = 0; round < 3; round++) {
        ask_say(&core, "/topics/demo/a", "one");
        ask_say(&core, "/topics/demo/a", "two");
        fake_wait(&core, core.limits.linger_ms - 1);
        poll_from(fake, next);
        next_turn(&core);

        struct answer answer = answer_of(fake);
        assert_int_equal(answer.len, 2);
        assert_string_equal(text_of(&answer, 0), "one");
        assert_string_equal(text_of(&answer, 1), "two");
        assert_int_equal(answer.next.page, next.page);
        assert_int_equal(answer.next.number, next.number + 2);
        next = answer.next;
        json_decref(answer.root);
    }
    poll_from(fake, next);
    assert_int_equal(idle(fake).number, next.number);
    fake_conn_free(fake);
    core_fini(&core);
}

static void a_poll_begins_where_it_asks_to(void **state)
{
    struct core core;
    (void)state;
    fake_core_init(&core);
    struct fake_conn *fake = ask_new(&core,
                                     &(struct ask){.target = "/topics/demo/a"});
    struct place start = idle(fake);

    ask_say(&core, "/topics/demo/a", "1");
    ask_say(&core, "/topics/demo/a", "2");
    ask_say(&core, "/topics/demo/a", "3");
    poll_from(fake, (struct place){start.page, 3});
    next_turn(&core);
    struct answer answer = answer_of(fake);
    assert_int_equal(answer.len, 1);
    assert_string_equal(text_of(&answer, 0), "3");
    json_decref(answer.root);
    fake_conn_free(fake);
    core_fini(&core);
}

static void all_items_of_a_turn_make_one_answer_for_every_poller(void **state)
{
    struct fake_conn *fakes[3];
    struct core core;
    (void)state;
    fake_core_init(&core);
    for (size_t i = 0; i < ARRAY_LEN(fakes); i++) {
        fakes[i] = ask_new(&core, &(struct ask){.target = "/topics/demo/a"});
    }
    ask_say(&core, "/topics/demo/a", "1");
    ask_say(&core, "/topics/demo/a", "2");
    next_turn(&core);

    for (size_t i = 0; i < ARRAY_LEN(fakes); i++) {
        struct answer answer = answer_of(fakes[i]);
        assert_int_equal(answer.len, 2);
        json_decref(answer.root);
        fake_conn_free(fakes[i]);
    }
    core_fini(&core);
}

static void expect_discontinuity(struct fake_conn *fake, long long last)
{
    next_turn(fake->conn.core);
    struct answer answer = answer_of(fake);
    assert_int_equal(answer.len, 1);
    json_t *gap = element(&answer, 0, "discontinuity");
    assert_non_null(gap);
    assert_int_equal(number_of(gap, "last_topic_sequence"), last);
    assert_int_equal(number_of(gap, "new_topic_sequence") + 1,
                     answer.next.number);
    assert_int_equal(number_of(gap, "new_sequence_page"), answer.next.page);
    json_decref(answer.root);

    /* What the answer says must be a position that goes on. */
    poll_from(fake, answer.next);
    ask_say(fake->conn.core, "/topics/demo/a", "after");
    next_turn(fake->conn.core);
    answer = answer_of(fake);
    assert_int_equal(answer.len, 1);
    assert_string_equal(text_of(&answer, 0), "after");
    json_decref(answer.root);
}

static void a_poll_after_the_window_is_told_a_discontinuity(void **state)
{
    struct core core;
    (void)state;
    fake_core_init(&core);
    struct fake_conn *fake = ask_new(&core,
                                     &(struct ask){.target = "/topics/demo/a"});
    struct place next = idle(fake);

    ask_say(&core, "/topics/demo/a", "missed");
    fake_wait(&core, core.limits.linger_ms);
    poll_from(fake, next);
    expect_discontinuity(fake, 0);
    fake_conn_free(fake);
    core_fini(&core);
}

static void
a_poll_for_more_than_the_ring_keeps_is_told_a_discontinuity(void **state)
{
    struct core core;
    (void)state;
    fake_core_init(&core);
    core.limits.ring_items = 4;
    struct fake_conn *fake = ask_new(&core,
                                     &(struct ask){.target = "/topics/demo/a"});
    struct place next = idle(fake);

    for (int i = 0; i < 5; i++) {
        ask_say(&core, "/topics/demo/a", "x");
    }
    poll_from(fake, next);
    expect_discontinuity(fake, 0);
    fake_conn_free(fake);
    core_fini(&core);
}

static void a_position_that_never_was_is_told_a_discontinuity(void **state)
{
    static const struct place never[] = {
        {0, 5},          {7, 1}, {7, UINT64_MAX}, {UINT64_MAX, UINT64_MAX},
        {UINT64_MAX, 1},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(never); i++) {
        struct core core;
        fake_core_init(&core);
        struct fake_conn *fake = fake_conn_new(&core);
        poll_from(fake, never[i]);
        expect_discontinuity(fake, 0);
        fake_conn_free(fake);
        core_fini(&core);
    }
}

static void a_loss_on_a_link_ends_the_wait(void **state)
{
    struct core core;
    (void)state;
    fake_core_init(&core);
    struct fake_conn *fake = ask_new(&core,
                                     &(struct ask){.target = "/topics/demo/a"});
    ask_say(&core, "/topics/demo/a", "1");
    next_turn(&core);
    struct answer answer = answer_of(fake);
    poll_from(fake, answer.next);
    json_decref(answer.root);

    hub_gap(core.hub, bytes_of(NULL, 0));
    fake_wait(&core, 1000);
    expect_discontinuity(fake, 1);
    fake_conn_free(fake);
    core_fini(&core);
}

static void a_loss_between_two_polls_is_told_by_the_second(void **state)
{
    struct core core;
    (void)state;
    fake_core_init(&core);
    struct fake_conn *fake = ask_new(&core,
                                     &(struct ask){.target = "/topics/demo/a"});
    struct place next = idle(fake);

    ask_say(&core, "/topics/demo/a", "1");
    hub_gap(core.hub, bytes_of(NULL, 0));
    fake_wait(&core, 1000);
    poll_from(fake, next);
    expect_discontinuity(fake, 0);
    fake_conn_free(fake);
    core_fini(&core);
}

/* Its last answer is still on the way, so it gets no items; what they were is
 * not skipped by the position of an idle answer. */
static void what_a_slow_poller_missed_is_told(void **state)
{
    struct core core;
    (void)state;
    fake_core_init(&core);
    struct fake_conn *fake = ask_new(&core,
                                     &(struct ask){.target = "/topics/demo/a"});
    struct place next = idle(fake);

    poll_from(fake, next);
    client_write(fake->conn.client, BYTES("rest of an answer"));
    fake->window = 0;
    clients_relieve(&core, UINT64_MAX);
    assert_true(fake->conn.client->slow);
    ask_say(&core, "/topics/demo/a", "1");
    fake_wait(&core, core.limits.ping_ms);
    fake->window = SIZE_MAX;
    fake_flush(&core);
    buf_drop(&fake->out, strlen("rest of an answer"));
    expect_discontinuity(fake, 0);
    fake_conn_free(fake);
    core_fini(&core);
}

/* More in one turn than a client's output may hold. */
static void what_does_not_fit_into_an_answer_is_told(void **state)
{
    struct core core;
    char value[1001] = {0};
    (void)state;
    fake_core_init(&core);
    core.limits.item_len = 1024;
    core.limits.out_hard_len = 4096;
    memset(value, 'v', 1000);
    struct fake_conn *fake = ask_new(&core,
                                     &(struct ask){.target = "/topics/demo/a"});

    struct fake_conn *publisher = fake_conn_new(&core);
    const struct client_item item = {
        .cache = BYTES("demo"),
        .topic = BYTES("a"),
        .value = bytes_str(value),
    };
    for (int i = 0; i < 200; i++) {
        struct hub_receipt receipt;
        assert_int_equal(
            client_publish(publisher->conn.client, &item, &receipt), 0);
        hub_settle(core.hub);
    }
    next_turn(&core);

    struct answer answer = answer_of(fake);
    assert_true(answer.len > 10 && answer.len < 200);
    json_t *gap = element(&answer, answer.len - 1, "discontinuity");
    assert_int_equal(number_of(gap, "last_topic_sequence"), answer.len - 1);
    assert_int_equal(number_of(gap, "new_topic_sequence"), 200);
    assert_int_equal(answer.next.number, 201);
    json_decref(answer.root);
    fake_conn_free(publisher);
    fake_conn_free(fake);
    core_fini(&core);
}

static void a_number_that_is_none_is_refused(void **state)
{
    static const char *const targets[] = {
        "/topics/demo/a?sequence_number=-1",
        "/topics/demo/a?sequence_number=0x1",
        "/topics/demo/a?sequence_number=18446744073709551616",
        "/topics/demo/a?sequence_number=1&sequence_number=2",
        "/topics/demo/a?sequence_page=a",
        "/topics/demo/a?sequence_page=%",
        "/topics/demo/a?barrier=everywhere",
    };
    struct core core;
    (void)state;
    fake_core_init(&core);

    for (size_t i = 0; i < ARRAY_LEN(targets); i++) {
        struct fake_conn *fake = ask_new(&core,
                                         &(struct ask){.target = targets[i]});
        assert_int_equal(fake->status, 400);
        assert_int_equal(fake->conn.client->subs_len, 0);
        fake_conn_free(fake);
    }
    core_fini(&core);
}

/* The request is long gone when it is answered (ADVERSARIAL D10). */
static void only_a_page_of_this_host_may_read_the_answer(void **state)
{
    static const struct {
        const char *origin;
        bool allowed;
    } cases[] = {
        {"Origin: http://127.0.0.1:7400", true},
        {"Origin: https://evil.example", false},
        {"Origin: null", false},
        {"Origin: http://127.0.0.1.evil.example", false},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct core core;
        fake_core_init(&core);
        char origin[64];
        memcpy(origin, cases[i].origin, strlen(cases[i].origin) + 1);
        struct fake_conn *fake = ask_new(
            &core, &(struct ask){.target = "/topics/demo/a", .header = origin});
        memset(origin, 'x', sizeof origin - 1); /* its buffer is used again */
        ask_say(&core, "/topics/demo/a", "hello");
        next_turn(&core);
        assert_int_equal(fake->status, 200);
        assert_int_equal(ask_head_has(fake, "Access-Control-Allow-Origin: "
                                            "http://127.0.0.1:7400\n"),
                         cases[i].allowed);
        assert_int_equal(ask_head_has(fake, "Access-Control"),
                         cases[i].allowed);
        fake_conn_free(fake);
        core_fini(&core);
    }
}

/* A position is a promise: what comes after it is not missed. */
static void a_poll_is_answered_when_the_region_knows_of_it(void **state)
{
    struct ask_others others = {{6, 6}};
    struct core core;
    (void)state;
    ask_core_among(&core, &others);
    struct fake_conn *fake = ask_new(&core,
                                     &(struct ask){.target = "/topics/demo/a"});
    struct fake_conn *quiet = ask_new(
        &core, &(struct ask){.target = "/topics/demo/b"});

    ask_say(&core, "/topics/demo/a", "hello");
    next_turn(&core);
    assert_int_equal(fake->status, 0);
    clients_release(&core, CLUSTER_SCOPE_REGION, 7, false);
    next_turn(&core);
    assert_int_equal(quiet->status, 0);
    struct answer answer = answer_of(fake);
    assert_string_equal(text_of(&answer, 0), "hello");
    json_decref(answer.root);
    (void)idle(quiet);
    fake_conn_free(quiet);
    fake_conn_free(fake);
    core_fini(&core);
}

/* An idle time shorter than the barrier's must not break the promise. */
static void an_idle_answer_waits_for_the_barrier_too(void **state)
{
    struct ask_others others = {{6, 6}};
    struct core core;
    (void)state;
    ask_core_among(&core, &others);
    core.limits.ping_ms = 100;
    struct fake_conn *fake = ask_new(&core,
                                     &(struct ask){.target = "/topics/demo/a"});

    fake_wait(&core, 200);
    assert_int_equal(fake->status, 0);
    clients_release(&core, CLUSTER_SCOPE_REGION, 7, true);
    next_turn(&core);
    assert_int_equal(fake->status, 200);
    fake_conn_free(fake);
    core_fini(&core);
}

/* Whoever goes away while it waits leaves nothing behind. */
static void a_poller_that_goes_is_forgotten(void **state)
{
    struct core core;
    (void)state;
    fake_core_init(&core);
    struct fake_conn *fake = ask_new(&core,
                                     &(struct ask){.target = "/topics/demo/a"});

    ask_say(&core, "/topics/demo/a", "1"); /* gathered, not yet answered */
    fake_conn_free(fake);
    next_turn(&core);
    assert_int_equal(hub_subscribers(core.hub, BYTES("demo"), BYTES("a")), 0);
    core_fini(&core);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fresh_poll_waits_for_the_first_item),
        cmocka_unit_test(an_idle_poll_is_answered_with_its_position_in_time),
        cmocka_unit_test(who_asks_anew_after_an_idle_answer_misses_nothing),
        cmocka_unit_test(who_asks_anew_later_or_for_another_topic_is_new),
        cmocka_unit_test(nothing_is_lost_between_two_polls),
        cmocka_unit_test(a_poll_begins_where_it_asks_to),
        cmocka_unit_test(all_items_of_a_turn_make_one_answer_for_every_poller),
        cmocka_unit_test(a_poll_after_the_window_is_told_a_discontinuity),
        cmocka_unit_test(
            a_poll_for_more_than_the_ring_keeps_is_told_a_discontinuity),
        cmocka_unit_test(a_position_that_never_was_is_told_a_discontinuity),
        cmocka_unit_test(a_loss_on_a_link_ends_the_wait),
        cmocka_unit_test(a_loss_between_two_polls_is_told_by_the_second),
        cmocka_unit_test(what_a_slow_poller_missed_is_told),
        cmocka_unit_test(what_does_not_fit_into_an_answer_is_told),
        cmocka_unit_test(a_number_that_is_none_is_refused),
        cmocka_unit_test(only_a_page_of_this_host_may_read_the_answer),
        cmocka_unit_test(a_poll_is_answered_when_the_region_knows_of_it),
        cmocka_unit_test(an_idle_answer_waits_for_the_barrier_too),
        cmocka_unit_test(a_poller_that_goes_is_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
