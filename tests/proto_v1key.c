/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/test.h"

#include "proto/err.h"
#include "proto/json.h"
#include "proto/v1key.h"

/* What comes of this JSON in base64. */
static int read_json(const char *json, struct buf *token)
{
    struct buf text = {0};

    json_base64(&text, bytes_str(json));
    int rc = v1key_read(buf_bytes(&text), token);
    buf_fini(&text);
    return rc;
}

static void its_clients_read_what_is_written(void **state)
{
    struct buf text = {0};
    struct buf token = {0};
    (void)state;

    v1key_write(BYTES("eu.example:7400"), BYTES("a.b.c"), &text);
    assert_bytes(buf_bytes(&text),
                 "eyJlbmRwb2ludCI6ImV1LmV4YW1wbGU6NzQwMCIsImFwaV9rZXkiOiJhLmIu"
                 "YyJ9");
    assert_int_equal(v1key_read(buf_bytes(&text), &token), 0);
    assert_bytes(buf_bytes(&token), "a.b.c");
    buf_fini(&text);
    buf_fini(&token);
}

static void an_endpoint_is_what_names_go_before(void **state)
{
    static const struct {
        const char *url, *endpoint;
    } cases[] = {
        {"http://127.0.0.1:7400", "127.0.0.1:7400"},
        {"https://eu.example:443/x/y?z", "eu.example:443"},
        {"eu.example", "eu.example"},
        {"http://[::1]:7400/", "[::1]:7400"},
        {"", ""},
        {"http://", ""},
        {"http:///x", ""},
        {"http://user@eu.example", ""},
        {"eu.example?x", ""},
        {"eu example", ""},
        {"eu.\xc3\xa9xample", ""},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct bytes endpoint = v1key_endpoint(bytes_str(cases[i].url));
        if (!bytes_eq(endpoint, bytes_str(cases[i].endpoint))) {
            fail_msg("case %zu", i);
        }
    }
}

static void what_is_none_is_no_credential(void **state)
{
    static const struct {
        const char *json;
        int rc;
    } cases[] = {
        {"{\"api_key\":\"a.b.c\"}", 0},
        {"{\"api_key\":\"a.b.c\",\"endpoint\":7,\"more\":[]}", 0},
        {"{\"endpoint\":\"e\"}", ERR_UNAUTH},
        {"{\"api_key\":\"\"}", ERR_UNAUTH},
        {"{\"api_key\":null}", ERR_UNAUTH},
        {"{\"api_key\":[\"a.b.c\"]}", ERR_UNAUTH},
        {"{\"api_key\":\"a\\u0000b\"}", ERR_UNAUTH},
        {"{\"api_key\":\"a\",\"api_key\":\"b\"}", ERR_UNAUTH},
        {"{\"api_key\":\"a\"} x", ERR_UNAUTH},
        {"{\"api_key\":\"a\"", ERR_UNAUTH},
        {"[\"api_key\"]", ERR_UNAUTH},
        {"\"api_key\"", ERR_UNAUTH},
        {"", ERR_UNAUTH},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf token = {0};
        if (read_json(cases[i].json, &token) != cases[i].rc ||
            (cases[i].rc != 0) != (token.len == 0)) {
            fail_msg("case %zu", i);
        }
        buf_fini(&token);
    }
}

static void another_text_is_none(void **state)
{
    static const char *const texts[] = {
        "", "=", "e30", "a b", "{}", "e30=e30=", "eyJhcGlfa2V5IjoiYSJ9!"};
    struct buf token = {0};
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        assert_int_equal(v1key_read(bytes_str(texts[i]), &token), ERR_UNAUTH);
    }
    assert_int_equal(token.len, 0);
    buf_fini(&token);
}

/* The longest token fits, in the longest form; more is not looked at. */
static void its_length_is_bounded(void **state)
{
    static char endpoint[V1KEY_ENDPOINT_LEN_MAX];
    static char long_token[TOKEN_LEN_MAX + 1];
    static char huge[V1KEY_LEN_MAX + 1];
    struct buf text = {0};
    struct buf token = {.max = TOKEN_LEN_MAX};
    (void)state;

    memset(endpoint, 'e', sizeof endpoint);
    memset(long_token, 't', sizeof long_token);
    v1key_write(bytes_of(endpoint, sizeof endpoint),
                bytes_of(long_token, TOKEN_LEN_MAX), &text);
    assert_true(text.len <= V1KEY_LEN_MAX);
    assert_int_equal(v1key_read(buf_bytes(&text), &token), 0);
    assert_int_equal(token.len, TOKEN_LEN_MAX);
    buf_reset(&text);
    buf_reset(&token);
    v1key_write(BYTES("e"), bytes_of(long_token, sizeof long_token), &text);
    assert_int_equal(v1key_read(buf_bytes(&text), &token), ERR_TOO_BIG);
    memset(huge, 'A', sizeof huge);
    assert_int_equal(v1key_read(bytes_of(huge, sizeof huge), &token),
                     ERR_TOO_BIG);
    buf_fini(&text);
    buf_fini(&token);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(its_clients_read_what_is_written),
        cmocka_unit_test(an_endpoint_is_what_names_go_before),
        cmocka_unit_test(what_is_none_is_no_credential),
        cmocka_unit_test(another_text_is_none),
        cmocka_unit_test(its_length_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
