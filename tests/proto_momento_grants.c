/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/test.h"

#include "proto/err.h"
#include "proto/momento_grants.h"

/* A topic permission: cache NULL and topic NULL are all of them. */
static struct momento_permission topic(enum momento_role role,
                                       const char *cache, const char *name)
{
    return (struct momento_permission){
        .kind = MOMENTO_KIND_TOPIC,
        .role = role,
        .all_caches = cache == NULL,
        .cache = cache == NULL ? (struct bytes){0} : bytes_str(cache),
        .all = name == NULL,
        .name = name == NULL ? (struct bytes){0} : bytes_str(name),
    };
}

static struct momento_permission prefix(enum momento_role role,
                                        const char *cache, const char *name)
{
    struct momento_permission p = topic(role, cache, name);

    p.prefix = true;
    return p;
}

static struct momento_permission data(const char *cache, const char *key)
{
    struct momento_permission p = topic(MOMENTO_ROLE_READ_WRITE, cache, key);

    p.kind = MOMENTO_KIND_CACHE;
    return p;
}

static int read_two(struct momento_permission a, struct momento_permission b,
                    struct token *token)
{
    const struct momento_permissions list = {
        .given = true,
        .len = b.kind == MOMENTO_KIND_NONE ? 1 : 2,
        .list = {a, b}};

    return momento_grants(&list, token);
}

static void a_topic_permission_is_a_grant(void **state)
{
    const struct {
        struct momento_permission from;
        struct token_grant to;
    } cases[] = {
        {topic(MOMENTO_ROLE_READ_WRITE, "c", "t"),
         {BYTES("c"), BYTES("t"), false, false, TOKEN_BOTH}},
        {topic(MOMENTO_ROLE_READ, "c", "t"),
         {BYTES("c"), BYTES("t"), false, false, TOKEN_SUBSCRIBE}},
        {topic(MOMENTO_ROLE_WRITE, "c", "t"),
         {BYTES("c"), BYTES("t"), false, false, TOKEN_PUBLISH}},
        {prefix(MOMENTO_ROLE_READ, "c", "t"),
         {BYTES("c"), BYTES("t"), true, false, TOKEN_SUBSCRIBE}},
        {topic(MOMENTO_ROLE_READ, "c", NULL),
         {BYTES("c"), BYTES(""), false, true, TOKEN_SUBSCRIBE}},
        {topic(MOMENTO_ROLE_WRITE, NULL, "t"),
         {BYTES(""), BYTES("t"), false, false, TOKEN_PUBLISH}},
        {topic(MOMENTO_ROLE_READ_WRITE, NULL, NULL),
         {BYTES(""), BYTES(""), false, true, TOKEN_BOTH}},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct token token = {0};
        assert_int_equal(
            read_two(cases[i].from, (struct momento_permission){0}, &token), 0);
        assert_int_equal(token.grants_len, 1);
        const struct token_grant *got = &token.grants[0];
        const struct token_grant *want = &cases[i].to;
        if (!bytes_eq(got->cache, want->cache) ||
            !bytes_eq(got->topic, want->topic) || got->prefix != want->prefix ||
            got->all != want->all || got->role != want->role) {
            fail_msg("case %zu", i);
        }
    }
}

/* Permissions of data let nobody publish, subscribe or create caches. */
static void what_is_not_of_topics_grants_nothing(void **state)
{
    const struct momento_permission none[] = {
        data(NULL, NULL),
        data("c", NULL),
        data("c", "key"),
        topic(MOMENTO_ROLE_NONE, "c", "t"),
        topic(MOMENTO_ROLE_NONE, NULL, NULL),
        {.kind = MOMENTO_KIND_FUNCTION},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(none); i++) {
        struct token token = {0};
        assert_int_equal(
            read_two(none[i], (struct momento_permission){0}, &token), 0);
        assert_int_equal(token.grants_len, 0);
        assert_int_equal(token.scopes_len, 0);
    }
}

static void what_says_too_little_is_refused(void **state)
{
    struct momento_permission no_cache = topic(MOMENTO_ROLE_READ, "", "t");
    struct momento_permission no_topic = topic(MOMENTO_ROLE_READ, "c", "");
    const struct momento_permission wrong[] = {
        no_cache,
        no_topic,
        prefix(MOMENTO_ROLE_READ, "c", ""),
        topic(MOMENTO_ROLE_READ, "a/b", "t"),
        topic(MOMENTO_ROLE_READ, "c", "t\n"),
        topic(MOMENTO_ROLE_NONE, "", "t"),
        data("", NULL),
        data("a/b", NULL),
    };
    const struct momento_permissions empty = {.given = true};
    const struct momento_permissions absent = {0};
    const struct momento_permissions nothing = {.given = true, .len = 1};
    struct token token = {0};
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        if (read_two(wrong[i], (struct momento_permission){0}, &token) !=
            ERR_ARGUMENT) {
            fail_msg("case %zu", i);
        }
    }
    assert_int_equal(momento_grants(&empty, &token), ERR_ARGUMENT);
    assert_int_equal(momento_grants(&absent, &token), ERR_ARGUMENT);
    assert_int_equal(momento_grants(&nothing, &token), ERR_ARGUMENT);
}

/* Of the same resource there is one permission; others add up. */
static void two_of_one_resource_are_a_mistake(void **state)
{
    const enum momento_role r = MOMENTO_ROLE_READ;
    const enum momento_role w = MOMENTO_ROLE_WRITE;
    const struct {
        struct momento_permission a, b;
        int rc;
    } cases[] = {
        {topic(r, "c", "t"), topic(r, "c", "t"), ERR_ARGUMENT},
        {topic(r, "c", "t"), topic(w, "c", "t"), ERR_ARGUMENT},
        {topic(r, "c", "t"), topic(MOMENTO_ROLE_NONE, "c", "t"), ERR_ARGUMENT},
        {topic(r, NULL, NULL), topic(w, NULL, NULL), ERR_ARGUMENT},
        {topic(r, "c", NULL), topic(w, "c", NULL), ERR_ARGUMENT},
        {prefix(r, "c", "t"), prefix(w, "c", "t"), ERR_ARGUMENT},
        {data(NULL, NULL), data(NULL, NULL), ERR_ARGUMENT},
        {data("c", NULL), data("c", ""), ERR_ARGUMENT},
        {data("c", "k"), data("c", "k"), ERR_ARGUMENT},
        {topic(r, "c", "t"), topic(w, "c", "u"), 0},
        {topic(r, "c", "t"), topic(w, "d", "t"), 0},
        {topic(r, "c", "t"), topic(w, "c", NULL), 0},
        {topic(r, "c", "t"), topic(w, NULL, "t"), 0},
        {topic(r, "c", "t"), prefix(w, "c", "t"), 0},
        {data("c", "k"), data("c", NULL), 0},
        {data("c", "t"), topic(r, "c", "t"), 0},
        {{.kind = MOMENTO_KIND_FUNCTION}, {.kind = MOMENTO_KIND_FUNCTION}, 0},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct token token = {0};
        if (read_two(cases[i].a, cases[i].b, &token) != cases[i].rc ||
            read_two(cases[i].b, cases[i].a, &token) != cases[i].rc) {
            fail_msg("case %zu", i);
        }
    }
}

static void superusers_and_long_lists_are_refused(void **state)
{
    static char names[TOKEN_GRANTS_MAX + 1][4];
    struct momento_permissions list = {.given = true, .super_user = true};
    struct token token = {0};
    (void)state;

    assert_int_equal(momento_grants(&list, &token), ERR_DENIED);
    list.super_user = false;
    for (list.len = 0; list.len <= TOKEN_GRANTS_MAX; list.len++) {
        names[list.len][0] = 't';
        names[list.len][1] = (char)('0' + list.len / 10);
        names[list.len][2] = (char)('0' + list.len % 10);
        list.list[list.len] = topic(MOMENTO_ROLE_READ, "c", names[list.len]);
    }
    assert_int_equal(momento_grants(&list, &token), ERR_ARGUMENT);
    list.len--;
    assert_int_equal(momento_grants(&list, &token), 0);
    assert_int_equal(token.grants_len, TOKEN_GRANTS_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_topic_permission_is_a_grant),
        cmocka_unit_test(what_is_not_of_topics_grants_nothing),
        cmocka_unit_test(what_says_too_little_is_refused),
        cmocka_unit_test(two_of_one_resource_are_a_mistake),
        cmocka_unit_test(superusers_and_long_lists_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
