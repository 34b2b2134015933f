/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/test.h"

#include "tests/fake_world.h"

/* Subscribes client i as one who saw (page, seq), and replays as doors do:
 * after the acknowledgement. */
static struct hub_position resume(struct client *client, const char *topic,
                                  uint64_t page, uint64_t seq)
{
    struct hub_want want = want_topic(topic);
    struct hub_position position;
    struct sub *sub;

    want.resume = true;
    want.page = page;
    want.seq = seq;
    assert_int_equal(client_subscribe(client, &want, &sub, &position), 0);
    client_write(client, BYTES("ack\n"));
    hub_replay(client->core->hub, sub, &want, &position);
    return position;
}

static struct hub_position position_of(const struct world *w, const char *topic)
{
    struct hub_position position = {0};

    assert_true(
        hub_position(w->core.hub, BYTES("c"), bytes_str(topic), &position));
    return position;
}

static void nothing_missed_is_nothing_replayed(void **state)
{
    struct world w;
    (void)state;

    world_init(&w);
    struct client *a = world_open(&w, 0, &door_lines);
    struct sub *sub = subscribe(a, want_topic("t"));
    publish(a, "t", "one");
    client_unsubscribe(a, sub);
    fake_conn_reset(w.conns[0]);
    uint64_t page = position_of(&w, "t").page;
    fake_flush(&w.core);
    fake_conn_reset(w.conns[0]);
    assert_int_equal(resume(a, "t", page, 1).outcome, HUB_RESUMED);
    expect(&w, 0, "ack\n");
    assert_int_equal(w.core.stats.resumed, 1);
    world_fini(&w);
}

/* What was published while nobody was there is in the ring. */
static void what_was_missed_is_replayed_then_live(void **state)
{
    struct world w;
    (void)state;

    world_init(&w);
    struct client *p = world_open(&w, 1, &door_plain);
    struct client *a = world_open(&w, 0, &door_lines);
    subscribe(a, want_topic("t"));
    publish(p, "t", "one");
    uint64_t page = position_of(&w, "t").page;
    world_leave(&w, 0);
    publish(p, "t", "two");
    publish(p, "t", "three");
    a = world_open(&w, 0, &door_lines);
    struct hub_position position = resume(a, "t", page, 1);
    publish(p, "t", "four");
    assert_int_equal(position.outcome, HUB_RESUMED);
    assert_int_equal(position.seq, 3);
    expect(&w, 0, "ack\nc/t 2 two\nc/t 3 three\nc/t 4 four\n");
    world_fini(&w);
}

static void a_message_door_is_replayed_in_frames(void **state)
{
    struct world w;
    struct bytes message;
    (void)state;

    world_init(&w);
    struct client *a = world_open(&w, 0, &door_frames);
    subscribe(a, want_topic("t"));
    publish(a, "t", "one");
    publish(a, "t", "two");
    uint64_t page = position_of(&w, "t").page;
    struct client *b = world_open(&w, 1, &door_frames);
    struct hub_want want = want_topic("t");
    struct hub_position position;
    struct sub *sub;
    want.resume = true;
    want.page = page;
    want.seq = 1;
    assert_int_equal(client_subscribe(b, &want, &sub, &position), 0);
    hub_replay(w.core.hub, sub, &want, &position);
    fake_flush(&w.core);
    assert_true(fake_conn_message(w.conns[1], &message));
    assert_bytes(message, "c/t 2 two\n");
    assert_false(fake_conn_message(w.conns[1], &message));
    world_fini(&w);
}

static void what_the_ring_lost_is_a_discontinuity(void **state)
{
    struct world w;
    char value[16];
    (void)state;

    world_init(&w);
    struct client *a = world_open(&w, 0, &door_lines);
    subscribe(a, want_topic("t"));
    for (unsigned i = 0; i < 100; i++) { /* the ring keeps 64 */
        (void)snprintf(value, sizeof value, "v%u", i);
        publish(a, "t", value);
    }
    uint64_t page = position_of(&w, "t").page;
    struct client *b = world_open(&w, 1, &door_lines);
    assert_int_equal(resume(b, "t", page, 10).outcome, HUB_LOST);
    publish(a, "t", "next");
    expect(&w, 1, "ack\nc/t gap 10 100\nc/t 101 next\n");
    world_fini(&w);
}

static void a_position_that_never_was_is_a_discontinuity(void **state)
{
    static const struct {
        int64_t page;
        uint64_t seq;
        const char *told;
    } cases[] = {
        {0, 3, "ack\nc/t gap 0 2\n"},  /* ahead of the topic */
        {1, 1, "ack\nc/t gap 0 2\n"},  /* a later page */
        {-1, 1, "ack\nc/t gap 0 2\n"}, /* an earlier life */
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct world w;
        world_init(&w);
        struct client *a = world_open(&w, 0, &door_lines);
        subscribe(a, want_topic("t"));
        publish(a, "t", "one");
        publish(a, "t", "two");
        uint64_t page = position_of(&w, "t").page + (uint64_t)cases[i].page;
        struct client *b = world_open(&w, 1, &door_lines);
        assert_int_equal(resume(b, "t", page, cases[i].seq).outcome, HUB_LOST);
        expect(&w, 1, cases[i].told);
        world_fini(&w);
    }
}

static void an_unknown_topic_is_a_discontinuity(void **state)
{
    struct world w;
    (void)state;

    world_init(&w);
    struct client *a = world_open(&w, 0, &door_lines);
    assert_int_equal(resume(a, "t", 12345, 7).outcome, HUB_LOST);
    expect(&w, 0, "ack\nc/t gap 0 0\n");
    world_fini(&w);
}

/* After the window the topic is forgotten; a new life has a later page. */
static void the_window_ends_and_the_next_life_has_a_later_page(void **state)
{
    struct world w;
    (void)state;

    world_init(&w);
    struct client *a = world_open(&w, 0, &door_lines);
    struct sub *sub = subscribe(a, want_topic("t"));
    publish(a, "t", "one");
    uint64_t page = position_of(&w, "t").page;
    client_unsubscribe(a, sub);
    fake_wait(&w.core, w.core.limits.linger_ms - 1);
    assert_int_equal(position_of(&w, "t").page, page);
    fake_wait(&w.core, 1);
    struct hub_position gone;
    assert_false(hub_position(w.core.hub, BYTES("c"), BYTES("t"), &gone));
    fake_conn_reset(w.conns[0]);
    assert_int_equal(resume(a, "t", page, 1).outcome, HUB_LOST);
    assert_true(position_of(&w, "t").page > page);
    assert_int_equal(position_of(&w, "t").page & 0x3fffff, page & 0x3fffff);
    assert_true(position_of(&w, "t").page < (uint64_t)1 << 53);
    world_fini(&w);
}

/* Also when both lives fall into one second, or the clock is set back. */
static void pages_grow_whatever_the_clock_does(void **state)
{
    struct core_options options = fake_core_options();
    struct world w = {0};
    uint64_t last = 0;
    (void)state;

    options.limits.linger_ms = 0;
    assert_int_equal(core_init(&w.core, &options), 0);
    core_turn(&w.core, 1000, 1795305600000);
    w.core.ready = true;
    struct client *a = world_open(&w, 0, &door_lines);
    for (int i = 0; i < 5; i++) {
        struct sub *sub = subscribe(a, want_topic("t"));
        assert_true(position_of(&w, "t").page > last);
        last = position_of(&w, "t").page;
        client_unsubscribe(a, sub);
        core_turn(&w.core, w.core.now_ms, w.core.wall_ms - 1000);
    }
    world_fini(&w);
}

static void a_door_without_resume_leaves_nothing_behind(void **state)
{
    struct world w;
    (void)state;

    world_init(&w);
    struct client *a = world_open(&w, 0, &door_plain);
    struct sub *sub = subscribe(a, want_topic("t"));
    publish(a, "t", "one");
    assert_int_equal(w.core.stats.ring_len, 0);
    client_unsubscribe(a, sub);
    struct hub_position gone;
    assert_false(hub_position(w.core.hub, BYTES("c"), BYTES("t"), &gone));
    world_fini(&w);
}

/* A ring goes on for those who may come back, though others keep the topic
 * alive; then it ends while they stay. */
static void the_window_runs_beside_other_doors(void **state)
{
    struct world w;
    (void)state;

    world_init(&w);
    struct client *a = world_open(&w, 0, &door_lines);
    struct client *b = world_open(&w, 1, &door_plain);
    subscribe(b, want_topic("t"));
    struct sub *sub = subscribe(a, want_topic("t"));
    client_unsubscribe(a, sub);
    publish(b, "t", "one");
    uint64_t page = position_of(&w, "t").page;
    assert_true(w.core.stats.ring_len > 0);
    fake_wait(&w.core, w.core.limits.linger_ms);
    assert_int_equal(w.core.stats.ring_len, 0);
    assert_int_equal(position_of(&w, "t").page, page);
    fake_conn_reset(w.conns[0]);
    assert_int_equal(resume(a, "t", page, 0).outcome, HUB_LOST);
    expect(&w, 0, "ack\nc/t gap 0 1\n");
    world_fini(&w);
}

static void lingering_topics_are_bounded(void **state)
{
    struct core_options options = fake_core_options();
    struct world w = {0};
    struct hub_position position;
    char topic[8];
    (void)state;

    options.limits.linger_topics = 10;
    assert_int_equal(core_init(&w.core, &options), 0);
    core_turn(&w.core, 1000, 1795305600000);
    struct client *a = world_open(&w, 0, &door_lines);
    for (unsigned i = 0; i < 20; i++) {
        (void)snprintf(topic, sizeof topic, "t%u", i);
        client_unsubscribe(a, subscribe(a, want_topic(topic)));
        hub_check(w.core.hub);
    }
    assert_false(hub_position(w.core.hub, BYTES("c"), BYTES("t9"), &position));
    assert_true(hub_position(w.core.hub, BYTES("c"), BYTES("t10"), &position));
    world_fini(&w);
}

/* The oldest rings are forgotten, never the promise: who comes back is told. */
static void rings_share_one_bound(void **state)
{
    struct core_options options = fake_core_options();
    struct world w = {0};
    char value[8001];
    char topic[8];
    (void)state;

    options.limits.item_len = 16 << 10;
    options.limits.rings_len = 80 << 10;
    assert_int_equal(core_init(&w.core, &options), 0);
    core_turn(&w.core, 1000, 1795305600000);
    w.core.ready = true;
    memset(value, 'x', sizeof value);
    value[sizeof value - 1] = '\0';
    struct client *a = world_open(&w, 0, &door_lines);
    for (unsigned i = 0; i < 20; i++) {
        (void)snprintf(topic, sizeof topic, "t%u", i);
        subscribe(a, want_topic(topic));
        publish(a, topic, "seen");
        publish(a, topic, value);
        assert_true(w.core.stats.ring_len <= 80 << 10);
        hub_check(w.core.hub);
    }
    struct client *b = world_open(&w, 1, &door_lines);
    uint64_t page = position_of(&w, "t0").page;
    assert_int_equal(resume(b, "t0", page, 1).outcome, HUB_LOST);
    page = position_of(&w, "t19").page;
    assert_int_equal(resume(b, "t19", page, 1).outcome, HUB_RESUMED);
    world_fini(&w);
}

/* --- the interest of the cluster --- */

struct outside {
    int wanted;
    uint64_t version;
    bool full;
};

static uint64_t on_want(void *data, uint64_t hash, bool wanted)
{
    struct outside *outside = data;

    (void)hash;
    if (wanted && outside->full) {
        return 0;
    }
    outside->wanted += wanted ? 1 : -1;
    return ++outside->version;
}

static uint64_t on_want_pattern(void *data, struct bytes cache,
                                struct bytes pattern,
                                enum topic_dialect dialect, bool wanted)
{
    assert_bytes(cache, "c");
    assert_bytes(pattern, "t*");
    assert_int_equal(dialect, TOPIC_GLOB);
    return on_want(data, 0, wanted);
}

static void the_cluster_is_told_once_and_as_long_as_it_lingers(void **state)
{
    struct outside outside = {0};
    struct core_options options = fake_core_options();
    struct world w = {0};
    struct hub_position position;
    struct sub *a1;
    struct sub *b1;
    (void)state;

    options.outside = (struct hub_outside){
        .data = &outside,
        .want = on_want,
        .want_pattern = on_want_pattern,
    };
    assert_int_equal(core_init(&w.core, &options), 0);
    core_turn(&w.core, 1000, 1795305600000);
    struct client *a = world_open(&w, 0, &door_lines);
    struct client *b = world_open(&w, 1, &door_plain);
    struct hub_want want = want_topic("t");
    assert_int_equal(client_subscribe(a, &want, &a1, &position), 0);
    assert_int_equal(position.version, 1);
    (void)subscribe(a, want_topic("u"));
    want = want_topic("t");
    assert_int_equal(client_subscribe(b, &want, &b1, &position), 0);
    assert_int_equal(position.version, 1); /* waits for what added it */
    assert_int_equal(outside.wanted, 2);
    client_unsubscribe(b, b1);
    client_unsubscribe(a, a1);
    assert_int_equal(outside.wanted, 2);
    fake_wait(&w.core, w.core.limits.linger_ms);
    assert_int_equal(outside.wanted, 1);

    want = want_glob("t*");
    assert_int_equal(client_subscribe(a, &want, &a1, &position), 0);
    assert_true(position.version > 0);
    b1 = subscribe(b, want_glob("t*"));
    assert_int_equal(outside.wanted, 2);
    client_unsubscribe(a, a1);
    client_unsubscribe(b, b1);
    assert_int_equal(outside.wanted, 1);

    outside.full = true;
    want = want_topic("t");
    assert_int_equal(client_subscribe(a, &want, &a1, &position), ERR_LIMIT);
    want = want_glob("t*");
    assert_int_equal(client_subscribe(a, &want, &a1, &position), ERR_LIMIT);
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_missed_is_nothing_replayed),
        cmocka_unit_test(what_was_missed_is_replayed_then_live),
        cmocka_unit_test(a_message_door_is_replayed_in_frames),
        cmocka_unit_test(what_the_ring_lost_is_a_discontinuity),
        cmocka_unit_test(a_position_that_never_was_is_a_discontinuity),
        cmocka_unit_test(an_unknown_topic_is_a_discontinuity),
        cmocka_unit_test(the_window_ends_and_the_next_life_has_a_later_page),
        cmocka_unit_test(pages_grow_whatever_the_clock_does),
        cmocka_unit_test(a_door_without_resume_leaves_nothing_behind),
        cmocka_unit_test(the_window_runs_beside_other_doors),
        cmocka_unit_test(lingering_topics_are_bounded),
        cmocka_unit_test(rings_share_one_bound),
        cmocka_unit_test(the_cluster_is_told_once_and_as_long_as_it_lingers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
