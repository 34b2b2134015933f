/* SPDX-License-Identifier: Apache-2.0
 *
 * The messages of ScsControl, Token and Auth, as bytes.
 */
#include "tests/test.h"

#include "proto/err.h"
#include "proto/momento_control.h"
#include "proto/momento_token.h"
#include "tests/wire.h"

static void check_written(struct buf *out, struct bytes expected)
{
    assert_false(out->failed);
    assert_int_equal(out->len, expected.len);
    assert_memory_equal(out->p, expected.p, expected.len);
    buf_fini(out);
}

static void requests_about_caches_have_a_name_or_a_token(void **state)
{
    struct bytes name;
    struct buf memory = {0};
    struct buf other = {0};
    (void)state;

    assert_int_equal(momento_read_cache(BYTES("\x0a\x03"
                                              "abc"),
                                        &memory, &name),
                     0);
    assert_bytes(name, "abc");
    assert_int_equal(momento_read_list_caches(BYTES(""), &other, &name), 0);
    assert_int_equal(name.len, 0);
    buf_fini(&memory);
    buf_fini(&other);
}

static void a_list_of_caches_is_the_sum_of_its_parts(void **state)
{
    struct buf out = {0};
    (void)state;

    momento_write_cache(&out, &(struct momento_cache){.name = BYTES("a")});
    momento_write_cache(&out, &(struct momento_cache){.name = BYTES("b"),
                                                      .publish_rate = 9,
                                                      .subs = 8,
                                                      .item_kb = 7});
    momento_write_next_token(&out, BYTES("x"));
    check_written(&out, BYTES("\x0a\x07\x0a\x01"
                              "a\x12\0\x1a\0"
                              "\x0a\x0d\x0a\x01"
                              "b\x12\0\x1a\x06\x08\x09\x10\x08\x18\x07"
                              "\x12\x01x"));
}

static void a_disposable_token_is_wished_for_with_roles(void **state)
{
    /* In "c" all topics, to read; in all caches those of "rm", to write. */
    static const struct bytes message = BYTES(
        "\x0a\x02\x08\x3c"
        "\x12\x03key"
        "\x1a\x1d\x12\x1b"
        "\x0a\x0b\x12\x09\x08\x02\x1a\x03\x0a\x01"
        "c\x22\0"
        "\x0a\x0c\x12\x0a\x08\x03\x12\0\x2a\x04\x12\x02rm"
        "\x22\x02me");
    struct momento_token_wish wish;
    struct buf memory = {0};
    (void)state;

    assert_int_equal(momento_read_disposable(message, &memory, &wish), 0);
    assert_true(wish.expires);
    assert_false(wish.never);
    assert_int_equal(wish.valid_s, 60);
    assert_bytes(wish.holder, "key");
    assert_bytes(wish.id, "me");
    assert_true(wish.permissions.given);
    assert_false(wish.permissions.super_user);
    assert_int_equal(wish.permissions.len, 2);
    const struct momento_permission *p = wish.permissions.list;
    assert_int_equal(p[0].kind, MOMENTO_KIND_TOPIC);
    assert_int_equal(p[0].role, MOMENTO_ROLE_READ);
    assert_false(p[0].all_caches);
    assert_bytes(p[0].cache, "c");
    assert_true(p[0].all);
    assert_int_equal(p[1].role, MOMENTO_ROLE_WRITE);
    assert_true(p[1].all_caches);
    assert_false(p[1].all);
    assert_true(p[1].prefix);
    assert_bytes(p[1].name, "rm");
    buf_fini(&memory);
}

static void an_api_token_may_live_for_ever_and_be_super(void **state)
{
    struct momento_token_wish wish;
    struct buf memory = {0};
    struct buf other = {0};
    (void)state;

    assert_int_equal(momento_read_api_token(BYTES("\x0a\0\x1a\x01k\x22\x02\x08"
                                                  "\0"),
                                            &memory, &wish),
                     0);
    assert_true(wish.never);
    assert_false(wish.expires);
    assert_true(wish.permissions.super_user);
    assert_int_equal(momento_read_api_token(BYTES("\x12\x02\x08\x05\x32\x01"
                                                  "d"),
                                            &other, &wish),
                     0);
    assert_true(wish.expires);
    assert_int_equal(wish.valid_s, 5);
    assert_bytes(wish.description, "d");
    assert_false(wish.permissions.given);
    buf_fini(&memory);
    buf_fini(&other);
}

static void strange_permissions_are_told_apart(void **state)
{
    static const struct {
        struct bytes explicit; /* of Permissions.explicit */
        int err;
        enum momento_kind kind;
    } cases[] = {
        {BYTES("\x1a\x04\x12\x02\x0a\0"), 0, MOMENTO_KIND_NONE},
        {BYTES("\x1a\x06\x12\x04\x0a\x02\x1a\0"), 0, MOMENTO_KIND_FUNCTION},
        {BYTES("\x1a\x08\x12\x06\x0a\x04\x0a\x02\x08\x01"), 0,
         MOMENTO_KIND_CACHE},
        {BYTES("\x1a\x08\x12\x06\x0a\x04\x12\x02\x08\x04"), ERR_ARGUMENT, 0},
        {BYTES("\x1a\x02\x08\x01"), ERR_ARGUMENT, 0}, /* super user 1 */
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct momento_token_wish wish;
        struct buf memory = {0};
        assert_int_equal(
            momento_read_disposable(cases[i].explicit, &memory, &wish),
            cases[i].err);
        if (cases[i].err == 0) {
            assert_int_equal(wish.permissions.len, 1);
            assert_int_equal(wish.permissions.list[0].kind, cases[i].kind);
        }
        buf_fini(&memory);
    }
}

static void permissions_are_bounded(void **state)
{
    (void)state;
    for (unsigned n = MOMENTO_PERMISSIONS_MAX; n <= MOMENTO_PERMISSIONS_MAX + 1;
         n++) {
        struct momento_token_wish wish;
        struct buf message = {0};
        struct buf memory = {0};
        unsigned explicit = n * 2;
        buf_add(&message, "\x1a", 1);
        buf_add_u8(&message, (uint8_t)((explicit + 3) | 0x80));
        buf_add_u8(&message, (uint8_t)((explicit + 3) >> 7));
        buf_add(&message, "\x12", 1);
        buf_add_u8(&message, (uint8_t)(explicit | 0x80));
        buf_add_u8(&message, (uint8_t)(explicit >> 7));
        for (unsigned i = 0; i < n; i++) {
            buf_add(&message, "\x0a\0", 2);
        }
        assert_int_equal(
            momento_read_disposable(buf_bytes(&message), &memory, &wish),
            n > MOMENTO_PERMISSIONS_MAX ? ERR_ARGUMENT : 0);
        buf_fini(&message);
        buf_fini(&memory);
    }
}

static void a_refresh_has_both_tokens(void **state)
{
    struct momento_key key;
    struct buf memory = {0};
    (void)state;

    assert_int_equal(
        momento_read_refresh(BYTES("\x0a\x01k\x12\x01r"), &memory, &key), 0);
    assert_bytes(key.api_key, "k");
    assert_bytes(key.refresh_token, "r");
    buf_fini(&memory);
}

static void answers_carry_the_key(void **state)
{
    struct buf out = {0};
    const struct momento_key key = {.api_key = BYTES("k"),
                                    .refresh_token = BYTES("r"),
                                    .endpoint = BYTES("e"),
                                    .valid_until = 5};
    (void)state;

    momento_write_disposable(&out, &key);
    check_written(&out, BYTES("\x0a\x01k\x12\x01"
                              "e\x18\x05"));
    momento_write_api_token(&out, &key);
    check_written(&out, BYTES("\x0a\x01k\x12\x01r\x1a\x01"
                              "e\x20\x05"));
}

static ptrdiff_t read_any(struct bytes in)
{
    struct momento_token_wish wish;
    struct momento_key key;
    struct bytes name;
    struct buf memory[4] = {{0}};

    (void)momento_read_disposable(in, &memory[0], &wish);
    (void)momento_read_api_token(in, &memory[1], &wish);
    (void)momento_read_refresh(in, &memory[2], &key);
    (void)momento_read_cache(in, &memory[3], &name);
    for (size_t i = 0; i < ARRAY_LEN(memory); i++) {
        buf_fini(&memory[i]);
    }
    return 0;
}

static void broken_messages_break_nothing(void **state)
{
    (void)state;
    wire_check_changes(read_any,
                       BYTES("\x0a\x02\x08\x3c\x12\x03key\x1a\x1d\x12\x1b"
                             "\x0a\x0b\x12\x09\x08\x02\x1a\x03\x0a\x01"
                             "c\x22\0\x0a\x0c\x12\x0a\x08\x03\x12\0\x2a\x04"
                             "\x12\x02rm\x22\x02me"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_about_caches_have_a_name_or_a_token),
        cmocka_unit_test(a_list_of_caches_is_the_sum_of_its_parts),
        cmocka_unit_test(a_disposable_token_is_wished_for_with_roles),
        cmocka_unit_test(an_api_token_may_live_for_ever_and_be_super),
        cmocka_unit_test(strange_permissions_are_told_apart),
        cmocka_unit_test(permissions_are_bounded),
        cmocka_unit_test(a_refresh_has_both_tokens),
        cmocka_unit_test(answers_carry_the_key),
        cmocka_unit_test(broken_messages_break_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
