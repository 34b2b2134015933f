/* SPDX-License-Identifier: Apache-2.0
 *
 * QR codes over HTTP: for whom, and of what.
 */
#include "tests/test.h"

#include "node/qr.h"
#include "tests/ask.h"

static struct core core;

static int setup(void **state)
{
    (void)state;
    fake_core_init(&core);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    core_fini(&core);
    return 0;
}

static struct fake_conn *post(const char *header, const char *body)
{
    const struct ask ask = {"POST", "/v1/qr", header, NULL, body};
    struct http_request request = ask_request(&ask);
    struct fake_conn *fake = fake_conn_new(&core);
    int err = request_admit(fake->conn.client, &request);

    if (err < 0) {
        request_error(fake->conn.client, &request, err);
    } else {
        ask_door_of(fake, &request);
    }
    fake_flush(&core);
    return fake;
}

static void post_is(const char *header, const char *body, unsigned status)
{
    struct fake_conn *fake = post(header, body);

    assert_int_equal(fake->status, status);
    fake_conn_free(fake);
}

static void a_text_becomes_a_picture(void **state)
{
    (void)state;
    struct fake_conn *fake = post(NULL, "http://127.0.0.1:7400/console");

    assert_int_equal(fake->status, 200);
    assert_true(ask_head_has(fake, "content-type: image/svg+xml\n"));
    assert_true(bytes_starts(fake_conn_out(fake), BYTES("<svg xmlns=")));
    assert_false(ask_out_has(fake, "console")); /* drawn, never written */
    fake_conn_free(fake);
}

static void its_text_is_bounded(void **state)
{
    static char text[QR_TEXT_MAX + 2];
    (void)state;

    post_is(NULL, "", 400);
    memset(text, 'x', QR_TEXT_MAX);
    post_is(NULL, text, 200);
    text[QR_TEXT_MAX] = 'x';
    post_is(NULL, text, 413);
}

static void any_token_that_holds_will_do(void **state)
{
    struct token token = {.subject = BYTES("ann"), .expires_at = 2000000000};
    struct buf header = {0};
    (void)state;

    fake_core_ask_tokens(&core);
    post_is(NULL, "x", 401);
    buf_add_str(&header, "Authorization: ");
    assert_int_equal(token_write(&core.auth.keys, &token, &header), 0);
    buf_add_u8(&header, '\0');
    post_is((const char *)header.p, "x", 200);
    core_turn(&core, 2000, 2000000000000);
    post_is((const char *)header.p, "x", 401);
    buf_fini(&header);
}

static void it_is_posted(void **state)
{
    (void)state;
    struct fake_conn *fake = ask_new(&core, &(struct ask){.target = "/v1/qr"});

    assert_int_equal(fake->status, 405);
    assert_true(ask_head_has(fake, "Allow: POST, OPTIONS\n"));
    fake_conn_free(fake);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(a_text_becomes_a_picture),
        T(its_text_is_bounded),
        T(any_token_that_holds_will_do),
        T(it_is_posted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
