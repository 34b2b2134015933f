/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/test.h"

#include "tests/fake_world.h"

/* --- exact topics --- */

static void every_subscriber_gets_every_item_in_order(void **state)
{
    struct world w;
    (void)state;

    world_init(&w);
    struct client *a = world_open(&w, 0, &door_lines);
    struct client *b = world_open(&w, 1, &door_plain);
    struct client *p = world_open(&w, 2, &door_plain);
    subscribe(a, want_topic("t"));
    subscribe(b, want_topic("t"));
    subscribe(b, want_topic("other"));
    assert_int_equal(publish(p, "t", "one"), 2);
    assert_int_equal(publish(p, "t", "two"), 2);
    expect(&w, 0, "c/t 1 one\nc/t 2 two\n");
    expect(&w, 1, "c/t 1 one\nc/t 2 two\n");
    assert_int_equal(publish(p, "t", "three"), 2);
    expect(&w, 0, "c/t 3 three\n");
    expect(&w, 2, "");
    assert_int_equal(w.core.stats.delivered, 6);
    world_fini(&w);
}

/* ADVERSARIAL A: a publisher must not be able to grow a table. */
static void a_publish_that_nobody_wants_creates_nothing(void **state)
{
    struct world w;
    (void)state;

    world_init(&w);
    struct client *p = world_open(&w, 0, &door_plain);
    struct hub_position position;
    assert_int_equal(publish(p, "t", "x"), 0);
    assert_false(hub_position(w.core.hub, BYTES("c"), BYTES("t"), &position));
    subscribe(p, (struct hub_want){.cache = BYTES("other"),
                                   .topic = BYTES("*"),
                                   .dialect = TOPIC_GLOB});
    assert_int_equal(publish(p, "t", "x"), 0);
    assert_false(hub_position(w.core.hub, BYTES("c"), BYTES("t"), &position));
    world_fini(&w);
}

static void one_turn_is_one_run(void **state)
{
    struct world w;
    (void)state;

    world_init(&w);
    struct client *a = world_open(&w, 0, &door_lines);
    subscribe(a, want_topic("t"));
    for (int i = 0; i < 1000; i++) {
        publish(a, "t", "0123456789012345678901234567890123456789");
    }
    hub_settle(w.core.hub);
    assert_int_equal(a->out.len, 1);
    world_check(&w);
    fake_flush(&w.core);
    world_fini(&w);
}

/* 64 KiB a chunk: a long turn is settled in between, nothing is lost. */
static void a_turn_longer_than_a_chunk_is_whole(void **state)
{
    struct world w;
    char value[1001];
    (void)state;

    world_init(&w);
    memset(value, 'x', sizeof value);
    value[sizeof value - 1] = '\0';
    struct client *a = world_open(&w, 0, &door_lines);
    subscribe(a, want_topic("t"));
    for (int i = 0; i < 200; i++) {
        publish(a, "t", value);
    }
    fake_flush(&w.core);
    size_t seqs = 9 * 1 + 90 * 2 + 101 * 3;
    assert_int_equal(fake_conn_out(w.conns[0]).len,
                     200 * (sizeof "c/t  \n" - 1 + 1000) + seqs);
    world_fini(&w);
}

static void a_newcomer_gets_nothing_of_before_even_of_this_turn(void **state)
{
    struct world w;
    (void)state;

    world_init(&w);
    struct client *a = world_open(&w, 0, &door_lines);
    struct client *b = world_open(&w, 1, &door_lines);
    subscribe(a, want_topic("t"));
    publish(a, "t", "one");
    subscribe(b, want_topic("t"));
    publish(a, "t", "two");
    expect(&w, 0, "c/t 1 one\nc/t 2 two\n");
    expect(&w, 1, "c/t 2 two\n");
    world_fini(&w);
}

static void
who_unsubscribes_in_a_dirty_turn_keeps_what_came_before(void **state)
{
    struct world w;
    (void)state;

    world_init(&w);
    struct client *a = world_open(&w, 0, &door_lines);
    struct client *b = world_open(&w, 1, &door_lines);
    struct sub *sub = subscribe(a, want_topic("t"));
    subscribe(b, want_topic("t"));
    publish(b, "t", "one");
    client_unsubscribe(a, sub);
    client_write(a, BYTES("bye\n"));
    publish(b, "t", "two");
    expect(&w, 0, "c/t 1 one\nbye\n");
    expect(&w, 1, "c/t 1 one\nc/t 2 two\n");
    world_fini(&w);
}

/* A reply comes after the publisher's own copy: it is in the queue first. */
static void a_reply_follows_what_happened_before_it(void **state)
{
    struct world w;
    (void)state;

    world_init(&w);
    struct client *a = world_open(&w, 0, &door_lines);
    subscribe(a, want_topic("t"));
    publish(a, "t", "one");
    client_write(a, BYTES(":1\n"));
    publish(a, "t", "two");
    client_write(a, BYTES(":1\n"));
    expect(&w, 0, "c/t 1 one\n:1\nc/t 2 two\n:1\n");
    world_fini(&w);
}

static void a_client_may_go_in_the_middle_of_its_own_fan_out(void **state)
{
    struct world w;
    (void)state;

    world_init(&w);
    struct client *a = world_open(&w, 0, &door_lines);
    struct client *b = world_open(&w, 1, &door_lines);
    subscribe(a, want_topic("t"));
    subscribe(b, want_topic("t"));
    publish(a, "t", "one");
    client_close(a, ERR_LIMIT);
    publish(b, "t", "two");
    fake_flush(&w.core);
    assert_true(w.conns[0]->closed);
    assert_bytes(fake_conn_out(w.conns[0]), "c/t 1 one\nbye LIMIT\n");
    publish(b, "t", "three");
    world_leave(&w, 0);
    expect(&w, 1, "c/t 1 one\nc/t 2 two\nc/t 3 three\n");
    world_fini(&w);
}

static void frames_are_wrapped_once_for_their_carrier(void **state)
{
    struct world w;
    struct bytes message;
    (void)state;

    world_init(&w);
    struct client *a = world_open(&w, 0, &door_frames);
    struct client *b = world_open(&w, 1, &door_lines);
    subscribe(a, want_topic("t"));
    subscribe(b, want_topic("t"));
    publish(b, "t", "one");
    publish(b, "t", "two");
    expect(&w, 1, "c/t 1 one\nc/t 2 two\n");
    assert_true(fake_conn_message(w.conns[0], &message));
    assert_bytes(message, "c/t 1 one\n");
    assert_true(fake_conn_message(w.conns[0], &message));
    assert_bytes(message, "c/t 2 two\n");
    assert_false(fake_conn_message(w.conns[0], &message));
    world_fini(&w);
}

static void a_second_subscribe_finds_the_first(void **state)
{
    struct world w;
    struct hub_position position;
    struct sub *again;
    (void)state;

    world_init(&w);
    struct client *a = world_open(&w, 0, &door_lines);
    struct hub_want want = want_topic("t");
    struct sub *sub = subscribe(a, want);
    assert_int_equal(client_subscribe(a, &want, &again, &position), 0);
    assert_true(position.already);
    assert_ptr_equal(again, sub);
    want.tag = 7; /* another subscription of the same name */
    assert_int_equal(client_subscribe(a, &want, &again, &position), 0);
    assert_false(position.already);
    assert_ptr_not_equal(again, sub);
    assert_ptr_equal(hub_find(w.core.hub, a, &want), again);
    assert_int_equal(publish(a, "t", "x"), 2);
    assert_int_equal(hub_subscribers(w.core.hub, BYTES("c"), BYTES("t")), 2);
    expect(&w, 0, "c/t 1 x\nc/t 1 x\n");
    world_fini(&w);
}

/* --- not to oneself --- */

static void no_echo_spares_only_the_publisher(void **state)
{
    struct world w;
    (void)state;

    world_init(&w);
    struct client *a = world_open(&w, 0, &door_lines);
    struct client *b = world_open(&w, 1, &door_lines);
    struct client *c = world_open(&w, 2, &door_lines);
    struct hub_want want = want_topic("t");
    want.no_echo = true;
    subscribe(a, want);
    subscribe(b, want);
    subscribe(c, want_topic("t"));
    assert_int_equal(publish(a, "t", "a1"), 2);
    assert_int_equal(publish(a, "t", "a2"), 2);
    assert_int_equal(publish(b, "t", "b3"), 2);
    assert_int_equal(publish(c, "t", "c4"), 3);
    assert_int_equal(publish(a, "t", "a5"), 2);
    expect(&w, 0, "c/t 3 b3\nc/t 4 c4\n");
    expect(&w, 1, "c/t 1 a1\nc/t 2 a2\nc/t 4 c4\nc/t 5 a5\n");
    expect(&w, 2, "c/t 1 a1\nc/t 2 a2\nc/t 3 b3\nc/t 4 c4\nc/t 5 a5\n");
    world_fini(&w);
}

/* --- patterns --- */

static void count_pattern(void *data, uint64_t hash)
{
    size_t *len = data;

    assert_true(hash != 0);
    (*len)++;
}

static size_t patterns_len(const struct hub *hub)
{
    size_t len = 0;

    hub_each_pattern(hub, BYTES("c"), count_pattern, &len);
    hub_each_pattern(hub, BYTES("other"), count_pattern, &len);
    return len;
}

static void a_client_gets_one_copy_and_one_for_each_pattern(void **state)
{
    struct world w;
    (void)state;

    world_init(&w);
    struct client *a = world_open(&w, 0, &door_lines);
    subscribe(a, want_topic("news.x"));
    subscribe(a, want_glob("news.*"));
    subscribe(a, want_glob("*"));
    subscribe(a, want_glob("weather.*"));
    assert_int_equal(patterns_len(w.core.hub), 3);
    assert_int_equal(publish(a, "news.x", "v"), 3);
    assert_int_equal(publish(a, "news.y", "v"), 2);
    fake_flush(&w.core);
    struct bytes out = fake_conn_out(w.conns[0]);
    const char *parts[] = {"c/news.x 1 v\n", "[news.*]c/news.x 1 v\n",
                           "[*]c/news.x 1 v\n", "[news.*]c/news.y 1 v\n",
                           "[*]c/news.y 1 v\n"};
    size_t len = 0;
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        assert_non_null(memmem(out.p, out.len, parts[i], strlen(parts[i])));
        len += strlen(parts[i]);
    }
    assert_int_equal(out.len, len);
    world_fini(&w);
}

/* What a topic remembers of patterns follows them. */
static void patterns_come_and_go_under_living_topics(void **state)
{
    struct world w;
    (void)state;

    world_init(&w);
    struct client *a = world_open(&w, 0, &door_lines);
    struct client *b = world_open(&w, 1, &door_plain);
    struct client *p = world_open(&w, 2, &door_plain);
    struct sub *one = subscribe(a, want_glob("t*"));
    publish(p, "t1", "one");
    struct sub *two = subscribe(b, want_glob("?1"));
    publish(p, "t1", "two");
    client_unsubscribe(a, one);
    publish(p, "t1", "three");
    expect(&w, 0, "[t*]c/t1 1 one\n[t*]c/t1 2 two\n");
    expect(&w, 1, "[?1]c/t1 2 two\n[?1]c/t1 3 three\n");
    client_unsubscribe(b, two);
    assert_int_equal(publish(p, "t1", "four"), 0);
    assert_int_equal(patterns_len(w.core.hub), 0);
    world_fini(&w);
}

/* Ones that are cheap to match fit by the thousand, hostile ones do not; what
 * goes makes room, and another cache has its own. */
static void the_work_of_patterns_is_bounded(void **state)
{
    char text[PATTERN_LEN_MAX + 1];
    struct hub_position position;
    struct sub *last = NULL;
    struct sub *sub = NULL;
    struct world w;
    int rc = 0;
    size_t len = 0;
    (void)state;

    world_init(&w);
    w.core.limits.patterns_per_client = 20000;
    struct client *a = world_open(&w, 0, &door_plain);
    for (; len < 9000; len++) {
        (void)snprintf(text, sizeof text, "user%zu:*:events", len);
        subscribe(a, want_glob(text));
    }
    memset(text, '?', PATTERN_LEN_MAX);
    text[0] = '*';
    text[PATTERN_LEN_MAX] = '\0';
    for (len = 0; rc == 0 && len < 1000; len++) {
        struct hub_want want = want_glob(text);
        (void)snprintf(text + PATTERN_LEN_MAX - 8, 9, "%08zu", len);
        last = sub;
        rc = client_subscribe(a, &want, &sub, &position);
    }
    assert_int_equal(rc, ERR_LIMIT);
    assert_in_range(len, 2, 128);
    struct hub_want want = want_glob(text);
    client_unsubscribe(a, last);
    assert_int_equal(client_subscribe(a, &want, &sub, &position), 0);
    want.cache = BYTES("other");
    assert_int_equal(client_subscribe(a, &want, &sub, &position), 0);
    world_fini(&w);
}

/* Topics that only patterns want are remembered, but not without bound. */
static void remembered_topics_are_bounded(void **state)
{
    struct world w;
    char topic[16];
    (void)state;

    world_init(&w);
    struct client *a = world_open(&w, 0, &door_plain);
    subscribe(a, want_glob("no match"));
    for (unsigned i = 0; i < 40000; i++) {
        (void)snprintf(topic, sizeof topic, "t%u", i);
        assert_int_equal(publish(a, topic, "v"), 0);
    }
    struct hub_position position;
    assert_false(hub_position(w.core.hub, BYTES("c"), BYTES("t0"), &position));
    assert_true(
        hub_position(w.core.hub, BYTES("c"), BYTES("t39999"), &position));
    world_fini(&w);
}

/* --- questions --- */

static void count_topics(void *data, struct bytes topic, uint64_t subs)
{
    (void)topic;
    *(uint64_t *)data += subs;
}

static void topics_with_subscribers_are_listed(void **state)
{
    struct world w;
    uint64_t subs = 0;
    (void)state;

    world_init(&w);
    struct client *a = world_open(&w, 0, &door_lines);
    struct client *b = world_open(&w, 1, &door_plain);
    struct sub *gone = subscribe(a, want_topic("gone"));
    subscribe(a, want_topic("t"));
    subscribe(b, want_topic("t"));
    subscribe(b, want_glob("*"));
    client_unsubscribe(a, gone); /* lingers, but has no subscriber */
    hub_each_topic(w.core.hub, BYTES("c"), count_topics, &subs);
    assert_int_equal(subs, 2);
    assert_int_equal(w.core.stats.topics, 1);
    assert_int_equal(w.core.stats.subs, 3);
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_subscriber_gets_every_item_in_order),
        cmocka_unit_test(a_publish_that_nobody_wants_creates_nothing),
        cmocka_unit_test(one_turn_is_one_run),
        cmocka_unit_test(a_turn_longer_than_a_chunk_is_whole),
        cmocka_unit_test(a_newcomer_gets_nothing_of_before_even_of_this_turn),
        cmocka_unit_test(
            who_unsubscribes_in_a_dirty_turn_keeps_what_came_before),
        cmocka_unit_test(a_reply_follows_what_happened_before_it),
        cmocka_unit_test(a_client_may_go_in_the_middle_of_its_own_fan_out),
        cmocka_unit_test(frames_are_wrapped_once_for_their_carrier),
        cmocka_unit_test(a_second_subscribe_finds_the_first),
        cmocka_unit_test(no_echo_spares_only_the_publisher),
        cmocka_unit_test(a_client_gets_one_copy_and_one_for_each_pattern),
        cmocka_unit_test(patterns_come_and_go_under_living_topics),
        cmocka_unit_test(the_work_of_patterns_is_bounded),
        cmocka_unit_test(remembered_topics_are_bounded),
        cmocka_unit_test(topics_with_subscribers_are_listed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
