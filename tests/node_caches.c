/* SPDX-License-Identifier: Apache-2.0
 *
 * Caches on one node that stands alone, with a real cluster machine: what may
 * be used, what ends when one is deleted, and /v1/caches.
 */
#include "tests/test.h"

#include <stdio.h>

#include "proto/token.h"
#include "tests/ask.h"

static const struct token_keys keys = {
    .len = 1,
    .keys = {{.alg = TOKEN_HS256,
              .kid = "k1",
              .can_sign = true,
              .secret = {1, 2, 3}}},
};

static struct log quiet;
static struct core core;

static void open_core(bool only_known, bool keyed)
{
    struct core_options options = fake_core_options();
    struct cluster_options machine = {
        .self = {.id = options.id,
                 .cluster = {.ip = {[15] = 1}, .port = 7401},
                 .data_port = 7402,
                 .name = BYTES("n1"),
                 .region = BYTES("eu"),
                 .version = BYTES("0.1.0")},
        .seed = 1,
    };

    options.log = &quiet;
    options.token_keys = keyed ? &keys : NULL;
    options.only_known_caches = only_known;
    options.cluster = cluster_new(&machine, 1000);
    assert_non_null(options.cluster);
    assert_int_equal(core_init(&core, &options), 0);
    core_turn(&core, 1000, 1795305600000);
    core.ready = true;
}

static void close_core(void)
{
    struct cluster *cluster = core.cluster;

    while (core.clients != NULL) {
        fake_conn_free((struct fake_conn *)core.clients->conn);
    }
    core_fini(&core);
    cluster_free(cluster);
}

/* The end of a turn, as node/effects.c has it. */
static void end_turn(void)
{
    struct cluster_effect effect;

    cluster_flush(core.cluster, core.now_ms);
    while (cluster_next(core.cluster, &effect)) {
        if (effect.type == CLUSTER_REGISTER) {
            caches_changed(&core, effect.reg);
        }
    }
    fake_wait(&core, 1);
}

static int setup(void **state)
{
    (void)state;
    open_core(true, false);
    return 0;
}

static int setup_auto(void **state)
{
    (void)state;
    open_core(false, false);
    return 0;
}

static int setup_keyed(void **state)
{
    (void)state;
    open_core(true, true);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    close_core();
    return 0;
}

static void create(const char *name)
{
    assert_int_equal(caches_create(&core, bytes_str(name), core.auth.anonymous),
                     0);
    end_turn();
}

static void del(const char *name)
{
    assert_int_equal(caches_delete(&core, bytes_str(name), core.auth.anonymous),
                     0);
    end_turn();
}

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
    assert_true(ask_out_has(fake, "{\"name\":\"fixed\",\"changed_at\":0,"));
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
    bool created;
    (void)state;

    assert_int_equal(
        caches_put(&core, BYTES("a"), &quota, core.auth.anonymous, &created),
        0);
    assert_true(created);
    end_turn();
    assert_memory_equal(caches_quota(&core, BYTES("a")), &quota, sizeof quota);
    assert_int_equal(publish(fake, "/topics/a/t"), 204);
    assert_int_equal(publish(fake, "/topics/a/t"), 429);
    assert_int_equal(
        caches_put(&core, BYTES("a"), &none, core.auth.anonymous, &created), 0);
    assert_false(created);
    end_turn();
    assert_null(caches_quota(&core, BYTES("a")));
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

/* --- over HTTP --- */

/* "Authorization: ..." of a token with one grant (none without a cache) and one
 * scope. */
static const char *bearer(const char *cache, const char *scope)
{
    static char header[1024];
    struct token token = {
        .subject = BYTES("ann"),
        .expires_at = core.wall_ms / 1000 + 60,
        .grants_len = cache == NULL ? 0 : 1,
        .grants = {{.all = true, .role = TOKEN_SUBSCRIBE}},
        .scopes_len = scope == NULL ? 0 : 1,
    };
    struct buf text = {0};

    if (cache != NULL) {
        token.grants[0].cache = bytes_str(cache);
    }
    if (scope != NULL) {
        token.scopes[0] = bytes_str(scope);
    }
    buf_add_str(&text, "Authorization: Bearer ");
    assert_int_equal(token_write(&core.auth.keys, &token, &text), 0);
    assert_true(text.len < sizeof header);
    memcpy(header, text.p, text.len);
    header[text.len] = '\0';
    buf_fini(&text);
    return header;
}

static unsigned ask_as(struct fake_conn *fake, const char *header,
                       const char *method, const char *target, const char *body)
{
    struct http_request request = ask_request(
        &(struct ask){method, target, header, NULL, body});

    fake_conn_reset(fake);
    if (fake->conn.client->door != NULL) {
        client_leave_door(fake->conn.client);
    }
    assert_int_equal(request_admit(fake->conn.client, &request), 0);
    ask_door_of(fake, &request);
    end_turn();
    return fake->status;
}

static void http_creates_shows_lists_and_deletes(void **state)
{
    static const struct {
        const char *method;
        const char *target;
        const char *body;
        unsigned status;
        const char *says;
    } rows[] = {
        {"GET", "/v1/caches", "", 200,
         "{\"auto_create_caches\":false,\"caches\":[]}"},
        {"GET", "/v1/caches/a", "", 404, "NO_CACHE"},
        {"DELETE", "/v1/caches/a", "", 404, "NO_CACHE"},
        {"PUT", "/v1/caches/a", "", 201, "{\"name\":\"a\","},
        {"PUT", "/v1/caches/a", "", 200, "{\"name\":\"a\","},
        {"PUT", "/v1/caches/b", "{\"subs\":5}", 201,
         "\"quota\":{\"publish_rate\":0,\"item_len\":0,\"subs\":5}"},
        {"PUT", "/v1/caches/b", "", 200, "\"subs\":5"},
        {"PUT", "/v1/caches/b", "{\"item_len\":7}", 200,
         "{\"publish_rate\":0,\"item_len\":7,\"subs\":0}"},
        {"PUT", "/v1/caches/b", "{\"item_length\":7}", 400, "ARGUMENT"},
        {"PUT", "/v1/caches/b", "{\"subs\":-1}", 400, "ARGUMENT"},
        {"PUT", "/v1/caches/b", "{\"subs\":4294967296}", 400, "ARGUMENT"},
        {"PUT", "/v1/caches/b", "{\"subs\":\"5\"}", 400, "ARGUMENT"},
        {"PUT", "/v1/caches/b", "[]", 400, "SYNTAX"},
        {"PUT", "/v1/caches/b", "{", 400, "SYNTAX"},
        {"PUT", "/v1/caches/_sys", "", 400, "NAME"},
        {"PUT", "/v1/caches/a/b", "", 400, "NAME"},
        {"PUT", "/v1/caches/", "", 400, "NAME"},
        {"GET", "/v1/caches", "", 200, "\"caches\":[{\"name\":\"a\","},
        {"GET", "/v1/caches/b", "", 200, "{\"name\":\"b\","},
        {"POST", "/v1/caches/b", "", 405, "METHOD"},
        {"PUT", "/v1/caches", "", 405, "METHOD"},
        {"DELETE", "/v1/caches/b", "", 204, ""},
        {"GET", "/v1/caches/b", "", 404, "NO_CACHE"},
    };
    struct fake_conn *fake = fake_conn_new(&core);
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        unsigned status = ask_as(fake, NULL, rows[i].method, rows[i].target,
                                 rows[i].body);
        bool says = rows[i].says[0] == '\0' || ask_out_has(fake, rows[i].says);
        if (status != rows[i].status || !says) {
            fail_msg("row %zu: %u %.*s", i, status,
                     (int)fake_conn_out(fake).len,
                     (const char *)fake_conn_out(fake).p);
        }
    }
}

static void
changes_need_their_scope_and_lists_show_what_grants_reach(void **state)
{
    static const struct {
        const char *cache;
        const char *scope;
        unsigned put;
        bool sees_a;
        bool sees_b;
    } rows[] = {
        {"a", NULL, 403, true, false},
        {"", NULL, 403, true, true},
        {"other", NULL, 403, false, false},
        {NULL, "admin:read", 403, true, true},
        {NULL, "admin:caches", 201, true, true},
        {NULL, "admin:*", 200, true, true},
    };
    struct fake_conn *fake = fake_conn_new(&core);
    (void)state;

    create("a");
    create("b");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const char *who = bearer(rows[i].cache, rows[i].scope);
        assert_int_equal(ask_as(fake, who, "PUT", "/v1/caches/c", ""),
                         rows[i].put);
        assert_int_equal(ask_as(fake, who, "GET", "/v1/caches", ""), 200);
        assert_int_equal(ask_out_has(fake, "\"a\""), rows[i].sees_a);
        assert_int_equal(ask_out_has(fake, "\"b\""), rows[i].sees_b);
        assert_int_equal(ask_as(fake, who, "GET", "/v1/caches/b", ""),
                         rows[i].sees_b ? 200 : 404);
    }
    assert_int_equal(ask_as(fake, NULL, "GET", "/v1/caches", ""), 401);
    assert_int_equal(ask_as(fake, NULL, "PUT", "/v1/caches/d", ""), 401);
    assert_int_equal(ask_as(fake, NULL, "DELETE", "/v1/caches/a", ""), 401);
}

/* Who may not use the cache does not learn whether there is one. */
static void a_missing_grant_is_said_before_a_missing_cache(void **state)
{
    struct fake_conn *fake = fake_conn_new(&core);
    (void)state;

    assert_int_equal(ask_as(fake, bearer("a", NULL), "GET", "/topics/b/t", ""),
                     403);
    assert_int_equal(ask_as(fake, bearer("a", NULL), "GET", "/topics/a/t", ""),
                     404);
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
        T(nobody_resumes_across_a_deletion, setup),
        T(http_creates_shows_lists_and_deletes, setup),
        T(changes_need_their_scope_and_lists_show_what_grants_reach,
          setup_keyed),
        T(a_missing_grant_is_said_before_a_missing_cache, setup_keyed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
