/* SPDX-License-Identifier: Apache-2.0
 *
 * What hub and clients refuse for the quota of a cache.
 */
#include "tests/test.h"

#include "node/client/caches.h"
#include "tests/metered.h"

static struct meter *bound(struct world *w, const char *cache,
                           const struct quota *quota)
{
    struct meter *meter = meters_of(&w->core.meters, bytes_str(cache));

    meter_bound(meter, quota);
    return meter;
}

static void a_rate_bounds_the_publishes_of_all_clients(void **state)
{
    struct world w;
    (void)state;

    world_init(&w);
    struct client *a = world_open(&w, 0, &door_lines);
    struct client *b = world_open(&w, 1, &door_lines);
    const struct quota quota = {.publish_rate = 2};
    struct meter *meter = bound(&w, "c", &quota);
    subscribe(b, want_in("c", "*"));
    assert_int_equal(publish_to(a, "c", "t", 1), 0);
    assert_int_equal(publish_to(b, "c", "u", 1), 0);
    assert_int_equal(publish_to(a, "c", "t", 1), ERR_QUOTA_RATE);
    assert_int_equal(publish_to(b, "c", "u", 1), ERR_QUOTA_RATE);
    assert_int_equal(publish_to(a, "d", "t", 1), 0); /* another cache */
    core_turn(&w.core, w.core.now_ms + 499, w.core.wall_ms + 499);
    assert_int_equal(publish_to(a, "c", "t", 1), ERR_QUOTA_RATE);
    core_turn(&w.core, w.core.now_ms + 1, w.core.wall_ms + 1);
    assert_int_equal(publish_to(a, "c", "t", 1), 0);
    assert_int_equal(publish_to(a, "c", "t", 1), ERR_QUOTA_RATE);
    hub_settle(w.core.hub);
    assert_count(&meter->usage.in, 3, 3, 3);
    assert_count(&meter->usage.out, 3, 3, 3);
    assert_int_equal(meter->usage.refused, 4);
    world_fini(&w);
}

static void a_rate_does_not_bound_what_peers_send(void **state)
{
    struct world w;
    struct hub_receipt receipt;
    (void)state;

    world_init(&w);
    const struct quota quota = {.publish_rate = 1, .item_len = 1};
    struct meter *meter = bound(&w, "c", &quota);
    subscribe(world_open(&w, 0, &door_lines), want_in("c", "t"));
    for (uint64_t count = 1; count <= 10; count++) {
        struct item item = {
            .cache = BYTES("c"),
            .topic = BYTES("t"),
            .value = BYTES("longer"),
            .hash = hash_topic(&w.core.hash_key, BYTES("c"), BYTES("t")),
            .origin = 5,
            .count = count,
        };
        hub_publish(w.core.hub, &item, HUB_FROM_PEER, &receipt);
        assert_int_equal(receipt.subs, 1);
    }
    assert_int_equal(meter->usage.refused, 0);
    world_fini(&w);
}

static void an_item_size_bounds_the_value(void **state)
{
    struct world w;
    (void)state;

    world_init(&w);
    struct client *a = world_open(&w, 0, &door_lines);
    const struct quota quota = {.item_len = 4096};
    struct meter *meter = bound(&w, "c", &quota);
    assert_int_equal(publish_to(a, "c", "t", 4096), 0);
    assert_int_equal(publish_to(a, "c", "t", 4097), ERR_QUOTA_ITEM);
    assert_int_equal(meter->usage.refused, 1);
    assert_count(&meter->usage.in, 1, 4096, 4);
    world_fini(&w);
}

static int try_subscribe(struct client *client, const char *name)
{
    struct hub_want want = want_in("c", name);
    struct hub_position position;
    struct sub *sub;

    return client_subscribe(client, &want, &sub, &position);
}

static void subscriptions_of_all_clients_are_bounded_together(void **state)
{
    struct world w;
    (void)state;

    world_init(&w);
    struct client *a = world_open(&w, 0, &door_lines);
    struct client *b = world_open(&w, 1, &door_lines);
    const struct quota quota = {.subs = 3};
    struct meter *meter = bound(&w, "c", &quota);
    struct sub *first = subscribe(a, want_in("c", "t"));
    assert_int_equal(try_subscribe(b, "t"), 0);
    assert_int_equal(try_subscribe(b, "*"), 0);
    assert_int_equal(hub_subs_in(w.core.hub, BYTES("c")), 3);
    assert_int_equal(try_subscribe(a, "u"), ERR_QUOTA_SUBS);
    assert_int_equal(try_subscribe(a, "t*"), ERR_QUOTA_SUBS);
    assert_int_equal(meter->usage.refused, 2);
    assert_int_equal(try_subscribe(b, "t"), 0); /* it has it already */
    subscribe(a, want_in("d", "u"));            /* another cache */
    client_unsubscribe(a, first);
    assert_int_equal(try_subscribe(a, "u"), 0);
    meter_bound(meter, &(struct quota){.subs = 1}); /* who is in stays */
    assert_int_equal(hub_subs_in(w.core.hub, BYTES("c")), 3);
    assert_int_equal(try_subscribe(a, "v"), ERR_QUOTA_SUBS);
    meter_bound(meter, &(struct quota){0});
    assert_int_equal(try_subscribe(a, "v"), 0);
    world_fini(&w);
}

static void change(struct world *w, const char *cache,
                   const struct quota *quota)
{
    struct buf value = {0};

    quota_write(quota, &value);
    caches_changed(&w->core, &(struct cluster_register){
                                 .kind = CLUSTER_REGISTER_CACHE,
                                 .key = bytes_str(cache),
                                 .value = buf_bytes(&value),
                             });
    hub_check(w->core.hub);
    buf_fini(&value);
}

/* Also when so many names were invented before that it was counted without
 * one, by who publishes and subscribes already. */
static void a_quota_holds_from_when_it_is_given(void **state)
{
    struct world w;
    (void)state;

    world_init(&w);
    struct client *a = world_open(&w, 0, &door_lines);
    for (unsigned i = 0; i < METERS_MAX; i++) {
        (void)named(&w.core.meters, i);
    }
    subscribe(a, want_in("late", "t"));
    for (int i = 0; i < 5; i++) {
        assert_int_equal(publish_to(a, "late", "t", 1), 0);
    }
    assert_null(meters_find(&w.core.meters, BYTES("late")));
    change(&w, "late", &(struct quota){.publish_rate = 1, .subs = 1});
    assert_int_equal(w.core.meters.rest.usage.out.items, 5);
    assert_int_equal(publish_to(a, "late", "t", 1), 0);
    assert_int_equal(publish_to(a, "late", "t", 1), ERR_QUOTA_RATE);
    struct hub_want want = want_in("late", "u");
    assert_int_equal(client_may_subscribe(a, &want), ERR_QUOTA_SUBS);
    hub_settle(w.core.hub);
    assert_count(&usage_of(&w, "late")->out, 1, 1, 1);
    change(&w, "late", &(struct quota){.publish_rate = 2});
    core_turn(&w.core, w.core.now_ms + 1000, w.core.wall_ms + 1000);
    assert_int_equal(publish_to(a, "late", "t", 1), 0);
    assert_int_equal(publish_to(a, "late", "t", 1), 0);
    assert_int_equal(publish_to(a, "late", "t", 1), ERR_QUOTA_RATE);
    assert_int_equal(client_may_subscribe(a, &want), 0);
    change(&w, "late", &(struct quota){0});
    assert_int_equal(publish_to(a, "late", "t", 1), 0);
    change(&w, "never", &(struct quota){0});
    assert_null(meters_find(&w.core.meters, BYTES("never")));
    world_fini(&w);
}

/* Who may not publish or subscribe learns nothing of the quota and takes
 * nothing of it. */
static void a_stranger_takes_nothing_of_a_quota(void **state)
{
    struct world w;
    (void)state;

    world_init(&w);
    struct client *a = world_open(&w, 0, &door_lines);
    const struct quota quota = {.publish_rate = 1, .item_len = 1, .subs = 1};
    struct meter *meter = bound(&w, "c", &quota);
    fake_core_ask_tokens(&w.core);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(publish_to(a, "c", "t", 2), ERR_UNAUTH);
        assert_int_equal(try_subscribe(a, "t"), ERR_UNAUTH);
    }
    assert_int_equal(meter->usage.refused, 0);
    assert_int_equal(meter->bucket.taken, 0);
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_rate_bounds_the_publishes_of_all_clients),
        cmocka_unit_test(a_rate_does_not_bound_what_peers_send),
        cmocka_unit_test(an_item_size_bounds_the_value),
        cmocka_unit_test(subscriptions_of_all_clients_are_bounded_together),
        cmocka_unit_test(a_quota_holds_from_when_it_is_given),
        cmocka_unit_test(a_stranger_takes_nothing_of_a_quota),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
