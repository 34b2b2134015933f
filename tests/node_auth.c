/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/test.h"

#include "node/client/auth.h"
#include "proto/err.h"
#include "proto/v1key.h"
#include "tests/fail_malloc.h"

enum {
    NOW = 1000000
};

static struct token_keys sample_keys(void)
{
    struct token_keys keys = {.len = 1};

    keys.keys[0] = (struct token_key){
        .alg = TOKEN_HS256, .kid = "k0", .can_sign = true, .secret = {1}};
    return keys;
}

/* Someone who logged in with one grant and an hour to live. */
static struct identity *login_with(struct auth *auth, struct token_grant grant)
{
    struct token token = {.subject = BYTES("alice"),
                          .expires_at = NOW + 3600,
                          .grants_len = 1,
                          .grants = {grant}};
    struct identity *who = NULL;
    struct buf text = {0};

    assert_int_equal(token_write(&auth->keys, &token, &text), 0);
    assert_int_equal(auth_login(auth, buf_bytes(&text), NOW, &who), 0);
    buf_fini(&text);
    return who;
}

static void without_keys_everyone_may_but_publish_in_sys(void **state)
{
    static const struct {
        const char *scope;
        int rc;
    } scopes[] = {
        {"admin:read", 0},
        {"admin:caches", 0},
        {"admin:trace", 0},
        {"admin:tap", 0},
        {"admin:kick", ERR_DENIED},
        {"admin:write", ERR_DENIED},
        {"admin:tokens", ERR_DENIED},
    };
    struct auth auth;
    struct identity *who;
    (void)state;

    assert_int_equal(auth_init(&auth, NULL), 0);
    assert_true(auth.insecure);
    assert_int_equal(auth_login(&auth, BYTES("any"), NOW, &who), 0);
    assert_ptr_equal(who, auth.anonymous);
    assert_int_equal(
        auth_allows(&auth, who, AUTH_PUBLISH, BYTES("demo"), BYTES("t"), NOW),
        0);
    assert_int_equal(
        auth_allows(&auth, who, AUTH_SUBSCRIBE, BYTES("_sys"), BYTES("t"), NOW),
        0);
    assert_int_equal(
        auth_allows(&auth, who, AUTH_PUBLISH, BYTES("_sys"), BYTES("t"), NOW),
        ERR_DENIED);
    assert_int_equal(
        auth_allows_pattern(&auth, who, BYTES("demo"), BYTES("*"), NOW), 0);
    assert_int_equal(
        auth_allows_pattern(&auth, who, BYTES("_sys"), BYTES("*"), NOW),
        ERR_DENIED);
    for (size_t i = 0; i < ARRAY_LEN(scopes); i++) {
        assert_int_equal(auth_allows_admin(&auth, who, scopes[i].scope, NOW),
                         scopes[i].rc);
    }
    identity_unref(who);
    auth_fini(&auth);
}

static void an_empty_key_list_is_the_same_as_none(void **state)
{
    struct token_keys none = {0};
    struct auth auth;
    (void)state;

    assert_int_equal(auth_init(&auth, &none), 0);
    assert_true(auth.insecure);
    auth_fini(&auth);
}

/* ADVERSARIAL G3, H6: with keys, no token is no right. */
static void with_keys_who_is_anonymous_may_do_nothing(void **state)
{
    struct token_keys keys = sample_keys();
    struct auth auth;
    struct identity *who = NULL;
    (void)state;

    assert_int_equal(auth_init(&auth, &keys), 0);
    assert_int_equal(auth_login(&auth, BYTES(""), NOW, &who), ERR_UNAUTH);
    assert_int_equal(auth_login(&auth, BYTES("a.b.c"), NOW, &who), ERR_UNAUTH);
    assert_null(who);
    assert_int_equal(auth_allows(&auth, auth.anonymous, AUTH_PUBLISH,
                                 BYTES("demo"), BYTES("t"), NOW),
                     ERR_UNAUTH);
    assert_int_equal(auth_allows_pattern(&auth, auth.anonymous, BYTES("demo"),
                                         BYTES("*"), NOW),
                     ERR_UNAUTH);
    assert_int_equal(
        auth_allows_admin(&auth, auth.anonymous, "admin:read", NOW),
        ERR_UNAUTH);
    auth_fini(&auth);
}

/* ADVERSARIAL H1, H2, H4, H6: each grant against each action. */
static void the_matrix_of_grants_and_actions(void **state)
{
    const struct token_grant prefix = {.cache = BYTES("A"),
                                       .topic = BYTES("chat-"),
                                       .prefix = true,
                                       .role = TOKEN_BOTH};
    const struct token_grant publish = {
        .cache = BYTES("A"), .all = true, .role = TOKEN_PUBLISH};
    const struct token_grant every = {.all = true, .role = TOKEN_BOTH};
    const struct token_grant system = {
        .cache = BYTES("_sys"), .all = true, .role = TOKEN_SUBSCRIBE};
    const struct {
        struct token_grant grant;
        enum auth_action action;
        struct bytes cache, topic;
        int rc;
    } cases[] = {
        {prefix, AUTH_PUBLISH, BYTES("A"), BYTES("chat-1"), 0},
        {prefix, AUTH_SUBSCRIBE, BYTES("A"), BYTES("chat-1"), 0},
        {prefix, AUTH_SUBSCRIBE, BYTES("A"), BYTES("chat"), ERR_DENIED},
        {prefix, AUTH_SUBSCRIBE, BYTES("A"), BYTES("Chat-1"), ERR_DENIED},
        {prefix, AUTH_SUBSCRIBE, BYTES("B"), BYTES("chat-1"), ERR_DENIED},
        {prefix, AUTH_SUBSCRIBE, BYTES("a"), BYTES("chat-1"), ERR_DENIED},
        {publish, AUTH_PUBLISH, BYTES("A"), BYTES("x"), 0},
        {publish, AUTH_SUBSCRIBE, BYTES("A"), BYTES("x"), ERR_DENIED},
        {every, AUTH_PUBLISH, BYTES("anything"), BYTES("x"), 0},
        {every, AUTH_PUBLISH, BYTES("_sys"), BYTES("x"), ERR_DENIED},
        {every, AUTH_SUBSCRIBE, BYTES("_sys"), BYTES("x"), ERR_DENIED},
        {system, AUTH_SUBSCRIBE, BYTES("_sys"), BYTES("x"), ERR_DENIED},
        {system, AUTH_PUBLISH, BYTES("_sys"), BYTES("x"), ERR_DENIED},
    };
    struct token_keys keys = sample_keys();
    struct auth auth;
    (void)state;

    assert_int_equal(auth_init(&auth, &keys), 0);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct identity *who = login_with(&auth, cases[i].grant);
        if (auth_allows(&auth, who, cases[i].action, cases[i].cache,
                        cases[i].topic, NOW) != cases[i].rc) {
            fail_msg("case %zu", i);
        }
        identity_unref(who);
    }
    auth_fini(&auth);
}

/* What the cluster says of itself is for who may look, topic by topic; nobody
 * but a node says it. */
static void the_scope_opens_sys_and_no_grant_does(void **state)
{
    static const struct {
        const char *scope;
        enum auth_action action;
        int rc;
        const char *missing;
    } cases[] = {
        {"admin:read", AUTH_SUBSCRIBE, 0, ""},
        {"admin:*", AUTH_SUBSCRIBE, 0, ""},
        {"admin:kick", AUTH_SUBSCRIBE, ERR_DENIED,
         "needs the scope \"admin:read\""},
        {"admin:*", AUTH_PUBLISH, ERR_DENIED,
         "needs to be a node: only they publish in \"_sys\""},
    };
    struct token_keys keys = sample_keys();
    struct auth auth;
    (void)state;

    assert_int_equal(auth_init(&auth, &keys), 0);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct token token = {.subject = BYTES("ops"), .expires_at = NOW + 60};
        struct buf text = {0};
        struct buf missing = {0};
        struct identity *who;
        token.scopes[0] = bytes_str(cases[i].scope);
        token.scopes_len = 1;
        assert_int_equal(token_write(&auth.keys, &token, &text), 0);
        assert_int_equal(auth_login(&auth, buf_bytes(&text), NOW, &who), 0);
        assert_int_equal(auth_allows(&auth, who, cases[i].action, BYTES("_sys"),
                                     BYTES("stats"), NOW),
                         cases[i].rc);
        if (cases[i].rc != 0) {
            auth_missing(&auth, &missing);
            assert_bytes(buf_bytes(&missing), cases[i].missing);
        }
        assert_int_equal(
            auth_allows_pattern(&auth, who, BYTES("_sys"), BYTES("*"), NOW),
            ERR_DENIED);
        buf_fini(&text);
        buf_fini(&missing);
        identity_unref(who);
    }
    assert_int_equal(auth_allows(&auth, auth.anonymous, AUTH_SUBSCRIBE,
                                 BYTES("_sys"), BYTES("stats"), NOW),
                     ERR_UNAUTH);
    assert_int_equal(auth_allows(&auth, auth.anonymous, AUTH_PUBLISH,
                                 BYTES("_sys"), BYTES("stats"), NOW),
                     ERR_UNAUTH);
    auth_fini(&auth);
}

/* ADVERSARIAL H3: the topics it matches are then checked one by one. */
static void a_pattern_needs_a_grant_of_that_cache(void **state)
{
    struct token_keys keys = sample_keys();
    struct auth auth;
    (void)state;

    assert_int_equal(auth_init(&auth, &keys), 0);
    struct identity *who = login_with(
        &auth, (struct token_grant){.cache = BYTES("A"),
                                    .topic = BYTES("t"),
                                    .role = TOKEN_SUBSCRIBE});
    struct identity *publisher = login_with(
        &auth, (struct token_grant){
                   .cache = BYTES("A"), .all = true, .role = TOKEN_PUBLISH});
    assert_int_equal(
        auth_allows_pattern(&auth, who, BYTES("A"), BYTES("*"), NOW), 0);
    assert_int_equal(
        auth_allows_pattern(&auth, who, BYTES("B"), BYTES("*"), NOW),
        ERR_DENIED);
    assert_int_equal(
        auth_allows_pattern(&auth, publisher, BYTES("A"), BYTES("*"), NOW),
        ERR_DENIED);
    assert_int_equal(
        auth_allows(&auth, who, AUTH_SUBSCRIBE, BYTES("A"), BYTES("u"), NOW),
        ERR_DENIED);
    identity_unref(who);
    identity_unref(publisher);
    auth_fini(&auth);
}

static void missing_is(const struct auth *auth, const char *text)
{
    struct buf out = {0};

    auth_add_text(auth, ERR_DENIED, &out);
    buf_add_u8(&out, 0);
    assert_string_equal((char *)out.p, text);
    buf_fini(&out);
}

/* H1 to H4, in words: nobody can guess which grant it was. */
static void a_refusal_names_what_is_missing(void **state)
{
    static char longest[TOPIC_LEN_MAX + 2];
    struct token_keys keys = sample_keys();
    struct auth auth;
    (void)state;

    assert_int_equal(auth_init(&auth, &keys), 0);
    struct identity *who = login_with(
        &auth, (struct token_grant){.cache = BYTES("A"),
                                    .topic = BYTES("t"),
                                    .role = TOKEN_SUBSCRIBE});
    missing_is(&auth, "the token does not grant this");
    (void)auth_allows(&auth, who, AUTH_PUBLISH, BYTES("A"), BYTES("t"), NOW);
    missing_is(&auth, "the token does not grant this: needs \"publish\" on "
                      "cache \"A\", topic \"t\"");
    (void)auth_allows(&auth, who, AUTH_SUBSCRIBE, BYTES("B"), BYTES("u"), NOW);
    missing_is(&auth, "the token does not grant this: needs \"subscribe\" on "
                      "cache \"B\", topic \"u\"");
    (void)auth_allows_pattern(&auth, who, BYTES("B"), BYTES("*"), NOW);
    missing_is(&auth, "the token does not grant this: needs \"subscribe\" on "
                      "cache \"B\"");
    (void)auth_allows_admin(&auth, who, "admin:read", NOW);
    missing_is(&auth, "the token does not grant this: needs the scope "
                      "\"admin:read\"");
    (void)auth_lacks(&auth, &(struct token_grant){.topic = BYTES("room."),
                                                  .prefix = true,
                                                  .role = TOKEN_BOTH});
    missing_is(&auth, "the token does not grant this: needs \"publish\" and "
                      "\"subscribe\" on every "
                      "cache, topics that begin with \"room.\"");
    memset(longest, 'x', sizeof longest - 1);
    (void)auth_lacks(&auth, &(struct token_grant){.topic = bytes_str(longest),
                                                  .role = TOKEN_BOTH});
    missing_is(&auth, "the token does not grant this: needs \"publish\" and "
                      "\"subscribe\" on every "
                      "cache, topic \"\"");
    identity_unref(who);
    auth_fini(&auth);
}

static void who_is_revoked_may_nothing(void **state)
{
    struct token_keys keys = sample_keys();
    struct auth auth;
    (void)state;

    assert_int_equal(auth_init(&auth, &keys), 0);
    struct identity *who = login_with(
        &auth, (struct token_grant){.all = true, .role = TOKEN_BOTH});
    assert_int_equal(auth_knows(&auth, who, NOW), 0);
    who->revoked = true;
    assert_int_equal(
        auth_allows(&auth, who, AUTH_PUBLISH, BYTES("A"), BYTES("t"), NOW),
        ERR_REVOKED);
    assert_int_equal(
        auth_allows_pattern(&auth, who, BYTES("A"), BYTES("*"), NOW),
        ERR_REVOKED);
    assert_int_equal(auth_allows_admin(&auth, who, "admin:read", NOW),
                     ERR_REVOKED);
    assert_int_equal(auth_knows(&auth, who, NOW), ERR_REVOKED);
    identity_unref(who);
    auth_fini(&auth);
}

static bool is_revoked(const void *revocations, struct bytes id)
{
    return bytes_eq(id, bytes_str(revocations));
}

/* The same token in Momento's first form; the endpoint is not looked at. */
static void a_v1_key_is_the_token_in_it(void **state)
{
    struct token_keys keys = sample_keys();
    struct token token = {
        .subject = BYTES("alice"), .id = BYTES("one"), .expires_at = NOW + 1};
    struct buf text = {0};
    struct buf v1 = {0};
    struct auth auth;
    struct identity *who = NULL;
    (void)state;

    assert_int_equal(auth_init(&auth, &keys), 0);
    assert_int_equal(token_write(&keys, &token, &text), 0);
    v1key_write(BYTES("example.net:7400"), buf_bytes(&text), &v1);
    assert_int_equal(auth_login(&auth, buf_bytes(&v1), NOW, &who), 0);
    assert_bytes(who->token.subject, "alice");
    identity_unref(who);
    assert_int_equal(auth_login(&auth, buf_bytes(&v1), NOW + 1, &who),
                     ERR_EXPIRED);
    auth.is_revoked = is_revoked;
    auth.revocations = "two";
    assert_int_equal(auth_login(&auth, buf_bytes(&v1), NOW, &who), 0);
    identity_unref(who);
    auth.revocations = "one";
    assert_int_equal(auth_login(&auth, buf_bytes(&v1), NOW, &who), ERR_REVOKED);
    assert_int_equal(auth_login(&auth, buf_bytes(&text), NOW, &who),
                     ERR_REVOKED);
    v1.p[10] ^= 1;
    assert_int_equal(auth_login(&auth, buf_bytes(&v1), NOW, &who), ERR_UNAUTH);
    buf_fini(&text);
    buf_fini(&v1);
    auth_fini(&auth);
}

static void a_refresh_token_logs_nobody_in(void **state)
{
    struct token_keys keys = sample_keys();
    struct token token = {.id = BYTES("one"),
                          .kind = TOKEN_REFRESH,
                          .issued_at = NOW,
                          .expires_at = NOW + 60};
    struct buf text = {0};
    struct auth auth;
    struct identity *who = NULL;
    (void)state;

    assert_int_equal(auth_init(&auth, &keys), 0);
    assert_int_equal(token_write(&keys, &token, &text), 0);
    assert_int_equal(auth_login(&auth, buf_bytes(&text), NOW, &who),
                     ERR_UNAUTH);
    assert_null(who);
    buf_fini(&text);
    auth_fini(&auth);
}

static void an_identity_ends_with_its_token(void **state)
{
    struct token_keys keys = sample_keys();
    struct auth auth;
    (void)state;

    assert_int_equal(auth_init(&auth, &keys), 0);
    struct identity *who = login_with(
        &auth, (struct token_grant){.all = true, .role = TOKEN_BOTH});
    assert_int_equal(who->expires_at, NOW + 3600);
    assert_int_equal(auth_allows(&auth, who, AUTH_PUBLISH, BYTES("A"),
                                 BYTES("t"), NOW + 3599),
                     0);
    assert_int_equal(auth_allows(&auth, who, AUTH_PUBLISH, BYTES("A"),
                                 BYTES("t"), NOW + 3600),
                     ERR_EXPIRED);
    assert_int_equal(
        auth_allows_pattern(&auth, who, BYTES("A"), BYTES("*"), NOW + 3600),
        ERR_EXPIRED);
    assert_int_equal(auth_allows_admin(&auth, who, "admin:read", NOW + 3600),
                     ERR_EXPIRED);
    identity_unref(who);
    auth_fini(&auth);
}

static void admin_needs_its_scope(void **state)
{
    struct token_keys keys = sample_keys();
    struct token token = {.subject = BYTES("op"),
                          .expires_at = NOW + 1,
                          .scopes_len = 1,
                          .scopes = {BYTES("admin:read")}};
    struct buf text = {0};
    struct auth auth;
    struct identity *who;
    (void)state;

    assert_int_equal(auth_init(&auth, &keys), 0);
    assert_int_equal(token_write(&auth.keys, &token, &text), 0);
    assert_int_equal(auth_login(&auth, buf_bytes(&text), NOW, &who), 0);
    assert_int_equal(auth_allows_admin(&auth, who, "admin:read", NOW), 0);
    assert_int_equal(auth_allows_admin(&auth, who, "admin:kick", NOW),
                     ERR_DENIED);
    assert_int_equal(
        auth_allows(&auth, who, AUTH_SUBSCRIBE, BYTES("A"), BYTES("t"), NOW),
        ERR_DENIED); /* looking is not subscribing */
    identity_unref(who);
    buf_fini(&text);
    auth_fini(&auth);
}

static void an_identity_lives_as_long_as_someone_holds_it(void **state)
{
    struct token_keys keys = sample_keys();
    struct auth auth;
    (void)state;

    assert_int_equal(auth_init(&auth, &keys), 0);
    struct identity *who = login_with(
        &auth, (struct token_grant){.all = true, .role = TOKEN_BOTH});
    identity_ref(who);
    identity_unref(who);
    assert_bytes(who->token.subject, "alice");
    identity_unref(who);
    identity_ref(auth.anonymous); /* a client outlives nothing of this */
    identity_unref(auth.anonymous);
    auth_fini(&auth);
}

static void no_memory_is_an_error(void **state)
{
    struct token_keys keys = sample_keys();
    struct token token = {.subject = BYTES("a"), .expires_at = NOW + 1};
    struct buf text = {0};
    struct auth auth;
    struct identity *who = NULL;
    (void)state;

    fail_malloc(0);
    assert_int_equal(auth_init(&auth, &keys), ERR_NOMEM);
    fail_malloc(-1);
    assert_int_equal(auth_init(&auth, &keys), 0);
    assert_int_equal(token_write(&keys, &token, &text), 0);
    for (long after = 0; after < 2; after++) {
        fail_malloc(after);
        assert_int_equal(auth_login(&auth, buf_bytes(&text), NOW, &who),
                         ERR_NOMEM);
        fail_malloc(-1);
    }
    assert_null(who);
    buf_fini(&text);
    auth_fini(&auth);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_keys_everyone_may_but_publish_in_sys),
        cmocka_unit_test(the_scope_opens_sys_and_no_grant_does),
        cmocka_unit_test(an_empty_key_list_is_the_same_as_none),
        cmocka_unit_test(with_keys_who_is_anonymous_may_do_nothing),
        cmocka_unit_test(the_matrix_of_grants_and_actions),
        cmocka_unit_test(a_pattern_needs_a_grant_of_that_cache),
        cmocka_unit_test(a_refusal_names_what_is_missing),
        cmocka_unit_test(who_is_revoked_may_nothing),
        cmocka_unit_test(a_v1_key_is_the_token_in_it),
        cmocka_unit_test(a_refresh_token_logs_nobody_in),
        cmocka_unit_test(an_identity_ends_with_its_token),
        cmocka_unit_test(admin_needs_its_scope),
        cmocka_unit_test(an_identity_lives_as_long_as_someone_holds_it),
        cmocka_unit_test(no_memory_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
