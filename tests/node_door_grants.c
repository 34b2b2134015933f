/* SPDX-License-Identifier: Apache-2.0
 *
 * The HTTP doors of a node with keys: who may do what, and what happens to
 * those who stay after their token has expired.
 */
#include "tests/test.h"

#include "proto/token.h"
#include "tests/ask.h"

enum {
    LIFE_S = 60
};

static void keyed_core(struct core *core)
{
    static const struct token_keys keys = {
        .len = 1,
        .keys = {{.alg = TOKEN_HS256,
                  .kid = "k1",
                  .can_sign = true,
                  .secret = {1, 2, 3}}},
    };
    struct core_options options = fake_core_options();
    options.token_keys = &keys;
    assert_int_equal(core_init(core, &options), 0);
    core_turn(core, 1000, 1795305600000);
    core->ready = true;
}

/* "Authorization: Bearer ..." of ann, who may do `role` with demo/a. */
static void bearer(const struct core *core, uint8_t role, const char *scope,
                   char header[1024])
{
    struct token token = {
        .subject = BYTES("ann"),
        .expires_at = core->wall_ms / 1000 + LIFE_S,
        .grants_len = 1,
        .grants = {{.cache = BYTES("demo"), .topic = BYTES("a"), .role = role}},
        .scopes_len = scope == NULL ? 0 : 1,
    };
    struct buf text = {0};
    if (scope != NULL) {
        token.scopes[0] = bytes_str(scope);
    }
    buf_add_str(&text, "Authorization: Bearer ");
    assert_int_equal(token_write(&core->auth.keys, &token, &text), 0);
    assert_true(text.len < 1024);
    memcpy(header, text.p, text.len);
    header[text.len] = '\0';
    buf_fini(&text);
}

/* With the admission that a carrier makes first. */
static struct fake_conn *ask_admitted(struct core *core, const struct ask *ask)
{
    struct fake_conn *fake = fake_conn_new(core);
    struct http_request request = ask_request(ask);
    int err = request_admit(fake->conn.client, &request);
    if (err < 0) {
        request_error(fake->conn.client, &request, err);
    } else {
        ask_door_of(fake, &request);
    }
    fake_flush(core);
    return fake;
}

static unsigned status_of(struct core *core, const struct ask *ask)
{
    struct fake_conn *fake = ask_admitted(core, ask);
    unsigned status = fake->status;
    fake_conn_free(fake);
    return status;
}

static void each_role_opens_its_own_doors_only(void **state)
{
    static const char events[] = "Accept: text/event-stream";
    static const struct {
        uint8_t role; /* 0: no token */
        const char *topic;
        unsigned publish;
        unsigned read; /* 0: waits */
    } cases[] = {
        {0, "/topics/demo/a", 401, 401},
        {TOKEN_PUBLISH, "/topics/demo/a", 204, 403},
        {TOKEN_SUBSCRIBE, "/topics/demo/a", 403, 0},
        {TOKEN_BOTH, "/topics/demo/a", 204, 0},
        {TOKEN_BOTH, "/topics/demo/b", 403, 403},
        {TOKEN_BOTH, "/topics/other/a", 403, 403},
        {TOKEN_BOTH, "/topics/demo/a/", 403, 403},
        {TOKEN_BOTH, "/topics/demo/%61", 204, 0},
        {TOKEN_BOTH, "/topics/_sys/a", 403, 403},
    };
    struct core core;
    char header[1024];
    (void)state;
    keyed_core(&core);

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *who = NULL;
        if (cases[i].role != 0) {
            bearer(&core, cases[i].role, NULL, header);
            who = header;
        }
        struct ask ask = {"POST", cases[i].topic, who, NULL, "x"};
        assert_int_equal(status_of(&core, &ask), cases[i].publish);
        ask.method = "GET";
        assert_int_equal(status_of(&core, &ask), cases[i].read);
        ask.header2 = events;
        assert_int_equal(status_of(&core, &ask),
                         cases[i].read == 0 ? 200 : cases[i].read);
    }
    core_fini(&core);
}

static void a_refusal_names_the_missing_grant(void **state)
{
    static const struct {
        const char *method, *target, *header2, *missing;
    } cases[] = {
        {"POST", "/topics/demo/a", NULL,
         "needs \\\"publish\\\" on cache \\\"demo\\\", topic \\\"a\\\"\"}"},
        {"GET", "/topics/demo/%22b", NULL,
         "needs \\\"subscribe\\\" on cache \\\"demo\\\", topic "
         "\\\"\\\"b\\\"\"}"},
        {"GET", "/topics/other/a", "Accept: text/event-stream",
         "needs \\\"subscribe\\\" on cache \\\"other\\\", topic "
         "\\\"a\\\"\"}"},
        {"GET", "/metrics", NULL, "needs the scope \\\"admin:read\\\"\"}"},
        {"POST", "/v1/admin/keys", NULL,
         "needs the scope \\\"admin:write\\\"\"}"},
    };
    struct core core;
    char header[1024];
    (void)state;
    keyed_core(&core);
    bearer(&core, TOKEN_SUBSCRIBE, NULL, header);

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct fake_conn *fake = ask_admitted(
            &core, &(struct ask){cases[i].method, cases[i].target, header,
                                 cases[i].header2, "x"});
        assert_int_equal(fake->status, 403);
        assert_true(ask_out_has(fake, "the token does not grant this: "));
        assert_true(ask_out_has(fake, cases[i].missing));
        fake_conn_free(fake);
    }
    core_fini(&core);
}

static void what_a_reader_gets_names_its_publisher(void **state)
{
    struct core core;
    char header[1024];
    (void)state;
    keyed_core(&core);
    bearer(&core, TOKEN_BOTH, NULL, header);
    struct fake_conn *fake = ask_admitted(
        &core, &(struct ask){.target = "/topics/demo/a", .header = header});

    assert_int_equal(status_of(&core, &(struct ask){"POST", "/topics/demo/a",
                                                    header, NULL, "x"}),
                     204);
    fake_wait(&core, 0);
    assert_true(ask_out_has(fake, "\"publisher_id\":\"ann\""));
    fake_conn_free(fake);
    core_fini(&core);
}

static void a_stream_ends_with_its_token(void **state)
{
    struct core core;
    char header[1024];
    (void)state;
    keyed_core(&core);
    bearer(&core, TOKEN_BOTH, NULL, header);
    struct fake_conn *fake = ask_admitted(
        &core, &(struct ask){.target = "/topics/demo/a",
                             .header = header,
                             .header2 = "Accept: "
                                        "text/event-stream"});

    fake_wait(&core, (LIFE_S - 1) * 1000);
    assert_false(fake->conn.client->closing);
    for (int s = 0; s < TOKEN_SKEW_S + 2; s++) {
        fake_wait(&core, 1000);
    }
    assert_true(fake->conn.client->closing);
    assert_true(ask_out_has(fake, "event: end\ndata: {\"code\":4011,"));
    assert_int_equal(hub_subscribers(core.hub, BYTES("demo"), BYTES("a")), 0);
    fake_conn_free(fake);
    core_fini(&core);
}

static void a_poll_is_answered_when_its_token_expires(void **state)
{
    struct core core;
    char header[1024];
    (void)state;
    keyed_core(&core);
    core.limits.ping_ms = 600000;
    bearer(&core, TOKEN_BOTH, NULL, header);
    struct fake_conn *fake = ask_admitted(
        &core, &(struct ask){.target = "/topics/demo/a", .header = header});

    fake_wait(&core, (LIFE_S - 1) * 1000);
    assert_int_equal(fake->status, 0);
    for (int s = 0; s < TOKEN_SKEW_S + 2; s++) {
        fake_wait(&core, 1000);
    }
    assert_int_equal(fake->status, 401);
    assert_true(ask_out_has(fake, "{\"code\":4011,"));
    fake_conn_free(fake);
    core_fini(&core);
}

static void the_inside_needs_a_scope_and_health_needs_none(void **state)
{
    static const char *const inside[] = {"/metrics", "/v1/cluster"};
    static const char *const health[] = {"/livez", "/readyz"};
    struct core core;
    char user[1024];
    char kicker[1024];
    char reader[1024];
    (void)state;
    keyed_core(&core);
    bearer(&core, TOKEN_BOTH, NULL, user);
    bearer(&core, TOKEN_BOTH, "admin:kick", kicker);
    bearer(&core, TOKEN_BOTH, "admin:read", reader);

    for (size_t i = 0; i < ARRAY_LEN(inside); i++) {
        struct ask ask = {.target = inside[i]};
        assert_int_equal(status_of(&core, &ask), 401);
        ask.header = user;
        assert_int_equal(status_of(&core, &ask), 403);
        ask.header = kicker;
        assert_int_equal(status_of(&core, &ask), 403);
        ask.header = reader;
        assert_int_equal(status_of(&core, &ask), 200);
    }
    for (size_t i = 0; i < ARRAY_LEN(health); i++) {
        assert_int_equal(status_of(&core, &(struct ask){.target = health[i]}),
                         200);
    }
    core_fini(&core);
}

/* Clients choose their region by it, before they may do anything there. */
static void the_regions_are_for_everyone_with_a_token(void **state)
{
    struct core core;
    char user[1024];
    struct ask ask = {.target = "/v1/regions"};
    (void)state;
    keyed_core(&core);
    bearer(&core, TOKEN_SUBSCRIBE, NULL, user);

    assert_int_equal(status_of(&core, &ask), 401);
    ask.header = "Authorization: Bearer x.y.z";
    assert_int_equal(status_of(&core, &ask), 401);
    ask.header = user;
    assert_int_equal(status_of(&core, &ask), 200);
    core.wall_ms += (LIFE_S + TOKEN_SKEW_S + 1) * 1000;
    assert_int_equal(status_of(&core, &ask), 401);
    core_fini(&core);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_role_opens_its_own_doors_only),
        cmocka_unit_test(a_refusal_names_the_missing_grant),
        cmocka_unit_test(what_a_reader_gets_names_its_publisher),
        cmocka_unit_test(a_stream_ends_with_its_token),
        cmocka_unit_test(a_poll_is_answered_when_its_token_expires),
        cmocka_unit_test(the_inside_needs_a_scope_and_health_needs_none),
        cmocka_unit_test(the_regions_are_for_everyone_with_a_token),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
