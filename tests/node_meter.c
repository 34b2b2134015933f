/* SPDX-License-Identifier: Apache-2.0
 *
 * What hub and clients count of each cache.
 */
#include "tests/test.h"

#include <stdio.h>

#include "tests/fail_malloc.h"
#include "tests/metered.h"

/* --- names --- */

static void a_cache_keeps_its_meter(void **state)
{
    struct hash_key key = {{1}};
    struct meters meters = {.key = &key};
    struct meter *kept[100];
    (void)state;

    assert_null(meters_find(&meters, BYTES("c0")));
    for (unsigned i = 0; i < ARRAY_LEN(kept); i++) {
        kept[i] = named(&meters, i);
        assert_ptr_equal(meters_at(&meters, i + 1), kept[i]);
    }
    for (unsigned i = 0; i < ARRAY_LEN(kept); i++) {
        assert_ptr_equal(named(&meters, i), kept[i]);
        assert_ptr_equal(meters_find(&meters, meter_name(kept[i])), kept[i]);
    }
    assert_ptr_equal(meters_at(&meters, 0), &meters.rest);
    assert_null(meters_at(&meters, 101));
    meters_fini(&meters);
}

static void names_beyond_the_bound_are_counted_without_one(void **state)
{
    struct hash_key key = {{1}};
    struct meters meters = {.key = &key};
    (void)state;

    for (unsigned i = 0; i < METERS_MAX; i++) {
        assert_int_not_equal(named(&meters, i)->len, 0);
    }
    struct meter *rest = named(&meters, METERS_MAX);
    assert_int_equal(rest->len, 0);
    assert_ptr_equal(named(&meters, METERS_MAX + 1), rest);
    assert_null(meters_find(&meters, BYTES("c1024")));
    assert_int_not_equal(named(&meters, 5)->len, 0);
    assert_ptr_equal(meters_at(&meters, 0), rest);
    assert_null(meters_at(&meters, METERS_MAX + 1));
    meters_fini(&meters);
}

static void without_memory_it_is_counted_without_a_name(void **state)
{
    (void)state;

    for (long n = 0;; n++) {
        struct hash_key key = {{1}};
        struct meters meters = {.key = &key};
        fail_malloc(n);
        struct meter *meter = meters_of(&meters, BYTES("c"));
        bool hit = fail_malloc_hit;
        fail_malloc(-1);
        assert_int_equal(meter->len, hit ? 0 : 1);
        assert_int_equal(meters_of(&meters, BYTES("c"))->len, 1);
        meters_fini(&meters);
        if (!hit) {
            assert_true(n >= 3);
            return;
        }
    }
}

static void a_cache_with_a_quota_has_its_own_in_any_case(void **state)
{
    struct hash_key key = {{1}};
    struct meters meters = {.key = &key};
    (void)state;

    for (unsigned i = 0; i <= METERS_MAX; i++) {
        (void)named(&meters, i);
    }
    struct meter *own = meters_own(&meters, BYTES("c1024"));
    assert_non_null(own);
    assert_bytes(meter_name(own), "c1024");
    assert_ptr_equal(named(&meters, METERS_MAX), own);
    assert_ptr_equal(meters_own(&meters, BYTES("c1024")), own);
    assert_ptr_equal(meters_own(&meters, BYTES("c5")), named(&meters, 5));
    assert_int_equal(named(&meters, METERS_MAX + 1)->len, 0);
    for (unsigned i = METERS_MAX + 1; i < METERS_OWN_MAX; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "d%u", i);
        assert_non_null(meters_own(&meters, bytes_str(name)));
    }
    assert_null(meters_own(&meters, BYTES("e")));
    meters_fini(&meters);
}

/* --- what counts --- */

static void an_item_counts_in_once_and_out_for_each_subscription(void **state)
{
    struct world w;
    (void)state;

    world_init(&w);
    struct client *a = world_open(&w, 0, &door_lines);
    struct client *b = world_open(&w, 1, &door_plain);
    subscribe(a, want_in("c", "t"));
    subscribe(b, want_in("c", "t"));
    subscribe(b, want_in("c", "*"));
    assert_int_equal(publish_to(a, "c", "t", 0), 0);
    assert_int_equal(publish_to(a, "c", "t", 1024), 0);
    assert_int_equal(publish_to(b, "c", "t", 1025), 0);
    assert_int_equal(publish_to(b, "d", "t", 10), 0); /* nobody reads it */
    hub_settle(w.core.hub);
    assert_count(&usage_of(&w, "c")->in, 3, 2049, 4);
    assert_count(&usage_of(&w, "c")->out, 9, 3 * 2049ull, 12);
    assert_count(&usage_of(&w, "d")->in, 1, 10, 1);
    assert_count(&usage_of(&w, "d")->out, 0, 0, 0);
    assert_int_equal(w.core.stats.published, 4);
    assert_int_equal(w.core.stats.delivered, 9);
    world_fini(&w);
}

static void an_own_item_that_is_not_wanted_does_not_count(void **state)
{
    struct world w;
    (void)state;

    world_init(&w);
    struct client *a = world_open(&w, 0, &door_lines);
    struct client *b = world_open(&w, 1, &door_lines);
    struct hub_want want = want_in("c", "t");
    want.no_echo = true;
    subscribe(a, want);
    subscribe(b, want);
    assert_int_equal(publish_to(a, "c", "t", 7), 0);
    hub_settle(w.core.hub);
    assert_count(&usage_of(&w, "c")->out, 1, 7, 1);
    world_fini(&w);
}

static void an_item_of_a_peer_is_out_only(void **state)
{
    struct world w;
    struct hub_receipt receipt;
    (void)state;

    world_init(&w);
    subscribe(world_open(&w, 0, &door_lines), want_in("c", "t"));
    struct item item = {
        .cache = BYTES("c"),
        .topic = BYTES("t"),
        .value = BYTES("from elsewhere"),
        .hash = hash_topic(&w.core.hash_key, BYTES("c"), BYTES("t")),
        .origin = 5,
        .count = 1,
    };
    hub_publish(w.core.hub, &item, HUB_FROM_PEER, &receipt);
    item.cache = BYTES("strange"); /* nobody here reads it */
    item.hash = hash_topic(&w.core.hash_key, item.cache, item.topic);
    hub_publish(w.core.hub, &item, HUB_FROM_INGRESS, &receipt);
    hub_settle(w.core.hub);
    assert_count(&usage_of(&w, "c")->in, 0, 0, 0);
    assert_count(&usage_of(&w, "c")->out, 1, 14, 1);
    assert_null(meters_find(&w.core.meters, BYTES("strange")));
    world_fini(&w);
}

static void what_was_refused_does_not_count(void **state)
{
    struct world w;
    (void)state;

    world_init(&w);
    struct client *a = world_open(&w, 0, &door_lines);
    w.core.limits.item_len = 1024;
    assert_int_equal(publish_to(a, "c", "t", 1025), ERR_TOO_BIG);
    assert_int_equal(publish_to(a, "c/", "t", 1), ERR_NAME);
    w.core.ready = false;
    assert_int_equal(publish_to(a, "c", "t", 1), ERR_NOT_READY);
    assert_null(meters_find(&w.core.meters, BYTES("c")));
    world_fini(&w);
}

static void a_meter_outlives_its_last_topic(void **state)
{
    struct world w;
    (void)state;

    world_init(&w);
    struct client *a = world_open(&w, 0, &door_plain);
    for (int i = 0; i < 3; i++) {
        struct sub *sub = subscribe(a, want_in("c", "t"));
        assert_int_equal(publish_to(a, "c", "t", 5), 0);
        client_unsubscribe(a, sub);
        assert_int_equal(hub_subs_in(w.core.hub, BYTES("c")), 0);
    }
    assert_count(&usage_of(&w, "c")->out, 3, 15, 3);
    world_fini(&w);
}

static void what_is_delivered_again_on_resume_counts(void **state)
{
    struct world w;
    struct hub_position position;
    struct sub *sub;
    (void)state;

    world_init(&w);
    struct client *a = world_open(&w, 0, &door_lines);
    struct client *b = world_open(&w, 1, &door_lines);
    struct hub_want want = want_in("c", "t");
    subscribe(a, want);
    assert_int_equal(publish_to(a, "c", "t", 5), 0);
    assert_int_equal(publish_to(a, "c", "t", 2000), 0);
    assert_true(hub_position(w.core.hub, BYTES("c"), BYTES("t"), &position));
    want.resume = true;
    want.page = position.page;
    assert_int_equal(client_subscribe(b, &want, &sub, &position), 0);
    assert_count(&usage_of(&w, "c")->out, 2, 2005, 3);
    hub_replay(w.core.hub, sub, &want, &position);
    assert_count(&usage_of(&w, "c")->out, 4, 4010, 6);
    world_fini(&w);
}

/* Those in its output count, though it will never read them; those that come
 * while it is slow do not. */
static void a_slow_reader_is_out_for_what_it_was_put_into(void **state)
{
    struct world w;
    uint64_t made = 0;
    (void)state;

    world_init(&w);
    struct client *a = world_open(&w, 0, &door_lines);
    struct client *b = world_open(&w, 1, &door_lines);
    subscribe(a, want_in("c", "t"));
    w.conns[0]->window = 0;
    while (!a->slow) {
        assert_int_equal(publish_to(b, "c", "t", 8000), 0);
        fake_flush(&w.core);
        assert_in_range(++made, 1, 1000);
    }
    uint64_t put = w.core.stats.delivered;
    assert_in_range(put, 100, made);
    assert_count(&usage_of(&w, "c")->out, put, put * 8000, put * 8);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(publish_to(b, "c", "t", 8000), 0);
        fake_flush(&w.core);
    }
    assert_count(&usage_of(&w, "c")->out, put, put * 8000, put * 8);
    assert_count(&usage_of(&w, "c")->in, made + 10, (made + 10) * 8000,
                 (made + 10) * 8);
    world_fini(&w);
}

/* --- against a model --- */

enum {
    CLIENTS = 6,
    CACHES = 3,
    TOPICS = 4,
    NAMES = 6, /* topics and then patterns */
    STEPS = 3000,
};

static const char *const caches[CACHES] = {"red", "green", "blue"};
static const char *const names[NAMES] = {"a1", "a2", "b1", "b2", "a*", "*2"};
static const bool matches[NAMES][TOPICS] = {{1, 0, 0, 0}, {0, 1, 0, 0},
                                            {0, 0, 1, 0}, {0, 0, 0, 1},
                                            {1, 1, 0, 0}, {0, 1, 0, 1}};

struct model {
    struct world w;
    uint64_t rng;
    struct sub *subs[CLIENTS][CACHES][NAMES];
    struct usage usages[CACHES];
};

static size_t roll(struct model *m, size_t n)
{
    m->rng = hash_mix(m->rng);
    return m->rng % n;
}

static size_t readers(const struct model *m, size_t cache, size_t topic)
{
    size_t len = 0;

    for (size_t i = 0; i < CLIENTS; i++) {
        for (size_t n = 0; n < NAMES; n++) {
            len += m->subs[i][cache][n] != NULL && matches[n][topic];
        }
    }
    return len;
}

static void step_publish(struct model *m)
{
    static const size_t lens[] = {0, 1, 10, 1023, 1024, 1025, 5000, 8192};
    size_t cache = roll(m, CACHES);
    size_t topic = roll(m, TOPICS);
    size_t len = lens[roll(m, ARRAY_LEN(lens))];
    const struct usage_count one = {1, len, usage_operations(len)};
    struct client *client = m->w.conns[roll(m, CLIENTS)]->conn.client;

    assert_int_equal(publish_to(client, caches[cache], names[topic], len), 0);
    usage_count(&m->usages[cache].in, &one, 1);
    usage_count(&m->usages[cache].out, &one, readers(m, cache, topic));
}

static void step_subscribe(struct model *m)
{
    size_t at = roll(m, CLIENTS);
    size_t cache = roll(m, CACHES);
    size_t name = roll(m, NAMES);
    struct client *client = m->w.conns[at]->conn.client;
    struct sub **sub = &m->subs[at][cache][name];

    if (*sub == NULL) {
        *sub = subscribe(client, want_in(caches[cache], names[name]));
    } else {
        client_unsubscribe(client, *sub);
        *sub = NULL;
    }
}

static void compare(struct model *m)
{
    struct usage sum = {0};

    hub_settle(m->w.core.hub);
    for (size_t i = 0; i < CACHES; i++) {
        const struct meter *meter = meters_find(&m->w.core.meters,
                                                bytes_str(caches[i]));
        struct usage none = {0};
        assert_memory_equal(meter == NULL ? &none : &meter->usage,
                            &m->usages[i], sizeof none);
        usage_add(&sum, &m->usages[i]);
    }
    assert_int_equal(sum.in.items, m->w.core.stats.published);
    assert_int_equal(sum.out.items, m->w.core.stats.delivered);
}

static void random_lives_are_counted_as_a_model_counts_them(void **state)
{
    static const struct door *const doors[] = {&door_lines, &door_plain,
                                               &door_frames};
    (void)state;

    for (uint64_t seed = 1; seed <= 20; seed++) {
        static struct model m;
        m = (struct model){.rng = seed};
        world_init(&m.w);
        for (size_t i = 0; i < CLIENTS; i++) {
            world_open(&m.w, i, doors[i % ARRAY_LEN(doors)]);
        }
        for (int step = 0; step < STEPS; step++) {
            if (roll(&m, 4) > 0) {
                step_publish(&m);
            } else {
                step_subscribe(&m);
            }
            if (roll(&m, 10) == 0) {
                compare(&m);
                fake_flush(&m.w.core);
            }
        }
        compare(&m);
        world_fini(&m.w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cache_keeps_its_meter),
        cmocka_unit_test(names_beyond_the_bound_are_counted_without_one),
        cmocka_unit_test(a_cache_with_a_quota_has_its_own_in_any_case),
        cmocka_unit_test(without_memory_it_is_counted_without_a_name),
        cmocka_unit_test(an_item_counts_in_once_and_out_for_each_subscription),
        cmocka_unit_test(an_own_item_that_is_not_wanted_does_not_count),
        cmocka_unit_test(an_item_of_a_peer_is_out_only),
        cmocka_unit_test(what_was_refused_does_not_count),
        cmocka_unit_test(a_meter_outlives_its_last_topic),
        cmocka_unit_test(what_is_delivered_again_on_resume_counts),
        cmocka_unit_test(a_slow_reader_is_out_for_what_it_was_put_into),
        cmocka_unit_test(random_lives_are_counted_as_a_model_counts_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
