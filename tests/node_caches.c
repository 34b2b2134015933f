/* SPDX-License-Identifier: Apache-2.0
 *
 * Caches on one node: what may be used, and what ends when one is deleted.
 */
#include "tests/test.h"

#include <stdio.h>

#include "tests/caches_core.h"

/* --- what may be used --- */

static unsigned publish(struct fake_conn *fake, const char *target)
{
    ask_again(fake,
              &(struct ask){.method = "POST", .target = target, .body = "x"});
    return fake->status;
}

static void only_what_was_created_may_be_used(void **state)
{
    struct fake_conn *fake = fake_conn_new(&core);
    (void)state;

    assert_int_equal(publish(fake, "/topics/demo/a"), 404);
    assert_true(ask_out_has(fake, "{\"code\":4041,\"error\":\"NO_CACHE\","
                                  "\"message\":\"A cache with the specified "
                                  "name does not exist\"}"));
    ask_again(fake, &(struct ask){.target = "/topics/demo/a"});
    assert_int_equal(fake->status, 404);
    create("demo");
    assert_int_equal(publish(fake, "/topics/demo/a"), 204);
    assert_int_equal(publish(fake, "/topics/Demo/a"), 404);
    del("demo");
    assert_int_equal(publish(fake, "/topics/demo/a"), 404); /* the same aim */
}

static void any_may_be_used_when_they_come_by_themselves(void **state)
{
    struct fake_conn *fake = fake_conn_new(&core);
    (void)state;

    assert_int_equal(publish(fake, "/topics/demo/a"), 204);
    create("demo");
    del("demo");
    assert_int_equal(publish(fake, "/topics/demo/a"), 204);
}

static void what_is_configured_is_always_there(void **state)
{
    const struct bytes fixed[] = {BYTES("fixed")};
    struct fake_conn *fake = fake_conn_new(&core);
    const struct quota none = {0};
    bool created;
    (void)state;

    core.caches.fixed = fixed;
    meter_bound(meters_of(&core.meters, fixed[0]),
                &(struct quota){.item_len = 9000});
    core.caches.fixed_len = 1;
    assert_int_equal(publish(fake, "/topics/fixed/a"), 204);
    assert_int_equal(caches_create(&core, fixed[0], core.auth.anonymous),
                     ERR_CONFLICT);
    assert_int_equal(
        caches_put(&core, fixed[0], &none, core.auth.anonymous, &created),
        ERR_STATE);
    assert_int_equal(caches_delete(&core, fixed[0], core.auth.anonymous),
                     ERR_STATE);
    ask_again(fake, &(struct ask){.target = "/v1/caches"});
    assert_true(ask_out_has(fake,
                            "{\"name\":\"fixed\",\"changed_at\":0,\"quota\":{"
                            "\"publish_rate\":0,\"item_len\":9000,"));
}

static void
a_node_that_joins_lets_subscribe_and_ends_it_when_it_knows(void **state)
{
    struct fake_conn *fake = fake_conn_new(&core);
    (void)state;

    create("there");
    core.ready = false;
    ask_again(fake, &(struct ask){.target = "/topics/demo/a",
                                  .header = "Accept: text/event-stream"});
    struct fake_conn *other = ask_new(
        &core, &(struct ask){.target = "/topics/there/a",
                             .header = "Accept: text/event-stream"});
    assert_int_equal(fake->status, 200);
    core.ready = true;
    caches_known(&core);
    fake_flush(&core);
    assert_true(ask_out_has(fake, "event: end\ndata: {\"code\":4041,"));
    assert_int_equal(other->conn.client->subs_len, 1);
}

/* --- creating and deleting --- */

static void names_that_are_none_are_refused(void **state)
{
    static const char *const names[] = {"", "a/b", "_sys", "a b"};
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        assert_int_equal(
            caches_create(&core, bytes_str(names[i]), core.auth.anonymous),
            ERR_NAME);
        assert_int_equal(
            caches_delete(&core, bytes_str(names[i]), core.auth.anonymous),
            ERR_NAME);
    }
}

static void a_cache_is_created_once_and_deleted_once(void **state)
{
    (void)state;
    create("a");
    assert_int_equal(caches_create(&core, BYTES("a"), core.auth.anonymous),
                     ERR_CONFLICT);
    del("a");
    assert_int_equal(caches_delete(&core, BYTES("a"), core.auth.anonymous),
                     ERR_NO_CACHE);
    create("a");
    assert_int_equal(caches_use(&core, BYTES("a")), 0);
}

static void a_node_that_has_not_joined_changes_nothing(void **state)
{
    (void)state;
    core.ready = false;
    assert_int_equal(caches_create(&core, BYTES("a"), core.auth.anonymous),
                     ERR_NOT_READY);
    assert_int_equal(caches_delete(&core, BYTES("a"), core.auth.anonymous),
                     ERR_NOT_READY);
}

static void a_quota_goes_with_the_cache_and_bounds_it(void **state)
{
    const struct quota quota = {.publish_rate = 1, .item_len = 9, .subs = 2};
    const struct quota none = {0};
    struct fake_conn *fake = fake_conn_new(&core);
    struct caches_entry entry;
    bool created;
    (void)state;

    assert_int_equal(
        caches_put(&core, BYTES("a"), &quota, core.auth.anonymous, &created),
        0);
    assert_true(created);
    end_turn();
    assert_true(caches_find(&core, BYTES("a"), &entry));
    assert_memory_equal(&entry.quota, &quota, sizeof quota);
    assert_int_equal(publish(fake, "/topics/a/t"), 204);
    assert_int_equal(publish(fake, "/topics/a/t"), 429);
    assert_int_equal(
        caches_put(&core, BYTES("a"), &none, core.auth.anonymous, &created), 0);
    assert_false(created);
    end_turn();
    assert_true(caches_find(&core, BYTES("a"), &entry));
    assert_true(quota_is_none(&entry.quota));
    assert_int_equal(publish(fake, "/topics/a/t"), 204);
}

/* --- the end of a cache, in the words of each door --- */

static struct fake_conn *read_events(const char *target)
{
    return ask_new(&core, &(struct ask){.target = target,
                                        .header = "Accept: text/event-stream"});
}

static void deletion_ends_streams_in_their_own_words(void **state)
{
    struct fake_conn *resp = fake_conn_new(&core);
    struct fake_conn *native = fake_conn_new(&core);
    struct bytes message;
    (void)state;

    create("default");
    create("other");
    struct fake_conn *events = read_events("/topics/default/a");
    struct fake_conn *others = read_events("/topics/other/a");
    struct fake_conn *poll = ask_new(
        &core, &(struct ask){.target = "/topics/default/a"});
    assert_int_equal(poll->status, 0);
    assert_int_equal(fake_conn_open(resp, &door_resp, NULL), 0);
    fake_conn_say(resp, BYTES("SUBSCRIBE a\r\n"));
    assert_int_equal(fake_conn_open_ws(native, &door_native, NULL, 0), 0);
    fake_conn_say_message(native,
                          BYTES("{\"op\":\"subscribe\",\"id\":1,"
                                "\"cache\":\"default\",\"topic\":"
                                "\"a\"}"),
                          false);
    fake_conn_say_message(native,
                          BYTES("{\"op\":\"subscribe\",\"id\":2,"
                                "\"cache\":\"other\",\"topic\":"
                                "\"a\"}"),
                          false);
    fake_flush(&core);
    assert_int_equal(native->conn.client->subs_len, 2);
    fake_conn_reset(native);
    fake_conn_reset(resp);

    del("default");
    assert_true(ask_out_has(events, "event: end\ndata: {\"code\":4041,"));
    assert_true(events->closed);
    assert_int_equal(poll->status, 404);
    assert_true(ask_out_has(poll, "A cache with the specified name does not"));
    assert_true(ask_out_has(resp, "-ERR A cache with the specified name does "
                                  "not exist"));
    assert_true(resp->closed);
    assert_true(fake_conn_message(native, &message));
    assert_non_null(memmem(message.p, message.len, "\"code\":4041",
                           strlen("\"code\":4041")));
    assert_int_equal(native->conn.client->subs_len, 1);
    assert_int_equal(others->conn.client->subs_len, 1);
    assert_false(others->closed);
}

static void nobody_resumes_across_a_deletion(void **state)
{
    struct hub_position position;
    char target[128];
    (void)state;

    create("demo");
    struct fake_conn *events = read_events("/topics/demo/a");
    assert_true(hub_position(core.hub, BYTES("demo"), BYTES("a"), &position));
    ask_say(&core, "/topics/demo/a", "secret");
    fake_conn_free(events);
    del("demo");
    create("demo");
    (void)snprintf(target, sizeof target, "/topics/demo/a?last-event-id=%llu-0",
                   (unsigned long long)position.page);
    events = read_events(target);
    assert_false(ask_out_has(events, "secret"));
    assert_true(ask_out_has(events, "event: discontinuity"));
}

static void a_streaming_call_ends_with_its_cache(void **state)
{
    (void)state;
    create("a");
    struct fake_conn *fake = grpc_call_new(
        &core,
        &(struct grpc_ask){.path = "/cache_client.pubsub.Pubsub/Subscribe",
                           .message = BYTES("\x0a\x01"
                                            "a\x12\x01t")});
    assert_int_equal(grpc_status_of(fake), -1);
    assert_int_equal(fake->conn.client->subs_len, 1);
    del("a");
    assert_int_equal(grpc_status_of(fake), GRPC_NOT_FOUND);
}

int main(void)
{
#define T(name, how) cmocka_unit_test_setup_teardown(name, how, teardown)
    static const struct CMUnitTest tests[] = {
        T(only_what_was_created_may_be_used, setup),
        T(any_may_be_used_when_they_come_by_themselves, setup_auto),
        T(what_is_configured_is_always_there, setup),
        T(a_node_that_joins_lets_subscribe_and_ends_it_when_it_knows, setup),
        T(names_that_are_none_are_refused, setup),
        T(a_cache_is_created_once_and_deleted_once, setup),
        T(a_node_that_has_not_joined_changes_nothing, setup),
        T(a_quota_goes_with_the_cache_and_bounds_it, setup),
        T(deletion_ends_streams_in_their_own_words, setup),
        T(a_streaming_call_ends_with_its_cache, setup),
        T(nobody_resumes_across_a_deletion, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
