/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/test.h"

#include <stdio.h>

#include "proto/err.h"
#include "proto/token_wish.h"

static int read_text(const char *text)
{
    struct token_wish wish;
    int rc = token_wish_read(bytes_str(text), &wish);

    if (rc == 0) {
        token_fini(&wish.token);
    }
    return rc;
}

static void all_that_may_be_asked_for(void **state)
{
    static const char text[] =
        "{\"kind\":\"api_key\",\"format\":\"v1\",\"subject\":\"ann\","
        "\"ttl_s\":3600,\"scopes\":[\"admin:read\",\"admin:caches\"],"
        "\"grants\":[{\"cache\":\"demo\",\"topic\":\"chat\",\"role\":"
        "\"publish\"},{\"topic_prefix\":\"room.\",\"cache\":\"*\",\"role\":"
        "\"subscribe\"},{\"cache\":\"all\",\"role\":\"both\"}]}";
    struct token_wish wish;
    (void)state;

    assert_int_equal(token_wish_read(bytes_str(text), &wish), 0);
    const struct token *token = &wish.token;
    assert_int_equal(token->kind, TOKEN_API_KEY);
    assert_true(wish.v1);
    assert_int_equal(wish.ttl_s, 3600);
    assert_bytes(token->subject, "ann");
    assert_int_equal(token->scopes_len, 2);
    assert_bytes(token->scopes[1], "admin:caches");
    assert_int_equal(token->grants_len, 3);
    assert_bytes(token->grants[0].cache, "demo");
    assert_bytes(token->grants[0].topic, "chat");
    assert_int_equal(token->grants[0].role, TOKEN_PUBLISH);
    assert_false(token->grants[0].prefix || token->grants[0].all);
    assert_int_equal(token->grants[1].cache.len, 0);
    assert_bytes(token->grants[1].topic, "room.");
    assert_true(token->grants[1].prefix && !token->grants[1].all);
    assert_int_equal(token->grants[1].role, TOKEN_SUBSCRIBE);
    assert_true(token->grants[2].all);
    assert_int_equal(token->grants[2].role, TOKEN_BOTH);
    token_fini(&wish.token);
}

static void the_least_is_for_nothing(void **state)
{
    struct token_wish wish;
    (void)state;

    assert_int_equal(token_wish_read(BYTES("{\"ttl_s\":1}"), &wish), 0);
    assert_int_equal(wish.token.kind, TOKEN_PLAIN);
    assert_int_equal(wish.token.grants_len, 0);
    assert_int_equal(wish.token.scopes_len, 0);
    assert_int_equal(wish.token.subject.len, 0);
    assert_false(wish.v1);
    token_fini(&wish.token);
}

/* Each in the middle of a wish that is well but for it (ADVERSARIAL I4). */
static void a_member_is_exact_or_refused(void **state)
{
    static const struct {
        const char *member;
        int rc;
    } cases[] = {
        {"", 0},
        {",\"ttl\":5", ERR_ARGUMENT},
        {",\"kind\":\"disposable\"", 0},
        {",\"kind\":\"superuser\"", ERR_ARGUMENT},
        {",\"kind\":null", ERR_ARGUMENT},
        {",\"format\":\"jwt\"", 0},
        {",\"format\":\"v3\"", ERR_ARGUMENT},
        {",\"subject\":\"\"", ERR_ARGUMENT},
        {",\"subject\":7", ERR_ARGUMENT},
        {",\"subject\":null", ERR_ARGUMENT},
        {",\"scopes\":[]", 0},
        {",\"scopes\":[\"\"]", ERR_ARGUMENT},
        {",\"scopes\":\"admin:read\"", ERR_ARGUMENT},
        {",\"scopes\":[7]", ERR_ARGUMENT},
        {",\"grants\":[]", 0},
        {",\"grants\":null", ERR_ARGUMENT},
        {",\"grants\":{}", ERR_ARGUMENT},
        {",\"grants\":[{}]", ERR_ARGUMENT},
        {",\"grants\":[\"*\"]", ERR_ARGUMENT},
        {",\"grants\":[{\"cache\":\"a\"}]", ERR_ARGUMENT},
        {",\"grants\":[{\"role\":\"both\"}]", ERR_ARGUMENT},
        {",\"grants\":[{\"cache\":\"\",\"role\":\"both\"}]", ERR_ARGUMENT},
        {",\"grants\":[{\"cache\":\"a\",\"role\":\"pub\"}]", ERR_ARGUMENT},
        {",\"grants\":[{\"cache\":\"a\",\"role\":\"both\",\"topic\":\"\"}]",
         ERR_ARGUMENT},
        {",\"grants\":[{\"cache\":\"a\",\"role\":\"both\",\"topic\":null}]",
         ERR_ARGUMENT},
        {",\"grants\":[{\"cache\":\"a\",\"role\":\"both\",\"topic\":\"t\","
         "\"topic_prefix\":\"t\"}]",
         ERR_ARGUMENT},
        {",\"grants\":[{\"cache\":\"a\",\"role\":\"both\",\"topics\":\"t\"}]",
         ERR_ARGUMENT},
        {",\"ttl_s\":2", ERR_SYNTAX}, /* twice */
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char text[300];
        snprintf(text, sizeof text, "{\"ttl_s\":60%s}", cases[i].member);
        if (read_text(text) != cases[i].rc) {
            fail_msg("case %zu", i);
        }
    }
}

static void a_life_has_an_end_or_none(void **state)
{
    static const struct {
        const char *ttl;
        int rc;
    } cases[] = {
        {"1", 0},
        {"\"never\"", 0},
        {"253402300799", 0},
        {"253402300800", ERR_ARGUMENT},
        {"9223372036854775808", ERR_SYNTAX},
        {"0", ERR_ARGUMENT},
        {"-1", ERR_ARGUMENT},
        {"1.5", ERR_ARGUMENT},
        {"\"1\"", ERR_ARGUMENT},
        {"null", ERR_ARGUMENT},
        {"true", ERR_ARGUMENT},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char text[60];
        snprintf(text, sizeof text, "{\"ttl_s\":%s}", cases[i].ttl);
        if (read_text(text) != cases[i].rc) {
            fail_msg("case %zu", i);
        }
    }
    assert_int_equal(read_text("{}"), ERR_ARGUMENT);
    assert_int_equal(read_text("[]"), ERR_SYNTAX);
    assert_int_equal(read_text(""), ERR_SYNTAX);
    assert_int_equal(read_text("{\"ttl_s\":1} 1"), ERR_SYNTAX);
}

static void lists_are_bounded(void **state)
{
    (void)state;

    for (int n = TOKEN_GRANTS_MAX; n <= TOKEN_GRANTS_MAX + 1; n++) {
        struct buf text = {0};
        buf_add_str(&text, "{\"ttl_s\":1,\"grants\":[");
        for (int i = 0; i < n; i++) {
            buf_add_str(&text, i == 0 ? "" : ",");
            buf_add_str(&text, "{\"cache\":\"a\",\"role\":\"both\"}");
        }
        buf_add_str(&text, "]}");
        buf_add_u8(&text, 0);
        assert_int_equal(read_text((char *)text.p),
                         n > TOKEN_GRANTS_MAX ? ERR_ARGUMENT : 0);
        buf_fini(&text);
    }
}

static void a_revocation_names_one(void **state)
{
    static const struct {
        const char *text;
        int rc;
    } cases[] = {
        {"{\"id\":\"st1\"}", 0},
        {"{\"token\":\"a.b.c\"}", 0},
        {"{\"id\":\"st1\",\"token\":\"a.b.c\"}", ERR_ARGUMENT},
        {"{\"id\":\"st1\",\"why\":\"x\"}", ERR_ARGUMENT},
        {"{\"id\":\"\"}", ERR_ARGUMENT},
        {"{\"id\":7}", ERR_ARGUMENT},
        {"{\"id\":null}", ERR_ARGUMENT},
        {"{}", ERR_ARGUMENT},
        {"[\"id\"]", ERR_SYNTAX},
        {"", ERR_SYNTAX},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct token_revocation what;
        struct buf memory = {0};
        if (token_revocation_read(bytes_str(cases[i].text), &memory, &what) !=
            cases[i].rc) {
            fail_msg("case %zu", i);
        }
        if (i == 0) {
            assert_bytes(what.id, "st1");
            assert_int_equal(what.token.len, 0);
        }
        buf_fini(&memory);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_that_may_be_asked_for),
        cmocka_unit_test(the_least_is_for_nothing),
        cmocka_unit_test(a_member_is_exact_or_refused),
        cmocka_unit_test(a_life_has_an_end_or_none),
        cmocka_unit_test(lists_are_bounded),
        cmocka_unit_test(a_revocation_names_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
