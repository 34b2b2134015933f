/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/test.h"

#include <stdio.h>

#include "proto/claims.h"
#include "proto/err.h"

/* Each in the middle of claims that are well but for it. */
static int read_with(const char *member)
{
    struct buf text = {0};
    struct token token;

    buf_add_str(&text, "{\"sub\":\"a\",\"exp\":9");
    buf_add_str(&text, member);
    buf_add_u8(&text, '}');
    int rc = claims_read(buf_bytes(&text), &token);
    if (rc == 0) {
        token_fini(&token);
    }
    buf_fini(&text);
    return rc;
}

static int read_whole(const char *text)
{
    struct token token;
    int rc = claims_read(bytes_str(text), &token);

    if (rc == 0) {
        token_fini(&token);
    }
    return rc;
}

static void expiry_is_mandatory_and_a_name_for_who_administers(void **state)
{
    static const struct {
        const char *text;
        int rc;
    } cases[] = {
        {"{\"sub\":\"a\",\"exp\":1}", 0},
        {"{\"sub\":\"a\",\"exp\":253402300799}", 0},
        {"{\"exp\":1}", 0}, /* nobody in particular */
        {"{\"exp\":1,\"gr\":[{\"c\":\"*\",\"r\":\"both\"}],\"sc\":[]}", 0},
        {"{\"exp\":1,\"sc\":[\"admin:read\"]}", ERR_UNAUTH},
        {"{\"sub\":null,\"exp\":1}", ERR_UNAUTH},
        {"{\"sub\":\"\",\"exp\":1}", ERR_UNAUTH},
        {"{\"sub\":7,\"exp\":1}", ERR_UNAUTH},
        {"{\"sub\":\"a\\nb\",\"exp\":1}", ERR_UNAUTH},
        {"{\"sub\":\"a\\u0000b\",\"exp\":1}", ERR_UNAUTH},
        {"{\"sub\":\"\\ud800\",\"exp\":1}", ERR_UNAUTH},
        {"{\"sub\":\"\xff\",\"exp\":1}", ERR_UNAUTH},
        {"{\"sub\":\"a\"}", ERR_UNAUTH},
        {"{\"sub\":\"a\",\"exp\":0}", ERR_UNAUTH},
        {"{\"sub\":\"a\",\"exp\":-1}", ERR_UNAUTH},
        {"{\"sub\":\"a\",\"exp\":1.5}", ERR_UNAUTH},
        {"{\"sub\":\"a\",\"exp\":1e9}", ERR_UNAUTH},
        {"{\"sub\":\"a\",\"exp\":\"1\"}", ERR_UNAUTH},
        {"{\"sub\":\"a\",\"exp\":null}", ERR_UNAUTH},
        {"{\"sub\":\"a\",\"exp\":253402300800}", ERR_UNAUTH}, /* ms? */
        {"{\"sub\":\"a\",\"exp\":9223372036854775808}", ERR_UNAUTH},
        {"{\"sub\":\"a\",\"exp\":1,\"exp\":2}", ERR_UNAUTH},
        {"{\"sub\":\"a\",\"exp\":1} {}", ERR_UNAUTH},
        {"[]", ERR_UNAUTH},
        {"", ERR_UNAUTH},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        if (read_whole(cases[i].text) != cases[i].rc) {
            fail_msg("case %zu", i);
        }
    }
}

static void optional_claims_have_their_type(void **state)
{
    static const struct {
        const char *member;
        int rc;
    } cases[] = {
        {"", 0},
        {",\"iss\":\"me\",\"iat\":5,\"x\":{\"y\":[1.5]}", 0},
        {",\"iat\":1.5", 0},
        {",\"t\":\"g\"", 0},
        {",\"t\":\"G\"", ERR_UNAUTH},
        {",\"t\":\"\"", ERR_UNAUTH},
        {",\"t\":null", ERR_UNAUTH},
        {",\"t\":7", ERR_UNAUTH},
        {",\"t\":\"r\",\"iat\":8,\"jti\":\"i\"", 0},
        {",\"t\":\"r\",\"iat\":8", ERR_UNAUTH},
        {",\"t\":\"r\",\"jti\":\"i\"", ERR_UNAUTH},
        {",\"t\":\"r\",\"iat\":9,\"jti\":\"i\"", ERR_UNAUTH}, /* no span */
        {",\"t\":\"r\",\"iat\":8,\"jti\":\"i\",\"sc\":[\"admin:read\"]",
         ERR_UNAUTH},
        {",\"t\":\"r\",\"iat\":8,\"jti\":\"i\",\"gr\":[{\"c\":\"a\",\"r\":"
         "\"pub\"}]",
         ERR_UNAUTH},
        {",\"nbf\":0", 0},
        {",\"nbf\":\"0\"", ERR_UNAUTH},
        {",\"jti\":\"id\"", 0},
        {",\"jti\":7", ERR_UNAUTH},
        {",\"jti\":\"\"", ERR_UNAUTH},
        {",\"aud\":\"other\"", ERR_UNAUTH},
        {",\"sc\":[]", 0},
        {",\"sc\":[\"admin:read\"]", 0},
        {",\"sc\":[1]", ERR_UNAUTH},
        {",\"sc\":[\"\"]", ERR_UNAUTH},
        {",\"sc\":\"admin:*\"", ERR_UNAUTH},
        {",\"gr\":[]", 0},
        {",\"gr\":null", ERR_UNAUTH},
        {",\"gr\":{}", ERR_UNAUTH},
        {",\"gr\":[\"demo\"]", ERR_UNAUTH},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        if (read_with(cases[i].member) != cases[i].rc) {
            fail_msg("case %zu", i);
        }
    }
}

static void a_grant_is_exact_or_refused(void **state)
{
    static const struct {
        const char *grant;
        int rc;
    } cases[] = {
        {"{\"c\":\"demo\",\"t\":\"x\",\"r\":\"pub\"}", 0},
        {"{\"c\":\"demo\",\"p\":\"x\",\"r\":\"sub\"}", 0},
        {"{\"c\":\"*\",\"r\":\"both\"}", 0},
        {"{\"r\":\"both\"}", ERR_UNAUTH},
        {"{\"c\":\"\",\"r\":\"both\"}", ERR_UNAUTH},
        {"{\"c\":\"a/b\",\"r\":\"both\"}", ERR_UNAUTH},
        {"{\"c\":\"demo\",\"t\":\"x\"}", ERR_UNAUTH},
        {"{\"c\":\"demo\",\"r\":\"\"}", ERR_UNAUTH},
        {"{\"c\":\"demo\",\"r\":\"Both\"}", ERR_UNAUTH},
        {"{\"c\":\"demo\",\"r\":3}", ERR_UNAUTH},
        {"{\"c\":\"demo\",\"t\":\"x\",\"p\":\"x\",\"r\":\"pub\"}", ERR_UNAUTH},
        {"{\"c\":\"demo\",\"t\":\"\",\"r\":\"pub\"}", ERR_UNAUTH},
        {"{\"c\":\"demo\",\"p\":\"\",\"r\":\"pub\"}", ERR_UNAUTH},
        {"{\"c\":\"demo\",\"t\":null,\"r\":\"pub\"}", ERR_UNAUTH},
        {"{\"c\":\"demo\",\"t\":[\"x\"],\"r\":\"pub\"}", ERR_UNAUTH},
        /* would grant all topics if the unknown member were skipped */
        {"{\"c\":\"demo\",\"topic\":\"x\",\"r\":\"pub\"}", ERR_UNAUTH},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char member[200];
        snprintf(member, sizeof member, ",\"gr\":[%s]", cases[i].grant);
        if (read_with(member) != cases[i].rc) {
            fail_msg("case %zu", i);
        }
    }
}

static int read_many(const char *name, const char *each, int n)
{
    struct buf member = {0};

    buf_add_str(&member, name);
    for (int i = 0; i < n; i++) {
        buf_add_str(&member, i == 0 ? "" : ",");
        buf_add_str(&member, each);
    }
    buf_add_str(&member, "]");
    buf_add_u8(&member, '\0');
    int rc = read_with((const char *)member.p);
    buf_fini(&member);
    return rc;
}

static void lists_are_bounded(void **state)
{
    static const char grant[] = "{\"c\":\"*\",\"r\":\"pub\"}";
    (void)state;

    assert_int_equal(read_many(",\"gr\":[", grant, TOKEN_GRANTS_MAX), 0);
    assert_int_equal(read_many(",\"gr\":[", grant, TOKEN_GRANTS_MAX + 1),
                     ERR_UNAUTH);
    assert_int_equal(read_many(",\"sc\":[", "\"s\"", TOKEN_SCOPES_MAX), 0);
    assert_int_equal(read_many(",\"sc\":[", "\"s\"", TOKEN_SCOPES_MAX + 1),
                     ERR_UNAUTH);
}

static void hostile_depth_ends(void **state)
{
    struct buf text = {0};
    struct token token;
    (void)state;

    for (int i = 0; i < 3000; i++) {
        buf_add_str(&text, "[");
    }
    assert_int_equal(claims_read(buf_bytes(&text), &token), ERR_UNAUTH);
    buf_fini(&text);
}

/* --- what a token grants (ADVERSARIAL H1, H2, H6) --- */

static struct token token_with(struct token_grant grant)
{
    return (struct token){
        .subject = BYTES("a"),
        .expires_at = 100,
        .grants_len = 1,
        .grants = {grant},
    };
}

static void grants_match_exactly(void **state)
{
    const struct token_grant prefix = {.cache = BYTES("A"),
                                       .topic = BYTES("chat-"),
                                       .prefix = true,
                                       .role = TOKEN_SUBSCRIBE};
    const struct token_grant exact = {
        .cache = BYTES("A"), .topic = BYTES("chat"), .role = TOKEN_PUBLISH};
    const struct token_grant every = {.all = true, .role = TOKEN_BOTH};
    const struct token_grant system = {
        .cache = BYTES("_sys"), .all = true, .role = TOKEN_SUBSCRIBE};
    const struct {
        struct token_grant grant;
        enum token_role role;
        struct bytes cache, topic;
        bool allowed;
    } cases[] = {
        {prefix, TOKEN_SUBSCRIBE, BYTES("A"), BYTES("chat-"), true},
        {prefix, TOKEN_SUBSCRIBE, BYTES("A"), BYTES("chat-1"), true},
        {prefix, TOKEN_SUBSCRIBE, BYTES("A"), BYTES("chat"), false},
        {prefix, TOKEN_SUBSCRIBE, BYTES("A"), BYTES("Chat-1"), false},
        {prefix, TOKEN_SUBSCRIBE, BYTES("a"), BYTES("chat-1"), false},
        {prefix, TOKEN_SUBSCRIBE, BYTES("A\0"), BYTES("chat-1"), false},
        {prefix, TOKEN_SUBSCRIBE, BYTES("A/../B"), BYTES("chat-1"), false},
        {prefix, TOKEN_PUBLISH, BYTES("A"), BYTES("chat-1"), false},
        {prefix, TOKEN_BOTH, BYTES("A"), BYTES("chat-1"), false},
        {exact, TOKEN_PUBLISH, BYTES("A"), BYTES("chat"), true},
        {exact, TOKEN_PUBLISH, BYTES("A"), BYTES("chat-1"), false},
        {exact, TOKEN_SUBSCRIBE, BYTES("A"), BYTES("chat"), false},
        {every, TOKEN_BOTH, BYTES("anything"), BYTES("x"), true},
        {every, TOKEN_SUBSCRIBE, BYTES("_sys"), BYTES("x"), false},
        {every, TOKEN_PUBLISH, BYTES("_sys"), BYTES("x"), false},
        {system, TOKEN_SUBSCRIBE, BYTES("_sys"), BYTES("x"), true},
        {system, TOKEN_PUBLISH, BYTES("_sys"), BYTES("x"), false},
    };
    struct token none = {0};
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct token token = token_with(cases[i].grant);
        if (token_allows(&token, cases[i].role, cases[i].cache,
                         cases[i].topic) != cases[i].allowed) {
            fail_msg("case %zu", i);
        }
    }
    assert_false(token_allows(&none, TOKEN_PUBLISH, BYTES("A"), BYTES("x")));
}

/* ADVERSARIAL I4. */
static void a_child_holds_no_more_than_its_parent(void **state)
{
    const struct token_grant parent = {.cache = BYTES("A"),
                                       .topic = BYTES("p-"),
                                       .prefix = true,
                                       .role = TOKEN_BOTH};
    const struct {
        struct token_grant grant;
        bool covered;
    } cases[] = {
        {parent, true},
        {{.cache = BYTES("A"), .topic = BYTES("p-1"), .role = TOKEN_BOTH},
         true},
        {{.cache = BYTES("A"), .topic = BYTES("p-1"), .role = TOKEN_PUBLISH},
         true},
        {{.cache = BYTES("A"),
          .topic = BYTES("p-1"),
          .prefix = true,
          .role = TOKEN_BOTH},
         true},
        {{.cache = BYTES("A"),
          .topic = BYTES("p"),
          .prefix = true,
          .role = TOKEN_BOTH},
         false},
        {{.cache = BYTES("A"), .topic = BYTES("q"), .role = TOKEN_BOTH}, false},
        {{.cache = BYTES("A"), .all = true, .role = TOKEN_BOTH}, false},
        {{.cache = BYTES("B"), .topic = BYTES("p-1"), .role = TOKEN_BOTH},
         false},
        {{.topic = BYTES("p-1"), .role = TOKEN_BOTH}, false}, /* every cache */
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct token from = token_with(parent);
        struct token child = token_with(cases[i].grant);
        if (token_covers(&from, &child) != cases[i].covered) {
            fail_msg("case %zu", i);
        }
    }
}

static void an_exact_parent_makes_no_prefix_and_star_no_system(void **state)
{
    struct token exact = token_with((struct token_grant){
        .cache = BYTES("A"), .topic = BYTES("t"), .role = TOKEN_BOTH});
    struct token prefix = token_with((struct token_grant){.cache = BYTES("A"),
                                                          .topic = BYTES("t"),
                                                          .prefix = true,
                                                          .role = TOKEN_BOTH});
    struct token every = token_with(
        (struct token_grant){.all = true, .role = TOKEN_BOTH});
    struct token system = token_with((struct token_grant){
        .cache = BYTES("_sys"), .all = true, .role = TOKEN_SUBSCRIBE});
    (void)state;

    assert_false(token_covers(&exact, &prefix));
    assert_true(token_covers(&prefix, &exact));
    assert_true(token_covers(&every, &every));
    assert_true(token_covers(&every, &prefix));
    assert_false(token_covers(&every, &system));
    assert_false(token_covers(&system, &every));
    assert_true(token_covers(&system, &system));
}

static void two_grants_cover_one_of_both_roles(void **state)
{
    struct token parent = token_with((struct token_grant){
        .cache = BYTES("A"), .all = true, .role = TOKEN_PUBLISH});
    struct token child = token_with((struct token_grant){
        .cache = BYTES("A"), .topic = BYTES("t"), .role = TOKEN_BOTH});
    (void)state;

    assert_false(token_covers(&parent, &child));
    parent.grants[parent.grants_len++] = (struct token_grant){
        .cache = BYTES("A"), .all = true, .role = TOKEN_SUBSCRIBE};
    assert_true(token_covers(&parent, &child));
    child.grants_len = 0; /* no grant grants nothing: less than anything */
    assert_true(token_covers(&parent, &child));
    parent.grants_len = 0;
    child.grants_len = 1;
    assert_false(token_covers(&parent, &child));
}

static void a_child_lives_within_its_parent(void **state)
{
    struct token parent = {.expires_at = 100, .not_before = 10};
    struct token child = {.expires_at = 100, .not_before = 10};
    (void)state;

    assert_true(token_covers(&parent, &child));
    child.expires_at = 101;
    assert_false(token_covers(&parent, &child));
    child.expires_at = 0; /* never */
    assert_false(token_covers(&parent, &child));
    child.expires_at = 50;
    child.not_before = 9;
    assert_false(token_covers(&parent, &child));
    parent = (struct token){0};
    assert_true(token_covers(&parent, &child));
}

static void scopes_are_covered_by_name_or_star(void **state)
{
    struct token parent = {.scopes_len = 1, .scopes = {BYTES("admin:read")}};
    struct token child = {.scopes_len = 1, .scopes = {BYTES("admin:read")}};
    (void)state;

    assert_true(token_covers(&parent, &child));
    child.scopes[0] = BYTES("admin:kick");
    assert_false(token_covers(&parent, &child));
    child.scopes[0] = BYTES("admin:*");
    assert_false(token_covers(&parent, &child));
    parent.scopes[0] = BYTES("admin:*");
    assert_true(token_covers(&parent, &child));
    child.scopes[0] = BYTES("admin:kick");
    assert_true(token_covers(&parent, &child));
    child.scopes[0] = BYTES("other:kick");
    assert_false(token_covers(&parent, &child));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(expiry_is_mandatory_and_a_name_for_who_administers),
        cmocka_unit_test(optional_claims_have_their_type),
        cmocka_unit_test(a_grant_is_exact_or_refused),
        cmocka_unit_test(lists_are_bounded),
        cmocka_unit_test(hostile_depth_ends),
        cmocka_unit_test(grants_match_exactly),
        cmocka_unit_test(a_child_holds_no_more_than_its_parent),
        cmocka_unit_test(an_exact_parent_makes_no_prefix_and_star_no_system),
        cmocka_unit_test(two_grants_cover_one_of_both_roles),
        cmocka_unit_test(a_child_lives_within_its_parent),
        cmocka_unit_test(scopes_are_covered_by_name_or_star),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
