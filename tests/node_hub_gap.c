/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/test.h"

#include "tests/fake_world.h"

static struct bytes hash_of(const struct world *w, const char *topic,
                            uint8_t to[8])
{
    bytes_put_u64be(
        to, hash_topic(&w->core.hash_key, BYTES("c"), bytes_str(topic)));
    return bytes_of(to, 8);
}

static void a_gap_is_told_where_it_happened(void **state)
{
    struct world w;
    uint8_t hash[8];
    (void)state;

    world_init(&w);
    struct client *a = world_open(&w, 0, &door_lines);
    struct client *b = world_open(&w, 1, &door_plain);
    subscribe(a, want_topic("t"));
    subscribe(a, want_topic("u"));
    subscribe(b, want_topic("t"));
    publish(b, "t", "one");
    hub_gap(w.core.hub, hash_of(&w, "t", hash));
    publish(b, "t", "two");
    expect(&w, 0, "c/t 1 one\nc/t gap 1 2\nc/t 3 two\n");
    expect(&w, 1, "c/t 1 one\nc/t 3 two\n");
    assert_int_equal(w.core.stats.gaps, 1);
    assert_int_equal(w.core.stats.gaps_untold, 1);
    world_fini(&w);
}

static void an_unknown_hash_concerns_nobody(void **state)
{
    struct world w;
    uint8_t hash[8];
    (void)state;

    world_init(&w);
    struct client *a = world_open(&w, 0, &door_lines);
    subscribe(a, want_topic("t"));
    hub_gap(w.core.hub, hash_of(&w, "u", hash));
    expect(&w, 0, "");
    world_fini(&w);
}

static void a_gap_of_all_is_told_to_topics_and_patterns(void **state)
{
    struct world w;
    (void)state;

    world_init(&w);
    struct client *a = world_open(&w, 0, &door_lines);
    struct client *b = world_open(&w, 1, &door_lines);
    subscribe(a, want_topic("t"));
    subscribe(b, want_glob("t*"));
    hub_gap(w.core.hub, bytes_of(NULL, 0));
    expect(&w, 0, "c/t gap 0 1\n");
    expect(&w, 1, "[t*]c/ gap 0 0\n");
    world_fini(&w);
}

/* Links that flap: nothing came since the last one, so nothing is to say. */
static void a_gap_without_items_since_is_told_once(void **state)
{
    struct world w;
    (void)state;

    world_init(&w);
    struct client *a = world_open(&w, 0, &door_lines);
    subscribe(a, want_topic("t"));
    for (int i = 0; i < 10; i++) {
        hub_gap(w.core.hub, bytes_of(NULL, 0));
    }
    expect(&w, 0, "c/t gap 0 1\n");
    fake_wait(&w.core, 1000);
    hub_gap(w.core.hub, bytes_of(NULL, 0));
    expect(&w, 0, "");
    world_fini(&w);
}

/* What comes too soon waits, but never behind the item that follows it. */
static void a_gap_too_soon_is_told_before_the_next_item_or_later(void **state)
{
    static const bool all[] = {false, true};
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        struct world w;
        uint8_t hash[8];
        world_init(&w);
        struct client *a = world_open(&w, 0, &door_lines);
        struct bytes which = all[i] ? bytes_of(NULL, 0)
                                    : hash_of(&w, "t", hash);
        subscribe(a, want_topic("t"));
        hub_gap(w.core.hub, which);
        publish(a, "t", "one");
        hub_gap(w.core.hub, which);
        expect(&w, 0, "c/t gap 0 1\nc/t 2 one\n");
        publish(a, "t", "two");
        hub_gap(w.core.hub, which);
        expect(&w, 0, "c/t gap 2 3\nc/t 4 two\n");
        fake_wait(&w.core, 99);
        expect(&w, 0, "");
        fake_wait(&w.core, 1);
        expect(&w, 0, "c/t gap 4 5\n");
        world_fini(&w);
    }
}

/* The second loss is one that the newcomer was not told of. */
static void a_newcomer_is_told_though_the_others_were(void **state)
{
    struct world w;
    (void)state;

    world_init(&w);
    struct client *a = world_open(&w, 0, &door_lines);
    struct client *b = world_open(&w, 1, &door_lines);
    subscribe(a, want_topic("t"));
    hub_gap(w.core.hub, bytes_of(NULL, 0));
    subscribe(b, want_topic("t"));
    fake_wait(&w.core, 200);
    hub_gap(w.core.hub, bytes_of(NULL, 0));
    expect(&w, 1, "c/t gap 1 2\n");
    world_fini(&w);
}

static void a_slow_reader_is_told_when_it_reads_again(void **state)
{
    struct world w;
    (void)state;

    world_init(&w);
    struct client *a = world_open(&w, 0, &door_lines);
    subscribe(a, want_topic("t"));
    client_write(a, BYTES("reply\n"));
    w.conns[0]->window = 3;
    fake_flush(&w.core);
    clients_relieve(&w.core, UINT64_MAX);
    assert_true(a->slow);
    hub_gap(w.core.hub, bytes_of(NULL, 0));
    w.conns[0]->window = SIZE_MAX;
    expect(&w, 0, "reply\nc/t gap 0 1\n");
    world_fini(&w);
}

/* What was matched is forgotten while an item of it waits, and another one's
 * subscription keeps the topic. */
static void a_dropped_item_of_a_forgotten_match_is_told(void **state)
{
    struct world w;
    char topic[16];
    (void)state;

    world_init(&w);
    struct client *a = world_open(&w, 0, &door_lines);
    struct client *b = world_open(&w, 1, &door_plain);
    subscribe(a, want_glob("t*"));
    subscribe(b, want_topic("t"));
    w.conns[0]->window = 0;
    publish(b, "t", "one");
    for (unsigned i = 0; i < 17000; i++) {
        (void)snprintf(topic, sizeof topic, "x%u", i);
        publish(b, topic, "other");
    }
    fake_flush(&w.core);
    assert_int_equal(a->out.len, 1);
    clients_relieve(&w.core, UINT64_MAX);
    assert_true(outq_is_empty(&a->out));
    w.conns[0]->window = SIZE_MAX;
    expect(&w, 0, "[t*]c/ gap 0 0\n");
    world_fini(&w);
}

/* Items were lost between 1 and 2: the ring must not say otherwise. */
static void nobody_resumes_across_a_gap(void **state)
{
    static const bool lingers[] = {false, true};
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(lingers); i++) {
        struct world w;
        struct hub_position position;
        struct sub *sub;
        world_init(&w);
        struct client *a = world_open(&w, 0, &door_lines);
        sub = subscribe(a, want_topic("t"));
        publish(a, "t", "one");
        if (lingers[i]) {
            client_unsubscribe(a, sub);
        }
        hub_gap(w.core.hub, bytes_of(NULL, 0));
        assert_true(
            hub_position(w.core.hub, BYTES("c"), BYTES("t"), &position));
        struct hub_want want = want_topic("t");
        want.resume = true;
        want.page = position.page;
        want.seq = 1;
        struct client *b = world_open(&w, 1, &door_lines);
        assert_int_equal(client_subscribe(b, &want, &sub, &position), 0);
        assert_int_equal(position.outcome, HUB_LOST);
        hub_replay(w.core.hub, sub, &want, &position);
        expect(&w, 1, "c/t gap 1 2\n");
        world_fini(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_gap_is_told_where_it_happened),
        cmocka_unit_test(an_unknown_hash_concerns_nobody),
        cmocka_unit_test(a_gap_of_all_is_told_to_topics_and_patterns),
        cmocka_unit_test(a_gap_without_items_since_is_told_once),
        cmocka_unit_test(a_gap_too_soon_is_told_before_the_next_item_or_later),
        cmocka_unit_test(a_newcomer_is_told_though_the_others_were),
        cmocka_unit_test(a_slow_reader_is_told_when_it_reads_again),
        cmocka_unit_test(a_dropped_item_of_a_forgotten_match_is_told),
        cmocka_unit_test(nobody_resumes_across_a_gap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
