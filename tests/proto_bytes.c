/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/test.h"

#include "proto/addr.h"
#include "proto/bytes.h"
#include "proto/err.h"

static void numbers_are_read_whole_or_not_at_all(void **state)
{
    static const struct {
        const char *text;
        int rc;
        uint64_t value;
    } cases[] = {
        {"0", 0, 0},
        {"18446744073709551615", 0, UINT64_MAX},
        {"18446744073709551616", ERR_SYNTAX, 0},
        {"", ERR_SYNTAX, 0},
        {"+5", ERR_SYNTAX, 0},
        {" 5", ERR_SYNTAX, 0},
        {"0x5", ERR_SYNTAX, 0},
        {"5 ", ERR_SYNTAX, 0},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        uint64_t value = 0;
        assert_int_equal(bytes_u64(bytes_str(cases[i].text), &value),
                         cases[i].rc);
        assert_int_equal(value, cases[i].value);
    }
}

static void a_buffer_keeps_what_it_has_when_an_append_does_not_fit(void **state)
{
    struct buf b = {.max = 8};
    (void)state;

    buf_add_str(&b, "12345678");
    assert_false(b.failed);
    buf_add_str(&b, "9");
    assert_true(b.failed);
    assert_int_equal(b.len, 8);
    assert_memory_equal(b.p, "12345678", 8);
    buf_fini(&b);
}

static void a_buffer_prints_numbers(void **state)
{
    struct buf b = {0};
    (void)state;

    buf_add_i64(&b, INT64_MIN);
    buf_add_u8(&b, ' ');
    buf_add_u64(&b, UINT64_MAX);
    buf_add_u8(&b, ' ');
    buf_add_hex(&b, "\x0f\xa0", 2);
    assert_bytes(buf_bytes(&b),
                 "-9223372036854775808 18446744073709551615 0fa0");
    buf_fini(&b);
}

static void addresses_survive_text_and_back(void **state)
{
    static const char *const good[] = {"127.0.0.1:7400", "[::1]:1",
                                       "[2001:db8::5]:65535", "0.0.0.0:0"};
    static const char *const bad[] = {
        "",       "1.2.3.4", "1.2.3.4:", "1.2.3:4",
        "[::1:5", "[::1]5",  "x:1",      "1.2.3.4:65536"};
    char text[ADDR_TEXT_MAX];
    struct addr addr;
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        assert_int_equal(addr_read(bytes_str(good[i]), 0, &addr), 0);
        assert_string_equal(addr_text(&addr, text), good[i]);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_int_equal(addr_read(bytes_str(bad[i]), 0, &addr), ERR_SYNTAX);
    }
    assert_int_equal(addr_read(bytes_str("::1"), 9, &addr), 0);
    assert_int_equal(addr.port, 9);
    assert_true(addr_is_loopback(&addr));
}

static void every_error_has_its_own_number_and_reads_back(void **state)
{
    (void)state;

    for (int i = 1; i <= ERR_COUNT; i++) {
        assert_int_equal(err_from_code(err_code(-i)), -i);
        assert_int_equal(err_code(-i) / 10, err_status(-i));
    }
    assert_string_equal(err_name(ERR_TOO_BIG), "TOO_BIG");
    assert_string_equal(err_name(7), "INTERNAL");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_read_whole_or_not_at_all),
        cmocka_unit_test(
            a_buffer_keeps_what_it_has_when_an_append_does_not_fit),
        cmocka_unit_test(a_buffer_prints_numbers),
        cmocka_unit_test(addresses_survive_text_and_back),
        cmocka_unit_test(every_error_has_its_own_number_and_reads_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
