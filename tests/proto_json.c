/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/test.h"

#include "proto/err.h"
#include "proto/json.h"

static void strings_are_escaped_where_json_and_html_need_it(void **state)
{
    static const struct {
        struct bytes text;
        const char *json;
    } cases[] = {
        {{(const uint8_t *)"", 0}, "\"\""},
        {{(const uint8_t *)"plain", 5}, "\"plain\""},
        {{(const uint8_t *)"a\"b\\c/d", 7}, "\"a\\\"b\\\\c/d\""},
        {{(const uint8_t *)"\n\r\t\b\0\x1f\x7f", 7},
         "\"\\n\\r\\t\\u0008\\u0000\\u001f\x7f\""},
        {{(const uint8_t *)"</script>", 9}, "\"\\u003c/script>\""},
        {{(const uint8_t *)"\xe2\x80\xa8\xe2\x80\xa9\xe2\x80\xaa", 9},
         "\"\\u2028\\u2029\xe2\x80\xaa\""},
        {{(const uint8_t *)"\xe2\x80", 2}, "\"\xe2\x80\""},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf out = {0};
        json_add_string(&out, cases[i].text);
        assert_bytes(buf_bytes(&out), cases[i].json);
        buf_fini(&out);
    }
}

/* Every byte at every place of a word. */
static void an_escape_is_found_wherever_it_stands(void **state)
{
    static const char hex[] = "0123456789abcdef";
    (void)state;

    for (unsigned c = 0; c < 0x80; c++) {
        bool plain = c >= 0x20 && c != '"' && c != '\\' && c != '<';
        for (size_t at = 0; at < 24; at++) {
            uint8_t text[24];
            struct buf out = {0};
            memset(text, 'x', sizeof text);
            text[at] = (uint8_t)c;
            json_add_string(&out, bytes_of(text, sizeof text));
            if (plain) {
                assert_int_equal(out.len, sizeof text + 2);
                assert_int_equal(out.p[1 + at], c);
            } else {
                assert_int_equal(out.p[1 + at], '\\');
                uint8_t kind = out.p[2 + at];
                assert_int_equal(out.len, sizeof text + (kind == 'u' ? 7 : 3));
                assert_true(kind != 'u' || out.p[6 + at] == hex[c & 15]);
            }
            assert_int_equal(out.p[out.len - 1], '"');
            buf_fini(&out);
        }
    }
}

static void names_take_their_comma(void **state)
{
    struct buf out = {0};
    (void)state;

    json_add_name(&out, false, "a");
    json_add_base64(&out, BYTES("hi"));
    json_add_name(&out, true, "b");
    assert_bytes(buf_bytes(&out), "\"a\":\"aGk=\",\"b\":");
    buf_fini(&out);
}

/* RFC 4648 section 10. */
static void base64_matches_the_vectors_of_the_specification(void **state)
{
    static const char *const cases[][2] = {
        {"", ""},
        {"f", "Zg=="},
        {"fo", "Zm8="},
        {"foo", "Zm9v"},
        {"foob", "Zm9vYg=="},
        {"fooba", "Zm9vYmE="},
        {"foobar", "Zm9vYmFy"},
        {"\xff\xfe\xfb", "//77"},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf out = {0};
        json_base64(&out, bytes_str(cases[i][0]));
        assert_bytes(buf_bytes(&out), cases[i][1]);
        buf_reset(&out);
        assert_int_equal(json_base64_read(bytes_str(cases[i][1]), &out), 0);
        assert_bytes(buf_bytes(&out), cases[i][0]);
        buf_fini(&out);
    }
}

static void base64_is_read_in_either_alphabet_and_strictly(void **state)
{
    static const struct {
        const char *text;
        const char *data; /* NULL: refused */
    } cases[] = {
        {"__77", "\xff\xfe\xfb"},
        {"Zg", "f"},
        {"Zm8", "fo"},
        {"Z", NULL},
        {"Zg=", NULL},
        {"Zm8==", NULL},
        {"Zh==", NULL}, /* bits an encoder leaves zero */
        {"Zm9=", NULL},
        {"Zg==Zg==", NULL},
        {"====", NULL},
        {"Z===", NULL},
        {"Zm9v\n", NULL},
        {"Zm 9", NULL},
        {"Zm9v=", NULL},
        {"=", NULL},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf out = {0};
        buf_add_str(&out, "before ");
        int rc = json_base64_read(bytes_str(cases[i].text), &out);
        assert_int_equal(rc, cases[i].data == NULL ? ERR_SYNTAX : 0);
        assert_bytes(bytes_skip(buf_bytes(&out), 7),
                     cases[i].data == NULL ? "" : cases[i].data);
        buf_fini(&out);
    }
}

static void base64_takes_no_more_room_than_it_needs(void **state)
{
    struct buf out = {.max = 4};
    (void)state;

    assert_int_equal(json_base64_read(BYTES("Zm9vYg=="), &out), 0);
    assert_int_equal(json_base64_read(BYTES("Zg=="), &out), ERR_NOMEM);
    assert_true(out.failed);
    assert_bytes(buf_bytes(&out), "foob");
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strings_are_escaped_where_json_and_html_need_it),
        cmocka_unit_test(an_escape_is_found_wherever_it_stands),
        cmocka_unit_test(names_take_their_comma),
        cmocka_unit_test(base64_matches_the_vectors_of_the_specification),
        cmocka_unit_test(base64_is_read_in_either_alphabet_and_strictly),
        cmocka_unit_test(base64_takes_no_more_room_than_it_needs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
