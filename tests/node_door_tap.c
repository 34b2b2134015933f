/* SPDX-License-Identifier: Apache-2.0
 *
 * Taps on four nodes, watched at one of them.
 */
#include "tests/test.h"

#include "node/watch/tap.h"
#include "tests/admin_ends.h"

static int setup(void **state)
{
    (void)state;
    admin_ends_init(tap_serve);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    ends_fini(&ends);
    return 0;
}

static void run(uint64_t ms)
{
    for (uint64_t i = 0; i < ms; i += 10) {
        for (size_t end = 0; end < ENDS; end++) {
            fake_wait(&ends.at[end].core, 10);
        }
        ends_settle(&ends);
        for (size_t end = 0; end < ENDS; end++) {
            fake_flush(&ends.at[end].core);
        }
    }
}

static struct fake_conn *tap(const char *target)
{
    struct fake_conn *fake = ask_new(core, &(struct ask){.target = target});

    assert_int_equal(fake->status, 200);
    assert_true(fake->streaming);
    assert_true(ask_head_has(fake, "text/event-stream\n"));
    run(50);
    return fake;
}

static void publish(size_t end, const char *topic, const char *value)
{
    char target[128];

    (void)snprintf(target, sizeof target, "/topics/%s", topic);
    ask_say(&ends.at[end].core, target, value);
}

/* The i-th item that was shown; NULL: there are not so many. */
static json_t *item_at(const struct fake_conn *fake, size_t i)
{
    static const char head[] = "event: item\ndata: ";
    struct bytes out = fake_conn_out(fake);
    const uint8_t *at = out.p;

    for (;; i--) {
        size_t left = out.len - (size_t)(at - out.p);
        at = left == 0 ? NULL : memmem(at, left, head, strlen(head));
        if (at == NULL) {
            return NULL;
        }
        at += strlen(head);
        if (i == 0) {
            struct bytes line = bytes_of(at, out.len - (size_t)(at - out.p));
            line.len = (size_t)bytes_find(line, '\n');
            json_t *item = json_loadb((const char *)line.p, line.len, 0, NULL);
            assert_non_null(item);
            return item;
        }
    }
}

static size_t items_of(const struct fake_conn *fake, uint64_t *sampled)
{
    size_t len = 0;
    json_t *item;

    *sampled = 0;
    while ((item = item_at(fake, len)) != NULL) {
        *sampled += (uint64_t)admin_number(item, "sampled");
        json_decref(item);
        len++;
    }
    return len;
}

static void what_is_published_anywhere_is_shown(void **state)
{
    (void)state;

    struct fake_conn *fake = tap("/v1/admin/tap/demo");
    publish(0, "demo/a", "zero");
    publish(1, "demo/b%2fc", "<script>");
    publish(1, "other/a", "not this");
    run(300);
    json_t *first = item_at(fake, 0);
    json_t *second = item_at(fake, 1);
    assert_int_equal(json_object_size(first), 8);
    assert_string_equal(admin_text(first, "node"), "n0");
    assert_string_equal(admin_text(first, "cache"), "demo");
    assert_string_equal(admin_text(first, "topic"), "a");
    assert_string_equal(admin_text(first, "publisher"), "");
    assert_string_equal(admin_text(first, "text"), "zero");
    assert_int_equal(admin_number(first, "bytes"), 4);
    assert_int_equal(admin_number(first, "sampled"), 1);
    assert_true(admin_number(first, "at") > 0);
    assert_string_equal(admin_text(second, "node"), "n1");
    assert_string_equal(admin_text(second, "topic"), "b/c");
    assert_string_equal(admin_text(second, "text"), "<script>");
    assert_false(ask_out_has(fake, "<"));
    assert_null(item_at(fake, 2));
    json_decref(first);
    json_decref(second);
    fake_conn_free(fake);
}

static void a_prefix_is_of_topics(void **state)
{
    (void)state;

    struct fake_conn *fake = tap("/v1/admin/tap/demo/room%2Ea/");
    publish(2, "demo/room.a/x", "yes");
    publish(2, "demo/room.b/x", "no");
    publish(2, "demo/room.a", "no");
    run(300);
    json_t *item = item_at(fake, 0);
    assert_string_equal(admin_text(item, "topic"), "room.a/x");
    assert_null(item_at(fake, 1));
    json_decref(item);
    fake_conn_free(fake);
}

static void bytes_are_base64_and_long_values_are_cut(void **state)
{
    char value[8192];
    (void)state;

    struct fake_conn *fake = tap("/v1/admin/tap/demo");
    const struct ask binary = {"POST", "/topics/demo/a",
                               "Content-Type: application/octet-stream", NULL,
                               "\xff\xfe"};
    assert_int_equal(ask_publish(&ends.at[1].core, &binary), 204);
    for (size_t i = 0; i + 3 < sizeof value; i += 3) {
        memcpy(value + i, "\xe2\x82\xac", 4);
    }
    publish(1, "demo/a", value);
    run(300);
    json_t *item = item_at(fake, 0);
    assert_string_equal(admin_text(item, "data"), "//4=");
    json_decref(item);
    item = item_at(fake, 1);
    assert_int_equal(admin_number(item, "bytes"), strlen(value));
    assert_int_equal(strlen(admin_text(item, "text")), 4095);
    json_decref(item);
    fake_conn_free(fake);
}

static void over_the_rate_it_counts_and_shows_no_more(void **state)
{
    uint64_t sampled;
    (void)state;

    struct fake_conn *fake = tap("/v1/admin/tap/demo?rate=10");
    for (int i = 0; i < 1000; i++) { /* 2 s, three nodes */
        publish((size_t)i % 3, "demo/a", "x");
        if (i % 5 == 0) {
            run(10);
        }
    }
    run(500);
    size_t shown = items_of(fake, &sampled);
    assert_in_range(shown, 25, 40); /* 10 at once, then 10 a second */
    assert_in_range(sampled, 800, 1000);
    fake_conn_free(fake);
}

static void a_reader_who_takes_nothing_is_not_waited_for(void **state)
{
    static char value[4096];
    uint64_t sampled;
    (void)state;

    memset(value, 'x', sizeof value - 1);
    struct fake_conn *fake = tap("/v1/admin/tap/demo?rate=100");
    fake->window = 0;
    for (int i = 0; i < 300; i++) {
        publish(1, "demo/a", value);
        run(20);
    }
    assert_in_range(fake->conn.client->out.pinned, 32 << 10, 200 << 10);
    assert_false(fake->conn.client->closing);
    fake->window = SIZE_MAX;
    run(300);
    publish(1, "demo/a", "last");
    run(300);
    assert_in_range(items_of(fake, &sampled), 10, 40);
    assert_int_equal(sampled, 301);
    fake_conn_free(fake);
}

static void without_a_watcher_nothing_is_left(void **state)
{
    (void)state;

    struct fake_conn *fake = tap("/v1/admin/tap/demo");
    for (size_t i = 0; i < ENDS - 1; i++) {
        assert_non_null(ends.at[i].core.taps);
    }
    fake_conn_free(fake);
    run(TAP_LEASE_MS + 50);
    for (size_t i = 0; i < ENDS; i++) {
        assert_null(ends.at[i].core.taps);
    }
}

static void a_node_that_is_gone_holds_no_tap_elsewhere(void **state)
{
    (void)state;

    struct fake_conn *fake = tap("/v1/admin/tap/demo");
    for (size_t i = 1; i < ENDS; i++) {
        ends.at[i].deaf = true; /* its questions do not come any more */
    }
    run(TAP_LEASE_MS + 50);
    assert_null(ends.at[1].core.taps);
    assert_non_null(core->taps);
    fake_conn_free(fake);
}

static void a_node_that_joins_is_tapped_too(void **state)
{
    (void)state;

    core = &ends.at[0].core;
    ends.at[0].cluster.members[2].state = CLUSTER_SUSPECTED;
    struct fake_conn *fake = tap("/v1/admin/tap/demo");
    assert_null(ends.at[2].core.taps);
    ends.at[0].cluster.members[2].state = CLUSTER_ALIVE;
    run(600);
    publish(2, "demo/a", "new");
    run(300);
    json_t *item = item_at(fake, 0);
    assert_string_equal(admin_text(item, "node"), "n2");
    json_decref(item);
    fake_conn_free(fake);
}

static void taps_of_a_node_are_bounded(void **state)
{
    struct fake_conn *all[TAPS_MAX];
    (void)state;

    for (size_t i = 0; i < TAPS_MAX; i++) {
        all[i] = tap("/v1/admin/tap/demo");
    }
    assert_int_equal(admin_status("GET", "/v1/admin/tap/demo"), 429);
    fake_conn_free(all[0]);
    run(TAP_LEASE_MS + 50);
    all[0] = tap("/v1/admin/tap/demo");
    for (size_t i = 0; i < TAPS_MAX; i++) {
        fake_conn_free(all[i]);
    }
}

static void it_ends_with_its_token(void **state)
{
    struct token token = {
        .subject = BYTES("ops"),
        .scopes_len = 1,
        .scopes = {BYTES("admin:tap")},
    };
    struct buf text = {0};
    (void)state;

    fake_core_ask_tokens(core);
    token.expires_at = core->wall_ms / 1000 + 2;
    buf_add_str(&text, "Authorization: Bearer ");
    assert_int_equal(token_write(&core->auth.keys, &token, &text), 0);
    buf_add_u8(&text, '\0');
    const struct ask asked = {.target = "/v1/admin/tap/demo",
                              .header = (const char *)text.p};
    struct fake_conn *fake = fake_conn_new(core);
    struct http_request request = ask_request(&asked);
    assert_int_equal(request_admit(fake->conn.client, &request), 0);
    ask_door_of(fake, &request);
    run(500);
    assert_int_equal(fake->status, 200);
    assert_false(fake->conn.client->closing);
    run(3000);
    assert_true(fake->conn.client->closing);
    assert_true(ask_out_has(fake, "event: end\ndata: {\"code\":4011"));
    fake_conn_free(fake);
    buf_fini(&text);
}

static void who_may_not_is_told(void **state)
{
    const struct ask asked = {.target = "/v1/admin/tap/demo"};
    (void)state;

    fake_core_ask_tokens(core);
    assert_int_equal(admin_status_with(&asked, NULL), 401);
    assert_int_equal(admin_status_with(&asked, "admin:read"), 403);
    assert_int_equal(admin_status_with(&asked, "admin:tap"), 200);
}

static void wrong_names_and_numbers_are_refused(void **state)
{
    static const char *const targets[] = {
        "/v1/admin/tap/",
        "/v1/admin/tap//x",
        "/v1/admin/tap/a%2fb",
        "/v1/admin/tap/a%00",
        "/v1/admin/tap/demo/%ff",
        "/v1/admin/tap/demo/%0a",
        "/v1/admin/tap/%zz",
        "/v1/admin/tap/demo?rate=0",
        "/v1/admin/tap/demo?rate=-1",
        "/v1/admin/tap/demo?rate=101",
        "/v1/admin/tap/demo?rate=",
        "/v1/admin/tap/demo?rate=18446744073709551616",
        "/v1/admin/tap/demo?rate=1e2",
        "/v1/admin/tap/demo?rate=5&rate=5",
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(targets); i++) {
        assert_int_equal(admin_status("GET", targets[i]), 400);
        assert_null(core->taps);
    }
}

static void a_pace_is_kept_whatever_the_clock_says(void **state)
{
    struct tap_pace pace = {.rate = 100, .points = 100000};
    size_t taken = 0;
    (void)state;

    for (uint64_t ms = 0; ms < 10000; ms++) {
        taken += tap_pace_take(&pace, ms);
        taken += tap_pace_take(&pace, ms);
    }
    assert_in_range(taken, 1095, 1100);
    assert_true(tap_pace_take(&pace, UINT64_MAX / 1000));
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(what_is_published_anywhere_is_shown),
        T(a_prefix_is_of_topics),
        T(bytes_are_base64_and_long_values_are_cut),
        T(over_the_rate_it_counts_and_shows_no_more),
        T(a_reader_who_takes_nothing_is_not_waited_for),
        T(without_a_watcher_nothing_is_left),
        T(a_node_that_is_gone_holds_no_tap_elsewhere),
        T(a_node_that_joins_is_tapped_too),
        T(taps_of_a_node_are_bounded),
        T(it_ends_with_its_token),
        T(who_may_not_is_told),
        T(wrong_names_and_numbers_are_refused),
        T(a_pace_is_kept_whatever_the_clock_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
