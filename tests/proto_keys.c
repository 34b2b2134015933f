/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/test.h"

#include "proto/err.h"
#include "proto/keys.h"

#define PRINT 0x0123456789abcdefu
#define KEY   "\"key\":\"0123456789abcdef\""

static void a_call_comes_back_and_no_cut_of_it_does(void **state)
{
    (void)state;

    for (enum keys_op op = KEYS_LIST; op <= KEYS_REMOVE; op++) {
        struct keys_call call = {.op = op, .print = PRINT};
        struct keys_call got = {0};
        struct buf out = {0};
        if (op == KEYS_INSTALL) {
            memset(call.secret, 7, sizeof call.secret);
        }
        keys_call_write(&call, &out);
        for (size_t len = 0; len < out.len; len++) {
            assert_int_equal(keys_call_read(bytes_of(out.p, len), &got),
                             ERR_SYNTAX);
        }
        size_t len = out.len;
        buf_add_str(&out, "what a newer node says");
        assert_int_equal(keys_call_read(buf_bytes(&out), &got), len);
        assert_int_equal(got.op, op);
        assert_true(got.print == PRINT);
        assert_memory_equal(got.secret, call.secret, sizeof got.secret);
        buf_fini(&out);
    }
    static const uint8_t unknown[64] = {5};
    static const uint8_t zero[64];
    struct keys_call got;
    assert_int_equal(keys_call_read(bytes_of(unknown, sizeof unknown), &got),
                     ERR_SYNTAX);
    assert_int_equal(keys_call_read(bytes_of(zero, sizeof zero), &got),
                     ERR_SYNTAX);
}

static void a_state_comes_back_and_no_cut_of_it_does(void **state)
{
    (void)state;

    for (size_t keys = 0; keys <= SEAL_KEYS_MAX; keys++) {
        struct keys_state said = {.err = keys == 3 ? ERR_LIMIT : 0,
                                  .len = keys};
        struct keys_state got;
        struct buf out = {0};
        for (size_t i = 0; i < keys; i++) {
            said.prints[i] = PRINT + i;
        }
        keys_state_write(&said, &out);
        for (size_t len = 0; len < out.len; len++) {
            assert_int_equal(keys_state_read(bytes_of(out.p, len), &got),
                             ERR_SYNTAX);
        }
        assert_int_equal(keys_state_read(buf_bytes(&out), &got), out.len);
        assert_int_equal(got.err, said.err);
        assert_int_equal(got.len, keys);
        assert_memory_equal(got.prints, said.prints, sizeof got.prints);
        assert_int_equal(keys_state_has(&got, PRINT), keys > 0);
        assert_false(keys_state_has(&got, PRINT - 1));
        buf_fini(&out);
    }
    static const uint8_t many[3 + 8 * 9] = {0, 0, 9};
    struct keys_state got;
    assert_int_equal(keys_state_read(bytes_of(many, sizeof many), &got),
                     ERR_SYNTAX);
}

static void a_wish_comes_back(void **state)
{
    struct keys_wish wish = {.op = KEYS_INSTALL,
                             .print = PRINT,
                             .force = true,
                             .sealed_len = KEYS_SEALED_LEN};
    struct keys_wish got;
    struct buf text = {0};
    (void)state;

    memset(wish.sealed, 0xfe, sizeof wish.sealed);
    keys_wish_write(&wish, &text);
    assert_int_equal(keys_wish_read(buf_bytes(&text), &got), 0);
    assert_memory_equal(&got, &wish, sizeof got);

    buf_reset(&text);
    wish = (struct keys_wish){.op = KEYS_USE, .print = PRINT};
    keys_wish_write(&wish, &text);
    assert_bytes(buf_bytes(&text), "{\"op\":\"use\"," KEY "}");
    assert_int_equal(keys_wish_read(buf_bytes(&text), &got), 0);
    assert_memory_equal(&got, &wish, sizeof got);
    buf_fini(&text);
}

static void what_is_no_wish_is_refused(void **state)
{
    static const struct {
        const char *text;
        int rc;
    } cases[] = {
        {"", ERR_SYNTAX},
        {"[]", ERR_SYNTAX},
        {"{\"op\":\"use\",\"op\":\"use\"," KEY "}", ERR_SYNTAX},
        {"{}", ERR_ARGUMENT},
        {"{\"op\":\"use\"}", ERR_ARGUMENT},
        {"{" KEY "}", ERR_ARGUMENT},
        {"{\"op\":\"list\"," KEY "}", ERR_ARGUMENT},
        {"{\"op\":\"us\"," KEY "}", ERR_ARGUMENT},
        {"{\"op\":3," KEY "}", ERR_ARGUMENT},
        {"{\"op\":\"use\",\"key\":\"0123456789abcde\"}", ERR_ARGUMENT},
        {"{\"op\":\"use\",\"key\":\"0123456789abcdefa\"}", ERR_ARGUMENT},
        {"{\"op\":\"use\",\"key\":\"0123456789abcdeg\"}", ERR_ARGUMENT},
        {"{\"op\":\"use\",\"key\":7}", ERR_ARGUMENT},
        {"{\"op\":\"use\"," KEY ",\"force\":1}", ERR_ARGUMENT},
        {"{\"op\":\"use\"," KEY ",\"secret\":1}", ERR_ARGUMENT},
        {"{\"op\":\"install\"," KEY ",\"sealed\":1}", ERR_ARGUMENT},
        {"{\"op\":\"install\"," KEY ",\"sealed\":\"AAAA\"}", ERR_ARGUMENT},
        {"{\"op\":\"install\"," KEY ",\"sealed\":\"!\"}", ERR_ARGUMENT},
        {"{\"op\":\"use\"," KEY "}", 0},
        {"{\"op\":\"remove\",\"force\":false," KEY "}", 0},
        {"{\"op\":\"install\"," KEY "}", 0},
    };
    struct keys_wish wish;
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        if (keys_wish_read(bytes_str(cases[i].text), &wish) != cases[i].rc) {
            fail_msg("case %zu: %s", i, cases[i].text);
        }
    }
}

static void a_print_is_sixteen_digits(void **state)
{
    struct buf hex = {0};
    uint64_t print = 0;
    (void)state;

    keys_print_write(PRINT, &hex);
    assert_bytes(buf_bytes(&hex), "0123456789abcdef");
    assert_int_equal(keys_print_read(BYTES("0123456789ABCDEF"), &print), 0);
    assert_true(print == PRINT);
    assert_int_equal(keys_print_read(BYTES("0x23456789abcdef"), &print),
                     ERR_SYNTAX);
    buf_fini(&hex);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_call_comes_back_and_no_cut_of_it_does),
        cmocka_unit_test(a_state_comes_back_and_no_cut_of_it_does),
        cmocka_unit_test(a_wish_comes_back),
        cmocka_unit_test(what_is_no_wish_is_refused),
        cmocka_unit_test(a_print_is_sixteen_digits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
