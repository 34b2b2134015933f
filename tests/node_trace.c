/* SPDX-License-Identifier: Apache-2.0
 *
 * What is noted of traced items: by a real hub and clients whose sockets take
 * what the test says.
 */
#include "tests/test.h"

#include "node/conn/conn.h"
#include "tests/fake_world.h"

enum {
    VALUE_LEN = 16000
};

static uint64_t publish_flagged(struct world *w, size_t i, const char *topic,
                                uint8_t flags)
{
    const struct client_item item = {
        .cache = BYTES("c"),
        .topic = bytes_str(topic),
        .value = BYTES("v"),
        .flags = flags,
    };
    struct hub_receipt receipt;

    assert_int_equal(client_publish(w->conns[i]->conn.client, &item, &receipt),
                     0);
    trace_check(&w->core.trace);
    return receipt.count;
}

static uint64_t publish_traced(struct world *w, const char *topic)
{
    return publish_flagged(w, 0, topic, ITEM_TRACE);
}

static struct traced tell(const struct world *w, uint64_t count)
{
    struct traced traced;

    trace_check(&w->core.trace);
    trace_tell(&w->core.trace, w->core.node_u64, count, 0, &traced);
    return traced;
}

/* Client 0 publishes. */
static void start(struct world *w)
{
    world_init(w);
    world_open(w, 0, &door_plain);
}

static void end(struct world *w)
{
    trace_check(&w->core.trace);
    world_fini(w);
}

static void what_is_not_traced_leaves_no_note(void **state)
{
    struct world w;
    (void)state;

    start(&w);
    subscribe(world_open(&w, 1, &door_lines), want_topic("t"));
    uint64_t count = publish_flagged(&w, 0, "t", 0);
    assert_int_equal(w.core.trace.len, 0);
    assert_false(tell(&w, count).seen);
    end(&w);
}

static void subscriptions_are_counted_by_door(void **state)
{
    struct world w;
    (void)state;

    start(&w);
    subscribe(world_open(&w, 1, &door_lines), want_topic("t"));
    subscribe(world_open(&w, 2, &door_lines), want_topic("t"));
    subscribe(world_open(&w, 3, &door_plain), want_topic("t"));
    subscribe(w.conns[3]->conn.client, want_glob("*"));
    subscribe(w.conns[3]->conn.client, want_topic("other"));
    uint64_t count = publish_traced(&w, "t");
    struct traced traced = tell(&w, count);
    assert_true(traced.seen);
    assert_int_equal(traced.hop, TRACED_LOCAL);
    assert_int_equal(traced.from, 0);
    assert_int_equal(traced.doors_len, 2);
    uint64_t lines = 0;
    uint64_t plain = 0;
    for (size_t i = 0; i < traced.doors_len; i++) {
        bool is_lines = bytes_eq(traced.doors[i].name,
                                 bytes_str(door_lines.name));
        *(is_lines ? &lines : &plain) += traced.doors[i].subs;
    }
    assert_int_equal(lines, 2);
    assert_int_equal(plain, 2);
    assert_int_equal(traced.waiting, 4);
    assert_int_equal(traced.written_us, 0);

    fake_wait(&w.core, 7);
    traced = tell(&w, count);
    assert_int_equal(traced.waiting, 0);
    assert_int_equal(traced.written_us, traced.at_us + 7000);
    assert_int_equal(traced.drops_len, 0);
    end(&w);
}

/* Its frame is the same, at the same place among the others. */
static void subscribers_see_an_ordinary_item(void **state)
{
    struct world w;
    (void)state;

    start(&w);
    subscribe(world_open(&w, 1, &door_lines), want_topic("t"));
    publish_flagged(&w, 0, "t", 0);
    publish_traced(&w, "t");
    publish_flagged(&w, 0, "t", 0);
    expect(&w, 1, "c/t 1 v\nc/t 2 v\nc/t 3 v\n");
    end(&w);
}

static void nobody_subscribed_is_known_too(void **state)
{
    struct world w;
    (void)state;

    start(&w);
    struct traced traced = tell(&w, publish_traced(&w, "t"));
    assert_true(traced.seen);
    assert_int_equal(traced.doors_len + traced.sends_len + traced.drops_len, 0);
    assert_int_equal(traced.waiting, 0);
    end(&w);
}

static void who_does_not_read_keeps_it_waiting(void **state)
{
    struct world w;
    (void)state;

    start(&w);
    subscribe(world_open(&w, 1, &door_lines), want_topic("t"));
    subscribe(world_open(&w, 2, &door_lines), want_topic("t"));
    w.conns[2]->window = 0;
    uint64_t count = publish_traced(&w, "t");
    fake_wait(&w.core, 1);
    assert_int_equal(tell(&w, count).waiting, 1);
    assert_int_equal(tell(&w, count).written_us, 0);
    publish_flagged(&w, 0, "t", 0); /* what follows is another chunk */
    w.conns[2]->window = 8;         /* the line of the traced one */
    fake_wait(&w.core, 1);
    assert_int_equal(tell(&w, count).waiting, 0);
    assert_true(tell(&w, count).written_us > 0);
    end(&w);
}

static void fill(struct world *w, const char *topic)
{
    static char value[VALUE_LEN + 1];
    size_t most = (size_t)limits_out_hard(&w->core.limits) + 200000;

    memset(value, 'x', VALUE_LEN);
    for (size_t sent = 0; sent < most; sent += VALUE_LEN) {
        publish(w->conns[0]->conn.client, topic, value);
        fake_flush(&w->core);
    }
}

static void a_slow_reader_loses_it_from_its_queue(void **state)
{
    struct world w;
    (void)state;

    start(&w);
    struct client *slow = world_open(&w, 1, &door_lines);
    subscribe(slow, want_topic("t"));
    publish_flagged(&w, 0, "t", 0);
    w.conns[1]->window = 3; /* begins the first */
    fake_flush(&w.core);
    w.conns[1]->window = 0;
    uint64_t count = publish_traced(&w, "t");
    fake_flush(&w.core);
    assert_int_equal(tell(&w, count).waiting, 1);
    fill(&w, "t");
    assert_true(slow->slow);
    struct traced traced = tell(&w, count);
    assert_int_equal(traced.waiting, 0);
    assert_int_equal(traced.drops_len, 1);
    assert_int_equal(traced.drops[0].why, TRACED_WHY_SLOW);
    assert_int_equal(traced.drops[0].count, 1);
    assert_bytes(traced.drops[0].door, door_lines.name);

    count = publish_traced(&w, "t"); /* while it is slow */
    traced = tell(&w, count);
    assert_int_equal(traced.doors[0].subs, 1);
    assert_int_equal(traced.drops[0].why, TRACED_WHY_SLOW);
    assert_int_equal(traced.drops[0].count, 1);
    end(&w);
}

static void who_leaves_before_reading_is_noted(void **state)
{
    struct world w;
    (void)state;

    start(&w);
    subscribe(world_open(&w, 1, &door_lines), want_topic("t"));
    w.conns[1]->window = 0;
    uint64_t count = publish_traced(&w, "t");
    fake_flush(&w.core);
    world_leave(&w, 1);
    fake_flush(&w.core);
    struct traced traced = tell(&w, count);
    assert_int_equal(traced.waiting, 0);
    assert_int_equal(traced.drops_len, 1);
    assert_int_equal(traced.drops[0].why, TRACED_WHY_CLOSED);
    assert_bytes(traced.drops[0].door, door_lines.name);
    end(&w);
}

static uint64_t told_ms(const struct world *w, const char *topic)
{
    struct bytes cache = BYTES("c");

    return hub_told_ms(w->core.hub,
                       hash_topic(&w->core.hash_key, cache, bytes_str(topic)),
                       cache, bytes_str(topic));
}

static void what_was_told_to_be_missing_is_known(void **state)
{
    struct world w;
    (void)state;

    start(&w);
    assert_int_equal(told_ms(&w, "t"), 0);
    subscribe(world_open(&w, 1, &door_lines), want_topic("t"));
    subscribe(world_open(&w, 2, &door_lines), want_glob("p*"));
    publish_flagged(&w, 0, "t", 0);
    publish_flagged(&w, 0, "part", 0);
    assert_int_equal(told_ms(&w, "t"), 0);
    fake_wait(&w.core, 500);
    hub_gap(w.core.hub, (struct bytes){0});
    assert_int_equal(told_ms(&w, "t"), w.core.now_ms);
    assert_int_equal(told_ms(&w, "part"), w.core.now_ms);
    assert_int_equal(told_ms(&w, "other"), 0);

    uint64_t before_ms = w.core.now_ms;
    uint8_t hash[8] = {7}; /* of no topic here: patterns may match it */
    fake_wait(&w.core, 500);
    hub_gap(w.core.hub, bytes_of(hash, sizeof hash));
    assert_int_equal(told_ms(&w, "t"), before_ms);
    assert_int_equal(told_ms(&w, "part"), w.core.now_ms);
    end(&w);
}

static void an_item_after_a_discontinuity_is_delivered(void **state)
{
    struct world w;
    (void)state;

    start(&w);
    subscribe(world_open(&w, 1, &door_lines), want_topic("t"));
    publish_flagged(&w, 0, "t", 0);
    fake_wait(&w.core, 500);
    hub_gap(w.core.hub, (struct bytes){0});
    struct traced traced = tell(&w, publish_traced(&w, "t"));
    assert_int_equal(traced.doors[0].subs, 1);
    assert_int_equal(traced.drops_len, 0);
    expect(&w, 1, "c/t 1 v\nc/t gap 1 2\nc/t 3 v\n");
    end(&w);
}

/* --- peers --- */

static struct item item_of(uint64_t count)
{
    return (struct item){.origin = 5, .count = count, .flags = ITEM_TRACE};
}

static uint8_t outcome_of(const struct world *w, uint64_t count, size_t i)
{
    struct traced traced;

    trace_check(&w->core.trace);
    trace_tell(&w->core.trace, 5, count, 0, &traced);
    assert_true(i < traced.sends_len);
    return traced.sends[i].outcome;
}

static void batches_leave_or_are_lost_up_to_their_number(void **state)
{
    struct world w;
    struct item one = item_of(1);
    struct item two = item_of(2);
    (void)state;

    start(&w);
    struct trace *trace = &w.core.trace;
    trace_begin(trace, &one, 9, TRACED_INGRESS);
    trace_begin(trace, &two, 9, TRACED_INGRESS);
    trace_send(trace, &one, 100, 7, TRACED_WHY_NONE);
    trace_send(trace, &one, 101, 7, TRACED_WHY_NONE);
    trace_send(trace, &two, 100, 8, TRACED_WHY_NONE);
    trace_send(trace, &two, 102, 0, TRACED_WHY_NO_LINK);
    assert_true(trace_has_queued(trace));
    trace_left(trace, 100, 7);
    assert_int_equal(outcome_of(&w, 1, 0), TRACED_SENT);
    assert_int_equal(outcome_of(&w, 1, 1), TRACED_QUEUED);
    assert_int_equal(outcome_of(&w, 2, 0), TRACED_QUEUED);
    trace_lost(trace, 100, 9, TRACED_WHY_TOO_OLD);
    assert_int_equal(outcome_of(&w, 1, 0), TRACED_SENT); /* that had left */
    assert_int_equal(outcome_of(&w, 2, 0), TRACED_DROPPED);
    assert_int_equal(outcome_of(&w, 2, 1), TRACED_DROPPED);
    trace_left(trace, 101, UINT64_MAX);
    assert_false(trace_has_queued(trace));
    assert_false(trace_has_queued(NULL));
    end(&w);
}

static void peers_beyond_the_bound_are_counted(void **state)
{
    struct world w;
    struct item one = item_of(1);
    struct traced traced;
    (void)state;

    start(&w);
    trace_begin(&w.core.trace, &one, 0, TRACED_LOCAL);
    for (uint64_t i = 0; i < TRACED_SENT_MAX + 3; i++) {
        trace_send(&w.core.trace, &one, i + 1, 1, TRACED_WHY_NONE);
    }
    trace_tell(&w.core.trace, 5, 1, 0, &traced);
    assert_int_equal(traced.sends_len, TRACED_SENT_MAX);
    assert_int_equal(traced.more, 3);
    end(&w);
}

/* --- bounds --- */

static void the_oldest_gives_way_and_all_are_forgotten(void **state)
{
    struct world w;
    (void)state;

    start(&w);
    subscribe(world_open(&w, 1, &door_lines), want_topic("t"));
    w.conns[1]->window = 0;
    uint64_t first = publish_traced(&w, "t");
    for (size_t i = 1; i < TRACE_ITEMS_MAX; i++) {
        publish_traced(&w, "t");
    }
    assert_true(tell(&w, first).seen);
    fake_wait(&w.core, 1000);
    uint64_t last = publish_traced(&w, "t");
    assert_false(tell(&w, first).seen);
    assert_true(tell(&w, first + 1).seen);
    assert_int_equal(w.core.trace.len, TRACE_ITEMS_MAX);
    fake_wait(&w.core, TRACE_KEEP_MS - 1000);
    assert_false(tell(&w, first + 1).seen);
    assert_true(tell(&w, last).seen);
    fake_wait(&w.core, 1000);
    assert_int_equal(w.core.trace.len, 0);
    assert_false(trace_has_waiting(&w.core.trace));
    end(&w);
}

static void an_item_that_comes_twice_keeps_its_notes(void **state)
{
    struct world w;
    struct item one = item_of(1);
    (void)state;

    start(&w);
    struct trace_item *noted = trace_begin(&w.core.trace, &one, 9,
                                           TRACED_REGION);
    assert_ptr_equal(trace_begin(&w.core.trace, &one, 8, TRACED_HOST), noted);
    assert_int_equal(noted->notes.from, 9);
    assert_int_equal(w.core.trace.len, 1);
    end(&w);
}

static void kinds_of_drops_beyond_the_bound_are_left_out(void **state)
{
    static const char *const doors[] = {"a", "b", "c", "d", "e", "f",
                                        "g", "h", "i", "j", "k", "l",
                                        "m", "n", "o", "p", "q"};
    struct world w;
    struct item one = item_of(1);
    (void)state;

    start(&w);
    struct trace_item *noted = trace_begin(&w.core.trace, &one, 9,
                                           TRACED_REGION);
    for (size_t i = 0; i < ARRAY_LEN(doors); i++) {
        trace_drop(noted, doors[i], 2, TRACED_WHY_GAP);
        trace_drop(noted, doors[i], 1, TRACED_WHY_GAP);
    }
    assert_int_equal(noted->notes.drops_len, TRACED_DROPS_MAX);
    assert_int_equal(noted->notes.drops[15].count, 3);
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_traced_leaves_no_note),
        cmocka_unit_test(subscriptions_are_counted_by_door),
        cmocka_unit_test(subscribers_see_an_ordinary_item),
        cmocka_unit_test(nobody_subscribed_is_known_too),
        cmocka_unit_test(who_does_not_read_keeps_it_waiting),
        cmocka_unit_test(a_slow_reader_loses_it_from_its_queue),
        cmocka_unit_test(who_leaves_before_reading_is_noted),
        cmocka_unit_test(what_was_told_to_be_missing_is_known),
        cmocka_unit_test(an_item_after_a_discontinuity_is_delivered),
        cmocka_unit_test(batches_leave_or_are_lost_up_to_their_number),
        cmocka_unit_test(peers_beyond_the_bound_are_counted),
        cmocka_unit_test(the_oldest_gives_way_and_all_are_forgotten),
        cmocka_unit_test(an_item_that_comes_twice_keeps_its_notes),
        cmocka_unit_test(kinds_of_drops_beyond_the_bound_are_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
