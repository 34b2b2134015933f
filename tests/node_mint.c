/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/test.h"

#include "node/client/mint.h"
#include "tests/fake_conn.h"

enum {
    NOW_S = 1795305600,
    HOUR_S = 3600
};

static struct core core;

/* Whose token is this. */
static struct identity holder;

static void make_holder(void)
{
    holder = (struct identity){
        .refs = 1,
        .expires_at = NOW_S + 4 * HOUR_S,
        .token = {.subject = BYTES("ops"),
                  .expires_at = NOW_S + 4 * HOUR_S,
                  .grants_len = 1,
                  .grants = {{.cache = BYTES("A"),
                              .topic = BYTES("room."),
                              .prefix = true,
                              .role = TOKEN_BOTH}},
                  .scopes_len = 2,
                  .scopes = {BYTES("admin:tokens"), BYTES("admin:read")}},
    };
}

static int setup(void **state)
{
    (void)state;
    fake_core_init(&core);
    fake_core_ask_tokens(&core);
    core_turn(&core, 1000, (uint64_t)NOW_S * 1000);
    make_holder();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    core_fini(&core);
    return 0;
}

static struct mint wish_of(enum token_kind kind, uint64_t ttl_s)
{
    return (struct mint){.token = {.kind = kind,
                                   .subject = BYTES("ann"),
                                   .grants_len = 1,
                                   .grants = {{.cache = BYTES("A"),
                                               .topic = BYTES("room.1"),
                                               .role = TOKEN_SUBSCRIBE}}},
                         .ttl_s = ttl_s};
}

/* What is refused, in words; empty when it is not that. */
static int refused(struct mint *wish, const char *missing)
{
    struct buf text = {0};
    int rc = mint_for(&core, &holder, wish);

    if (rc == ERR_DENIED) {
        auth_missing(&core.auth, &text);
    }
    buf_add_u8(&text, 0);
    assert_string_equal((char *)text.p, missing);
    assert_int_equal(wish->text.len, 0);
    assert_int_equal(core.stats.tokens_minted, 0);
    buf_fini(&text);
    return rc;
}

static void login_is(struct bytes token, int rc)
{
    struct identity *who = NULL;

    assert_int_equal(auth_login(&core.auth, token, core.wall_ms / 1000, &who),
                     rc);
    if (rc == 0) {
        identity_unref(who);
    }
}

static void a_disposable_token_says_who_and_how_long(void **state)
{
    struct mint mint = wish_of(TOKEN_PLAIN, HOUR_S);
    struct identity *who;
    (void)state;

    assert_int_equal(mint_for(&core, &holder, &mint), 0);
    assert_int_equal(mint.valid_until, NOW_S + HOUR_S);
    assert_int_equal(mint.refresh.len, 0);
    assert_int_equal(token_id_until_s(mint.token.id), NOW_S + HOUR_S);
    assert_int_equal(auth_login(&core.auth, buf_bytes(&mint.text), NOW_S, &who),
                     0);
    assert_bytes(who->token.subject, "ann");
    assert_true(bytes_eq(who->token.id, mint.token.id));
    assert_int_equal(who->token.issued_at, NOW_S);
    assert_int_equal(who->expires_at, NOW_S + HOUR_S);
    assert_int_equal(core.stats.tokens_minted, 1);
    identity_unref(who);
    mint_fini(&mint);
}

static void no_two_have_one_id(void **state)
{
    struct mint a = wish_of(TOKEN_PLAIN, HOUR_S);
    struct mint b = wish_of(TOKEN_PLAIN, HOUR_S);
    (void)state;

    assert_int_equal(mint_for(&core, &holder, &a), 0);
    assert_int_equal(mint_for(&core, &holder, &b), 0);
    assert_false(bytes_eq(a.token.id, b.token.id));
    mint_fini(&a);
    mint_fini(&b);
}

/* ADVERSARIAL I4. */
static void nobody_mints_more_than_he_holds(void **state)
{
    const struct token_grant all = {
        .cache = BYTES("A"), .all = true, .role = TOKEN_BOTH};
    (void)state;

    struct mint wish = wish_of(TOKEN_PLAIN, HOUR_S);
    wish.token.grants[0].cache = BYTES("B");
    assert_int_equal(refused(&wish, "needs \"subscribe\" on cache \"B\", topic "
                                    "\"room.1\""),
                     ERR_DENIED);
    wish = wish_of(TOKEN_PLAIN, HOUR_S);
    wish.token.grants[wish.token.grants_len++] = all;
    assert_int_equal(refused(&wish, "needs \"publish\" and \"subscribe\" on "
                                    "cache \"A\""),
                     ERR_DENIED);
    wish = wish_of(TOKEN_PLAIN, 4 * HOUR_S + 1);
    assert_int_equal(refused(&wish, "needs a token that holds as long"),
                     ERR_DENIED);
    wish = wish_of(TOKEN_API_KEY, 0);
    assert_int_equal(refused(&wish, "needs a token that holds as long"),
                     ERR_DENIED);
    wish = wish_of(TOKEN_API_KEY, HOUR_S);
    wish.token.scopes_len = 1;
    wish.token.scopes[0] = BYTES("admin:write");
    assert_int_equal(refused(&wish, "needs the scope \"admin:write\""),
                     ERR_DENIED);
    wish.token.scopes[0] = BYTES("admin:*");
    assert_int_equal(refused(&wish, "needs the scope \"admin:*\""), ERR_DENIED);
}

static void who_may_not_mint_mints_nothing(void **state)
{
    struct mint wish = wish_of(TOKEN_PLAIN, HOUR_S);
    (void)state;

    holder.token.scopes_len = 0;
    assert_int_equal(refused(&wish, "needs the scope \"admin:tokens\""),
                     ERR_DENIED);
    make_holder();
    holder.revoked = true;
    assert_int_equal(refused(&wish, ""), ERR_REVOKED);
    make_holder();
    holder.expires_at = NOW_S;
    assert_int_equal(refused(&wish, ""), ERR_EXPIRED);
    assert_int_equal(mint_for(&core, core.auth.anonymous, &wish), ERR_UNAUTH);
    core.auth.keys.keys[0].can_sign = false;
    assert_int_equal(refused(&wish, ""), ERR_STATE);
    core.auth.insecure = true;
    assert_int_equal(refused(&wish, ""), ERR_STATE);
}

static void a_disposable_token_mints_nothing(void **state)
{
    struct mint wish = wish_of(TOKEN_PLAIN, HOUR_S);
    struct mint again = wish_of(TOKEN_PLAIN, 1);
    struct identity *who;
    (void)state;

    wish.token.scopes_len = 1;
    wish.token.scopes[0] = BYTES("admin:tokens");
    assert_int_equal(refused(&wish, ""), ERR_ARGUMENT);
    wish.token.scopes_len = 0;
    assert_int_equal(mint_for(&core, &holder, &wish), 0);
    assert_int_equal(auth_login(&core.auth, buf_bytes(&wish.text), NOW_S, &who),
                     0);
    assert_int_equal(mint_for(&core, who, &again), ERR_DENIED);
    identity_unref(who);
    mint_fini(&wish);
    mint_fini(&again);
}

static void what_is_wrong_is_not_signed(void **state)
{
    (void)state;

    struct mint wish = wish_of(TOKEN_PLAIN, 0);
    assert_int_equal(refused(&wish, ""), ERR_ARGUMENT); /* for ever */
    holder.token.expires_at = holder.expires_at = TOKEN_TIME_MAX_S;
    wish.ttl_s = MINT_DISPOSABLE_S_MAX + 1;
    assert_int_equal(refused(&wish, ""), ERR_ARGUMENT);
    wish = wish_of(TOKEN_API_KEY, UINT64_MAX);
    assert_int_equal(refused(&wish, ""), ERR_ARGUMENT);
    wish = wish_of(TOKEN_PLAIN, 1);
    wish.token.subject = BYTES("a\nb");
    assert_int_equal(refused(&wish, ""), ERR_ARGUMENT);
    wish = wish_of(TOKEN_PLAIN, 1);
    wish.token.grants[0].cache = BYTES("a/b");
    assert_int_equal(refused(&wish, ""), ERR_ARGUMENT);
    wish = wish_of(TOKEN_API_KEY, 1);
    wish.token.subject.len = 0;
    wish.token.scopes_len = 1;
    wish.token.scopes[0] = BYTES("admin:read"); /* of nobody */
    assert_int_equal(refused(&wish, ""), ERR_ARGUMENT);
    wish = wish_of(TOKEN_PLAIN, MINT_DISPOSABLE_S_MAX);
    assert_int_equal(mint_for(&core, &holder, &wish), 0);
    mint_fini(&wish);
}

static void a_key_may_hold_for_ever(void **state)
{
    struct mint wish = wish_of(TOKEN_API_KEY, 0);
    (void)state;

    holder.token.expires_at = holder.expires_at = TOKEN_TIME_MAX_S;
    assert_int_equal(mint_for(&core, &holder, &wish), 0);
    assert_int_equal(wish.valid_until, 0);
    assert_int_equal(wish.refresh.len, 0);
    assert_int_equal(token_id_until_s(wish.token.id), 0);
    core_turn(&core, 2000, (TOKEN_TIME_MAX_S - 1) * 1000);
    login_is(buf_bytes(&wish.text), 0);
    mint_fini(&wish);
}

static void a_refreshed_key_has_its_rights_and_its_span(void **state)
{
    struct mint first = wish_of(TOKEN_API_KEY, HOUR_S);
    struct mint next = {0};
    struct identity *who;
    (void)state;

    assert_int_equal(mint_for(&core, &holder, &first), 0);
    assert_true(first.refresh.len > 0);
    login_is(buf_bytes(&first.refresh), ERR_UNAUTH); /* is no key */
    core_turn(&core, 2000, (uint64_t)(NOW_S + 600) * 1000);
    assert_int_equal(mint_again(&core, buf_bytes(&first.text),
                                buf_bytes(&first.refresh), &next),
                     0);
    assert_int_equal(next.valid_until, NOW_S + 600 + HOUR_S);
    assert_true(bytes_eq(next.token.id, first.token.id));
    assert_int_equal(auth_login(&core.auth, buf_bytes(&next.text),
                                NOW_S + HOUR_S + 599, &who),
                     0);
    assert_bytes(who->token.subject, "ann");
    assert_bytes(who->token.grants[0].topic, "room.1");
    assert_int_equal(who->token.kind, TOKEN_API_KEY);
    identity_unref(who);
    login_is(buf_bytes(&first.text), 0); /* up to its own end */
    mint_fini(&first);
    mint_fini(&next);
}

/* The key that minted the first one holds for 4 hours; so does its line. */
static void refreshing_does_not_lead_beyond_the_minter(void **state)
{
    struct mint key = wish_of(TOKEN_API_KEY, 3 * HOUR_S);
    (void)state;

    assert_int_equal(mint_for(&core, &holder, &key), 0);
    for (uint64_t h = 2; h <= 3; h++) {
        struct mint next = {0};
        core_turn(&core, h * 1000, (NOW_S + h * HOUR_S) * 1000);
        assert_int_equal(mint_again(&core, buf_bytes(&key.text),
                                    buf_bytes(&key.refresh), &next),
                         0);
        assert_int_equal(next.valid_until, NOW_S + 4 * HOUR_S);
        mint_fini(&key);
        key = next;
    }
    struct mint late = {0};
    core_turn(&core, 9000, (NOW_S + 4 * HOUR_S) * 1000ul);
    assert_int_equal(
        mint_again(&core, buf_bytes(&key.text), buf_bytes(&key.refresh), &late),
        ERR_EXPIRED);
    mint_fini(&late);
    mint_fini(&key);
}

static bool all_are_revoked(const void *data, struct bytes id)
{
    (void)data;
    return id.len > 0;
}

static void only_a_pair_is_refreshed(void **state)
{
    struct mint a = wish_of(TOKEN_API_KEY, HOUR_S);
    struct mint b = wish_of(TOKEN_API_KEY, HOUR_S);
    struct mint plain = wish_of(TOKEN_PLAIN, HOUR_S);
    (void)state;

    assert_int_equal(mint_for(&core, &holder, &a), 0);
    assert_int_equal(mint_for(&core, &holder, &b), 0);
    assert_int_equal(mint_for(&core, &holder, &plain), 0);
    const struct {
        struct bytes key, refresh;
        int rc;
    } cases[] = {
        {buf_bytes(&a.text), buf_bytes(&a.refresh), 0},
        {buf_bytes(&a.text), buf_bytes(&b.refresh), ERR_ARGUMENT},
        {buf_bytes(&a.text), buf_bytes(&a.text), ERR_ARGUMENT},
        {buf_bytes(&a.refresh), buf_bytes(&a.refresh), ERR_ARGUMENT},
        {buf_bytes(&plain.text), buf_bytes(&a.refresh), ERR_ARGUMENT},
        {buf_bytes(&a.text), BYTES(""), ERR_UNAUTH},
        {BYTES("a.b.c"), buf_bytes(&a.refresh), ERR_UNAUTH},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct mint next = {0};
        if (mint_again(&core, cases[i].key, cases[i].refresh, &next) !=
            cases[i].rc) {
            fail_msg("case %zu", i);
        }
        mint_fini(&next);
    }
    struct mint next = {0};
    core.auth.is_revoked = all_are_revoked;
    assert_int_equal(mint_again(&core, cases[0].key, cases[0].refresh, &next),
                     ERR_REVOKED);
    mint_fini(&next);
    mint_fini(&a);
    mint_fini(&b);
    mint_fini(&plain);
}

static void the_endpoint_is_that_of_the_node(void **state)
{
    static const struct {
        const char *own, *authority, *endpoint;
    } cases[] = {
        {"http://eu.example:7400", "token.x", "eu.example:7400"},
        {"", "token.eu.example:7400", "eu.example:7400"},
        {"", "control.eu.example", "eu.example"},
        {"", "web.cache.eu.example", "eu.example"},
        {"", "web.token.eu.example:7400", "eu.example:7400"},
        {"", "127.0.0.1:7400", "127.0.0.1:7400"},
        {"", "token.", ""},
        {"", "", ""},
        {"", "a b", ""},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        strcpy(core.endpoint, cases[i].own);
        struct bytes got = mint_endpoint(&core, bytes_str(cases[i].authority));
        if (!bytes_eq(got, bytes_str(cases[i].endpoint))) {
            fail_msg("case %zu", i);
        }
    }
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_disposable_token_says_who_and_how_long),
        TEST(no_two_have_one_id),
        TEST(nobody_mints_more_than_he_holds),
        TEST(who_may_not_mint_mints_nothing),
        TEST(a_disposable_token_mints_nothing),
        TEST(what_is_wrong_is_not_signed),
        TEST(a_key_may_hold_for_ever),
        TEST(a_refreshed_key_has_its_rights_and_its_span),
        TEST(refreshing_does_not_lead_beyond_the_minter),
        TEST(only_a_pair_is_refreshed),
        TEST(the_endpoint_is_that_of_the_node),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
